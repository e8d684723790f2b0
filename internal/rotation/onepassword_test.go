package rotation_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/rotation"
)

// The only password is changed where there is time for the login, the move and taking it
// back, and not otherwise.
func TestOnlyPasswordIsChangedInTime(t *testing.T) {
	for left, changes := range map[time.Duration]bool{time.Minute: true, time.Second: false} {
		w := newMemory(t)
		w.values[token] = document("app", "pending password", nil)
		w.single = &rotation.Settings{Strategy: rotation.SingleUser}
		w.accounts[account.Name{User: "app", Host: "%"}] = ed25519Rows("app", "old password")
		w.refuses = func(login rotation.Login) bool {
			return login.Password.Reveal() == "pending password" && w.position("apply ALTER USER") < 0
		}
		ctx, cancel := context.WithTimeout(t.Context(), left)
		err := w.rotator().Rotate(ctx, rotation.Event{Step: rotation.FinishSecret, SecretID: secretID, Token: token})
		cancel()
		applied, moved := w.position("apply ALTER USER"), w.position("move")
		if changes && (err != nil || applied < 0 || moved < applied || !strings.Contains(w.log.String(), "currentRefusedMs")) {
			t.Errorf("with %s: %v, %q\n%s", left, err, w.trace, &w.log)
		}
		if !changes && (failure.Of(err) != failure.OutOfTime || !strings.Contains(err.Error(), "it was not begun") || applied >= 0 || moved >= 0) {
			t.Errorf("with %s: %v, %q", left, err, w.trace)
		}
	}
}

// readerOfOne is a secret for a single user at a reader, on a server that keeps the one
// password of it.
func readerOfOne(t *testing.T, stored string) *memory {
	w := newMemory(t)
	w.aws()
	w.single = &rotation.Settings{Strategy: rotation.SingleUser}
	w.admin = document("admin", "x", map[string]any{"host": "shop" + suffix})
	w.values[oldToken] = document("app", "old password", map[string]any{"host": "shop-read" + suffix})
	w.values[token] = document("app", "pending password", map[string]any{"host": "shop-read" + suffix})
	w.accounts[account.Name{User: "app", Host: "%"}] = ed25519Rows("app", stored)
	w.identity = map[string]string{"shop-read" + suffix: "reader"}
	return w
}

func ed25519Rows(user, password string) account.Rows {
	row := "CREATE USER `" + user + "`@`%` IDENTIFIED VIA ed25519 USING '" + verifierOf("ed25519", password) + "'"
	return account.Rows{
		CreateUser: []redact.Secret{redact.New(row)}, Grants: []redact.Secret{redact.New(strings.Replace(row, "CREATE USER", "GRANT USAGE ON *.* TO", 1))},
	}
}

// At a reader the change is waited for before the label moves, with the lock at both.
func TestOnlyPasswordAtAReader(t *testing.T) {
	w := readerOfOne(t, "old password")
	lags := 2
	w.refuses = func(login rotation.Login) bool {
		password := login.Password.Reveal()
		changed := w.position("apply ALTER USER") >= 0
		if login.Username != "app" {
			return false
		}
		if changed && login.Host != "shop"+suffix && password == "pending password" {
			lags--
		}
		if changed && (login.Host == "shop"+suffix || lags < 0) {
			return password != "pending password"
		}
		return password != "old password"
	}
	if err := w.step(rotation.FinishSecret); err != nil {
		t.Fatalf("%v\n%q", err, w.trace)
	}
	last := -1
	for _, what := range []string{"connect app at " + "shop" + suffix, "lock at " + "shop" + suffix, "lock at shop-read" + suffix, "apply ALTER USER", "move"} {
		position := w.position(what)
		if position <= last {
			t.Errorf("%s is number %d of %q", what, position, w.trace)
		}
		last = position
	}
	if lags >= 0 {
		t.Error("it did not wait for the reader")
	}
}

