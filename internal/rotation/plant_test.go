package rotation_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/rotation"
	"tandem/internal/secret"
	"tandem/internal/statement"
)

// The defects that setSecret's and finishSecret's order is there to prevent, each
// planted between the steps' code and the world, and found.
func TestPlantedDefectsAreFound(t *testing.T) {
	for _, test := range []struct {
		name    string
		plant   wrapping
		promise string
		edits   bool
	}{
		{"setSecret reads the labels before the lock", in(rotation.SetSecret, staleLabels), "promise 3", false},
		{"finishSecret reads the labels before the lock", in(rotation.FinishSecret, staleLabels), "promise", false},
		{"setSecret takes no lock", in(rotation.SetSecret, sessions(func(s rotation.Session, _ string) rotation.Session { return unlocked{s} })), "promise", false},
		{"finishSecret takes no lock", in(rotation.FinishSecret, sessions(func(s rotation.Session, _ string) rotation.Session { return unlocked{s} })), "promise", false},
		{"the password is set before the grants", in(rotation.SetSecret, hasty), "half made", false},
		{"the account is created open", in(rotation.SetSecret, sessions(func(s rotation.Session, _ string) rotation.Session { return createsOpen{s} })), "half made", false},
		{"the current credentials are not proven", in(rotation.SetSecret, unproven), "promise 6", false},
		{"finishSecret does not look at the document", in(rotation.FinishSecret, unread), "promise 7", true},
		{"finishSecret looks at the document before the lock, and moves the label from wherever it is", in(rotation.FinishSecret, lookedBefore), "promise 7", true},
		{"finishSecret moves the label from another version than it has compared", in(rotation.FinishSecret, movedFromWherever), "promise 7", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			explored := scenarios(account.Merge, mariaDB, 1, "A", "B")
			for i := range explored {
				if test.edits {
					explored[i] = explored[i].edited()
				}
			}
			mustFind(t, explored, test.plant, test.promise)
		})
	}
}

// The defects of a single user's rotation.
func TestPlantedDefectsOfASingleUserAreFound(t *testing.T) {
	for _, test := range []struct {
		name    string
		on      *dialect
		plant   wrapping
		promise string
	}{
		{"the password is always retained that is replaced", mySQL, in(rotation.SetSecret, rewritten(always)), "promise 1"},
		{"it is never retained", mySQL, in(rotation.SetSecret, rewritten(never)), "promise 1"},
		{"the first password alone is set", mariaDB, in(rotation.SetSecret, rewritten(never)), "promise 1"},
		{"setSecret takes no lock", mySQL, in(rotation.SetSecret, sessions(func(s rotation.Session, _ string) rotation.Session { return unlocked{s} })), "promise 1"},
		{"setSecret reads the labels before the lock", mySQL, in(rotation.SetSecret, staleLabels), "promise 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			mustFind(t, scenarios(singleUser, test.on, 1, "A", "B"), test.plant, test.promise)
		})
	}
}

// The defects of a rotation that goes on from the admin's word.
func TestPlantedDefectsOfARepairAreFound(t *testing.T) {
	for _, test := range []struct {
		name    string
		mode    account.Mode
		plant   wrapping
		promise string
	}{
		{"it goes on though the server keeps the current password", repaired, in(rotation.SetSecret, sessions(func(s rotation.Session, _ string) rotation.Session { return strangers{s} })), "promise 6"},
		{"it goes on without permission", changedByHand, in(rotation.SetSecret, unproven), "promise 6"},
		{"the password that was set by hand is kept", repaired, in(rotation.SetSecret, rewritten(always)), "promise 9"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			mustFind(t, scenarios(test.mode, mySQL, 1, "A", "B"), test.plant, test.promise)
		})
	}
}

// strangers has each locked account read as an open one, with a password that is nobody's.
type strangers struct{ rotation.Session }

func (s strangers) Users(ctx context.Context, names ...string) ([]account.User, error) {
	users, err := s.Session.Users(ctx, names...)
	users = slices.Clone(users)
	for i := range users {
		users[i].Accounts = slices.Clone(users[i].Accounts)
		for n := range users[i].Accounts {
			a := &users[i].Accounts[n]
			if !a.Attributes.Locked {
				continue
			}
			a.Factors = []account.Factor{{Plugin: "mysql_native_password", Verifier: redact.New(nativeVerifier("a stranger's"))}}
			a.SecondPassword, a.Attributes.Locked = redact.Secret{}, false
		}
	}
	return users, err
}

