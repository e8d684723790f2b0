package rotation

import (
	"context"
	"fmt"
	"strings"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/secret"
	"tandem/internal/statement"
	"tandem/internal/warning"
)

// warnOfPlaintext warns of a login that is about to go on without TLS, once for each
// user and server: one that waits for replication is tried many times.
func (s step) warnOfPlaintext(ctx context.Context, login Login) {
	which := fmt.Sprintf("%s@%s:%d", login.Username, login.Host, login.Port)
	s.record.mutex.Lock()
	known := s.record.plain[which]
	if s.record.plain == nil {
		s.record.plain = map[string]bool{}
	}
	s.record.plain[which] = true
	s.record.mutex.Unlock()
	if known {
		return
	}
	s.warn(ctx, warning.Plaintext, "connection not encrypted", "user", login.Username, "host", login.Host)
}

// warnOfClear warns of a statement about the password that the server is about to log in
// clear.
func (w *underLock) warnOfClear(ctx context.Context, s statement.Statement) {
	if s.HoldsSecret() {
		w.warn(ctx, w.clearWarning())
	}
}

func (w *underLock) clearWarning() []account.Warning {
	return account.ClearWarning(w.clear, w.admin.Facts().LogRaw)
}

// checkPasswordEncrypted refuses to go on where the server would be sent the new
// password itself, and not a verifier, over a connection without TLS that the admin
// secret's document does not ask for. ALLOW_PLAINTEXT speaks for every secret, and
// whoever sits between the function and a server can make it take effect.
func (w *underLock) checkPasswordEncrypted(sendsPassword bool) error {
	if !w.admin.Facts().Plaintext || w.documents.admin.TLS() == secret.TLSDisabled || !sendsPassword {
		return nil
	}
	reason := "MySQL is sent the password itself"
	if len(w.clear) > 0 {
		reason = fmt.Sprintf("the plugin %s has to see the password", strings.Join(w.clear, ", "))
	}
	return failure.Errorf(failure.ClearPasswordNotAllowed, "the new password of %q would cross the network in clear, since admin %s is not logged in by TLS, and %s: nothing was changed; "+
		"turn TLS on at the server, or, if nobody else can be on the network in between, set \"ssl\": false in the admin secret's document, and in the secret's own",
		w.pending.Username(), w.admin.Facts().Account, reason)
}
