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

// snakeCase are the steps as AWS's guide names them in some places.
//
// Source: AWS Secrets Manager User Guide, "Lambda rotation functions", which has
// both spellings.
var snakeCase = map[Step]Step{
	"create_secret": CreateSecret, "set_secret": SetSecret, "test_secret": TestSecret, "finish_secret": FinishSecret,
}

// Bounds of an event's fields, in bytes. Whatever is longer was not sent by Secrets
// Manager, and would be in every line of the log.
//
// Source: AWS Secrets Manager API Reference, RotateSecret (SecretId,
// ClientRequestToken) and PutSecretValue (RotationToken, of at most 256, which the
// service makes and may make longer).
const (
	maxSecretID      = 2048
	maxToken         = 64
	maxRotationToken = 4096
)

// Event is what Secrets Manager invokes the function with.
type Event struct {
	Step     Step
	SecretID string
	// Token is the ClientRequestToken: the ID of the version that this rotation makes.
	Token string
	// RotationToken is sensitive, optional, and handed back as it came.
	RotationToken redact.Secret
	// Scheduled: a check that the schedule asks for, which is counted in the metrics.
	Scheduled bool
}

// check refuses an event that Secrets Manager would not send, before anything
// is asked of anybody.
func (e Event) check() error {
	switch e.Step {
	case CreateSecret, SetSecret, TestSecret, FinishSecret:
	case "":
		return missingField("Step")
	default:
		return failure.Errorf(failure.EventInvalid, "reading the event: unknown Step %.40q: Secrets Manager sends createSecret, setSecret, testSecret or finishSecret", string(e.Step))
	}
	for _, field := range []struct {
		name, value string
		longest     int
		required    bool
	}{
		{"SecretId", e.SecretID, maxSecretID, true},
		{"ClientRequestToken", e.Token, maxToken, true},
		{"RotationToken", e.RotationToken.Reveal(), maxRotationToken, false},
	} {
		if err := checkField(field.name, field.value, field.longest, field.required); err != nil {
			return err
		}
	}
	return nil
}

func checkField(name, value string, longest int, required bool) error {
	switch {
	case value == "" && required:
		return missingField(name)
	case len(value) > longest:
		return failure.Errorf(failure.EventInvalid, "reading the event: %s has %d bytes, and at most %d are taken: send it as Secrets Manager gave it", name, len(value), longest)
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
