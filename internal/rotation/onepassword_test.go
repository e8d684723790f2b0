package rotation_test

import (
	"context"
	"errors"
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
		row := "CREATE USER `app`@`%` IDENTIFIED VIA ed25519 USING '" + verifierOf("ed25519", "old password") + "'"
		w.accounts[account.Name{User: "app", Host: "%"}] = account.Rows{
			CreateUser: []redact.Secret{redact.New(row)}, Grants: []redact.Secret{redact.New(strings.Replace(row, "CREATE USER", "GRANT USAGE ON *.* TO", 1))},
		}
		refused := false // the pending password, once
		w.before = func(what string) error {
			if what == "connect app" && !refused {
				refused = true
				return loginRefused{errors.New("access denied")}
			}
			return nil
		}
		rotator := w.rotator()
		rotator.Settings.Strategy = rotation.SingleUser
		ctx, cancel := context.WithTimeout(t.Context(), left)
		err := rotator.Rotate(ctx, rotation.Event{Step: rotation.FinishSecret, SecretID: secretID, Token: token})
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
