package e2e

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/go-sql-driver/mysql"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/sandbox"
)

// put stores a text as a secret's value.
func (w *deployment) put(id, text string) {
	w.t.Helper()
	if _, err := w.Secrets.PutSecretValue(w.t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: aws.String(id), SecretString: aws.String(text), ClientRequestToken: aws.String(sandbox.Token()),
	}); err != nil {
		w.t.Fatal(err)
	}
}

// blackHole is a port of this machine at which a connection is neither made nor
// refused: its queue is full, and nobody takes from it.
func blackHole(t *testing.T) (port int) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port = bound.(*syscall.SockaddrInet4).Port
	// The queue of a backlog of zero holds one; the systems take one or two more.
	for range 3 {
		waiting, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Close(waiting) })
		if err := syscall.SetNonblock(waiting, true); err != nil {
			t.Fatal(err)
		}
		_ = syscall.Connect(waiting, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port})
	}
	return port
}

// serving accepts connections, and does with each what it is told.
func serving(t *testing.T, listener net.Listener, with func(net.Conn)) (port int) {
	t.Helper()
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go with(conn)
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

func listening(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// silentServer accepts, and says nothing.
func silentServer(t *testing.T) int {
	return serving(t, listening(t), func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn); _ = conn.Close() })
}

// hangingUp accepts, and hangs up.
func hangingUp(t *testing.T) int {
	return serving(t, listening(t), func(conn net.Conn) { _ = conn.Close() })
}

// foreignTLS is the address of a service with a certificate of nobody's authority.
func foreignTLS(t *testing.T) string {
	t.Helper()
	service := httptest.NewUnstartedServer(nil)
	service.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	service.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshakes that fail
	service.StartTLS()
	t.Cleanup(service.Close)
	return service.Listener.Addr().String()
}

// blocked has an account refuse logins after a wrong one.
func blocked(w *deployment) func() {
	wrong := w.Server.Config()
	wrong.User, wrong.Passwd = w.user, "wrong"
	if w.Server.Flavor == dbserver.MySQL {
		w.execute("ALTER USER '" + w.user + "'@'%' FAILED_LOGIN_ATTEMPTS 1 PASSWORD_LOCK_TIME UNBOUNDED")
		mayLogIn(w.t, wrong)
		return nil
	}
	w.execute("SET GLOBAL max_password_errors = 1")
	mayLogIn(w.t, wrong)
	return func() { w.execute("SET GLOBAL max_password_errors = 4294967295", "FLUSH PRIVILEGES") }
}

// forward passes connections to an address of this machine on to the server, from
// another address of it where one is given.
func forward(w *deployment, at, from string) (port int) {
	w.t.Helper()
	listener, err := net.Listen("tcp", at+":0")
	if err != nil {
		w.t.Fatal(err)
	}
	target := fmt.Sprintf("127.0.0.1:%d", w.Server.Port)
	var dialer net.Dialer
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	return serving(w.t, listener, func(conn net.Conn) {
		defer conn.Close()
		to, err := dialer.Dial("tcp", target)
		if err != nil {
			return
		}
		defer to.Close()
		go func() { _, _ = io.Copy(to, conn); _ = to.Close() }()
		_, _ = io.Copy(conn, to)
	})
}

// fromAnotherHost has the function come from an address that no account allows.
func fromAnotherHost(w *deployment) func() {
	w.elsewhere("127.0.0.1", forward(w, "127.0.0.1", "127.0.0.5"))
	var there, back []string
	for _, row := range columnsOf(w.t, w.Root, "SELECT User, Host FROM mysql.user WHERE Host LIKE '%\\%%'") {
		name := "'" + row["User"] + "'@'"
		there = append(there, "RENAME USER "+name+row["Host"]+"' TO "+name+"10.9.8.7'")
		back = append(back, "RENAME USER "+name+"10.9.8.7' TO "+name+row["Host"]+"'")
	}
	const reread = "FLUSH PRIVILEGES" // a renamed account leaves its host among those allowed
	w.execute(append(there, reread)...)
	return func() { w.execute(append(back, reread)...) }
}

