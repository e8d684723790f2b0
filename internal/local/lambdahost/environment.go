package lambdahost

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// environment is one process of the function, and the Runtime API that it alone
// speaks to.
type environment struct {
	host    *Host
	number  int
	began   time.Time
	command *exec.Cmd
	outputs [2]*output
	server  *http.Server

	asked chan struct{}    // the process asks for an invocation; holds one
	work  chan *invocation // taken by the request that asks
	gone  chan struct{}    // the process has ended, its output is read, its port closed

	mu        sync.Mutex
	pid       int // 0 before the process has started, and after its number has become free
	doomed    bool
	current   *invocation // the last that was handed out
	initError *FunctionError
	initTook  time.Duration // not yet reported
	memory    int64         // peak, in bytes; 0 if not known
	lastError string        // the last line of stderr
}

// start starts the process. Its error says what to do.
func (e *environment) start() error {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening for the function's calls: %w", err)
	}
	for i := range e.outputs {
		if e.outputs[i], err = newOutput(); err != nil {
			_ = listener.Close()
			if i > 0 {
				e.outputs[0].discard()
			}
			return err
		}
	}
	function := e.host.function
	e.began = time.Now()
	logStream := fmt.Sprintf("%s/[%s]%d", e.began.UTC().Format("2006/01/02"), version, e.number)
	e.command = &exec.Cmd{
		Path:        function.Binary,
		Args:        []string{function.Binary},
		Dir:         filepath.Dir(function.Binary),
		Env:         function.environ(e.host.identity, listener.Addr().String(), logStream),
		Stdout:      e.outputs[0].write,
		Stderr:      e.outputs[1].write,
		SysProcAttr: processAttributes(),
	}
	e.server = &http.Server{Handler: e.api(), ReadHeaderTimeout: 10 * time.Second}

	started := make(chan error)
	e.host.running.Add(1)
	go e.run(listener, started)
	return <-started
}

// run starts the process, waits for its end and clears away what belonged to it.
func (e *environment) run(listener net.Listener, started chan<- error) {
	defer e.host.running.Done()
	defer close(e.gone)
	defer e.host.forget(e)
	// A process that is to die with its parent dies with the thread that started
	// it. This one is kept to the process's end, and not ended after it either.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	e.mu.Lock()
	err := ErrClosed
	if !e.doomed {
		err = e.command.Start()
	}
	if err != nil {
		e.mu.Unlock()
		_ = listener.Close()
		for _, output := range e.outputs {
			output.discard()
		}
		started <- explainStart(err)
		return
	}
	e.pid = e.command.Process.Pid
	e.mu.Unlock()

	go e.outputs[0].follow(func(text string) { e.host.log(e.number, Stdout, text) })
	go e.outputs[1].follow(func(text string) {
		e.mu.Lock()
		e.lastError = text
		e.mu.Unlock()
		e.host.log(e.number, Stderr, text)
	})
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = e.server.Serve(listener) // always ends with an error, mostly ErrServerClosed
	}()
	started <- nil

	e.reap()
	for _, output := range e.outputs {
		output.drain()
	}
	_ = e.server.Close()
	<-served
}

// reap waits for the process, and kills what is left of its group. A group is
// only ever killed while its number cannot belong to another.
func (e *environment) reap() {
	ended := awaitEnd(e.pid)
	if !ended {
		// No way to know before: numbers are given out in turn, so that this one is
		// not in use again yet.
		_ = e.command.Wait()
	}
	e.mu.Lock()
	_ = syscall.Kill(-e.pid, syscall.SIGKILL)
	e.pid = 0
	e.mu.Unlock()
	if ended {
		_ = e.command.Wait() // its state tells how it ended
	}
}

// kill ends the process and all that it has started in its group. gone tells when
// that is done.
func (e *environment) kill() {
	e.sampleMemory()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.doomed = true
	if e.pid != 0 {
		_ = syscall.Kill(-e.pid, syscall.SIGKILL)
	}
}

func (e *environment) state() *os.ProcessState { return e.command.ProcessState }

// sampleMemory notes the peak so far; it cannot be asked for once the process has
// ended.
func (e *environment) sampleMemory() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pid != 0 {
		e.memory = max(e.memory, peakMemory(e.pid))
	}
}

