package rotation

import (
	"context"
	"errors"
	"fmt"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/secret"
	"tandem/internal/statement"
	"tandem/internal/warning"
)

// A single user keeps its name, and gets another password. Where the server keeps two, the
// current one goes on beside the pending one, until the next rotation replaces it; where it
// keeps one, onepassword.go says what happens.

// users are those whose accounts a rotation reads.
func (s Settings) users(current string) []string {
	if s.Strategy == SingleUser {
		return []string{current}
	}
	return []string{secret.Original(current), secret.Clone(current)}
}

// ErrReplacedPassword is returned by Session.Apply, wrapped, where the password that a
// statement names as the one to be replaced is not the account's first one.
var ErrReplacedPassword = failure.New(failure.StatementRefused, "the password to be replaced is another one")

// ErrPasswordUsedBefore is returned by Session.Apply, wrapped, where the account's history
// forbids the password.
var ErrPasswordUsedBefore = failure.New(failure.PasswordRefused, "the account has had the password before")

// ErrTooFewCharactersChanged is returned by Session.Apply, wrapped, where a change of one's
// own password, with the right one to be replaced, makes too few of its characters others.
var ErrTooFewCharactersChanged = failure.New(failure.PasswordRefused, "too few characters of the password are changed")

// changeSingleUser makes the user's accounts open to the pending password, and to the
// current one.
func (w *underLock) changeSingleUser(ctx context.Context) (string, error) {
	user, err := w.readSingleUser(ctx)
	if err != nil {
		return "", err
	}
	if user == nil {
		w.step.warn(ctx, warning.AccountsNotListed, w.accountsNotListed()+"; "+warning.Remedy(warning.AccountsNotListed))
	} else {
		w.warn(ctx, user.OtherWaysIn())
	}
	if one := w.onePassword(user); one.Why != "" && !w.repairs {
		return w.leaveToFinishSecret(ctx, user, one)
	}
	if user == nil {
		return w.changeOwnPassword(ctx)
	}
	if err := w.warnOfEndingPasswords(ctx, *user); err != nil {
		return "", err
	}
	statements, err := user.Change(w.passwords())
	if err != nil {
		return "", fmt.Errorf("setting the password of %q: %w", user.User.Name, err)
	}
	for _, s := range statements {
		if err := w.applyPassword(ctx, s, len(user.User.Accounts)); err != nil {
			return "", err
		}
	}
	w.warnOfRepair(ctx)
	if len(statements) == 0 {
		return asItMustBe, nil
	}
	return fmt.Sprintf("password of %q set", user.User.Name), nil
}

func (w *underLock) passwords() account.Passwords {
	return account.Passwords{Current: w.current.Password(), Pending: w.pending.Password(), Matches: w.matches, VerifierOf: w.verifierOf}
}

// readAccounts reads the user's accounts, and whether the server takes verifiers. It is nil
// where a user that changes its own password may not list accounts, on MySQL, where such a
// user can do without.
func (w *underLock) readAccounts(ctx context.Context) (*account.SingleUser, error) {
	name := w.current.Username()
	users, err := w.users(ctx, name)
	if err != nil && w.documents.admin.own {
		err = mendWith(err, "name an admin secret, or send that GRANT as somebody who may")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the accounts of %q: %w", name, denied(failure.AdminAccessDenied, err))
	}
	if w.clear, err = w.admin.PluginsNeedingPlaintext(ctx); err != nil {
		return nil, fmt.Errorf("asking whether the server takes verifiers: %w", err)
	}
	if users == nil {
		return nil, nil
	}
	user := &account.SingleUser{Server: w.admin.Facts().Server, User: users[0], Own: w.documents.admin.own, Clear: w.clear, Login: w.proof.Account, Unlocks: w.repairs, Blocked: w.repairs && errors.Is(w.refused, ErrAccountBlocked)}
	w.pendingAccounts = accountNames(user.User)
	return user, nil
}

