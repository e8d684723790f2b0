package rotation_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/rotation"
	"tandem/internal/warning"
)

// repairWorld is a single user's secret, whose login is refused at some hosts.
func repairWorld(t *testing.T, host, admin string, refusedAt ...string) *memory {
	w := newMemory(t)
	w.aws()
	w.single = &rotation.Settings{Strategy: rotation.SingleUser, Repair: rotation.Repair{Users: []string{"app"}}}
	w.values[oldToken] = document("app", "old password", map[string]any{"host": host})
	w.values[token] = document("app", "pending password", map[string]any{"host": host})
	w.admin = document("admin", "x", map[string]any{"host": admin})
	w.before = func(what string) error {
		if at, ok := strings.CutPrefix(what, "connect app at "); ok && slices.Contains(refusedAt, at) {
			w.trace = append(w.trace, "refused at "+at)
			return fmt.Errorf("error 1045: %w", rotation.ErrLoginRefused)
		}
		return nil
	}
	return w
}

// Where the password is changed at a writer, and the login is refused there, at the reader,
// or at both: the admin sets another at the writer, and holds the lock where finishSecret
// takes it.
func TestRepairAtTheWriter(t *testing.T) {
	const reader = "shop-read" + suffix
	for _, test := range []struct {
		name, host, admin string
		refusedAt         []string
		locks             []string
	}{
		{"at the one server", "shop" + suffix, "shop" + suffix, []string{"shop" + suffix}, []string{"shop" + suffix}},
		{"at the writer", reader, "shop" + suffix, []string{"shop" + suffix}, []string{"shop" + suffix, reader}},
		{"at the reader", reader, "shop" + suffix, []string{reader}, []string{"shop" + suffix, reader}},
		{"at both", reader, "shop" + suffix, []string{reader, "shop" + suffix}, []string{"shop" + suffix, reader}},
		{"at a reader endpoint's writer", readerHost, writerHost, []string{writerHost}, []string{writerHost}},
		{"at a reader endpoint", readerHost, writerHost, []string{readerHost}, []string{writerHost}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := repairWorld(t, test.host, test.admin, test.refusedAt...)
			if err := w.step(rotation.SetSecret); err != nil {
				t.Fatal(err)
			}
			var locked []string
			changed := -1
			for i, what := range w.trace {
				if at, ok := strings.CutPrefix(what, "lock at "); ok {
					locked = append(locked, at)
				}
				if strings.HasPrefix(what, "apply ALTER USER 'app'@'%'") {
					changed = i
				}
			}
			if !slices.Equal(locked, test.locks) || changed < w.position("lock at "+test.locks[len(test.locks)-1]) {
				t.Errorf("locked %q, want %q before the change: %q", locked, test.locks, w.trace)
			}
			log := w.log.String()
			if done, warned := strings.Index(log, "statement executed"), strings.Index(log, warning.RepairedWithAdmin); done < 0 || warned < done {
				t.Errorf("it does not warn after the change: %s", log)
			}
		})
	}
}

// MariaDB answers to a wrong password by the error of the plugin that it asks last, which may
// be one without a password: the user is repaired, and a check foretells it; and so is it
// looked for the admin's other versions.
func TestWrongPasswordByTheLastPlugin(t *testing.T) {
	w := repairWorld(t, "shop"+suffix, "shop"+suffix)
	w.before = func(what string) error {
		if what == "connect app at shop"+suffix {
			return rotation.ErrLastPluginRefused
		}
		return nil
	}
	w.accounts[accountName("admin")] = account.Rows{CreateUser: rows("admin", "ALTER").CreateUser, Grants: []redact.Secret{grantsAll}}
	for _, f := range inspected(t, w).Checks {
		repaired := f.Name == "current credentials" || f.Name == "plan"
		if repaired && (f.Result != rotation.ResultAttention || f.Type != warning.RepairedWithAdmin) || f.Result == rotation.ResultFailed {
			t.Errorf("the check says %+v", f)
		}
	}
	if err := w.step(rotation.SetSecret); err != nil || w.position("apply ALTER USER 'app'@'%'") < 0 {
		t.Errorf("error %v after %q", err, w.trace)
	}

	w = steady(t)
	w.labels[token] = []string{"AWSPENDING"}
	w.values[token] = document("app_clone", "new password", nil)
	w.values["admin's next"] = document("admin", "next", nil)
	refused := false
	w.before = func(what string) error {
		if what == "connect admin" && !refused {
			refused = true
			return rotation.ErrLastPluginRefused
		}
		return nil
	}
	r := w.rotator()
	r.Secrets = adminRotates{fakeSecrets{w}}
	if err := r.Rotate(t.Context(), rotation.Event{Step: rotation.SetSecret, SecretID: secretID, Token: token}); err != nil || !refused {
		t.Errorf("by another version of the admin secret: %v after %q", err, w.trace)
	}
}

