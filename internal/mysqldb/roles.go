package mysqldb

import (
	"context"
	"fmt"

	"tandem/internal/account"
	"tandem/internal/statement"
)

// Roles reads MySQL's mandatory_roles, and on MariaDB which of the named roles are gone.
//
// Source: MySQL 8.4 Reference Manual, 7.1.8 "Server System Variables"; MariaDB,
// "mysql.user Table".
func (s *Session) Roles(ctx context.Context, names []account.Name) (account.RoleFacts, error) {
	if s.facts.Server.Flavor == account.MySQL {
		return s.mandatoryRoles(ctx)
	}
	var facts account.RoleFacts
	if len(names) == 0 {
		return facts, nil
	}
	query := statement.New("SELECT User FROM mysql.user WHERE is_role = 'Y' AND User IN (")
	for i, name := range names {
		if i > 0 {
			query.SQL(", ")
		}
		query.Literal(name.User)
	}
	there, err := s.texts(ctx, query.SQL(")").Statement())
	if err != nil {
		return facts, err
	}
	facts.Gone = map[account.Name]bool{}
	for _, name := range names {
		facts.Gone[name] = true
	}
	for _, name := range there {
		delete(facts.Gone, account.Name{User: name})
	}
	return facts, nil
}

// mandatoryRoles reads what an admin's Lock has read already.
func (s *Session) mandatoryRoles(ctx context.Context) (account.RoleFacts, error) {
	var facts account.RoleFacts
	var text string
	if s.lockedRead != nil {
		text = s.lockedRead.mandatory
	} else if err := s.pin(ctx); err != nil {
		return facts, err
	} else if err := s.connection.QueryRowContext(ctx, "SELECT "+mandatory).Scan(&text); err != nil {
		return facts, fmt.Errorf("reading mandatory_roles: %w", explain(err, false))
	}
	roles := account.ParseRoles(text)
	facts.Mandatory = make(map[account.Name]bool, len(roles))
	for _, role := range roles {
		facts.Mandatory[role] = true
	}
	return facts, nil
}

// mandatory is an expression; empty on servers that know no mandatory roles.
const mandatory = "COALESCE(/*!80002 @@GLOBAL.mandatory_roles, */ '')"
