package e2e

import (
	"strings"
	"testing"

	"tandem/internal/account"
	"tandem/internal/local/dbserver"
)

// withPartialRevokes runs a test on MySQL, which alone has partial revokes, with them on.
func withPartialRevokes(t *testing.T, run func(t *testing.T, l *inProcess)) {
	servers.Only(dbserver.MySQL, "MariaDB has no partial revokes").Each(t, func(t *testing.T, on *dbserver.Server) {
		l := newInProcess(t, on)
		l.makeGround(t)
		l.must(t, "SET GLOBAL partial_revokes = ON")
		t.Cleanup(func() { l.must(t, "SET GLOBAL partial_revokes = OFF") })
		run(t, l)
	})
}

// restrictsOption reports whether mysql.user has a partial revoke of GRANT OPTION for a user.
func (p *pair) restrictsOption(t *testing.T, user string) bool {
	t.Helper()
	return strings.Contains(strings.Join(p.see(t, user), "\n"), `\"GRANT\"`)
}

// FLUSH PRIVILEGES and a start of the server forget the partial revokes of GRANT OPTION,
// which stay in mysql.user until something writes there.
func TestForgottenPartialRevokes(t *testing.T) {
	withPartialRevokes(t, func(t *testing.T, l *inProcess) {
		for _, test := range []struct {
			what string
			turn account.Turn
			// more are changes of the user under AWSCURRENT, before the rotation that is watched.
			more []string
		}{
			{"nothing else", account.TurnOfClone, nil},
			{"a privilege on a database", account.TurnOfClone, []string{"GRANT SELECT ON mysql.* TO ME"}},
			{"another partial revoke", account.TurnOfClone, []string{"REVOKE INSERT ON mysql.* FROM ME", "REVOKE GRANT OPTION ON " + ground + ".* FROM ME"}},
			{"less", account.TurnOfClone, []string{"REVOKE INSERT ON *.* FROM ME", "REVOKE GRANT OPTION ON " + ground + ".* FROM ME"}},
			{"more", account.TurnOfClone, []string{"GRANT PROCESS ON *.* TO ME", "REVOKE GRANT OPTION ON " + ground + ".* FROM ME"}},
			{"no partial revoke", account.TurnOfClone, []string{"GRANT USAGE ON " + ground + ".* TO ME WITH GRANT OPTION", "REVOKE GRANT OPTION ON " + ground + ".* FROM ME"}},
			{"no GRANT OPTION", account.TurnOfClone, []string{"REVOKE GRANT OPTION ON *.* FROM ME"}},
			{"the original's turn", account.TurnOfOriginal, []string{"GRANT PROCESS ON *.* TO ME", "REVOKE GRANT OPTION ON " + ground + ".* FROM ME"}},
		} {
			t.Run(test.what, func(t *testing.T) {
				p := l.mustPair(t, mightyAdmin, "%")
				defer p.drop(t) // before partial revokes are turned off
				l.must(t, "GRANT SELECT, INSERT ON *.* TO "+p.at("%")+" WITH GRANT OPTION")
				l.must(t, "REVOKE GRANT OPTION ON "+ground+".* FROM "+p.at("%"))
				l.must(t, "FLUSH PRIVILEGES")
				rotations := 2
				if test.turn == account.TurnOfOriginal {
					rotations = 1
				}
				for range rotations {
					p.mustRotate(t)
					p.mustEqual(t)
				}
				l.must(t, "FLUSH PRIVILEGES")
				current := p.at("%")
				if test.turn == account.TurnOfOriginal {
					current = p.cloneAt("%")
				}
				for _, change := range test.more {
					l.must(t, strings.ReplaceAll(change, "ME", current))
				}
				l.must(t, "FLUSH PRIVILEGES")
				restricted := p.restrictsOption(t, p.user)
				p.watch(t, []string{ground, "mysql"}, func(statement string, excess []string) {
					t.Errorf("after %s an account that is open may do more than it could and its model can: %v", statement, excess)
				})
				p.mustRotate(t)
				p.mustEqual(t)
				if p.restrictsOption(t, p.user) != restricted {
					t.Error("the original's partial revoke of GRANT OPTION was not kept")
				}
			})
		}
		t.Run("GRANT OPTION and its partial revoke", func(t *testing.T) {
			p := l.mustPair(t, mightyAdmin, "%")
			defer p.drop(t)
			l.must(t, "GRANT SELECT ON *.* TO "+p.at("%"))
			p.mustRotate(t)
			p.mustRotate(t)
			l.must(t, "GRANT INSERT ON *.* TO "+p.at("%")+" WITH GRANT OPTION")
			l.must(t, "REVOKE GRANT OPTION ON "+ground+".* FROM "+p.at("%"))
			l.must(t, "FLUSH PRIVILEGES")
			p.watch(t, []string{ground, "mysql"}, func(statement string, excess []string) {
				t.Errorf("after %s an account that is open may do more than it could and its model can: %v", statement, excess)
			})
			p.mustRotate(t)
			p.mustEqual(t)
			if !p.restrictsOption(t, p.user+"_clone") {
				t.Error("the clone has no partial revoke of GRANT OPTION")
			}
		})
	})
}

