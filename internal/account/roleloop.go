package account

import "tandem/internal/statement"

// RoleLoop finds a step that grants an account a role which has the account as a role
// itself, by way of others: MySQL refuses that (error 4027). revoke undoes the last of these
// grants; it is the empty statement where there is no such step. granted has what the roles
// of RolesOf have in turn; nothing on MariaDB, whose users are no roles.
func (p Plan) RoleLoop(server Server, granted RoleGrants) (step Step, revoke statement.Statement) {
	for _, step := range p.Steps {
		if step.Object.Level != LevelRole || step.Kind() != "GRANT" {
			continue
		}
		seen := map[Name]bool{}
		for next := []Name{step.Object.Proxied}; len(next) > 0; next = next[1:] {
			if seen[next[0]] {
				continue
			}
			seen[next[0]] = true
			for _, role := range granted.Of[next[0]].Roles {
				if role.Name == step.Account {
					return step, revokeRoleStatement(server, step.Account, next[0])
				}
				next = append(next, role.Name)
			}
		}
	}
	return Step{}, statement.Statement{}
}
