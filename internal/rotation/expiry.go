package rotation

import (
	"context"
	"fmt"
	"time"

	"tandem/internal/account"
	"tandem/internal/warning"
)

// expirySoon is how long before its end a certificate is warned of.
const expirySoon = 90 * 24 * time.Hour

// expiryNear is how long before its end a certificate is counted for the alarm, unless a
// fifth of the time that it is valid for is less: whoever renews by itself does so when a
// third is left.
const expiryNear = 30 * 24 * time.Hour

// nearExpiry reports whether the certificate that a warning is about is so near its end.
func nearExpiry(kind string, c *Certificate, now time.Time) bool {
	since, until := c.NotBefore, c.NotAfter
	if kind == warning.RootExpires {
		since, until = c.RootNotBefore, c.RootNotAfter
	}
	return until.Sub(now) < min(expiryNear, until.Sub(since)/5)
}

// noteServer notes the server behind a session, and warns of what will not last.
func (s step) noteServer(ctx context.Context, login Login, facts Facts) {
	at := fmt.Sprintf("%s:%d", login.Host, login.Port)
	s.record.mutex.Lock()
	s.record.server = facts.Server
	known := s.record.met[at]
	if s.record.met == nil {
		s.record.met = map[string]bool{}
	}
	s.record.met[at] = true
	s.record.mutex.Unlock()
	if known {
		return
	}
	for _, w := range expiryWarnings(facts, time.Now()) {
		s.warn(ctx, w.Type, w.Message, "host", login.Host)
	}
}

// expiryWarnings are the warnings of a server whose release, certificate or root is at
// its end, or soon will be.
func expiryWarnings(facts Facts, now time.Time) []account.Warning {
	var found []account.Warning
	if ended, old := facts.Server.SupportEnded(now); old {
		text := fmt.Sprintf("%s %s has no support any more: upgrade the server", facts.Server.Flavor, facts.Server.Text)
		if !ended.IsZero() {
			text = fmt.Sprintf("%s %s has no support any more since %s: upgrade the server", facts.Server.Flavor, facts.Server.Text, ended.Format(time.DateOnly))
		}
		found = append(found, account.Warning{Type: warning.OldServer, Message: text})
	}
	if c := facts.Certificate; c != nil {
		if c.NotAfter.Sub(now) < expirySoon {
			found = append(found, account.Warning{Type: warning.CertificateExpires, Message: fmt.Sprintf("the server's certificate (%s), or one between it and its root, expires on %s: renew it", c.Subject, c.NotAfter.Format(time.DateOnly))})
		}
		if c.RootNotAfter.Sub(now) < expirySoon {
			found = append(found, account.Warning{Type: warning.RootExpires, Message: fmt.Sprintf("the root of the server's certificate (%s) expires on %s: give the server a certificate of the next root", c.Root, c.RootNotAfter.Format(time.DateOnly))})
		}
	}
	return found
}
