package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tandem/internal/account"
	"tandem/internal/redact"
	"tandem/internal/secret"
	"tandem/internal/warning"
)

// clockTolerance is how far the clocks of Lambda, Secrets Manager and the server
// may be apart, whole seconds included.
const clockTolerance = 10 * time.Second

// warnIfPasswordSetElsewhere warns where somebody else has set the pending user's password: most
// likely another secret for the same user, and then each of the two breaks what the
// other has under AWSCURRENT. It is the last moment before this one does.
//
// The pending user's password was set in its last turn, the current version was
// made after that. So a password that is younger than the current version is
// somebody else's, if it is neither what an earlier try of this rotation has set nor,
// as versions can be moved and restored by hand, what AWSPREVIOUS has. That version
// is read only where the ages leave a doubt, which in a steady rotation they do not.
//
// In the first rotation there is nothing to compare with, and what is there is a
// matter of adoption.
func (w *setSecretRun) warnIfPasswordSetElsewhere(ctx context.Context, pair account.Pair) error {
	previous := w.labels.VersionWith(Previous)
	if previous == "" || w.current.created.IsZero() {
		return nil
	}
	user := pair.Clone
	if w.turn() == account.TurnOfOriginal {
		user = pair.Original
	}
	var foreign *account.Account
	for i := range user.Accounts {
		a := &user.Accounts[i]
		if !a.Attributes.Locked && a.PasswordChanged.After(w.current.created.Add(clockTolerance)) &&
			!w.acceptsPassword(*a, w.pending.Password()) && !slices.ContainsFunc(a.Factors, func(f account.Factor) bool { return w.isThrowaway(f.Plugin, f.Verifier) }) {
			foreign = a
		}
	}
	if foreign == nil {
		return nil
	}
	version, err := w.Secrets.Version(ctx, w.event.SecretID, previous)
	if err != nil && !errors.Is(err, ErrVersionNotFound) {
		return fmt.Errorf("reading the %s document, to tell who has set the password of %s: %w", Previous, foreign.Name, err)
	}
	if document, err := secret.Parse(version.Document); err == nil && document.Username() == user.Name {
		for _, a := range user.Accounts {
			if w.acceptsPassword(a, document.Password()) {
				return nil
			}
		}
	}
	w.step.warn(ctx, warning.PasswordChangedElsewhere, fmt.Sprintf("the password of %s was set at %s, after version %s became %s, and not by this secret's rotation: "+
		"by an operator, by a rotation that was given up, or by another secret for the same user; "+
		"look for one, and keep one secret to a user: two break each other's passwords with every rotation",
		foreign.Name, foreign.PasswordChanged.UTC().Format(time.RFC3339), w.current.versionID, Current))
	return nil
}

// acceptsPassword reports whether a password is one that the account asks for.
func (w *underLock) acceptsPassword(a account.Account, password redact.Secret) bool {
	for _, factor := range a.Passwords() {
		if fits, err := w.matches(factor.Plugin, factor.Verifier, password); err == nil && fits {
			return true
		}
	}
	return false
}
