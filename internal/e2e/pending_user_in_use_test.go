package e2e

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/local/sandbox"
	"tandem/internal/mysqldb"
	"tandem/internal/rotation"
	"tandem/internal/secret"
	"tandem/internal/warning"
)

// staysAs opens a session as a document says, as an application that does not reload
// keeps one. leave closes it, and returns when the server knows no more of it.
func (w *deployment) staysAs(document secret.Document, program string) (leave func()) {
	w.t.Helper()
	conn := w.as(document.Username(), document.Password().Reveal(), program)
	var id int64
	if err := conn.QueryRowContext(w.t.Context(), "SELECT CONNECTION_ID()").Scan(&id); err != nil {
		w.t.Fatal(err)
	}
	return func() {
		w.t.Helper()
		// Raw lets the connection go instead of putting it back into its pool.
		_ = conn.Raw(func(c any) error { return c.(interface{ Close() error }).Close() })
		_ = conn.Close()
		w.awaitSessions(fmt.Sprintf("ID = %d", id), 0)
	}
}

// awaitSessions waits until the server lists so many sessions.
func (w *deployment) awaitSessions(where string, want int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	for {
		var got int
		if err := w.Root.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE "+where).Scan(&got); err != nil {
			w.t.Fatalf("waiting for %d sessions where %s: %v", want, where, err)
		}
		if got == want {
			return
		}
	}
}

// now is the document under AWSCURRENT.
func (w *deployment) now() secret.Document {
	w.t.Helper()
	document, err := w.Current(w.t.Context(), w.app)
	if err != nil {
		w.t.Fatal(err)
	}
	return document
}

// before is the document under AWSPREVIOUS.
func (w *deployment) before() secret.Document {
	w.t.Helper()
	document, err := w.Previous(w.t.Context(), w.app)
	if err != nil {
		w.t.Fatal(err)
	}
	return document
}

// lastSetSecret is the line with which setSecret ended last.
func (w *deployment) lastSetSecret() map[string]any {
	w.t.Helper()
	var last map[string]any
	for _, line := range w.steps() {
		if line["step"] == "setSecret" {
			last = line
		}
	}
	return last
}

// Promise 10: who has read the secret once is named by the second rotation, before that
// changes the password, and by a check; nobody else is.
func TestPendingUserInUse(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, withIntercept(twice))
		leaves := []func(){w.staysAs(w.now(), "orders"), w.staysAs(w.now(), "orders"), w.staysAs(w.now(), "reports")}
		w.mustRotate()
		if found := w.warnings(warning.PendingUserInUse); len(found) > 0 {
			t.Errorf("the first rotation does not touch them, and warns: %q", found)
		}
		w.besides()
		if f := finding(t, w.check(), "sessions"); f.Result != rotation.ResultAttention || f.Type != warning.PendingUserInUse || !strings.Contains(f.Detail, "by 3 sessions") || f.Remedy == "" {
			t.Errorf("the check finds %+v", f)
		}
		w.mustRotate() // each step twice: the second setSecret finds the password set
		found := w.warnings(warning.PendingUserInUse)
		if len(found) != 1 || !strings.Contains(found[0], `"`+w.user+`" is still in use by 3 sessions`) || !strings.Contains(found[0], "from localhost") {
			t.Errorf("warnings: %q", found)
		}
		if named := strings.Contains(strings.Join(found, ""), "2 from localhost ('orders')"); named != (on.Flavor == dbserver.MySQL) {
			t.Errorf("the programs are named, %v: %q", named, found)
		}
		rows := insights(t, query(t, "sessions"), strings.Split(w.log(), "\n"))
		if len(rows) != 1 || rows[0]["pendingUser"] != w.user || rows[0]["pendingUserSessions"] != 3.0 {
			t.Errorf("the documents' query finds %v", rows)
		}
		w.mustBe(w.user)
		for _, leave := range leaves {
			leave()
		}
		if f := finding(t, w.check(), "sessions"); f.Result != rotation.ResultOK {
			t.Errorf("the check finds %+v", f)
		}
		for range 3 {
			w.mustRotate()
		}
		if found := w.warnings(warning.PendingUserInUse); len(found) != 1 {
			t.Errorf("a warning of nobody: %q", found)
		}
	})
}

