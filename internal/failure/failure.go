// Package failure gives errors a type: a stable name for the cause, by which an
// alarm, a query or a person tells one failure from another. It is what Lambda
// reports as errorType, and the table of errors in README.md beside it has a row for each.
//
// A type is added to an error, and changes neither its text nor what errors.Is
// and errors.As find in it. Where several are nested the outermost counts. The
// room that knows the cause gives the type (internal/mysqldb that a certificate
// has expired); whoever knows more than the cause gives another around it: of a
// refused password only the step knows whose it was.
package failure

import (
	"context"
	"errors"
	"fmt"
)

// Type is the name of a cause. It is stable: alarms and queries depend on it.
type Type string

// Typed is implemented by errors that have a type; an empty one counts as none.
type Typed interface {
	error
	FailureType() Type
}

// Numbered is implemented by errors that a database server answered with.
type Numbered interface {
	error
	// ServerNumber is the server's error number.
	ServerNumber() uint16
}

// Remedied is implemented by errors that say what to do about them, and whose text
// ends in that.
type Remedied interface {
	error
	// Remedy is empty where there is nothing to say.
	Remedy() string
}

type typed struct {
	error
	kind Type
}

// Unwrap returns the error to which the type was given.
func (t *typed) Unwrap() error { return t.error }

// FailureType implements Typed.
func (t *typed) FailureType() Type { return t.kind }

// Mark gives an error a type, in place of the one that it has. Nil stays nil.
func Mark(kind Type, err error) error {
	if err == nil {
		return nil
	}
	return &typed{err, kind}
}

// MarkUntyped gives a type to an error that has none.
func MarkUntyped(kind Type, err error) error {
	if find(err) != "" {
		return err
	}
	return Mark(kind, err)
}

// Errorf is fmt.Errorf, with a type. It counts also where what the format wraps
// has one of its own.
func Errorf(kind Type, format string, arguments ...any) error {
	return &typed{fmt.Errorf(format, arguments...), kind}
}

// New is errors.New, with a type.
func New(kind Type, text string) error { return &typed{errors.New(text), kind} }

// Of returns the type of an error: the outermost that it has, else OutOfTime
// where it comes from the end of a context, else Unexpected. Nil has none.
func Of(err error) Type {
	if err == nil {
		return ""
	}
	if kind := find(err); kind != "" {
		return kind
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return OutOfTime
	}
	return Unexpected
}

type remedied struct {
	error
	remedy string
}

func (r *remedied) Error() string  { return r.error.Error() + "; " + r.remedy }
func (r *remedied) Unwrap() error  { return r.error }
func (r *remedied) Remedy() string { return r.remedy }

// WithRemedy ends an error's text in what to do about it.
func WithRemedy(err error, remedy string) error { return &remedied{err, remedy} }

// RemedyOf returns what an error says to do about it, or else what there is to do about
// errors of its type.
func RemedyOf(err error) string {
	var own Remedied
	if errors.As(err, &own) && own.Remedy() != "" {
		return own.Remedy()
	}
	return Remedy(Of(err))
}

// find looks for the outermost type. Of several errors that one wraps side by
// side the first that has a type counts.
func find(err error) Type {
	if t, ok := err.(Typed); ok && t.FailureType() != "" {
		return t.FailureType()
	}
	switch wrapper := err.(type) {
	case interface{ Unwrap() error }:
		return find(wrapper.Unwrap())
	case interface{ Unwrap() []error }:
		for _, inner := range wrapper.Unwrap() {
			if kind := find(inner); kind != "" {
				return kind
			}
		}
	}
	return ""
}

// Number returns the database server's error number, 0 where no server gave one.
func Number(err error) int {
	var numbered Numbered
	if errors.As(err, &numbered) {
		return int(numbered.ServerNumber())
	}
	return 0
}
