// Package retries counts what an invocation has tried again: a call that a service
// throttled, a login that the driver broke off. The count goes with the context,
// since those who try again (the SDK's retryer) have no other way to tell.
package retries

import (
	"context"
	"sync/atomic"
)

type key struct{}

// Count is how often something was tried again. It is safe for concurrent use.
type Count struct{ n atomic.Int64 }

// Value returns the count so far.
func (c *Count) Value() int { return int(c.n.Load()) }

// With returns a context in which Note counts.
func With(ctx context.Context) (context.Context, *Count) {
	c := new(Count)
	return context.WithValue(ctx, key{}, c), c
}

// Noted is how often something was tried again so far; 0 in a context without a count.
func Noted(ctx context.Context) int {
	if c, ok := ctx.Value(key{}).(*Count); ok {
		return c.Value()
	}
	return 0
}

// Note counts one. In a context without a count it does nothing.
func Note(ctx context.Context) {
	if c, ok := ctx.Value(key{}).(*Count); ok {
		c.n.Add(1)
	}
}
