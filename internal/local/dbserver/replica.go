package dbserver

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"tandem/internal/statement"
)

// Replication is how a server gets what another one has.
type Replication struct {
	// GTID follows the source by global transaction identifiers, which on MySQL both
	// servers need --gtid-mode=ON for. Otherwise it is by position in its binary log.
	GTID bool
}

// Replicate makes the server a replica of the source: it does whatever the source
// has written to its binary log since that began, and goes on. Both have a server ID
// of their own, and the source a binary log, by their command lines.
//
// Source: MySQL 9.7 Reference Manual, "CHANGE REPLICATION SOURCE TO Statement";
// MariaDB, "CHANGE MASTER TO".
func (s *Server) Replicate(ctx context.Context, source *Server, how Replication) error {
	upstream, err := source.DB()
	if err != nil {
		return err
	}
	defer func() { _ = upstream.Close() }()
	db, err := s.DB()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()

	first := ""
	if !how.GTID {
		if first, err = firstLog(ctx, upstream); err != nil {
			return err
		}
	}
	follow := followMySQL
	if s.Flavor == MariaDB {
		follow = followMariaDB
	}
	if _, err := db.ExecContext(ctx, follow(source, how, first).Reveal()); err != nil {
		return fmt.Errorf("having it replicate from %s: %w", source, err)
	}
	return s.replica(ctx, "start")
}

func followMySQL(source *Server, how Replication, first string) statement.Statement {
	change := statement.New("CHANGE REPLICATION SOURCE TO SOURCE_HOST = ").Literal(source.Host).SQL(", SOURCE_PORT = ").Number(uint64(source.Port)).
		SQL(", SOURCE_USER = ").Literal(source.Username).SQL(", SOURCE_PASSWORD = ").Secret(source.Password).
		SQL(", SOURCE_SSL = 1, SOURCE_SSL_CA = ").Literal(source.CAFile)
	if how.GTID {
		return change.SQL(", SOURCE_AUTO_POSITION = 1").Statement()
	}
	return change.SQL(", SOURCE_AUTO_POSITION = 0, SOURCE_LOG_POS = 4, SOURCE_LOG_FILE = ").Literal(first).Statement()
}

func followMariaDB(source *Server, how Replication, first string) statement.Statement {
	change := statement.New("CHANGE MASTER TO MASTER_HOST = ").Literal(source.Host).SQL(", MASTER_PORT = ").Number(uint64(source.Port)).
		SQL(", MASTER_USER = ").Literal(source.Username).SQL(", MASTER_PASSWORD = ").Secret(source.Password).
		SQL(", MASTER_SSL = 1, MASTER_SSL_CA = ").Literal(source.CAFile)
	if how.GTID {
		return change.SQL(", MASTER_USE_GTID = slave_pos").Statement()
	}
	return change.SQL(", MASTER_USE_GTID = no, MASTER_LOG_POS = 4, MASTER_LOG_FILE = ").Literal(first).Statement()
}

// words are what the two flavors call things.
func (s *Server) words() map[string]string {
	if s.Flavor == MariaDB {
		return map[string]string{
			"start": "START SLAVE", "pause": "STOP SLAVE SQL_THREAD", "resume": "START SLAVE SQL_THREAD",
			"end": "STOP SLAVE", "forget": "RESET SLAVE ALL",
			"await": "SELECT MASTER_POS_WAIT(?, ?, ?)", "status": "SHOW SLAVE STATUS", "log": "SHOW MASTER STATUS",
		}
	}
	return map[string]string{
		"start": "START REPLICA", "pause": "STOP REPLICA SQL_THREAD", "resume": "START REPLICA SQL_THREAD",
		"end": "STOP REPLICA", "forget": "RESET REPLICA ALL",
		"await": "SELECT SOURCE_POS_WAIT(?, ?, ?)", "status": "SHOW REPLICA STATUS", "log": "SHOW BINARY LOG STATUS",
	}
}

