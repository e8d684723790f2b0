package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/account"
	"tandem/internal/local/dbserver"
	"tandem/internal/statement"
	"tandem/internal/warning"
)

// mustPair makes a user with one account, and its secret.
func (l *inProcess) mustPair(t *testing.T, admin string, hosts ...string) *pair {
	t.Helper()
	p := l.newPair(unique("o'app"), firstPassword, admin, func(text string) { t.Log(text) })
	t.Cleanup(func() { p.drop(t) })
	for _, host := range hosts {
		l.must(t, "CREATE USER "+p.at(host)+" IDENTIFIED BY '"+firstPassword+"'")
	}
	return p
}

func (p *pair) at(host string) string { return account.Name{User: p.user, Host: host}.String() }
func (p *pair) cloneAt(host string) string {
	return account.Name{User: p.user + "_clone", Host: host}.String()
}

func (p *pair) see(t tester, user string) []string { return see(t, p.on, p.root, user).lines() }

func (p *pair) mustRotate(t *testing.T) {
	t.Helper()
	if err := p.rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (p *pair) mustEqual(t *testing.T) {
	t.Helper()
	if diff := cmp.Diff(p.see(t, p.user), p.see(t, p.user+"_clone")); diff != "" {
		t.Errorf("the clone is not the original's equal (-original +clone):\n%s", diff)
	}
}

// mayLogIn reports whether the credentials of a version log in.
func (p *pair) mayLogIn(t *testing.T, version string) bool {
	t.Helper()
	config := p.on.Config()
	config.User, config.Passwd = p.secrets.credentials(version)
	return mayLogIn(t, config)
}

const mends = "to fix it, run: "

// An admin who may not do a thing is told the GRANT that he lacks. Given each of
// them in turn, the rotation goes on from where it was, and arrives.
func TestTheGrantThatMends(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		l := newInProcess(t, on)
		l.makeGround(t)
		weak := account.Name{User: unique("weak"), Host: "%"}
		l.must(t, "CREATE USER "+weak.String()+" IDENTIFIED BY 'weak'")
		t.Cleanup(func() { l.must(t, "DROP USER "+weak.String()) })
		l.admins["weak"] = l.document(weak.User, "weak", nil)
		p := l.mustPair(t, "weak", "%")
		if err := p.rotate(t.Context()); err == nil || !strings.Contains(err.Error(), "GRANT SELECT ON mysql.* TO "+weak.String()) {
			t.Fatalf("an admin who may not even read: %v", err)
		}
		l.must(t, "GRANT SELECT ON mysql.* TO "+weak.String())
		for _, grant := range []string{
			"PROCESS ON *.*", "SELECT, EVENT ON " + ground + ".*", "INSERT ON " + ground + ".t", "UPDATE (a) ON " + ground + ".t",
			"EXECUTE ON PROCEDURE " + ground + ".p",
		} {
			l.must(t, "GRANT "+grant+" TO "+p.at("%"))
		}
		// arrive gives the admin what the errors ask for until the rotation succeeds.
		arrive := func(check func()) (denials int) {
			for ; ; denials++ {
				err := p.rotate(t.Context())
				if err == nil {
					return denials
				}
				_, remedy, found := strings.Cut(err.Error(), mends)
				if !found || !strings.Contains(err.Error(), "admin "+weak.String()) || denials > 20 {
					t.Fatalf("after %d denials: %v", denials, err)
				}
				if p.secrets.carrier("AWSCURRENT") == fmt.Sprintf("version-%d", p.turns) || !p.mayLogIn(t, p.secrets.carrier("AWSCURRENT")) {
					t.Error("AWSCURRENT has moved, or does not log in")
				}
				check()
				t.Log(remedy)
				l.must(t, remedy)
			}
		}
		denials := arrive(func() {
			for _, row := range see(t, on, l.root, p.user+"_clone")["user"] {
				if row["account_locked"] != "Y" && !strings.Contains(row["Priv"], `"account_locked":true`) {
					t.Error("a clone that is not whole is open")
				}
			}
		})
		if denials < 5 {
			t.Errorf("%d denials, want one for each of the original's privileges at least", denials)
		}
		p.mustEqual(t)
		p.mustRotate(t)
		l.must(t, "GRANT RELOAD ON *.* TO "+p.at("%"))
		clone := p.secrets.carrier("AWSPREVIOUS")
		if denials := arrive(func() {
			if !p.mayLogIn(t, clone) {
				t.Error("the clone's password changed before the clone was whole")
			}
		}); denials != 1 {
			t.Errorf("%d denials, want 1", denials)
		}
		p.mustEqual(t)
	})
}

