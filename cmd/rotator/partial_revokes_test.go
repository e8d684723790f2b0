package main

import (
	"strings"
	"testing"

	"tandem/internal/account"
	"tandem/internal/server"
)

// withPartialRevokes runs a test on MySQL, which alone has partial revokes, with them on.
func withPartialRevokes(t *testing.T, run func(t *testing.T, l *lab)) {
	servers.Each(t, func(t *testing.T, on *server.Server) {
		if on.Flavor != server.MySQL {
			return
		}
		l := newLab(t, on)
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
	withPartialRevokes(t, func(t *testing.T, l *lab) {
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
