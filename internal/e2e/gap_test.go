package e2e

import (
	"slices"
	"strings"
	"testing"

	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/rotation"
	"tandem/internal/warning"
)

// diesInGap has finishSecret die between the change of the only password and the move of
// AWSCURRENT, and returns the password that was in force, and the one that is.
func (w *deployment) diesInGap(move *labelMove) (before, pending string) {
	w.t.Helper()
	before = passwordOf(w.now())
	move.kind.Store(diesBefore)
	if w.rotate() == nil {
		w.t.Fatal("it succeeded")
	}
	move.kind.Store(moves)
	pending = w.mustPending()
	w.mustBeOpen("dead", []string{pending}, before)
	return before, pending
}

// mustKeepPending wants nothing of a text to lose the only password.
func (w *deployment) mustKeepPending(text string) {
	w.t.Helper()
	for _, loses := range []string{"--remove-from-version-id", "takes AWSPENDING off", "was taken off", "store it in the secret"} {
		if strings.Contains(text, loses) {
			w.t.Errorf("it says %q: %s", loses, text)
		}
	}
}

// After a death in the gap a check says what has happened, and to rotate again, and advises
// nothing by which the only password would be lost; and what it advises helps.
func TestCheckInTheGap(t *testing.T) {
	servers.Only(dbserver.MariaDB, "MySQL keeps two passwords from 8.0.14 on").EachRelease(t, func(t *testing.T, release string) {
		on := servers.MustStart(t, release, load("auth_ed25519")...)
		for _, kind := range []string{"by an admin", "by an admin who may repair", "by itself", "with another way in behind"} {
			t.Run(kind, func(t *testing.T) {
				var w *deployment
				move := new(labelMove)
				w = newDeployment(t, on, move.broken(&w)...)
				w.keepOne(false)
				switch kind {
				case "with another way in behind": // by whose error the server then refuses a password
					w.identified("VIA ed25519 USING PASSWORD(PW) OR unix_socket")
				case "by an admin who may repair":
					w.reconfigure("REPAIR_WITH_ADMIN=true")
				case "by itself":
					w.withoutAdmin()
					w.execute("GRANT SELECT ON mysql.* TO "+me(w.user), "GRANT CREATE USER ON *.* TO "+me(w.user))
				}
				before, pending := w.diesInGap(move)
				version := w.versionWith(rotation.Pending)

				state := w.state()
				found := w.check()
				for _, f := range found.Checks {
					w.mustKeepPending(f.Detail + "; " + f.Remedy)
					if f.Result == rotation.ResultSkipped || f.Type == warning.RepairedWithAdmin || strings.Contains(f.Detail+f.Remedy, "by hand") {
						t.Errorf("the check says %+v", f)
					}
				}
				f := finding(t, found, "current credentials")
				if f.Result != rotation.ResultFailed || f.Type != string(failure.CurrentCredentialsRejected) || !strings.Contains(f.Detail, version) || !strings.Contains(f.Remedy, "rotate the secret again") {
					t.Errorf("of the current credentials it says %+v", f)
				}
				if f := finding(t, found, "plan"); f.Result != rotation.ResultAttention || len(f.List) > 0 || !strings.Contains(f.Detail, "is in force already") {
					t.Errorf("of the plan it says %+v", f)
				}
				if f := finding(t, found, "rotation"); !strings.Contains(f.Remedy, "rotate the secret again") {
					t.Errorf("of the rotation it says %+v", f)
				}
				if diff := difference(state, w.state()); diff != "" {
					t.Errorf("the check has changed: %s", diff)
				}

				// An edit has the password set again, before AWSPENDING is taken off.
				w.correct(w.app, map[string]any{"note": kind})
				for _, f := range w.check().Checks {
					if w.mustKeepPending(f.Detail + "; " + f.Remedy); strings.Contains(f.Detail+f.Remedy, "by hand") {
						t.Errorf("edited, the check says %+v", f)
					}
				}
				if err := w.tryAgain(true); err == nil {
					t.Fatal("an edited document was replaced")
				}
				w.mustBeOpen("given up", []string{before}, pending)
				w.mustRotate()
				w.diesInGap(move)
				if err := w.tryAgain(true); err != nil {
					t.Fatal(err)
				}
				w.mustBeOpen("rotated again", []string{passwordOf(w.now())}, before, pending)
			})
		}
	})
}

