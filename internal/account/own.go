package account

import (
	"fmt"
	"slices"
	"sort"

	"tandem/internal/redact"
	"tandem/internal/statement"
)

// OwnGrants is what SHOW GRANTS printed in a session about itself.
type OwnGrants struct {
	Name Name // CURRENT_USER()
	Rows []redact.Secret
	// Literal: the server has partial_revokes on, by which no database's name in a
	// GRANT is a pattern. GivesRoles are the roles that it may grant, where the server
	// tells (MariaDB). A caller that asks AdminLacks sets these.
	Literal    bool
	GivesRoles []Name
	// RolesActive: some role is active in the session (MySQL).
	RolesActive bool
	// Roles is what those roles were granted that a plan is about (MySQL). A caller that
	// asks AdminLacks sets it.
	Roles RoleGrants
}

// Lack is something that one has and another has not.
type Lack struct {
	Object Object
	Column string // of a privilege on a column
	// Privilege is empty of a role, and of what holds on no object.
	Privilege string
	Text      string // names it for a person
}

// MayBeGone reports whether the privilege is on something that can be dropped
// while the privilege stays, and that it may not be possible to grant on again. CREATE
// can be used on a table that is gone, and be granted.
func (l Lack) MayBeGone() bool {
	return l.Object.Level == LevelRoutine || l.Object.Level == LevelTable && (l.Column != "" || l.Privilege != "CREATE" && l.Privilege != AllPrivileges)
}

func texts(lacks []Lack) []string {
	var out []string
	for _, lack := range lacks {
		out = append(out, lack.Text)
	}
	return out
}

// CompareOwn compares what two sessions may do by their own SHOW GRANTS: what
// current has and pending lacks, and what pending has beyond current. Names, verifiers, and the rows that are the server's own (of PUBLIC and
// of active roles on MariaDB) are left aside; what roles give on MySQL, mandatory
// ones too, stands in the rows of both.
func CompareOwn(server Server, current, pending OwnGrants) (missing, extra []Lack, err error) {
	now, err := parseGrants(server, current.Name, current.Rows, true)
	if err != nil {
		return nil, nil, fmt.Errorf("reading what %s may do: %w", current.Name, err)
	}
	next, err := parseGrants(server, pending.Name, pending.Rows, true)
	if err != nil {
		return nil, nil, fmt.Errorf("reading what %s may do: %w", pending.Name, err)
	}
	ownRoles(server, &now, &next, current.Name, pending.Name)
	now.Restrictions, next.Restrictions = withoutOption(now.Restrictions), withoutOption(next.Restrictions)
	missing, extra = missingFrom(now, next), missingFrom(next, now)
	return append(missing, restrictedIn(now, next)...), append(extra, restrictedIn(next, now)...), nil
}

// ownRoles leaves aside what is no difference: one of the two users as a role of the
// other, and of MariaDB's default roles those that were revoked or dropped, and
// current's where pending has another.
func ownRoles(server Server, now, next *Grants, current, pending Name) {
	without := func(roles []Role, name Name) []Role {
		var out []Role
		for _, role := range roles {
			if role.Name != name {
				out = append(out, role)
			}
		}
		return out
	}
	now.Roles, next.Roles = without(now.Roles, pending), without(next.Roles, current)
	if server.Flavor != MariaDB {
		return
	}
	now.DefaultRoles, next.DefaultRoles = RoleFacts{}.inForce(*now), RoleFacts{}.inForce(*next)
	if len(next.DefaultRoles) > 0 && !sameNames(now.DefaultRoles, next.DefaultRoles) {
		now.DefaultRoles = nil
	}
}

// withoutOption leaves out the partial revokes of GRANT OPTION, of which SHOW GRANTS does
// not tell what stands in mysql.user: see optionRestricted.
func withoutOption(restrictions []Restriction) []Restriction {
	var out []Restriction
	for _, restriction := range restrictions {
		privileges := slices.DeleteFunc(slices.Clone(restriction.Privileges), func(privilege string) bool { return privilege == GrantOption })
		if len(privileges) > 0 {
			out = append(out, Restriction{restriction.Database, privileges})
		}
	}
	return out
}

