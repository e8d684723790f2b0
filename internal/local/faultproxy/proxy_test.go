package faultproxy_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/dbserver/servertest"
	"tandem/internal/local/faultproxy"
)

var servers servertest.Fleet

func TestMain(m *testing.M) { servers.Main(m) }

// client is a pool of connections to a server by way of a proxy.
type client struct {
	*sql.DB
	proxy *faultproxy.Proxy
	mutex sync.Mutex
	last  *net.TCPConn         // that was dialled
	met   chan faultproxy.Fate // of a connection, when it has met it
}

func through(t *testing.T, on *dbserver.Server, faults func(faultproxy.Message) faultproxy.Fault) *client {
	t.Helper()
	c := &client{met: make(chan faultproxy.Fate, 1)}
	certificate, err := servers.CA().Certificate()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(servers.CA().PEM())
	proxy, err := faultproxy.Start(faultproxy.Options{
		Server: net.JoinHostPort(on.Host, strconv.Itoa(on.Port)), Certificate: certificate,
		Upstream: &tls.Config{RootCAs: roots, ServerName: on.Host, MinVersion: tls.VersionTLS12}, Fault: faults,
		Met: func(fate faultproxy.Fate) {
			if fate != faultproxy.Pass {
				c.met <- fate
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	c.proxy = proxy
	config := on.Config()
	config.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(proxy.Port()))
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		c.mutex.Lock()
		defer c.mutex.Unlock()
		c.last = conn.(*net.TCPConn)
		return conn, nil
	}
	config.MultiStatements = true
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	c.DB = sql.OpenDB(connector)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// silent reports whether the connection dialled last is open, and nothing has come
// that was not read.
func (c *client) silent(t *testing.T) (silent bool) {
	t.Helper()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	raw, err := c.last.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(descriptor uintptr) {
		_, _, err = syscall.Recvfrom(int(descriptor), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	}); err != nil {
		return false
	}
	return errors.Is(err, syscall.EAGAIN)
}

func TestMessagesAreToldApart(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		var mutex sync.Mutex
		var kinds, texts []string
		quit := make(chan struct{})
		db := through(t, on, func(m faultproxy.Message) faultproxy.Fault {
			mutex.Lock()
			defer mutex.Unlock()
			if m.Kind != faultproxy.Auth { // how many there are is the plugin's affair
				kinds = append(kinds, string(m.Kind))
			}
			texts = append(texts, m.Text)
			if m.Kind == faultproxy.Quit {
				close(quit)
			}
			return faultproxy.Fault{}
		})
		long := strings.Repeat("x", 100_000)
		var answer string
		if err := db.QueryRowContext(t.Context(), "SELECT '"+long+"'").Scan(&answer); err != nil || answer != long {
			t.Fatalf("%d bytes of 100000, %v", len(answer), err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		<-quit
		mutex.Lock()
		defer mutex.Unlock()
		if want := []string{"connect", "TLS", "login", "query", "quit"}; !slices.Equal(kinds, want) {
			t.Errorf("messages %q, want %q", kinds, want)
		}
		if !slices.Contains(texts, "SELECT '"+long+"'") {
			t.Error("the query's text is missing")
		}
	})
}

// What the server has done when the connection breaks is what the fault says.
func TestTheServerHasActedOrNot(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		root, err := on.DB()
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		for _, statement := range []string{"CREATE DATABASE fault", "CREATE TABLE fault.t (a INT)"} {
			if _, err := root.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		defer func() { _, _ = root.ExecContext(context.WithoutCancel(t.Context()), "DROP DATABASE fault") }()
		for i, fate := range []faultproxy.Fate{faultproxy.Pass, faultproxy.Drop, faultproxy.Vanish} {
			for j, after := range []bool{false, true} {
				row := strconv.Itoa(2*i + j + 1)
				struck := make(chan struct{}, 1)
				db := through(t, on, func(m faultproxy.Message) faultproxy.Fault {
					if !strings.HasPrefix(m.Text, "INSERT") {
						return faultproxy.Fault{}
					}
					strike := func() faultproxy.Fate { struck <- struct{}{}; return fate }
					if after {
						return faultproxy.Fault{After: strike}
					}
					return faultproxy.Fault{Before: strike}
				})
				ctx, cancel := context.WithCancel(t.Context())
				conn, err := db.Conn(ctx)
				if err != nil {
					t.Fatal(err)
				}
				answered := make(chan error, 1)
				go func() {
					_, err := conn.ExecContext(ctx, "INSERT INTO fault.t VALUES ("+row+")")
					answered <- err
				}()
				<-struck
				if fate != faultproxy.Pass {
					if met := <-db.met; met != fate || db.silent(t) != (fate == faultproxy.Vanish) {
						t.Errorf("fate %d, after %v: it met %d, and is silent %v", fate, after, met, db.silent(t))
					}
				}
				if fate == faultproxy.Vanish {
					cancel()
				}
				if err := <-answered; (err == nil) != (fate == faultproxy.Pass) || errors.Is(err, context.Canceled) != (fate == faultproxy.Vanish) {
					t.Errorf("fate %d, after %v: %v", fate, after, err)
				}
				cancel()
				var rows int
				if err := root.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM fault.t WHERE a = "+row).Scan(&rows); err != nil {
					t.Fatal(err)
				}
				if acted := rows == 1; acted != (after || fate == faultproxy.Pass) {
					t.Errorf("fate %d, after %v: the server has acted %v", fate, after, acted)
				}
			}
		}
	})
}

// Where a name leads counts for the next connection, and not for those that are there.
func TestTheNameLeadsElsewhere(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		elsewhere := listener.Addr().String()
		_ = listener.Close() // nobody is there
		db := through(t, on, nil)
		first, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer first.Close()
		db.proxy.Lead(elsewhere)
		if err := first.PingContext(t.Context()); err != nil {
			t.Errorf("the connection that was there: %v", err)
		}
		if second, err := db.Conn(t.Context()); err == nil {
			t.Error("another connection was made to nobody")
			_ = second.Close()
		}
		db.proxy.Lead(net.JoinHostPort(on.Host, strconv.Itoa(on.Port)))
		third, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_ = third.Close()
	})
}

