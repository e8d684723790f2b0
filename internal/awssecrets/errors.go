package awssecrets

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"tandem/internal/awssdk"
	"tandem/internal/conntrace"
	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/rotation"
	"tandem/internal/timeout"
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
	class    awssdk.Class
	kind     error
}

// Error names the operation, the secret, the service's code and message and,
// where there is one, a remedy.
func (e *ServiceError) Error() string {
	text := fmt.Sprintf("%s: %s: %s", e.subject(), e.Code, e.Message)
	if remedy := e.Remedy(); remedy != "" {
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
	case "KMSAccessDeniedException":
		return failure.KMSAccessDenied
	case "DecryptionFailure", "EncryptionFailure":
		return failure.KMSKeyUnusable
	case "ResourceNotFoundException":
		return failure.SecretNotFound
	}
	switch e.class {
	case awssdk.AccessDenied:
		if strings.Contains(e.Message, kmsDenied) {
			return failure.KMSAccessDenied
		}
		return failure.SecretsManagerAccessDenied
	case awssdk.Throttled:
		return failure.SecretsManagerThrottled
	case awssdk.CredentialsRejected:
		return failure.SecretsManagerCredentialsRejected
	}
	return failure.SecretsManagerFailed
}

// Unwrap is the rotation's own error that this one amounts to, if any.
func (e *ServiceError) Unwrap() error { return e.kind }

// Remedy implements failure.Remedied.
func (e *ServiceError) Remedy() string {
	switch e.FailureType() {
	case failure.SecretsManagerAccessDenied:
		if e.Operation == "ListSecrets" {
			return "deploy with the parameter checkSchedule and without secretArn, which allows secretsmanager:ListSecrets to the function's role; " +
				"allow it to the role of ROTATION_ROLE_ARN, where there is one, yourself (on the resource *); or name one secret in the event, as SecretId"
		}
		return fmt.Sprintf("allow secretsmanager:%s to the function's role, and kms:Decrypt and kms:GenerateDataKey where the secret has a key of its own", e.Operation)
	case failure.KMSAccessDenied, failure.KMSKeyUnusable:
		return "allow kms:Decrypt and kms:GenerateDataKey on the secret's key to the function's role, and enable the key"
	case failure.SecretsManagerThrottled:
		return fmt.Sprintf("tried %d times; spread the rotations over a longer window", timeout.Attempts)
	case failure.SecretsManagerFailed, failure.SecretNotFound:
		return "" // the message says it, or the step does
	}
	return failure.Remedy(e.FailureType())
}

// refusesForGood reports whether the service says that it has not carried out what it was
// asked for.
//
// Source: AWS Secrets Manager API Reference, UpdateSecretVersionStage, "Errors", and "Common
// Errors".
func (e *ServiceError) refusesForGood() bool {
	switch e.Code {
	case "InvalidParameterException", "InvalidRequestException", "LimitExceededException", "ResourceNotFoundException":
		return true
	}
	return e.class == awssdk.AccessDenied || e.class == awssdk.CredentialsRejected
}

// explain turns an error of the SDK into one that may be shown. What must not be
// seen in it, is named. Nil stays nil.
func explain(err error, operation, secretID string, hidden ...redact.Secret) error {
	return explainAt(nil, err, operation, secretID, hidden...)
}

// explainAt is explain for a call that tells how far it got.
func explainAt(w *conntrace.Trace, err error, operation, secretID string, hidden ...redact.Secret) error {
	if err == nil {
		return nil
	}
	if role := (*RoleError)(nil); errors.As(err, &role) {
		return fmt.Errorf("%s: %w", subject(operation, secretID), role)
	}
	told := awssdk.Explain(err, w)
	if !told.Answered() {
		return unanswered(told, subject(operation, secretID), hidden)
	}
	e := &ServiceError{Operation: operation, Code: told.Code, Message: mask(told.Message, hidden), secretID: secretID, class: told.Class}
	switch {
	case is[*types.ResourceNotFoundException](err) && operation == "GetSecretValue":
		e.kind = rotation.ErrVersionNotFound
	case is[*types.ResourceExistsException](err) && operation == "PutSecretValue":
		e.kind = rotation.ErrVersionExists
	}
	return e
}

// unanswered names the reason for which the service did not answer.
func unanswered(told awssdk.Failure, what string, hidden []redact.Secret) error {
	kind, happened := failure.SecretsManagerFailed, "Secrets Manager was not reached, or broke off"
	switch told.Class {
	case awssdk.NameNotResolved:
		kind, happened = failure.SecretsManagerUnreachable, "the name of the service's endpoint was not resolved"
	case awssdk.NotConnected:
		kind, happened = failure.SecretsManagerUnreachable, "no connection to Secrets Manager"
	case awssdk.NotVerified:
		kind, happened = failure.SecretsManagerTLSFailed, "Secrets Manager's certificate was not verified"
	case awssdk.Cancelled:
		return failure.Errorf(failure.OutOfTime, "%s: cancelled: %w", what, told.Cause)
	case awssdk.NoAnswer:
		kind, happened = failure.SecretsManagerTimeout, "Secrets Manager did not answer in time"
	case awssdk.NoCredentials:
		kind, happened = failure.SecretsManagerCredentialsRejected, "the function has no credentials"
	}
	if told.Cause != nil {
		return failure.Errorf(kind, "%s: %s; %s: %w", what, happened, failure.Remedy(kind), told.Cause)
	}
	return failure.Errorf(kind, "%s: %s: %s; %s", what, happened, mask(told.Reason, hidden), failure.Remedy(kind))
}

func is[E error](err error) bool {
	var target E
	return errors.As(err, &target)
}

func mask(text string, hidden []redact.Secret) string {
	for _, secret := range hidden {
		if !secret.Empty() {
			text = strings.ReplaceAll(text, secret.Reveal(), redact.Mark)
		}
	}
	return text
}
