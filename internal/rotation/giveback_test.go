package rotation_test

import (
	"slices"
	"strings"
	"testing"

	"tandem/internal/failure"
	"tandem/internal/rotation"
)

// Where the server keeps two passwords too, a rotation that is given up sets the one under
// AWSCURRENT again before AWSPENDING is taken off, if the pending one alone is in force; and
// the check before it has said so.
func TestGiveBackWhereTheServerKeepsTwo(t *testing.T) {
	for _, repair := range []bool{false, true} {
		for _, own := range []bool{false, true} {
			w := newMemory(t)
			w.single = &rotation.Settings{Strategy: rotation.SingleUser, Repair: rotation.Repair{Everybody: repair}}
			more := map[string]any{}
			if own {
				more["masterarn"] = nil
			}
			w.values[oldToken], w.values[token] = document("app", "old password", more), document("app", "pending password", more)
			more["note"] = "edited"
			w.values[newToken] = document("app", "old password", more)
			w.labels[oldToken], w.labels[newToken] = []string{"AWSPREVIOUS"}, []string{"AWSCURRENT"}
			w.accounts[accountName("app")] = nativeRows("app", "pending password")
			w.accounts[accountName("admin")] = rows("admin", "ALTER")
			w.refuses = func(login rotation.Login) bool {
				return login.Password.Reveal() == "old password" && w.position("apply ALTER USER") < 0
			}
			foretold := ""
			for _, f := range inspected(t, w).Checks {
				if f.Name == "plan" {
					foretold = strings.Join(f.List, "; ")
				}
			}
			err := w.step(rotation.SetSecret)
			if !slices.Contains(w.trace, "apply "+foretold) || err == nil || len(w.labels[token]) > 0 {
				t.Errorf("repair %v, own %v: the check foretells %q; %v, %v, after %q", repair, own, foretold, err, w.labels, w.trace)
			}
		}
	}
}

// The same is so of two users, where somebody has moved AWSCURRENT back to an older version
// of the pending user's. Nobody has changed the strategy then, and what is said does not
// take that for granted.
func TestPendingAloneOfTwoUsers(t *testing.T) {
	w := newMemory(t)
	w.values[oldToken], w.values[token] = document("app_clone", "old password", nil), document("app_clone", "pending password", nil)
	w.accounts[accountName("app_clone")] = nativeRows("app_clone", "pending password")
	w.accounts[accountName("admin")] = rows("admin", "ALTER")
	w.refuses = func(login rotation.Login) bool { return login.Password.Reveal() == "old password" }
	err := w.step(rotation.SetSecret)
	if err == nil || len(w.labels[token]) == 0 || strings.Contains(err.Error(), "single user has set") {
		t.Errorf("%v after %q", err, w.trace)
	}
	said := []string{failure.RemedyOf(err)}
	for _, f := range inspected(t, w).Checks {
		if strings.Contains(f.Remedy, "the only one") {
			said = append(said, f.Remedy)
		}
	}
	for _, remedy := range said {
		first, then := strings.Index(remedy, "store the password of version "+token), strings.Index(remedy, "if ROTATION_STRATEGY was changed")
		if len(said) < 3 || first < 0 || then < first {
			t.Errorf("it says %q", said)
		}
	}
}
