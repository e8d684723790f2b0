package mysqldb

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"tandem/internal/account"
)

// insisting asks MariaDB, in a subquery, for the plugins for whose sake it refuses verifiers: those
// that validate passwords, while strict_password_validation is on. A server that
// does not have the variable has no row for it, and so takes verifiers.
//
// Source: MariaDB, "Password Validation Plugin API" and "Information Schema PLUGINS
// Table"; which statements are refused was tried on 10.5, 10.11 and 11.8. MySQL always sees
// passwords, and keeps them out of its logs.
const insisting = "SELECT GROUP_CONCAT(PLUGIN_NAME ORDER BY PLUGIN_NAME) FROM information_schema.PLUGINS WHERE PLUGIN_TYPE = 'PASSWORD VALIDATION' AND PLUGIN_STATUS = 'ACTIVE' " +
	"AND EXISTS (SELECT 1 FROM information_schema.GLOBAL_VARIABLES WHERE VARIABLE_NAME = 'STRICT_PASSWORD_VALIDATION' AND VARIABLE_VALUE = 'ON')"

// InsistOnClear lists the password validation plugins that have to see a password
// in clear. An admin's Lock has read them.
func (s *Session) InsistOnClear(ctx context.Context) ([]string, error) {
	switch {
	case s.reserved != nil:
		return s.reserved.insisting, nil
	case s.facts.Server.Flavor != account.MariaDB:
		return nil, nil
	}
	var names sql.NullString
	if err := s.connection.QueryRowContext(ctx, insisting).Scan(&names); err != nil {
		return nil, fmt.Errorf("reading the password validation plugins: %w", explain(err, false))
	}
	return splitList(names.String), nil
}

// splitList reads what GROUP_CONCAT has joined, of names that have no comma.
func splitList(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}
