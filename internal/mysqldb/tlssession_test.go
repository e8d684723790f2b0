package mysqldb

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/rotation"
	"tandem/internal/secret"
)

const (
	mysqlVersion   = "9.7.0"
	mariadbVersion = "11.8.3-MariaDB"
)

// testAuthority signs certificates of tests' servers.
type testAuthority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newTestAuthority(t *testing.T) *testAuthority {
	t.Helper()
	a := new(testAuthority)
	template := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().Add(time.Hour)}
	a.certificate, a.key = a.sign(t, template)
	return a
}

// sign makes a certificate of the template; the authority's own, while it has none.
func (a *testAuthority) sign(t *testing.T, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.NotBefore = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour)
	template.Subject = pkix.Name{CommonName: "a test's"}
	parent, signer := template, key
	if a.certificate != nil {
		parent, signer = a.certificate, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

// serving makes a server's certificate.
func (a *testAuthority) serving(t *testing.T, lasts time.Duration, names ...string) tls.Certificate {
	t.Helper()
	certificate, key := a.sign(t, &x509.Certificate{NotAfter: time.Now().Add(lasts), DNSNames: names, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}
}

func (a *testAuthority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// tlsHandshake is what a server has seen of one.
type tlsHandshake struct {
	offered bool // a session
	resumed bool
	retried bool // by a HelloRetryRequest
	curves  []tls.CurveID
}

// breakPoint is a point of a login.
type breakPoint int

const (
	never              breakPoint = iota
	atOffer                       // as soon as a session is offered
	beforeFinished                // the client has verified the server, and not its Finished message
	spoiltFinished                // the same, and the message is another
	afterHandshake                // before the login is read
	afterLogin                    // the login was read, and is not answered
	withError                     // the login is answered by an error
	afterPluginRequest            // the login is answered by a request for an unknown plugin
)

// breakingConn lets a server's first flight pass as far as a break point.
type breakingConn struct {
	net.Conn
	h      *tlsHandshake
	breaks breakPoint
}

// Write implements net.Conn. The first encrypted record in an answer to a session holds
// EncryptedExtensions, the second one Finished (RFC 8446, 2.2 "Resumption and Pre-Shared
// Key").
func (b *breakingConn) Write(data []byte) (int, error) {
	if !b.h.offered || b.breaks != beforeFinished && b.breaks != spoiltFinished {
		return b.Conn.Write(data)
	}
	const header, encrypted = 5, 23
	for at, seen := 0, 0; at+header <= len(data); at += header + int(data[at+3])<<8 + int(data[at+4]) {
		if data[at] != encrypted {
			continue
		}
		if seen++; seen < 2 {
			continue
		}
		if b.breaks == spoiltFinished {
			data = slices.Clone(data)
			data[at+header] ^= 1
			return b.Conn.Write(data)
		}
		_, _ = b.Conn.Write(data[:at])
		return 0, errors.Join(errors.New("broken off"), b.Conn.Close())
	}
	return b.Conn.Write(data)
}

// tlsServer is a MySQL or a MariaDB as far as the end of a login.
type tlsServer struct {
	t       *testing.T
	version string
	config  *tls.Config
	// breaks is where it, or what stands in front of it, breaks off a login that offers a
	// session.
	breaks breakPoint

	mutex sync.Mutex
	seen  []*tlsHandshake // in the order in which the logins began
}

// database is a client's whose every connection ends here.
func (s *tlsServer) database(roots func(string) (*x509.CertPool, error)) *Database {
	return &Database{Roots: roots, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		h := new(tlsHandshake)
		s.mutex.Lock()
		s.seen = append(s.seen, h)
		s.mutex.Unlock()
		go s.serve(&bufferedConn{Conn: ours}, h)
		return &bufferedConn{Conn: theirs}, nil
	}}
}

// bufferedConn takes what is written without waiting for the other side to read, as the
// network does.
type bufferedConn struct {
	net.Conn
	out    chan []byte
	begins sync.Once
}

func (b *bufferedConn) begin() {
	b.begins.Do(func() {
		b.out = make(chan []byte, 64)
		go func() {
			for data := range b.out {
				_, _ = b.Conn.Write(data)
			}
			_ = b.Conn.Close()
		}()
	})
}

func (b *bufferedConn) Write(data []byte) (int, error) {
	b.begin()
	b.out <- slices.Clone(data)
	return len(data), nil
}

func (b *bufferedConn) Close() error {
	_ = b.Conn.SetReadDeadline(time.Unix(0, 1))
	b.begin()
	defer func() { _ = recover() }() // it was closed before
	close(b.out)
	return nil
}

// serve brings one login to its end.
func (s *tlsServer) serve(conn net.Conn, h *tlsHandshake) {
	defer conn.Close()
	if _, err := conn.Write(packet(0, tlsGreeting(s.version))); err != nil {
		return
	}
	if _, err := readMessage(conn); err != nil {
		return
	}
	config := s.config.Clone()
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		const preSharedKey = 41 // the extension by which TLS 1.3 offers a session
		h.curves = hello.SupportedCurves
		h.offered = slices.Contains(hello.Extensions, preSharedKey)
		if h.offered && s.breaks == atOffer {
			return nil, errors.New("broken off")
		}
		return nil, nil
	}
	secured := tls.Server(&breakingConn{conn, h, s.breaks}, config)
	if err := secured.Handshake(); err != nil {
		return
	}
	state := secured.ConnectionState()
	h.resumed, h.retried = state.DidResume, state.HelloRetryRequest
	breaks := never
	if h.offered {
		breaks = s.breaks
	}
	if breaks == afterHandshake {
		return
	}
	login, err := readMessage(secured)
	if err != nil || breaks == afterLogin {
		return
	}
	answer := okMessage
	switch breaks {
	case withError:
		answer = "\xff\x15\x04#28000Access denied" // 1045
	case afterPluginRequest:
		answer = "\xfeno_such_plugin\x00challenge\x00"
	}
	_, _ = secured.Write(packet(login[3]+1, []byte(answer)))
	_, _ = io.Copy(io.Discard, secured)
}

// tlsGreeting is the greeting of a server that has TLS: CLIENT_SSL is 0x0800.
func tlsGreeting(version string) []byte {
	can := slices.Clone(capabilities)
	can[1] |= 0x08
	if version == mariadbVersion {
		can[0] &^= 1
	}
	greeting := append([]byte{10}, version+"\x00"...)
	greeting = append(greeting, 1, 0, 0, 0)
	greeting = append(append(greeting, challenge[:8]...), 0)
	greeting = append(greeting, can...)
	greeting = append(greeting, make([]byte, 10)...)
	greeting = append(append(greeting, challenge[8:]...), 0)
	return append(greeting, "mysql_native_password\x00"...)
}

// logIn logs in, and returns what the server's certificate was verified by. It has been
// seen by the server when it returns.
func logIn(t *testing.T, d *Database, change ...func(*rotation.Login)) (*rotation.Certificate, error) {
	t.Helper()
	login := rotation.Login{Host: "db.example", Port: 3306, Username: "app", Password: redact.New("password"), TLS: secret.TLSRequired, Admin: true}
	for _, c := range change {
		c(&login)
	}
	session, err := d.Connect(t.Context(), login)
	if err != nil {
		synctest.Wait()
		return nil, err
	}
	shown := session.(*Session).certificate
	if err := session.Close(); err != nil {
		t.Error(err)
	}
	synctest.Wait()
	return shown, nil
}

func mustLogIn(t *testing.T, d *Database, change ...func(*rotation.Login)) *rotation.Certificate {
	t.Helper()
	shown, err := logIn(t, d, change...)
	if err != nil {
		t.Fatal(err)
	}
	return shown
}

// mustSee compares the handshakes, but for their curves, with those that the server has
// seen since it was last asked.
func (s *tlsServer) mustSee(want ...tlsHandshake) {
	s.t.Helper()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	got := make([]tlsHandshake, len(s.seen))
	for i, h := range s.seen {
		got[i] = *h
	}
	s.seen = nil
	for i := range got {
		got[i].curves = nil
		if s.config.MaxVersion == tls.VersionTLS12 {
			got[i].offered = got[i].resumed // the extension is there anyway
		}
	}
	if !reflect.DeepEqual(got, want) {
		s.t.Errorf("the server has seen %+v, want %+v", got, want)
	}
}

var (
	full    = tlsHandshake{}
	resumed = tlsHandshake{offered: true, resumed: true}
)

func newTLSServer(t *testing.T, config *tls.Config) *tlsServer {
	s := &tlsServer{t: t, version: mysqlVersion}
	s.restart(config)
	return s
}

// restart has the server serve with other certificates, and with a new key of its
// sessions, as it does when it is started or loads certificates anew.
func (s *tlsServer) restart(config *tls.Config) {
	var key [32]byte
	_, _ = rand.Read(key[:])
	config.SetSessionTicketKeys([][32]byte{key})
	s.config = config
}

func one(pool *x509.CertPool) func(string) (*x509.CertPool, error) {
	return func(string) (*x509.CertPool, error) { return pool, nil }
}

// A second login resumes the first one's session and knows the same of the certificate,
// and a login that wants to see the certificate does not resume.
func TestTLSSessionIsResumed(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				authority := newTestAuthority(t)
				s := newTLSServer(t, &tls.Config{MaxVersion: version, Certificates: []tls.Certificate{authority.serving(t, time.Hour, "db.example")}})
				d := s.database(one(authority.pool()))
				first := mustLogIn(t, d)
				second := mustLogIn(t, d)
				s.mustSee(full, resumed)
				if first == nil || !reflect.DeepEqual(first, second) {
					t.Errorf("certificates: %v at first, %v then", first, second)
				}
				checked := mustLogIn(t, d, func(l *rotation.Login) { l.FullHandshake = true })
				s.mustSee(full)
				if !reflect.DeepEqual(first, checked) {
					t.Errorf("certificates: %v at first, %v in a check", first, checked)
				}
			})
		})
	}
}

