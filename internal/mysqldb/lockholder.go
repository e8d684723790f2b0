package mysqldb

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"time"

	"tandem/internal/rotation"
	"tandem/internal/statement"
)

// lockTaken is the error of a Lock whose wait was too short. It says who holds it, as
// far as that could be read.
type lockTaken struct{ holder rotation.LockHolder }

// Error implements error.
func (e *lockTaken) Error() string { return e.holder.String() }

// Unwrap makes it rotation.ErrLockTaken.
func (e *lockTaken) Unwrap() error { return rotation.ErrLockTaken }

// Holder implements rotation.LockTaken.
func (e *lockTaken) Holder() rotation.LockHolder { return e.holder }

// LockHolder implements rotation.LockInspector: it asks for the connection, which
// anybody may, and then for what can be read of it. The second of the two tables tells
// more to those without PROCESS, where they may read it.
//
// Source: MySQL 8.4 Reference Manual, 14.14 "Locking Functions" (IS_USED_LOCK), 28.3.23
// "The INFORMATION_SCHEMA PROCESSLIST Table" (without PROCESS one sees the threads of
// one's own user), 29.12.22.8 "The threads Table", 29.12.9 "Performance Schema
// Connection Attribute Tables"; MariaDB, "Information Schema PROCESSLIST Table".
func (s *Session) LockHolder(ctx context.Context, name string) (rotation.LockHolder, error) {
	var holder rotation.LockHolder
	var id sql.NullInt64
	if err := s.connection.QueryRowContext(ctx, statement.New("SELECT IS_USED_LOCK(").Literal(name).SQL(")").Statement().Reveal()).Scan(&id); err != nil {
		return holder, fmt.Errorf("asking who holds the lock %s: %w", name, explain(err, false))
	}
	if !id.Valid {
		return holder, nil
	}
	holder.Connection = uint64(id.Int64)
	// What may not be read, or is not there, leaves the connection's number.
	for _, begun := range []*statement.Builder{
		statement.New("SELECT USER, HOST, COMMAND, TIME FROM information_schema.PROCESSLIST WHERE ID = "),
		statement.New("SELECT PROCESSLIST_USER, PROCESSLIST_HOST, PROCESSLIST_COMMAND, PROCESSLIST_TIME FROM performance_schema.threads WHERE PROCESSLIST_ID = "),
	} {
		var user, host, command sql.NullString
		var seconds sql.NullInt64
		err := s.connection.QueryRowContext(ctx, begun.Number(holder.Connection).Statement().Reveal()).Scan(&user, &host, &command, &seconds)
		if err != nil || !user.Valid {
			continue
		}
		holder.User, holder.Host, holder.Command = user.String, host.String, command.String
		if client, _, err := net.SplitHostPort(host.String); err == nil {
			holder.Host = client
		}
		holder.For = time.Duration(max(0, seconds.Int64)) * time.Second
		break
	}
	var program sql.NullString
	query := statement.New("SELECT MAX(CASE WHEN ATTR_NAME = 'program_name' THEN ATTR_VALUE ELSE '' END) FROM performance_schema.session_connect_attrs WHERE PROCESSLIST_ID = ").Number(holder.Connection)
	if err := s.connection.QueryRowContext(ctx, query.Statement().Reveal()).Scan(&program); err == nil {
		holder.Program, holder.ProgramKnown = program.String, program.Valid
	}
	return holder, nil
}

// taken is the error for a lock that another session holds.
func (s *Session) taken(ctx context.Context, name string) error {
	holder, err := s.LockHolder(ctx, name)
	if err != nil {
		return fmt.Errorf("%w; %w", rotation.ErrLockTaken, err)
	}
	return &lockTaken{holder}
}
