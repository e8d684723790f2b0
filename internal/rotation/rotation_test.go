package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/rotation"
)

var steps = []rotation.Step{rotation.CreateSecret, rotation.SetSecret, rotation.TestSecret, rotation.FinishSecret}

// mutating reports what changes something.
func (w *memory) mutating() []string {
	return slices.DeleteFunc(slices.Clone(w.trace), func(done string) bool {
		return !strings.HasPrefix(done, "put") && !strings.HasPrefix(done, "apply") && !strings.HasPrefix(done, "move") && !strings.HasPrefix(done, "take")
	})
}

func TestEventIsRefusedBeforeAnyCall(t *testing.T) {
	for _, test := range []struct {
		event rotation.Event
		want  string
	}{
		{rotation.Event{SecretID: secretID, Token: token}, "Step"},
		{rotation.Event{Step: "deleteSecret", SecretID: secretID, Token: token}, "deleteSecret"},
		{rotation.Event{Step: rotation.SetSecret, Token: token}, "SecretId"},
		{rotation.Event{Step: rotation.SetSecret, SecretID: secretID}, "ClientRequestToken"},
		{rotation.Event{Step: rotation.SetSecret, SecretID: secretID + "\n", Token: token}, "SecretId"},
		{rotation.Event{Step: rotation.SetSecret, SecretID: secretID, Token: token + "é"}, "ClientRequestToken"},
		{rotation.Event{Step: rotation.SetSecret, SecretID: secretID, Token: token, RotationToken: redact.New("hunter2\x00")}, "RotationToken"},
	} {
		w := newMemory(t)
		rotator := rotation.Rotator{Secrets: fakeSecrets{w}, Database: fakeDatabase{w}}
		err := rotator.Rotate(t.Context(), test.event)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") || len(w.trace) > 0 {
			t.Errorf("%+v: error %v after %v", test.event, err, w.trace)
		}
	}
}

// The state rules of a rotation hold in every step.
func TestStates(t *testing.T) {
	no, yes := false, true
	for _, test := range []struct {
		name    string
		labels  map[string][]string
		enabled *bool
		want    string // in the error; none for "done already"
	}{
		{"no such version", map[string][]string{oldToken: {"AWSCURRENT"}}, nil, "has no version"},
		{"finished", map[string][]string{oldToken: {"AWSPREVIOUS"}, token: {"AWSCURRENT"}}, nil, ""},
		{"finished, AWSPENDING not yet taken off", map[string][]string{oldToken: {"AWSPREVIOUS"}, token: {"AWSPENDING", "AWSCURRENT"}}, nil, ""},
		{"finished, rotation since turned off", map[string][]string{oldToken: {"AWSPREVIOUS"}, token: {"AWSCURRENT"}}, &no, ""},
		{"overtaken", map[string][]string{oldToken: {"AWSCURRENT"}, token: {"AWSPREVIOUS"}, newToken: {"AWSPENDING"}}, &yes, "does not carry AWSPENDING"},
		{"rotation turned off", map[string][]string{oldToken: {"AWSCURRENT"}, token: {"AWSPENDING"}}, &no, "rotation is not enabled"},
	} {
		for _, step := range steps {
			t.Run(test.name+"/"+string(step), func(t *testing.T) {
				w := newMemory(t)
				w.labels, w.enabled = test.labels, test.enabled
				w.values[token] = document("app_clone", "pending password", nil)
				if test.want == "" {
					w.values[token] = document("app_clone", "new password", nil)
				}
				err := w.step(step)
				if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
					t.Errorf("error %v, want %q", err, test.want)
				}
				if changed := w.mutating(); len(changed) > 0 {
					t.Errorf("it changed something: %v", changed)
				}
			})
		}
	}
}

