package rotation

import (
	"context"
	"fmt"
)

// finishSecret moves AWSCURRENT to the token's version, in one call, which also
// moves AWSPREVIOUS. AWSPENDING is left to the service, which takes it off after
// this step has succeeded.
func (s step) finishSecret(ctx context.Context) (string, error) {
	const already = "the rotation has finished already"
	labels, err := s.Secrets.Describe(ctx, s.event.SecretID)
	if err != nil {
		return "", err
	}
	if finished, err := labels.progress(s.event.Token); finished || err != nil {
		return already, err
	}
	from := labels.Carrier(Current)
	if from == "" {
		return "", fmt.Errorf("no version of the secret carries %s: give it to the version whose credentials the application uses", Current)
	}
	moveErr := s.Secrets.MoveCurrent(ctx, s.event.SecretID, s.event.Token, from)
	if moveErr == nil {
		s.log.InfoContext(ctx, "label moved", "label", Current, "from", from, "to", s.event.Token)
		return Current + " moved", nil
	}
	// The call may have been carried out and its answer lost, or another run of
	// this step may have been faster: what counts is where the label is.
	labels, err = s.Secrets.Describe(ctx, s.event.SecretID)
	if err == nil {
		if finished, err := labels.progress(s.event.Token); err == nil && finished {
			return already, nil
		}
	}
	return "", moveErr
}
