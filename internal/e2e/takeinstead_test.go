package e2e

import (
	"regexp"
	"strings"
	"testing"

	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/local/sandbox"
)

// A stranger who may grant on a database of his own can stand in the way of a rotation by
// granting on it to one of the two users. The error has both ways out.
func TestGrantOfAStranger(t *testing.T) {
	for _, test := range []struct {
		name     string
		before   int  // rotations
		original bool // the stranger grants to the original
	}{
		{"to the clone, before the original's turn", 1, false},
		{"to the clone, before its own turn", 2, false},
		{"to the original, before the clone's turn", 0, true},
	} {
		for _, remedy := range []string{"GRANT", "REVOKE"} {
			t.Run(test.name+", "+remedy, func(t *testing.T) {
				servers.Each(t, func(t *testing.T, on *dbserver.Server) {
					w := newDeployment(t, on)
					if err := w.foreignDatabase(); err != nil {
						t.Fatal(err)
					}
					stranger, database := w.stranger(), unique("own")
					w.execute("CREATE DATABASE "+database, "CREATE TABLE "+database+".t (a INT, b INT)", "GRANT ALL PRIVILEGES ON "+database+".* TO '"+stranger+"'@'%' WITH GRANT OPTION")
					w.afterwards("DROP DATABASE " + database)
					for range test.before {
						w.mustRotate()
					}
					to := w.clone()
					if test.original {
						to = w.user
					}
					w.sends(stranger, "GRANT SELECT, INSERT ON "+database+".* TO '"+to+"'@'%' WITH GRANT OPTION", "GRANT UPDATE (b) ON "+database+".t TO '"+to+"'@'%'")
					w.mayNotBeEqual(remedy)
					has := len(columnsOf(t, w.Root, "SELECT Db FROM mysql.db WHERE User IN (?, ?) AND Db = ?", w.user, w.clone(), database)) > 0
					if want := remedy == "GRANT" && test.before != 2; has != want {
						t.Errorf("a user of the pair has it: %v", has)
					}
					w.mustRotate()
					w.mustRotate()
					w.mustEqual()
				})
			})
		}
	}
}

// mayNotBeEqual rotates by following one of the two remedies of each error, which the
// check foretells.
func (w *deployment) mayNotBeEqual(remedy string) {
	w.t.Helper()
	f := finding(w.t, w.check(), "admin's privileges")
	if f.Type != string(failure.PrivilegeNotGrantable) || !strings.Contains(f.Remedy, "TO 'admin'@'%' WITH GRANT OPTION") || len(revokes(f.Remedy)) == 0 {
		w.t.Errorf("the check is %+v", f)
	}
	tries, err := 0, w.rotate()
	for ; err != nil && tries < 4; tries, err = tries+1, w.nextTry() {
		if got := errorType(err); got != failure.PrivilegeNotGrantable {
			w.t.Fatalf("the type is %s: %v", got, err)
		}
		statements := revokes(err.Error())
		if remedy == "GRANT" {
			statements = regexp.MustCompile(`GRANT [^;]* TO 'admin'@'%' WITH GRANT OPTION$`).FindAllString(err.Error(), -1)
		}
		if len(statements) == 0 {
			w.t.Fatalf("no %s: %v", remedy, err)
		}
		w.execute(statements...)
	}
	if err != nil || tries == 0 {
		w.t.Fatalf("after %d remedies: %v", tries, err)
	}
}

// foreignDatabase gives the application's secret an admin who may grant on no database
// but its own.
func (w *deployment) foreignDatabase() error {
	admin, err := w.CreateAdminWith(w.t.Context(), sandbox.Token(), "GRANT CREATE USER ON *.* TO 'admin'@'%'", "GRANT SELECT ON mysql.* TO 'admin'@'%'",
		"GRANT ALL PRIVILEGES ON "+w.database+".* TO 'admin'@'%' WITH GRANT OPTION")
	if err != nil {
		return err
	}
	w.store(w.user, firstPassword, map[string]any{"masterarn": admin})
	return nil
}
