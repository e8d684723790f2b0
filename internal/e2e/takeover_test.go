package e2e

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/redact"
)

func TestSecretOfAnotherClone(t *testing.T) {
	for _, mode := range []string{"merge", "mirror", "off"} {
		for _, remedy := range []string{"the original's credentials stored", "the clone made equal"} {
			t.Run(mode+", "+remedy, func(t *testing.T) {
				servers.Each(t, func(t *testing.T, on *dbserver.Server) {
					w := newDeployment(t, on, withEnv("PRIVILEGE_SYNC="+mode))
					if err := w.CreateUser(t.Context(), w.clone(), "%", "The clone's 1st"); err != nil {
						t.Fatal(err)
					}
					w.execute("GRANT ALL PRIVILEGES ON "+w.database+".* TO '"+w.clone()+"'@'%'", "GRANT PROCESS ON *.* TO '"+w.user+"'@'%'")
					w.store(w.clone(), "The clone's 1st", nil)
					before := w.others()
					err := w.rotate()
					if err == nil || errorType(err) != failure.OriginalNotOfSecret || !strings.Contains(err.Error(), "PROCESS ON *.*") {
						t.Fatalf("want %s: %v", failure.OriginalNotOfSecret, err)
					}
					config := on.Config()
					config.User, config.Passwd = w.user, firstPassword
					if !mayLogIn(t, config) || len(w.statements()) > 0 || strings.Join(before, "") != strings.Join(w.others(), "") {
						t.Error("something was changed")
					}
					if f := finding(t, w.check(), "accounts"); f.Type != string(failure.OriginalNotOfSecret) || f.Remedy == "" {
						t.Errorf("the check is %+v", f)
					}
					if remedy == "the clone made equal" {
						w.execute("GRANT PROCESS ON *.* TO '" + w.clone() + "'@'%'")
						w.mustRotateAgain()
						w.mustBe(w.user)
						return
					}
					document, err := w.Current(t.Context(), w.app)
					if err != nil {
						t.Fatal(err)
					}
					stored, err := document.WithCredentials(w.user, redact.New(firstPassword))
					if err != nil {
						t.Fatal(err)
					}
					if _, err := w.Secrets.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String(w.app), SecretString: aws.String(stored.Raw().Reveal())}); err != nil {
						t.Fatal(err)
					}
					if w.nextTry() != nil { // which may have had to give up the rotation that was refused
						w.mustRotateAgain()
					}
					w.mustBe(w.clone())
					w.mustRotate()
					w.mustBe(w.user)
					delete(w.passwords, firstPassword) // which this test has stored
				})
			})
		}
	}
}

func TestSecretThatBeginsWithItsClone(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.mustRotate()
		document, err := w.Current(t.Context(), w.app)
		if err != nil {
			t.Fatal(err)
		}
		w.store(w.clone(), document.Password().Reveal(), nil)
		w.mustRotate()
		w.mustBe(w.user)
		// Of a secret that has named both, what the original gains meanwhile is no reason.
		w.mustRotate()
		w.execute("GRANT PROCESS ON *.* TO '" + w.user + "'@'%'")
		w.mustRotate()
		w.mustBe(w.user)
	})
}
