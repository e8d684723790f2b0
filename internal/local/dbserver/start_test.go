package dbserver

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// find returns a program of the release, or skips the test, loudly, and in CI
// fails it.
func find(t *testing.T, release string) *Program {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: it needs a server, and -short is for what needs none")
	}
	wanted, err := ParseRelease(release)
	if err != nil {
		t.Fatal(err)
	}
	program, err := Finder{Progress: os.Stderr}.Find(t.Context(), wanted)
	if missing := (*UnavailableError)(nil); errors.As(err, &missing) && os.Getenv("CI") == "" {
		t.Skip("SKIPPED: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func mustStart(t *testing.T, program *Program, options Options) *Server {
	t.Helper()
	server, err := program.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func mustOpen(t *testing.T, server *Server) *sql.DB {
	t.Helper()
	db, err := server.DB()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func query(t *testing.T, db *sql.DB, statement string) string {
	t.Helper()
	var value string
	if err := db.QueryRowContext(t.Context(), statement).Scan(&value); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return value
}

func execute(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func exists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// alive reports whether the process of that number runs.
func alive(pid int) bool {
	process, err := os.FindProcess(pid)
	return err == nil && process.Signal(signalZero) == nil
}

// TestServer starts one server of each flavor and takes it through its life.
func TestServer(t *testing.T) {
	for _, release := range []string{"mariadb", "mysql"} {
		t.Run(release, func(t *testing.T) {
			program := find(t, release)
			server := mustStart(t, program, Options{Args: []string{"--general-log", "--general-log-file=general.log", "--max-connections=77"}})
			db := mustOpen(t, server)

			t.Run("the administrator logs in over verified TLS", func(t *testing.T) {
				var name, cipher string
				if err := db.QueryRowContext(t.Context(), "SHOW STATUS LIKE 'Ssl_cipher'").Scan(&name, &cipher); err != nil || cipher == "" {
					t.Errorf("cipher %q, error %v", cipher, err)
				}
				config := server.Config()
				config.TLS = &tls.Config{ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
				if err := ping(t.Context(), config); err == nil || !strings.Contains(err.Error(), "certificate") {
					t.Errorf("a login that trusts another CA: %v", err)
				}
				config.TLS = server.Config().TLS
				config.TLS.ServerName = "localhost"
				if err := ping(t.Context(), config); err != nil {
					t.Errorf("a login under the name localhost: %v", err)
				}
			})
			t.Run("it has one administrator and a password", func(t *testing.T) {
				accounts := query(t, db, "SELECT GROUP_CONCAT(User, '@', Host) FROM mysql.user WHERE User NOT LIKE 'mysql.%' AND User NOT LIKE 'mariadb.%'")
				if accounts != "root@%" {
					t.Errorf("accounts: %s", accounts)
				}
				if grants := query(t, db, "SHOW GRANTS"); !strings.Contains(grants, "WITH GRANT OPTION") {
					t.Errorf("grants: %s", grants)
				}
				config := server.Config()
				config.Passwd = ""
				if err := ping(t.Context(), config); err == nil {
					t.Error("a login without a password succeeds")
				}
			})
			t.Run("the options arrive", func(t *testing.T) {
				if got := query(t, db, "SELECT @@max_connections"); got != "77" {
					t.Errorf("max_connections = %s", got)
				}
			})
			t.Run("the password is in no file and on no command line", func(t *testing.T) {
				execute(t, db, "SET GLOBAL general_log = OFF")
				password := server.Password.Reveal()
				if arguments, err := os.ReadFile(filepath.Join("/proc", itoa(server.Pid()), "cmdline")); err == nil && strings.Contains(string(arguments), password) {
					t.Error("the command line has it")
				}
				err := filepath.WalkDir(filepath.Dir(server.DataDir()), func(path string, entry fs.DirEntry, err error) error {
					if err != nil || !entry.Type().IsRegular() {
						return err
					}
					content, err := os.ReadFile(path)
					if strings.Contains(string(content), password) {
						t.Errorf("%s has it", path)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
				if !exists(t, filepath.Join(server.DataDir(), "general.log")) {
					t.Error("there is no general log")
				}
			})
			t.Run("a second one runs beside it", func(t *testing.T) {
				other := mustStart(t, program, Options{})
				beside := mustOpen(t, other)
				if other.Port == server.Port || other.DataDir() == server.DataDir() {
					t.Errorf("%s and %s share a port or a folder", server, other)
				}
				identity := map[Flavor]string{MySQL: "SELECT @@server_uuid", MariaDB: "SELECT @@port"}[server.Flavor]
				if a, b := query(t, db, identity), query(t, beside, identity); a == b {
					t.Errorf("%s is %s for both", identity, a)
				}
			})
			t.Run("what was committed outlives kill -9 and a restart", func(t *testing.T) {
				execute(t, db, "CREATE DATABASE kept")
				execute(t, db, "CREATE TABLE kept.t (i INT) ENGINE=InnoDB")
				execute(t, db, "INSERT INTO kept.t VALUES (7)")
				port, pid := server.Port, server.Pid()
				ended := server.Done()
				if err := server.Kill(); err != nil {
					t.Fatal(err)
				}
				<-ended
				if server.Pid() != 0 || alive(pid) {
					t.Errorf("after Kill: Pid() = %d, process %d runs: %v", server.Pid(), pid, alive(pid))
				}
				if err := server.Restart(t.Context(), "--max-connections=78"); err != nil {
					t.Fatal(err)
				}
				again := mustOpen(t, server)
				if got := query(t, again, "SELECT CONCAT(i, ' ', @@max_connections) FROM kept.t"); got != "7 78" || server.Port != port {
					t.Errorf("after a restart: %s, port %d, was %d", got, server.Port, port)
				}
				if err := server.Restart(t.Context()); err != nil {
					t.Errorf("restarting it while it runs: %v", err)
				}
			})
			t.Run("nothing is left after Close", func(t *testing.T) {
				folder, pid := filepath.Dir(server.DataDir()), server.Pid()
				if err := errors.Join(server.Close(), server.Close()); err != nil {
					t.Error(err)
				}
				if exists(t, folder) || alive(pid) {
					t.Errorf("folder there: %v, process there: %v", exists(t, folder), alive(pid))
				}
			})
		})
	}
}

func ping(ctx context.Context, config *mysql.Config) error {
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	return db.PingContext(ctx)
}

func TestServerEndsWithItsContext(t *testing.T) {
	program := find(t, "mariadb")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server, err := program.Start(ctx, Options{})
	if err != nil {
		t.Fatal(err)
	}
	folder, ended := filepath.Dir(server.DataDir()), server.Done()
	cancel()
	<-ended
	// Close waits for the removal that the context began.
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if exists(t, folder) {
		t.Errorf("%s is still there", folder)
	}
	if err := server.Restart(t.Context()); err == nil {
		t.Error("a closed server restarts")
	}
}

func TestStartSaysWhyAServerEnded(t *testing.T) {
	program := find(t, "mariadb")
	_, err := program.Start(t.Context(), Options{Args: []string{"--no-such-option"}})
	if err == nil || !strings.Contains(err.Error(), "unknown option '--no-such-option'") {
		t.Errorf("an option that the server does not know: %v", err)
	}
	for _, arg := range []string{"--port=1", "--datadir=x", "--log_error=x", "--defaults-file=x", "-P1", "--socket=x"} {
		if _, err := program.Start(t.Context(), Options{Args: []string{arg}}); err == nil || !strings.Contains(err.Error(), arg) {
			t.Errorf("%s: %v", arg, err)
		}
	}
}

func TestStartMakesADataDirectoryForWhatIsFixedInIt(t *testing.T) {
	program := find(t, "mysql")
	server := mustStart(t, program, Options{Args: []string{"--lower-case-table-names=1"}})
	if got := query(t, mustOpen(t, server), "SELECT @@lower_case_table_names"); got != "1" {
		t.Errorf("lower_case_table_names = %s", got)
	}
}

// What is copied for each server holds nothing that must differ between them.
func TestInitialisedDataHaveNoIdentity(t *testing.T) {
	program := find(t, "mysql")
	data := filepath.Join(t.TempDir(), "data")
	if err := program.initialise(t.Context(), data, nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"auto.cnf", "ca.pem", "ca-key.pem", "server-key.pem", "client-key.pem"} {
		if exists(t, filepath.Join(data, name)) {
			t.Errorf("there is a %s", name)
		}
	}
	if !exists(t, filepath.Join(data, "mysql.ibd")) {
		t.Error("there are no system tables")
	}
}

func TestServersShareACA(t *testing.T) {
	program := find(t, "mariadb")
	ca, err := NewCA()
	if err != nil {
		t.Fatal(err)
	}
	server := mustStart(t, program, Options{CA: ca})
	if file, err := os.ReadFile(server.CAFile); err != nil || string(file) != string(ca.PEM()) || string(server.CAPEM) != string(ca.PEM()) {
		t.Errorf("the server's CA is not the one given (%v)", err)
	}
}

func TestFreshServerHasAnEmptyBinaryLog(t *testing.T) {
	for _, release := range []string{"mariadb", "mysql"} {
		t.Run(release, func(t *testing.T) {
			program := find(t, release)
			args := []string{"--log-bin=binlog", "--server-id=3"}
			variable := "SELECT @@gtid_binlog_pos"
			if program.Flavor == MySQL {
				args = append(args, "--gtid-mode=ON", "--enforce-gtid-consistency=ON")
				variable = "SELECT @@gtid_executed"
			}
			db := mustOpen(t, mustStart(t, program, Options{Args: args}))
			if got := query(t, db, variable); got != "" {
				t.Errorf("%s: %s: it begins with a transaction that a replica lacks", variable, got)
			}
			execute(t, db, "CREATE DATABASE d")
			if got := query(t, db, variable); got == "" {
				t.Errorf("%s is empty after a statement", variable)
			}
		})
	}
}
