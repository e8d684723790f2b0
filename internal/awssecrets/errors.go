package awssecrets

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"tandem/internal/awssdk"
	"tandem/internal/conntrace"
	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/rotation"
)

// ServiceError is an error that the service answered with.
type ServiceError struct {
	// Operation is the operation that was asked for.
	Operation string
	// Code is the service's name for the error.
	Code string
	// Message is the service's, in one line, with redact.Mark in place of secrets.
	Message string

	secretID string
	kind     error
}

// Error names the operation, the secret, the service's code and message and,
// where there is one, a remedy.
func (e *ServiceError) Error() string {
	text := fmt.Sprintf("%s: %s: %s", e.subject(), e.Code, e.Message)
	if remedy := e.remedy(); remedy != "" {
		text += "; " + remedy
	}
	return text
}

func (e *ServiceError) subject() string { return subject(e.Operation, e.secretID) }

func subject(operation, secretID string) string {
	if secretID == "" {
		return operation
	}
	return operation + " on " + secretID
}

// kmsDenied is in the service's message where it may not use the secret's key on
// the caller's behalf; the code is the same as for a call that is not allowed.
const kmsDenied = "KMS"

// FailureType implements failure.Typed.
func (e *ServiceError) FailureType() failure.Type {
	switch e.Code {
	case "AccessDeniedException", "AccessDenied":
		if strings.Contains(e.Message, kmsDenied) {
			return failure.KMSAccessDenied
		}
		return failure.SecretsManagerAccessDenied
	case "KMSAccessDeniedException":
		return failure.KMSAccessDenied
	case "DecryptionFailure", "EncryptionFailure":
		return failure.KMSKeyUnusable
	case "ThrottlingException", "Throttling", "TooManyRequestsException":
		return failure.SecretsManagerThrottled
	case "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException", "MissingAuthenticationTokenException",
		"InvalidClientTokenId", "IncompleteSignatureException":
		return failure.SecretsManagerCredentialsRejected
	case "ResourceNotFoundException":
		return failure.SecretNotFound
	}
	return failure.SecretsManagerFailed
}

// Unwrap is the rotation's own error that this one amounts to, if any.
func (e *ServiceError) Unwrap() error { return e.kind }

func (e *ServiceError) remedy() string {
	switch e.FailureType() {
	case failure.SecretsManagerAccessDenied:
		return fmt.Sprintf("allow secretsmanager:%s to the function's role, and kms:Decrypt and kms:GenerateDataKey where the secret has a key of its own", e.Operation)
	case failure.KMSAccessDenied, failure.KMSKeyUnusable:
		return "allow kms:Decrypt and kms:GenerateDataKey on the secret's key to the function's role, and enable the key"
	case failure.SecretsManagerThrottled:
		return fmt.Sprintf("tried %d times; spread the rotations over a longer window", awssdk.Attempts)
	case failure.SecretsManagerCredentialsRejected:
		return "the credentials that the function runs with are not accepted: look at its role and at the endpoint's region"
	}
	return ""
}

// explain turns an error of the SDK into one that may be shown. What must not be
// seen in it, is named. Nil stays nil.
func explain(err error, operation, secretID string, hidden ...redact.Secret) error {
	return explainAt(nil, err, operation, secretID, hidden...)
}

// explainAt is explain for a call that tells how far it got.
func explainAt(w *conntrace.Way, err error, operation, secretID string, hidden ...redact.Secret) error {
	if err == nil {
		return nil
	}
	if role := (*RoleError)(nil); errors.As(err, &role) {
		return fmt.Errorf("%s: %w", subject(operation, secretID), role)
	}
	var answered smithy.APIError
	if errors.As(err, &answered) {
		e := &ServiceError{
			Operation: operation,
			Code:      answered.ErrorCode(),
			Message:   mask(strings.Join(strings.Fields(answered.ErrorMessage()), " "), hidden),
			secretID:  secretID,
		}
		switch {
		case is[*types.ResourceNotFoundException](err) && operation == "GetSecretValue":
			e.kind = rotation.ErrVersionNotFound
		case is[*types.ResourceExistsException](err) && operation == "PutSecretValue":
			e.kind = rotation.ErrVersionExists
		}
		return e
	}
	return unanswered(w, err, subject(operation, secretID), hidden)
}

// unanswered names the reason for which the service did not answer.
func unanswered(w *conntrace.Way, err error, what string, hidden []redact.Secret) error {
	const vpc = "in a VPC, give it an interface endpoint for Secrets Manager with private DNS, whose security group lets the function in, or a NAT gateway"
	var (
		dns         *net.DNSError
		certificate *tls.CertificateVerificationError
		dialing     *net.OpError
		network     net.Error
	)
	timedOut := errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout()
	switch {
	case errors.As(err, &dns):
		return failure.Errorf(failure.SecretsManagerUnreachable, "%s: the name of the service's endpoint was not resolved; %s: %w", what, vpc, dns)
	case timedOut && w != nil && w.Stuck(conntrace.DNS):
		return failure.Errorf(failure.SecretsManagerUnreachable, "%s: the name of the service's endpoint was not resolved in time; %s: %w", what, vpc, context.DeadlineExceeded)
	case timedOut && (errors.As(err, &dialing) && dialing.Op == "dial" || w != nil && w.Stuck(conntrace.Connect)):
		return failure.Errorf(failure.SecretsManagerUnreachable, "%s: no connection to Secrets Manager in time; %s: %w", what, vpc, context.DeadlineExceeded)
	case errors.As(err, &dialing) && dialing.Op == "dial":
		return failure.Errorf(failure.SecretsManagerUnreachable, "%s: no connection to Secrets Manager: %s; %s", what, mask(oneLine(dialing), hidden), vpc)
	case errors.As(err, &certificate):
		return failure.Errorf(failure.SecretsManagerTLSFailed, "%s: Secrets Manager's certificate was not verified: %s; look at what stands between, and at SECRETS_MANAGER_ENDPOINT, SSL_CERT_FILE and SSL_CERT_DIR", what, oneLine(certificate))
	case errors.Is(err, context.Canceled):
		return failure.Errorf(failure.OutOfTime, "%s: given up: %w", what, context.Canceled)
	case timedOut:
		return failure.Errorf(failure.SecretsManagerTimeout, "%s: Secrets Manager did not answer in time; %s: %w", what, vpc, context.DeadlineExceeded)
	case strings.Contains(err.Error(), "failed to retrieve credentials"), strings.Contains(err.Error(), "get identity"):
		return failure.Errorf(failure.SecretsManagerCredentialsRejected, "%s: the function has no credentials: look at its role: %s", what, mask(oneLine(err), hidden))
	}
	return failure.Errorf(failure.SecretsManagerFailed, "%s: Secrets Manager was not reached, or broke off: %s", what, mask(oneLine(err), hidden))
}

func is[E error](err error) bool {
	var target E
	return errors.As(err, &target)
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

func mask(text string, hidden []redact.Secret) string {
	for _, secret := range hidden {
		if !secret.Empty() {
			text = strings.ReplaceAll(text, secret.Reveal(), redact.Mark)
		}
	}
	return text
}
