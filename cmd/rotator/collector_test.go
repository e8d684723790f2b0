package main

import (
	"context"
	"runtime/debug"
	"testing"
)

// gcPercent reads GOGC as it is.
func gcPercent() int {
	percent := debug.SetGCPercent(100)
	debug.SetGCPercent(percent)
	return percent
}

type invoked func()

func (i invoked) Invoke(context.Context, []byte) ([]byte, error) { i(); return nil, nil }

// The collector waits for the end of the first invocation, however that ends, and no
// longer; and not at all where the environment has its own GOGC.
func TestCollectorWaitsForTheFirstInvocation(t *testing.T) {
	usual := gcPercent()
	defer debug.SetGCPercent(usual)
	var during int
	panics := true
	h := collectingLater(invoked(func() {
		if during = gcPercent(); panics {
			panic("once")
		}
	}), func(string) (string, bool) { return "", false })
	if got := gcPercent(); got != coldGCPercent {
		t.Errorf("before the first invocation it is %d", got)
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = h.Invoke(t.Context(), nil)
	}()
	if during != coldGCPercent || gcPercent() != usual {
		t.Errorf("in the first invocation it is %d, and then %d", during, gcPercent())
	}
	panics = false
	_, _ = h.Invoke(t.Context(), nil)
	if during != usual {
		t.Errorf("in the second invocation it is %d", during)
	}
	collectingLater(h, func(name string) (string, bool) { return "50", name == "GOGC" })
	if got := gcPercent(); got != usual {
		t.Errorf("with a GOGC of the environment it is %d", got)
	}
}
