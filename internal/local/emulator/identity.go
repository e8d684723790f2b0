package emulator

import (
	"errors"
	"net/http"
	"strings"
	"time"
)

// credentialOf reads with what a request is signed.
func credentialOf(r *http.Request) (credential, *Error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return credential{}, failure("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	fields, ok := strings.CutPrefix(header, signatureAlgorithm+" ")
	var scope []string // access key, date, region, service, aws4_request
	var c credential
	if ok {
		for field := range strings.SplitSeq(fields, ",") {
			key, value, _ := strings.Cut(strings.TrimSpace(field), "=")
			switch key {
			case "Credential":
				scope = strings.Split(value, "/")
			case "SignedHeaders":
				c.signedHeaders = strings.Split(value, ";")
			case "Signature":
				c.signature = value
			}
		}
	}
	if len(scope) != 5 || scope[0] == "" || c.signature == "" {
		return credential{}, failure("IncompleteSignatureException", "Authorization header requires 'Credential' and 'Signature' parameters.")
	}
	c.key, c.date, c.region, c.service = scope[0], scope[1], scope[2], scope[3]
	return c, nil
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
// Where Options.SecretKey is set the signature is verified too.
func (s *Service) identify(r *http.Request, body []byte) (caller, *Error) {
	c, err := credentialOf(r)
	if err != nil {
		return caller{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	session, secretKey := s.sessions[c.key], s.options.SecretKey
	if session != nil && secretKey != "" {
		secretKey = session.secretKey
	}
	if secretKey != "" {
		// By the system's clock, as the caller's is: the Service's may be a test's.
		if err := c.verify(r, body, secretKey, time.Now()); err != nil {
			return caller{}, err
		}
	}
	if session != nil {
		if r.Header.Get("X-Amz-Security-Token") != session.token {
			return caller{}, failure("UnrecognizedClientException", "The security token included in the request is invalid.")
		}
		if !s.clock.Now().Before(session.expires) {
			return caller{}, failure("ExpiredTokenException", "The security token included in the request is expired")
		}
		return caller{session.arn, session.arn, c.region, session}, nil
	}
	return caller{c.key, s.principalOf(c.key), c.region, nil}, nil
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
