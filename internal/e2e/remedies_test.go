package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/local/emulator"
	"tandem/internal/local/faultproxy"
	"tandem/internal/local/sandbox"
	"tandem/internal/rotation"
)

// The remedy of each type of error is carried out, and the rotation is through after at
// most two further tries. The tables of this file have the types that TestCauses and
// its like have not, and other ways out of some that they have.

// notFollowed are the types whose remedy no test carries out.
var notFollowed = map[failure.Type]string{
	failure.EventInvalid:               "no rotation was under way, so there is none to be tried again",
	failure.OutOfTime:                  "comes of a deadline between two waits that have types of their own, which nobody can hit on purpose",
	failure.Panic:                      "the remedy is to report it",
	failure.Unexpected:                 "the remedy is to report it",
	failure.ServerResponseUnrecognised: "the remedy is to report it",
	failure.ServerUnsupported:          "the remedy is another server",
}

// Every type has a remedy that a test carries out, or is among those that say why not.
func TestEveryRemedyIsFollowed(t *testing.T) {
	followed := map[failure.Type]bool{}
	for _, table := range [][]cause{causes(), refusedPasswords(), remedies(), remediesWithoutTLS()} {
		for _, c := range table {
			followed[c.want] = true
		}
	}
	for _, c := range loginCauses() {
		followed[c.want] = true
	}
	for _, c := range remediesOfTwoServers() {
		followed[c.want] = true
	}
	for _, c := range failure.Causes() {
		why, excepted := notFollowed[c.Type]
		switch {
		case followed[c.Type] && excepted:
			t.Errorf("the remedy of %s is followed, and yet there is a reason why not: %s", c.Type, why)
		case !followed[c.Type] && !excepted:
			t.Errorf("nobody follows the remedy of %s: %s", c.Type, c.Remedy)
		}
	}
	for kind := range notFollowed {
		if failure.Remedy(kind) == "" {
			t.Errorf("%s is no type", kind)
		}
	}
}

func TestRemedies(t *testing.T) {
	for i, c := range remedies() { // each server has the i-th of its own: they keep what they arrange
		t.Run(c.name, func(t *testing.T) {
			c.on().Each(t, func(t *testing.T, on *dbserver.Server) { remedies()[i].provoke(t, on) })
		})
	}
}

// lastSaid is the error that the last rotation ended with.
func (w *deployment) lastSaid() string { return w.said[len(w.said)-1] }

// obeyLast executes the statements that the last error says to run.
func (w *deployment) obeyLast() {
	w.t.Helper()
	if err := w.obey(w.lastSaid()); err != nil {
		w.t.Fatal(err)
	}
}

// refusesSessions has the rotation wait for whoever is left behind.
func refusesSessions(*testing.T) []option {
	return []option{withEnv("PENDING_USER_SESSIONS=refuse")}
}

// tryOnly follows a remedy that asks for nothing but another try.
func tryOnly(*deployment) {}

var killPattern = regexp.MustCompile(`KILL \d+`)

// killAsSaid ends the session that the last error names.
func (w *deployment) killAsSaid() { w.execute(killPattern.FindString(w.lastSaid())) }

// managedBy has the admin secret be one that RDS keeps for an instance of that name,
// and RDS know an instance "shop", of the status given.
func managedBy(instance, status string) func(w *deployment) func() {
	return func(w *deployment) func() {
		w.rdsKnows(status)
		w.store(w.user, firstPassword, map[string]any{"masterarn": w.adminManaged(map[string]string{"aws:rds:primaryDBInstanceArn": rdsARN + "db:" + instance})})
		return nil
	}
}

func (w *deployment) rdsKnows(status string) {
	shop := emulator.DBInstance{ID: "shop", Engine: string(w.Engine()), Host: w.Server.Host, Port: w.Server.Port, Status: status}
	if status != "" {
		shop.Host = "" // it has no endpoint yet
	}
	w.Service.SetDatabases([]emulator.DBInstance{shop}, nil)
}

// brokenRDS has RDS answer with an error.
func brokenRDS(code, message string) func(t *testing.T) []option {
	return func(*testing.T) []option {
		return []option{func(w *deployment, o *sandbox.Options) {
			o.SecretsManager.Fault = func(call emulator.Call) emulator.Fault {
				if w.mended.Load() || call.Operation != "DescribeDBInstances" {
					return emulator.Fault{}
				}
				return emulator.Fault{Error: &emulator.Error{Code: code, Message: message}}
			}
		}}
	}
}

