// Package rotation is the rotation itself: the four steps that Secrets Manager
// asks for, over a world that it knows by a few small interfaces.
//
// A rotation alternates between two database users, so that the password in use
// is never the one being changed, or gives a single user a second password beside the
// one in use (singleuser.go):
//
//	secret's document ─► the other username ─► AWSPENDING ─► database ─► AWSCURRENT
//	                      app <-> app_clone   createSecret   setSecret   finishSecret
//
// Every step may be repeated, run twice at once, resume late or die between any
// two of its effects. Nothing is remembered between invocations: each step reads
// what is there and does what is missing.
//
// The package imports no driver and no SDK. What stands behind the interfaces is
// internal/awssecrets, internal/mysqldb and internal/awsrds in the function, and
// whatever a test puts there.
package rotation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/retries"
)

// Settings is the part of the function's configuration that decides what a
// rotation does.
type Settings struct {
	// AdminARN is the admin secret for documents without masterarn; empty for none.
	AdminARN string
	// UsernameLimit is USERNAME_CHARACTER_LIMIT in characters; 0 where it is not set.
	UsernameLimit int
	// Strategy is ROTATION_STRATEGY.
	Strategy Strategy
	// Repair is REPAIR_WITH_ADMIN.
	Repair Repair
	// Mode is PRIVILEGE_SYNC.
	Mode account.Mode
	// PasswordCharacters are those that a password may have, as it is asked for.
	PasswordCharacters string
	// PasswordOfEachKind: it has to have a character of each kind that it may have.
	PasswordOfEachKind bool
	// KeepConnectionStrings is whether CONNECTION_STRINGS is keep.
	KeepConnectionStrings bool
	// PendingUserSessions is PENDING_USER_SESSIONS.
	PendingUserSessions SessionPolicy
}

// Rotator performs the steps. It keeps nothing from one to the next.
type Rotator struct {
	Secrets Secrets
	// Lister is asked by a check of every secret alone.
	Lister   Lister
	Database Database
	// RDS is asked only where the documents do not say where a server is.
	RDS      RDS
	Settings Settings
	// Concurrently runs tasks and returns when all have ended; side by side where it is
	// nil. It is for those who have to know what comes before what.
	Concurrently func(tasks ...func())
	// Random is where the salts of verifiers come from.
	Random io.Reader
	Log    *slog.Logger
	// Function is what the log and the metrics say of the function.
	Function Function
	// ConfigError, where it is set, is what every step fails with: the error of a
	// configuration that cannot be read.
	ConfigError error
}

// Function is what the log and the metrics say of the function.
type Function struct {
	// Name is its name in Lambda, the metrics' dimension; without one there are none.
	Name string
	// Version is that of the program; empty where it has none.
	Version string
	// ARN is by what it was invoked, for commands that a check tells a person to send.
	ARN string
}

// Rotate performs the event's step. It returns nil when the step is done,
// whether it was done now or before.
func (r *Rotator) Rotate(ctx context.Context, event Event) error {
	if same, ok := snakeCase[event.Step]; ok {
		event.Step = same
	}
	if err := event.check(); err != nil {
		return err
	}
	log := r.Log.With("step", string(event.Step), "secret", event.SecretID, "token", event.Token)
	began := time.Now()
	record := new(record)
	ctx, record.retries = retries.With(ctx)
	step := step{Rotator: r, event: event, log: log, record: record}
	step.Rotator = r.timed(step)
	result, err := step.perform(ctx)
	if err != nil {
		err = failure.OneLine(fmt.Errorf("%s of secret %s: %w", event.Step, event.SecretID, step.deadlineFirst(ctx, err)))
	}
	step.write(ctx, began, result, err)
	return err
}

// timed is the rotator with the world behind its interfaces timed.
func (r *Rotator) timed(s step) *Rotator {
	timed := *r
	timed.Secrets = timedSecrets{r.Secrets, s.record}
	timed.Database = timedDatabase{r.Database, s}
	timed.RDS = timedRDS{r.RDS, s.record}
	return &timed
}

// step is one invocation's state, and ends with it.
type step struct {
	*Rotator
	event  Event
	log    *slog.Logger
	record *record
	// changed: this step has set the only password, so that a login with it which is refused
	// is a reader's that lags. moved: it looks at what was left after the label's move.
	changed, moved bool
}

func (s step) perform(ctx context.Context) (result string, err error) {
	if s.ConfigError != nil {
		return "", s.ConfigError
	}
	switch s.event.Step {
	case CreateSecret:
		return s.createSecret(ctx)
	case SetSecret:
		return s.setSecret(ctx)
	case TestSecret:
		return s.testSecret(ctx)
	case FinishSecret:
		return s.finishSecret(ctx)
	}
	return "", failure.Errorf(failure.EventInvalid, "unknown step %q", s.event.Step) // Event.check has refused it
}

// deadlineFirst puts the reason that an operator can act on first: whatever
// broke when time ran out, broke because time ran out. It names what took most of it.
func (s step) deadlineFirst(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return err
	}
	most := ""
	if l, found := s.record.longest(); found {
		most = fmt.Sprintf(", most of it (%s) spent on %s", l.took.Round(time.Millisecond), phaseTitles[l.phase])
	}
	state := "the current credentials are unchanged and work"
	if s.record.inGap() {
		state = fmt.Sprintf("the password under %s may be refused until %s has moved, as the server keeps one", Current, Current)
	}
	return fmt.Errorf("out of time (%w)%s; %s, and the next try goes on from here; "+
		"raise the function's timeout if this repeats: %w", ctx.Err(), most, state, err)
}
