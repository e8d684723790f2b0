package e2e

import (
	"context"
	"encoding/json"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/local/leakscan"
	"tandem/internal/local/sandbox"
	"tandem/internal/redact"
	"tandem/internal/rotation"
	"tandem/internal/warning"
)

// connections are strings for the deployment's user, in which their owner has put the
// credentials, and a copy of the password that no form explains.
func (w *deployment) connections() map[string]any {
	address := net.JoinHostPort(w.Server.Host, strconv.Itoa(w.Server.Port))
	config := mysql.NewConfig()
	config.User, config.Passwd, config.Net, config.Addr, config.DBName, config.TLSConfig = w.user, firstPassword, "tcp", address, w.database, "preferred"
	primary := url.URL{Scheme: "mysql", User: url.UserPassword(w.user, firstPassword), Host: address, Path: "/" + w.database}
	return map[string]any{
		"dsn": config.FormatDSN(), "urls": []any{map[string]any{"primary": primary.String()}},
		"jdbc":  "jdbc:mysql://" + address + "/" + w.database + "?" + url.Values{"user": {w.user}, "password": {firstPassword}}.Encode(),
		"maria": "jdbc:mariadb://" + address + "/" + w.database + "?user=" + w.user + "&password=" + firstPassword,
		"note":  "mysql -p'" + firstPassword + "'",
	}
}

// logins are how applications log in that take their credentials from a connection string
// of a version, each read as they do.
func (w *deployment) logins(stage string) map[string]*mysql.Config {
	w.t.Helper()
	var document struct {
		DSN, JDBC, Maria string
		URLs             []struct{ Primary string }
	}
	if err := json.Unmarshal([]byte(w.value(stage)), &document); err != nil {
		w.t.Fatal(err)
	}
	dsn, err := mysql.ParseDSN(document.DSN)
	if err != nil {
		w.t.Fatal("the DSN is not read any more") // the error may quote it
	}
	dsn.Logger = &mysql.NopLogger{}
	primary, err := url.Parse(document.URLs[0].Primary)
	if err != nil {
		w.t.Fatal("the URL is not read any more")
	}
	jdbc, err := url.Parse(document.JDBC[strings.Index(document.JDBC, "//"):])
	if err != nil {
		w.t.Fatal("the URL of JDBC is not read any more")
	}
	password, _ := primary.User.Password()
	maria, undecoded, _ := strings.Cut(strings.TrimPrefix(document.Maria, "jdbc:mariadb://"), "?")
	host, database, _ := strings.Cut(maria, "/")
	// As Connector/J does: net/url takes no semicolon. MariaDB's decodes nothing.
	asTheyStand, parameters := map[string]string{}, map[string]string{}
	for pair := range strings.SplitSeq(undecoded, "&") {
		key, value, _ := strings.Cut(pair, "=")
		asTheyStand[key] = value
	}
	for pair := range strings.SplitSeq(jdbc.RawQuery, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if parameters[key], err = url.QueryUnescape(value); err != nil {
			w.t.Fatal("a parameter of JDBC is not read any more")
		}
	}
	return map[string]*mysql.Config{
		"dsn":   dsn,
		"urls":  w.login(primary.Host, primary.User.Username(), password, primary.Path),
		"jdbc":  w.login(jdbc.Host, parameters["user"], parameters["password"], jdbc.Path),
		"maria": w.login(host, asTheyStand["user"], asTheyStand["password"], database),
	}
}

func (w *deployment) login(address, username, password, path string) *mysql.Config {
	config := w.Server.Config()
	config.Addr, config.User, config.Passwd, config.DBName = address, username, password, strings.TrimPrefix(path, "/")
	return config
}

// warned are the keys of each warning of a password that was left.
func (w *deployment) warned() (keys [][]string) {
	for line := range strings.Lines(w.log()) {
		var entry struct {
			Type, Step string
			Keys       []string
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Type == warning.OldPasswordLeft {
			keys = append(keys, append([]string{entry.Step}, entry.Keys...))
		}
	}
	return keys
}

// An application logs in by a connection string of the secret as by username and
// password: that under AWSCURRENT before, during and after each rotation, whatever
// characters the password has, and that under AWSPREVIOUS until the next. A copy of the
// password that is left is named, once, and nothing tells a password.
func TestConnectionStringsAreRenewed(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		kept := leakscan.Secrets{}
		kept.Add("password", firstPassword)
		var w *deployment
		check := func(when string, stages ...string) {
			for _, stage := range stages {
				for name, config := range w.logins(stage) {
					if !mayLogIn(t, config) {
						t.Errorf("%s: no login by %s of %s", when, name, stage)
					}
				}
			}
			w.keep(kept)
		}
		w = newDeployment(t, on, withEnv("EXCLUDE_CHARACTERS="), withIntercept(func(_ context.Context, step string, invoke func() error) error {
			check("before "+step, rotation.Current)
			err := invoke()
			check("after "+step, rotation.Current)
			return err
		}))
		w.store(w.user, firstPassword, w.connections())
		note := w.connections()["note"].(string)
		if f := finding(t, w.check(), "secret"); f.Type != warning.OldPasswordLeft || !strings.Contains(f.Detail, "dsn, jdbc, maria, urls[0].primary; its password is made without the characters that cannot be written in maria: &") || !strings.Contains(f.Detail, ": note") {
			t.Errorf("the check says %+v", f)
		}
		for turn := range 3 {
			w.mustRotate()
			w.mustBe([]string{w.clone(), w.user}[turn%2])
			check("after the rotation", rotation.Current, "AWSPREVIOUS")
			if !strings.Contains(w.value(rotation.Current), note) {
				t.Error("what is no connection string has changed")
			}
		}
		if diff := cmp.Diff([][]string{{"createSecret", "note"}}, w.warned()); diff != "" {
			t.Errorf("warnings (-want +got):\n%s", diff)
		}
		if found := kept.Found(w.log() + strings.Join(w.said, "\n")); found != nil {
			t.Errorf("the function shows %v", found)
		}
	})
}

