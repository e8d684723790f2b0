package config

import (
	"strings"

	"tandem/internal/failure"
)

// accountPlaceholder stands in ROTATION_ROLE_ARN for the account of the secret.
const accountPlaceholder = "{account}"

// Role is a role that is assumed.
type Role struct {
	// ARN is the role's; empty for none. It may have {account} in the place of the
	// account.
	ARN string
	// ExternalID is what the role's trust policy may ask for; empty for none.
	ExternalID string
}

// For is the role for a secret: {account} is the account in the secret's ARN. A
// secret that is named in another way is an error where there is {account}.
func (r Role) For(secretID string) (Role, error) {
	if !strings.Contains(r.ARN, accountPlaceholder) {
		return r, nil
	}
	account := accountIn(secretID, "secretsmanager")
	if account == "" {
		return Role{}, failure.New(failure.EventInvalid, "reading the event: SecretId has no account, whose role ROTATION_ROLE_ARN asks for by "+accountPlaceholder+": name the secret by its ARN")
	}
	return r.in(account), nil
}

// OfFunction is the role for a check of every secret, which lists those of one account:
// {account} is the function's own, which is in its ARN.
func (r Role) OfFunction(functionARN string) (Role, error) {
	if !strings.Contains(r.ARN, accountPlaceholder) {
		return r, nil
	}
	account := accountIn(functionARN, "lambda")
	if account == "" {
		return Role{}, failure.New(failure.Unexpected, "the invocation does not say the function's ARN with its account, whose role ROTATION_ROLE_ARN asks for by "+accountPlaceholder+": name one secret in the event, as SecretId, by its ARN")
	}
	return r.in(account), nil
}

func (r Role) in(account string) Role {
	r.ARN = strings.Replace(r.ARN, accountPlaceholder, account, 1)
	return r
}

// accountIn is the account in a service's ARN; empty where the text is no such ARN.
func accountIn(arn, service string) string {
	fields := strings.Split(arn, ":")
	if len(fields) < 6 || fields[0] != "arn" || fields[2] != service || !isAccount(fields[4]) {
		return ""
	}
	return fields[4]
}

// isAccount reports whether a text is the ID of an account, which has 12 digits.
func isAccount(text string) bool {
	return len(text) == 12 && strings.Trim(text, "0123456789") == ""
}

// roleARN reads the ARN of a role, as in arn:aws:iam::123456789012:role/name, or with
// {account} in the place of its account.
//
// Source: AWS Identity and Access Management User Guide, "IAM identifiers".
func (e *environment) roleARN(name string) string {
	text := e.text(name)
	if text == "" {
		return ""
	}
	fields := strings.SplitN(text, ":", 6)
	if len(fields) != 6 || fields[0] != "arn" || fields[2] != "iam" || !strings.HasPrefix(fields[5], "role/") ||
		!isAccount(fields[4]) && fields[4] != accountPlaceholder || strings.Contains(fields[5], accountPlaceholder) {
		e.problem(name, "%q is not the ARN of a role, such as arn:aws:iam::123456789012:role/rotation, or with %s for the account of each secret: correct it, or leave it out", text, accountPlaceholder)
		return ""
	}
	return text
}