// The defects of a rotation where the server keeps one password.
func TestPlantedDefectsOfOnePasswordAreFound(t *testing.T) {
	same := func(s scenario) scenario { return s }
	for _, test := range []struct {
		name    string
		begins  func(scenario) scenario
		plant   wrapping
		promise string
	}{
		{"the password is taken back when the move is in doubt", same, in(rotation.FinishSecret, moveErrors(func(error) error { return notMoved{errors.New("refused")} })), "promise 1"},
		{"it is not taken back when the move is refused", same, in(rotation.FinishSecret, moveErrors(func(error) error { return errors.New("in doubt") })), "promise 1"},
		{"it is taken back whatever is under AWSCURRENT by then", scenario.replacing, in(rotation.FinishSecret, currentAsBefore), "promise 9"},
		{"a rotation is given up that has set it", scenario.edited, in(rotation.CreateSecret, unproven), "promise 1"},
		{"finishSecret takes no lock", same, in(rotation.FinishSecret, sessions(func(s rotation.Session, _ string) rotation.Session { return unlocked{s} })), "promise 1"},
	} {
		for _, on := range []*dialect{mySQLBefore, ed25519} {
			t.Run(test.name+" "+on.String(), func(t *testing.T) {
				t.Parallel()
				var explored []scenario
				for _, s := range append(scenarios(singleUser, on, 2, "A"), scenarios(singleUser, on, 1, "A", "A")...) {
					explored = append(explored, test.begins(s))
				}
				mustFind(t, explored, test.plant, test.promise)
			})
		}
	}
}

// moveErrors answers a move that has failed with another error.
func moveErrors(by func(error) error) wrapping {
	return func(_ string, _ rotation.Step, secrets rotation.Secrets, database rotation.Database) (rotation.Secrets, rotation.Database) {
		return mistaken{secrets, by}, database
	}
}

type mistaken struct {
	rotation.Secrets
	by func(error) error
}

func (m mistaken) MoveCurrent(ctx context.Context, secretID, to, from string) error {
	err := m.Secrets.MoveCurrent(ctx, secretID, to, from)
	if err != nil {
		err = failure.Mark(failure.SecretsManagerFailed, m.by(err))
	}
	return err
}

// currentAsBefore answers for AWSCURRENT what it was when the step first asked.
func currentAsBefore(_ string, _ rotation.Step, secrets rotation.Secrets, database rotation.Database) (rotation.Secrets, rotation.Database) {
	return &remembering{Secrets: secrets}, database
}

type remembering struct {
	rotation.Secrets
	version rotation.Version
}

func (r *remembering) Current(ctx context.Context, secretID string) (rotation.Version, error) {
	if secretID == adminID || r.version.ID == "" {
		version, err := r.Secrets.Current(ctx, secretID)
		if secretID != adminID {
			r.version = version
		}
		return version, err
	}
	return r.version, nil
}

// mustFind explores until a promise is broken.
func mustFind(t *testing.T, explored []scenario, plant wrapping, promise string) {
	synctest.Test(t, func(t *testing.T) {
		var found *violation
		for _, s := range explored {
			if found = newExploration(s, 1, plant).run(); found != nil {
				break
			}
		}
		if found == nil || !strings.Contains(found.promise.Error(), promise) {
			t.Fatalf("found %v, want a broken %s", found, promise)
		}
		t.Log(found)
		// What was found is a schedule that anybody can follow, and that the code
		// without the defect does not follow into a broken promise.
		_, broken, misfit := replay(found.schedule, plant)
		if misfit != nil || broken == nil || broken.Error() != found.promise.Error() {
			t.Errorf("followed again: broken %v, misfit %v", broken, misfit)
		}
		if _, broken, _ := replay(found.schedule, nil); broken != nil {
			t.Errorf("without the defect: %v", broken)
		}
	})
}

// rewritten writes each ALTER USER of a single user anew on its way. retains changes
// whether the password that is replaced is retained; on MariaDB there is one factor then.
func rewritten(retains func(bool) bool) wrapping {
	return sessions(func(s rotation.Session, _ string) rotation.Session { return rewriting{s, retains} })
}

