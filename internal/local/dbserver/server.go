// Package dbserver gets a real MariaDB or MySQL server, for the tests, the demo
// and the sandbox, on a machine that may have neither one nor root nor Docker.
//
// What the project promises is about what servers really do, so nothing here is
// imitated: a server is found (see Finder), started on a data directory of its
// own, with TLS and an administrator, and is gone when its user is, however that
// one ended. It is never linked into the function.
package dbserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"tandem/internal/local/dbserver/release"
	"tandem/internal/redact"
)

// Server is a running server with an administrator's login: one that was started
// here, or one at an address that was given.
type Server struct {
	Flavor Flavor
	// Version is what the server says: "10.11.14-MariaDB-0+deb12u2", "9.7.0".
	Version string
	// Origin says where it comes from: "installed", "unpacked", "address".
	Origin string

	// Host and Port are where it listens. Host is an address or a name, without
	// brackets.
	Host string
	Port int
	// Username and Password are an administrator's.
	Username string
	Password redact.Secret

	// CAFile and CAPEM hold the certificate that verifies the server's, as a file
	// and as its content in PEM. Both are empty for an address that names none,
	// and for a server without TLS.
	CAFile string
	CAPEM  []byte

	address *mysql.Config
	managed *managed
}

// Release returns the server's release series, as in "mariadb-10.11".
func (s *Server) Release() Release {
	return Release{Flavor: s.Flavor, Series: release.Series(s.Version)}
}

// String describes the server in a line, without its password.
func (s *Server) String() string {
	return fmt.Sprintf("%s %s (%s, %s)", s.Flavor, s.Version, s.Origin, net.JoinHostPort(s.Host, strconv.Itoa(s.Port)))
}

// Managed reports whether the server was started here, and so can be stopped
// and started again.
func (s *Server) Managed() bool { return s.managed != nil }

// Config returns the driver's configuration of an administrator's login: with
// verified TLS for a server that was started here, else as the address says.
// The caller may change it.
func (s *Server) Config() *mysql.Config {
	if s.address != nil {
		return s.address.Clone()
	}
	config := mysql.NewConfig()
	config.User, config.Passwd = s.Username, s.Password.Reveal()
	config.Net, config.Addr = "tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
	config.Timeout = 10 * time.Second
	if !s.managed.noTLS {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(s.CAPEM)
		config.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	// The driver writes what it makes of a server that went away to standard
	// error, besides returning it.
	config.Logger = &mysql.NopLogger{}
	return config
}

// DB returns a pool of connections of the administrator. The caller closes it.
func (s *Server) DB() (*sql.DB, error) {
	connector, err := mysql.NewConnector(s.Config())
	if err != nil {
		return nil, fmt.Errorf("preparing the administrator's login: %w", err)
	}
	return sql.OpenDB(connector), nil
}

// identify logs in and asks the server what it is.
func (s *Server) identify(ctx context.Context) error {
	db, err := s.DB()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	var comment string
	if err := db.QueryRowContext(ctx, "SELECT @@version, @@version_comment").Scan(&s.Version, &comment); err != nil {
		return fmt.Errorf("logging in as %s at %s: %w", s.Username, net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), err)
	}
	s.Flavor = MySQL
	if strings.Contains(s.Version+comment, "MariaDB") || strings.Contains(strings.ToLower(comment), "mariadb") {
		s.Flavor = MariaDB
	}
	return nil
}

// caParameter is a parameter of an address that the driver does not know: the
// file with the certificate that verifies the server's. The slashes in it are
// written %2F.
var caParameter = regexp.MustCompile(`([?&])ssl-ca=([^&]*)(&|$)`)

