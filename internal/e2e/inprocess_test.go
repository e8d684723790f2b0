package e2e

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/go-sql-driver/mysql"

	"tandem/internal/account"
	"tandem/internal/local/dbserver"
	"tandem/internal/local/leakscan"
	"tandem/internal/mysqldb"
	"tandem/internal/redact"
	"tandem/internal/rotation"
	"tandem/internal/statement"
)

// Thousands of rotations are more than processes can be started for: here the
// rotation runs in the test's own process, on a real server, with secrets that
// are kept in memory.

// memory is Secrets Manager, as far as a rotation needs it.
type memory struct {
	documents map[string]string   // by version, and of the admin secrets by their name
	stages    map[string][]string // by version
	made      int
}

func (m *memory) Describe(context.Context, string) (rotation.Labels, error) {
	stages := map[string][]string{}
	for version, labels := range m.stages {
		stages[version] = slices.Clone(labels)
	}
	return rotation.Labels{Stages: stages}, nil
}

func (m *memory) Current(ctx context.Context, secretID string) (rotation.Version, error) {
	if document, ok := m.documents[secretID]; ok {
		return rotation.Version{ID: secretID, Document: redact.New(document)}, nil
	}
	return m.Version(ctx, secretID, m.carrier(rotation.Current))
}

func (m *memory) Version(_ context.Context, _, version string) (rotation.Version, error) {
	document, ok := m.documents[version]
	if !ok {
		return rotation.Version{}, rotation.ErrVersionNotFound
	}
	return rotation.Version{ID: version, Document: redact.New(document)}, nil
}

func (m *memory) PutPending(_ context.Context, p rotation.PendingVersion) error {
	if old, ok := m.documents[p.VersionID]; ok && old != p.Document.Reveal() {
		return rotation.ErrVersionExists
	}
	m.documents[p.VersionID] = p.Document.Reveal()
	return nil
}

func (m *memory) MoveCurrent(_ context.Context, _, to, from string) error {
	m.stages = map[string][]string{from: {rotation.Previous}, to: {rotation.Current}}
	return nil
}

func (m *memory) DropPending(_ context.Context, _, version string) error {
	m.stages[version] = slices.DeleteFunc(m.stages[version], func(label string) bool { return label == rotation.Pending })
	return nil
}

// RandomPassword makes one that quoting has to hold.
func (m *memory) RandomPassword(context.Context, string) (redact.Secret, error) {
	m.made++
	return redact.New(m.password() + rand.Text()), nil
}

func (m *memory) carrier(label string) string {
	return rotation.Labels{Stages: m.stages}.VersionWith(label)
}

// current is the username under AWSCURRENT.
func (m *memory) current() string {
	username, _ := m.credentials(m.carrier(rotation.Current))
	return username
}

func (m *memory) credentials(version string) (username, password string) {
	var document struct{ Username, Password string }
	_ = json.Unmarshal([]byte(m.documents[version]), &document)
	return document.Username, document.Password
}

// inProcess is a server on which pairs are rotated, and what all of its pairs share.
type inProcess struct {
	on       *dbserver.Server
	from     string // where the server sees the function come from
	root     *sql.Conn
	database *mysqldb.Database
	admins   map[string]string // documents of admin secrets, by name
	ciphers  []string
}

// The admins of a lab.
const (
	rdsAdmin    = "rds"
	mightyAdmin = "mighty"
)

func newInProcess(t *testing.T, on *dbserver.Server) *inProcess {
	t.Helper()
	if on.Config().TLS == nil {
		if on.Managed() {
			t.Fatal("this server was started with TLS, and there is none")
		}
		t.Skip("SKIPPED: users that require TLS need a server with TLS; name its authority by ssl-ca in TEST_SERVERS")
	}
	l := &inProcess{on: on, admins: map[string]string{}}
	config := on.Config()
	config.InterpolateParams = true
	config.Collation = "utf8mb4_bin"
	config.Params = map[string]string{"sql_mode": "'" + statement.SQLMode + "'"}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	pool := sql.OpenDB(connector)
	t.Cleanup(func() { _ = pool.Close() }) // behind what is cleaned up by it
	if l.root, err = pool.Conn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.root.QueryRowContext(t.Context(), "SELECT SUBSTRING_INDEX(USER(), '@', -1)").Scan(&l.from); err != nil {
		t.Fatal(err)
	}
	if l.from == "localhost" {
		l.from = "127.0.0.1" // a server that resolves names serves accounts of both
	}
	var cipher string
	if err := l.root.QueryRowContext(t.Context(), "SHOW SESSION STATUS LIKE 'Ssl_cipher'").Scan(new(string), &cipher); err != nil {
		t.Fatal(err)
	}
	l.ciphers = []string{cipher}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(on.CAPEM)
	l.database = &mysqldb.Database{Roots: func(string) (*x509.CertPool, error) { return roots, nil }}

	w := newDeployment(t, on) // whose admin is no mightier than RDS's
	w.passwords = leakscan.Secrets{}
	w.passwords.Add("password of a random user", passwordMark)
	stored, err := w.Secrets.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(w.admin)})
	if err != nil {
		t.Fatal(err)
	}
	l.admins[rdsAdmin] = aws.ToString(stored.SecretString)
	name, password := account.Name{User: unique(mightyAdmin), Host: "%"}, rand.Text()
	l.must(t, "CREATE USER "+name.String()+" IDENTIFIED BY '"+password+"'")
	t.Cleanup(func() { l.must(t, "DROP USER "+name.String()) })
	l.must(t, "GRANT ALL PRIVILEGES ON *.* TO "+name.String()+" WITH GRANT OPTION")
	l.must(t, "GRANT PROXY ON ''@'' TO "+name.String()+" WITH GRANT OPTION")
	l.admins[mightyAdmin] = l.document(name.User, password, nil)
	return l
}

