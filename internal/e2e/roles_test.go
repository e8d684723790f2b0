package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/local/sandbox"
)

// roles makes roles that the admin may grant, and that end with the test.
func (w *deployment) roles(n int) []string {
	w.t.Helper()
	var names []string
	for range n {
		name := unique("role")
		w.execute("CREATE ROLE "+name, "GRANT SELECT ON "+w.database+".* TO "+name)
		w.afterwards("DROP ROLE IF EXISTS " + name)
		if w.Server.Flavor == dbserver.MariaDB {
			w.execute("GRANT " + name + " TO '" + sandbox.Admin + "'@'%' WITH ADMIN OPTION")
		}
		names = append(names, name)
	}
	return names
}

// me is an account of the application's user or its clone in a statement.
func me(user string) string { return "'" + user + "'@'%'" }

// setDefault sets default roles, by either server's grammar.
func (w *deployment) setDefault(user, roles string) string {
	if w.Server.Flavor == dbserver.MariaDB {
		return "SET DEFAULT ROLE " + roles + " FOR " + me(user)
	}
	return "ALTER USER " + me(user) + " DEFAULT ROLE " + roles
}

// Roles, with ADMIN OPTION, and default roles come and go with the original's.
func TestRolesAreCopied(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		r := w.roles(4)
		w.execute(
			"GRANT "+r[3]+" TO "+r[0], // a role of a role is the role's
			"GRANT "+r[0]+" TO "+me(w.user)+" WITH ADMIN OPTION",
			"GRANT "+r[1]+" TO "+me(w.user),
			w.setDefault(w.user, r[0]))
		turn := func(statements ...string) {
			t.Helper()
			w.execute(statements...)
			w.mustRotate()
			w.mustEqual()
			w.mustRotate()
			w.mustEqual()
		}
		turn()
		// ADMIN OPTION changes hands, a role goes and one comes, and so the default.
		w.execute("REVOKE "+r[0]+" FROM "+me(w.user), "REVOKE "+r[1]+" FROM "+me(w.user))
		turn("GRANT "+r[0]+" TO "+me(w.user), "GRANT "+r[2]+" TO "+me(w.user)+" WITH ADMIN OPTION", w.setDefault(w.user, r[2]))
		turn(w.setDefault(w.user, "NONE"))
		if on.Flavor == dbserver.MySQL {
			turn(w.setDefault(w.user, "ALL"))
			turn(w.setDefault(w.user, r[0]+", "+r[2]))
			turn(w.setDefault(w.user, r[0]))
			// With its ADMIN OPTION goes a default role, and has to come back.
			w.execute("REVOKE "+r[0]+" FROM "+me(w.user), "REVOKE "+r[0]+" FROM "+me(w.clone()),
				"GRANT "+r[0]+" TO "+me(w.clone())+" WITH ADMIN OPTION", "GRANT "+r[0]+" TO "+me(w.user), w.setDefault(w.user, r[0]))
			turn()
		}
		before := len(w.statements())
		w.mustRotate()
		if sent := w.statements()[before:]; len(sent) != 1 {
			t.Errorf("nothing had changed, and %q was sent", sent)
		}
	})
}

// REVOKE and DROP ROLE leave MariaDB's default role behind. Where the role exists,
// the clone gets it too, locked as long as it has to have the role; where it does
// not, nothing follows from it, and a warning says so.
func TestDefaultRoleLeftBehind(t *testing.T) {
	servers.Only(dbserver.MariaDB, "MySQL drops a default role with the role").Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		r := w.roles(3)
		w.execute("GRANT "+r[0]+" TO "+me(w.user), w.setDefault(w.user, r[0]), "REVOKE "+r[0]+" FROM "+me(w.user))
		w.mustRotate() // the clone is new
		w.mustEqual()
		w.mustRotate()
		w.execute("GRANT "+r[1]+" TO "+me(w.user), w.setDefault(w.user, r[1]), "REVOKE "+r[1]+" FROM "+me(w.user))
		before := len(w.statements())
		w.mustRotate() // the clone exists, and is open
		w.mustEqual()
		sent := strings.Join(w.statements()[before:], "\n")
		if !strings.HasPrefix(sent, "ALTER USER "+me(w.clone())+" ACCOUNT LOCK\nGRANT") {
			t.Errorf("the clone had the role while it was open:\n%s", sent)
		}
		w.mustRotate()
		w.execute("GRANT "+r[2]+" TO "+me(w.user), w.setDefault(w.user, r[2]), "DROP ROLE "+r[2])
		w.mustRotate()
		w.mustBe(w.clone())
		if log := w.log(); !strings.Contains(log, `"type":"ObjectGone"`) || !strings.Contains(log, r[2]) {
			t.Errorf("no warning names the role that is gone:\n%s", log)
		}
	})
}

