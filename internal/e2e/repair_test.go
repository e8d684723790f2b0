package e2e

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/local/emulator"
	"tandem/internal/rotation"
	"tandem/internal/warning"
)

const setByHand = "a password by hand"

// changeByHand sets the password of all of the user's accounts, as somebody does who knows
// nothing of rotations.
func (w *deployment) changeByHand() {
	w.t.Helper()
	for _, row := range columnsOf(w.t, w.Root, "SELECT Host FROM mysql.user WHERE User = ?", w.user) {
		w.execute("ALTER USER '" + w.user + "'@'" + row["Host"] + "' IDENTIFIED BY '" + setByHand + "'")
	}
}

// mustNotBeRepaired wants a rotation to fail with these words, and nothing changed.
func (w *deployment) mustNotBeRepaired(words ...string) {
	w.t.Helper()
	accounts := func() []string { return append(w.others(), oracle(w.t, w.Server, w.Root, w.user)...) }
	before, sent := accounts(), len(w.statements())
	w.mustFail(append(words, "the AWSCURRENT credentials")...)
	if now := w.statements(); len(now) > sent {
		w.t.Errorf("sent %q", now[sent:])
	}
	if diff := difference(before, accounts()); diff != "" {
		w.t.Errorf("something has changed: %s", diff)
	}
	if len(w.warnings(warning.RepairedWithAdmin)) > 0 {
		w.t.Error("it warns of a repair")
	}
	w.abandon()
}

// A password that somebody has changed by hand stops the rotation, until the user may be
// repaired. Promise 9: then only the new password logs in, and from the next rotation on
// all is as ever.
func TestRepair(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, singleUser)
		w.execute("CREATE USER '" + w.user + "'@'11.%' IDENTIFIED BY '" + firstPassword + "'")
		w.mustRotate()
		current := passwordOf(w.now())
		w.changeByHand()

		w.mustNotBeRepaired("REPAIR_WITH_ADMIN is false")
		if f := finding(t, w.check(), "current credentials"); f.Result != rotation.ResultFailed || !strings.Contains(f.Remedy, "REPAIR_WITH_ADMIN") {
			t.Errorf("without permission a check says %+v", f)
		}
		w.reconfigure("REPAIR_WITH_ADMIN=somebody, " + strings.ToUpper(w.user))
		w.mustNotBeRepaired("REPAIR_WITH_ADMIN is somebody, "+strings.ToUpper(w.user), `to name "`+w.user+`"`)
		w.mustBeOpen("not repaired", []string{setByHand}, current)

		w.reconfigure("REPAIR_WITH_ADMIN=somebody, " + w.user)
		before := w.state()
		found := w.check()
		if f := finding(t, found, "current credentials"); !found.OK || f.Result != rotation.ResultAttention || f.Type != warning.RepairedWithAdmin {
			t.Errorf("a check says %+v", found)
		}
		if diff := difference(before, w.state()); diff != "" {
			t.Errorf("the check has changed: %s", diff)
		}
		w.mustRotate()
		repaired := passwordOf(w.now())
		w.mustBeOpen("repaired", []string{repaired}, setByHand, current, firstPassword)
		w.mustLogIn(w.now(), nil)
		if warned := w.warnings(warning.RepairedWithAdmin); len(warned) != 1 || !strings.Contains(warned[0], w.user) || !strings.Contains(warned[0], w.adminUser) {
			t.Errorf("it warns %q", warned)
		}
		if warned := w.warnings(warning.PasswordChangedElsewhere); len(warned) > 0 {
			t.Errorf("it warns of the same once more: %q", warned)
		}
		if line := w.stepLine("setSecret"); !slices.Contains(line.Warnings, warning.RepairedWithAdmin) || !line.PasswordSet {
			t.Errorf("the step's line is %+v", line)
		}
		w.execute("RENAME USER "+me(w.user)+" TO '"+w.user+"'@'12.%'", "RENAME USER '"+w.user+"'@'11.%' TO "+me(w.user))
		w.mustBeOpen("at another host", []string{repaired}, setByHand, firstPassword)
		w.execute("RENAME USER "+me(w.user)+" TO '"+w.user+"'@'11.%'", "RENAME USER '"+w.user+"'@'12.%' TO "+me(w.user))

		w.mustRotate()
		w.mustBeOpen("rotated again", []string{repaired, passwordOf(w.now())}, setByHand, current)
		if warned := w.warnings(warning.RepairedWithAdmin); len(warned) != 1 {
			t.Errorf("it warns again: %q", warned)
		}

		// Whoever may act on data alone is repaired by true.
		w.changeByHand()
		w.reconfigure("REPAIR_WITH_ADMIN=true")
		w.execute("CREATE ROLE "+w.database, "GRANT SELECT ON "+w.database+".* TO "+w.database, "GRANT "+w.database+" TO "+me(w.user))
		w.afterwards("DROP ROLE " + w.database)
		w.mustRotate()
		w.mustBeOpen("by true", []string{passwordOf(w.now())}, setByHand, repaired)
	})
}

