package rotation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tandem/internal/account"
	"tandem/internal/secret"
)

// Where the server keeps one password of a single user, finishSecret changes it, right
// before it moves AWSCURRENT. From the one to the other the password under AWSCURRENT is
// refused. What dies in between is finished by the next try, which finds the pending
// password in force; and a rotation that cannot be finished gives the user its current
// password back.

// setsPasswordLast reports whether the current password is in force on a server that keeps
// one, so that finishSecret has to change it.
func (s step) setsPasswordLast(ctx context.Context, current document) (bool, error) {
	session, err := s.Database.Connect(ctx, login(current.Document))
	if errors.Is(err, ErrLoginRefused) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking how many passwords the server keeps of %q: %w", current.Username(), err)
	}
	defer s.close(ctx, session)
	why, err := s.onePassword(ctx, session)
	return why != "", err
}

// onePassword says why the server keeps one password of the session's own user.
func (s step) onePassword(ctx context.Context, session Session) (string, error) {
	user := account.SingleUser{Server: session.Facts().Server}
	if user.Server.Flavor == account.MySQL {
		return user.OnePassword(), nil
	}
	own, err := session.OwnAccount(ctx)
	if err != nil {
		return "", fmt.Errorf("reading the account %s: %w", session.Facts().Account, err)
	}
	if user.Clear, err = session.PluginsNeedingPlaintext(ctx); err != nil {
		return "", fmt.Errorf("asking whether the server takes verifiers: %w", err)
	}
	user.User = account.User{Name: own.Name.User, Accounts: []account.Account{own}}
	return user.OnePassword(), nil
}

// finishWithPassword is finishSecret where it has to change the password too.
func (s step) finishWithPassword(ctx context.Context, current document, version Version) (string, error) {
	documents, err := s.documents(ctx, current, version)
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
	return s.moveCurrent(ctx, version, &lastPassword{under: w})
}

// lastPassword is the only password of a single user, to be changed right before the
// label moves. A nil one changes nothing.
type lastPassword struct {
	under *underLock
	began time.Time // the change
}

// set changes the password to the pending one.
func (p *lastPassword) set(ctx context.Context) error {
	if p == nil {
		return nil
	}
	return p.change(ctx, p.under.current.Document, p.under.pending.Document)
}

// takeBack changes it back, where the label cannot be moved. An edit of the secret's owner
// may come after a move whose answer was lost, and then has the pending password.
func (p *lastPassword) takeBack(ctx context.Context) error {
	if p == nil {
		return nil
	}
	now, err := p.under.currentDocument(ctx)
	if err != nil || now.Password().Equal(p.under.pending.Password()) {
		return err
	}
	return p.change(ctx, p.under.pending.Document, p.under.current.Document)
}

func (p *lastPassword) change(ctx context.Context, from, to secret.Document) error {
	user, err := p.under.readSingleUser(ctx)
	if err != nil {
		return err
	}
	p.began = time.Now()
	if user == nil {
		_, err = p.under.setOwnPassword(ctx, from, to)
	} else {
		_, err = p.under.setSingleUser(ctx, *user, from, to)
	}
	if err == nil {
		p.under.proof.password = to.Password() // it is what logs in by now
	}
	return err
}

func (p *lastPassword) unlessRefused(ctx context.Context, err error) (string, error) {
	return p.under.unlessRefused(ctx, "", err)
}

// giveBack makes the password under AWSCURRENT the single user's again, where the pending
// one of this rotation, which is being given up, is in force without it.
func (s step) giveBack(ctx context.Context) error {
	current, err := s.currentDocument(ctx)
	if err != nil {
		return err
	}
	version, err := s.Secrets.Version(ctx, s.event.SecretID, s.event.Token)
	if err != nil {
		return err
	}
	pending, err := secret.Parse(version.Document)
	if err != nil || pending.Username() != current.Username() || pending.Host() != current.Host() || pending.Port() != current.Port() {
		return nil // no password of this user's there comes from it
	}
	session, err := s.Database.Connect(ctx, login(current.Document))
	if err == nil {
		s.close(ctx, session)
		return nil
	}
	if !errors.Is(err, ErrLoginRefused) {
		return fmt.Errorf("looking whether the password under %s is in force: %w", Current, err)
	}
	session, err = s.Database.Connect(ctx, login(pending))
	if errors.Is(err, ErrLoginRefused) {
		return nil // neither is
	}
	if err != nil {
		return fmt.Errorf("looking whether the pending password is in force: %w", err)
	}
	s.close(ctx, session)
	return s.enterToGiveBack(ctx, current, document{pending, version.ID, version.Created})
}

func (s step) enterToGiveBack(ctx context.Context, current, pending document) error {
	d, err := s.withAdmin(ctx, documents{current: current, pending: pending})
	if err != nil {
		return err
	}
	w, finished, err := s.enter(ctx, d)
	if finished || err != nil {
		return err
	}
	defer w.leave(ctx)
	return (&lastPassword{under: w}).takeBack(ctx)
}
