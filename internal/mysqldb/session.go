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

// Lock takes the lock by GET_LOCK. The session's wait_timeout, set when it was
// opened, is what keeps the lock from outlasting a client that vanished.
//
// Source: MySQL 8.4 Reference Manual, 14.14 "Locking Functions".
func (s *Session) Lock(ctx context.Context, name string, wait time.Duration) error {
	query := statement.New("SELECT GET_LOCK(").Literal(name).SQL(", ").Number(uint64(wait / time.Second)).SQL(")").Statement()
	var got sql.NullInt64
	if err := s.connection.QueryRowContext(ctx, query.Reveal()).Scan(&got); err != nil {
		return fmt.Errorf("taking the lock %s: %w", name, explain(err, false))
	}
	switch {
	case !got.Valid:
		return failure.Errorf(failure.ConnectionLost, "taking the lock %s: the server gave none, for lack of memory or because the session was killed: try again", name)
	case got.Int64 != 1:
		return fmt.Errorf("taking the lock %s: %w", name, rotation.ErrLockTaken)
	}
	return nil
}

// Users reads all accounts of each named user: which there are, then
// SHOW CREATE USER and SHOW GRANTS of each.
func (s *Session) Users(ctx context.Context, names ...string) ([]account.User, error) {
	asked := time.Now()
	listed, err := s.accounts(ctx, names)
	if err != nil {
		return nil, err
	}
	users := make([]account.User, len(names))
	for i, name := range names {
		users[i].Name = name
		for _, entry := range listed {
			if entry.name.User != name {
				continue
			}
			read, err := s.account(ctx, entry.name)
			if err != nil {
				return nil, err
			}
			read.SecondPassword, read.GrantedAsRole = entry.secondPassword, entry.grantedAsRole
			if entry.passwordAge >= 0 {
				read.PasswordChanged = asked.Add(-time.Duration(entry.passwordAge) * time.Second)
			}
			if read.Grants.Restrictions, err = account.ParseRestrictions(entry.restrictions); err != nil {
				return nil, fmt.Errorf("reading account %s: %w", entry.name, err)
			}
			users[i].Accounts = append(users[i].Accounts, read)
		}
	}
	return users, nil
}

// listed is an account, with what only the servers' tables tell of it.
type listed struct {
	name                                account.Name
	role, grantedAsRole, secondPassword bool
	restrictions                        string // a JSON array
	passwordAge                         float64
}

// list asks for accounts by name. MariaDB keeps roles in the same table; on MySQL
// a user may be a role at the same time. How old a password is, the server's own
// clock says, in seconds; less than 0 is not known.
//
// Source: MySQL 8.4 Reference Manual, 8.2.3 "Grant Tables" (mysql.user's
// User_attributes and password_last_changed, mysql.role_edges); MariaDB,
// "mysql.user Table", "mysql.global_priv Table".
const list = "SELECT u.User, u.Host, FALSE /*M! OR u.is_role = 'Y' */, " +
	"FALSE /*!80000 OR EXISTS (SELECT 1 FROM mysql.role_edges e WHERE e.FROM_USER = u.User AND e.FROM_HOST = u.Host) */, " +
	"FALSE /*!80014 OR COALESCE(JSON_CONTAINS_PATH(u.User_attributes, 'one', '$.additional_password'), FALSE) */, " +
	"COALESCE(/*!80016 JSON_EXTRACT(u.User_attributes, '$.Restrictions'), */ ''), " +
	"COALESCE(/*!50706 UNIX_TIMESTAMP() - UNIX_TIMESTAMP(u.password_last_changed), */ " +
	"/*M! UNIX_TIMESTAMP() - JSON_VALUE((SELECT g.Priv FROM mysql.global_priv g WHERE g.User = u.User AND g.Host = u.Host), '$.password_last_changed'), */ -1) " +
	"FROM mysql.user u WHERE u.User IN ("

func (s *Session) accounts(ctx context.Context, names []string) ([]listed, error) {
	query := statement.New(list)
	for i, name := range names {
		if i > 0 {
			query.SQL(", ")
		}
		query.Literal(name)
	}
	rows, err := s.connection.QueryContext(ctx, query.SQL(") ORDER BY u.User, u.Host").Statement().Reveal())
	if err != nil {
		return nil, fmt.Errorf("listing accounts as %s, which needs GRANT SELECT ON mysql.* TO %s: %w", s.facts.Account, s.facts.Account, explain(err, false))
	}
	defer rows.Close()
	var found []listed
	for rows.Next() {
		var entry listed
		if err := rows.Scan(&entry.name.User, &entry.name.Host, &entry.role, &entry.grantedAsRole, &entry.secondPassword, &entry.restrictions, &entry.passwordAge); err != nil {
			return nil, fmt.Errorf("listing accounts: %w", explain(err, false))
		}
		if entry.role {
			return nil, failure.Errorf(failure.UserNameTaken, "%q is a role on this server, not a user: rename the role, or rotate another user", entry.name.User)
		}
		found = append(found, entry)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("listing accounts: %w", explain(err, false))
	}
	return found, nil
}

