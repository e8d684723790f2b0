package rotation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tandem/internal/failure"
	"tandem/internal/secret"
	"tandem/internal/timeout"
	"tandem/internal/warning"
)

// ErrStale is what a pending document is that AWSCURRENT has moved away from
// since it was made: no rotation can come of it.
var ErrStale = failure.New(failure.PendingSecretMismatch, "the secret was changed after this document was made")

// parsePending reads a pending document. One that cannot be read was not made from
// AWSCURRENT's, which can be.
func parsePending(pending Version) (secret.Document, error) {
	next, err := secret.Parse(pending.Document)
	if err != nil {
		return secret.Document{}, failure.Errorf(failure.PendingSecretMismatch, "reading the %s document of version %s: %w: %w", Pending, pending.ID, err, ErrStale)
	}
	return next, nil
}

// parseMatching reads a pending document, and refuses one that is not what a rotation
// makes of the current document with the other user's name and the pending password,
// byte for byte. The document belongs to its owner: whatever else they have changed since
// the pending one was made would be undone by moving AWSCURRENT to it.
func (s step) parseMatching(current secret.Document, pending Version) (secret.Document, error) {
	next, err := parsePending(pending)
	if err != nil {
		return secret.Document{}, err
	}
	for _, field := range []struct{ name, want, got string }{
		{"username", s.Settings.next(current.Username()), next.Username()},
		{"engine", string(current.Engine()), string(next.Engine())},
		{"host", current.Host(), next.Host()},
		{"port", fmt.Sprint(current.Port()), fmt.Sprint(next.Port())},
	} {
		if field.want != field.got {
			return secret.Document{}, fmt.Errorf("the %s document of version %s has %s %q where the %s document asks for %q: %s%w",
				Pending, pending.ID, field.name, field.got, Current, field.want, s.Settings.ifOtherStrategy(current, next), ErrStale)
		}
	}
	if wasCurrent(pending.Stages) {
		return secret.Document{}, fmt.Errorf("version %s has been %s already, and the secret was changed after that: %w", pending.ID, Current, ErrStale)
	}
	if s.Settings.makes(current, next) {
		return next, nil
	}
	if others := (Settings{KeepConnectionStrings: !s.Settings.KeepConnectionStrings}); others.makes(current, next) {
		return secret.Document{}, failure.Errorf(failure.PendingSecretMismatch, "the %s document of version %s was made with CONNECTION_STRINGS=%s, which is %s now",
			Pending, pending.ID, others.connectionStrings(), s.Settings.connectionStrings())
	}
	what := "its spelling"
	if keys := s.Settings.differences(current, next); len(keys) > 0 {
		what = strings.Join(capped(keys), ", ")
	}
	return secret.Document{}, fmt.Errorf("the %s document of version %s differs from the %s document in more than the credentials, in %s: %w",
		Pending, pending.ID, Current, what, ErrStale)
}

// keepPending goes on with a value that the token has already, if a rotation can
// come of it, and otherwise gives the rotation up.
//
// It comes to that where a createSecret stands still right before it stores its
// document, is given up and overtaken, and goes on: storing puts AWSPENDING back,
// for a user who may have become the current one. And where the secret was changed
// while a rotation was failing.
func (s step) keepPending(ctx context.Context, current secret.Document, pending Version, result string) (string, error) {
	if _, stale := s.parseMatching(current, pending); stale != nil {
		return s.giveUp(ctx, stale)
	}
	return result, nil
}

// giveUp ends a rotation that cannot be finished, for the reason given: a version's
// value cannot be changed, and as long as the version carries AWSPENDING, Secrets
// Manager begins no other rotation, but this one again. So it takes the label off,
// whereupon the next rotation begins by itself, from the secret as it is then.
//
// An invocation that comes late finds its rotation finished, which it reports as
// the result, or overtaken. The call takes the label off this version or fails, so
// that it can not be taken from a rotation that has begun meanwhile.
//
// Source: AWS Secrets Manager API Reference, RotateSecret, of the two states of
// AWSPENDING in which a rotation function may leave a secret.
func (s step) giveUp(ctx context.Context, reason error) (result string, err error) {
	labels, err := s.Secrets.Describe(ctx, s.event.SecretID)
	if err != nil {
		return "", fmt.Errorf("%w; looking whether %s is still on version %s, without which no other rotation begins: %w", reason, Pending, s.event.Token, err)
	}
	if finished, err := labels.progress(s.event.Token); finished || err != nil {
		return alreadyFinished, err
	}
	switch finished, err := s.keepOnlyPassword(ctx, reason); {
	case err != nil:
		return "", err
	case finished:
		return alreadyFinished, nil
	}
	if err := s.Secrets.DropPending(ctx, s.event.SecretID, s.event.Token); err != nil {
		return "", fmt.Errorf("%w; taking %s off version %s, without which no other rotation begins: %w", reason, Pending, s.event.Token, err)
	}
	s.warn(ctx, warning.RotationAbandoned, "AWSPENDING removed from a version that cannot be completed", "label", Pending, "from", s.event.Token)
	return "", fmt.Errorf("%w; %s was taken off version %s, so that the next rotation can begin: rotate the secret again, or leave that to its schedule",
		reason, Pending, s.event.Token)
}

// keepOnlyPassword sees to it that AWSPENDING is not on the only password in force when it
// is taken off.
func (s step) keepOnlyPassword(ctx context.Context, reason error) (finished bool, err error) {
	if s.Settings.Strategy == SingleUser {
		finished, err = s.giveBack(ctx)
	} else if finished, err = s.checkNotAlone(ctx, reason); failure.Of(err) == failure.CurrentCredentialsRejected {
		return false, err
	}
	if err != nil {
		err = fmt.Errorf("%w; before %s is taken off version %s, so that the next rotation can begin: %w", reason, Pending, s.event.Token, err)
	}
	return finished, err
}

// alreadyFinished is the result of a step that comes after its rotation's end.
const alreadyFinished = "the rotation has finished already"

// pendingVersion reads the token's version, and waits a while for it where the
// labels say that it is about to be.
func (s step) pendingVersion(ctx context.Context) (Version, error) {
	patience, cancel := timeout.Visibility().Context(ctx)
	defer cancel()
	for pauses := timeout.VisibilityPauses(); ; {
		version, err := s.Secrets.Version(ctx, s.event.SecretID, s.event.Token)
		if !errors.Is(err, ErrVersionNotFound) {
			return version, err
		}
		labels, describeErr := s.Secrets.Describe(ctx, s.event.SecretID)
		if describeErr != nil {
			return Version{}, describeErr
		}
		if _, stateErr := labels.progress(s.event.Token); stateErr != nil {
			return Version{}, stateErr
		}
		if pauses.Pause(patience) != nil {
			return Version{}, failure.Errorf(failure.PendingSecretMissing, "version %s has no value yet, so createSecret has not succeeded: rotate the secret, which runs the steps in order: %w", s.event.Token, err)
		}
	}
}
