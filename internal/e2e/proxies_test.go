package e2e

import (
	"regexp"
	"strings"
	"testing"

	"tandem/internal/local/dbserver"
	"tandem/internal/warning"
)

func (w *deployment) proxies() []string {
	w.t.Helper()
	var found []string
	for _, row := range columnsOf(w.t, w.Root, "SELECT * FROM mysql.proxies_priv WHERE User IN (?, ?) OR Proxied_user IN (?, ?)", w.user, w.clone(), w.user, w.clone()) {
		found = append(found, row["User"]+"@"+row["Host"]+" on "+row["Proxied_user"]+"@"+row["Proxied_host"])
	}
	return found
}

func (w *deployment) mayGrantEverywhere(user string) bool { return w.hasGlobally(user, "Grant_priv") }

// hasGlobally reports whether a user has a privilege on *.*, by its column in mysql.user.
func (w *deployment) hasGlobally(user, column string) bool {
	w.t.Helper()
	return len(columnsOf(w.t, w.Root, "SELECT Host FROM mysql.user WHERE User = ? AND "+column+" = 'Y'", user)) > 0
}

func TestProxyOfAStranger(t *testing.T) {
	for _, to := range []string{"the original", "the clone"} {
		t.Run(to, func(t *testing.T) {
			servers.Each(t, func(t *testing.T, on *dbserver.Server) {
				w := newDeployment(t, on)
				stranger := w.stranger()
				victim := w.user
				if to == "the clone" {
					w.mustRotate()
					victim = w.clone()
				}
				w.sends(stranger, "GRANT PROXY ON '"+stranger+"'@'%' TO '"+victim+"'@'%'")
				for range 2 { // both turns
					failed, attention, found := w.counted()
					if finding(t, found, "plan").Type != warning.ProxyLeftOut || !found.OK || failed != 0 || attention != 0 {
						t.Errorf("the check is ok %v, %v failed, %v ask for attention, its plan %+v, its drift %+v", found.OK, failed, attention, finding(t, found, "plan"), finding(t, found, "drift"))
					}
					w.mustRotate()
				}
				warned := w.warnings(warning.ProxyLeftOut)
				want := "REVOKE PROXY ON '" + stranger + "'@'%' FROM '" + victim + "'@'%'"
				if got := revokes(warned...); len(got) != 1 || got[0] != want {
					t.Fatalf("the warnings' statements are %q, want %q: %q", got, want, warned)
				}
				w.sends(stranger, revokes(warned...)...)
				if left := w.proxies(); len(left) > 0 {
					t.Errorf("still there: %v", left)
				}
				before := len(w.warnings(warning.ProxyLeftOut))
				w.mustRotate()
				w.mustRotate()
				w.mustEqual()
				if len(w.warnings(warning.ProxyLeftOut)) != before {
					t.Error("a warning although nothing was left out")
				}
			})
		})
	}
}

func TestProxyOfAStrangerToBoth(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		stranger := w.stranger()
		w.mustRotate()
		w.mustRotate()
		w.sends(stranger, "GRANT PROXY ON '"+stranger+"'@'%' TO '"+w.user+"'@'%', '"+w.clone()+"'@'%' WITH GRANT OPTION")
		w.mustRotate()
		if w.mayGrantEverywhere(w.clone()) {
			t.Error("the clone still has GRANT OPTION on *.*")
		}
		w.execute(revokes(w.warnings(warning.ProxyLeftOut)...)...)
		if w.mayGrantEverywhere(w.user) || len(w.proxies()) > 0 {
			t.Errorf("still there: %v, %v", w.mayGrantEverywhere(w.user), w.proxies())
		}
		w.mustRotate()
		w.mustRotate()
		w.mustEqual()
	})
}

func TestProxyOfAStrangerWhoIsGone(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		stranger := w.stranger()
		w.sends(stranger, "GRANT PROXY ON '"+stranger+"'@'%' TO '"+w.user+"'@'%'")
		w.execute("DROP USER '" + stranger + "'@'%'")
		w.mustRotate()
		w.execute(revokes(w.warnings(warning.ProxyLeftOut)...)...)
		if left := w.proxies(); len(left) > 0 {
			t.Errorf("still there: %v", left)
		}
		w.mustEqual()
	})
}

func TestProxyThatIsMeant(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.execute("GRANT PROXY ON 'somebody'@'%' TO '" + w.user + "'@'%'")
		w.mustRotate()
		grant := regexp.MustCompile(`GRANT PROXY ON 'somebody'@'%' TO 'admin'@'%' WITH GRANT OPTION`).FindString(strings.Join(w.warnings(warning.ProxyLeftOut), ""))
		if grant == "" {
			t.Fatalf("no GRANT: %q", w.warnings(warning.ProxyLeftOut))
		}
		w.execute(grant)
		w.mustRotate()
		w.mustRotate()
		w.mustEqual()
	})
}