func (s *Server) replica(ctx context.Context, words ...string) error {
	db, err := s.DB()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for _, word := range words {
		if _, err := db.ExecContext(ctx, s.words()[word]); err != nil {
			return fmt.Errorf("executing %s: %w", s.words()[word], err)
		}
	}
	return nil
}

// PauseReplica has a replica go on fetching, and do nothing of it.
func (s *Server) PauseReplica(ctx context.Context) error { return s.replica(ctx, "pause") }

// ResumeReplica undoes PauseReplica.
func (s *Server) ResumeReplica(ctx context.Context) error { return s.replica(ctx, "resume") }

// DelayReplica has a replica wait so long, in whole seconds, before it does what it got.
func (s *Server) DelayReplica(ctx context.Context, delay time.Duration) error {
	change := statement.New("CHANGE REPLICATION SOURCE TO SOURCE_DELAY = ").Number(uint64(delay / time.Second)).Statement()
	if s.Flavor == MariaDB {
		change = statement.New("CHANGE MASTER TO MASTER_DELAY = ").Number(uint64(delay / time.Second)).Statement()
	}
	if err := s.replica(ctx, "end"); err != nil {
		return err
	}
	db, err := s.DB()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, change.Reveal()); err != nil {
		return fmt.Errorf("executing %s: %w", change, err)
	}
	return s.replica(ctx, "start")
}

// Promote ends a replica's following, for good.
func (s *Server) Promote(ctx context.Context) error { return s.replica(ctx, "end", "forget") }

// AwaitSource waits until the replica has done all that the source has written so far.
func (s *Server) AwaitSource(ctx context.Context, source *Server) error {
	upstream, err := source.DB()
	if err != nil {
		return err
	}
	defer func() { _ = upstream.Close() }()
	end, err := firstRow(ctx, upstream, source.words()["log"])
	if err != nil {
		return err
	}
	file := end["File"]
	position, err := strconv.ParseUint(end["Position"], 10, 64)
	if err != nil {
		return fmt.Errorf("reading the end of the source's binary log: %w", err)
	}
	db, err := s.DB()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	patience := time.Minute
	if deadline, ok := ctx.Deadline(); ok {
		patience = time.Until(deadline)
	}
	var events sql.NullInt64
	if err := db.QueryRowContext(ctx, s.words()["await"], file, position, int(patience/time.Second)+1).Scan(&events); err != nil {
		return fmt.Errorf("waiting for the replica: %w", err)
	}
	if !events.Valid || events.Int64 < 0 {
		return fmt.Errorf("waiting for the replica: it did not get to %s:%d (%v): %s", file, position, events, s.replicaError(ctx, db))
	}
	return nil
}

// firstLog names the first file of a binary log.
func firstLog(ctx context.Context, db *sql.DB) (string, error) {
	row, err := firstRow(ctx, db, "SHOW BINARY LOGS")
	return row["Log_name"], err
}

// replicaError is what the replica itself says of why it stopped.
func (s *Server) replicaError(ctx context.Context, db *sql.DB) string {
	row, err := firstRow(ctx, db, s.words()["status"])
	if err != nil {
		return err.Error()
	}
	return row["Last_IO_Error"] + row["Last_SQL_Error"]
}

func firstRow(ctx context.Context, db *sql.DB, query string) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("executing %s: %w", query, err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	if !rows.Next() {
		return nil, fmt.Errorf("executing %s: it answered nothing", query)
	}
	values := make([]sql.NullString, len(columns))
	targets := make([]any, len(columns))
	for i := range values {
		targets[i] = &values[i]
	}
	if err := rows.Scan(targets...); err != nil {
		return nil, fmt.Errorf("executing %s: %w", query, err)
	}
	row := map[string]string{}
	for i, column := range columns {
		row[column] = values[i].String
	}
	return row, rows.Err()
}