// adminRotates are secrets of which the admin's is being rotated.
type adminRotates struct{ fakeSecrets }

func (a adminRotates) Describe(ctx context.Context, id string) (rotation.Labels, error) {
	labels, err := a.fakeSecrets.Describe(ctx, id)
	if id == adminID {
		labels.Stages["admin's next"] = []string{"AWSPENDING"}
	}
	return labels, err
}

// Without permission, and with somebody else's, it changes nothing, and says what would let it
// go on.
func TestNoRepairWithoutPermission(t *testing.T) {
	const reader = "shop-read" + suffix
	for _, allowed := range []rotation.Repair{{}, {Users: []string{"App", "app2"}}} {
		for _, refusedAt := range []string{reader, "shop" + suffix} {
			w := repairWorld(t, reader, "shop"+suffix, refusedAt)
			w.single.Repair = allowed
			err := w.step(rotation.SetSecret)
			if failure.Of(err) != failure.CurrentCredentialsRejected || !strings.Contains(err.Error(), "REPAIR_WITH_ADMIN") || !strings.Contains(failure.RemedyOf(err), `has to name "app"`) {
				t.Errorf("error %v, of which the remedy is %q", err, failure.RemedyOf(err))
			}
			if w.position("apply") >= 0 || strings.Contains(w.log.String(), warning.RepairedWithAdmin) {
				t.Errorf("it went on: %q", w.trace)
			}
		}
	}
}

// Two users are never repaired, and nobody's secret without an admin's word.
func TestNoRepairOfOthers(t *testing.T) {
	for name, change := range map[string]func(*memory){
		"two users": func(w *memory) {
			w.single.Strategy = rotation.AlternatingUsers
			w.values[token] = document("app_clone", "pending password", map[string]any{"host": "shop" + suffix})
		},
		"no admin": func(w *memory) {
			for _, id := range []string{oldToken, token} {
				w.values[id] = strings.Replace(w.values[id], `"masterarn":"`+adminID+`",`, "", 1)
			}
		},
		"its own admin": func(w *memory) {
			for _, id := range []string{oldToken, token} {
				w.values[id] = strings.Replace(w.values[id], adminID, secretID, 1)
			}
		},
		"an account without a name":              func(w *memory) { w.anonymous = account.Name{Host: "localhost"} },
		"it cannot be read whether there is one": func(w *memory) { w.unseen = failure.New(failure.StatementRefused, "denied") },
		"the admin's user":                       func(w *memory) { w.admin = document("app", "x", map[string]any{"host": "shop" + suffix}) },
		"a locked account": func(w *memory) {
			refused := w.before
			w.before = func(what string) error {
				if refused(what) != nil {
					return rotation.ErrAccountLocked
				}
				return nil
			}
		},
		"a connection that breaks": func(w *memory) {
			refused := w.before
			w.before = func(what string) error {
				if refused(what) != nil {
					return failure.New(failure.ConnectionLost, "lost")
				}
				return nil
			}
		},
	} {
		w := repairWorld(t, "shop"+suffix, "shop"+suffix, "shop"+suffix)
		change(w)
		if err := w.step(rotation.SetSecret); err == nil || w.position("apply") >= 0 || strings.Contains(w.log.String(), warning.RepairedWithAdmin) {
			t.Errorf("%s: error %v, and it did %q", name, err, w.trace)
		}
	}
}

