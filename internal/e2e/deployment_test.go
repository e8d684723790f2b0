// Package e2e holds the end-to-end tests and the tests under fire: the compiled
// function, as Lambda runs it, against real servers and an emulated Secrets
// Manager.
package e2e

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/go-sql-driver/mysql"

	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/local/dbserver/servertest"
	"tandem/internal/local/emulator"
	"tandem/internal/local/lambdahost"
	"tandem/internal/local/leakscan"
	"tandem/internal/local/sandbox"
	"tandem/internal/secret"
)

// Servers write down what they are sent, as noneInLogs reads it.
var (
	servers = servertest.Fleet{Args: map[dbserver.Flavor][]string{dbserver.MariaDB: logging, dbserver.MySQL: logging}}
	logging = []string{"--general-log=ON", "--general-log-file=" + generalLog, "--log-bin=" + binaryLog, "--server-id=1"}
)

// binary is the function, compiled once for all tests.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() { // nothing that needs the function runs
		servers.Main(m)
		return
	}
	folder, err := os.MkdirTemp("", "tandem-e2e-")
	if err == nil {
		binary, err = lambdahost.Compile(context.Background(), folder)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	servers.Main(m)
	_ = os.RemoveAll(folder) // an interrupted run leaves it to the system's cleaning
}

// deployment is a sandbox with the tutorial's application in it: its user, its
// database, its secret.
type deployment struct {
	*sandbox.Sandbox
	t *testing.T
	// user, database and app are this test's own; admin is the admin secret.
	user, database, app, admin string
	// adminUser is the rotation's admin, sandbox.Admin if empty: deployments that are on
	// one server at the same time have one each. port, where set, is what the
	// secrets' documents name in place of the server's.
	adminUser string
	port      int

	mutex sync.Mutex
	lines []string // that the function wrote
	said  []string // errors that invocations ended with

	stored    map[string]string // the passwords that tests stored, by secret
	passwords leakscan.Secrets  // that the function made
	logs      map[string]int64  // where the server's logs ended when the deployment began
	// written are documents as tests will want them again, by secret; the first of
	// the application's is "".
	written map[string]string
	// mended: what was provoked is over.
	mended    atomic.Bool
	mayBeSeen bool // a plugin has to see passwords, so that they are in the logs
}

const firstPassword = "The 1st password"

type option func(*deployment, *sandbox.Options)

func withEnv(env ...string) option {
	return func(_ *deployment, o *sandbox.Options) { o.Env = append(o.Env, env...) }
}

func withSecretsManager(change func(*emulator.Options)) option {
	return func(_ *deployment, o *sandbox.Options) { change(&o.SecretsManager) }
}

// withIntercept stands between Secrets Manager and the function.
func withIntercept(intercept func(ctx context.Context, step string, invoke func() error) error) option {
	return func(_ *deployment, o *sandbox.Options) {
		o.Intercept = func(ctx context.Context, payload []byte, invoke func(context.Context, []byte) error) error {
			var event struct{ Step string }
			if err := json.Unmarshal(payload, &event); err != nil {
				return err
			}
			return intercept(ctx, event.Step, func() error { return invoke(ctx, payload) })
		}
	}
}

// newDeployment makes a deployment on a server that other tests use too. The user has all
// privileges on the database, as in the tutorial.
func newDeployment(t *testing.T, on *dbserver.Server, options ...option) *deployment {
	t.Helper()
	w := &deployment{t: t, user: unique("app"), database: unique("db")}
	chosen := sandbox.Options{
		Server: on, Binary: binary,
		SecretsManager: emulator.Options{Attempts: 1, Pause: -1},
		Logs:           w.line,
	}
	for _, apply := range options {
		apply(w, &chosen)
	}
	var err error
	if w.Sandbox, err = sandbox.Open(t.Context(), chosen); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.remove)
	w.logs = w.logSizes()
	if w.adminUser == "" {
		w.adminUser = sandbox.Admin
	}
	if w.admin, err = w.CreateAdminNamed(t.Context(), "admin", w.adminUser); err != nil {
		t.Fatal(err)
	}
	if err := w.CreateUser(t.Context(), w.user, "%", firstPassword); err != nil {
		t.Fatal(err)
	}
	w.execute("CREATE DATABASE "+w.database, "CREATE TABLE "+w.database+".t (a INT, b INT)",
		"GRANT ALL PRIVILEGES ON "+w.database+".* TO '"+w.user+"'@'%'")
	w.store(w.user, firstPassword, nil)
	return w
}

