// Package conntrace tells how far a request got on its way: its host's name resolved, a
// connection made, TLS agreed on. It goes with the context, as those who walk it
// (an HTTP transport, a database driver) stand behind interfaces that say nothing
// of it.
package conntrace

import (
	"context"
	"sync"
	"time"
)

// Stage is a part of the way.
type Stage string

// The stages, in their order.
const (
	DNS     Stage = "dns"
	Connect Stage = "connect"
	TLS     Stage = "tls"
)

// Done is a stage that was passed.
type Done struct {
	Stage  Stage
	Detail string
	Took   time.Duration
}

// Trace is how far a request got. The last request counts where there are several.
// It is safe for concurrent use, and nil is a way that nobody asks for.
type Trace struct {
	mutex  sync.Mutex
	at     string
	reused bool
	done   []Done
	begun  map[Stage]time.Time
}

type key struct{}

// WithTrace returns a context whose requests tell their way.
func WithTrace(ctx context.Context) (context.Context, *Trace) {
	w := new(Trace)
	return context.WithValue(ctx, key{}, w), w
}

// FromContext returns the context's way, nil where it has none.
func FromContext(ctx context.Context) *Trace {
	w, _ := ctx.Value(key{}).(*Trace)
	return w
}

// Begin begins the way to an address, host and port.
func (w *Trace) Begin(address string) {
	if w == nil {
		return
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.at, w.reused, w.done, w.begun = address, false, nil, map[Stage]time.Time{}
}

// Enter notes that a stage has begun.
func (w *Trace) Enter(stage Stage) {
	if w == nil {
		return
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.begun == nil {
		w.begun = map[Stage]time.Time{}
	}
	w.begun[stage] = time.Now()
}

// Pass notes that a stage is behind.
func (w *Trace) Pass(stage Stage, detail string) {
	if w == nil {
		return
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	var took time.Duration
	if began, known := w.begun[stage]; known {
		took = time.Since(began)
	}
	w.done = append(w.done, Done{stage, detail, took})
}

// Reuse notes that the connection had been made before.
func (w *Trace) Reuse() {
	if w == nil {
		return
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.reused = true
}

// Address is where the way leads; empty where it did not begin.
func (w *Trace) Address() string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.at
}

// Reused reports whether the connection had been made before, so that the stages
// have been passed.
func (w *Trace) Reused() bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.reused
}

// Passed tells of a stage that was passed.
func (w *Trace) Passed(stage Stage) (Done, bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for _, one := range w.done {
		if one.Stage == stage {
			return one, true
		}
	}
	return Done{}, false
}

// Stuck reports whether a stage has begun and was not passed.
func (w *Trace) Stuck(stage Stage) bool {
	if _, passed := w.Passed(stage); passed {
		return false
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	_, begun := w.begun[stage]
	return begun
}