// must executes a statement that a test needs.
func (l *inProcess) must(t testing.TB, text string) {
	t.Helper()
	if _, err := l.root.ExecContext(context.WithoutCancel(t.Context()), text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func (l *inProcess) document(user, password string, more map[string]any) string {
	engine := "mariadb"
	if l.on.Flavor == dbserver.MySQL {
		engine = "mysql"
	}
	content := map[string]any{"engine": engine, "host": l.on.Host, "port": l.on.Port, "username": user, "password": password, "ssl": true}
	maps.Copy(content, more)
	text, err := json.Marshal(content)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// pair is a secret of a lab, and the two users of it.
type pair struct {
	*inProcess
	user    string
	secrets *memory
	mode    account.Mode
	policy  rotation.SessionPolicy
	said    func(string) // is told what the function did
	warned  map[string]string
	turns   int
	after   func(statement string)      // where set, is told of each statement that was sent
	stop    func(statement string) bool // with after: the statements that are not sent, and end the rotation
}

func (l *inProcess) newPair(user, password, admin string, said func(string)) *pair {
	p := &pair{inProcess: l, user: user, mode: account.Merge, said: said, warned: map[string]string{}}
	p.secrets = &memory{
		documents: map[string]string{"first": l.document(user, password, map[string]any{"masterarn": admin})},
		stages:    map[string][]string{"first": {rotation.Current}},
	}
	maps.Copy(p.secrets.documents, l.admins)
	return p
}

// rotate runs the four steps. Where a step fails, rotate called again goes on as
// Secrets Manager does, with the same token.
func (p *pair) rotate(ctx context.Context) error {
	token := fmt.Sprintf("version-%d", p.turns)
	if !slices.Contains(p.secrets.stages[token], rotation.Pending) {
		p.turns++
		token = fmt.Sprintf("version-%d", p.turns)
		p.secrets.stages[token] = []string{rotation.Pending}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var database rotation.Database = p.inProcess.database
	if p.after != nil {
		database = watched{database, p.after, p.stop}
	}
	rotator := rotation.Rotator{
		Secrets: p.secrets, Database: database, Settings: rotation.Settings{Mode: p.mode, PendingUserSessions: p.policy}, Random: rand.Reader, Log: slog.New(p),
	}
	for _, step := range []rotation.Step{rotation.CreateSecret, rotation.SetSecret, rotation.TestSecret, rotation.FinishSecret} {
		if err := rotator.Rotate(ctx, rotation.Event{Step: step, SecretID: "app", Token: token}); err != nil {
			return err
		}
	}
	return nil
}

// Enabled, Handle, WithAttrs and WithGroup make a pair the log of its rotations.
func (p *pair) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (p *pair) Handle(_ context.Context, record slog.Record) error {
	record.Attrs(func(attribute slog.Attr) bool {
		switch attribute.Key {
		case "statement":
			p.said(attribute.Value.String())
		case "type":
			p.warned[attribute.Value.String()] = record.Message
			p.said("warning " + attribute.Value.String() + ": " + record.Message)
		}
		return true
	})
	return nil
}

func (p *pair) WithAttrs([]slog.Attr) slog.Handler { return p }
func (p *pair) WithGroup(string) slog.Handler      { return p }

// drop removes all accounts of both users.
func (p *pair) drop(t tester) {
	for _, row := range columnsOf(t, p.root, "SELECT User, Host FROM mysql.user WHERE User IN (?, ?)", p.user, p.user+"_clone") {
		name := account.Name{User: row["User"], Host: row["Host"]}
		if _, err := p.root.ExecContext(context.WithoutCancel(t.Context()), "DROP USER "+name.String()); err != nil {
			t.Fatalf("dropping %s: %v", name, err)
		}
	}
}
