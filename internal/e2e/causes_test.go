package e2e

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/local/dbserver/servertest"
	"tandem/internal/local/emulator"
	"tandem/internal/local/sandbox"
	"tandem/internal/rotation"
)

// cause is something that goes wrong, provoked on a real server or by a real
// failure of TLS or TCP.
type cause struct {
	name    string
	options func(t *testing.T) []option
	// server is the one to be on; the shared one if nil.
	server func(t *testing.T, release string) *dbserver.Server
	// arrange provokes it; what it returns, if anything, ends it.
	arrange func(w *deployment) (mend func())
	want    failure.Type // that the step's error has, and the failing check's
	// numbers are those that a server may give, MySQL's or MariaDB's; none for a
	// failure that no server tells of.
	numbers []int
	step    string // that fails
	check   string // that fails; none where only a rotation can meet it
	words   []string
	// foretold: the check knows it by looking, and has no number of the server's.
	foretold bool
	// anywhere: it has nothing to do with the server, and is tried on one flavor.
	anywhere bool
	// flavor is the only one on which it can happen; both if empty.
	flavor dbserver.Flavor
	// follow does what the error's remedy says, where ending what was provoked is not
	// just that; then the rotation is tried again. what was provoked ends afterwards.
	follow func(w *deployment)
	// checkMariaDB is the check that fails on MariaDB, where it is another one.
	checkMariaDB string
}

// on is the servers on which a cause is tried.
func (c cause) on() servertest.Part {
	if c.anywhere {
		return servers.Only(dbserver.MariaDB, "nothing in it depends on the flavor")
	}
	return servers.Only(c.flavor, "it cannot happen elsewhere")
}

// provoke runs a cause: a rotation, then a check, then what the remedy says, after
// which the rotation has to get through with nobody touching a label.
func (c cause) provoke(t *testing.T, on *dbserver.Server) {
	var options []option
	if c.options != nil {
		options = c.options(t)
	}
	w := newDeployment(t, on, options...)
	w.written = map[string]string{"": w.value(rotation.Current), w.admin: w.valueOf(w.admin)}
	mend := c.arrange(w)
	want := c.want
	if want == failure.TLSRequired && strings.HasPrefix(w.version(), "10.") {
		want = failure.CurrentCredentialsRejected // MariaDB 10 gives 1045 for that too, which the sentence says
	}
	if c.checkMariaDB != "" && on.Flavor == dbserver.MariaDB {
		c.check = c.checkMariaDB
	}
	err := w.rotate()
	var found rotation.Inspection
	if c.check != "" {
		found = w.check()
	}
	defer func() {
		if err == nil {
			return
		}
		if c.follow == nil && mend != nil {
			mend()
		}
		w.mended.Store(true)
		if c.follow != nil {
			if mend != nil {
				defer mend()
			}
			c.follow(w)
		}
		w.mustGetThrough(false)
	}()
	if err == nil {
		if mend != nil {
			mend()
		}
		t.Fatal("the rotation succeeded")
	}
	if got := errorType(err); got != want {
		t.Errorf("the step's type is %s, want %s: %v", got, want, err)
	}
	for _, word := range append(c.words, c.step) {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the step's error lacks %q: %v", word, err)
		}
	}
	steps := w.steps()
	last := steps[len(steps)-1]
	if last["errorType"] != string(want) {
		t.Errorf("the log's type is %v", last["errorType"])
	}
	if number, _ := last["errorNumber"].(float64); (len(c.numbers) > 0) != (number != 0) || number != 0 && !slices.Contains(c.numbers, int(number)) {
		t.Errorf("the log's number is %v, want one of %v", last["errorNumber"], c.numbers)
	}
	if c.check == "" {
		return
	}
	f := finding(t, found, c.check)
	if f.Result != rotation.ResultFailed || f.Type != string(want) || f.Remedy == "" {
		t.Errorf("the check %q is %+v, want %s; failing are %v", c.check, f, want, failing(found))
	}
	if (len(c.numbers) > 0 && !c.foretold) != (f.Number != 0) || f.Number != 0 && !slices.Contains(c.numbers, f.Number) {
		t.Errorf("the check's number is %d, want one of %v", f.Number, c.numbers)
	}
	for _, word := range c.words {
		if !strings.Contains(f.Detail, word) {
			t.Errorf("the check's detail lacks %q: %s", word, f.Detail)
		}
	}
	if found.OK {
		t.Error("and the check is ok")
	}
}

