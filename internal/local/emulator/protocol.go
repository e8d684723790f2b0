package emulator

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// AWS JSON 1.1: every call is a POST to /, the operation is in X-Amz-Target, the
// body and the answer are JSON, times are seconds since 1970 as numbers.
const (
	targetPrefix = "secretsmanager."
	contentType  = "application/x-amz-json-1.1"

	// Twice the largest secret as base64 leaves room for every request that the
	// service would take.
	largestBody = 1 << 19
)

// request is what an operation knows beside its parameters.
type request struct {
	by     caller
	events []Event // emitted once the lock is released
}

type operation func(s *Service, r *request, body []byte) (any, error)

// does makes an operation of a function with typed parameters.
func does[In any](carryOut func(*Service, *request, In) (any, error)) operation {
	return func(s *Service, r *request, body []byte) (any, error) {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			var typed *json.UnmarshalTypeError
			if errors.As(err, &typed) {
				return nil, failure("SerializationException", "%s can not be converted to the type of %s", typed.Value, typed.Field)
			}
			// The decoder's own words may quote the body.
			return nil, failure("SerializationException", "The request's body is not JSON of the operation's form.")
		}
		return carryOut(s, r, in)
	}
}

func operationNamed(name string) operation {
	switch name {
	case "BatchGetSecretValue":
		return does((*Service).batchGetSecretValue)
	case "CancelRotateSecret":
		return does((*Service).cancelRotateSecret)
	case "CreateSecret":
		return does((*Service).createSecret)
	case "DeleteSecret":
		return does((*Service).deleteSecret)
	case "DescribeSecret":
		return does((*Service).describeSecret)
	case "GetRandomPassword":
		return does((*Service).getRandomPassword)
	case "GetSecretValue":
		return does((*Service).getSecretValue)
	case "ListSecretVersionIds":
		return does((*Service).listSecretVersionIds)
	case "ListSecrets":
		return does((*Service).listSecrets)
	case "PutSecretValue":
		return does((*Service).putSecretValue)
	case "RestoreSecret":
		return does((*Service).restoreSecret)
	case "RotateSecret":
		return does((*Service).rotateSecret)
	case "TagResource":
		return does((*Service).tagResource)
	case "UntagResource":
		return does((*Service).untagResource)
	case "UpdateSecret":
		return does((*Service).updateSecret)
	case "UpdateSecretVersionStage":
		return does((*Service).updateSecretVersionStage)
	}
	return nil
}

// protocol is how a service answers.
type protocol interface {
	write(w http.ResponseWriter, status int, body []byte)
	fail(w http.ResponseWriter, e *Error)
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestBody))
	if err != nil {
		jsonProtocol{}.fail(w, &Error{Status: http.StatusRequestEntityTooLarge, Code: "RequestEntityTooLargeException", Message: "The request's body is too large."})
		return
	}
	by, unsigned := s.identify(r, body)
	var answers protocol = jsonProtocol{}
	var call Call
	carryOut := func() ([]byte, *Error) { return s.carryOut(r, by, call, body) }
	if form, ok := parseQuery(r, body); ok {
		query := queryProtocols[form.Get("Version")]
		answers, call = query, s.recordQuery(by.identity, form)
		carryOut = func() ([]byte, *Error) { return query.carryOut(s, by, form) }
	} else {
		name, _ := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
		call = s.record(name, by.identity, body)
	}

	var fault Fault
	if s.options.Fault != nil {
		fault = s.options.Fault(call)
	}
	if !s.hold(r.Context(), fault) {
		panic(http.ErrAbortHandler)
	}
	if fault.breaks() && !fault.After {
		s.breakAnswer(r.Context(), w, answers, fault)
		return
	}

	answer, failed := []byte(nil), unsigned
	if unsigned == nil {
		answer, failed = carryOut()
	}
	s.settle(call.Seq, failed)
	if fault.Carried != nil {
		fault.Carried()
	}
	switch {
	case fault.breaks():
		s.breakAnswer(r.Context(), w, answers, fault)
	case failed != nil:
		answers.fail(w, failed)
	default:
		answers.write(w, http.StatusOK, answer)
	}
}

// carryOut does what a call asks for and returns the answer's body.
func (s *Service) carryOut(r *http.Request, by caller, call Call, body []byte) ([]byte, *Error) {
	carryOut := operationNamed(call.Operation)
	if r.Method != http.MethodPost || carryOut == nil {
		return nil, failure("UnknownOperationException", "The operation %q is unknown.", call.Operation)
	}
	// Somebody without permission does not learn whether there is such a secret.
	subject := call.SecretARN
	switch {
	case subject != "":
	case call.SecretID != "":
		subject = call.SecretID
	case call.Operation == "CreateSecret":
		subject = call.Parameter("Name")
	default:
		subject = "*"
	}
	if err := s.authorize(by, "secretsmanager", call.Operation, subject); err != nil {
		return nil, err
	}
	req := &request{by: by}
	out, err := carryOut(s, req, body)
	s.emit(req.events...)
	if err != nil {
		return nil, asError(err)
	}
	data, err := json.Marshal(out)
	if err != nil {
		return nil, asError(err)
	}
	return data, nil
}

func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Status: http.StatusInternalServerError, Code: "InternalServiceError", Message: "An error occurred on the server side."}
}

// jsonProtocol is Secrets Manager's.
type jsonProtocol struct{}

// fail implements protocol.
func (p jsonProtocol) fail(w http.ResponseWriter, e *Error) { p.write(w, e.status(), e.body()) }

// write implements protocol.
func (jsonProtocol) write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Amzn-Requestid", newUUID())
	w.WriteHeader(status)
	_, _ = w.Write(body) // a caller that is gone misses nothing
}

// timestamp is a time as the protocol writes it, to the millisecond. The zero
// time is left out of answers by omitzero.
type timestamp time.Time

func (t timestamp) IsZero() bool { return time.Time(t).IsZero() }

func (t timestamp) MarshalJSON() ([]byte, error) {
	milliseconds := time.Time(t).UnixMilli()
	return fmt.Appendf(nil, "%d.%03d", milliseconds/1000, milliseconds%1000), nil
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
