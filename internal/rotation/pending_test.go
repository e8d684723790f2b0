package rotation_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/rotation"
)

// Promise 7: what the owner wrote survives. A version that differs from AWSCURRENT's
// in more than the two values would undo an edit, and be in the way of every other
// rotation for ever: whichever step finds it gives it up, and the next one finishes.
func TestEveryStepGivesUpWhatIsStale(t *testing.T) {
	pending := func(more map[string]any) string { return document("app_clone", "pending password", more) }
	for _, test := range []struct{ name, stale, said string }{
		{"for the current user", document("app", "pending password", nil), `username "app"`},
		{"for somebody else", document("other", "pending password", nil), `username "other"`},
		{"for another host", pending(map[string]any{"host": "other.example"}), `host "other.example"`},
		{"for another port", pending(map[string]any{"port": 3307}), `port "3307"`},
		{"for another engine", pending(map[string]any{"engine": "mysql"}), `engine "mysql"`},
		{"with a database", pending(map[string]any{"dbname": "typo"}), `in "dbname"`},
		{"without encryption", pending(map[string]any{"ssl": false}), `in "ssl"`},
		{"for another admin", pending(map[string]any{"masterarn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:no"}), `in "masterarn"`},
		{"without a key of its owner's", strings.Replace(pending(nil), "{", `{"note":"old",`, 1), `in "note"`},
		{"with another spelling", strings.Replace(pending(nil), ":", ": ", 1), "in its spelling"},
		{"with another spelling of the host", pending(map[string]any{"host": "DB.example"}), `host "DB.example"`},
		{"no document", "hunter2", "not valid JSON"},
	} {
		for _, step := range steps {
			t.Run(test.name+"/"+string(step), func(t *testing.T) {
				w := newMemory(t)
				w.values[token] = test.stale
				err := w.step(step)
				if !errors.Is(err, rotation.ErrStale) || !strings.Contains(err.Error(), "was taken off version "+token) ||
					!strings.Contains(err.Error(), test.said) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("error %v", err)
				}
				if changed := w.mutating(); len(changed) != 1 {
					t.Errorf("it has done %v", changed)
				}
				if carrier := (rotation.Labels{Stages: w.labels}).VersionWith("AWSPENDING"); carrier != "" {
					t.Errorf("AWSPENDING is on %s", carrier)
				}
				w.labels[newToken] = []string{"AWSPENDING"}
				for _, step := range steps {
					if err := w.stepOf(step, newToken); err != nil {
						t.Error(err)
					}
				}
				if want := document("app_clone", "random password", nil); w.values[newToken] != want {
					t.Errorf("the document is %s, want %s", w.values[newToken], want)
				}
			})
		}
	}
}

// An edit that names the other user makes that the current one: nothing of its is
// touched any more, whichever step the edit comes before.
func TestEditOfTheUsername(t *testing.T) {
	for _, step := range steps[1:] {
		w := newMemory(t)
		w.values[token] = document("app_clone", "pending password", nil)
		w.labels = map[string][]string{oldToken: {"AWSPREVIOUS"}, token: {"AWSPENDING"}, newToken: {"AWSCURRENT"}}
		w.values[newToken] = document("app_clone", "the owner's password", nil)
		if err := w.step(step); !errors.Is(err, rotation.ErrStale) || w.position("apply") >= 0 || w.position("move") >= 0 {
			t.Errorf("%s: error %v after %v", step, err, w.trace)
		}
	}
}

// An owner's edit right before any call of finishSecret survives: it is seen, or
// the label is not moved from the version that the edit has made.
func TestEditDuringFinishSecret(t *testing.T) {
	undisturbed := newMemory(t)
	undisturbed.values[token] = document("app_clone", "pending password", nil)
	if err := undisturbed.step(rotation.FinishSecret); err != nil || len(undisturbed.trace) < 6 {
		t.Fatalf("error %v after %v", err, undisturbed.trace)
	}
	for at := range undisturbed.trace {
		w := newMemory(t)
		w.values[token] = document("app_clone", "pending password", nil)
		seen := 0
		w.before = func(string) error {
			if seen == at {
				w.labels[oldToken], w.labels[newToken] = []string{"AWSPREVIOUS"}, []string{"AWSCURRENT"}
				w.values[newToken] = document("app", "old password", map[string]any{"dbname": "corrected"})
			}
			seen++
			return nil
		}
		err := w.step(rotation.FinishSecret)
		want := failure.PendingSecretMismatch
		if undisturbed.trace[at] == "move" {
			want = failure.RotationSuperseded
		}
		if failure.Of(err) != want || !slices.Contains(w.labels[newToken], "AWSCURRENT") {
			t.Errorf("edited before %q: error %v, labels %v", undisturbed.trace[at], err, w.labels)
		}
	}
}

// Another rotation can end between the two things that finishSecret reads under the lock,
// side by side, once the session that holds this is killed. A single user's document of
// another rotation is no other user's, so only its version tells.
func TestRotationThatEndsWhileFinishSecretReads(t *testing.T) {
	w := newMemory(t)
	w.values[token] = document("app", "pending password", nil)
	w.before = func(what string) error {
		if what == "read current" && slices.Equal(w.trace[max(0, len(w.trace)-2):], []string{"lock", "describe"}) {
			w.labels = map[string][]string{oldToken: {"AWSPREVIOUS"}, newToken: {"AWSCURRENT"}}
			w.values[newToken] = document("app", "another password", nil)
		}
		return nil
	}
	rotator := w.rotator()
	rotator.Settings.Strategy = rotation.SingleUser
	err := rotator.Rotate(t.Context(), rotation.Event{Step: rotation.FinishSecret, SecretID: secretID, Token: token})
	if failure.Of(err) != failure.RotationSuperseded || !slices.Equal(w.labels[newToken], []string{"AWSCURRENT"}) {
		t.Errorf("error %v, labels %v after %v", err, w.labels, w.trace)
	}
}