type rewriting struct {
	rotation.Session
	retains func(bool) bool
}

func (r rewriting) Apply(ctx context.Context, sent ...statement.Statement) error {
	on := mySQL
	if r.Facts().Server.Flavor == account.MariaDB {
		on = mariaDB
	}
	for i, one := range sent {
		m := alterPattern.FindStringSubmatch(one.Reveal())
		if m == nil || strings.HasSuffix(m[1], "DISCARD OLD PASSWORD") {
			continue
		}
		b := statement.New("ALTER USER ")
		for n, part := range strings.Split(m[1], ", ") {
			p := alteredPatterns[on].FindStringSubmatch(part)
			if n > 0 {
				b.SQL(", ")
			}
			b.Account(p[1], p[2])
			if on == mariaDB {
				b.SQL(" IDENTIFIED VIA ").Identifier("mysql_native_password").SQL(" USING ").Secret(redact.New(p[3]))
				continue
			}
			b.SQL(" IDENTIFIED WITH ").Literal("mysql_native_password").SQL(" BY ").Secret(redact.New(p[3]))
			if r.retains(p[5] != "") {
				b.SQL(" RETAIN CURRENT PASSWORD")
			}
		}
		sent[i] = b.Statement()
	}
	return r.Session.Apply(ctx, sent...)
}

func always(bool) bool { return true }

func never(bool) bool { return false }

// in plants a defect in one step.
func in(where rotation.Step, plant wrapping) wrapping {
	return func(token string, step rotation.Step, secrets rotation.Secrets, database rotation.Database) (rotation.Secrets, rotation.Database) {
		if step != where {
			return secrets, database
		}
		return plant(token, step, secrets, database)
	}
}

// staleLabels answers for the labels what they were when the step began.
func staleLabels(_ string, _ rotation.Step, secrets rotation.Secrets, database rotation.Database) (rotation.Secrets, rotation.Database) {
	return &stale{Secrets: secrets}, database
}

type stale struct {
	rotation.Secrets
	read   bool
	labels rotation.Labels
	err    error
}

func (s *stale) Version(ctx context.Context, secretID, versionID string) (rotation.Version, error) {
	if !s.read {
		s.read = true
		s.labels, s.err = s.Secrets.Describe(ctx, secretID)
	}
	return s.Secrets.Version(ctx, secretID, versionID)
}

func (s *stale) Describe(context.Context, string) (rotation.Labels, error) { return s.labels, s.err }

// unread answers for the current document one that agrees with the pending one,
// whatever it is.
func unread(token string, _ rotation.Step, secrets rotation.Secrets, database rotation.Database) (rotation.Secrets, rotation.Database) {
	return &agreeing{overheard{Secrets: secrets, token: token}}, database
}

type agreeing struct{ overheard }

func (a *agreeing) Current(ctx context.Context, secretID string) (rotation.Version, error) {
	version, err := a.overheard.Current(ctx, secretID)
	if err != nil || secretID == adminID {
		return version, err
	}
	pending, err := secret.Parse(redact.New(a.pending))
	if err != nil {
		return version, err
	}
	agrees, err := pending.WithCredentials(secret.Other(pending.Username()), redact.New("somebody's password"))
	version.Document = agrees.Raw()
	return version, err
}

// lookedBefore answers for the current document the one that there was when the
// step began, and says that it is of the version that has the label by now.
func lookedBefore(_ string, _ rotation.Step, secrets rotation.Secrets, database rotation.Database) (rotation.Secrets, rotation.Database) {
	return &hindsight{Secrets: secrets}, database
}

type hindsight struct {
	rotation.Secrets
	read   bool
	before rotation.Version
	err    error
}

func (h *hindsight) Version(ctx context.Context, secretID, versionID string) (rotation.Version, error) {
	if !h.read {
		h.read = true
		h.before, h.err = h.Secrets.Current(ctx, secretID)
	}
	return h.Secrets.Version(ctx, secretID, versionID)
}

func (h *hindsight) Current(ctx context.Context, secretID string) (rotation.Version, error) {
	if secretID == adminID || !h.read || h.err != nil {
		return h.Secrets.Current(ctx, secretID)
	}
	now, err := h.Secrets.Current(ctx, secretID)
	now.Document = h.before.Document
	return now, err
}

