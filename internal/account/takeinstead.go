package account

import (
	"strings"

	"tandem/internal/statement"
)

// TakeInstead is the other way out where the admin may not send a step: somebody else
// takes from a user what the step would give to the other, or take from the clone. It
// returns that user's name and the REVOKE statements; none for a step about something
// else.
func (p Pair) TakeInstead(step Step) (from string, statements []statement.Statement) {
	if step.Kind() == "REVOKE" {
		return step.Account.User, []statement.Statement{step.Statement}
	}
	has := p.Clone
	if step.Account.User == p.Clone.Name {
		has = p.Original
	}
	account := has.at(step.Account.Host)
	if step.Kind() != "GRANT" || account == nil {
		return "", nil
	}
	switch step.Object.Level {
	case LevelRole:
		if step.Object.Proxied == (Name{}) {
			return "", nil
		}
		return has.Name, []statement.Statement{revokeRoleStatement(p.Server, step.Object.Proxied, account.Name)}
	case LevelProxy:
		return has.Name, []statement.Statement{revokeStatement(step.Object, nil, nil, account.Name)}
	}
	option := strings.HasSuffix(step.Statement.String(), " WITH GRANT OPTION")
	for _, list := range together(step.Object, step.needs.privileges, step.needs.columns, option) {
		statements = append(statements, revokeStatement(step.Object, list.privileges, list.columns, account.Name))
	}
	return has.Name, statements
}
