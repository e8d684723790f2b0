package rotation

import (
	"tandem/internal/failure"
	"tandem/internal/redact"
)

// Step is one of the four steps of a rotation.
//
// Source: AWS Secrets Manager User Guide, "Lambda rotation functions".
type Step string

// The steps, in the order in which Secrets Manager invokes them.
const (
	CreateSecret Step = "createSecret"
	SetSecret    Step = "setSecret"
	TestSecret   Step = "testSecret"
	FinishSecret Step = "finishSecret"
)

// Event is what Secrets Manager invokes the function with.
type Event struct {
	Step     Step
	SecretID string
	// Token is the ClientRequestToken: the ID of the version that this rotation makes.
	Token string
	// RotationToken is sensitive, optional, and handed back as it came.
	RotationToken redact.Secret
}

// check refuses an event that Secrets Manager would not send, before anything
// is asked of anybody.
func (e Event) check() error {
	switch e.Step {
	case CreateSecret, SetSecret, TestSecret, FinishSecret:
	case "":
		return missingField("Step")
	default:
		return failure.Errorf(failure.EventInvalid, "reading the event: unknown Step %q: Secrets Manager sends createSecret, setSecret, testSecret or finishSecret", string(e.Step))
	}
	for _, field := range []struct {
		name, value string
		required    bool
	}{
		{"SecretId", e.SecretID, true},
		{"ClientRequestToken", e.Token, true},
		{"RotationToken", e.RotationToken.Reveal(), false},
	} {
		if err := e.checkField(field.name, field.value, field.required); err != nil {
			return err
		}
	}
	return nil
}

func (e Event) checkField(name, value string, required bool) error {
	if value == "" && required {
		return missingField(name)
	}
	for _, r := range value {
		// The value is not quoted: it may be the RotationToken's.
		if r < ' ' || r > '~' {
			return failure.Errorf(failure.EventInvalid, "reading the event: %s has a character outside printable ASCII: send it as Secrets Manager gave it", name)
		}
	}
	return nil
}

func missingField(name string) error {
	return failure.Errorf(failure.EventInvalid, "reading the event: the field %s is missing or empty: invoke the function by rotating the secret, or with all of Step, SecretId and ClientRequestToken", name)
}
