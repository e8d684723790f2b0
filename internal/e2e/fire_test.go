package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/emulator"
	"tandem/internal/local/faultproxy"
	"tandem/internal/local/leakscan"
	"tandem/internal/local/sandbox"
	"tandem/internal/redact"
	"tandem/internal/secret"
)

// The six promises, under fire. A scenario breaks something at every message of
// a rotation, and says in a line how many points it tried.
//
// FIRE says how much of it: "full" is every point by every death; "reduced" every
// point, by one of the deaths in turn; "glimpse" a few points. Without it nothing
// is run, since it takes minutes: see make fire.

type size struct {
	name string
	// stride is the distance between the points that one place tries.
	stride int
	// spread has the places try different points, so that together they try all.
	spread bool
	// rotations is how many of them the availability scenario runs, secrets how many
	// are rotated at once.
	rotations, secrets int
}

func sizeOfFire(t *testing.T) size {
	switch value := os.Getenv("FIRE"); value {
	case "full":
		return size{"full", 1, false, 1000, 200}
	case "reduced":
		return size{"reduced", len(deaths) * 2, true, 60, 40}
	case "glimpse":
		return size{"glimpse", 6 * len(deaths) * 2, true, 6, 6}
	case "":
		t.Skip("run by make fire")
	default:
		t.Fatalf("FIRE is %q: set it to full, reduced or glimpse", value)
	}
	return size{}
}

func TestUnderFire(t *testing.T) {
	extent := sizeOfFire(t)
	counts := &fireTable{}
	t.Cleanup(func() { counts.print(extent) })
	try := func(t *testing.T, release string) { underFire(t, release, extent, counts) }
	if os.Getenv("TEST_MATRIX") != "" {
		servers.EachRelease(t, try)
		return
	}
	for _, release := range []string{"mysql-9", "mariadb-10.11"} {
		t.Run(release, func(t *testing.T) {
			t.Parallel() // most of the time is spent waiting for what does not answer
			try(t, release)
		})
	}
}

func underFire(t *testing.T, release string, extent size, counts *fireTable) {
	args := []string{
		"--general-log=ON", "--general-log-file=general.log", "--log-bin=binlog", "--server-id=1", "--max-connections=600",
		// What dies here is processes, never the machine: nothing need wait for the disk.
		"--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2",
	}
	if strings.HasPrefix(release, "mysql") {
		args = append(args, "--partial-revokes=ON")
	} else {
		args = append(args, load("auth_ed25519")...) // of which an account has one password
	}
	f := &fireServer{Server: servers.MustStart(t, release, args...), args: args, size: extent, counts: counts, kept: leakscan.Secrets{}, owned: map[string]bool{}}
	f.populate(t)
	for _, scenario := range []struct {
		name string
		run  func(*fireServer, *testing.T)
	}{
		{"killed anywhere", (*fireServer).killedAnywhere},
		{"broken off among the statements", (*fireServer).brokenOff},
		{"late", (*fireServer).late},
		{"at once", (*fireServer).atOnce},
		{"Secrets Manager misbehaves", (*fireServer).secretsManagerMisbehaves},
		{"the server misbehaves", (*fireServer).serverMisbehaves},
		{"the admin rotates too", (*fireServer).adminRotates},
		{"deadline", (*fireServer).deadline},
		{"a single user", (*fireServer).singleUser},
		{"the process dumps its state", (*fireServer).dumps},
		{"availability", (*fireServer).available},
		{"the server fails over", (*fireServer).failsOver},
		{"the server restarts", (*fireServer).serverRestarts},
	} {
		t.Run(scenario.name, func(t *testing.T) {
			began := time.Now()
			scenario.run(f, t)
			t.Logf("took %s", time.Since(began).Round(time.Second))
		})
	}
	f.nobodyElse(t)
	f.nothingLeaks(t)
}

// fireServer is a server under fire, with what all of its scenarios share.
type fireServer struct {
	*dbserver.Server
	args   []string // of its command line
	size   size
	counts *fireTable

	mutex sync.Mutex
	// kept are the secrets that there were, and wrote the bytes of the function
	// that were searched for them.
	kept  leakscan.Secrets
	wrote int64
	shown int // of the secrets, in those bytes
	// owned are the users that the scenarios made and rotated; everybody else is
	// somebody else.
	owned  map[string]bool
	others []string // before the first scenario
	logs   []logFile
}

// target is a deployment of its own on the field's server, between whose function and
// the rest of it stands something that can be told to act.
type target struct {
	*deployment
	field *fireServer
	way   way
	proxy *faultproxy.Proxy
	mutex sync.Mutex
	// act, where set, is asked about each message, which are counted from 1 since it
	// was set.
	act  func(n int, what string) *action
	seen int
	// batches are the statements of the last query that is such a message.
	batches map[string][]string
	pid     int
	kept    leakscan.Secrets
	// between, where set, stands between Secrets Manager and each invocation.
	between func(ctx context.Context, step string, invoke func() error) error
	// excess, where set, lists what the pending user may do that it must not: see observe.
	excess func() []string
	// strays are passwords of a single user that rotations which were given up have left.
	strays []string
}

