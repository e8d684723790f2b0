package e2e

import (
	"context"
	"database/sql"
	"regexp"
	"strings"
	"testing"
	"time"

	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/local/sandbox"
	"tandem/internal/rotation"
)

func (w *deployment) holdLock(conn *sql.Conn) (connection string) {
	w.t.Helper()
	var got int
	if err := conn.QueryRowContext(w.t.Context(), "SELECT GET_LOCK(?, 0), CONNECTION_ID()", w.lockName()).Scan(&got, &connection); err != nil || got != 1 {
		w.t.Fatalf("taking the lock: %d, %v", got, err)
	}
	return connection
}

func (w *deployment) kill(text, connection string) {
	w.t.Helper()
	w.mustName(text, connection)
	w.execute(regexp.MustCompile(`KILL \d+`).FindString(text))
}

func TestLockHeldByAStranger(t *testing.T) {
	short := func(_ *deployment, o *sandbox.Options) { o.Timeout = 4 * time.Second }
	for _, step := range []string{"setSecret", "finishSecret"} {
		t.Run(step, func(t *testing.T) {
			servers.Each(t, func(t *testing.T, on *dbserver.Server) {
				var w *deployment
				var connection, stranger string
				w = newDeployment(t, on, short, withIntercept(func(_ context.Context, name string, invoke func() error) error {
					if name == step && connection == "" {
						connection = w.holdLock(w.as(stranger, strangersPassword, ""))
					}
					return invoke()
				}))
				stranger = w.stranger()
				err := w.rotate()
				if err == nil {
					t.Fatal("the rotation succeeded")
				}
				want, words := failure.LockHeldByAnotherProgram, []string{"'" + stranger + "'", "from host 'localhost'", "Sleep", connection}
				if step == "finishSecret" {
					want, words = failure.LockTimeout, []string{connection, "GRANT PROCESS"}
				}
				if got := errorType(err); got != want {
					t.Errorf("the type is %s, want %s: %v", got, want, err)
				}
				for _, word := range append(words, step) {
					if !strings.Contains(err.Error(), word) {
						t.Errorf("the error lacks %q: %v", word, err)
					}
				}
				f := finding(t, w.check(), "lock")
				if f.Result != rotation.ResultFailed || f.Type != string(failure.LockHeldByAnotherProgram) || !strings.Contains(f.Detail, stranger) {
					t.Errorf("the check of the lock is %+v", f)
				}
				w.kill(err.Error(), connection)
				w.mustName(f.Remedy, connection)
				w.mustRotateAgain()
				w.mustBe(w.clone())
				if f := finding(t, w.check(), "lock"); f.Result != rotation.ResultOK {
					t.Errorf("afterwards the check of the lock is %+v", f)
				}
			})
		})
	}
}

func (w *deployment) mustName(text, connection string) {
	w.t.Helper()
	if !strings.Contains(text, "KILL "+connection) || !strings.Contains(text, "CALL mysql.rds_kill("+connection+")") {
		w.t.Errorf("no statement that ends connection %s: %s", connection, text)
	}
}

func TestLockHeldByARotation(t *testing.T) {
	short := func(_ *deployment, o *sandbox.Options) { o.Timeout = 4 * time.Second }
	for program, want := range map[string]failure.Type{"tandem": failure.LockTimeout, "a shell": failure.LockHeldByAnotherProgram} {
		var flavor dbserver.Flavor
		if program != "tandem" {
			flavor = dbserver.MySQL
		}
		t.Run(program, func(t *testing.T) {
			servers.Only(flavor, "MariaDB's performance_schema is off unless it is asked for").Each(t, func(t *testing.T, on *dbserver.Server) {
				w := newDeployment(t, on, short)
				connection := w.holdLock(w.as(w.user, firstPassword, program))
				err := w.rotate()
				if err == nil || errorType(err) != want {
					t.Fatalf("want %s: %v", want, err)
				}
				result := rotation.ResultAttention
				if want != failure.LockTimeout {
					result = rotation.ResultFailed
				}
				if f := finding(t, w.check(), "lock"); f.Result != result || !strings.Contains(f.Detail, "'"+w.user+"'") {
					t.Errorf("the check of the lock is %+v", f)
				}
				w.kill(err.Error(), connection)
				w.mustRotateAgain()
			})
		})
	}
}

func TestLockHeldUnseen(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, func(_ *deployment, o *sandbox.Options) { o.Timeout = 4 * time.Second })
		if err := w.foreignDatabase(); err != nil {
			t.Fatal(err)
		}
		stranger := w.stranger()
		connection := w.holdLock(w.as(stranger, strangersPassword, ""))
		err := w.rotate()
		if err == nil || errorType(err) != failure.LockTimeout || !strings.Contains(err.Error(), "GRANT PROCESS ON *.*") {
			t.Fatalf("want %s: %v", failure.LockTimeout, err)
		}
		if on.Flavor == dbserver.MySQL { // which has another table, for those who may read it
			w.execute("GRANT SELECT ON performance_schema.* TO 'admin'@'%'")
			if f := finding(t, w.check(), "lock"); f.Type != string(failure.LockHeldByAnotherProgram) || !strings.Contains(f.Detail, stranger) {
				t.Errorf("the check of the lock is %+v", f)
			}
		}
		w.kill(err.Error(), connection)
		w.mustRotateAgain()
	})
}
