package emulator

import (
	"errors"
	"net/http"
	"strings"
)

// callerOf returns the access key that a request is signed with, and the region
// that it is signed for. The signature is not verified: the emulator knows no
// secret keys.
func callerOf(r *http.Request) (key, region string, err *Error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return "", "", failure("MissingAuthenticationTokenException", "Missing Authentication Token")
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
		return "", "", failure("IncompleteSignatureException", "Authorization header requires 'Credential' and 'Signature' parameters.")
	}
	return scope[0], scope[2], nil
}

// caller is who calls, and in which region.
type caller struct {
	// identity is the access key, or the principal of a role's session.
	identity string
	// principal is the caller's ARN.
	principal string
	region    string
	session   *session // nil for one with keys of its own
}

func (c caller) account() string { return strings.Split(c.principal, ":")[4] }

// identify finds out who signs with an access key. Temporary keys need their token.
func (s *Service) identify(r *http.Request) (caller, *Error) {
	key, region, err := callerOf(r)
	if err != nil {
		return caller{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if session := s.sessions[key]; session != nil {
		if r.Header.Get("X-Amz-Security-Token") != session.token {
			return caller{}, failure("UnrecognizedClientException", "The security token included in the request is invalid.")
		}
		if !s.clock.Now().Before(session.expires) {
			return caller{}, failure("ExpiredTokenException", "The security token included in the request is expired")
		}
		return caller{session.arn, session.arn, region, session}, nil
	}
	return caller{key, s.principalOf(key), region, nil}, nil
}

// principalOf is the ARN of who has an access key of its own.
func (s *Service) principalOf(key string) string {
	if arn := s.options.Principals[key]; arn != "" {
		return arn
	}
	return "arn:aws:iam::" + s.options.Account + ":user/" + key
}

// authorize asks whether a caller may do a thing: a role's session its role, and
// anybody Options.Authorize.
func (s *Service) authorize(by caller, service, operation, subject string) *Error {
	action := service + ":" + operation
	denied := failure("AccessDeniedException", "User: %s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %[2]s action",
		by.principal, action, subject)
	if by.session != nil {
		function := ""
		s.mu.Lock()
		if sec := s.find(subject); sec != nil {
			function = sec.functionARN
		}
		s.mu.Unlock()
		if !by.session.role.allows(action, subject, function) {
			return denied
		}
	}
	if s.options.Authorize == nil {
		return nil
	}
	err := s.options.Authorize(by.identity, operation, subject)
	if err == nil {
		return nil
	}
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	return denied
}