// unique makes a name that nobody else has on a server.
func unique(kind string) string { return strings.ToLower(kind + rand.Text()[:8]) }

// store makes the application's secret.
func (w *deployment) store(user, password string, more map[string]any) {
	w.t.Helper()
	document := map[string]any{"dbname": w.database, "masterarn": w.admin}
	if w.port != 0 {
		document["port"] = w.port
	}
	for key, value := range more {
		document[key] = value
	}
	var err error
	if w.app, err = w.CreateSecret(w.t.Context(), sandbox.Token()[:20], user, password, document); err != nil {
		w.t.Fatal(err)
	}
	if w.stored == nil {
		w.stored = map[string]string{}
	}
	w.stored[w.app] = password
}

func (w *deployment) line(line lambdahost.Line) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.lines = append(w.lines, line.Text)
}

// log is what the function has written so far.
func (w *deployment) log() string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return strings.Join(w.lines, "\n")
}

// statements are those that the function has executed so far, masked.
func (w *deployment) statements() []string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	var statements []string
	for _, line := range w.lines {
		var entry struct{ Message, Statement string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Message == "statement executed" {
			statements = append(statements, entry.Statement)
		}
	}
	return statements
}

func (w *deployment) execute(statements ...string) {
	w.t.Helper()
	if err := w.Execute(w.t.Context(), statements...); err != nil {
		w.t.Fatal(err)
	}
}

// afterwards executes a statement when the test has ended.
func (w *deployment) afterwards(statement string) {
	w.t.Cleanup(func() {
		if err := w.Execute(context.WithoutCancel(w.t.Context()), statement); err != nil {
			w.t.Error(err)
		}
	})
}

// rotate rotates the application's secret and returns the error that its last
// step ended with.
func (w *deployment) rotate() error {
	w.t.Helper()
	outcome, err := w.Rotate(w.t.Context(), w.app)
	if err != nil {
		w.t.Fatal(err)
	}
	w.gather(w.t.Context())
	if outcome.Err != nil {
		w.said = append(w.said, outcome.Err.Error())
		if kind := errorType(outcome.Err); kind != "" && !lambdas[kind] && !ownType(outcome.Err) {
			w.t.Errorf("an error without a type of its own: %v", outcome.Err)
		}
	}
	return outcome.Err
}

// lambdas are Lambda's own types, of a function that did not answer.
var lambdas = map[failure.Type]bool{lambdahost.TypeTimedOut: true, lambdahost.TypeExited: true}

// errorType is what Lambda calls errorType; empty where the function was not asked.
func errorType(err error) failure.Type {
	var reported *lambdahost.FunctionError
	if !errors.As(err, &reported) {
		return ""
	}
	return failure.Type(reported.Type)
}

// ownType reports whether an error is one that the function has a name for.
func ownType(err error) bool {
	kind := errorType(err)
	return kind != failure.Unexpected && kind != failure.Panic && failure.Remedy(kind) != ""
}

func (w *deployment) mustRotate() {
	w.t.Helper()
	if err := w.rotate(); err != nil {
		w.t.Fatal(err)
	}
}

// mustFail rotates and wants an error with these words.
func (w *deployment) mustFail(words ...string) {
	w.t.Helper()
	err := w.rotate()
	if err == nil {
		w.t.Fatalf("the rotation succeeded, want an error with %q", words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			w.t.Errorf("the error lacks %q: %v", word, err)
		}
	}
}

// mustLogIn logs in with a document's credentials, and uses the database.
func (w *deployment) mustLogIn(document secret.Document, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	var db *sql.DB
	if err := loggingIn(func() (err error) { db, err = w.Login(w.t.Context(), document); return err }); err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(w.t.Context(), "INSERT INTO "+w.database+".t VALUES (1, 2)"); err != nil {
		w.t.Errorf("using the privileges of %q: %v", document.Username(), err)
	}
}

// mustBe wants the user under AWSCURRENT, and that it logs in.
func (w *deployment) mustBe(user string) {
	w.t.Helper()
	document, err := w.Current(w.t.Context(), w.app)
	w.mustLogIn(document, err)
	if document.Username() != user {
		w.t.Errorf("AWSCURRENT is %q, want %q", document.Username(), user)
	}
}

