package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/lambdahost"
)

// The package's tests share one server and one binary, made when the first of
// them wants it.
var shared struct {
	ctx    context.Context
	folder string

	compile, database sync.Once
	binary            string
	binaryErr         error
	server            *dbserver.Server
	serverErr         error
}

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	folder, err := os.MkdirTemp("", "tandem-sandbox-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(folder) }()
	shared.ctx, shared.folder = ctx, folder
	code := m.Run()
	if shared.server != nil {
		if err := shared.server.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// binary returns the function, compiled.
func binary(t *testing.T) string {
	t.Helper()
	shared.compile.Do(func() { shared.binary, shared.binaryErr = lambdahost.Compile(shared.ctx, shared.folder) })
	if shared.binaryErr != nil {
		t.Fatal(shared.binaryErr)
	}
	return shared.binary
}

// database returns the shared server. Where there is none the test is skipped,
// and in CI fails.
func database(t *testing.T) *dbserver.Server {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: it needs a server, and -short is for what needs none")
	}
	shared.database.Do(func() {
		finder := dbserver.Finder{Progress: os.Stderr, Getenv: without(dbserver.AddressVariable)}
		shared.server, shared.serverErr = finder.Start(shared.ctx, dbserver.Release{Flavor: dbserver.MariaDB}, dbserver.Options{})
	})
	if missing := (*dbserver.UnavailableError)(nil); errors.As(shared.serverErr, &missing) && os.Getenv("CI") == "" {
		t.Skip("SKIPPED: ", shared.serverErr)
	}
	if shared.serverErr != nil {
		t.Fatal(shared.serverErr)
	}
	return shared.server
}

// address is a Finder that finds the shared server by its address, as one that is
// somebody's own.
func address(t *testing.T) dbserver.Finder {
	t.Helper()
	s := database(t)
	return addressAs(t, s.Username, s.Password.Reveal(), "?ssl-ca="+url.QueryEscape(s.CAFile))
}

// addressAs is address with another login, and other parameters.
func addressAs(t *testing.T, user, password, parameters string) dbserver.Finder {
	t.Helper()
	s := database(t)
	dsn := user + ":" + password + "@tcp(" + net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) + ")/" + parameters
	return dbserver.Finder{Getenv: func(name string) string {
		if name == dbserver.AddressVariable {
			return dsn
		}
		return os.Getenv(name)
	}}
}

// without is os.Getenv with a variable left out.
func without(left string) func(string) string {
	return func(name string) string {
		if name == left {
			return ""
		}
		return os.Getenv(name)
	}
}

// lines is a writer that a test can wait for: await returns when a line with the
// text has been written.
type lines struct {
	mutex   sync.Mutex
	text    strings.Builder
	changed chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.text.Write(p)
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
	return len(p), nil
}

func (l *lines) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}

func (l *lines) await(t *testing.T, ctx context.Context, text string) {
	t.Helper()
	for {
		l.mutex.Lock()
		found := strings.Contains(l.text.String(), text)
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mutex.Unlock()
		if found {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("waiting for %q: %v; so far:\n%s", text, ctx.Err(), l)
		}
	}
}

// served starts Serve, waits until it is ready and returns the sandbox, and what
// ends it and returns its error.
func served(t *testing.T, options ServeOptions) (s *Sandbox, end func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan *Sandbox, 1), make(chan error, 1)
	options.Ready = func(s *Sandbox) { ready <- s }
	go func() { done <- Serve(ctx, options) }()
	end = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	select {
	case s = <-ready:
	case err := <-done:
		done <- nil
		t.Fatal(err)
	}
	return s, end
}

// tutorial is a sandbox with the tutorial's secret, on the shared server, that
// listens on a port of its own.
func tutorial(t *testing.T, change ...func(*ServeOptions)) (s *Sandbox, end func() error) {
	t.Helper()
	options := ServeOptions{Binary: binary(t), Finder: address(t), Listen: "127.0.0.1:0", Out: &lines{}, Info: &lines{}}
	for _, c := range change {
		c(&options)
	}
	return served(t, options)
}

const deadlineAfter = time.Minute

// deadline bounds waiting for what does not come.
func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadlineAfter)
	t.Cleanup(cancel)
	return ctx
}

// left lists what of the sandbox's is still on the shared server.
func left(t *testing.T) []string {
	t.Helper()
	db, err := database(t).DB()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), "SELECT User FROM mysql.user WHERE User NOT IN ('root', 'mariadb.sys', 'PUBLIC') UNION SELECT schema_name FROM information_schema.schemata WHERE schema_name IN ('myDB', 'shop')")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}