// stepLine is what a step wrote last of what it did.
func (w *deployment) stepLine(step string) (line struct {
	Message, Step string
	PasswordSet   bool
	Warnings      []string
}) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for _, text := range slices.Backward(w.lines) {
		if json.Unmarshal([]byte(text), &line) == nil && line.Message == "step done" && line.Step == step {
			return line
		}
	}
	return line
}

// Promise 4: a repair whose process dies, or is cut off, after the change is tried again by
// the same token and sends nothing; and by another one it begins anew.
func TestRepairTriedAgain(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		stops, options := stopsAfterSetSecret()
		w := newDeployment(t, on, append(options, withEnv("REPAIR_WITH_ADMIN=true"))...)
		w.mustRotate()
		current := passwordOf(w.now())
		w.changeByHand()
		*stops = true
		w.mustFail("not invoked")
		sent := len(w.statements())
		for range 2 {
			if w.tryAgain(true) == nil {
				t.Fatal("the rotation succeeded")
			}
		}
		if again := w.statements()[sent:]; len(again) > 0 {
			t.Errorf("tried again, it sends %q", again)
		}
		if warned := w.warnings(warning.RepairedWithAdmin); len(warned) != 3 {
			t.Errorf("not each try tells of it: %q", warned)
		}
		w.mustBeOpen("repaired", nil, setByHand, current, firstPassword)
		w.abandon() // the only password goes with it
		w.mustFail("not invoked")
		*stops = false
		if err := w.tryAgain(true); err != nil {
			t.Fatal(err)
		}
		w.mustBeOpen("after all", []string{passwordOf(w.now())}, setByHand, current, firstPassword)
	})
}

