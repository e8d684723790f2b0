package e2e

import (
	"strings"
	"testing"
	"time"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/sandbox"
	"tandem/internal/warning"
)

// A stranger who may create tables can grant on columns of one, and keep it locked as long
// as he likes. The rotation does not wait for him, and says what ends it.
func TestTableThatAStrangerLocks(t *testing.T) {
	more := strings.Fields("c d e f g h i j k l m n o p") // it waits once for all of a table
	for _, test := range []struct {
		name     string
		before   int // rotations
		original bool
	}{
		{"to the original", 0, true},
		{"to the clone", 1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			servers.Each(t, func(t *testing.T, on *dbserver.Server) {
				w := newDeployment(t, on, func(_ *deployment, o *sandbox.Options) { o.Timeout = 15 * time.Second })
				stranger, database := w.stranger(), unique("own")
				w.execute("CREATE DATABASE "+database, "GRANT ALL PRIVILEGES ON "+database+".* TO '"+stranger+"'@'%' WITH GRANT OPTION")
				w.afterwards("DROP DATABASE " + database)
				w.sends(stranger, "CREATE TABLE "+database+".t (a INT, b INT, "+strings.Join(more, " INT, ")+" INT)", "CREATE TABLE "+database+".u (a INT)", "CREATE VIEW "+database+".v AS SELECT a FROM "+database+".u")
				for range test.before {
					w.mustRotate()
				}
				to := w.clone()
				if test.original {
					to = w.user
				}
				w.sends(stranger, "GRANT SELECT (a, "+strings.Join(more, ", ")+"), UPDATE (b), DELETE ON "+database+".t TO "+me(to), "GRANT INSERT (a) ON "+database+".v TO "+me(to))
				holder := w.as(stranger, strangersPassword, "")
				if _, err := holder.ExecContext(t.Context(), "LOCK TABLES "+database+".t WRITE, "+database+".u WRITE"); err != nil {
					t.Fatal(err)
				}
				w.mustRotate()
				warned := strings.Join(w.warnings(warning.TableLocked), "\n")
				for _, revoke := range []string{"REVOKE SELECT (`a`) ON `" + database + "`.`t` FROM " + me(to), "REVOKE UPDATE (`b`) ON `" + database + "`.`t` FROM " + me(to), "REVOKE INSERT (`a`) ON `" + database + "`.`v` FROM " + me(to)} {
					if !strings.Contains(warned, revoke) {
						t.Errorf("%s is not in the warning: %q", revoke, warned)
					}
				}
				if told := w.warnings(warning.ObjectGone); len(told) > 0 {
					t.Errorf("what is locked is told to be gone: %q", told)
				}
				if empty := columnsOf(t, w.Root, "SELECT User FROM mysql.tables_priv WHERE Db = ? AND Table_priv = '' AND Column_priv = ''", database); len(empty) > 0 {
					t.Errorf("a row without a privilege is left: %v", empty)
				}
				for _, user := range []string{w.user, w.clone()} {
					if len(columnsOf(t, w.Root, "SELECT Db FROM mysql.tables_priv WHERE User = ? AND Db = ? AND FIND_IN_SET('Delete', Table_priv)", user, database)) == 0 {
						t.Errorf("%q has no privilege on the table as a whole", user)
					}
				}
				w.execute(revokes(warned)...) // while it is locked
				w.mustRotate()
				w.mustRotate()
				w.mustEqual()
				if rest := columnsOf(t, w.Root, "SELECT User FROM mysql.columns_priv WHERE Db = ?", database); len(rest) > 0 {
					t.Errorf("somebody has still privileges on columns: %v", rest)
				}
			})
		})
	}
}

// However many tables are locked, their waits leave time for the rest, and they are told of
// once.
func TestManyTablesThatAStrangerLocks(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, func(_ *deployment, o *sandbox.Options) { o.Timeout = 10 * time.Second })
		stranger, database := w.stranger(), unique("own")
		w.execute("CREATE DATABASE "+database, "GRANT ALL PRIVILEGES ON "+database+".* TO '"+stranger+"'@'%' WITH GRANT OPTION")
		w.afterwards("DROP DATABASE " + database)
		var locks []string
		for _, table := range strings.Fields("t u v w x y") {
			table = database + "." + table
			w.sends(stranger, "CREATE TABLE "+table+" (a INT)", "GRANT SELECT (a) ON "+table+" TO "+me(w.user))
			locks = append(locks, table+" WRITE")
		}
		w.execute("CREATE TABLE "+w.database+".z (a INT)", "GRANT SELECT (a) ON "+w.database+".z TO "+me(w.user))
		holder := w.as(stranger, strangersPassword, "")
		if _, err := holder.ExecContext(t.Context(), "LOCK TABLES "+strings.Join(locks, ", ")); err != nil {
			t.Fatal(err)
		}
		w.mustRotate()
		if told := w.warnings(warning.TableLocked); len(told) != 2 || strings.Count(told[0], "REVOKE ") != len(locks) {
			t.Errorf("setSecret and testSecret do not tell of it once each: %q", told)
		}
		if len(columnsOf(t, w.Root, "SELECT Table_name FROM mysql.columns_priv WHERE User = ? AND Table_name = 'z'", w.clone())) == 0 {
			t.Error("what no lock stands against was not copied")
		}
	})
}

