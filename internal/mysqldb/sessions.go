package mysqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"tandem/internal/failure"
	"tandem/internal/rotation"
	"tandem/internal/statement"
	"tandem/internal/timeout"
)

// ownDatabase is the default database of this program's logins, an admin's aside: the
// list of sessions shows it, which shows no program's name where performance_schema is
// off. Everybody may use it, and nothing that these logins send depends on it. An
// admin's statements go into a binary log, whose filters go by the default database.
//
// Source: MySQL 8.4 Reference Manual, 28.1 "Introduction" of "INFORMATION_SCHEMA Tables"
// ("each MySQL user has the right to access these tables"), 19.2.5.1 "Evaluation of
// Database-Level Replication and Binary Logging Options".
const ownDatabase = "information_schema"

// ownAttribute has ownValue in this program's sessions: others may have its name.
const ownAttribute, ownValue = "tandem", "rotation"

// sessionCount is how many sessions users have.
type sessionCount struct {
	rotation.UserSessions // without its Count
	counts                map[string]int
}

func (c sessionCount) of(user string) rotation.UserSessions {
	found, counted := c.UserSessions, false
	found.Count, counted = c.counts[user]
	found.Known = found.Known && counted
	return found
}

// countSessions writes what a SELECT reads, one text: whether the answer is complete, and how many
// sessions each of the users has, as in "1 0 3".
//
// Without PROCESS a login sees the sessions of its own user alone, and no error. So the
// answer is complete where one of somebody else's is seen, or where the account, or a
// role that is active in the session, has PROCESS. Its own are those of the name that it
// gave, and of the account's, which is another's where it came by PROXY. Names are compared as bytes: by the
// column's collation appuser is AppUser. Not counted are threads that no client has
// (an event has its definer's name), a session that KILL is about to end, and what this
// function, from where it runs, has open itself.
//
// Source: MySQL 8.4 Reference Manual, 28.3.23 "The INFORMATION_SCHEMA PROCESSLIST Table",
// 10.14.2 "Thread Command Values", 14.15 "Information Functions" (CURRENT_ROLE), 8.2.3
// "Grant Tables" (mysql.role_edges); MariaDB, "Information Schema PROCESSLIST Table", "Thread Command Values",
// "Information Schema ENABLED_ROLES Table", "GRANT" (TO PUBLIC, from 10.11 on). What each
// shows was tried on MySQL 9.7 and MariaDB 10.5, 10.11 and 11.8.
func countSessions(query *statement.Builder, users []string) *statement.Builder {
	query.SQL("CONCAT_WS(' ', COUNT(CASE WHEN CAST(s.USER AS BINARY) NOT IN (" + userName + ", " + accountName + ") THEN 1 END) > 0" +
		" OR EXISTS (SELECT 1 FROM mysql.user m WHERE m.Process_priv = 'Y' AND (CAST(CONCAT(m.User, '@', m.Host) AS BINARY) = CAST(CURRENT_USER() AS BINARY)" +
		"/*!80003 OR EXISTS (" + enabledRoles + " SELECT 1 FROM enabled WHERE enabled.user = CAST(m.User AS BINARY) AND enabled.host = CAST(m.Host AS BINARY)) */" +
		"/*M! OR m.is_role = 'Y' AND (m.User = 'PUBLIC' OR EXISTS (SELECT 1 FROM information_schema.ENABLED_ROLES r WHERE CAST(r.ROLE_NAME AS BINARY) = CAST(m.User AS BINARY))) */" +
		"))")
	for _, user := range users {
		query.SQL(", COUNT(CASE WHEN CAST(s.USER AS BINARY) = CAST(").Literal(user).SQL(" AS BINARY) AND " + ofClients + " AND NOT " + ownSession + " THEN 1 END)")
	}
	return query.SQL(") AS counted FROM information_schema.PROCESSLIST s")
}

// timedSelect begins a SELECT that the server ends after a time, in milliseconds: the end
// of a context would take the session with it, and the lock. 0 would be no limit.
//
// Source: MySQL 8.4 Reference Manual, 10.9.3 "Optimizer Hints"; MariaDB, "SET STATEMENT",
// "Aborting Statements that Exceed a Certain Time to Execute".
func timedSelect(most time.Duration) *statement.Builder {
	ms := uint64(max(1, most.Milliseconds()))
	return statement.New("/*M! SET STATEMENT max_statement_time = ").Number(ms).SQL("e-3 FOR */ SELECT /*+ MAX_EXECUTION_TIME(").Number(ms).SQL(") */ ")
}