// A session is offered nowhere but where it comes from, by a document that asks for the
// same, verified against the same authorities.
func TestTLSSessionIsNotCrossed(t *testing.T) {
	for name, change := range map[string]func(*rotation.Login){
		"another host":     func(l *rotation.Login) { l.Host = "other.example" },
		"another port":     func(l *rotation.Login) { l.Port = 3307 },
		"another TLS mode": func(l *rotation.Login) { l.TLS = secret.TLSDefault },
		"other roots":      func(l *rotation.Login) { l.Host = "db.example." },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				authority := newTestAuthority(t)
				s := newTLSServer(t, &tls.Config{Certificates: []tls.Certificate{authority.serving(t, time.Hour, "db.example", "other.example")}})
				d := s.database(one(authority.pool()))
				mustLogIn(t, d)
				if name == "other roots" {
					d.Roots, change = one(authority.pool()), func(*rotation.Login) {}
				}
				mustLogIn(t, d, change)
				s.mustSee(full, full)
				mustLogIn(t, d, change)
				s.mustSee(resumed)
			})
		})
	}
}

// A certificate that was replaced by one that is not to be trusted is refused, by the
// login that sees it first, once.
func TestTLSSessionOfReplacedCertificate(t *testing.T) {
	for _, test := range []struct {
		name    string
		replace func(t *testing.T, known *testAuthority) tls.Certificate
		want    failure.Type
	}{
		{"of another authority", func(t *testing.T, _ *testAuthority) tls.Certificate {
			return newTestAuthority(t).serving(t, time.Hour, "db.example")
		}, failure.TLSUnknownAuthority},
		{"for another name", func(t *testing.T, known *testAuthority) tls.Certificate {
			return known.serving(t, time.Hour, "other.example")
		}, failure.TLSNameMismatch},
		{"of another authority, for another name", func(t *testing.T, _ *testAuthority) tls.Certificate {
			return newTestAuthority(t).serving(t, time.Hour, "other.example") // as of RDS, by a name of one's own
		}, failure.TLSNameMismatch},
		{"expired", func(t *testing.T, known *testAuthority) tls.Certificate {
			return known.serving(t, -time.Minute, "db.example")
		}, failure.TLSCertificateExpired},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				authority := newTestAuthority(t)
				s := newTLSServer(t, &tls.Config{Certificates: []tls.Certificate{authority.serving(t, time.Hour, "db.example")}})
				d := s.database(one(authority.pool()))
				mustLogIn(t, d)
				s.restart(&tls.Config{Certificates: []tls.Certificate{test.replace(t, authority)}})
				_, err := logIn(t, d)
				if failure.Of(err) != test.want {
					t.Errorf("the error is %v, want the type %s", err, test.want)
				}
				s.mustSee(full, tlsHandshake{offered: true})
			})
		})
	}
}