// readSingleUser reads the user, and refuses one whose password cannot be changed. It is
// nil where readAccounts is.
func (w *underLock) readSingleUser(ctx context.Context) (*account.SingleUser, error) {
	user, err := w.readAccounts(ctx)
	if err != nil {
		return nil, err
	}
	if err := w.checkPasswordEncrypted(w.admin.Facts().Server.Flavor == account.MySQL || len(w.clear) > 0); err != nil {
		return nil, err
	}
	if user == nil {
		if w.proof.Account.User != w.current.Username() {
			return nil, w.loggedInAsOther()
		}
		return nil, nil
	}
	if w.repairs {
		user.Login, _ = user.User.Serving(w.admin.Facts().From)
	} else if !w.withoutProof && !user.User.Has(user.Login) {
		return nil, w.loggedInAsOther()
	}
	if user.AdminDynamic, err = w.adminDynamic(ctx, user.User); err != nil {
		return nil, err
	}
	err = user.Check()
	switch {
	case err != nil && w.repairs:
		return nil, w.notRepaired(err, "")
	case err != nil:
		return nil, err
	case w.repairs:
		return user, w.checkRepairable(ctx, *user)
	}
	return user, w.checkStillAccepted(*user)
}

func (w *underLock) loggedInAsOther() error {
	return failure.Errorf(failure.LoggedInAsOtherUser, "the %s credentials of %q log in as %s, which is not one of that user's accounts: drop the account that matched instead, or create one for this client's host",
		Current, w.current.Username(), w.proof.Account)
}

// users reads all accounts of users, or none where a user that changes its own password
// may not list them, and the server is MySQL.
func (w *underLock) users(ctx context.Context, names ...string) ([]account.User, error) {
	users, err := w.admin.Users(ctx, names...)
	var denial Denial
	if w.documents.admin.own && w.admin.Facts().Server.Flavor == account.MySQL && errors.As(err, &denial) && denial.Denied() {
		return nil, nil
	}
	return users, err
}

// checkStillAccepted refuses to go on where the current password has been changed between
// the proof and the lock: what is to go on is not there any more.
func (w *underLock) checkStillAccepted(user account.SingleUser) error {
	if w.withoutProof {
		return nil
	}
	proven := w.current.Password()
	if w.proof.pending {
		proven = w.pending.Password()
	}
	still, err := user.Accepts(proven, w.matches)
	if err != nil {
		return fmt.Errorf("comparing the stored password of %s: %w", user.Login, err)
	}
	if !still {
		return w.passwordChangedSince(user.Login)
	}
	return nil
}

func (w *underLock) passwordChangedSince(name account.Name) error {
	return failure.Errorf(failure.CurrentCredentialsRejected, "the password of %s has been changed since this step logged in with it, and is not the one under %s any more: nothing was changed; "+
		"look for another secret for the same user, and keep one secret to a user", name, Current)
}

// accountsNotListed says what is not known where a user that changes its own password may
// not list accounts.
func (w *underLock) accountsNotListed() string {
	return fmt.Sprintf("%s may not list accounts: whether %q has others, at other hosts, which would keep their passwords, is not known", w.admin.Facts().Account, w.current.Username())
}

// warnOfEndingPasswords warns of what a change of the passwords ends and begins beside the
// rotation's own.
func (w *underLock) warnOfEndingPasswords(ctx context.Context, user account.SingleUser) error {
	warnings, err := w.endingPasswords(user)
	w.warn(ctx, warnings)
	return err
}

// endingPasswords are the warnings of passwords that end and are neither the current one nor
// the pending one, and of accounts that get one without having had any that logged in. Of a
// password that was set by hand the warning of a repair tells.
func (w *underLock) endingPasswords(user account.SingleUser) (warnings []account.Warning, err error) {
	if !w.repairs {
		foreign, err := user.ForeignPasswords(w.passwords())
		if err != nil {
			return nil, fmt.Errorf("comparing the stored passwords of %q: %w", user.User.Name, err)
		}
		for _, name := range foreign {
			warnings = append(warnings, foreignPassword(name))
		}
	}
	expired, without, err := user.OpenedAnew(w.passwords())
	if err != nil {
		return nil, err
	}
	for _, name := range expired {
		warnings = append(warnings, account.Warning{Type: warning.AccountOpened, Message: fmt.Sprintf("the password of %s has expired, and the new one, which it gets as every account of the user does, has not: expire it again, lock or drop the account, if nobody is to log in there", name)})
	}
	for _, name := range without {
		warnings = append(warnings, account.Warning{Type: warning.AccountOpened, Message: fmt.Sprintf("%s has no password, and gets the new one, as every account of the user does: lock or drop it, if nobody is to log in there", name)})
	}
	return warnings, nil
}

