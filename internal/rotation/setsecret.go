package rotation

import (
	"context"

	"tandem/internal/failure"
)

// setSecret makes the pending user what it must be. The order is the one that is
// safe to die in: proof before lock, labels and accounts read under the lock,
// whatever else differs before the password, and the password last. Until the
// last statement nobody can log in with the pending credentials, and nothing
// that it sends ends the current password.
func (s step) setSecret(ctx context.Context) (string, error) {
	pending, current, err := s.readDocuments(ctx)
	if err != nil {
		return "", err
	}
	if current.versionID == s.event.Token {
		return alreadyFinished, nil
	}
	documents, err := s.documents(ctx, current, pending)
	if failure.Of(err) == failure.PendingSecretMismatch {
		return s.giveUp(ctx, err)
	}
	if err != nil {
		return "", err
	}

	w, finished, err := s.enter(ctx, documents)
	if err != nil {
		return "", err
	}
	if finished {
		return alreadyFinished, nil
	}
	defer w.leave(ctx)
	result, err := w.change(ctx)
	return w.unlessRefused(ctx, result, err)
}

// change does what the strategy asks for.
func (w *underLock) change(ctx context.Context) (string, error) {
	if w.Settings.Strategy == SingleUser {
		return w.changeSingleUser(ctx)
	}
	return (&setSecretRun{underLock: w, waits: tableWaits{session: w.admin}}).perform(ctx)
}
