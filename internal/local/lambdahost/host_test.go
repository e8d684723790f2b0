package lambdahost_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/lambdahost"
)

const arn = "arn:aws:lambda:eu-west-1:123456789012:function:rotation"

// long is a timeout that no test reaches, and brief one that a function which
// hangs always does.
const (
	long  = 5 * time.Minute
	brief = 200 * time.Millisecond
)

// binary is the compiled testdata/function.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if os.Getenv(parentMode) != "" {
			return beParent()
		}
		dir, err := os.MkdirTemp("", "runtimeapi")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		binary = filepath.Join(dir, "bootstrap")
		build := exec.Command("go", "build", "-o", binary, "./testdata/function")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "building testdata/function:", err)
			return 1
		}
		return m.Run()
	}())
}

// log keeps lines.
type log struct {
	mu    sync.Mutex
	lines []lambdahost.Line
}

func (l *log) add(line lambdahost.Line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

// of returns the lines of the streams, as "environment stream text".
func (l *log) of(streams ...lambdahost.Stream) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	for _, line := range l.lines {
		if slices.Contains(streams, line.Stream) {
			lines = append(lines, fmt.Sprintf("%d %s %s", line.Environment, line.Stream, line.Text))
		}
	}
	return lines
}

func function(change ...func(*lambdahost.Function)) lambdahost.Function {
	f := lambdahost.Function{Binary: binary, ARN: arn, Timeout: long, InitTimeout: long}
	for _, c := range change {
		c(&f)
	}
	return f
}

