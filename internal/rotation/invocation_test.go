package rotation_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/rotation"
	"tandem/internal/secret"
	"tandem/internal/statement"
)

// request is an effect that an invocation is about to have. The invocation stands
// still until it is answered.
type request struct {
	text    string // for a person, and what tells a request from another one
	session int    // the invocation's session that it goes through; none for the service
	mutates bool   // whether losing the answer differs from not being heard
	// alone: it neither sees nor changes anything that another invocation could
	// change or see, so that its place among their effects does not matter.
	alone  bool
	closes bool
	moves  [2]string // of a move of AWSCURRENT, to and from
	lags   string    // the version that it reads, which may not be visible yet
	user   string    // of a login
	// changes are the users whose accounts a statement changes.
	changes []string
	do      func(u *modelState, actor int) answer
}

const noSession = -1

// answer is what an effect answers. Its text tells it from other answers to the
// same request.
type answer struct {
	value any
	err   error
	text  string
}

// failed answers with an error. It has a type, as those of the rooms behind the
// interfaces have, but where the step alone knows it.
func failed(err error) answer {
	if !errors.Is(err, rotation.ErrLoginRefused) && !errors.Is(err, rotation.ErrVersionNotFound) && !errors.Is(err, rotation.ErrVersionExists) {
		err = failure.MarkUntyped(failure.StatementRefused, err)
	}
	return answer{err: err, text: "error: " + err.Error()}
}

// invocation is the product's own code, on a goroutine of its own that stands
// still at each effect until somebody answers.
type invocation struct {
	requests chan request
	answers  chan answer
	done     chan error
	quit     chan struct{}
	exiting  bool // on its own goroutine: its deferred calls go nowhere
	sessions int
	dialect  *dialect
	single   bool // one user is rotated
	token    string
	stood    time.Time // since when it stands at its effect
}

// wrapping replaces what an invocation stands on: a planted bug does.
type wrapping func(token string, step rotation.Step, secrets rotation.Secrets, database rotation.Database) (rotation.Secrets, rotation.Database)

func invoke(s scenario, token string, step rotation.Step, wrap wrapping) *invocation {
	v := &invocation{requests: make(chan request), answers: make(chan answer), done: make(chan error, 1), quit: make(chan struct{}), dialect: s.dialect, single: s.single(), token: token}
	var secrets rotation.Secrets = askedSecrets{v}
	var database rotation.Database = askedDatabase{v}
	if wrap != nil {
		secrets, database = wrap(token, step, secrets, database)
	}
	rotator := rotation.Rotator{
		Secrets: secrets, Database: database, Settings: s.settings(),
		Random: rand.Reader, Log: slog.New(slog.DiscardHandler), Concurrently: inOrder,
	}
	if s.reversed {
		rotator.Concurrently = inReverse
	}
	go func() {
		v.done <- rotator.Rotate(context.Background(), rotation.Event{Step: step, SecretID: secretID, Token: token})
	}()
	return v
}

// Of what a step does side by side, each task has one effect that anybody could
// see, as long as nothing fails: so the orders of the tasks are all that can happen.
// Of these there are two here.
func inOrder(tasks ...func()) {
	for _, task := range tasks {
		task()
	}
}

func inReverse(tasks ...func()) {
	for _, task := range slices.Backward(tasks) {
		task()
	}
}

// next waits for the next effect, or for the end.
func (v *invocation) next() (r request, ended bool, err error) {
	select {
	case r := <-v.requests:
		v.stood = time.Now()
		return r, false, nil
	case err := <-v.done:
		if failure.Of(err) == failure.Unexpected {
			panic("an error without a type: " + err.Error())
		}
		return request{}, true, err
	}
}

// kill ends the invocation at the effect that it stands at.
func (v *invocation) kill() { close(v.quit) }

func (v *invocation) ask(r request) answer {
	if v.exiting {
		return failed(errors.New("killed"))
	}
	select {
	case v.requests <- r:
		select {
		case a := <-v.answers:
			return a
		case <-v.quit:
		}
	case <-v.quit:
	}
	v.exiting = true
	runtime.Goexit()
	panic("not reached")
}

type askedSecrets struct{ *invocation }

