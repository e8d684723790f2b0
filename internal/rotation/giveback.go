package rotation

import (
	"context"
	"errors"
	"fmt"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/secret"
)

// A rotation of a single user that does not come to its end leaves the server with the
// password under AWSCURRENT. Where the pending one alone is in force (of a server that keeps
// one password, after a repair, or since somebody has discarded the other), that is set again: under the lock, and only where it is the one that this
// rotation has replaced. One that the owner has put in its place since is theirs to set,
// and the one that they have replaced, after a leak perhaps, must not come back.

// takeBack has the user get the password under AWSCURRENT back, since the label does not
// move, for the reason given.
func (w *underLock) takeBack(ctx context.Context, reason error) error {
	if err := w.returnPassword(ctx); err != nil {
		return fmt.Errorf("%w; %w", reason, err)
	}
	return fmt.Errorf("%w; the password under %s was set again", reason, Current)
}

// returnPassword sets the password under AWSCURRENT again where the pending one is in
// force.
func (w *underLock) returnPassword(ctx context.Context) error {
	now, err := w.currentDocument(ctx)
	if err != nil {
		return fmt.Errorf("reading whether the password under %s is still the one to be set again: %w", Current, err)
	}
	if now.versionID == w.event.Token {
		return nil // it has moved after all
	}
	user, err := w.readAccounts(ctx)
	if err != nil {
		return w.stays(user, now, err)
	}
	if err := w.replaced(ctx, now); err != nil {
		return w.unlessUnchanged(user, w.stays(user, now, err))
	}
	if user == nil {
		err = w.returnOwnPassword(ctx)
	} else {
		err = w.returnPasswords(ctx, *user)
	}
	if err != nil {
		return w.stays(user, now, err)
	}
	w.record.gapEnds()
	return nil
}

// replaced is an error unless the password under AWSCURRENT is the one that this rotation
// has replaced. What a try before this one has replaced, the labels tell.
func (w *underLock) replaced(ctx context.Context, now document) error {
	switch {
	case w.proof.pending:
		return w.replacedSince(ctx, now, w.pending)
	case now.versionID == w.current.versionID:
		return nil
	case now.Username() == w.current.Username() && now.Password().Equal(w.current.Password()):
		return nil
	}
	return errReplacedSince
}

// errReplacedSince is why a password is not set again.
var errReplacedSince = failure.Errorf(failure.CurrentCredentialsRejected, "somebody has stored another password under %s since", Current)

// unlessUnchanged is nil where no account has the pending password.
func (w *underLock) unlessUnchanged(user *account.SingleUser, err error) error {
	if user == nil {
		return err
	}
	if has, compared := user.AnyAccepts(w.pending.Password(), w.matches); compared == nil && !has {
		return nil
	}
	return err
}

func (w *underLock) returnPasswords(ctx context.Context, user account.SingleUser) error {
	statements, err := user.TakeBack(w.passwords())
	if err != nil {
		return err
	}
	for _, s := range statements {
		if err := w.applyPassword(ctx, s, len(user.User.Accounts)); err != nil {
			return err
		}
	}
	return nil
}

// returnOwnPassword does so for a user that may not list accounts: a login tells which
// password is in force.
func (w *underLock) returnOwnPassword(ctx context.Context) error {
	if set, err := w.logsIn(ctx, w.pending.Document); err != nil || !set {
		return err
	}
	back := account.Passwords{Current: w.pending.Password(), Pending: w.current.Password()}
	s, _ := account.OwnPassword(w.admin.Facts().Server, w.admin.Facts().Account, back)
	return w.applyPassword(ctx, s, 1)
}

// stays says that the pending password stays in force, and what to do.
func (w *underLock) stays(user *account.SingleUser, now document, why error) error {
	if user == nil {
		user = &account.SingleUser{Server: w.admin.Facts().Server}
		names := w.pendingAccounts
		if w.documents.admin.own {
			names = []account.Name{w.admin.Facts().Account}
		}
		for _, name := range names {
			user.User.Accounts = append(user.User.Accounts, account.Account{Name: name})
		}
	}
	remedy := fmt.Sprintf("store the password of version %s in the secret (aws secretsmanager put-secret-value)", w.event.Token)
	if failure.Of(why) != failure.PasswordRefused && !errors.Is(why, ErrAccountOrPassword) { // else by hand it is refused too
		remedy = "set that one by hand: " + user.SetByHand() + "; or " + remedy
	}
	return failure.Errorf(failure.CurrentCredentialsRejected, "the password of %q that is in force is that of version %s, and the one under %s, in version %s, was not set: %w; %s",
		w.pending.Username(), w.event.Token, Current, now.versionID, why, remedy)
}

// giveBack is what a rotation of a single user does before AWSPENDING is taken off it.
// Where the password under AWSCURRENT logs in, it is nothing; and so it is where the pending
// one does not.
func (s step) giveBack(ctx context.Context) (finished bool, err error) {
	d, session, finished, err := s.pendingAlone(ctx)
	if session == nil {
		return finished, err
	}
	s.close(ctx, session)
	d.givenUp = true
	if d, err = s.withAdmin(ctx, d); err != nil {
		return false, err
	}
	w, finished, err := s.enter(ctx, d)
	if finished || err != nil {
		return finished, err
	}
	defer w.leave(ctx)
	return false, w.returnPassword(ctx)
}

