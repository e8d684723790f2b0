package e2e

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tandem/internal/account"
	"tandem/internal/local/dbserver"
	"tandem/internal/rotation"
	"tandem/internal/secret"
	"tandem/internal/statement"
	"tandem/internal/warning"
)

var singleUser = withEnv("ROTATION_STRATEGY=single-user")

// open reports whether a password logs in as the application's user.
func (w *deployment) open(password string) bool {
	w.t.Helper()
	config := w.Server.Config()
	config.User, config.Passwd = w.user, password
	return mayLogIn(w.t, config)
}

// mustBeOpen wants the user to be open to these passwords, and not to others.
func (w *deployment) mustBeOpen(when string, passwords []string, others ...string) {
	w.t.Helper()
	for _, password := range passwords {
		if !w.open(password) {
			w.t.Errorf("%s: a password is refused that has to log in", when)
		}
	}
	for _, password := range others {
		if w.open(password) {
			w.t.Errorf("%s: a password logs in that has to have ended", when)
		}
	}
}

func passwordOf(document secret.Document) string { return document.Password().Reveal() }

// withoutAdmin takes the admin out of the secret.
func (w *deployment) withoutAdmin() {
	w.t.Helper()
	w.put(w.app, w.edited(w.app, map[string]any{"masterarn": nil}))
}

// A single user keeps its name and all else that it has. Promise 1 at each step, and more:
// the password under AWSPREVIOUS logs in until the next setSecret. Promise 9: none before it.
func TestSingleUser(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		var w *deployment
		var after []string // steps
		w = newDeployment(t, on, singleUser, withIntercept(func(_ context.Context, step string, invoke func() error) error {
			err := invoke()
			if after = append(after, step); !w.open(passwordOf(w.now())) {
				t.Errorf("after %s the password under AWSCURRENT is refused", step)
			}
			return err
		}))
		w.execute("CREATE USER '"+w.user+"'@'10.%' IDENTIFIED BY '"+firstPassword+"'", "CREATE USER '"+w.user+"'@'11.%' IDENTIFIED BY '"+firstPassword+"'",
			"ALTER USER '"+w.user+"'@'11.%' ACCOUNT LOCK", "ALTER USER "+me(w.user)+" WITH MAX_USER_CONNECTIONS 7",
			"CREATE DEFINER="+me(w.user)+" VIEW "+w.database+".v AS SELECT 1")
		beside := func() []string {
			var texts []string
			for _, host := range []string{"%", "10.%", "11.%"} {
				for _, row := range columnsOf(t, w.Root, "SELECT * FROM mysql.user WHERE User = ? AND Host = ?", w.user, host) {
					for _, name := range []string{"Password", "authentication_string", "User_attributes", "password_last_changed"} {
						delete(row, name)
					}
					for name, value := range row {
						texts = append(texts, host+" "+name+" "+value)
					}
				}
			}
			slices.Sort(texts)
			return append(texts, strings.Join(w.grants(), "\n"))
		}
		untouched, others := beside(), w.others()
		old := []string{firstPassword}
		for range 3 {
			w.mustRotate()
			now := w.now()
			w.mustLogIn(now, nil)
			if now.Username() != w.user {
				t.Fatalf("AWSCURRENT is of %q", now.Username())
			}
			old = append(old, passwordOf(now))
			w.mustBeOpen("after a rotation", old[len(old)-2:], old[:len(old)-2]...)
		}
		if len(after) != 12 {
			t.Errorf("looked after %v", after)
		}
		if diff := difference(untouched, beside()); diff != "" {
			t.Errorf("more than the password has changed: %s", diff)
		}
		if diff := difference(others, w.others()); diff != "" {
			t.Errorf("others have changed: %s", diff)
		}
		// The accounts at hosts that nobody logs in from here have the same two.
		w.execute("RENAME USER "+me(w.user)+" TO '"+w.user+"'@'12.%'", "RENAME USER '"+w.user+"'@'11.%' TO "+me(w.user))
		if w.open(old[3]) {
			t.Error("the locked account is open")
		}
		w.execute("ALTER USER " + me(w.user) + " ACCOUNT UNLOCK")
		w.mustBeOpen("the locked account", old[2:], old[:2]...)
		for _, sent := range w.statements() {
			if !strings.HasPrefix(sent, "ALTER USER ") || strings.Count(sent, w.user) != 3 {
				t.Errorf("sent %s", sent)
			}
		}
	})
}

func difference(want, got []string) string {
	var out []string
	for _, text := range want {
		if !slices.Contains(got, text) {
			out = append(out, "-"+text)
		}
	}
	for _, text := range got {
		if !slices.Contains(want, text) {
			out = append(out, "+"+text)
		}
	}
	return strings.Join(out, "\n")
}

var grantNamed = regexp.MustCompile(`GRANT [A-Z_ ]+ ON [^ ]+ TO '[^']*'@'[^']*'( WITH [A-Z ]+)?`)

