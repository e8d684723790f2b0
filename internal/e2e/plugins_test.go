package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/dbserver"
)

// plugin is the file of a loadable plugin, for the command line.
func load(names ...string) []string {
	var args []string
	for _, name := range names {
		args = append(args, "--plugin-load-add="+name)
	}
	return args
}

// has reports whether the server has a plugin.
func (w *deployment) has(plugin string) bool {
	w.t.Helper()
	return len(columnsOf(w.t, w.Root, "SELECT 1 FROM information_schema.PLUGINS WHERE PLUGIN_NAME = ? AND PLUGIN_STATUS = 'ACTIVE'", plugin)) > 0
}

// identified makes the application's user anew, identified by these clauses.
func (w *deployment) identified(clauses string) {
	w.t.Helper()
	w.execute("ALTER USER " + me(w.user) + " IDENTIFIED " + strings.ReplaceAll(clauses, "PW", "'"+firstPassword+"'"))
}

// factors are what the two users are identified by, by the servers' own tables,
// with what they keep of a password masked.
func (w *deployment) identification(user string) []string {
	w.t.Helper()
	var out []string
	for _, line := range oracle(w.t, w.Server, w.Root, user) {
		if strings.HasPrefix(line, "user ") {
			out = append(out, line)
		}
	}
	return out
}

// The clone has the original's plugin, and both log in with it.
func TestPlugins(t *testing.T) {
	servers.EachRelease(t, func(t *testing.T, release string) {
		var on *dbserver.Server
		plugins := []string{"WITH caching_sha2_password BY PW", "WITH sha256_password BY PW"}
		if strings.HasPrefix(release, "mysql") {
			on = servers.MustStart(t, release)
		} else {
			on = servers.MustStart(t, release, load("auth_ed25519")...)
			plugins = []string{
				"VIA mysql_native_password USING PASSWORD(PW)", "VIA ed25519 USING PASSWORD(PW)",
				"VIA unix_socket OR ed25519 USING PASSWORD(PW)", "VIA ed25519 USING PASSWORD(PW) OR unix_socket AS 'somebody'",
				"VIA mysql_native_password USING 'invalid' OR ed25519 USING PASSWORD(PW)",
				"VIA mysql_native_password USING PASSWORD(PW) OR ed25519 USING PASSWORD(PW) OR unix_socket",
			}
		}
		for _, plugin := range plugins {
			t.Run(plugin, func(t *testing.T) {
				for _, ssl := range []any{nil, false} {
					w := newDeployment(t, on, withIntercept(twice))
					w.identified(plugin)
					w.storeAdminToo(map[string]any{"ssl": ssl})
					want := w.identification(w.user)
					for _, user := range []string{w.clone(), w.user, w.clone()} {
						w.mustRotate()
						w.mustBe(user)
						w.mustEqual()
					}
					if diff := cmp.Diff(want, w.identification(w.user)); diff != "" {
						t.Errorf("the original is identified by something else:\n%s", diff)
					}
				}
			})
		}
		// What the original has now, the clone has at its next turn.
		w := newDeployment(t, on)
		for _, plugin := range append(plugins, plugins[0]) {
			w.mustRotate()
			w.identified(plugin)
			w.store(w.user, firstPassword, nil)
			w.mustRotate()
			w.mustBe(w.clone())
			w.mustEqual()
			w.mustRotate()
			w.mustBe(w.user)
		}
	})
}

// strict starts a MariaDB that validates passwords.
func strict(t *testing.T, release string, args ...string) *dbserver.Server {
	t.Helper()
	return servers.MustStart(t, release, args...)
}

