package rotation

import (
	"context"
	"fmt"
	"strings"

	"tandem/internal/failure"
	"tandem/internal/secret"
	"tandem/internal/warning"
)

// ErrStale is what a pending document is that AWSCURRENT has moved away from
// since it was made: no rotation can come of it.
var ErrStale = failure.New(failure.PendingSecretMismatch, "the secret was changed after this document was made")

// nextGivesUp is what the steps after createSecret say of a stale document.
const nextGivesUp = "nothing was changed; the next try begins with createSecret, which gives this rotation up"

// agree reads a pending document, and refuses one with which no rotation from the
// current document can go on.
func (s step) agree(current secret.Document, pending Version) (secret.Document, error) {
	next, err := secret.Parse(pending.Document)
	if err != nil {
		return secret.Document{}, failure.Errorf(failure.PendingSecretMismatch, "reading the %s document of version %s: %w: %w", InWork, pending.ID, err, ErrStale)
	}
	for _, field := range []struct{ name, want, got string }{
		{"username", secret.Other(current.Username()), next.Username()},
		{"engine", string(current.Engine()), string(next.Engine())},
		{"host", strings.ToLower(current.Host()), strings.ToLower(next.Host())},
		{"port", fmt.Sprint(current.Port()), fmt.Sprint(next.Port())},
	} {
		if field.want != field.got {
			return secret.Document{}, fmt.Errorf("the %s document of version %s has %s %q where the %s document asks for %q: %w",
				InWork, pending.ID, field.name, field.got, Current, field.want, ErrStale)
		}
	}
	return next, nil
}

// keepPending goes on with a value that the token has already, if a rotation can
// come of it. Otherwise it gives the rotation up: a version's value cannot be
// changed, and as long as the version carries AWSPENDING, Secrets Manager begins
// no other rotation, but this one again. So it takes the label off, whereupon the
// next rotation begins by itself.
//
// It comes to that where a createSecret stands still right before it stores its
// document, is given up and overtaken, and goes on: storing puts AWSPENDING back,
// for a user who may have become the current one. And where AWSCURRENT was given
// to another user or server while a rotation was failing.
//
// The call takes the label off this version or fails, so that it can not be taken
// from a rotation that has begun meanwhile.
//
// Source: AWS Secrets Manager API Reference, RotateSecret, of the two states of
// AWSPENDING in which a rotation function may leave a secret.
func (s step) keepPending(ctx context.Context, current secret.Document, pending Version) error {
	_, stale := s.agree(current, pending)
	if stale == nil {
		return nil
	}
	if err := s.Secrets.DropPending(ctx, s.event.SecretID, s.event.Token); err != nil {
		return fmt.Errorf("%w; taking %s off version %s, without which no other rotation begins: %w", stale, InWork, s.event.Token, err)
	}
	s.warn(ctx, warning.RotationGivenUp, "label taken off, as nothing can come of its version", "label", InWork, "from", s.event.Token)
	return fmt.Errorf("%w; %s was taken off version %s, so that the next rotation can begin: rotate the secret again, or leave that to its schedule",
		stale, InWork, s.event.Token)
}
