// Package faultproxy stands between a client and a MySQL or MariaDB server and breaks
// what goes by, at a message that the caller chooses.
//
// What a client may assume of a statement whose answer it never got depends on
// whether the server had acted when the connection broke. That cannot be chosen
// by counting bytes, nor by killing a process after some time. So the proxy
// speaks as much of the protocol as it takes to tell one message from the next,
// and ends TLS on both sides to see them at all:
//
//	client ── TLS, a certificate of the tests' CA ── Proxy ── TLS ── server
//	           message ─►  Before   ─► the server acts
//	           answer  ◄─  After    ◄─
//
// It is for tests, and is never linked into the function.
package faultproxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Kind is what a message is.
type Kind string

// The kinds of messages.
const (
	Connect Kind = "connect" // not a packet: the connection itself, which the server answers with its greeting
	TLS     Kind = "TLS"     // the request for it, and its handshake
	Login   Kind = "login"   // the client's answer to the greeting
	Auth    Kind = "auth"    // what an authentication plugin, or a switch to another, asks for
	Query   Kind = "query"
	Quit    Kind = "quit" // has no answer but the end
	Other   Kind = "other"
)

// Message is one message of a client, with the answer that it is to get.
type Message struct {
	Connection int // 1 for the proxy's first
	Kind       Kind
	// Text is a query's, empty for others. It may hold a secret.
	Text string
}

// Fate is what becomes of a connection.
type Fate int

// The fates.
const (
	// Pass lets it go on.
	Pass Fate = iota
	// Drop closes it, to both sides.
	Drop
	// Vanish forwards nothing more and closes nothing, to neither side, until the
	// proxy is closed: each takes the other for silent.
	Vanish
)

// Fault says what happens at a message. Each function decides the connection's
// fate, and may block; nil is Pass.
type Fault struct {
	// Before runs when the message has come, before the server sees any of it.
	Before func() Fate
	// After runs when the server has acted: when its answer begins, and before the
	// client sees any of that.
	After func() Fate
	// Statements, where not 0, is how many of a query's statements the server gets.
	// It executes those and no more, as if it or its session had ended there. After
	// then runs when the last of them is answered. It is for statements that are
	// answered by one packet each, as those without rows are.
	Statements int
}

// Options are where a Proxy stands.
type Options struct {
	// Server is the server's address, host:port, until Lead names another.
	Server string
	// Upstream verifies the server, Certificate is the proxy's own.
	Upstream    *tls.Config
	Certificate tls.Certificate
	// Fault is asked about every message. Nil leaves all alone.
	Fault func(Message) Fault
	// Met, where set, is told when a connection has met its fate: nothing goes
	// through it any more, and Drop has closed it.
	Met func(Fate)
}

// Proxy stands between clients and a server, on a port of 127.0.0.1.
type Proxy struct {
	options Options
	// downstream is one for all connections, so that a client can resume a session.
	downstream *tls.Config
	listener   net.Listener
	ctx        context.Context // ends with Close
	cancel     context.CancelFunc
	running    sync.WaitGroup

	mutex  sync.Mutex
	count  int
	open   map[net.Conn]bool
	server string
}

// Start starts a Proxy. Close ends it.
func Start(options Options) (*Proxy, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for the server's clients: %w", err)
	}
	p := &Proxy{options: options, listener: listener, open: map[net.Conn]bool{}, server: options.Server}
	p.downstream = &tls.Config{Certificates: []tls.Certificate{options.Certificate}, MinVersion: tls.VersionTLS12}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.running.Add(1)
	go p.accept()
	return p, nil
}

// Port is where it listens.
func (p *Proxy) Port() int { return p.listener.Addr().(*net.TCPAddr).Port }

// Lead has it lead to another server, host:port, from the next connection on: what
// becomes of a name in a failover. Connections that are there stay.
func (p *Proxy) Lead(server string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.server = server
}

// Close closes all connections, those that have vanished included.
func (p *Proxy) Close() {
	p.cancel()
	_ = p.listener.Close()
	p.mutex.Lock()
	for conn := range p.open {
		_ = conn.Close()
	}
	p.mutex.Unlock()
	p.running.Wait()
}

func (p *Proxy) accept() {
	defer p.running.Done()
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.mutex.Lock()
		p.count++
		c := &connection{proxy: p, number: p.count, client: client}
		p.mutex.Unlock()
		if !p.keep(client) {
			return
		}
		p.running.Add(1)
		go func() {
			defer p.running.Done()
			c.run()
		}()
	}
}

// keep notes a connection for Close, or closes it where that has been.
func (p *Proxy) keep(conn net.Conn) bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.ctx.Err() != nil {
		_ = conn.Close()
		return false
	}
	p.open[conn] = true
	return true
}

func (p *Proxy) forget(conn net.Conn) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	delete(p.open, conn)
	_ = conn.Close()
}

// connection is a client's connection, and the proxy's to the server for it.
type connection struct {
	proxy          *Proxy
	number         int
	client, server net.Conn // as accepted and dialled, under TLS
	loggingIn      bool

	mutex sync.Mutex
	after func() Fate // of the message that is not answered yet
	left  int         // packets of the server's until it is answered
	fate  Fate
}

// errEnded ends a connection whose fate is decided.
var errEnded = errors.New("the connection is at its end")

func (c *connection) run() {
	// What ends it, a fate or the end of either side, is the same here.
	_ = c.pass()
	c.mutex.Lock()
	fate := c.fate
	c.mutex.Unlock()
	met := c.proxy.options.Met
	if fate == Vanish {
		if met != nil {
			met(fate)
		}
		<-c.proxy.ctx.Done()
	}
	if tcp, ok := c.client.(*net.TCPConn); ok && fate == Drop {
		_ = tcp.SetLinger(0) // a reset, not an end in good order
	}
	c.proxy.forget(c.client)
	if c.server != nil {
		c.proxy.forget(c.server)
	}
	if met != nil && fate != Vanish {
		met(fate)
	}
}

