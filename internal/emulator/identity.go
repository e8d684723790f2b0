package emulator

import (
	"errors"
	"net/http"
	"strings"
)

// callerOf returns the access key that a request is signed with. The signature is
// not verified: the emulator knows no secret keys.
func callerOf(r *http.Request) (string, *Error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return "", failure("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	fields, ok := strings.CutPrefix(header, "AWS4-HMAC-SHA256 ")
	var credential, signature string
	if ok {
		for field := range strings.SplitSeq(fields, ",") {
			key, value, _ := strings.Cut(strings.TrimSpace(field), "=")
			switch key {
			case "Credential":
				credential = value
			case "Signature":
				signature = value
			}
		}
	}
	// access key/date/region/service/aws4_request
	scope := strings.Split(credential, "/")
	if len(scope) != 5 || scope[0] == "" || signature == "" {
		return "", failure("IncompleteSignatureException", "Authorization header requires 'Credential' and 'Signature' parameters.")
	}
	return scope[0], nil
}

func (s *Service) authorize(identity, operation, subject string) *Error {
	if s.options.Authorize == nil {
		return nil
	}
	err := s.options.Authorize(identity, operation, subject)
	if err == nil {
		return nil
	}
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	return failure("AccessDeniedException",
		"User: arn:aws:iam::%s:user/%s is not authorized to perform: secretsmanager:%s on resource: %s because no identity-based policy allows the secretsmanager:%[3]s action",
		s.options.Account, identity, operation, subject)
}