// abandon takes AWSPENDING off, as an operator does who gives a rotation up: the
// next one has another token.
func (w *deployment) abandon() {
	w.t.Helper()
	out, err := w.Secrets.DescribeSecret(w.t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(w.app)})
	if err != nil {
		w.t.Fatal(err)
	}
	for id, stages := range out.VersionIdsToStages {
		if !slices.Contains(stages, "AWSPENDING") || slices.Contains(stages, "AWSCURRENT") {
			continue
		}
		if _, err := w.Secrets.UpdateSecretVersionStage(w.t.Context(), &secretsmanager.UpdateSecretVersionStageInput{
			SecretId: aws.String(w.app), VersionStage: aws.String("AWSPENDING"), RemoveFromVersionId: aws.String(id),
		}); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *deployment) clone() string { return secret.Clone(w.user) }

// valueOf is the text under AWSCURRENT of any secret, "" where it cannot be had.
func (w *deployment) valueOf(id string) string {
	out, err := w.Secrets.GetSecretValue(w.t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(id)})
	if err != nil {
		return ""
	}
	return aws.ToString(out.SecretString)
}

// value is a version's text as it stands, "" where it has none.
func (w *deployment) value(stage string) string {
	out, err := w.Secrets.GetSecretValue(w.t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(w.app), VersionStage: aws.String(stage)})
	if err != nil {
		return ""
	}
	return aws.ToString(out.SecretString)
}

func (w *deployment) remove() {
	ctx := context.WithoutCancel(w.t.Context())
	w.noneInLogs()
	var hosts []struct{ user, host string }
	rows, err := w.Root.QueryContext(ctx, "SELECT User, Host FROM mysql.user WHERE User IN (?, ?)", w.user, w.clone())
	if err == nil {
		for rows.Next() {
			var account struct{ user, host string }
			if err := rows.Scan(&account.user, &account.host); err == nil {
				hosts = append(hosts, account)
			}
		}
		_ = rows.Close()
	}
	for _, account := range hosts {
		_ = w.Execute(ctx, fmt.Sprintf("DROP USER '%s'@'%s'", account.user, account.host))
	}
	_ = w.Execute(ctx, "DROP DATABASE IF EXISTS "+w.database)
	if err := w.Close(); err != nil {
		w.t.Error(err)
	}
}

// others describes every account on the server but the pair's, passwords
// included: what must not change.
func (w *deployment) others() []string {
	w.t.Helper()
	var found []string
	for table, column := range accountTables(w.Server.Flavor) {
		for _, row := range columnsOf(w.t, w.Root, "SELECT * FROM mysql."+table+" WHERE "+column+" NOT IN (?, ?)", w.user, w.clone()) {
			found = append(found, table+" "+line(row))
		}
	}
	slices.Sort(found)
	return found
}

// accountTables are the tables that hold accounts and what they may do, and the
// column of each that names the account.
func accountTables(flavor dbserver.Flavor) map[string]string {
	tables := map[string]string{"db": "User", "tables_priv": "User", "columns_priv": "User", "procs_priv": "User", "proxies_priv": "User"}
	if flavor == dbserver.MySQL {
		maps.Copy(tables, map[string]string{"user": "User", "global_grants": "USER", "role_edges": "TO_USER", "default_roles": "USER", "password_history": "User"})
	} else {
		maps.Copy(tables, map[string]string{"global_priv": "User", "roles_mapping": "User"})
	}
	return tables
}

// mayLogIn reports whether a login is accepted.
func mayLogIn(t *testing.T, config *mysql.Config) bool {
	t.Helper()
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	return loggingIn(func() error { return db.PingContext(t.Context()) }) == nil
}

// loggingIn tries again where the driver has broken off the login, as it does with one by
// ed25519 of 256. The function does so too, in internal/mysqldb.
func loggingIn(login func() error) error {
	err := login()
	for tries := 0; tries < 2 && errors.Is(err, mysql.ErrMalformPkt); tries++ {
		err = login()
	}
	return err
}

// twice has every step run a second time.
func twice(_ context.Context, _ string, invoke func() error) error {
	if err := invoke(); err != nil {
		return err
	}
	return invoke()
}
