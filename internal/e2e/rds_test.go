package e2e

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/dbserver/servertest"
	"tandem/internal/local/emulator"
	"tandem/internal/local/sandbox"
)

// The names that RDS would give.
const (
	rdsSuffix   = ".c9akciq32rs1." + sandbox.Region + ".rds.amazonaws.com"
	sourceName  = "shop" + rdsSuffix
	replicaName = "shop-read" + rdsSuffix
	writerName  = "store.cluster-c9akciq32rs1." + sandbox.Region + ".rds.amazonaws.com"
	readerName  = "store.cluster-ro-c9akciq32rs1." + sandbox.Region + ".rds.amazonaws.com"
	firstName   = "store-1" + rdsSuffix
	secondName  = "store-2" + rdsSuffix
)

const rdsARN = "arn:aws:rds:" + sandbox.Region + ":123456789012:"

// replication is two servers of which the second replicates from the first, and the
// names that lead there.
type replication struct {
	names         *names
	first, second *dbserver.Server
}

// replicate starts them, for the subtests of one test.
func replicate(t *testing.T, release string, how dbserver.Replication) *replication {
	t.Helper()
	start := func(id int) *dbserver.Server {
		return servers.MustStartWith(t, release, dbserver.Options{
			Args:  servertest.ReplicationArgs(release, id, how.GTID),
			Names: []string{sourceName, replicaName, writerName, readerName, firstName, secondName},
		})
	}
	r := &replication{names: newNames(t), first: start(1), second: start(2)}
	if err := r.second.Replicate(t.Context(), r.first, how); err != nil {
		t.Fatal(err)
	}
	return r
}

// replicated is a deployment on the first of them.
type replicated struct {
	*deployment
	*replication
}

func (p *replication) world(t *testing.T, options ...option) *replicated {
	t.Helper()
	r := &replicated{replication: p}
	for name, to := range map[string]*dbserver.Server{
		sourceName: r.first, replicaName: r.second, writerName: r.first, readerName: r.second, firstName: r.first, secondName: r.second,
	} {
		r.names.lead(name, to)
	}
	r.readOnlyOf(t, r.first, false)
	r.deployment = newDeployment(t, r.first, append([]option{withNames(r.names)}, options...)...)
	r.databases("store-1")
	r.readOnlyOf(t, r.second, true)
	r.caughtUp()
	return r
}

// databases says what RDS answers: a replica, and a cluster in which one writes.
func (r *replicated) databases(writer string) {
	engine := string(r.Engine())
	r.Service.SetDatabases([]emulator.DBInstance{
		{ID: "shop", Engine: engine, Host: sourceName, Port: 3306},
		{ID: "shop-read", Engine: engine, Host: replicaName, Port: 3306, Source: "shop"},
		{ID: "store-1", Engine: engine, Host: firstName, Port: 3306, Cluster: "store"},
		{ID: "store-2", Engine: engine, Host: secondName, Port: 3306, Cluster: "store"},
	}, []emulator.DBCluster{{ID: "store", Engine: engine, Host: writerName, Reader: readerName, Port: 3306, Writer: writer}})
}

func (p *replication) readOnlyOf(t *testing.T, on *dbserver.Server, is bool) {
	t.Helper()
	db, err := on.DB()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	statement := "SET GLOBAL read_only = OFF"
	if is {
		statement = "SET GLOBAL read_only = ON"
	}
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func (r *replicated) caughtUp() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	if err := r.second.AwaitSource(ctx, r.first); err != nil {
		r.t.Fatal(err)
	}
}

// adminAt makes an admin secret for a host.
func (w *deployment) adminAt(host string) string {
	w.t.Helper()
	arn, err := w.CreateSecret(w.t.Context(), sandbox.Token()[:20], w.adminUser, w.adminPassword(), map[string]any{"host": host, "port": 3306})
	if err != nil {
		w.t.Fatal(err)
	}
	return arn
}