func start(t *testing.T, change ...func(*lambdahost.Function)) *lambdahost.Host {
	t.Helper()
	host, err := lambdahost.Start(t.Context(), function(change...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Close)
	return host
}

func timeout(d time.Duration) func(*lambdahost.Function) {
	return func(f *lambdahost.Function) { f.Timeout = d }
}

func initTimeout(d time.Duration) func(*lambdahost.Function) {
	return func(f *lambdahost.Function) { f.InitTimeout = d }
}

func env(entries ...string) func(*lambdahost.Function) {
	return func(f *lambdahost.Function) { f.Env = entries }
}

func logs(l *log) func(*lambdahost.Function) {
	return func(f *lambdahost.Function) { f.Logs = l.add }
}

func started(call func(requestID string, pid int)) func(*lambdahost.Function) {
	return func(f *lambdahost.Function) { f.Started = call }
}

type event struct {
	Do   string `json:"do"`
	Text string `json:"text,omitempty"`
	Code int    `json:"code,omitempty"`
	Call string `json:"call,omitempty"`
}

func payload(e event) []byte {
	data, _ := json.Marshal(e)
	return data
}

func do(name string) event { return event{Do: name} }

// mustInvoke returns the answer, decoded into a T.
func mustInvoke[T any](t *testing.T, host *lambdahost.Host, e event) (T, lambdahost.Result) {
	t.Helper()
	var answer T
	result, err := host.Invoke(t.Context(), payload(e))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(result.Payload, &answer); err != nil {
		t.Fatalf("answer %q: %v", result.Payload, err)
	}
	return answer, result
}

// mustFail returns the failure of the function.
func mustFail(t *testing.T, host *lambdahost.Host, e event) (*lambdahost.FunctionError, lambdahost.Result) {
	t.Helper()
	result, err := host.Invoke(t.Context(), payload(e))
	var failure *lambdahost.FunctionError
	if !errors.As(err, &failure) {
		t.Fatalf("error %v, want a FunctionError", err)
	}
	if result.Payload != nil {
		t.Errorf("a failure with the payload %q", result.Payload)
	}
	return failure, result
}

// meeting is where a function's process can be awaited.
type meeting struct{ net.Listener }

func meet(t *testing.T) meeting {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return meeting{listener}
}

func (m meeting) address() string { return m.Addr().String() }

// arrival waits for a process. The connection ends with the process.
func (m meeting) arrival(t *testing.T) (pid int, connection net.Conn) {
	t.Helper()
	connection, err := m.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	line, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err = strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return pid, connection
}

// awaitDeath returns when the process at the other end is no more.
func awaitDeath(connection net.Conn) { _, _ = io.Copy(io.Discard, connection) }

func TestFunctionGetsItsInvocation(t *testing.T) {
	var handed string
	host := start(t, started(func(requestID string, _ int) { handed = requestID }))
	type context struct {
		RequestID, ARN, Trace string
		Deadline              int64
	}
	before := time.Now()
	got, result := mustInvoke[context](t, host, do("context"))
	after := time.Now()
	if got.RequestID == "" || got.RequestID != result.RequestID || got.RequestID != handed {
		t.Errorf("request ID: the function saw %q, Result has %q, Started got %q", got.RequestID, result.RequestID, handed)
	}
	if got.ARN != arn {
		t.Errorf("ARN %q, want %q", got.ARN, arn)
	}
	if earliest, latest := before.Add(long).UnixMilli(), after.Add(long).UnixMilli(); got.Deadline < earliest || got.Deadline > latest {
		t.Errorf("deadline %d, want from %d to %d", got.Deadline, earliest, latest)
	}
	if !strings.HasPrefix(got.Trace, "Root=1-") || !strings.HasSuffix(got.Trace, ";Sampled=0") {
		t.Errorf("trace %q is no tracing header", got.Trace)
	}
	if other, _ := mustInvoke[context](t, host, do("context")); other.RequestID == got.RequestID {
		t.Error("two invocations with one request ID")
	}
}

func TestEnvironmentIsLambdasAndNothingElse(t *testing.T) {
	t.Setenv("LEFT_LYING_ABOUT", "by the caller")
	host := start(t,
		env("PASSWORD_LENGTH=40", "TZ=:Europe/Vienna", "AWS_LAMBDA_RUNTIME_API=elsewhere"),
		func(f *lambdahost.Function) { f.MemoryMB = 256 })
	got, _ := mustInvoke[[]string](t, host, do("environment"))
	variables := map[string]string{}
	for _, entry := range got {
		name, value, _ := strings.Cut(entry, "=")
		variables[name] = value
	}
	if address := variables["AWS_LAMBDA_RUNTIME_API"]; !strings.HasPrefix(address, "127.0.0.1:") {
		t.Errorf("AWS_LAMBDA_RUNTIME_API=%s, want a loopback address", address)
	}
	delete(variables, "AWS_LAMBDA_RUNTIME_API")
	delete(variables, "_X_AMZN_TRACE_ID") // set by aws-lambda-go, for each invocation
	stream := variables["AWS_LAMBDA_LOG_STREAM_NAME"]
	if !strings.HasSuffix(stream, "/[$LATEST]1") {
		t.Errorf("AWS_LAMBDA_LOG_STREAM_NAME=%s", stream)
	}
	delete(variables, "AWS_LAMBDA_LOG_STREAM_NAME")
	want := map[string]string{
		"_HANDLER":                        "bootstrap",
		"AWS_REGION":                      "eu-west-1",
		"AWS_DEFAULT_REGION":              "eu-west-1",
		"AWS_LAMBDA_FUNCTION_NAME":        "rotation",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_FORMAT":           "JSON",
		"AWS_LAMBDA_LOG_LEVEL":            "INFO",
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/rotation",
		"LAMBDA_TASK_ROOT":                filepath.Dir(binary),
		"LAMBDA_RUNTIME_DIR":              "/var/runtime",
		"LANG":                            "en_US.UTF-8",
		"PATH":                            "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
		"TZ":                              ":Europe/Vienna",
		"PASSWORD_LENGTH":                 "40",
	}
	if diff := cmp.Diff(want, variables); diff != "" {
		t.Error(diff)
	}
}

func TestAnswers(t *testing.T) {
	host := start(t)
	if got, _ := mustInvoke[string](t, host, event{Do: "echo", Text: "ä \" </x>"}); got != "ä \" </x>" {
		t.Errorf("echo %q", got)
	}
	if got, _ := mustInvoke[[]int](t, host, do("ask again")); !slices.Equal(got, []int{403, 400, 400, 403}) {
		t.Errorf("calls out of turn are answered %v", got)
	}
	for name, bad := range map[string][]byte{"no JSON": []byte("{secret"), "too large": make([]byte, 7<<20)} {
		if _, err := host.Invoke(t.Context(), bad); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want one that does not quote the payload", name, err)
		}
	}
	if result, err := host.Invoke(t.Context(), nil); err != nil || string(result.Payload) != "null" {
		t.Errorf("empty payload: %q, %v", result.Payload, err)
	}
}