const (
	// userName and accountName are the names in USER() and CURRENT_USER(), whose hosts
	// have no @.
	userName    = "CAST(LEFT(USER(), CHAR_LENGTH(USER()) - CHAR_LENGTH(SUBSTRING_INDEX(USER(), '@', -1)) - 1) AS BINARY)"
	accountName = "CAST(LEFT(CURRENT_USER(), CHAR_LENGTH(CURRENT_USER()) - CHAR_LENGTH(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)) - 1) AS BINARY)"
	// enabledRoles are MySQL's active roles, which CURRENT_ROLE() names as in `r`@`%`,`s`@`%`,
	// and the roles that these have.
	enabledRoles = "WITH RECURSIVE enabled (user, host) AS (SELECT CAST(User AS BINARY), CAST(Host AS BINARY) FROM mysql.user" +
		" WHERE LOCATE(CAST(CONCAT(',`', REPLACE(User, '`', '``'), '`@`', REPLACE(Host, '`', '``'), '`,') AS BINARY), CAST(CONCAT(',', CURRENT_ROLE(), ',') AS BINARY)) > 0" +
		" UNION SELECT CAST(e.FROM_USER AS BINARY), CAST(e.FROM_HOST AS BINARY) FROM mysql.role_edges e JOIN enabled ON CAST(e.TO_USER AS BINARY) = enabled.user AND CAST(e.TO_HOST AS BINARY) = enabled.host)"
	// ofClients leaves out the threads that are no session of a client, and those that
	// are about to end.
	ofClients = "s.COMMAND NOT IN ('Connect', 'Daemon', 'Delayed insert', 'Killed')"
	// fromHere is true for what comes from where this session does. The host in USER() is
	// the one that HOST has before its port.
	fromHere = "(s.HOST = CONCAT(SUBSTRING_INDEX(USER(), '@', -1), ':', SUBSTRING_INDEX(s.HOST, ':', -1)))"
	// ownSession is true for what this function has opened from here.
	ownSession = "(COALESCE(s.DB, '') = '" + ownDatabase + "' AND " + fromHere + ")"
)

// parseSessionCount reads the answer to countSessions.
func parseSessionCount(text sql.NullString, users []string) sessionCount {
	found := sessionCount{counts: map[string]int{}}
	fields := strings.Fields(text.String)
	if len(fields) != 1+len(users) {
		found.Unknown = failure.Errorf(failure.ServerResponseUnrecognised, "counting sessions: the server answered %d numbers of %d", len(fields), 1+len(users))
		return found
	}
	for i, user := range users {
		n, err := strconv.Atoi(fields[1+i])
		if err != nil {
			found.Unknown = failure.New(failure.ServerResponseUnrecognised, "counting sessions: the server answered something that is no number")
			return found
		}
		found.counts[user] = n
	}
	found.Known = fields[0] == "1"
	return found
}

// UserSessions implements rotation.SessionInspector. An admin's Lock has counted those of
// the users that it was named; who they are is asked where there are any.
func (s *Session) UserSessions(ctx context.Context, user string) rotation.UserSessions {
	var found rotation.UserSessions
	if s.lockedRead != nil {
		found = s.lockedRead.sessions.of(user)
	} else {
		found = s.countNow(ctx, user)
	}
	if !found.Known || found.Count == 0 {
		return found
	}
	sessions, err := s.sessionsOf(ctx, user)
	if err != nil {
		found.Undetailed = err
		return found
	}
	found.Sessions, found.Count = sessions, len(sessions)
	return found
}

// countNow counts a user's sessions.
func (s *Session) countNow(ctx context.Context, user string) rotation.UserSessions {
	users := []string{user}
	var text sql.NullString
	err := s.pin(ctx)
	if err == nil {
		if err = s.connection.QueryRowContext(ctx, countSessions(timedSelect(timeout.Sessions().Of(ctx)), users).Statement().Reveal()).Scan(&text); err != nil {
			err = fmt.Errorf("counting sessions: %w", explain(err, false))
		}
	}
	if err != nil {
		return rotation.UserSessions{Unknown: err}
	}
	return parseSessionCount(text, users).of(user)
}

