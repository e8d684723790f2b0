package lambdahost_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"tandem/internal/local/lambdahost"
)

const knowsMemory = true

// parentMode makes the test binary a program that runs the function named by it
// until it is killed. The function calls at parentCall in its invocation.
const (
	parentMode = "RUNTIMEAPI_TEST_PARENT"
	parentCall = "RUNTIMEAPI_TEST_CALL"
)

func beParent() int {
	f := function()
	f.Binary = os.Getenv(parentMode)
	host, err := lambdahost.Start(context.Background(), f)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_, err = host.Invoke(context.Background(), payload(event{Do: "wait", Call: os.Getenv(parentCall)}))
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// A sandbox that is killed leaves no function behind that goes on changing a
// database.
func TestProcessDiesWithItsParent(t *testing.T) {
	m := meet(t)
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), parentMode+"="+binary, parentCall+"="+m.address())
	parent.Stderr = os.Stderr
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	_, connection := m.arrival(t)
	_ = parent.Process.Kill()
	_ = parent.Wait()
	awaitDeath(connection)
}

// It dies with the process that started it, not with the thread: here the caller
// of Start ends with its thread.
func TestProcessOutlivesTheCallersThread(t *testing.T) {
	var host *lambdahost.Host
	var err error
	onEndingThread(func() { host, err = lambdahost.Start(t.Context(), function()) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Close)
	m := meet(t)
	_, _ = mustInvoke[int](t, host, event{Do: "pid", Call: m.address()})
	first, _ := m.arrival(t)
	if second, _ := mustInvoke[int](t, host, do("pid")); second != first {
		t.Fatalf("process %d, want %d still", second, first)
	}
}

// onEndingThread calls f on a thread, and returns when the thread has ended.
func onEndingThread(f func()) {
	ended := make(chan string, 1)
	var run func()
	run = func() {
		runtime.LockOSThread() // where it is not unlocked, the thread ends with the goroutine
		id := syscall.Gettid()
		if id != os.Getpid() {
			f()
			ended <- fmt.Sprintf("/proc/self/task/%d", id)
			return
		}
		// The first thread does not end: it is held here, and another one is used.
		done := make(chan struct{})
		go func() {
			defer close(done)
			run()
		}()
		<-done
		runtime.UnlockOSThread()
	}
	go run()
	thread := <-ended
	for {
		if _, err := os.Stat(thread); err != nil {
			return
		}
		runtime.Gosched()
	}
}