func TestFunctionErrors(t *testing.T) {
	for _, test := range []struct {
		event       event
		wantType    string
		wantMessage string
	}{
		{event{Do: "error", Text: "wrong"}, "customError", "wrong"},
		{event{Do: "typed error", Text: "setSecret: wrong"}, "RotationFailed", "setSecret: wrong"},
		{event{Do: "break off", Text: "the disk is full"}, "customError", "the disk is full"},
		{event{Do: "panic", Text: "index out of range"}, "errorString", "index out of range"},
		{event{Do: "exit", Code: 7}, lambdahost.TypeExited, "RequestId: ID Error: Runtime exited with error: exit status 7"},
		{event{Do: "exit"}, lambdahost.TypeExited, "RequestId: ID Error: Runtime exited without providing a reason"},
		{event{Do: "large", Code: 6 << 20}, "", ""}, // fits
		{event{Do: "large", Code: 6<<20 + 200}, lambdahost.TypeResponseTooLarge, "Response payload size exceeded maximum allowed payload size (6291556 bytes)."},
	} {
		t.Run(fmt.Sprint(test.event), func(t *testing.T) {
			host := start(t)
			if test.wantType == "" {
				mustInvoke[string](t, host, test.event)
				return
			}
			failure, result := mustFail(t, host, test.event)
			message := strings.ReplaceAll(failure.Message, result.RequestID, "ID")
			if failure.Type != test.wantType || message != test.wantMessage {
				t.Errorf("%s, %q; want %s, %q", failure.Type, message, test.wantType, test.wantMessage)
			}
			if !strings.HasPrefix(failure.Error(), test.wantType+": ") {
				t.Errorf("Error() = %q", failure.Error())
			}
			traced := slices.ContainsFunc(failure.StackTrace, func(frame string) bool {
				return strings.HasPrefix(frame, "handle ") && strings.Contains(frame, "main.go:")
			})
			if traced != (test.event.Do == "panic") {
				t.Errorf("stack trace %q", failure.StackTrace)
			}
			// Whatever happened, the next invocation is served.
			mustInvoke[string](t, host, event{Do: "echo", Text: "again"})
		})
	}
}

func TestProcessIsKeptUntilItEnds(t *testing.T) {
	for _, test := range []struct {
		between event
		kept    bool
	}{
		{do("echo"), true},
		{do("error"), true},
		{do("break off"), true},
		{do("panic"), false},
		{do("exit"), false},
	} {
		t.Run(test.between.Do, func(t *testing.T) {
			host := start(t)
			first, _ := mustInvoke[int](t, host, do("pid"))
			_, _ = host.Invoke(t.Context(), payload(test.between))
			second, result := mustInvoke[int](t, host, do("pid"))
			if (first == second) != test.kept {
				t.Errorf("process %d before, %d after", first, second)
			}
			if result.Environment != 1 {
				t.Errorf("environment %d, want 1: it takes over its predecessor's number", result.Environment)
			}
		})
	}
}

func TestOverrunIsKilled(t *testing.T) {
	var l log
	m := meet(t)
	host := start(t, timeout(brief), logs(&l))
	failure, result := mustFail(t, host, event{Do: "print and hang", Text: "before", Call: m.address()})
	want := lambdahost.FunctionError{
		Type:    "Sandbox.Timedout",
		Message: "RequestId: " + result.RequestID + " Error: Task timed out after 0.20 seconds",
	}
	if failure.Type != want.Type || failure.Message != want.Message {
		t.Errorf("%v, want %v", failure, &want)
	}
	first, connection := m.arrival(t)
	awaitDeath(connection)
	if err := syscall.Kill(first, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d after its overrun: %v", first, err)
	}
	if got := l.of(lambdahost.Stdout); !slices.Equal(got, []string{"1 stdout before"}) {
		t.Errorf("lines %q", got)
	}
}

