package awsrds

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"tandem/internal/awssdk"
	"tandem/internal/failure"
	"tandem/internal/rotation"
	"tandem/internal/timeout"
)

// ServiceError is an error that RDS answered with.
type ServiceError struct {
	// Operation is the operation that was asked for.
	Operation string
	// Code is the service's name for the error.
	Code string
	// Message is the service's, in one line.
	Message string

	server rotation.ServerName
	class  awssdk.Class
	kind   error
}

// Error names the operation, the server, the service's code and message and,
// where there is one, a remedy.
func (e *ServiceError) Error() string {
	text := subject(e.Operation, e.server) + ": " + e.Code
	if e.Message != "" {
		text += ": " + e.Message
	}
	if remedy := e.Remedy(); remedy != "" {
		text += "; " + remedy
	}
	return text
}

// FailureType implements failure.Typed.
func (e *ServiceError) FailureType() failure.Type {
	if e.kind != nil {
		return failure.RDSServerNotFound
	}
	switch e.class {
	case awssdk.AccessDenied:
		return failure.RDSAccessDenied
	case awssdk.Throttled:
		return failure.RDSThrottled
	case awssdk.CredentialsRejected:
		return failure.RDSCredentialsRejected
	}
	return failure.RDSFailed
}

// Unwrap is rotation.ErrServerNotFound where the error says that.
func (e *ServiceError) Unwrap() error { return e.kind }

// Remedy implements failure.Remedied.
func (e *ServiceError) Remedy() string {
	switch kind := e.FailureType(); kind {
	case failure.RDSAccessDenied:
		return fmt.Sprintf("allow rds:%s to the function's role", e.Operation)
	case failure.RDSThrottled:
		return fmt.Sprintf("tried %d times; %s", timeout.Attempts, failure.Remedy(kind))
	case failure.RDSFailed:
		return "" // the message says it
	default:
		return failure.Remedy(kind)
	}
}

func subject(operation string, server rotation.ServerName) string {
	text := operation + " on " + server.ID
	if server.Region != "" && !strings.HasPrefix(server.ID, "arn:") {
		text += " in " + server.Region
	}
	return text
}

// explain turns an error of the SDK into one line that an operator can act on.
func explain(err error, operation string, server rotation.ServerName) error {
	told := awssdk.Explain(err, nil)
	if told.Answered() {
		e := &ServiceError{Operation: operation, Code: told.Code, Message: told.Message, server: server, class: told.Class}
		if is[*types.DBInstanceNotFoundFault](err) || is[*types.DBClusterNotFoundFault](err) {
			e.kind = rotation.ErrServerNotFound
		}
		return e
	}
	what := subject(operation, server)
	kind, happened := failure.RDSUnreachable, "RDS was not reached, or broke off"
	switch told.Class {
	case awssdk.NameNotResolved:
		happened = "the name of RDS's endpoint was not resolved"
	case awssdk.NotConnected:
		happened = "no connection to RDS"
	case awssdk.NotVerified:
		happened = "RDS's certificate was not verified"
	case awssdk.NoAnswer:
		happened = "RDS did not answer in time"
	case awssdk.NoCredentials:
		kind, happened = failure.RDSCredentialsRejected, "the function has no credentials"
	case awssdk.Cancelled:
		return failure.Errorf(failure.OutOfTime, "%s: cancelled: %w", what, told.Cause)
	}
	if told.Cause != nil {
		return failure.Errorf(kind, "%s: %s; %s: %w", what, happened, failure.Remedy(kind), told.Cause)
	}
	return failure.Errorf(kind, "%s: %s: %s; %s", what, happened, told.Reason, failure.Remedy(kind))
}

func is[E error](err error) bool {
	var target E
	return errors.As(err, &target)
}