// What has died in the gap is taken up where the reader refuses the current password too.
func TestOnlyPasswordSetAtAReader(t *testing.T) {
	w := readerOfOne(t, "pending password")
	w.refuses = func(login rotation.Login) bool { return login.Password.Reveal() == "old password" }
	if err := w.step(rotation.SetSecret); err != nil {
		t.Fatalf("%v\n%q", err, w.trace)
	}
	if w.position("lock at shop-read"+suffix) < w.position("lock at "+"shop"+suffix) || w.position("apply") >= 0 {
		t.Errorf("it did %q", w.trace)
	}
	if !strings.Contains(w.log.String(), "finishSecret moves AWSCURRENT") {
		t.Error(&w.log)
	}
}

// A try after one that died in the gap waits for the reader too, which still has the
// password before.
func TestOnlyPasswordSetAtAReaderThatLags(t *testing.T) {
	w := readerOfOne(t, "pending password")
	lags := 2
	w.refuses = func(login rotation.Login) bool {
		password := login.Password.Reveal()
		switch {
		case login.Username != "app":
			return false
		case login.Host == "shop"+suffix || lags < 0:
			return password != "pending password"
		case password == "pending password":
			lags--
		}
		return password != "old password"
	}
	if err := w.step(rotation.FinishSecret); err != nil {
		t.Fatalf("%v\n%q", err, w.trace)
	}
	if w.position("apply") >= 0 || w.position("move") < 0 {
		t.Errorf("it did %q", w.trace)
	}
	if lags >= 0 {
		t.Errorf("it did not wait for the reader: %q", w.trace)
	}
}

// What is said of refused current credentials is what is known: that somebody has changed
// the only password where the server has neither, and that REPAIR_WITH_ADMIN would help
// where it is not set.
func TestRefusedWhereTheServerKeepsOne(t *testing.T) {
	const changed, allow = "is neither this one nor the pending one", "REPAIR_WITH_ADMIN"
	for _, test := range []struct {
		stored   string
		repair   rotation.Repair
		step     rotation.Step
		says     []string
		saysNone []string
	}{
		{stored: "by hand", step: rotation.SetSecret, says: []string{changed, "ALTER USER 'app'@'%' IDENTIFIED VIA ed25519", allow}},
		{stored: "old password", step: rotation.SetSecret, says: []string{allow}, saysNone: []string{changed, "ALTER USER"}},
		{stored: "old password", repair: rotation.Repair{Everybody: true}, step: rotation.SetSecret, says: []string{"is the one under AWSCURRENT", "for another reason"}, saysNone: []string{changed}},
	} {
		w := newMemory(t)
		w.single = &rotation.Settings{Strategy: rotation.SingleUser, Repair: test.repair}
		w.values[token] = document("app", "pending password", nil)
		w.accounts[account.Name{User: "app", Host: "%"}] = ed25519Rows("app", test.stored)
		w.refuses = func(login rotation.Login) bool { return login.Username == "app" }
		err := w.step(test.step)
		if failure.Of(err) != failure.CurrentCredentialsRejected || w.position("apply") >= 0 {
			t.Errorf("%+v: error %v, and it did %q", test, err, w.trace)
			continue
		}
		said := err.Error() + "; " + failure.RemedyOf(err)
		for _, word := range test.says {
			if !strings.Contains(said, word) {
				t.Errorf("%+v: it does not say %q: %s", test, word, said)
			}
		}
		for _, word := range test.saysNone {
			if strings.Contains(said, word) {
				t.Errorf("%+v: it says %q: %s", test, word, said)
			}
		}
	}
}