func TestKilledProcess(t *testing.T) {
	var kill bool // Started has returned when Invoke returns
	host := start(t, started(func(_ string, pid int) {
		if kill {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}))
	first, _ := mustInvoke[int](t, host, do("pid"))
	kill = true
	failure, result := mustFail(t, host, do("pid"))
	if want := "RequestId: " + result.RequestID + " Error: Runtime exited with error: signal: killed"; failure.Message != want {
		t.Errorf("%q, want %q", failure.Message, want)
	}
	kill = false
	if second, _ := mustInvoke[int](t, host, do("pid")); second == first {
		t.Error("the killed process answered")
	}
}

// The end of an idle process is nobody's failure.
func TestIdleProcessEnds(t *testing.T) {
	m := meet(t)
	reading, release := make(chan struct{}), make(chan struct{})
	host := start(t, func(f *lambdahost.Function) {
		f.Logs = func(line lambdahost.Line) {
			if line.Text == "later" { // the environment cannot be cleared away until this returns
				close(reading)
				<-release
			}
		}
	})
	first, _ := mustInvoke[int](t, host, event{Do: "print later", Text: m.address()})
	_, connection := m.arrival(t)
	_ = connection.Close()
	<-reading
	awaitReaped(first)
	go close(release)
	if second, result := mustInvoke[int](t, host, do("pid")); second == first || result.Environment != 1 {
		t.Errorf("process %d of environment %d answered, want a new one of 1", second, result.Environment)
	}
}

// awaitReaped returns when the number of a process is free, for which there is
// nothing that could be waited for.
func awaitReaped(pid int) {
	for syscall.Kill(pid, 0) == nil {
		runtime.Gosched()
	}
}

func TestProcessGroupEnds(t *testing.T) {
	for _, test := range []struct {
		name     string
		code     int
		wantType string
	}{
		{"with the overrun of the function", 0, lambdahost.TypeTimedOut},
		{"with the exit of the function", 1, lambdahost.TypeExited},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := meet(t)
			limit := brief
			if test.code != 0 {
				limit = long
			}
			host := start(t, timeout(limit))
			done := make(chan *lambdahost.FunctionError, 1)
			go func() {
				_, err := host.Invoke(t.Context(), payload(event{Do: "start another", Text: m.address(), Code: test.code}))
				var failure *lambdahost.FunctionError
				_ = errors.As(err, &failure)
				done <- failure
			}()
			if failure := <-done; failure == nil || failure.Type != test.wantType {
				t.Fatalf("%v, want %s", failure, test.wantType)
			}
			// It may have been killed before it called, and then never will.
			_ = m.Listener.(*net.TCPListener).SetDeadline(time.Now().Add(brief))
			if connection, err := m.Accept(); err == nil {
				awaitDeath(connection)
				_ = connection.Close()
			}
		})
	}
}

