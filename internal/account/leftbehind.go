package account

// MySQL leaves partial revokes in mysql.user of privileges that the account does not have on
// *.* any more: REVOKE does, of a privilege together with one that the account did not have.
// They hold nothing back, since what is granted on *.*, by GRANT ... AS or by a role comes
// without them, and the next statement about *.* deletes them. So a plan makes none, and is
// done where they differ. Until a statement deletes them, or the server is started anew or
// executes FLUSH PRIVILEGES, they are in its memory, where they do one thing: GRANT of the
// privilege on the database deletes them, and gives nothing (all tried on MySQL 9.7).

// restricting reports whether a partial revoke of a privilege can hold something back from
// an account that has global on *.*.
func (global Grant) restricting(privilege string) bool {
	return contains(global.Privileges, privilege) || contains(global.Privileges, AllPrivileges) || privilege == GrantOption && global.Grantable
}

// leftBehind are the privileges, GRANT OPTION among them, of partial revokes on a database
// that hold nothing back.
func (g Grants) leftBehind(database string, global Grant) []string {
	var out []string
	for _, restriction := range g.Restrictions {
		for _, privilege := range restriction.Privileges {
			if restriction.Database == database && !global.restricting(privilege) {
				out = append(out, privilege)
			}
		}
	}
	return out
}

// twice repeats a GRANT on a database that may do no more than delete what was left behind.
func (t *transformer) twice(step Step, leftBehind []string) []Step {
	granted := withOption(t.server, Grant{Object: step.Object, Privileges: step.needs.privileges, Grantable: step.needs.option})
	if len(common(leftBehind, granted)) > 0 {
		return []Step{step, step}
	}
	return []Step{step}
}