// A user changes its own password where no admin is named, or the secret names itself. What
// it may not do, the error's remedy gives it, and nothing that it could pass on to others.
func TestSingleUserWithoutAdmin(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		stops, options := stopsAfterSetSecret()
		w := newDeployment(t, on, options...)
		w.withoutAdmin()
		if on.Flavor == dbserver.MySQL {
			w.execute("ALTER USER " + me(w.user) + " PASSWORD REQUIRE CURRENT")
		}
		for tries := 0; w.rotate() != nil; tries++ {
			if tries == 2 {
				t.Fatalf("the remedies do not help: %s", w.lastSaid())
			}
			w.mustBeOpen("after a refusal", []string{firstPassword})
			if said := w.lastSaid(); !strings.Contains(said, "name an admin secret, or") {
				t.Errorf("it does not name the other way: %s", said)
			}
			if f := finding(t, w.check(), "admin's privileges"); f.Result == rotation.ResultFailed && (!strings.Contains(f.Remedy, "name an admin secret, or, ") || grantNamed.FindString(f.Remedy) != grantNamed.FindString(w.lastSaid())) {
				t.Errorf("a check says %+v", f)
			}
			w.execute(grantNamed.FindString(w.lastSaid()))
			w.abandon()
		}
		for _, row := range columnsOf(t, w.Root, "SELECT Grant_priv FROM mysql.user WHERE User = ?", w.user) {
			if row["Grant_priv"] != "N" {
				t.Error("by the remedies it may pass on what it has")
			}
		}
		w.mustBeOpen("after a rotation", []string{firstPassword, passwordOf(w.now())})
		w.put(w.app, w.edited(w.app, map[string]any{"masterarn": w.app}))
		before := passwordOf(w.now())
		w.mustRotate()
		w.mustBeOpen("named by itself", []string{before, passwordOf(w.now())}, firstPassword)

		// After rotations that were given up it is the second password that goes on.
		current := passwordOf(w.now())
		*stops = true
		w.mustFail("not invoked")
		w.abandon()
		w.mustBeOpen("given up", []string{current})
		if on.Flavor == dbserver.MySQL { // the first password by now is one that nobody has
			w.mustFail("PASSWORD REQUIRE CURRENT OPTIONAL")
			w.abandon()
			w.execute("ALTER USER " + me(w.user) + " PASSWORD REQUIRE CURRENT OPTIONAL")
		}
		w.mustFail("not invoked")
		w.abandon()
		w.mustBeOpen("given up again", []string{current})
		*stops = false
		if len(w.warnings(warning.PasswordChangedElsewhere)) == 0 && on.Flavor == dbserver.MySQL {
			t.Error("no warning of the password of a rotation that was given up")
		}
		w.mustRotate()
		w.mustBeOpen("after all", []string{current, passwordOf(w.now())}, before)

		// With what lets it list accounts, it changes all of them.
		current = passwordOf(w.now())
		identified := "BY " + statement.Literal(current)
		if on.Flavor == dbserver.MariaDB {
			identified = "BY PASSWORD '" + nativeHash(current) + "'" // which its logs show
		}
		w.execute("GRANT CREATE USER ON *.* TO "+me(w.user), "GRANT SELECT ON mysql.* TO "+me(w.user),
			"CREATE USER '"+w.user+"'@'10.%' IDENTIFIED "+identified)
		w.mustRotate()
		w.execute("RENAME USER "+me(w.user)+" TO '"+w.user+"'@'12.%'", "RENAME USER '"+w.user+"'@'10.%' TO "+me(w.user))
		w.mustBeOpen("at another host", []string{current, passwordOf(w.now())})
	})
}

// stopsAfterSetSecret has rotations of single users stop when the password has been set, as
// long as the value is true.
func stopsAfterSetSecret() (stops *bool, options []option) {
	stops = new(bool)
	return stops, []option{singleUser, withIntercept(func(_ context.Context, step string, invoke func() error) error {
		if *stops && step == "testSecret" {
			return errors.New("the step is not invoked")
		}
		return invoke()
	})}
}

