package account

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tandem/internal/redact"
	"tandem/internal/statement"
)

// OnePassword is why the server keeps one password of a user, and what has it keep two.
// The zero value is that of a user of whom it keeps two.
type OnePassword struct{ Why, Remedy string }

// OnePassword says whether the server keeps one password of the user alone. MariaDB takes
// mysql_native_password twice in one account, and the driver logs in by either; at a
// second ed25519 it breaks off (tried on 10.5, 10.11 and 11.8). A locked account, by which
// nobody logs in, has no say.
func (u SingleUser) OnePassword() OnePassword {
	switch {
	case u.Server.Flavor == MySQL && !u.Server.keepsTwoPasswords():
		return OnePassword{fmt.Sprintf("%s keeps one password of an account", u.Server), "upgrade it to MySQL 8.0.14 or later, which keeps two"}
	case u.Server.Flavor == MySQL:
		return OnePassword{}
	case len(u.Clear) > 0:
		return OnePassword{
			fmt.Sprintf("the plugin %s has to see each password that an account gets (strict_password_validation is ON), also the one in use, which it may refuse", strings.Join(u.Clear, ", ")),
			"SET GLOBAL strict_password_validation = OFF, and likewise in the server's configuration",
		}
	}
	var why, remedies []string
	for _, a := range u.User.Accounts {
		if plugin := u.notNative(a); plugin != "" && !a.Attributes.Locked {
			why = append(why, fmt.Sprintf("%s authenticates with %s, of which an account has one password", a.Name, plugin))
			remedies = append(remedies, u.identifiedByHand(a, nativePlugin))
		}
	}
	if why == nil {
		return OnePassword{}
	}
	return OnePassword{strings.Join(why, "; "), "ALTER USER " + strings.Join(remedies, ", ")}
}

// mixed refuses accounts of MariaDB's of which some could have two passwords and some
// could not: they are changed together, and what is said of one has to hold for all by
// which somebody may log in.
func (u SingleUser) mixed() error {
	if u.Server.Flavor != MariaDB || len(u.Clear) > 0 {
		return nil
	}
	var one, two *Account
	for i := range u.User.Accounts {
		switch a := &u.User.Accounts[i]; {
		case a.Attributes.Locked:
		case u.notNative(*a) != "":
			one = a
		case u.hasPassword(a):
			two = a
		}
	}
	if one == nil || two == nil {
		return nil
	}
	return fmt.Errorf("%s authenticates with %s and %s with %s, so that the server keeps one password of the one and two of the other: nothing was changed; identify both by one plugin, best by %s: %w",
		one.Name, u.notNative(*one), two.Name, nativePlugin, nativePlugin, ErrUnsupported)
}

// verifiesReplaced reports whether the server has REPLACE, by which a change of one's own
// password names the one that it replaces.
//
// Source: MySQL 8.0 Release Notes, 8.0.13.
func (s Server) verifiesReplaced() bool { return s.Flavor == MySQL && s.AtLeast(8, 0, 13) }

// TakeBack writes the statement by which the accounts that have the pending password get
// the current one again. Others are left as they are.
func (u SingleUser) TakeBack(p Passwords) ([]statement.Statement, error) {
	var having []Account
	for _, a := range u.User.Accounts {
		has, err := u.accepts(a, p.Pending, p.Matches)
		if err != nil {
			return nil, fmt.Errorf("comparing the stored password of %s: %w", a.Name, err)
		}
		if has {
			having = append(having, a)
		}
	}
	u.User.Accounts = having
	p.Current, p.Pending = p.Pending, p.Current
	return u.Change(p)
}

// AnyAccepts reports whether a password is one that an account is open to.
func (u SingleUser) AnyAccepts(password redact.Secret, matches func(plugin string, stored, password redact.Secret) (bool, error)) (bool, error) {
	for _, a := range u.User.Accounts {
		if fits, err := u.accepts(a, password, matches); err != nil || fits && !a.Attributes.Locked {
			return fits, err
		}
	}
	return false, nil
}

// onePasswordMariaDB writes the pending password in the place of each password of the
// account's, with what else it authenticates with as it is.
func (u SingleUser) onePasswordMariaDB(altered *alterations, a *Account, p Passwords) error {
	done := true
	for _, factor := range a.Factors {
		if !u.Server.settable(factor) {
			continue
		}
		fits := false
		var err error
		if !factor.Verifier.Empty() {
			if fits, err = p.Matches(factor.Plugin, factor.Verifier, p.Pending); err != nil {
				return err
			}
		}
		done = done && fits
	}
	if done {
		return nil
	}
	credentials, err := Pair{Server: u.Server}.credentials(a, len(u.Clear) > 0, func(plugin string) (redact.Secret, error) {
		if len(u.Clear) > 0 {
			return p.Pending, nil
		}
		return p.VerifierOf(plugin, p.Pending)
	})
	if err != nil {
		return err
	}
	altered.account(a.Name)
	writeCredentials(altered.builder, u.Server, slices.CompactFunc(credentials, sameClear)...)
	return nil
}

// sameClear reports whether two factors would be the same password by the same plugin.
func sameClear(a, b credential) bool {
	return strings.EqualFold(a.plugin, b.plugin) && a.secret.Equal(b.secret)
}

// PasswordPlaceholder stands in SetByHand for the password. It has no quotes, so that no
// server takes it for one.
const PasswordPlaceholder = "<the password under AWSCURRENT, in quotes>"

// SetByHand writes the statement by which somebody sets the password under AWSCURRENT: of
// all accounts that have one, or of those that are named.
func (u SingleUser) SetByHand(names ...Name) string {
	var texts []string
	for _, a := range u.User.Accounts {
		if slices.Contains(names, a.Name) || len(names) == 0 && (len(a.Factors) == 0 || u.hasPassword(&a)) {
			texts = append(texts, u.identifiedByHand(a, ""))
		}
	}
	return "ALTER USER " + strings.Join(texts, ", ")
}

// keptPlaceholder stands in SetByHand for what the server keeps for a plugin and no error
// may show. It has no quotes either.
const keptPlaceholder = "<what SHOW CREATE USER prints there, in quotes>"

// identifiedByHand is an account with its plugins, or a MariaDB's with another one in their
// place, and with what else lets somebody in. A password that is turned off is left out:
// MariaDB refuses to set it again.
func (u SingleUser) identifiedByHand(a Account, plugin string) string {
	const password = PasswordPlaceholder
	if u.Server.Flavor == MySQL || len(a.Factors) == 0 {
		return fmt.Sprintf("%s IDENTIFIED BY %s", a.Name, password)
	}
	var ways []string
	for _, factor := range a.Factors {
		switch {
		case u.Server.settable(factor):
			ways = append(ways, fmt.Sprintf("%s USING PASSWORD(%s)", cmp.Or(plugin, factor.Plugin), password))
		case u.Server.closed(factor):
		case factor.Verifier.Empty():
			ways = append(ways, factor.Plugin)
		case keepsNoSecret(factor):
			ways = append(ways, factor.Plugin+" USING "+statement.Literal(factor.Verifier.Reveal()))
		default:
			ways = append(ways, factor.Plugin+" USING "+keptPlaceholder)
		}
	}
	if ways == nil {
		ways = []string{fmt.Sprintf("%s USING PASSWORD(%s)", cmp.Or(plugin, a.Factors[0].Plugin), password)}
	}
	return fmt.Sprintf("%s IDENTIFIED VIA %s", a.Name, strings.Join(slices.Compact(ways), " OR "))
}
