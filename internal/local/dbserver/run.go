package dbserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

var errPortTaken = errors.New("the port was taken by another process")

// A run is one process of a server, from its start to its end.
type run struct {
	pid     int
	process *os.Process
	log     *serverLog
	// done is closed at the process's end, and state set before.
	done  chan struct{}
	state string
}

// start runs the command and logs what it writes.
func start(command *exec.Cmd, logFile string) (*run, error) {
	log, err := newServerLog(logFile)
	if err != nil {
		return nil, err
	}
	command.Stdout, command.Stderr = log, log
	command.WaitDelay = 5 * time.Second
	dieTogether(command)
	r := &run{log: log, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// On Linux a process dies with the thread that made it, not with the whole
		// process; so this goroutine keeps its thread until the server has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		if err != nil {
			_ = log.Close()
			started <- err
			return
		}
		r.pid, r.process = command.Process.Pid, command.Process
		release := watchOver(r.pid)
		started <- nil
		// The error is about the process's state, which is told as such.
		_ = command.Wait()
		release()
		r.state = command.ProcessState.String()
		_ = log.Close()
		close(r.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("running %s: %w", command.Path, err)
	}
	return r, nil
}

func (r *run) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// await returns when the server says that it is ready, or has ended instead.
func (r *run) await(ctx context.Context) error {
	select {
	case <-r.log.ready:
		return nil
	case <-r.done:
		if r.log.contains("Address already in use") {
			return fmt.Errorf("%w: %s", errPortTaken, r.log.last())
		}
		return fmt.Errorf("the server ended while starting (%s): %s", r.state, r.log.last())
	case <-ctx.Done():
		r.kill()
		return fmt.Errorf("waiting for the server to be ready: %w: %s", ctx.Err(), r.log.last())
	}
}

// kill ends the process and waits for its end.
func (r *run) kill() {
	// The only error is that it has ended.
	_ = r.process.Kill()
	<-r.done
}

// stop asks the server to shut down and waits for its end.
func (r *run) stop(ctx context.Context) error {
	if r.ended() {
		return nil
	}
	_ = r.process.Signal(syscall.SIGTERM)
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the server to shut down: %w: %s", ctx.Err(), r.log.last())
	}
}

// kept is how much of the log is kept for messages, in bytes.
const kept = 4096

// readyMark is what both servers write when they accept connections. MySQL's
// plugins have a message of their own that ends the same way.
var readyMark = []byte("ready for connections")

// serverLog writes what the server says to a file, keeps the last of it, and
// waits for the line that says that the server is ready.
type serverLog struct {
	ready chan struct{}

	mutex sync.Mutex
	file  *os.File
	tail  []byte
	line  []byte
	found bool
}

func newServerLog(path string) (*serverLog, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the server's log: %w", err)
	}
	return &serverLog{ready: make(chan struct{}), file: file}, nil
}

// Write implements io.Writer.
func (l *serverLog) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.tail = append(l.tail, p...)
	if len(l.tail) > kept {
		l.tail = append([]byte(nil), l.tail[len(l.tail)-kept:]...)
	}
	for rest := p; !l.found; {
		head, after, whole := bytes.Cut(rest, []byte("\n"))
		l.line = append(l.line, head...)
		if !whole {
			break
		}
		if bytes.Contains(l.line, readyMark) && !bytes.Contains(l.line, []byte("X Plugin")) {
			l.found = true
			close(l.ready)
		}
		l.line, rest = l.line[:0], after
	}
	// A full disk must not end the server's output, and with it the server.
	_, _ = l.file.Write(p)
	return len(p), nil
}

// Close closes the file.
func (l *serverLog) Close() error { return l.file.Close() }

func (l *serverLog) contains(text string) bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return bytes.Contains(l.tail, []byte(text))
}

// last returns the log's last lines, on one.
func (l *serverLog) last() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if len(bytes.TrimSpace(l.tail)) == 0 {
		return "its log is empty"
	}
	return "its log ends: " + lastLines(strings.ToValidUTF8(string(l.tail), "?"), 8)
}