// besides adds what is no session of the user: those of a user whose name differs in case,
// and an event that runs as the user.
func (w *deployment) besides() {
	w.t.Helper()
	other := strings.ToUpper(w.user)
	if err := w.CreateUser(w.t.Context(), other, "%", strangersPassword); err != nil {
		w.t.Fatal(err)
	}
	w.afterwards("DROP USER '" + other + "'@'%'")
	w.as(other, strangersPassword, "")

	var scheduler string
	if err := w.Root.QueryRowContext(w.t.Context(), "SELECT @@GLOBAL.event_scheduler").Scan(&scheduler); err != nil {
		w.t.Fatal(err)
	}
	w.execute("SET GLOBAL event_scheduler = ON", "GRANT EVENT ON "+w.database+".* TO '"+w.user+"'@'%'", "GRANT EVENT ON "+w.database+".* TO '"+w.clone()+"'@'%'",
		"CREATE DEFINER = '"+w.user+"'@'%' EVENT "+w.database+".e ON SCHEDULE AT CURRENT_TIMESTAMP ON COMPLETION PRESERVE DO DO SLEEP(600)")
	w.afterwards("SET GLOBAL event_scheduler = '" + scheduler + "'")
	running := "USER = '" + w.user + "' AND COMMAND = 'Connect'"
	w.awaitSessions(running, 1)
	w.t.Cleanup(func() {
		var id int64
		if err := w.Root.QueryRowContext(context.WithoutCancel(w.t.Context()), "SELECT ID FROM information_schema.PROCESSLIST WHERE "+running).Scan(&id); err == nil {
			_ = w.Execute(context.WithoutCancel(w.t.Context()), fmt.Sprintf("KILL %d", id))
		}
	})
}

// With refuse nothing changes as long as they are there; when they have gone, the next try
// goes on by itself.
func TestPendingUserInUseRefused(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, withEnv("PENDING_USER_SESSIONS=refuse"))
		w.mustRotate()
		w.mustRotate()
		// So that there is more to change than the password.
		w.execute("REVOKE DELETE ON " + w.database + ".* FROM '" + w.user + "'@'%'")
		stays := w.before()
		leave := w.staysAs(stays, "")
		before := w.state()
		w.mustFail(string(failure.PendingUserInUse), "setSecret", "1 session", "this step changed nothing")
		if diff := cmp.Diff(w.accountsOf(before), w.accountsOf(w.state())); diff != "" {
			t.Errorf("changed:\n%s", diff)
		}
		w.mustLogIn(stays, nil)
		if f := finding(t, w.check(), "sessions"); f.Result != rotation.ResultFailed || f.Type != string(failure.PendingUserInUse) {
			t.Errorf("the check finds %+v", f)
		}
		if line := w.lastSetSecret(); line["pendingUserSessions"] != 1.0 || line["PendingUserSessions"] != 1.0 {
			t.Errorf("the step's line: %v", line)
		}
		leave()
		w.mustRotateAgain()
		w.mustBe(w.clone())
		w.mustEqual()
	})
}

// accountsOf leaves out of a state what a rotation that has begun adds to the secret.
func (w *deployment) accountsOf(state []string) []string {
	var accounts []string
	for _, line := range state {
		if !strings.Contains(line, w.app) && !strings.Contains(line, `"stages"`) && !strings.Contains(line, "username") {
			accounts = append(accounts, line)
		}
	}
	return accounts
}