// Connect returns the running server at the address, in the form of
// go-sql-driver/mysql: USER:PASSWORD@tcp(HOST:PORT)/?tls=true. Besides the
// driver's parameters it may have ssl-ca, a file with the certificate that
// verifies the server's (its slashes written %2F), which implies tls=true.
//
// Close leaves such a server running.
func Connect(ctx context.Context, address string) (*Server, error) {
	caFile := ""
	if found := caParameter.FindStringSubmatchIndex(address); found != nil {
		value, err := url.QueryUnescape(address[found[4]:found[5]])
		if err != nil {
			return nil, errors.New("reading the address: ssl-ca is not escaped as in a URL")
		}
		caFile = value
		separator, rest := address[found[2]:found[3]], address[found[7]:]
		address = address[:found[0]]
		if rest != "" {
			address += separator + rest
		}
	}
	config, err := mysql.ParseDSN(address)
	if err != nil {
		// The driver's message may quote the address, password and all.
		return nil, errors.New("reading the address: it is not of the form USER:PASSWORD@tcp(HOST:PORT)/?tls=true")
	}
	if config.Net != "tcp" {
		return nil, fmt.Errorf("reading the address: the network is %s, and only tcp is a way for the function", config.Net)
	}
	host, portText, err := net.SplitHostPort(config.Addr)
	if err != nil {
		return nil, fmt.Errorf("reading the address: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil || port < 1 || port > 65535 {
		return nil, fmt.Errorf("reading the address: %s is not a port", portText)
	}
	s := &Server{
		Origin: "address", Host: host, Port: port,
		Username: config.User, Password: redact.New(config.Passwd), address: config,
	}
	if caFile != "" {
		if s.CAFile, err = filepath.Abs(caFile); err != nil {
			return nil, fmt.Errorf("finding the file of ssl-ca: %w", err)
		}
		if s.CAPEM, err = os.ReadFile(s.CAFile); err != nil {
			return nil, fmt.Errorf("reading the file of ssl-ca: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(s.CAPEM) {
			return nil, fmt.Errorf("reading the file of ssl-ca: %s holds no certificate in PEM", s.CAFile)
		}
		config.TLS = &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12}
	}
	if config.Timeout == 0 {
		config.Timeout = 10 * time.Second
	}
	if err := s.identify(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// errNotManaged is the answer to what only a server that was started here can do.
var errNotManaged = errors.New("the server was not started here: its address was given")

// DataDir returns the data directory of a server that was started here.
func (s *Server) DataDir() string { return s.file("data") }

// LogFile returns the file that a server that was started here logs to, over
// all of its runs.
func (s *Server) LogFile() string { return s.file("log") }

// Socket returns the server's Unix socket. Its path may be longer than a client
// can connect to.
func (s *Server) Socket() string { return s.file("run", "mysqld.sock") }

func (s *Server) file(name ...string) string {
	if s.managed == nil {
		return ""
	}
	return filepath.Join(append([]string{s.managed.folder}, name...)...)
}

// Pid returns the process of a server that was started here, and 0 while it is
// not running.
func (s *Server) Pid() int {
	if s.managed == nil {
		return 0
	}
	s.managed.mutex.Lock()
	defer s.managed.mutex.Unlock()
	if run := s.managed.run; run != nil && !run.ended() {
		return run.pid
	}
	return 0
}

// Done is closed when the present run of a server that was started here has
// ended, for whatever reason. It is nil for an address.
func (s *Server) Done() <-chan struct{} {
	if s.managed == nil {
		return nil
	}
	s.managed.mutex.Lock()
	defer s.managed.mutex.Unlock()
	return s.managed.run.done
}

// Kill ends the process as kill -9 does, and returns when it is gone. The data
// stay, for Restart.
func (s *Server) Kill() error {
	if s.managed == nil {
		return errNotManaged
	}
	s.managed.mutex.Lock()
	defer s.managed.mutex.Unlock()
	s.managed.run.kill()
	return nil
}

// Stop shuts the server down in good order, and returns when it is gone. The
// data stay, for Restart.
func (s *Server) Stop(ctx context.Context) error {
	if s.managed == nil {
		return errNotManaged
	}
	s.managed.mutex.Lock()
	defer s.managed.mutex.Unlock()
	return s.managed.run.stop(ctx)
}

// Restart starts the server again on its data and port, with these options in
// the place of the earlier ones, after stopping it if it runs.
func (s *Server) Restart(ctx context.Context, args ...string) error {
	if s.managed == nil {
		return errNotManaged
	}
	s.managed.mutex.Lock()
	defer s.managed.mutex.Unlock()
	if s.managed.closed {
		return errors.New("restarting the server: it was closed")
	}
	if err := s.managed.run.stop(ctx); err != nil {
		return err
	}
	if err := s.managed.start(ctx, s.Port, "", args); err != nil {
		return fmt.Errorf("restarting the server: %w", err)
	}
	return s.identify(ctx)
}

// Close ends a server that was started here and removes its data. It may be
// called more than once, and leaves a server whose address was given alone.
func (s *Server) Close() error {
	if s.managed == nil {
		return nil
	}
	return s.managed.close()
}

// managed is what a server that was started here has besides.
type managed struct {
	program *Program
	folder  string
	noTLS   bool
	// release gives up the folder, which until then nobody else removes.
	release func()
	// forget takes the server's end off the context's.
	forget func() bool

	mutex  sync.Mutex
	run    *run
	closed bool
}

func (m *managed) close() error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	if m.forget != nil {
		m.forget()
	}
	if m.run != nil {
		// The data go, so there is nothing to shut down for.
		m.run.kill()
	}
	err := os.RemoveAll(m.folder)
	m.release()
	if err != nil {
		return fmt.Errorf("removing the server's folder: %w", err)
	}
	return nil
}
