package e2e

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tandem/internal/account"
	"tandem/internal/local/dbserver"
	"tandem/internal/statement"
)

// Random users a server: how many where CI runs releases of the matrix, and elsewhere. The
// flag -rapid.checks says otherwise.
const (
	checksInCI = 500
	checks     = 50
	// seedInCI makes the same users each time, so that a change is red for what it
	// changes. New users are for those who run the tests elsewhere.
	seedInCI = 20261122
)

// Promises 2 and 8, for any user: random users are rotated and compared by the oracle;
// then both are changed, and two rotations do what the mode promises. After every
// statement the pending user is looked at, if somebody could log in.
func TestRandomUsers(t *testing.T) {
	number, seed := mustPrepareRapid(t)
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		l := newInProcess(t, on)
		l.makeGround(t)
		l.makeRoles(t)
		covered := map[string]int{}
		users := 0
		began := time.Now()
		property := func(rt *rapid.T) {
			users++
			newTrial(rt, l, covered).run()
		}
		rapid.Check(t, property)
		mustHaveDrawn(t, users, number)
		t.Logf("%d random users in %s; -rapid.seed=%d makes the same", users, time.Since(began).Round(time.Second), seed)
		l.mustCover(t, covered, users)
	})
}

// givenFlags are those of the command line. It is called before any is set: a flag that
// a test has set, and set back, would look like one of them.
var givenFlags = sync.OnceValue(func() map[string]bool {
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return given
})

// mustPrepareRapid chooses the number of checks and the seed, and returns what it chose
// or the command line did.
func mustPrepareRapid(t *testing.T) (number int, seed uint64) {
	t.Helper()
	number, seed = checks, 1+rand.Uint64N(1<<32)
	if os.Getenv("CI") != "" {
		seed = seedInCI
		if os.Getenv("TEST_MATRIX") != "" {
			number = checksInCI
		}
	}
	for name, value := range map[string]string{
		"rapid.checks": fmt.Sprint(number), "rapid.seed": fmt.Sprint(seed),
		"rapid.nofailfile": "true", // what failed is printed, as SQL
	} {
		if givenFlags()[name] {
			continue
		}
		before := flag.Lookup(name).Value.String()
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = flag.Set(name, before) })
	}
	if _, err := fmt.Sscan(flag.Lookup("rapid.checks").Value.String()+" "+flag.Lookup("rapid.seed").Value.String(), &number, &seed); err != nil {
		t.Fatal(err)
	}
	return number, seed
}

// mustHaveDrawn fails where fewer were drawn than was asked for: such a test passes
// sooner, and nothing else would show it.
func mustHaveDrawn(t *testing.T, drawn, number int) {
	t.Helper()
	if drawn < number && !t.Failed() {
		t.Errorf("%d were drawn of %d", drawn, number)
	}
}

// makeGround makes what the generator grants privileges on.
func (l *inProcess) makeGround(t *testing.T) {
	t.Helper()
	texts := []string{
		"CREATE DATABASE " + ground, "CREATE DATABASE `" + ground + "'e`",
		"CREATE TABLE " + ground + ".t (a INT, b INT, `c``x` INT)", "CREATE TABLE `" + ground + "'e`.t (a INT, b INT)",
		"CREATE TABLE " + ground + ".`we'ird ``t\\x` (a INT, `d,e` INT)", "CREATE TABLE " + ground + ".gone (a INT, gone INT)",
		"CREATE VIEW " + ground + ".v AS SELECT 1 AS a",
		"CREATE PROCEDURE " + ground + ".p() BEGIN END", "CREATE PROCEDURE " + ground + ".`P q`() BEGIN END", "CREATE PROCEDURE " + ground + ".gone() BEGIN END",
		"CREATE FUNCTION " + ground + ".f() RETURNS INT DETERMINISTIC RETURN 1",
	}
	if l.on.Flavor == dbserver.MySQL {
		texts = append(texts, "CREATE LIBRARY "+ground+".lib LANGUAGE JAVASCRIPT AS 'export function f(n) { return n }'")
	} else {
		texts = append(texts, "SET sql_mode = ORACLE", "CREATE PACKAGE "+ground+".pk AS PROCEDURE q(); END",
			"CREATE PACKAGE BODY "+ground+".pk AS PROCEDURE q() AS BEGIN NULL; END; END", "SET sql_mode = '"+statement.SQLMode+"'")
	}
	t.Cleanup(func() {
		l.must(t, "DROP DATABASE "+ground)
		l.must(t, "DROP DATABASE `"+ground+"'e`")
		if l.on.Flavor == dbserver.MySQL {
			l.must(t, "SET GLOBAL partial_revokes = OFF")
		}
	})
	for _, text := range texts {
		l.must(t, text)
	}
}

