package rotation

import (
	"slices"
	"strings"

	"tandem/internal/failure"
)

// Staging labels.
//
// Source: AWS Secrets Manager User Guide, "What's in a Secrets Manager secret?".
const (
	Current  = "AWSCURRENT"
	Previous = "AWSPREVIOUS"
	Pending  = "AWSPENDING"
)

// VersionWith is the ID of the version that carries a label; empty where none does.
func (l Labels) VersionWith(label string) string {
	for id, stages := range l.Stages {
		if slices.Contains(stages, label) {
			return id
		}
	}
	return ""
}

// wasCurrent reports whether a version with these labels, which is not AWSCURRENT any more,
// has been. Its rotation has ended, whatever still says AWSPENDING: a password that was
// replaced after that must not come back.
func wasCurrent(stages []string) bool {
	return slices.Contains(stages, Previous) || slices.Contains(stages, Current)
}

// tag is the value of a tag of the secret, whose key may be of any letter case;
// empty for none.
func (l Labels) tag(key string) string {
	for own, value := range l.Tags {
		if strings.EqualFold(own, key) {
			return value
		}
	}
	return ""
}

// progress tells what a rotation that makes the version token still has to do.
// It is finished where the token is AWSCURRENT already, whether AWSPENDING is
// still on it or not: the service takes that off in its own time. An error means
// that there is no such rotation.
func (l Labels) progress(token string) (finished bool, err error) {
	stages, known := l.Stages[token]
	switch {
	case !known:
		return false, failure.Errorf(failure.RotationNotInProgress, "the secret has no version %s with a label: its rotation was abandoned or superseded, or the event was invoked by hand with a made-up ClientRequestToken; rotate the secret again", token)
	case slices.Contains(stages, Current):
		return true, nil
	case !slices.Contains(stages, Pending):
		return false, failure.Errorf(failure.RotationNotInProgress, "version %s does not carry %s (it carries %v): its rotation was abandoned or superseded; rotate the secret again", token, Pending, stages)
	case l.RotationEnabled != nil && !*l.RotationEnabled:
		return false, failure.Errorf(failure.RotationNotInProgress, "rotation is not enabled for the secret: turn it on, or call RotateSecret")
	}
	return false, nil
}
