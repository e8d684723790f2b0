package account

import (
	"cmp"
	"strings"

	"tandem/internal/statement"
)

// RoleFacts is what a plan has to know of roles beyond what the accounts say.
type RoleFacts struct {
	// Mandatory are MySQL's mandatory_roles, which every account has, and which can
	// be revoked from none.
	Mandatory map[Name]bool
	// Gone are roles that accounts name and that do not exist: on MariaDB a default
	// role outlives its revocation, and the role itself (tried on every release).
	Gone map[Name]bool
}

// RoleNames are the roles that the two users' accounts name, default roles among them.
func (p Pair) RoleNames() []Name {
	seen := map[Name]bool{}
	var names []Name
	add := func(name Name) {
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	for _, user := range []User{p.Original, p.Clone} {
		for _, account := range user.Accounts {
			for _, role := range account.Grants.Roles {
				add(role.Name)
			}
			for _, role := range account.Grants.DefaultRoles {
				add(role)
			}
		}
	}
	return names
}

// ParseRoles reads the value of MySQL's mandatory_roles, which is not read as a GRANT is:
// a quote may open and close anywhere, and makes plain text of what is in it; nothing is
// escaped; other spaces count for nothing; the first @ begins the host, and further ones
// count for nothing. A role without a host is one at '%', and one without a name is
// left out.
//
// Source: MySQL 8.4 Reference Manual, 7.1.8 "Server System Variables", mandatory_roles.
// The rest was tried on MySQL 9.7, which logs each role that it does not find.
func ParseRoles(text string) []Name {
	var roles []Name
	var user, host strings.Builder
	part, quote := &user, byte(0)
	end := func() {
		if user.Len() > 0 {
			roles = append(roles, Name{user.String(), cmp.Or(strings.ToLower(host.String()), "%")})
		}
		user.Reset()
		host.Reset()
		part = &user
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			part.WriteByte(c)
		case c == '\'' || c == '"' || c == '`':
			quote = c
		case c == ',':
			end()
		case c == '@':
			part = &host
		case c != ' ':
			part.WriteByte(c)
		}
	}
	end()
	return roles
}

// has tells whether a role was granted, and with ADMIN OPTION.
func (g Grants) role(name Name) (granted, admin bool) {
	for _, role := range g.Roles {
		if role.Name == name {
			return true, role.Admin
		}
	}
	return false, false
}

// inForce are the default roles that a login turns on: those that were granted, or
// are mandatory. The others are settings that nothing follows from.
func (f RoleFacts) inForce(grants Grants) []Name {
	var out []Name
	for _, role := range grants.DefaultRoles {
		if granted, _ := grants.role(role); granted || f.Mandatory[role] {
			out = append(out, role)
		}
	}
	return out
}

func sameNames(a, b []Name) bool {
	if len(a) != len(b) {
		return false
	}
	in := map[Name]bool{}
	for _, name := range a {
		in[name] = true
	}
	for _, name := range b {
		if !in[name] {
			return false
		}
	}
	return true
}

// writeRole writes a role's name. MariaDB's have no host.
func writeRole(b *statement.Builder, server Server, role Name) {
	if server.Flavor == MariaDB {
		b.Identifier(role.User)
	} else {
		b.Account(role.User, role.Host)
	}
}

func grantRoleStatement(server Server, role Name, admin bool, to ...Name) statement.Statement {
	b := statement.New("GRANT ")
	writeRole(b, server, role)
	b.SQL(" TO ")
	writeAccounts(b, to)
	if admin {
		b.SQL(" WITH ADMIN OPTION")
	}
	return b.Statement()
}

func revokeRoleStatement(server Server, role Name, from ...Name) statement.Statement {
	b := statement.New("REVOKE ")
	writeRole(b, server, role)
	b.SQL(" FROM ")
	writeAccounts(b, from)
	return b.Statement()
}

func revokeAdminStatement(server Server, role Name, from ...Name) statement.Statement {
	b := statement.New("REVOKE ADMIN OPTION FOR ")
	writeRole(b, server, role)
	b.SQL(" FROM ")
	writeAccounts(b, from)
	return b.Statement()
}

func writeAccounts(b *statement.Builder, names []Name) {
	for i, name := range names {
		if i > 0 {
			b.SQL(", ")
		}
		b.Account(name.User, name.Host)
	}
}