// Without PROCESS the admin sees nobody: that is not known, and never none. It is a GRANT's
// matter with refuse, and none with warn. PROCESS may come from wherever a server lets it.
func TestPendingUserInUseWithoutProcess(t *testing.T) {
	servers.EachRelease(t, func(t *testing.T, release string) {
		args := []string{"--event-scheduler=DISABLED"}
		w := newDeployment(t, servers.MustStart(t, release, args...))
		w.Root.SetMaxIdleConns(0) // nobody else is logged in while the function looks
		w.mustRotate()
		leave := w.staysAs(w.before(), "")
		w.execute("REVOKE PROCESS ON *.* FROM 'admin'@'%'")
		if f := finding(t, w.check(), "sessions"); f.Result != rotation.ResultAttention || !strings.Contains(f.Remedy, "GRANT PROCESS ON *.* TO 'admin'@'%'") {
			t.Errorf("the check finds %+v", f)
		}
		w.mustRotate()
		if line := w.lastSetSecret(); len(w.warnings(warning.PendingUserInUse)) > 0 || line["pendingUserSessions"] != nil || line["pendingUserSessionsUnknown"] == nil {
			t.Errorf("with warn: %v", line)
		}
		leave()
		w.reconfigure("PENDING_USER_SESSIONS=refuse")
		for _, way := range waysToProcess(w) {
			w.mustFail(string(failure.PendingUserInUse), "setSecret", "GRANT PROCESS ON *.* TO 'admin'@'%'")
			if way.grant == nil {
				w.obeyLast()
			} else {
				w.execute(way.grant...)
			}
			if err := w.nextTry(); err != nil {
				t.Errorf("%s: %v", way.name, err)
			}
			leave := w.staysAs(w.before(), "")
			w.mustFail(string(failure.PendingUserInUse), "1 session")
			leave()
			w.mustRotateAgain()
			w.execute(way.revoke...)
		}
	})
}

type wayToProcess struct {
	name          string
	grant, revoke []string
}

// waysToProcess are those by which the admin may get PROCESS. The first is the error's own.
func waysToProcess(w *deployment) []wayToProcess {
	role, nested := unique("role"), unique("role")
	w.execute("CREATE ROLE "+role, "CREATE ROLE "+nested, "GRANT PROCESS ON *.* TO "+nested)
	ways := []wayToProcess{{"as it says", nil, []string{"REVOKE PROCESS ON *.* FROM 'admin'@'%'"}}}
	if w.Server.Flavor == dbserver.MySQL {
		return append(ways,
			wayToProcess{"a default role", []string{"GRANT " + nested + " TO admin", "ALTER USER admin DEFAULT ROLE " + nested}, []string{"REVOKE " + nested + " FROM admin"}},
			wayToProcess{"a role of a role, active by activate_all_roles_on_login", []string{"GRANT " + nested + " TO " + role, "GRANT " + role + " TO admin", "SET GLOBAL activate_all_roles_on_login = ON"}, []string{"REVOKE " + role + " FROM admin"}},
			wayToProcess{"a mandatory role", []string{"SET GLOBAL mandatory_roles = '" + nested + "'"}, []string{"SET GLOBAL mandatory_roles = ''"}})
	}
	ways = append(ways,
		wayToProcess{"a default role", []string{"GRANT " + nested + " TO admin", "SET DEFAULT ROLE " + nested + " FOR admin"}, []string{"SET DEFAULT ROLE NONE FOR admin", "REVOKE " + nested + " FROM admin"}},
		wayToProcess{"a role of a role", []string{"GRANT " + nested + " TO " + role, "GRANT " + role + " TO admin", "SET DEFAULT ROLE " + role + " FOR admin"}, []string{"SET DEFAULT ROLE NONE FOR admin"}})
	if !strings.HasPrefix(w.version(), "10.5") {
		ways = append(ways, wayToProcess{"PUBLIC", []string{"GRANT PROCESS ON *.* TO PUBLIC"}, []string{"REVOKE PROCESS ON *.* FROM PUBLIC"}})
	}
	return ways
}

// The function's own sessions are nobody, whether performance_schema tells their program's
// name or not; a client's is somebody in either case, and its program is named where it can be.
func TestOwnSessionsAreNobody(t *testing.T) {
	servers.EachRelease(t, func(t *testing.T, release string) {
		for _, schema := range []string{"ON", "OFF"} {
			t.Run("performance_schema "+schema, func(t *testing.T) {
				on := servers.MustStart(t, release, "--performance-schema="+schema)
				w := newDeployment(t, on)
				w.mustRotate()
				own := w.ownSession(w.before())
				if schema == "ON" { // which knows the program, whatever the database
					if err := own.Use(t.Context(), w.database); err != nil {
						t.Fatal(err)
					}
				}
				w.mustRotate()
				if found := w.warnings(warning.PendingUserInUse); len(found) > 0 {
					t.Errorf("a warning of nobody: %q", found)
				}
				_ = own.Close()
				own = w.ownSession(w.before())
				defer own.Close()
				leave := w.staysAs(w.before(), "orders")
				w.mustRotate()
				leave()
				found := w.warnings(warning.PendingUserInUse)
				if len(found) != 1 || !strings.Contains(found[0], "by 1 session:") || strings.Contains(found[0], "('orders')") != (schema == "ON") {
					t.Errorf("warnings: %q", found)
				}
			})
		}
	})
}

