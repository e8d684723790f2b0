package verifier

import (
	"crypto/ed25519"
	"crypto/pbkdf2"
	"crypto/sha512"
	"fmt"
	"io"
	"strings"
)

// parsec is MariaDB's parsec: the public key of the ed25519 key pair whose seed
// is PBKDF2-HMAC-SHA-512 of the password (MariaDB documentation, "Authentication
// Plugin - PARSEC").
type parsec struct{}

const (
	parsecSaltSize = 18
	// The digit d after the P stands for 1024 << d iterations. MariaDB 11.8 takes
	// 0 to 3 and writes 0.
	parsecFewestIterations = 1024
	parsecFreshDigit       = '0'
	parsecHighestDigit     = '9'
)

func (parsec) matches(stored, password string) (bool, error) {
	fields := strings.Split(stored, ":")
	if len(fields) != 3 || len(fields[0]) != 2 || fields[0][0] != 'P' {
		return false, ErrMalformed
	}
	digit := fields[0][1]
	salt, err := unpadded.DecodeString(fields[1])
	if err != nil || len(salt) != parsecSaltSize || digit < '0' || digit > parsecHighestDigit {
		return false, ErrMalformed
	}
	key, err := decodeKey(fields[2])
	if err != nil {
		return false, err
	}
	return equal(key, parsecKey(digit, salt, password)), nil
}

func (parsec) fresh(password string, random io.Reader) (string, error) {
	salt := make([]byte, parsecSaltSize)
	if _, err := io.ReadFull(random, salt); err != nil {
		return "", err
	}
	key := parsecKey(parsecFreshDigit, salt, password)
	return fmt.Sprintf("P%c:%s:%s", parsecFreshDigit, unpadded.EncodeToString(salt), unpadded.EncodeToString(key)), nil
}

func (parsec) longest() int { return 0 }

func parsecKey(digit byte, salt []byte, password string) ed25519.PublicKey {
	seed, err := pbkdf2.Key(sha512.New, password, salt, parsecFewestIterations<<(digit-'0'), ed25519.SeedSize)
	if err != nil {
		panic(err) // only for a salt or a key shorter than these constants
	}
	return ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
}
