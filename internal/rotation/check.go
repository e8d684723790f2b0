package rotation

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/retries"
	"tandem/internal/statement"
	"tandem/internal/warning"
)

// Check is the step that a person asks for: what would a rotation meet? It needs
// no token and changes nothing.
const Check Step = "check"

// Inspection is the answer to a check.
type Inspection struct {
	// OK is true where nothing failed and nothing remained unknown.
	OK     bool   `json:"ok"`
	Secret string `json:"secret"`
	// Version is the function's.
	Version string `json:"version,omitempty"`
	// Checks are in the order in which a rotation meets what they look at.
	Checks []Finding `json:"checks"`
}

// Result is how one check ended.
type Result string

// The results.
const (
	ResultOK         Result = "ok"
	ResultAttention  Result = "attention" // it works, and somebody should know
	ResultFailed     Result = "failed"
	ResultSkipped    Result = "skipped"                // what it needs has failed
	ResultUnprovable Result = "not testable read-only" // only writing would show it
	ResultUnknown    Result = "not known"              // the invocation's time was over
	lackOfTime              = "there was no time left to look: raise the function's timeout"
)

// Finding is what one check has found.
type Finding struct {
	Name   string `json:"name"`
	Result Result `json:"result"`
	// NoAlarm: it asks for attention, and is not counted in ChecksAttention, since it
	// lasts (warning.Lasting), is over by itself, or has time.
	NoAlarm bool `json:"noAlarm,omitempty"`
	// Type is that of an error or a warning.
	Type string `json:"type,omitempty"`
	// Number is the database server's error number.
	Number int    `json:"errorNumber,omitempty"`
	Detail string `json:"detail,omitempty"`
	// List has statements or privileges, the first of them where there are many;
	// Count is how many there are.
	List   []string `json:"list,omitempty"`
	Count  int      `json:"count,omitempty"`
	Remedy string   `json:"remedy,omitempty"`
	TookMs float64  `json:"tookMs"`
}

// Inspect performs a check. Where the event is none, the error says so; everything
// else is in the answer.
func (r *Rotator) Inspect(ctx context.Context, event Event) (Inspection, error) {
	if err := checkField("SecretId", event.SecretID, maxSecretID, true); err != nil {
		return Inspection{}, err
	}
	answer, line := r.inspect(ctx, event)
	r.writeCheck(ctx, event.SecretID, append(line, r.checkMetrics(event, answer.counts())...))
	return answer, nil
}

// inspect performs a check of a secret, and returns its line's fields, without the metrics.
func (r *Rotator) inspect(ctx context.Context, event Event) (Inspection, []slog.Attr) {
	began := time.Now()
	i := r.newInspection(event)
	ctx, i.record.retries = retries.With(ctx)
	i.look(ctx)
	answer := i.answer(Checks())
	line := append([]slog.Attr{slog.Int64("durationMs", time.Since(began).Milliseconds()), slog.Bool("ok", answer.OK)}, namesOf(answer.Checks)...)
	return answer, append(line, i.record.attributes()...)
}

// newInspection is a check that has not looked at anything yet.
func (r *Rotator) newInspection(event Event) *inspection {
	i := &inspection{findings: map[string]Finding{}}
	// Its log is for what the rotation's own code would log of a rotation.
	i.step = step{Rotator: r, event: event, log: slog.New(slog.DiscardHandler), record: new(record)}
	i.Rotator = r.readOnly(i.step)
	return i
}

// writeCheck writes the line of a check of one secret.
func (r *Rotator) writeCheck(ctx context.Context, secretID string, line []slog.Attr) {
	if r.Function.Version != "" {
		line = append(line, slog.String("version", r.Function.Version))
	}
	r.Log.With("step", string(Check), "secret", secretID).LogAttrs(ctx, slog.LevelInfo, "check done", line...)
}

// inspection is a check at work.
type inspection struct {
	step
	findings map[string]Finding
	// pending is the version of a rotation that has not ended.
	pending unfinished
	// inGap: the password under AWSCURRENT is refused, and that of pending is in force.
	// goesOn: the next try goes on from that.
	inGap, goesOn bool
	// unused is a password that Secrets Manager has made to show that it may be asked for one.
	unused redact.Secret
}

// outcome is what a check returns; the zero value is that all is well.
type outcome struct {
	result Result // ResultOK if empty
	kind   string // of an attention
	// noAlarm: an attention that is over by itself, or has time.
	noAlarm bool
	detail  string
	list    []string
	remedy  string
	err     error
	took    time.Duration // where it was measured elsewhere
}

// outcomeOf returns the outcome of something that either worked or not.
func outcomeOf(detail string, err error) outcome { return outcome{detail: detail, err: err} }

