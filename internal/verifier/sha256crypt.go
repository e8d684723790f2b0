package verifier

import (
	"crypto/sha256"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Both plugins below store U. Drepper's SHA-256 crypt ("Unix crypt using SHA-256
// and SHA-512"), with a salt longer than that specification's 16 bytes, and of
// other bytes than its alphabet: the server draws from all of ASCII but NUL and $.
const (
	saltSize   = 20
	digestSize = 43
	// Longer passwords are refused by both plugins at the login (MySQL 8.4
	// manual, "Caching SHA-2 Pluggable Authentication").
	longestSHA256Password = 256
)

// alphabet is the crypt alphabet, in the order of the values 0 to 63.
const alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// cachingSHA2 is caching_sha2_password. The number after $A$ counts thousands of
// rounds, in hex: caching_sha2_password_digest_rounds of the day when the
// password was set.
type cachingSHA2 struct{}

// freshThousands is what New writes: the default of MySQL 8, and the only value
// that the servers before 8.0.24 know.
const freshThousands = 5

func (cachingSHA2) matches(stored, password string) (bool, error) {
	const prefix = "$A$005$"
	if len(stored) != len(prefix)+saltSize+digestSize || stored[:3] != "$A$" || stored[6] != '$' {
		return false, ErrMalformed
	}
	thousands, err := strconv.ParseUint(stored[3:6], 16, 16)
	if err != nil || thousands == 0 {
		return false, ErrMalformed
	}
	salt := stored[len(prefix) : len(prefix)+saltSize]
	digest := sha256Crypt(password, salt, 1000*int(thousands))
	return equal([]byte(digest), []byte(stored[len(prefix)+saltSize:])), nil
}

func (cachingSHA2) fresh(password string, random io.Reader) (string, error) {
	salt, err := cryptSalt(random)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$A$%03X$%s%s", freshThousands, salt, sha256Crypt(password, salt, 1000*freshThousands)), nil
}

func (cachingSHA2) longest() int { return longestSHA256Password }

// sha256Password is sha256_password, which has 5000 rounds, always.
type sha256Password struct{}

const sha256PasswordRounds = 5000

func (sha256Password) matches(stored, password string) (bool, error) {
	// The server takes the salt from a fixed place, so a crypt string with a
	// shorter one, or with "rounds=", lets nobody in.
	const prefix = "$5$"
	end := len(prefix) + saltSize
	if len(stored) != end+len("$")+digestSize || !strings.HasPrefix(stored, prefix) || stored[end] != '$' {
		return false, ErrMalformed
	}
	digest := sha256Crypt(password, stored[len(prefix):end], sha256PasswordRounds)
	return equal([]byte(digest), []byte(stored[end+len("$"):])), nil
}

func (sha256Password) fresh(password string, random io.Reader) (string, error) {
	salt, err := cryptSalt(random)
	if err != nil {
		return "", err
	}
	return "$5$" + salt + "$" + sha256Crypt(password, salt, sha256PasswordRounds), nil
}

func (sha256Password) longest() int { return longestSHA256Password }

// cryptSalt draws a salt of the crypt alphabet's characters: 120 random bits.
func cryptSalt(random io.Reader) (string, error) {
	var salt [saltSize]byte
	if _, err := io.ReadFull(random, salt[:]); err != nil {
		return "", err
	}
	for i, b := range salt {
		salt[i] = alphabet[b%64]
	}
	return string(salt[:]), nil
}

// sha256Crypt returns the specification's digest in its own spelling, 43
// characters. The step numbers are the specification's.
func sha256Crypt(password, salt string, rounds int) string {
	// One buffer for every message that is hashed from here on: it grows to the
	// longest of them, and a round allocates nothing.
	var message []byte

	// Steps 4 to 8.
	message = append(message, password...)
	message = append(message, salt...)
	message = append(message, password...)
	b := sha256.Sum256(message)

	// Steps 1 to 3 and 9 to 12.
	message = append(message[:0], password...)
	message = append(message, salt...)
	message = appendFilled(message, b, len(password))
	for n := len(password); n > 0; n >>= 1 {
		if n&1 != 0 {
			message = append(message, b[:]...)
		} else {
			message = append(message, password...)
		}
	}
	c := sha256.Sum256(message)

	// Steps 13 to 16.
	message = message[:0]
	for range len(password) {
		message = append(message, password...)
	}
	p := appendFilled(nil, sha256.Sum256(message), len(password))

	// Steps 17 to 20.
	message = message[:0]
	for range 16 + int(c[0]) {
		message = append(message, salt...)
	}
	s := appendFilled(nil, sha256.Sum256(message), len(salt))

	// Step 21. One hash for all rounds is faster than one for each.
	hash := sha256.New()
	for i := range rounds {
		message = message[:0]
		if i%2 != 0 {
			message = append(message, p...)
		} else {
			message = append(message, c[:]...)
		}
		if i%3 != 0 {
			message = append(message, s...)
		}
		if i%7 != 0 {
			message = append(message, p...)
		}
		if i%2 != 0 {
			message = append(message, c[:]...)
		} else {
			message = append(message, p...)
		}
		hash.Reset()
		hash.Write(message)
		hash.Sum(c[:0])
	}

	// Step 22: three bytes make four characters, least significant first, in an
	// order of bytes in which each next group is the last one rotated.
	digest := make([]byte, 0, digestSize)
	spell := func(high, middle, low byte, characters int) {
		for bits := uint(high)<<16 | uint(middle)<<8 | uint(low); characters > 0; characters-- {
			digest = append(digest, alphabet[bits&63])
			bits >>= 6
		}
	}
	for i, j, k := 0, 10, 20; i < 30; {
		spell(c[i], c[j], c[k], 4)
		if i, j, k = k+1, i+1, j+1; i == 30 {
			break
		}
	}
	spell(0, c[31], c[30], 3)
	return string(digest)
}

// appendFilled appends size bytes, digest over and over.
func appendFilled(to []byte, digest [sha256.Size]byte, size int) []byte {
	for range size / sha256.Size {
		to = append(to, digest[:]...)
	}
	return append(to, digest[:size%sha256.Size]...)
}
