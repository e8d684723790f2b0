package rotation

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"tandem/internal/redact"
)

// throwaway makes the verifier that a new account, locked, has until its password
// is set.
func (w *setSecretRun) throwaway(plugin string) (redact.Secret, error) {
	if len(w.clear) > 0 {
		return w.validThrowaway(), nil
	}
	return w.verifierOf(plugin, w.throwawayPassword())
}

// throwawayPassword is not the pending one and cannot be had without it, yet is
// the same in every try of this rotation: by it a later try knows the account
// that an earlier one had made when it died.
func (w *setSecretRun) throwawayPassword() redact.Secret {
	return redact.New(hex.EncodeToString(w.throwawaySum("")) + "-Zz0")
}

// validThrowaway is one for the validation plugins that see it. It is longer than
// the pending password and has at least as many characters of each kind, so that a
// plugin which refuses it refuses the pending one as well: then settings for
// passwords that suit the one suit the other.
//
// Source: MariaDB, "Simple Password Check Plugin", whose rules are a length and a
// number of digits, of letters of each case, and of other characters.
func (w *setSecretRun) validThrowaway() redact.Secret {
	like := []byte(w.pending.Password().Reveal())
	var stream []byte
	for i, c := range like {
		if i%sha256.Size == 0 {
			stream = w.throwawaySum(string(rune(i + 1)))
		}
		for _, kind := range []string{"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"} {
			if strings.IndexByte(kind, c) >= 0 {
				like[i] = kind[int(stream[i%sha256.Size])%len(kind)]
			}
		}
	}
	return redact.New(string(like) + w.throwawayPassword().Reveal())
}

func (w *setSecretRun) throwawaySum(part string) []byte {
	sum := sha256.Sum256([]byte("tandem throwaway" + part + "\x00" + w.event.Token + "\x00" + w.pending.Password().Reveal()))
	return sum[:]
}

// isThrowaway reports whether a factor has the password of an account that a try of
// this rotation has made, and not got ready.
func (w *setSecretRun) isThrowaway(plugin string, verifier redact.Secret) bool {
	for _, password := range []redact.Secret{w.throwawayPassword(), w.validThrowaway()} {
		if fits, err := w.matches(plugin, verifier, password); err == nil && fits {
			return true
		}
	}
	return false
}
