package account

import (
	"fmt"
	"slices"

	"tandem/internal/warning"
)

// PROXY is the one privilege that anybody may grant: every account may grant PROXY
// on itself, to any account, with or without GRANT OPTION. So a user can be given
// it by a stranger, and whether an admin may grant or revoke it has nothing to do
// with what else the admin may do.
//
// Source: MySQL 8.4 Reference Manual, 8.2.19 "Proxy Users", "Granting and Revoking
// the PROXY Privilege"; MariaDB, "GRANT", "Proxy Privileges". Who may grant it was
// tried on MySQL 9.7 and MariaDB 10.11 and 11.8: of the account that it is on only
// the user's name counts, and an empty one stands for every user.

// ProxyGrant is PROXY on an account of a user, granted to somebody else.
type ProxyGrant struct {
	On, To Name
}

// ProxiesDenied are the accounts on which PROXY can be neither granted nor revoked
// by the admin. Nil is not known yet.
type ProxiesDenied struct {
	admin Name
	on    map[Name]bool
}

func (d *ProxiesDenied) has(on Name) bool { return d != nil && d.on[on] }

// HasProxies reports whether an account of either user has a PROXY privilege.
func (p Pair) HasProxies() bool { return len(p.proxied()) > 0 }

// proxied lists the accounts on which the two users have PROXY.
func (p Pair) proxied() []Name {
	var names []Name
	for _, user := range []User{p.Original, p.Clone} {
		for _, account := range user.Accounts {
			for _, grant := range account.Grants.Objects {
				if grant.Object.Level == LevelProxy && !slices.Contains(names, grant.Object.Proxied) {
					names = append(names, grant.Object.Proxied)
				}
			}
		}
	}
	return names
}

// DenyProxies finds those on which the admin may not pass PROXY on, by what the
// admin has itself.
func (p Pair) DenyProxies(own OwnGrants) (*ProxiesDenied, error) {
	grants, err := parseGrants(p.Server, own.Name, own.Rows, true)
	if err != nil {
		return nil, err
	}
	denied := &ProxiesDenied{own.Name, map[Name]bool{}}
	for _, name := range p.proxied() {
		passes := name.User == own.Name.User && sameHost(name.Host, own.Name.Host)
		for _, grant := range grants.Objects {
			if grant.Object.Level == LevelProxy && grant.Grantable && (grant.Object.Proxied.User == "" || grant.Object.Proxied.User == name.User) {
				passes = true
			}
		}
		if !passes {
			denied.on[name] = true
		}
	}
	return denied, nil
}

// Note records that the server has denied the admin a step about a PROXY privilege.
// It reports whether that was news.
func (d *ProxiesDenied) Note(step Step) bool {
	if step.Object.Level != LevelProxy || d == nil || d.on[step.Object.Proxied] {
		return false
	}
	d.on[step.Object.Proxied] = true
	return true
}

// withoutStrangers is the pair as far as a plan may act on it: without the PROXY
// privileges that the admin cannot pass on, and without the GRANT OPTION on *.* that may
// have come with one. It warns of what it has left out.
//
// The original is given GRANT OPTION on *.* by nobody but its owner: anybody can have
// given it to the clone, and ended the PROXY that it came with, and then no table tells
// it from one that was meant. On every other level, and of a dynamic privilege, only
// those can give it who have it there themselves, WITH GRANT OPTION.
func (p Pair) withoutStrangers(mode Mode, turn Turn) (Pair, []Warning) {
	var warnings []Warning
	p.Original.Accounts, p.Clone.Accounts = slices.Clone(p.Original.Accounts), slices.Clone(p.Clone.Accounts)
	if turn == TurnOfClone {
		for i := range p.Original.Accounts {
			original := &p.Original.Accounts[i]
			if p.optionByDeniedProxy(original.Grants) {
				// Not the clone's too: when its owner has ended what a stranger gave to the
				// original, the clone would still have it.
				original.Grants = original.Grants.withoutGlobalOption()
				warnings = append(warnings, Warning{warning.ProxyLeftOut, fmt.Sprintf("GRANT OPTION ON *.* of %s may have come with a PROXY privilege WITH GRANT OPTION, which anybody may grant on himself, and was not copied; if nobody meant to give it, end it by: %s",
					original.Name, revokeStatement(Object{}, []string{GrantOption}, nil, original.Name))})
			}
		}
	} else if mode == Merge { // else the original gets nothing of the clone's
		for i := range p.Clone.Accounts {
			clone := &p.Clone.Accounts[i]
			original := p.Original.at(clone.Name.Host)
			if original == nil || original.Grants.globalOption() || !clone.Grants.globalOption() {
				continue
			}
			clone.Grants = clone.Grants.withoutGlobalOption()
			warnings = append(warnings, Warning{warning.ProxyLeftOut, fmt.Sprintf("GRANT OPTION ON *.* of %s may have come with a PROXY privilege WITH GRANT OPTION, which anybody may grant on himself, and was not given to %s; the next rotation takes it away; to end it now: %s; to give it to both instead: %s",
				clone.Name, original.Name, revokeStatement(Object{}, []string{GrantOption}, nil, clone.Name), grantStatement(original.Name, Object{}, nil, nil, true))})
		}
	}
	for i := range p.Original.Accounts {
		original := &p.Original.Accounts[i]
		clone := p.Clone.at(original.Name.Host)
		var none Account
		if clone == nil {
			clone = &none
		}
		warnings = append(warnings, p.leftOut(*original, *clone)...)
		warnings = append(warnings, p.leftOut(*clone, *original)...)
	}
	for _, user := range []User{p.Original, p.Clone} {
		for i := range user.Accounts {
			account := &user.Accounts[i]
			account.Grants.Objects = slices.DeleteFunc(slices.Clone(account.Grants.Objects), func(grant Grant) bool {
				return grant.Object.Level == LevelProxy && p.ProxiesDenied.has(grant.Object.Proxied)
			})
		}
	}
	return p, warnings
}