// adminManaged makes an admin secret as RDS keeps it: a username, a password and
// tags.
func (w *deployment) adminManaged(tags map[string]string) string {
	w.t.Helper()
	document, err := json.Marshal(map[string]string{"username": w.adminUser, "password": w.adminPassword()})
	if err != nil {
		w.t.Fatal(err)
	}
	in := &secretsmanager.CreateSecretInput{Name: aws.String("rds!" + sandbox.Token()), SecretString: aws.String(string(document))}
	for key, value := range tags {
		in.Tags = append(in.Tags, types.Tag{Key: aws.String(key), Value: aws.String(value)})
	}
	out, err := w.Secrets.CreateSecret(w.t.Context(), in)
	if err != nil {
		w.t.Fatal(err)
	}
	return aws.ToString(out.ARN)
}

func (w *deployment) adminPassword() string {
	w.t.Helper()
	document, err := w.Current(w.t.Context(), w.admin)
	if err != nil {
		w.t.Fatal(err)
	}
	return document.Password().Reveal()
}

// mustLogInAt logs in with what is under AWSCURRENT at a server.
func (w *deployment) mustLogInAt(on *dbserver.Server, user string) {
	w.t.Helper()
	document, err := w.Current(w.t.Context(), w.app)
	if err != nil {
		w.t.Fatal(err)
	}
	if document.Username() != user {
		w.t.Errorf("AWSCURRENT is %q, want %q", document.Username(), user)
	}
	config := on.Config()
	config.User, config.Passwd, config.DBName = document.Username(), document.Password().Reveal(), w.database
	if !mayLogIn(w.t, config) {
		w.t.Errorf("%q does not log in at %s", user, on)
	}
}

// calls counts the calls of RDS's operations.
func (w *deployment) askedRDS() int {
	counts := w.Service.CallCounts()
	return counts["DescribeDBInstances"] + counts["DescribeDBClusters"]
}

// eachReplication runs a test on servers of each release, by each way in which they
// replicate.
func eachReplication(t *testing.T, test func(t *testing.T, release string, how dbserver.Replication)) {
	servers.EachRelease(t, func(t *testing.T, release string) {
		for name, how := range map[string]dbserver.Replication{"GTID": {GTID: true}, "position": {}} {
			t.Run(name, func(t *testing.T) { test(t, release, how) })
		}
	})
}

// A document whose host is a name of RDS, and its admin's.
func (r *replicated) storeAt(host, admin string) {
	r.store(r.user, firstPassword, map[string]any{"host": host, "port": 3306, "masterarn": admin})
}

// The application's host is a replica of RDS.
func TestReplicaOfRDS(t *testing.T) {
	eachReplication(t, func(t *testing.T, release string, how dbserver.Replication) {
		p := replicate(t, release, how)
		t.Run("follows", p.follows)
		t.Run("lags", func(t *testing.T) { p.lags(t) })
		if how.GTID {
			return // what follows takes its time, and how it replicates is nothing to it
		}
		t.Run("lags, of a single user", func(t *testing.T) { p.lags(t, singleUser) })
		t.Run("is repaired", p.isRepaired)
		t.Run("stands still", p.standsStill)
		t.Run("has another name", p.hasAnotherName)
		t.Run("has a delay", p.hasADelay)
	})
}

// By RDS's word it is a replica of the admin's server, where the users are changed.
func (p *replication) follows(t *testing.T) {
	r := p.world(t)
	r.storeAt(replicaName, r.adminAt(sourceName))
	for _, user := range []string{r.clone(), r.user, r.clone()} {
		r.mustRotate()
		r.mustLogInAt(r.second, user)
		r.mustLogInAt(r.first, user)
	}
	r.mustEqual()
}

