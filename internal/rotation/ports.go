package rotation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/secret"
	"tandem/internal/statement"
)

// Errors that an implementation of Secrets answers with, wrapped or not.
var (
	// ErrVersionNotFound is returned by Secrets.Version and Secrets.Current where
	// the secret has no such version, or one that has no value yet.
	ErrVersionNotFound = errors.New("the version has no value")
	// ErrNotMoved is returned by Secrets.MoveCurrent where it is certain that the label was
	// not moved by this call, and will not be. Any other error leaves that open.
	ErrNotMoved = errors.New("the label was not moved")
	// ErrVersionExists is returned by Secrets.PutPending where the version has
	// another value already.
	ErrVersionExists = errors.New("the version has another value already")
)

// ErrLoginRefused is returned by Database.Connect, wrapped, where the server
// refuses the username and password.
var ErrLoginRefused = errors.New("the login was refused")

// ErrLastPluginRefused is returned by Database.Connect, wrapped, where the server refuses the
// login and says no more than that the plugin which it has asked last takes no password: the
// account has that plugin alone, or the password was a wrong one by those before it.
var ErrLastPluginRefused = failure.New(failure.PluginUnsupported, "the login was refused by a plugin that takes no password")

// ErrAccountLocked is returned by Database.Connect, wrapped, where the server
// refuses the login since the account is locked, by hand or after failed logins.
var ErrAccountLocked = failure.New(failure.AccountLocked, "the account is locked")

// ErrAccountBlocked is returned by Database.Connect, wrapped, beside ErrAccountLocked where
// the server refuses the login after too many failed ones, whatever its password is.
var ErrAccountBlocked = failure.New(failure.AccountBlocked, "the account is blocked after too many failed logins")

// ErrLockTaken is returned by Session.Lock where another session holds the lock
// until the wait is over.
var ErrLockTaken = failure.New(failure.LockTimeout, "another session holds the lock")

// ErrOneOfSeveral is returned by Session.Apply, wrapped, where the server has
// refused one of several statements: those before it were executed, and none after it.
var ErrOneOfSeveral = failure.New(failure.StatementRefused, "one of several statements was refused")

// Labels is what DescribeSecret tells of a secret's versions.
type Labels struct {
	// Stages has the staging labels of each version that has any, by version ID.
	Stages map[string][]string
	// RotationEnabled is nil where the answer does not say.
	RotationEnabled *bool
	// Changed is when the secret was last changed in any way, NextRotation the latest
	// moment of the next rotation by its schedule; each is zero where the answer does
	// not say.
	Changed, NextRotation time.Time
	// Tags are the secret's.
	Tags map[string]string
}

// Version is a version of a secret that has a value.
type Version struct {
	ID       string
	Document redact.Secret
	// Stages are the version's staging labels, where the answer says them.
	Stages []string
	// Created is when the version got its value; zero where the answer does not say.
	Created time.Time
}

// PendingVersion is what createSecret stores.
type PendingVersion struct {
	SecretID string
	// VersionID is the event's ClientRequestToken.
	VersionID string
	Document  redact.Secret
	// RotationToken is the event's, as it came; empty where it had none.
	RotationToken redact.Secret
}

// Secrets is Secrets Manager, as far as a rotation needs it.
type Secrets interface {
	// Describe reads a secret's labels.
	Describe(ctx context.Context, secretID string) (Labels, error)
	// Current reads the version under AWSCURRENT.
	Current(ctx context.Context, secretID string) (Version, error)
	// Version reads a version by its ID.
	Version(ctx context.Context, secretID, versionID string) (Version, error)
	// PutPending stores a version under AWSPENDING. Storing the same value again
	// succeeds; another value is ErrVersionExists.
	PutPending(ctx context.Context, pending PendingVersion) error
	// MoveCurrent moves AWSCURRENT from one version, which must have it, to another.
	MoveCurrent(ctx context.Context, secretID, to, from string) error
	// DropPending takes AWSPENDING off a version, which must have it.
	DropPending(ctx context.Context, secretID, versionID string) error
	// RandomPassword makes a password as the configuration wants it, and without these
	// characters besides.
	RandomPassword(ctx context.Context, without string) (redact.Secret, error)
}

// Lister is Secrets Manager, as far as a check of every secret needs it beside Secrets.
type Lister interface {
	// List calls each for every secret of the account and the Region that is not marked
	// for deletion. Where it ends in an error, it may have been called for some.
	List(ctx context.Context, each func(ListedSecret)) error
}

// ListedSecret is what ListSecrets tells of a secret.
type ListedSecret struct {
	ARN string
	// RotationLambdaARN is that of its rotation function; empty where it has none. It
	// stays when the rotation is turned off.
	RotationLambdaARN string
	// RotationEnabled is nil where the answer does not say.
	RotationEnabled *bool
	// NextRotation is the latest moment of its next rotation; zero where the answer
	// does not say.
	NextRotation time.Time
}

// Login is whom to log in as, and where.
type Login struct {
	Host     string
	Port     int
	Username string
	Password redact.Secret
	TLS      secret.TLSMode
	// Admin: what is to be changed is changed through this login's session. Its first
	// call is Lock, which proves it, and it may be sent several statements at once.
	Admin bool
	// FullHandshake: the server is to show its certificate, even where one that it has
	// shown a moment ago would do.
	FullHandshake bool
	// OnPlaintext, where set, is called when the login is about to go on without TLS,
	// before anything is sent.
	OnPlaintext func()
}

// WarnOfPlaintext calls OnPlaintext, where that is set.
func (l Login) WarnOfPlaintext() {
	if l.OnPlaintext != nil {
		l.OnPlaintext()
	}
}

