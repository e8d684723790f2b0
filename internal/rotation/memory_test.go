package rotation_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"tandem/internal/account"
	"tandem/internal/redact"
	"tandem/internal/rotation"
	"tandem/internal/statement"
)

const (
	secretID = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:app-abcdef"
	adminID  = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:admin-abcdef"
	oldToken = "00000000-0000-0000-0000-00000000000a"
	token    = "00000000-0000-0000-0000-00000000000b"
	newToken = "00000000-0000-0000-0000-00000000000c"
)

// memory is Secrets Manager and a server in memory: enough to see in which order
// the steps do things, and to change things between two of them.
type memory struct {
	t      *testing.T
	labels map[string][]string
	values map[string]string // by version ID
	admin  string
	// enabled is RotationEnabled.
	enabled *bool
	// accounts are the user's, as SHOW CREATE USER and SHOW GRANTS print them.
	accounts map[account.Name]account.Rows

	// trace is what was done, in order.
	trace []string
	// before, where set, runs before each thing that is traced; an error is what
	// the thing answers.
	before func(what string) error
	// identity is the server's, by user; "server" where not set.
	identity map[string]string
	locked   bool                 // by somebody else
	readOnly bool                 // the server
	changed  map[string]time.Time // when passwords were set, by user
	gone     []string             // columns, as table.column
	// tags are the admin secret's.
	tags map[string]string
	// instances and clusters are RDS's, by region and identifier or by ARN.
	instances map[rotation.ServerName]rotation.Instance
	clusters  map[rotation.ServerName]rotation.Cluster
	// matched, where set, is the account that every login is taken for.
	matched account.Name
	// sessions, where set, tells who is logged in as a user at a server, which is "" at db.example.
	sessions func(at, user string) rotation.UserSessions
	// refuse: PENDING_USER_SESSIONS is refuse.
	refuse bool
	// refuses, where set, tells which logins are refused.
	refuses func(rotation.Login) bool
	// release is the server's version.
	release string
	// anonymous, where set, is the account without a name that the user's logins are taken for.
	anonymous account.Name
	unseen    error // why that could not be read
	// single, where set, are the settings of a single user's rotation.
	single *rotation.Settings
	// keepConnectionStrings is the setting.
	keepConnectionStrings bool
	// passwords are those that are made next; "random password" afterwards.
	passwords []string
	// allowed are the characters that a password may have; empty for AWS's set.
	allowed string
	// ofAnyKind: a password need not have a character of each kind.
	ofAnyKind bool
	log       bytes.Buffer
}

// newMemory is a secret whose first rotation has begun.
func newMemory(t *testing.T) *memory {
	w := &memory{
		t:      t,
		labels: map[string][]string{oldToken: {"AWSCURRENT"}, token: {"AWSPENDING"}},
		values: map[string]string{oldToken: document("app", "old password", nil)},
		admin:  document("admin", "admin's password", nil),
		accounts: map[account.Name]account.Rows{
			{User: "app", Host: "%"}: rows("app", "ALTER"),
		},
	}
	return w
}

func document(user, password string, more map[string]any) string {
	content := map[string]any{"engine": "mariadb", "host": "db.example", "username": user, "password": password, "masterarn": adminID}
	for key, value := range more {
		content[key] = value
		if value == nil {
			delete(content, key)
		}
	}
	text, err := json.Marshal(content)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// rows are those of an account that has one privilege on a database.
func rows(user, privilege string) account.Rows {
	const verifier = "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"
	return account.Rows{
		CreateUser: []redact.Secret{redact.New("CREATE USER `" + user + "`@`%` IDENTIFIED BY PASSWORD '" + verifier + "'")},
		Grants: []redact.Secret{
			redact.New("GRANT USAGE ON *.* TO `" + user + "`@`%` IDENTIFIED BY PASSWORD '" + verifier + "'"),
			redact.New("GRANT " + privilege + " ON `db`.* TO `" + user + "`@`%`"),
		},
	}
}

// step performs a step of the token.
func (w *memory) step(name rotation.Step) error { return w.stepOf(name, token) }

func (w *memory) rotator() *rotation.Rotator {
	settings := rotation.Settings{Mode: account.Merge, PasswordCharacters: w.passwordCharacters(), PasswordOfEachKind: !w.ofAnyKind, KeepConnectionStrings: w.keepConnectionStrings, PendingUserSessions: rotation.WarnOfSessions}
	if w.refuse {
		settings.PendingUserSessions = rotation.RefuseSessions
	}
	if w.single != nil {
		settings = *w.single
	}
	return &rotation.Rotator{
		Secrets: fakeSecrets{w}, Database: fakeDatabase{w}, RDS: fakeRDS{w}, Settings: settings,
		Random: rand.Reader, Log: slog.New(slog.NewJSONHandler(&w.log, nil)), Concurrently: inOrder,
		Function: rotation.Function{Name: "tandem", Version: "0", ARN: "arn:aws:lambda:eu-west-1:123456789012:function:tandem"},
	}
}

// passwordCharacters is the setting.
func (w *memory) passwordCharacters() string {
	if w.allowed != "" {
		return w.allowed
	}
	return "abcXYZ019!#$%&()*+,-.;<=>?[]^_`{|}~"
}

func (w *memory) stepOf(name rotation.Step, token string) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	return w.rotator().Rotate(ctx, rotation.Event{Step: name, SecretID: secretID, Token: token})
}

