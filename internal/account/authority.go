package account

import (
	"maps"
	"slices"
	"strings"

	"tandem/internal/redact"
)

// authority is what somebody may pass on, by the rules by which the servers check a
// GRANT or a REVOKE. GRANT OPTION is a privilege like the others: it need not be held
// at the level at which the privilege itself is held.
//
// Of the privileges on databases not all that match a name count, but those of one
// pattern, the first in the server's order. Roles (MariaDB) and PUBLIC have an order of
// their own, and add to it.
//
// Source: MySQL 8.4 Reference Manual, 8.2.7 "Access Control, Stage 2", 15.7.1.6 "GRANT
// Statement"; MariaDB, "GRANT", "Roles Overview"; the order of patterns that are equally
// specific was tried, as were the rules for a name that is a pattern itself.
type authority struct {
	server     Server
	sources    []Grants // the account's own; on MariaDB those of its active roles, and PUBLIC's
	restricted map[string]map[string]bool
	// literal: partial_revokes is on, by which no pattern is one.
	literal     bool
	canGive     []Name // roles
	rolesActive bool
	// severalRoles: the second source is of more than one role.
	severalRoles bool
}

// answer is what a forecast says; doubtful where the server's order of two patterns
// decides, which it does not tell.
type answer uint8

const (
	denied answer = iota
	doubtful
	allowed
)

// readAuthority reads SHOW GRANTS of a session.
func readAuthority(server Server, own OwnGrants) (authority, error) {
	a := authority{server: server, literal: own.Literal, canGive: own.GivesRoles, rolesActive: own.RolesActive}
	grants, err := parseGrants(server, own.Name, own.Rows, true)
	if err != nil {
		return a, err
	}
	a.sources, a.restricted = []Grants{grants}, grants.restrictions()
	if server.Flavor == MariaDB {
		roles, public, several, err := othersGrants(server, own)
		if err != nil {
			return a, err
		}
		a.severalRoles = several
		a.sources = append(a.sources, roles, public)
	}
	return a, nil
}

// othersGrants reads the rows of MariaDB's SHOW GRANTS that are not the account's own:
// those of its active role and of the roles that this has, which count as one, and PUBLIC's.
func othersGrants(server Server, own OwnGrants) (roles, public Grants, several bool, err error) {
	var ofRoles, ofPublic []redact.Secret
	names := map[string]Name{}
	for _, row := range own.Rows {
		to, name := grantee(row.Reveal(), own.Name)
		switch to {
		case toPublic:
			ofPublic = append(ofPublic, row)
		case toRole:
			for _, other := range names {
				several = several || other != name
			}
			names[row.Reveal()] = name
			ofRoles = append(ofRoles, row)
		}
	}
	gather := func(rows []redact.Secret) (Grants, error) {
		c := collector{at: map[Object]int{}}
		for _, row := range rows {
			r := reader{row: row.Reveal()}
			name := names[row.Reveal()]
			c.passive(&r, server, name)
			if !r.end() {
				r.fail("the end")
			}
			if r.failed() {
				return Grants{}, r.error(name)
			}
		}
		return c.Grants, nil
	}
	if roles, err = gather(ofRoles); err != nil {
		return roles, public, several, err
	}
	public, err = gather(ofPublic)
	return roles, public, several, err
}

// Whom a row of SHOW GRANTS is about.
const (
	toOwn = iota
	toRole
	toPublic
)

// grantee finds whom a row is about. Nothing behind TO holds a quoted " TO ".
func grantee(row string, own Name) (int, Name) {
	tail := row
	for {
		i := strings.Index(tail, " TO ")
		if i < 0 {
			return toOwn, own
		}
		tail = tail[i+len(" TO "):]
		r := reader{row: tail}
		if r.accept("PUBLIC") && (r.end() || r.ahead("WITH")) {
			return toPublic, Name{}
		}
		r = reader{row: tail}
		if quote := r.next(); quote != '`' && quote != '"' {
			continue
		}
		name := r.account()
		if r.failed() || name.Host != "" || !r.end() && !r.ahead("WITH") {
			continue
		}
		return toRole, name
	}
}

// passive reads a row of a role, or of PUBLIC.
func (c *collector) passive(r *reader, server Server, name Name) {
	if !r.accept("GRANT") {
		r.pos = len(r.row) // a default role, which is nobody's but the account's own
		return
	}
	if quote := r.next(); quote == '`' || quote == '"' || quote == '\'' {
		var roles []Role
		for {
			roles = append(roles, Role{Name: r.account()})
			if !r.acceptByte(',') {
				break
			}
		}
		r.must("TO")
		r.other(Name{})
		admin := r.accept("WITH ADMIN OPTION")
		for i := range roles {
			roles[i].Admin = admin
		}
		c.Roles = append(c.Roles, roles...)
		return
	}
	var grant Grant
	r.list(&grant)
	r.must("ON")
	grant.Object = r.object()
	r.must("TO")
	r.other(Name{})
	grant.Grantable = r.accept("WITH GRANT OPTION")
	if !r.failed() {
		c.merge(grant)
	}
}

