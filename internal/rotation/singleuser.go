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

// changeSingleUser makes the user's accounts open to the pending password, and to the
// current one.
func (w *underLock) changeSingleUser(ctx context.Context) (string, error) {
	user, err := w.readSingleUser(ctx)
	if err != nil {
		return "", err
	}
	if one := w.onePassword(user); one.Why != "" && !w.repairs {
		return w.leaveToFinishSecret(ctx, user, one)
	}
	if user == nil {
		return w.changeOwnPassword(ctx)
	}
	if !w.repairs { // of which the warning tells otherwise
		if err := w.warnOfForeignPasswords(ctx, *user); err != nil {
			return "", err
		}
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
	if err != nil {
		return nil, fmt.Errorf("reading the accounts of %q: %w", name, denied(failure.AdminAccessDenied, err))
	}
	if w.clear, err = w.admin.PluginsNeedingPlaintext(ctx); err != nil {
		return nil, fmt.Errorf("asking whether the server takes verifiers: %w", err)
	}
	if users == nil {
		return nil, nil
	}
	user := &account.SingleUser{Server: w.admin.Facts().Server, User: users[0], Own: w.documents.admin.own, Clear: w.clear, Login: w.proof.Account}
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

// warnOfForeignPasswords warns of each password that ends now and is neither the current
// one nor the pending one.
func (w *underLock) warnOfForeignPasswords(ctx context.Context, user account.SingleUser) error {
	foreign, err := user.ForeignPasswords(w.passwords())
	if err != nil {
		return fmt.Errorf("comparing the stored passwords of %q: %w", user.User.Name, err)
	}
	for _, name := range foreign {
		w.warnOfForeignPassword(ctx, name)
	}
	return nil
}

func (w *underLock) warnOfForeignPassword(ctx context.Context, name account.Name) {
	w.step.warn(ctx, warning.PasswordChangedElsewhere, fmt.Sprintf("the first password of %s is neither the one under %s nor the pending one, and ends now: it was set by an operator, by a rotation that was given up, or by another secret for the same user; "+
		"look for one, and keep one secret to a user: two break each other's passwords with every rotation", name, Current))
}

// applyPassword sends a statement about the password of the user, who has so many accounts.
func (w *underLock) applyPassword(ctx context.Context, s statement.Statement, accounts int) error {
	facts := w.admin.Facts()
	w.warnOfClear(ctx, s)
	if err := w.admin.Apply(ctx, s); err != nil {
		remedy, as := account.PasswordRemedy(facts.Account), "admin "
		if w.documents.admin.own {
			remedy, as = account.OwnPasswordRemedy(facts.Server, facts.Account, accounts), "the user itself, "
		}
		return denied(failure.AdminAccessDenied, fmt.Errorf("setting the password of %q as %s%s%s: %w",
			w.pending.Username(), as, facts.Account, w.record.stillValid(), mend(err, remedy)))
	}
	w.record.password(s)
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
	if errors.Is(err, ErrReplacedPassword) {
		if set, err := w.logsIn(ctx, w.pending.Document); err != nil {
			return "", err
		} else if set {
			return asItMustBe, nil
		}
		if kept, err := w.logsIn(ctx, w.current.Document); err != nil {
			return "", err
		} else if !kept {
			return "", w.passwordChangedSince(facts.Account)
		}
		w.warnOfForeignPassword(ctx, facts.Account)
		err = w.applyPassword(ctx, plain, 1)
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("password of %q set", w.pending.Username()), nil
}

// logsIn reports whether a document's password is one that the user has.
func (w *underLock) logsIn(ctx context.Context, d secret.Document) (bool, error) {
	session, err := w.Database.Connect(ctx, login(d))
	if errors.Is(err, ErrLoginRefused) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking which passwords %q has: %w", d.Username(), err)
	}
	w.close(ctx, session)
	return true, nil
}