func TestRotation(t *testing.T) {
	w := newMemory(t)
	for _, step := range steps {
		if err := w.step(step); err != nil {
			t.Fatal(err)
		}
	}
	if got := (rotation.Labels{Stages: w.labels}).VersionWith("AWSCURRENT"); got != token {
		t.Errorf("AWSCURRENT is on %s", got)
	}
	if want := document("app_clone", "random password", nil); w.values[token] != want {
		t.Errorf("the pending document is %s, want %s", w.values[token], want)
	}
}

// setSecret's order is the one that is safe to die in.
func TestSetSecretOrder(t *testing.T) {
	w := newMemory(t)
	if err := w.step(rotation.CreateSecret); err != nil {
		t.Fatal(err)
	}
	w.trace = nil
	if err := w.step(rotation.SetSecret); err != nil {
		t.Fatal(err)
	}
	last := -1
	for _, what := range []string{"connect app", "connect admin", "lock", "describe", "users", "apply CREATE USER 'app_clone'@'%'", "apply ALTER USER 'app_clone'@'%'"} {
		at := w.position(what)
		if at <= last {
			t.Errorf("%s is number %d of %q", what, at, w.trace)
		}
		last = at
	}
	if !strings.HasSuffix(w.trace[len(w.trace)-1], "ACCOUNT UNLOCK") {
		t.Errorf("the password is not last: %q", w.trace)
	}
	if create := w.trace[w.position("apply CREATE")]; !strings.HasSuffix(create, "ACCOUNT LOCK") {
		t.Errorf("the clone is created open: %s", create)
	}
}

// An invocation that comes late, frozen or overtaken, sees that under the lock.
func TestLateSetSecretChangesNothing(t *testing.T) {
	for name, overtake := range map[string]func(*memory){
		"by a rotation with another token": func(w *memory) {
			w.labels = map[string][]string{oldToken: {"AWSPREVIOUS"}, token: nil, newToken: {"AWSCURRENT"}}
			delete(w.labels, token)
			w.values[newToken] = document("app_clone", "newer password", nil)
		},
		"by a rotation that has only begun": func(w *memory) {
			w.labels = map[string][]string{oldToken: {"AWSCURRENT"}, newToken: {"AWSPENDING"}}
		},
		"by somebody who moved AWSCURRENT": func(w *memory) {
			w.labels = map[string][]string{oldToken: {"AWSPREVIOUS"}, token: {"AWSPENDING"}, newToken: {"AWSCURRENT"}}
			w.values[newToken] = document("app_clone", "newer password", nil)
		},
		"by its own rotation": func(w *memory) {
			w.labels = map[string][]string{oldToken: {"AWSPREVIOUS"}, token: {"AWSCURRENT"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newMemory(t)
			w.values[token] = document("app_clone", "pending password", nil)
			w.before = func(what string) error {
				if what == "lock" {
					overtake(w)
				}
				return nil
			}
			err := w.step(rotation.SetSecret)
			if finished := name == "by its own rotation"; (err == nil) != finished {
				t.Errorf("error %v", err)
			}
			if changed := w.mutating(); len(changed) > 0 {
				t.Errorf("it changed something: %v", changed)
			}
		})
	}
}

// Promise 6: no proof, no change.
func TestSetSecretWithoutProof(t *testing.T) {
	for _, test := range []struct {
		name    string
		arrange func(*memory)
		want    string
	}{
		{"current does not log in", func(w *memory) {
			w.before = func(what string) error {
				if what == "connect app" {
					return errors.New("access denied")
				}
				return nil
			}
		}, "access denied"},
		{"two servers behind one name", func(w *memory) { w.identity = map[string]string{"admin": "another"} }, "two servers"},
		{"the lock is taken", func(w *memory) { w.locked = true }, "another rotation"},
		{"the server is read-only", func(w *memory) { w.readOnly = true }, "use the address of the writer"},
		{"the admin is elsewhere", func(w *memory) { w.admin = document("admin", "x", map[string]any{"host": "other.example"}) }, "other.example"},
		{"the admin is the clone", func(w *memory) { w.admin = document("app_clone", "x", nil) }, "one of the two users"},
		{"the admin has no address", func(w *memory) { w.admin = `{"username":"admin","password":"x"}` }, "only a username and a password"},
		{"current logs in as somebody else", func(w *memory) { w.matched = account.Name{User: "", Host: "localhost"} }, "not one of that user's accounts"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newMemory(t)
			w.values[token] = document("app_clone", "pending password", nil)
			test.arrange(w)
			err := w.step(rotation.SetSecret)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if changed := w.mutating(); len(changed) > 0 {
				t.Errorf("it changed something: %v", changed)
			}
		})
	}
}

