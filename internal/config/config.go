// Package config reads the function's environment.
//
// The variables that the function which this one replaces has keep their names
// and meanings. A value that cannot be read is an error that names the variable:
// guessing would show only when a password has been made with it.
package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/rotation"
)

// DefaultExcludeCharacters leaves "-", "_" and "." of all punctuation: what is
// left is safe in a DSN, a URL, a shell and YAML.
const DefaultExcludeCharacters = "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~"

// Bounds of a password's length, in characters. Below the first a password can
// be guessed; what is beyond the second not every plugin of a server takes.
const (
	minPasswordLength     = 8
	maxPasswordLength     = 255
	defaultPasswordLength = 32
)

// maxUsernameLimit is the width of MariaDB's column for user names.
const maxUsernameLimit = 128

// Password is how GetRandomPassword is asked for a password.
//
// Source: AWS Secrets Manager API Reference, "GetRandomPassword".
type Password struct {
	// Length is in characters.
	Length                  int64
	ExcludeCharacters       string
	ExcludeNumbers          bool
	ExcludePunctuation      bool
	ExcludeUppercase        bool
	ExcludeLowercase        bool
	RequireEachIncludedType bool
}

// Characters are those that a password may have.
//
// Source: AWS Secrets Manager API Reference, "GetRandomPassword".
func (p Password) Characters() string {
	var all string
	for _, kind := range []struct {
		characters string
		excluded   bool
	}{
		{"abcdefghijklmnopqrstuvwxyz", p.ExcludeLowercase},
		{"ABCDEFGHIJKLMNOPQRSTUVWXYZ", p.ExcludeUppercase},
		{"0123456789", p.ExcludeNumbers},
		{"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", p.ExcludePunctuation},
	} {
		if !kind.excluded {
			all += kind.characters
		}
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(p.ExcludeCharacters, r) {
			return -1
		}
		return r
	}, all)
}

// Config is the function's configuration.
type Config struct {
	// SecretsManagerEndpoint is a URL, or empty where the SDK decides.
	SecretsManagerEndpoint string
	// Role is what Secrets Manager is asked as; without an ARN the function's own.
	Role Role
	// RDSAsRole has RDS asked as that role too.
	RDSAsRole bool
	Password  Password
	Rotation  rotation.Settings
	// AllowPlaintext lets a login go without TLS where the server has none and
	// the document does not insist.
	AllowPlaintext bool
	// RDSCABundle is a file of authorities, or empty; see roots.New.
	RDSCABundle string
}

// Load reads the configuration by lookup, which is os.LookupEnv. The error joins
// one error for each variable that cannot be read.
func Load(lookup func(name string) (string, bool)) (Config, error) {
	env := environment{lookup: lookup}
	c := Config{
		SecretsManagerEndpoint: env.endpoint("SECRETS_MANAGER_ENDPOINT"),
		Role: Role{
			ARN:        env.roleARN("ROTATION_ROLE_ARN"),
			ExternalID: env.externalID("ROTATION_ROLE_EXTERNAL_ID"),
		},
		RDSAsRole: env.boolean("ROTATION_ROLE_FOR_RDS", false),
		Password: Password{
			Length:                  int64(env.number("PASSWORD_LENGTH", defaultPasswordLength, minPasswordLength, maxPasswordLength)),
			ExcludeCharacters:       DefaultExcludeCharacters,
			ExcludeNumbers:          env.boolean("EXCLUDE_NUMBERS", false),
			ExcludePunctuation:      env.boolean("EXCLUDE_PUNCTUATION", false),
			ExcludeUppercase:        env.boolean("EXCLUDE_UPPERCASE", false),
			ExcludeLowercase:        env.boolean("EXCLUDE_LOWERCASE", false),
			RequireEachIncludedType: env.boolean("REQUIRE_EACH_INCLUDED_TYPE", true),
		},
		Rotation: rotation.Settings{
			AdminARN:      env.text("SUPERUSER_SECRET_ARN"),
			UsernameLimit: env.number("USERNAME_CHARACTER_LIMIT", 0, 1, maxUsernameLimit),
			Mode:          choice(&env, "PRIVILEGE_SYNC", account.Merge, account.ParseMode),
			Strategy:      choice(&env, "ROTATION_STRATEGY", rotation.AlternatingUsers, rotation.ParseStrategy),
			Repair:        choice(&env, "REPAIR_WITH_ADMIN", rotation.Repair{}, rotation.ParseRepair),

			KeepConnectionStrings: env.keepConnectionStrings("CONNECTION_STRINGS"),
			PendingUserSessions:   choice(&env, "PENDING_USER_SESSIONS", rotation.WarnOfSessions, rotation.ParseSessionPolicy),
		},
		AllowPlaintext: env.boolean("ALLOW_PLAINTEXT", false),
		RDSCABundle:    env.text("RDS_CA_BUNDLE"),
	}
	if c.Role.ARN == "" && c.Role.ExternalID != "" {
		env.problem("ROTATION_ROLE_EXTERNAL_ID", "it is for the role of ROTATION_ROLE_ARN, which is not set: set both, or leave both out")
	}
	if c.Role.ARN == "" && c.RDSAsRole {
		env.problem("ROTATION_ROLE_FOR_RDS", "it is about the role of ROTATION_ROLE_ARN, which is not set: set both, or leave both out")
	}
	if c.Rotation.Repair.AllowsAny() && c.Rotation.Strategy != rotation.SingleUser {
		env.problem("REPAIR_WITH_ADMIN", "it is about ROTATION_STRATEGY=%s, and of two users the one in use is never changed: set both, or leave it out", rotation.SingleUser)
	}
	if c.Rotation.Strategy == rotation.SingleUser && c.Rotation.PendingUserSessions == rotation.RefuseSessions {
		env.problem("PENDING_USER_SESSIONS", "with ROTATION_STRATEGY=%s there is one user, whose sessions are not told apart by their passwords, so that nobody can wait for some of them: leave it out, or rotate with two users", rotation.SingleUser)
	}
	if excluded, set := lookup("EXCLUDE_CHARACTERS"); set {
		// Set but empty excludes nothing: the one variable for which that differs.
		c.Password.ExcludeCharacters = excluded
	}
	c.Rotation.PasswordCharacters, c.Rotation.PasswordOfEachKind = c.Password.Characters(), c.Password.RequireEachIncludedType
	return c, failure.Mark(failure.ConfigurationInvalid, errors.Join(env.problems...))
}

