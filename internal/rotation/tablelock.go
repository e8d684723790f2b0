package rotation

import (
	"context"
	"errors"
	"slices"
	"time"

	"tandem/internal/account"
	"tandem/internal/statement"
	"tandem/internal/timeout"
)

// A GRANT on columns opens their table, and waits while another session has that locked
// (LOCK TABLES ... WRITE), which whoever may create tables may do with his own, as long as
// he likes; so does MySQL's on a table as a whole, while somebody waits in turn to drop its
// database. No other statement of a rotation can a lock of a table keep waiting (tried on
// MySQL 9.7 and MariaDB 11.8); all of them wait for what locks the whole server, as a
// backup does for a moment.

// patience is how many locked tables are waited for as long as timeout.TableLock allows.
// For each further one the wait is the least that the server knows.
const patience = 3

// leastWait is shorter than any that a server counts.
const leastWait = time.Millisecond

// tableWaits is how long the statements of a session wait for the lock of a table.
type tableWaits struct {
	session Session
	inVain  int           // tables whose lock was waited for, and not had
	set     time.Duration // 0: as long as the session may last
}

// shortly has them wait no longer than a rotation can do without what they are for.
func (t *tableWaits) shortly(ctx context.Context) error {
	if t.inVain >= patience {
		return t.wait(ctx, leastWait)
	}
	return t.wait(ctx, max(time.Second, timeout.TableLock().Of(ctx).Truncate(time.Second)))
}

func (t *tableWaits) wait(ctx context.Context, wait time.Duration) error {
	waiter, ok := t.session.(LockWaiter)
	if !ok || wait == t.set {
		return nil
	}
	if err := waiter.LockWait(ctx, wait); err != nil {
		return err
	}
	t.set = wait
	return nil
}

// send sends a batch. No statement of it waits long for the lock of a table.
func (w *setSecretRun) send(ctx context.Context, batch []account.Step) error {
	statements := make([]statement.Statement, len(batch))
	for i, step := range batch {
		statements[i] = step.Statement
	}
	if err := w.limitWait(ctx, batch); err != nil {
		return err
	}
	err := w.admin.Apply(ctx, statements...)
	if len(batch) > 1 || !w.opensTable(batch[0]) || !isLocked(err) {
		return err
	}
	if !isLocked(w.admin.Apply(ctx, batch[0].AlterNothing())) {
		w.waits.inVain++
		return err
	}
	if err := w.waits.wait(ctx, 0); err != nil { // it is the whole server
		return err
	}
	return w.admin.Apply(ctx, statements...)
}

// limitWait sets how long a batch waits. Where one of several is refused, each is sent
// alone next, so that they wait the least that is sure to outlast another GRANT.
func (w *setSecretRun) limitWait(ctx context.Context, batch []account.Step) error {
	switch {
	case !slices.ContainsFunc(batch, w.opensTable):
		return w.waits.wait(ctx, 0)
	case len(batch) > 1:
		return w.waits.wait(ctx, time.Second)
	}
	return w.waits.shortly(ctx)
}

// opensTable reports whether a statement may have to wait for the lock of a table.
func (w *setSecretRun) opensTable(step account.Step) bool {
	return len(step.Columns) > 0 || step.Kind() == "GRANT" && step.Object.Level == account.LevelTable && w.admin.Facts().Server.Flavor == account.MySQL
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
