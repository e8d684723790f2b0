package account

import (
	"slices"
	"strconv"
	"strings"
)

// AdminLacks is what an admin has to be granted before it may send a plan's steps
// and set passwords, by its own grants: each a GRANT, once. It is a forecast, since
// only sending a statement proves that it is allowed; inDoubt says that a role
// which is not spelled out here may give what seems to be lacking.
//
// Source: MySQL 8.4 Reference Manual, 15.7.1.6 "GRANT Statement": to grant or revoke
// a privilege one must have it, and GRANT OPTION on the level at which one has it.
func AdminLacks(server Server, own OwnGrants, plan Plan) (lacks []string, inDoubt bool, err error) {
	grants, err := parseGrants(server, own.Name, own.Rows, true)
	if err != nil {
		return nil, false, err
	}
	a := authority{server: server, grants: grants, restricted: grants.restrictions()}
	add := func(grant string) {
		if !slices.Contains(lacks, grant) {
			lacks = append(lacks, grant)
		}
	}
	if !a.alters() {
		add(PasswordRemedy(own.Name).String())
	}
	for _, step := range plan.Steps {
		if step.Object.Level == LevelRole {
			if role := step.Object.Proxied; role != (Name{}) && !a.givesRole(role) {
				add(step.MendRole(server, own.Name))
			}
			continue
		}
		if step.Passes() && !a.gives(step.needs) {
			add(step.Remedy(own.Name).String())
		}
	}
	return lacks, len(grants.Roles) > 0 && server.Flavor == MariaDB, nil
}

// authority is what an admin may pass on.
type authority struct {
	server     Server
	grants     Grants
	restricted map[string]map[string]bool
}

// alters reports whether it may make, change and drop accounts.
func (a authority) alters() bool {
	global := Object{}
	if a.has(global, "CREATE USER", "", false) {
		return true
	}
	tables := Object{Level: LevelDatabase, Database: "mysql"}
	return a.has(tables, "INSERT", "", false) && a.has(tables, "UPDATE", "", false) && a.has(tables, "DELETE", "", false)
}

func (a authority) givesRole(role Name) bool {
	if _, admin := a.grants.role(role); admin {
		return true
	}
	return a.server.Flavor == MySQL && (a.has(Object{}, "ROLE_ADMIN", "", false) || a.has(Object{}, "SUPER", "", false))
}

// gives reports whether it may grant, or revoke, all of these.
func (a authority) gives(n needs) bool {
	if n.object.Level == LevelProxy {
		for _, grant := range a.grants.Objects {
			if grant.Object.Level == LevelProxy && grant.Grantable && (grant.Object.Proxied == n.object.Proxied || grant.Object.Proxied == Name{}) {
				return true
			}
		}
		return false
	}
	for _, privilege := range n.privileges {
		wanted := []string{privilege}
		if privilege == AllPrivileges && !a.has(n.object, AllPrivileges, "", true) {
			wanted = all(a.server, n.object.Level)
		}
		for _, one := range wanted {
			if !a.has(n.object, one, "", true) {
				return false
			}
		}
	}
	for _, column := range n.columns {
		if !a.has(n.object, column.Privilege, column.Name, true) {
			return false
		}
	}
	return len(n.privileges)+len(n.columns) > 0 || a.has(n.object, GrantOption, "", true)
}

// has reports whether a privilege on an object is had, there or above it, and may
// be passed on from there.
func (a authority) has(object Object, privilege, column string, grantable bool) bool {
	for _, grant := range a.grants.Objects {
		if grantable && !grant.Grantable || !above(grant.Object, object) {
			continue
		}
		if grant.Object.Level == LevelGlobal && object.Level != LevelGlobal && a.restricted[object.Database][privilege] {
			continue // withheld there by a partial revoke
		}
		switch {
		case privilege == GrantOption && grant.Grantable, contains(grant.Privileges, privilege):
			return true
		case contains(grant.Privileges, AllPrivileges) && (privilege == AllPrivileges || grant.Object.Level <= object.Level):
			if privilege == AllPrivileges || contains(all(a.server, grant.Object.Level), privilege) || grant.Object.Level == LevelGlobal && a.server.Flavor == MariaDB {
				return true
			}
		}
		for _, own := range grant.Columns {
			if column != "" && own.key() == (Column{privilege, column}).key() {
				return true
			}
		}
	}
	if object.Level == LevelGlobal {
		for _, d := range a.grants.Dynamic {
			if d.Privilege == privilege && (d.Grantable || !grantable) {
				return true
			}
		}
	}
	return false
}

// above reports whether what is granted on outer holds on inner.
func above(outer, inner Object) bool {
	switch outer.Level {
	case LevelGlobal:
		return true
	case LevelDatabase:
		switch inner.Level {
		case LevelDatabase:
			return outer.Database == inner.Database || matches(outer.Database, inner.Database) // the server takes a pattern for a name here
		case LevelTable, LevelRoutine:
			return matches(outer.Database, inner.Database)
		}
		return false
	}
	return outer.key() == inner.key()
}

// Words says what a plan's steps do, to a person.
func (p Plan) Words() []string {
	counts := map[string]int{}
	privileges := map[string]int{}
	var made, dropped []string
	for _, step := range p.Steps {
		counts[step.Kind()]++
		if step.Passes() {
			privileges[step.Kind()] += step.Privileges()
		}
		switch step.Kind() {
		case "CREATE":
			made = append(made, step.Account.String())
		case "DROP":
			dropped = append(dropped, step.Account.String())
		}
	}
	var out []string
	if len(made) > 0 {
		out = append(out, "makes "+enumerate(made, ", ")+", locked until its password is set")
	}
	if n := counts["ALTER"] + counts["SET"]; n > 0 {
		out = append(out, "changes attributes or default roles by "+count(n, "statement"))
	}
	if n := privileges["GRANT"]; n > 0 {
		out = append(out, "gives "+count(n, "privilege or role"))
	}
	if n := privileges["REVOKE"]; n > 0 {
		out = append(out, "takes "+count(n, "privilege or role"))
	}
	if len(dropped) > 0 {
		out = append(out, "drops "+enumerate(dropped, ", "))
	}
	return out
}

func count(n int, what string) string {
	if n != 1 {
		what = strings.ReplaceAll(what, " or ", "s or ") + "s"
	}
	return strconv.Itoa(n) + " " + what
}