// Where the admin may not read the programs' names, the rest is said without them.
func TestPendingUserInUseWithoutPerformanceSchema(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.mustRotate()
		defer w.staysAs(w.before(), "orders")()
		w.execute("REVOKE SELECT ON *.* FROM 'admin'@'%'", "GRANT SELECT ON mysql.* TO 'admin'@'%'")
		w.mustRotate()
		if found := w.warnings(warning.PendingUserInUse); len(found) != 1 || !strings.Contains(found[0], "by 1 session: 1 from localhost, ") {
			t.Errorf("warnings: %q", found)
		}
	})
}

// A client that has this program's name is somebody.
func TestNamesakeIsSomebody(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.mustRotate()
		defer w.staysAs(w.before(), rotation.ProgramName)()
		w.mustRotate()
		if found := w.warnings(warning.PendingUserInUse); len(found) != 1 || !strings.Contains(found[0], "by 1 session: 1 from localhost") {
			t.Errorf("warnings: %q", found)
		}
	})
}

// An admin who comes by PROXY and has no PROCESS sees the sessions of the account that he
// then is, which are no sign that he sees everybody's. MySQL alone has such an account
// without a plugin of somebody else's.
func TestPendingUserInUseByProxiedAdmin(t *testing.T) {
	servers.Only(dbserver.MySQL, "MariaDB has no such account").EachRelease(t, func(t *testing.T, release string) {
		w := withOwnAdmin(t, servers.MustStart(t, release, "--event-scheduler=DISABLED", "--check-proxy-users=ON", "--sha256-password-proxy-users=ON"))
		w.Root.SetMaxIdleConns(0)
		admin, err := w.Current(t.Context(), w.admin)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.CreateUser(t.Context(), "dba", "%", strangersPassword); err != nil {
			t.Fatal(err)
		}
		w.execute("GRANT ALL ON *.* TO dba WITH GRANT OPTION", "REVOKE PROCESS ON *.* FROM dba",
			"ALTER USER '"+w.adminUser+"'@'%' IDENTIFIED WITH sha256_password BY '"+admin.Password().Reveal()+"'", "GRANT PROXY ON dba TO '"+w.adminUser+"'@'%'")
		w.mustRotate()
		w.as("dba", strangersPassword, "")
		defer w.staysAs(w.before(), "")()
		if f := finding(t, w.check(), "sessions"); f.Result != rotation.ResultAttention || !strings.Contains(f.Remedy, "GRANT PROCESS ON *.* TO 'dba'@'%'") {
			t.Errorf("the check finds %+v", f)
		}
	})
}

// ownSession logs in as the function does.
func (w *deployment) ownSession(document secret.Document) rotation.Session {
	w.t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.Server.CAPEM)
	database := mysqldb.Database{Roots: func(string) (*x509.CertPool, error) { return roots, nil }}
	session, err := database.Connect(w.t.Context(), rotation.Login{Host: document.Host(), Port: document.Port(), Username: document.Username(), Password: document.Password(), TLS: document.TLS()})
	if err != nil {
		w.t.Fatal(err)
	}
	return session
}

// withOwnAdmin is a deployment whose admin is no other's on the server.
func withOwnAdmin(t *testing.T, on *dbserver.Server) *deployment {
	w := newDeployment(t, on, func(w *deployment, _ *sandbox.Options) { w.adminUser = unique("adm") })
	w.afterwards("DROP USER '" + w.adminUser + "'@'%'")
	return w
}

// brokenSchema has as many letters as information_schema.
const brokenSchema = "broken_look_schema"