func (w *memory) do(format string, arguments ...any) error {
	what := fmt.Sprintf(format, arguments...)
	if w.before != nil {
		if err := w.before(what); err != nil {
			return err
		}
	}
	w.trace = append(w.trace, what)
	return nil
}

// done reports whether something was done, by its beginning.
func (w *memory) position(what string) int {
	return slices.IndexFunc(w.trace, func(done string) bool { return len(done) >= len(what) && done[:len(what)] == what })
}

type fakeSecrets struct{ *memory }

func (w fakeSecrets) Describe(_ context.Context, id string) (rotation.Labels, error) {
	if id == adminID {
		return rotation.Labels{Stages: map[string][]string{"admin": {"AWSCURRENT"}}, Tags: w.tags}, w.do("describe admin")
	}
	if err := w.do("describe"); err != nil {
		return rotation.Labels{}, err
	}
	stages := map[string][]string{}
	for id, labels := range w.labels {
		stages[id] = slices.Clone(labels)
	}
	return rotation.Labels{Stages: stages, RotationEnabled: w.enabled}, nil
}

func (w fakeSecrets) Current(_ context.Context, id string) (rotation.Version, error) {
	if id == adminID {
		return rotation.Version{ID: "admin", Document: redact.New(w.admin)}, w.do("read admin")
	}
	if err := w.do("read current"); err != nil {
		return rotation.Version{}, err
	}
	carrier := (rotation.Labels{Stages: w.labels}).VersionWith("AWSCURRENT")
	return rotation.Version{ID: carrier, Document: redact.New(w.values[carrier])}, nil
}

func (w fakeSecrets) Version(_ context.Context, _, id string) (rotation.Version, error) {
	if err := w.do("read %s", id); err != nil {
		return rotation.Version{}, err
	}
	value, ok := w.values[id]
	if !ok {
		return rotation.Version{}, rotation.ErrVersionNotFound
	}
	return rotation.Version{ID: id, Document: redact.New(value)}, nil
}

func (w fakeSecrets) PutPending(_ context.Context, p rotation.PendingVersion) error {
	if err := w.do("put %s", p.VersionID); err != nil {
		return err
	}
	if value, ok := w.values[p.VersionID]; ok && value != p.Document.Reveal() {
		return rotation.ErrVersionExists
	}
	w.values[p.VersionID] = p.Document.Reveal()
	return nil
}

func (w fakeSecrets) MoveCurrent(_ context.Context, _, to, from string) error {
	if err := w.do("move"); err != nil {
		return err
	}
	if !slices.Contains(w.labels[from], "AWSCURRENT") {
		return errors.New("RemoveFromVersionId doesn't match")
	}
	w.labels[from] = []string{"AWSPREVIOUS"}
	w.labels[to] = append(w.labels[to], "AWSCURRENT")
	return nil
}

func (w fakeSecrets) DropPending(_ context.Context, _, id string) error {
	if err := w.do("take AWSPENDING off %s", id); err != nil {
		return err
	}
	if !slices.Contains(w.labels[id], "AWSPENDING") {
		return errors.New("RemoveFromVersionId doesn't match")
	}
	w.labels[id] = slices.DeleteFunc(w.labels[id], func(label string) bool { return label == "AWSPENDING" })
	return nil
}

func (w fakeSecrets) RandomPassword(_ context.Context, without string) (redact.Secret, error) {
	if without != "" {
		without = " without " + without
	}
	err := w.do("random%s", without)
	if len(w.passwords) > 0 {
		password := w.passwords[0]
		w.passwords = w.passwords[1:]
		return redact.New(password), err
	}
	return redact.New("random password"), err
}