func (v askedSecrets) Describe(context.Context, string) (rotation.Labels, error) {
	a := v.ask(request{text: "describe", session: noSession, do: func(u *modelState, _ int) answer {
		return answer{value: u.labels(), text: u.current + "," + u.previous + "," + u.pending}
	}})
	labels, _ := a.value.(rotation.Labels)
	return labels, a.err
}

func (v askedSecrets) Current(_ context.Context, id string) (rotation.Version, error) {
	r := request{text: "read AWSCURRENT", session: noSession, do: func(u *modelState, _ int) answer {
		version := rotation.Version{ID: u.current, Document: redact.New(u.values[u.current]), Created: u.createdIfAsked(u.current)}
		return answer{value: version, text: u.current + u.values[u.current] + u.age(u.current)}
	}}
	if id == adminID {
		content := document("admin", "admin's password", nil)
		r = request{text: "read the admin's secret", session: noSession, alone: true, do: func(*modelState, int) answer {
			return answer{value: rotation.Version{ID: "admin", Document: redact.New(content)}}
		}}
	}
	a := v.ask(r)
	version, _ := a.value.(rotation.Version)
	return version, a.err
}

func (v askedSecrets) Version(_ context.Context, _, id string) (rotation.Version, error) {
	a := v.ask(request{text: "read version " + id, session: noSession, lags: id, do: func(u *modelState, _ int) answer {
		value, ok := u.values[id]
		if !ok {
			return failed(rotation.ErrVersionNotFound)
		}
		stages := u.labels().Stages[id]
		return answer{value: rotation.Version{ID: id, Document: redact.New(value), Stages: stages, Created: u.createdIfAsked(id)}, text: value + fmt.Sprint(stages) + u.age(id)}
	}})
	version, _ := a.value.(rotation.Version)
	return version, a.err
}

func (v askedSecrets) PutPending(_ context.Context, p rotation.PendingVersion) error {
	return v.ask(request{text: "put version " + p.VersionID, session: noSession, mutates: true, do: func(u *modelState, _ int) answer {
		if err := u.put(p.VersionID, p.Document.Reveal()); err != nil {
			return failed(err)
		}
		return answer{}
	}}).err
}

func (v askedSecrets) MoveCurrent(_ context.Context, _, to, from string) error {
	return v.ask(request{text: "move AWSCURRENT from " + from + " to " + to, session: noSession, mutates: true, moves: [2]string{to, from}, do: func(u *modelState, _ int) answer {
		if err := u.move(to, from); err != nil {
			return failed(err)
		}
		return answer{}
	}}).err
}

func (v askedSecrets) DropPending(_ context.Context, _, id string) error {
	return v.ask(request{text: "take AWSPENDING off " + id, session: noSession, mutates: true, do: func(u *modelState, _ int) answer {
		if err := u.drop(id); err != nil {
			return failed(err)
		}
		return answer{}
	}}).err
}

// createdIfAsked is when a version got its value, where a step may go by that.
func (u *modelState) createdIfAsked(id string) time.Time {
	if u.keepsTwo() {
		return time.Time{}
	}
	return u.created(id)
}

// age tells answers apart by it.
func (u *modelState) age(id string) string {
	if u.keepsTwo() {
		return ""
	}
	return fmt.Sprint(u.created(id).Unix())
}

// RandomPassword is another one for every actor, and the same in every execution. One user
// is never given the same twice, by two tokens.
func (v askedSecrets) RandomPassword(context.Context, string) (redact.Secret, error) {
	a := v.ask(request{text: "random password", session: noSession, alone: true, do: func(_ *modelState, actor int) answer {
		text := fmt.Sprintf("password of actor %d", actor+1)
		if v.single {
			text += " for " + v.token
		}
		return answer{value: redact.New(text), text: text}
	}})
	password, _ := a.value.(redact.Secret)
	return password, a.err
}

type askedDatabase struct{ *invocation }

