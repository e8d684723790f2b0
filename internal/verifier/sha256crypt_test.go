package verifier

import (
	"strings"
	"testing"

	"tandem/internal/redact"
)

// The servers refuse a password that is too long even where an account has its
// verifier.
func TestTooLongPasswordMatchesNothing(t *testing.T) {
	const salt = "saltsaltsaltsaltsalt"
	for length, want := range map[int]bool{256: true, 257: false} {
		password := strings.Repeat("x", length)
		digest := sha256Crypt(password, salt, 5000)
		for plugin, stored := range map[string]string{
			"caching_sha2_password": "$A$005$" + salt + digest,
			"sha256_password":       "$5$" + salt + "$" + digest,
		} {
			got, err := Matches(plugin, redact.New(stored), redact.New(password))
			if got != want || err != nil {
				t.Errorf("%s, %d bytes: %v, %v", plugin, length, got, err)
			}
		}
	}
}
