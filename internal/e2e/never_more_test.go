package e2e

import (
	"errors"
	"strings"
	"testing"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/warning"
)

// Promise 8, statement by statement: an open account never gets more than it had and
// is to have, and what it has beyond that is taken before anything that can fail. The
// rotation fails at a later statement, at every try, and the account stays as it is.
func TestNeverMoreThanTheModel(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		l := newInProcess(t, on)
		l.makeGround(t)
		l.makeRoles(t)
		if on.Flavor == dbserver.MySQL {
			l.must(t, "SET GLOBAL partial_revokes = ON")
			t.Cleanup(func() { l.must(t, "SET GLOBAL partial_revokes = OFF") })
		}
		role := generator{on: on}.roleNames()[0]
		marker := "GRANT EXECUTE ON PROCEDURE " + ground + ".p TO ME" // the last of what is given
		assigned := "TO"
		if on.Flavor == dbserver.MariaDB {
			assigned = "FOR"
		}
		for _, test := range []struct {
			what  string
			turn  account.Turn
			only  dbserver.Flavor
			admin string
			// changes are of the user under AWSCURRENT, before the rotation that is watched.
			changes []string
			// stopped: it is, twice, at the last privilege that is given.
			stopped bool
			// closed: nobody may log in to the pending user any more until the end.
			closed bool
		}{
			{"a partial revoke", account.TurnOfClone, dbserver.MySQL, rdsAdmin, []string{"GRANT SELECT ON *.* TO ME", "REVOKE SELECT ON mysql.* FROM ME", marker}, true, false},
			{"a partial revoke, the original's turn", account.TurnOfOriginal, dbserver.MySQL, rdsAdmin, []string{"GRANT SELECT ON *.* TO ME", "REVOKE SELECT ON mysql.* FROM ME", marker}, true, false},
			{"a partial revoke of GRANT OPTION", account.TurnOfClone, dbserver.MySQL, rdsAdmin, []string{"GRANT SELECT, INSERT ON *.* TO ME WITH GRANT OPTION", "REVOKE INSERT, GRANT OPTION ON mysql.* FROM ME", marker}, true, true},
			{"a partial revoke of what it has", account.TurnOfClone, dbserver.MySQL, rdsAdmin, []string{"REVOKE UPDATE ON mysql.* FROM ME", marker}, true, false},
			{"less than before", account.TurnOfClone, "", rdsAdmin, []string{"REVOKE RELOAD ON *.* FROM ME", "REVOKE INSERT ON " + ground + ".t FROM ME", marker}, true, false},
			{"a table that is gone", account.TurnOfClone, "", rdsAdmin, []string{"GRANT SELECT ON " + ground + ".gone TO ME", "DROP TABLE " + ground + ".gone", marker}, true, true},
			{"a table that is gone, the original's turn", account.TurnOfOriginal, "", rdsAdmin, []string{"GRANT SELECT ON " + ground + ".gone TO ME", "DROP TABLE " + ground + ".gone", marker}, true, true},
			{"a proxy's GRANT OPTION", account.TurnOfClone, "", mightyAdmin, []string{"GRANT PROXY ON 'somebody'@'%' TO ME WITH GRANT OPTION", "REVOKE GRANT OPTION ON *.* FROM ME"}, false, true},
			{"a proxy's GRANT OPTION, the original's turn", account.TurnOfOriginal, "", mightyAdmin, []string{"GRANT PROXY ON 'somebody'@'%' TO ME WITH GRANT OPTION", "REVOKE GRANT OPTION ON *.* FROM ME"}, false, true},
			{"a default role without its role", account.TurnOfClone, dbserver.MariaDB, rdsAdmin, []string{"GRANT " + role + " TO ME", "SET DEFAULT ROLE " + role + " " + assigned + " ME", "REVOKE " + role + " FROM ME", marker}, true, true},
			{"a row that hides another", account.TurnOfClone, dbserver.MariaDB, rdsAdmin, []string{"GRANT SELECT, DELETE ON `tandem%`.* TO ME", "GRANT SELECT ON `" + ground + "`.* TO ME", marker}, true, false},
			{"a row that uncovers another", account.TurnOfClone, dbserver.MariaDB, rdsAdmin, []string{"REVOKE UPDATE ON `tandem\\_p`.* FROM ME", "GRANT EVENT ON `tandem\\_p`.* TO ME", marker}, true, true},
		} {
			if test.only != "" && test.only != on.Flavor {
				continue
			}
			t.Run(test.what, func(t *testing.T) {
				l.must(t, "CREATE TABLE IF NOT EXISTS "+ground+".gone (a INT, gone INT)")
				p := l.mustPair(t, test.admin, "%")
				for _, grant := range []string{"RELOAD, UPDATE ON *.*", "SELECT, INSERT ON " + ground + ".t", "UPDATE ON `tandem\\_p`.*", "SHOW VIEW, CREATE VIEW ON `tandem%`.*"} {
					l.must(t, "GRANT "+grant+" TO "+p.at("%"))
				}
				p.mustRotate(t)
				if test.turn == account.TurnOfClone {
					p.mustRotate(t)
				}
				current, pending := p.at("%"), p.cloneAt("%")
				if test.turn == account.TurnOfOriginal {
					current, pending = pending, current
				}
				for _, change := range test.changes {
					l.must(t, strings.ReplaceAll(change, "ME", current))
				}
				previous := p.secrets.carrier("AWSPREVIOUS")
				p.watch(t, []string{ground, "tandem_p2", "mysql", "tandemXp"}, func(statement string, excess []string) {
					t.Errorf("after %s an account that is open may do more than it could and its model can: %v", statement, excess)
				})
				tries := 2
				if !test.stopped {
					tries = 1
				}
				if test.stopped {
					p.stop = givesMarker
				}
				for range tries {
					if err := p.rotate(t.Context()); errors.Is(err, errStopped) != test.stopped || err != nil && !test.stopped {
						t.Fatalf("error %v; it was to be stopped: %v", err, test.stopped)
					}
					if !test.stopped {
						break
					}
					if logsIn := p.mayLogIn(t, previous); logsIn == test.closed {
						t.Errorf("after the failure the previous credentials log in: %v", logsIn)
					}
					p.strictlyLess(t, pending == p.cloneAt("%"))
				}
				p.after, p.stop = nil, nil
				if test.stopped {
					p.mustRotate(t)
				}
				p.mustRotate(t)
				p.mustRotate(t)
				if test.turn == account.TurnOfClone {
					p.mustRotate(t)
				}
				p.drop(t)
			})
		}
	})
}

