package mysqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/statement"
)

// settings pins what the server's defaults could change the meaning of. The
// session ends by itself, on the server's side too, soon after the invocation's
// deadline: a server keeps a client that has died without a word, and its lock, for
// as long as wait_timeout says, which is eight hours otherwise.
func (s *Session) settings() *statement.Builder {
	remaining := uint64(24 * time.Hour / time.Second)
	if s.hasEnd {
		remaining = uint64(max(0, time.Until(s.ends))/time.Second) + 1
	}
	return statement.New("SET NAMES utf8mb4 COLLATE utf8mb4_bin, SESSION sql_mode = ").Literal(statement.SQLMode).
		SQL(", SESSION sql_quote_show_create = 1, SESSION wait_timeout = ").Number(remaining).
		SQL(", SESSION lock_wait_timeout = ").Number(remaining).
		SQL("/*!80017 , SESSION print_identified_with_as_hex = 1 */")
}

// pin sends the settings, once.
func (s *Session) pin(ctx context.Context) error {
	if s.pinned {
		return nil
	}
	if err := s.set(ctx, s.settings().Statement()); err != nil {
		return fmt.Errorf("setting up the session on %s: %w", s.endpoint, err)
	}
	return nil
}

func (s *Session) set(ctx context.Context, settings statement.Statement) error {
	if _, err := s.connection.ExecContext(ctx, settings.Reveal()); err != nil {
		return explain(err, false)
	}
	s.pinned = true
	return nil
}

// Lock takes the lock by GET_LOCK, in the statement that pins the settings: so
// there is no session that holds it and would outlast a client that vanished. What
// GET_LOCK has answered is kept in a variable of the session.
//
// Source: MySQL 8.4 Reference Manual, 14.14 "Locking Functions", 15.7.6.1 "SET
// Syntax for Variable Assignment".
func (s *Session) Lock(ctx context.Context, name string, wait time.Duration, users ...string) error {
	settings := s.settings().SQL(", @tandem_lock = GET_LOCK(").Literal(name).SQL(", ").Number(uint64(wait / time.Second)).SQL(")").Statement()
	if err := s.set(ctx, settings); err != nil {
		return fmt.Errorf("taking the lock %s: %w", name, err)
	}
	var got sql.NullInt64
	if s.endpoint.login.Admin {
		var err error
		if got, err = s.reserve(ctx, users); err != nil {
			return err
		}
	} else if err := s.connection.QueryRowContext(ctx, "SELECT @tandem_lock").Scan(&got); err != nil {
		return fmt.Errorf("taking the lock %s: %w", name, explain(err, false))
	}
	switch {
	case !got.Valid:
		return failure.Errorf(failure.ConnectionLost, "taking the lock %s: the server gave none, for lack of memory or because the session was killed: try again", name)
	case got.Int64 != 1:
		return fmt.Errorf("taking the lock %s: %w", name, s.taken(ctx, name))
	}
	return nil
}

// reserved is what an admin reads in one statement as soon as it has the lock.
type reserved struct {
	mandatory string   // MySQL's mandatory_roles
	insisting []string // see InsistOnClear
	// users are those whose accounts were listed, until these are read.
	users    []string
	accounts []listed
}

// reserve reads what GET_LOCK has answered, the session's facts, what Roles and
// InsistOnClear tell, and which accounts the users have.
func (s *Session) reserve(ctx context.Context, users []string) (got sql.NullInt64, err error) {
	query := func(begun *statement.Builder) statement.Statement {
		begun.SQL(", @tandem_lock, " + mandatory + ", COALESCE(/*M! (" + insisting + "), */ ''), " +
			"listed.* FROM (SELECT 1) AS one LEFT JOIN (")
		return listing(begun, users).SQL(") AS listed ON TRUE ORDER BY listed.User, listed.Host").Statement()
	}
	asked := time.Now()
	rows, err := s.connection.QueryContext(ctx, query(statement.New("SELECT "+known+identity)).Reveal())
	if isServerError(err, errUnknownSystemVariable) {
		rows, err = s.connection.QueryContext(ctx, query(statement.New("SELECT "+known+identityLess)).Reveal())
	}
	if err != nil {
		return got, s.listingFailed(ctx, err)
	}
	defer rows.Close()
	var answer told
	var clear string
	s.reserved = &reserved{users: users}
	s.proxies = nil
	for rows.Next() {
		var entry nullableListed
		columns := append(answer.columns(), &got, &s.reserved.mandatory, &clear)
		if err := rows.Scan(append(columns, entry.columns()...)...); err != nil {
			return got, fmt.Errorf("listing accounts: %w", explain(err, false))
		}
		s.proxies.add(entry)
		if found, any := entry.listed(asked); any {
			s.reserved.accounts = append(s.reserved.accounts, found)
		}
	}
	if err := rows.Err(); err != nil {
		return got, s.listingFailed(ctx, err)
	}
	s.reserved.insisting = splitList(clear)
	return got, s.learn(answer)
}

// listingFailed explains why accounts could not be listed.
func (s *Session) listingFailed(ctx context.Context, err error) error {
	err = explain(err, false)
	var answered *ServerError
	if !errors.As(err, &answered) || !answered.Denied() {
		return fmt.Errorf("listing accounts: %w", err)
	}
	if s.facts.Account == (account.Name{}) {
		if unknown := s.prove(ctx); unknown != nil {
			return fmt.Errorf("%w; before that: listing accounts: %w", unknown, err)
		}
	}
	return fmt.Errorf("listing accounts as %s, which needs GRANT SELECT ON mysql.* TO %s: %w", s.facts.Account, s.facts.Account, err)
}