// broken has Secrets Manager answer one of the function's operations with an error.
func broken(operation, code, message string) func(t *testing.T) []option {
	return func(*testing.T) []option {
		return []option{func(w *deployment, o *sandbox.Options) {
			o.SecretsManager.Fault = func(call emulator.Call) emulator.Fault {
				if w.mended.Load() || call.Operation != operation || !strings.HasPrefix(call.Parameter("SecretId"), "arn:") {
					return emulator.Fault{}
				}
				return emulator.Fault{Error: &emulator.Error{Code: code, Message: message}}
			}
		}}
	}
}

func env(entries ...string) func(t *testing.T) []option {
	return func(*testing.T) []option { return []option{withEnv(entries...)} }
}

// meanwhile does something right before a step.
func meanwhile(before string, do func(w *deployment)) func(t *testing.T) []option {
	return func(*testing.T) []option {
		return []option{func(w *deployment, o *sandbox.Options) {
			withIntercept(func(_ context.Context, step string, invoke func() error) error {
				if step == before && !w.mended.Load() {
					do(w)
				}
				return invoke()
			})(w, o)
		}}
	}
}

// passwordPlugin is the clause before a password that gives an account the server's
// own plugin.
func passwordPlugin(w *deployment) string {
	if w.Server.Flavor == dbserver.MySQL {
		return "WITH caching_sha2_password BY"
	}
	return "BY"
}

// dropRoleOfClone ends what roleOfClone has arranged, on MariaDB as the error says.
func dropRoleOfClone(w *deployment) {
	if w.Server.Flavor == dbserver.MySQL {
		w.execute("DROP USER '" + w.clone() + "'@'%'")
		return
	}
	w.execute(regexp.MustCompile("DROP ROLE `[^`]*`").FindString(w.lastSaid()))
}

// elsewhere stores both secrets for another address.
func (w *deployment) elsewhere(host string, port int) {
	w.storeAdminToo(map[string]any{"host": host, "port": port})
}

// Every cause that an operator tells from others has a type of its own, a sentence
// and a remedy: of the step that meets it, and of the check that foretells it.
func TestCauses(t *testing.T) {
	for i, c := range causes() { // each server has the i-th of its own: they keep what they arrange
		t.Run(c.name, func(t *testing.T) {
			if c.server != nil {
				c.on().EachRelease(t, func(t *testing.T, release string) {
					c := causes()[i]
					c.provoke(t, c.server(t, release))
				})
				return
			}
			c.on().Each(t, func(t *testing.T, on *dbserver.Server) { causes()[i].provoke(t, on) })
		})
	}
}

// short is a function's timeout that a wait does not outlast by much.
func short(_ *deployment, o *sandbox.Options) { o.Timeout = 4 * time.Second }

func inTime(*testing.T) []option { return []option{short} }

// nothing is arranged where the options do all.
func nothing(*deployment) func() { return nil }

// correctAddress gives both documents the server's address.
func (w *deployment) correctAddress() {
	for _, id := range []string{w.app, w.admin} {
		w.correct(id, map[string]any{"host": w.Server.Host, "port": w.Server.Port})
	}
}

// restore puts back the application's document as it was when all was well.
func (w *deployment) restore() {
	w.stored[w.app] = firstPassword
	w.replace(w.app, w.written[""])
}