// A rotation of another secret, the other way round, may have changed the current
// user's password between the proof and the lock.
func TestSetSecretProvesUnderTheLock(t *testing.T) {
	const known = "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19" // the password's that every account here has
	for name, test := range map[string]struct {
		changed time.Time
		current string
		refused bool
	}{
		"changed since":            {time.Now().Add(time.Minute), "old password", true},
		"set since, and the same":  {time.Now().Add(time.Minute), "password", false},
		"changed long ago":         {time.Now().Add(-time.Hour), "old password", false},
		"nobody knows when it was": {time.Time{}, "old password", false},
	} {
		w := newMemory(t)
		if !strings.Contains(rows("app", "ALTER").CreateUser[0].Reveal(), known) {
			t.Fatal("the accounts have another verifier")
		}
		w.values[oldToken] = document("app", test.current, nil)
		w.values[token] = document("app_clone", "pending password", nil)
		w.changed = map[string]time.Time{"app": test.changed}
		err := w.step(rotation.SetSecret)
		if refused := err != nil && strings.Contains(err.Error(), "has been changed since"); refused != test.refused || !refused && err != nil {
			t.Errorf("%s: error %v", name, err)
		}
		if test.refused && len(w.mutating()) > 0 {
			t.Errorf("%s: it changed something: %v", name, w.mutating())
		}
	}
}

// A host's letter case is nobody's difference.
func TestHostsCompareWithoutCase(t *testing.T) {
	w := newMemory(t)
	w.admin = document("admin", "x", map[string]any{"host": "DB.Example", "port": "3306"})
	w.values[token] = document("app_clone", "pending password", nil)
	if err := w.step(rotation.SetSecret); err != nil {
		t.Error(err)
	}
}

// A createSecret that loses a race accepts the value that won.
func TestCreateSecretLosesARace(t *testing.T) {
	for winner, want := range map[string]string{"app_clone": "", "app": "AWSPENDING was taken off"} {
		w := newMemory(t)
		w.before = func(what string) error {
			if strings.HasPrefix(what, "put") {
				w.values[token] = document(winner, "the winner's password", nil)
			}
			return nil
		}
		err := w.step(rotation.CreateSecret)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("winner for %s: error %v, want %q", winner, err, want)
		}
	}
}

// A value that is there is not made again: its password may be in force.
func TestCreateSecretKeepsTheValue(t *testing.T) {
	w := newMemory(t)
	w.values[token] = document("app_clone", "pending password", nil)
	if err := w.step(rotation.CreateSecret); err != nil || len(w.mutating()) > 0 {
		t.Errorf("error %v after %v", err, w.trace)
	}
}

// An answer to the label's move that was lost is no failure.
func TestFinishSecretLosesTheAnswer(t *testing.T) {
	w := newMemory(t)
	w.values[token] = document("app_clone", "pending password", nil)
	w.before = func(what string) error {
		if what != "move" {
			return nil
		}
		w.labels = map[string][]string{oldToken: {"AWSPREVIOUS"}, token: {"AWSPENDING", "AWSCURRENT"}}
		return errors.New("connection reset")
	}
	if err := w.step(rotation.FinishSecret); err != nil {
		t.Error(err)
	}
	w = newMemory(t)
	w.values[token] = document("app_clone", "pending password", nil)
	w.before = func(what string) error {
		if what == "move" {
			return errors.New("connection reset")
		}
		return nil
	}
	if err := w.step(rotation.FinishSecret); err == nil || !strings.Contains(err.Error(), "connection reset") {
		t.Errorf("error %v, want the move's", err)
	}
}