// What RDS's admin cannot do is refused by name, and internal/account/README.md lists it.
func TestWhatRDSAdminCannot(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		l := newInProcess(t, on)
		grants := []string{"SUPER ON *.*", "FILE ON *.*", "SHUTDOWN ON *.*", "CREATE TABLESPACE ON *.*", "ALL ON *.*"}
		if on.Flavor == dbserver.MariaDB {
			grants = append(grants, "BINLOG ADMIN ON *.*", "CONNECTION ADMIN ON *.*", "READ_ONLY ADMIN ON *.*", "SLAVE MONITOR ON *.*", "SET USER ON *.*")
		}
		for _, grant := range grants {
			p := l.mustPair(t, rdsAdmin, "%")
			l.must(t, "GRANT "+grant+" TO "+p.at("%"))
			err := p.rotate(t.Context())
			if on.Flavor == dbserver.MySQL && grant == "ALL ON *.*" { // with SYSTEM_USER among it
				if err == nil || !strings.Contains(err.Error(), "SYSTEM_USER") {
					t.Errorf("%s: %v", grant, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), mends+"GRANT "+strings.Replace(grant, "ALL ON", "ALL PRIVILEGES ON", 1)) {
				t.Errorf("%s: %v", grant, err)
			}
		}
	})
}

// MySQL's system users are changed by system users only, which is known before
// anything is sent.
func TestSystemUser(t *testing.T) {
	servers.Only(dbserver.MySQL, "MariaDB has no such privilege").Each(t, func(t *testing.T, on *dbserver.Server) {
		l := newInProcess(t, on)
		for _, admin := range []string{rdsAdmin, mightyAdmin} {
			p := l.mustPair(t, admin, "%")
			l.must(t, "GRANT SYSTEM_USER ON *.* TO "+p.at("%"))
			err := p.rotate(t.Context())
			if admin == mightyAdmin {
				if err != nil {
					t.Fatal(err)
				}
				p.mustEqual(t)
			} else if err == nil || !strings.Contains(err.Error(), "SYSTEM_USER") || len(p.see(t, p.user+"_clone")) > 0 {
				t.Errorf("error %v, clone %v", err, p.see(t, p.user+"_clone"))
			}
		}
	})
}

// SHOW GRANTS hides a partial revoke of GRANT OPTION that stands beside others.
func TestPartialRevokeOfGrantOption(t *testing.T) {
	servers.Only(dbserver.MySQL, "MariaDB has no partial revokes").Each(t, func(t *testing.T, on *dbserver.Server) {
		l := newInProcess(t, on)
		l.must(t, "SET GLOBAL partial_revokes = ON")
		t.Cleanup(func() { l.must(t, "SET GLOBAL partial_revokes = OFF") })
		p := l.mustPair(t, mightyAdmin, "%")
		l.must(t, "GRANT SELECT, INSERT ON *.* TO "+p.at("%")+" WITH GRANT OPTION")
		l.must(t, "REVOKE SELECT, GRANT OPTION ON `somewhere`.* FROM "+p.at("%"))
		p.mustRotate(t)
		p.mustEqual(t)
		if text := strings.Join(p.see(t, p.user+"_clone"), "\n"); !strings.Contains(text, `\"GRANT\"`) {
			t.Errorf("the clone has no partial revoke of GRANT OPTION:\n%s", text)
		}
		p.mustRotate(t)
		l.must(t, "GRANT USAGE ON `somewhere`.* TO "+p.at("%")+" WITH GRANT OPTION")
		p.mustRotate(t)
		p.mustEqual(t)
		p.drop(t) // before partial revokes are turned off
	})
}

