package rotation

import (
	"context"
	"errors"
	"strings"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/secret"
)

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
	for id := range w.labels.Stages {
		if id == w.event.Token || id == w.current.versionID {
			continue
		}
		version, err := w.Secrets.Version(ctx, w.event.SecretID, id)
		if errors.Is(err, ErrVersionNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if document, err := secret.Parse(version.Document); err == nil && document.Username() == pair.Original.Name {
			return nil
		}
	}
	return failure.Errorf(failure.OriginalNotOfSecret, "the next user would be %q, which no version of the secret has ever named and which may do more than %q (%s): nothing was changed; "+
		"if the two are a pair, store the username and password of %q in the secret once, as %s, and rotate again; or grant %q what it lacks first; if they are not, give the secret a user whose name does not end in _clone",
		pair.Original.Name, pair.Clone.Name, strings.Join(capped(more), ", "), pair.Original.Name, Current, pair.Clone.Name)
}
