package e2e

import (
	"strings"
	"testing"

	"tandem/internal/local/dbserver"
	"tandem/internal/rotation"
	"tandem/internal/warning"
)

// With log_raw MySQL masks no password in its general log. A check says so, and a rotation
// before it sends one, also where the server then refuses it.
func TestLogRaw(t *testing.T) {
	servers.Only(dbserver.MySQL, "log_raw is a variable of MySQL's").Each(t, func(t *testing.T, on *dbserver.Server) {
		ways := map[string]func() *deployment{
			"two users":   func() *deployment { return newDeployment(t, on) },
			"single user": func() *deployment { return newDeployment(t, on, singleUser) },
			"single user without an admin": func() *deployment {
				w := newDeployment(t, on, singleUser)
				w.withoutAdmin()
				w.execute("GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO " + me(w.user))
				return w
			},
		}
		for way, deploy := range ways {
			t.Run(way, func(t *testing.T) {
				w := deploy()
				w.mayBeSeen = true
				w.mustRotate()
				w.mustRotate()
				if f := finding(t, w.check(), "plan"); f.Result != rotation.ResultOK || len(w.warnings(warning.ClearPasswordSent)) > 0 {
					t.Errorf("without log_raw, it warns: %+v", f)
				}
				w.execute("SET GLOBAL log_raw = ON")
				defer w.execute("SET GLOBAL log_raw = OFF")
				found := w.check()
				if f := finding(t, found, "plan"); !found.OK || f.Type != warning.ClearPasswordSent || !f.NoAlarm || !strings.Contains(f.Detail, "SET GLOBAL log_raw = OFF") {
					t.Errorf("with log_raw, the check says %v, and %+v", failing(found), f)
				}
				w.execute("SET GLOBAL authentication_policy = 'sha256_password'")
				err := w.rotate()
				w.execute("SET GLOBAL authentication_policy = DEFAULT")
				if err == nil || len(w.warnings(warning.ClearPasswordSent)) == 0 {
					t.Errorf("%v, without a warning before it", err)
				}
				w.abandon()
				warned := len(w.warnings(warning.ClearPasswordSent))
				kept := w.passwords
				w.mustRotate()
				if got := len(w.warnings(warning.ClearPasswordSent)) - warned; got != 1 {
					t.Errorf("%d warnings in a rotation, want 1", got)
				}
				if len(w.inLogs(kept)) == 0 {
					t.Error("no password is in the log: the warning is of nothing")
				}
			})
		}
	})
}