// movedFromWherever asks once more which version has the label, and moves it from
// that one.
func movedFromWherever(_ string, _ rotation.Step, secrets rotation.Secrets, database rotation.Database) (rotation.Secrets, rotation.Database) {
	return moving{secrets}, database
}

type moving struct{ rotation.Secrets }

func (m moving) MoveCurrent(ctx context.Context, secretID, to, _ string) error {
	labels, err := m.Describe(ctx, secretID)
	if err != nil {
		return err
	}
	return m.Secrets.MoveCurrent(ctx, secretID, to, labels.VersionWith(rotation.Current))
}

// sessions plants a defect in every session; it is told the pending document.
func sessions(plant func(s rotation.Session, pending string) rotation.Session) wrapping {
	return func(token string, _ rotation.Step, secrets rotation.Secrets, database rotation.Database) (rotation.Secrets, rotation.Database) {
		seen := &overheard{Secrets: secrets, token: token}
		return seen, planted{database, func(s rotation.Session) rotation.Session { return plant(s, seen.pending) }}
	}
}

type overheard struct {
	rotation.Secrets
	token, pending string
}

func (o *overheard) Version(ctx context.Context, secretID, versionID string) (rotation.Version, error) {
	version, err := o.Secrets.Version(ctx, secretID, versionID)
	if err == nil && versionID == o.token {
		o.pending = version.Document.Reveal()
	}
	return version, err
}

type planted struct {
	rotation.Database
	plant func(rotation.Session) rotation.Session
}

func (p planted) Connect(ctx context.Context, login rotation.Login) (rotation.Session, error) {
	session, err := p.Database.Connect(ctx, login)
	if err != nil {
		return nil, err
	}
	return p.plant(session), nil
}

type unlocked struct{ rotation.Session }

func (unlocked) Lock(context.Context, string, time.Duration, ...string) error { return nil }

// hasty sets the password as soon as there is an account to set it for.
var hasty = sessions(func(s rotation.Session, pending string) rotation.Session { return setsPasswordFirst{s, pending} })

type setsPasswordFirst struct {
	rotation.Session
	pending string
}

func (s setsPasswordFirst) Apply(ctx context.Context, sent ...statement.Statement) error {
	_, password := credentials(s.pending)
	var all []statement.Statement
	for _, one := range sent {
		all = append(all, one)
		if m := createPatterns[mariaDB].FindStringSubmatch(one.Reveal()); m != nil {
			all = append(all, statement.New("ALTER USER ").Account(m[1], m[2]).SQL(" IDENTIFIED VIA ").Identifier("mysql_native_password").
				SQL(" USING ").Secret(redact.New(nativeVerifier(password))).SQL(" ACCOUNT UNLOCK").Statement())
		}
	}
	return s.Session.Apply(ctx, all...)
}

type createsOpen struct{ rotation.Session }

func (s createsOpen) Apply(ctx context.Context, sent ...statement.Statement) error {
	for i, one := range sent {
		if m := createPatterns[mariaDB].FindStringSubmatch(one.Reveal()); m != nil {
			sent[i] = statement.New("CREATE USER ").Account(m[1], m[2]).SQL(" IDENTIFIED VIA ").Identifier("mysql_native_password").
				SQL(" USING ").Secret(redact.New(m[3])).Statement()
		}
	}
	return s.Session.Apply(ctx, sent...)
}

// unproven takes the secret's logins for granted.
func unproven(_ string, _ rotation.Step, secrets rotation.Secrets, database rotation.Database) (rotation.Secrets, rotation.Database) {
	return secrets, credulous{database}
}

type credulous struct{ rotation.Database }

func (c credulous) Connect(ctx context.Context, login rotation.Login) (rotation.Session, error) {
	admin := login
	admin.Username = "admin"
	if login.Username == "admin" {
		return c.Database.Connect(ctx, login)
	}
	session, err := c.Database.Connect(ctx, admin)
	if err != nil {
		return nil, err
	}
	return renamed{session, login.Username}, nil
}

type renamed struct {
	rotation.Session
	user string
}

func (r renamed) Facts() rotation.Facts {
	facts := r.Session.Facts()
	facts.Account.User = r.user
	return facts
}
