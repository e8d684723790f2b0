package awssdk

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/aws/smithy-go"

	"tandem/internal/conntrace"
)

type timedOut struct{ error }

func (timedOut) Timeout() bool   { return true }
func (timedOut) Temporary() bool { return true }

func TestExplain(t *testing.T) {
	code := func(code string) error {
		return fmt.Errorf("operation error: %w", &smithy.GenericAPIError{Code: code, Message: "for a\nreason"})
	}
	at := func(stage conntrace.Stage) *conntrace.Trace {
		_, trace := conntrace.WithTrace(context.Background())
		trace.Begin("service:443")
		trace.Enter(stage)
		return trace
	}
	dns := &net.DNSError{Name: "service", Err: "no such host"}
	for name, test := range map[string]struct {
		err   error
		trace *conntrace.Trace
		want  Class
		cause error
	}{
		"a JSON service denies":          {code("AccessDeniedException"), nil, AccessDenied, nil},
		"a query service denies":         {code("AccessDenied"), nil, AccessDenied, nil},
		"EC2's code of a denial":         {code("UnauthorizedOperation"), nil, AccessDenied, nil},
		"a JSON service throttles":       {code("ThrottlingException"), nil, Throttled, nil},
		"a query service throttles":      {code("Throttling"), nil, Throttled, nil},
		"the account's limit":            {code("RequestLimitExceeded"), nil, Throttled, nil},
		"a signature":                    {code("SignatureDoesNotMatch"), nil, CredentialsRejected, nil},
		"a JSON service's signature":     {code("InvalidSignatureException"), nil, CredentialsRejected, nil},
		"an expired session":             {code("ExpiredToken"), nil, CredentialsRejected, nil},
		"an expired session, JSON":       {code("ExpiredTokenException"), nil, CredentialsRejected, nil},
		"an unknown key":                 {code("UnrecognizedClientException"), nil, CredentialsRejected, nil},
		"another code":                   {code("InternalFailure"), nil, Refused, nil},
		"no such name":                   {fmt.Errorf("dial: %w", dns), nil, NameNotResolved, dns},
		"a name server that is silent":   {context.DeadlineExceeded, at(conntrace.DNS), NameNotResolved, context.DeadlineExceeded},
		"packets are dropped":            {timedOut{errors.New("i/o timeout")}, at(conntrace.Connect), NotConnected, context.DeadlineExceeded},
		"the port is closed":             {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, nil, NotConnected, nil},
		"dialing took too long":          {&net.OpError{Op: "dial", Err: timedOut{errors.New("i/o timeout")}}, nil, NotConnected, context.DeadlineExceeded},
		"somebody else's certificate":    {&tls.CertificateVerificationError{Err: errors.New("unknown authority")}, nil, NotVerified, nil},
		"the caller gives up":            {context.Canceled, nil, Cancelled, context.Canceled},
		"connected, and silent":          {context.DeadlineExceeded, at(conntrace.TLS), NoAnswer, context.DeadlineExceeded},
		"silent, and no trace":           {context.DeadlineExceeded, nil, NoAnswer, context.DeadlineExceeded},
		"the role has no credentials":    {errors.New("get identity: get credentials: none"), nil, NoCredentials, nil},
		"the connection ends in between": {errors.New("unexpected\nEOF"), nil, BrokenOff, nil},
	} {
		got := Explain(test.err, test.trace)
		if got.Class != test.want || !errors.Is(got.Cause, test.cause) || (got.Cause == nil) != (test.cause == nil) {
			t.Errorf("%s: class %q and cause %v, want %q and %v", name, got.Class, got.Cause, test.want, test.cause)
		}
		if answered := got.Message == "for a reason"; answered != got.Answered() || answered == (got.Reason != "") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
