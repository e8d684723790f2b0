package e2e

import (
	"strings"
	"testing"

	"tandem/internal/account"
	"tandem/internal/local/dbserver"
	"tandem/internal/warning"
)

// What privileges are on is gone, or can be used no longer: the rotation leaves out what
// cannot be granted again, says so, and goes on, whatever the admin may do; and it copies
// what can be granted still.
func TestWhatPrivilegesAreOnIsGone(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		l := newInProcess(t, on)
		l.makeGround(t)
		// One who may do anything but create tables, and has no right to act for others.
		weak := account.Name{User: unique("weak"), Host: "%"}
		l.must(t, "CREATE USER "+weak.String()+" IDENTIFIED BY 'weak'")
		t.Cleanup(func() { l.must(t, "DROP USER "+weak.String()) })
		l.must(t, "GRANT SELECT, INSERT, UPDATE, REFERENCES, EXECUTE, ALTER ROUTINE, SHOW VIEW, CREATE USER, RELOAD ON *.* TO "+weak.String()+" WITH GRANT OPTION")
		l.admins["weak"] = l.document(weak.User, "weak", nil)
		definer := account.Name{User: unique("definer"), Host: "%"}
		const all = "SELECT, INSERT ON "
		for _, test := range []struct {
			what   string
			make   []string
			grants []string
			lose   []string
			// left is said to be left out: for every admin, and for one who may not CREATE.
			left, leftByWeak string
			only             dbserver.Flavor
		}{
			{what: "a table", make: []string{"CREATE TABLE DB.t (a INT)"}, grants: []string{all + "DB.t", "UPDATE (a) ON DB.t"}, lose: []string{"DROP TABLE DB.t"},
				left: "UPDATE (`a`) ON `DB`.`t`", leftByWeak: "SELECT ON `DB`.`t`"},
			{what: "a table, with its GRANT OPTION", make: []string{"CREATE TABLE DB.t (a INT)"}, grants: []string{"SELECT ON DB.t TO ME WITH GRANT OPTION"}, lose: []string{"DROP TABLE DB.t"},
				leftByWeak: "GRANT OPTION ON `DB`.`t`"},
			{what: "a database", make: []string{"CREATE TABLE DB.t (a INT)"}, grants: []string{"SELECT ON DB.*", "SELECT ON DB.t", "UPDATE (a) ON DB.t"}, lose: []string{"DROP DATABASE DB", "CREATE DATABASE DB2"},
				left: "UPDATE (`a`) ON `DB`.`t`", leftByWeak: "SELECT ON `DB`.`t`"},
			{what: "a column", make: []string{"CREATE TABLE DB.t (a INT, b INT)"}, grants: []string{"SELECT (a, b), INSERT (a) ON DB.t", "UPDATE ON DB.t"}, lose: []string{"ALTER TABLE DB.t DROP COLUMN b"},
				left: "SELECT (`b`) ON `DB`.`t`"},
			{what: "a view", make: []string{"CREATE VIEW DB.v AS SELECT 1 AS a"}, grants: []string{"SELECT ON DB.v", "UPDATE (a) ON DB.v"}, lose: []string{"DROP VIEW DB.v"},
				left: "UPDATE (`a`) ON `DB`.`v`", leftByWeak: "SELECT ON `DB`.`v`"},
			{what: "the table of a view", make: []string{"CREATE TABLE DB.t (a INT)", "CREATE VIEW DB.v AS SELECT a FROM DB.t"}, grants: []string{"SELECT, INSERT (a), REFERENCES (a) ON DB.v"}, lose: []string{"DROP TABLE DB.t"},
				left: "INSERT (`a`) ON `DB`.`v`"},
			{what: "a column of a view's table", make: []string{"CREATE TABLE DB.t (a INT, b INT)", "CREATE VIEW DB.v AS SELECT a, b FROM DB.t"}, grants: []string{"SELECT (a) ON DB.v"}, lose: []string{"ALTER TABLE DB.t DROP COLUMN b"},
				left: "SELECT (`a`) ON `DB`.`v`"},
			{what: "a view's function", make: []string{"CREATE FUNCTION DB.f() RETURNS INT DETERMINISTIC RETURN 1", "CREATE VIEW DB.v AS SELECT DB.f() AS a"}, grants: []string{"SELECT (a) ON DB.v"}, lose: []string{"DROP FUNCTION DB.f"},
				left: "SELECT (`a`) ON `DB`.`v`"},
			{what: "a view's definer", make: []string{"CREATE TABLE DB.t (a INT)", "CREATE USER DEFINER", "GRANT SELECT ON DB.t TO DEFINER", "CREATE DEFINER=DEFINER VIEW DB.v AS SELECT a FROM DB.t"}, grants: []string{"SELECT (a) ON DB.v", "INSERT ON DB.v"}, lose: []string{"DROP USER DEFINER"},
				left: "SELECT (`a`) ON `DB`.`v`"},
			{what: "the privilege of a view's definer", make: []string{"CREATE TABLE DB.t (a INT)", "CREATE USER DEFINER", "GRANT SELECT ON DB.t TO DEFINER", "CREATE DEFINER=DEFINER VIEW DB.v AS SELECT a FROM DB.t"}, grants: []string{"SELECT (a) ON DB.v"}, lose: []string{"REVOKE SELECT ON DB.t FROM DEFINER"},
				left: "SELECT (`a`) ON `DB`.`v`"},
			{what: "an index that a view forces", make: []string{"CREATE TABLE DB.t (a INT, KEY k (a))", "CREATE VIEW DB.v AS SELECT a FROM DB.t FORCE INDEX (k)"}, grants: []string{"SELECT (a), INSERT ON DB.v"}, lose: []string{"ALTER TABLE DB.t DROP INDEX k"},
				left: "SELECT (`a`) ON `DB`.`v`"},
			{what: "a partition that a view reads", make: []string{"CREATE TABLE DB.t (a INT) PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (5), PARTITION p1 VALUES LESS THAN (10))", "CREATE VIEW DB.v AS SELECT a FROM DB.t PARTITION (p1)"},
				grants: []string{"INSERT (a) ON DB.v"}, lose: []string{"ALTER TABLE DB.t DROP PARTITION p1"}, left: "INSERT (`a`) ON `DB`.`v`"},
			{what: "a view that has come to be made of itself", make: []string{"CREATE TABLE DB.t (a INT)", "CREATE VIEW DB.v AS SELECT a FROM DB.t", "CREATE VIEW DB.w AS SELECT a FROM DB.v"}, grants: []string{"SELECT (a), INSERT ON DB.v"}, lose: []string{"RENAME TABLE DB.t TO DB.u", "RENAME TABLE DB.w TO DB.t"},
				left: "SELECT (`a`) ON `DB`.`v`"},
			{what: "the arguments of a view's function", make: []string{"CREATE FUNCTION DB.f() RETURNS INT DETERMINISTIC RETURN 1", "CREATE VIEW DB.v AS SELECT DB.f() AS a"}, grants: []string{"SELECT (a) ON DB.v"}, lose: []string{"DROP FUNCTION DB.f", "CREATE FUNCTION DB.f(x INT) RETURNS INT DETERMINISTIC RETURN 1"},
				left: "SELECT (`a`) ON `DB`.`v`", only: dbserver.MySQL}, // MariaDB grants it
			{what: "a table that a MERGE table is made of", make: []string{"CREATE TABLE DB.t (a INT) ENGINE=MyISAM", "CREATE TABLE DB.m (a INT) ENGINE=MERGE UNION=(DB.t)"}, grants: []string{"INSERT (a), UPDATE ON DB.m"}, lose: []string{"DROP TABLE DB.t"},
				left: "INSERT (`a`) ON `DB`.`m`"},
			{what: "the form of such a table, under a view", make: []string{"CREATE TABLE DB.t (a INT) ENGINE=MyISAM", "CREATE TABLE DB.m (a INT) ENGINE=MERGE UNION=(DB.t)", "CREATE VIEW DB.v AS SELECT a FROM DB.m"}, grants: []string{"SELECT (a) ON DB.m", "SELECT (a) ON DB.v"}, lose: []string{"ALTER TABLE DB.t ADD COLUMN b INT"},
				left: "SELECT (`a`) ON `DB`.`v`"},
			{what: "a table's storage engine", only: dbserver.MariaDB, make: []string{"INSTALL SONAME 'ha_blackhole'", "CREATE TABLE DB.t (a INT) ENGINE=BLACKHOLE"}, grants: []string{"SELECT (a), INSERT ON DB.t"}, lose: []string{"FLUSH TABLES", "UNINSTALL SONAME 'ha_blackhole'"},
				left: "SELECT (`a`) ON `DB`.`t`"},
			{what: "a procedure", make: []string{"CREATE PROCEDURE DB.p() BEGIN END"}, grants: []string{"EXECUTE ON PROCEDURE DB.p"}, lose: []string{"DROP PROCEDURE DB.p"},
				left: "EXECUTE ON PROCEDURE `DB`.`p`"},
			{what: "a function's database", make: []string{"CREATE FUNCTION DB.f() RETURNS INT DETERMINISTIC RETURN 1"}, grants: []string{"EXECUTE, ALTER ROUTINE ON FUNCTION DB.f"}, lose: []string{"DROP DATABASE DB", "CREATE DATABASE DB2"},
				left: "EXECUTE ON FUNCTION `DB`.`f`"},
			{what: "a library", only: dbserver.MySQL, make: []string{"CREATE LIBRARY DB.l LANGUAGE JAVASCRIPT AS 'export function f(n) { return n }'"}, grants: []string{"EXECUTE ON LIBRARY DB.l"}, lose: []string{"DROP LIBRARY DB.l"},
				left: "EXECUTE ON LIBRARY `DB`.`l`"},
			{what: "a sequence", only: dbserver.MariaDB, make: []string{"CREATE SEQUENCE DB.s"}, grants: []string{"SELECT, INSERT ON DB.s"}, lose: []string{"DROP SEQUENCE DB.s"},
				leftByWeak: "SELECT ON `DB`.`s`"},
			{what: "a package", only: dbserver.MariaDB, make: []string{"SET sql_mode = ORACLE", "CREATE PACKAGE DB.pk AS PROCEDURE q(); END", "CREATE PACKAGE BODY DB.pk AS PROCEDURE q() AS BEGIN NULL; END; END", "SET sql_mode = DEFAULT"},
				grants: []string{"EXECUTE ON PACKAGE DB.pk", "EXECUTE ON PACKAGE BODY DB.pk"}, lose: []string{"SET sql_mode = ORACLE", "DROP PACKAGE DB.pk", "SET sql_mode = DEFAULT"},
				left: "EXECUTE ON PACKAGE `DB`.`pk`"},
		} {
			if test.only != "" && test.only != on.Flavor {
				continue
			}
			t.Run(test.what, func(t *testing.T) {
				l.must(t, "SET GLOBAL automatic_sp_privileges = OFF") // else a routine's privileges go with it
				defer l.must(t, "SET GLOBAL automatic_sp_privileges = ON")
				for _, admin := range []string{mightyAdmin, "weak"} {
					for _, turn := range []account.Turn{account.TurnOfClone, account.TurnOfOriginal} {
						database := unique("gone")
						replace := strings.NewReplacer("DB2", database, "DB", database, "DEFINER=DEFINER", "DEFINER="+definer.String(), "DEFINER", definer.String())
						p := l.mustPair(t, admin, "%")
						current := p.at("%")
						if turn == account.TurnOfOriginal {
							p.mustRotate(t)
							current = p.cloneAt("%")
						}
						l.must(t, "CREATE DATABASE "+database)
						l.must(t, "DROP USER IF EXISTS "+definer.String())
						for _, text := range test.make {
							l.must(t, replace.Replace(text))
						}
						for _, grant := range test.grants {
							if !strings.Contains(grant, "TO ME") {
								grant += " TO ME"
							}
							l.must(t, packaged("GRANT "+strings.Replace(replace.Replace(grant), "TO ME", "TO "+current, 1)))
						}
						for _, text := range test.lose {
							l.must(t, replace.Replace(text))
						}
						if err := p.rotate(t.Context()); err != nil {
							t.Errorf("admin %s, turn %v: %v", admin, turn, err)
						}
						for _, left := range []string{test.left, map[bool]string{true: test.leftByWeak}[admin == "weak"]} {
							if left = strings.ReplaceAll(left, "DB", database); left != "" && !strings.Contains(p.warned[warning.ObjectGone], left) && !strings.Contains(p.warned[warning.ObjectGone], "privileges on objects that no longer exist") {
								t.Errorf("admin %s, turn %v: %s is not said to be left out: %v", admin, turn, left, p.warned)
							}
						}
						if test.left == "" && admin == mightyAdmin && p.warned[warning.ObjectGone] != "" {
							t.Errorf("turn %v: left out, though it can be granted: %v", turn, p.warned)
						}
						p.mustRotate(t) // and for good
						p.mustRotate(t)
						l.must(t, "DROP DATABASE IF EXISTS "+database)
						p.drop(t)
					}
				}
			})
		}
		l.must(t, "DROP USER IF EXISTS "+definer.String())
	})
}
