package mysqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/rotation"
	"tandem/internal/statement"
	"tandem/internal/timeout"
)

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
	got, err := s.lock(ctx, name, wait, users)
	if err == nil && !got.Valid {
		// A max_statement_time of the server's ends the wait of the statement that is to
		// set it to none, and that says nothing but NULL (MariaDB). By now it is set.
		got, err = s.lock(ctx, name, wait, users)
	}
	switch {
	case err != nil:
		return err
	case !got.Valid:
		return failure.Errorf(failure.ConnectionLost, "taking the lock %s: the server gave none, for lack of memory or because the session was killed: try again", name)
	case got.Int64 != 1:
		return fmt.Errorf("taking the lock %s: %w", name, s.taken(ctx, name))
	}
	return nil
}

// lock asks for the lock, and reads what the server has answered: NULL where it ended
// the wait for a reason of its own.
func (s *Session) lock(ctx context.Context, name string, wait time.Duration, users []string) (got sql.NullInt64, err error) {
	settings := s.settings().SQL(", @tandem_lock = GET_LOCK(").Literal(name).SQL(", ").Number(uint64(wait / time.Second)).SQL(")").Statement()
	if err := s.set(ctx, settings); err != nil {
		return got, fmt.Errorf("taking the lock %s: %w", name, err)
	}
	if s.endpoint.login.Admin {
		return s.readUnderLock(ctx, users)
	}
	if err := s.connection.QueryRowContext(ctx, "SELECT @tandem_lock").Scan(&got); err != nil {
		return got, fmt.Errorf("taking the lock %s: %w", name, explain(err, false))
	}
	return got, nil
}

// lockedRead is what an admin reads in one statement as soon as it has the lock.
type lockedRead struct {
	mandatory string   // MySQL's mandatory_roles
	insisting []string // see PluginsNeedingPlaintext
	// users are those whose accounts were listed, until these are read.
	users    []string
	accounts []listed
	sessions sessionCount
}

// readUnderLock reads what GET_LOCK has answered, the session's facts, what Roles and
// PluginsNeedingPlaintext tell, which accounts the users have, and how many sessions.
// Where the server refuses that, or takes too long, it is asked once more without the
// sessions: they must be no reason for a rotation to fail.
func (s *Session) readUnderLock(ctx context.Context, users []string) (got sql.NullInt64, err error) {
	got, err = s.readLocked(ctx, users, true)
	var answered *ServerError
	if !errors.As(err, &answered) {
		return got, err
	}
	if got, err = s.readLocked(ctx, users, false); err == nil {
		s.lockedRead.sessions = sessionCount{UserSessions: rotation.UserSessions{Unknown: fmt.Errorf("counting sessions: %w", answered)}}
	}
	return got, err
}

// readLocked reads that, with the sessions or without.
func (s *Session) readLocked(ctx context.Context, users []string, sessions bool) (got sql.NullInt64, err error) {
	begin := func() *statement.Builder {
		if sessions {
			return timedSelect(timeout.Sessions().Of(ctx)).SQL(known)
		}
		return statement.New("SELECT " + known)
	}
	query := func(begun *statement.Builder) statement.Statement {
		begun.SQL(", @tandem_lock, " + mandatory + ", COALESCE(/*M! (" + insisting + "), */ ''), ")
		if !sessions {
			return listOf(begun.SQL("NULL, listed.* FROM (SELECT 1) AS one LEFT JOIN ("), users).SQL(") AS listed ON TRUE").Statement()
		}
		listOf(begun.SQL("counting.counted, listed.* FROM (SELECT 1) AS one LEFT JOIN ("), users)
		return countSessions(begun.SQL(") AS listed ON TRUE LEFT JOIN (SELECT "), users).SQL(") AS counting ON TRUE").Statement()
	}
	asked := time.Now()
	rows, err := s.connection.QueryContext(ctx, query(begin().SQL(identity)).Reveal())
	if isServerError(err, errUnknownSystemVariable) {
		rows, err = s.connection.QueryContext(ctx, query(begin().SQL(identityWithoutUUID)).Reveal())
	}
	if err != nil {
		return got, s.listingFailed(ctx, err)
	}
	defer rows.Close()
	var answer factsRow
	var clear string
	var counted sql.NullString
	s.lockedRead = &lockedRead{users: users}
	answered := false
	var found listing
	for rows.Next() {
		answered = true
		var entry nullableListed
		columns := append(answer.columns(), &got, &s.lockedRead.mandatory, &clear, &counted)
		if err := rows.Scan(append(columns, entry.columns()...)...); err != nil {
			return got, fmt.Errorf("listing accounts: %w", explain(err, false))
		}
		found.add(entry, asked)
	}
	if err := rows.Err(); err != nil {
		return got, s.listingFailed(ctx, err)
	}
	if !answered {
		return got, failure.New(failure.ServerResponseUnrecognised, "listing accounts: the server answered without a row")
	}
	if err := found.close(); err != nil {
		return got, err
	}
	s.lockedRead.accounts, s.proxies = found.accounts, found.proxies
	s.lockedRead.sessions = parseSessionCount(counted, users)
	if s.lockedRead.insisting, err = countedList(clear); err != nil {
		return got, err
	}
	return got, s.learn(answer)
}

// brokenView are the answers to whoever reads a view whose definer is gone, with SUPER
// and without (a table that one may not read is errTableDenied), or lacks privileges.
var brokenView = []uint16{errNoSuchDefiner, errAccessDenied, errViewInvalid}

// mariadbSys makes the account anew that MariaDB's mysql.user is defined by.
//
// Source: MariaDB, "The mysql.user Table", "mariadb-upgrade"; tried on 11.8.
const mariadbSys = "CREATE USER IF NOT EXISTS `mariadb.sys`@`localhost` ACCOUNT LOCK PASSWORD EXPIRE; " +
	"GRANT SELECT, DELETE ON `mysql`.`global_priv` TO `mariadb.sys`@`localhost`"

// listingFailed explains why accounts could not be listed.
func (s *Session) listingFailed(ctx context.Context, err error) error {
	err = explain(err, false)
	var answered *ServerError
	switch {
	case errors.As(err, &answered) && slices.Contains(brokenView, answered.Number):
		return failure.Errorf(failure.SystemAccountMissing, "listing accounts: MariaDB's mysql.user is a view, and the account that it is defined by is gone or lacks its privileges; to fix it, run: %s: %w", mariadbSys, err)
	case answered == nil || !answered.Denied():
		return fmt.Errorf("listing accounts: %w", err)
	}
	if s.facts.Account == (account.Name{}) {
		if unknown := s.prove(ctx); unknown != nil {
			return fmt.Errorf("%w; before that: listing accounts: %w", unknown, err)
		}
	}
	return fmt.Errorf("listing accounts as %s, which needs GRANT SELECT ON mysql.* TO %s: %w", s.facts.Account, s.facts.Account, err)
}
