package lambdahost

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// maxPayload is the size in bytes that Lambda takes for a synchronous invocation
// (Developer Guide, "Lambda quotas").
const maxPayload = 6 << 20

// Host runs a Function. It is safe for concurrent use.
type Host struct {
	function Function
	identity identity
	stop     func() bool
	running  sync.WaitGroup // processes and invocations

	mu     sync.Mutex
	closed bool
	live   map[int]*environment // by number
	idle   []*environment       // the most recently used last

	logMu sync.Mutex // one line at a time
}

// Result is what became of an invocation.
type Result struct {
	RequestID   string
	Environment int    // the number of the environment that served it; 0 for none
	Payload     []byte // the function's answer; nil where it failed
	Took        time.Duration
}

// Start makes a Host and its first environment, and returns once that asks for an
// invocation: so a binary that does not start is an error here. The Host ends
// with Close, or with ctx.
func Start(ctx context.Context, function Function) (*Host, error) {
	function, id, err := function.resolve()
	if err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("starting the function %s: %w", function.Binary, err)
	}
	h := &Host{function: function, identity: id, live: map[int]*environment{}}
	h.stop = context.AfterFunc(ctx, h.end)
	env, err := h.launch()
	if err == nil {
		err = env.awaitInit(newUUID())
		if err != nil {
			err = env.explainInit(err)
		}
	}
	if err != nil {
		h.Close()
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("starting the function %s: %w", function.Binary, err)
	}
	h.release(env)
	return h, nil
}

// Close kills all processes, and returns when they have ended and their output
// has been handed over. Invocations under way end with ErrClosed. It may be
// called more than once.
func (h *Host) Close() {
	h.stop()
	h.end()
	h.running.Wait()
}

func (h *Host) end() {
	h.mu.Lock()
	h.closed = true
	environments := make([]*environment, 0, len(h.live))
	for _, env := range h.live {
		environments = append(environments, env)
	}
	h.mu.Unlock()
	for _, env := range environments {
		env.kill()
	}
}

func (h *Host) isClosed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// Invoke has the function carry out the event payload, a JSON value, and returns
// its answer; an empty payload is the event {}. A *FunctionError is the
// function's failure.
//
// The end of ctx ends the waiting, not the invocation, which goes on to its
// deadline as it does when a client of Lambda hangs up.
func (h *Host) Invoke(ctx context.Context, payload []byte) (Result, error) {
	return h.invoke(ctx, h.function.ARN, payload)
}

func (h *Host) invoke(ctx context.Context, arn string, payload []byte) (Result, error) {
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	if len(payload) > maxPayload {
		return Result{}, fmt.Errorf("invoking %s: the payload has %d bytes, and Lambda takes %d", arn, len(payload), maxPayload)
	}
	if !json.Valid(payload) {
		// It is not quoted, nor is the parser's error: it may hold a RotationToken.
		return Result{}, fmt.Errorf("invoking %s: the payload is not JSON", arn)
	}
	if err := context.Cause(ctx); err != nil {
		return Result{}, fmt.Errorf("invoking %s: %w", arn, err)
	}
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return Result{}, fmt.Errorf("invoking %s: %w", arn, ErrClosed)
	}
	h.running.Add(1)
	h.mu.Unlock()

	inv := newInvocation(arn, slices.Clone(payload))
	done := make(chan struct{})
	go func() {
		defer h.running.Done()
		defer close(done)
		h.carryOut(inv)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return Result{RequestID: inv.id}, fmt.Errorf("waiting for invocation %s of %s, which goes on: %w", inv.id, arn, context.Cause(ctx))
	}
	result := Result{RequestID: inv.id, Environment: inv.environment, Payload: inv.response, Took: inv.took}
	var failure *FunctionError
	if inv.err != nil && !errors.As(inv.err, &failure) {
		return result, fmt.Errorf("invoking %s: %w", arn, inv.err)
	}
	return result, inv.err
}

// carryOut finds an environment for inv, and has it served.
func (h *Host) carryOut(inv *invocation) {
	for {
		env := h.takeIdle()
		if env == nil {
			var err error
			if env, err = h.launch(); err != nil {
				if !errors.Is(err, ErrClosed) {
					err = invalidEntrypoint(inv.id, err)
				}
				inv.answer(nil, err)
				return
			}
			if err := env.awaitInit(inv.id); err != nil {
				inv.environment = env.number
				inv.answer(nil, err)
				return
			}
		}
		if env.serve(inv) {
			h.release(env)
			return
		}
		// It had ended while it was idle, which says nothing about this invocation.
		if h.isClosed() {
			inv.answer(nil, ErrClosed)
			return
		}
	}
}

// launch starts a further environment, by the lowest number that is free.
func (h *Host) launch() (*environment, error) {
	env := &environment{
		host:  h,
		asked: make(chan struct{}, 1),
		work:  make(chan *invocation),
		gone:  make(chan struct{}),
	}
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil, ErrClosed
	}
	for env.number = 1; h.live[env.number] != nil; {
		env.number++
	}
	h.live[env.number] = env
	h.mu.Unlock()
	if err := env.start(); err != nil {
		h.forget(env)
		return nil, err
	}
	return env, nil
}

// takeIdle returns the environment that has been idle for the shortest time, or
// nil.
func (h *Host) takeIdle() *environment {
	h.mu.Lock()
	defer h.mu.Unlock()
	last := len(h.idle) - 1
	if last < 0 {
		return nil
	}
	env := h.idle[last]
	h.idle = h.idle[:last]
	return env
}

// release makes env available, unless its process is no more.
func (h *Host) release(env *environment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.live[env.number] == env {
		h.idle = append(h.idle, env)
	}
}

// forget frees env's number.
func (h *Host) forget(env *environment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.live[env.number] == env {
		delete(h.live, env.number)
	}
	h.idle = slices.DeleteFunc(h.idle, func(other *environment) bool { return other == env })
}

func (h *Host) log(environment int, stream Stream, text string) {
	if h.function.Logs == nil {
		return
	}
	h.logMu.Lock()
	defer h.logMu.Unlock()
	h.function.Logs(Line{Time: time.Now(), Environment: environment, Stream: stream, Text: text})
}

// Invoker invokes functions by their ARN, as a service does that has been given
// one.
type Invoker struct{ host *Host }

// Invoker returns an Invoker that knows the Host's function.
func (h *Host) Invoker() Invoker { return Invoker{host: h} }

// Invoke is Host.Invoke without the answer. Another function than the Host's, by
// its ARN with or without $LATEST, is refused.
func (i Invoker) Invoke(ctx context.Context, functionARN string, payload []byte) error {
	own := i.host.function.ARN
	if functionARN != own && functionARN != own+":"+version {
		return fmt.Errorf("invoking %s: there is no such function here: use %s", functionARN, own)
	}
	_, err := i.host.invoke(ctx, functionARN, payload)
	return err
}

// newUUID makes an identifier as Lambda's request IDs are.
func newUUID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// newTrace makes the header of a trace that is not recorded (X-Ray Developer
// Guide, "Tracing header").
func newTrace() string {
	var id [20]byte
	_, _ = rand.Read(id[:])
	return fmt.Sprintf("Root=1-%08x-%s;Parent=%s;Sampled=0", time.Now().Unix(), hex.EncodeToString(id[:12]), hex.EncodeToString(id[12:]))
}
