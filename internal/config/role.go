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
	fields := strings.Split(secretID, ":")
	if len(fields) < 6 || fields[0] != "arn" || fields[2] != "secretsmanager" || !isAccount(fields[4]) {
		return Role{}, failure.New(failure.EventInvalid, "reading the event: SecretId has no account, whose role ROTATION_ROLE_ARN asks for by "+accountPlaceholder+": name the secret by its ARN")
	}
	r.ARN = strings.Replace(r.ARN, accountPlaceholder, fields[4], 1)
	return r, nil
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
