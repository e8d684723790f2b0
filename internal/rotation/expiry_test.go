package rotation_test

import (
	"context"
	"testing"
	"time"

	"tandem/internal/metric"
	"tandem/internal/rotation"
	"tandem/internal/warning"
)

// certified has a server's certificate be this one.
type certified struct {
	rotation.Database
	certificate rotation.Certificate
}

func (c certified) Connect(ctx context.Context, login rotation.Login) (rotation.Session, error) {
	session, err := c.Database.Connect(ctx, login)
	return certifiedSession{session, c.certificate}, err
}

type certifiedSession struct {
	rotation.Session
	certificate rotation.Certificate
}

func (c certifiedSession) Facts() rotation.Facts {
	facts := c.Session.Facts()
	facts.Certificate = &c.certificate
	return facts
}

// A certificate is warned of 90 days before its end, and counted when it should have been
// renewed already: one that lives for 90 days is not counted all its life.
func TestCertificateIsCountedNearItsEnd(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Now()
	for _, test := range []struct {
		name            string
		lives, left     time.Duration
		rootLives, root time.Duration
		kind            string
		counted         float64
	}{
		{"far", 365 * day, 91 * day, 3650 * day, 3000 * day, "", 0},
		{"within 90 days", 365 * day, 60 * day, 3650 * day, 3000 * day, warning.CertificateExpires, 0},
		{"within 30 days", 365 * day, 29 * day, 3650 * day, 3000 * day, warning.CertificateExpires, 1},
		{"of 90 days, new", 90 * day, 89 * day, 3650 * day, 3000 * day, warning.CertificateExpires, 0},
		{"of 90 days, about to be renewed", 90 * day, 29 * day, 3650 * day, 3000 * day, warning.CertificateExpires, 0},
		{"of 90 days, not renewed", 90 * day, 17 * day, 3650 * day, 3000 * day, warning.CertificateExpires, 1},
		{"expired", 90 * day, -day, 3650 * day, 3000 * day, warning.CertificateExpires, 1},
		{"root within 90 days", 365 * day, 300 * day, 3650 * day, 60 * day, warning.RootExpires, 0},
		{"root within 30 days", 365 * day, 300 * day, 3650 * day, 29 * day, warning.RootExpires, 1},
		{"the certificate near, the root not", 365 * day, 29 * day, 3650 * day, 60 * day, warning.CertificateExpires, 1},
		{"the root near, the certificate not", 365 * day, 60 * day, 3650 * day, 29 * day, warning.RootExpires, 1},
	} {
		w := steady(t)
		r := w.rotator()
		r.Database = certified{r.Database, rotation.Certificate{
			NotAfter: now.Add(test.left), NotBefore: now.Add(test.left - test.lives), RootNotAfter: now.Add(test.root), RootNotBefore: now.Add(test.root - test.rootLives),
		}}
		answer, err := r.Inspect(t.Context(), rotation.Event{Step: rotation.Check, SecretID: secretID, Scheduled: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range answer.Checks {
			if f.Name == "server: TLS" && (f.Type != test.kind || f.NoAlarm != (test.kind != "" && test.counted == 0)) {
				t.Errorf("%s: %+v", test.name, f)
			}
		}
		if line := w.lines("check done")[0]; line[metric.ChecksAttention] != test.counted {
			t.Errorf("%s: %v", test.name, line)
		}
	}
}
