package verifier

import (
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/base64"
	"io"

	"filippo.io/edwards25519"
)

// ed25519Plugin is MariaDB's ed25519: the public key of a signing key pair. It is
// not crypto/ed25519's, which hashes a 32-byte seed: the plugin hashes the
// password, of any length, in the seed's place (MariaDB documentation,
// "Authentication Plugin - ed25519").
type ed25519Plugin struct{}

func (ed25519Plugin) matches(stored, password string) (bool, error) {
	key, err := decodeKey(stored)
	if err != nil {
		return false, err
	}
	return equal(key, publicKey(password)), nil
}

func (ed25519Plugin) fresh(password string, _ io.Reader) (string, error) {
	return unpadded.EncodeToString(publicKey(password)), nil
}

func (ed25519Plugin) longest() int { return 0 }

func publicKey(password string) []byte {
	hash := sha512.Sum512([]byte(password))
	scalar, err := new(edwards25519.Scalar).SetBytesWithClamping(hash[:32])
	if err != nil {
		panic(err) // only of another length than 32
	}
	return new(edwards25519.Point).ScalarBaseMult(scalar).Bytes()
}

// unpadded is the base64 of MariaDB's verifiers. Like MariaDB it does not look at
// the last character's spare bits, so keys are compared decoded.
var unpadded = base64.RawStdEncoding

// decodeKey reads a public key, which takes 43 characters.
func decodeKey(text string) ([]byte, error) {
	key, err := unpadded.DecodeString(text)
	if err != nil || len(key) != ed25519.PublicKeySize || len(text) != unpadded.EncodedLen(len(key)) {
		return nil, ErrMalformed
	}
	return key, nil
}