// Where the server keeps two passwords, and somebody has discarded the one under AWSCURRENT,
// a check says what the next try does of an edited document, and so it does: it sets that one
// again before it gives the rotation up.
func TestGapWhereTheServerKeepsTwo(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		for _, kind := range []string{"by an admin", "by an admin who may repair", "by itself"} {
			t.Run(kind, func(t *testing.T) {
				stops, options := stopsAfterSetSecret()
				w := newDeployment(t, on, options...)
				switch kind {
				case "by an admin who may repair":
					w.reconfigure("REPAIR_WITH_ADMIN=true")
				case "by itself":
					w.withoutAdmin()
					w.execute("GRANT SELECT ON mysql.* TO "+me(w.user), "GRANT CREATE USER ON *.* TO "+me(w.user))
				}
				before := passwordOf(w.now())
				*stops = true
				w.mustFail("not invoked")
				pending := w.mustPending()
				w.mustBeOpen("set", []string{before, pending})
				discard := "ALTER USER " + me(w.user) + " DISCARD OLD PASSWORD"
				if on.Flavor == dbserver.MariaDB {
					discard = "ALTER USER " + me(w.user) + " IDENTIFIED VIA mysql_native_password USING '" + nativeHash(pending) + "'"
				}
				w.execute(discard)
				w.mustBeOpen("discarded", []string{pending}, before)

				w.correct(w.app, map[string]any{"note": kind})
				found := w.check()
				for _, f := range found.Checks {
					w.mustKeepPending(f.Detail + "; " + f.Remedy)
				}
				foretold := finding(t, found, "plan").List
				sent := len(w.statements())
				if err := w.tryAgain(true); err == nil || w.versionWith(rotation.Pending) != "" {
					t.Fatalf("the edited document's rotation was not given up: %v", err)
				}
				if now := w.statements()[sent:]; len(foretold) != 1 || !slices.Equal(now, foretold) {
					t.Errorf("sent %q, foretold %q", now, foretold)
				}
				w.mustBeOpen("given up", []string{before})
				*stops = false
				w.mustRotate()
				w.mustBeOpen("rotated again", []string{before, passwordOf(w.now())}, pending)
			})
		}
	})
}

// The server has both passwords, and refuses the login for another reason: then the pending
// one is not said to be the only one, and what is said is the reason, or what would tell it.
func TestGapIsNoOtherReason(t *testing.T) {
	servers.Only(dbserver.MySQL, "a MariaDB's retry is the same").Each(t, func(t *testing.T, on *dbserver.Server) {
		stops, options := stopsAfterSetSecret()
		w := newDeployment(t, on, options...)
		*stops = true
		w.mustFail("not invoked")
		*stops = false
		w.execute("ALTER USER " + me(w.user) + " REQUIRE X509")
		for _, test := range []struct{ repair, check, words string }{
			{"false", "current credentials", "REPAIR_WITH_ADMIN"},
			{"true", "accounts", "asks for more than an encrypted connection"},
		} {
			w.reconfigure("REPAIR_WITH_ADMIN=" + test.repair)
			found := w.check()
			for _, f := range found.Checks {
				if strings.Contains(f.Detail+f.Remedy, "is the only one") {
					t.Errorf("the check says %+v", f)
				}
			}
			f := finding(t, found, test.check)
			if f.Result != rotation.ResultFailed || !strings.Contains(f.Detail+f.Remedy, test.words) {
				t.Errorf("the check says %+v", f)
			}
			if err := w.tryAgain(true); err == nil || !strings.Contains(err.Error(), test.words) || strings.Contains(err.Error(), "whose password is in force") {
				t.Errorf("REPAIR_WITH_ADMIN=%s: %v", test.repair, err)
			}
		}
		w.execute("ALTER USER " + me(w.user) + " REQUIRE NONE")
		if err := w.tryAgain(true); err != nil {
			t.Fatal(err)
		}
	})
}

// The strategy is changed after a death in the gap: AWSPENDING stays on the only password,
// error and check say what to do, and that helps.
func TestStrategyChangesInTheGap(t *testing.T) {
	servers.Only(dbserver.MariaDB, "MySQL keeps two passwords from 8.0.14 on").EachRelease(t, func(t *testing.T, release string) {
		on := servers.MustStart(t, release, load("auth_ed25519")...)
		var w *deployment
		move := new(labelMove)
		w = newDeployment(t, on, move.broken(&w)...)
		w.keepOne(false)
		before, pending := w.diesInGap(move)
		version := w.versionWith(rotation.Pending)
		w.reconfigure("ROTATION_STRATEGY=alternating-users")
		for _, f := range w.check().Checks {
			w.mustKeepPending(f.Detail + "; " + f.Remedy)
			if f.Name == "rotation" && !strings.Contains(f.Remedy, "ROTATION_STRATEGY=single-user") {
				t.Errorf("the check says %+v", f)
			}
		}
		for range 2 {
			err := w.tryAgain(true)
			if err == nil || !strings.Contains(err.Error(), "ROTATION_STRATEGY=single-user") || !strings.Contains(err.Error(), version) {
				t.Fatalf("it ends with %v", err)
			}
			w.mustKeepPending(err.Error())
			w.mustBeOpen("the other strategy", []string{pending}, before)
		}
		w.reconfigure("ROTATION_STRATEGY=single-user")
		if err := w.tryAgain(true); err != nil {
			t.Fatal(err)
		}
		w.mustBeOpen("finished", []string{passwordOf(w.now())}, before)
		w.reconfigure("ROTATION_STRATEGY=alternating-users")
		w.mustRotate()
		w.mustBe(w.clone())
	})
}