// What cannot be read of the roles is no leave to go on.
func TestNoRepairWithoutTheRoles(t *testing.T) {
	w := repairWorld(t, "shop"+suffix, "shop"+suffix, "shop"+suffix)
	w.accounts[account.Name{User: "app", Host: "%"}] = withRole(rows("app", "ALTER"))
	if err := w.step(rotation.SetSecret); err == nil || !strings.Contains(err.Error(), "of which it is not known") || w.position("apply") >= 0 {
		t.Errorf("error %v, and it did %q", err, w.trace)
	}
	refused := w.before
	w.before = func(what string) error {
		if what == "grants of roles" {
			return failure.New(failure.ConnectionLost, "lost")
		}
		return refused(what)
	}
	if err := w.step(rotation.SetSecret); failure.Of(err) != failure.ConnectionLost || w.position("apply") >= 0 {
		t.Errorf("error %v, and it did %q", err, w.trace)
	}
}

func withRole(read account.Rows) account.Rows {
	read.Grants = append(read.Grants, redact.New("GRANT `r` TO `app`@`%`"))
	return read
}

// A check says that the next rotation would go on, or why it would not.
func TestCheckOfARepair(t *testing.T) {
	const reader = "shop-read" + suffix
	find := func(answer rotation.Inspection, name string) rotation.Finding {
		for _, f := range answer.Checks {
			if f.Name == name {
				return f
			}
		}
		t.Fatalf("no check %q", name)
		return rotation.Finding{}
	}
	for _, test := range []struct {
		host, refusedAt, at string // the check that meets the refusal
	}{
		{"shop" + suffix, "shop" + suffix, "current credentials"},
		{reader, reader, "current credentials"},
		{reader, "shop" + suffix, "server: identity"},
	} {
		w := repairWorld(t, test.host, "shop"+suffix, test.refusedAt)
		w.accounts[account.Name{User: "admin", Host: "%"}] = rows("admin", "ALTER")
		answer := inspected(t, w)
		if f := find(answer, test.at); f.Result != rotation.ResultAttention || f.Type != warning.RepairedWithAdmin || f.NoAlarm {
			t.Errorf("%+v: %+v", test, f)
		}
		if f := find(answer, "plan"); f.Result != rotation.ResultAttention || f.Type != warning.RepairedWithAdmin || len(f.List) != 1 {
			t.Errorf("%+v: %+v", test, f)
		}
		for _, f := range answer.Checks {
			if f.Result == rotation.ResultSkipped && f.Name != "server: TLS" { // which the fake has none of
				t.Errorf("%+v: %+v", test, f)
			}
		}

		w.single.Repair = rotation.Repair{}
		answer = inspected(t, w)
		if f := find(answer, test.at); f.Result != rotation.ResultFailed || f.Type != string(failure.CurrentCredentialsRejected) || !strings.Contains(f.Remedy, "REPAIR_WITH_ADMIN") {
			t.Errorf("%+v, without permission: %+v", test, f)
		}

		w.single.Repair.Everybody = true
		w.accounts[account.Name{User: "app", Host: "%"}] = withRole(rows("app", "ALTER"))
		answer = inspected(t, w)
		if f := find(answer, "accounts"); f.Result != rotation.ResultFailed || !strings.Contains(f.Detail, "of which it is not known") || !strings.Contains(f.Remedy, "run: ALTER USER") {
			t.Errorf("%+v, privileged: %+v", test, f)
		}
		if f := find(answer, test.at); f.Result != rotation.ResultFailed {
			t.Errorf("%+v, privileged: %+v", test, f)
		}
	}
}

func inspected(t *testing.T, w *memory) rotation.Inspection {
	t.Helper()
	answer, err := w.rotator().Inspect(t.Context(), rotation.Event{Step: rotation.Check, SecretID: secretID})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}