// trial is one random user's life.
type trial struct {
	*pair
	generator
	covered map[string]int
	hosts   []string
	script  []string
	gone    bool
}

func newTrial(rt *rapid.T, l *inProcess, covered map[string]int) *trial {
	g := generator{T: rt, on: l.on, from: l.from, mighty: rapid.Bool().Draw(rt, "mighty"), ciphers: l.ciphers, cover: func(kind string) { covered[kind]++ }}
	tr := &trial{generator: g, covered: covered}
	admin := rdsAdmin
	if g.mighty {
		admin = mightyAdmin
	}
	tr.pair = l.newPair(g.userName(), firstPassword, admin, func(text string) { tr.note("--   %s", text) })
	return tr
}

func (tr *trial) note(format string, arguments ...any) {
	tr.script = append(tr.script, strings.ReplaceAll(fmt.Sprintf(format, arguments...), "\n", `\n`))
}

// fail ends the trial. The title is the same for every detail, so that a case can
// be shrunk to a smaller one that fails likewise.
func (tr *trial) fail(title string, detail any) {
	tr.Helper()
	tr.T.Logf("%s: %v\n%s, admin %s:\n%s", title, detail, tr.on, map[bool]string{true: mightyAdmin, false: rdsAdmin}[tr.mighty], strings.Join(tr.script, "\n"))
	tr.T.Fatal(title)
}

// try executes a statement that may be refused, as one is that revokes what was
// never granted.
func (tr *trial) try(c change) bool {
	_, err := tr.root.ExecContext(tr.T.Context(), c.sql)
	if err != nil {
		tr.note("%s; -- %v", c.sql, err)
		return false
	}
	tr.note("%s;", c.sql)
	tr.covered[c.kind]++
	return true
}

func (tr *trial) must(c change) {
	if !tr.try(c) {
		tr.fail("the generator made a statement that the server refuses", tr.script[len(tr.script)-1])
	}
}

// lookOn has every statement of the rotation that follows looked at.
func (tr *trial) lookOn() {
	tr.watch(tr.T, []string{ground, ground + "_nix", "tandemXp", ground + "'e", "mysql"}, func(statement string, excess []string) {
		tr.fail("an open account may do more than it could and its model can", fmt.Sprintf("after %s: %v", statement, excess))
	})
}

func (tr *trial) rotates(title string) {
	tr.note("-- rotate, %s", title)
	tr.lookOn()
	err := tr.rotate(context.WithoutCancel(tr.T.Context()))
	if err != nil && strings.Contains(err.Error(), "cannot be kept from being logged in to meanwhile") {
		tr.T.Skip("refused, as README says")
	}
	if err != nil {
		tr.fail("the rotation failed, "+title, err)
	}
}

func (tr *trial) see(user string) sight { return see(tr.T, tr.generator.on, tr.root, user) }

