package mysqldb

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"

	"github.com/go-sql-driver/mysql"

	"tandem/internal/failure"
)

const (
	packetHeader        = 4
	largestLoginMessage = 1 << 16 // a greeting, a plugin's name with its challenge, a key or an error are far below
)

// errLongMessage is seen where what a server sends is not the protocol's.
var errLongMessage = failure.New(failure.ConnectionLost, "a message of the login is longer than any that a server sends")

// readMessage reads a message of a server's, header and content, during the login. With
// errLongMessage it returns the header.
//
// Source: MySQL Source Code Documentation, "MySQL Packets".
func readMessage(from io.Reader) (message []byte, err error) {
	header := make([]byte, packetHeader)
	if _, err := io.ReadFull(from, header); err != nil {
		return nil, err
	}
	length := int(header[0]) | int(header[1])<<8 | int(header[2])<<16
	if length > largestLoginMessage {
		return header, errLongMessage
	}
	message = make([]byte, packetHeader+length)
	copy(message, header)
	_, err = io.ReadFull(from, message[packetHeader:])
	return message, err
}

// mysqlCurves are those that a MySQL server's TLS takes. Of others, such as the ones
// that Go's first key is for, it asks for another key (HelloRetryRequest): a round trip
// more, and a key that was made for nothing.
//
// Source: MySQL's vio/viosslfactories.cc; tried on 9.7. P-256 is taken by whatever
// speaks TLS 1.3 (RFC 8446, 9.1 "Mandatory-to-Implement Cipher Suites").
var mysqlCurves = []tls.CurveID{tls.CurveP256, tls.CurveP384, tls.CurveP521}

// curvesFor are the curves to offer to the server that a greeting is from. MariaDB, and
// whatever is not known, are offered Go's own: nil.
//
// Source: MySQL Source Code Documentation, "Protocol::HandshakeV10"; MariaDB, "Connection":
// the capability that is CLIENT_LONG_PASSWORD to MySQL, which always has it, is
// CLIENT_MYSQL to MariaDB, which does not set it.
func curvesFor(greeting []byte) []tls.CurveID {
	const (
		protocol           = 10
		beforeCapability   = 4 + 8 + 1 // the session's number, the challenge's first part, a filler
		clientLongPassword = 0x01
	)
	if len(greeting) < packetHeader+1 || greeting[packetHeader] != protocol {
		return nil
	}
	version, rest, complete := bytes.Cut(greeting[packetHeader+1:], []byte{0})
	switch {
	case !complete || len(rest) <= beforeCapability || rest[beforeCapability]&clientLongPassword == 0:
		return nil
	case len(version) == 0 || version[0] < '0' || version[0] > '9':
		return nil
	case bytes.Contains(bytes.ToLower(version), []byte("mariadb")):
		return nil
	}
	return mysqlCurves
}

// chooseCurves has a login offer the curves that suit its server. What the server is
// stands in its greeting, which comes before TLS, and the driver asks nobody between
// the two: so the greeting is looked at on its way to the driver, and what is chosen
// goes into the configuration that the driver is about to use.
//
// Nothing protects a greeting. Whoever changes it on its way gets a MariaDB the curves
// of a MySQL, or the other way round: each is verified all the same.
func chooseCurves(config *mysql.Config) error {
	var drivers *tls.Config
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &greetedConn{Conn: conn, greeted: func(greeting []byte) { drivers.CurvePreferences = curvesFor(greeting) }}, nil
	}
	return config.Apply(mysql.BeforeConnect(func(_ context.Context, c *mysql.Config) error {
		drivers = c.TLS // a copy, made for this connection
		return nil
	}))
}

// greetedConn is a connection whose first message, the server's greeting, is looked at.
type greetedConn struct {
	net.Conn
	greeted func(greeting []byte) // nil once it was called
	message []byte                // read from the server, and not yet by the driver
}

// Read implements net.Conn.
func (g *greetedConn) Read(into []byte) (int, error) {
	if g.greeted != nil {
		greeting, err := readMessage(g.Conn)
		if err != nil && !errors.Is(err, errLongMessage) { // of which the driver may think what it likes
			return 0, err
		}
		g.greeted(greeting)
		g.greeted, g.message = nil, greeting
	}
	if len(g.message) == 0 {
		return g.Conn.Read(into)
	}
	n := copy(into, g.message)
	g.message = g.message[n:]
	return n, nil
}
