package rotation

import (
	"context"
	"fmt"

	"tandem/internal/failure"
)

// reached is who has logged in, before the lock is taken.
type reached struct {
	// proof is the login with the current credentials. It is nil where they were refused,
	// and the admin may set others.
	proof   Session
	refused error
	// admin changes the users, logged in as: the proof itself where a user changes its
	// own password.
	admin Session
	as    adminLogin
}

// reach proves the current credentials and logs in as the admin, side by side: no
// statement is sent as the admin yet.
func (s step) reach(ctx context.Context, d documents) (reached, error) {
	r := reached{as: d.admin}
	proof := call[Session]{do: func() (Session, error) { return s.Database.Connect(ctx, login(d.current.Document)) }}
	if d.admin.own {
		proof.run()
		r.proof, r.admin = proof.result, proof.result
		return r, proofRefused(proof.err)
	}
	changing := call[Session]{do: func() (session Session, err error) {
		session, r.as, err = s.connectAdmin(ctx, d)
		return session, err
	}}
	s.concurrently(proof.run, changing.run)
	user, err := d.current.Username(), proofRefused(proof.err)
	switch {
	case err == nil:
		err = changing.err
	case changing.err == nil && s.mayRepair(user, err):
		r.admin, r.refused = changing.result, err
		return r, nil
	case changing.err == nil:
		err = s.orRepair(user, nameAnonymous(ctx, changing.result, user, err))
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

func proofRefused(err error) error {
	if err == nil {
		return nil
	}
	return refusedLogin(failure.CurrentCredentialsRejected, fmt.Errorf("proving the %s credentials, without which nothing is changed: %w", Current, err))
}
