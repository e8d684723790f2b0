package lambdahost_test

import (
	"syscall"
	"testing"

	"tandem/internal/local/lambdahost"
)

func freeze(t *testing.T, pid int) {
	if err := lambdahost.Freeze(pid); err != nil {
		t.Error(err)
	}
}

// A process that does not run at all is killed like one that is busy.
func TestStoppedProcessOverruns(t *testing.T) {
	host := start(t, timeout(brief), started(func(_ string, pid int) { freeze(t, pid) }))
	if failure, _ := mustFail(t, host, do("echo")); failure.Type != lambdahost.TypeTimedOut {
		t.Errorf("%v", failure)
	}
}

func TestStoppedProcessGoesOnWhenContinued(t *testing.T) {
	stopped := make(chan int, 1)
	host := start(t, started(func(_ string, pid int) {
		freeze(t, pid)
		stopped <- pid
	}))
	done := make(chan error, 1)
	go func() {
		_, err := host.Invoke(t.Context(), payload(do("echo")))
		done <- err
	}()
	pid := <-stopped
	select {
	case err := <-done:
		t.Fatalf("a stopped process answered: %v", err)
	default:
	}
	_ = syscall.Kill(pid, syscall.SIGCONT)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestFreezeOfNoProcess(t *testing.T) {
	host := start(t)
	pid, _ := mustInvoke[int](t, host, do("pid"))
	host.Close()
	if err := lambdahost.Freeze(pid); err == nil {
		t.Error("no error")
	}
}