// action is what happens at a message.
type action struct {
	after bool   // the other side has acted; else it has not seen the message
	do    func() // runs first, where set, and may block
	// statements, where not 0, is how many of a query's the server executes.
	statements int
	// fate is the connection's. Where it is Pass, Secrets Manager answers answer,
	// where that is set.
	fate   faultproxy.Fate
	answer *emulator.Error
}

func (a action) decide() faultproxy.Fate {
	if a.do != nil {
		a.do()
	}
	return a.fate
}

// function is the access key of the function, by which its calls are told from
// the test's.
const function = "FUNCTION"

func (f *fireServer) place(t *testing.T, timeout time.Duration, options ...option) *target {
	t.Helper()
	return f.placeFor(t, alternating, timeout, options...)
}

// placeFor is a place whose secret is rotated in this way.
func (f *fireServer) placeFor(t *testing.T, way way, timeout time.Duration, options ...option) *target {
	t.Helper()
	p := &target{field: f, way: way, kept: leakscan.Secrets{}, batches: map[string][]string{}}
	certificate, err := servers.CA().Certificate()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(servers.CA().PEM())
	p.proxy, err = faultproxy.Start(faultproxy.Options{
		Server: net.JoinHostPort(f.Host, strconv.Itoa(f.Port)), Certificate: certificate,
		Upstream: &tls.Config{RootCAs: roots, ServerName: f.Host, MinVersion: tls.VersionTLS12},
		Fault:    p.ofServer,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.proxy.Close)
	all := append([]option{
		withEnv(append([]string{"AWS_ACCESS_KEY_ID=" + function}, way.env...)...),
		func(w *deployment, o *sandbox.Options) {
			p.deployment = w
			w.adminUser, w.port = unique("adm"), p.proxy.Port()
			o.Timeout = timeout
			o.Started = func(_ string, pid int) { p.mutex.Lock(); p.pid = pid; p.mutex.Unlock() }
			o.SecretsManager.Fault = p.ofSecretsManager
			o.SecretsManager.Attempts = mostTries
			o.Intercept = p.invoke
			f.mutex.Lock()
			f.owned[w.user], f.owned[secret.Clone(w.user)], f.owned[w.adminUser] = true, true, true
			f.mutex.Unlock()
		},
	}, options...)
	newDeployment(t, f.Server, all...)
	t.Cleanup(func() { _ = p.Execute(context.WithoutCancel(t.Context()), "DROP USER '"+p.adminUser+"'@'%'") })
	p.put(p.admin, map[string]any{"port": p.port})
	t.Cleanup(p.search)
	return p
}

// put changes keys of the value of a secret.
func (p *target) put(secretID string, changes map[string]any) {
	p.t.Helper()
	out, err := p.Secrets.GetSecretValue(p.t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(secretID)})
	if err != nil {
		p.t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal([]byte(*out.SecretString), &document); err != nil {
		p.t.Fatal(err)
	}
	for key, value := range changes {
		document[key] = value
	}
	text, err := json.Marshal(document)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.Secrets.PutSecretValue(p.t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: aws.String(secretID), SecretString: aws.String(string(text)), ClientRequestToken: aws.String(sandbox.Token()),
	}); err != nil {
		p.t.Fatal(err)
	}
}

// arm sets what acts, and counts from 1 again.
func (p *target) arm(act func(n int, what string) *action) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.act, p.seen = act, 0
}

func (p *target) message(what string) *action {
	p.mutex.Lock()
	act := p.act
	p.seen++
	n := p.seen
	p.mutex.Unlock()
	if act == nil {
		return nil
	}
	return act(n, what)
}

func (p *target) ofServer(m faultproxy.Message) faultproxy.Fault {
	what := string(m.Kind)
	if words := strings.Fields(m.Text); len(words) > 1 {
		what += " " + words[0] + " " + strings.SplitN(words[1], "(", 2)[0]
	}
	what = "the server's " + what
	p.mutex.Lock()
	p.batches[what] = m.Statements()
	p.mutex.Unlock()
	a := p.message(what)
	switch {
	case a == nil:
		return faultproxy.Fault{}
	case a.after:
		return faultproxy.Fault{After: a.decide, Statements: a.statements}
	}
	return faultproxy.Fault{Before: a.decide}
}

func (p *target) ofSecretsManager(call emulator.Call) emulator.Fault {
	if call.Identity != function {
		return emulator.Fault{}
	}
	a := p.message(call.Operation)
	if a == nil {
		return emulator.Fault{}
	}
	broken := emulator.Fault{After: a.after, Error: a.answer, Reset: a.fate == faultproxy.Drop, Silent: a.fate == faultproxy.Vanish}
	if a.after {
		broken.Carried = a.do
	} else if a.do != nil {
		a.do()
	}
	return broken
}