// A row of mysql.db that another account of the user has, at a wider host, makes the server
// refuse statements about an account with a partial revoke on the same database.
func TestPartialRevokeBesideAWiderHost(t *testing.T) {
	withPartialRevokes(t, func(t *testing.T, l *inProcess) {
		on := ground + ".*"
		for _, test := range []struct {
			what string
			turn account.Turn
			// before is what both have; changes are of the user under AWSCURRENT, whose accounts
			// are NEAR, WIDE and WIDER.
			before, changes []string
		}{
			{"a new partial revoke", account.TurnOfClone,
				[]string{"GRANT SELECT, INSERT ON *.* TO NEAR", "GRANT INSERT, UPDATE ON " + on + " TO WIDE"},
				[]string{"REVOKE INSERT ON " + on + " FROM WIDE", "REVOKE INSERT ON " + on + " FROM NEAR", "GRANT INSERT ON " + on + " TO WIDE"}},
			{"a new partial revoke of GRANT OPTION", account.TurnOfClone,
				[]string{"GRANT SELECT, INSERT ON *.* TO NEAR WITH GRANT OPTION", "GRANT UPDATE ON " + on + " TO WIDE WITH GRANT OPTION"},
				[]string{"REVOKE GRANT OPTION ON " + on + " FROM WIDE", "REVOKE GRANT OPTION ON " + on + " FROM NEAR", "GRANT USAGE ON " + on + " TO WIDE WITH GRANT OPTION"}},
			{"more on the database", account.TurnOfClone,
				[]string{"GRANT SELECT, INSERT ON *.* TO NEAR", "REVOKE INSERT ON " + on + " FROM NEAR", "GRANT ALL ON " + on + " TO WIDE"},
				[]string{"REVOKE INSERT ON " + on + " FROM WIDE", "GRANT UPDATE ON " + on + " TO NEAR", "GRANT INSERT ON " + on + " TO WIDE"}},
			{"less globally", account.TurnOfClone,
				[]string{"GRANT SELECT, INSERT, UPDATE ON *.* TO NEAR WITH GRANT OPTION", "REVOKE INSERT ON " + on + " FROM NEAR", "GRANT INSERT ON " + on + " TO WIDE"},
				[]string{"REVOKE INSERT ON " + on + " FROM WIDE", "REVOKE UPDATE ON *.* FROM NEAR", "GRANT INSERT ON " + on + " TO WIDE"}},
			{"no partial revoke any more", account.TurnOfClone,
				[]string{"GRANT SELECT, INSERT ON *.* TO NEAR", "REVOKE INSERT ON " + on + " FROM NEAR", "GRANT INSERT ON " + on + " TO WIDE"},
				[]string{"REVOKE INSERT ON " + on + " FROM WIDE", "GRANT INSERT ON " + on + " TO NEAR", "GRANT INSERT ON " + on + " TO WIDE"}},
			{"and an even wider host", account.TurnOfClone,
				[]string{"GRANT SELECT, INSERT ON *.* TO NEAR", "GRANT SELECT, UPDATE ON *.* TO WIDE", "REVOKE UPDATE ON " + on + " FROM WIDE", "GRANT INSERT ON " + on + " TO WIDE", "GRANT UPDATE ON " + on + " TO WIDER"},
				[]string{"REVOKE UPDATE ON " + on + " FROM WIDER", "REVOKE INSERT ON " + on + " FROM WIDE", "REVOKE INSERT ON " + on + " FROM NEAR", "GRANT INSERT ON " + on + " TO WIDE", "GRANT UPDATE ON " + on + " TO WIDER"}},
			{"an account that is to be dropped", account.TurnOfClone,
				[]string{"GRANT SELECT, INSERT ON *.* TO NEAR", "GRANT INSERT ON " + on + " TO WIDE"},
				[]string{"DROP USER WIDE", "REVOKE INSERT ON " + on + " FROM NEAR"}},
			{"more globally, the original's turn", account.TurnOfOriginal,
				[]string{"GRANT SELECT, INSERT ON *.* TO NEAR", "REVOKE INSERT ON " + on + " FROM NEAR", "GRANT INSERT ON " + on + " TO WIDE"},
				[]string{"REVOKE INSERT ON " + on + " FROM WIDE", "GRANT PROCESS ON *.* TO NEAR", "GRANT INSERT ON " + on + " TO WIDE"}},
		} {
			t.Run(test.what, func(t *testing.T) {
				from := nearHosts(l.from)
				near, wide, wider := from[1], from[2], from[0]
				p := l.mustPair(t, mightyAdmin, near, wide, wider)
				defer p.drop(t) // before partial revokes are turned off
				execute := func(texts []string, at func(host string) string) {
					for _, text := range texts {
						l.must(t, strings.NewReplacer("NEAR", at(near), "WIDER", at(wider), "WIDE", at(wide)).Replace(text))
					}
				}
				execute(test.before, p.at)
				p.mustRotate(t)
				p.mustEqual(t)
				at := p.cloneAt
				if test.turn == account.TurnOfClone {
					p.mustRotate(t)
					at = p.at
				}
				execute(test.changes, at)
				p.watch(t, []string{ground, "mysql"}, func(statement string, excess []string) {
					t.Errorf("after %s an account that is open may do more than it could and its model can: %v", statement, excess)
				})
				p.mustRotate(t)
				p.mustEqual(t)
			})
		}
	})
}