// A validation plugin that insists is sent the password in clear, and a warning
// names it; nothing else leads to that.
func TestValidationPlugins(t *testing.T) {
	servers.Only(dbserver.MariaDB, "these are plugins of MariaDB").EachRelease(t, func(t *testing.T, release string) {
		for _, test := range []struct {
			name  string
			args  []string
			want  string // the plugin in the warning, none where there is none
			since string
		}{
			{"none", nil, "", ""},
			{"strict and no plugin", []string{"--strict-password-validation=ON"}, "", ""},
			{"simple_password_check", append(load("simple_password_check", "auth_ed25519"), "--strict-password-validation=ON"), "simple_password_check", ""},
			{"simple_password_check by default", load("simple_password_check", "auth_ed25519"), "simple_password_check", ""},
			{"simple_password_check, not strict", append(load("simple_password_check"), "--strict-password-validation=OFF"), "", ""},
			{"password_reuse_check", append(load("password_reuse_check"), "--strict-password-validation=ON"), "password_reuse_check", "10.7"},
			{"password_reuse_check, not strict", append(load("password_reuse_check"), "--strict-password-validation=OFF"), "", "10.7"},
			{"two", append(load("password_reuse_check", "simple_password_check"), "--strict-password-validation=ON"), "password_reuse_check, simple_password_check", "10.7"},
		} {
			if test.since != "" && release == "mariadb-10.5" {
				continue // a later release's plugin
			}
			t.Run(test.name, func(t *testing.T) {
				on := strict(t, release, test.args...)
				w := newDeployment(t, on, withIntercept(twice))
				w.mayBeSeen = test.want != ""
				if w.has("ed25519") {
					w.identified("VIA ed25519 USING PASSWORD('Another-1-Password')")
					w.identified("VIA ed25519 USING PASSWORD('The-2nd-Password')")
					w.store(w.user, "The-2nd-Password", nil)
				}
				w.execute("CREATE USER '" + w.user + "'@'10.1.%' IDENTIFIED VIA unix_socket AS 'root'")
				for range 3 {
					w.mustRotate()
					w.mustLogIn(w.Current(t.Context(), w.app))
					w.mustEqual()
				}
				warned := strings.Count(w.log(), `"type":"ClearPasswordSent"`)
				if test.want == "" && warned > 0 || test.want != "" && (warned != 3 || !strings.Contains(w.log(), "the plugin "+test.want+" ")) {
					t.Errorf("%d warnings of a password in clear, want %q named in 3:\n%s", warned, test.want, w.log())
				}
			})
		}
	})
}

// What a password cannot be the way in to is refused at the login's host, and
// copied at every other.
func TestOtherFactorsAtOtherHosts(t *testing.T) {
	servers.EachRelease(t, func(t *testing.T, release string) {
		my := strings.HasPrefix(release, "mysql")
		var on *dbserver.Server
		var hosts []string
		if my {
			on = servers.MustStart(t, release, load("auth_socket.so", "mysql_no_login.so")...)
			hosts = []string{
				"WITH auth_socket", "WITH auth_socket AS 'somebody'", "WITH mysql_no_login",
				"WITH caching_sha2_password BY PW AND IDENTIFIED WITH auth_socket AS 'somebody'",
				"WITH sha256_password BY PW AND IDENTIFIED WITH auth_socket AND IDENTIFIED WITH auth_socket AS 'x'",
			}
		} else {
			plugins := []string{"auth_ed25519", "auth_pam"}
			hosts = []string{
				"VIA unix_socket", "VIA unix_socket AS 'somebody'", "VIA pam AS 'mariadb'", "VIA mysql_native_password USING 'invalid'",
				"VIA mysql_native_password USING 'invalid' OR unix_socket", "VIA pam OR mysql_native_password USING PASSWORD(PW) OR unix_socket AS 'x'",
			}
			if release == "mariadb-11.8" {
				plugins = append(plugins, "auth_parsec")
				hosts = append(hosts, "VIA parsec USING PASSWORD(PW)", "VIA parsec USING PASSWORD(PW) OR ed25519 USING PASSWORD(PW)")
			}
			on = servers.MustStart(t, release, load(plugins...)...)
		}
		literal := func(clauses string) string { return strings.ReplaceAll(clauses, "PW", "'"+firstPassword+"'") }
		w := newDeployment(t, on, withIntercept(twice))
		at := func(i int) string { return fmt.Sprintf("'%s'@'10.%d.%%'", w.user, i) }
		for i, clauses := range hosts {
			w.execute("CREATE USER "+at(i)+" IDENTIFIED "+literal(clauses), "GRANT SELECT ON "+w.database+".t TO "+at(i))
		}
		masked := func() []string { return w.identification(w.user) }
		want := masked()
		for range 3 {
			w.mustRotate()
			w.mustEqual()
		}
		if diff := cmp.Diff(want, masked()); diff != "" {
			t.Errorf("the original is identified by something else:\n%s", diff)
		}
		// Each becomes what its neighbour was: factors come, change and go.
		w.mustRotate()
		for i := range hosts {
			w.execute("DROP USER "+at(i), "CREATE USER "+at(i)+" IDENTIFIED "+literal(hosts[(i+1)%len(hosts)]), "GRANT SELECT ON "+w.database+".t TO "+at(i))
		}
		w.mustRotate()
		w.mustEqual()
		w.mustRotate()
		w.mustEqual()
		before := len(w.statements())
		w.mustRotate()
		if sent := w.statements()[before:]; len(sent) != 1 {
			t.Errorf("nothing had changed, and %q was sent", sent)
		}

		// The same at the login's host, on each user's turn.
		for _, clauses := range hosts {
			if strings.Contains(clauses, "invalid") && strings.Contains(clauses, "unix_socket") {
				continue
			}
			w := newDeployment(t, on)
			w.execute("ALTER USER " + me(w.user) + " IDENTIFIED " + literal(strings.Split(clauses, " AND ")[0]))
			for n, further := range strings.Split(clauses, " AND ")[1:] {
				w.execute(fmt.Sprintf("ALTER USER %s ADD %d FACTOR %s", me(w.user), n+2, further))
			}
			before := append(oracle(t, on, w.Root, w.user), oracle(t, on, w.Root, w.clone())...)
			err := w.rotate()
			if err == nil || !strings.Contains(err.Error(), "setSecret") {
				t.Errorf("%s: the first rotation ended with %v", clauses, err)
			}
			if diff := cmp.Diff(before, append(oracle(t, on, w.Root, w.user), oracle(t, on, w.Root, w.clone())...)); diff != "" {
				t.Errorf("%s: something was changed:\n%s", clauses, diff)
			}

			w = newDeployment(t, on)
			w.mustRotate()
			w.execute("ALTER USER " + me(w.user) + " IDENTIFIED " + literal(strings.Split(clauses, " AND ")[0]))
			for n, further := range strings.Split(clauses, " AND ")[1:] {
				w.execute(fmt.Sprintf("ALTER USER %s ADD %d FACTOR %s", me(w.user), n+2, further))
			}
			sent := len(w.statements())
			w.mustFail("setSecret", me(w.user), "through which the new credentials would log in")
			if len(w.statements()) > sent {
				t.Errorf("%s: sent %q", clauses, w.statements()[sent:])
			}
			w.mustLogIn(w.Current(t.Context(), w.app))
		}
	})
}

