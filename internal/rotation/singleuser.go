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

// A single user keeps its name, and gets another password. Where the server keeps two,
// setSecret adds the pending one to the current one, which goes on until the next
// rotation; where it keeps one, finishSecret changes it, right before it moves the label.

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
	if user == nil {
		return w.changeOwnPassword(ctx)
	}
	if why := user.OnePassword(); why != "" && !w.withoutProof && !w.proof.password.Equal(w.pending.Password()) {
		return w.leaveToFinishSecret(ctx, why)
	}
	return w.setSingleUser(ctx, *user, w.current.Document, w.pending.Document)
}

// leaveToFinishSecret is setSecret's part where the server keeps one password.
func (w *underLock) leaveToFinishSecret(ctx context.Context, why string) (string, error) {
	w.step.warn(ctx, warning.OnePassword, fmt.Sprintf("the password in use ends in finishSecret, right before %s moves to the new one, and a login in between is refused: %s", Current, why))
	return "the server keeps one password: finishSecret changes it", nil
}

// readSingleUser reads the user, and refuses one whose password cannot be changed. It is
// nil where a user that changes its own password may not list accounts, on MySQL, where
// such a user can do without.
func (w *underLock) readSingleUser(ctx context.Context) (*account.SingleUser, error) {
	name := w.current.Username()
	users, err := w.users(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("reading the accounts of %q: %w", name, denied(failure.AdminAccessDenied, err))
	}
	if w.clear, err = w.admin.PluginsNeedingPlaintext(ctx); err != nil {
		return nil, fmt.Errorf("asking whether the server takes verifiers: %w", err)
	}
	server := w.admin.Facts().Server
	if err := w.checkPasswordEncrypted(server.Flavor == account.MySQL || len(w.clear) > 0); err != nil {
		return nil, err
	}
	if users == nil {
		return nil, nil
	}
	w.pendingAccounts = accountNames(users[0])
	user := &account.SingleUser{Server: server, User: users[0], Own: w.documents.admin.own, Clear: w.clear}
	if !w.withoutProof {
		user.Login = w.proof.Account
		if !user.User.Has(user.Login) {
			return nil, failure.Errorf(failure.LoggedInAsOtherUser, "the credentials of %q log in as %s, which is not one of that user's accounts: drop the account that matched instead, or create one for this client's host",
				name, user.Login)
		}
	}
	if user.AdminDynamic, err = w.adminDynamic(ctx, users...); err != nil {
		return nil, err
	}
	if err := user.Check(); err != nil {
		return nil, err
	}
	return user, w.checkStillAccepted(ctx, *user)
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

// checkStillAccepted refuses to go on where the password that was proven has been changed
// between the proof and the lock, and warns where the first password is neither of the two:
// then somebody else has set it, or a rotation that was given up.
func (w *underLock) checkStillAccepted(ctx context.Context, user account.SingleUser) error {
	if w.withoutProof {
		return nil
	}
	still, err := user.Accepts(w.proof.password, w.matches)
	if err != nil {
		return fmt.Errorf("comparing the stored password of %s: %w", user.Login, err)
	}
	if !still {
		return failure.Errorf(failure.CurrentCredentialsRejected, "the password of %s has been changed since this step logged in with it: nothing was changed; "+
			"look for another secret for the same user, and keep one secret to a user", user.Login)
	}
	foreign, err := user.ForeignPassword(account.Passwords{Current: w.current.Password(), Pending: w.pending.Password(), Matches: w.matches})
	if err != nil {
		return fmt.Errorf("comparing the stored password of %s: %w", user.Login, err)
	}
	if foreign {
		w.warnOfForeignPassword(ctx, user.Login)
	}
	return nil
}

func (w *underLock) warnOfForeignPassword(ctx context.Context, name account.Name) {
	w.step.warn(ctx, warning.PasswordChangedElsewhere, fmt.Sprintf("the first password of %s is neither the one under %s nor the pending one, and ends now: it was set by an operator, by a rotation that was given up, or by another secret for the same user; "+
		"look for one, and keep one secret to a user: two break each other's passwords with every rotation", name, Current))
}

// setSingleUser makes the user's accounts open to the password of one document, and to
// that of the other, where the server keeps two.
func (w *underLock) setSingleUser(ctx context.Context, user account.SingleUser, from, to secret.Document) (string, error) {
	statements, err := user.Change(account.Passwords{Current: from.Password(), Pending: to.Password(), Matches: w.matches, VerifierOf: w.verifierOf})
	if err != nil {
		return "", fmt.Errorf("setting the password of %q: %w", user.User.Name, err)
	}
	for _, s := range statements {
		if err := w.applyPassword(ctx, s, len(user.User.Accounts)); err != nil {
			return "", err
		}
	}
	if len(statements) == 0 {
		return asItMustBe, nil
	}
	return fmt.Sprintf("password of %q set", user.User.Name), nil
}

// applyPassword sends a statement about the password of the user, who has so many accounts.
func (w *underLock) applyPassword(ctx context.Context, s statement.Statement, accounts int) error {
	facts := w.admin.Facts()
	if err := w.admin.Apply(ctx, s); err != nil {
		remedy, as := account.PasswordRemedy(facts.Account), "admin "
		if w.documents.admin.own {
			remedy, as = account.OwnPasswordRemedy(facts.Server, facts.Account, accounts), "the user itself, "
		}
		return denied(failure.AdminAccessDenied, fmt.Errorf("setting the password of %q as %s%s; the old password is still valid, unless the server's reply was lost: %w",
			w.pending.Username(), as, facts.Account, mend(err, remedy)))
	}
	w.record.password(s)
	w.log.InfoContext(ctx, "statement executed", "statement", s.String())
	return nil
}

// changeOwnPassword has the user change its own password without reading what the server
// keeps of it: the server itself compares the password that is replaced.
func (w *underLock) changeOwnPassword(ctx context.Context) (string, error) {
	if w.proof.password.Equal(w.pending.Password()) {
		return asItMustBe, nil
	}
	if why := (account.SingleUser{Server: w.admin.Facts().Server}).OnePassword(); why != "" {
		return w.leaveToFinishSecret(ctx, why)
	}
	return w.setOwnPassword(ctx, w.current.Document, w.pending.Document)
}

// setOwnPassword replaces one password by another, and keeps the first, if it is kept
// beside another already or the server keeps two.
func (w *underLock) setOwnPassword(ctx context.Context, from, to secret.Document) (string, error) {
	facts := w.admin.Facts()
	retaining, plain := account.OwnPassword(facts.Server, facts.Account, account.Passwords{Current: from.Password(), Pending: to.Password()})
	err := w.applyPassword(ctx, retaining, 1)
	if errors.Is(err, ErrReplacedPassword) {
		session, refused := w.Database.Connect(ctx, login(to))
		if refused == nil {
			w.close(ctx, session)
			return "the password was set already", nil
		}
		if !errors.Is(refused, ErrLoginRefused) {
			return "", fmt.Errorf("looking whether the password of %s is set already: %w", facts.Account, refused)
		}
		w.warnOfForeignPassword(ctx, facts.Account)
		err = w.applyPassword(ctx, plain, 1)
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("password of %q set", to.Username()), nil
}