func (tr *trial) run() {
	tr.drop(tr.T)
	defer tr.mend()
	clone := tr.user + "_clone"
	if tr.mysql() {
		// With partial revokes a wildcard in a database's name is none.
		tr.must(change{"", "SET GLOBAL partial_revokes = " + tr.pick("partial revokes", "OFF", "ON")})
	}

	tr.hosts = append([]string{rapid.SampledFrom(nearHosts(tr.from)[:5]).Draw(tr.T, "near")},
		rapid.SliceOfNDistinct(rapid.SampledFrom(tr.hostPool(true)), 0, 2, rapid.ID).Draw(tr.T, "hosts")...)
	slices.Sort(tr.hosts)
	tr.hosts = slices.Compact(tr.hosts)
	for _, host := range tr.hosts {
		tr.must(change{"host " + host, "CREATE USER " + account.Name{User: tr.user, Host: host}.String() + tr.described(host, firstPassword)})
	}
	for _, host := range tr.hosts {
		if tr.mysql() && tr.chance("what may be partially revoked", 2) {
			tr.must(change{"global", "GRANT SELECT, INSERT ON *.* TO " + account.Name{User: tr.user, Host: host}.String() + tr.pick("option", "", " WITH GRANT OPTION")})
		}
	}
	tr.changes("grants", 14, tr.user, tr.hosts)
	tr.countPartialRevokes(tr.user)
	tr.rotates("to the clone")
	if diff := cmp.Diff(tr.see(tr.user).lines(), tr.see(clone).lines()); diff != "" {
		tr.fail("the clone is not the original's equal (-original +clone)", diff)
	}

	hosts := slices.Clone(tr.hosts)
	// At a near host it would be another account that the new credentials log in as.
	if host := tr.pick("new host", tr.hostPool(false)...); tr.chance("new host", 3) && !slices.Contains(hosts, host) {
		tr.must(change{"new host", "CREATE USER " + account.Name{User: tr.user, Host: host}.String() + tr.described(host, "another")})
		hosts = append(hosts, host)
	}
	if host := tr.pick("lost host", tr.hosts...); !tr.isNear(host) && tr.chance("lost", 2) {
		tr.must(change{"lost host", "DROP USER " + account.Name{User: tr.user, Host: host}.String()})
		hosts = slices.DeleteFunc(hosts, func(other string) bool { return other == host })
	}
	if host := tr.pick("clone's host", tr.hostPool(false)...); tr.chance("clone's host", 4) && !slices.Contains(hosts, host) && !slices.Contains(tr.hosts, host) {
		tr.must(change{"clone's own host", "CREATE USER " + account.Name{User: clone, Host: host}.String() + tr.password(tr.isNear(host), "another")})
	}
	tr.changes("changes of the original", 8, tr.user, hosts)
	tr.changes("changes of the clone", 8, clone, tr.hosts)
	tr.drops()
	tr.countPartialRevokes(clone)

	tr.mode = rapid.SampledFrom([]account.Mode{account.Merge, account.Mirror, account.Off}).Draw(tr.T, "mode")
	original, copied := tr.see(tr.user), tr.see(clone)
	tr.rotates("to the original, " + string(tr.mode))
	tr.compareOriginal(original, copied)
	if diff := cmp.Diff(copied.lines(), tr.see(clone).lines()); diff != "" {
		tr.fail("the clone changed in the original's turn", diff)
	}
	original = tr.see(tr.user)
	tr.rotates("to the clone again, " + string(tr.mode))
	if diff := cmp.Diff(original.lines(), tr.see(tr.user).lines()); diff != "" {
		tr.fail("the original changed in the clone's turn", diff)
	}
	want := original
	if tr.mode == account.Off {
		want = copied
	}
	if diff := cmp.Diff(tr.present(want).lines(), tr.present(tr.see(clone)).lines()); diff != "" {
		tr.fail("the clone is not what it must be (-want +clone), "+string(tr.mode), diff)
	}
}

// changes draws and executes statements about accounts of a user.
func (tr *trial) changes(label string, most int, user string, hosts []string) {
	tr.note("-- %s", label)
	current := tr.secrets.current() == user
	for range rapid.IntRange(0, most).Draw(tr.T, label) {
		host := tr.pick("host", hosts...)
		at := account.Name{User: user, Host: host}.String()
		if !tr.isNear(host) && tr.chance("plugin", 8) {
			c := tr.identified(false, "another")
			tr.alterIdentified(at, c)
			continue
		}
		if tr.chance("attributes", 6) {
			expiries := []string{byPolicy, byHand}
			if tr.isNear(host) && current {
				expiries = expiries[:1]
			}
			c := change{"attributes", "ALTER USER " + at + tr.attributes(tr.isNear(host), expiries...)}
			if tr.isNear(host) {
				tr.must(c)
			} else {
				tr.try(c) // an account without a password cannot have it expire
			}
			continue
		}
		if tr.chance("a role", 4) {
			tr.try(tr.grantRole(at))
			continue
		}
		tr.try(tr.grant(at))
	}
	// PASSWORD EXPIRE DEFAULT and REVOKE GRANT OPTION ON *.* change MySQL's tables and
	// not its memory, GRANT PROXY changes MariaDB's memory and not its tables: until
	// they are one, what the user is depends on whom one asks.
	tr.must(change{"", "FLUSH PRIVILEGES"})
}

// countPartialRevokes counts a user that has partial revokes: whether a REVOKE makes one
// depends on what the account has.
func (tr *trial) countPartialRevokes(user string) {
	text := strings.Join(tr.see(user).lines(), "\n")
	if strings.Contains(text, `\"Restrictions\"`) {
		tr.covered["partial revoke"]++
	}
	if strings.Contains(text, `\"GRANT\"`) {
		tr.covered["partial revoke of GRANT OPTION"]++
	}
}

// drops drops what privileges are held on, now and then.
func (tr *trial) drops() {
	if tr.chance("column", 4) {
		tr.must(change{"dropped column", "ALTER TABLE " + ground + ".gone DROP COLUMN gone"})
		tr.gone = true
	}
	if tr.chance("table", 6) {
		tr.must(change{"dropped table", "DROP TABLE " + ground + ".gone"})
		tr.gone = true
	}
	if tr.chance("routine", 4) {
		tr.must(change{"", "SET GLOBAL automatic_sp_privileges = OFF"}) // else its privileges go with it
		tr.must(change{"dropped routine", "DROP PROCEDURE " + ground + ".gone"})
		tr.must(change{"", "SET GLOBAL automatic_sp_privileges = ON"})
		tr.gone = true
	}
}

