package e2e

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/sandbox"
	"tandem/internal/redact"
	"tandem/internal/secret"
)

// AWSPENDING on a version from which nothing can come is in the way of every
// rotation. The function takes it off, and nobody has to lend a hand.
func TestStaleRotationIsGivenUp(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.mustRotate()
		current, err := w.Current(t.Context(), w.app)
		if err != nil {
			t.Fatal(err)
		}
		// What a createSecret leaves that was given up and overtaken before it stored.
		late, err := current.WithCredentials(w.clone(), redact.New(sandbox.NewPassword()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Secrets.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String(w.app),
			ClientRequestToken: aws.String(sandbox.Token()), SecretString: aws.String(late.Raw().Reveal()), VersionStages: []string{"AWSPENDING"}}); err != nil {
			t.Fatal(err)
		}
		clone := oracle(t, on, w.Root, w.clone())

		if _, err := w.Rotate(t.Context(), w.app); err == nil || !strings.Contains(err.Error(), "reattempted") {
			t.Fatalf("rotating with AWSPENDING on another version: %v", err)
		}
		outcome, err := w.Service.WaitRotation(t.Context(), w.app)
		if err != nil || outcome.Err == nil || !strings.Contains(outcome.Err.Error(), "AWSPENDING was taken off version "+outcome.VersionID) {
			t.Errorf("the stale rotation ended with %v, %v", outcome.Err, err)
		}
		if now := oracle(t, on, w.Root, w.clone()); strings.Join(now, "\n") != strings.Join(clone, "\n") {
			t.Errorf("the current user has changed:\n%q\n%q", clone, now)
		}
		w.mustBe(secret.Clone(w.user))
		w.mustRotate()
		w.mustBe(w.user)
	})
}