// decide notes what a hook says.
func (c *connection) decide(hook func() Fate) error {
	if hook == nil {
		return nil
	}
	fate := hook()
	if fate == Pass {
		return nil
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.fate = fate
	return errEnded
}

func (c *connection) ask(kind Kind, text string) Fault {
	if c.proxy.options.Fault == nil {
		return Fault{}
	}
	return c.proxy.options.Fault(Message{Connection: c.number, Kind: kind, Text: text})
}

// sslRequest is the length of a client's request for TLS, the first 32 bytes of a
// login.
//
// Source: MySQL Internals, "Protocol::SSLRequest".
const sslRequest = 32

// pass brings the connection up, and then passes messages and answers on.
func (c *connection) pass() error {
	fault := c.ask(Connect, "")
	if err := c.decide(fault.Before); err != nil {
		return err
	}
	c.proxy.mutex.Lock()
	address := c.proxy.server
	c.proxy.mutex.Unlock()
	server, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(c.proxy.ctx, "tcp", address)
	if err != nil {
		return err
	}
	if !c.proxy.keep(server) {
		return errEnded
	}
	c.server = server
	greeting, err := readPacket(server)
	if err != nil {
		return err
	}
	if err := c.decide(fault.After); err != nil {
		return err
	}
	if _, err := c.client.Write(greeting); err != nil {
		return err
	}
	first, err := readPacket(c.client)
	if err != nil {
		return err
	}
	client := c.client
	c.loggingIn = true
	if len(first) == headerLength+sslRequest {
		fault := c.ask(TLS, "")
		if err := c.decide(fault.Before); err != nil {
			return err
		}
		if _, err := server.Write(first); err != nil {
			return err
		}
		upstream := tls.Client(server, c.proxy.options.Upstream)
		if err := upstream.HandshakeContext(c.proxy.ctx); err != nil {
			return err
		}
		if err := c.decide(fault.After); err != nil {
			return err
		}
		downstream := tls.Server(client, c.proxy.downstream)
		if err := downstream.HandshakeContext(c.proxy.ctx); err != nil {
			return err
		}
		client, server, first = downstream, upstream, nil
	}
	ended := make(chan error, 2)
	go func() { ended <- c.messages(client, server, first) }()
	go func() { ended <- c.answers(client, server) }()
	err = <-ended
	c.mutex.Lock()
	vanished := c.fate == Vanish
	c.mutex.Unlock()
	if vanished {
		// The other direction is told nothing, and passes nothing on.
		return err
	}
	_ = c.client.Close()
	_ = c.server.Close()
	<-ended
	return err
}

// messages passes on what the client sends; first, where there is one, is what it
// has sent already.
func (c *connection) messages(client, server net.Conn, first []byte) error {
	reader := bufio.NewReader(client)
	for {
		packet := first
		first = nil
		if packet == nil {
			var err error
			if packet, err = readPacket(reader); err != nil {
				return err
			}
		}
		kind, text := c.read(packet)
		fault := c.ask(kind, text)
		if err := c.decide(fault.Before); err != nil {
			return err
		}
		if kind == Query && fault.Statements > 0 {
			packet = firstStatements(packet, fault.Statements)
		}
		c.mutex.Lock()
		c.after, c.left = fault.After, max(1, fault.Statements)
		gone := c.fate != Pass
		c.mutex.Unlock()
		if gone {
			return errEnded
		}
		if _, err := server.Write(packet); err != nil {
			return err
		}
	}
}

// read says what a client's packet is. Those of a login carry on the server's
// numbering; a command begins anew.
//
// Source: MySQL Internals, "MySQL Packets", "Command Phase".
func (c *connection) read(packet []byte) (Kind, string) {
	const comQuit, comQuery = 0x01, 0x03
	switch {
	case packet[3] != 0 && c.loggingIn:
		c.loggingIn = false
		return Login, ""
	case packet[3] != 0:
		return Auth, ""
	case len(packet) > headerLength && packet[headerLength] == comQuit:
		return Quit, ""
	case len(packet) > headerLength && packet[headerLength] == comQuery:
		return Query, string(packet[headerLength+1:])
	}
	return Other, ""
}

// answers passes on what the server sends.
func (c *connection) answers(client, server net.Conn) error {
	reader := bufio.NewReader(server)
	for {
		packet, err := readPacket(reader)
		// The end is an answer too: the only one to a quit.
		c.mutex.Lock()
		after, fate := (func() Fate)(nil), c.fate
		if c.left--; c.left <= 0 || err != nil || isError(packet) {
			after, c.after = c.after, nil
		}
		c.mutex.Unlock()
		if fate != Pass {
			return errEnded
		}
		if ended := c.decide(after); ended != nil {
			return ended
		}
		if err != nil {
			return err
		}
		if _, err := client.Write(packet); err != nil {
			return err
		}
	}
}

const headerLength = 4

// readPacket reads a packet with its header: three bytes of length, one of
// numbering.
func readPacket(from io.Reader) ([]byte, error) {
	header := make([]byte, headerLength)
	if _, err := io.ReadFull(from, header); err != nil {
		return nil, err
	}
	packet := make([]byte, headerLength+(int(header[0])|int(header[1])<<8|int(header[2])<<16))
	copy(packet, header)
	_, err := io.ReadFull(from, packet[headerLength:])
	return packet, err
}
