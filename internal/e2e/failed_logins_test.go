package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"tandem/internal/local/dbserver"
	"tandem/internal/rotation"
	"tandem/internal/warning"
)

// What counts failed logins blocks an account for everybody, whatever password they have.

// blocksAfter has the server block the user's accounts after so many failed logins.
func (w *deployment) blocksAfter(failed int) {
	w.t.Helper()
	if w.Server.Flavor == dbserver.MariaDB {
		w.execute(fmt.Sprintf("SET GLOBAL max_password_errors = %d", failed))
		w.afterwards("SET GLOBAL max_password_errors = 4294967295")
		return
	}
	for _, row := range columnsOf(w.t, w.Root, "SELECT Host FROM mysql.user WHERE User = ?", w.user) {
		w.execute(fmt.Sprintf("ALTER USER '%s'@'%s' FAILED_LOGIN_ATTEMPTS %d PASSWORD_LOCK_TIME 1", w.user, row["Host"], failed))
	}
}

// clientsFail has clients log in with a password that has ended.
func (w *deployment) clientsFail(password string, times int) {
	w.t.Helper()
	for range times {
		if w.open(password) {
			w.t.Fatal("a password logs in that has ended")
		}
	}
}

// Clients that go on with the password under AWSCURRENT, after somebody has changed it by
// hand, have the account blocked, before the repair or within it: it is repaired all the
// same, and what is locked by hand stays so.
func TestRepairOfABlockedUser(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		var w *deployment
		current, late := firstPassword, 0
		w = newDeployment(t, on, singleUser, withEnv("REPAIR_WITH_ADMIN=true"), withIntercept(func(_ context.Context, step string, invoke func() error) error {
			if step == "testSecret" {
				w.clientsFail(current, late)
			}
			return invoke()
		}))
		w.execute("CREATE USER '"+w.user+"'@'11.%' IDENTIFIED BY '"+firstPassword+"'", "ALTER USER '"+w.user+"'@'11.%' ACCOUNT LOCK")
		w.blocksAfter(3)

		// It is not repaired where the password is the one under AWSCURRENT.
		w.clientsFail("of nobody", 3)
		w.mustNotBeRepaired("is the one under AWSCURRENT, and the server blocks the account", "AccountBlocked")
		w.obeyLast()
		w.mustBeOpen("unlocked by the remedy", []string{current})

		w.changeByHand()
		w.clientsFail(current, 3)
		if w.open(setByHand) {
			t.Fatal("the account is not blocked")
		}
		found := w.check()
		if f := finding(t, found, "current credentials"); !found.OK || f.Type != warning.RepairedWithAdmin {
			t.Errorf("a check says %+v", found)
		}
		if f := finding(t, found, "plan"); len(f.List) != 2 || !strings.HasSuffix(f.List[1], " ACCOUNT UNLOCK") {
			t.Errorf("the plan is %+v", f)
		}
		late = 1
		flushed := on.Flavor == dbserver.MariaDB && !w.majorAtLeast(10, 11)
		again := w.rotate
		if flushed { // there an ALTER USER does not lift it, and the next try goes on once that is done
			w.mustFail("AccountBlocked", "FLUSH PRIVILEGES")
			w.execute("FLUSH PRIVILEGES")
			again = func() error { return w.tryAgain(true) }
		}
		if err := again(); err != nil {
			t.Fatal(err)
		}
		w.mustBeOpen("repaired", []string{passwordOf(w.now())})

		// Blocked once more between the change and testSecret, the next try goes on.
		current, late = passwordOf(w.now()), 3
		w.changeByHand()
		w.mustFail("AccountBlocked")
		late = 0
		if flushed {
			w.execute("FLUSH PRIVILEGES")
		}
		if err := w.tryAgain(true); err != nil {
			t.Fatal(err)
		}
		w.mustBeOpen("repaired again", []string{passwordOf(w.now())})
		if rows := columnsOf(t, w.Root, "SELECT Host FROM mysql.user WHERE User = ?", w.user); len(rows) != 2 {
			t.Fatalf("the accounts are %v", rows)
		}
		w.execute("RENAME USER "+me(w.user)+" TO '"+w.user+"'@'12.%'", "RENAME USER '"+w.user+"'@'11.%' TO "+me(w.user))
		if w.open(passwordOf(w.now())) {
			t.Error("the account that was locked by hand is open")
		}
	})
}