// Even a server that goes on taking its old sessions has to show a new certificate after
// a minute, however often a session was resumed by then, and a session ends with the
// certificates and the authorities that it was verified by.
func TestTLSSessionEnds(t *testing.T) {
	serving := func(t *testing.T, authority *testAuthority, lasts time.Duration) (*tlsServer, *tls.Certificate) {
		certificate := authority.serving(t, lasts, "db.example")
		return newTLSServer(t, &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil }}), &certificate
	}
	t.Run("after a minute", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			authority := newTestAuthority(t)
			s, certificate := serving(t, authority, time.Hour)
			d := s.database(one(authority.pool()))
			mustLogIn(t, d)
			*certificate = newTestAuthority(t).serving(t, time.Hour, "db.example")
			for range 5 {
				time.Sleep(tlsSessionAge/5 - time.Millisecond)
				mustLogIn(t, d)
			}
			s.mustSee(full, resumed, resumed, resumed, resumed, resumed)
			time.Sleep(5 * time.Millisecond)
			if _, err := logIn(t, d); failure.Of(err) != failure.TLSUnknownAuthority {
				t.Errorf("the error is %v, want the type %s", err, failure.TLSUnknownAuthority)
			}
			s.mustSee(full)
		})
	})
	t.Run("with the certificate", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			authority := newTestAuthority(t)
			s, _ := serving(t, authority, tlsSessionAge/2)
			d := s.database(one(authority.pool()))
			mustLogIn(t, d)
			time.Sleep(tlsSessionAge/2 + 2*time.Second)
			if _, err := logIn(t, d); failure.Of(err) != failure.TLSCertificateExpired {
				t.Errorf("the error is %v, want the type %s", err, failure.TLSCertificateExpired)
			}
			s.mustSee(full, full)
		})
	})
	t.Run("when the clock was put back", func(t *testing.T) {
		s := tlsSession{shown: time.Now().Round(0)}
		if !s.tooOld(s.shown.Add(-time.Second)) || s.tooOld(s.shown) {
			t.Error("a session from the future is one")
		}
	})
}