// edited is a connection on which a text of the client's is replaced by one as long.
type edited struct {
	net.Conn
	from, to string
}

func (e edited) Write(p []byte) (int, error) {
	return e.Conn.Write(bytes.ReplaceAll(p, []byte(e.from), []byte(e.to)))
}

// editing has the rotations of a deployment's secret run in the test's process, on such
// connections.
func (w *deployment) editing(from, to string) *pair {
	w.t.Helper()
	if len(from) != len(to) {
		w.t.Fatalf("%q is not as long as %q", to, from)
	}
	l := newInProcess(w.t, w.Server)
	var dialer net.Dialer
	l.database.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		return edited{conn, from, to}, err
	}
	// In plain text, so that the statements can be changed on their way.
	l.admins[rdsAdmin] = w.edited(w.admin, map[string]any{"ssl": false})
	p := l.newPair(w.user, firstPassword, rdsAdmin, func(string) {})
	return p
}

// Nothing about the look at sessions fails a step with warn, whatever the server answers
// to it; with refuse it is a reason to wait, that names the cause.
func TestBrokenLookAtSessions(t *testing.T) {
	const columns = " AS USER, 'h:1' AS HOST, NULL AS DB, 'Sleep' AS COMMAND, 1 AS TIME, 7 AS ID"
	for name, made := range map[string][]string{
		"no such table (as 1109)": nil,
		"denied":                  {"CREATE DATABASE " + brokenSchema, "CREATE TABLE " + brokenSchema + ".PROCESSLIST (a INT)", "REVOKE ALL PRIVILEGES ON *.* FROM ADMIN_", "GRANT SELECT, UPDATE ON mysql.* TO ADMIN_", "GRANT CREATE USER, RELOAD ON *.* TO ADMIN_", "GRANT ALL PRIVILEGES ON DATABASE_.* TO ADMIN_ WITH GRANT OPTION"},
		"other columns":           {"CREATE DATABASE " + brokenSchema, "CREATE TABLE " + brokenSchema + ".PROCESSLIST (a INT)"},
		"a broken view":           {"CREATE DATABASE " + brokenSchema, "CREATE TABLE " + brokenSchema + ".t (a INT)", "CREATE VIEW " + brokenSchema + ".PROCESSLIST AS SELECT a FROM " + brokenSchema + ".t", "DROP TABLE " + brokenSchema + ".t"},
		"slow":                    {"CREATE DATABASE " + brokenSchema, "CREATE VIEW " + brokenSchema + ".PROCESSLIST AS SELECT 'a'" + columns + " FROM mysql.user WHERE SLEEP(600) = 0"},
		"an error at work":        {"CREATE DATABASE " + brokenSchema, "CREATE VIEW " + brokenSchema + ".PROCESSLIST AS SELECT (SELECT 'a' UNION SELECT 'b')" + columns},
	} {
		t.Run(name, func(t *testing.T) {
			servers.Each(t, func(t *testing.T, on *dbserver.Server) {
				w := withOwnAdmin(t, on)
				p := w.editing("information_schema.PROCESSLIST", brokenSchema+".PROCESSLIST")
				for range 2 {
					if err := p.rotate(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				leave := w.staysAs(documentOf(t, p), "")
				defer leave()
				for _, statement := range made {
					p.must(t, strings.NewReplacer("DATABASE_", w.database, "ADMIN_", "'"+w.adminUser+"'@'%'").Replace(statement))
				}
				t.Cleanup(func() { p.must(t, "DROP DATABASE IF EXISTS "+brokenSchema) })
				if err := p.rotate(t.Context()); err != nil {
					t.Errorf("with warn: %v", err)
				}
				if p.warned[warning.PendingUserInUse] != "" {
					t.Errorf("with warn: %q", p.warned)
				}
				p.policy = rotation.RefuseSessions
				err := p.rotate(t.Context())
				if failure.Of(err) != failure.PendingUserInUse || !strings.Contains(err.Error(), "counting sessions: ") {
					t.Errorf("with refuse: %v", err)
				}
			})
		})
	}
}

// Where the sessions can be counted and not listed, the number is right, and is what the
// warning says.
func TestSessionsThatCannotBeListed(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := withOwnAdmin(t, on)
		p := w.editing("s.HOST, s.COMMAND, s.TIME,", "s.HOST, s.COMMAND, s.TIME)")
		if err := p.rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer w.staysAs(documentOf(t, p), "")()
		w.besides()
		if err := p.rotate(t.Context()); err != nil {
			t.Error(err)
		}
		if said := p.warned[warning.PendingUserInUse]; !strings.Contains(said, "by 1 session: 1, of which no more could be read: listing sessions: error 1064") {
			t.Errorf("warnings: %q", p.warned)
		}
	})
}

