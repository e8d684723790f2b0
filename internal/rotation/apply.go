package rotation

import (
	"context"
	"errors"
	"fmt"

	"tandem/internal/account"
	"tandem/internal/failure"
)

// Bounds of what is sent at once. A server that has lost its client carries out
// what it has got before it notices, and holds the pair's lock meanwhile; and on a
// link of some milliseconds the way there and back should be a small part of the
// time that the statements take.
const (
	batchStatements = 256
	batchBytes      = 128 << 10
)

// sent is what has been sent, the password aside.
type sent struct {
	begun    bool
	executed int // statements
	// unconfirmed are the steps of a plan from a batch on in which one was refused:
	// those before it were executed, and the accounts tell which these are.
	unconfirmed []account.Step
	refusal     error // of the batch
	// oneAtATime: one statement at a time, so that the refused one is known.
	oneAtATime bool
}

// apply sends the steps. It returns false where it stopped at one that fails since
// what it is about is gone, having noted that, and where a batch was refused: then
// the accounts have to be read, and there is another plan, whose steps are sent one
// at a time.
func (w *setSecretRun) apply(ctx context.Context, plan account.Plan, pair *account.Pair) (all bool, err error) {
	defer func() { // or the session is lost, which err says
		if waitErr := w.waits.wait(ctx, 0); err == nil {
			err = waitErr
		}
	}()
	w.countExecuted(ctx, plan)
	w.sent.begun = true
	total := w.sent.executed + len(plan.Steps)
	for steps := plan.Steps; len(steps) > 0; {
		batch := steps[:w.atOnce(steps)]
		err := w.send(ctx, batch)
		switch {
		case err == nil:
			w.executed(ctx, batch)
			steps = steps[len(batch):]
			continue
		case errors.Is(err, ErrOneOfSeveral):
			w.sent.unconfirmed, w.sent.refusal = steps, err
			return false, nil
		case len(batch) > 1:
			return false, w.stopped(fmt.Sprintf("%d or more of %d", w.sent.executed, total), err)
		}
		step := batch[0]
		if w.note(ctx, &pair.Absent, step, err) || isDenial(err) && pair.ProxiesDenied.Note(step) {
			return false, nil
		}
		kind := failure.AdminAccessDenied
		if step.ChangesGrants() {
			kind = failure.PrivilegeNotGrantable
		}
		return false, denied(kind, w.stopped(fmt.Sprintf("%d of %d", w.sent.executed, total), w.mendStep(ctx, step, takenInstead(*pair, step, err))))
	}
	if w.sent.executed > listed {
		w.log.InfoContext(ctx, "statements executed", "count", w.sent.executed)
	}
	return true, nil
}

// note takes from a step's error that what it is about is gone, or locked. It reports
// whether that was news.
func (w *setSecretRun) note(ctx context.Context, absent *account.Absences, step account.Step, err error) bool {
	if absence, ok := w.absence(ctx, step, err); ok && absent.Note(step, absence) {
		return true
	}
	return isDenial(err) && absent.Note(step, account.NotCreatable)
}

// absence is what a step's error tells of, and where that is not certain, what a look at
// the columns does.
func (w *setSecretRun) absence(ctx context.Context, step account.Step, err error) (account.Absence, bool) {
	var about Absence
	if !errors.As(err, &about) {
		return "", false
	}
	absence, ok := about.Absence()
	if absence != account.PerhapsAbsentColumns || len(step.Columns) == 0 {
		return absence, ok
	}
	usable, err := w.admin.Exists(ctx, step.Object, step.Columns[0].Name)
	return account.AbsentColumns, err == nil && !usable
}

func (w *setSecretRun) stopped(after string, err error) error {
	return fmt.Errorf("making %q equal, as admin %s: after %s statements, and before the password, which is unchanged: %w",
		w.pending.Username(), w.admin.Facts().Account, after, err)
}

// countExecuted tells from the plan that follows a refused batch how much of that one was
// executed: what is no longer planned.
func (w *setSecretRun) countExecuted(ctx context.Context, plan account.Plan) {
	doubtful := w.sent.unconfirmed
	w.sent.oneAtATime = len(doubtful) > 0
	w.sent.unconfirmed, w.sent.refusal = nil, nil
	if done := len(doubtful) - len(plan.Steps); done > 0 {
		w.executed(ctx, doubtful[:done])
	}
}

func (w *setSecretRun) executed(ctx context.Context, steps []account.Step) {
	for _, step := range steps {
		w.sent.executed++
		w.record.sent(step)
		if w.sent.executed <= listed {
			w.log.InfoContext(ctx, "statement executed", "statement", step.Statement.String())
		}
	}
}

// atOnce is how many of the steps are sent at once.
func (w *setSecretRun) atOnce(steps []account.Step) int {
	if w.sent.oneAtATime {
		return 1
	}
	limit := min(batchBytes, int(w.admin.Facts().MaxPacket/2))
	size := 0
	for i, step := range steps {
		size += step.Statement.Len() + len("; ")
		if i > 0 && (size > limit || i == batchStatements || w.alone(steps[0]) || w.alone(step)) {
			return i
		}
	}
	return len(steps)
}

// alone reports whether a step is sent by itself: some table is locked, and this one's may
// be too.
func (w *setSecretRun) alone(step account.Step) bool { return w.waits.inVain > 0 && w.opensTable(step) }