// With keep a rotation leaves connection strings alone, as AWS's function does: then an
// application that uses one cannot log in after the second.
func TestConnectionStringsAreKept(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, withEnv("CONNECTION_STRINGS=keep"))
		w.store(w.user, firstPassword, w.connections())
		for turn := range 2 {
			w.mustRotate()
			for name, config := range w.logins(rotation.Current) {
				if config.User != w.user || config.Passwd != firstPassword || mayLogIn(t, config) != (turn == 0) {
					t.Errorf("%s has changed, or the password has not", name)
				}
			}
		}
		if keys := w.warned(); len(keys) > 0 {
			t.Errorf("it warns of %v", keys)
		}
	})
}

// Promise 7: an edit within a connection string survives.
func TestEditOfAConnectionString(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		var w *deployment
		edited := false
		w = newDeployment(t, on, withIntercept(func(_ context.Context, step string, invoke func() error) error {
			if step == "testSecret" && !edited {
				edited = true
				w.moveCurrent(w.app, w.putUnder("NEXT", strings.Replace(w.value(rotation.Current), "jdbc:mysql:", "jdbc:mysql:loadbalance:", 1)))
			}
			return invoke()
		}))
		w.store(w.user, firstPassword, w.connections())
		w.mustFail(`in more than the credentials, in "jdbc"`)
		w.mustRotate()
		w.mustLogInByStrings(w.clone())
		if !strings.Contains(w.value(rotation.Current), "jdbc:mysql:loadbalance:") {
			t.Error("the edit is gone")
		}
	})
}

// A rotation that was begun with CONNECTION_STRINGS=keep, or by a version of the function
// that knew none, is given up. The next one renews them.
func TestConnectionStringsOfAnotherSetting(t *testing.T) {
	const said = "was made with CONNECTION_STRINGS=keep, which is renew now"
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.store(w.user, firstPassword, w.connections())
		w.mustRotate()
		current, err := w.Current(t.Context(), w.app)
		if err != nil {
			t.Fatal(err)
		}
		pending, err := current.WithCredentials(w.user, redact.New(sandbox.NewPassword()))
		if err != nil {
			t.Fatal(err)
		}
		w.putUnder("AWSPENDING", pending.Raw().Reveal())
		if f := finding(t, w.check(), "rotation"); f.Type != string(failure.PendingSecretMismatch) || !strings.Contains(f.Detail, said) {
			t.Errorf("the check says %+v", f)
		}
		if _, err := w.Rotate(t.Context(), w.app); err == nil || !strings.Contains(err.Error(), "reattempted") {
			t.Fatalf("rotating with AWSPENDING on another version: %v", err)
		}
		outcome, err := w.Service.WaitRotation(t.Context(), w.app)
		if err != nil || outcome.Err == nil || !strings.Contains(outcome.Err.Error(), said) {
			t.Errorf("the rotation ended with %v, %v", outcome.Err, err)
		}
		w.mustRotate()
		w.mustLogInByStrings(w.user)
	})
}

// mustLogInByStrings wants each connection string under AWSCURRENT to be of a user, and to
// log in.
func (w *deployment) mustLogInByStrings(user string) {
	w.t.Helper()
	for name, config := range w.logins(rotation.Current) {
		if config.User != user || !mayLogIn(w.t, config) {
			w.t.Errorf("no login as %s by %s", user, name)
		}
	}
}

// putUnder stores a version of the application's secret under a label, and returns its ID.
func (w *deployment) putUnder(label, text string) (id string) {
	w.t.Helper()
	id = sandbox.Token()
	if _, err := w.Secrets.PutSecretValue(w.t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: aws.String(w.app), SecretString: aws.String(text), ClientRequestToken: aws.String(id), VersionStages: []string{label},
	}); err != nil {
		w.t.Fatal(err)
	}
	return id
}