// What the clone has of roles beyond the original is granted back, and the warning
// has what takes it from both.
func TestRolesAreGrantedBack(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		r := w.roles(2)
		w.execute("GRANT " + r[1] + " TO " + me(w.user))
		w.mustRotate()
		w.execute("GRANT "+r[0]+" TO "+me(w.clone())+" WITH ADMIN OPTION", w.setDefault(w.clone(), r[0]))
		w.mustRotate()
		w.mustEqual()
		quoted := "`" + r[0] + "`"
		if on.Flavor == dbserver.MySQL {
			quoted = me(r[0])
		}
		revoke := "REVOKE " + quoted + " FROM " + me(w.user) + ", " + me(w.clone())
		if log := w.log(); strings.Count(log, `"type":"PrivilegeTakenBack"`) != 1 || !strings.Contains(log, revoke) {
			t.Fatalf("no warning has %s:\n%s", revoke, log)
		}
		w.execute(revoke)
		w.mustRotate()
		for _, line := range oracle(t, on, w.Root, w.clone()) {
			if strings.Contains(line, r[0]) && !strings.HasPrefix(line, "user ") {
				t.Errorf("revoked from both, and still there: %s", line)
			}
		}
	})
}

// Mirror leaves the original its roles, and tells what the clone has beyond them.
func TestRolesInMirror(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, withEnv("PRIVILEGE_SYNC=mirror"))
		r := w.roles(1)
		w.mustRotate()
		w.execute("GRANT " + r[0] + " TO " + me(w.clone()))
		before := oracle(t, on, w.Root, w.user)
		w.mustRotate()
		if diff := cmp.Diff(before, oracle(t, on, w.Root, w.user)); diff != "" {
			t.Errorf("mirror has changed the original:\n%s", diff)
		}
		if log := w.log(); !strings.Contains(log, `"type":"CloneHasMore"`) {
			t.Errorf("no warning:\n%s", log)
		}
		w.mustRotate()
		w.mustEqual()
	})
}

// A role that the admin may not grant is an error that has the GRANT which mends it.
func TestRoleThatTheAdminMayNotGrant(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.limitedAdmin()
		r := w.roles(1)
		if on.Flavor == dbserver.MariaDB {
			w.execute("REVOKE ADMIN OPTION FOR " + r[0] + " FROM '" + sandbox.Admin + "'@'%'")
		}
		w.execute("GRANT "+r[0]+" TO "+me(w.user), w.setDefault(w.user, r[0]))
		quoted := "`" + r[0] + "`"
		if on.Flavor == dbserver.MySQL {
			quoted = me(r[0])
		}
		mend := "GRANT " + quoted + " TO '" + sandbox.Admin + "'@'%' WITH ADMIN OPTION"
		w.mustFail("setSecret", mend)
		w.mustLogIn(w.Current(t.Context(), w.app))
		w.abandon()
		w.execute(mend)
		if on.Flavor == dbserver.MariaDB {
			w.mustFail("setSecret", "GRANT UPDATE ON `mysql`.* TO '"+sandbox.Admin+"'@'%'")
			w.abandon()
			w.execute("GRANT UPDATE ON `mysql`.* TO '" + sandbox.Admin + "'@'%'")
		}
		w.mustRotate()
		w.mustBe(w.clone())
		w.mustEqual()
	})
}

// limitedAdmin has an admin with what the documents say that it needs, and no more.
func (w *deployment) limitedAdmin() {
	w.t.Helper()
	w.execute("REVOKE ALL PRIVILEGES, GRANT OPTION FROM '"+sandbox.Admin+"'@'%'",
		"GRANT CREATE USER ON *.* TO '"+sandbox.Admin+"'@'%'",
		"GRANT SELECT ON mysql.* TO '"+sandbox.Admin+"'@'%'",
		"GRANT ALL PRIVILEGES ON "+w.database+".* TO '"+sandbox.Admin+"'@'%' WITH GRANT OPTION")
}

