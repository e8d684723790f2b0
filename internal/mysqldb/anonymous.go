package mysqldb

import (
	"context"
	"fmt"

	"tandem/internal/account"
	"tandem/internal/statement"
)

// Anonymous looks for the account without a name that the server takes the user's
// logins for, from where this session comes from.
func (s *Session) Anonymous(ctx context.Context, username string) (found account.Name, ok bool, err error) {
	if err := s.pin(ctx); err != nil {
		return found, false, err
	}
	query := statement.New("SELECT User, Host, SUBSTRING_INDEX(USER(), '@', -1) FROM mysql.user WHERE User IN ('', ").Literal(username).SQL(")").Statement()
	rows, err := s.connection.QueryContext(ctx, query.Reveal())
	if err != nil {
		return found, false, fmt.Errorf("looking for accounts without a name: %w", explain(err, false))
	}
	defer rows.Close()
	var accounts []account.Name
	var from string
	for rows.Next() {
		var name account.Name
		if err := rows.Scan(&name.User, &name.Host, &from); err != nil {
			return found, false, fmt.Errorf("looking for accounts without a name: %w", explain(err, false))
		}
		accounts = append(accounts, name)
	}
	if err := rows.Err(); err != nil {
		return found, false, fmt.Errorf("looking for accounts without a name: %w", explain(err, false))
	}
	hosts := []string{from}
	if from == "localhost" { // the server tries the address too
		hosts = append(hosts, "127.0.0.1", "::1")
	}
	found, ok = account.Anonymous(accounts, hosts...)
	return found, ok, nil
}
