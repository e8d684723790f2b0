package rotation_test

import (
	"strings"
	"testing"
	"time"

	"tandem/internal/failure"
	"tandem/internal/rotation"
)

// held is an error that knows who holds the lock.
type held struct{ rotation.LockHolder }

func (h held) Error() string               { return h.String() }
func (h held) Unwrap() error               { return rotation.ErrLockTaken }
func (h held) Holder() rotation.LockHolder { return h.LockHolder }

// Which sessions are called no rotation's: those that are certainly none.
func TestWhoHoldsTheLock(t *testing.T) {
	for _, test := range []struct {
		name   string
		holder rotation.LockHolder
		step   rotation.Step
		want   failure.Type
	}{
		{"gone", rotation.LockHolder{}, rotation.SetSecret, failure.LockTimeout},
		{"unseen", rotation.LockHolder{Connection: 7}, rotation.SetSecret, failure.LockTimeout},
		{"a stranger", rotation.LockHolder{Connection: 7, User: "stranger"}, rotation.SetSecret, failure.LockHeldByAnotherProgram},
		{"a stranger who says that he is one", rotation.LockHolder{Connection: 7, User: "stranger", Program: "tandem", ProgramKnown: true}, rotation.SetSecret, failure.LockHeldByAnotherProgram},
		{"the original", rotation.LockHolder{Connection: 7, User: "app"}, rotation.SetSecret, failure.LockTimeout},
		{"the clone", rotation.LockHolder{Connection: 7, User: "app_clone", Program: "tandem", ProgramKnown: true}, rotation.SetSecret, failure.LockTimeout},
		{"the clone, by hand", rotation.LockHolder{Connection: 7, User: "app_clone", Program: "mysql", ProgramKnown: true}, rotation.SetSecret, failure.LockHeldByAnotherProgram},
		{"the admin", rotation.LockHolder{Connection: 7, User: "admin"}, rotation.SetSecret, failure.LockTimeout},
		{"the admin's other user", rotation.LockHolder{Connection: 7, User: "admin_clone"}, rotation.SetSecret, failure.LockTimeout},
		{"the admin, seen in finishSecret", rotation.LockHolder{Connection: 7, User: "admin"}, rotation.FinishSecret, failure.LockTimeout},
		{"a stranger, seen in finishSecret", rotation.LockHolder{Connection: 7, User: "stranger"}, rotation.FinishSecret, failure.LockHeldByAnotherProgram},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newMemory(t)
			for _, step := range []rotation.Step{rotation.CreateSecret, rotation.SetSecret, rotation.TestSecret} {
				if step == test.step {
					break
				}
				if err := w.step(step); err != nil {
					t.Fatal(err)
				}
			}
			w.before = func(what string) error {
				if what == "lock" {
					return held{test.holder}
				}
				return nil
			}
			err := w.step(test.step)
			if err == nil || failure.Of(err) != test.want {
				t.Fatalf("want %s: %v", test.want, err)
			}
			if known := test.holder.Connection != 0; strings.Contains(err.Error(), "KILL 7, or on Amazon RDS CALL mysql.rds_kill(7)") != known {
				t.Errorf("what ends it: %v", err)
			}
		})
	}
}

// What is known of a holder is said in one line.
func TestLockHolderSays(t *testing.T) {
	text := rotation.LockHolder{Connection: 7, User: "o'app\n", Host: "10.0.0.9", Command: "Sleep", For: 75 * time.Second}.String()
	if want := `connection 7 holds it, of user 'o''app\n' from host '10.0.0.9', in the state "Sleep" for 1m15s`; text != want {
		t.Errorf("%s\nwant %s", text, want)
	}
}
