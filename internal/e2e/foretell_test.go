package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tandem/internal/account"
	"tandem/internal/local/dbserver"
	"tandem/internal/rotation"
	"tandem/internal/statement"
)

// A check's ok is the outcome of the rotation that follows, for random users and random
// admins: what an admin may pass on is decided by the server's rules of databases'
// patterns, levels, roles and partial revokes, and the check has to know them.
func TestCheckForetells(t *testing.T) {
	number, seed := mustPrepareRapid(t)
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		l := newInProcess(t, on)
		l.makeGround(t)
		l.makeRoles(t)
		counts := map[string]int{}
		rapid.Check(t, func(rt *rapid.T) { newForecast(rt, l, counts).run() })
		t.Logf("%v; -rapid.seed=%d makes the same", counts, seed)
		trials := counts["ok"] + counts["refused"] + counts["not provable"]
		mustHaveDrawn(t, trials, number)
		if trials < checks || t.Failed() {
			return
		}
		if least := trials / 10; counts["ok"] < least || counts["refused"] < least {
			t.Errorf("of %d forecasts %d are ok and %d are not: the admins are drawn so that they say little", trials, counts["ok"], counts["refused"])
		}
		if counts["not provable"] > trials/20 {
			t.Errorf("%d of %d forecasts say nothing", counts["not provable"], trials)
		}
	})
}

// forecast is a random user, a random admin, and what a check says of them.
type forecast struct {
	*trial
	counts map[string]int
	admin  account.Name
	role   string
}

// Databases by patterns that match each other, and do not.
var patterns = []string{ground, `tandem\_p`, "tandem%", `tandem\_%`, "tandem__", "%", `tandem\_\_`, `tandem_\_`, "t%p", ground + "'e"}

func newForecast(rt *rapid.T, l *inProcess, counts map[string]int) *forecast {
	g := generator{T: rt, on: l.on, from: l.from, mighty: true, ciphers: l.ciphers, cover: func(string) {}}
	f := &forecast{trial: &trial{generator: g, covered: map[string]int{}}, counts: counts}
	f.admin, f.role = account.Name{User: "tandem_admin", Host: "%"}, g.role(account.Name{User: "tandem_authority", Host: "%"})
	lab := *l
	lab.admins = map[string]string{"random": l.document(f.admin.User, firstPassword, nil)}
	for name, document := range l.admins {
		lab.admins[name] = document
	}
	f.pair = lab.newPair("tandem_forecast", firstPassword, "random", func(text string) { f.note("--   %s", text) })
	return f
}

// privileges draws what may be granted on something: of a user's kind, or of an admin's.
func (f *forecast) privileges() string {
	of := func(names ...string) string { return list(f.some("privileges", names...)) }
	switch f.pick("level", "database", "database", "database", "table", "column", "global", "routine", "dynamic") {
	case "global":
		return of("SELECT", "INSERT", "CREATE", "PROCESS", "EXECUTE") + " ON *.*"
	case "dynamic":
		if f.mysql() {
			return of("XA_RECOVER_ADMIN", "SHOW_ROUTINE", "BACKUP_ADMIN") + " ON *.*"
		}
		return of("BINLOG MONITOR", "SLAVE MONITOR") + " ON *.*"
	case "table":
		return of("SELECT", "INSERT", "CREATE", "USAGE", "ALL") + " ON " + f.pick("table", ground+".t", "`"+ground+"'e`.t")
	case "column":
		return f.pick("privilege", "SELECT", "INSERT", "REFERENCES") + " (" + strings.Join(f.some("columns", "a", "b"), ", ") + ") ON " + ground + ".t"
	case "routine":
		return f.pick("privilege", "EXECUTE", "ALL") + " ON " + f.pick("routine", "PROCEDURE "+ground+".p", "FUNCTION "+ground+".f")
	}
	return of("SELECT", "INSERT", "CREATE", "USAGE", "ALL") + " ON " + statement.Identifier(f.database()) + ".*"
}