// manages reports whether it may send a statement that needs CREATE USER, or this
// privilege on the system database's tables: INSERT for CREATE USER, UPDATE for ALTER
// USER, DELETE for DROP USER.
//
// Source: MySQL 8.4 Reference Manual, 15.7.1 "Account Management Statements"; MariaDB,
// "CREATE USER", "ALTER USER", "DROP USER".
func (a authority) manages(privilege string) answer {
	if got := a.has(needs{privileges: []string{"CREATE USER"}}); got == allowed {
		return got
	}
	return a.writes(privilege)
}

// writes reports whether it has a privilege on the system database's tables.
func (a authority) writes(privilege string) answer {
	return a.has(needs{object: Object{Level: LevelTable, Database: "mysql"}, privileges: []string{privilege}})
}

// seesDefiners reports whether it may send a DROP USER of an account that nothing seems to
// be defined by: MySQL refuses one of an account that something is (error 4006), which
// whoever lacks these privileges is not shown, to anybody but holders of two others.
//
// Source: MySQL 8.4 Reference Manual, 15.7.1.5 "DROP USER Statement", 27.6 "Stored Object
// Access Control" ("Orphan Stored Objects"); by which privileges information_schema shows
// definers was tried on MySQL 9.7.
func (a authority) seesDefiners() answer {
	if a.server.Flavor != MySQL || !a.server.AtLeast(8, 0, 22) || a.dynamic("ALLOW_NONEXISTENT_DEFINER", false) || a.dynamic("SET_USER_ID", false) {
		return allowed
	}
	return max(doubtful, a.has(needs{privileges: seeingDefiners}))
}

var seeingDefiners = []string{"SELECT", "TRIGGER", "EVENT"}

func definersRemedy(to Name) string {
	return grantStatement(to, Object{}, seeingDefiners, nil, false).String()
}

// givesRole reports whether it may grant or revoke a role.
func (a authority) givesRole(role Name) answer {
	for _, source := range a.sources {
		if _, admin := source.role(role); admin {
			return allowed
		}
	}
	if contained(a.canGive, role) || a.server.Flavor == MySQL && (a.dynamic("ROLE_ADMIN", false) || a.has(needs{privileges: []string{"SUPER"}}) == allowed) {
		return allowed
	}
	return denied
}

// gives reports whether it may grant, or revoke, all of these.
func (a authority) gives(n needs) answer {
	if n.object.Level == LevelProxy {
		for _, grant := range a.sources[0].Objects {
			if grant.Object.Level == LevelProxy && grant.Grantable && (grant.Object.Proxied == n.object.Proxied || grant.Object.Proxied == Name{}) {
				return allowed
			}
		}
		return denied
	}
	wanted, dynamic := []string{}, false
	for _, privilege := range n.privileges {
		switch {
		case privilege == AllPrivileges:
			wanted = append(wanted, all(a.server, n.object.Level)...)
		case n.object.Level == LevelGlobal && a.server.Flavor == MySQL && !staticMySQL[privilege] && privilege != GrantOption:
			dynamic = true
			if !a.dynamic(privilege, true) && a.writes("UPDATE") != allowed { // which is enough (tried on MySQL 9.7)
				return denied
			}
		default:
			wanted = append(wanted, privilege)
		}
	}
	if dynamic && len(wanted) == 0 && !n.option {
		return allowed // dynamic ones alone, which have their GRANT OPTION with them
	}
	n.privileges = append(wanted, GrantOption)
	return a.has(n)
}

func (a authority) dynamic(privilege string, grantable bool) bool {
	for _, d := range a.sources[0].Dynamic {
		if d.Privilege == privilege && (d.Grantable || !grantable) {
			return true
		}
	}
	return false
}

// held are privileges that are had together.
type held struct {
	privileges map[string]bool
	everything bool // MariaDB's ALL PRIVILEGES on *.*, which holds what is not listed here too
}

func (h *held) add(server Server, grant Grant) {
	if h.privileges == nil {
		h.privileges = map[string]bool{}
	}
	for _, privilege := range grant.Privileges {
		if privilege != AllPrivileges {
			h.privileges[privilege] = true
			continue
		}
		h.everything = h.everything || grant.Object.Level == LevelGlobal && server.Flavor == MariaDB
		for _, one := range all(server, grant.Object.Level) {
			h.privileges[one] = true
		}
	}
	if grant.Grantable {
		h.privileges[GrantOption] = true
	}
}

