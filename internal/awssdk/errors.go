package awssdk

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/aws/smithy-go"

	"tandem/internal/conntrace"
)

// Class is why a call of a service failed, whichever service it was.
type Class string

// The classes. The first four are of calls that the service answered.
const (
	AccessDenied        Class = "access denied"
	Throttled           Class = "throttled"
	CredentialsRejected Class = "credentials rejected"
	Refused             Class = "refused for another reason"

	NoCredentials   Class = "no credentials"
	NameNotResolved Class = "name not resolved"
	NotConnected    Class = "not connected"
	NotVerified     Class = "certificate not verified"
	NoAnswer        Class = "no answer in time"
	Cancelled       Class = "cancelled"
	BrokenOff       Class = "broken off"
)

// codes are the error codes of each class. Services speak different protocols, and
// one and the same error has several codes.
//
// Source: Amazon RDS API Reference, AWS Secrets Manager API Reference and AWS STS API
// Reference, "Common Errors" (each).
var codes = map[Class][]string{
	AccessDenied: {"AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation", "OptInRequired"},
	Throttled:    {"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"},
	CredentialsRejected: {
		"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId",
		"SignatureDoesNotMatch", "InvalidSignatureException", "InvalidSignature", "IncompleteSignature", "IncompleteSignatureException",
		"ExpiredToken", "ExpiredTokenException", "RequestExpired",
		"MissingAuthenticationToken", "MissingAuthenticationTokenException",
	},
}

// Failure is what can be told of a call that failed.
type Failure struct {
	Class Class
	// Code and Message, in one line, are the service's, where it answered. The message
	// may quote what was sent.
	Code, Message string
	// Reason is one line of why a call was not answered. It may hold what was sent.
	Reason string
	// Cause is context.Canceled, context.DeadlineExceeded or an error of net, and nil
	// for any other.
	Cause error
}

// Answered reports whether the service answered.
func (f Failure) Answered() bool { return f.Code != "" }

// Explain reads an error of the SDK. The trace of the call's connection, which may be
// nil, tells apart what an error of a time that has run out leaves open.
func Explain(err error, trace *conntrace.Trace) Failure {
	var answered smithy.APIError
	if errors.As(err, &answered) {
		f := Failure{Class: Refused, Code: answered.ErrorCode(), Message: oneLine(answered.ErrorMessage())}
		for class, of := range codes {
			if slices.Contains(of, f.Code) {
				f.Class = class
			}
		}
		return f
	}
	var (
		dns         *net.DNSError
		certificate *tls.CertificateVerificationError
		dialing     *net.OpError
		network     net.Error
	)
	timedOut := errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout()
	inStage := func(stage conntrace.Stage) bool { return trace != nil && trace.Stuck(stage) }
	f := Failure{Class: BrokenOff, Reason: oneLine(err.Error())}
	if timedOut {
		f.Cause = context.DeadlineExceeded
	}
	switch {
	case errors.As(err, &dns):
		f.Class, f.Cause = NameNotResolved, dns
	case timedOut && inStage(conntrace.DNS):
		f.Class = NameNotResolved
	case timedOut && inStage(conntrace.Connect):
		f.Class = NotConnected
	case errors.As(err, &dialing) && dialing.Op == "dial":
		f.Class, f.Reason = NotConnected, oneLine(dialing.Error())
	case errors.As(err, &certificate):
		f.Class, f.Reason = NotVerified, oneLine(certificate.Error())
	case errors.Is(err, context.Canceled):
		f.Class, f.Cause = Cancelled, context.Canceled
	case timedOut:
		f.Class = NoAnswer
	case strings.Contains(err.Error(), "failed to retrieve credentials"), strings.Contains(err.Error(), "get identity"):
		f.Class = NoCredentials
	}
	return f
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