func (v askedDatabase) Connect(_ context.Context, login rotation.Login) (rotation.Session, error) {
	name := account.Name{User: login.Username, Host: "%"}
	number := v.sessions
	v.sessions++
	a := v.ask(request{
		text: "connect " + login.Username + v.whose(login), session: noSession, user: login.Username, alone: login.Username == "admin",
		do: func(u *modelState, _ int) answer {
			if login.Username == "admin" {
				return answer{}
			}
			if found := u.account(name); found == nil || !found.letsIn(login.Password.Reveal()) {
				return failed(loginRefused{fmt.Errorf("access denied for %q", login.Username)})
			}
			return answer{}
		},
	})
	if a.err != nil {
		return nil, a.err
	}
	return &askedSession{v.invocation, number, rotation.Facts{Server: v.dialect.server, Identity: "server", Account: name, From: "client.example", MaxPacket: maxPacket}}, nil
}

// whose tells a single user's logins apart.
func (v askedDatabase) whose(login rotation.Login) string {
	if !v.single || login.Username == "admin" {
		return ""
	}
	return fmt.Sprintf(" with %q", login.Password.Reveal())
}

// loginRefused is a server's answer to a wrong password.
type loginRefused struct{ error }

func (loginRefused) Is(target error) bool { return target == rotation.ErrLoginRefused }

type askedSession struct {
	*invocation
	number int
	facts  rotation.Facts
}

var errSessionLost = errors.New("the session is lost")

// through asks through the session.
func (s *askedSession) through(r request) answer {
	r.session = s.number
	r.text += " (session " + fmt.Sprint(s.number) + ")"
	do := r.do
	r.do = func(u *modelState, actor int) answer {
		if u.gone[actor]&(1<<s.number) != 0 {
			return failed(errSessionLost)
		}
		return do(u, actor)
	}
	return s.ask(r)
}

func (s *askedSession) Facts() rotation.Facts { return s.facts }

func (s *askedSession) Lock(_ context.Context, name string, _ time.Duration, _ ...string) error {
	return s.through(request{text: "lock", mutates: true, do: func(u *modelState, actor int) answer {
		if err := u.lock(actor, s.number, name); err != nil {
			return failed(err)
		}
		return answer{}
	}}).err
}

// justNow is when every password was set, so that the steps look at what they skip
// where it is older.
var justNow = time.Now().Add(1000 * time.Hour)

// parsed remembers what accounts were read as.
var parsed sync.Map // of accountsKey to []account.Account

// Users is denied to the secret's own user on MySQL, as it is to one who may not read
// mysql.user.
func (s *askedSession) Users(_ context.Context, names ...string) ([]account.User, error) {
	if s.facts.Account.User != "admin" && s.facts.Server.Flavor == account.MySQL {
		return nil, s.through(request{text: "read the accounts", alone: true, do: func(*modelState, int) answer { return failed(denied{errors.New("error 1142")}) }}).err
	}
	a := s.through(request{text: "read the accounts", do: func(u *modelState, _ int) answer {
		key := u.String() + accountsKey(u.accounts)
		read, ok := parsed.Load(key)
		if !ok {
			var accounts []account.Account
			for _, a := range u.accounts {
				one, err := account.Parse(s.facts.Server, a.name, u.rows(a))
				if err != nil {
					panic(err)
				}
				one.PasswordChanged = justNow
				if a.second != "" && u.server.Flavor == account.MySQL {
					one.SecondPassword = redact.New(a.second)
				}
				accounts = append(accounts, one)
			}
			read, _ = parsed.LoadOrStore(key, accounts)
		}
		users := make([]account.User, len(names))
		for i, name := range names {
			users[i].Name = name
			for _, a := range read.([]account.Account) {
				if a.Name.User == name {
					users[i].Accounts = append(users[i].Accounts, a)
				}
			}
		}
		return answer{value: users, text: key}
	}})
	users, _ := a.value.([]account.User)
	return users, a.err
}

func (s *askedSession) Dependents(_ context.Context, name account.Name) ([]string, error) {
	return nil, s.through(request{text: "dependents of " + name.String(), alone: true, do: nothing}).err
}

func (s *askedSession) GrantedTo(_ context.Context, user string) ([]account.Name, error) {
	return nil, s.through(request{text: "to whom " + user + " is granted", alone: true, do: nothing}).err
}

func (s *askedSession) Roles(context.Context, []account.Name) (account.RoleFacts, error) {
	return account.RoleFacts{}, s.through(request{text: "roles", alone: true, do: nothing}).err
}