// deniedUntilAllowed denies the operations of a service, each until the error has named
// it as the one to allow and somebody follows that.
func deniedUntilAllowed(service, operation string) func(t *testing.T) []option {
	return func(*testing.T) []option {
		return []option{func(w *deployment, o *sandbox.Options) {
			o.SecretsManager.Authorize = func(_, called, secret string) error {
				if called != operation || secret == w.admin || w.mended.Load() && strings.Contains(w.lastSaid(), "allow "+service+":"+called) {
					return nil
				}
				return &emulator.Error{Code: "AccessDeniedException", Message: "User: x is not authorized to perform: " + service + ":" + called}
			}
		}}
	}
}

// certified has the server present a certificate that is changed so, until it gets its
// own back.
func certified(name string, change func(*x509.Certificate), want failure.Type) cause {
	var root *authority
	var end func()
	return cause{
		name: name, want: want, step: "setSecret", check: "server: TLS",
		options: func(t *testing.T) []option {
			root = newAuthority(t, 365*24*time.Hour)
			return []option{withEnv("SSL_CERT_FILE=" + root.file), func(_ *deployment, o *sandbox.Options) { root.trust(t, o.Server) }}
		},
		arrange: func(w *deployment) func() {
			if !w.Server.Managed() {
				w.t.Skip("the certificate of a server that is given by address is not ours to change")
			}
			end = root.serve(w, change)
			return nil
		},
		follow: func(*deployment) { end() },
	}
}

