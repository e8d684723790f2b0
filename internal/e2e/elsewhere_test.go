package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/emulator"
)

const elsewhere = "PasswordChangedElsewhere"

// longAgo has Secrets Manager's clock stand in the past: every password on the
// server is younger than the versions are.
func longAgo(o *emulator.Options) {
	o.Clock = emulator.NewManualClock(time.Now().Add(-time.Hour))
}

// Two secrets that rotate the same user break each other. The one that is about to
// do so says it.
func TestTwoSecretsForOneUserAreWarnedOf(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, withSecretsManager(longAgo))
		w.mustRotate()
		w.mustRotate() // the original is current again, the clone has had its turn
		first := w.app
		current, err := w.Current(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		w.store(current.Username(), current.Password().Reveal(), nil)
		w.mustRotate() // which sets the clone's password
		if strings.Contains(w.log(), elsewhere) {
			t.Errorf("it was warned of before there was a reason:\n%s", w.log())
		}
		w.app = first
		w.mustRotate()
		if log := w.log(); !strings.Contains(log, elsewhere) || !strings.Contains(log, "another secret for the same user") {
			t.Errorf("it was not warned of:\n%s", log)
		}
	})
}

// What this secret's own rotations have set is nobody else's, whatever the clocks
// say, whatever is repeated, and in every mode.
func TestOwnPasswordsAreNotWarnedOf(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		for _, mode := range []string{"merge", "mirror", "off"} {
			for name, options := range map[string][]option{
				"in time":                  nil,
				"the clocks are apart":     {withSecretsManager(longAgo)},
				"and each step runs twice": {withSecretsManager(longAgo), withIntercept(twice)},
			} {
				t.Run(mode+", "+name, func(t *testing.T) {
					w := newDeployment(t, on, append(options, withEnv("PRIVILEGE_SYNC="+mode))...)
					if mode == "off" {
						if err := w.CreateUser(t.Context(), w.clone(), "%", firstPassword); err != nil {
							t.Fatal(err)
						}
						w.execute("GRANT ALL PRIVILEGES ON " + w.database + ".* TO '" + w.clone() + "'@'%'")
					}
					for range 4 {
						w.mustRotate()
					}
					// A new host of the user whose turn is next is no reason either.
					w.addAccount("10.9.%")
					w.mustRotate()
					w.mustRotate()
					if strings.Contains(w.log(), elsewhere) {
						t.Errorf("it was warned of:\n%s", w.log())
					}
				})
			}
		}
	})
}

// A rotation that failed after the password, and is tried again, has set that
// password itself.
func TestTriedAgainIsNotWarnedOf(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		broken := true
		w := newDeployment(t, on, withSecretsManager(longAgo), withSecretsManager(func(o *emulator.Options) { o.Attempts = 2 }),
			withIntercept(func(_ context.Context, step string, invoke func() error) error {
				if step == "testSecret" && broken {
					broken = false
					return context.DeadlineExceeded
				}
				return invoke()
			}))
		for range 3 {
			broken = true
			w.mustRotate()
			if broken {
				t.Fatal("nothing failed")
			}
		}
		if strings.Contains(w.log(), elsewhere) {
			t.Errorf("it was warned of:\n%s", w.log())
		}
	})
}

// addAccount gives the original another host.
func (w *deployment) addAccount(host string) {
	w.t.Helper()
	if err := w.CreateUser(w.t.Context(), w.user, host, firstPassword); err != nil {
		w.t.Fatal(err)
	}
	w.execute("GRANT SELECT ON " + w.database + ".* TO '" + w.user + "'@'" + host + "'")
}
