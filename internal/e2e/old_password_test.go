package e2e

import (
	"strings"
	"testing"

	"tandem/internal/account"
	"tandem/internal/local/dbserver"
	"tandem/internal/rotation"
	"tandem/internal/statement"
	"tandem/internal/warning"
)

func (p *pair) opens(t *testing.T, user, password string) bool {
	t.Helper()
	config := p.on.Config()
	config.User, config.Passwd = user, password
	return mayLogIn(t, config)
}

// Promise 9: a password that somebody retained ends with the turn of its user, in every
// mode, and is warned of until then.
func TestSecondPasswordEnds(t *testing.T) {
	servers.Only(dbserver.MySQL, "two users have no second password on MariaDB").Each(t, func(t *testing.T, on *dbserver.Server) {
		l := newInProcess(t, on)
		for _, mode := range []account.Mode{account.Merge, account.Mirror, account.Off} {
			for _, turn := range []account.Turn{account.TurnOfOriginal, account.TurnOfClone} {
				p := l.mustPair(t, rdsAdmin, "%")
				p.mustRotate(t)
				if turn == account.TurnOfClone {
					p.mustRotate(t)
				}
				p.mode = mode
				pending := p.user
				if turn == account.TurnOfClone {
					pending += "_clone"
				}
				current := p.secrets.current()
				retain := func(user, password string) {
					l.must(t, "ALTER USER "+account.Name{User: user, Host: "%"}.String()+" IDENTIFIED BY '"+password+"'")
					l.must(t, "ALTER USER "+account.Name{User: user, Host: "%"}.String()+" IDENTIFIED BY '"+password+" 2' RETAIN CURRENT PASSWORD")
				}
				retain(pending, "leaked")
				_, currentPassword := p.secrets.credentials(p.secrets.carrier("AWSCURRENT"))
				l.must(t, "ALTER USER "+account.Name{User: current, Host: "%"}.String()+" IDENTIFIED BY 'leaked too'")
				l.must(t, "ALTER USER "+account.Name{User: current, Host: "%"}.String()+" IDENTIFIED BY "+statement.Literal(currentPassword)+" RETAIN CURRENT PASSWORD")
				if !p.opens(t, pending, "leaked") || !p.opens(t, pending, "leaked 2") || !p.opens(t, current, "leaked too") {
					t.Fatal("there is no second password")
				}
				p.mustRotate(t)
				if p.opens(t, pending, "leaked") || p.opens(t, pending, "leaked 2") {
					t.Errorf("%s, %v: a password from before the rotation logs in", mode, turn)
				}
				if !strings.Contains(p.warned[warning.AnotherPassword], account.Name{User: current, Host: "%"}.String()) {
					t.Errorf("%s, %v: no warning of the other user's second password: %v", mode, turn, p.warned)
				}
				p.warned = map[string]string{}
				p.mustRotate(t) // as the warning says
				if p.opens(t, current, "leaked too") {
					t.Errorf("%s, %v: the other user's second password logs in after its turn", mode, turn)
				}
				if len(p.warned) > 0 {
					t.Errorf("%s, %v: warnings: %v", mode, turn, p.warned)
				}
			}
		}
	})
}

// Promise 9 for an account at another host, whose password is its own until the user's turn.
func TestPasswordOfAnotherHostEnds(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		l := newInProcess(t, on)
		p := l.mustPair(t, rdsAdmin, "%")
		p.mustRotate(t)
		p.mustRotate(t) // the original is current
		l.must(t, "CREATE USER "+p.at("10.%")+" IDENTIFIED BY 'its own'")
		l.must(t, "CREATE USER "+p.at("11.%")+" IDENTIFIED BY ''")
		before := verifiers(t, l.root, p.user)
		var said []string
		p.said = func(text string) { said = append(said, text) }
		p.mustRotate(t)
		if message := strings.Join(said, "\n"); !strings.Contains(message, p.at("10.%")+" has another password") || !strings.Contains(message, p.at("11.%")+" has no password") {
			t.Errorf("no warning of an account with its own password, or with none: %s", message)
		}
		p.warned = map[string]string{}
		p.mustRotate(t)
		if message := p.warned[warning.AnotherPassword]; message != "" {
			t.Errorf("a warning of what has ended: %s", message)
		}
		for host, verifier := range verifiers(t, l.root, p.user) {
			if verifier == before[host] {
				t.Errorf("the account at %s has the password that it had", host)
			}
		}
	})
}

