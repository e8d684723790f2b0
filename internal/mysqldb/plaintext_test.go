package mysqldb

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/rotation"
	"tandem/internal/secret"
)

const guarded = "the password that nobody may have"

// hostile is a server, or somebody between it and the function, that claims to have
// no TLS and does all it can to get the password.
type hostile struct {
	key  *rsa.PrivateKey
	plan attack

	listener net.Listener
	warned   atomic.Bool // whether the warning came
	unwarned atomic.Bool // whether something came in that no warning preceded
	received [][]byte    // what the client has sent, of all connections
	served   chan struct{}
}

// attack is what a hostile server sends: its greeting's plugin, and what it answers
// to each message of the client's.
type attack struct {
	name, greeting string
	answers        []string
	// recoverable says that without the guard the attack gets the password.
	recoverable bool
	// want is the type of the error; empty where the server may end the login as it likes.
	want failure.Type
}

// The parts of the answers.
const (
	challenge   = "abcdefghijklmnopqrst" // 20 bytes, none zero
	askForMore  = "\x01\x04"             // caching_sha2_password: perform full authentication
	sendKey     = "\x01KEY"              // in its place the key
	oldSwitch   = "\xfe"
	okMessage   = "\x00\x00\x00\x02\x00\x00\x00"
	longEd25519 = challenge + "uvwxyz012345"
)

func switchTo(plugin string) string { return "\xfe" + plugin + "\x00" + challenge + "\x00" }

var attacks = []attack{
	{"caching_sha2_password, full authentication", "caching_sha2_password", []string{askForMore, sendKey}, true, failure.PublicKeyRetrievalNotAllowed},
	{"sha256_password from the start", "sha256_password", []string{sendKey}, true, failure.PublicKeyRetrievalNotAllowed},
	{"a switch to sha256_password", "mysql_native_password", []string{switchTo("sha256_password"), sendKey}, true, failure.PublicKeyRetrievalNotAllowed},
	{"a switch to caching_sha2_password", "mysql_native_password", []string{switchTo("caching_sha2_password"), askForMore, sendKey}, true, failure.PublicKeyRetrievalNotAllowed},
	{"sha256_password, in a server of MariaDB's", "sha256_password", []string{"\x01KEY", okMessage}, true, failure.PublicKeyRetrievalNotAllowed},
	{"a key that nobody asked for", "mysql_native_password", []string{sendKey, okMessage}, false, failure.PublicKeyRetrievalNotAllowed},
	{"a switch to mysql_clear_password", "mysql_native_password", []string{switchTo("mysql_clear_password")}, false, failure.PluginUnsupported},
	{"mysql_clear_password from the start", "mysql_clear_password", []string{okMessage}, false, ""},
	{"a switch to mysql_old_password", "mysql_native_password", []string{switchTo("mysql_old_password")}, false, failure.PluginUnsupported},
	{"the old switch to mysql_old_password", "caching_sha2_password", []string{oldSwitch}, false, failure.PluginUnsupported},
	{"a switch to dialog", "caching_sha2_password", []string{switchTo("dialog")}, false, failure.PluginUnsupported},
	{"a switch to parsec", "caching_sha2_password", []string{switchTo("parsec")}, false, failure.PluginUnsupported},
	{"a switch to mysql_native_password", "caching_sha2_password", []string{switchTo("mysql_native_password")}, false, ""},
	{"a switch to client_ed25519", "caching_sha2_password", []string{"\xfeclient_ed25519\x00" + longEd25519 + "\x00"}, false, ""},
	{"a second switch", "caching_sha2_password", []string{switchTo("mysql_native_password"), switchTo("sha256_password"), sendKey}, false, failure.PluginUnsupported},
}

// capabilities are a MySQL server's, save that it has no TLS: CLIENT_SSL is 0x0800.
var capabilities = []byte{0xff, 0xf7, 33, 2, 0, 0xff, 0x81, 21}

func (h *hostile) greet() []byte {
	greeting := append([]byte{10}, "9.7.0\x00"...)
	greeting = append(greeting, 1, 0, 0, 0)
	greeting = append(append(greeting, challenge[:8]...), 0)
	greeting = append(greeting, capabilities...)
	greeting = append(greeting, make([]byte, 10)...)
	greeting = append(append(greeting, challenge[8:]...), 0)
	return append(append(greeting, h.plan.greeting...), 0)
}

// newHostile starts a hostile server.
func newHostile(t *testing.T, key *rsa.PrivateKey, plan attack) *hostile {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hostile{key: key, plan: plan, listener: listener, served: make(chan struct{})}
	go func() {
		defer close(h.served)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			h.serve(conn)
			_ = conn.Close()
		}
	}()
	return h
}

