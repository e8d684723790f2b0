package account

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tandem/internal/statement"
)

// What is in this file tells a password that somebody has changed by hand from the other
// reasons for which a server answers "Access denied" to a login (error 1045).

// Refusal is a login of a single user's that the server has answered so, or by saying that
// it blocks the account, as the clients have failed that do not know the other password.
type Refusal struct {
	// From is the client's host, as the server sees it.
	From string
	// Plaintext: the login was not encrypted.
	Plaintext bool
	// Blocked: the server says that it blocks the account after too many failed logins,
	// whatever the password is.
	Blocked bool
}

// Reason is why a login is refused, or may be, whatever its password is; and what to do.
type Reason struct{ Text, Remedy string }

// OtherReason finds why the login with the current password is refused if it is not that
// somebody has changed the password: an account keeps it, or none that is for the client
// would let anybody in. Nil where it is the password.
//
// Source: MySQL 8.4 Reference Manual, 8.2.6 "Access Control, Stage 1", 8.2.22
// "Troubleshooting Problems Connecting to MySQL"; MariaDB, "Troubleshooting Connection
// Issues".
func (u SingleUser) OtherReason(r Refusal, p Passwords) (*Reason, error) {
	serving := u.User.mayServe(r.From)
	for _, a := range append(slices.Clone(serving), u.User.except(serving)...) {
		for _, kept := range u.passwords(*a) {
			fits, err := p.Matches(kept.Plugin, kept.Verifier, p.Current)
			if err != nil {
				return nil, fmt.Errorf("comparing the stored password of %s: %w", a.Name, err)
			}
			if fits {
				reason := u.keptYetRefused(a, slices.Contains(serving, a), r)
				return &reason, nil
			}
		}
	}
	if len(serving) == 0 {
		return &Reason{fmt.Sprintf("no account of %q is for clients at %s", u.User.Name, r.From), "create one for this client's host"}, nil
	}
	var first *Reason
	for _, a := range serving {
		reason := u.closedFor(a, r)
		if reason == nil {
			return nil, nil
		}
		if first == nil {
			first = reason
		}
	}
	return first, nil
}

func (u SingleUser) keptYetRefused(a *Account, serves bool, r Refusal) Reason {
	text := fmt.Sprintf("the password of %s is the one under AWSCURRENT", a.Name)
	other := u.closedFor(a, r)
	lifted := unlock(a.Name)
	if u.Server.Flavor == MariaDB { // ALTER USER does not lift it on every release (tried on 10.5)
		lifted = "to fix it, run: FLUSH PRIVILEGES"
	}
	switch {
	case !serves:
		return Reason{fmt.Sprintf("%s, and that account is not for clients at %s", text, r.From),
			"give the user's other accounts the same password, or create one for this client's host"}
	case other != nil:
		return Reason{text + ", and " + other.Text, other.Remedy}
	case r.Blocked:
		return Reason{text + ", and the server blocks the account after too many failed logins", lifted}
	}
	return Reason{text + ", so that the server refuses the login for another reason", "look at what stands before the server, as a proxy does, and try again"}
}

// closedFor is why the account lets in nobody who logs in as that was tried.
func (u SingleUser) closedFor(a *Account, r Refusal) *Reason {
	switch kind := a.Attributes.Requirement.Kind; {
	case len(u.passwords(*a)) == 0:
		return &Reason{fmt.Sprintf("%s has no password", a.Name), "have the client log in by an account with a password, or give that one a password"}
	case a.Attributes.Locked:
		return &Reason{fmt.Sprintf("%s is locked", a.Name), unlock(a.Name)}
	case kind == RequireX509 || kind == RequireSpecified:
		return &Reason{fmt.Sprintf("%s asks for more than an encrypted connection, such as a client's certificate (REQUIRE)", a.Name),
			alter(a.Name, func(b *statement.Builder) *statement.Builder { return b.SQL(" REQUIRE SSL") })}
	case kind == RequireSSL && r.Plaintext:
		return &Reason{fmt.Sprintf("%s asks for an encrypted connection (REQUIRE SSL)", a.Name), `take "ssl": false out of the secret's document, or turn TLS on at the server`}
	}
	return nil
}

func alter(name Name, clause func(*statement.Builder) *statement.Builder) string {
	return "to fix it, run: " + clause(statement.New("ALTER USER ").Account(name.User, name.Host)).Statement().String()
}

func unlock(name Name) string {
	return alter(name, func(b *statement.Builder) *statement.Builder { return b.SQL(" ACCOUNT UNLOCK") })
}

// Serving is the account that the server takes the user's logins from a host for; false
// where there is none, or where it is not known which of several it is.
func (u User) Serving(from string) (Name, bool) {
	if serving := u.mayServe(from); len(serving) == 1 {
		return serving[0].Name, true
	}
	return Name{}, false
}

// mayServe are the accounts that the server may take a login from a host for: one, or
// where the client has a name, those too that are for addresses, which the server knows
// and this function does not.
func (u User) mayServe(from string) []*Account {
	hosts := []string{from}
	if from == "localhost" {
		hosts = append(hosts, "127.0.0.1", "::1")
	}
	var best *Account
	for _, host := range hosts {
		if a := u.serving(host); a != nil && (best == nil || specificity(a.Name.Host) > specificity(best.Name.Host)) {
			best = a
		}
	}
	var out []*Account
	if best != nil {
		out = append(out, best)
	}
	if _, err := netip.ParseAddr(from); err == nil || from == "localhost" {
		return out
	}
	for i := range u.Accounts {
		if a := &u.Accounts[i]; !covers(a.Name.Host, from) && strings.Trim(a.Name.Host, "0123456789abcdefABCDEF.:/%_") == "" {
			out = append(out, a)
		}
	}
	return out
}

// except are the user's other accounts.
func (u User) except(some []*Account) []*Account {
	var others []*Account
	for i := range u.Accounts {
		if a := &u.Accounts[i]; !slices.Contains(some, a) {
			others = append(others, a)
		}
	}
	return others
}
