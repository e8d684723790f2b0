// Package verifier computes password verifiers: what a server keeps of a
// password, and checks a login against.
//
// It serves two ends. A rotation that runs a second time has to know whether the
// pending password is set already, and must not find out by a login: a denied one
// counts against FAILED_LOGIN_ATTEMPTS, and setting the same password again
// fails under PASSWORD HISTORY. And MariaDB writes a clear password that it is
// given into its logs, so it gets the verifier instead.
//
//	mysql_native_password   *HEX(SHA1(SHA1(password)))
//	caching_sha2_password   $A$ rounds/1000, 3 hex digits $ salt, 20 bytes, digest, 43 characters
//	sha256_password         $5$ salt, 20 bytes $ digest, 43 characters
//	ed25519                 BASE64(public key)
//	parsec                  P iterations ":" BASE64(salt) ":" BASE64(public key)
//
// Verifiers are secrets as passwords are: the first of the list is all that
// somebody needs who wants to log in.
package verifier

import (
	"crypto/subtle"
	"fmt"
	"io"
	"strings"

	"tandem/internal/failure"
	"tandem/internal/redact"
)

var (
	// ErrUnknownPlugin is the error returned by Matches and New when they cannot
	// compute verifiers of an authentication plugin: one that keeps no password,
	// or that is not in the package's list.
	ErrUnknownPlugin = failure.New(failure.UserUnsupported, "no verifier can be computed for this authentication plugin")

	// ErrMalformed is the error returned by Matches when what the server stores
	// is not a verifier of the plugin. No password logs in to such an account;
	// MariaDB's root@localhost is made with one ("invalid") on purpose.
	ErrMalformed = failure.New(failure.UserUnsupported, "the stored verifier does not have its plugin's form, so that no password fits it")

	// ErrUnusablePassword is the error returned by New when its plugin would let
	// nobody log in with the password: it is empty or too long.
	ErrUnusablePassword = failure.New(failure.PasswordRefused, "the password cannot be used with this authentication plugin")
)

// scheme is how a plugin makes verifiers.
type scheme interface {
	// matches computes password's verifier with the salt and the effort of
	// stored, and compares the two. The error is ErrMalformed.
	matches(stored, password string) (bool, error)
	// fresh returns a verifier of password with a salt that it reads from random.
	fresh(password string, random io.Reader) (string, error)
	// longest is the length in bytes of the longest password, 0 for no limit.
	longest() int
}

// schemeOf finds a plugin's scheme. Plugin names have no letter case, and MariaDB
// shows them as they were typed.
func schemeOf(plugin string) (scheme, error) {
	switch strings.ToLower(plugin) {
	case "mysql_native_password":
		return native{}, nil
	case "caching_sha2_password":
		return cachingSHA2{}, nil
	case "sha256_password":
		return sha256Password{}, nil
	case "ed25519":
		return ed25519Plugin{}, nil
	case "parsec":
		return parsec{}, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrUnknownPlugin, plugin)
}

// Matches reports whether stored, the bytes as the server keeps them, is a
// verifier of password under plugin: whether the server would let in who gives
// password. An empty verifier is the empty password's, with every plugin. The
// error is ErrUnknownPlugin or ErrMalformed.
//
// A caching_sha2_password verifier takes as many rounds of SHA-256 as it says, at
// half a millisecond of a full core per thousand: usually 5 000 or 10 000, and
// 4 095 000 at most.
func Matches(plugin string, stored, password redact.Secret) (bool, error) {
	s, err := schemeOf(plugin)
	if err != nil {
		return false, err
	}
	if stored.Empty() {
		return password.Empty(), nil
	}
	if limit := s.longest(); limit > 0 && len(password.Reveal()) > limit {
		// Not computed: SHA-256 crypt takes the square of the length.
		return false, nil
	}
	matches, err := s.matches(stored.Reveal(), password.Reveal())
	if err != nil {
		return false, fmt.Errorf("%s: %w", plugin, err)
	}
	return matches, nil
}

// equal compares in constant time.
func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// New makes a verifier of password under plugin, with a salt read from random,
// which is crypto/rand.Reader but in tests. It has printable ASCII characters
// only, and neither quotes nor backslashes, so that it can stand in a string
// literal in every SQL mode. The error is ErrUnknownPlugin, ErrUnusablePassword
// or that of reading random.
func New(plugin string, password redact.Secret, random io.Reader) (redact.Secret, error) {
	s, err := schemeOf(plugin)
	if err != nil {
		return redact.Secret{}, err
	}
	switch limit := s.longest(); {
	case password.Empty():
		// It would let anybody in.
		return redact.Secret{}, fmt.Errorf("%s: %w: it is empty", plugin, ErrUnusablePassword)
	case limit > 0 && len(password.Reveal()) > limit:
		return redact.Secret{}, fmt.Errorf("%s: %w: it has %d bytes and may have %d",
			plugin, ErrUnusablePassword, len(password.Reveal()), limit)
	}
	verifier, err := s.fresh(password.Reveal(), random)
	if err != nil {
		return redact.Secret{}, fmt.Errorf("%s: reading random bytes for the salt: %w", plugin, err)
	}
	return redact.New(verifier), nil
}