// What an administrator may have the server demand of logins and accounts.
func TestServerSettings(t *testing.T) {
	servers.EachRelease(t, func(t *testing.T, release string) {
		settings := [][]string{{"--require-secure-transport=ON"}}
		if strings.HasPrefix(release, "mysql") {
			settings = append(settings, []string{"--require-secure-transport=ON", "--authentication-policy=sha256_password"},
				[]string{"--authentication-policy=*"}, []string{"--authentication-policy=caching_sha2_password,,"}, []string{"--authentication-policy=*:sha256_password,,"})
		}
		for _, args := range settings {
			t.Run(strings.Join(args, " "), func(t *testing.T) {
				on := servers.MustStart(t, release, args...)
				w := newDeployment(t, on)
				if on.Flavor == dbserver.MySQL {
					w.execute("GRANT AUTHENTICATION_POLICY_ADMIN ON *.* TO 'admin'@'%'",
						"ALTER USER "+me(w.user)+" IDENTIFIED WITH caching_sha2_password BY '"+firstPassword+"'")
				}
				for range 3 {
					w.mustRotate()
					w.mustLogIn(w.Current(t.Context(), w.app))
					w.mustEqual()
				}
				w = newDeployment(t, on)
				w.storeAdminToo(map[string]any{"ssl": false})
				if args[0] == "--require-secure-transport=ON" {
					w.mustFail("setSecret", "encrypted connections only")
				} else {
					w.mustRotate()
				}
			})
		}
	})
}

// A policy that the account's plugin is not of needs a privilege, which the error names.
func TestAuthenticationPolicy(t *testing.T) {
	servers.Only(dbserver.MySQL, "MariaDB has no authentication_policy").EachRelease(t, func(t *testing.T, release string) {
		w := newDeployment(t, servers.MustStart(t, release))
		w.execute("SET GLOBAL authentication_policy = 'sha256_password'")
		w.mustFail("setSecret", "GRANT AUTHENTICATION_POLICY_ADMIN ON *.*")
		w.abandon()
		w.execute("GRANT AUTHENTICATION_POLICY_ADMIN ON *.* TO 'admin'@'%'")
		w.mustRotate()
		w.mustBe(w.clone())
		w.mustEqual()
	})
}
