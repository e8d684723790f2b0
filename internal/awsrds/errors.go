package awsrds

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/smithy-go"

	"tandem/internal/awssdk"
	"tandem/internal/failure"
	"tandem/internal/rotation"
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
	kind   error
}

// Error names the operation, the server, the service's code and message and,
// where there is one, a remedy.
func (e *ServiceError) Error() string {
	text := subject(e.Operation, e.server) + ": " + e.Code
	if e.Message != "" {
		text += ": " + e.Message
	}
	if remedy := e.remedy(); remedy != "" {
		text += "; " + remedy
	}
	return text
}

// FailureType implements failure.Typed.
func (e *ServiceError) FailureType() failure.Type {
	switch {
	case e.kind != nil:
		return failure.RDSServerNotFound
	case slices.Contains(denials, e.Code):
		return failure.RDSAccessDenied
	case slices.Contains(throttlings, e.Code):
		return failure.RDSThrottled
	case slices.Contains(rejections, e.Code):
		return failure.RDSCredentialsRejected
	}
	return failure.RDSFailed
}

// Unwrap is rotation.ErrServerNotFound where the error says that.
func (e *ServiceError) Unwrap() error { return e.kind }

func (e *ServiceError) remedy() string {
	if e.kind != nil {
		return "RDS of the function's account knows no such server in this region: correct the name where it stands (host in a secret's document, or the admin secret's tag); " +
			"for a server of another account name an admin secret with engine, host, username and password, and the same host in both"
	}
	switch e.FailureType() {
	case failure.RDSAccessDenied:
		return fmt.Sprintf("allow rds:%s to the function's role", e.Operation)
	case failure.RDSThrottled:
		return fmt.Sprintf("tried %d times; spread the rotations over a longer window", awssdk.Attempts)
	case failure.RDSCredentialsRejected:
		return "the credentials that the function runs with are not accepted: look at its role and at the server's region"
	}
	return ""
}

// Codes that mean something to this program.
//
// Source: Amazon RDS API Reference, "Common Errors".
var (
	denials     = []string{"AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation"}
	throttlings = []string{"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"}
	rejections  = []string{"InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "IncompleteSignature",
		"ExpiredToken", "ExpiredTokenException", "MissingAuthenticationToken"}
)

func subject(operation string, server rotation.ServerName) string {
	text := operation + " on " + server.ID
	if server.Region != "" && !strings.HasPrefix(server.ID, "arn:") {
		text += " in " + server.Region
	}
	return text
}

// explain turns an error of the SDK into one line that an operator can act on.
func explain(err error, operation string, server rotation.ServerName) error {
	what := subject(operation, server)
	var answered smithy.APIError
	if errors.As(err, &answered) {
		e := &ServiceError{
			Operation: operation, Code: answered.ErrorCode(), server: server,
			Message: strings.Join(strings.Fields(answered.ErrorMessage()), " "),
		}
		if is[*types.DBInstanceNotFoundFault](err) || is[*types.DBClusterNotFoundFault](err) {
			e.kind = rotation.ErrServerNotFound
		}
		return e
	}
	const mend = "in a VPC, give it an interface endpoint for RDS with private DNS, whose security group lets the function in, or a NAT gateway"
	if errors.Is(err, context.Canceled) {
		return failure.Errorf(failure.OutOfTime, "%s: given up: %w", what, context.Canceled)
	}
	unreached := failure.Errorf(failure.RDSUnreachable, "%s: RDS was not reached, or broke off; %s: %s", what, mend, strings.Join(strings.Fields(err.Error()), " "))
	if network := (net.Error)(nil); errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout() {
		unreached = failure.Errorf(failure.RDSUnreachable, "%s: RDS did not answer in time; %s: %w", what, mend, context.DeadlineExceeded)
	}
	return unreached
}

func is[E error](err error) bool {
	var target E
	return errors.As(err, &target)
}