// What comes late sees under the lock that it does, and moves nothing: the pending
// user may have another token's password by then.
func TestLateFinishSecretMovesNothing(t *testing.T) {
	for _, at := range []string{"read", "connect", "lock"} {
		w := newMemory(t)
		w.values[token] = document("app_clone", "pending password", nil)
		w.before = func(what string) error {
			if strings.HasPrefix(what, at) {
				w.labels = map[string][]string{oldToken: {"AWSCURRENT"}, newToken: {"AWSPENDING"}}
			}
			return nil
		}
		err := w.step(rotation.FinishSecret)
		if err == nil || !strings.Contains(err.Error(), "has no version") || len(w.mutating()) > 0 {
			t.Errorf("overtaken at %s: error %v after %v", at, err, w.trace)
		}
	}
}

// The lock of a server that happens to be read-only is not the one that setSecret
// takes. Where the application's host is meant to be a reader it is.
func TestFinishSecretOnAReader(t *testing.T) {
	w := newMemory(t)
	w.values[token] = document("app_clone", "pending password", nil)
	w.readOnly = true
	err := w.step(rotation.FinishSecret)
	if err == nil || !strings.Contains(err.Error(), "use the address of the writer") || len(w.mutating()) > 0 || w.position("lock") >= 0 {
		t.Errorf("error %v after %v", err, w.trace)
	}
}

// Without the pending credentials' login, or the lock, the label stays.
func TestFinishSecretNeedsLoginAndLock(t *testing.T) {
	for want, arrange := range map[string]func(*memory){
		"access denied": func(w *memory) {
			w.before = func(what string) error {
				if what == "connect app_clone" {
					return errors.New("access denied")
				}
				return nil
			}
		},
		"another rotation": func(w *memory) { w.locked = true },
	} {
		w := newMemory(t)
		w.values[token] = document("app_clone", "pending password", nil)
		arrange(w)
		if err := w.step(rotation.FinishSecret); err == nil || !strings.Contains(err.Error(), want) || len(w.mutating()) > 0 {
			t.Errorf("error %v after %v, want %q", err, w.trace, want)
		}
	}
}

// An invocation that was frozen until its time was over does not move the label,
// though no timer has told it yet.
func TestFrozenFinishSecretMovesNothing(t *testing.T) {
	w := newMemory(t)
	w.values[token] = document("app_clone", "pending password", nil)
	rotator := rotation.Rotator{Secrets: fakeSecrets{w}, Database: fakeDatabase{w}, Log: slog.New(slog.DiscardHandler)}
	err := rotator.Rotate(frozen{t.Context()}, rotation.Event{Step: rotation.FinishSecret, SecretID: secretID, Token: token})
	if !errors.Is(err, context.DeadlineExceeded) || w.position("describe") < 0 || len(w.mutating()) > 0 {
		t.Errorf("error %v after %v", err, w.trace)
	}
}

// frozen is a context whose deadline is over and whose timer has not fired.
type frozen struct{ context.Context }

func (frozen) Deadline() (time.Time, bool) { return time.Now().Add(-time.Second), true }

func TestTestSecretComparesPrivileges(t *testing.T) {
	clone := account.Name{User: "app_clone", Host: "%"}
	for _, test := range []struct {
		name, privilege, want string
	}{
		{"equal", "ALTER", ""},
		{"less", "DROP", "ALTER ON `db`.*"},
		{"more", "ALTER, DROP", ""},
	} {
		w := newMemory(t)
		w.values[oldToken] = document("app", "old password", map[string]any{"dbname": "db"})
		w.values[token] = document("app_clone", "pending password", map[string]any{"dbname": "db"})
		w.accounts[clone] = rows("app_clone", test.privilege)
		err := w.step(rotation.TestSecret)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.want)
		}
		if w.position("use db") < 0 {
			t.Errorf("%s: the database was not opened: %v", test.name, w.trace)
		}
	}
}

