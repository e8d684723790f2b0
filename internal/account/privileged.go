package account

import (
	"fmt"
	"strings"
)

// RoleGrants is what roles were granted.
type RoleGrants struct {
	// Of has those roles that accounts were granted, and those that these have in turn.
	Of map[Name]Grants
	// Everybody are those that each account has: MySQL's mandatory_roles, MariaDB's PUBLIC.
	Everybody []Name
}

// ParseRoleGrants reads SHOW GRANTS FOR a role, or MariaDB's PUBLIC. What MariaDB prints
// there of the roles that it has in turn counts as its own.
func ParseRoleGrants(server Server, role Name, rows Rows) (Grants, error) {
	if server.Flavor == MySQL {
		return parseGrants(server, role, rows.Grants, false)
	}
	c := collector{at: map[Object]int{}}
	for _, row := range rows.Grants {
		r := reader{row: row.Reveal()}
		c.passive(&r, server, role)
		if !r.end() {
			r.fail("the end")
		}
		if r.failed() {
			return Grants{}, r.error(role)
		}
	}
	return c.Grants, nil
}

// plainData are the privileges by which somebody acts on the data of a database and on
// what is defined there, and on nobody else. Every other one counts as more.
//
// Source: MySQL 8.4 Reference Manual, 8.2.2 "Privileges Provided by MySQL"; MariaDB,
// "GRANT", "Privilege Levels".
var plainData = set(append([]string{"DELETE HISTORY", "SHOW CREATE ROUTINE"}, databasePrivileges...))

// harmless are those that do nothing to a table where they are not joined by another
// one: to list the databases, to make temporary tables, which belong to their session, and
// to lock what one may read.
var harmless = set([]string{"SHOW DATABASES", "CREATE TEMPORARY TABLES", "LOCK TABLES"})

// serversOwn are the databases in which a server keeps its accounts and what it does.
var serversOwn = []string{"mysql", "performance_schema", "sys"}

// Privileged finds an account of the user that may do more than change data: act on other
// accounts, on the server, or in one of the server's own databases. A role that it may take
// counts, and one of MySQL's own dynamic privileges does not: to have two passwords. more
// says what the account may do, in the words of a GRANT; empty where there is none.
func (u User) Privileged(roles RoleGrants) (name Name, more string) {
	for _, a := range u.Accounts {
		if more := a.Grants.beyondData(); more != "" {
			return a.Name, more
		}
		seen := map[Name]bool{}
		for taken := append(a.Grants.roleNames(), roles.Everybody...); len(taken) > 0; taken = taken[1:] {
			role := taken[0]
			if seen[role] {
				continue
			}
			seen[role] = true
			grants, known := roles.Of[role]
			if !known {
				return a.Name, fmt.Sprintf("the role %s, of which it is not known what it may do", role)
			}
			if more := grants.beyondData(); more != "" {
				return a.Name, fmt.Sprintf("%s by the role %s", more, role)
			}
			taken = append(taken, grants.roleNames()...)
		}
	}
	return Name{}, ""
}

// RoleNames are the roles that the user's accounts were granted.
func (u User) RoleNames() []Name {
	var names []Name
	for _, a := range u.Accounts {
		names = append(names, a.Grants.roleNames()...)
	}
	return names
}

func (g Grants) roleNames() []Name {
	names := make([]Name, len(g.Roles))
	for i, role := range g.Roles {
		names[i] = role.Name
	}
	return names
}

// beyondData is the first thing that is more than data, in the words of a GRANT.
func (g Grants) beyondData() string {
	withheld := g.restrictions()
	for _, grant := range g.Objects {
		switch {
		case grant.Object.Level == LevelProxy:
			return describe(grant.Object, "", "")
		case grant.Grantable:
			return describe(grant.Object, GrantOption, "")
		}
		for _, privilege := range grant.Privileges {
			if !grant.Object.onData(privilege, withheld) {
				return describe(grant.Object, privilege, "")
			}
		}
		for _, column := range grant.Columns {
			if !grant.Object.onData(column.Privilege, withheld) {
				return describe(grant.Object, column.Privilege, column.Name)
			}
		}
	}
	for _, dynamic := range g.Dynamic {
		if dynamic.Grantable || dynamic.Privilege != "APPLICATION_PASSWORD_ADMIN" {
			return describe(Object{}, dynamic.Privilege, "")
		}
	}
	for _, role := range g.Roles {
		if role.Admin {
			return fmt.Sprintf("the role %s WITH ADMIN OPTION", role.Name)
		}
	}
	return ""
}

// onData reports whether a privilege on the object is on data alone. withheld are the
// partial revokes, which a global one has.
func (o Object) onData(privilege string, withheld map[string]map[string]bool) bool {
	if harmless[privilege] {
		return true
	}
	if !plainData[privilege] && (privilege != AllPrivileges || o.Level == LevelGlobal) {
		return false
	}
	for _, own := range serversOwn {
		if o.reaches(own) && (o.Level != LevelGlobal || !withheld[own][privilege]) {
			return false
		}
	}
	return true
}

// reaches reports whether a privilege on the object holds in a database, or may: whether
// a pattern is one, and letter case counts, the server's settings say.
func (o Object) reaches(database string) bool {
	switch o.Level {
	case LevelGlobal:
		return true
	case LevelDatabase:
		return matchesDatabase(strings.ToLower(o.Database), database, false)
	}
	return strings.EqualFold(o.Database, database)
}
