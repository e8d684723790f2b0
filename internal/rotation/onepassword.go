package rotation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/secret"
	"tandem/internal/statement"
	"tandem/internal/timeout"
	"tandem/internal/warning"
)

// Where the server keeps one password of a single user, finishSecret changes it, directly
// before it moves AWSCURRENT. In between the password under AWSCURRENT is refused.
//
// Who dies there leaves the pending password in force: the next try logs in with it, and
// moves the label. Where it is certain that the label does not move, the user gets the
// password under AWSCURRENT back; where that is not certain nothing is taken back, as a
// call whose answer was lost may still be carried out. A rotation that is given up gives
// the password back too, before AWSPENDING is taken off (giveback.go).

// errOnePassword is what a login with the pending password comes to where the server keeps
// one password of the user, and that is the current one.
var errOnePassword = failure.New(failure.PendingCredentialsRejected, "the server keeps one password of the user, and finishSecret has not changed it yet")

// errUnanswered is a change of which nobody knows whether the server has carried it out.
var errUnanswered = failure.New(failure.ConnectionLost, "whether the password was changed is not known")

// onePassword says whether the server keeps one password of the user; nil is one that may
// not list its accounts, on MySQL.
func (w *underLock) onePassword(user *account.SingleUser) account.OnePassword {
	if user == nil {
		user = &account.SingleUser{Server: w.admin.Facts().Server}
	}
	return user.OnePassword()
}

// ownOnePassword says whether the server keeps one password of the session's own user.
func (s step) ownOnePassword(ctx context.Context, session Session) (account.OnePassword, error) {
	user := account.SingleUser{Server: session.Facts().Server}
	if user.Server.Flavor == account.MySQL {
		return user.OnePassword(), nil
	}
	own, err := session.OwnAccount(ctx)
	if err != nil {
		return account.OnePassword{}, fmt.Errorf("reading the account %s: %w", session.Facts().Account, err)
	}
	if user.Clear, err = session.PluginsNeedingPlaintext(ctx); err != nil {
		return account.OnePassword{}, fmt.Errorf("asking whether the server takes verifiers: %w", err)
	}
	user.User = account.User{Name: own.Name.User, Accounts: []account.Account{own}}
	return user.OnePassword(), nil
}

// unlessOnePassword is what a refused login with the pending password comes to: it is
// errOnePassword where the current one logs in there, and the server keeps that alone.
func (s step) unlessOnePassword(ctx context.Context, to Login, refused error) error {
	if s.Settings.Strategy != SingleUser || s.changed || !passwordMayBeWrong(refused) {
		return refused
	}
	session, err := s.connectCurrent(ctx, to)
	if passwordMayBeWrong(err) {
		return refused
	}
	if err != nil {
		return fmt.Errorf("%w; looking whether the server keeps one password: %w", refused, err)
	}
	defer s.close(ctx, session)
	one, err := s.ownOnePassword(ctx, session)
	switch {
	case err != nil:
		return fmt.Errorf("%w; looking whether the server keeps one password: %w", refused, err)
	case one.Why == "":
		return refused
	}
	return errOnePassword
}

// stillPending sees, under the lock, that the pending password of a single user is still in
// force, where the server keeps one: another run of this step may have taken it back since
// the session was opened with it.
func (s step) stillPending(ctx context.Context, session Session, pending secret.Document) error {
	if s.Settings.Strategy != SingleUser {
		return nil
	}
	one, err := s.ownOnePassword(ctx, session)
	if err != nil || one.Why == "" {
		return err
	}
	s.record.gapBegan()
	again, err := s.connectToFinish(ctx, pending)
	if passwordMayBeWrong(err) || errors.Is(err, errOnePassword) {
		return failure.Errorf(failure.RotationSuperseded, "another run of this step has taken the pending password back while this one waited for the lock: %s was not moved; the next try sets it anew", Current)
	}
	if err != nil {
		return fmt.Errorf("looking whether the pending password is still in force: %w", err)
	}
	s.close(ctx, again)
	return nil
}

// connectCurrent logs in with the current credentials where others were to log in.
func (s step) connectCurrent(ctx context.Context, to Login) (Session, error) {
	current, err := s.currentDocument(ctx)
	if err != nil {
		return nil, err
	}
	to.Username, to.Password = current.Username(), current.Password()
	return s.Database.Connect(ctx, to)
}

// leaveToFinishSecret is setSecret's part where the server keeps one password: it changes
// nothing, and refuses what finishSecret's change would be refused for.
func (w *underLock) leaveToFinishSecret(ctx context.Context, user *account.SingleUser, one account.OnePassword) (string, error) {
	if w.proof.pending {
		return "the password was set already: finishSecret moves " + Current, nil
	}
	if err := w.checkMayChange(ctx, user); err != nil {
		return "", err
	}
	w.step.warn(ctx, warning.OnePassword, fmt.Sprintf("the password of %q in use ends in finishSecret, directly before %s moves to the new one, and a login in between is refused: %s; to have two: %s; do not take %s off by hand after a finishSecret that failed, nor store another value before the next try: the only password could go with it",
		w.current.Username(), Current, one.Why, one.Remedy, Pending))
	return "the server keeps one password: finishSecret changes it", nil
}