// A list that takes too long is ended by the server, and the rotation goes on with the
// number.
func TestSessionsThatTakeTooLongToList(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := withOwnAdmin(t, on)
		p := w.editing("s.HOST, s.COMMAND, s.TIME,", "s.HOST, SLEEP(600), s.ID ,")
		if err := p.rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer w.staysAs(documentOf(t, p), "")()
		if err := p.rotate(t.Context()); err != nil {
			t.Error(err)
		}
		if said := p.warned[warning.PendingUserInUse]; !strings.Contains(said, "by 1 session: 1, of which no more could be read: listing sessions: error ") {
			t.Errorf("warnings: %q", p.warned)
		}
	})
}

// Where the application's host is a replica, its sessions there count; where it is the
// writer's, a check looks at the cluster's other instances.
func TestPendingUserInUseAtReader(t *testing.T) {
	servers.EachRelease(t, func(t *testing.T, release string) {
		r := replicate(t, release, dbserver.Replication{GTID: true}).world(t)
		r.storeAt(replicaName, r.adminAt(sourceName))
		r.mustRotate()
		r.mustRotate()
		if found := r.warnings(warning.PendingUserInUse); len(found) > 0 {
			t.Errorf("a warning of nobody: %q", found)
		}
		reading := &deployment{Sandbox: &sandbox.Sandbox{Server: r.second}, t: t}
		conn := reading.as(r.before().Username(), r.before().Password().Reveal(), "")
		r.mustRotate()
		if found := r.warnings(warning.PendingUserInUse); len(found) != 1 || !strings.Contains(found[0], "by 1 session: 1 from ") || !strings.Contains(found[0], " at "+replicaName+":3306") {
			t.Errorf("warnings: %q", found)
		}
		_ = conn.Raw(func(c any) error { return c.(interface{ Close() error }).Close() })

		current := r.now()
		reading.as(current.Username(), current.Password().Reveal(), "")
		r.mustRotate()
		r.put(r.app, r.edited(r.app, map[string]any{"host": writerName, "masterarn": r.adminAt(writerName)}))
		if f := finding(t, r.check(), "sessions"); f.Result != rotation.ResultAttention || f.Type != warning.PendingUserInUse || !strings.Contains(f.Detail, " at "+secondName+":3306") {
			t.Errorf("the check finds %+v", f)
		}
	})
}

// Sessions that come from where RDS Proxy's own do are said to be the proxy's.
func TestPendingUserInUseByRDSProxy(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.mustRotate()
		defer w.staysAs(w.before(), "")()
		if err := w.CreateUser(t.Context(), "rdsproxyadmin", "%", strangersPassword); err != nil {
			t.Fatal(err)
		}
		w.afterwards("DROP USER 'rdsproxyadmin'@'%'")
		w.as("rdsproxyadmin", strangersPassword, "")
		w.mustRotate()
		if found := w.warnings(warning.PendingUserInUse); len(found) != 1 || !strings.Contains(found[0], "by 1 session: 1 from localhost") || !strings.Contains(found[0], ", by RDS Proxy, ") {
			t.Errorf("warnings: %q", found)
		}
	})
}

// documentOf is what a pair's secret has under AWSPREVIOUS.
func documentOf(t *testing.T, p *pair) secret.Document {
	t.Helper()
	version, err := p.secrets.Version(t.Context(), "", p.secrets.carrier(rotation.Previous))
	if err != nil {
		t.Fatal(err)
	}
	document, err := secret.Parse(version.Document)
	if err != nil {
		t.Fatal(err)
	}
	return document
}