// signal ends the function's process, as kill does.
func (p *target) signal(what syscall.Signal) {
	p.mutex.Lock()
	pid := p.pid
	p.mutex.Unlock()
	_ = syscall.Kill(pid, what)
}

func (p *target) invoke(ctx context.Context, payload []byte, invoke func(context.Context, []byte) error) error {
	var event struct{ Step, RotationToken, ClientRequestToken string }
	if err := json.Unmarshal(payload, &event); err != nil {
		return err
	}
	p.mutex.Lock()
	p.kept.Add("RotationToken", event.RotationToken)
	p.mutex.Unlock()
	if p.between == nil {
		return invoke(ctx, payload)
	}
	// t.Fatal ends the goroutine that it is called in. If that were the emulator's, the
	// rotation would never end, nor the test that waits for it.
	ended := make(chan error, 1)
	go func() {
		err := errors.New("the test has ended this step")
		defer func() { ended <- err }()
		err = p.between(ctx, event.Step, func() error { return invoke(ctx, payload) })
	}()
	return <-ended
}

// gather keeps all that is secret now.
func (p *target) gather() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.deployment.keep(p.kept)
}

// logsIn logs in as the document says, around the proxy.
func (p *target) logsIn(document secret.Document) error {
	return p.logsInAs(document.Username(), document.Password().Reveal())
}

func (p *target) logsInAs(user, password string) error {
	config := p.Server.Config()
	config.User, config.Passwd, config.DBName = user, password, p.database
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	return loggingIn(func() error {
		_, err := db.ExecContext(p.t.Context(), "INSERT INTO "+p.database+".t VALUES (1, 2)")
		return err
	})
}

// current is the document under AWSCURRENT, which must log in: promise 1.
func (p *target) current(when string) secret.Document {
	p.t.Helper()
	document, err := p.Current(p.t.Context(), p.app)
	if err != nil {
		p.t.Fatalf("%s: %v", when, err)
	}
	if err := p.logsIn(document); err != nil && !p.inTheGap() {
		p.t.Errorf("%s: the current credentials of %q do not work: %v", when, document.Username(), err)
	}
	return document
}

// account is all that the server holds of a user, the password's verifier
// included.
func (p *target) account(user string) []string {
	p.t.Helper()
	rows := oracle(p.t, p.Server, p.Root, user)
	query := "SELECT Host, authentication_string FROM mysql.user WHERE User = ? ORDER BY Host"
	for _, row := range columnsOf(p.t, p.Root, query, user) {
		rows = append(rows, line(row))
	}
	return rows
}

// stands checks the promises in the middle of things. before is what the current
// user was when the rotation began.
func (p *target) stands(when, user string, before []string) {
	p.t.Helper()
	document := p.current(when)
	if document.Username() == user {
		if diff := cmp.Diff(before, p.account(user)); diff != "" {
			p.t.Errorf("%s: the user whose turn it is not has changed:\n%s", when, diff)
		}
		// Who can log in as the pending user finds it whole.
		if pending, err := p.staged("AWSPENDING"); err == nil && pending.Username() != user && secret.IsClone(pending.Username()) && p.logsIn(pending) == nil {
			p.equal(when)
		}
	}
	if p.excess != nil {
		if excess := p.excess(); len(excess) > 0 {
			p.t.Errorf("%s: an account that is open may do more than it could and its model can: %v", when, excess)
		}
	}
	p.gather()
}

// observe has stands check promise 8 too, for the user that is not the current one.
func (p *target) observe(current string) {
	p.t.Helper()
	p.excess = excessOf(p.t, p.Server, p.Root, secret.Other(current), current, []string{p.database, "mysql"})
}

func (p *target) staged(stage string) (secret.Document, error) {
	return secret.Parse(redact.New(p.value(stage)))
}

func (p *target) equal(when string) {
	p.t.Helper()
	if diff := cmp.Diff(oracle(p.t, p.Server, p.Root, p.user), oracle(p.t, p.Server, p.Root, p.clone())); diff != "" {
		p.t.Errorf("%s: the clone is not the original's equal (-original +clone):\n%s", when, diff)
	}
}

// search looks for the place's secrets in all that the function wrote and
// returned, and hands the passwords on to be looked for in the server's logs.
func (p *target) search() {
	text := p.log() + strings.Join(p.said, "\n")
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.field.mutex.Lock()
	defer p.field.mutex.Unlock()
	for content, what := range p.kept {
		p.field.kept[content] = what
	}
	p.field.wrote += int64(len(text))
	if found := p.kept.Found(text); found != nil {
		p.field.shown += len(found)
		p.t.Errorf("the function shows %v", found)
	}
}
