package rotation

import (
	"context"
	"fmt"

	"tandem/internal/failure"
)

// unlessRefused gives the rotation up where the error says that the server refuses
// the pending password, by a validation plugin's rules or its own: the version's
// value stays what it is, so every further try would be refused as well, whatever
// the settings for passwords are by then.
//
// A password that an account logs in with already was not refused: an earlier try
// has set it, and lost the answer. Such a rotation can be finished and goes on, so
// the accounts are read first. The pair's lock is held: no other invocation can set
// the password in between.
func (w *work) unlessRefused(ctx context.Context, result string, err error) (string, error) {
	if failure.Of(err) != failure.PasswordRefused {
		return result, err
	}
	users, readErr := w.admin.Users(ctx, w.pending.Username())
	if readErr != nil {
		return "", fmt.Errorf("%w; reading the accounts of %q, to see whether one has the password already: %w", err, w.pending.Username(), readErr)
	}
	for _, user := range users {
		for _, a := range user.Accounts {
			if !a.Attributes.Locked && lets(a, w.pending.Password()) {
				return "", err
			}
		}
	}
	return w.giveUp(ctx, err)
}
