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
