package link

import "crypto/sha256"

// Handshake is what anybody on the way sees of a connection's TLS. What is resumed is
// only seen of TLS 1.3.
type Handshake struct {
	TLS, TLS13 bool
	// Offered: the client has offered to resume a session; Resumed: the server took it.
	Offered, Resumed bool
	// Retried: the server took none of the keys that the client sent, and asked for
	// another (HelloRetryRequest).
	Retried bool
}

// Of TLS. Source: RFC 8446, 4 "Handshake Protocol", 4.1.3 "Server Hello", 4.2
// "Extensions", 5.1 "Record Layer".
const (
	recordLowest      = 20
	recordHandshake   = 22
	recordData        = 23
	recordHeader      = 5
	clientHello       = 1
	serverHello       = 2
	preSharedKey      = 41
	supportedVersions = 43
)

// retryRandom is what a HelloRetryRequest has in the place of a ServerHello's random.
var retryRandom = sha256.Sum256([]byte("HelloRetryRequest"))

// handshakeOf reads what both sides have sent first: the server its greeting, the client
// its request for TLS, then both TLS.
func handshakeOf(client, server []byte) Handshake {
	var h Handshake
	_, client = packet(client)
	_, server = packet(server)
	for _, hello := range hellos(client, clientHello) {
		h.TLS = true
		_, extensions := hello.parts(false)
		h.Offered = h.Offered || extensions[preSharedKey]
	}
	for _, hello := range hellos(server, serverHello) {
		random, extensions := hello.parts(true)
		if random == retryRandom {
			h.Retried = true
			continue
		}
		h.TLS13, h.Resumed = extensions[supportedVersions], extensions[preSharedKey]
	}
	return h
}

// packet takes the first packet of MySQL's protocol off.
func packet(data []byte) (first, rest []byte) {
	if len(data) < 4 {
		return nil, nil
	}
	end := min(len(data), 4+(int(data[0])|int(data[1])<<8|int(data[2])<<16))
	return data[:end], data[end:]
}

// hello is the body of a ClientHello or a ServerHello.
type hello []byte

// hellos are the hellos of a kind at the beginning of a side's TLS, a record each.
func hellos(data []byte, kind byte) []hello {
	var found []hello
	for len(data) >= recordHeader {
		end := min(len(data), recordHeader+(int(data[3])<<8|int(data[4])))
		record, of := data[recordHeader:end], data[0]
		data = data[end:]
		if of == recordHandshake && len(record) > 4 && record[0] == kind {
			found = append(found, hello(record[4:]))
		}
	}
	return found
}

// parts are a hello's random, and which extensions it has.
func (h hello) parts(server bool) (random [sha256.Size]byte, extensions map[int]bool) {
	extensions = map[int]bool{}
	rest := []byte(h)
	take := func(n int) []byte {
		taken := rest[:min(n, len(rest))]
		rest = rest[len(taken):]
		return taken
	}
	number := func(size int) (n int) {
		for _, b := range take(size) {
			n = n<<8 | int(b)
		}
		return n
	}
	take(2) // version
	copy(random[:], take(len(random)))
	take(number(1)) // session
	if server {
		take(2 + 1) // cipher suite, compression
	} else {
		take(number(2)) // cipher suites
		take(number(1)) // compressions
	}
	rest = take(number(2))
	for len(rest) >= 4 {
		extensions[number(2)] = true
		take(number(2))
	}
	return random, extensions
}
