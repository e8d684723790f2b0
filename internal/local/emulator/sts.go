package emulator

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// AWS STS, as far as somebody needs it who assumes a role.

// Role is a role that AssumeRole gives sessions of.
type Role struct {
	ARN string // arn:aws:iam::210987654321:role/rotation
	// Trusts are the principals of the role's trust policy, by ARN.
	Trusts []string
	// ExternalID, where set, is what the trust policy asks for.
	ExternalID string
	// Allows is what its sessions may do. What is not allowed is denied.
	Allows []Permission
}

// Permission is a statement of a role's policy.
type Permission struct {
	Actions   []string // "secretsmanager:GetSecretValue"; a * stands for anything
	Resources []string // ARNs; a * stands for anything
	// RotationFunction, where set, is the statement's condition on
	// secretsmanager:resource/AllowRotationLambdaArn: that the secret is rotated by
	// this function.
	RotationFunction string
}

// session is what a role's temporary credentials stand for.
type session struct {
	role    *Role
	arn     string // of the principal, arn:aws:sts::210987654321:assumed-role/rotation/name
	token   string
	expires time.Time
	// secretKey is what signs beside the token.
	secretKey string
}

// Source: AWS STS API Reference, "AssumeRole".
const externalIDMax = 1224

var (
	sessionNames = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	externalIDs  = regexp.MustCompile(`^[\w+=,.@:/-]{2,}$`) // and no longer than externalIDMax
)

func (s *Service) assumeRole(by caller, form url.Values) (any, error) {
	arn, name, externalID := form.Get("RoleArn"), form.Get("RoleSessionName"), form.Get("ExternalId")
	switch {
	case arn == "":
		return nil, failure("ValidationError", "1 validation error detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null")
	case !sessionNames.MatchString(name):
		return nil, failure("ValidationError", "1 validation error detected: Value '%s' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*", name)
	case externalID != "" && (!externalIDs.MatchString(externalID) || len(externalID) > externalIDMax):
		return nil, failure("ValidationError", "1 validation error detected: Value '%s' at 'externalId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@:\\/-]*", externalID)
	}
	duration := time.Hour
	if text := form.Get("DurationSeconds"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 900 || seconds > 43200 {
			return nil, failure("ValidationError", "The requested DurationSeconds is out of range.")
		}
		duration = time.Duration(seconds) * time.Second
	}
	if err := s.authorize(by, "sts", "AssumeRole", arn); err != nil {
		return nil, err
	}
	// A role that does not exist, and one that does not trust, are answered alike.
	role := s.role(arn)
	if role == nil || !role.trusts(by.principal, externalID) {
		return nil, failure("AccessDeniedException", "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", by.principal, arn)
	}
	account := strings.Split(arn, ":")[4]
	path := strings.Split(arn, "/")
	made := &session{
		role: role, arn: fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s/%s", account, path[len(path)-1], name),
		token: base64.StdEncoding.EncodeToString([]byte(rand.Text() + rand.Text())), expires: s.clock.Now().Add(duration),
		secretKey: rand.Text(),
	}
	key := "ASIA" + rand.Text()[:16]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[key] = made

	var result struct {
		Credentials struct {
			AccessKeyId, SecretAccessKey, SessionToken, Expiration string
		}
		AssumedRoleUser struct{ Arn, AssumedRoleId string }
	}
	result.Credentials.AccessKeyId, result.Credentials.SecretAccessKey = key, made.secretKey
	result.Credentials.SessionToken, result.Credentials.Expiration = made.token, made.expires.UTC().Format(time.RFC3339)
	result.AssumedRoleUser.Arn, result.AssumedRoleUser.AssumedRoleId = made.arn, "AROASANDBOX:"+name
	return result, nil
}

func (s *Service) getCallerIdentity(by caller, _ url.Values) (any, error) {
	return struct{ Arn, UserId, Account string }{by.principal, by.identity, by.account()}, nil
}

func (s *Service) role(arn string) *Role {
	for i := range s.options.Roles {
		if s.options.Roles[i].ARN == arn {
			return &s.options.Roles[i]
		}
	}
	return nil
}

func (r *Role) trusts(principal, externalID string) bool {
	for _, trusted := range r.Trusts {
		if trusted == principal {
			return r.ExternalID == "" || r.ExternalID == externalID
		}
	}
	return false
}

// allows reports whether a session of the role may do a thing to a resource. A
// secret's is function, the ARN of what rotates it; empty for none.
func (r *Role) allows(action, resource, function string) bool {
	for _, permission := range r.Allows {
		if matchesAny(permission.Actions, action) && matchesAny(permission.Resources, resource) &&
			(permission.RotationFunction == "" || permission.RotationFunction == function) {
			return true
		}
	}
	return false
}

func matchesAny(patterns []string, text string) bool {
	for _, pattern := range patterns {
		parts := strings.Split(pattern, "*")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		if regexp.MustCompile("^" + strings.Join(parts, ".*") + "$").MatchString(text) {
			return true
		}
	}
	return false
}