func (h *hostile) serve(conn net.Conn) {
	if _, err := conn.Write(packet(0, h.greet())); err != nil {
		return
	}
	for i := 0; ; i++ {
		header := make([]byte, 4)
		if _, err := io.ReadFull(conn, header); err != nil {
			return
		}
		content := make([]byte, int(header[0])|int(header[1])<<8|int(header[2])<<16)
		if _, err := io.ReadFull(conn, content); err != nil {
			return
		}
		h.received = append(h.received, content)
		if !h.warned.Load() {
			h.unwarned.Store(true)
		}
		if i >= len(h.plan.answers) {
			return
		}
		answer := []byte(h.plan.answers[i])
		if string(answer) == sendKey {
			public, _ := x509.MarshalPKIXPublicKey(&h.key.PublicKey)
			answer = append([]byte{1}, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})...)
		}
		framed := packet(header[3]+1, answer)
		framed[0], framed[1] = byte(len(answer)), byte(len(answer)>>8)
		if _, err := conn.Write(framed); err != nil {
			return
		}
	}
}

// recovers reports whether what came in holds the password, in clear or encrypted
// with the key that was sent.
func (h *hostile) recovers() bool {
	for _, content := range h.received {
		if bytes.Contains(content, []byte(guarded)) {
			return true
		}
		if len(content) != h.key.Size() {
			continue
		}
		opened, err := rsa.DecryptOAEP(sha1.New(), nil, h.key, content, nil)
		for i := range opened {
			opened[i] ^= challenge[i%len(challenge)]
		}
		if err == nil && strings.TrimRight(string(opened), "\x00") == guarded {
			return true
		}
	}
	return false
}

// login logs in at the hostile server, and reports how that ended.
func (h *hostile) login(t *testing.T, mode secret.TLSMode, allowed bool) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	at := h.listener.Addr().(*net.TCPAddr)
	database := Database{AllowPlaintext: allowed, Roots: func(string) (*x509.CertPool, error) { return x509.NewCertPool(), nil }}
	session, err := database.Connect(ctx, rotation.Login{
		Host: "127.0.0.1", Port: at.Port, Username: "app", Password: redact.New(guarded), TLS: mode, Admin: true,
		OnPlaintext: func() { h.warned.Store(true) },
	})
	if err == nil {
		_ = session.Close()
	}
	_ = h.listener.Close()
	<-h.served
	return err
}

// TestNothingForAHostileServer: ALLOW_PLAINTEXT gives whoever sits between the
// function and a server nothing that a password can be recovered from, and a warning
// precedes the first message in plain text.
func TestNothingForAHostileServer(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, plan := range attacks {
		t.Run(plan.name, func(t *testing.T) {
			h := newHostile(t, key, plan)
			err := h.login(t, secret.TLSDefault, true)
			if plan.want != "" && failure.Of(err) != plan.want {
				t.Errorf("the login ended with %v, of type %q, want %q", err, failure.Of(err), plan.want)
			}
			if h.recovers() {
				t.Error("the password was recovered")
			}
			if h.unwarned.Load() || len(h.received) > 0 && !h.warned.Load() {
				t.Error("something was sent in plain text before the warning")
			}

			// That this test can see a password is shown by what the document allows.
			h = newHostile(t, key, plan)
			_ = h.login(t, secret.TLSDisabled, false)
			if h.recovers() != plan.recoverable {
				t.Errorf("with \"ssl\": false the password was recovered: %v, want %v", !plan.recoverable, plan.recoverable)
			}
			if h.unwarned.Load() {
				t.Error("something was sent in plain text before the warning")
			}

			// Without ALLOW_PLAINTEXT, and where TLS is required, nothing is sent at all.
			for _, refused := range []struct {
				mode    secret.TLSMode
				allowed bool
			}{{secret.TLSDefault, false}, {secret.TLSRequired, true}, {secret.TLSRequired, false}} {
				h = newHostile(t, key, plan)
				err = h.login(t, refused.mode, refused.allowed)
				if failure.Of(err) != failure.TLSNotOffered || len(h.received) > 0 || h.warned.Load() {
					t.Errorf("%+v: %d messages were sent: %v", refused, len(h.received), err)
				}
			}
		})
	}
}

// TestKeyGuardReads passes on what is no key byte by byte as it came, in whatever
// pieces it comes and is asked for, and looks at nothing after the login.
func TestKeyGuardReads(t *testing.T) {
	var sent []byte
	sent = append(sent, packet(0, append([]byte{10}, "greeting"...))...)
	sent = append(sent, packet(2, []byte("\xfecaching_sha2_password\x00"+challenge+"\x00"))...)
	sent = append(sent, packet(4, []byte{packetAuthMoreData, fastAuthSuccess})...)
	sent = append(sent, packet(5, []byte(okMessage))...)
	sent = append(sent, packet(1, []byte{packetAuthMoreData, 4})...) // a result's, one column
	for _, size := range []int{1, 3, 7, 1 << 10} {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			for rest := sent; len(rest) > 0; rest = rest[min(size, len(rest)):] {
				if _, err := theirs.Write(rest[:min(size, len(rest))]); err != nil {
					return
				}
			}
		}()
		var refused atomic.Bool
		conn, err := guardKeys(func(context.Context, string, string) (net.Conn, error) { return ours, nil }, &refused)(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		into := make([]byte, size)
		for {
			n, err := conn.Read(into)
			got = append(got, into[:n]...)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, sent) || refused.Load() {
			t.Errorf("in pieces of %d bytes: got %q, want %q", size, got, sent)
		}
	}
}