// trust adds a server's own authority to the file that names this one.
func (a *authority) trust(t *testing.T, on *dbserver.Server) {
	t.Helper()
	ours, err := os.ReadFile(a.file)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := os.ReadFile(on.CAFile)
	if err == nil {
		err = os.WriteFile(a.file, append(ours, theirs...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// roleLacking has the secrets be another account's, whose role is changed so until
// somebody follows the remedy.
func roleLacking(name, check string, lack func(*emulator.Role), follow func(*emulator.Role, *deployment), entries ...string) cause {
	var role []emulator.Role
	return cause{
		name: name, anywhere: true, want: failure.RoleNotAssumed, step: "createSecret", check: check,
		options: func(*testing.T) []option {
			role = []emulator.Role{roleOfReadme()}
			lack(&role[0])
			return []option{inAnotherAccount(role[0], entries...), func(_ *deployment, o *sandbox.Options) { o.SecretsManager.Roles = role }}
		},
		arrange: nothing,
		follow:  func(w *deployment) { follow(&role[0], w) },
	}
}

func remedies() []cause {
	sql := func(statement string) func(w *deployment) {
		return func(w *deployment) {
			w.execute(strings.NewReplacer("USER_", me(w.user), "CLONE_", me(w.clone()), "DB_", w.database).Replace(statement))
		}
	}
	// after has the cause be there once so many rotations have succeeded.
	after := func(rotations int, then func(w *deployment)) func(w *deployment) func() {
		return func(w *deployment) func() {
			for range rotations {
				w.mustRotate()
			}
			then(w)
			return nil
		}
	}
	edited := func(w *deployment) { w.correct(w.app, map[string]any{"note": "the owner's"}) }
	reconfigured := func(entry string) func(w *deployment) { return func(w *deployment) { w.reconfigure(entry) } }
	role := func(*emulator.Role) {}
	var gone atomic.Bool // the value under AWSCURRENT
	return []cause{
		// What the secrets hold.
		{name: "an endpoint that does not have the secret", anywhere: true, want: failure.SecretNotFound, step: "createSecret", check: "permission: DescribeSecret", arrange: nothing,
			options: func(t *testing.T) []option {
				another := emulator.New(emulator.Options{})
				url, err := another.Listen(t.Context(), "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(another.Close)
				return []option{withEnv("SECRETS_MANAGER_ENDPOINT=" + url)}
			}, follow: func(w *deployment) { w.reconfigure("SECRETS_MANAGER_ENDPOINT=" + w.URL) }},
		{name: "a secret without a value", anywhere: true, want: failure.CurrentSecretMissing, step: "createSecret", check: "permission: GetSecretValue", words: []string{"store a document"},
			options: func(*testing.T) []option {
				return []option{func(w *deployment, o *sandbox.Options) {
					o.SecretsManager.Fault = func(call emulator.Call) emulator.Fault {
						if !gone.Load() || call.Operation != "GetSecretValue" || call.Parameter("VersionStage") != rotation.Current || call.Parameter("SecretId") != w.app {
							return emulator.Fault{}
						}
						return emulator.Fault{Error: &emulator.Error{Code: "ResourceNotFoundException", Message: "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT"}}
					}
				}}
			}, arrange: func(*deployment) func() { gone.Store(true); return nil },
			follow: func(w *deployment) { gone.Store(false); w.put(w.app, w.written[""]) }},
		{name: "the secret is changed", options: meanwhile("testSecret", edited), arrange: nothing, follow: tryOnly,
			want: failure.PendingSecretMismatch, step: "testSecret", words: []string{"note"}},
		{name: "AWSCURRENT moves", options: func(*testing.T) []option {
			return []option{func(w *deployment, o *sandbox.Options) {
				var moved atomic.Bool
				o.SecretsManager.Fault = func(call emulator.Call) emulator.Fault {
					if call.Operation == "UpdateSecretVersionStage" && call.Parameter("VersionStage") == rotation.Current && !moved.Swap(true) {
						edited(w)
					}
					return emulator.Fault{}
				}
			}}
		}, arrange: nothing, follow: tryOnly, want: failure.RotationSuperseded, step: "finishSecret"},
		{name: "createSecret was left out", anywhere: true, options: func(*testing.T) []option {
			return []option{short, func(w *deployment, o *sandbox.Options) {
				withIntercept(func(_ context.Context, step string, invoke func() error) error {
					if step == "createSecret" && !w.mended.Load() {
						return nil
					}
					return invoke()
				})(w, o)
			}}
		}, arrange: nothing, follow: tryOnly, want: failure.PendingSecretMissing, step: "setSecret", words: []string{"rotate the secret"}},

		// Secrets Manager.
		{name: "no permission to store", options: deniedUntilAllowed("secretsmanager", "PutSecretValue"), arrange: nothing, follow: tryOnly,
			anywhere: true, want: failure.SecretsManagerAccessDenied, step: "createSecret"},
		{name: "no permission to move the label", options: deniedUntilAllowed("secretsmanager", "UpdateSecretVersionStage"), arrange: nothing, follow: tryOnly,
			anywhere: true, want: failure.SecretsManagerAccessDenied, step: "finishSecret"},
		roleLacking("a role that does not trust", "Secrets Manager: TLS", func(r *emulator.Role) { r.Trusts = nil }, func(r *emulator.Role, _ *deployment) { r.Trusts = []string{ownRole} }),
		roleLacking("a role with another external id", "Secrets Manager: TLS", role, func(_ *emulator.Role, w *deployment) { w.reconfigure("ROTATION_ROLE_EXTERNAL_ID=as-agreed") }, "ROTATION_ROLE_EXTERNAL_ID=another"),
		roleLacking("no way to STS", "Secrets Manager: connection", role, func(_ *emulator.Role, w *deployment) { w.reconfigure("AWS_ENDPOINT_URL_STS=" + w.URL) }, "AWS_ENDPOINT_URL_STS=http://127.0.0.1:1"),

		// Amazon RDS.
		{name: "RDS: a host that it does not know", anywhere: true, want: failure.RDSServerNotFound, step: "setSecret", check: "RDS", arrange: func(w *deployment) func() {
			w.Service.SetDatabases([]emulator.DBInstance{{ID: "shop", Engine: string(w.Engine()), Host: sourceName, Port: 3306}}, nil)
			w.admin = w.adminAt(sourceName)
			w.store(w.user, firstPassword, map[string]any{"host": "shpo" + rdsSuffix, "port": 3306})
			return nil
		}, follow: (*deployment).correctAddress},
		{name: "RDS: an instance that is gone, and another admin secret of RDS", anywhere: true, want: failure.RDSServerNotFound, step: "setSecret", check: "RDS", arrange: managedBy("gone", ""),
			follow: func(w *deployment) {
				w.correct(w.app, map[string]any{"masterarn": w.adminManaged(map[string]string{"aws:rds:primaryDBInstanceArn": rdsARN + "db:shop"})})
			}},
		{name: "RDS: an instance of another account", anywhere: true, want: failure.RDSServerNotFound, step: "setSecret", check: "RDS", arrange: managedBy("gone", ""),
			follow: func(w *deployment) { w.correct(w.app, map[string]any{"masterarn": w.admin}) }},
		{name: "RDS: not ready", anywhere: true, want: failure.RDSServerNotReady, step: "setSecret", check: "RDS", arrange: managedBy("shop", "creating"),
			follow: func(w *deployment) { w.rdsKnows("") }},
		{name: "RDS: denied", options: deniedUntilAllowed("rds", "DescribeDBInstances"), arrange: managedBy("shop", ""), follow: tryOnly,
			anywhere: true, want: failure.RDSAccessDenied, step: "setSecret", check: "RDS"},
		{name: "RDS: credentials not accepted", options: brokenRDS("ExpiredToken", "The security token included in the request is expired"), arrange: managedBy("shop", ""), follow: tryOnly,
			anywhere: true, want: failure.RDSCredentialsRejected, step: "setSecret", check: "RDS"},
		{name: "RDS: throttled", options: brokenRDS("Throttling", "Rate exceeded"), arrange: managedBy("shop", ""), follow: tryOnly,
			anywhere: true, want: failure.RDSThrottled, step: "setSecret", check: "RDS"},
		{name: "RDS: broken", options: brokenRDS("InvalidParameterCombination", "no"), arrange: managedBy("shop", ""), follow: tryOnly,
			anywhere: true, want: failure.RDSFailed, step: "setSecret", check: "RDS"},
		{name: "RDS: no way there", options: env("AWS_ENDPOINT_URL_RDS=http://127.0.0.1:1"), arrange: managedBy("shop", ""), follow: func(w *deployment) { w.reconfigure("AWS_ENDPOINT_URL_RDS=" + w.URL) },
			anywhere: true, want: failure.RDSUnreachable, step: "setSecret", check: "RDS"},

		// TLS.
		certified("a certificate that has expired", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(2 * time.Second) }, failure.TLSCertificateExpired),
		certified("a certificate for clients", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, failure.TLSVerificationFailed),

		// Logging in.
		{name: "an admin without a password", flavor: dbserver.MariaDB, want: failure.PluginUnsupported, numbers: []int{1698}, step: "setSecret", check: "admin", words: []string{"not one for passwords"},
			arrange: func(w *deployment) func() { w.execute("ALTER USER 'admin'@'%' IDENTIFIED VIA unix_socket"); return nil },
			follow:  func(w *deployment) { w.execute("ALTER USER 'admin'@'%' IDENTIFIED BY '" + w.adminPassword() + "'") }},
		{name: "a user with a second factor", flavor: dbserver.MySQL, want: failure.CurrentCredentialsRejected, numbers: []int{1045}, step: "setSecret", check: "current credentials", words: []string{"asks for more than a password"},
			arrange: func(w *deployment) func() {
				mustHaveAuthSocket(w.t, w.Root)
				w.execute("ALTER USER " + me(w.user) + " ADD 2 FACTOR IDENTIFIED WITH auth_socket")
				return nil
			}, follow: sql("ALTER USER USER_ DROP 2 FACTOR")},

		{name: "a blocked account is unlocked", want: failure.AccountBlocked, numbers: []int{3955, 4150}, step: "setSecret", check: "current credentials", words: []string{"ACCOUNT UNLOCK"},
			arrange: blocked, follow: func(w *deployment) {
				sql("ALTER USER USER_ ACCOUNT UNLOCK")(w)
				if w.Server.Flavor == dbserver.MariaDB {
					w.execute("FLUSH PRIVILEGES")
				}
			}},
		{name: "an expired password that the account's history forbids", flavor: dbserver.MySQL, want: failure.PasswordExpired, numbers: []int{1862}, step: "setSecret", check: "current credentials", words: []string{"history forbids", "store that in the secret"},
			arrange: func(w *deployment) func() {
				w.execute("ALTER USER "+me(w.user)+" PASSWORD HISTORY 5 PASSWORD REUSE INTERVAL 30 DAY", "ALTER USER "+me(w.user)+" IDENTIFIED BY '"+firstPassword+"' PASSWORD EXPIRE")
				return nil
			}, follow: func(w *deployment) {
				if err := w.Execute(w.t.Context(), "ALTER USER "+me(w.user)+" IDENTIFIED BY '"+firstPassword+"'"); err == nil || !strings.Contains(err.Error(), "3638") {
					w.t.Errorf("the history does not forbid the password: %v", err)
				}
				sql("ALTER USER USER_ IDENTIFIED BY 'another-1X'")(w)
				w.put(w.app, w.edited(w.app, map[string]any{"password": "another-1X"}))
			}},
		{name: "a blocked host", want: failure.AccountBlocked, numbers: []int{1129}, step: "setSecret", check: "current credentials", words: []string{"FLUSH HOSTS", "TRUNCATE TABLE performance_schema.host_cache"},
			arrange: blockedHost, follow: func(w *deployment) {
				if w.Server.Flavor == dbserver.MySQL && !strings.HasPrefix(w.version(), "8.0.") {
					w.execute("TRUNCATE TABLE performance_schema.host_cache")
				} else {
					w.execute("FLUSH HOSTS")
				}
			}},
		{name: "a blocked host, and more errors allowed", want: failure.AccountBlocked, numbers: []int{1129}, step: "setSecret", check: "current credentials", words: []string{"raise max_connect_errors"},
			arrange: blockedHost, follow: sql("SET GLOBAL max_connect_errors = 100")},
		{name: "a database that is created", want: failure.UnknownDatabase, numbers: []int{1049}, step: "testSecret", check: "database", words: []string{"create it"},
			arrange: func(w *deployment) func() {
				w.execute("GRANT SELECT ON *.* TO " + me(w.user))
				w.store(w.user, firstPassword, map[string]any{"dbname": w.database + "_new"})
				return func() { w.execute("DROP DATABASE " + w.database + "_new") }
			}, follow: sql("CREATE DATABASE DB__new")},
		{name: "a database that both users are let into", want: failure.DatabaseAccessDenied, numbers: []int{1044}, step: "testSecret", check: "database", words: []string{"grant one to both users"},
			arrange: func(w *deployment) func() {
				w.execute("CREATE DATABASE " + w.database + "_new")
				w.store(w.user, firstPassword, map[string]any{"dbname": w.database + "_new"})
				return func() { w.execute("DROP DATABASE " + w.database + "_new") }
			}, follow: sql("GRANT SELECT ON DB__new.* TO USER_, CLONE_")},

		// Changing the user.
		{name: "another rotation holds the lock", options: inTime, want: failure.LockTimeout, step: "setSecret", follow: (*deployment).killAsSaid,
			arrange: func(w *deployment) func() { w.holdLock(w.as(w.user, firstPassword, "tandem")); return nil }},
		{name: "a stranger holds the lock", options: inTime, want: failure.LockHeldByAnotherProgram, step: "setSecret", check: "lock", follow: (*deployment).killAsSaid,
			arrange: func(w *deployment) func() { w.holdLock(w.as(w.stranger(), strangersPassword, "")); return nil }},
		{name: "a privilege that nobody meant the user to have", follow: func(w *deployment) { w.execute(revokes(w.lastSaid())...) }, want: failure.PrivilegeNotGrantable, numbers: []int{1045, 1227},
			step: "setSecret", check: "admin's privileges", foretold: true, arrange: func(w *deployment) func() { sql("GRANT FILE ON *.* TO USER_")(w); return nil }},
		{name: "a privilege that the admin lacks, and only passwords are to change", follow: reconfigured("PRIVILEGE_SYNC=off"), want: failure.PrivilegeNotGrantable, numbers: []int{1045, 1227},
			step: "setSecret", arrange: after(2, sql("GRANT FILE ON *.* TO USER_"))},
		{name: "an admin with a partial revoke", flavor: dbserver.MySQL, want: failure.PrivilegeNotGrantable, numbers: []int{1044}, step: "setSecret", follow: (*deployment).obeyLast,
			arrange: func(w *deployment) func() {
				w.execute("SET GLOBAL partial_revokes = ON", "REVOKE INSERT ON mysql.* FROM 'admin'@'%'", "GRANT INSERT ON *.* TO "+me(w.user))
				return func() {
					w.execute("GRANT INSERT ON mysql.* TO 'admin'@'%'", "DROP USER "+me(w.clone()), "SET GLOBAL partial_revokes = OFF")
				}
			}},
		{name: "a privilege that does not stay", want: failure.PrivilegesStillDiffer, step: "setSecret", words: []string{"PROCESS ON *.*", "change the original by hand"},
			arrange: func(w *deployment) func() {
				w.execute("GRANT PROCESS ON *.* TO " + me(w.user))
				w.elsewhere("127.0.0.1", w.beforeEachQuery("REVOKE PROCESS ON *.* FROM "+me(w.clone())))
				return nil
			}, follow: sql("REVOKE PROCESS ON *.* FROM USER_")},
		{name: "a privilege is taken from the pending user", options: meanwhile("testSecret", sql("REVOKE SELECT ON DB_.* FROM CLONE_")), arrange: nothing, follow: tryOnly,
			want: failure.PendingLacksPrivileges, step: "testSecret", words: []string{"rotate again"}},
		{name: "the clone is not there, and is made by hand", options: env("PRIVILEGE_SYNC=off"), arrange: nothing, want: failure.UserMissing, step: "setSecret", check: "plan", words: []string{"create it"},
			follow: func(w *deployment) {
				w.execute("CREATE USER "+me(w.clone())+" IDENTIFIED BY 'any'", "GRANT ALL PRIVILEGES ON "+w.database+".* TO "+me(w.clone()))
			}},
		{name: "the clone is not there, and is created", options: env("PRIVILEGE_SYNC=off"), arrange: nothing, want: failure.UserMissing, step: "setSecret", check: "plan", words: []string{"PRIVILEGE_SYNC=merge"},
			follow: reconfigured("PRIVILEGE_SYNC=merge")},
		{name: "the original is not there, and the clone becomes it", want: failure.UserMissing, step: "setSecret", check: "plan", words: []string{"does not end in _clone"},
			arrange: func(w *deployment) func() {
				w.execute("RENAME USER " + me(w.user) + " TO " + me(w.clone()))
				w.store(w.clone(), firstPassword, nil)
				return nil
			}, follow: func(w *deployment) {
				w.execute("RENAME USER " + me(w.clone()) + " TO " + me(w.user))
				w.put(w.app, w.edited(w.app, map[string]any{"username": w.user}))
			}},
		{name: "the original is not there for the function's host", want: failure.UserMissing, step: "setSecret", check: "plan", words: []string{"create one"},
			arrange: after(1, func(w *deployment) {
				w.execute("RENAME USER " + me(w.user) + " TO '" + w.user + "'@'10.9.8.7'")
			}), follow: func(w *deployment) {
				w.execute("CREATE USER "+me(w.user)+" IDENTIFIED BY 'any'", "GRANT ALL PRIVILEGES ON "+w.database+".* TO "+me(w.user))
			}},
		{name: "a client certificate is required", want: failure.UserUnsupported, step: "setSecret", check: "plan", words: []string{"client certificate"},
			arrange: after(1, sql("ALTER USER USER_ REQUIRE X509")), follow: sql("ALTER USER USER_ REQUIRE SSL")},
		{name: "a user without a password", flavor: dbserver.MariaDB, want: failure.UserUnsupported, step: "setSecret", check: "plan", words: []string{"give it a password plugin"},
			arrange: after(1, sql("ALTER USER USER_ IDENTIFIED VIA unix_socket")), follow: sql("ALTER USER USER_ IDENTIFIED BY 'any'")},
		{name: "the clone is a role of its original", flavor: dbserver.MySQL, want: failure.UserUnsupported, step: "setSecret", check: "plan", words: []string{"REVOKE"},
			arrange: after(2, sql("GRANT CLONE_ TO USER_")), follow: func(w *deployment) { w.execute(revokes(w.lastSaid())...) }},
		{name: "somebody is logged in as the user whose turn it is, and reloads", options: refusesSessions, want: failure.PendingUserInUse, step: "setSecret", check: "sessions", words: []string{"1 session", "read the secret again"},
			arrange: func(w *deployment) func() {
				w.mustRotate()
				return w.staysAs(w.before(), "")
			}},
		{name: "a client is gone whose session as the user whose turn it is stays", options: refusesSessions, want: failure.PendingUserInUse, step: "setSecret", check: "sessions", words: []string{"where a client is gone, end its session"},
			follow: (*deployment).killAsSaid, arrange: func(w *deployment) func() {
				w.mustRotate()
				w.staysAs(w.before(), "")
				return nil
			}},
		{name: "nobody may see who is logged in", options: refusesSessions, want: failure.PendingUserInUse, step: "setSecret", check: "sessions", words: []string{"GRANT PROCESS ON *.* TO 'admin'@'%'"},
			arrange: after(1, sql("REVOKE PROCESS ON *.* FROM 'admin'@'%'")), follow: sql("GRANT PROCESS ON *.* TO 'admin'@'%'")},
		{name: "the original is not of the secret, and the clone is made equal", want: failure.OriginalNotOfSecret, step: "setSecret", check: "accounts", words: []string{"PROCESS"},
			arrange: secretOfAnotherClone, follow: sql("GRANT PROCESS ON *.* TO CLONE_")},
		{name: "the original is not of the secret, and is stored in it", want: failure.OriginalNotOfSecret, step: "setSecret", check: "accounts", words: []string{"PROCESS"},
			arrange: secretOfAnotherClone, follow: func(w *deployment) {
				w.put(w.app, w.edited(w.app, map[string]any{"username": w.user, "password": firstPassword}))
			}},
		{name: "a policy that forbids the plugin, and the admin who may pass it by", flavor: dbserver.MySQL, want: failure.AuthenticationPolicyRefused, numbers: []int{4058}, step: "setSecret", check: "password", foretold: true,
			words: []string{"GRANT AUTHENTICATION_POLICY_ADMIN ON *.*"}, arrange: strictPolicy, follow: sql("GRANT AUTHENTICATION_POLICY_ADMIN ON *.* TO 'admin'@'%'")},
		{name: "a policy that forbids the plugin, and another plugin", flavor: dbserver.MySQL, want: failure.AuthenticationPolicyRefused, numbers: []int{4058}, step: "setSecret", check: "password", foretold: true,
			arrange: strictPolicy, follow: sql("ALTER USER USER_ IDENTIFIED WITH sha256_password BY '" + firstPassword + "'")},
		{name: "a policy that forbids the plugin, and is changed", flavor: dbserver.MySQL, want: failure.AuthenticationPolicyRefused, numbers: []int{4058}, step: "setSecret", check: "password", foretold: true,
			arrange: strictPolicy, follow: sql("SET GLOBAL authentication_policy = '*,,'")},
		{name: "a role that is a role of the clone by way of another", flavor: dbserver.MySQL, want: failure.StatementRefused, numbers: []int{4027}, step: "setSecret", check: "plan", foretold: true, words: []string{"revoke one of the two"},
			arrange: after(2, func(w *deployment) {
				role := me("role_" + w.user)
				w.execute("CREATE ROLE "+role, "GRANT "+me(w.clone())+" TO "+role, "GRANT "+role+" TO "+me(w.user))
				w.afterwards("DROP ROLE " + role)
			}), follow: func(w *deployment) { w.execute("REVOKE " + me(w.clone()) + " FROM " + me("role_"+w.user)) }},
	}
}

// A statement that the server's max_allowed_packet does not let through ends the
// connection, whose client may or may not get to see the server's error.
func TestStatementThatIsTooLong(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		var columns []string
		for i := range 500 { // more than the servers' net_buffer_length, which always passes
			columns = append(columns, fmt.Sprintf("a_column_with_a_name_of_sixty_characters_or_so_%d", i))
		}
		w.execute("CREATE TABLE "+w.database+".wide ("+strings.Join(columns, " INT, ")+" INT)",
			"GRANT SELECT ("+strings.Join(columns, ", ")+") ON "+w.database+".wide TO "+me(w.user), "SET GLOBAL max_allowed_packet = 16384")
		w.afterwards("SET GLOBAL max_allowed_packet = 16777216")
		err := w.rotate()
		if kind := errorType(err); kind != failure.StatementRefused && kind != failure.ConnectionLost || !strings.Contains(err.Error(), "max_allowed_packet") {
			t.Errorf("the rotation ended with %v", err)
		}
		w.execute("SET GLOBAL max_allowed_packet = 16777216")
		w.mustGetThrough(false)
	})
}

// beforeEachQuery is a port at which the server is reached, where somebody sends a
// statement before each query, whatever comes of it.
func (w *deployment) beforeEachQuery(statement string) (port int) {
	w.t.Helper()
	certificate, err := servers.CA().Certificate()
	if err != nil {
		w.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(servers.CA().PEM())
	proxy, err := faultproxy.Start(faultproxy.Options{
		Server: net.JoinHostPort(w.Server.Host, strconv.Itoa(w.Server.Port)), Certificate: certificate,
		Upstream: &tls.Config{RootCAs: roots, ServerName: w.Server.Host, MinVersion: tls.VersionTLS12},
		Fault: func(m faultproxy.Message) faultproxy.Fault {
			if m.Kind != faultproxy.Query {
				return faultproxy.Fault{}
			}
			return faultproxy.Fault{Before: func() faultproxy.Fate {
				_ = w.Execute(context.WithoutCancel(w.t.Context()), statement)
				return faultproxy.Pass
			}}
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(proxy.Close)
	return proxy.Port()
}

// blockedHost has the function come from an address that has broken off too often.
func blockedHost(w *deployment) func() {
	const from = "127.0.0.9" // the server forgives 127.0.0.1
	var before int
	if err := w.Root.QueryRowContext(w.t.Context(), "SELECT @@max_connect_errors").Scan(&before); err != nil {
		w.t.Fatal(err)
	}
	port := forward(w, "127.0.0.1", from)
	w.elsewhere("127.0.0.1", port)
	w.execute("SET GLOBAL max_connect_errors = 2")
	for range 4 {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			w.t.Fatal(err)
		}
		greeting := make([]byte, 1024)
		_, _ = conn.Read(greeting)
		_, _ = conn.Write([]byte{4, 0, 0, 1, 0, 0, 0, 0}) // no answer to a greeting
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
	}
	return func() { w.execute(fmt.Sprintf("SET GLOBAL max_connect_errors = %d", before)) }
}

// strictPolicy has the server take no other plugin than sha256_password.
func strictPolicy(w *deployment) func() {
	w.execute("SET GLOBAL authentication_policy = 'sha256_password'")
	return func() { w.execute("SET GLOBAL authentication_policy = '*,,'") }
}

// secretOfAnotherClone has the secret name a clone whose original may do more, and that
// the secret has never named.
func secretOfAnotherClone(w *deployment) func() {
	if err := w.CreateUser(w.t.Context(), w.clone(), "%", firstPassword); err != nil {
		w.t.Fatal(err)
	}
	w.execute("GRANT ALL PRIVILEGES ON "+w.database+".* TO "+me(w.clone()), "GRANT PROCESS ON *.* TO "+me(w.user))
	w.store(w.clone(), firstPassword, nil)
	return nil
}

// A server without TLS, which on MariaDB has to see passwords.
func TestRemediesWithoutTLS(t *testing.T) {
	servers.EachRelease(t, func(t *testing.T, release string) {
		options := dbserver.Options{NoTLS: true}
		if strings.HasPrefix(release, string(dbserver.MariaDB)) {
			options.Args = append(load("simple_password_check"), "--strict-password-validation=ON")
		}
		on := servers.MustStartWith(t, release, options)
		for _, c := range remediesWithoutTLS() {
			if c.flavor == "" || c.flavor == on.Flavor {
				t.Run(c.name, func(t *testing.T) { c.provoke(t, on) })
			}
		}
	})
}

func remediesWithoutTLS() []cause {
	plaintext := func(w *deployment) {
		for _, id := range []string{w.app, w.admin} {
			w.correct(id, map[string]any{"ssl": false})
		}
	}
	return []cause{
		{name: "no TLS, and plain text allowed", flavor: dbserver.MariaDB, want: failure.TLSNotOffered, step: "setSecret", check: "server: TLS", words: []string{"for MariaDB, ALLOW_PLAINTEXT=true"},
			arrange: func(w *deployment) func() {
				w.storeAdminToo(map[string]any{"ssl": nil})
				w.execute("SET GLOBAL strict_password_validation = OFF")
				return func() { w.execute("SET GLOBAL strict_password_validation = ON") }
			}, follow: func(w *deployment) { w.reconfigure("ALLOW_PLAINTEXT=true") }},
		{name: "the server sends its key", flavor: dbserver.MySQL, options: env("ALLOW_PLAINTEXT=true"), follow: plaintext, want: failure.PublicKeyRetrievalNotAllowed, step: "setSecret", check: "server: TLS",
			words: []string{"both secrets"}, arrange: func(w *deployment) func() { w.storeAdminToo(map[string]any{"ssl": nil}); return nil }},
		{name: "the new password would be in clear", options: env("ALLOW_PLAINTEXT=true"), follow: plaintext, want: failure.ClearPasswordNotAllowed, step: "setSecret", check: "accounts",
			words: []string{"the admin secret's document, and in the secret's own"}, arrange: func(w *deployment) func() {
				w.mayBeSeen = true
				w.storeAdminToo(map[string]any{"ssl": nil})
				// Whoever has logged in is known to MySQL by a challenge from now on.
				w.mustLogIn(w.Current(w.t.Context(), w.app))
				db, err := w.Login(w.t.Context(), must(w.Current(w.t.Context(), w.admin)))
				if err != nil {
					w.t.Fatal(err)
				}
				_ = db.Close()
				return nil
			}},
	}
}

// remedyOfTwoServers is a cause that takes two servers.
type remedyOfTwoServers struct {
	want    failure.Type
	options []option
	arrange func(r *replicated)
	follow  func(r *replicated)
}

func TestRemediesOfTwoServers(t *testing.T) {
	servers.EachRelease(t, func(t *testing.T, release string) {
		p := replicate(t, release, dbserver.Replication{GTID: true})
		for _, c := range remediesOfTwoServers() {
			t.Run(string(c.want), func(t *testing.T) {
				r := p.world(t, c.options...)
				c.arrange(r)
				if err := r.rotate(); errorType(err) != c.want {
					t.Fatalf("want %s: %v", c.want, err)
				}
				c.follow(r)
				r.mustBeThrough(false)
				r.caughtUp()
				r.mustLogInAt(r.first, r.clone())
				r.mustLogInAt(r.second, r.clone())
			})
		}
	})
}

func remediesOfTwoServers() []remedyOfTwoServers {
	resume := func(r *replicated) {
		if err := r.second.ResumeReplica(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
	}
	return []remedyOfTwoServers{
		{failure.ReaderLags, []option{short}, func(r *replicated) {
			r.storeAt(replicaName, r.adminAt(sourceName))
			r.caughtUp()
			if err := r.second.PauseReplica(r.t.Context()); err != nil {
				r.t.Fatal(err)
			}
		}, resume},
		{failure.ServersDiffer, nil, func(r *replicated) {
			r.storeAdminToo(map[string]any{"host": sourceName, "port": 3306})
			r.caughtUp()
			r.names.lead(sourceName, &dbserver.Server{Host: "127.0.0.1", Port: inTurn(r.t, r.first, r.second)})
		}, func(r *replicated) {
			for _, id := range []string{r.app, r.admin} {
				r.correct(id, map[string]any{"host": firstName})
			}
		}},
	}
}

// inTurn is a port at which each connection leads to the next of some servers.
func inTurn(t *testing.T, to ...*dbserver.Server) (port int) {
	var n atomic.Int64
	return serving(t, listening(t), func(conn net.Conn) {
		defer conn.Close()
		next := to[int(n.Add(1)-1)%len(to)]
		other, err := net.Dial("tcp", net.JoinHostPort(next.Host, strconv.Itoa(next.Port)))
		if err != nil {
			return
		}
		defer other.Close()
		go func() { _, _ = io.Copy(other, conn); _ = other.Close() }()
		_, _ = io.Copy(conn, other)
	})
}
