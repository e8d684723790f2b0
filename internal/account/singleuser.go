package account

import (
	"fmt"
	"slices"
	"strings"

	"tandem/internal/redact"
	"tandem/internal/statement"
)

// SingleUser is a user who keeps its name while its password changes. Where the server keeps
// two passwords of an account, the one in use logs in beside the new one until the next
// change: there is no moment at which it is refused. Where it keeps one (onepassword.go),
// the one in use ends with the change.
type SingleUser struct {
	Server Server
	User   User
	// Login is the account that the proven credentials have logged in as; the zero value
	// where none were proven.
	Login Name
	// Own: the statements are sent by Login itself.
	Own bool
	// Clear and AdminDynamic are as a Pair's.
	Clear        []string
	AdminDynamic map[string]bool
	// Unlocks: nobody has proven a password of the user, so its clients may have been
	// failing to log in. The accounts that are not locked by hand are unlocked, which ends
	// the server's count of that; Blocked: also those that have the pending password, as the
	// server has refused a login for that count.
	Unlocks, Blocked bool
}

// Passwords are those that a single user's accounts are to be open to, and how a stored
// password is compared with one, and made of one.
type Passwords struct {
	// Current is the password in use, Pending the one to come.
	Current, Pending redact.Secret
	Matches          func(plugin string, stored, password redact.Secret) (bool, error)
	VerifierOf       func(plugin string, password redact.Secret) (redact.Secret, error)
}

// keepsTwoPasswords reports whether the server has RETAIN CURRENT PASSWORD.
//
// Source: MySQL 8.4 Reference Manual, 8.2.15 "Password Management", "Dual Password
// Support"; MySQL 8.0 Release Notes, 8.0.14.
func (s Server) keepsTwoPasswords() bool { return s.Flavor == MySQL && s.AtLeast(8, 0, 14) }

// notNative is the plugin of a password of the account's on MariaDB that is not
// mysql_native_password; empty for none.
func (u SingleUser) notNative(a Account) string {
	if u.Server.Flavor != MariaDB {
		return ""
	}
	for _, factor := range a.Factors {
		if u.Server.settable(factor) && !strings.EqualFold(factor.Plugin, nativePlugin) {
			return factor.Plugin
		}
	}
	return ""
}

// Check finds what stands in the way of a change.
func (u SingleUser) Check() error {
	if len(u.User.Accounts) == 0 {
		return fmt.Errorf("the user %q does not exist: create it, or correct username in the secret's document: %w", u.User.Name, ErrNotFound)
	}
	any := false
	for i := range u.User.Accounts {
		a := &u.User.Accounts[i]
		if err := u.Server.alterable(a.Name); err != nil {
			return err
		}
		if err := mayAlter(u.AdminDynamic, a); err != nil {
			return err
		}
		any = any || u.hasPassword(a)
		if a.Name != u.Login {
			continue
		}
		if err := u.Server.loginFactors(a); err != nil {
			return err
		}
	}
	if !any {
		return fmt.Errorf("no account of the user %q has a password to rotate: give one a password plugin, or rotate another user: %w", u.User.Name, ErrUnsupported)
	}
	return u.mixed()
}

// hasPassword reports whether the account has a password that a rotation sets.
func (u SingleUser) hasPassword(a *Account) bool {
	if u.Server.Flavor == MySQL {
		return len(a.Factors) > 0 && u.Server.settable(a.Factors[0])
	}
	return slices.ContainsFunc(a.Factors, u.Server.settable)
}

// Change writes the statements after which the accounts are open to the pending password
// and, where the server keeps two and an account had it, to the current one; and to no
// other that a rotation can end. There are none where that is so already: MySQL would
// retain the pending password itself, in place of the current one.
//
// All accounts are changed in one statement, the last. A second password that is neither
// is discarded before it. Where accounts are unlocked, those that stay locked come before,
// since ACCOUNT UNLOCK goes for every account of its statement.
//
// Source: MySQL 8.4 Reference Manual, 8.2.15 "Password Management", "Failed-Login Tracking
// and Temporary Account Locking": an ALTER USER without ACCOUNT UNLOCK leaves an account
// blocked (tried on 9.7).
func (u SingleUser) Change(p Passwords) ([]statement.Statement, error) {
	change := u.changeMariaDB
	if u.Server.Flavor == MySQL {
		change = u.changeMySQL
	}
	var locked, altered alterations
	var discarded []Name
	for i := range u.User.Accounts {
		a := &u.User.Accounts[i]
		if !u.hasPassword(a) {
			continue
		}
		to, opens := &altered, u.Unlocks && !a.Attributes.Locked
		if u.Unlocks && !opens {
			to = &locked
		}
		before := to.accounts
		discards, err := change(to, a, p)
		if err != nil {
			return nil, fmt.Errorf("comparing the stored password of %s: %w", a.Name, err)
		}
		if discards {
			discarded = append(discarded, a.Name)
		}
		if opens && u.Blocked && to.accounts == before {
			to.account(a.Name)
		}
	}
	var statements []statement.Statement
	if discarded != nil {
		statements = append(statements, discardStatement(discarded...))
	}
	if locked.builder != nil {
		statements = append(statements, locked.builder.Statement())
	}
	if altered.builder != nil {
		if u.Unlocks {
			altered.builder.SQL(" ACCOUNT UNLOCK")
		}
		statements = append(statements, altered.builder.Statement())
	}
	return statements, nil
}

