package failure_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"tandem/internal/failure"
)

// answered is an error of a server, without a type of its own.
type answered struct{ number uint16 }

func (a answered) Error() string             { return fmt.Sprintf("error %d", a.number) }
func (a answered) ServerNumber() uint16      { return a.number }
func (a answered) FailureType() failure.Type { return "" }

func TestOf(t *testing.T) {
	locked := failure.New(failure.AccountLocked, "the account is locked")
	for _, test := range []struct {
		name string
		err  error
		want failure.Type
	}{
		{"none", nil, ""},
		{"plain", io.EOF, failure.Unexpected},
		{"itself", locked, failure.AccountLocked},
		{"wrapped", fmt.Errorf("proving: %w", locked), failure.AccountLocked},
		{"the outermost", failure.Errorf(failure.UserMissing, "reading: %w", locked), failure.UserMissing},
		{"marked over", fmt.Errorf("a: %w", failure.Mark(failure.UserMissing, fmt.Errorf("b: %w", locked))), failure.UserMissing},
		{"marked where there is one", failure.MarkUntyped(failure.UserMissing, fmt.Errorf("b: %w", locked)), failure.AccountLocked},
		{"marked where there is none", failure.MarkUntyped(failure.UserMissing, fmt.Errorf("b: %w", answered{1045})), failure.UserMissing},
		{"the first of several", fmt.Errorf("%w: %w", context.DeadlineExceeded, fmt.Errorf("%w, %w", locked, failure.New(failure.UserMissing, ""))), failure.AccountLocked},
		{"joined", errors.Join(io.EOF, locked), failure.AccountLocked},
		{"an empty type", fmt.Errorf("b: %w", answered{1045}), failure.Unexpected},
		{"time", fmt.Errorf("b: %w", context.DeadlineExceeded), failure.OutOfTime},
		{"time, of a phase", fmt.Errorf("out of time (%w): %w", context.DeadlineExceeded, failure.Errorf(failure.ReadTimeout, "a: %w", context.DeadlineExceeded)), failure.ReadTimeout},
	} {
		if got := failure.Of(test.err); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// A type changes neither the text nor what can be found in an error.
func TestMarkKeepsTheError(t *testing.T) {
	inner := fmt.Errorf("reading: %w", errors.Join(io.EOF, answered{1040}))
	for _, err := range []error{failure.Mark(failure.UserMissing, inner), failure.MarkUntyped(failure.UserMissing, inner), failure.Errorf(failure.UserMissing, "%w", inner)} {
		var found answered
		if err.Error() != inner.Error() || !errors.Is(err, io.EOF) || !errors.As(err, &found) || failure.Number(err) != 1040 {
			t.Errorf("%v: %d", err, failure.Number(err))
		}
	}
	if failure.Mark(failure.UserMissing, nil) != nil || failure.MarkUntyped(failure.UserMissing, nil) != nil || failure.Number(io.EOF) != 0 {
		t.Error("something came of nothing")
	}
}