// checkMayChange refuses whoever may not change the password, by its own grants.
func (w *underLock) checkMayChange(ctx context.Context, user *account.SingleUser) error {
	accounts := 1
	if user != nil {
		accounts = len(user.User.Accounts)
	}
	own, err := w.admin.OwnGrants(ctx)
	if err != nil {
		return fmt.Errorf("reading what %s may do: %w", w.admin.Facts().Account, err)
	}
	lacks, err := account.PasswordDenied(w.admin.Facts().Server, own, w.documents.admin.own, accounts)
	switch {
	case err != nil:
		return fmt.Errorf("reading what %s may do: %w", w.admin.Facts().Account, err)
	case lacks != "":
		return failure.WithRemedy(failure.Errorf(failure.AdminAccessDenied, "%s may not change the password of %q: nothing was changed", w.admin.Facts().Account, w.current.Username()), "to fix it, run: "+lacks)
	}
	return nil
}

// testWithCurrent is testSecret's part: the pending password is set by finishSecret, which
// logs in with it then.
func (s step) testWithCurrent(ctx context.Context, pending secret.Document) (string, error) {
	session, err := s.connectCurrent(ctx, login(pending))
	if err != nil {
		return "", refusedLogin(failure.CurrentCredentialsRejected, fmt.Errorf("testing the %s credentials: %w", Current, err))
	}
	defer s.close(ctx, session)
	if err := s.open(ctx, session, pending); err != nil {
		return "", err
	}
	return fmt.Sprintf("%q logs in with the password in use; the server keeps one, and finishSecret sets the new one and logs in with it", pending.Username()), nil
}

// finishOnePassword is finishSecret where it has to change the password too.
func (s step) finishOnePassword(ctx context.Context, version Version) (string, error) {
	current, err := s.currentDocument(ctx)
	if err != nil {
		return "", err
	}
	documents, err := s.documents(ctx, current, version)
	if err != nil {
		return "", ifMismatched(err)
	}
	w, finished, err := s.enter(ctx, documents)
	if err != nil {
		return "", err
	}
	if finished {
		return alreadyFinished, nil
	}
	defer w.leave(ctx)
	result, err := w.moveCurrent(ctx, version, w.setOnlyPassword)
	if errors.Is(err, ErrNotMoved) {
		return "", w.takeBack(ctx, err)
	}
	return result, err
}

// setOnlyPassword changes the password, directly before the label moves, and logs in with
// the new one: all that testSecret does elsewhere.
func (w *underLock) setOnlyPassword(ctx context.Context, now document) error {
	if now.versionID != w.current.versionID {
		return failure.Errorf(failure.RotationSuperseded, "%s has moved from version %s to %s while this step read it: nothing was changed; the next try reads it anew", Current, w.current.versionID, now.versionID)
	}
	user, err := w.readSingleUser(ctx)
	if err != nil {
		return err
	}
	if w.onePassword(user).Why == "" {
		return failure.Errorf(failure.PendingCredentialsRejected, "logging in with the %s credentials, without which %s is not moved to them: the server refuses them, and keeps two passwords: setSecret has not set this one", Pending, Current)
	}
	if user != nil {
		if err := w.warnOfEndingPasswords(ctx, *user); err != nil {
			return err
		}
	}
	if left, needed := timeLeft(ctx), timeout.OnlyPassword; left < needed {
		return fmt.Errorf("changing the only password: it was not begun, as %s are left of the invocation's time, and to log in, to move %s and to take it back may take %s: raise the function's timeout: %w",
			left.Round(time.Millisecond), Current, needed, context.DeadlineExceeded)
	}
	if _, err := w.changeOnlyPassword(ctx, user); err != nil {
		return err
	}
	return w.unlessUnproven(ctx, w.testChanged(ctx))
}

// unlessUnproven takes the change back where the login with the new password has failed,
// before anybody was asked to move the label.
func (w *underLock) unlessUnproven(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	unusable := failure.Of(err) == failure.PasswordRefused
	if err = w.takeBack(ctx, err); unusable {
		return abandoned{err}
	}
	return err
}

// timeLeft is the invocation's time that is left.
func timeLeft(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return timeout.OnlyPassword
	}
	return time.Until(deadline)
}

