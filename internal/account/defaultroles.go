package account

import (
	"net/netip"
	"slices"
	"strings"

	"tandem/internal/warning"
)

// MariaDB takes a role for granted where any account of the user has it whose host lets
// the client in: at a login, when it turns the default role on, and in SET DEFAULT ROLE ...
// FOR, where it takes the account's host for the client's. So a default role may stand at a
// host at which it was not granted; and one at a host with an escaped wildcard, a\_b.example,
// which does not match itself as text, can be set only while another account has the role,
// at % say: else the server fails with error 1959 (tried on MariaDB 10.5 and 11.8).

// grantees are the accounts of a user on MariaDB as they must be: where they are, and
// where each role is granted.
type grantees struct {
	hosts []string
	roles map[Name][]string
}

func granteesOf(changes []change, dropped []*Account) grantees {
	out := grantees{roles: map[Name][]string{}}
	for _, one := range changes {
		if slices.ContainsFunc(dropped, func(a *Account) bool { return a.Name == one.name }) {
			continue
		}
		out.hosts = append(out.hosts, one.name.Host)
		for _, role := range one.want.Roles {
			out.roles[role.Name] = append(out.roles[role.Name], one.name.Host)
		}
	}
	return out
}

// taken finds a host among some that lets in a client whose host has the text of another.
func taken(hosts []string, text string) (host string, found bool) {
	for _, host := range hosts {
		if letsIn(host, text) {
			return host, true
		}
	}
	return "", false
}

// letsIn reports whether a host pattern matches a text, wildcards in it being mere text.
// Where it cannot tell it says no.
func letsIn(host, text string) bool {
	if host == "" || strings.EqualFold(host, text) && !strings.Contains(host, `\`) {
		return true
	}
	if network, ok := network(host); ok {
		address, err := netip.ParseAddr(text)
		return err == nil && network.Contains(address)
	}
	return !strings.Contains(host, `\`) && matches(strings.ToLower(host), strings.ToLower(text))
}

// defaultRole sets MariaDB's one default role, where the account does not have it.
func (t *transformer) defaultRole(have, want Grants, role Name) {
	set := defaultRoleStatement(t.server, []Name{role}, t.name)
	own := letsIn(t.name.Host, t.name.Host)
	granted, _ := want.role(role)
	if granted && own {
		t.role(&t.grants, set, role)
		return
	}
	if _, found := taken(t.grantees.roles[role], t.name.Host); found {
		t.role(&t.last, set, role)
		return
	}
	if own {
		t.leaveBehind(have, role)
		return
	}
	if host, found := taken(t.grantees.hosts, t.name.Host); found && t.lendable {
		lender := Name{t.name.User, host}
		t.lends = true
		t.role(&t.last, grantRoleStatement(t.server, role, false, lender), role)
		t.role(&t.last, set, role)
		t.role(&t.last, revokeRoleStatement(t.server, role, lender), role)
		return
	}
	t.unsettable = append(t.unsettable, "the default role "+role.String()+" of "+t.name.String())
	if len(have.DefaultRoles) > 0 {
		t.role(&t.grants, defaultRoleStatement(t.server, nil, t.name), Name{})
	}
}

// warnUnsettable warns of default roles that the server sets for no admin.
func (p *Plan) warnUnsettable(changes []*transformer) {
	var texts []string
	for _, t := range changes {
		texts = append(texts, t.unsettable...)
	}
	if len(texts) > 0 {
		p.warn(warning.ObjectGone, `not copied, since MariaDB sets a default role at a host with a \ only while an account whose host matches that text has the role: %s; grant the role to the original's account at %%, or take the default role from it`, enumerate(unique(texts), ", "))
	}
}