func (s *Session) account(ctx context.Context, name account.Name) (account.Account, error) {
	var rows account.Rows
	var err error
	if rows.CreateUser, err = s.secretRows(ctx, statement.New("SHOW CREATE USER ").Account(name.User, name.Host).Statement()); err != nil {
		return account.Account{}, err
	}
	if rows.Grants, err = s.secretRows(ctx, statement.New("SHOW GRANTS FOR ").Account(name.User, name.Host).Statement()); err != nil {
		return account.Account{}, err
	}
	read, err := account.Parse(s.facts.Server, name, rows)
	var syntax *account.SyntaxError
	if errors.As(err, &syntax) && syntax.InDoubt || err == nil && read.RequirementInDoubt {
		if rows.Requirement, err = s.requirement(ctx, name); err != nil {
			return account.Account{}, err
		}
		read, err = account.Parse(s.facts.Server, name, rows)
	}
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

// requirement reads the texts of REQUIRE where SHOW CREATE USER prints them so
// that they can be read in several ways.
//
// Source: MySQL 8.4 Reference Manual, 8.2.3 "Grant Tables"; MariaDB, "mysql.user Table".
func (s *Session) requirement(ctx context.Context, name account.Name) (*account.Requirement, error) {
	query := statement.New("SELECT CAST(x509_subject AS CHAR), CAST(x509_issuer AS CHAR), CAST(ssl_cipher AS CHAR) FROM mysql.user WHERE User = ").
		Literal(name.User).SQL(" AND Host = ").Literal(name.Host).Statement()
	known := &account.Requirement{Kind: account.RequireSpecified}
	if err := s.connection.QueryRowContext(ctx, query.Reveal()).Scan(&known.Subject, &known.Issuer, &known.Cipher); err != nil {
		return nil, fmt.Errorf("reading what %s requires of a connection: %w", name, explain(err, false))
	}
	return known, nil
}

// OwnGrants reads SHOW GRANTS of the session itself.
func (s *Session) OwnGrants(ctx context.Context) (account.OwnGrants, error) {
	rows, err := s.secretRows(ctx, statement.New("SHOW GRANTS").Statement())
	return account.OwnGrants{Name: s.facts.Account, Rows: rows}, err
}

// Exists looks into information_schema, which shows a user the columns and the
// routines that it has a privilege on.
//
// Source: MySQL 8.4 Reference Manual, 28.3.8 "The INFORMATION_SCHEMA COLUMNS
// Table", 28.3.30 "The INFORMATION_SCHEMA ROUTINES Table".
func (s *Session) Exists(ctx context.Context, object account.Object, column string) (bool, error) {
	query := statement.New("SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ").Literal(object.Database).
		SQL(" AND TABLE_NAME = ").Literal(object.Name).SQL(" AND COLUMN_NAME = ").Literal(column)
	switch {
	case object.Level == account.LevelRoutine && object.Type == "LIBRARY":
		query = statement.New("SELECT LIBRARY_NAME FROM information_schema.LIBRARIES WHERE LIBRARY_SCHEMA = ").Literal(object.Database).
			SQL(" AND LIBRARY_NAME = ").Literal(object.Name)
	case object.Level == account.LevelRoutine:
		query = statement.New("SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ").Literal(object.Database).
			SQL(" AND ROUTINE_NAME = ").Literal(object.Name).SQL(" AND ROUTINE_TYPE = ").Literal(object.Type)
	}
	found, err := s.texts(ctx, query.Statement())
	return len(found) > 0, err
}

// secretRows runs a query that answers one column of text which may hold verifiers.
func (s *Session) secretRows(ctx context.Context, query statement.Statement) ([]redact.Secret, error) {
	rows, err := s.connection.QueryContext(ctx, query.Reveal())
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", query, explain(err, false))
	}
	defer rows.Close()
	var found []redact.Secret
	for rows.Next() {
		var row string
		if err := rows.Scan(&row); err != nil {
			return nil, fmt.Errorf("reading %s: %w", query, explain(err, false))
		}
		found = append(found, redact.New(row))
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", query, explain(err, false))
	}
	return found, nil
}

// Use makes the database the session's own.
func (s *Session) Use(ctx context.Context, database string) error {
	return s.Apply(ctx, statement.New("USE ").Identifier(database).Statement())
}

// Apply executes a statement. Its error shows the statement masked.
func (s *Session) Apply(ctx context.Context, toApply statement.Statement) error {
	if _, err := s.connection.ExecContext(ctx, toApply.Reveal()); err != nil {
		return fmt.Errorf("executing %s: %w", toApply, explain(err, toApply.HoldsSecret()))
	}
	return nil
}

// parseAccount reads CURRENT_USER() or USER(), user@host without quotes. A user
// name may hold an @; a host never does.
func parseAccount(text string) (account.Name, error) {
	at := strings.LastIndexByte(text, '@')
	if at < 0 {
		return account.Name{}, failure.New(failure.AnswerNotUnderstood, "asking the server who is logged in: it answered something that is not an account")
	}
	return account.Name{User: text[:at], Host: text[at+1:]}, nil
}