// Nobody who may do more than act on data is repaired, whatever makes them more; and the
// error's statement, sent by hand, has the rotation go on.
func TestNoRepairOfPrivileged(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, singleUser, withEnv("REPAIR_WITH_ADMIN=true"))
		w.changeByHand()
		app, role := me(w.user), unique("role")
		w.execute("CREATE ROLE "+role, "CREATE ROLE "+role+"_in")
		w.afterwards("DROP ROLE " + role)
		w.afterwards("DROP ROLE " + role + "_in")
		kinds := []struct{ grant, revoke, more string }{
			{"GRANT CREATE USER ON *.* TO " + app, "REVOKE CREATE USER ON *.* FROM " + app, "CREATE USER ON *.*"},
			{"GRANT PROCESS ON *.* TO " + app, "REVOKE PROCESS ON *.* FROM " + app, "PROCESS ON *.*"},
			{"GRANT SELECT ON *.* TO " + app, "REVOKE SELECT ON *.* FROM " + app, "SELECT ON *.*"},
			{"GRANT SELECT ON mysql.* TO " + app, "REVOKE SELECT ON mysql.* FROM " + app, "SELECT ON `mysql`.*"},
			{"GRANT SELECT ON `%`.* TO " + app, "REVOKE SELECT ON `%`.* FROM " + app, "SELECT ON `%`.*"},
			{"GRANT USAGE ON " + w.database + ".* TO " + app + " WITH GRANT OPTION", "REVOKE GRANT OPTION ON " + w.database + ".* FROM " + app, "GRANT OPTION ON `" + w.database},
			{"GRANT " + role + " TO " + app + " WITH ADMIN OPTION", "REVOKE " + role + " FROM " + app, "WITH ADMIN OPTION"},
			{"GRANT " + role + "_in TO " + role, "", ""},
			{"GRANT RELOAD ON *.* TO " + role + "_in", "", ""},
			{"GRANT " + role + " TO " + app, "REVOKE " + role + " FROM " + app, "RELOAD ON *.* by the role '" + role},
		}
		if on.Flavor == dbserver.MySQL {
			w.afterwards("SET GLOBAL mandatory_roles = ''") // before the roles are dropped
			kinds = append(kinds, []struct{ grant, revoke, more string }{
				{"GRANT SYSTEM_VARIABLES_ADMIN ON *.* TO " + app, "REVOKE SYSTEM_VARIABLES_ADMIN ON *.* FROM " + app, "SYSTEM_VARIABLES_ADMIN ON *.*"},
				{"GRANT PROXY ON " + me(w.adminUser) + " TO " + app, "REVOKE PROXY ON " + me(w.adminUser) + " FROM " + app, "PROXY ON"},
				{"SET GLOBAL mandatory_roles = '" + role + ",nobodys'", "SET GLOBAL mandatory_roles = ''", "RELOAD ON *.* by the role '" + role},
			}...)
		} else if w.majorAtLeast(10, 11) {
			kinds = append(kinds, struct{ grant, revoke, more string }{"GRANT SELECT ON mysql.* TO PUBLIC", "REVOKE SELECT ON mysql.* FROM PUBLIC", "SELECT ON `mysql`.* by the role 'PUBLIC'"})
		}
		for _, kind := range kinds {
			if w.execute(kind.grant); kind.more == "" {
				continue
			}
			w.mustNotBeRepaired(kind.more, "run: ALTER USER "+app)
			w.execute(kind.revoke)
		}
		w.execute(kinds[0].grant)
		f := finding(t, w.check(), "accounts")
		if f.Result != rotation.ResultFailed || f.Type != string(failure.CurrentCredentialsRejected) || !strings.Contains(f.Remedy, "run: ALTER USER "+app) {
			t.Errorf("a check says %+v", f)
		}
		statement := regexp.MustCompile(`run: (ALTER USER .*)$`).FindStringSubmatch(f.Remedy)
		if statement == nil {
			t.Fatalf("no statement in %s", f.Remedy)
		}
		w.execute(strings.Replace(statement[1], account.PasswordPlaceholder, "'"+firstPassword+"'", 1))
		w.mustRotate()
		w.mustBeOpen("set by hand to the secret's", []string{firstPassword, passwordOf(w.now())}, setByHand)
	})
}

// majorAtLeast compares the server's release.
func (w *deployment) majorAtLeast(major, minor int) bool {
	w.t.Helper()
	var text string
	if err := w.Root.QueryRowContext(w.t.Context(), "SELECT VERSION()").Scan(&text); err != nil {
		w.t.Fatal(err)
	}
	server, err := account.ParseServer(text, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return server.AtLeast(major, minor, 0)
}

// A wrong password comes with another error where the server asks a plugin without one last:
// it is a password changed by hand all the same.
func TestRepairBesideAnotherPlugin(t *testing.T) {
	servers.Only(dbserver.MariaDB, "an account of MySQL's has one plugin").Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, singleUser)
		const both = "IDENTIFIED VIA mysql_native_password USING PASSWORD('" + setByHand + "') OR unix_socket"
		w.execute("ALTER USER " + me(w.user) + " " + both)
		w.mustNotBeRepaired("REPAIR_WITH_ADMIN is false")
		if f := finding(t, w.check(), "current credentials"); f.Result != rotation.ResultFailed || !strings.Contains(f.Remedy, "REPAIR_WITH_ADMIN") {
			t.Errorf("without permission a check says %+v", f)
		}
		w.reconfigure("REPAIR_WITH_ADMIN=" + w.user)
		found := w.check()
		if f := finding(t, found, "current credentials"); !found.OK || f.Type != warning.RepairedWithAdmin {
			t.Errorf("a check says %+v", found)
		}
		w.mustRotate()
		w.mustBeOpen("repaired", []string{passwordOf(w.now())}, setByHand, firstPassword)
		if warned := w.warnings(warning.RepairedWithAdmin); len(warned) != 1 {
			t.Errorf("it warns %q", warned)
		}
	})
}

