package account

import (
	"fmt"
	"slices"
	"strings"

	"tandem/internal/redact"
	"tandem/internal/statement"
)

// SingleUser is a user who keeps its name while its password changes. Where the server
// can keep two passwords of an account, the one in use logs in beside the new one until
// the next change: so there is no moment at which it is refused.
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

// verifiesReplaced reports whether the server has REPLACE, by which a change names the
// password that it replaces.
//
// Source: MySQL 8.0 Release Notes, 8.0.13.
func (s Server) verifiesReplaced() bool { return s.Flavor == MySQL && s.AtLeast(8, 0, 13) }

// OnePassword says why the server keeps one password of the user alone, and is empty
// where it keeps two. MariaDB takes mysql_native_password twice in one account, and the
// driver logs in by either; at a second ed25519 it breaks off.
func (u SingleUser) OnePassword() string {
	switch {
	case u.Server.Flavor == MySQL && !u.Server.keepsTwoPasswords():
		return fmt.Sprintf("%s keeps one password of an account; from MySQL 8.0.14 on it is two", u.Server)
	case u.Server.Flavor == MySQL:
		return ""
	case len(u.Clear) > 0:
		return fmt.Sprintf("the plugin %s has to see each password that an account gets, and may refuse one that it has had", strings.Join(u.Clear, ", "))
	}
	for _, a := range u.User.Accounts {
		if plugin := u.notNative(a); plugin != "" {
			return fmt.Sprintf("%s authenticates with %s, of which an account has one password; of mysql_native_password it has two", a.Name, plugin)
		}
	}
	return ""
}

