package secret

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"tandem/internal/failure"
)

// CloneSuffix is what the clone's name has and the original's has not. It is the
// suffix of the function that this one replaces, so that pairs which that
// function made go on.
const CloneSuffix = "_clone"

// IsClone reports whether username is, by its name, the clone of a pair.
func IsClone(username string) bool { return strings.HasSuffix(username, CloneSuffix) }

// Original returns the name of the original of the pair that username belongs to.
func Original(username string) string { return strings.TrimSuffix(username, CloneSuffix) }

// Clone returns the name of the clone of the pair that username belongs to.
func Clone(username string) string { return Original(username) + CloneSuffix }

// Other returns the name that alternates with username. For a username that
// CheckUsername accepts, the other's other is username again.
func Other(username string) string {
	if IsClone(username) {
		return Original(username)
	}
	return Clone(username)
}

// Lengths of user names, in characters.
const (
	mysqlNameLimit = 32 // MySQL 8.4 manual, "Account User Names, Passwords, and Authentication"
	// MariaDB's documentation of CREATE USER gives 80 up to 10.5; from 10.6 the
	// server's column has 128, which is not promised for every server.
	mariadbNameLimit   = 80
	mariadbNameMaximum = 128
)

// NameLimit returns how many characters a user name may have. configured is
// USERNAME_CHARACTER_LIMIT, 0 where that is not set: it lowers the limit of any
// engine, and raises MariaDB's as far as its newer servers go.
func NameLimit(engine Engine, configured int) int {
	limit, maximum := mysqlNameLimit, mysqlNameLimit
	if engine == MariaDB {
		limit, maximum = mariadbNameLimit, mariadbNameMaximum
	}
	if configured > 0 {
		limit = min(configured, maximum)
	}
	return limit
}

// CheckUsername reports why username cannot be rotated: that its server could
// not hold both names of the pair, or could not tell them from other names.
// configured is as for NameLimit. The error does not quote the name.
//
// A name that ends in "_clone" is the clone by its name here; whether its
// original exists is for the server to say.
func CheckUsername(engine Engine, username string, configured int) error {
	return failure.Mark(failure.UsernameInvalid, checkUsername(engine, username, configured))
}

// CheckSingleUsername reports why username cannot be rotated as a single user.
// configured is as for NameLimit. The error does not quote the name.
func CheckSingleUsername(engine Engine, username string, configured int) error {
	reason := ""
	limit := NameLimit(engine, configured)
	switch length := utf8.RuneCountInString(username); {
	case username == "":
		reason = "is empty: name the user to rotate"
	case length > limit:
		reason = fmt.Sprintf("has %d characters and may have %d: shorten it, or raise USERNAME_CHARACTER_LIMIT where it is below what the server takes", length, limit)
	default:
		if reason = unfit(engine, username); reason != "" {
			reason += ": rename the user"
		}
	}
	if reason == "" {
		return nil
	}
	return failure.Errorf(failure.UsernameInvalid, "the user name %s", reason)
}

func checkUsername(engine Engine, username string, configured int) error {
	original := Original(username)
	switch {
	case username == "":
		return errors.New("the user name is empty: name the user to rotate")
	case original == "":
		return fmt.Errorf("the user name is %q alone, the clone of a user without a name: rotate a user whose name has more than that",
			CloneSuffix)
	case IsClone(original):
		// app_clone_clone would alternate with app_clone, and that with app.
		return fmt.Errorf("the user name ends in %q twice, the clone of a clone: rotate the original instead", CloneSuffix)
	}
	if reason := unfit(engine, original); reason != "" {
		return fmt.Errorf("the user name %s: rename the user", reason)
	}
	limit := NameLimit(engine, configured)
	if length := utf8.RuneCountInString(original) + len(CloneSuffix); length > limit {
		return fmt.Errorf("the clone's name, the original's with %q, has %d characters and may have %d: "+
			"use a user name of at most %d characters, or raise USERNAME_CHARACTER_LIMIT where it is below what the server takes",
			CloneSuffix, length, limit, max(limit-len(CloneSuffix), 0))
	}
	return nil
}

// unfit says why name cannot be the name of an account that somebody logs in to,
// and is empty where it can. It was tried with MySQL 9.7 and MariaDB 10.5, 10.11
// and 11.8. The clone's name needs no look of its own: with its suffix it can
// neither end in white space nor be in quotes.
func unfit(engine Engine, name string) string {
	switch {
	case !utf8.ValidString(name):
		return "is not valid UTF-8"
	case strings.IndexFunc(name, func(r rune) bool { return r > '\uffff' }) >= 0:
		// The grant tables are utf8mb3; such a character is stored as "?".
		return "has a character outside Unicode's Basic Multilingual Plane, which the server would store as a question mark"
	case strings.Contains(name, "\x00"):
		return "has a NUL character, at which the server cuts it off when somebody logs in"
	case len(name) >= 2 && name[0] == '\'' && name[len(name)-1] == '\'':
		// The server takes the quotes off the name that a client sends.
		return "begins and ends with a single quote, and the server ignores these when somebody logs in"
	case strings.HasSuffix(name, " "):
		return "ends with a space, which the server does not store"
	case engine != MariaDB && strings.Trim(name, "\t\n\v\f\r ") != name:
		return "begins or ends with white space, which MySQL does not store"
	}
	return ""
}
