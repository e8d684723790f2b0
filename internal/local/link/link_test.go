package link

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"reflect"
	"testing"
	"time"
)

// serve is a server as far as its TLS: it greets, waits for the request for TLS, and then
// gives each byte back.
func serve(t *testing.T, config *tls.Config) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = conn.Write([]byte("\x03\x00\x00\x00hi!"))
				if _, err := io.ReadFull(conn, make([]byte, 36)); err != nil {
					return
				}
				secured := tls.Server(conn, config)
				_, _ = io.Copy(secured, secured)
			}()
		}
	}()
	return listener.Addr().String()
}

func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"db"}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// talk asks so often over one connection, and takes its leave.
func talk(t *testing.T, l *Link, config *tls.Config, often int) {
	t.Helper()
	conn, err := net.Dial("tcp4", l.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, 7)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(append([]byte{32, 0, 0, 1}, make([]byte, 32)...)); err != nil {
		t.Fatal(err)
	}
	secured := tls.Client(conn, config)
	if err := secured.Handshake(); err != nil {
		t.Fatal(err)
	}
	for range often {
		if _, err := secured.Write([]byte("question")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(secured, make([]byte, 8)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := secured.Write([]byte{1, 0, 0, 0, 1}); err != nil {
		t.Fatal(err)
	}
}

// What a link tells is what crypto/tls says of the same connections, and each question
// is a turn.
func TestHandshakesAndTurns(t *testing.T) {
	own, pool := certificate(t)
	server := &tls.Config{Certificates: []tls.Certificate{own}, CurvePreferences: []tls.CurveID{tls.CurveP256}}
	l, err := Start(serve(t, server))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client := &tls.Config{RootCAs: pool, ServerName: "db", ClientSessionCache: tls.NewLRUClientSessionCache(0)}
	// Connecting, its greeting, the hello, the key that was asked for, three questions of
	// which the first goes with the end of the handshake.
	talk(t, l, client, 3)
	if turns := l.Turns(); len(turns) != 2+2+3 {
		t.Errorf("%d turns, want 7", len(turns))
	}
	client.CurvePreferences = server.CurvePreferences
	talk(t, l, client, 1)
	if turns := l.Turns(); len(turns) != 2+1+1 {
		t.Errorf("%d turns, want 4", len(turns))
	}
	client.ClientSessionCache = nil
	talk(t, l, client, 1)
	l.Close() // so that all are over
	want := []Handshake{{TLS: true, TLS13: true, Retried: true}, {TLS: true, TLS13: true, Offered: true, Resumed: true}, {TLS: true, TLS13: true}}
	if got := l.Handshakes(); !reflect.DeepEqual(got, want) {
		t.Errorf("the handshakes are %+v, want %+v", got, want)
	}
}

// The turns of TLS 1.2, whose handshake has one more.
func TestTurnsOfTLS12(t *testing.T) {
	own, pool := certificate(t)
	l, err := Start(serve(t, &tls.Config{Certificates: []tls.Certificate{own}, MaxVersion: tls.VersionTLS12}))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	talk(t, l, &tls.Config{RootCAs: pool, ServerName: "db"}, 3)
	if turns := l.Turns(); len(turns) != 2+2+3 {
		t.Errorf("%d turns, want 7", len(turns))
	}
	l.Close()
	if got := l.Handshakes(); !reflect.DeepEqual(got, []Handshake{{TLS: true}}) {
		t.Errorf("the handshakes are %+v", got)
	}
}

// A link of some length makes each turn last so long.
func TestLong(t *testing.T) {
	own, pool := certificate(t)
	l, err := Start(serve(t, &tls.Config{Certificates: []tls.Certificate{own}}))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const roundTrip = 2 * time.Millisecond
	l.Long(roundTrip)
	talk(t, l, &tls.Config{RootCAs: pool, ServerName: "db"}, 10)
	turns := l.Turns()
	if took := turns[len(turns)-1].At.Sub(turns[0].At); took < time.Duration(len(turns)-1)*roundTrip {
		t.Errorf("%d turns took %s", len(turns), took)
	}
}

// Nothing that is cut short, or no TLS at all, is a reason to fail.
func TestHandshakeOfAnything(t *testing.T) {
	own, pool := certificate(t)
	l, err := Start(serve(t, &tls.Config{Certificates: []tls.Certificate{own}}))
	if err != nil {
		t.Fatal(err)
	}
	talk(t, l, &tls.Config{RootCAs: pool, ServerName: "db"}, 1)
	l.Close()
	c := l.connections[0]
	for n := range c.sent[fromClient] {
		handshakeOf(c.sent[fromClient][:n], c.sent[fromServer])
	}
	for n := range c.sent[fromServer] {
		handshakeOf(c.sent[fromClient], c.sent[fromServer][:n])
	}
	if h := handshakeOf([]byte("\x01\x00\x00\x01xGET / HTTP/1.1"), nil); h != (Handshake{}) {
		t.Errorf("what is no TLS is %+v", h)
	}
}