// A host that the original has lost: what nothing needs is dropped, what defines
// something is made the equal of the account that serves its host now, and locked
// where there is none.
func TestLostHosts(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		l := newInProcess(t, on)
		l.makeGround(t)
		for _, test := range []struct {
			what          string
			remaining     string
			lost          string
			defines, kept bool
			warning       string
		}{
			{"nothing needs it", "%", "10.%", false, false, warning.HostDropped},
			{"it defines something", "%", "10.%", true, true, warning.DefinerKept},
			{"it defines something, and nobody serves its host", nearHosts(l.from)[2], "10.%", true, true, warning.DefinerKept},
		} {
			p := l.mustPair(t, mightyAdmin, test.remaining, test.lost)
			l.must(t, "GRANT SELECT ON "+ground+".* TO "+p.at(test.remaining))
			l.must(t, "GRANT SELECT, INSERT ON "+ground+".t TO "+p.at(test.lost))
			p.mustRotate(t)
			p.mustEqual(t)
			if test.defines {
				l.must(t, "CREATE OR REPLACE DEFINER = "+p.cloneAt(test.lost)+" VIEW "+ground+".defined AS SELECT 1 AS a")
			}
			l.must(t, "DROP USER "+p.at(test.lost))
			p.mustRotate(t)
			p.mustRotate(t)
			if p.warned[test.warning] == "" {
				t.Errorf("%s: no warning %s", test.what, test.warning)
			}
			at := func(user, host string) []string {
				var out []string
				for _, text := range p.see(t, user) {
					for _, column := range []string{"Host", "HOST"} {
						if strings.Contains(text, column+`="`+host+`"`) {
							out = append(out, strings.Replace(text, column+`="`+host+`"`, "HERE", 1))
						}
					}
				}
				return out
			}
			found := at(p.user+"_clone", test.lost)
			switch {
			case !test.kept:
				if len(found) > 0 {
					t.Errorf("%s: it is still there: %v", test.what, found)
				}
			case test.remaining == "%":
				if diff := cmp.Diff(at(p.user, test.remaining), found); diff != "" {
					t.Errorf("%s: it is not what serves its host (-want +got):\n%s", test.what, diff)
				}
			default:
				if text := strings.Join(found, "\n"); !strings.Contains(text, `account_locked="Y"`) && !strings.Contains(text, `account_locked\":true`) {
					t.Errorf("%s: it is not locked:\n%s", test.what, text)
				}
			}
			if test.defines {
				l.must(t, "DROP VIEW "+ground+".defined")
			}
			p.drop(t)
		}
	})
}

// In merge, what was granted to the clone is granted to the original, and the
// warning prints the statements that take it from both.
func TestRevokeFromBoth(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		l := newInProcess(t, on)
		l.makeGround(t)
		p := l.mustPair(t, mightyAdmin, "%")
		l.must(t, "GRANT SELECT ON "+ground+".* TO "+p.at("%"))
		p.mustRotate(t)
		before := p.see(t, p.user)
		for _, grant := range []string{
			"PROCESS ON *.*", "SELECT, INSERT ON " + ground + ".*", "SELECT, UPDATE (a) ON " + ground + ".t", "EXECUTE ON FUNCTION " + ground + ".f", "PROXY ON 'somebody'@'%'",
		} {
			l.must(t, "GRANT "+grant+" TO "+p.cloneAt("%"))
		}
		if on.Flavor == dbserver.MySQL {
			l.must(t, "GRANT ROLE_ADMIN ON *.* TO "+p.cloneAt("%"))
		} else {
			l.must(t, packaged("GRANT EXECUTE ON PACKAGE "+ground+".pk TO "+p.cloneAt("%")))
		}
		p.mustRotate(t)
		p.mustEqual(t)
		_, statements, found := strings.Cut(p.warned[warning.PrivilegeTakenBack], "to take it from both: ")
		if !found {
			t.Fatalf("no statement in the warning %q", p.warned[warning.PrivilegeTakenBack])
		}
		for _, text := range strings.Split(statements, "; ") {
			l.must(t, text)
		}
		p.mustRotate(t)
		p.mustRotate(t)
		p.mustEqual(t)
		if diff := cmp.Diff(before, p.see(t, p.user)); diff != "" {
			t.Errorf("the original is not what it was:\n%s", diff)
		}
	})
}