// awaitInit waits until the process asks for its first invocation. The error is a
// *FunctionError of the invocation requestID, which waits for that, or ErrClosed.
func (e *environment) awaitInit(requestID string) error {
	limit := e.host.function.InitTimeout
	timer := time.NewTimer(time.Until(e.began.Add(limit)))
	defer timer.Stop()
	overrun := false
	select {
	case <-e.asked:
		e.mu.Lock()
		e.initTook = time.Since(e.began)
		e.mu.Unlock()
		e.sampleMemory()
		return nil
	case <-e.gone:
	case <-timer.C:
		overrun = true
		e.kill()
		<-e.gone
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.initError != nil:
		return e.initError
	case e.host.isClosed():
		return ErrClosed
	case overrun:
		return initTimedOut(requestID, limit)
	}
	return exited(requestID, e.state())
}

// explainInit says what Start says of a process that never asked for an
// invocation.
func (e *environment) explainInit(err error) error {
	var failure *FunctionError
	if !errors.As(err, &failure) {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	last := ""
	if e.lastError != "" {
		last = "; the last line of its stderr: " + quoteLine(e.lastError)
	}
	switch {
	case e.initError != nil:
		return fmt.Errorf("it reported that it cannot start: %w", err)
	case failure.Type == TypeTimedOut:
		return fmt.Errorf("it did not ask for an invocation within %s: is it a Lambda function, made with aws-lambda-go?%s", e.host.function.InitTimeout, last)
	}
	return fmt.Errorf("it ended before it asked for an invocation (%s): is it a Lambda function, made with aws-lambda-go?%s", e.state(), last)
}

// serve has the process carry inv out, and returns when it is done with it, or is
// no more. It reports whether inv was handed out at all: the process may have
// ended before, while it was idle.
func (e *environment) serve(inv *invocation) (handedOut bool) {
	inv.environment = e.number
	inv.handed = make(chan bool, 1)
	handed := time.Now()
	inv.deadline = handed.Add(e.host.function.Timeout)
	timer := time.NewTimer(time.Until(inv.deadline))
	defer timer.Stop()

	taken, overrun := false, false
	end := func() {
		overrun = true
		e.kill()
		<-e.gone
	}
	select {
	case e.work <- inv:
		taken = true
	case <-e.gone:
		return false
	case <-timer.C: // it asked, and hung up
		end()
	}
	if !overrun {
		select {
		case <-inv.answered:
		case <-e.gone:
		case <-timer.C:
			end()
		}
	}
	if inv.isAnswered() && !overrun {
		// An invocation is over when the process asks for the next: until then it may
		// still write to its log, or end, as it does after a panic.
		select {
		case <-e.asked:
			e.sampleMemory()
			for _, output := range e.outputs {
				output.flush()
			}
		case <-e.gone:
		case <-timer.C:
			end()
		}
	}
	inv.took = time.Since(handed)

	if taken && !<-inv.handed {
		return false
	}
	if !inv.isAnswered() {
		inv.answer(nil, e.unanswered(inv.id, overrun))
	}
	e.host.report(e, inv, overrun)
	return true
}

// unanswered says why a process that is no more did not answer.
func (e *environment) unanswered(requestID string, overrun bool) error {
	switch {
	case e.host.isClosed():
		return ErrClosed
	case overrun:
		return timedOut(requestID, e.host.function.Timeout)
	}
	return exited(requestID, e.state())
}

// newInvocation makes an invocation of the function by the name arn.
func newInvocation(arn string, payload []byte) *invocation {
	return &invocation{id: newUUID(), arn: arn, trace: newTrace(), payload: payload, answered: make(chan struct{})}
}

// invocation is one event on its way through a function. Its first answer counts.
type invocation struct {
	id, arn, trace string
	payload        []byte
	environment    int
	deadline       time.Time
	took           time.Duration

	handed   chan bool // one value, once next has taken it: whether there was a process left to have it
	once     sync.Once
	answered chan struct{} // closed by the answer; the fields below are set then
	response []byte
	err      error
}

// answer sets the invocation's answer and reports whether it is the first.
func (inv *invocation) answer(response []byte, err error) (first bool) {
	inv.once.Do(func() {
		inv.response, inv.err = response, err
		close(inv.answered)
		first = true
	})
	return first
}

func (inv *invocation) isAnswered() bool {
	select {
	case <-inv.answered:
		return true
	default:
		return false
	}
}
