package rotation

import (
	"context"
	"errors"
	"strings"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/secret"
)

// mustCheckOwnership reports whether there is a reason to ask whose the clone is. There
// is none in a rotation that finds everything as an earlier one left it, and so
// that one is spared the call.
func (w *setSecretRun) mustCheckOwnership(pair account.Pair, plan account.Plan) bool {
	if w.turn() != account.TurnOfClone || w.Settings.Mode == account.Off || w.sent.begun {
		return false
	}
	return len(plan.Steps) > 0 || len(pair.GrantedTo) > 0 || len(w.labels.Stages) <= 2 // AWSCURRENT and AWSPENDING
}

// clonedByUs reports whether the clone is this program's own: it does not exist yet,
// an earlier try of this rotation made it, or a version of the secret names it,
// other than the pending one that every rotation to the clone makes.
func (w *setSecretRun) clonedByUs(ctx context.Context, clone account.User) (bool, error) {
	if len(clone.Accounts) == 0 {
		return true, nil
	}
	for _, made := range clone.Accounts {
		for _, factor := range made.Factors {
			if w.isThrowaway(factor.Plugin, factor.Verifier) {
				return true, nil
			}
		}
	}
	return w.named(ctx, clone.Name)
}

// named reports whether a version of the secret names the user, other than the current
// one and this rotation's own. Only versions with labels can be seen.
func (w *setSecretRun) named(ctx context.Context, user string) (bool, error) {
	for id := range w.labels.Stages {
		if id == w.event.Token || id == w.current.versionID {
			continue
		}
		version, err := w.Secrets.Version(ctx, w.event.SecretID, id)
		if errors.Is(err, ErrVersionNotFound) {
			continue
		}
		if err != nil {
			return false, err
		}
		if document, err := secret.Parse(version.Document); err == nil && document.Username() == user {
			return true, nil
		}
	}
	return false, nil
}

// ownsOriginal refuses to take over a user that is none of this secret's: a secret
// for a user who happens to be called x_clone would otherwise get the password of x,
// an administrator perhaps, whose own would end.
//
// The original is the secret's where a version of the secret names it, other than
// this rotation's own. Only versions with labels can be seen, so where none does, as
// after the secret was restored or moved with its current version alone, the original
// is still taken if it may do no more than its clone: nobody gains anything by that.
// In a steady rotation it may not, and no version is read.
func (w *setSecretRun) ownsOriginal(ctx context.Context, pair account.Pair) error {
	if w.turn() != account.TurnOfOriginal {
		return nil
	}
	more := pair.OriginalHasMore()
	if len(more) == 0 {
		return nil
	}
	if named, err := w.named(ctx, pair.Original.Name); named || err != nil {
		return err
	}
	return failure.Errorf(failure.OriginalNotOfSecret, "the next user would be %q, which no version of the secret has ever named and which may do more than %q (%s): nothing was changed; "+
		"if the two are a pair, store the username and password of %q in the secret once, as %s, and rotate again; or grant %q what it lacks first; if they are not, give the secret a user whose name does not end in _clone",
		pair.Original.Name, pair.Clone.Name, strings.Join(capped(more), ", "), pair.Original.Name, Current, pair.Clone.Name)
}
