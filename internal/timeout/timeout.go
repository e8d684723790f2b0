// Package timeout holds every limit on waiting: for whom the function waits, and how
// long.
//
// An invocation has a deadline, the function's timeout. What the function waits for
// gets a share of the time that is left until then, so that there is always time to
// report what did not come.
package timeout

import (
	"context"
	"time"
)

// Limit is how long to wait: a share of the time that is left until the context's
// deadline, and at most so long.
type Limit struct {
	Share float64
	Most  time.Duration
}

// Of returns the limit as it is now. Without a deadline it is Most.
func (l Limit) Of(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return l.Most
	}
	return min(l.Most, max(0, time.Duration(l.Share*float64(time.Until(deadline)))))
}

// Context returns a context that ends when the limit is over.
func (l Limit) Context(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, l.Of(ctx))
}

// Login limits reaching a database server, from the look-up of its name to the end
// of the login.
func Login() Limit { return Limit{0.5, 5 * time.Second} }

// Lock limits the wait for another rotation of the same pair, in whole seconds.
func Lock() Limit { return Limit{0.5, 30 * time.Second} }

// TableLock limits the wait for the lock of a table, in whole seconds and one at least,
// where a rotation can do without what it is for. A change of a table's form keeps others
// out for a moment only.
func TableLock() Limit { return Limit{0.1, 5 * time.Second} }

// Call limits a call of Secrets Manager or RDS, with all of its attempts.
func Call() Limit { return Limit{0.5, 30 * time.Second} }

// Visibility limits the wait for a version that has just been stored: its label and
// its value may take a moment to be visible everywhere.
func Visibility() Limit { return Limit{0.5, 10 * time.Second} }

// VisibilityPauses are those between two looks for such a version.
func VisibilityPauses() Pauses { return Pauses{100 * time.Millisecond, 2 * time.Second} }

// Replication limits the wait for a reader to get what was changed at its writer. An
// invocation lasts no longer than its Most.
//
// Source: AWS Lambda Developer Guide, "Lambda quotas".
func Replication() Limit { return Limit{0.8, 15 * time.Minute} }

// ReplicationPauses are those between two logins at such a reader.
func ReplicationPauses() Pauses { return Pauses{100 * time.Millisecond, 5 * time.Second} }

// OnlyPassword is what has to be left of an invocation before it changes the only password
// that a server keeps of a user: for the login with the new one, the move of the label,
// and for taking it back.
const OnlyPassword = 1500 * time.Millisecond

// ChangedPassword limits the login with such a password, replication included.
func ChangedPassword() Limit { return Limit{0.5, 15 * time.Minute} }

// Sessions limits counting the users' sessions with what is read under the lock, and then
// looking for those of one, at the writer and at all of the readers.
func Sessions() Limit { return Limit{0.25, 10 * time.Second} }

// Check limits one check of several.
func Check() Limit { return Limit{0.5, 30 * time.Second} }

// Listing limits listing all secrets of an account and Region, before the first of them
// is checked.
func Listing() Limit { return Limit{0.5, 5 * time.Minute} }

// CheckOfOne limits the check of one secret of many: a server that does not answer is
// not to keep the others from being looked at.
func CheckOfOne() Limit { return Limit{0.8, 15 * time.Second} }

// ShortestCheckOfOne is how long the last of such checks may take at least: of the time
// that there is for all of them when the first is begun. With less none is begun, as it
// would find nothing but the lack of time.
func ShortestCheckOfOne() Limit { return Limit{0.2, 5 * time.Second} }

// Limits of one attempt of a call of an AWS service. The SDK's own would wait 91 s for
// an address that swallows packets, and for ever for one that accepts and stays silent.
const (
	// Connect is for reaching the service's address, where AWS_DEFAULTS_MODE does not
	// say.
	Connect = 2 * time.Second
	// Attempt is for one attempt, connecting included.
	Attempt = 5 * time.Second
	// Attempts is how often a call is tried where a service throttles or breaks.
	Attempts = 5
	// LongestBackoff is the longest pause between two attempts.
	LongestBackoff = 2 * time.Second
)

// Reserve is the part of an invocation's time that is kept for reporting: a tenth of
// it, within bounds. The report takes a few milliseconds of a core, of which the
// smallest functions have a fourteenth.
func Reserve(left time.Duration) time.Duration {
	return min(time.Second, max(500*time.Millisecond, left/10))
}

// Pauses are those between tries: each is twice as long as the one before.
type Pauses struct{ Next, Longest time.Duration }

// Pause waits for the next of them. It returns ctx's error where that ends before.
func (p *Pauses) Pause(ctx context.Context) error {
	timer := time.NewTimer(p.Next)
	defer timer.Stop()
	p.Next = min(2*p.Next, p.Longest)
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
