package rotation

import (
	"context"
	"fmt"

	"tandem/internal/account"
	"tandem/internal/failure"
)

// setPasswordLast sets the pending user's password, and opens its accounts, when
// everything else is as it must be: until then nobody logs in with the pending
// credentials. Which statement comes last says account.Pair.Password.
func (w *setSecretRun) setPasswordLast(ctx context.Context, pair account.Pair) (string, error) {
	w.warn(ctx, pair.OtherWaysIn(w.Settings.Mode, w.turn(), w.current.Password(), w.matches))
	password, err := pair.Password(w.Settings.Mode, w.turn(), w.pending.Password(), w.matches, w.verifierOf)
	if err != nil {
		return "", fmt.Errorf("setting the password: %w", err)
	}
	for _, s := range password {
		w.warnOfClear(ctx, s)
		if err := w.admin.Apply(ctx, s); err != nil {
			return "", denied(failure.AdminAccessDenied, fmt.Errorf("setting the password of %q as admin %s; the old password is still valid, unless the server's reply was lost: %w",
				w.pending.Username(), w.admin.Facts().Account, mend(err, account.PasswordRemedy(w.admin.Facts().Account))))
		}
		w.record.password(s)
		w.log.InfoContext(ctx, "statement executed", "statement", s.String())
	}
	switch {
	case len(password) > 0:
		return fmt.Sprintf("password of %q set", w.pending.Username()), nil
	case w.sent.executed > 0:
		return fmt.Sprintf("%q made equal; its password was set already", w.pending.Username()), nil
	}
	return asItMustBe, nil
}

const asItMustBe = "everything was as it must be already"
