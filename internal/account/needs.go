package account

import (
	"slices"
	"strings"

	"tandem/internal/statement"
)

// needs is what somebody must have to send a statement: the very privileges that
// it grants or takes, with GRANT OPTION.
type needs struct {
	object     Object
	privileges []string
	columns    []Column
	option     bool // it passes GRANT OPTION on too
	taking     bool // it takes, instead of granting
}

// altering is what CREATE USER, ALTER USER and DROP USER need.
var altering = needs{privileges: []string{"CREATE USER"}}

// Remedy writes the GRANT that lets the admin send the step.
func (s Step) Remedy(admin Name) statement.Statement { return s.needs.grant(admin) }

// Kind is the statement's first word, which says what a step does.
func (s Step) Kind() string {
	kind, _, _ := strings.Cut(s.Statement.String(), " ")
	return kind
}

// ChangesGrants reports whether the step passes a privilege or a role on, or takes one:
// what nobody can do who does not have it with GRANT OPTION.
func (s Step) ChangesGrants() bool {
	return s.Kind() == "GRANT" || s.Kind() == "REVOKE" || s.Object.Level == LevelRoutine // see packaged
}

// Privileges is how many privileges, or roles, the step passes on or takes.
func (s Step) Privileges() int {
	if s.Object.Level == LevelRole {
		return 1
	}
	return max(1, len(s.needs.privileges)+len(s.needs.columns))
}

// PasswordRemedy writes the GRANT that lets the admin set passwords.
func PasswordRemedy(admin Name) statement.Statement { return altering.grant(admin) }

func (n needs) grant(admin Name) statement.Statement {
	var privileges []string
	for _, privilege := range n.privileges {
		if privilege != GrantOption { // which WITH GRANT OPTION is
			privileges = append(privileges, privilege)
		}
	}
	grant := grantStatement(admin, n.object, privileges, n.columns, true)
	if n.option && len(privileges) > 0 && !slices.ContainsFunc(privileges, func(privilege string) bool { return !isDynamic(privilege) }) {
		// To pass on the GRANT OPTION of a dynamic privilege one must have that of the
		// static ones (tried on MySQL 9.7), which a GRANT of the former does not give.
		return statement.Join(grant, grantStatement(admin, Object{}, nil, nil, true))
	}
	return grant
}

// isDynamic reports whether it is a dynamic privilege of MySQL's. Those that MariaDB
// alone has are of two words.
func isDynamic(privilege string) bool {
	return !staticMySQL[privilege] && privilege != AllPrivileges && privilege != GrantOption && !strings.Contains(privilege, " ")
}
