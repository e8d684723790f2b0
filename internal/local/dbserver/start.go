package dbserver

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"tandem/internal/redact"
)

// Options are what a caller may choose about a server.
type Options struct {
	// Args go to the server's command line as they are, after those that this
	// package gives: "--log-bin=binlog", "--general-log". What this package needs to
	// have its way (data directory, port, socket, log, configuration files) is
	// refused.
	Args []string
	// CA signs the server's certificate; nil has the server get one of its own.
	// Several servers with one CA can be verified by one set of roots.
	CA *CA
	// Names are further host names that the server's certificate is for.
	Names []string
	// NoTLS starts a server that offers no TLS. It has no certificate, and its
	// administrator logs in without.
	NoTLS bool
}

// ports is how many ports are tried: between choosing one and the server's
// listening on it another process can take it.
const ports = 5

var reserved = regexp.MustCompile(`^(?:-[hPS]|--(datadir|port|socket|pid[-_]file|log[-_]error|defaults[-_a-z]*|no[-_]defaults|basedir|init[-_]file|daemonize)(?:=|$))`)

// Start starts the program on 127.0.0.1, on a data directory of its own with TLS
// on, and returns when an administrator can log in: root from any host, with all
// privileges and a random password.
//
// The server ends, and its data are removed, with Close or with ctx, whichever
// is first; if this process dies, the server dies with it, and its data are
// removed by the next Start of the same user.
func (p *Program) Start(ctx context.Context, options Options) (*Server, error) {
	for _, arg := range options.Args {
		if reserved.MatchString(arg) {
			return nil, fmt.Errorf("starting %s: the option %s is chosen by this package", p.Release().Title(), arg)
		}
	}
	removeLeftovers(os.TempDir())
	folder, release, err := newFolder(os.TempDir())
	if err != nil {
		return nil, err
	}
	m := &managed{program: p, folder: folder, release: release, noTLS: options.NoTLS}
	server, err := m.first(ctx, options)
	if err != nil {
		return nil, errors.Join(err, m.close())
	}
	m.mutex.Lock()
	m.forget = context.AfterFunc(ctx, func() { _ = m.close() })
	m.mutex.Unlock()
	return server, nil
}

// first prepares the folder and starts the server on it.
func (m *managed) first(ctx context.Context, options Options) (*Server, error) {
	for _, name := range []string{"tmp", "run"} {
		if err := os.Mkdir(filepath.Join(m.folder, name), 0o700); err != nil {
			return nil, fmt.Errorf("making the server's folders: %w", err)
		}
	}
	ca := options.CA
	if ca == nil {
		var err error
		if ca, err = NewCA(); err != nil {
			return nil, err
		}
	}
	if err := ca.write(m.folder, options.Names); err != nil {
		return nil, err
	}
	if err := m.program.newData(ctx, filepath.Join(m.folder, "data"), options.Args); err != nil {
		return nil, err
	}
	password := newPassword()
	statements := filepath.Join(m.folder, "init.sql")
	if err := os.WriteFile(statements, []byte(firstStatements(password)), 0o600); err != nil {
		return nil, fmt.Errorf("writing the administrator's password: %w", err)
	}
	server := &Server{
		Flavor: m.program.Flavor, Version: m.program.Version, Origin: m.program.Origin,
		Host: "127.0.0.1", Username: "root", Password: password,
		managed: m,
	}
	if !m.noTLS {
		server.CAFile, server.CAPEM = filepath.Join(m.folder, caName), ca.PEM()
	}
	for try := 1; ; try++ {
		port, err := freePort(ctx)
		if err != nil {
			return nil, err
		}
		server.Port = port
		err = m.start(ctx, port, statements, options.Args)
		if err == nil {
			break
		}
		if !errors.Is(err, errPortTaken) || try == ports {
			return nil, fmt.Errorf("starting %s: %w", m.program.Release().Title(), err)
		}
	}
	if err := os.Remove(statements); err != nil {
		return nil, fmt.Errorf("removing the administrator's first password: %w", err)
	}
	if err := server.identify(ctx); err != nil {
		return nil, fmt.Errorf("starting %s: %w: %s", m.program.Release().Title(), err, m.run.log.last())
	}
	return server, nil
}

// firstStatements give the administrator a password, before the server listens.
// They stay out of its binary log, in which they would be a transaction that no
// other server has; to a general log neither server writes such statements.
func firstStatements(password redact.Secret) string {
	return "SET SESSION sql_log_bin = 0;\n" +
		"ALTER USER root@'%' IDENTIFIED BY '" + password.Reveal() + "';\n"
}

// newPassword makes a random password with a character of each kind, so that a
// validation plugin among the options has nothing to say.
func newPassword() redact.Secret {
	for {
		random := make([]byte, 24)
		// It never fails, by its documentation.
		_, _ = rand.Read(random)
		text := base64.URLEncoding.EncodeToString(random)
		if strings.ContainsAny(text, "-_") && strings.ContainsAny(text, "0123456789") &&
			strings.ToLower(text) != text && strings.ToUpper(text) != text {
			return redact.New(text)
		}
	}
}

// freePort has the kernel choose a port.
func freePort(ctx context.Context) (int, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("choosing a port: %w", err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		return 0, fmt.Errorf("choosing a port: %w", err)
	}
	return port, nil
}

// start runs the server and returns when it says that it is ready. The caller
// holds the mutex, or is the only one who knows m.
func (m *managed) start(ctx context.Context, port int, statements string, args []string) error {
	all := append(m.program.arguments(filepath.Join(m.folder, "data"), filepath.Join(m.folder, "tmp")),
		fmt.Sprintf("--port=%d", port),
		"--bind-address=127.0.0.1",
		// Relative to the data directory: the path of a Unix socket may have 107
		// bytes, and a temporary folder's may have more.
		"--socket=../run/mysqld.sock",
		"--pid-file="+filepath.Join(m.folder, "run", "mysqld.pid"),
		// A commit outlives the server's process, though not the machine.
		"--innodb-flush-log-at-trx-commit=2",
		"--sync-binlog=0",
	)
	all = append(all, m.tlsArguments()...)
	if m.program.Flavor == MySQL {
		all = append(all, "--loose-mysqlx=OFF")
		if !hasOption(args, "log-bin", "log-bin-index", "server-id", "gtid-mode") {
			all = append(all, "--skip-log-bin")
		}
	}
	if statements != "" {
		all = append(all, "--init-file="+statements)
	}
	run, err := start(m.program.command(context.WithoutCancel(ctx), append(all, args...)...), filepath.Join(m.folder, "log"))
	if err != nil {
		return err
	}
	m.run = run
	return run.await(ctx)
}

// tlsArguments turn TLS on, by the folder's certificate, or off. MySQL has no
// option that says off: it makes a certificate by itself unless told not to, and
// offers no TLS where it has none.
func (m *managed) tlsArguments() []string {
	switch {
	case !m.noTLS:
		return []string{
			"--ssl-ca=" + filepath.Join(m.folder, caName),
			"--ssl-cert=" + filepath.Join(m.folder, certificateName),
			"--ssl-key=" + filepath.Join(m.folder, keyName),
		}
	case m.program.Flavor == MySQL:
		return []string{"--auto-generate-certs=OFF"}
	default:
		return []string{"--skip-ssl"}
	}
}

// hasOption reports whether the arguments set one of the options.
func hasOption(args []string, names ...string) bool {
	for _, arg := range args {
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		name = strings.ReplaceAll(name, "_", "-")
		for _, wanted := range names {
			if name == wanted {
				return true
			}
		}
	}
	return false
}