func TestGrantOptionByProxy(t *testing.T) {
	for _, test := range []struct {
		name    string
		toClone bool
		gone    bool   // its giver has revoked the PROXY
		beside  string // a privilege on *.* that both have
	}{
		{"to the original", false, false, ""}, // what is left to it when the PROXY is gone is its own: no table tells where it came from
		{"to the clone", true, false, ""},
		{"to the clone, revoked by its giver", true, true, ""},
		{"to the clone, revoked by its giver, beside a privilege", true, true, "PROCESS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			servers.Each(t, func(t *testing.T, on *dbserver.Server) {
				w := newDeployment(t, on)
				if test.beside != "" {
					w.execute("GRANT " + test.beside + " ON *.* TO " + me(w.user))
				}
				stranger := w.stranger()
				victim, other := w.user, w.clone()
				if test.toClone {
					w.mustRotate()
					victim, other = other, victim
				}
				w.sends(stranger, "GRANT PROXY ON '"+stranger+"'@'%' TO '"+victim+"'@'%' WITH GRANT OPTION")
				if test.gone {
					w.sends(stranger, "REVOKE PROXY ON '"+stranger+"'@'%' FROM '"+victim+"'@'%'")
				}
				if !w.mayGrantEverywhere(victim) {
					t.Fatal("the server does not give it: the test proves nothing")
				}
				w.mustRotate()
				if w.mayGrantEverywhere(other) {
					t.Errorf("%q has got GRANT OPTION on *.*", other)
				}
				warned := w.warnings(warning.ProxyLeftOut)
				if !strings.Contains(strings.Join(warned, "\n"), "REVOKE GRANT OPTION ON *.* FROM '"+victim+"'@'%'") {
					t.Fatalf("no warning of GRANT OPTION: %q", warned)
				}
				w.execute(revokes(warned...)...)
				if w.mayGrantEverywhere(victim) || len(w.proxies()) > 0 {
					t.Errorf("still there: %v, %v", w.mayGrantEverywhere(victim), w.proxies())
				}
				w.mustRotate()
				w.mustRotate()
				w.mustEqual()
				if w.mayGrantEverywhere(victim) || w.mayGrantEverywhere(other) {
					t.Error("GRANT OPTION on *.* is back")
				}
			})
		})
	}
}

// What somebody grants to the clone WITH GRANT OPTION on purpose is given to the original
// without that, which the warning says how to give.
func TestGrantOptionOfTheCloneOnPurpose(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		own := w.database + ".*"
		w.execute("REVOKE ALL PRIVILEGES, GRANT OPTION FROM "+me(w.user), "GRANT INSERT ON "+own+" TO "+me(w.user))
		w.mustRotate()
		w.execute("GRANT PROCESS ON *.* TO "+me(w.clone())+" WITH GRANT OPTION", "GRANT SELECT ON "+own+" TO "+me(w.clone())+" WITH GRANT OPTION")
		w.mustRotate()
		if !w.hasGlobally(w.user, "Process_priv") || w.mayGrantEverywhere(w.user) {
			t.Errorf("the original has PROCESS %v, GRANT OPTION on *.* %v", w.hasGlobally(w.user, "Process_priv"), w.mayGrantEverywhere(w.user))
		}
		if len(columnsOf(t, w.Root, "SELECT Db FROM mysql.db WHERE User = ? AND Grant_priv = 'Y'", w.user)) == 0 {
			t.Error("the original has no GRANT OPTION on its database")
		}
		grant := regexp.MustCompile(`GRANT USAGE ON \*\.\* TO [^ ]+ WITH GRANT OPTION`).FindString(strings.Join(w.warnings(warning.ProxyLeftOut), ""))
		if grant == "" {
			t.Fatalf("no GRANT: %q", w.warnings(warning.ProxyLeftOut))
		}
		w.execute(grant)
		w.mustRotate()
		w.mustEqual()
		if !w.mayGrantEverywhere(w.user) || !w.mayGrantEverywhere(w.clone()) {
			t.Error("GRANT OPTION on *.* is not kept")
		}
	})
}

