package mysqldb

import (
	"context"
	"net"
	"sync/atomic"

	"tandem/internal/failure"
)

// errPublicKeyRetrieval is why a login without TLS was broken off that its document
// does not ask for.
var errPublicKeyRetrieval = failure.New(failure.PublicKeyRetrievalNotAllowed,
	"the server asks for the password encrypted with a public key that it sends itself, and without TLS nothing shows that the key is the server's: nothing was sent that gives the password away; "+
		"turn TLS on at the server, or, if nobody else can be on the network in between, set \"ssl\": false in both secrets' documents")

// Bytes that a packet of the login begins with.
//
// Source: MySQL Source Code Documentation, "Connection Phase Packets" and "Caching
// SHA-2 pluggable authentication".
const (
	packetOK           = 0x00
	packetAuthMoreData = 0x01
	packetErr          = 0xff
	fastAuthSuccess    = 0x03
)

// keyGuard is a connection without TLS on which the driver gets no server's public
// key during the login, and so encrypts no password with one. Whoever sits between
// the two can hide that the server has TLS, send a key of his own, and decrypt what
// comes back.
//
// The driver has no option for that. A Config.ServerPubKey only replaces the key that
// caching_sha2_password asks for; to sha256_password the server may send another, and
// may change to that plugin by an authentication switch. So the guard reads the
// server's messages until the login is over, and lets only one pass of the kind that
// carries keys and asks for them: "fast authentication succeeded", which holds neither.
type keyGuard struct {
	net.Conn
	refused *atomic.Bool
	message []byte // read from the server, and not yet by the driver
	greeted bool
	ended   bool // the login is over: nothing is looked at any more
}

// guardKeys makes a dial function's connections guarded ones. refused becomes true
// where one was broken off.
func guardKeys(dial func(context.Context, string, string) (net.Conn, error), refused *atomic.Bool) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &keyGuard{Conn: conn, refused: refused}, nil
	}
}

// Read implements net.Conn.
func (g *keyGuard) Read(into []byte) (int, error) {
	if len(g.message) == 0 {
		if g.ended {
			return g.Conn.Read(into)
		}
		if err := g.next(); err != nil {
			return 0, err
		}
	}
	n := copy(into, g.message)
	g.message = g.message[n:]
	return n, nil
}

// next reads the server's next message of the login.
func (g *keyGuard) next() error {
	message, err := readMessage(g.Conn)
	if err != nil {
		return err
	}
	if content := message[packetHeader:]; len(content) > 0 {
		switch first := content[0]; {
		case first == packetErr, first == packetOK && g.greeted:
			g.ended = true
		case first == packetAuthMoreData && g.greeted && (len(content) != 2 || content[1] != fastAuthSuccess):
			g.refused.Store(true)
			return errPublicKeyRetrieval
		}
		g.greeted = true
	}
	g.message = message
	return nil
}
