package rotation

import (
	"context"
	"errors"
	"fmt"

	"tandem/internal/failure"
)

// reached is who has logged in, before the lock is taken.
type reached struct {
	// proof is the login with the current credentials; with the pending ones, or none yet,
	// where refused says why the current ones were refused.
	proof   Session
	refused error
	// admin changes the users, logged in as: the proof itself where a user changes its
	// own password.
	admin Session
	as    adminLogin
}

// reach proves the current credentials and logs in as the admin, side by side: no
// statement is sent as the admin yet.
func (s step) reach(ctx context.Context, d documents) (r reached, err error) {
	r.as = d.admin
	proof := call[Session]{do: func() (Session, error) { return s.Database.Connect(ctx, login(d.current.Document)) }}
	if d.admin.own {
		proof.run()
		r.proof, err = proof.result, proofRefused(proof.err)
		if s.mayBePending(err) {
			// Only a login tells whether the pending password is in force.
			if session, connectErr := s.Database.Connect(ctx, login(d.pending.Document)); connectErr == nil {
				r.proof, r.refused, err = session, err, nil
			}
		}
		r.admin = r.proof
		return r, err
	}
	changing := call[Session]{do: func() (session Session, err error) {
		session, r.as, err = s.connectAdmin(ctx, d)
		return session, err
	}}
	s.concurrently(proof.run, changing.run)
	err = proofRefused(proof.err)
	switch {
	case err == nil:
		err = changing.err
	case changing.err == nil:
		err = nameAnonymous(ctx, changing.result, d.current.Username(), err)
	}
	if s.mayGoOn(d, err) && changing.err == nil {
		r.refused, r.admin = err, changing.result
		return r, nil
	}
	if err == nil {
		r.proof, r.admin = proof.result, changing.result
		return r, nil
	}
	for _, opened := range []call[Session]{proof, changing} {
		if opened.err == nil {
			s.close(ctx, opened.result)
		}
	}
	return reached{}, err
}

// mayBePending reports whether the current credentials may be refused since the pending
// password is in force: a single user's.
func (s step) mayBePending(refused error) bool {
	return s.Settings.Strategy == SingleUser && passwordMayBeWrong(refused) && failure.Of(refused) != failure.LoggedInAsOtherUser
}

// mayGoOn reports whether the admin may go on without a login with the current credentials,
// as far as their refusal tells.
func (s step) mayGoOn(d documents, refused error) bool {
	return s.mayBePending(refused) || errors.Is(refused, ErrAccountBlocked) && s.mayRepair(d.current.Username(), refused)
}

func proofRefused(err error) error {
	if err == nil {
		return nil
	}
	return refusedLogin(failure.CurrentCredentialsRejected, fmt.Errorf("proving the %s credentials, without which nothing is changed: %w", Current, err))
}