// changeOnlyPassword sends the change. It reports false where the pending password was in
// force already.
func (w *underLock) changeOnlyPassword(ctx context.Context, user *account.SingleUser) (changed bool, err error) {
	if w.proof.pending && user == nil {
		return false, nil
	}
	accounts := 1
	first, _ := account.OwnPassword(w.admin.Facts().Server, w.admin.Facts().Account, w.passwords())
	statements := []statement.Statement{first}
	if user != nil {
		accounts = len(user.User.Accounts)
		if statements, err = user.Change(w.passwords()); err != nil {
			return false, fmt.Errorf("setting the password of %q: %w", user.User.Name, err)
		}
	}
	if len(statements) == 0 {
		return false, nil
	}
	w.record.gapBegins()
	for _, s := range statements {
		if err = w.applyPassword(ctx, s, accounts); err == nil {
			continue
		}
		if set, connectErr := w.setAlready(ctx, err); set || connectErr != nil {
			return false, connectErr
		}
		return false, w.unchanged(ctx, err)
	}
	return true, nil
}

// setAlready reports whether a change of one's own password is refused since another run of
// this step was faster.
func (w *underLock) setAlready(ctx context.Context, err error) (bool, error) {
	if !errors.Is(err, ErrReplacedPassword) {
		return false, nil
	}
	w.record.gapEnds()
	return w.logsIn(ctx, w.pending.Document)
}

// unchanged is what an error of the change comes to. Where the server has answered, what
// of the accounts has changed all the same gets its password back. One that refuses the
// pending password refuses it in every try.
func (w *underLock) unchanged(ctx context.Context, err error) error {
	if failure.Number(err) == 0 {
		return fmt.Errorf("%w: %w", errUnanswered, err)
	}
	refused, reason := w.passwordRefused(ctx, err)
	if back := w.returnPassword(ctx); back != nil {
		return fmt.Errorf("%w; %w", reason, back)
	}
	if refused {
		return abandoned{reason}
	}
	return reason
}

// testChanged is testSecret's login, after the change: a reader that refuses it lags.
func (w *underLock) testChanged(ctx context.Context) error {
	half, cancel := timeout.ChangedPassword().Context(ctx)
	defer cancel()
	s := w.step
	s.changed = true
	session, err := s.testPending(half, w.pending.Document)
	if err != nil {
		return refusedLogin(failure.PendingCredentialsRejected, err)
	}
	s.close(ctx, session)
	return nil
}

// afterMove sees to it that the password under AWSCURRENT is in force where finishSecret
// finds the label moved: the call that moved it may have been carried out after the
// password had been taken back.
func (s step) afterMove(ctx context.Context, version Version) (string, error) {
	current, err := parsePending(version)
	if err != nil {
		return alreadyFinished, nil
	}
	session, err := s.Database.Connect(ctx, login(current))
	if err == nil {
		s.close(ctx, session)
		return alreadyFinished, nil
	}
	if !passwordMayBeWrong(err) {
		return "", fmt.Errorf("%s has moved already; logging in with it, without which this step does not end: %w", Current, err)
	}
	before, found, err := s.previousPassword(ctx, current)
	if err != nil || !found {
		return alreadyFinished, err
	}
	if err := s.setAfterMove(ctx, before, document{current, version.ID, version.Created}); err != nil {
		return "", fmt.Errorf("%s has moved already, and its password is not in force; setting it: %w", Current, err)
	}
	return alreadyFinished, nil
}

// previousPassword is AWSCURRENT's document with the password under AWSPREVIOUS, where that
// one logs in and the server keeps it alone.
func (s step) previousPassword(ctx context.Context, current secret.Document) (before document, found bool, err error) {
	labels, err := s.Secrets.Describe(ctx, s.event.SecretID)
	if err != nil {
		return document{}, false, err
	}
	previous, err := s.labelled(ctx, labels, Previous)
	if err != nil || previous.versionID == "" || previous.Username() != current.Username() {
		return document{}, false, err
	}
	if before.Document, err = current.WithCredentials(current.Username(), previous.Password()); err != nil {
		return document{}, false, err
	}
	before.versionID = previous.versionID
	session, err := s.Database.Connect(ctx, login(before.Document))
	if passwordMayBeWrong(err) {
		return document{}, false, nil // somebody has set another since
	}
	if err != nil {
		return document{}, false, fmt.Errorf("looking which password %q has: %w", current.Username(), err)
	}
	defer s.close(ctx, session)
	one, err := s.ownOnePassword(ctx, session)
	return before, one.Why != "", err
}

func (s step) setAfterMove(ctx context.Context, before, current document) error {
	d, err := s.withAdmin(ctx, documents{current: before, pending: current})
	if err != nil {
		return err
	}
	s.moved = true
	w, _, err := s.enter(ctx, d)
	if err != nil {
		return err
	}
	defer w.leave(ctx)
	user, err := w.readSingleUser(ctx)
	if err != nil {
		return err
	}
	if changed, err := w.changeOnlyPassword(ctx, user); err != nil || !changed {
		return err
	}
	return w.testChanged(ctx)
}
