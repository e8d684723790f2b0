package e2e

import (
	"fmt"
	"strings"
	"testing"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/sandbox"
	"tandem/internal/repotest/document"
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
				case "refused, unless `ALLOW_PLAINTEXT=true`":
					test.want = "offers no TLS"
					tests = append(tests, tlsTest{name: test.name + ", allowed", server: server, ssl: ssl, env: []string{"ALLOW_PLAINTEXT=true"}})
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
			{"no TLS, absent, ALLOW_PLAINTEXT", off, nil, []string{"ALLOW_PLAINTEXT=true"}, "", false},
			{"no TLS, refused", off, false, nil, "", false},
		}...) {
			t.Run(test.name, func(t *testing.T) {
				w := newWorld(t, test.server, withEnv(test.env...))
				w.storeAdminToo(map[string]any{"ssl": test.ssl})
				if test.want != "" {
					w.mustFail(test.want)
					return
				}
				w.mustRotate()
				if warned := strings.Contains(w.log(), "connection not encrypted"); warned == test.encrypted {
					t.Errorf("encrypted: %v, want %v", !warned, test.encrypted)
				}
			})
		}
	})
}

// storeAdminToo makes the application's secret and an admin secret, both with
// further keys.
func (w *world) storeAdminToo(more map[string]any) {
	w.t.Helper()
	const password = "the admin's password"
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
