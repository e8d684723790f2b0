package mysqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/rotation"
	"tandem/internal/statement"
)

// account reads what was shown of an account, and asks for what that leaves open.
func (s *Session) account(ctx context.Context, name account.Name, rows account.Rows) (account.Account, error) {
	read, err := account.Parse(s.facts.Server, name, rows)
	if err != nil {
		return account.Account{}, fmt.Errorf("reading account %s: %w", name, err)
	}
	if read.ExpiryHidden {
		if read.Attributes.Expiry, err = s.expiry(ctx, name); err != nil {
			return account.Account{}, err
		}
		read.ExpiryHidden = false
	}
	return read, nil
}

// expiry reads the policy that SHOW CREATE USER does not show of an account whose
// password was expired by hand.
//
// Source: MySQL 8.4 Reference Manual, 8.2.15 "Password Management",
// "Internal Versus External Credentials Storage" and the column password_lifetime.
func (s *Session) expiry(ctx context.Context, name account.Name) (account.Expiry, error) {
	query := statement.New("SELECT password_lifetime FROM mysql.user WHERE User = ").Literal(name.User).SQL(" AND Host = ").Literal(name.Host).Statement()
	var days sql.NullInt64
	if err := s.connection.QueryRowContext(ctx, query.Reveal()).Scan(&days); err != nil {
		return account.Expiry{}, fmt.Errorf("reading when the password of %s expires: %w", name, explain(err, false))
	}
	switch {
	case !days.Valid:
		return account.Expiry{}, nil
	case days.Int64 == 0:
		return account.Expiry{Kind: account.ExpireNever}, nil
	}
	return account.Expiry{Kind: account.ExpireInterval, Days: uint64(days.Int64)}, nil
}

// OwnAccount reads SHOW CREATE USER and SHOW GRANTS of the session's own account, which
// MariaDB shows to everybody.
func (s *Session) OwnAccount(ctx context.Context) (account.Account, error) {
	if err := s.pin(ctx); err != nil {
		return account.Account{}, err
	}
	name := s.facts.Account
	shown, err := s.show(ctx, []listed{{name: name}})
	if err != nil {
		return account.Account{}, err
	}
	return s.account(ctx, name, shown[0])
}

// OwnGrants reads SHOW GRANTS of the session itself.
func (s *Session) OwnGrants(ctx context.Context) (account.OwnGrants, error) {
	if err := s.pin(ctx); err != nil {
		return account.OwnGrants{}, err
	}
	rows, err := s.secretRows(ctx, statement.New("SHOW GRANTS").Statement())
	return account.OwnGrants{Name: s.facts.Account, Rows: rows}, err
}

// Exists looks into information_schema, which shows a user the tables, the columns and
// the routines that it has a privilege on. Columns count only while their table or view
// can be opened: information_schema lists those of a view whose definer is gone, and of a
// table that a part is missing of.
//
// Source: MySQL 8.4 Reference Manual, 28.3.38 "The INFORMATION_SCHEMA TABLES Table",
// 28.3.8 "The INFORMATION_SCHEMA COLUMNS Table", 28.3.30 "The INFORMATION_SCHEMA ROUTINES
// Table", 15.7.3.2 "CHECK TABLE Statement" ("CHECK TABLE can also check views for
// problems"), for which any privilege on it is enough (tried on every server).
//
// A table is opened once for all of its columns. Where that waits too long for a lock,
// the error is the answer to all of them.
func (s *Session) Exists(ctx context.Context, object account.Object, column string) (bool, error) {
	exists := func(query *statement.Builder) (bool, error) {
		found, err := s.texts(ctx, query.Statement())
		return len(found) > 0, err
	}
	switch {
	case object.Level == account.LevelRoutine && object.Type == "LIBRARY":
		return exists(statement.New("SELECT LIBRARY_NAME FROM information_schema.LIBRARIES WHERE LIBRARY_SCHEMA = ").Literal(object.Database).
			SQL(" AND LIBRARY_NAME = ").Literal(object.Name))
	case object.Level == account.LevelRoutine:
		return exists(statement.New("SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ").Literal(object.Database).
			SQL(" AND ROUTINE_NAME = ").Literal(object.Name).SQL(" AND ROUTINE_TYPE = ").Literal(object.Type))
	}
	kinds, err := s.texts(ctx, statement.New("SELECT TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = ").Literal(object.Database).
		SQL(" AND TABLE_NAME = ").Literal(object.Name).Statement())
	if err != nil || len(kinds) == 0 {
		return false, err
	}
	view := strings.Contains(kinds[0], "VIEW")
	if column == "" {
		_, err := s.opensOnce(ctx, object, view)
		return true, err
	}
	found, err := exists(statement.New("SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ").Literal(object.Database).
		SQL(" AND TABLE_NAME = ").Literal(object.Name).SQL(" AND COLUMN_NAME = ").Literal(column))
	if err != nil || !found {
		return false, err
	}
	return s.opensOnce(ctx, object, view)
}

func (s *Session) opensOnce(ctx context.Context, object account.Object, view bool) (bool, error) {
	known, asked := s.opened[object]
	if !asked {
		known.opens, known.err = s.opens(ctx, object, view)
		if s.opened == nil {
			s.opened = map[account.Object]opening{}
		}
		s.opened[object] = known
	}
	return known.opens, known.err
}

// opening is whether a table or a view can be opened, or why that is not known.
type opening struct {
	opens bool
	err   error
}

// lockTimedOut is how CHECK TABLE, which gives no number, begins what 1205
// (ER_LOCK_WAIT_TIMEOUT) says in the language of settings.
const lockTimedOut = "Lock wait timeout exceeded"

