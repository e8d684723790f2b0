package mysqldb

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"tandem/internal/account"
	"tandem/internal/failure"
)

// insisting asks MariaDB, in a subquery, for the plugins for whose sake it refuses verifiers: those
// that validate passwords, while strict_password_validation is on. A server that
// does not have the variable has no row for it, and so takes verifiers.
//
// Source: MariaDB, "Password Validation Plugin API" and "Information Schema PLUGINS
// Table"; which statements are refused was tried on 10.5, 10.11 and 11.8. MySQL always sees
// passwords, and keeps them out of its logs.
//
// The list begins with the number of its names, and is NULL where there are none.
const insisting = "SELECT CONCAT(COUNT(*), ',', GROUP_CONCAT(PLUGIN_NAME ORDER BY PLUGIN_NAME)) FROM information_schema.PLUGINS WHERE PLUGIN_TYPE = 'PASSWORD VALIDATION' AND PLUGIN_STATUS = 'ACTIVE' " +
	"AND EXISTS (SELECT 1 FROM information_schema.GLOBAL_VARIABLES WHERE VARIABLE_NAME = 'STRICT_PASSWORD_VALIDATION' AND VARIABLE_VALUE = 'ON')"

// PluginsNeedingPlaintext lists the password validation plugins that have to see a password
// in clear. An admin's Lock has read them.
func (s *Session) PluginsNeedingPlaintext(ctx context.Context) ([]string, error) {
	switch {
	case s.lockedRead != nil:
		return s.lockedRead.insisting, nil
	case s.facts.Server.Flavor != account.MariaDB:
		return nil, nil
	}
	if err := s.pin(ctx); err != nil {
		return nil, err
	}
	var names sql.NullString
	if err := s.connection.QueryRowContext(ctx, insisting).Scan(&names); err != nil {
		return nil, fmt.Errorf("reading the password validation plugins: %w", explain(err, false))
	}
	return countedList(names.String)
}

// countedList reads what GROUP_CONCAT has joined, of names that have no comma, behind
// their number: a server cuts the list at group_concat_max_len, with no more than a
// warning.
func countedList(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	count, list, _ := strings.Cut(text, ",")
	names := strings.Split(list, ",")
	if count != strconv.Itoa(len(names)) {
		return nil, failure.Errorf(failure.ServerResponseUnrecognised, "reading the password validation plugins: the server named %d of %s", len(names), count)
	}
	return names, nil
}