// A login is refused by the same error for other reasons than its password: then nothing is
// changed, the error says the reason, and its remedy helps.
func TestNoRepairForAnotherReason(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, singleUser, withEnv("REPAIR_WITH_ADMIN=true"))
		app, elsewhere := me(w.user), "'"+w.user+"'@'11.%'"
		for _, reason := range []struct {
			name              string
			arrange           []string
			words             []string
			remedy            func()
			afterChangeByHand bool
		}{
			{name: "no account for this host", arrange: []string{"RENAME USER " + app + " TO " + elsewhere}, words: []string{"is the one under AWSCURRENT", "not for clients at"},
				remedy: func() { w.execute("RENAME USER " + elsewhere + " TO " + app) }},
			{name: "one at another host keeps it", arrange: []string{"CREATE USER " + elsewhere + " IDENTIFIED BY '" + firstPassword + "'", "ALTER USER " + app + " IDENTIFIED BY '" + setByHand + "'"},
				words: []string{elsewhere + " is the one under AWSCURRENT"},
				remedy: func() {
					w.execute("DROP USER "+elsewhere, "ALTER USER "+app+" IDENTIFIED BY '"+firstPassword+"'")
				}},
			{name: "a certificate", arrange: []string{"ALTER USER " + app + " REQUIRE X509"}, words: []string{"is the one under AWSCURRENT", "asks for more than an encrypted connection"}, remedy: w.obeyLast},
			{name: "a certificate, by hand", arrange: []string{"ALTER USER " + app + " IDENTIFIED BY '" + setByHand + "'", "ALTER USER " + app + " REQUIRE X509"}, words: []string{"asks for more than an encrypted connection"},
				remedy: w.obeyLast, afterChangeByHand: true},
			{name: "locked, by hand", arrange: []string{"ALTER USER " + app + " IDENTIFIED BY '" + setByHand + "'", "ALTER USER " + app + " ACCOUNT LOCK"}, words: []string{"is locked"},
				remedy: w.obeyLast, afterChangeByHand: true},
			{name: "no host, by hand", arrange: []string{"ALTER USER " + app + " IDENTIFIED BY '" + setByHand + "'", "RENAME USER " + app + " TO " + elsewhere}, words: []string{"is for clients at", "create one"},
				remedy: func() { w.execute("RENAME USER " + elsewhere + " TO " + app) }, afterChangeByHand: true},
		} {
			w.execute(reason.arrange...)
			w.mustNotBeRepaired(reason.words...)
			reason.remedy()
			repaired := len(w.warnings(warning.RepairedWithAdmin))
			if !reason.afterChangeByHand {
				w.mustBeOpen(reason.name, []string{firstPassword})
				continue
			}
			if repaired > 0 {
				t.Errorf("%s: repaired before", reason.name)
			}
			w.mustRotate()
			w.mustBeOpen(reason.name, []string{passwordOf(w.now())}, setByHand)
			w.forget(warning.RepairedWithAdmin)
		}
	})
}

// forget leaves out the lines of warnings that were looked at.
func (w *deployment) forget(kind string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.lines = slices.DeleteFunc(w.lines, func(line string) bool { return strings.Contains(line, `"type":"`+kind+`"`) })
}

// isRepaired: the application's host is a replica, and the password is changed by hand at its
// writer, with the replica behind and without.
func (p *replication) isRepaired(t *testing.T) {
	var r *replicated
	paused := false
	r = p.world(t, singleUser, withEnv("REPAIR_WITH_ADMIN=true"), withIntercept(func(ctx context.Context, step string, invoke func() error) error {
		if paused && step == emulator.StepTest {
			paused = false
			if err := r.second.ResumeReplica(ctx); err != nil {
				return err
			}
		}
		return invoke()
	}))
	r.storeAt(replicaName, r.adminAt(sourceName))
	r.caughtUp()
	for _, behind := range []bool{false, true} {
		if behind {
			if err := r.second.PauseReplica(t.Context()); err != nil {
				t.Fatal(err)
			}
			paused = true
		}
		old := passwordOf(r.now())
		r.changeByHand()
		if !behind {
			r.caughtUp()
		}
		r.mustRotate()
		r.mustLogInAt(r.first, r.user)
		r.mustLogInAt(r.second, r.user)
		r.mustBeOpen("at the writer", nil, setByHand, old)
	}
	if warned := r.warnings(warning.RepairedWithAdmin); len(warned) != 2 {
		t.Errorf("it warns %q", warned)
	}
}
