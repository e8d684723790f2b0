// Command floor makes the calls of Secrets Manager and the logins of a rotation, step by
// step, by the function's own clients, and nothing else: no function that keeps the
// promises does without them. What it stores as the new version is the document that
// there is, so that no user on the server changes.
package main

import (
	"context"
	"encoding/json"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"tandem/internal/awssdk"
	"tandem/internal/awssecrets"
	"tandem/internal/config"
	"tandem/internal/mysqldb"
	"tandem/internal/roots"
	"tandem/internal/rotation"
	"tandem/internal/secret"
)

func main() {
	settings, err := config.Load(os.LookupEnv)
	if err != nil {
		panic(err)
	}
	sdk, err := awssdk.Load(os.LookupEnv)
	if err != nil {
		panic(err)
	}
	authorities := new(roots.Roots)
	lambda.Start(handler{
		secrets:  awssecrets.New(sdk, authorities.System, settings.SecretsManagerEndpoint, settings.Password),
		database: &mysqldb.Database{Roots: authorities.For},
	})
}

type handler struct {
	secrets  *awssecrets.Client
	database *mysqldb.Database
}

// event is what of an invocation's event is needed.
type event struct {
	Step, SecretID, ClientRequestToken string
}

// Invoke implements lambda.Handler.
func (h handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, err
	}
	return nil, map[string]func(context.Context, event) error{
		"createSecret": h.create, "setSecret": h.set, "testSecret": h.test, "finishSecret": h.finish,
	}[e.Step](ctx, e)
}

func (h handler) create(ctx context.Context, e event) error {
	if _, err := h.secrets.Describe(ctx, e.SecretID); err != nil {
		return err
	}
	current, err := h.secrets.Current(ctx, e.SecretID)
	if err != nil {
		return err
	}
	_, _ = h.secrets.Version(ctx, e.SecretID, e.ClientRequestToken) // it has no value yet
	if _, err := h.secrets.RandomPassword(ctx); err != nil {
		return err
	}
	return h.secrets.PutPending(ctx, rotation.PendingVersion{SecretID: e.SecretID, VersionID: e.ClientRequestToken, Document: current.Document})
}

func (h handler) set(ctx context.Context, e event) error {
	pending, err := h.pending(ctx, e)
	if err != nil {
		return err
	}
	current, err := h.secrets.Current(ctx, e.SecretID)
	if err != nil {
		return err
	}
	var names struct{ MasterARN string }
	if err := json.Unmarshal([]byte(current.Document.Reveal()), &names); err != nil {
		return err
	}
	admin, err := h.secrets.Current(ctx, names.MasterARN)
	if err != nil {
		return err
	}
	if _, err := h.secrets.Describe(ctx, e.SecretID); err != nil {
		return err
	}
	return h.logIn(ctx, pending, admin)
}

func (h handler) test(ctx context.Context, e event) error {
	pending, err := h.pending(ctx, e)
	if err != nil {
		return err
	}
	current, err := h.secrets.Current(ctx, e.SecretID)
	if err != nil {
		return err
	}
	return h.logIn(ctx, pending, current)
}

func (h handler) finish(ctx context.Context, e event) error {
	pending, err := h.pending(ctx, e)
	if err != nil {
		return err
	}
	if err := h.logIn(ctx, pending); err != nil {
		return err
	}
	if _, err := h.secrets.Describe(ctx, e.SecretID); err != nil {
		return err
	}
	current, err := h.secrets.Current(ctx, e.SecretID)
	if err != nil {
		return err
	}
	return h.secrets.MoveCurrent(ctx, e.SecretID, e.ClientRequestToken, current.ID)
}

func (h handler) pending(ctx context.Context, e event) (rotation.Version, error) {
	return h.secrets.Version(ctx, e.SecretID, e.ClientRequestToken)
}

// logIn logs in with each document's credentials.
func (h handler) logIn(ctx context.Context, versions ...rotation.Version) error {
	for _, version := range versions {
		d, err := secret.Parse(version.Document)
		if err != nil {
			return err
		}
		session, err := h.database.Connect(ctx, rotation.Login{Host: d.Host(), Port: d.Port(), Username: d.Username(), Password: d.Password(), TLS: d.TLS()})
		if err != nil {
			return err
		}
		if err := session.Close(); err != nil {
			return err
		}
	}
	return nil
}
