// Package servertest runs tests against real servers.
//
// A test package starts each release once, not once for each test, and says
// which releases it ran against, since a test that was skipped proves nothing:
//
//	var servers servertest.Fleet
//
//	func TestMain(m *testing.M) { servers.Main(m) }
//
//	func TestRotation(t *testing.T) {
//		servers.Each(t, func(t *testing.T, server *server.Server) { ... })
//	}
//
// The environment says which servers: TEST_MATRIX=1 every release that the
// project answers for, TEST_MATRIX="mariadb-10.5 mysql-9" these releases, else one
// MariaDB and MySQL 9; TEST_SERVERS the addresses
// of others besides, between white space, as server.Connect reads them. Where CI
// is set a server that cannot be had fails the tests; elsewhere they are
// skipped, and the reason is printed. With -short every test that wants a server is
// skipped, and none is started. A test that asks for servers and passes without
// having run on any fails, on every machine.
//
// TEST_SERVERS_REPORT names a file that gets the same lines, and how many tests
// ran against each server, for "go test" hides what a passing package prints.
package servertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"tandem/internal/local/dbserver"
)

// Fleet is the servers of a test package. Its zero value is ready for Main.
type Fleet struct {
	// Args are further options for the command line of every server that is started,
	// by its flavor. Nil is none.
	Args map[dbserver.Flavor][]string

	ctx     context.Context
	ca      *dbserver.CA
	caFile  string
	targets []*target

	mutex  sync.Mutex
	report []string
	uses   []use
}

// A target is a server that the tests are to run against, started when the first
// test wants it.
type target struct {
	name    string
	release dbserver.Release
	address bool // given by TEST_SERVERS, of no release that could be started again
	get     func(context.Context) (*dbserver.Server, error)

	once   sync.Once
	server *dbserver.Server
	err    error
}

// covers reports whether a server of the release is what was asked for.
func (t *target) covers(release dbserver.Release) bool {
	if t.address {
		return t.server != nil && t.server.Release() == release
	}
	return t.release.Flavor == release.Flavor && (release.Series == "" || t.release.Matches(release.Flavor, release.Series))
}

// flavor is the flavor that was asked for; empty for a server by address that did not
// answer, which is to be seen to fail.
func (t *target) flavor() dbserver.Flavor {
	if t.address && t.server != nil {
		return t.server.Flavor
	}
	return t.release.Flavor
}

// Main runs a package's tests, and ends its servers after them and on Ctrl-C.
// It is called by TestMain, as its last statement.
//
// While they run SSL_CERT_FILE names CAFile, so that code under test which
// verifies a server by the system's roots trusts the fleet's. (On macOS Go does
// not read that variable.)
func (f *Fleet) Main(m *testing.M) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	end, err := f.begin(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "servertest:", err)
		os.Exit(1)
	}
	finished := make(chan struct{})
	defer close(finished)
	go func() {
		select {
		case <-signals:
			end()
			os.Exit(1)
		case <-finished:
		}
	}()
	// A TestMain that returns exits with the code of Run.
	m.Run()
	end()
}

var errFinished = errors.New("the tests have finished")

