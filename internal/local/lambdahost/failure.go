package lambdahost

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// ErrClosed is the error of an invocation that the end of its Host cut short or
// came before.
var ErrClosed = errors.New("the function's host is closed")

// Lambda's own error types, beside those that a function reports.
const (
	TypeTimedOut          = "Sandbox.Timedout"
	TypeExited            = "Runtime.ExitError"
	TypeInvalidEntrypoint = "Runtime.InvalidEntrypoint"
	TypeResponseTooLarge  = "Function.ResponseSizeTooLarge"
)

// FunctionError is an invocation that failed in the function, as Lambda reports
// it: an error that the function returned, its panic, its exit, or its overrun.
type FunctionError struct {
	Type       string   // errorType
	Message    string   // errorMessage
	StackTrace []string // one frame each, as "label path:line" where a Go function reported it

	cause error
}

// Error implements error.
func (e *FunctionError) Error() string {
	if e.Type == "" {
		return e.Message
	}
	return e.Type + ": " + e.Message
}

// Unwrap returns what the operating system said of a program that it could not
// start.
func (e *FunctionError) Unwrap() error { return e.cause }

// reported reads an error as the function sent it. headerType is the type in the
// request's header, which is used where the body has none.
func reported(body []byte, headerType string) *FunctionError {
	var sent struct {
		Message    string            `json:"errorMessage"`
		Type       string            `json:"errorType"`
		StackTrace []json.RawMessage `json:"stackTrace"`
	}
	if json.Unmarshal(body, &sent) != nil {
		sent.Message = string(body)
	}
	e := &FunctionError{Type: sent.Type, Message: sent.Message}
	if e.Type == "" {
		e.Type = headerType
	}
	for _, raw := range sent.StackTrace {
		e.StackTrace = append(e.StackTrace, frame(raw))
	}
	return e
}

func frame(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var goFrame struct {
		Path  string `json:"path"`
		Line  int    `json:"line"`
		Label string `json:"label"`
	}
	if json.Unmarshal(raw, &goFrame) == nil && goFrame.Path != "" {
		return fmt.Sprintf("%s %s:%d", goFrame.Label, goFrame.Path, goFrame.Line)
	}
	return string(raw)
}

func timedOut(requestID string, after time.Duration) *FunctionError {
	return &FunctionError{
		Type:    TypeTimedOut,
		Message: fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", requestID, after.Seconds()),
	}
}

func initTimedOut(requestID string, after time.Duration) *FunctionError {
	return &FunctionError{
		Type:    TypeTimedOut,
		Message: fmt.Sprintf("RequestId: %s Error: Initialization timed out after %.2f seconds", requestID, after.Seconds()),
	}
}

func exited(requestID string, state *os.ProcessState) *FunctionError {
	reason := "Runtime exited without providing a reason"
	if !state.Success() {
		reason = "Runtime exited with error: " + state.String()
	}
	return &FunctionError{Type: TypeExited, Message: "RequestId: " + requestID + " Error: " + reason}
}

func invalidEntrypoint(requestID string, cause error) *FunctionError {
	return &FunctionError{
		Type:    TypeInvalidEntrypoint,
		Message: "RequestId: " + requestID + " Error: " + cause.Error(),
		cause:   cause,
	}
}

// explainStart adds what to do about a program that the operating system did not
// start.
func explainStart(err error) error {
	machine := runtime.GOOS + "/" + runtime.GOARCH
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("%w: it is not a program for %s: build it for this machine (make build)", err, machine)
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: it, or the loader that it names, is gone: build it again (make build)", err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: chmod +x it, or move it to a file system that is not mounted noexec", err)
	}
	return err
}

// quoteLine shortens a line of a function's output to what fits into an error.
func quoteLine(line string) string {
	const limit = 200
	if runes := []rune(line); len(runes) > limit {
		line = string(runes[:limit]) + "..."
	}
	return printable(strings.TrimSpace(line))
}