// A replica that lags is waited for, and the log says how long. Logins that it
// refuses meanwhile do not lock the user, even where two of them would.
func (p *replication) lags(t *testing.T, options ...option) {
	var r *replicated
	r = p.world(t, append(options, withIntercept(func(ctx context.Context, step string, invoke func() error) error {
		if step != emulator.StepTest {
			return invoke()
		}
		ended := make(chan error, 1)
		before := r.refusedLogins()
		go func() { ended <- invoke() }()
		for r.refusedLogins() < before+3 {
			select {
			case err := <-ended:
				t.Errorf("testSecret did not wait: %v", err)
				return err
			case <-time.After(10 * time.Millisecond): // between two looks
			}
		}
		if err := r.second.ResumeReplica(ctx); err != nil {
			t.Error(err)
		}
		return <-ended
	}))...)
	if r.Server.Flavor == dbserver.MySQL {
		r.execute("ALTER USER '" + r.user + "'@'%' FAILED_LOGIN_ATTEMPTS 2 PASSWORD_LOCK_TIME UNBOUNDED")
	}
	r.caughtUp()
	r.storeAt(replicaName, r.adminAt(sourceName))
	users := []string{r.clone(), r.user}
	if len(options) > 0 { // it keeps its name
		users[0] = r.user
	}
	for _, user := range users {
		if err := r.second.PauseReplica(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.mustRotate()
		r.mustLogInAt(r.second, user)
	}
	if !strings.Contains(r.log(), `"waited for replication"`) || !strings.Contains(r.log(), `"host":"`+replicaName+`"`) {
		t.Errorf("the log does not say that it waited:\n%s", r.log())
	}
}

// A replica that does not catch up ends testSecret with an error that says so,
// within the function's time; AWSCURRENT stays, and a later try goes on.
func (p *replication) standsStill(t *testing.T) {
	r := p.world(t, func(_ *deployment, o *sandbox.Options) { o.Timeout = 6 * time.Second })
	r.storeAt(replicaName, r.adminAt(sourceName))
	if err := r.second.PauseReplica(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.mustFail("ReaderLags", "replication lag", replicaName, "raise the function's timeout")
	r.mustLogInAt(r.second, r.user)
	if err := r.second.ResumeReplica(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.again()
	r.mustLogInAt(r.second, r.clone())
}

// A certificate that is for another name than the document's is refused, at a
// reader as anywhere.
func (p *replication) hasAnotherName(t *testing.T) {
	r := p.world(t)
	stranger := "stranger" + rdsSuffix
	r.names.lead(stranger, r.second)
	r.storeAt(stranger, r.adminAt(sourceName))
	r.Service.SetDatabases([]emulator.DBInstance{
		{ID: "shop", Engine: string(r.Engine()), Host: sourceName, Port: 3306},
		{ID: "stranger", Engine: string(r.Engine()), Host: stranger, Port: 3306, Source: "shop"},
	}, nil)
	r.mustFail("TLSNameMismatch", "certificate is for another name")
	if document, err := r.Current(t.Context(), r.app); err != nil || document.Username() != r.user {
		t.Errorf("AWSCURRENT is %q, error %v", document.Username(), err)
	}
}

// A replica that is behind by a time of its own is waited for too.
func (p *replication) hasADelay(t *testing.T) {
	r := p.world(t)
	if err := r.second.DelayReplica(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	r.storeAt(replicaName, r.adminAt(sourceName))
	for _, user := range []string{r.clone(), r.user} {
		r.mustRotate()
		r.mustLogInAt(r.second, user)
	}
	if !strings.Contains(r.log(), `"waited for replication"`) {
		t.Errorf("the log does not say that it waited:\n%s", r.log())
	}
}

// refusedLogins is how many logins the second server has refused.
func (r *replicated) refusedLogins() (n int) {
	db, err := r.second.DB()
	if err == nil {
		defer db.Close()
		err = db.QueryRowContext(context.WithoutCancel(r.t.Context()), "SHOW GLOBAL STATUS LIKE 'Aborted_connects'").Scan(new(string), &n)
	}
	if err != nil {
		r.t.Error(err)
	}
	return n
}

// again goes on with the rotation that has failed.
func (w *deployment) again() {
	w.t.Helper()
	_, _ = w.Secrets.RotateSecret(w.t.Context(), &secretsmanager.RotateSecretInput{SecretId: aws.String(w.app), ClientRequestToken: aws.String(sandbox.Token())})
	outcome, err := w.Service.WaitRotation(w.t.Context(), w.app)
	if err != nil || outcome.Err != nil {
		w.t.Fatal(err, outcome.Err)
	}
}

// A cluster with an admin secret that RDS manages. Between two steps the cluster
// fails over: the reader writes, and the writer reads.
func TestFailoverOfACluster(t *testing.T) {
	servers.EachRelease(t, func(t *testing.T, release string) {
		p := replicate(t, release, dbserver.Replication{GTID: true})
		for _, test := range []struct{ name, host, before string }{
			{"reader endpoint", readerName, emulator.StepSet}, {"reader endpoint", readerName, emulator.StepTest}, {"reader endpoint", readerName, emulator.StepFinish},
			{"reader instance", secondName, emulator.StepTest}, {"writer endpoint", writerName, emulator.StepFinish},
		} {
			t.Run(test.name+" before "+test.before, func(t *testing.T) { p.failsOver(t, test.host, test.before) })
		}
	})
}

func (p *replication) failsOver(t *testing.T, host, before string) {
	var r *replicated
	done := false
	r = p.world(t, withIntercept(func(_ context.Context, step string, invoke func() error) error {
		if step == before && !done {
			done = true
			r.failOver()
		}
		return invoke()
	}))
	r.storeAt(host, r.adminManaged(map[string]string{"AWS:rds:PrimaryDBClusterArn": rdsARN + "cluster:store", "aws:secretsmanager:owningService": "rds"}))
	for _, user := range []string{r.clone(), r.user, r.clone()} {
		r.mustRotate()
		r.caughtUp()
		r.mustLogInAt(r.first, user)
		r.mustLogInAt(r.second, user)
	}
	r.mustEqual()
}

// failOver has the second server write, and be the first from then on.
func (r *replicated) failOver() {
	ctx := r.t.Context()
	r.readOnlyOf(r.t, r.first, true)
	r.caughtUp()
	must := func(err error) {
		if err != nil {
			r.t.Error(err)
		}
	}
	must(r.second.Promote(ctx))
	if r.first.Flavor == dbserver.MariaDB {
		// The replica begins where its own log ends, which it has written as the source.
		must(r.Execute(ctx, "SET GLOBAL gtid_slave_pos = @@global.gtid_binlog_pos"))
	}
	must(r.first.Replicate(ctx, r.second, dbserver.Replication{GTID: true}))
	r.readOnlyOf(r.t, r.second, false)
	must(r.Root.Close())
	var err error
	r.Root, err = r.second.DB()
	must(err)
	r.first, r.second = r.second, r.first
	r.names.lead(writerName, r.first)
	r.names.lead(readerName, r.second)
	r.databases("store-2")
}

// An admin secret that RDS manages, for the application's own server: what its tag
// names is asked for, and nothing else.
func TestAdminManagedByRDS(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		engine, other := string(w.Engine()), "mysql"
		if other == engine {
			other = "mariadb"
		}
		w.Service.SetDatabases([]emulator.DBInstance{
			{ID: "shop", Engine: engine, Host: on.Host, Port: on.Port},
			{ID: "new", Engine: engine, Status: "creating"},
			{ID: "other", Engine: other, Host: on.Host, Port: on.Port},
			{ID: "elsewhere", Engine: engine, Host: "elsewhere" + rdsSuffix, Port: on.Port},
		}, []emulator.DBCluster{{ID: "store", Engine: engine, Host: on.Host, Port: on.Port}})
		const instance, cluster = "aws:rds:primaryDBInstanceArn", "aws:rds:primaryDBClusterArn"
		for _, tags := range []map[string]string{
			{instance: rdsARN + "db:shop"}, {cluster: rdsARN + "cluster:store"},
			{strings.ToUpper(instance): rdsARN + "db:shop", "Name": "x"}, {strings.ToLower(cluster): rdsARN + "cluster:store"},
		} {
			w.execute("DROP USER IF EXISTS '"+w.clone()+"'@'%'", "ALTER USER '"+w.user+"'@'%' IDENTIFIED BY '"+firstPassword+"'")
			w.store(w.user, firstPassword, map[string]any{"masterarn": w.adminManaged(tags)})
			before := w.askedRDS()
			for _, user := range []string{w.clone(), w.user} {
				w.mustRotate()
				w.mustBe(user)
			}
			if asked := w.askedRDS() - before; asked != 2 {
				t.Errorf("%v: RDS was asked %d times in two rotations, want 2", tags, asked)
			}
		}
		for _, test := range []struct {
			tags  map[string]string
			words []string
		}{
			{nil, []string{"AdminSecretMismatch", "only a username and a password"}},
			{map[string]string{instance: rdsARN + "db:gone"}, []string{"RDSServerNotFound", "DBInstance " + rdsARN + "db:gone not found"}},
			{map[string]string{cluster: rdsARN + "cluster:gone"}, []string{"RDSServerNotFound", "DBCluster"}},
			{map[string]string{instance: "arn:aws:rds:us-west-2:123456789012:db:shop"}, []string{"RDSServerNotFound", "us-west-2"}},
			{map[string]string{instance: "arn:aws:rds:" + sandbox.Region + ":210987654321:db:shop"}, []string{"RDSServerNotFound", "another account"}},
			{map[string]string{instance: rdsARN + "db:new"}, []string{"RDSServerNotReady", "creating"}},
			{map[string]string{instance: rdsARN + "db:other"}, []string{"AdminSecretMismatch", "the engine of"}},
			{map[string]string{instance: rdsARN + "db:elsewhere"}, []string{"AdminSecretMismatch", "elsewhere" + rdsSuffix}},
		} {
			w.execute("DROP USER IF EXISTS '"+w.clone()+"'@'%'", "ALTER USER '"+w.user+"'@'%' IDENTIFIED BY '"+firstPassword+"'")
			w.store(w.user, firstPassword, map[string]any{"masterarn": w.adminManaged(test.tags)})
			w.mustFail(test.words...)
			w.mustBe(w.user)
		}
	})
}

// RDS that denies, throttles or breaks ends the step with an error that says what to
// do, and nothing is changed.
func TestRDSThatFails(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		for _, test := range []struct {
			name  string
			with  func(*emulator.Options)
			words []string
		}{
			{"denies", func(o *emulator.Options) {
				o.Authorize = func(_, operation, _ string) error {
					if operation == "DescribeDBInstances" {
						return &emulator.Error{Code: "AccessDeniedException", Message: "User: x is not authorized to perform: rds:DescribeDBInstances"}
					}
					return nil
				}
			}, []string{"RDSAccessDenied", "allow rds:DescribeDBInstances to the function's role"}},
			{"throttles", faultOf("DescribeDBInstances", &emulator.Error{Code: "ThrottlingException", Message: "Rate exceeded"}), []string{"RDSThrottled", "Rate exceeded", "tried 5 times"}},
			{"breaks", faultOf("DescribeDBInstances", &emulator.Error{Status: 503, Code: "ServiceUnavailable", Message: "down"}), []string{"RDSFailed", "ServiceUnavailable"}},
		} {
			t.Run(test.name, func(t *testing.T) {
				w := newDeployment(t, on, withSecretsManager(test.with))
				w.Service.SetDatabases([]emulator.DBInstance{{ID: "shop", Engine: string(w.Engine()), Host: on.Host, Port: on.Port}}, nil)
				w.store(w.user, firstPassword, map[string]any{"masterarn": w.adminManaged(map[string]string{"aws:rds:primaryDBInstanceArn": rdsARN + "db:shop"})})
				before := w.others()
				w.mustFail(test.words...)
				w.mustBe(w.user)
				if after := w.others(); strings.Join(after, "\n") != strings.Join(before, "\n") || len(w.statements()) > 0 {
					t.Error("something was changed")
				}
			})
		}
	})
}

func faultOf(operation string, answer *emulator.Error) func(*emulator.Options) {
	return func(o *emulator.Options) {
		o.Fault = func(call emulator.Call) emulator.Fault {
			if call.Operation == operation {
				return emulator.Fault{Error: answer}
			}
			return emulator.Fault{}
		}
	}
}