// A session that has vanished is still there for the server.
func TestVanishedSessionsStay(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		root, err := on.DB()
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		db := through(t, on, func(m faultproxy.Message) faultproxy.Fault {
			if m.Text == "DO 2" {
				return faultproxy.Fault{Before: func() faultproxy.Fate { return faultproxy.Vanish }}
			}
			return faultproxy.Fault{}
		})
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got int
		if err := conn.QueryRowContext(t.Context(), "SELECT GET_LOCK('vanished', 0)").Scan(&got); err != nil || got != 1 {
			t.Fatalf("%d, %v", got, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { <-db.met; cancel() }()
		if _, err := conn.ExecContext(ctx, "DO 2"); !errors.Is(err, context.Canceled) {
			t.Fatalf("a connection that had vanished answered: %v", err)
		}
		_ = db.Close()
		var free int
		if err := root.QueryRowContext(t.Context(), "SELECT IS_FREE_LOCK('vanished')").Scan(&free); err != nil || free != 0 {
			t.Errorf("the lock is free (%d, %v): the server has been told", free, err)
		}
	})
}

// The server executes as many of a query's statements as the fault lets through,
// whatever their texts have in them.
func TestTheServerGetsSomeStatements(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		root, err := on.DB()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = root.Close() })
		execute := func(statement string) {
			t.Helper()
			if _, err := root.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		execute("CREATE DATABASE some_statements")
		t.Cleanup(func() { _, _ = root.ExecContext(context.WithoutCancel(t.Context()), "DROP DATABASE some_statements") })
		execute("CREATE TABLE some_statements.t (n INT, `a;``b` VARCHAR(20))")
		batch := []string{
			"INSERT INTO some_statements.t VALUES (1, 'it''s; \\'')", `INSERT INTO some_statements.t VALUES (2, "a;\"")`,
			"INSERT INTO some_statements.t (n, `a;``b`) VALUES (3, '\\\\')", "INSERT INTO some_statements.t VALUES (4, ';')",
		}
		for count := 1; count <= len(batch); count++ {
			execute("TRUNCATE TABLE some_statements.t")
			var seen []string
			executed := make(chan int, 1) // what the proxy's goroutine counts
			db := through(t, on, func(m faultproxy.Message) faultproxy.Fault {
				if !strings.HasPrefix(m.Text, "INSERT") {
					return faultproxy.Fault{}
				}
				seen = m.Statements()
				return faultproxy.Fault{Statements: count, After: func() faultproxy.Fate {
					counted := -1
					if err := root.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM some_statements.t").Scan(&counted); err != nil {
						t.Error(err)
					}
					executed <- counted
					return faultproxy.Drop
				}}
			})
			_, err := db.ExecContext(t.Context(), strings.Join(batch, "; "))
			if err == nil {
				t.Fatalf("no error after %d statements of %d", count, len(batch))
			}
			select {
			case counted := <-executed:
				if counted != count {
					t.Errorf("%d statements executed, want %d: error %v", counted, count, err)
				}
			default:
				t.Fatalf("the fault did not happen: error %v", err)
			}
			if !slices.Equal(seen, batch) {
				t.Errorf("statements %q, want %q", seen, batch)
			}
		}
	})
}
