package timeout

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := Limit{0.5, 10 * time.Second}
		if got := limit.Of(t.Context()); got != 10*time.Second {
			t.Errorf("without a deadline: %v", got)
		}
		for left, want := range map[time.Duration]time.Duration{time.Minute: 10 * time.Second, 4 * time.Second: 2 * time.Second, -time.Second: 0} {
			ctx, cancel := context.WithTimeout(t.Context(), left)
			defer cancel()
			if got := limit.Of(ctx); got != want {
				t.Errorf("%v before the deadline: %v, want %v", left, got, want)
			}
		}
		ctx, cancel := limit.Context(t.Context())
		defer cancel()
		began := time.Now()
		<-ctx.Done()
		if waited := time.Since(began); waited != 10*time.Second {
			t.Errorf("the context ended after %v", waited)
		}
	})
}

// Of every limit something is left to report in.
func TestLimitsLeaveTime(t *testing.T) {
	for _, limit := range []Limit{Login(), Lock(), Call(), Visibility(), Replication(), Sessions(), Check(), Listing(), CheckOfOne(), ShortestCheckOfOne()} {
		if limit.Share <= 0 || limit.Share > 0.8 || limit.Most <= 0 {
			t.Errorf("%+v", limit)
		}
	}
	for left, want := range map[time.Duration]time.Duration{3 * time.Second: 500 * time.Millisecond, 7 * time.Second: 700 * time.Millisecond, time.Minute: time.Second} {
		if got := Reserve(left); got != want {
			t.Errorf("of %v, %v is kept, want %v", left, got, want)
		}
	}
}

func TestPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pauses := Pauses{time.Second, 3 * time.Second}
		for _, want := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second} {
			began := time.Now()
			if err := pauses.Pause(t.Context()); err != nil || time.Since(began) != want {
				t.Errorf("paused for %v, error %v, want %v", time.Since(began), err, want)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := pauses.Pause(ctx); err == nil {
			t.Error("it paused although nobody waits any more")
		}
	})
}
