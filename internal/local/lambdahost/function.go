// Package lambdahost runs a compiled Lambda function on this machine the way
// Lambda runs it: as a process of its own that asks for its invocations over the
// Lambda Runtime API, on a loopback address.
//
// A handler that is called in the same process proves the handler. What breaks a
// rotation is around it: the environment that the function is given, the process
// that is killed when its time is over, the second one that runs beside it, the
// one that comes back after a while and goes on. So the binary that would be
// deployed is started here, unchanged, and a test can kill or stop it at the
// moment it chooses.
//
//	Host -- Invoke --> environment 1: process <-- HTTP --> its own loopback port
//	               \-> environment 2: ...
//
// An environment serves one invocation at a time. Invocations that overlap get
// further environments; idle ones are used again, the most recently used first.
// A process that ends or overruns its deadline is done with, and its successor
// starts with the next invocation that needs one.
//
// It is for tests, the demo and the sandbox, and is never linked into the
// function. Any user of this machine can speak to a loopback port: do not use it
// with secrets that matter on a machine that is shared.
//
// Source of the protocol: AWS Lambda Developer Guide, "Using the Lambda runtime
// API for custom runtimes" and "Defined runtime environment variables".
package lambdahost

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// What a Function leaves out.
const (
	DefaultTimeout     = 3 * time.Second  // Lambda's own default
	DefaultInitTimeout = 10 * time.Second // Lambda's limit for the phase
	DefaultMemoryMB    = 128              // Lambda's own default
)

// maxTimeout is the longest that Lambda lets an invocation take.
const maxTimeout = 15 * time.Minute

// Function is what Lambda knows of a function.
type Function struct {
	// Binary is the path of the program, which is what is deployed as "bootstrap".
	Binary string
	// ARN names the function, without a version or alias. Required: its region and
	// its name become variables of the environment.
	ARN string
	// Env has the form of os.Environ. Nothing is inherited from this process:
	// the environment consists of Lambda's own variables (of which those of AWS
	// credentials are not made up here) and these, which win.
	Env []string
	// Timeout is how long an invocation may take; DefaultTimeout if zero.
	Timeout time.Duration
	// InitTimeout is how long a process may take until it asks for an invocation;
	// DefaultInitTimeout if zero.
	InitTimeout time.Duration
	// MemoryMB is told to the function, not enforced; DefaultMemoryMB if zero.
	MemoryMB int

	// Logs, where set, receives what the function writes, a line at a time and one
	// call at a time, and must return soon. All that an invocation has written is handed over before
	// Invoke returns. It must not call the Host.
	Logs func(Line)
	// SystemLogs adds Lambda's own lines to Logs: START, END and REPORT, in the
	// JSON form that CloudWatch gets.
	SystemLogs bool

	// Started, where set, is called with the process that is about to be handed an
	// invocation, before the function sees it: so that a test may stop or kill the
	// process whenever it wants to (see Freeze). It has returned when Invoke returns, and must
	// not call the Host.
	Started func(requestID string, pid int)
}

// identity is what an ARN says.
type identity struct{ region, account, name string }

// parseARN reads arn:partition:lambda:region:account:function:name.
func parseARN(arn string) (identity, error) {
	parts := strings.Split(arn, ":")
	if len(parts) != 7 || parts[0] != "arn" || parts[2] != "lambda" || parts[5] != "function" ||
		parts[3] == "" || parts[4] == "" || parts[6] == "" {
		return identity{}, fmt.Errorf("reading the function's ARN %q: it must have the form arn:aws:lambda:REGION:ACCOUNT:function:NAME, without a version", arn)
	}
	return identity{region: parts[3], account: parts[4], name: parts[6]}, nil
}

// resolve checks f and fills in what it leaves out.
func (f Function) resolve() (Function, identity, error) {
	id, err := parseARN(f.ARN)
	if err != nil {
		return f, id, err
	}
	if f.Timeout < 0 || f.Timeout > maxTimeout {
		return f, id, fmt.Errorf("reading the function's timeout %s: Lambda takes up to %s", f.Timeout, maxTimeout)
	}
	for i, entry := range f.Env {
		// The entry is not quoted: its value may be a credential.
		if name, _, ok := strings.Cut(entry, "="); !ok || name == "" {
			return f, id, fmt.Errorf("reading the function's environment: entry %d does not have the form NAME=value", i)
		}
	}
	if f.Timeout == 0 {
		f.Timeout = DefaultTimeout
	}
	if f.InitTimeout == 0 {
		f.InitTimeout = DefaultInitTimeout
	}
	if f.MemoryMB == 0 {
		f.MemoryMB = DefaultMemoryMB
	}
	f.Binary, err = checkBinary(f.Binary)
	return f, id, err
}

// checkBinary returns the absolute path of the program.
func checkBinary(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("finding the function's binary: %w: build it first (make build)", err)
	case err != nil:
		return "", fmt.Errorf("finding the function's binary: %w", err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("finding the function's binary: %s is not a file: name the program itself", path)
	case info.Mode()&0o111 == 0:
		return "", fmt.Errorf("finding the function's binary: %s is not executable: build it again (make build), or chmod +x it", path)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("finding the function's binary: %w", err)
	}
	return absolute, nil
}

const version = "$LATEST"

// environ is the whole environment of a process that serves f and finds the
// Runtime API at address. Later entries win.
//
// AWS_EXECUTION_ENV is missing because OS-only runtimes, which a Go function
// uses, do not have it.
func (f Function) environ(id identity, address, logStream string) []string {
	env := []string{
		"_HANDLER=bootstrap",
		"AWS_REGION=" + id.region,
		"AWS_DEFAULT_REGION=" + id.region,
		"AWS_LAMBDA_FUNCTION_NAME=" + id.name,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(f.MemoryMB),
		"AWS_LAMBDA_FUNCTION_VERSION=" + version,
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/" + id.name,
		"AWS_LAMBDA_LOG_STREAM_NAME=" + logStream,
		"AWS_LAMBDA_LOG_FORMAT=JSON",
		"AWS_LAMBDA_LOG_LEVEL=INFO",
		"LAMBDA_TASK_ROOT=" + filepath.Dir(f.Binary),
		"LAMBDA_RUNTIME_DIR=/var/runtime",
		"LANG=en_US.UTF-8",
		"PATH=/usr/local/bin:/usr/bin/:/bin:/opt/bin",
		"TZ=:UTC",
	}
	env = append(env, f.Env...)
	return append(env, "AWS_LAMBDA_RUNTIME_API="+address)
}