func (s *askedSession) RoleGrants(context.Context, []account.Name) (account.RoleGrants, error) {
	return account.RoleGrants{}, s.through(request{text: "grants of roles", alone: true, do: nothing}).err
}

// PluginsNeedingPlaintext is answered by what Lock has read.
func (s *askedSession) PluginsNeedingPlaintext(context.Context) ([]string, error) { return nil, nil }

func (s *askedSession) Exists(_ context.Context, object account.Object, _ string) (bool, error) {
	return true, s.through(request{text: "whether " + object.Name + " exists", alone: true, do: nothing}).err
}

func nothing(*modelState, int) answer { return answer{} }

func (s *askedSession) OwnGrants(context.Context) (account.OwnGrants, error) {
	if !s.dialect.keepsTwo() { // it is asked whether it may change passwords
		a := s.through(request{text: "own grants", alone: true, do: nothing})
		return account.OwnGrants{Name: s.facts.Account, Rows: []redact.Secret{redact.New("GRANT ALL PRIVILEGES ON *.* TO `" + s.facts.Account.User + "`@`%`")}}, a.err
	}
	a := s.through(request{text: "own grants of " + s.facts.Account.User, do: func(u *modelState, _ int) answer {
		found := u.account(s.facts.Account)
		if found == nil {
			return failed(errNoSuchAccount)
		}
		return answer{
			value: account.OwnGrants{Name: found.name, Rows: u.rows(*found).Grants},
			text:  found.verifier + found.second + strings.Join(found.privileges, ","),
		}
	}})
	grants, _ := a.value.(account.OwnGrants)
	return grants, a.err
}

func (s *askedSession) Use(_ context.Context, database string) error {
	return s.through(request{text: "use " + database, alone: true, do: nothing}).err
}

// Apply is an effect for each statement, since a death can come between any two. The
// code learns of the last one alone.
func (s *askedSession) Apply(_ context.Context, sent ...statement.Statement) error {
	for _, one := range sent {
		change := s.dialect.interpret(one.Reveal())
		err := s.through(request{text: one.String(), mutates: true, changes: slices.Clone(change.users), do: func(u *modelState, _ int) answer {
			if err := change.apply(u); err != nil {
				return failed(refusal{err})
			}
			return answer{}
		}}).err
		var refused refusal
		if errors.As(err, &refused) && len(sent) > 1 {
			return fmt.Errorf("%w: %w", err, rotation.ErrOneOfSeveral)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// OwnAccount reads that of the user.
func (s *askedSession) OwnAccount(context.Context) (account.Account, error) {
	a := s.through(request{text: "read its own account", do: func(u *modelState, _ int) answer {
		found := u.account(s.facts.Account)
		if found == nil {
			return failed(errNoSuchAccount)
		}
		read, err := account.Parse(s.facts.Server, found.name, u.rows(*found))
		if err != nil {
			panic(err)
		}
		return answer{value: read, text: accountsKey([]worldAccount{*found})}
	}})
	own, _ := a.value.(account.Account)
	return own, a.err
}

// denied is a server's answer to somebody who may not do a thing.
type denied struct{ error }

func (denied) Denied() bool { return true }

// refusal is a server's answer, and not the want of one.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// ServerNumber implements failure.Numbered.
func (refusal) ServerNumber() uint16 { return 1396 }

// Close ends the session. A session that holds no lock ends unseen.
func (s *askedSession) Close() error {
	s.ask(request{text: fmt.Sprintf("close (session %d)", s.number), session: s.number, closes: true, do: func(u *modelState, actor int) answer {
		u.endSession(actor, s.number, false)
		u.gone[actor] &^= 1 << s.number // nothing goes through it any more
		return answer{}
	}})
	return nil
}

// documents remembers whose credentials a document of this world has.
var documents sync.Map

func credentials(content string) (user, password string) {
	if known, ok := documents.Load(content); ok {
		pair := known.([2]string)
		return pair[0], pair[1]
	}
	read, err := secret.Parse(redact.New(content))
	if err != nil {
		panic(err)
	}
	pair := [2]string{read.Username(), read.Password().Reveal()}
	documents.Store(content, pair)
	return pair[0], pair[1]
}
