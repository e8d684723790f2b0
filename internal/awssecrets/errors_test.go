package awssecrets

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"tandem/internal/redact"
	"tandem/internal/rotation"
)

func TestExplainKeepsTheKind(t *testing.T) {
	notFound := &types.ResourceNotFoundException{Message: aws.String("can't find")}
	exists := &types.ResourceExistsException{Message: aws.String("exists")}
	for _, test := range []struct {
		name      string
		err       error
		operation string
		want      error
	}{
		{"no such version", notFound, "GetSecretValue", rotation.ErrVersionNotFound},
		{"no such secret", notFound, "DescribeSecret", nil},
		{"another value", exists, "PutSecretValue", rotation.ErrVersionExists},
		{"too late", context.DeadlineExceeded, "PutSecretValue", context.DeadlineExceeded},
		{"given up", context.Canceled, "PutSecretValue", context.Canceled},
	} {
		got := explain(test.err, test.operation, "arn:x")
		for _, kind := range []error{rotation.ErrVersionNotFound, rotation.ErrVersionExists, context.DeadlineExceeded, context.Canceled} {
			if is := errors.Is(got, kind); is != (kind == test.want) {
				t.Errorf("%s: errors.Is(%v, %v) = %v", test.name, got, kind, is)
			}
		}
	}
	if explain(nil, "PutSecretValue", "arn:x") != nil {
		t.Error("no error became one")
	}
}

func TestExplainNamesTheRemedy(t *testing.T) {
	for _, test := range []struct {
		err  error
		want []string
	}{
		{&smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not authorized"}, []string{"arn:x", "secretsmanager:GetSecretValue", "kms:Decrypt"}},
		{&types.DecryptionFailure{Message: aws.String("x")}, []string{"arn:x", "kms:Decrypt"}},
		{&smithy.GenericAPIError{Code: "ThrottlingException", Message: "Rate exceeded"}, []string{"arn:x", "5 times"}},
		{&smithy.GenericAPIError{Code: "ExpiredTokenException", Message: "x"}, []string{"role"}},
		{&smithy.GenericAPIError{Code: "InvalidClientTokenId", Message: "x"}, []string{"role"}},
		{&smithy.GenericAPIError{Code: "IncompleteSignatureException", Message: "x"}, []string{"role"}},
		{&smithy.GenericAPIError{Code: "AccessDeniedException", Message: "Access to KMS is not allowed"}, []string{"allow kms:Decrypt", "secret's key"}},
		{&net.DNSError{Name: "sm.example", Err: "no such host"}, []string{"sm.example", "not resolved", "VPC"}},
		{context.DeadlineExceeded, []string{"arn:x", "in time", "VPC"}},
		{errors.New("line one\nline two"), []string{"arn:x", "broke off: line one line two"}},
	} {
		got := explain(test.err, "GetSecretValue", "arn:x").Error()
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%v: %q lacks %q", test.err, got, want)
			}
		}
		if strings.Contains(got, "\n") {
			t.Errorf("%q is more than a line", got)
		}
	}
}

// The service quotes what it refuses. Neither the message nor anything that
// errors.As finds behind it may show that.
func TestExplainMasksWhatTheServiceQuotes(t *testing.T) {
	token, document := redact.New("rotation-token-1"), redact.New(`{"password":"hunter2"}`)
	quoting := &smithy.GenericAPIError{Code: "ValidationException", Message: "Value 'rotation-token-1' at 'rotationToken', and {\"password\":\"hunter2\"}, failed"}
	for _, err := range []error{quoting, errors.New(quoting.Message)} {
		got := explain(err, "PutSecretValue", "arn:x", token, document)
		for cause := got; cause != nil; cause = errors.Unwrap(cause) {
			for _, secret := range []string{token.Reveal(), "hunter2"} {
				if strings.Contains(cause.Error(), secret) {
					t.Errorf("%v shows %s", cause, secret)
				}
			}
		}
		var own *smithy.GenericAPIError
		if errors.As(got, &own) {
			t.Error("the SDK's error is behind the message")
		}
	}
}
