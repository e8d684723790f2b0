package mysqldb

import (
	"context"
	"fmt"

	"tandem/internal/account"
	"tandem/internal/statement"
)

// definers are the tables that name who something was defined by, as user@host.
//
// Source: MySQL 8.4 Reference Manual, 27.6 "Stored Object Access Control";
// chapter 28 "INFORMATION_SCHEMA Tables".
const definers = "SELECT 'view', TABLE_SCHEMA, TABLE_NAME, DEFINER FROM information_schema.VIEWS UNION ALL " +
	"SELECT LOWER(ROUTINE_TYPE), ROUTINE_SCHEMA, ROUTINE_NAME, DEFINER FROM information_schema.ROUTINES UNION ALL " +
	"SELECT 'trigger', TRIGGER_SCHEMA, TRIGGER_NAME, DEFINER FROM information_schema.TRIGGERS UNION ALL " +
	"SELECT 'event', EVENT_SCHEMA, EVENT_NAME, DEFINER FROM information_schema.EVENTS"

// Dependents looks for what is defined by the account, and for those to whom the
// account is granted, as a role or by PROXY.
func (s *Session) Dependents(ctx context.Context, name account.Name) ([]string, error) {
	found, err := s.texts(ctx, statement.New("SELECT CONCAT(kind, ' ', db, '.', object) FROM (SELECT 'view' AS kind, '' AS db, '' AS object, '' AS definer UNION ALL "+definers+
		") AS defined WHERE CAST(definer AS BINARY) = CAST(").Literal(name.User+"@"+name.Host).SQL(" AS BINARY)").Statement())
	if err != nil {
		return nil, err
	}
	proxied, err := s.texts(ctx, statement.New("SELECT CONCAT('PROXY granted to ', User, '@', Host) FROM mysql.proxies_priv WHERE Proxied_user = ").Literal(name.User).
		SQL(" AND Proxied_host = ").Literal(name.Host).Statement())
	if err != nil {
		return nil, err
	}
	found = append(found, proxied...)
	granted, err := s.grantedTo(ctx, name.User, name.Host)
	if err != nil {
		return nil, err
	}
	for _, to := range granted {
		found = append(found, "granted as a role to "+to.String())
	}
	return found, nil
}

// GrantedTo reads MySQL's role edges. On MariaDB a user is never a role.
func (s *Session) GrantedTo(ctx context.Context, user string) ([]account.Name, error) {
	return s.grantedTo(ctx, user, "")
}

func (s *Session) grantedTo(ctx context.Context, user, host string) ([]account.Name, error) {
	if s.facts.Server.Flavor != account.MySQL || !s.facts.Server.AtLeast(8, 0, 0) {
		return nil, nil
	}
	if err := s.pin(ctx); err != nil {
		return nil, err
	}
	query := statement.New("SELECT DISTINCT TO_USER, TO_HOST FROM mysql.role_edges WHERE FROM_USER = ").Literal(user)
	if host != "" {
		query.SQL(" AND FROM_HOST = ").Literal(host)
	}
	rows, err := s.connection.QueryContext(ctx, query.Statement().Reveal())
	if err != nil {
		return nil, fmt.Errorf("looking for those to whom %q is granted as a role: %w", user, explain(err, false))
	}
	defer rows.Close()
	var found []account.Name
	for rows.Next() {
		var name account.Name
		if err := rows.Scan(&name.User, &name.Host); err != nil {
			return nil, fmt.Errorf("looking for those to whom %q is granted as a role: %w", user, explain(err, false))
		}
		found = append(found, name)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("looking for those to whom %q is granted as a role: %w", user, explain(err, false))
	}
	return found, nil
}

// texts runs a query that answers one column of text that anybody may see.
func (s *Session) texts(ctx context.Context, query statement.Statement) ([]string, error) {
	rows, err := s.secretRows(ctx, query)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(rows))
	for i, row := range rows {
		texts[i] = row.Reveal()
	}
	return texts, nil
}