func causes() []cause {
	silence := func(operation string) func(t *testing.T) []option {
		return func(*testing.T) []option {
			return []option{short, func(w *deployment, o *sandbox.Options) {
				o.SecretsManager.Fault = func(call emulator.Call) emulator.Fault {
					return emulator.Fault{Silent: !w.mended.Load() && call.Operation == operation && strings.HasPrefix(call.Parameter("SecretId"), "arn:")}
				}
			}}
		}
	}
	alter := func(clause string) func(w *deployment) func() {
		return func(w *deployment) func() { w.execute("ALTER USER '" + w.user + "'@'%' " + clause); return nil }
	}
	// What the remedies come to.
	restore, address := (*deployment).restore, (*deployment).correctAddress
	variable := func(entry string) func(w *deployment) { return func(w *deployment) { w.reconfigure(entry) } }
	endpoint := func(w *deployment) { w.reconfigure("SECRETS_MANAGER_ENDPOINT=" + w.URL) }
	sql := func(statements ...string) func(w *deployment) {
		return func(w *deployment) {
			for _, one := range statements {
				w.execute(strings.NewReplacer("CLONE", "'"+w.clone()+"'@'%'", "USER_", "'"+w.user+"'@'%'", "DB_", w.database).Replace(one))
			}
		}
	}
	return []cause{
		// What the secrets hold.
		{name: "no JSON", follow: restore, arrange: func(w *deployment) func() { w.put(w.app, "{"); return nil }, want: failure.SecretInvalid, step: "createSecret", check: "secret", words: []string{"JSON"}},
		{name: "no version of the admin's", follow: restore, arrange: func(w *deployment) func() {
			w.store(w.user, firstPassword, map[string]any{"masterarn": strings.Replace(w.admin, "secret:admin", "secret:nobody", 1)})
			return nil
		}, want: failure.AdminSecretNotFound, step: "setSecret", check: "admin secret: read", words: []string{"masterarn"}},
		{name: "no admin named", follow: restore, arrange: func(w *deployment) func() {
			w.store(w.user, firstPassword, map[string]any{"masterarn": nil})
			return nil
		},
			want: failure.AdminSecretNotNamed, step: "createSecret", check: "admin secret: named", words: []string{"masterarn"}},
		{name: "an admin document without a password", follow: func(w *deployment) { w.replace(w.admin, w.written[w.admin]) }, arrange: func(w *deployment) func() {
			w.put(w.admin, `{"engine":"mysql","host":"h","username":"u"}`)
			return nil
		}, want: failure.AdminSecretInvalid, step: "setSecret", check: "admin secret", words: []string{"password"}},
		{name: "an admin of another server", follow: restore, arrange: func(w *deployment) func() { w.store(w.user, firstPassword, map[string]any{"port": 1}); return nil },
			want: failure.AdminSecretMismatch, step: "setSecret", check: "RDS"},
		{name: "a name too long", follow: restore, arrange: func(w *deployment) func() { w.store(strings.Repeat("n", 80), firstPassword, nil); return nil },
			want: failure.UsernameInvalid, step: "createSecret", check: "other user's name", words: []string{"USERNAME_CHARACTER_LIMIT"}},

		// Secrets Manager.
		{name: "Secrets Manager: refused", follow: endpoint, options: env("SECRETS_MANAGER_ENDPOINT=http://127.0.0.1:1"), arrange: nothing,
			anywhere: true, want: failure.SecretsManagerUnreachable, step: "createSecret", check: "Secrets Manager: connection", words: []string{"interface endpoint"}},
		{name: "Secrets Manager: no such name", follow: endpoint, options: env("SECRETS_MANAGER_ENDPOINT=http://nowhere.invalid"), arrange: nothing,
			anywhere: true, want: failure.SecretsManagerUnreachable, step: "createSecret", check: "Secrets Manager: DNS", words: []string{"interface endpoint"}},
		{name: "Secrets Manager: a black hole", follow: endpoint, options: func(t *testing.T) []option {
			return []option{short, withEnv(fmt.Sprintf("SECRETS_MANAGER_ENDPOINT=http://127.0.0.1:%d", blackHole(t)))}
		}, arrange: nothing, anywhere: true, want: failure.SecretsManagerUnreachable, step: "createSecret", check: "Secrets Manager: connection", words: []string{"interface endpoint"}},
		{name: "Secrets Manager: silent", options: silence("DescribeSecret"), arrange: nothing,
			anywhere: true, want: failure.SecretsManagerTimeout, step: "createSecret", check: "Secrets Manager: TLS", words: []string{"interface endpoint"}},
		{name: "Secrets Manager: an unknown authority", follow: endpoint, options: func(t *testing.T) []option {
			return []option{short, withEnv("SECRETS_MANAGER_ENDPOINT=https://" + foreignTLS(t))}
		}, arrange: nothing, anywhere: true, want: failure.SecretsManagerTLSFailed, step: "createSecret", check: "Secrets Manager: TLS"},
		{name: "denied", options: broken("DescribeSecret", "AccessDeniedException", "User: x is not authorized to perform: secretsmanager:DescribeSecret"), arrange: nothing,
			anywhere: true, want: failure.SecretsManagerAccessDenied, step: "createSecret", check: "permission: DescribeSecret"},
		{name: "KMS denied", options: broken("GetSecretValue", "AccessDeniedException", "Access to KMS is not allowed"), arrange: nothing,
			anywhere: true, want: failure.KMSAccessDenied, step: "createSecret", check: "permission: GetSecretValue"},
		{name: "KMS key disabled", options: broken("GetSecretValue", "DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided KMS key."), arrange: nothing,
			anywhere: true, want: failure.KMSKeyUnusable, step: "createSecret", check: "permission: GetSecretValue"},
		{name: "throttled", options: broken("DescribeSecret", "ThrottlingException", "Rate exceeded"), arrange: nothing,
			anywhere: true, want: failure.SecretsManagerThrottled, step: "createSecret", check: "permission: DescribeSecret"},
		{name: "broken", options: broken("DescribeSecret", "InvalidRequestException", "You can't perform this operation on the secret now."), arrange: nothing,
			anywhere: true, want: failure.SecretsManagerFailed, step: "createSecret", check: "permission: DescribeSecret"},
		{name: "credentials not accepted", options: broken("DescribeSecret", "ExpiredTokenException", "The security token included in the request is expired"), arrange: nothing,
			anywhere: true, want: failure.SecretsManagerCredentialsRejected, step: "createSecret", check: "permission: DescribeSecret"},

		// The way to the server.
		{name: "no such host", follow: address, arrange: func(w *deployment) func() { w.elsewhere("nowhere.invalid", w.Server.Port); return nil },
			anywhere: true, want: failure.ServerNameNotResolved, step: "setSecret", check: "server: DNS", words: []string{"nowhere.invalid"}},
		{name: "refused", follow: address, arrange: func(w *deployment) func() { w.elsewhere("127.0.0.1", 1); return nil },
			anywhere: true, want: failure.ConnectionRefused, step: "setSecret", check: "server: connection", words: []string{"127.0.0.1:1"}},
		{name: "no way there", follow: address, arrange: func(w *deployment) func() { w.elsewhere("255.255.255.255", 3306); return nil },
			anywhere: true, want: failure.ServerUnreachable, step: "setSecret", check: "server: connection", words: []string{"255.255.255.255"}},
		{name: "a black hole", follow: address, options: inTime, arrange: func(w *deployment) func() { w.elsewhere("127.0.0.1", blackHole(w.t)); return nil },
			anywhere: true, want: failure.ConnectTimeout, step: "setSecret", check: "server: connection", words: []string{"security groups"}},
		{name: "silent", follow: address, options: inTime, arrange: func(w *deployment) func() { w.elsewhere("127.0.0.1", silentServer(w.t)); return nil },
			anywhere: true, want: failure.ReadTimeout, step: "setSecret", check: "server: TLS"},
		{name: "hangs up", follow: address, arrange: func(w *deployment) func() { w.elsewhere("127.0.0.1", hangingUp(w.t)); return nil },
			anywhere: true, want: failure.ConnectionLost, step: "setSecret", check: "server: TLS"},

		// TLS.
		{name: "no TLS", follow: func(w *deployment) {
			w.correct(w.app, map[string]any{"ssl": false})
			w.correct(w.admin, map[string]any{"ssl": false})
		}, server: func(t *testing.T, release string) *dbserver.Server {
			return servers.MustStartWith(t, release, dbserver.Options{NoTLS: true})
		}, arrange: func(w *deployment) func() { w.storeAdminToo(map[string]any{"ssl": true}); return nil },
			want: failure.TLSNotOffered, step: "setSecret", check: "server: TLS", words: []string{`"ssl": false`}},
		{name: "TLS required", follow: func(w *deployment) {
			w.correct(w.app, map[string]any{"ssl": nil})
			w.correct(w.admin, map[string]any{"ssl": nil})
		}, arrange: func(w *deployment) func() {
			w.storeAdminToo(map[string]any{"ssl": false})
			w.execute("SET GLOBAL require_secure_transport = ON")
			return func() { w.execute("SET GLOBAL require_secure_transport = OFF") }
		}, want: failure.TLSRequired, numbers: []int{3159, 1045}, step: "setSecret", check: "current credentials", words: []string{"encrypted connections only"}},
		{name: "an unknown authority", follow: func(w *deployment) { w.reconfigure("SSL_CERT_FILE=" + w.Server.CAFile) }, options: env("SSL_CERT_FILE=/dev/null"), arrange: nothing,
			want: failure.TLSUnknownAuthority, step: "setSecret", check: "server: TLS", words: []string{"authority"}},
		{name: "another name", follow: address, arrange: func(w *deployment) func() { w.elsewhere("127.0.0.2", forward(w, "127.0.0.2", "")); return nil },
			want: failure.TLSNameMismatch, step: "setSecret", check: "server: TLS", words: []string{"another name"}},

		// Logging in.
		{name: "the current password is wrong", follow: restore, arrange: func(w *deployment) func() { w.store(w.user, "not the password", nil); return nil },
			want: failure.CurrentCredentialsRejected, numbers: []int{1045}, step: "setSecret", check: "current credentials"},
		{name: "the admin's password is wrong", follow: func(w *deployment) { w.correct(w.admin, map[string]any{"password": "not the old one"}) }, arrange: func(w *deployment) func() {
			w.execute("ALTER USER 'admin'@'%' IDENTIFIED BY 'not the old one'")
			return nil
		}, want: failure.AdminCredentialsRejected, numbers: []int{1045}, step: "setSecret", check: "admin"},
		{name: "locked", follow: sql("ALTER USER USER_ ACCOUNT UNLOCK"), arrange: alter("ACCOUNT LOCK"), want: failure.AccountLocked, numbers: []int{3118, 4151}, step: "setSecret", check: "current credentials", words: []string{"UNLOCK"}},
		{name: "the admin is locked", follow: sql("ALTER USER 'admin'@'%' ACCOUNT UNLOCK"), arrange: func(w *deployment) func() { w.execute("ALTER USER 'admin'@'%' ACCOUNT LOCK"); return nil },
			want: failure.AccountLocked, numbers: []int{3118, 4151}, step: "setSecret", check: "admin", words: []string{"UNLOCK"}},
		{name: "blocked", follow: func(w *deployment) {
			if w.Server.Flavor == dbserver.MySQL {
				w.execute("ALTER USER '" + w.user + "'@'%' ACCOUNT UNLOCK")
			} else {
				w.execute("FLUSH PRIVILEGES")
			}
		}, arrange: blocked, want: failure.AccountBlocked, numbers: []int{3955, 4150}, step: "setSecret", check: "current credentials", words: []string{"too many failed logins"}},
		{name: "expired", follow: sql("ALTER USER USER_ IDENTIFIED BY '" + firstPassword + "'"), arrange: alter("PASSWORD EXPIRE"), want: failure.PasswordExpired, numbers: []int{1820, 1862}, step: "setSecret", check: "current credentials", words: []string{"expired"}},
		{name: "the host is not allowed", arrange: fromAnotherHost, want: failure.HostNotAllowed, numbers: []int{1130}, step: "setSecret", check: "current credentials", words: []string{"host"}},
		{name: "too many connections", arrange: crowded, want: failure.TooManyConnections, numbers: []int{1040}, step: "setSecret", check: "current credentials", words: []string{"max_connections"}},
		{name: "a limit is reached", follow: sql("ALTER USER USER_ WITH MAX_CONNECTIONS_PER_HOUR 0"), arrange: func(w *deployment) func() {
			w.execute("ALTER USER '" + w.user + "'@'%' WITH MAX_CONNECTIONS_PER_HOUR 1")
			w.mustLogIn(w.Current(w.t.Context(), w.app))
			return nil
		}, want: failure.LimitReached, numbers: []int{1226}, step: "setSecret", check: "current credentials"},
		{name: "no such database", follow: func(w *deployment) { w.correct(w.app, map[string]any{"dbname": w.database}) }, arrange: func(w *deployment) func() {
			w.execute("GRANT SELECT ON *.* TO '" + w.user + "'@'%'")
			w.store(w.user, firstPassword, map[string]any{"dbname": "nowhere"})
			return nil
		}, want: failure.UnknownDatabase, numbers: []int{1049}, step: "testSecret", check: "database", words: []string{"dbname"}},
		{name: "a database that is not the user's", follow: func(w *deployment) { w.correct(w.app, map[string]any{"dbname": w.database}) }, arrange: func(w *deployment) func() {
			w.store(w.user, firstPassword, map[string]any{"dbname": "mysql"})
			return nil
		}, want: failure.DatabaseAccessDenied, numbers: []int{1044}, step: "testSecret", check: "database"},
		{name: "a plugin is missing", follow: func(w *deployment) {
			w.execute("ALTER USER '" + w.user + "'@'%' IDENTIFIED " + passwordPlugin(w) + " '" + firstPassword + "'")
		}, arrange: withoutPlugin, want: failure.PluginMissing, numbers: []int{1524}, step: "setSecret", check: "current credentials", words: []string{"plugin"}},
		{name: "logged in as somebody else", arrange: func(w *deployment) func() {
			w.execute("CREATE USER ''@'localhost' IDENTIFIED BY '"+firstPassword+"'", "RENAME USER 'admin'@'%' TO 'admin'@'localhost'", "FLUSH PRIVILEGES")
			return func() { w.execute("DROP USER ''@'localhost'", "RENAME USER 'admin'@'localhost' TO 'admin'@'%'") }
		}, want: failure.LoggedInAsOtherUser, step: "setSecret", check: "accounts"},

		// Changing the user.
		{name: "read-only", arrange: readOnlyServer, want: failure.ReadOnlyServer, step: "setSecret", check: "server", words: []string{"writer"}},
		{name: "no CREATE USER", follow: (*deployment).grantAsSaid, arrange: func(w *deployment) func() {
			admin, err := w.CreateAdminWith(w.t.Context(), sandbox.Token(), "GRANT SELECT ON mysql.* TO 'admin'@'%'", "GRANT ALL PRIVILEGES ON "+w.database+".* TO 'admin'@'%' WITH GRANT OPTION")
			if err != nil {
				w.t.Fatal(err)
			}
			w.store(w.user, firstPassword, map[string]any{"masterarn": admin})
			return nil
		}, want: failure.AdminAccessDenied, numbers: []int{1227}, step: "setSecret", check: "admin's privileges", foretold: true, words: []string{"GRANT CREATE USER"}},
		{name: "a privilege that the admin lacks", follow: (*deployment).grantAsSaid, arrange: func(w *deployment) func() { w.execute("GRANT FILE ON *.* TO '" + w.user + "'@'%'"); return nil },
			want: failure.PrivilegeNotGrantable, numbers: []int{1045, 1227}, step: "setSecret", check: "admin's privileges", foretold: true, words: []string{"GRANT FILE ON *.*"}},
		{name: "the user is not there", follow: sql("CREATE USER USER_ IDENTIFIED BY 'any'", "GRANT ALL PRIVILEGES ON DB_.* TO USER_"), arrange: func(w *deployment) func() {
			w.execute("RENAME USER '" + w.user + "'@'%' TO '" + w.clone() + "'@'%'")
			w.store(w.clone(), firstPassword, nil)
			return nil
		}, want: failure.UserMissing, step: "setSecret", check: "plan", words: []string{"original"}},
		{name: "the clone's name is a role", follow: func(w *deployment) { dropRoleOfClone(w) }, arrange: func(w *deployment) func() {
			w.execute("CREATE USER '" + w.clone() + "'@'%' IDENTIFIED BY 'x'")
			return roleOfClone(w)
		}, want: failure.UserNameTaken, step: "setSecret", check: "plan", checkMariaDB: "accounts"},
		{name: "the pending password is changed", options: meanwhile("testSecret", func(w *deployment) {
			w.execute("ALTER USER '" + w.clone() + "'@'%' IDENTIFIED BY 'somebody has set another'")
		}), arrange: nothing, want: failure.PendingCredentialsRejected, numbers: []int{1045}, step: "testSecret", words: []string{"AWSPENDING"}},
		{name: "the pending password is changed, and may not be set twice", options: meanwhile("testSecret", func(w *deployment) {
			w.execute("ALTER USER '" + w.clone() + "'@'%' IDENTIFIED BY 'somebody has set another'")
		}), arrange: func(w *deployment) func() {
			if w.Server.Flavor == dbserver.MySQL {
				w.execute("ALTER USER '" + w.user + "'@'%' PASSWORD HISTORY 5")
			}
			return nil
		}, want: failure.PendingCredentialsRejected, numbers: []int{1045}, step: "testSecret", words: []string{"AWSPENDING"}},
		{name: "the rotation is given up", options: meanwhile("setSecret", (*deployment).abandon), arrange: nothing,
			want: failure.RotationNotInProgress, step: "setSecret", words: []string{"rotate the secret again"}},
		{name: "the lock is held", options: inTime, arrange: lockHeld, want: failure.LockHeldByAnotherProgram, step: "setSecret", check: "lock", words: []string{"holds it, of user 'root'"}},
		{name: "the configuration", follow: variable("EXCLUDE_NUMBERS=false"), options: env("EXCLUDE_NUMBERS=perhaps"), arrange: nothing, want: failure.ConfigurationInvalid, step: "createSecret", check: "configuration", words: []string{"EXCLUDE_NUMBERS"}},
	}
}