// RotateImmediately=false: the pending version is a copy of the current one.
func TestTestSecretOnACopy(t *testing.T) {
	w := newMemory(t)
	w.values[token] = w.values[oldToken]
	if err := w.step(rotation.TestSecret); err != nil || w.position("connect app") < 0 {
		t.Errorf("error %v after %v", err, w.trace)
	}
}

// Whatever breaks when the time is up, the time is what the error speaks of.
func TestTimeIsUp(t *testing.T) {
	w := newMemory(t)
	w.values[token] = document("app_clone", "pending password", nil)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	w.before = func(string) error { return fmt.Errorf("asking: %w", ctx.Err()) }
	rotator := rotation.Rotator{Secrets: fakeSecrets{w}, Database: fakeDatabase{w}, Log: slog.New(slog.DiscardHandler)}
	err := rotator.Rotate(ctx, rotation.Event{Step: rotation.SetSecret, SecretID: secretID, Token: token})
	if err == nil || !strings.Contains(err.Error(), "out of time") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want one that says that the time was up", err)
	}
}

// A privilege on a column that was dropped can be granted to nobody: testSecret
// leaves it out. One on a column that is there is missing.
func TestGoneIsNoDifference(t *testing.T) {
	for _, gone := range []bool{true, false} {
		w := newMemory(t)
		w.values[token] = document("app_clone", "new password", nil)
		original, clone := account.Name{User: "app", Host: "%"}, account.Name{User: "app_clone", Host: "%"}
		w.accounts[clone] = rows("app_clone", "ALTER")
		more := w.accounts[original]
		more.Grants = append(more.Grants, redact.New("GRANT SELECT (`c`) ON `db`.`t` TO `app`@`%`"))
		w.accounts[original] = more
		if gone {
			w.gone = []string{"t.c"}
		}
		if err := w.step(rotation.TestSecret); (err == nil) != gone {
			t.Errorf("gone %v: error %v", gone, err)
		}
	}
}

// perhapsGone is an error that may tell of columns that cannot be used.
type perhapsGone struct{ error }

func (perhapsGone) Absence() (account.Absence, bool) { return account.PerhapsAbsentColumns, true }

// A GRANT on a column that fails for a reason that nobody knows is left out only where the
// column cannot be used; else its error is the step's.
func TestUnknownErrorOfAGrantOnAColumn(t *testing.T) {
	for _, gone := range []bool{true, false} {
		w := newMemory(t)
		w.values[token] = document("app_clone", "new password", nil)
		original, clone := account.Name{User: "app", Host: "%"}, account.Name{User: "app_clone", Host: "%"}
		w.accounts[clone] = rows("app_clone", "ALTER")
		more := w.accounts[original]
		more.Grants = append(more.Grants, redact.New("GRANT SELECT (`c`) ON `db`.`t` TO `app`@`%`"))
		w.accounts[original] = more
		if gone {
			w.gone = []string{"t.c"}
		}
		sent := 0
		w.before = func(what string) error {
			if !strings.Contains(what, "GRANT SELECT (`c`)") {
				return nil
			}
			if sent++; sent == 1 {
				return rotation.ErrOneOfSeveral
			}
			return perhapsGone{errors.New("the proxy is out of sorts")}
		}
		err := w.step(rotation.SetSecret)
		if sent != 2 || (err == nil) != gone || !gone && !strings.Contains(err.Error(), "out of sorts") {
			t.Errorf("gone %v, sent %d times: error %v", gone, sent, err)
		}
		if strings.Contains(w.log.String(), "ObjectGone") != gone {
			t.Errorf("gone %v: %s", gone, w.log.String())
		}
	}
}

// A server whose makers support it no more is warned of, once in a step.
func TestOldServer(t *testing.T) {
	for release, want := range map[string]int{"": 0, "10.4.34-MariaDB": 1, "5.7.44": 1} {
		w := newMemory(t)
		w.values[token] = document("app_clone", "pending password", nil)
		w.release = release
		_ = w.step(rotation.SetSecret) // a fake of MariaDB does not speak MySQL's dialect to the end
		if got := strings.Count(w.log.String(), `"type":"OldServer"`); got != want {
			t.Errorf("%q: %d warnings, want %d: %s", release, got, want, w.log.String())
		}
	}
}

