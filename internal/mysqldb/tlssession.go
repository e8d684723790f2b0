package mysqldb

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"tandem/internal/conntrace"
	"tandem/internal/failure"
	"tandem/internal/rotation"
	"tandem/internal/secret"
)

const (
	// tlsSessionAge is how long after a server has shown its certificate a session that
	// was agreed on then, or resumed since, is offered to it: the steps of a rotation
	// follow each other within less.
	tlsSessionAge = time.Minute
	// mostTLSSessions are kept. One invocation needs one, or two where its host is a reader.
	mostTLSSessions = 16
)

// tlsSessions are the TLS sessions that a process may resume. A login that resumes one
// saves the server a signature and both sides the certificate, which the server does not
// show again. The zero value is ready; it is safe for concurrent use.
//
// A session stands for what was verified when it began. So it is offered only where that
// is what would be verified now, see tlsSessionKey, and not for long. Before it offers
// one, crypto/tls verifies again that no certificate of the chain has expired, that the
// root is among the authorities, and that the certificate is for the host's name. It is
// the server's and no user's: whoever resumes it has still to log in.
type tlsSessions struct {
	mutex sync.Mutex
	kept  map[tlsSessionKey]tlsSession
}

// tlsSessionKey is all that decides whether a server is verified, and what it is.
type tlsSessionKey struct {
	host  string
	port  int
	mode  secret.TLSMode
	roots *x509.CertPool
}

// tlsSession is a session that may be resumed. Without a state it says that a handshake
// with one has failed: until it is too old, none is offered and none is kept.
type tlsSession struct {
	state *tls.ClientSessionState
	// shown is when the server has shown its certificate, or when the handshake failed.
	shown time.Time
}

// tooOld goes by the wall clock: the other one stands still while Lambda has the process
// frozen.
func (s tlsSession) tooOld(now time.Time) bool {
	age := now.Round(0).Sub(s.shown.Round(0))
	return age < 0 || age >= tlsSessionAge
}

func (s *tlsSessions) find(key tlsSessionKey) (tlsSession, bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	found, ok := s.kept[key]
	if ok && found.tooOld(time.Now()) {
		delete(s.kept, key)
		return tlsSession{}, false
	}
	return found, ok
}

// keep keeps a session, unless there is one whose certificate was shown later.
func (s *tlsSessions) keep(key tlsSessionKey, session tlsSession) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	now := time.Now()
	for other, old := range s.kept {
		if old.tooOld(now) {
			delete(s.kept, other)
		}
	}
	old, ok := s.kept[key]
	if ok && (old.shown.After(session.shown) || old.state == nil) {
		return
	}
	if !ok && len(s.kept) >= mostTLSSessions {
		s.dropOldest()
	}
	if s.kept == nil {
		s.kept = map[tlsSessionKey]tlsSession{}
	}
	s.kept[key] = session
}

func (s *tlsSessions) dropOldest() {
	var oldest tlsSessionKey
	var shown time.Time
	for key, session := range s.kept {
		if shown.IsZero() || session.shown.Before(shown) {
			oldest, shown = key, session.shown
		}
	}
	delete(s.kept, oldest)
}

func (s *tlsSessions) drop(key tlsSessionKey) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.kept[key].state != nil {
		delete(s.kept, key)
	}
}

// tlsLogin is the TLS of one login. It implements tls.ClientSessionCache, to which
// crypto/tls gives a server's name only.
type tlsLogin struct {
	sessions    *tlsSessions
	key         tlsSessionKey
	trip        *conntrace.Trace
	offered     bool
	resumed     bool
	shown       time.Time
	certificate *rotation.Certificate // nil until the server is verified
}

var _ tls.ClientSessionCache = (*tlsLogin)(nil)

// secure has a login use TLS.
func (d *Database) secure(config *mysql.Config, login rotation.Login, roots *x509.CertPool, trip *conntrace.Trace) *tlsLogin {
	t := &tlsLogin{sessions: &d.tlsSessions, key: tlsSessionKey{login.Host, login.Port, login.TLS, roots}, trip: trip}
	config.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: login.Host, VerifyConnection: t.verified}
	if !login.FullHandshake {
		config.TLS.ClientSessionCache = t
	}
	return t
}

// Get implements tls.ClientSessionCache.
func (t *tlsLogin) Get(string) (*tls.ClientSessionState, bool) {
	session, ok := t.sessions.find(t.key)
	if !ok || session.state == nil {
		return nil, false
	}
	t.offered, t.shown = true, session.shown
	return session.state, true
}

// Put implements tls.ClientSessionCache. nil stands for a session that is not to be
// offered again.
func (t *tlsLogin) Put(_ string, state *tls.ClientSessionState) {
	if state == nil {
		t.sessions.drop(t.key)
		return
	}
	t.sessions.keep(t.key, tlsSession{state, t.shown})
}

// verified is called when the server is verified, by its certificate or by a session. In
// TLS 1.3 the server's Finished message is looked at only then.
func (t *tlsLogin) verified(state tls.ConnectionState) error {
	if t.resumed = state.DidResume; !t.resumed {
		t.shown = time.Now()
	}
	if t.certificate = certificate(state); t.certificate != nil {
		t.trip.Pass(conntrace.TLS, t.certificate.String())
	}
	return nil
}

// server returns what the server was verified by; nil without TLS.
func (t *tlsLogin) server() *rotation.Certificate {
	if t == nil {
		return nil
	}
	return t.certificate
}

// errNotResumed says that a login with a session has failed, and that the next one will
// be without.
var errNotResumed = failure.New(failure.ConnectionLost, "the connection was lost when a TLS session was to be resumed")

// notResumed reports whether a login has failed that might not have without the session
// that it offered: a server that does not know a session makes a full handshake of it,
// but what stands in between may break off, at once or when it sees no certificate. What a
// server's certificate was refused for, what a server answers inside TLS, and a server
// that was waited for in vain, are no such case. explained is the login's error.
func (t *tlsLogin) notResumed(ctx context.Context, explained error) bool {
	var refused *tls.CertificateVerificationError
	if t == nil || !t.offered || errors.As(explained, &refused) {
		return false
	}
	if t.certificate != nil && (!t.resumed || !unanswered(explained)) {
		return false
	}
	t.sessions.drop(t.key)
	t.sessions.keep(t.key, tlsSession{shown: time.Now()})
	return ctx.Err() == nil
}

// unanswered reports whether a login inside TLS failed with no answer of the server's. The
// driver does not tell whether the connection was lost at the first answer or a later one.
func unanswered(explained error) bool {
	kind := failure.Of(explained)
	return kind == failure.ConnectionLost || kind == failure.TLSVerificationFailed
}