// lastDocuments are those of a rotation that is about to be given up. The pending one has
// no versionID where it is not for the current user.
func (s step) lastDocuments(ctx context.Context) (documents, error) {
	version, err := s.Secrets.Version(ctx, s.event.SecretID, s.event.Token)
	if errors.Is(err, ErrVersionNotFound) {
		return documents{}, nil
	}
	if err != nil {
		return documents{}, err
	}
	current, err := s.currentDocument(ctx)
	if err != nil || current.versionID == s.event.Token {
		return documents{current: current}, err
	}
	return documentsOfSingleUser(current, version)
}

// documentsOfSingleUser are a pending version's password in the current document, of which
// the owner may have corrected the host since, and that one.
func documentsOfSingleUser(current document, version Version) (documents, error) {
	d := documents{current: current}
	next, err := secret.Parse(version.Document)
	if err != nil || next.Username() != current.Username() {
		return d, nil //nolint:nilerr // what cannot be read was never set
	}
	if next, err = current.WithCredentials(next.Username(), next.Password()); err != nil {
		return d, err
	}
	d.pending = document{next, version.ID, version.Created}
	return d, nil
}

// pendingAlone logs in with the pending password where the current one is refused. The
// session is nil where that one logs in, or neither does. finished: the pending version has
// become the current one.
func (s step) pendingAlone(ctx context.Context) (d documents, session Session, finished bool, err error) {
	d, err = s.lastDocuments(ctx)
	if err != nil || d.current.versionID == s.event.Token || d.pending.versionID == "" {
		return d, nil, err == nil && d.current.versionID == s.event.Token, err
	}
	session, err = s.Database.Connect(ctx, login(d.current.Document))
	if err == nil {
		s.close(ctx, session)
		return d, nil, false, nil
	}
	if passwordMayBeWrong(err) {
		session, err = s.Database.Connect(ctx, login(d.pending.Document))
	}
	if passwordMayBeWrong(err) {
		return d, nil, false, nil // there is nothing of this rotation's
	}
	if err != nil {
		return d, nil, false, fmt.Errorf("looking whether the password under %s is in force: %w", Current, err)
	}
	return d, session, false, nil
}

// checkNotAlone refuses to take AWSPENDING off the only password in force: that of a rotation
// of a single user, in the middle of which the strategy was changed; or of two users, where
// AWSCURRENT was moved back to an older version of the pending user's.
func (s step) checkNotAlone(ctx context.Context, reason error) (finished bool, err error) {
	_, session, finished, err := s.pendingAlone(ctx)
	if session == nil {
		return finished, err
	}
	s.close(ctx, session)
	return false, failure.WithRemedy(failure.Errorf(failure.CurrentCredentialsRejected, "the password under %s is refused, and the one in force is that of version %s, which this rotation has set: %s stays there: %w",
		Current, s.event.Token, Pending, reason), storeOrFinish(s.event.Token))
}

// storeOrFinish is what to do then about a version whose password is in force.
func storeOrFinish(version string) string {
	return "store the password of version " + version + " in the secret (aws secretsmanager put-secret-value), or, if ROTATION_STRATEGY was changed during the rotation, set ROTATION_STRATEGY=" + string(SingleUser) +
		" again and rotate the secret, which moves " + Current + " to that version, and change the strategy when no rotation is under way"
}

// replacedSince is an error unless the password under AWSCURRENT was that already when this
// rotation replaced it. It was where its version is no younger than the pending one, and
// the younger of the two that have been AWSCURRENT last, so that nobody has moved the label
// back; or where it is the same as in AWSPREVIOUS, as an edit of something else leaves it.
func (s step) replacedSince(ctx context.Context, current, pending document) error {
	labels, err := s.Secrets.Describe(ctx, s.event.SecretID)
	if err != nil {
		return err
	}
	previous, err := s.labelled(ctx, labels, Previous)
	if err != nil {
		return err
	}
	same := previous.versionID != "" && previous.Username() == current.Username() && previous.Password().Equal(current.Password())
	asOld := !current.created.IsZero() && !current.created.After(pending.created)
	if same || asOld && !previous.created.After(current.created) {
		return nil
	}
	return errReplacedSince
}

// labelled is the document of the version with a label; its versionID is empty where no
// version has it, or none that can be read.
func (s step) labelled(ctx context.Context, labels Labels, label string) (document, error) {
	id := labels.VersionWith(label)
	if id == "" {
		return document{}, nil
	}
	version, err := s.Secrets.Version(ctx, s.event.SecretID, id)
	if errors.Is(err, ErrVersionNotFound) {
		return document{}, nil
	}
	if err != nil {
		return document{}, fmt.Errorf("reading the %s document: %w", label, err)
	}
	read, err := secret.Parse(version.Document)
	if err != nil {
		return document{created: version.Created}, nil //nolint:nilerr // it was somebody's whose secret this is not any more
	}
	return document{read, version.ID, version.Created}, nil
}