// AWS's guide names the steps in two spellings.
func TestStepsInSnakeCase(t *testing.T) {
	w := newMemory(t)
	for _, step := range []rotation.Step{"create_secret", "set_secret", "test_secret", "finish_secret"} {
		if err := w.step(step); err != nil {
			t.Fatal(err)
		}
	}
	if got := (rotation.Labels{Stages: w.labels}).VersionWith("AWSCURRENT"); got != token {
		t.Errorf("AWSCURRENT is on %s", got)
	}
	if strings.Contains(w.log.String(), "_secret") || !strings.Contains(w.log.String(), `"step":"createSecret"`) {
		t.Errorf("the log names a step in another way: %s", w.log.String())
	}
}

// A field of any length is refused, in few words.
func TestLongEventIsRefused(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for name, event := range map[string]rotation.Event{
		"Step":               {Step: rotation.Step(long), SecretID: secretID, Token: token},
		"SecretId":           {Step: rotation.SetSecret, SecretID: long, Token: token},
		"ClientRequestToken": {Step: rotation.SetSecret, SecretID: secretID, Token: long},
		"RotationToken":      {Step: rotation.SetSecret, SecretID: secretID, Token: token, RotationToken: redact.New(long)},
	} {
		w := newMemory(t)
		rotator := rotation.Rotator{Secrets: fakeSecrets{w}, Database: fakeDatabase{w}, Log: slog.New(slog.NewJSONHandler(&w.log, nil))}
		err := rotator.Rotate(t.Context(), event)
		if err == nil || !strings.Contains(err.Error(), name) || len(err.Error())+w.log.Len() > 1000 || len(w.trace) > 0 {
			t.Errorf("%s: an error of %d bytes, a log of %d, after %v", name, len(err.Error()), w.log.Len(), w.trace)
		}
	}
}

// Whatever a value has in it, and however long it is, an error is a line.
func TestErrorIsOneLine(t *testing.T) {
	w := newMemory(t)
	w.before = func(what string) error {
		if what == "read admin" {
			return failure.New(failure.SecretsManagerFailed, "said\n\tby a service\u2028at length: "+strings.Repeat("x", 1<<20)+"\r\n")
		}
		return nil
	}
	if err := w.step(rotation.CreateSecret); err != nil {
		t.Fatal(err)
	}
	err := w.step(rotation.SetSecret)
	if err == nil || strings.ContainsAny(err.Error(), "\n\r\u2028\t") || len(err.Error()) > failure.MaxLine || failure.Of(err) != failure.SecretsManagerFailed {
		t.Errorf("%d bytes: %.300s", len(fmt.Sprint(err)), err)
	}
	if w.log.Len() > 2*failure.MaxLine {
		t.Errorf("the log has %d bytes", w.log.Len())
	}
}

// A host that means nothing is refused before AWSPENDING is written.
func TestHostIsRefusedByCreateSecret(t *testing.T) {
	w := newMemory(t)
	w.values[oldToken] = document("app", "old password", map[string]any{"host": "mysql://db.example"})
	if err := w.step(rotation.CreateSecret); failure.Of(err) != failure.SecretInvalid || len(w.mutating()) > 0 {
		t.Errorf("error %v after %v", err, w.trace)
	}
	w = newMemory(t)
	w.values[oldToken] = document("app", "old password", map[string]any{"host": "db.example:3306\n"})
	for _, step := range steps {
		if err := w.step(step); err != nil {
			t.Error(err)
		}
	}
	if want := document("app_clone", "random password", map[string]any{"host": "db.example:3306\n"}); w.values[token] != want {
		t.Errorf("the document is %s, want %s", w.values[token], want)
	}
}