// Promise 9 for MariaDB's several plugins: what is a password of theirs ends, and what
// no rotation can end is warned of, in every mode and for both users.
func TestOtherPluginsAreWarnedOf(t *testing.T) {
	servers.Only(dbserver.MariaDB, "on MySQL all factors are asked for together").Each(t, func(t *testing.T, on *dbserver.Server) {
		l := newInProcess(t, on)
		for _, mode := range []account.Mode{account.Merge, account.Mirror, account.Off} {
			p := l.mustPair(t, rdsAdmin, "%")
			p.mustRotate(t)
			p.mode = mode
			l.must(t, "ALTER USER "+p.at("%")+" IDENTIFIED VIA mysql_native_password USING PASSWORD('leaked') OR mysql_native_password USING PASSWORD('leaked too')")
			if !p.opens(t, p.user, "leaked too") {
				t.Fatal("the second plugin is not asked")
			}
			p.mustRotate(t)
			if p.opens(t, p.user, "leaked") || p.opens(t, p.user, "leaked too") {
				t.Errorf("%s: a password from before the rotation logs in", mode)
			}
			if kinds := p.warned[warning.LoginWithoutPassword]; kinds != "" {
				t.Errorf("%s: a warning of what has ended: %s", mode, kinds)
			}
			for _, other := range []string{"unix_socket", "mysql_old_password USING '1234567890abcdef'"} {
				plugin, _, _ := strings.Cut(other, " ")
				for _, user := range []string{p.user, p.user + "_clone"} {
					// A clone that is made equal to its original has its plugins from there.
					ends := mode != account.Off && user != p.user && p.secrets.current() == p.user
					p.identify(t, user, " OR "+other)
					p.warned = map[string]string{}
					p.mustRotate(t)
					if warned := strings.Contains(p.warned[warning.LoginWithoutPassword], plugin); warned == ends {
						t.Errorf("%s: %s of %q: warnings %v", mode, plugin, user, p.warned)
					}
					for _, user := range []string{p.user, p.user + "_clone"} {
						p.identify(t, user, "") // as the warning says
					}
					p.warned = map[string]string{}
					p.mustRotate(t)
					if message := p.warned[warning.LoginWithoutPassword]; message != "" {
						t.Errorf("%s: the remedy was followed, and there is a warning: %s", mode, message)
					}
				}
			}
		}
	})
}

// identify gives a user of MariaDB the plugins mysql_native_password, with the password
// that it has, and others.
func (p *pair) identify(t *testing.T, user, others string) {
	t.Helper()
	row := columnsOf(t, p.root, "SELECT JSON_VALUE(Priv, '$.authentication_string') AS alone, JSON_VALUE(Priv, '$.auth_or[0].authentication_string') AS first FROM mysql.global_priv WHERE User = ?", user)[0]
	verifier := row["alone"]
	if strings.HasPrefix(row["first"], "*") {
		verifier = row["first"]
	}
	p.must(t, "ALTER USER "+account.Name{User: user, Host: "%"}.String()+" IDENTIFIED VIA mysql_native_password USING '"+verifier+"'"+others)
}

// A check tells of what opens an account beside the two passwords, before the rotation.
func TestCheckOfASecondPassword(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.mustRotate()
		w.mustRotate() // the original is current
		current := account.Name{User: w.user, Host: "%"}.String()
		change, kind := "ALTER USER "+current+" IDENTIFIED VIA mysql_native_password USING 'VERIFIER' OR unix_socket", warning.LoginWithoutPassword
		if on.Flavor == dbserver.MySQL {
			change, kind = "ALTER USER "+current+" IDENTIFIED BY 'another one' RETAIN CURRENT PASSWORD", warning.AnotherPassword
		} else {
			verifier := columnsOf(t, w.Root, "SELECT JSON_VALUE(Priv, '$.authentication_string') AS it FROM mysql.global_priv WHERE User = ?", w.user)[0]["it"]
			change = strings.Replace(change, "VERIFIER", verifier, 1)
		}
		if f := finding(t, w.check(), "plan"); f.Type != "" {
			t.Fatalf("before: %+v", f)
		}
		w.execute(change)
		if f := finding(t, w.check(), "plan"); f.Result != rotation.ResultAttention || f.Type != kind || !strings.Contains(f.Detail, current) || f.Remedy == "" {
			t.Errorf("plan: %+v", f)
		}
		if on.Flavor != dbserver.MySQL {
			return
		}
		w.execute("ALTER USER " + account.Name{User: w.clone(), Host: "%"}.String() + " IDENTIFIED BY 'another one' RETAIN CURRENT PASSWORD")
		if f := finding(t, w.check(), "plan"); !strings.Contains(strings.Join(f.List, "\n"), "DISCARD OLD PASSWORD") {
			t.Errorf("the plan does not end the pending user's second password: %+v", f)
		}
	})
}