// Rotations that are given up, however many, and tries of one token, however many, leave
// the password under AWSCURRENT, and of others none but their own.
func TestSingleUserGivenUp(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		stops, options := stopsAfterSetSecret()
		w := newDeployment(t, on, options...)
		w.mustRotate()
		current, first := passwordOf(w.now()), firstPassword
		*stops = true
		for range 3 {
			for range 2 { // the same token again
				if w.tryAgain(true) == nil {
					t.Fatal("the rotation succeeded")
				}
			}
			w.mustBeOpen("given up", []string{current}, first)
			w.abandon()
		}
		if sent := w.statements(); len(sent) != 4 {
			t.Errorf("sent more than one statement for a token: %q", sent)
		}
		*stops = false
		w.mustRotate()
		w.mustBeOpen("after all", []string{current, passwordOf(w.now())})

		// A third password that somebody has kept ends.
		now := passwordOf(w.now())
		third := "ALTER USER " + me(w.user) + " IDENTIFIED VIA mysql_native_password USING '" + nativeHash("third") + "' OR mysql_native_password USING '" + nativeHash(now) + "'"
		if on.Flavor == dbserver.MySQL {
			w.execute("ALTER USER " + me(w.user) + " IDENTIFIED BY 'third'")
			third = "ALTER USER " + me(w.user) + " IDENTIFIED BY " + statement.Literal(now) + " RETAIN CURRENT PASSWORD"
		}
		w.execute(third)
		w.mustBeOpen("with a third", []string{now, "third"})
		w.mustRotate()
		w.mustBeOpen("after the third", []string{now, passwordOf(w.now())}, "third")
	})
}

// What the owner corrects while a rotation of a single user is failing survives, and the
// password under AWSCURRENT does.
func TestSingleUserEdited(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, singleUser)
		w.correct(w.app, map[string]any{"dbname": "typo"})
		w.mustFail("typo")
		w.mustBeOpen("after a failure", []string{firstPassword})
		w.correct(w.app, map[string]any{"dbname": w.database})
		w.mustGetThrough(false)
		w.mustBeOpen("corrected", []string{firstPassword, passwordOf(w.now())})
		if now := w.now(); now.Database() != w.database {
			t.Errorf("the correction is gone: %q", now.Database())
		}
	})
}

// Where the current password is refused, nothing is changed.
func TestSingleUserRefused(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, singleUser)
		w.execute("ALTER USER " + me(w.user) + " IDENTIFIED BY 'by hand'")
		w.mustFail("the AWSCURRENT credentials")
		w.mustBeOpen("by hand", []string{"by hand"})
		if sent := w.statements(); len(sent) > 0 {
			t.Errorf("sent %q", sent)
		}
	})
}

// A secret goes from one strategy to the other and back, with what is there.
func TestStrategyChanges(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.mustRotate()
		w.mustBe(w.clone())
		w.reconfigure("ROTATION_STRATEGY=single-user")
		was := passwordOf(w.now())
		w.mustRotate()
		w.mustBe(w.clone())
		config := on.Config()
		config.User, config.Passwd = w.clone(), was
		if !mayLogIn(t, config) {
			t.Error("the clone's password of before is refused")
		}
		w.reconfigure("ROTATION_STRATEGY=alternating-users")
		w.mustRotate()
		w.mustBe(w.user)
		w.mustRotate()
		w.mustBe(w.clone())
		w.mustEqual()
		if mayLogIn(t, config) {
			t.Error("a password logs in that is older than both versions")
		}
	})
}

// What a check says of a single user, and that it changes nothing.
func TestCheckOfASingleUser(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, singleUser)
		before := w.state()
		found := w.check()
		if !found.OK {
			t.Errorf("the check is not well: %+v", found)
		}
		plan := finding(t, found, "plan")
		if len(plan.List) != 1 || !strings.HasPrefix(plan.List[0], "ALTER USER "+account.Name{User: w.user, Host: "%"}.String()) || !strings.Contains(plan.List[0], "<redacted>") {
			t.Errorf("the plan is %+v", plan)
		}
		if f := finding(t, found, "other user's name"); !strings.Contains(f.Detail, "keeps its name") {
			t.Errorf("of the name it says %+v", f)
		}
		if diff := difference(before, w.state()); diff != "" {
			t.Errorf("the check has changed: %s", diff)
		}
		w.withoutAdmin()
		found = w.check()
		f := finding(t, found, "admin's privileges")
		if on.Flavor == dbserver.MariaDB { // which reads no accounts without a privilege
			f = finding(t, found, "accounts")
		}
		if f.Result != rotation.ResultFailed || !strings.Contains(f.Detail+f.Remedy, "GRANT ") {
			t.Errorf("without an admin it says %+v", f)
		}
		if f := finding(t, found, "admin's privileges"); strings.Contains(f.Remedy, "GRANT OPTION") {
			t.Errorf("without an admin it would give more than is needed: %+v", f)
		}
	})
}

// No password of a single user's rotation is in what the function writes, nor, on MariaDB,
// in what the server logs.
func TestSingleUserLeaksNothing(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		stops, options := stopsAfterSetSecret()
		w := newDeployment(t, on, options...)
		for range 2 {
			*stops = false
			w.mustRotate()
			*stops = true
			w.mustFail("not invoked")
			w.abandon()
		}
		for _, password := range []string{passwordOf(w.now()), passwordOf(w.before())} {
			if strings.Contains(w.log(), password) {
				t.Error("a password is in the function's log")
			}
		}
		w.noneInLogs()
	})
}