// OwnDynamic lists the dynamic privileges of a session, those of its active roles
// among them. It is never nil.
func OwnDynamic(server Server, own OwnGrants) (map[string]bool, error) {
	grants, err := parseGrants(server, own.Name, own.Rows, true)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, dynamic := range grants.Dynamic {
		out[dynamic.Privilege] = true
	}
	return out, nil
}

// describe names one privilege.
func describe(object Object, privilege, column string) string {
	b := new(statement.Builder)
	if object.Level == LevelProxy {
		b.SQL("PROXY")
		if privilege == GrantOption {
			b.SQL(" WITH GRANT OPTION")
		}
	} else if column == "" {
		b.Keyword(privilege)
	} else {
		b.Keyword(privilege).SQL(" (").Identifier(column).SQL(")")
	}
	b.SQL(" ON ")
	writeObject(b, object)
	return b.Statement().String()
}

func lack(object Object, privilege, column string) Lack {
	return Lack{object, column, privilege, describe(object, privilege, column)}
}

// list names everything of a grant.
func list(grant Grant) []Lack {
	var out []Lack
	for _, privilege := range grant.Privileges {
		out = append(out, lack(grant.Object, privilege, ""))
	}
	for _, column := range grant.Columns {
		out = append(out, lack(grant.Object, column.Privilege, column.Name))
	}
	if grant.Object.Level == LevelProxy {
		out = append(out, lack(grant.Object, "", ""))
	}
	if grant.Grantable {
		out = append(out, lack(grant.Object, GrantOption, ""))
	}
	return out
}

// missingFrom names what a has and b lacks, partial revokes aside.
func missingFrom(a, b Grants) []Lack {
	var out []Lack
	index := b.index()
	for _, grant := range a.Objects {
		other, known := b.lookup(index, grant.Object)
		privileges, columns := lacking(other, grant)
		rest := Grant{Object: grant.Object, Privileges: privileges, Columns: columns, Grantable: grant.Grantable && !other.Grantable}
		if grant.Object.Level == LevelProxy && known {
			if rest.Grantable {
				out = append(out, lack(grant.Object, GrantOption, ""))
			}
			continue
		}
		out = append(out, list(rest)...)
	}
	had := map[string]bool{}
	for _, d := range b.Dynamic {
		had[d.Privilege] = d.Grantable
	}
	for _, d := range a.Dynamic {
		grantable, known := had[d.Privilege]
		if !known {
			out = append(out, lack(Object{}, d.Privilege, ""))
		}
		if d.Grantable && !grantable {
			out = append(out, Lack{Text: describe(Object{}, d.Privilege, "") + " WITH GRANT OPTION"})
		}
	}
	roles := map[Role]bool{}
	for _, role := range b.Roles {
		roles[role] = true
		roles[Role{Name: role.Name}] = true
	}
	for _, role := range a.Roles {
		if !roles[role] {
			text := "the role " + role.Name.String()
			if role.Admin {
				text += " WITH ADMIN OPTION"
			}
			out = append(out, Lack{Text: text})
		}
	}
	defaults := map[Name]bool{}
	for _, role := range b.DefaultRoles {
		defaults[role] = true
	}
	for _, role := range a.DefaultRoles {
		if !defaults[role] {
			out = append(out, Lack{Text: "the default role " + role.String()})
		}
	}
	return out
}

// restrictedIn names the global privileges that a partial revoke withholds from b on a
// database and not from a.
func restrictedIn(a, b Grants) []Lack {
	var out []Lack
	had := a.restrictions()
	global, _ := a.lookup(a.index(), Object{})
	for _, restriction := range b.Restrictions {
		for _, privilege := range restriction.Privileges {
			if global.restricting(privilege) && !had[restriction.Database][privilege] {
				object := Object{Level: LevelDatabase, Database: restriction.Database}
				out = append(out, Lack{object, "", privilege, describe(object, privilege, "") + " (partially revoked)"})
			}
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Text < out[j].Text })
	return out
}
