package sandbox

import (
	"context"
	"encoding/json"
	"time"

	"tandem/internal/redact"
)

// Step is a step of a rotation, as it begins or as it has ended.
type Step struct {
	// Name is createSecret, setSecret, testSecret or finishSecret.
	Name      string
	SecretARN string
	// Token is the version under rotation.
	Token string
	// Ended is false as the step begins; Took and Err are set where it is true.
	Ended bool
	Took  time.Duration
	Err   error

	rotationToken redact.Secret
}

// telling makes an Options.Intercept that tells of each step. The rotation goes
// on when told has returned.
func telling(told func(Step)) func(context.Context, []byte, func(context.Context, []byte) error) error {
	return func(ctx context.Context, payload []byte, invoke func(context.Context, []byte) error) error {
		var event struct{ Step, SecretId, ClientRequestToken, RotationToken string }
		if err := json.Unmarshal(payload, &event); err != nil {
			return err
		}
		step := Step{Name: event.Step, SecretARN: event.SecretId, Token: event.ClientRequestToken, rotationToken: redact.New(event.RotationToken)}
		told(step)
		began := time.Now()
		step.Err = invoke(ctx, payload)
		step.Took, step.Ended = time.Since(began), true
		told(step)
		return step.Err
	}
}