// Facts is what a session knows from its first statement.
type Facts struct {
	// Server is the server's flavour and version.
	Server account.Server
	// Identity tells one server from another, whatever name it was reached by.
	Identity string
	// Account is the account that the server has logged in, CURRENT_USER().
	Account account.Name
	// From is the host that the server sees the session come from, that of USER().
	From string
	// Plaintext is true where the connection is not encrypted.
	Plaintext bool
	// ReadOnly is true where the server takes no changes from ordinary users: a
	// reader, or a writer during a failover.
	ReadOnly bool
	// MaxPacket is how long a message to the server may be, in bytes.
	MaxPacket uint64
	// LogRaw is true where MySQL's log_raw is ON, by which the general log has passwords
	// in clear. Before 8.0.19 a server does not tell, and it is false.
	LogRaw bool
	// Certificate is the server's, where the connection is encrypted.
	Certificate *Certificate
}

// Certificate is what a server's certificate was verified by.
type Certificate struct {
	// Subject is the certificate's, Root that of the root it was verified by.
	Subject, Root string
	// NotAfter is when the first of the certificates below the root expires, NotBefore
	// since when that one is valid.
	NotBefore, NotAfter         time.Time
	RootNotBefore, RootNotAfter time.Time
	// TLS is the protocol's version, such as "TLS 1.3".
	TLS string
}

// String says it to a person.
func (c Certificate) String() string {
	return fmt.Sprintf("%s, certificate %s until %s, by the root %s until %s",
		c.TLS, c.Subject, c.NotAfter.Format(time.DateOnly), c.Root, c.RootNotAfter.Format(time.DateOnly))
}

// Database reaches database servers.
type Database interface {
	// Connect logs in, and proves that by a first statement, unless it is as the admin.
	Connect(ctx context.Context, login Login) (Session, error)
}

// Session is one login on a server. A session that is lost answers every
// further call with an error; it is never reconnected.
type Session interface {
	// Facts is what is known since Connect, or an admin's Lock.
	Facts() Facts
	// Lock takes the server-wide lock of that name for this session, waiting as
	// long as said, in whole seconds. It returns ErrLockTaken where that was too short.
	// An admin names the users that it will read.
	Lock(ctx context.Context, name string, wait time.Duration, users ...string) error
	// Users reads every account of the users with these names, in their order.
	Users(ctx context.Context, names ...string) ([]account.User, error)
	// Dependents says, in words, what on the server needs the account: what is
	// defined by it, and whom it is granted to.
	Dependents(ctx context.Context, name account.Name) ([]string, error)
	// GrantedTo lists the accounts to which the user is granted as a role.
	GrantedTo(ctx context.Context, user string) ([]account.Name, error)
	// Roles tells what the accounts do not say of the roles that they name.
	Roles(ctx context.Context, names []account.Name) (account.RoleFacts, error)
	// RoleGrants reads what roles were granted, those that they have in turn and those that
	// each account has among them.
	RoleGrants(ctx context.Context, names []account.Name) (account.RoleGrants, error)
	// PluginsNeedingPlaintext lists the plugins for whose sake the server refuses verifiers, and
	// has to be sent passwords in clear.
	PluginsNeedingPlaintext(ctx context.Context) ([]string, error)
	// OwnAccount reads the account that the session is logged in as (MariaDB; MySQL does not
	// show every user its own).
	OwnAccount(ctx context.Context) (account.Account, error)
	// OwnGrants reads what the session itself may do.
	OwnGrants(ctx context.Context) (account.OwnGrants, error)
	// Exists reports whether a routine, a table, or where one is named a column of it, is
	// there and can be used. The session's user has a privilege on it, or had. Where
	// another session keeps it locked, errors.As finds an Absence in the error.
	Exists(ctx context.Context, object account.Object, column string) (bool, error)
	// Use makes a database the session's own.
	Use(ctx context.Context, database string) error
	// Apply executes statements in their order, an admin's several on one way to the
	// server and back. Where one fails since what a privilege is on is gone, errors.As
	// finds an Absence in the error. Where it is one of several, the error is
	// ErrOneOfSeveral, and does not say which.
	Apply(ctx context.Context, statements ...statement.Statement) error
	Close() error
}

// Inspector is implemented by a Session that tells of its server's state what a
// check shows and a rotation need not know.
type Inspector interface {
	State(ctx context.Context) (ServerState, error)
}

// LockWaiter is implemented by a Session whose statements can be told how long to wait for
// the lock of a table, in whole seconds: 0 is as long as the session may last, and less
// than a second the least that the server knows, which is not at all on MariaDB, and a
// second on MySQL.
type LockWaiter interface {
	LockWait(ctx context.Context, wait time.Duration) error
}

// ServerState is what a server tells of itself.
type ServerState struct {
	// Sources are the hosts that it replicates from, where SourcesKnown: a server
	// tells only those who have a privilege for that.
	Sources      []string
	SourcesKnown bool
	// PartialRevokes is MySQL's partial_revokes, by which a database's name in a GRANT
	// is never a pattern.
	PartialRevokes bool
	// GivesRoles are the roles that the session may grant to others (MariaDB).
	GivesRoles []account.Name
	// RolesActive: some role is active in the session (MySQL).
	RolesActive bool
}

// Absence is implemented by errors of Session.Apply that may tell of something
// gone.
type Absence interface {
	error
	// Absence says what is gone; false where the error is about something else.
	Absence() (account.Absence, bool)
}

// Denial is implemented by errors of Session.Apply that may say that the
// session's account may not do a thing.
type Denial interface {
	error
	Denied() bool
}