// A user that changes its own password, and may not read which it has, finds out without a
// login that fails: one would block it, for the application too. However many rotations were
// given up, and with a history of passwords, each try goes on.
func TestOwnPasswordFailsNoLogin(t *testing.T) {
	servers.Only(dbserver.MySQL, "on MariaDB such a user has to list accounts").Each(t, func(t *testing.T, on *dbserver.Server) {
		stops, options := stopsAfterSetSecret()
		w := newDeployment(t, on, options...)
		w.withoutAdmin()
		w.execute("GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO " + me(w.user))
		w.blocksAfter(1)
		for _, history := range []string{"0", "5"} {
			w.execute("ALTER USER " + me(w.user) + " PASSWORD HISTORY " + history)
			current := passwordOf(w.now())
			*stops = true
			for range 2 {
				w.mustFail("not invoked")
				for range 2 {
					if err := w.tryAgain(true); err == nil || !strings.Contains(err.Error(), "not invoked") {
						t.Fatalf("tried again, it ends with %v", err)
					}
				}
				w.mustBeOpen("given up, with a history of "+history, []string{current})
				w.abandon()
			}
			*stops = false
			w.mustRotate()
			w.mustBeOpen("with a history of "+history, []string{current, passwordOf(w.now())})
		}
	})
}

// Where such a user has another account, at another host, that one keeps its password, which
// each rotation tells of; and none does once an account may be listed.
func TestAccountsNotListed(t *testing.T) {
	servers.Only(dbserver.MySQL, "on MariaDB such a user has to list accounts").Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, singleUser)
		w.withoutAdmin()
		w.execute("GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO " + me(w.user))
		if f := finding(t, w.check(), "accounts"); f.Result != rotation.ResultAttention || f.Type != warning.AccountsNotListed || !f.NoAlarm || !strings.Contains(f.Remedy, "admin secret") {
			t.Errorf("a check says %+v", f)
		}
		w.mustRotate()
		if warned := w.warnings(warning.AccountsNotListed); len(warned) != 1 || !strings.Contains(warned[0], w.user) || !strings.Contains(warned[0], "name an admin secret") {
			t.Errorf("it warns %q", warned)
		}
		w.execute("GRANT CREATE USER ON *.* TO "+me(w.user), "GRANT SELECT ON mysql.* TO "+me(w.user))
		w.mustRotate()
		if warned := w.warnings(warning.AccountsNotListed); len(warned) != 1 {
			t.Errorf("it warns again: %q", warned)
		}
	})
}

// An account at another host whose password has expired, or that has none, gets the new one
// as the others do; but not without a word.
func TestAccountsOpenedAnew(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, singleUser)
		expired, without, locked := "'"+w.user+"'@'13.%'", "'"+w.user+"'@'11.%'", "'"+w.user+"'@'12.%'"
		w.execute("CREATE USER "+expired+" IDENTIFIED BY '"+firstPassword+"' PASSWORD EXPIRE", "CREATE USER "+without,
			"CREATE USER "+locked+" IDENTIFIED BY '"+firstPassword+"' ACCOUNT LOCK PASSWORD EXPIRE")
		f := finding(t, w.check(), "plan")
		if f.Result != rotation.ResultAttention || f.Type != warning.AccountOpened || !strings.Contains(f.Detail, expired+" has expired") || !strings.Contains(f.Detail, without+" has no password") || strings.Contains(f.Detail, locked) {
			t.Errorf("a check says %+v", f)
		}
		w.mustRotate()
		if warned := strings.Join(w.warnings(warning.AccountOpened), "; "); strings.Count(warned, "gets") != 2 || !strings.Contains(warned, expired) || !strings.Contains(warned, without) {
			t.Errorf("it warns %q", warned)
		}
		w.mustRotate()
		if warned := w.warnings(warning.AccountOpened); len(warned) != 2 {
			t.Errorf("it warns again: %q", warned)
		}
	})
}