func TestOverlappingInvocationsGetEnvironments(t *testing.T) {
	m := meet(t)
	var l log
	host := start(t, logs(&l))
	type outcome struct {
		pid    int
		result lambdahost.Result
	}
	outcomes := make(chan outcome)
	invoke := func() {
		answer, result := mustInvoke[int](t, host, event{Do: "wait", Call: m.address()})
		outcomes <- outcome{answer, result}
	}
	connections := map[int]net.Conn{}
	var order []int
	for range 3 {
		go invoke()
		pid, connection := m.arrival(t) // all earlier ones are still under way
		connections[pid] = connection
		order = append(order, pid)
	}
	if len(connections) != 3 {
		t.Fatalf("processes %v serve three invocations", order)
	}
	// They become idle one after the other; the last is used first.
	for _, i := range []int{0, 2, 1} {
		_ = connections[order[i]].Close()
		got := <-outcomes
		if got.pid != order[i] || got.result.Environment != i+1 {
			t.Errorf("process %d of environment %d answered, want %d of %d", got.pid, got.result.Environment, order[i], i+1)
		}
	}
	if pid, result := mustInvoke[int](t, host, do("pid")); pid != order[1] || result.Environment != 2 {
		t.Errorf("process %d of environment %d was used again, want %d of 2, the last that became idle", pid, result.Environment, order[1])
	}
	// An end in the middle leaves its number to the next that is needed.
	_, _ = host.Invoke(t.Context(), payload(event{Do: "exit", Code: 1}))
	for range 3 {
		go invoke()
		pid, connection := m.arrival(t)
		order = append(order, pid)
		connections[pid] = connection
	}
	var environments []int
	for _, pid := range order[3:] {
		_ = connections[pid].Close()
		environments = append(environments, (<-outcomes).result.Environment)
	}
	if !slices.Equal(environments, []int{3, 1, 2}) {
		t.Errorf("environments %v, want 3, 1 and the new 2", environments)
	}
}

// The caller's end of patience is not the invocation's.
func TestAbandonedInvocationGoesOn(t *testing.T) {
	m := meet(t)
	host := start(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := host.Invoke(ctx, payload(event{Do: "wait", Call: m.address()}))
		done <- err
	}()
	pid, connection := m.arrival(t)
	reason := errors.New("gone for lunch")
	cancel(reason)
	if err := <-done; !errors.Is(err, reason) {
		t.Errorf("error %v", err)
	}
	if other, _ := mustInvoke[int](t, host, do("pid")); other == pid {
		t.Error("the abandoned invocation's process serves another one")
	}
	_ = connection.Close() // and now it ends
	if _, err := host.Invoke(ctx, payload(do("pid"))); !errors.Is(err, reason) {
		t.Errorf("invoking with an ended context: %v", err)
	}
}

func TestCloseKillsAndWaits(t *testing.T) {
	for name, end := range map[string]func(*lambdahost.Host, context.CancelFunc){
		"Close":                func(h *lambdahost.Host, _ context.CancelFunc) { h.Close() },
		"the context's end":    func(h *lambdahost.Host, cancel context.CancelFunc) { cancel() },
		"Close more than once": func(h *lambdahost.Host, _ context.CancelFunc) { h.Close(); h.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			m := meet(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			host, err := lambdahost.Start(ctx, function())
			if err != nil {
				t.Fatal(err)
			}
			defer host.Close()
			done := make(chan error, 2)
			var connections []net.Conn
			for range 2 {
				go func() {
					_, err := host.Invoke(context.Background(), payload(event{Do: "wait", Call: m.address()}))
					done <- err
				}()
				_, connection := m.arrival(t)
				connections = append(connections, connection)
			}
			end(host, cancel)
			for _, connection := range connections {
				awaitDeath(connection)
				if err := <-done; !errors.Is(err, lambdahost.ErrClosed) {
					t.Errorf("error %v, want ErrClosed", err)
				}
			}
			if _, err := host.Invoke(context.Background(), payload(do("pid"))); !errors.Is(err, lambdahost.ErrClosed) {
				t.Errorf("invoking after the end: %v, want ErrClosed", err)
			}
		})
	}
}

func TestInvoker(t *testing.T) {
	host := start(t)
	var invoker interface {
		Invoke(ctx context.Context, functionARN string, payload []byte) error
	} = host.Invoker()
	for _, known := range []string{arn, arn + ":$LATEST"} {
		if err := invoker.Invoke(t.Context(), known, payload(do("echo"))); err != nil {
			t.Errorf("%s: %v", known, err)
		}
	}
	if err := invoker.Invoke(t.Context(), arn+"2", payload(do("echo"))); err == nil {
		t.Error("another function's ARN is invoked")
	}
	var failure *lambdahost.FunctionError
	if err := invoker.Invoke(t.Context(), arn, payload(do("error"))); !errors.As(err, &failure) {
		t.Errorf("error %v, want the function's", err)
	}
}