func foreignPassword(name account.Name) account.Warning {
	return account.Warning{Type: warning.PasswordChangedElsewhere, Message: fmt.Sprintf("the first password of %s is neither the one under %s nor the pending one, and ends: it was set by an operator, by a rotation that was given up, or by another secret for the same user; "+
		"look for one, and keep one secret to a user: two break each other's passwords with every rotation", name, Current)}
}

// orAdmin comes before the GRANT by which a user may change its own password: with CREATE
// USER it may change that of others too.
const orAdmin = "name an admin secret, or, "

// applyPassword sends a statement about the password of the user, who has so many accounts.
func (w *underLock) applyPassword(ctx context.Context, s statement.Statement, accounts int) error {
	facts := w.admin.Facts()
	w.warnOfClear(ctx, s)
	if err := w.admin.Apply(ctx, s); err != nil {
		as := "admin "
		if w.documents.admin.own {
			as, err = "the user itself, ", mendWith(err, orAdmin+"to fix it, run: "+account.OwnPasswordRemedy(facts.Server, facts.Account, accounts).String())
		} else {
			err = mend(err, account.SingleUserRemedy(facts.Account))
		}
		return denied(failure.AdminAccessDenied, fmt.Errorf("setting the password of %q as %s%s%s: %w", w.pending.Username(), as, facts.Account, w.record.stillValid(), err))
	}
	if s.HoldsSecret() {
		w.record.password(s)
	} else {
		w.record.asked(s)
	}
	w.log.InfoContext(ctx, "statement executed", "statement", s.String())
	return nil
}

// changeOwnPassword has the user change its own password without reading what the server
// keeps of it: the server itself compares the password that is replaced. Where that is
// not the current one, the current one is kept as the second, if it still logs in.
func (w *underLock) changeOwnPassword(ctx context.Context) (string, error) {
	facts := w.admin.Facts()
	retaining, plain := account.OwnPassword(facts.Server, facts.Account, w.passwords())
	err := w.applyPassword(ctx, retaining, 1)
	if set, err := w.ownIsPending(ctx, err); err != nil {
		return "", err
	} else if set {
		return asItMustBe, nil
	}
	if errors.Is(err, ErrReplacedPassword) {
		if kept, err := w.logsIn(ctx, w.current.Document); err != nil {
			return "", err
		} else if !kept {
			return "", w.passwordChangedSince(facts.Account)
		}
		w.warn(ctx, []account.Warning{foreignPassword(facts.Account)})
		err = w.applyPassword(ctx, plain, 1)
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("password of %q set", w.pending.Username()), nil
}

// ownIsPending reports whether a refused change of one's own password says that the pending
// one is in force already. It asks by a statement where that can tell: a login that is
// refused counts as a failed one, and may block the account for the application.
func (w *underLock) ownIsPending(ctx context.Context, refused error) (bool, error) {
	switch {
	case errors.Is(refused, ErrReplacedPassword):
		again := account.OwnPasswordAgain(w.admin.Facts().Server, w.admin.Facts().Account, w.passwords())
		err := w.admin.Apply(ctx, again)
		switch {
		case errors.Is(err, ErrReplacedPassword):
			return false, nil
		case errors.Is(err, ErrTooFewCharactersChanged): // which is asked once REPLACE has named the right one
			return true, nil
		case err != nil:
			return false, fmt.Errorf("looking whether the pending password of %q is set: %w", w.pending.Username(), err)
		}
		w.record.asked(again)
		w.log.InfoContext(ctx, "statement executed", "statement", again.String())
		return true, nil
	case errors.Is(refused, ErrPasswordUsedBefore):
		// The server looks at the history first. One that was made for this rotation is in
		// there since an earlier try has set it.
		return w.logsIn(ctx, w.pending.Document)
	}
	return false, nil
}

// logsIn reports whether a document's password is one that the user has.
func (w *underLock) logsIn(ctx context.Context, d secret.Document) (bool, error) {
	session, err := w.Database.Connect(ctx, login(d))
	if passwordMayBeWrong(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking which passwords %q has: %w", d.Username(), err)
	}
	w.close(ctx, session)
	return true, nil
}