// What breaks off a handshake because of a session costs one login one more connection,
// wherever it does before the server's first answer inside TLS.
func TestTLSSessionBreaksHandshake(t *testing.T) {
	for name, test := range map[string]struct {
		at   breakPoint
		seen tlsHandshake
	}{
		"at the offer":                 {atOffer, tlsHandshake{offered: true}},
		"before the server's Finished": {beforeFinished, tlsHandshake{offered: true}},
		"at another Finished":          {spoiltFinished, tlsHandshake{offered: true}},
		"after the handshake":          {afterHandshake, resumed},
		"after the login was sent":     {afterLogin, resumed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				authority := newTestAuthority(t)
				s := newTLSServer(t, &tls.Config{Certificates: []tls.Certificate{authority.serving(t, time.Hour, "db.example")}})
				d := s.database(one(authority.pool()))
				mustLogIn(t, d)
				s.breaks = test.at
				mustLogIn(t, d)
				mustLogIn(t, d)
				s.mustSee(full, test.seen, full, full)
				s.breaks = never
				time.Sleep(tlsSessionAge)
				mustLogIn(t, d)
				mustLogIn(t, d)
				s.mustSee(full, resumed)
			})
		})
	}
}

// What a server answers inside TLS is no fault of the session: it is not tried again, and
// the session is offered further on.
func TestTLSSessionIsNotToBlame(t *testing.T) {
	for name, at := range map[string]breakPoint{"an error": withError, "a request for an unknown plugin": afterPluginRequest} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				authority := newTestAuthority(t)
				s := newTLSServer(t, &tls.Config{Certificates: []tls.Certificate{authority.serving(t, time.Hour, "db.example")}})
				d := s.database(one(authority.pool()))
				mustLogIn(t, d)
				s.breaks = at
				if _, err := logIn(t, d); err == nil || failure.Of(err) == failure.ConnectionLost {
					t.Errorf("the error is %v", err)
				}
				s.breaks = never
				mustLogIn(t, d)
				s.mustSee(full, resumed, resumed)
			})
		})
	}
}