// Promise 9: what opens an account of a single user beside its passwords is a warning, of the
// rotation and of the check; and so is what a rotation does to an account that was expired,
// or that anybody could log in to.
func TestOtherWaysIntoASingleUser(t *testing.T) {
	servers.EachRelease(t, func(t *testing.T, release string) {
		socket, arguments := "VIA unix_socket", load("auth_ed25519")
		if strings.HasPrefix(release, "mysql") {
			socket, arguments = "WITH auth_socket", load("auth_socket.so")
		}
		on := servers.MustStart(t, release, arguments...)
		for _, plugin := range []string{"mysql_native_password", "ed25519"} {
			if on.Flavor == dbserver.MySQL && plugin == "ed25519" {
				continue // which is MariaDB's
			}
			t.Run(plugin, func(t *testing.T) {
				w := newDeployment(t, on, singleUser)
				identified, there := "BY ", 1
				if on.Flavor == dbserver.MariaDB {
					identified, there = "VIA "+plugin+" USING PASSWORD", 2
					w.identified(map[string]string{
						"mysql_native_password": "VIA mysql_native_password USING PASSWORD(PW) OR unix_socket",
						"ed25519":               "VIA unix_socket OR ed25519 USING PASSWORD(PW)",
					}[plugin])
				}
				password := func(text string) string {
					if on.Flavor == dbserver.MySQL {
						return identified + "'" + text + "'"
					}
					return identified + "('" + text + "')"
				}
				at := func(host string) string { return "'" + w.user + "'@'" + host + "'" }
				w.execute("CREATE USER "+at("10.%")+" IDENTIFIED "+socket,
					"CREATE USER "+at("11.%")+" IDENTIFIED "+password("")+"",
					"CREATE USER "+at("13.%")+" IDENTIFIED "+password(firstPassword), "ALTER USER "+at("13.%")+" PASSWORD EXPIRE")
				stranger := w.stranger()
				w.execute("GRANT PROXY ON " + at("%") + " TO '" + stranger + "'@'%'")
				opened, foremost := 2, warning.AccountOpened
				if kept := columnsOf(t, w.Root, "SELECT authentication_string AS kept FROM mysql.user WHERE User = ? AND Host = '11.%'", w.user)[0]["kept"]; kept != "" {
					opened, foremost = 1, warning.PasswordChangedElsewhere // as of ed25519's empty password in MariaDB 11
				}
				kinds := map[string]int{warning.LoginWithoutPassword: there, warning.ProxyOnUser: 1, warning.AccountOpened: opened, warning.PasswordChangedElsewhere: 2 - opened}
				plan := finding(t, w.check(), "plan")
				if plan.Result != rotation.ResultAttention || plan.Type != foremost || plan.NoAlarm {
					t.Errorf("the check says %+v", plan)
				}
				w.mustRotate()
				w.mustBeOpen("rotated", []string{passwordOf(w.now())})
				for kind, want := range kinds {
					warned := w.warnings(kind)
					if len(warned) != want {
						t.Errorf("%s: warned %q", kind, warned)
					}
					for _, text := range warned {
						if kind != warning.PasswordChangedElsewhere && !strings.Contains(plan.Detail, text) {
							t.Errorf("the check does not say %q: %s", text, plan.Detail)
						}
					}
				}
				w.execute(revokes(w.warnings(warning.ProxyOnUser)...)...)
				w.execute("DROP USER " + at("10.%"))
				w.forget(warning.LoginWithoutPassword)
				w.forget(warning.ProxyOnUser)
				w.mustRotate()
				if warned := w.warnings(warning.LoginWithoutPassword); len(warned) != there-1 {
					t.Errorf("afterwards: warned %q", warned)
				}
				if len(w.warnings(warning.ProxyOnUser)) > 0 || len(w.warnings(warning.AccountOpened)) != opened {
					t.Error("it warns of what is no more")
				}
			})
		}
	})
}