// changeMySQL retains the password that is replaced where it is the current one.
// Otherwise that one is an abandoned rotation's, or a stranger's, and what is to be kept
// is the second, which a change without RETAIN leaves.
//
// Source: MySQL 8.4 Reference Manual, 15.7.1.1 "ALTER USER Statement", "ALTER USER
// Dual-Password Options".
func (u SingleUser) changeMySQL(altered *alterations, a *Account, p Passwords) (discards bool, err error) {
	plugin, first := a.Factors[0].Plugin, a.Factors[0].Verifier
	fits := func(stored, password redact.Secret) bool {
		if stored.Empty() || err != nil {
			return false
		}
		var same bool
		same, err = p.Matches(plugin, stored, password)
		return same
	}
	isCurrent := fits(first, p.Current)
	retains := isCurrent && u.Server.keepsTwoPasswords()
	if !isCurrent {
		discards = !a.SecondPassword.Empty() && !fits(a.SecondPassword, p.Current) && !fits(a.SecondPassword, p.Pending)
	}
	if done := !isCurrent && fits(first, p.Pending); done || err != nil {
		return discards, err
	}
	altered.account(a.Name)
	own := u.Own && a.Name == u.Login
	writePassword(altered.builder, plugin, p.Pending, own)
	if isCurrent && own {
		u.Server.replace(altered.builder, p.Current)
	}
	if retains {
		altered.builder.SQL(" RETAIN CURRENT PASSWORD")
	}
	return discards, nil
}

// writePassword writes MySQL's IDENTIFIED clause, which leaves the plugin as it is. To
// name it, one needs CREATE USER even for one's own account (tried on MySQL 9.7).
func writePassword(b *statement.Builder, plugin string, password redact.Secret, own bool) {
	if own {
		b.SQL(" IDENTIFIED BY ").Secret(password)
		return
	}
	writeCredentials(b, Server{Flavor: MySQL}, credential{plugin: plugin, secret: password, clear: true})
}

// replace names the password that a change of one's own replaces, as it has to be where
// PASSWORD REQUIRE CURRENT says so; another's must not be named.
func (s Server) replace(b *statement.Builder, replaced redact.Secret) {
	if s.verifiesReplaced() {
		b.SQL(" REPLACE ").Secret(replaced)
	}
}

// changeMariaDB writes the pending password before the current one, each as a factor of
// mysql_native_password, of which the server takes either. What else an account
// authenticates with stays, and comes after them: a server asks for one factor after the
// other, and the driver lets it change the plugin once.
//
// Source: MariaDB, "Authentication from MariaDB 10.4", "ALTER USER" (IDENTIFIED VIA ... OR).
func (u SingleUser) changeMariaDB(altered *alterations, a *Account, p Passwords) (discards bool, err error) {
	if u.OnePassword() != (OnePassword{}) || u.notNative(*a) != "" { // a locked account's too
		return false, u.onePasswordMariaDB(altered, a, p)
	}
	kept, err := u.storedCurrent(a, p)
	if err != nil {
		return false, err
	}
	others := u.others(a, kept)
	if first := a.Factors[0]; u.Server.settable(first) && !first.Verifier.Empty() && slices.EqualFunc(a.Factors[1:], others, sameFactor) {
		if done, err := p.Matches(first.Plugin, first.Verifier, p.Pending); done || err != nil {
			return false, err
		}
	}
	verifier, err := p.VerifierOf(nativePlugin, p.Pending)
	if err != nil {
		return false, err
	}
	credentials := []credential{{plugin: nativePlugin, secret: verifier}}
	for _, factor := range others {
		credentials = append(credentials, credential{plugin: factor.Plugin, secret: factor.Verifier})
	}
	altered.account(a.Name)
	writeCredentials(altered.builder, u.Server, credentials...)
	return false, nil
}

// others are the factors that an account of MariaDB's is to have beside the pending
// password: the current one, where that is kept, and what no rotation sets.
func (u SingleUser) others(a *Account, kept redact.Secret) (others []Factor) {
	if !kept.Empty() {
		others = append(others, Factor{Plugin: nativePlugin, Verifier: kept})
	}
	for _, factor := range a.Factors {
		if !u.Server.settable(factor) {
			others = append(others, factor)
		}
	}
	return others
}

// storedCurrent is what an account keeps of the current password; empty where it has
// another.
func (u SingleUser) storedCurrent(a *Account, p Passwords) (redact.Secret, error) {
	for _, factor := range u.passwords(*a) {
		if fits, err := p.Matches(factor.Plugin, factor.Verifier, p.Current); err != nil || fits {
			return factor.Verifier, err
		}
	}
	return redact.Secret{}, nil
}