// A server's own defaults change no statement's meaning.
func TestServerDefaults(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		l := newInProcess(t, on)
		l.makeGround(t)
		for variable, value := range map[string]string{
			"sql_mode": "'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH'", "character_set_server": "'latin1'", "sql_quote_show_create": "0",
		} {
			var before string
			if err := l.root.QueryRowContext(t.Context(), "SELECT @@GLOBAL."+variable).Scan(&before); err != nil {
				t.Fatal(err)
			}
			if variable != "sql_quote_show_create" {
				before = statement.Literal(before)
			}
			l.must(t, "SET GLOBAL "+variable+" = "+value)
			t.Cleanup(func() { l.must(t, "SET GLOBAL "+variable+" = "+before) })
		}
		for _, name := range []string{`o'b"r\ien`, "a`b TO c", "é日%"} {
			p := l.newPair(name, firstPassword, mightyAdmin, func(text string) { t.Log(text) })
			p.drop(t)
			l.must(t, "CREATE USER "+p.at("%")+" IDENTIFIED BY '"+firstPassword+"'")
			l.must(t, "CREATE USER "+p.at("10.%")+" IDENTIFIED BY '"+firstPassword+`' REQUIRE SUBJECT 'a"b\\c''d'`)
			for _, grant := range []string{"SELECT ON `" + ground + "\\_`.*", "SELECT (a), INSERT ON " + ground + ".`we'ird ``t\\x`", "EXECUTE ON PROCEDURE " + ground + ".`P q`", `PROXY ON 'x''y\\z'@'%'`} {
				l.must(t, "GRANT "+grant+" TO "+p.at("%"))
			}
			for range 3 {
				p.mustRotate(t)
				p.mustEqual(t)
			}
			p.drop(t)
		}
	})
}

// An account that the owner gave the original at a nearer host is the one that the
// new credentials would log in as: where it may do less, the rotation stops and
// says so, until it may do as much.
func TestNearerHost(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		l := newInProcess(t, on)
		l.makeGround(t)
		p := l.mustPair(t, mightyAdmin, "%")
		l.must(t, "GRANT SELECT ON "+ground+".* TO "+p.at("%"))
		p.mustRotate(t)
		l.must(t, "CREATE USER "+p.at(l.from)+" IDENTIFIED BY 'another'")
		err := p.rotate(t.Context())
		if err == nil || !strings.Contains(err.Error(), "testSecret") || !strings.Contains(err.Error(), p.at(l.from)) {
			t.Errorf("error %v", err)
		}
		if p.secrets.current() != p.user+"_clone" || !p.mayLogIn(t, p.secrets.carrier("AWSCURRENT")) {
			t.Error("AWSCURRENT has moved, or does not log in")
		}
		l.must(t, "GRANT SELECT ON "+ground+".* TO "+p.at(l.from))
		p.mustRotate(t)
		p.mustRotate(t)
		p.mustEqual(t)
		if hosts := columnsOf(t, l.root, "SELECT Host FROM mysql.user WHERE User = ?", p.user+"_clone"); !slices.ContainsFunc(hosts, func(row map[string]string) bool { return row["Host"] == l.from }) {
			t.Errorf("the clone has %v", hosts)
		}
	})
}
