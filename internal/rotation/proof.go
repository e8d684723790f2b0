package rotation

import (
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/secret"
)

// proof is the login with the current credentials; or with the pending ones, of a single
// user of whom the server keeps one password, where that is the pending one already.
type proof struct {
	Facts
	began   time.Time // the login
	pending bool      // with the pending credentials
}

func proofOf(session Session, began time.Time) proof {
	return proof{Facts: session.Facts(), began: began}
}

// checkPasswordUnchanged refuses to go on where the current user's password has been changed
// between the proof and the lock. No rotation of this secret does that, but one of
// another secret, for the same pair the other way round, does: each of the two would
// prove its own current credentials, and then change the other's, and neither
// application could log in any more. Under the lock the second sees what the first
// has done.
//
// What the server has stored is compared only where it is not older than the proof.
func (w *setSecretRun) checkPasswordUnchanged(pair account.Pair) error {
	user := pair.Original
	if secret.IsClone(w.current.Username()) {
		user = pair.Clone
	}
	for _, a := range user.Accounts {
		if a.Name != w.proof.Account || !a.PasswordChanged.After(w.proof.began.Add(-clockTolerance)) {
			continue
		}
		for _, factor := range a.Passwords() {
			if fits, err := w.matches(factor.Plugin, factor.Verifier, w.current.Password()); err != nil || fits {
				return nil // the proof stands, or cannot be looked at in this way
			}
		}
		return failure.Errorf(failure.CurrentCredentialsRejected, "the password of %s has been changed since this step logged in with it, and is not the one under %s any more: nothing was changed; "+
			"look for another secret for the same user, and keep one secret to a user", a.Name, Current)
	}
	return nil
}