// mend puts the playground right for the next trial.
func (tr *trial) mend() {
	ctx := context.WithoutCancel(tr.T.Context())
	texts := []string{}
	if tr.gone {
		texts = append(texts, "DROP TABLE IF EXISTS "+ground+".gone", "CREATE TABLE "+ground+".gone (a INT, gone INT)",
			"DROP PROCEDURE IF EXISTS "+ground+".gone", "CREATE PROCEDURE "+ground+".gone() BEGIN END", "SET GLOBAL automatic_sp_privileges = ON")
	}
	for _, text := range texts {
		if _, err := tr.root.ExecContext(ctx, text); err != nil {
			tr.T.Fatalf("%s: %v", text, err)
		}
	}
	tr.drop(tr.T)
}

// present leaves out what cannot be granted any more: what is held on a column or
// a routine that was dropped, and on columns of a table that was.
func (tr *trial) present(seen sight) sight {
	if !tr.gone {
		return seen
	}
	out := maps.Clone(seen)
	isGone := func(row map[string]string) bool {
		return row["Db"] == ground && (row["Table_name"] == "gone" || row["Routine_name"] == "gone")
	}
	for _, table := range []string{"columns_priv", "procs_priv"} {
		out[table] = slices.DeleteFunc(slices.Clone(out[table]), isGone)
	}
	out["tables_priv"] = nil
	for _, row := range seen["tables_priv"] {
		if isGone(row) {
			if row["Table_priv"] == "" {
				continue
			}
			row = maps.Clone(row)
			delete(row, "Column_priv")
		}
		out["tables_priv"] = append(out["tables_priv"], row)
	}
	return out
}

// compareOriginal compares what the original is with what it was, after its turn.
func (tr *trial) compareOriginal(was, clone sight) {
	is := tr.see(tr.user)
	if tr.mode != account.Merge {
		if diff := cmp.Diff(was.lines(), is.lines()); diff != "" {
			tr.fail("the original changed, "+string(tr.mode), diff)
		}
		return
	}
	// Hosts that only the clone has give nothing.
	hosts := map[string]bool{}
	for _, row := range was["user"] {
		hosts[row["Host"]] = true
	}
	want, got := tr.present(was).powers(tr.generator, hosts), tr.present(is).powers(tr.generator, hosts)
	maps.Copy(want, tr.present(clone.withoutGlobalOption(was)).powers(tr.generator, hosts))
	// Columns are not told of a table on which there is everything.
	whole := is.wholeTables(tr.on.Flavor)
	// Of a table that is gone nobody can be granted anything without CREATE, and an
	// account that is open whatever its password is gets no more than it is to have.
	if tr.gone {
		for host := range was.openWithoutPassword(tr.on.Flavor) {
			maps.DeleteFunc(want, func(power string, _ bool) bool {
				return strings.HasPrefix(power, host+" | table | "+ground+" | gone | ") && !got[power]
			})
		}
	}
	maps.DeleteFunc(want, func(power string, _ bool) bool {
		part := strings.Split(power, " | ")
		return part[1] == "column" && whole[[3]string{part[0], part[2], part[3]}]
	})
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		tr.fail("the original may not do what both could (-want +original)", diff)
	}
	tr.compareDefaultRoles(was, clone, is)
	if diff := cmp.Diff(was.settings(), is.settings()); diff != "" {
		tr.fail("the original's attributes changed", diff)
	}
}

// mustCover wants every kind of statement to have been executed.
func (l *inProcess) mustCover(t *testing.T, covered map[string]int, users int) {
	t.Helper()
	t.Logf("executed: %v", covered)
	if users < checksInCI/2 || t.Failed() {
		return
	}
	want := []string{"revoke", "attributes", "new host", "lost host", "clone's own host", "dropped column", "dropped table", "dropped routine"}
	for _, kind := range []string{"global", "database", "table", "column", "routine", "package or library", "all", "proxy"} {
		want = append(want, kind, kind+" WITH GRANT OPTION")
	}
	if l.on.Flavor == dbserver.MySQL {
		want = append(want, "dynamic", "dynamic WITH GRANT OPTION", "partial revoke", "partial revoke of GRANT OPTION")
	}
	for _, host := range append(nearHosts(l.from), farHosts...) {
		want = append(want, "host "+host)
	}
	want = append(want, roleKinds...)
	for _, kind := range want {
		if covered[kind] == 0 {
			t.Errorf("%d random users, and never a statement of the kind %q", users, kind)
		}
	}
}
