package verifier

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// native is mysql_native_password: a double SHA-1 without a salt (MySQL 8.0
// manual, "Native Pluggable Authentication").
type native struct{}

func (native) matches(stored, password string) (bool, error) {
	digits, found := strings.CutPrefix(stored, "*")
	// In any letter case: MariaDB keeps a verifier as it was typed.
	sum, err := hex.DecodeString(digits)
	if !found || err != nil || len(sum) != sha1.Size {
		return false, ErrMalformed
	}
	again := nativeSum(password)
	return equal(sum, again[:]), nil
}

func (native) fresh(password string, _ io.Reader) (string, error) {
	return fmt.Sprintf("*%X", nativeSum(password)), nil
}

func (native) longest() int { return 0 }

func nativeSum(password string) [sha1.Size]byte {
	inner := sha1.Sum([]byte(password))
	return sha1.Sum(inner[:])
}
