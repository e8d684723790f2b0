package dbserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tandem/internal/local/dbserver/debian"
)

// The environment variables that say where a server comes from.
const (
	// AddressVariable holds the address of a running server, in the form of
	// go-sql-driver/mysql, with an administrator's login.
	AddressVariable = "SANDBOX_DSN"
)

// Finder looks for a server: at the address given, among the installed
// programs, among the unpacked ones, and last in the distribution's packages.
// The zero value looks on this machine and says nothing while it does.
type Finder struct {
	// Progress is told, a line at a time, what is fetched or made. May be nil.
	Progress io.Writer
	// Getenv stands for os.Getenv where it is not nil.
	Getenv func(string) string
	// Root is the folder that the system's files are read under: "/" if empty.
	Root string
	// CacheDir holds what is unpacked: the folder tandem in os.UserCacheDir() if
	// empty.
	CacheDir string

	// pause lies between two tries of the mirror, if not the usual.
	pause time.Duration
}

// Attempt is one way to a server that led nowhere, and why.
type Attempt struct {
	Way string
	Err error
}

// UnavailableError is returned when no way led to the server asked for.
type UnavailableError struct {
	Release  Release
	Attempts []Attempt
	Remedies []string
}

// Error lists what was tried and the ways to get a server.
func (e *UnavailableError) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "no %s server to be had: ", e.Release.Title())
	for i, attempt := range e.Attempts {
		if i > 0 {
			text.WriteString("; ")
		}
		fmt.Fprintf(&text, "%s: %v", attempt.Way, attempt.Err)
	}
	text.WriteString(". Ways to get one: " + strings.Join(e.Remedies, "; or "))
	return text.String()
}

// Unwrap returns the cause of each attempt.
func (e *UnavailableError) Unwrap() []error {
	causes := make([]error, len(e.Attempts))
	for i, attempt := range e.Attempts {
		causes[i] = attempt.Err
	}
	return causes
}

var errNotSet = errors.New("not set")

// Start returns a running server: the one that SANDBOX_DSN names, where that is
// set, else one started as Find and Program.Start do.
//
// A server that is running already takes no options: options.Args with
// SANDBOX_DSN set is an error.
func (f Finder) Start(ctx context.Context, release Release, options Options) (*Server, error) {
	address := f.getenv(AddressVariable)
	if address == "" {
		program, err := f.Find(ctx, release)
		if err != nil {
			return nil, err
		}
		return program.Start(ctx, options)
	}
	if len(options.Args) > 0 {
		return nil, fmt.Errorf("%s names a running server, which cannot be given the options %s: unset it to have a server started",
			AddressVariable, strings.Join(options.Args, " "))
	}
	server, err := Connect(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("using %s: %w", AddressVariable, err)
	}
	if !release.Matches(server.Flavor, server.Version) {
		_ = server.Close()
		return nil, fmt.Errorf("%s names a %s %s server, not %s: unset it, or have it name one",
			AddressVariable, server.Flavor, server.Version, release.Title())
	}
	return server, nil
}

// Find returns a program of the release: an installed one, else one unpacked
// into the cache, now if it must be. It does not look at SANDBOX_DSN.
//
// When there is none the error is an *UnavailableError, unless ctx ended.
func (f Finder) Find(ctx context.Context, release Release) (*Program, error) {
	attempts := []Attempt{{AddressVariable, errNotSet}}
	if f.getenv(AddressVariable) != "" {
		attempts = nil
	}
	program, err := f.installed(ctx, release)
	if err == nil {
		return program, nil
	}
	attempts = append(attempts, Attempt{"installed", err})
	program, err = f.unpacked(ctx, release)
	if err == nil {
		return program, nil
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("looking for %s: %w", release, err)
	}
	attempts = append(attempts, Attempt{"unpacked", err})
	return nil, &UnavailableError{release, attempts, f.remedies(release)}
}

// remedies lists the ways to a server that are open to the person.
func (f Finder) remedies(release Release) []string {
	packages := map[Flavor]string{
		MariaDB: "install MariaDB (the package mariadb-server)",
		MySQL:   "install MySQL (the package mysql-server)",
		"":      "install MariaDB or MySQL (the package mariadb-server or mysql-server)",
	}[release.Flavor]
	if release.Series != "" {
		packages += " " + release.Series
	}
	packaged := map[Flavor]string{
		MariaDB: "MariaDB " + strings.Join(debian.MariaDBSeries(), ", "),
		MySQL:   "MySQL 9",
		"":      "MariaDB",
	}[release.Flavor]
	return []string{
		"set " + AddressVariable + " to the address and administrator of a running server, as in root:PASSWORD@tcp(127.0.0.1:3306)/ (one in a container will do; for the tests TEST_SERVERS)",
		packages,
		"run this on Debian with apt-get and dpkg-deb, where " + packaged + " is unpacked from its packages without root (" +
			debian.MirrorVariable + " names another mirror)",
	}
}

func (f Finder) getenv(name string) string {
	if f.Getenv != nil {
		return f.Getenv(name)
	}
	return os.Getenv(name)
}

// path places a system file under Root.
func (f Finder) path(name string) string {
	return filepath.Join("/", f.Root, name)
}

func (f Finder) say(format string, args ...any) {
	if f.Progress != nil {
		// What cannot be shown is not worth a failure.
		_, _ = fmt.Fprintf(f.Progress, format+"\n", args...)
	}
}

// cache returns the cache's folder, made if need be.
func (f Finder) cache() (string, error) {
	folder := f.CacheDir
	if folder == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("finding the user's cache directory: %w: set HOME or XDG_CACHE_HOME to a folder that can be written", err)
		}
		folder = filepath.Join(user, "tandem")
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("making the cache directory: %w: set XDG_CACHE_HOME to a folder that can be written", err)
	}
	return folder, nil
}
