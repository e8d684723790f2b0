// Package mysqldb is the way to a database server: it logs in, proves the login,
// takes the pair's lock, reads accounts and applies statements. It decides
// nothing; what to send is written by internal/account.
//
// It is the one place where a statement or a password is revealed, and so the one
// place that must keep them out of errors: a server quotes a statement that it
// cannot parse, password and all.
package mysqldb

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/rotation"
	"tandem/internal/secret"
	"tandem/internal/statement"
	"tandem/internal/way"
)

// ConnectTimeout is how long reaching a server may take, from the look-up of its
// name to the end of the login.
const ConnectTimeout = 5 * time.Second

// share is how long it may take: ConnectTimeout, and at most half of the time that
// is left to ctx's deadline, so that there is time left to say what was not reached.
func share(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ConnectTimeout
	}
	return min(ConnectTimeout, time.Until(deadline)/2)
}

// Database reaches servers. It implements rotation.Database.
type Database struct {
	// Roots gives the certificate authorities that a server's certificate is
	// verified against. It is called when the first TLS connection is made.
	Roots func() (*x509.CertPool, error)
	// AllowPlaintext lets a login whose document does not ask for TLS go on
	// without it where the server offers none. A TLS handshake that fails is an
	// error all the same.
	AllowPlaintext bool
	// Dial replaces the network, for tests. Nil means net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

var _ rotation.Database = (*Database)(nil)

// Connect logs in, sets the session up and runs its first statement. The session
// ends by itself, on the server's side too, soon after ctx's deadline: a server
// keeps a client that has died without a word, and its lock, for as long as
// wait_timeout says, which is eight hours otherwise.
func (d *Database) Connect(ctx context.Context, login rotation.Login) (rotation.Session, error) {
	s, err := d.handshake(ctx, login, login.TLS != secret.TLSDisabled)
	if errors.Is(err, mysql.ErrNoTLS) && login.TLS == secret.TLSDefault && d.AllowPlaintext {
		s, err = d.handshake(ctx, login, false)
	}
	if err != nil {
		return nil, err // not s: a nil *Session in an interface is not nil
	}
	return s, nil
}

func (d *Database) connect(ctx context.Context, login rotation.Login, encrypted bool) (*Session, error) {
	at := endpoint{login: login, encrypted: encrypted}
	config := mysql.NewConfig()
	config.User = login.Username
	config.Passwd = login.Password.Reveal()
	config.Net = "tcp"
	config.Addr = at.address()
	limited, cancel := context.WithTimeout(ctx, share(ctx))
	defer cancel()
	trip := way.From(ctx)
	trip.Begin(at.address())
	config.DialFunc = d.dial(trip, login.Host)
	config.Logger = &mysql.NopLogger{} // what it would say comes back as an error too
	config.CheckConnLiveness = false   // one connection, never pooled
	config.ConnectionAttributes = "program_name:tandem"
	var verified *rotation.Certificate
	if encrypted {
		roots, err := d.Roots()
		if err != nil {
			return nil, fmt.Errorf("reading the roots that the certificate of %s is verified against: %w", at, err)
		}
		config.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: login.Host, VerifyConnection: func(state tls.ConnectionState) error {
			if verified = certificate(state); verified != nil {
				trip.Pass(way.TLS, verified.String())
			}
			return nil
		}}
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, failure.Errorf(failure.SecretInvalid, "preparing the login to %s: %w", at, err)
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(1)

	connection, err := pool.Conn(limited)
	if err != nil {
		_ = pool.Close()
		return nil, at.explain(err)
	}
	s := &Session{pool: pool, connection: connection, endpoint: at}
	if err := s.setUp(limited, ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	s.facts.Certificate = verified
	return s, nil
}

// endpoint is what an error about a login names.
type endpoint struct {
	login     rotation.Login
	encrypted bool
}

func (e endpoint) address() string {
	return net.JoinHostPort(e.login.Host, strconv.Itoa(e.login.Port))
}

func (e endpoint) String() string {
	return fmt.Sprintf("%s as user %q", e.address(), e.login.Username)
}

// Session is one login. It implements rotation.Session.
type Session struct {
	pool       *sql.DB
	connection *sql.Conn
	endpoint   endpoint
	facts      rotation.Facts
}

// Facts returns what the first statement told.
func (s *Session) Facts() rotation.Facts { return s.facts }

// Close ends the session, and with it the server's locks of it.
func (s *Session) Close() error { return errors.Join(s.connection.Close(), s.pool.Close()) }

// identityLess is the part of the identity that every server has, identity what
// only newer ones do: MySQL's server_uuid, and server_uid of MariaDB from 10.5.26,
// 10.6.19, 10.11.9, 11.1.6, 11.2.5 and 11.4.3 on. A comment of the first form is
// executed by MySQL and not by MariaDB, one of the second by MariaDB alone.
//
// Source: MySQL 8.4 Reference Manual, 11.7 "Comments"; MariaDB, "Comment Syntax",
// "Server System Variables".
const (
	identity     = "SELECT CURRENT_USER(), USER(), VERSION(), @@version_comment, @@read_only, @@innodb_read_only, CONCAT_WS('/', /*!50700 @@server_uuid, */ /*M!100526 @@server_uid, */ @@hostname, @@port, @@datadir)"
	identityLess = "SELECT CURRENT_USER(), USER(), VERSION(), @@version_comment, @@read_only, @@innodb_read_only, CONCAT_WS('/', @@hostname, @@port, @@datadir)"
)

// setUp pins what the server's defaults could change the meaning of, and reads
// the session's facts: the statement that proves that this login may run one.
func (s *Session) setUp(ctx, lifetime context.Context) error {
	remaining := uint64(24 * time.Hour / time.Second)
	if deadline, ok := lifetime.Deadline(); ok {
		remaining = uint64(max(0, time.Until(deadline))/time.Second) + 1
	}
	settings := statement.New("SET NAMES utf8mb4 COLLATE utf8mb4_bin, SESSION sql_mode = ").Literal(statement.SQLMode).
		SQL(", SESSION sql_quote_show_create = 1, SESSION wait_timeout = ").Number(remaining).
		SQL(", SESSION lock_wait_timeout = ").Number(remaining).
		SQL("/*!80017 , SESSION print_identified_with_as_hex = 1 */").Statement()
	if err := s.Apply(ctx, settings); err != nil {
		return fmt.Errorf("setting up the session on %s: %w", s.endpoint, err)
	}
	var user, from, version, comment, readOnly, reader, server string
	err := s.connection.QueryRowContext(ctx, identity).Scan(&user, &from, &version, &comment, &readOnly, &reader, &server)
	if isServerError(err, errUnknownSystemVariable) {
		err = s.connection.QueryRowContext(ctx, identityLess).Scan(&user, &from, &version, &comment, &readOnly, &reader, &server)
	}
	if err != nil {
		return fmt.Errorf("asking %s who it is: %w", s.endpoint, explain(err, false))
	}
	flavor, err := account.ParseServer(version, comment)
	if err != nil {
		return fmt.Errorf("looking at the server at %s: %w", s.endpoint.address(), err)
	}
	name, err := parseAccount(user)
	if err != nil {
		return err
	}
	client, err := parseAccount(from)
	if err != nil {
		return err
	}
	s.facts = rotation.Facts{Server: flavor, Identity: server, Account: name, From: client.Host, Plaintext: !s.endpoint.encrypted, ReadOnly: isOn(readOnly) || isOn(reader)}
	return nil
}

// isOn reads a variable that is a boolean, or the like: MariaDB's read_only has got
// further values in 12.0.
//
// Source: MySQL 8.4 Reference Manual, 7.1.8 "Server System Variables" (read_only),
// 17.14 (innodb_read_only, which tells Aurora's readers); MariaDB, "Server System Variables".
func isOn(value string) bool { return value != "0" && value != "OFF" }
