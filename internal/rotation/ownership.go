package rotation

import (
	"context"
	"errors"

	"tandem/internal/account"
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
		if document, err := secret.Parse(version.Document); err == nil && document.Username() == clone.Name {
			return true, nil
		}
	}
	return false, nil
}
