package rotation

import (
	"context"
	"errors"
	"fmt"

	"tandem/internal/failure"
	"tandem/internal/secret"
	"tandem/internal/warning"
)

// reached is who has logged in, before the lock is taken.
type reached struct {
	// proof is the login with the secret's credentials, and by whose they are; it is nil
	// where REPAIR_WITH_ADMIN goes on without.
	proof Session
	by    secret.Document
	// admin changes the users, logged in as: the proof itself where a user changes its
	// own password.
	admin Session
	as    adminLogin
}

// reach proves the secret's credentials and logs in as the admin, side by side: no
// statement is sent as the admin yet.
func (s step) reach(ctx context.Context, d documents) (reached, error) {
	r := reached{as: d.admin}
	proof := call[Session]{do: func() (session Session, err error) {
		session, r.by, err = s.prove(ctx, d)
		return session, err
	}}
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
	var err error
	switch {
	case proof.err == nil:
		err = changing.err
	case changing.err == nil && s.Settings.RepairWithAdmin && errors.Is(proof.err, ErrLoginRefused):
		s.warn(ctx, warning.RepairedWithAdmin, "the credentials under AWSCURRENT are refused; REPAIR_WITH_ADMIN is true, so the rotation goes on from the admin's word alone", "user", d.current.Username())
		r.admin = changing.result
		return r, nil
	default:
		err = proofRefused(proof.err)
		if changing.err == nil {
			err = nameAnonymous(ctx, changing.result, d.current.Username(), err)
		}
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

// prove logs in with the current credentials. A single user's password may be the pending
// one alone by now: an earlier try has set it, on a server that keeps one password, or
// where the current one was refused.
func (s step) prove(ctx context.Context, d documents) (Session, secret.Document, error) {
	session, refused := s.Database.Connect(ctx, login(d.current.Document))
	if s.Settings.Strategy != SingleUser || !errors.Is(refused, ErrLoginRefused) {
		return session, d.current.Document, refused
	}
	session, err := s.Database.Connect(ctx, login(d.pending.Document))
	if errors.Is(err, ErrLoginRefused) {
		err = refused
	}
	return session, d.pending.Document, err
}
