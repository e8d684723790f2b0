package mysqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"tandem/internal/account"
	"tandem/internal/rotation"
	"tandem/internal/statement"
)

// State reads whom the server replicates from, which a server tells only those who
// have a privilege for that.
//
// Source: MySQL 8.4 Reference Manual, 15.7.7.36 "SHOW REPLICA STATUS Statement";
// MariaDB, "SHOW REPLICA STATUS".
func (s *Session) State(ctx context.Context) (rotation.ServerState, error) {
	var state rotation.ServerState
	if err := s.pin(ctx); err != nil {
		return state, err
	}
	if err := s.connection.QueryRowContext(ctx, "SELECT COALESCE(/*!80016 @@GLOBAL.partial_revokes, */ 0), COALESCE(/*!80000 CURRENT_ROLE() <> 'NONE', */ 0)").
		Scan(&state.PartialRevokes, &state.RolesActive); err != nil {
		return state, fmt.Errorf("asking the server for partial_revokes: %w", explain(err, false))
	}
	if s.facts.Server.Flavor == account.MariaDB {
		names, err := s.texts(ctx, statement.New("SELECT DISTINCT ROLE_NAME FROM information_schema.APPLICABLE_ROLES WHERE IS_GRANTABLE = 'YES'").Statement())
		if err != nil {
			return state, err
		}
		for _, name := range names {
			state.GivesRoles = append(state.GivesRoles, account.Name{User: name})
		}
	}
	sources, err := s.sources(ctx)
	var answered *mysql.MySQLError
	switch {
	case err == nil:
		state.Sources, state.SourcesKnown = sources, true
	case errors.As(err, &answered) && slices.Contains(denials, answered.Number):
	default:
		return state, fmt.Errorf("asking the server whom it replicates from: %w", explain(err, false))
	}
	return state, nil
}

// sources lists the hosts that the server replicates from.
func (s *Session) sources(ctx context.Context) ([]string, error) {
	query := "SHOW SLAVE STATUS"
	switch {
	case s.facts.Server.Flavor == account.MariaDB:
		query = "SHOW ALL SLAVES STATUS"
	case s.facts.Server.AtLeast(8, 0, 22):
		query = "SHOW REPLICA STATUS"
	}
	rows, err := s.connection.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var found []string
	for rows.Next() {
		values := make([]sql.RawBytes, len(columns))
		targets := make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		for i, column := range columns {
			if strings.EqualFold(column, "Master_Host") || strings.EqualFold(column, "Source_Host") {
				found = append(found, string(values[i]))
			}
		}
	}
	return found, rows.Err()
}
