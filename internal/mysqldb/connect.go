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
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"

	"tandem/internal/account"
	"tandem/internal/conntrace"
	"tandem/internal/failure"
	"tandem/internal/rotation"
	"tandem/internal/secret"
	"tandem/internal/timeout"
)

// Database reaches servers. It implements rotation.Database.
type Database struct {
	// Roots gives the certificate authorities that a host's certificate is verified
	// against. It is called when a TLS connection is made.
	Roots func(host string) (*x509.CertPool, error)
	// AllowPlaintext lets a login whose document does not ask for TLS go on
	// without it where the server offers none, as long as it takes no public key of
	// the server's. A TLS handshake that fails is an error all the same.
	AllowPlaintext bool
	// Dial replaces the network, for tests. Nil means net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	tlsSessions tlsSessions
}

var _ rotation.Database = (*Database)(nil)

// Connect logs in, and proves the login by a statement; an admin's is proven by
// Session.Lock, which comes first.
func (d *Database) Connect(ctx context.Context, login rotation.Login) (rotation.Session, error) {
	encrypted := login.TLS != secret.TLSDisabled
	if !encrypted {
		login.WarnOfPlaintext()
	}
	s, err := d.handshake(ctx, login, encrypted)
	if errors.Is(err, mysql.ErrNoTLS) && login.TLS == secret.TLSDefault && d.AllowPlaintext {
		login.WarnOfPlaintext()
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
	limited, cancel := timeout.Login().Context(ctx)
	defer cancel()
	trip := conntrace.FromContext(ctx)
	trip.Begin(at.address())
	config.DialFunc = d.dial(trip, login.Host)
	var keyRefused atomic.Bool
	if !encrypted && login.TLS != secret.TLSDisabled {
		config.DialFunc = guardKeys(config.DialFunc, &keyRefused)
	}
	config.Logger = &mysql.NopLogger{} // what it would say comes back as an error too
	config.CheckConnLiveness = false   // one connection, never pooled
	config.ConnectionAttributes = "program_name:" + rotation.ProgramName + "," + ownAttribute + ":" + ownValue
	config.MultiStatements = login.Admin
	if !login.Admin {
		config.DBName = ownDatabase
	}
	var secured *tlsLogin
	if encrypted {
		roots, err := d.Roots(login.Host)
		if err != nil {
			return nil, fmt.Errorf("reading the roots that the certificate of %s is verified against: %w", at, err)
		}
		secured = d.secure(config, login, roots, trip)
		if err := chooseCurves(config); err != nil {
			return nil, fmt.Errorf("preparing the login to %s: %w", at, err)
		}
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
		if keyRefused.Load() { // of which the driver says that the connection was lost
			return nil, fmt.Errorf("logging in to %s: %w", at, errPublicKeyRetrieval)
		}
		explained := at.explain(err)
		if secured.notResumed(limited, explained) {
			return nil, errNotResumed
		}
		return nil, explained
	}
	s := &Session{pool: pool, connection: connection, endpoint: at, certificate: secured.server()}
	s.ends, s.hasEnd = ctx.Deadline()
	if login.Admin {
		return s, nil
	}
	if err := s.prove(limited); err != nil {
		_ = s.Close()
		return nil, err
	}
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
	pool        *sql.DB
	connection  *sql.Conn
	endpoint    endpoint
	certificate *rotation.Certificate // nil where the connection is not encrypted
	facts       rotation.Facts
	// ends is when the invocation does, where that is known.
	ends   time.Time
	hasEnd bool
	pinned bool // its settings are
	// lockedRead is what an admin's Lock has read, beside the facts; else nil.
	lockedRead *lockedRead
	proxies    proxies // read with the accounts
	opened     map[account.Object]opening
}

// Facts returns what the session's first statement told.
func (s *Session) Facts() rotation.Facts { return s.facts }

// Close ends the session, and with it the server's locks of it.
func (s *Session) Close() error { return errors.Join(s.connection.Close(), s.pool.Close()) }