// notNative is the plugin of a password of the account's that is not
// mysql_native_password; empty for none.
func (u SingleUser) notNative(a Account) string {
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
	var login *Account
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
		if a.Name == u.Login {
			login = a
		}
	}
	switch {
	case login != nil:
		if err := u.Server.loginFactors(login); err != nil {
			return err
		}
	case !any:
		return fmt.Errorf("no account of the user %q has a password to rotate: give one a password plugin, or rotate another user: %w", u.User.Name, ErrUnsupported)
	}
	if u.Server.Flavor != MariaDB || login == nil || u.notNative(*login) != "" {
		return nil
	}
	for _, a := range u.User.Accounts {
		if plugin := u.notNative(a); plugin != "" {
			return fmt.Errorf("%s authenticates with %s and %s with %s, so that the server keeps two passwords of the one and one of the other: identify both by one plugin, best by mysql_native_password: %w",
				login.Name, nativePlugin, a.Name, plugin, ErrUnsupported)
		}
	}
	return nil
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
// is discarded before it.
func (u SingleUser) Change(p Passwords) ([]statement.Statement, error) {
	change := u.changeMariaDB
	if u.Server.Flavor == MySQL {
		change = u.changeMySQL
	}
	var altered alterations
	var discarded []Name
	for i := range u.User.Accounts {
		a := &u.User.Accounts[i]
		if !u.hasPassword(a) {
			continue
		}
		discards, err := change(&altered, a, p)
		if err != nil {
			return nil, fmt.Errorf("comparing the stored password of %s: %w", a.Name, err)
		}
		if discards {
			discarded = append(discarded, a.Name)
		}
	}
	var statements []statement.Statement
	if discarded != nil {
		statements = append(statements, discardStatement(discarded...))
	}
	if altered.builder != nil {
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
	retains := u.Server.keepsTwoPasswords() && fits(first, p.Current)
	if !retains {
		discards = !a.SecondPassword.Empty() && !fits(a.SecondPassword, p.Current) && !fits(a.SecondPassword, p.Pending)
	}
	if err != nil || !retains && !a.Expired && fits(first, p.Pending) {
		return discards, err
	}
	altered.account(a.Name)
	own := u.Own && a.Name == u.Login
	writePassword(altered.builder, plugin, p.Pending, own)
	if own && u.Server.verifiesReplaced() && (retains || fits(first, p.Current)) {
		altered.builder.SQL(" REPLACE ").Secret(p.Current)
	}
	if retains {
		altered.builder.SQL(" RETAIN CURRENT PASSWORD")
	}
	return discards, err
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

// changeMariaDB writes the pending password before the current one, each as a factor of
// mysql_native_password, of which the server takes either. What else an account
// authenticates with stays.
//
// Source: MariaDB, "Authentication from MariaDB 10.4", "ALTER USER" (IDENTIFIED VIA ... OR).
func (u SingleUser) changeMariaDB(altered *alterations, a *Account, p Passwords) (discards bool, err error) {
	kept, err := u.storedCurrent(a, p)
	if err != nil {
		return false, err
	}
	want, pending := u.factors(a, kept)
	done := !a.Expired && len(want) == len(a.Factors)
	for i := 0; i < len(want) && done; i++ {
		have := a.Factors[i]
		if !pending[i] {
			done = sameFactor(have, want[i])
		} else if done = strings.EqualFold(have.Plugin, want[i].Plugin) && !have.Verifier.Empty(); done {
			if done, err = p.Matches(have.Plugin, have.Verifier, p.Pending); err != nil {
				return false, err
			}
		}
	}
	if done {
		return false, nil
	}
	credentials := make([]credential, len(want))
	for i, factor := range want {
		credentials[i] = credential{plugin: factor.Plugin, secret: factor.Verifier}
		if !pending[i] {
			continue
		}
		credentials[i].secret, credentials[i].clear = p.Pending, len(u.Clear) > 0
		if !credentials[i].clear {
			if credentials[i].secret, err = p.VerifierOf(factor.Plugin, p.Pending); err != nil {
				return false, err
			}
		}
	}
	altered.account(a.Name)
	writeCredentials(altered.builder, u.Server, credentials...)
	return false, nil
}

// factors are those that an account of MariaDB's is to have: of each plugin with a
// password one for the pending password, of which pending says so, and next to it one
// for the current password, where that is kept.
func (u SingleUser) factors(a *Account, kept redact.Secret) (want []Factor, pending []bool) {
	set := map[string]bool{} // by plugin
	for _, factor := range a.Factors {
		plugin := strings.ToLower(factor.Plugin)
		switch {
		case !u.Server.settable(factor):
			want, pending = append(want, factor), append(pending, false)
		case !set[plugin]:
			set[plugin] = true
			want, pending = append(want, Factor{Plugin: factor.Plugin}), append(pending, true)
			if !kept.Empty() {
				want, pending = append(want, Factor{Plugin: factor.Plugin, Verifier: kept}), append(pending, false)
			}
		}
	}
	return want, pending
}

// storedCurrent is what an account keeps of the current password where that is to be
// kept; empty where it is not, or the account has another.
func (u SingleUser) storedCurrent(a *Account, p Passwords) (redact.Secret, error) {
	if u.OnePassword() != "" {
		return redact.Secret{}, nil
	}
	for _, factor := range a.Factors {
		if !u.Server.settable(factor) || factor.Verifier.Empty() {
			continue
		}
		if fits, err := p.Matches(factor.Plugin, factor.Verifier, p.Current); err != nil || fits {
			return factor.Verifier, err
		}
	}
	return redact.Secret{}, nil
}

// Accepts reports whether a password is one that the account of the login is open to.
func (u SingleUser) Accepts(password redact.Secret, matches func(plugin string, stored, password redact.Secret) (bool, error)) (bool, error) {
	for _, factor := range u.loginPasswords() {
		if fits, err := matches(factor.Plugin, factor.Verifier, password); err != nil || fits {
			return fits, err
		}
	}
	return false, nil
}

// ForeignPassword reports whether the first password of the login's account is neither of
// the two.
func (u SingleUser) ForeignPassword(p Passwords) (bool, error) {
	for _, factor := range u.loginPasswords() {
		for _, password := range []redact.Secret{p.Current, p.Pending} {
			if fits, err := p.Matches(factor.Plugin, factor.Verifier, password); err != nil || fits {
				return false, err
			}
		}
		return true, nil
	}
	return false, nil
}

// loginPasswords are what the server keeps of the passwords of the login's account.
func (u SingleUser) loginPasswords() []Factor {
	account := u.User.at(u.Login.Host)
	if account == nil || u.Login == (Name{}) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(account.Passwords()), func(f Factor) bool { return !u.Server.settable(f) || f.Verifier.Empty() })
}

// OwnPassword are the statements by which a user changes its own password where it may
// not read what the server keeps of it (MySQL). The first retains the current password,
// if that is the one which the server compares with REPLACE; otherwise it is refused, and
// the second leaves what is kept beside it. Where the server keeps one password, both
// only change that.
//
// Source: MySQL 8.4 Reference Manual, 15.7.1.1 "ALTER USER Statement".
func OwnPassword(server Server, own Name, p Passwords) (retaining, plain statement.Statement) {
	begin := func() *statement.Builder {
		b := statement.New("ALTER USER ").Account(own.User, own.Host)
		writePassword(b, "", p.Pending, true)
		return b
	}
	b := begin()
	if server.verifiesReplaced() {
		b.SQL(" REPLACE ").Secret(p.Current)
	}
	if server.keepsTwoPasswords() {
		b.SQL(" RETAIN CURRENT PASSWORD")
	}
	return b.Statement(), begin().Statement()
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
	return PasswordRemedy(own)
}
