package rotation

import (
	"context"
	"fmt"
	"strings"

	"tandem/internal/redact"
	"tandem/internal/secret"
	"tandem/internal/warning"
)

// renew is what a rotation makes of the current document: it has other credentials, in its
// connection strings too, unless CONNECTION_STRINGS is keep. It depends on nothing but
// what it is given, so that each step can make the document again and compare.
func (s Settings) renew(current secret.Document, username string, password redact.Secret) (secret.Renewal, error) {
	if s.KeepConnectionStrings {
		next, err := current.WithCredentials(username, password)
		return secret.Renewal{Document: next}, err
	}
	return current.Renew(username, password)
}

// makes reports whether a pending document is what comes of the current one.
func (s Settings) makes(current, pending secret.Document) bool {
	want, err := s.renew(current, pending.Username(), pending.Password())
	return err == nil && want.Raw().Equal(pending.Raw())
}

// differences are the keys in which a pending document is not what comes of the current
// one.
func (s Settings) differences(current, pending secret.Document) []string {
	want, err := s.renew(current, pending.Username(), pending.Password())
	if err != nil {
		want.Document = current
	}
	return want.Differences(pending, current.Password())
}

// connectionStrings is the value of CONNECTION_STRINGS.
func (s Settings) connectionStrings() string {
	if s.KeepConnectionStrings {
		return "keep"
	}
	return "renew"
}

// warnOfPasswordsLeft names, for whoever looks after the secret, the strings in it that
// will have an old password.
func (s step) warnOfPasswordsLeft(ctx context.Context, next secret.Renewal) {
	if next.Left.Count > 0 {
		s.warn(ctx, warning.OldPasswordLeft, passwordsLeft, "keys", next.Left.Listed(), "keysCount", next.Left.Count)
	}
}

const passwordsLeft = "strings in the secret that contain the password will keep it, as they are no connection strings with exactly the current username and password, " +
	"or the new ones cannot be written there"

// foretell adds to what a check says of the document what the next rotation makes of its
// connection strings.
func foretell(o outcome, next secret.Renewal) outcome {
	if next.Renewed.Count > 0 {
		o.detail += fmt.Sprintf("; a rotation renews the connection strings %s", strings.Join(next.Renewed.Listed(), ", "))
	}
	if next.Left.Count > 0 {
		o.result, o.kind, o.remedy = ResultAttention, warning.OldPasswordLeft, warning.Remedy(warning.OldPasswordLeft)
		o.detail += fmt.Sprintf("; %s: %s", passwordsLeft, strings.Join(next.Left.Listed(), ", "))
	}
	return o
}