// passwords are what the server keeps of an account's passwords, the first one first.
func (u SingleUser) passwords(a Account) []Factor {
	return slices.DeleteFunc(slices.Clone(a.Passwords()), func(f Factor) bool { return !u.Server.settable(f) || f.Verifier.Empty() })
}

// Accepts reports whether a password is one that the account of the login is open to.
func (u SingleUser) Accepts(password redact.Secret, matches func(plugin string, stored, password redact.Secret) (bool, error)) (bool, error) {
	account := u.User.at(u.Login.Host)
	if account == nil {
		return false, nil
	}
	return u.accepts(*account, password, matches)
}

func (u SingleUser) accepts(a Account, password redact.Secret, matches func(plugin string, stored, password redact.Secret) (bool, error)) (bool, error) {
	for _, factor := range u.passwords(a) {
		if fits, err := matches(factor.Plugin, factor.Verifier, password); err != nil || fits {
			return fits, err
		}
	}
	return false, nil
}

// ForeignPasswords are the accounts that are open, and whose first password is neither of
// the two.
func (u SingleUser) ForeignPasswords(p Passwords) (foreign []Name, err error) {
	for _, a := range u.User.Accounts {
		kept := u.passwords(a)
		if a.Attributes.Locked || len(kept) == 0 {
			continue
		}
		known := false
		for _, password := range []redact.Secret{p.Current, p.Pending} {
			if !known {
				if known, err = p.Matches(kept[0].Plugin, kept[0].Verifier, password); err != nil {
					return nil, err
				}
			}
		}
		if !known {
			foreign = append(foreign, a.Name)
		}
	}
	return foreign, nil
}

// OpenedAnew are the accounts that somebody can log in to with the pending password, and
// could with none before: its password has expired, or it has none. Locked ones are not
// among them, nor such as have the pending one already.
func (u SingleUser) OpenedAnew(p Passwords) (expired, without []Name, err error) {
	for i := range u.User.Accounts {
		a := &u.User.Accounts[i]
		if a.Attributes.Locked || !u.hasPassword(a) {
			continue
		}
		kept := u.passwords(*a)
		if len(kept) == 0 {
			without = append(without, a.Name)
		}
		if !a.Expired || len(kept) == 0 {
			continue
		}
		set, err := p.Matches(kept[0].Plugin, kept[0].Verifier, p.Pending)
		if err != nil {
			return nil, nil, fmt.Errorf("comparing the stored password of %s: %w", a.Name, err)
		}
		if !set {
			expired = append(expired, a.Name)
		}
	}
	return expired, without, nil
}

// OwnPassword are the statements by which a user changes its own password where it may
// not read what the server keeps of it (MySQL). The first retains the current password,
// where the server keeps two, if that is the one which the server compares with REPLACE;
// otherwise it is refused, and the second leaves what is kept beside it.
//
// Source: MySQL 8.4 Reference Manual, 15.7.1.1 "ALTER USER Statement"; MySQL 5.7
// Reference Manual, 13.7.1.1 (one's own password needs no privilege).
func OwnPassword(server Server, own Name, p Passwords) (first, plain statement.Statement) {
	begin := func() *statement.Builder {
		b := statement.New("ALTER USER ").Account(own.User, own.Host)
		writePassword(b, "", p.Pending, true)
		return b
	}
	b := begin()
	server.replace(b, p.Current)
	if server.keepsTwoPasswords() {
		b.SQL(" RETAIN CURRENT PASSWORD")
	}
	return b.Statement(), begin().Statement()
}

// OwnPasswordAgain is the statement by which such a user asks whether the pending password
// is its first one: it is refused where it is not, and otherwise changes nothing, as what is
// kept beside it stays. A REPLACE that is refused is no failed login (tried on MySQL 9.7):
// the server does not count it, and block the account.
func OwnPasswordAgain(server Server, own Name, p Passwords) statement.Statement {
	b := statement.New("ALTER USER ").Account(own.User, own.Host)
	writePassword(b, "", p.Pending, true)
	server.replace(b, p.Pending)
	return b.Statement()
}

// OwnPasswordRemedy writes the GRANT that lets a user change its own password, with one
// account, or with several.
//
// Source: MySQL 8.4 Reference Manual, 15.7.1.1 "ALTER USER Statement" (one's own second
// password needs APPLICATION_PASSWORD_ADMIN).
func OwnPasswordRemedy(server Server, own Name, accounts int) statement.Statement {
	if server.keepsTwoPasswords() && accounts < 2 {
		return grantStatement(own, Object{}, []string{"APPLICATION_PASSWORD_ADMIN"}, nil, false)
	}
	return SingleUserRemedy(own)
}

// SingleUserRemedy writes the GRANT that lets somebody set the password of a user with
// several accounts, or of another one. There is nothing to pass on, so that it is without
// GRANT OPTION, which would let them pass on whatever they have on *.*.
func SingleUserRemedy(who Name) statement.Statement {
	return grantStatement(who, altering.object, altering.privileges, nil, false)
}