// leftOut warns of the PROXY privileges that one account has, and the admin can pass on
// to nobody: those that the other has not got, and those WITH GRANT OPTION.
func (p Pair) leftOut(has, lacks Account) []Warning {
	var warnings []Warning
	index := lacks.Grants.index()
	for _, grant := range has.Grants.Objects {
		if grant.Object.Level != LevelProxy || !p.ProxiesDenied.has(grant.Object.Proxied) {
			continue
		}
		if _, known := lacks.Grants.lookup(index, grant.Object); known && !grant.Grantable {
			continue // both users have it, and it gives them nothing else
		}
		on := grant.Object.Proxied
		whose := "an administrator with PROXY ON ''@'' WITH GRANT OPTION"
		if on.User != "" {
			whose = on.String() + " itself, for which an administrator may set a password, or as " + whose
		}
		warnings = append(warnings, Warning{warning.ProxyLeftOut, fmt.Sprintf("PROXY ON %s of %s was left as it is, and was not copied, since the admin may not pass it on: anybody may grant PROXY on himself; to end it, send as %s: %s; to have it copied instead: %s",
			on, has.Name, whose, revokeStatement(grant.Object, nil, nil, has.Name), grantStatement(p.ProxiesDenied.admin, grant.Object, nil, nil, true))})
	}
	return warnings
}

// globalOption reports whether an account has GRANT OPTION on *.*.
func (g Grants) globalOption() bool {
	global, _ := g.lookup(g.index(), Object{})
	return global.Grantable
}

// optionByDeniedProxy reports whether GRANT OPTION on *.*, alone, came with a PROXY
// privilege that the admin cannot copy. Such a privilege WITH GRANT OPTION gives it on
// every server (tried on MySQL 9.7 and MariaDB 10.11 and 11.8). Beside privileges on *.*
// it may be what they were granted with, and whoever has the original's needs it.
func (p Pair) optionByDeniedProxy(g Grants) bool {
	global, _ := g.lookup(g.index(), Object{})
	return global.Grantable && len(global.Privileges) == 0 && slices.ContainsFunc(g.Objects, func(grant Grant) bool {
		return grantableProxy(grant) && p.ProxiesDenied.has(grant.Object.Proxied)
	})
}

func grantableProxy(grant Grant) bool { return grant.Object.Level == LevelProxy && grant.Grantable }

func (g Grants) withoutGlobalOption() Grants {
	g.Objects = slices.Clone(g.Objects)
	for i := range g.Objects {
		if g.Objects[i].Object.Level == LevelGlobal {
			g.Objects[i].Grantable = false
		}
	}
	g.Objects = slices.DeleteFunc(g.Objects, func(grant Grant) bool {
		return grant.Object.Level == LevelGlobal && !grant.Grantable && len(grant.Privileges) == 0
	})
	return g
}

// proxiesOnUsers warns of those who may act as one of the users by PROXY. That
// outlives every change of a password: the server lets them in by their own.
func proxiesOnUsers(users ...User) []Warning {
	var warnings []Warning
	for _, user := range users {
		for _, proxy := range user.ProxiedTo {
			if slices.ContainsFunc(users, func(one User) bool { return proxy.To.User == one.Name }) {
				continue
			}
			warnings = append(warnings, Warning{warning.ProxyOnUser, fmt.Sprintf("%s has PROXY ON %s, by which it may act as that user whatever the password is; if nobody meant to give it, end it by: %s",
				proxy.To, proxy.On, revokeStatement(Object{Level: LevelProxy, Proxied: proxy.On}, nil, nil, proxy.To))})
		}
	}
	return warnings
}

// OfProxies splits what a session lacks, compared with the current one, into what
// is a matter of PROXY privileges, which a rotation may have left out, and the rest.
// unproven: GRANT OPTION on *.* is, even where no PROXY is left that it came with.
func OfProxies(server Server, current OwnGrants, missing []Lack, unproven bool) (ofProxies, rest []Lack, err error) {
	grants, err := parseGrants(server, current.Name, current.Rows, true)
	if err != nil {
		return nil, nil, fmt.Errorf("reading what %s may do: %w", current.Name, err)
	}
	byProxy := unproven || slices.ContainsFunc(grants.Objects, grantableProxy)
	option := lack(Object{}, GrantOption, "")
	for _, one := range missing {
		if one.Object.Level == LevelProxy || one == option && byProxy {
			ofProxies = append(ofProxies, one)
		} else {
			rest = append(rest, one)
		}
	}
	return ofProxies, rest, nil
}
