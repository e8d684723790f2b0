package e2e

import (
	"crypto/x509"
	"net"
	"reflect"
	"strconv"
	"testing"
	"time"

	"tandem/internal/failure"
	"tandem/internal/local/link"
	"tandem/internal/rotation"
)

// behindLink has the function reach the server over a link.
func (w *deployment) behindLink() *link.Link {
	w.t.Helper()
	l, err := link.Start(net.JoinHostPort(w.Server.Host, strconv.Itoa(w.Server.Port)))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(l.Close)
	w.elsewhere("127.0.0.1", l.Port())
	return l
}

// What anybody on the network sees: no server asks for another key than the function
// has sent; the logins after setSecret's resume the session of one of these; and a check
// resumes none.
func TestTLSSessionsOfARotation(t *testing.T) {
	servers.EachRelease(t, func(t *testing.T, release string) {
		w := newDeployment(t, servers.MustStart(t, release))
		l := w.behindLink()
		w.mustRotate()
		if f := finding(t, w.check(), "server: TLS"); f.Result != rotation.ResultOK {
			t.Errorf("the check's finding is %+v", f)
		}
		l.Close() // so that all connections are over
		full, resumed := link.Handshake{TLS: true, TLS13: true}, link.Handshake{TLS: true, TLS13: true, Offered: true, Resumed: true}
		got := l.Handshakes()
		// setSecret's two go side by side: one of them may be over when the other begins.
		if len(got) > 2 && (got[0] == resumed) != (got[1] == resumed) {
			got[0], got[1] = full, full
		}
		if want := []link.Handshake{full, full, resumed, resumed, resumed, full, full}; !reflect.DeepEqual(got, want) {
			t.Errorf("the handshakes are %+v, want %+v", got, want)
		}
	})
}

// A server whose certificate is replaced by one that is not to be trusted is refused at
// once, though its sessions were resumed a moment ago, and served again when it has the
// other back.
func TestTLSSessionsEndWithTheCertificate(t *testing.T) {
	servers.EachRelease(t, func(t *testing.T, release string) {
		on := servers.MustStart(t, release)
		const year = 365 * 24 * time.Hour
		trusted, other := newAuthority(t, year), newAuthority(t, year)
		w := newDeployment(t, on, withEnv("SSL_CERT_FILE="+trusted.file))
		l := w.behindLink()
		trusted.serve(w, func(*x509.Certificate) {})
		w.mustRotate()
		end := other.serve(w, func(*x509.Certificate) {})
		if err := w.rotate(); errorType(err) != failure.TLSUnknownAuthority {
			t.Errorf("the error is %v, want the type %s", err, failure.TLSUnknownAuthority)
		}
		if f := finding(t, w.check(), "server: TLS"); f.Type != string(failure.TLSUnknownAuthority) {
			t.Errorf("the check's finding is %+v", f)
		}
		end()
		w.abandon()
		w.mustRotate()
		l.Close()
		seen := l.Handshakes()
		if len(seen) < 7 || !seen[4].Resumed {
			t.Fatalf("before the replacement nothing was resumed: %+v", seen)
		}
		// Of setSecret's two logins the one that fails first has the other offer none.
		if !seen[5].Offered && !seen[6].Offered || seen[5].Resumed || seen[6].Resumed {
			t.Errorf("after it the session was not offered, or was taken: %+v", seen[5:7])
		}
	})
}