type fakeDatabase struct{ *memory }

func (w fakeDatabase) Connect(_ context.Context, login rotation.Login) (rotation.Session, error) {
	at := ""
	if login.Host != "db.example" {
		at = " at " + login.Host
	}
	if err := w.do("connect %s%s", login.Username, at); err != nil {
		return nil, err
	}
	if w.refuses != nil && w.refuses(login) {
		return nil, loginRefused{errors.New("access denied")}
	}
	identity := w.identity[login.Username]
	if identity == "" {
		identity = w.identity[login.Host]
	}
	if identity == "" {
		identity = "server"
	}
	matched := w.matched
	if matched == (account.Name{}) {
		matched = account.Name{User: login.Username, Host: "%"}
	}
	release := w.release
	if release == "" {
		release = "10.11.8-MariaDB"
	}
	server, err := account.ParseServer(release, "")
	return &fakeSession{w.memory, at, rotation.Facts{
		Server: server, Identity: identity, Account: matched, From: "localhost", MaxPacket: maxPacket, ReadOnly: w.readOnly,
	}}, err
}

// maxPacket is max_allowed_packet as MySQL has it by default.
const maxPacket = 64 << 20

type fakeSession struct {
	*memory
	at    string
	facts rotation.Facts
}

func (s *fakeSession) Facts() rotation.Facts { return s.facts }

func (s *fakeSession) Lock(context.Context, string, time.Duration, ...string) error {
	if s.locked {
		return rotation.ErrLockTaken
	}
	return s.do("lock%s", s.at)
}

func (s *fakeSession) Users(_ context.Context, names ...string) ([]account.User, error) {
	if err := s.do("users"); err != nil {
		return nil, err
	}
	users := make([]account.User, len(names))
	for i, name := range names {
		users[i].Name = name
		for accountName, rows := range s.accounts {
			if accountName.User != name {
				continue
			}
			read, err := account.Parse(s.facts.Server, accountName, rows)
			if err != nil {
				return nil, err
			}
			read.PasswordChanged = s.changed[name]
			users[i].Accounts = append(users[i].Accounts, read)
		}
	}
	return users, nil
}

func (s *fakeSession) Dependents(context.Context, account.Name) ([]string, error) { return nil, nil }

func (s *fakeSession) GrantedTo(context.Context, string) ([]account.Name, error) { return nil, nil }
func (s *fakeSession) Roles(context.Context, []account.Name) (account.RoleFacts, error) {
	return account.RoleFacts{}, nil
}

func (s *fakeSession) RoleGrants(context.Context, []account.Name) (account.RoleGrants, error) {
	return account.RoleGrants{}, s.do("grants of roles")
}

func (s *fakeSession) PluginsNeedingPlaintext(context.Context) ([]string, error) { return nil, nil }

func (s *fakeSession) OwnAccount(context.Context) (account.Account, error) {
	return account.Parse(s.facts.Server, s.facts.Account, s.accounts[s.facts.Account])
}

func (s *fakeSession) OwnGrants(context.Context) (account.OwnGrants, error) {
	return account.OwnGrants{Name: s.facts.Account, Rows: s.accounts[s.facts.Account].Grants}, s.do("grants of %s", s.facts.Account.User)
}

func (s *fakeSession) Anonymous(context.Context, string) (account.Name, bool, error) {
	return s.anonymous, s.anonymous != account.Name{}, s.unseen
}

func (s *fakeSession) Exists(_ context.Context, object account.Object, column string) (bool, error) {
	return !slices.Contains(s.gone, object.Name+"."+column), nil
}

func (s *fakeSession) Use(_ context.Context, database string) error { return s.do("use %s", database) }

// Apply makes the clone with its grant, once it is created: the one plan that
// these tests follow.
func (s *fakeSession) Apply(_ context.Context, sent ...statement.Statement) error {
	for _, one := range sent {
		if err := s.do("apply %s", one); err != nil {
			return err
		}
	}
	clone := account.Name{User: "app_clone", Host: "%"}
	s.accounts[clone] = rows("app_clone", "ALTER")
	return nil
}

func (s *fakeSession) UserSessions(_ context.Context, user string) rotation.UserSessions {
	if s.sessions == nil {
		return rotation.UserSessions{Known: true}
	}
	if err := s.do("sessions of %s%s", user, s.at); err != nil {
		return rotation.UserSessions{Unknown: err}
	}
	return s.sessions(strings.TrimPrefix(s.at, " at "), user)
}

func (s *fakeSession) Close() error { return nil }