// What is not stale is not given up, and what has finished is not either, whenever
// the step finds out.
func TestCreateSecretGivesUpNothingElse(t *testing.T) {
	w := newMemory(t)
	w.values[token] = document("app_clone", "pending password", nil)
	w.before = func(what string) error {
		if what == "read current" { // right after the labels
			w.labels = map[string][]string{oldToken: {"AWSPREVIOUS"}, token: {"AWSCURRENT", "AWSPENDING"}}
		}
		return nil
	}
	if err := w.step(rotation.CreateSecret); err != nil || len(w.mutating()) > 0 {
		t.Errorf("finished meanwhile: error %v after %v", err, w.trace)
	}

	w = newMemory(t)
	w.values[token] = document("app", "pending password", nil)
	w.before = func(what string) error {
		if strings.HasPrefix(what, "take") { // another rotation has begun
			delete(w.labels, token)
			w.labels[newToken] = []string{"AWSPENDING"}
		}
		return nil
	}
	if err := w.step(rotation.CreateSecret); err == nil || !slices.Contains(w.labels[newToken], "AWSPENDING") {
		t.Errorf("overtaken meanwhile: error %v, labels %v", err, w.labels)
	}
}

// The test before the first rotation (RotateImmediately is false) runs on a copy
// of the current version, which is not given up.
func TestRehearsalIsNotGivenUp(t *testing.T) {
	w := newMemory(t)
	w.values[token] = w.values[oldToken]
	if err := w.step(rotation.TestSecret); err != nil || len(w.mutating()) > 0 {
		t.Errorf("error %v after %v", err, w.trace)
	}
}

// A step that comes late, with a document that does not agree any more, takes
// nothing from whoever has AWSPENDING by then.
func TestLateStepGivesNothingUp(t *testing.T) {
	for _, step := range steps[1:] {
		w := newMemory(t)
		w.values[token] = document("app_clone", "pending password", map[string]any{"dbname": "old"})
		w.values[newToken] = document("app_clone", "newer password", nil)
		w.labels = map[string][]string{oldToken: {"AWSCURRENT"}, newToken: {"AWSPENDING"}}
		if err := w.step(step); failure.Of(err) != failure.RotationNotInProgress || len(w.mutating()) > 0 {
			t.Errorf("%s: error %v after %v", step, err, w.trace)
		}
	}
}

// A pending password that the server refuses is given up, for no try could ever set
// it; one that an account has already, whatever the answer was, is not.
func TestRefusedPassword(t *testing.T) {
	clone := account.Name{User: "app_clone", Host: "%"}
	for _, set := range []bool{false, true} {
		w := newMemory(t)
		w.values[token] = document("app_clone", "password", nil) // the one that rows has the verifier of
		other := rows("app_clone", "ALTER")
		other.CreateUser[0] = redact.New(strings.Replace(other.CreateUser[0].Reveal(), "*2470C0C06D", "*1111111111", 1))
		w.accounts[clone] = other
		w.before = func(what string) error {
			if !strings.HasPrefix(what, "apply ALTER USER") {
				return nil
			}
			if set {
				w.accounts[clone] = rows("app_clone", "ALTER")
			}
			return failure.New(failure.PasswordRefused, "not by my rules")
		}
		err := w.step(rotation.SetSecret)
		givenUp := (rotation.Labels{Stages: w.labels}).VersionWith("AWSPENDING") == ""
		if failure.Of(err) != failure.PasswordRefused || givenUp == set || strings.Contains(err.Error(), "was taken off") == set {
			t.Errorf("set %v: given up %v, error %v after %v", set, givenUp, err, w.trace)
		}
	}
}

// Where the strategy was changed in the middle of a rotation of a single user, AWSPENDING is
// not taken off its version as long as that may have the only password in force.
func TestOtherStrategyKeepsTheOnlyPassword(t *testing.T) {
	const inForce, neither, unreachable = "pending in force", "neither", "unreachable"
	for _, test := range []string{inForce, neither, unreachable} {
		for _, step := range steps {
			w := newMemory(t)
			w.values[token] = document("app", "pending password", nil)
			refused := false
			w.refuses = func(login rotation.Login) bool {
				refused = refused || login.Username == "app"
				return login.Username == "app" && (test == neither || login.Password.Reveal() == "old password")
			}
			w.before = func(what string) error {
				if test == unreachable && what == "connect app" {
					return failure.New(failure.ServerUnreachable, "no route to it")
				}
				return nil
			}
			err := w.step(step)
			if test == neither && step == rotation.FinishSecret {
				continue // which logs in first, and does not come to the document
			}
			if test == unreachable && step == rotation.FinishSecret {
				continue
			}
			kept := slices.Contains(w.labels[token], "AWSPENDING")
			if err == nil || kept != (test != neither) || !strings.Contains(err.Error(), "ROTATION_STRATEGY=single-user") {
				t.Errorf("%s, %s: labels %v, error %v", test, step, w.labels, err)
			}
			if want := failure.CurrentCredentialsRejected; test == inForce && (failure.Of(err) != want || !strings.Contains(failure.RemedyOf(err), "set ROTATION_STRATEGY=single-user again")) {
				t.Errorf("%s, %s: error %v", test, step, err)
			}
		}
	}
}