func TestBinaryThatDoesNotStart(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	of := func(path string) func(*lambdahost.Function) { return func(f *lambdahost.Function) { f.Binary = path } }
	for _, test := range []struct {
		name   string
		change func(*lambdahost.Function)
		want   []string
	}{
		{"missing", of(filepath.Join(dir, "none")), []string{"none", "make build"}},
		{"a directory", of(dir), []string{dir, "not a file"}},
		{"not executable", of(file("text", "", 0o644)), []string{"text", "chmod +x"}},
		{"for another machine", of(file("foreign", "\x7fELF\x02\x01\x01", 0o755)), []string{"foreign", "exec format error", runtime.GOOS + "/" + runtime.GOARCH}},
		{"without its loader", of(file("script", "#!/no/such/interpreter\n", 0o755)), []string{"script", "loader"}},
		{"not a function", of(file("true", "#!/bin/sh\nexit 0\n", 0o755)), []string{"true", "exit status 0", "aws-lambda-go"}},
		{"ends at its start", env("AT_START=exit"), []string{"exit status 3", "cannot load the library"}},
		{"hangs at its start", func(f *lambdahost.Function) { env("AT_START=hang")(f); initTimeout(brief)(f) }, []string{"200ms", "aws-lambda-go"}},
		{"reports at its start", env("AT_START=report"), []string{"Runtime.ConfigInvalid", "no configuration"}},
		{"no ARN", func(f *lambdahost.Function) { f.ARN = "rotation" }, []string{`"rotation"`, "arn:aws:lambda:"}},
		{"an ARN with a version", func(f *lambdahost.Function) { f.ARN = arn + ":3" }, []string{"without a version"}},
		{"a timeout beyond Lambda's", timeout(16 * time.Minute), []string{"16m0s", "15m0s"}},
		{"a variable without a value", env("A=1", "sec ret"), []string{"entry 1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			host, err := lambdahost.Start(t.Context(), function(test.change))
			if err == nil {
				host.Close()
				t.Fatal("no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not mention %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "sec ret") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q", err)
			}
		})
	}
}

// A binary that is replaced, or breaks, while the Host is running.
func TestSuccessorThatDoesNotStart(t *testing.T) {
	for _, test := range []struct {
		name, content, wantType, wantMessage string
	}{
		{"no program", "\x7fELF", lambdahost.TypeInvalidEntrypoint, "exec format error"},
		{"ends at its start", "#!/bin/sh\nexit 4\n", lambdahost.TypeExited, "Runtime exited with error: exit status 4"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bootstrap")
			if err := os.Link(binary, path); err != nil {
				t.Fatal(err)
			}
			host := start(t, func(f *lambdahost.Function) { f.Binary = path })
			replacement := path + ".new"
			if err := os.WriteFile(replacement, []byte(test.content), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(replacement, path); err != nil {
				t.Fatal(err)
			}
			mustInvoke[int](t, host, do("pid")) // the old one is still running
			mustFail(t, host, event{Do: "exit", Code: 1})
			failure, result := mustFail(t, host, do("pid"))
			if failure.Type != test.wantType || !strings.Contains(failure.Message, test.wantMessage) ||
				!strings.HasPrefix(failure.Message, "RequestId: "+result.RequestID+" Error: ") {
				t.Errorf("%v", failure)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := os.Link(binary, path); err != nil {
				t.Fatal(err)
			}
			mustInvoke[int](t, host, do("pid"))
		})
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	m := meet(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := lambdahost.Start(ctx, function(env("AT_START=hang", "CALL_AT_START="+m.address())))
		done <- err
	}()
	_, connection := m.arrival(t)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	awaitDeath(connection)
	if _, err := lambdahost.Start(ctx, function()); !errors.Is(err, context.Canceled) {
		t.Errorf("starting with an ended context: %v", err)
	}
}
