package rotation

import (
	"fmt"
	"runtime"
	"sync"
)

// call is something that is asked beside others. What it was answered, and
// with which error, is looked at when its turn comes: so an error reads as if one
// had been asked after the other, and does not depend on who was faster.
type call[T any] struct {
	do     func() (T, error)
	result T
	err    error
}

func (q *call[T]) run() { q.result, q.err = q.do() }

// concurrently runs tasks side by side, and returns when all have ended. None is
// broken off because another has failed: what they open has to be closed.
func (s step) concurrently(tasks ...func()) {
	if s.Concurrently != nil {
		s.Concurrently(tasks...)
		return
	}
	panics := make([]*Panic, len(tasks))
	var running sync.WaitGroup
	for i, task := range tasks {
		running.Go(func() {
			defer func() {
				if value := recover(); value != nil {
					panics[i] = newPanic(value)
				}
			}()
			task()
		})
	}
	running.Wait()
	for _, p := range panics {
		if p != nil {
			panic(p)
		}
	}
}

// Panic is what Rotate panics with where something has panicked beside it: a
// goroutine's own panic would end the process, and nobody could report it.
type Panic struct {
	// Value is what it panicked with, Callers where.
	Value   any
	Callers []uintptr
}

// newPanic is called in the function that recovers.
func newPanic(value any) *Panic {
	callers := make([]uintptr, 32)
	return &Panic{value, callers[:runtime.Callers(3, callers)]}
}

// String says of what type the value is, and not more: nobody knows what is in it.
func (p *Panic) String() string { return fmt.Sprintf("a panic with a value of type %T", p.Value) }
