package rotation

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"tandem/internal/account"
	"tandem/internal/statement"
	"tandem/internal/timeout"
)

// A GRANT on columns opens their table, and waits while another session has that locked
// (LOCK TABLES ... WRITE), which whoever may create tables may do with his own, as long as
// he likes. It is the one statement of a rotation that a lock of a table can keep waiting;
// all of them wait for what locks the whole server, as a backup does for a moment.

// send sends a batch. Where it has columns, no statement of it waits long.
func (w *setSecretRun) send(ctx context.Context, batch []account.Step) error {
	statements := make([]statement.Statement, len(batch))
	for i, step := range batch {
		statements[i] = step.Statement
	}
	if !slices.ContainsFunc(batch, func(step account.Step) bool { return len(step.Columns) > 0 }) {
		return w.admin.Apply(ctx, statements...)
	}
	if err := waitShortly(ctx, w.admin); err != nil {
		return err
	}
	err := w.admin.Apply(ctx, statements...)
	if len(batch) == 1 && isLocked(err) {
		whole := isLocked(w.admin.Apply(ctx, batch[0].AlterNothing()))
		if longErr := w.waitLong(ctx); longErr != nil || !whole {
			return cmp.Or(longErr, err)
		}
		return w.admin.Apply(ctx, statements...)
	}
	if err != nil {
		_ = w.waitLong(ctx) // the session may be lost, which err says
		return err
	}
	return w.waitLong(ctx)
}

func (w *setSecretRun) waitLong(ctx context.Context) error {
	if waiter, ok := w.admin.(LockWaiter); ok {
		return waiter.LockWait(ctx, 0)
	}
	return nil
}

// waitShortly has a session's statements wait for the lock of a table no longer than a
// rotation can do without what they are for.
func waitShortly(ctx context.Context, session Session) error {
	if waiter, ok := session.(LockWaiter); ok {
		return waiter.LockWait(ctx, timeout.TableLock().Of(ctx))
	}
	return nil
}

// isLocked reports whether an error says that a lock was not had in time.
func isLocked(err error) bool {
	var about Absence
	if !errors.As(err, &about) {
		return false
	}
	absence, ok := about.Absence()
	return ok && absence == account.LockedTable
}
