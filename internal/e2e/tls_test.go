package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/local/sandbox"
	"tandem/internal/repotest/document"
	"tandem/internal/rotation"
	"tandem/internal/warning"
)

// tlsTest is what becomes of a connection.
type tlsTest struct {
	name      string
	server    *dbserver.Server
	ssl       any
	env       []string
	want      string // in the error; none for success
	encrypted bool
}

// tlsOfTheDocuments are the cells of the table of TLS.
func tlsOfTheDocuments(t *testing.T, on, off *dbserver.Server) []tlsTest {
	t.Helper()
	values := map[string][]any{
		"`true`, `\"true\"`": {true, "true"}, "absent, or anything else": {nil, "preferred"}, "`false`, `\"false\"`": {false, "false"},
	}
	var tests []tlsTest
	for _, row := range document.MarkedTable(t, "table tls").Rows {
		if values[row.Cells[0]] == nil {
			t.Errorf("%s: nobody knows which values are %q", row, row.Cells[0])
		}
		for _, ssl := range values[row.Cells[0]] {
			for i, server := range []*dbserver.Server{on, off} {
				test := tlsTest{name: fmt.Sprintf("%v, server %d", ssl, i), server: server, ssl: ssl}
				switch cell := row.Cells[i+1]; cell {
				case "encrypted and verified":
					test.encrypted = true
				case "refused":
					test.want = "offers no TLS"
				case "refused, unless `ALLOW_PLAINTEXT=true` and the server is a MariaDB":
					test.want = "offers no TLS"
					allowed := tlsTest{name: test.name + ", allowed", server: server, ssl: ssl, env: []string{"ALLOW_PLAINTEXT=true"}}
					if server.Flavor == dbserver.MySQL { // MariaDB's plugins send no password
						allowed.want = "a public key that it sends itself"
					}
					tests = append(tests, allowed)
				case "plain text":
				default:
					t.Errorf("%s: nobody knows what %q means", row, cell)
				}
				tests = append(tests, test)
			}
		}
	}
	return tests
}

// The table of TLS, and what it does not say: what `ssl` and ALLOW_PLAINTEXT lead to, on a server with
// TLS and on one without.
func TestTLS(t *testing.T) {
	servers.EachRelease(t, func(t *testing.T, release string) {
		on := servers.MustStart(t, release)
		off := servers.MustStartWith(t, release, dbserver.Options{NoTLS: true})
		tests := tlsOfTheDocuments(t, on, off)
		for _, test := range append(tests, []tlsTest{
			{"required", on, true, nil, "", true},
			{"required, as text", on, "true", nil, "", true},
			{"absent", on, nil, nil, "", true},
			{"something else", on, "preferred", nil, "", true},
			{"refused", on, false, nil, "", false},
			{"refused, as text", on, "false", nil, "", false},
			{"ALLOW_PLAINTEXT does not mean plain text", on, nil, []string{"ALLOW_PLAINTEXT=true"}, "", true},
			{"an unknown authority", on, nil, []string{"SSL_CERT_FILE=/dev/null"}, "authority", false},
			{"no fall-back from an unknown authority", on, nil, []string{"SSL_CERT_FILE=/dev/null", "ALLOW_PLAINTEXT=true"}, "authority", false},
			{"no TLS, required", off, true, nil, "offers no TLS", false},
			{"no TLS, required, ALLOW_PLAINTEXT", off, true, []string{"ALLOW_PLAINTEXT=true"}, "offers no TLS", false},
			{"no TLS, absent", off, nil, nil, "offers no TLS", false},
			{"no TLS, refused", off, false, nil, "", false},
		}...) {
			t.Run(test.name, func(t *testing.T) {
				w := newDeployment(t, test.server, withEnv(test.env...))
				w.storeAdminToo(map[string]any{"ssl": test.ssl})
				if test.want != "" {
					w.mustFail(test.want)
					return
				}
				w.mustRotate()
				w.mustWarnFirst()
				if warned := strings.Contains(w.log(), "connection not encrypted"); warned == test.encrypted {
					t.Errorf("encrypted: %v, want %v", !warned, test.encrypted)
				}
			})
		}
	})
}

