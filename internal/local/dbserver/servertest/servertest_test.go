package servertest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/dbserver"
)

var fleet Fleet

func TestMain(m *testing.M) { fleet.Main(m) }

func TestEach(t *testing.T) {
	var mutex sync.Mutex
	first := map[string]int{}
	for range 2 {
		fleet.Each(t, func(t *testing.T, s *dbserver.Server) {
			name := t.Name()[strings.LastIndex(t.Name(), "/")+1:]
			name, _, _ = strings.Cut(name, "#")
			mutex.Lock()
			if port, found := first[name]; found && port != s.Port {
				t.Errorf("%s was started again", name)
			}
			first[name] = s.Port
			mutex.Unlock()
			db, err := s.DB()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			if err := db.PingContext(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Code that verifies by the system's roots trusts the fleet's servers.
func TestSystemRootsVerifyTheFleet(t *testing.T) {
	s := fleet.MustStart(t, "mariadb", "--max-connections=55")
	address := fmt.Sprintf("%s:%s@tcp(%s)/?tls=true", s.Username, s.Password.Reveal(), net.JoinHostPort(s.Host, strconv.Itoa(s.Port)))
	verified, err := dbserver.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	db, err := verified.DB()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var connections int
	if err := db.QueryRowContext(t.Context(), "SELECT @@max_connections").Scan(&connections); err != nil || connections != 55 {
		t.Errorf("max_connections = %d, error %v", connections, err)
	}
}

func TestTargets(t *testing.T) {
	missing := &dbserver.UnavailableError{}
	for _, test := range []struct {
		matrix, ci string
		names      []string
		// What is started when only MariaDB and MySQL 8.4 can be had.
		started []string
		err     string
	}{
		{names: []string{"mariadb", "mysql-9"}, started: []string{"mariadb", "mysql"}},
		{ci: "true", names: []string{"mariadb", "mysql-9"}, started: []string{"mariadb", "missing"}},
		{matrix: "0", names: []string{"mariadb", "mysql-9"}, started: []string{"mariadb", "mysql"}},
		{matrix: "1", names: []string{"mariadb-10.5", "mariadb-10.11", "mariadb-11.8", "mysql-9"}, started: []string{"missing", "missing", "missing", "missing"}},
		{matrix: "mariadb-10.5 mysql-9", names: []string{"mariadb-10.5", "mysql-9"}, started: []string{"missing", "missing"}},
		{matrix: "all", err: "TEST_MATRIX"},
		{matrix: "mariadb-10.5 oracle-23", err: "TEST_MATRIX"},
	} {
		getenv := func(name string) string { return map[string]string{"TEST_MATRIX": test.matrix, "CI": test.ci}[name] }
		last := ""
		all, err := targets(getenv, func(_ context.Context, release dbserver.Release, _ dbserver.Options) (*dbserver.Server, error) {
			if release.Series != "" {
				last = "missing"
				return nil, missing
			}
			last = release.String()
			return &dbserver.Server{}, nil
		})
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("TEST_MATRIX=%s: %v", test.matrix, err)
			}
			continue
		}
		var names, started []string
		for _, target := range all {
			names = append(names, target.name)
			_, _ = target.get(t.Context())
			started = append(started, last)
		}
		if diff := cmp.Diff([][]string{test.names, test.started}, [][]string{names, started}); diff != "" {
			t.Errorf("TEST_MATRIX=%s CI=%s (-want +got):\n%s", test.matrix, test.ci, diff)
		}
	}
}

func TestAddressesAndReport(t *testing.T) {
	s := fleet.MustStart(t, "mariadb")
	report := filepath.Join(t.TempDir(), "report")
	t.Setenv("TEST_SERVERS", fmt.Sprintf(" %s:%s@tcp(127.0.0.1:%d)/?ssl-ca=%s\n", s.Username, s.Password.Reveal(), s.Port, url.QueryEscape(s.CAFile)))
	t.Setenv("TEST_SERVERS_REPORT", report)
	t.Setenv("SSL_CERT_FILE", os.Getenv("SSL_CERT_FILE"))
	var other Fleet
	end, err := other.begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The releases are another test's matter.
	other.targets = other.targets[len(other.targets)-1:]
	var ran []string
	other.Each(t, func(t *testing.T, got *dbserver.Server) {
		ran = append(ran, fmt.Sprint(got.Origin, got.Port))
	})
	if diff := cmp.Diff([]string{fmt.Sprint("address", s.Port)}, ran); diff != "" {
		t.Errorf("ran (-want +got):\n%s", diff)
	}
	bundle, err := os.ReadFile(other.CAFile())
	if err != nil || strings.Count(string(bundle), string(s.CAPEM)) != 2 {
		t.Errorf("the bundle has neither the address's CA nor that of SSL_CERT_FILE (%v):\n%s", err, bundle)
	}
	end()
	content, err := os.ReadFile(report)
	if want := fmt.Sprintf("ran against %s\n1 tests ran against %s %s\n", given(s), s.Flavor, strings.SplitN(s.Version, "-", 2)[0]); err != nil || string(content) != want {
		t.Errorf("the report is %q (%v), want %q", content, err, want)
	}
	if s.Pid() == 0 {
		t.Error("the fleet ended a server whose address was given")
	}
}

// given is how the server prints when its address was given.
func given(s *dbserver.Server) string {
	copied := *s
	copied.Origin = "address"
	return copied.String()
}
