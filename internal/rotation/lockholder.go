package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tandem/internal/failure"
	"tandem/internal/secret"
	"tandem/internal/statement"
	"tandem/internal/timeout"
)

// The lock's name follows from the user's, and every account may take any lock by
// GET_LOCK: so somebody who is no rotation may hold it, by accident or to keep a stolen
// password from being changed. No other lock can be had in its place. It has to be met
// by setSecret, which is the admin, and by finishSecret, which is the pending user and
// may have no privilege at all; by the rotations of two secrets, which have nothing in
// common but the names of the two users; and by an old token's step that comes late,
// which knows a password that is no longer anybody's. What all of these know a stranger
// knows too. (What the server keeps of the pending user's password comes nearest: that
// user can read it about itself, the admin can, a stranger can not. But whoever stole
// AWSPREVIOUS can, it changes with each rotation, an account that has no password has
// none, and each of the two users would have a lock of its own, so that the turns of
// the two would no longer keep each other out.)
//
// So whoever holds it is named, with the statement that ends that session.

// LockHolder is the session that holds a lock. What could not be read is zero.
type LockHolder struct {
	// Connection is its number on the server; 0 where nobody holds the lock any more.
	Connection uint64
	// User is whom it has logged in as, from the client's Host; empty where that is not known.
	User, Host string
	// Command is what it does, such as "Sleep", and For how long it has.
	Command string
	For     time.Duration
	// Program is what it calls itself, where ProgramKnown.
	Program      string
	ProgramKnown bool
}

// String says it to a person.
func (h LockHolder) String() string {
	switch {
	case h.Connection == 0:
		return "whoever held it has just let it go"
	case h.User == "":
		return fmt.Sprintf("connection %d holds it, of which this account may not see more: GRANT PROCESS ON *.* shows whose it is", h.Connection)
	}
	return fmt.Sprintf("connection %d holds it, of user %s from host %s, in the state %q for %s", h.Connection, statement.Literal(h.User), statement.Literal(h.Host), h.Command, h.For)
}

// end is the statement that ends the session.
func (h LockHolder) end() string { return endOf(h.Connection) }

// endOf is the statement that ends a session by its number.
//
// Source: Amazon RDS User Guide, "mysql.rds_kill".
func endOf(connection uint64) string {
	return fmt.Sprintf("KILL %d, or on Amazon RDS CALL mysql.rds_kill(%d)", connection, connection)
}

// LockTaken is implemented by errors of Session.Lock that know who holds the lock.
type LockTaken interface {
	error
	Holder() LockHolder
}

// LockInspector is implemented by a Session that can tell who holds a lock.
type LockInspector interface {
	LockHolder(ctx context.Context, name string) (LockHolder, error)
}

// ProgramName is what this program's sessions call themselves.
const ProgramName = "tandem"

// noRotation reports whether a session is certainly no rotation's: that logs in as one
// of the two users or as an admin, whose own secret may alternate between two users.
// What a session calls itself tells only against it, since anybody may choose it. admin
// is empty where it is not known.
func (h LockHolder) noRotation(original, admin string) bool {
	if h.Connection == 0 || h.User == "" {
		return false
	}
	if h.ProgramKnown && h.Program != ProgramName {
		return true
	}
	users := []string{original, secret.Clone(original)}
	if slices.Contains(users, h.User) {
		return false
	}
	return admin != "" && secret.Original(h.User) != secret.Original(admin)
}

// lockTaken explains an error of Session.Lock that says that another has the lock.
func (s step) lockTaken(err error, original, admin string, waited time.Duration) error {
	named := s.Settings.named(original)
	var taken LockTaken
	var holder LockHolder
	if errors.As(err, &taken) {
		holder = taken.Holder()
	}
	switch {
	case holder.noRotation(original, admin):
		return failure.Errorf(failure.LockHeldByAnotherProgram, "the lock of %s was not free within %s, and the session that holds it is no rotation's: nothing was changed; end it, as somebody who may, by %s, and find out why it takes the lock; the next try goes on then: %w",
			named, waited, holder.end(), err)
	case holder.Connection != 0:
		return fmt.Errorf("another rotation of %s has been at work for %s, or a session that only holds their lock: nothing was changed; the next try goes on when it has ended; if that does not end, end it, as somebody who may, by %s: %w",
			named, waited, holder.end(), err)
	}
	return fmt.Errorf("another rotation of %s has been at work for %s: nothing was changed; the next try goes on when it has ended: %w",
		named, waited, err)
}

// adminName is the admin's user, as far as it is known: setSecret has logged in as it,
// and finishSecret, which does not need it, looks it up.
func (s step) adminName(ctx context.Context, err error, application secret.Document) string {
	if s.record.adminUser != "" {
		return s.record.adminUser
	}
	var taken LockTaken
	if !errors.As(err, &taken) || taken.Holder().User == "" {
		return "" // it would tell nothing
	}
	arn, err := s.adminARN(application)
	if err != nil || arn == "" {
		return ""
	}
	version, err := s.Secrets.Current(ctx, arn)
	if err != nil {
		return ""
	}
	document, err := secret.ParseAdmin(version.Document)
	if err != nil {
		return ""
	}
	return document.Username()
}

// lock looks at the pair's lock as a rotation will find it.
func (i *inspection) lock(ctx context.Context, admin Session, current document) {
	i.check(ctx, checkLock, []string{checkAdmin}, func(ctx context.Context) outcome {
		inspector, ok := admin.(LockInspector)
		if !ok {
			return outcome{result: ResultUnprovable, detail: "who holds the lock of the two users is not asked"}
		}
		ctx, cancel := timeout.Check().Context(ctx)
		defer cancel()
		original := secret.Original(current.Username())
		holder, err := inspector.LockHolder(ctx, lockName(original))
		switch {
		case err != nil:
			return outcomeOf("", err)
		case holder.Connection == 0:
			return outcomeOf(fmt.Sprintf("nobody holds the lock of %s", i.Settings.named(original)), nil)
		case holder.noRotation(original, i.record.adminUser):
			return outcome{err: failure.Errorf(failure.LockHeldByAnotherProgram, "the lock of %s is held by a session that is no rotation's: %s", i.Settings.named(original), holder),
				remedy: "end it, as somebody who may, by " + holder.end() + ", and find out why it takes the lock"}
		}
		return outcome{result: ResultAttention, noAlarm: holder.For < rotationLasts, detail: "a rotation is at work, or a session that only holds its lock: " + holder.String(),
			remedy: "check again; if it stays so, end it, as somebody who may, by " + holder.end()}
	})
}

// LockHolder implements LockInspector.
func (t timedSession) LockHolder(ctx context.Context, name string) (LockHolder, error) {
	defer t.record.time(phaseLock)()
	if inspector, ok := t.Session.(LockInspector); ok {
		return inspector.LockHolder(ctx, name)
	}
	return LockHolder{}, nil
}

// LockHolder implements LockInspector.
func (r readingSession) LockHolder(ctx context.Context, name string) (LockHolder, error) {
	if inspector, ok := r.Session.(LockInspector); ok {
		return inspector.LockHolder(ctx, name)
	}
	return LockHolder{}, nil
}
