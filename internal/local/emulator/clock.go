package emulator

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Clock is where the service takes the time from.
type Clock interface {
	Now() time.Time
	// At returns a channel that receives once when the moment has come, or has
	// passed already. It takes a moment and not a duration because a clock may move
	// between reading it and waiting for it.
	At(moment time.Time) <-chan time.Time
}

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now implements Clock.
func (SystemClock) Now() time.Time { return time.Now() }

// At implements Clock.
func (SystemClock) At(moment time.Time) <-chan time.Time { return time.After(time.Until(moment)) }

// ManualClock stands still until it is told to move.
type ManualClock struct {
	mu      sync.Mutex
	now     time.Time
	alarms  []alarm
	changed chan struct{} // closed and replaced when an alarm is set
}

type alarm struct {
	at   time.Time
	ring chan time.Time
}

// NewManualClock makes a clock that shows now.
func NewManualClock(now time.Time) *ManualClock {
	return &ManualClock{now: now, changed: make(chan struct{})}
}

// Now implements Clock.
func (c *ManualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// At implements Clock.
func (c *ManualClock) At(moment time.Time) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	ring := make(chan time.Time, 1)
	if !moment.After(c.now) {
		ring <- c.now
		return ring
	}
	c.alarms = append(c.alarms, alarm{moment, ring})
	close(c.changed)
	c.changed = make(chan struct{})
	return ring
}

// Advance moves the clock on by d and rings what has become due.
func (c *ManualClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.alarms = slices.DeleteFunc(c.alarms, func(a alarm) bool {
		due := !a.at.After(c.now)
		if due {
			a.ring <- c.now
		}
		return due
	})
}

// AwaitAlarm waits until somebody waits for the moment d from now, and so for the
// point in a program at which advancing the clock has its effect.
func (c *ManualClock) AwaitAlarm(ctx context.Context, d time.Duration) error {
	for {
		c.mu.Lock()
		at, changed := c.now.Add(d), c.changed
		waiting := slices.ContainsFunc(c.alarms, func(a alarm) bool { return a.at.Equal(at) })
		c.mu.Unlock()
		if waiting {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