// On MySQL a GRANT on a table as a whole waits too, once somebody waits to drop its database.
func TestTableThatAStrangerLocksAndDrops(t *testing.T) {
	servers.Only(dbserver.MySQL, "MariaDB's GRANT on a table opens none").Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, func(_ *deployment, o *sandbox.Options) { o.Timeout = 10 * time.Second })
		stranger, database := w.stranger(), unique("own")
		w.execute("CREATE DATABASE "+database, "GRANT ALL PRIVILEGES ON "+database+".* TO '"+stranger+"'@'%' WITH GRANT OPTION")
		w.sends(stranger, "CREATE TABLE "+database+".t (a INT)", "GRANT SELECT, UPDATE (a) ON "+database+".t TO "+me(w.user))
		holder := w.as(stranger, strangersPassword, "")
		if _, err := holder.ExecContext(t.Context(), "LOCK TABLES "+database+".t WRITE"); err != nil {
			t.Fatal(err)
		}
		drops, dropped := w.as(stranger, strangersPassword, ""), make(chan error, 1)
		go func() {
			_, err := drops.ExecContext(t.Context(), "DROP DATABASE "+database)
			dropped <- err
		}()
		for len(columnsOf(t, w.Root, "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO = ? AND STATE LIKE 'Waiting for %'", "DROP DATABASE "+database)) == 0 {
			select {
			case err := <-dropped:
				t.Fatalf("the database was dropped, or not: %v", err)
			case <-time.After(20 * time.Millisecond):
			}
		}
		w.mustRotate()
		if len(columnsOf(t, w.Root, "SELECT Table_priv FROM mysql.tables_priv WHERE User = ? AND Db = ? AND Table_priv = 'Select'", w.clone(), database)) == 0 {
			t.Error("the clone has not the privilege on the table as a whole, or more than that")
		}
		if told := strings.Join(w.warnings(warning.TableLocked), "\n"); !strings.Contains(told, "REVOKE UPDATE (`a`)") || strings.Contains(told, "SELECT") || len(w.warnings(warning.ObjectGone)) > 0 {
			t.Errorf("the warnings are not of the column alone: %q, %q", told, w.warnings(warning.ObjectGone))
		}
		if _, err := holder.ExecContext(t.Context(), "UNLOCK TABLES"); err != nil {
			t.Fatal(err)
		}
		if err := <-dropped; err != nil {
			t.Fatal(err)
		}
	})
}

// What locks the whole server, as a backup does, keeps every statement waiting, and is no
// reason to leave anything out.
func TestServerThatIsLocked(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, func(_ *deployment, o *sandbox.Options) { o.Timeout = 19 * time.Second })
		w.execute("CREATE TABLE " + w.database + ".locked (a INT)")
		w.mustRotate()
		w.mustRotate()
		w.execute("REVOKE ALL PRIVILEGES, GRANT OPTION FROM "+me(w.user), "GRANT SELECT (a) ON "+w.database+".locked TO "+me(w.user))
		w.mustRotate()
		w.mustRotate()
		w.execute("GRANT INSERT (a) ON " + w.database + ".locked TO " + me(w.user))
		backup, err := w.Root.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer backup.Close()
		if _, err := backup.ExecContext(t.Context(), "FLUSH TABLES WITH READ LOCK"); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- w.rotate() }()
		// It first waits for a second or two, and then longer.
		const waiting = "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'GRANT INSERT (%' AND TIME >= 4"
		for len(columnsOf(t, w.Root, waiting)) == 0 {
			select {
			case err := <-ended:
				t.Fatalf("it has ended while the server was locked: %v", err)
			case <-time.After(100 * time.Millisecond):
			}
		}
		if _, err := backup.ExecContext(t.Context(), "UNLOCK TABLES"); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		w.mustEqual()
		if warned := w.warnings(warning.TableLocked); len(warned) > 0 {
			t.Errorf("left out: %q", warned)
		}
	})
}