// Nor is a connection at fault that is lost after a server has made a full handshake of
// the offer.
func TestTLSSessionIsNotToBlameForFullHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		authority := newTestAuthority(t)
		certificate := authority.serving(t, time.Hour, "db.example")
		s := newTLSServer(t, &tls.Config{Certificates: []tls.Certificate{certificate}})
		d := s.database(one(authority.pool()))
		mustLogIn(t, d)
		s.restart(&tls.Config{Certificates: []tls.Certificate{certificate}})
		s.breaks = afterLogin
		if _, err := logIn(t, d); failure.Of(err) != failure.ConnectionLost {
			t.Errorf("the error is %v", err)
		}
		s.mustSee(full, tlsHandshake{offered: true})
	})
}

// A login is tried once more, whatever the other logins of the process have done to the
// sessions in the meantime.
func TestTLSSessionBreaksOneHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		authority := newTestAuthority(t)
		s := newTLSServer(t, &tls.Config{Certificates: []tls.Certificate{authority.serving(t, time.Hour, "db.example")}})
		d := s.database(one(authority.pool()))
		mustLogIn(t, d)
		s.breaks = atOffer
		kept, dial, dials := maps.Clone(d.tlsSessions.kept), d.Dial, 0
		d.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if dials++; dials > 4 {
				return nil, errors.New("dialled too often")
			}
			d.tlsSessions.mutex.Lock()
			defer d.tlsSessions.mutex.Unlock()
			d.tlsSessions.kept = maps.Clone(kept)
			return dial(ctx, network, address)
		}
		mustLogIn(t, d)
		s.mustSee(full, tlsHandshake{offered: true}, full)
	})
}

// However many servers a process meets, few sessions are kept: the latest.
func TestTLSSessionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		authority := newTestAuthority(t)
		var names []string
		for i := range 3 * mostTLSSessions {
			names = append(names, fmt.Sprintf("db%d.example", i))
		}
		s := newTLSServer(t, &tls.Config{Certificates: []tls.Certificate{authority.serving(t, time.Hour, names...)}})
		d := s.database(one(authority.pool()))
		for _, name := range names {
			mustLogIn(t, d, func(l *rotation.Login) { l.Host = name })
			time.Sleep(time.Millisecond)
		}
		if n := len(d.tlsSessions.kept); n != mostTLSSessions {
			t.Errorf("%d sessions are kept, want %d", n, mostTLSSessions)
		}
		s.seen = nil
		for _, name := range names[len(names)-mostTLSSessions:] {
			mustLogIn(t, d, func(l *rotation.Login) { l.Host = name })
			s.mustSee(resumed)
		}
	})
}