// A mode that leaves the original's privileges alone leaves nothing of a PROXY out: what the
// clone alone has is lost to the application, and said to be.
func TestGrantOptionThatTheModeDoesNotCopy(t *testing.T) {
	for _, mode := range []string{"off", "mirror"} {
		t.Run(mode, func(t *testing.T) {
			servers.Each(t, func(t *testing.T, on *dbserver.Server) {
				w := newDeployment(t, on, withEnv("PRIVILEGE_SYNC="+mode))
				if mode == "off" {
					w.execute("CREATE USER "+me(w.clone())+" IDENTIFIED BY 'x'", "GRANT ALL PRIVILEGES ON "+w.database+".* TO "+me(w.clone()))
				}
				w.mustRotate()
				w.execute("GRANT PROCESS ON *.* TO " + me(w.clone()) + " WITH GRANT OPTION")
				w.mustRotate()
				if told := w.warnings(warning.ProxyLeftOut); len(told) > 0 {
					t.Errorf("there is no PROXY: %q", told)
				}
				if log := w.log(); !regexp.MustCompile(`"type":"PendingHasLess".*"GRANT OPTION ON \*\.\*"`).MatchString(log) {
					t.Errorf("nobody says that GRANT OPTION is lost: %s", log)
				}
			})
		})
	}
}

func TestGrantOptionByProxyThatCanBePassedOn(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		stranger := w.stranger()
		w.execute("GRANT PROXY ON ''@'%' TO 'admin'@'%' WITH GRANT OPTION")
		w.mustRotate()
		w.sends(stranger, "GRANT PROXY ON '"+stranger+"'@'%' TO '"+w.clone()+"'@'%' WITH GRANT OPTION")
		w.mustRotate()
		if w.mayGrantEverywhere(w.user) {
			t.Errorf("%q has got GRANT OPTION on *.*", w.user)
		}
	})
}

func TestProxyOnOneOfThePair(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		stranger := w.stranger()
		w.execute("CREATE USER '"+stranger+"'@'10.1.2.3' IDENTIFIED BY 'x'",
			// Before there is a clone, at a host that it will not have, and at none.
			"GRANT PROXY ON '"+w.clone()+"'@'%' TO '"+stranger+"'@'%'",
			"GRANT PROXY ON '"+w.user+"'@'10.9.8.7' TO '"+stranger+"'@'10.1.2.3'",
			"GRANT PROXY ON '"+w.user+"'@'%' TO '"+stranger+"'@'10.1.2.3' WITH GRANT OPTION")
		if on.Flavor == dbserver.MySQL { // which takes that for another than '%'
			w.execute("GRANT PROXY ON '" + w.clone() + "'@'' TO '" + stranger + "'@'%'")
		}
		w.afterwards("DROP USER '" + stranger + "'@'10.1.2.3'")
		there := len(w.proxies())
		if _, attention, found := w.counted(); finding(t, found, "plan").Type != warning.ProxyOnUser || attention != 0 {
			t.Errorf("%v ask for attention, the check's plan is %+v", attention, finding(t, found, "plan"))
		}
		sent := len(w.statements())
		w.mustRotate()
		w.mustEqual()
		for _, statement := range w.statements()[sent:] {
			if strings.Contains(statement, "PROXY") {
				t.Errorf("the function sent %s", statement)
			}
		}
		got := revokes(w.warnings(warning.ProxyOnUser)...)
		if len(got) != there {
			t.Fatalf("%d statements for %d privileges: %q, %v", len(got), there, got, w.proxies())
		}
		w.execute(got...)
		if left := w.proxies(); len(left) > 0 {
			t.Errorf("still there: %v", left)
		}
		before := len(w.warnings(warning.ProxyOnUser))
		w.mustRotate()
		if len(w.warnings(warning.ProxyOnUser)) != before {
			t.Error("a warning although nobody has PROXY on the two")
		}
	})
}

func TestProxyOnAnAdoptedClone(t *testing.T) {
	for _, mode := range []string{"merge", "off"} {
		t.Run(mode, func(t *testing.T) {
			servers.Each(t, func(t *testing.T, on *dbserver.Server) {
				w := newDeployment(t, on, withEnv("PRIVILEGE_SYNC="+mode))
				stranger := w.stranger()
				if err := w.CreateUser(t.Context(), w.clone(), "%", "somebody else's"); err != nil {
					t.Fatal(err)
				}
				w.execute("GRANT ALL PRIVILEGES ON "+w.database+".* TO '"+w.clone()+"'@'%'", "GRANT PROXY ON '"+w.clone()+"'@'%' TO '"+stranger+"'@'%'")
				w.mustRotate()
				w.execute(revokes(w.warnings(warning.ProxyOnUser)...)...)
				if left := w.proxies(); len(left) > 0 {
					t.Errorf("still there: %v", left)
				}
			})
		})
	}
}
