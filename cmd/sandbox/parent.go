package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// errParentEnded is why a sandbox ends whose parent did.
var errParentEnded = errors.New("the process that started the sandbox has ended")

// parentPeriod is how often the parent is looked for: no system but Linux tells.
const parentPeriod = time.Second

// endings are the signals that end the sandbox in order, with its server: Ctrl-C, and
// what an IDE, a job or a terminal that is closed sends. Under nohup the last is
// ignored, and stays so.
func endings() []os.Signal {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		ends = append(ends, syscall.SIGHUP)
	}
	return ends
}

// byGoRun reports whether the program was started by go run, which keeps to itself a
// signal that it is sent alone, and leaves the program behind.
func byGoRun(executable string) bool {
	return strings.Contains(executable, string(os.PathSeparator)+"go-build")
}

// withParent returns a context that ends when the process that started this one does.
func withParent(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	parent := os.Getppid()
	go func() {
		ticker := time.NewTicker(parentPeriod)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				if os.Getppid() != parent {
					cancel(errParentEnded)
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}
