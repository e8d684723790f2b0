package mysqldb

import (
	"context"
	"fmt"

	"tandem/internal/account"
	"tandem/internal/rotation"
)

// identity is what tells one server from another: MySQL's server_uuid, and
// server_uid of MariaDB from 10.5.26, 10.6.19, 10.11.9, 11.1.6, 11.2.5 and 11.4.3 on;
// older ones lack that variable, and are asked for identityWithoutUUID. Before it stands
// log_raw, which a server may lack too. A comment of the first form
// is executed by MySQL and not by MariaDB, one of the second by MariaDB alone.
//
// Source: MySQL 8.4 Reference Manual, 11.7 "Comments"; MariaDB, "Comment Syntax",
// "Server System Variables".
const (
	identity            = logRaw + "CAST(CONCAT_WS('/', /*!50700 @@server_uuid, */ /*M!100526 @@server_uid, */ @@hostname, @@port, @@datadir) AS BINARY)"
	identityWithoutUUID = "0, CAST(CONCAT_WS('/', @@hostname, @@port, @@datadir) AS BINARY)"
	// known is what every session asks for first, the identity aside. All of it is asked
	// for as bytes, which character_set_results does not change: the server keeps them
	// in its own character set, utf8mb3, and this statement comes before SET NAMES.
	known = "CAST(CURRENT_USER() AS BINARY), CAST(USER() AS BINARY), CAST(VERSION() AS BINARY), CAST(@@version_comment AS BINARY), " +
		"CAST(@@read_only AS BINARY), CAST(@@innodb_read_only AS BINARY), CAST(@@max_allowed_packet AS BINARY), "
	logRaw = "CAST(COALESCE(/*!80019 @@GLOBAL.log_raw, */ 0) AS BINARY), "
	// proving begins and oneRow ends the statement that proves a login, which no
	// sql_select_limit and no max_execution_time takes the answer from.
	proving = "SELECT /*+ MAX_EXECUTION_TIME(60000) */ "
	oneRow  = " LIMIT 1"
)

// factsRow is a row of known and identity.
type factsRow struct {
	user, from, version, comment, readOnly, reader, logRaw, identity string
	packet                                                           uint64
}

func (t *factsRow) columns() []any {
	return []any{&t.user, &t.from, &t.version, &t.comment, &t.readOnly, &t.reader, &t.packet, &t.logRaw, &t.identity}
}

// prove reads the session's facts: the statement that proves that this login may
// run one. It is sent before the session's settings are, and nothing in it depends on
// them.
//
// Source: MySQL 8.4 Reference Manual, 12.4 "Connection Character Sets and Collations",
// 10.9.3 "Optimizer Hints"; 7.1.8 "Server System Variables", sql_select_limit (a LIMIT
// clause takes precedence).
func (s *Session) prove(ctx context.Context) error {
	var answer factsRow
	err := s.connection.QueryRowContext(ctx, proving+known+identity+oneRow).Scan(answer.columns()...)
	if isServerError(err, errUnknownSystemVariable) {
		err = s.connection.QueryRowContext(ctx, proving+known+identityWithoutUUID+oneRow).Scan(answer.columns()...)
	}
	if err != nil {
		return fmt.Errorf("asking %s who it is: %w", s.endpoint, explain(err, false))
	}
	return s.learn(answer)
}

// learn takes the answer for the session's facts.
func (s *Session) learn(answer factsRow) error {
	flavor, err := account.ParseServer(answer.version, answer.comment)
	if err != nil {
		return fmt.Errorf("looking at the server at %s: %w", s.endpoint.address(), err)
	}
	name, err := parseAccount(answer.user)
	if err != nil {
		return err
	}
	client, err := parseAccount(answer.from)
	if err != nil {
		return err
	}
	s.facts = rotation.Facts{
		Server: flavor, Identity: answer.identity, Account: name, From: client.Host,
		Plaintext: !s.endpoint.encrypted, ReadOnly: isOn(answer.readOnly) || isOn(answer.reader),
		Certificate: s.certificate, MaxPacket: answer.packet, LogRaw: isOn(answer.logRaw),
	}
	return nil
}

// isOn reads a variable that is a boolean, or the like: MariaDB's read_only has got
// further values in 12.0.
//
// Source: MySQL 8.4 Reference Manual, 7.1.8 "Server System Variables" (read_only;
// log_raw, a variable since 8.0.19), 17.14 (innodb_read_only, which tells Aurora's readers); MariaDB, "Server System Variables".
func isOn(value string) bool { return value != "0" && value != "OFF" }
