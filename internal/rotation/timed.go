package rotation

import (
	"context"
	"time"

	"tandem/internal/account"
	"tandem/internal/redact"
	"tandem/internal/statement"
	"tandem/internal/timeout"
)

// What a step asks others for, timed. A call of Secrets Manager has no more than a
// share of the time that is left, so that one that is not answered can be reported
// as what it is; a login's share is internal/mysqldb's to keep, whose sessions live
// until the end of the context that they were given.
type timedSecrets struct {
	Secrets
	record *record
}

// call bounds a call, and counts its time for a phase until end is called.
func (r *record) call(ctx context.Context, l phase) (limited context.Context, end func()) {
	limited, cancel := timeout.Call().Context(ctx)
	ended := r.time(l)
	return limited, func() { ended(); cancel() }
}

func (t timedSecrets) Describe(ctx context.Context, secretID string) (Labels, error) {
	ctx, end := t.record.call(ctx, phaseSecretsManager)
	defer end()
	return t.Secrets.Describe(ctx, secretID)
}

func (t timedSecrets) Current(ctx context.Context, secretID string) (Version, error) {
	ctx, end := t.record.call(ctx, phaseSecretsManager)
	defer end()
	return t.Secrets.Current(ctx, secretID)
}

func (t timedSecrets) Version(ctx context.Context, secretID, versionID string) (Version, error) {
	ctx, end := t.record.call(ctx, phaseSecretsManager)
	defer end()
	return t.Secrets.Version(ctx, secretID, versionID)
}

func (t timedSecrets) PutPending(ctx context.Context, pending PendingVersion) error {
	ctx, end := t.record.call(ctx, phaseSecretsManager)
	defer end()
	return t.Secrets.PutPending(ctx, pending)
}

func (t timedSecrets) MoveCurrent(ctx context.Context, secretID, to, from string) error {
	ctx, end := t.record.call(ctx, phaseSecretsManager)
	defer end()
	return t.Secrets.MoveCurrent(ctx, secretID, to, from)
}

func (t timedSecrets) DropPending(ctx context.Context, secretID, from string) error {
	ctx, end := t.record.call(ctx, phaseSecretsManager)
	defer end()
	return t.Secrets.DropPending(ctx, secretID, from)
}

func (t timedSecrets) RandomPassword(ctx context.Context, without string) (redact.Secret, error) {
	ctx, end := t.record.call(ctx, phaseSecretsManager)
	defer end()
	return t.Secrets.RandomPassword(ctx, without)
}

type timedRDS struct {
	RDS
	record *record
}

func (t timedRDS) Instance(ctx context.Context, name ServerName) (Instance, error) {
	ctx, end := t.record.call(ctx, phaseRDS)
	defer end()
	return t.RDS.Instance(ctx, name)
}

func (t timedRDS) Cluster(ctx context.Context, name ServerName) (Cluster, error) {
	ctx, end := t.record.call(ctx, phaseRDS)
	defer end()
	return t.RDS.Cluster(ctx, name)
}

func (t timedRDS) Members(ctx context.Context, cluster ServerName) ([]Instance, error) {
	ctx, end := t.record.call(ctx, phaseRDS)
	defer end()
	return t.RDS.Members(ctx, cluster)
}

type timedDatabase struct {
	Database
	step step
}

func (t timedDatabase) Connect(ctx context.Context, login Login) (Session, error) {
	login.OnPlaintext = func() { t.step.warnOfPlaintext(ctx, login) }
	end := t.step.record.time(t.step.record.loginOf(login))
	session, err := t.Database.Connect(ctx, login)
	end()
	if err != nil {
		return nil, err
	}
	if !login.Admin { // whose server is known when it has the lock
		t.step.noteServer(ctx, login, session.Facts())
	}
	return timedSession{session, t.step, t.step.record, login}, nil
}

type timedSession struct {
	Session
	step   step
	record *record
	login  Login
}

func (t timedSession) Lock(ctx context.Context, name string, wait time.Duration, users ...string) error {
	end := t.record.time(phaseLock)
	err := t.Session.Lock(ctx, name, wait, users...)
	end()
	if err == nil && t.login.Admin {
		t.step.noteServer(ctx, t.login, t.Session.Facts())
	}
	return err
}

func (t timedSession) Users(ctx context.Context, names ...string) ([]account.User, error) {
	defer t.record.time(phaseReading)()
	return t.Session.Users(ctx, names...)
}

func (t timedSession) Dependents(ctx context.Context, name account.Name) ([]string, error) {
	defer t.record.time(phaseReading)()
	return t.Session.Dependents(ctx, name)
}

func (t timedSession) GrantedTo(ctx context.Context, user string) ([]account.Name, error) {
	defer t.record.time(phaseReading)()
	return t.Session.GrantedTo(ctx, user)
}

func (t timedSession) Roles(ctx context.Context, names []account.Name) (account.RoleFacts, error) {
	defer t.record.time(phaseReading)()
	return t.Session.Roles(ctx, names)
}

func (t timedSession) RoleGrants(ctx context.Context, names []account.Name) (account.RoleGrants, error) {
	defer t.record.time(phaseReading)()
	return t.Session.RoleGrants(ctx, names)
}

func (t timedSession) PluginsNeedingPlaintext(ctx context.Context) ([]string, error) {
	defer t.record.time(phaseReading)()
	return t.Session.PluginsNeedingPlaintext(ctx)
}

func (t timedSession) OwnAccount(ctx context.Context) (account.Account, error) {
	defer t.record.time(phaseReading)()
	return t.Session.OwnAccount(ctx)
}

func (t timedSession) OwnGrants(ctx context.Context) (account.OwnGrants, error) {
	defer t.record.time(phaseReading)()
	return t.Session.OwnGrants(ctx)
}

func (t timedSession) Exists(ctx context.Context, object account.Object, column string) (bool, error) {
	defer t.record.time(phaseReading)()
	return t.Session.Exists(ctx, object, column)
}

func (t timedSession) Use(ctx context.Context, database string) error {
	defer t.record.time(phaseReading)()
	return t.Session.Use(ctx, database)
}

func (t timedSession) Apply(ctx context.Context, statements ...statement.Statement) error {
	defer t.record.time(phaseChanging)()
	return t.Session.Apply(ctx, statements...)
}

// State implements Inspector.
func (t timedSession) State(ctx context.Context) (ServerState, error) {
	inspector, ok := t.Session.(Inspector)
	if !ok {
		return ServerState{}, nil
	}
	defer t.record.time(phaseReading)()
	return inspector.State(ctx)
}

// LockWait implements LockWaiter.
func (t timedSession) LockWait(ctx context.Context, wait time.Duration) error {
	waiter, ok := t.Session.(LockWaiter)
	if !ok {
		return nil
	}
	return waiter.LockWait(ctx, wait)
}