// givesMarker reports whether a statement gives what these tests give the current user
// so that it comes after whatever else is given.
func givesMarker(statement string) bool {
	return strings.HasPrefix(statement, "GRANT EXECUTE ON PROCEDURE")
}

// strictlyLess wants the pending clone to have nothing that its original lacks. Of a
// pending original nothing was taken.
func (p *pair) strictlyLess(t *testing.T, clone bool) {
	t.Helper()
	if !clone {
		return
	}
	now, model := see(t, p.on, p.root, p.user+"_clone"), see(t, p.on, p.root, p.user)
	if excess := now.excess(p.on, sight{}, model, []string{ground, "mysql"}, p.on.Flavor == dbserver.MariaDB); len(excess) > 0 {
		t.Errorf("the open clone may do what its original may not: %v", excess)
	}
}

// A privilege with a partial revoke is granted AS the account that has it, which an admin
// cannot do who has another one; following what the error says is enough.
func TestAdminWithAPartialRevoke(t *testing.T) {
	servers.Only(dbserver.MySQL, "MariaDB has no partial revokes").Each(t, func(t *testing.T, on *dbserver.Server) {
		l := newInProcess(t, on)
		l.must(t, "SET GLOBAL partial_revokes = ON")
		t.Cleanup(func() { l.must(t, "SET GLOBAL partial_revokes = OFF") })
		admin := account.Name{User: unique("partial"), Host: "%"}
		l.must(t, "CREATE USER "+admin.String()+" IDENTIFIED BY 'partial'")
		t.Cleanup(func() { l.must(t, "DROP USER "+admin.String()) })
		l.must(t, "GRANT SELECT, INSERT, CREATE USER ON *.* TO "+admin.String()+" WITH GRANT OPTION")
		l.must(t, "REVOKE INSERT ON mysql.* FROM "+admin.String())
		l.admins["partial"] = l.document(admin.User, "partial", nil)
		p := l.mustPair(t, "partial", "%")
		l.must(t, "GRANT INSERT ON *.* TO "+p.at("%"))
		l.must(t, "REVOKE INSERT ON somewhere.* FROM "+p.at("%"))
		err := p.rotate(t.Context())
		if kind := failure.Of(err); kind != failure.PrivilegeNotGrantable || !strings.Contains(err.Error(), "3836") || !strings.Contains(err.Error(), "the admin has a partial revoke") {
			t.Fatalf("type %s, error %v", kind, err)
		}
		l.must(t, "GRANT INSERT ON mysql.* TO "+admin.String())
		p.mustRotate(t)
		p.mustEqual(t)
		p.drop(t)
	})
}

// Whoever made an account that is adopted knows its password: the account gets nothing of
// its original's before that has changed, though the rotation fails at a later statement.
func TestAdoptedAccountIsClosedFirst(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		l := newInProcess(t, on)
		l.makeGround(t)
		p := l.mustPair(t, rdsAdmin, "%")
		for _, grant := range []string{"SELECT ON " + ground + ".t", "EXECUTE ON PROCEDURE " + ground + ".p"} {
			l.must(t, "GRANT "+grant+" TO "+p.at("%"))
		}
		l.must(t, "CREATE USER "+p.cloneAt("%")+" IDENTIFIED BY 'somebody else''s'")
		p.after, p.stop = func(string) {}, givesMarker
		for range 2 {
			if err := p.rotate(t.Context()); !errors.Is(err, errStopped) {
				t.Fatalf("error %v", err)
			}
			if p.opens(t, p.user+"_clone", "somebody else's") {
				t.Error("the password of an account that was adopted logs in, and its original's privileges were granted to it")
			}
		}
		p.after, p.stop = nil, nil
		p.mustRotate(t)
		p.mustEqual(t)
		if p.warned[warning.Adopted] == "" || !p.mayLogIn(t, p.secrets.carrier("AWSCURRENT")) {
			t.Errorf("warnings %v, or the new credentials do not log in", p.warned)
		}
	})
}
