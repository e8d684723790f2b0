package account

import "tandem/internal/statement"

// needs is what somebody must have to send a statement: the very privileges that
// it grants or takes, with GRANT OPTION.
type needs struct {
	object     Object
	privileges []string
	columns    []Column
}

// altering is what CREATE USER, ALTER USER and DROP USER need.
var altering = needs{privileges: []string{"CREATE USER"}}

// Remedy writes the GRANT that lets the admin send the step.
func (s Step) Remedy(admin Name) statement.Statement { return s.needs.grant(admin) }

// PasswordRemedy writes the GRANT that lets the admin set passwords.
func PasswordRemedy(admin Name) statement.Statement { return altering.grant(admin) }

func (n needs) grant(admin Name) statement.Statement {
	var privileges []string
	for _, privilege := range n.privileges {
		if privilege != GrantOption { // which WITH GRANT OPTION is
			privileges = append(privileges, privilege)
		}
	}
	return grantStatement(admin, n.object, privileges, n.columns, true)
}
