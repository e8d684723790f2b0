package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tandem/internal/account"
	"tandem/internal/failure"
)

// ErrAccountOrPassword is returned by Session.Apply, wrapped, where the server
// refuses a statement about an account and does not say why: the account is there
// or is not, or a validation plugin refuses the password. MariaDB tells of the plugin
// in a warning alone.
var ErrAccountOrPassword = failure.New(failure.StatementRefused, "the server refuses the account or its password")

// unlessRefused gives the rotation up where the error says that the server refuses
// the pending password, by a validation plugin's rules or its own: the version's
// value stays what it is, so every further try would be refused as well, whatever
// the settings for passwords are by then.
//
// A password that an account logs in with already was not refused: an earlier try
// has set it, and lost the answer. Such a rotation can be finished and goes on, so
// the accounts are read first. The pair's lock is held: no other invocation can set
// the password in between.
func (w *underLock) unlessRefused(ctx context.Context, result string, err error) (string, error) {
	refused, reason := w.passwordRefused(ctx, err)
	switch {
	case refused:
		return w.giveUp(ctx, reason)
	case reason != nil:
		return "", reason
	}
	return result, nil
}

// passwordRefused reports whether an error says that, and with what reason.
func (w *underLock) passwordRefused(ctx context.Context, err error) (refused bool, reason error) {
	inDoubt := len(w.clear) > 0 && errors.Is(err, ErrAccountOrPassword)
	if !inDoubt && failure.Of(err) != failure.PasswordRefused {
		return false, err
	}
	users, readErr := w.users(ctx, w.pending.Username())
	if readErr != nil {
		return false, fmt.Errorf("%w; reading the accounts of %q, to see whether one has the password already: %w", err, w.pending.Username(), readErr)
	}
	for _, user := range users {
		for _, a := range user.Accounts {
			if !a.Attributes.Locked && w.acceptsPassword(a, w.pending.Password()) {
				return false, err
			}
		}
		if inDoubt && !slices.Equal(accountNames(user), w.pendingAccounts) {
			return false, err // the accounts were the reason
		}
	}
	if inDoubt {
		err = failure.Errorf(failure.PasswordRefused, "%w; the accounts are as they were, so it is the password that %s refuses: set PASSWORD_LENGTH, EXCLUDE_CHARACTERS and the other EXCLUDE variables by its rules",
			err, strings.Join(w.clear, " or "))
	}
	return true, err
}

// unlessUnusable gives the rotation up where nobody can log in with the pending
// password, as it cannot even be sent: then it does not matter that it has been set,
// for the user whose it is is not the current one.
func (s step) unlessUnusable(ctx context.Context, err error) (string, error) {
	if failure.Of(err) != failure.PasswordRefused {
		return "", err
	}
	return s.giveUp(ctx, err)
}

func accountNames(user account.User) []account.Name {
	names := make([]account.Name, len(user.Accounts))
	for i, a := range user.Accounts {
		names[i] = a.Name
	}
	slices.SortFunc(names, func(a, b account.Name) int { return strings.Compare(a.String(), b.String()) })
	return names
}