// begin prepares the fleet. The function that it returns ends it.
func (f *Fleet) begin(ctx context.Context) (end func(), err error) {
	folder, err := os.MkdirTemp("", "tandem-servertest-")
	if err != nil {
		return nil, fmt.Errorf("making a temporary folder: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	f.ctx = ctx
	end = sync.OnceFunc(func() {
		cancel(errFinished)
		f.close()
		_ = os.RemoveAll(folder)
	})
	if f.ca, err = dbserver.NewCA(); err != nil {
		end()
		return nil, err
	}
	bundle := f.ca.PEM()
	if f.targets, err = targets(os.Getenv, f.start); err != nil {
		end()
		return nil, err
	}
	for _, address := range strings.Fields(os.Getenv("TEST_SERVERS")) {
		t := addressTarget(ctx, address)
		f.targets = append(f.targets, t)
		if t.server != nil {
			bundle = append(bundle, t.server.CAPEM...)
		}
	}
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		content, err := os.ReadFile(file)
		if err != nil {
			end()
			return nil, fmt.Errorf("reading SSL_CERT_FILE: %w", err)
		}
		bundle = append(append(bundle, '\n'), content...)
	}
	f.caFile = filepath.Join(folder, "ca.pem")
	if err := os.WriteFile(f.caFile, bundle, 0o644); err != nil {
		end()
		return nil, fmt.Errorf("writing the fleet's certificate: %w", err)
	}
	if err := os.Setenv("SSL_CERT_FILE", f.caFile); err != nil {
		end()
		return nil, fmt.Errorf("setting SSL_CERT_FILE: %w", err)
	}
	return end, nil
}

// starter starts a server of a release.
type starter func(context.Context, dbserver.Release, dbserver.Options) (*dbserver.Server, error)

// targets lists the releases that the environment asks for.
func targets(getenv func(string) string, start starter) ([]*target, error) {
	releases, exact, err := dbserver.WantedReleases(getenv("TEST_MATRIX"))
	if err != nil {
		return nil, err
	}
	var all []*target
	for _, release := range releases {
		all = append(all, &target{name: release.String(), release: release, get: func(ctx context.Context) (*dbserver.Server, error) {
			started, err := start(ctx, release, dbserver.Options{})
			unavailable := (*dbserver.UnavailableError)(nil)
			if !errors.As(err, &unavailable) || exact || getenv("CI") != "" || release.Series == "" {
				return started, err
			}
			// A person's machine, such as Ubuntu, may have another series: better
			// than none, and the report says so.
			if other, otherErr := start(ctx, dbserver.Release{Flavor: release.Flavor}, dbserver.Options{}); otherErr == nil {
				return other, nil
			}
			return nil, err
		}})
	}
	return all, nil
}

// addressTarget connects at once: it costs little, and the certificate is needed
// before the first test.
func addressTarget(ctx context.Context, address string) *target {
	connected, err := dbserver.Connect(ctx, address)
	t := &target{name: "address", address: true, get: func(context.Context) (*dbserver.Server, error) { return connected, err }}
	if err == nil {
		t.name = net.JoinHostPort(connected.Host, strconv.Itoa(connected.Port))
		t.server = connected
	}
	return t
}

// start starts a server of the fleet's CA.
func (f *Fleet) start(ctx context.Context, release dbserver.Release, options dbserver.Options) (*dbserver.Server, error) {
	program, err := dbserver.Finder{Progress: os.Stderr}.Find(ctx, release)
	if err != nil {
		return nil, err
	}
	options.CA, options.Args = f.ca, append(slices.Clone(f.Args[program.Flavor]), options.Args...)
	return program.Start(ctx, options)
}

// Each runs the test as a subtest against every server asked for, side by side: most
// of a test is waiting for its server. The servers are shared with the package's other
// tests, so a test gives what it creates names of its own and removes it. A subtest does
// not call t.Parallel; subtests of its own may.
func (f *Fleet) Each(t *testing.T, test func(t *testing.T, server *dbserver.Server)) {
	t.Helper()
	Part{fleet: f}.Each(t, test)
}

// EachRelease runs the test as a subtest for every release asked for, side by side, to
// start servers of its own with MustStart. Servers given by address are left out.
func (f *Fleet) EachRelease(t *testing.T, test func(t *testing.T, release string)) {
	t.Helper()
	Part{fleet: f}.EachRelease(t, test)
}

// mustGet returns a target's server, which the first test that wants it starts.
func (f *Fleet) mustGet(t *testing.T, from *target) *dbserver.Server {
	t.Helper()
	from.once.Do(func() {
		from.server, from.err = from.get(f.ctx)
		switch {
		case from.err != nil:
			f.say("MISSING %s: %v", from.name, from.err)
		case !from.release.Matches(from.server.Flavor, from.server.Version):
			f.say("ran against %s, in the place of %s", from.server, from.name)
		default:
			f.say("ran against %s", from.server)
		}
	})
	if from.err != nil {
		missing(t, from.err)
	}
	return from.server
}

// MustStart starts a server for this test alone, with options for its command
// line; release is what dbserver.ParseRelease reads, and one that was asked for. It
// ends with the test. A server that cannot be had skips the test, and in CI fails it.
func (f *Fleet) MustStart(t *testing.T, release string, args ...string) *dbserver.Server {
	t.Helper()
	return f.MustStartWith(t, release, dbserver.Options{Args: args})
}

// MustStartWith is MustStart with all of a server's options. Its CA is the
// fleet's.
func (f *Fleet) MustStartWith(t *testing.T, release string, options dbserver.Options) *dbserver.Server {
	t.Helper()
	f.mustBegin(t)
	wanted, err := dbserver.ParseRelease(release)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(f.targets, func(asked *target) bool { return asked.covers(wanted) }) {
		t.Fatalf("this run is not to start %s: take the release that EachRelease gives, or that of a server", release)
	}
	started, err := f.start(f.ctx, wanted, options)
	if unavailable := (*dbserver.UnavailableError)(nil); errors.As(err, &unavailable) {
		f.say("MISSING %s: %v", release, err)
		missing(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := started.Close(); err != nil {
			t.Error(err)
		}
	})
	f.noteUse(t, started)
	return started
}

// CAFile returns the file with the certificates that verify the fleet's servers.
func (f *Fleet) CAFile() string { return f.caFile }

// CA returns the fleet's CA, for certificates of what stands before its servers.
func (f *Fleet) CA() *dbserver.CA { return f.ca }

// variables say against what tests run, and where that is reported.
var variables = []string{"TEST_MATRIX", "TEST_SERVERS", "TEST_SERVERS_REPORT", "CI"}

// mustBegin is where every test that wants a server comes by.
func (f *Fleet) mustBegin(t *testing.T) {
	t.Helper()
	// Go shows a package's last result again, without running it, where the variables
	// that its tests have read are the same, and what TestMain reads is no part of that.
	for _, name := range variables {
		_ = os.Getenv(name)
	}
	if testing.Short() {
		t.Skip("SKIPPED: it needs a server, and -short is for what needs none")
	}
	if f.ctx == nil {
		t.Fatal("the package has no TestMain that calls Fleet.Main")
	}
}

// missing ends a test whose server cannot be had. Not being able to have one is
// a reason to skip; anything else is wrong with one that is there.
func missing(t *testing.T, err error) {
	t.Helper()
	unavailable := (*dbserver.UnavailableError)(nil)
	if os.Getenv("CI") != "" || !errors.As(err, &unavailable) {
		t.Fatal(err)
	}
	t.Skip("SKIPPED: ", err)
}

// say prints a line at once, and keeps it for the report's file.
func (f *Fleet) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.report = append(f.report, line)
	fmt.Fprintln(os.Stderr, line)
}

// close ends the servers and writes the report.
func (f *Fleet) close() {
	for _, target := range f.targets {
		// Waits for a start under way, and keeps another from beginning.
		target.once.Do(func() { target.err = errFinished })
		if target.server != nil {
			if err := target.server.Close(); err != nil {
				fmt.Fprintln(os.Stderr, "servertest:", err)
			}
		}
	}
	f.mutex.Lock()
	f.report = append(f.report, counts(f.uses)...)
	f.mutex.Unlock()
	if err := f.writeReport(os.Getenv("TEST_SERVERS_REPORT")); err != nil {
		fmt.Fprintln(os.Stderr, "servertest:", err)
	}
}

// writeReport appends the report to the file. Packages are tested side by side,
// so it is one write.
func (f *Fleet) writeReport(path string) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if path == "" || len(f.report) == 0 {
		return nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("writing TEST_SERVERS_REPORT: %w", err)
	}
	_, err = file.WriteString(strings.Join(f.report, "\n") + "\n")
	return errors.Join(err, file.Close())
}