// At the writer the current credentials are refused in finishSecret, which repairs nothing:
// it does not ask for a permission that it has.
func TestNoPermissionIsAskedForThatIsGiven(t *testing.T) {
	for _, repair := range []rotation.Repair{{}, {Users: []string{"app"}}} {
		w := readerOfOne(t, "by hand")
		w.single.Repair = repair
		w.refuses = func(login rotation.Login) bool {
			return login.Username == "app" && (login.Host == "shop"+suffix || login.Password.Reveal() != "old password")
		}
		err := w.step(rotation.FinishSecret)
		asks := strings.Contains(failure.RemedyOf(err), "has to name")
		if err == nil || asks != (len(repair.Users) == 0) || w.position("apply") >= 0 || w.position("move") >= 0 {
			t.Errorf("%+v: error %v, its remedy %q, and it did %q", repair, err, failure.RemedyOf(err), w.trace)
		}
	}
}

// What the server has just refused to set again is not advised to be set by hand.
func TestNoStatementThatTheServerRefuses(t *testing.T) {
	for _, refusal := range []error{rotation.ErrAccountOrPassword, failure.New(failure.PasswordRefused, "it was used before"), failure.New(failure.StatementRefused, "for another reason")} {
		w := newMemory(t)
		w.values[token] = document("app", "pending password", nil)
		w.single = &rotation.Settings{Strategy: rotation.SingleUser}
		w.accounts[account.Name{User: "app", Host: "%"}] = ed25519Rows("app", "old password")
		w.refuses = func(login rotation.Login) bool {
			return login.Password.Reveal() == "pending password" && w.position("apply ALTER USER") < 0
		}
		w.before = func(what string) error {
			switch {
			case what == "move":
				return fmt.Errorf("denied: %w", rotation.ErrNotMoved)
			case strings.HasPrefix(what, "apply ALTER USER") && w.position("apply ALTER USER") >= 0:
				return fmt.Errorf("setting it again: %w", refusal)
			case strings.HasPrefix(what, "apply ALTER USER"):
				w.accounts[account.Name{User: "app", Host: "%"}] = ed25519Rows("app", "pending password")
			}
			return nil
		}
		err := w.step(rotation.FinishSecret)
		byHand := failure.Of(refusal) == failure.StatementRefused && refusal != rotation.ErrAccountOrPassword
		if err == nil || !strings.Contains(err.Error(), "put-secret-value") || strings.Contains(err.Error(), "set that one by hand: ALTER USER") != byHand {
			t.Errorf("after %v it says: %v", refusal, err)
		}
	}
}

// Also where the server keeps two passwords the pending one is the proof, if it is the one
// in force: somebody has discarded the current one, say. Nothing is sent.
func TestPendingPasswordInForceIsTheProof(t *testing.T) {
	for _, own := range []bool{false, true} {
		w := newMemory(t)
		w.single = &rotation.Settings{Strategy: rotation.SingleUser}
		for id, password := range map[string]string{oldToken: "old password", token: "pending password"} {
			w.values[id] = document("app", password, nil)
			if own {
				w.values[id] = document("app", password, map[string]any{"masterarn": nil})
			}
		}
		w.accounts[account.Name{User: "app", Host: "%"}] = nativeRows("app", "pending password")
		w.refuses = func(login rotation.Login) bool { return login.Password.Reveal() == "old password" }
		for _, step := range steps {
			if err := w.step(step); err != nil {
				t.Errorf("own %v, %s: %v after %q", own, step, err, w.trace)
			}
		}
		if w.position("apply") >= 0 || !slices.Contains(w.labels[token], "AWSCURRENT") {
			t.Errorf("own %v: labels %v after %q", own, w.labels, w.trace)
		}
	}
}

func nativeRows(user, password string) account.Rows {
	row := "CREATE USER `" + user + "`@`%` IDENTIFIED BY PASSWORD '" + nativeVerifier(password) + "'"
	return account.Rows{
		CreateUser: []redact.Secret{redact.New(row)}, Grants: []redact.Secret{redact.New(strings.Replace(row, "CREATE USER", "GRANT USAGE ON *.* TO", 1))},
	}
}