// database draws a pattern, of which there are more than anybody thinks of.
func (f *forecast) database() string {
	if f.chance("any pattern", 3) {
		return rapid.StringOfN(rapid.SampledFrom([]rune(`ab_%\`)), 1, 5, -1).Filter(func(name string) bool { return !strings.HasSuffix(name, `\`) }).Draw(f.T, "pattern")
	}
	return f.pick("database", patterns...)
}

func (f *forecast) grants(label, to string, most int, options ...string) {
	for range rapid.IntRange(0, most).Draw(f.T, label) {
		f.try(change{"", "GRANT " + f.privileges() + " TO " + to + f.pick("option", options...)})
	}
}

// run makes both, asks for a check, and rotates.
func (f *forecast) run() {
	defer f.clean()
	f.clean()
	if f.mysql() {
		f.must(change{"", "SET GLOBAL partial_revokes = " + f.pick("partial revokes", "OFF", "ON")})
	}
	user := account.Name{User: f.user, Host: "%"}
	f.must(change{"", "CREATE USER " + user.String() + " IDENTIFIED BY " + statement.Literal(firstPassword)})
	f.must(change{"", "CREATE USER " + f.admin.String() + " IDENTIFIED BY " + statement.Literal(firstPassword)})
	f.must(change{"", "CREATE ROLE " + f.role})
	f.grants("the user", user.String(), 4, "", "", " WITH GRANT OPTION")
	if f.chance("a role of the user's", 4) {
		f.try(f.grantRole(user.String()))
		f.try(f.grantRole(user.String()))
	}
	turn := "to the clone"
	if f.chance("later", 2) {
		f.becomes(mightyAdmin)
		f.rotates("so that there is a clone")
		if f.chance("the original's turn", 3) {
			turn = "to the original"
			f.grants("the clone", account.Name{User: f.user + "_clone", Host: "%"}.String(), 2, "")
		} else {
			f.rotates("so that the original is current")
			f.grants("the user, later", user.String(), 2, "", " WITH GRANT OPTION")
			if f.chance("revoked", 2) {
				f.try(change{"", "REVOKE ALL PRIVILEGES, GRANT OPTION FROM " + user.String()})
				f.grants("the user, anew", user.String(), 2, "", " WITH GRANT OPTION")
			}
		}
		f.becomes("random")
	}
	f.makeAdmin()
	f.must(change{"", "FLUSH PRIVILEGES"})

	found, err := f.inspect()
	if err != nil {
		f.fail("the check ended with an error", err)
	}
	said := "ok"
	var failed []string
	for _, one := range found.Checks {
		switch {
		case one.Result == rotation.ResultFailed:
			said = "refused"
			failed = append(failed, fmt.Sprintf("%s: %s %s", one.Name, one.Type, one.Detail))
		case one.Result == rotation.ResultUnprovable && one.Name == "admin's privileges" && said == "ok":
			said = "not provable"
			failed = append(failed, fmt.Sprintf("%s: %q", one.Detail, one.List))
		}
	}
	f.note("-- the check says: %s %q", said, failed)
	f.lookOn()
	err = f.rotate(context.WithoutCancel(f.T.Context()))
	switch {
	case said == "ok" && err != nil:
		f.fail("the check was ok, and the rotation "+turn+" failed", err)
	case said == "refused" && err == nil:
		f.fail("the check failed, and the rotation "+turn+" succeeded", strings.Join(failed, "; "))
	}
	f.counts[said]++
}

// becomes has another admin do what follows.
func (f *forecast) becomes(admin string) {
	for id, text := range f.secrets.documents {
		if strings.Contains(text, "masterarn") {
			for _, old := range []string{"random", mightyAdmin} {
				text = strings.ReplaceAll(text, `"masterarn":"`+old+`"`, `"masterarn":"`+admin+`"`)
			}
			f.secrets.documents[id] = text
		}
	}
}

// makeAdmin draws what the admin may do: by itself, by roles that are active or not, and
// less what is partially revoked.
func (f *forecast) makeAdmin() {
	at := f.admin.String()
	f.must(change{"", "GRANT SELECT ON mysql.* TO " + at})
	f.must(change{"", "GRANT " + f.pick("manages by", "CREATE USER ON *.*", "CREATE USER ON *.*", "CREATE USER ON *.*", "INSERT, UPDATE, DELETE ON mysql.*", "UPDATE ON mysql.*") + " TO " + at})
	if f.chance("most", 2) {
		f.try(change{"", "GRANT " + f.pick("most", "SELECT, INSERT, CREATE, EXECUTE ON *.*", "ALL ON *.*", "ALL ON `tandem%`.*", `ALL ON `+"`tandem\\_p`"+`.*`, "ALL ON "+ground+".*") + " TO " + at + f.pick("option", " WITH GRANT OPTION", " WITH GRANT OPTION", "")})
	}
	f.grants("the admin", at, 4, " WITH GRANT OPTION", " WITH GRANT OPTION", "")
	if f.chance("a role of the admin's", 3) {
		f.grants("the role", f.role, 3, " WITH GRANT OPTION", "")
		f.must(change{"", "GRANT " + f.role + " TO " + at})
		if f.chance("active", 2) {
			text := "SET DEFAULT ROLE " + f.role + " FOR " + at
			if f.mysql() {
				text = "ALTER USER " + at + " DEFAULT ROLE " + f.role
			}
			f.must(change{"", text})
		}
	}
	for range rapid.IntRange(0, 3).Draw(f.T, "roles to grant") {
		f.try(change{"", "GRANT " + f.pick("role", f.roleNames()...) + " TO " + f.pick("to", at, f.role) + f.pick("admin", " WITH ADMIN OPTION", "")})
	}
	if !f.mysql() {
		return
	}
	if f.chance("role admin", 4) {
		f.must(change{"", "GRANT ROLE_ADMIN ON *.* TO " + at})
	}
	for range rapid.IntRange(0, 2).Draw(f.T, "partial revokes") {
		f.try(change{"", "REVOKE " + f.pick("of", "SELECT", "INSERT", "CREATE", "GRANT OPTION") + " ON " + statement.Identifier(f.pick("on", ground, ground+"'e", "tandem_q")) + ".* FROM " + at})
	}
}

func (f *forecast) inspect() (rotation.Inspection, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(f.T.Context()), time.Minute)
	defer cancel()
	rotator := rotation.Rotator{
		Secrets: f.secrets, Database: f.inProcess.database, Settings: rotation.Settings{Mode: f.mode}, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	}
	return rotator.Inspect(ctx, rotation.Event{Step: rotation.Check, SecretID: "app"})
}

// clean removes what the trial makes.
func (f *forecast) clean() {
	f.drop(f.T)
	ctx := context.WithoutCancel(f.T.Context())
	for _, text := range []string{"DROP USER IF EXISTS " + f.admin.String(), "DROP ROLE IF EXISTS " + f.role} {
		if _, err := f.root.ExecContext(ctx, text); err != nil {
			f.T.Fatalf("%s: %v", text, err)
		}
	}
}
