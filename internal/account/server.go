// Package account holds what a MySQL or MariaDB user is, as values: it parses
// SHOW CREATE USER and SHOW GRANTS, compares two users, and writes the statements
// that make one the other's equal.
//
// An application that alternates between two users breaks, or has a hole, at every
// difference between them, and the differences hide in a dozen corners of the
// servers' grammar. So nothing here guesses: a row that is not understood is an
// error, a thing that cannot be copied is an error, and the statements are written
// so that whoever dies between any two of them leaves a state from which the same
// comparison finds its way on. The package does no I/O; the caller reads the rows
// and sends the statements.
package account

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tandem/internal/failure"
)

// Errors by which a caller acts differently. Each is wrapped in an error that says
// which account it concerns, and what to do.
var (
	// ErrUnsupported is the error returned when an account or a server has
	// something that is not copied: nothing was planned, and nothing may change.
	ErrUnsupported = failure.New(failure.UserUnsupported, "not supported")
	// ErrLocked is the error returned when the account through which a login would
	// have to be made is locked.
	ErrLocked = failure.New(failure.AccountLocked, "account is locked")
	// ErrNotFound is the error returned when a user or an account that has to exist does not.
	ErrNotFound = failure.New(failure.UserMissing, "account does not exist")
	// ErrRefused is the error returned when going on would give somebody rights
	// that were not meant for them, or needs rights that the admin lacks.
	ErrRefused = failure.New(failure.UserUnsupported, "refused")
)

// Flavor is the family that a server belongs to.
type Flavor string

// The families. Percona Server and Aurora MySQL count as MySQL.
const (
	MySQL   Flavor = "MySQL"
	MariaDB Flavor = "MariaDB"
)

// Server is a server's family and version.
type Server struct {
	Flavor              Flavor
	Major, Minor, Patch int
	Text                string // the version as the server gave it
}

// ParseServer reads @@version and @@version_comment. A server older than MySQL 5.7
// or MariaDB 10.4, and one that is neither, is ErrUnsupported.
func ParseServer(version, versionComment string) (Server, error) {
	server := Server{Flavor: MySQL, Text: version}
	number := version
	both := strings.ToLower(version + " " + versionComment)
	switch {
	case strings.Contains(both, "mariadb"):
		server.Flavor = MariaDB
		// MariaDB puts this before its version in the handshake, for replicas that
		// take the first digit for the whole version.
		number = strings.TrimPrefix(number, "5.5.5-")
	case strings.Contains(both, "tidb"), strings.Contains(both, "oceanbase"), strings.Contains(both, "vitess"), strings.Contains(both, "singlestore"), strings.Contains(both, "doris"):
		return Server{}, failure.Errorf(failure.ServerUnsupported, "the server calls itself %q (%q): only MySQL, Percona Server, Aurora MySQL and MariaDB are known: %w", version, versionComment, ErrUnsupported)
	}
	parts := strings.SplitN(number, ".", 3)
	if len(parts) < 2 {
		return Server{}, failure.Errorf(failure.ServerUnsupported, "the server's version %q is not of the form major.minor.patch: %w", version, ErrUnsupported)
	}
	if len(parts) == 2 {
		parts = append(parts, "0")
	}
	for i, target := range []*int{&server.Major, &server.Minor, &server.Patch} {
		digits := parts[i]
		if i > 0 {
			// What follows the digits of the last part is a vendor's.
			end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
			if end >= 0 {
				digits = digits[:end]
			}
			if i == 2 && digits == "" { // 8.0.mysql_aurora.3.05.2
				digits = "0"
			}
		}
		n, err := strconv.Atoi(digits)
		if err != nil || n < 0 || len(digits) > 4 {
			return Server{}, failure.Errorf(failure.ServerUnsupported, "the server's version %q is not of the form major.minor.patch: %w", version, ErrUnsupported)
		}
		*target = n
	}
	oldest := Server{Flavor: MySQL, Major: 5, Minor: 7}
	if server.Flavor == MariaDB {
		oldest = Server{Flavor: MariaDB, Major: 10, Minor: 4}
	}
	if !server.AtLeast(oldest.Major, oldest.Minor, 0) {
		return Server{}, failure.Errorf(failure.ServerUnsupported, "the server is %s %s; %s %d.%d is the oldest that is supported: %w", server.Flavor, version, oldest.Flavor, oldest.Major, oldest.Minor, ErrUnsupported)
	}
	return server, nil
}

// AtLeast reports whether the server's version is this one or a later one.
func (s Server) AtLeast(major, minor, patch int) bool {
	return slices.Compare([]int{s.Major, s.Minor, s.Patch}, []int{major, minor, patch}) >= 0
}

// String names the server, as "MariaDB 10.11.19".
func (s Server) String() string {
	return fmt.Sprintf("%s %d.%d.%d", s.Flavor, s.Major, s.Minor, s.Patch)
}