// REVOKE of a privilege on *.* together with one that the account does not have leaves the
// partial revokes of the former in mysql.user. They hold nothing back, not even when the
// privilege comes again; but until the server forgets them, a GRANT on the database does no
// more than to delete them.
func TestPartialRevokeOfWhatIsNotHeld(t *testing.T) {
	withPartialRevokes(t, func(t *testing.T, l *inProcess) {
		on := ground + ".*"
		leftBehind := []string{"REVOKE SELECT ON " + on + " FROM ME", "REVOKE TRIGGER, SELECT ON *.* FROM ME"}
		for _, test := range []struct {
			what string
			turn account.Turn
			// changes are of the user under AWSCURRENT, others of the other one, before the rotation.
			changes, others []string
		}{
			{"the original's", account.TurnOfClone, leftBehind, nil},
			{"the clone's", account.TurnOfClone, nil, leftBehind},
			{"the clone's, which gets the privilege on the database", account.TurnOfClone,
				[]string{"REVOKE SELECT ON *.* FROM ME", "GRANT SELECT, UPDATE ON " + on + " TO ME"}, leftBehind},
			{"the clone's, which gets every privilege on the database", account.TurnOfClone,
				[]string{"REVOKE SELECT ON *.* FROM ME", "GRANT ALL ON " + on + " TO ME"}, leftBehind},
			{"the clone's, of GRANT OPTION", account.TurnOfClone,
				[]string{"REVOKE GRANT OPTION ON *.* FROM ME", "GRANT UPDATE ON " + on + " TO ME WITH GRANT OPTION"},
				[]string{"REVOKE GRANT OPTION ON " + on + " FROM ME", "REVOKE TRIGGER, GRANT OPTION ON *.* FROM ME"}},
			{"the clone's, which gets the partial revoke", account.TurnOfClone, []string{"REVOKE SELECT ON " + on + " FROM ME"}, leftBehind},
			{"the original's, which gets what the clone has", account.TurnOfOriginal, nil, leftBehind},
			{"the original's, which gets the privilege on the database", account.TurnOfOriginal,
				[]string{"REVOKE SELECT ON *.* FROM ME", "GRANT SELECT ON " + on + " TO ME"}, leftBehind},
		} {
			t.Run(test.what, func(t *testing.T) {
				p := l.mustPair(t, mightyAdmin, "%")
				defer p.drop(t) // before partial revokes are turned off
				l.must(t, "GRANT SELECT, INSERT ON *.* TO "+p.at("%")+" WITH GRANT OPTION")
				p.mustRotate(t)
				current, other := p.cloneAt("%"), p.at("%")
				if test.turn == account.TurnOfClone {
					p.mustRotate(t)
					current, other = other, current
				}
				for _, change := range test.changes {
					l.must(t, strings.ReplaceAll(change, "ME", current))
				}
				for _, change := range test.others {
					l.must(t, strings.ReplaceAll(change, "ME", other))
				}
				p.watch(t, []string{ground, "mysql"}, func(statement string, excess []string) {
					t.Errorf("after %s an account that is open may do more than it could and its model can: %v", statement, excess)
				})
				p.mustRotate(t)
				p.mustEqual(t)
			})
		}
		// What the oracle leaves aside holds nothing back: neither as it is nor when
		// the privilege comes again.
		p := l.mustPair(t, mightyAdmin, "%")
		defer p.drop(t)
		l.must(t, "GRANT SELECT, INSERT ON *.* TO "+p.at("%"))
		for _, change := range leftBehind {
			l.must(t, strings.ReplaceAll(change, "ME", p.at("%")))
		}
		attributes := func() string {
			return columnsOf(t, p.root, "SELECT COALESCE(User_attributes, '') AS a FROM mysql.user WHERE User = ?", p.user)[0]["a"]
		}
		if !strings.Contains(attributes(), "SELECT") {
			t.Fatal("the server left no partial revoke behind")
		}
		l.must(t, "FLUSH PRIVILEGES")
		l.must(t, "GRANT SELECT ON *.* TO "+p.at("%"))
		if left := attributes(); strings.Contains(left, "SELECT") {
			t.Errorf("a partial revoke that was left behind holds again: %s", left)
		}
	})
}