// defaultRoleStatement sets the default roles, none where there are none. On MariaDB
// there is one at most.
//
// Source: MySQL 8.4 Reference Manual, 15.7.1.9 "SET DEFAULT ROLE Statement"; MariaDB,
// "SET DEFAULT ROLE".
func defaultRoleStatement(server Server, roles []Name, of Name) statement.Statement {
	b := statement.New("SET DEFAULT ROLE ")
	for i, role := range roles {
		if i > 0 {
			b.SQL(", ")
		}
		writeRole(b, server, role)
	}
	if len(roles) == 0 {
		b.SQL("NONE")
	}
	if server.Flavor == MariaDB {
		b.SQL(" FOR ")
	} else {
		b.SQL(" TO ")
	}
	return b.Account(of.User, of.Host).Statement()
}

func (t *transformer) role(to *[]Step, s statement.Statement, role Name) {
	*to = append(*to, Step{Statement: s, Account: t.name, Object: Object{Level: LevelRole, Proxied: role}})
}

// defaultRoles grants the roles that are missing, and sets the default roles.
func (t *transformer) defaultRoles(have, want Grants) {
	for _, role := range want.Roles {
		if granted, admin := have.role(role.Name); !granted || role.Admin && !admin {
			t.role(&t.grants, grantRoleStatement(t.server, role.Name, role.Admin, t.name), role.Name)
		}
	}
	if sameNames(have.DefaultRoles, want.DefaultRoles) {
		return
	}
	if t.server.Flavor == MariaDB && len(want.DefaultRoles) > 0 && !t.roles.Gone[want.DefaultRoles[0]] {
		t.defaultRole(have, want, want.DefaultRoles[0])
		return
	}
	defaults := t.roles.inForce(want)
	for _, role := range want.DefaultRoles {
		if contained(defaults, role) {
			continue
		}
		t.gone = append(t.gone, "the default role "+role.String())
	}
	if !sameNames(have.DefaultRoles, defaults) {
		t.role(&t.grants, defaultRoleStatement(t.server, defaults, t.name), firstRole(defaults))
	}
}

func contained(names []Name, name Name) bool {
	for _, other := range names {
		if other == name {
			return true
		}
	}
	return false
}

func firstRole(roles []Name) Name {
	if len(roles) == 0 {
		return Name{}
	}
	return roles[0]
}

// leaveBehind gives an account a default role that it does not have, as the original
// has one since somebody revoked the role from it (MariaDB). That can be set only of
// a role that is granted: while it is, nobody may log in.
func (t *transformer) leaveBehind(have Grants, role Name) {
	set := defaultRoleStatement(t.server, []Name{role}, t.name)
	if granted, _ := have.role(role); granted {
		t.role(&t.takes, set, role) // and the role goes behind it
		return
	}
	t.lends = true
	t.role(&t.grants, grantRoleStatement(t.server, role, false, t.name), role)
	t.role(&t.grants, set, role)
	t.role(&t.narrows, revokeRoleStatement(t.server, role, t.name), role)
}

func lockStatement(name Name) statement.Statement {
	return statement.New("ALTER USER ").Account(name.User, name.Host).SQL(" ACCOUNT LOCK").Statement()
}

// takeRoles revokes what must not be there. On MySQL ADMIN OPTION goes only with
// the role: GRANT without it leaves it in mysql.role_edges, though not in the server's
// memory; and REVOKE takes the role from the default roles (tried on MySQL 9.7).
func (t *transformer) takeRoles(have, want Grants) {
	again := false
	for _, role := range have.Roles {
		wanted, admin := want.role(role.Name)
		switch {
		case wanted && (admin || !role.Admin):
		case t.roles.Mandatory[role.Name]: // the server lets nobody revoke it
		case wanted && t.server.Flavor == MariaDB:
			t.role(&t.takes, revokeAdminStatement(t.server, role.Name, t.name), role.Name)
		case wanted:
			t.role(&t.takes, revokeRoleStatement(t.server, role.Name, t.name), role.Name)
			t.role(&t.takes, grantRoleStatement(t.server, role.Name, false, t.name), role.Name)
			again = again || contained(want.DefaultRoles, role.Name)
		default:
			t.role(&t.takes, revokeRoleStatement(t.server, role.Name, t.name), role.Name)
		}
	}
	if again {
		var defaults []Name
		for _, role := range t.roles.inForce(want) {
			if granted, _ := have.role(role); granted || t.roles.Mandatory[role] {
				defaults = append(defaults, role) // the others are set when they are granted
			}
		}
		t.role(&t.takes, defaultRoleStatement(t.server, defaults, t.name), firstRole(defaults))
	}
}