// A role with SYSTEM_USER is granted by nobody who has it not, whatever else he may: the
// check foretells it, and the error has what helps. One that has such a role is as others.
func TestRoleWithSystemUser(t *testing.T) {
	servers.Only(dbserver.MySQL, "MariaDB has no SYSTEM_USER").Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.mustRotate()
		w.mustRotate()
		r := w.roles(2)
		const mend = "GRANT SYSTEM_USER ON *.* TO '" + sandbox.Admin + "'@'%'"
		w.execute("GRANT SYSTEM_USER ON *.* TO "+r[0], "GRANT "+r[0]+" TO "+r[1], "GRANT "+r[1]+" TO "+me(w.user))
		if found := w.check(); !found.OK {
			t.Errorf("a role that has one of them: the check is %+v", finding(t, found, "admin's privileges"))
		}
		w.mustRotate()
		w.mustRotate()
		w.execute("GRANT " + r[0] + " TO " + me(w.user))
		f := finding(t, w.check(), "admin's privileges")
		if f.Type != string(failure.PrivilegeNotGrantable) || !strings.Contains(f.Remedy, mend) {
			t.Errorf("the check is %+v", f)
		}
		w.mustFail("setSecret", mend)
		w.abandon()
		w.execute(mend)
		if found := w.check(); !found.OK {
			t.Errorf("with it, the check is %+v", finding(t, found, "admin's privileges"))
		}
		w.mustRotate()
		w.mustBe(w.clone())
		w.mustEqual()
	})
}

// mandatory_roles are the server's: the clone is granted none of them.
func TestMandatoryRoles(t *testing.T) {
	servers.Only(dbserver.MySQL, "MariaDB has no mandatory_roles").EachRelease(t, func(t *testing.T, release string) {
		w := newDeployment(t, servers.MustStart(t, release))
		r := w.roles(3)
		w.execute("SET GLOBAL mandatory_roles = '"+r[0]+",`"+r[1]+"`@`%`'", "SET GLOBAL activate_all_roles_on_login = ON",
			"GRANT "+r[2]+" TO "+me(w.user), w.setDefault(w.user, r[0]+", "+r[2]))
		w.mustRotate()
		w.mustEqual()
		if rows := columnsOf(t, w.Root, "SELECT * FROM mysql.role_edges WHERE TO_USER = ?", w.clone()); len(rows) != 1 {
			t.Errorf("the clone was granted %d roles, want 1", len(rows))
		}
		// Nobody can revoke a mandatory role that the clone was granted as well.
		w.mustRotate()
		w.execute("GRANT " + r[1] + " TO " + me(w.clone()))
		w.mustRotate()
		w.mustBe(w.clone())
		// A default role that is no longer mandatory is left behind.
		w.mustRotate()
		w.execute("SET GLOBAL mandatory_roles = ''", "SET GLOBAL activate_all_roles_on_login = OFF")
		w.mustRotate()
		w.mustBe(w.clone())
		w.execute("SET GLOBAL mandatory_roles = '" + r[0] + "," + fmt.Sprintf("`%s`@`%%`", r[1]) + "'")
		w.mustRotate()
		w.execute("SET GLOBAL mandatory_roles = ''")
	})
}

// PUBLIC is the server's too.
func TestRoleOfPublic(t *testing.T) {
	servers.Only(dbserver.MariaDB, "MySQL has no PUBLIC").EachRelease(t, func(t *testing.T, release string) {
		w := newDeployment(t, servers.MustStart(t, release))
		grants := []string{"GRANT SELECT ON mysql.* TO PUBLIC", "GRANT SELECT ON " + w.database + ".t TO PUBLIC"}
		if !w.majorAtLeast(10, 11) {
			if _, err := w.Root.ExecContext(t.Context(), grants[0]); err == nil {
				t.Error("there is a PUBLIC before 10.11, and nothing is tried with it")
			}
			return
		}
		w.execute(grants...)
		for range 3 {
			w.mustRotate()
			w.mustEqual()
		}
	})
}

// On MySQL a user may be a role: the clone is no role of its own original.
func TestOneUserAsTheRoleOfTheOther(t *testing.T) {
	servers.Only(dbserver.MySQL, "MariaDB grants no user as a role").Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.mustRotate()
		w.execute("GRANT " + me(w.user) + " TO " + me(w.clone()))
		w.mustRotate()
		w.mustRotate()
		w.mustEqual() // the clone has lost it
		w.mustRotate()
		w.execute("GRANT " + me(w.clone()) + " TO " + me(w.user))
		w.mustFail("setSecret", "REVOKE "+me(w.clone())+" FROM "+me(w.user))
		w.mustLogIn(w.Current(t.Context(), w.app))
	})
}