// opens asks whether a table or a view can be opened. The last row of the answer says so.
// Of a table FOR UPGRADE reads no row.
func (s *Session) opens(ctx context.Context, object account.Object, view bool) (bool, error) {
	check := statement.New("CHECK TABLE ").Identifier(object.Database).SQL(".").Identifier(object.Name)
	if !view {
		check.SQL(" FOR UPGRADE")
	}
	query := check.Statement()
	rows, err := s.connection.QueryContext(ctx, query.Reveal())
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", query, explain(err, false))
	}
	defer rows.Close()
	var name, operation, kind, text string
	var locked error
	for rows.Next() {
		if err := rows.Scan(&name, &operation, &kind, &text); err != nil {
			return false, fmt.Errorf("reading %s: %w", query, explain(err, false))
		}
		if strings.HasPrefix(text, lockTimedOut) {
			locked = fmt.Errorf("reading %s: %w", query, &ServerError{Number: errLockWaitTimeout, Message: text})
		}
	}
	if err := rows.Err(); err != nil {
		return false, fmt.Errorf("reading %s: %w", query, explain(err, false))
	}
	return kind == "status" && text == "OK", locked
}

// secretRows runs a query that answers one column of text which may hold verifiers.
func (s *Session) secretRows(ctx context.Context, query statement.Statement) ([]redact.Secret, error) {
	answers, err := s.allRows(ctx, []statement.Statement{query})
	if err != nil {
		return nil, err
	}
	return answers[0], nil
}

// allRows runs such queries, more than one for an admin only, on one way to the
// server and back.
func (s *Session) allRows(ctx context.Context, queries []statement.Statement) ([][]redact.Secret, error) {
	if err := s.pin(ctx); err != nil {
		return nil, err
	}
	answers := make([][]redact.Secret, 0, len(queries))
	// An error is about the query that has not been answered.
	failed := func(err error) error {
		return fmt.Errorf("reading %s: %w", queries[min(len(answers), len(queries)-1)], explain(err, false))
	}
	rows, err := s.connection.QueryContext(ctx, statement.Join(queries...).Reveal())
	if err != nil {
		return nil, failed(err)
	}
	defer rows.Close()
	for {
		found := []redact.Secret(nil)
		for rows.Next() {
			var row string
			if err := rows.Scan(&row); err != nil {
				return nil, failed(err)
			}
			found = append(found, redact.New(row))
		}
		if err := rows.Err(); err != nil {
			return nil, failed(err)
		}
		answers = append(answers, found)
		if len(answers) == len(queries) {
			return answers, nil
		}
		if !rows.NextResultSet() {
			return nil, failed(errors.Join(rows.Err(), errFewerAnswers))
		}
	}
}

// errFewerAnswers is seen where a server answers fewer queries than it was sent and
// says nothing else.
var errFewerAnswers = failure.New(failure.ServerResponseUnrecognised, "the server did not answer every query")

// Use makes the database the session's own.
func (s *Session) Use(ctx context.Context, database string) error {
	return s.Apply(ctx, statement.New("USE ").Identifier(database).Statement())
}

// Apply executes statements, more than one for an admin only. Its error shows the
// statement masked.
func (s *Session) Apply(ctx context.Context, statements ...statement.Statement) error {
	if err := s.pin(ctx); err != nil {
		return err
	}
	toApply := statement.Join(statements...)
	_, err := s.connection.ExecContext(ctx, toApply.Reveal())
	if err == nil {
		return nil
	}
	explained := explain(err, toApply.HoldsSecret())
	if failure.Of(explained) == failure.ConnectionLost && len(toApply.Reveal()) > netBufferLength {
		explained = failure.WithRemedy(explained, "if it repeats, raise the server's max_allowed_packet, which may be too low for a statement of this length")
	}
	if len(statements) == 1 {
		return fmt.Errorf("executing %s: %w", toApply, explained)
	}
	var answered *ServerError
	if errors.As(explained, &answered) {
		explained = fmt.Errorf("%w: %w", explained, rotation.ErrOneOfSeveral)
	}
	return fmt.Errorf("executing %d statements, of which the first is %s: %w", len(statements), statements[0], explained)
}

// LockWait implements rotation.LockWaiter.
//
// Source: MySQL 8.4 Reference Manual, 7.1.8 "Server System Variables"; MariaDB, "Server
// System Variables" (lock_wait_timeout, of which 0 is known since 10.3).
func (s *Session) LockWait(ctx context.Context, wait time.Duration) error {
	seconds := uint64(wait / time.Second)
	switch {
	case wait == 0:
		seconds = s.remaining()
	case s.facts.Server.Flavor == account.MySQL:
		seconds = max(1, seconds)
	}
	return s.Apply(ctx, statement.New("SET SESSION lock_wait_timeout = ").Number(seconds).Statement())
}

// netBufferLength is the servers' default net_buffer_length, up to which a statement is
// taken whatever max_allowed_packet is. At a longer one than that allows the server says
// so and closes the connection, and the client often sees the end alone.
//
// Source: MySQL 8.4 Reference Manual, 7.1.8 "Server System Variables" and B.3.2.8 "Packet
// Too Large".
const netBufferLength = 16384

// parseAccount reads CURRENT_USER() or USER(), user@host without quotes. A user
// name may hold an @; a host never does.
func parseAccount(text string) (account.Name, error) {
	at := strings.LastIndexByte(text, '@')
	if at < 0 {
		return account.Name{}, failure.New(failure.ServerResponseUnrecognised, "asking the server who is logged in: it answered something that is not an account")
	}
	return account.Name{User: text[:at], Host: text[at+1:]}, nil
}