// version is the server's.
func (w *deployment) version() string {
	w.t.Helper()
	var version string
	if err := w.Root.QueryRowContext(w.t.Context(), "SELECT VERSION()").Scan(&version); err != nil {
		w.t.Fatal(err)
	}
	return version
}

// crowded takes all connections that the server has for ordinary users.
func crowded(w *deployment) func() {
	ctx := context.WithoutCancel(w.t.Context())
	user := unique("crowd")
	if err := w.CreateUser(ctx, user, "%", firstPassword); err != nil {
		w.t.Fatal(err)
	}
	conn, err := w.Root.Conn(ctx) // there must be one left to end it by
	if err != nil {
		w.t.Fatal(err)
	}
	var before int
	if err := conn.QueryRowContext(ctx, "SELECT @@max_connections").Scan(&before); err != nil {
		w.t.Fatal(err)
	}
	if _, err := conn.ExecContext(ctx, "SET GLOBAL max_connections = 20"); err != nil {
		w.t.Fatal(err)
	}
	config := w.Server.Config()
	config.User, config.Passwd = user, firstPassword
	connector, err := mysql.NewConnector(config)
	if err != nil {
		w.t.Fatal(err)
	}
	crowd := sql.OpenDB(connector)
	var held []*sql.Conn
	for len(held) < 40 {
		one, err := crowd.Conn(ctx)
		if err != nil {
			break
		}
		held = append(held, one)
	}
	return func() {
		if _, err := conn.ExecContext(ctx, fmt.Sprintf("SET GLOBAL max_connections = %d", before)); err != nil {
			w.t.Error(err)
		}
		for _, one := range held {
			_ = one.Close()
		}
		_ = crowd.Close()
		_ = conn.Close()
		w.execute("DROP USER '" + user + "'@'%'")
	}
}

// withoutPlugin gives the account a plugin that the server has not loaded, as one
// does who removes it.
func withoutPlugin(w *deployment) func() {
	change := "UPDATE mysql.user SET plugin = 'not_loaded' WHERE User = '" + w.user + "'"
	if w.Server.Flavor == dbserver.MariaDB {
		change = "UPDATE mysql.global_priv SET Priv = JSON_SET(Priv, '$.plugin', 'not_loaded') WHERE User = '" + w.user + "'"
	}
	w.execute(change, "FLUSH PRIVILEGES")
	return nil
}

func readOnlyServer(w *deployment) func() {
	if w.Server.Flavor == dbserver.MySQL {
		w.execute("SET GLOBAL super_read_only = 1")
		return func() { w.execute("SET GLOBAL super_read_only = 0", "SET GLOBAL read_only = 0") }
	}
	w.execute("SET GLOBAL read_only = 1")
	return func() { w.execute("SET GLOBAL read_only = 0") }
}

// roleOfClone makes the clone's name somebody else's: a role.
func roleOfClone(w *deployment) func() {
	if w.Server.Flavor == dbserver.MySQL {
		w.execute("GRANT '" + w.clone() + "'@'%' TO 'admin'@'%'")
		return nil
	}
	w.execute("DROP USER '"+w.clone()+"'@'%'", "CREATE ROLE "+w.clone())
	w.afterwards("DROP ROLE IF EXISTS " + w.clone())
	return nil
}

func lockHeld(w *deployment) func() {
	ctx := context.WithoutCancel(w.t.Context())
	name := w.lockName()
	conn, err := w.Root.Conn(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	var got int
	if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, 0)", name).Scan(&got); err != nil || got != 1 {
		w.t.Fatalf("taking the lock: %d, %v", got, err)
	}
	return func() {
		if _, err := conn.ExecContext(ctx, "DO RELEASE_LOCK('"+name+"')"); err != nil {
			w.t.Error(err)
		}
		_ = conn.Close()
	}
}

// lockName is that of the pair's lock.
func (w *deployment) lockName() string {
	sum := sha256.Sum256([]byte(w.user))
	return "tandem." + hex.EncodeToString(sum[:16])
}
