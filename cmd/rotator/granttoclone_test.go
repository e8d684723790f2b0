package main

import (
	"regexp"
	"strings"
	"testing"

	"tandem/internal/failure"
	"tandem/internal/sandbox"
	"tandem/internal/server"
)

// A stranger who may grant on a database of his own can stand in the way of the

// original's turn by granting on it to the clone. The error has both ways out.

func TestGrantOfAStrangerToTheClone(t *testing.T) {
	for _, remedy := range []string{"the admin's GRANT", "the clone's REVOKE"} {
		t.Run(remedy, func(t *testing.T) {
			servers.Each(t, func(t *testing.T, on *server.Server) {
				w := newWorld(t, on)
				if err := w.foreignDatabase(); err != nil {
					t.Fatal(err)
				}
				stranger, database := w.stranger(), unique("own")
				w.execute("CREATE DATABASE "+database, "CREATE TABLE "+database+".t (a INT, b INT)", "GRANT ALL PRIVILEGES ON "+database+".* TO '"+stranger+"'@'%' WITH GRANT OPTION")
				w.afterwards("DROP DATABASE " + database)
				w.mustRotate()
				w.sends(stranger, "GRANT SELECT, INSERT ON "+database+".* TO '"+w.clone()+"'@'%' WITH GRANT OPTION")
				w.sends(stranger, "GRANT UPDATE (b) ON "+database+".t TO '"+w.clone()+"'@'%'")
				if remedy == "the clone's REVOKE" {
					// The check foretells both.
					f := finding(t, w.check(), "admin's privileges")
					if f.Type != string(failure.PrivilegeNotGrantable) || !strings.Contains(f.Remedy, "TO 'admin'@'%' WITH GRANT OPTION") || len(revokes(f.Remedy)) == 0 {
						t.Errorf("the check is %+v", f)
					}
				}
				tries, err := 0, w.rotate()
				for ; err != nil && tries < 4; tries, err = tries+1, w.nextTry() {
					if got := errorType(err); got != failure.PrivilegeNotGrantable {
						t.Fatalf("the type is %s: %v", got, err)
					}
					if remedy == "the admin's GRANT" {
						grant := regexp.MustCompile(`GRANT [^;]* TO 'admin'@'%' WITH GRANT OPTION`).FindString(err.Error())
						if grant == "" {
							t.Fatalf("no GRANT: %v", err)
						}
						w.execute(grant)
						continue
					}
					taken := revokes(err.Error())
					if len(taken) == 0 {
						t.Fatalf("no REVOKE: %v", err)
					}
					w.execute(taken...)
				}
				if err != nil || tries == 0 {
					t.Fatalf("after %d remedies: %v", tries, err)
				}
				w.mustBe(w.user)
				has := len(columnsOf(t, w.Root, "SELECT Db FROM mysql.db WHERE User IN (?, ?) AND Db = ?", w.user, w.clone(), database)) > 0
				if has != (remedy == "the admin's GRANT") {
					t.Errorf("a user of the pair has it: %v", has)
				}
				w.mustRotate()
				w.mustEqual()
			})
		})
	}
}

// foreignDatabase gives the application's secret an admin who may grant on no database

// but its own.

func (w *world) foreignDatabase() error {
	admin, err := w.CreateAdminWith(w.t.Context(), sandbox.Token(), "GRANT CREATE USER ON *.* TO 'admin'@'%'", "GRANT SELECT ON mysql.* TO 'admin'@'%'",
		"GRANT ALL PRIVILEGES ON "+w.database+".* TO 'admin'@'%' WITH GRANT OPTION")
	if err != nil {
		return err
	}
	w.store(w.user, firstPassword, map[string]any{"masterarn": admin})
	return nil
}

// holdLock takes the pair's lock through a session.

// kill follows an error's or a check's remedy.

// Whoever holds the lock is named, with what ends that session: in setSecret by the

// admin, and in finishSecret by the pending user, who sees less.

// mustName wants the statement that ends a connection.

// What holds the lock as the admin or as one of the two users is a rotation, unless it

// calls itself something else where that can be read.

// An admin without PROCESS is told the connection, and what ends it.

// A secret for a user who only happens to be called x_clone does not take over x.

// After a secret was restored or moved, its current version may be the only one that has

// a label, and may be the clone's: where the two users are equal, the rotation goes on.
