package mysqldb

import (
	"context"

	"tandem/internal/account"
	"tandem/internal/statement"
)

// insisting asks MariaDB for the plugins for whose sake it refuses verifiers: those
// that validate passwords, while strict_password_validation is on. A server that
// does not have the variable has no row for it, and so takes verifiers.
//
// Source: MariaDB, "Password Validation Plugin API" and "Information Schema PLUGINS
// Table"; which statements are refused was tried on 10.5, 10.11 and 11.8.
const insisting = "SELECT PLUGIN_NAME FROM information_schema.PLUGINS WHERE PLUGIN_TYPE = 'PASSWORD VALIDATION' AND PLUGIN_STATUS = 'ACTIVE' " +
	"AND EXISTS (SELECT 1 FROM information_schema.GLOBAL_VARIABLES WHERE VARIABLE_NAME = 'STRICT_PASSWORD_VALIDATION' AND VARIABLE_VALUE = 'ON') ORDER BY PLUGIN_NAME"

// InsistOnClear lists the password validation plugins that have to see a password
// in clear. MySQL always does, and keeps it out of its logs.
func (s *Session) InsistOnClear(ctx context.Context) ([]string, error) {
	if s.facts.Server.Flavor != account.MariaDB {
		return nil, nil
	}
	return s.texts(ctx, statement.New(insisting).Statement())
}