// rdsProxyAdmin is the user of RDS Proxy's own sessions, which come from where it opens
// those of the applications.
//
// Source: Amazon RDS User Guide, "Amazon RDS Proxy", "Limitations" ("Your proxy
// automatically creates the rdsproxyadmin DB user").
const rdsProxyAdmin = "rdsproxyadmin"

// sessionsOf lists a user's sessions, without this function's own: these come from here,
// and have its attributes, where performance_schema knows any. Where that may not be read,
// the programs are left out; not where the time is over.
//
// Source: MySQL 8.4 Reference Manual, 29.12.9 "Performance Schema Connection Attribute
// Tables".
func (s *Session) sessionsOf(ctx context.Context, user string) ([]rotation.UserSession, error) {
	until := time.Now().Add(timeout.Sessions().Of(ctx))
	begin := func() *statement.Builder {
		return timedSelect(time.Until(until)).SQL("s.USER = '" + rdsProxyAdmin + "', s.ID, s.HOST, s.COMMAND, s.TIME, ")
	}
	query := func(from *statement.Builder) statement.Statement {
		return from.SQL(" WHERE CAST(s.USER AS BINARY) = CAST(").Literal(user).SQL(" AS BINARY) AND " + ofClients + " AND NOT " + ownSession +
			" OR s.USER = '" + rdsProxyAdmin + "'").Statement()
	}
	found, err := s.readSessions(ctx, query(begin().SQL("COALESCE(a.program, a.client), "+fromHere+" AND a.program = '"+rotation.ProgramName+"' AND a.own = '"+ownValue+"' FROM information_schema.PROCESSLIST s LEFT JOIN ("+
		"SELECT PROCESSLIST_ID, MAX(CASE WHEN ATTR_NAME = 'program_name' THEN ATTR_VALUE END) AS program, MAX(CASE WHEN ATTR_NAME = '_client_name' THEN ATTR_VALUE END) AS client, "+
		"MAX(CASE WHEN ATTR_NAME = '"+ownAttribute+"' THEN ATTR_VALUE END) AS own "+
		"FROM performance_schema.session_connect_attrs GROUP BY PROCESSLIST_ID) AS a ON a.PROCESSLIST_ID = s.ID")))
	if answered := (*mysql.MySQLError)(nil); errors.As(err, &answered) && answered.Number != errStatementTime && answered.Number != errStatementTimeMariaDB {
		found, err = s.readSessions(ctx, query(begin().SQL("NULL, NULL FROM information_schema.PROCESSLIST s")))
	}
	if err != nil {
		return nil, fmt.Errorf("listing sessions: %w", explain(err, false))
	}
	return found, nil
}

// readSessions reads the rows of sessionsOf. Its errors are the driver's.
func (s *Session) readSessions(ctx context.Context, query statement.Statement) ([]rotation.UserSession, error) {
	rows, err := s.connection.QueryContext(ctx, query.Reveal())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []rotation.UserSession
	proxies := map[string]bool{} // the hosts from which RDS Proxy comes
	for rows.Next() {
		var proxy, own sql.NullBool
		var host, command, program sql.NullString
		var connection, seconds sql.NullInt64
		if err := rows.Scan(&proxy, &connection, &host, &command, &seconds, &program, &own); err != nil {
			return nil, err
		}
		client := withoutPort(host.String)
		switch {
		case proxy.Bool:
			proxies[client] = true
		case own.Bool:
		default:
			session := rotation.UserSession{Connection: uint64(connection.Int64), Host: client, Program: program.String}
			if command.String == "Sleep" {
				session.Quiet = time.Duration(max(0, seconds.Int64)) * time.Second
			}
			found = append(found, session)
		}
	}
	for i := range found {
		found[i].OfRDSProxy = proxies[found[i].Host]
	}
	return found, rows.Err()
}

// withoutPort cuts the port off what a list of sessions has of a client, which writes no
// brackets around an IPv6 address.
func withoutPort(host string) string {
	at := strings.LastIndexByte(host, ':')
	if at < 0 {
		return host
	}
	return host[:at]
}