// environment gathers what is wrong instead of stopping at the first.
type environment struct {
	lookup   func(string) (string, bool)
	problems []error
}

func (e *environment) text(name string) string {
	value, _ := e.lookup(name)
	return strings.TrimSpace(value)
}

func (e *environment) problem(name, format string, args ...any) {
	e.problems = append(e.problems, fmt.Errorf("reading the environment variable %s: "+format, append([]any{name}, args...)...))
}

func (e *environment) number(name string, absent, lowest, highest int) int {
	text := e.text(name)
	if text == "" {
		return absent
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < lowest || n > highest {
		e.problem(name, "%q is not a number from %d to %d: correct it, or leave it out", text, lowest, highest)
		return absent
	}
	return n
}

func (e *environment) boolean(name string, absent bool) bool {
	text := strings.ToLower(e.text(name))
	switch {
	case text == "":
		return absent
	case slices.Contains([]string{"true", "1", "y", "yes"}, text):
		return true
	case slices.Contains([]string{"false", "0", "n", "no"}, text):
		return false
	}
	e.problem(name, "%q is neither true (true, 1, y, yes) nor false (false, 0, n, no): correct it, or leave it out", text)
	return absent
}

// choice reads one of several words, which parse knows.
func choice[T any](e *environment, name string, absent T, parse func(string) (T, error)) T {
	text := e.text(name)
	if text == "" {
		return absent
	}
	chosen, err := parse(text)
	if err != nil {
		e.problem(name, "%w", err)
	}
	return chosen
}

// keepConnectionStrings reads what becomes of connection strings in a secret.
func (e *environment) keepConnectionStrings(name string) bool {
	switch text := e.text(name); text {
	case "", "renew":
		return false
	case "keep":
		return true
	default:
		e.problem(name, "%q is neither renew nor keep: correct it, or leave it out", text)
		return false
	}
}

// externalID reads what a role's trust policy may ask for.
//
// Source: AWS STS API Reference, "AssumeRole".
func (e *environment) externalID(name string) string {
	const longest = 1224
	text := e.text(name)
	strange := strings.ContainsFunc(text, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune("_+=,.@:/-", r)
	})
	if text != "" && (strange || len(text) < 2 || len(text) > longest) {
		// It is not quoted: some take it for a secret.
		e.problem(name, "it is not an external id, of 2 to %d letters, digits and _+=,.@:/-: correct it, or leave it out", longest)
		return ""
	}
	return text
}

// endpoint reads a URL. One without a scheme is taken as https.
func (e *environment) endpoint(name string) string {
	text := e.text(name)
	if text == "" {
		return ""
	}
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "https" && parsed.Scheme != "http") || parsed.User != nil {
		// The text is not quoted, nor the parser's error, which quotes it: it may hold credentials.
		e.problem(name, "it is not the URL of an endpoint, such as https://secretsmanager.eu-west-1.amazonaws.com: correct it, or leave it out")
		return ""
	}
	return text
}