// has reports whether it has all of these on an object, there or above it. To take a
// privilege from a table or from any column of it, servers ask for it on some column
// (tried on MySQL 9.7 and MariaDB 11.8).
func (a authority) has(n needs) answer {
	object := n.object
	fixed := held{}
	onColumns := map[Column]bool{}
	choices := [][]Grant{nil} // what the databases' privileges may be, by the server's order
	for i, source := range a.sources {
		var matching []Grant
		for _, grant := range source.Objects {
			switch {
			case grant.Object.Level == LevelGlobal:
				fixed.add(a.server, a.unrestricted(grant, object))
			case object.Level == LevelGlobal:
			case grant.Object.Level == LevelDatabase:
				if a.matches(grant.Object.Database, object) {
					matching = append(matching, grant)
				}
			case grant.Object.key() == object.key() && grant.Object.Level == object.Level:
				fixed.add(a.server, grant)
				for _, column := range grant.Columns {
					onColumns[column.key()] = true
					if n.taking {
						fixed.privileges[column.Privilege] = true
					}
				}
			}
		}
		first := a.first(matching, i == 1 && a.severalRoles)
		if len(first) == 0 {
			continue
		}
		var next [][]Grant
		for _, before := range choices {
			for _, grant := range first {
				next = append(next, append(slices.Clone(before), grant))
			}
		}
		choices = next
	}
	some, every := false, true
	for _, choice := range choices {
		h := held{privileges: map[string]bool{}, everything: fixed.everything}
		for privilege := range fixed.privileges {
			h.privileges[privilege] = true
		}
		for _, grant := range choice {
			h.add(a.server, grant)
		}
		if h.suffices(n.privileges, n.columns, onColumns) {
			some = true
		} else {
			every = false
		}
	}
	switch {
	case some && every:
		return allowed
	case some:
		return doubtful
	}
	return denied
}

func (h held) suffices(privileges []string, columns []Column, onColumns map[Column]bool) bool {
	for _, privilege := range privileges {
		if !h.privileges[privilege] && (!h.everything || privilege == GrantOption) {
			return false
		}
	}
	for _, column := range columns {
		if !h.privileges[column.Privilege] && !h.everything && !onColumns[column.key()] {
			return false
		}
	}
	return true
}

// unrestricted is what a global grant gives on an object, its partial revokes considered.
func (a authority) unrestricted(grant Grant, object Object) Grant {
	withheld := a.restricted[object.Database]
	if object.Level == LevelGlobal || len(withheld) == 0 {
		return grant
	}
	left := Grant{Object: grant.Object, Grantable: grant.Grantable && !withheld[GrantOption]}
	for _, privilege := range grant.Privileges {
		if privilege == AllPrivileges {
			left.Privileges = append(left.Privileges, all(a.server, LevelGlobal)...)
		} else {
			left.Privileges = append(left.Privileges, privilege)
		}
	}
	left.Privileges = slices.DeleteFunc(left.Privileges, func(privilege string) bool { return withheld[privilege] })
	return left
}

// matches reports whether the server takes a pattern for an object's database. What a
// privilege on a database is granted on is a pattern itself, in which an escaped
// wildcard is matched by an escaped one only.
func (a authority) matches(pattern string, object Object) bool {
	if a.literal {
		return pattern == object.Database
	}
	return matchesDatabase(pattern, object.Database, object.Level == LevelDatabase)
}

// first are the grants of which the server takes the first: one, where their order is
// known. MariaDB's SHOW GRANTS has them in the order in which they are tried, where they
// are not of several roles; MySQL's has them by name.
func (a authority) first(matching []Grant, ofSeveral bool) []Grant {
	switch {
	case a.server.Flavor == MariaDB && ofSeveral:
		return matching
	case a.server.Flavor == MariaDB:
		return matching[:min(1, len(matching))]
	}
	if a.rolesActive {
		return firstByName(matching)
	}
	var best []Grant
	for _, grant := range matching {
		switch order := patternOrder(grant.Object.Database); {
		case len(best) == 0 || order > patternOrder(best[0].Object.Database):
			best = []Grant{grant}
		case order == patternOrder(best[0].Object.Database):
			best = append(best, grant)
		}
	}
	return best
}

// firstByName is the grant that MySQL takes where roles are active, whose privileges and
// the account's own it keeps in a map of its own, by name: one without a wildcard, else
// the first in the order of its bytes (tried on MySQL 9.7).
func firstByName(matching []Grant) []Grant {
	var best []Grant
	for _, grant := range matching {
		if wild := strings.ContainsAny(grant.Object.Database, "%_"); !wild {
			return []Grant{grant}
		}
		if len(best) == 0 || grant.Object.Database < best[0].Object.Database {
			best = []Grant{grant}
		}
	}
	return best
}