// also adds warnings to what is no failure, with the remedy of each type. The type is the
// first that is a reason for an alarm, or else the first.
func (o outcome) also(warnings ...account.Warning) outcome {
	for _, found := range warnings {
		if o.err != nil {
			return o
		}
		if remedy := warning.Remedy(found.Type); !strings.Contains(o.remedy, remedy) {
			o.remedy = strings.TrimPrefix(o.remedy+"; "+remedy, "; ")
		}
		kind := found.Type
		if o.kind != "" {
			kind = foremost([]string{found.Type, o.kind})
		}
		o.result, o.kind, o.detail = ResultAttention, kind, o.detail+"; "+found.Message
	}
	return o
}

// check runs one check, unless one that it needs has not been passed.
func (i *inspection) check(ctx context.Context, name string, needs []string, do func(ctx context.Context) outcome) (passed bool) {
	f := Finding{Name: name, Result: ResultOK}
	for _, need := range needs {
		if !i.passed(need) {
			f.Result, f.Detail = ResultSkipped, fmt.Sprintf("skipped: depends on %q", need)
			if i.findings[need].Result == ResultUnknown {
				f.Result = ResultUnknown
			}
			i.findings[name] = f
			return false
		}
	}
	if ctx.Err() != nil {
		f.Result, f.Detail = ResultUnknown, lackOfTime
		i.findings[name] = f
		return false
	}
	began := time.Now()
	o := do(ctx)
	if o.took == 0 {
		o.took = time.Since(began)
	}
	f.TookMs, f.Detail, f.Remedy, f.Type = milliseconds(o.took), o.detail, o.remedy, o.kind
	if o.result != "" {
		f.Result = o.result
	}
	f.List, f.Count = capped(shortened(o.list)), len(o.list)
	if o.err != nil {
		kind := failure.Of(o.err)
		f.Result, f.Detail, f.Type, f.Number = ResultFailed, o.err.Error(), string(kind), failure.Number(o.err)
		if f.Remedy == "" {
			f.Remedy = failure.RemedyOf(o.err)
		}
	}
	f.Detail, f.Remedy = failure.Line(f.Detail), failure.Line(f.Remedy)
	f.NoAlarm = f.Result == ResultAttention && (o.noAlarm || warning.Lasting(f.Type) || i.pending.inProgress() && slices.Contains(inMotion, name))
	i.findings[name] = f
	return i.passed(name)
}

// passed reports whether a check went well enough to build upon.
func (i *inspection) passed(name string) bool {
	result := i.findings[name].Result
	return result == ResultOK || result == ResultAttention || name == checkCurrent && i.goesOn
}

func (i *inspection) answer(checks []CheckDescription) Inspection {
	answer := Inspection{OK: true, Secret: i.event.SecretID, Version: i.Function.Version, Checks: []Finding{}}
	for _, c := range checks {
		f, looked := i.findings[c.Name]
		if !looked {
			f = Finding{Name: c.Name, Result: ResultUnknown, Detail: lackOfTime}
		}
		answer.OK = answer.OK && f.Result != ResultFailed && f.Result != ResultUnknown && f.Result != ResultSkipped
		answer.Checks = append(answer.Checks, f)
	}
	return answer
}

// errChangesNothing is what the world of a check answers to whatever would change it.
var errChangesNothing = failure.New(failure.Unexpected, "a check changes nothing")

// readOnly is the rotator with a world that nothing can be changed in.
func (r *Rotator) readOnly(s step) *Rotator {
	timed := r.timed(s)
	timed.Secrets = readingSecrets{timed.Secrets}
	timed.Database = readingDatabase{timed.Database}
	return timed
}

type readingSecrets struct{ Secrets }

func (readingSecrets) PutPending(context.Context, PendingVersion) error { return errChangesNothing }

func (readingSecrets) MoveCurrent(context.Context, string, string, string) error {
	return errChangesNothing
}

func (readingSecrets) DropPending(context.Context, string, string) error { return errChangesNothing }

type readingDatabase struct{ Database }

func (r readingDatabase) Connect(ctx context.Context, login Login) (Session, error) {
	login.Admin = false        // it is proven by its login, as it does not take the lock
	login.FullHandshake = true // what is said of the certificate goes for now
	session, err := r.Database.Connect(ctx, login)
	if err != nil {
		return nil, err
	}
	return readingSession{session}, nil
}

// readingSession leaves out what changes an account, or a lock.
type readingSession struct{ Session }

func (readingSession) Lock(context.Context, string, time.Duration, ...string) error {
	return errChangesNothing
}

func (readingSession) Apply(context.Context, ...statement.Statement) error { return errChangesNothing }

func (r readingSession) State(ctx context.Context) (ServerState, error) {
	if inspector, ok := r.Session.(Inspector); ok {
		return inspector.State(ctx)
	}
	return ServerState{}, nil
}