// unionRoles are the roles, and the default roles, of an original that gains what
// its clone has. A user is no role of its own. Of MariaDB's one default role the
// original keeps its own, where that is in force.
func (p Pair) unionRoles(name Name, original, clone Grants) (roles []Role, defaults []Name) {
	roles = append(roles, original.Roles...)
	for _, role := range clone.Roles {
		if role.Name == name {
			continue
		}
		known := false
		for i := range roles {
			if roles[i].Name == role.Name {
				known = true
				roles[i].Admin = roles[i].Admin || role.Admin
			}
		}
		if !known {
			roles = append(roles, role)
		}
	}
	theirs := p.Roles.inForce(clone)
	if p.Server.Flavor == MariaDB {
		if len(p.Roles.inForce(original)) > 0 || len(theirs) == 0 {
			return roles, original.DefaultRoles
		}
		return roles, theirs
	}
	defaults = append(defaults, original.DefaultRoles...)
	for _, role := range theirs {
		if role != name && !contained(defaults, role) {
			defaults = append(defaults, role)
		}
	}
	return roles, defaults
}

// takeRolesBack writes what takes from both what the original gained of roles.
func (p Pair) takeRolesBack(original, clone *Account, gained Grants) []string {
	var out []string
	for _, role := range gained.Roles {
		had, admin := original.Grants.role(role.Name)
		switch {
		case !had:
			out = append(out, revokeRoleStatement(p.Server, role.Name, original.Name, clone.Name).String())
		case admin == role.Admin:
		case p.Server.Flavor == MariaDB:
			out = append(out, revokeAdminStatement(p.Server, role.Name, original.Name, clone.Name).String())
		default:
			out = append(out, revokeRoleStatement(p.Server, role.Name, original.Name, clone.Name).String(),
				grantRoleStatement(p.Server, role.Name, false, original.Name, clone.Name).String())
		}
	}
	if !sameNames(original.Grants.DefaultRoles, gained.DefaultRoles) {
		defaults := p.Roles.inForce(original.Grants)
		out = append(out, defaultRoleStatement(p.Server, defaults, original.Name).String(), defaultRoleStatement(p.Server, defaults, clone.Name).String())
	}
	return out
}

func systemUserRemedy(admin Name) statement.Statement {
	return grantStatement(admin, Object{}, []string{systemUser}, nil, false)
}

// RolesOf are the roles that the steps grant or take.
func (p Plan) RolesOf() []Name {
	var names []Name
	for _, step := range p.Steps {
		if role := step.Object.Proxied; step.Object.Level == LevelRole && role != (Name{}) && !contained(names, role) {
			names = append(names, role)
		}
	}
	return names
}

// MendRole says what lets an admin do a step about a role that the server denied it;
// empty for a step about something else. roles is what the role was granted (MySQL).
//
// Source: MySQL 8.4 Reference Manual, 15.7.1.6 "GRANT Statement"; MariaDB, "GRANT" and
// "SET DEFAULT ROLE".
func (s Step) MendRole(server Server, admin Name, roles RoleGrants) string {
	role := s.Object.Proxied
	switch {
	case s.Object.Level != LevelRole:
		return ""
	case server.Flavor == MariaDB && role != (Name{}):
		return grantRoleStatement(server, role, true, admin).String() + "; and, to set a default role, " + grantStatement(admin, Object{Level: LevelDatabase, Database: "mysql"}, []string{"UPDATE"}, nil, false).String()
	case server.Flavor == MariaDB:
		return grantStatement(admin, Object{Level: LevelDatabase, Database: "mysql"}, []string{"UPDATE"}, nil, false).String()
	case role == (Name{}):
		return grantStatement(admin, Object{}, []string{"CREATE USER"}, nil, false).String()
	}
	mend := grantRoleStatement(server, role, true, admin).String()
	if roles.SystemUser(role) {
		mend += "; " + systemUserRemedy(admin).String()
	}
	return mend
}
