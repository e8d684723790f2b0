// Package link is the way between a client and a MySQL or MariaDB server: it can be as
// long as one likes, and it tells how often a client had to wait for the server's answer
// and how the two agreed on TLS. It changes nothing of what passes and reads nothing that
// is encrypted, so that what it tells is what any network would see.
//
// It is for tests and the bench, and is never linked into the function.
package link

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// Turn is the moment at which a client began to wait for the server.
type Turn struct {
	Connection int // 1 for the link's first
	At         time.Time
}

// Link leads to a server, from a port of 127.0.0.1.
type Link struct {
	server   string
	listener net.Listener
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mutex       sync.Mutex
	roundTrip   time.Duration
	turns       []Turn
	connections []*connection
}

// Start makes a link to a server, host:port. Close ends it.
func Start(server string) (*Link, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for the server's clients: %w", err)
	}
	l := &Link{server: server, listener: listener}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.running.Go(l.accept)
	return l, nil
}

// Port is where it listens.
func (l *Link) Port() int { return l.listener.Addr().(*net.TCPAddr).Port }

// Long has each turn take a round trip of that length from now on. Connecting is two, of
// which the second is the server's greeting.
func (l *Link) Long(roundTrip time.Duration) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.roundTrip = roundTrip
}

// Turns returns the turns since it was last called.
func (l *Link) Turns() []Turn {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	turns := l.turns
	l.turns = nil
	return turns
}

// Handshakes returns what was seen of the TLS of each connection since it was last
// called, in the order of the connections that are over.
func (l *Link) Handshakes() []Handshake {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	var over []Handshake
	rest := l.connections[:0]
	for _, c := range l.connections {
		if !c.over {
			rest = append(rest, c)
			continue
		}
		over = append(over, handshakeOf(c.sent[fromClient], c.sent[fromServer]))
	}
	l.connections = rest
	return over
}

// Close closes all connections.
func (l *Link) Close() {
	l.cancel()
	_ = l.listener.Close()
	l.running.Wait()
}

func (l *Link) accept() {
	for number := 1; ; number++ {
		client, err := l.listener.Accept()
		if err != nil {
			return // closed
		}
		l.running.Go(func() { l.serve(number, client) })
	}
}

// The two sides of a connection.
const (
	fromClient = iota
	fromServer
)

// connection is a client's connection, and the beginning of what each side has sent.
type connection struct {
	number int
	over   bool
	sent   [2][]byte
	// answered: the server has sent something since the client last did.
	answered bool
	// data is how many records of data the client has sent, inside how much is missing of
	// the last record.
	data, inside int
}

// remembered is how much is kept of what a side sends: the greeting and TLS's first
// messages are in it.
const remembered = 16 << 10

func (l *Link) serve(number int, client net.Conn) {
	defer client.Close()
	c := &connection{number: number}
	l.mutex.Lock()
	l.connections = append(l.connections, c)
	l.mutex.Unlock()
	defer func() {
		l.mutex.Lock()
		defer l.mutex.Unlock()
		c.over = true
	}()
	for range 2 {
		if !l.wait(c) {
			return
		}
	}
	server, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(l.ctx, "tcp", l.server)
	if err != nil {
		return
	}
	defer server.Close()
	end := context.AfterFunc(l.ctx, func() { _ = client.Close(); _ = server.Close() })
	defer end()
	var both sync.WaitGroup
	both.Go(func() { l.pass(c, fromServer, server, client) })
	l.pass(c, fromClient, client, server)
	both.Wait()
}

// pass passes on what one side sends until it ends, and then ends the other.
func (l *Link) pass(c *connection, side int, from, to net.Conn) {
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if begins := l.note(c, side, buffer[:n]); begins && !l.wait(c) {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// note notes what was sent, and reports whether a turn of the client's begins with it.
func (l *Link) note(c *connection, side int, data []byte) (begins bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	c.sent[side] = append(c.sent[side], data[:min(len(data), remembered-len(c.sent[side]))]...)
	if side == fromServer {
		c.answered = true
		return false
	}
	begins = c.answered && !c.isQuit(data) && !c.goesWithFinished(data)
	c.answered = false
	c.count(data)
	return begins
}

// goesWithFinished reports whether a client goes on to send what it need not wait for:
// its second record of data follows the first, TLS 1.3's end of the handshake, whatever
// the server has sent unasked in between, as it does its sessions.
func (c *connection) goesWithFinished(data []byte) bool {
	return c.inside == 0 && c.data == 1 && data[0] == recordData && handshakeOf(c.sent[fromClient], c.sent[fromServer]).TLS13
}

// count counts the records of data.
func (c *connection) count(data []byte) {
	if c.inside >= len(data) {
		c.inside -= len(data)
		return
	}
	data = data[c.inside:]
	c.inside = 0
	for len(data) >= recordHeader && data[0] >= recordLowest && data[0] <= recordData {
		if data[0] == recordData {
			c.data++
		}
		end := recordHeader + (int(data[3])<<8 | int(data[4]))
		c.inside = max(0, end-len(data))
		data = data[min(end, len(data)):]
	}
}

// wait begins a turn, and returns when it is over; false when the link is closed.
func (l *Link) wait(c *connection) bool {
	l.mutex.Lock()
	l.turns = append(l.turns, Turn{c.number, time.Now()})
	roundTrip := l.roundTrip
	l.mutex.Unlock()
	if roundTrip == 0 {
		return true
	}
	timer := time.NewTimer(roundTrip)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.ctx.Done():
		return false
	}
}

// isQuit reports whether a client takes its leave, and waits for nothing more: COM_QUIT
// is a packet of five bytes, shorter than any other command, in a record of TLS whose
// length shows it.
//
// Source: RFC 8446, 5.2 "Record Payload Protection" (a byte of type and 16 of the seal);
// RFC 5288, 3 "AES-GCM Cipher Suites" (8 bytes more, and none of type); RFC 7905, 2.
func (c *connection) isQuit(data []byte) bool {
	const packet, seal = 5, 16
	if len(data) == packet && data[packet-1] == 0x01 {
		return true
	}
	if len(data) < recordHeader || data[0] != recordData {
		return false
	}
	length := int(data[3])<<8 | int(data[4])
	if handshakeOf(c.sent[fromClient], c.sent[fromServer]).TLS13 {
		return length == packet+seal+1
	}
	return length == packet+seal || length == packet+seal+8
}