// storeAdminToo makes the application's secret and an admin secret, both with
// further keys.
func (w *deployment) storeAdminToo(more map[string]any) {
	w.t.Helper()
	const password = "The admin's 1st-password"
	if err := w.CreateUser(w.t.Context(), sandbox.Admin, "%", password); err != nil {
		w.t.Fatal(err)
	}
	w.execute("GRANT ALL PRIVILEGES ON *.* TO 'admin'@'%' WITH GRANT OPTION")
	var err error
	if w.admin, err = w.CreateSecret(w.t.Context(), sandbox.Token()[:20], sandbox.Admin, password, more); err != nil {
		w.t.Fatal(err)
	}
	w.store(w.user, firstPassword, more)
}

// mustWarnFirst checks that every login without TLS was warned of, in each step that
// had one, before anything that came of it.
func (w *deployment) mustWarnFirst() {
	w.t.Helper()
	warned := map[string]bool{} // by step and user
	for _, line := range strings.Split(w.log(), "\n") {
		var entry struct{ Message, Type, Step, User string }
		if json.Unmarshal([]byte(line), &entry) != nil {
			continue
		}
		switch {
		case entry.Type == warning.Plaintext:
			if user := entry.Step + " " + entry.User; warned[user] {
				w.t.Errorf("warned twice of %s", user)
			} else {
				warned[user] = true
			}
		case entry.Message == "statement executed" && len(warned) > 0 && !warned[entry.Step+" "+w.adminUser]:
			w.t.Errorf("a statement before the warning of the admin's login: %s", line)
		}
	}
	if len(warned) == 0 {
		return // all was encrypted
	}
	want := map[string]bool{
		"setSecret " + w.user: true, "setSecret " + w.adminUser: true,
		"testSecret " + w.user: true, "testSecret " + w.clone(): true, "finishSecret " + w.clone(): true,
	}
	if diff := cmp.Diff(want, warned); diff != "" {
		w.t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// TestNoPasswordInClear: ALLOW_PLAINTEXT lets no password cross the network, neither
// encrypted with a key that the server sends, nor in the statement that sets it; and
// what the errors advise works.
func TestNoPasswordInClear(t *testing.T) {
	servers.EachRelease(t, func(t *testing.T, release string) {
		options := dbserver.Options{NoTLS: true}
		if !strings.HasPrefix(release, "mysql") {
			options.Args = []string{"--plugin-load-add=simple_password_check", "--strict-password-validation=ON"}
		}
		off := servers.MustStartWith(t, release, options)
		w := newDeployment(t, off, withEnv("ALLOW_PLAINTEXT=true"))
		w.mayBeSeen = true
		w.storeAdminToo(map[string]any{"ssl": nil})
		if off.Flavor == dbserver.MySQL {
			if err := w.rotate(); errorType(err) != failure.PublicKeyRetrievalNotAllowed {
				t.Errorf("the error is %v, want %s", err, failure.PublicKeyRetrievalNotAllowed)
			}
			if f := finding(t, w.check(), "server: TLS"); f.Type != string(failure.PublicKeyRetrievalNotAllowed) || f.Result != rotation.ResultFailed {
				t.Errorf("the check's finding is %+v", f)
			}
			// Whoever has logged in is known to the server by a challenge from now on.
			for _, arn := range []string{w.app, w.admin} {
				document, err := w.Current(t.Context(), arn)
				if err != nil {
					t.Fatal(err)
				}
				db, err := w.Login(t.Context(), document)
				if err != nil {
					t.Fatal(err)
				}
				_ = db.Close()
			}
			w.abandon()
		}
		pair := func() []string { return append(oracle(t, off, w.Root, w.user), oracle(t, off, w.Root, w.clone())...) }
		before := pair()
		if err := w.rotate(); errorType(err) != failure.ClearPasswordNotAllowed {
			t.Errorf("the error is %v, want %s", err, failure.ClearPasswordNotAllowed)
		}
		if f := finding(t, w.check(), "accounts"); f.Type != string(failure.ClearPasswordNotAllowed) || f.Result != rotation.ResultFailed {
			t.Errorf("the check's finding is %+v", f)
		}
		if diff := cmp.Diff(before, pair()); diff != "" || len(w.statements()) > 0 {
			t.Errorf("something was changed (-want +got):\n%s%v", diff, w.statements())
		}

		// The remedy that both errors name.
		w.storeAdminToo(map[string]any{"ssl": false})
		w.mustRotate()
		w.mustRotate()
	})
}