// patternOrder orders patterns as MySQL tries them: those without a wildcard first, then
// those whose first wildcard comes late, with the backslashes before it.
//
// Source: MySQL 8.4 Reference Manual, 8.2.7 "Access Control, Stage 2": the most specific
// Db values come first.
func patternOrder(pattern string) int {
	for i := 0; i < len(pattern); i++ {
		switch {
		case pattern[i] == '\\' && i+1 < len(pattern):
			i++
		case pattern[i] == '%' || pattern[i] == '_':
			return min(i+1, 127)
		}
	}
	return 128
}

// matchesDatabase matches a name against a pattern of GRANT. Where the name is a pattern
// too, an escaped character is matched by an escaped one, _ by a character or an escaped
// one that is no %, and % by anything.
//
// Source: MySQL 8.4 Reference Manual, 15.7.1.6 "GRANT Statement", "Database Privileges";
// MariaDB, "GRANT". Tried pair by pair on MySQL 9.7 and MariaDB 11.8.
func matchesDatabase(pattern, name string, isPattern bool) bool {
	for pattern != "" {
		switch {
		case pattern[0] == '%':
			for pattern != "" && pattern[0] == '%' {
				pattern = pattern[1:]
			}
			if pattern == "" {
				return true
			}
			for i := 0; i <= len(name); i++ {
				if matchesDatabase(pattern, name[i:], isPattern) {
					return true
				}
			}
			return false
		case name == "":
			return false
		case pattern[0] == '_':
			if isPattern && name[0] == '%' {
				return false
			}
			if isPattern && name[0] == '\\' && len(name) > 1 {
				name = name[1:]
			}
		case pattern[0] == '\\' && len(pattern) > 1:
			pattern = pattern[1:]
			if isPattern {
				if name[0] != '\\' || len(name) < 2 {
					return false
				}
				name = name[1:]
			}
			if pattern[0] != name[0] {
				return false
			}
		case pattern[0] != name[0]:
			return false
		}
		pattern, name = pattern[1:], name[1:]
	}
	return name == ""
}

// setsDefaultRole reports whether it may set the default role of somebody else: on
// MariaDB that is a change of the system database's tables, which CREATE USER does not
// give.
//
// Source: MySQL 8.4 Reference Manual, 15.7.1.9 "SET DEFAULT ROLE Statement"; MariaDB,
// "SET DEFAULT ROLE".
func (a authority) setsDefaultRole() answer {
	if a.server.Flavor == MariaDB {
		return a.writes("UPDATE")
	}
	return a.manages("UPDATE")
}

func defaultRoleRemedy(server Server, admin Name) string {
	if server.Flavor == MariaDB {
		return needs{object: Object{Level: LevelDatabase, Database: "mysql"}, privileges: []string{"UPDATE"}}.grant(admin).String()
	}
	return PasswordRemedy(admin).String()
}

// heldBack is what an admin who has some lacks for a statement about
// global privileges, beside the privileges themselves. MySQL adds the admin's partial
// revokes to what it grants, which the plan may not want; and refuses it a REVOKE from
// an account that they do not hold for, of any dynamic privilege too (tried on 9.7).
//
// Source: MySQL 8.4 Reference Manual, 8.2.12 "Privilege Restriction Using Partial
// Revokes".
func (a authority) heldBack(step Step, plan Plan) []needs {
	if step.Object.Level != LevelGlobal || step.Kind() != "GRANT" && step.Kind() != "REVOKE" {
		return nil
	}
	theirs := Grants{Restrictions: step.restrictions}.restrictions()
	var out []needs
	for _, database := range slices.Sorted(maps.Keys(a.restricted)) {
		on := Object{Level: LevelDatabase, Database: database}
		var lacking []string
		for _, privilege := range slices.Sorted(maps.Keys(a.restricted[database])) {
			passed := slices.Contains(step.needs.privileges, privilege)
			if step.Kind() == "REVOKE" {
				passed = passed || slices.ContainsFunc(step.needs.privileges, isDynamic)
			} else {
				passed = passed && !plan.restricts(step.Account, on, privilege)
			}
			if passed && !theirs[database][privilege] {
				lacking = append(lacking, privilege)
			}
		}
		if len(lacking) > 0 {
			out = append(out, needs{object: on, privileges: lacking})
		}
	}
	return out
}

// restricts reports whether the plan has a partial revoke of a privilege.
func (p Plan) restricts(name Name, on Object, privilege string) bool {
	return slices.ContainsFunc(p.Steps, func(step Step) bool {
		return step.Kind() == "REVOKE" && step.Account == name && step.Object == on && slices.Contains(step.needs.privileges, privilege)
	})
}
