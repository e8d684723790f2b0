package rotation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/secret"
	"tandem/internal/timeout"
)

// createSecret checks all that can be checked without the database, makes a
// password and stores the pending document. It is done already when the token's
// version has a value.
func (s step) createSecret(ctx context.Context) (string, error) {
	labels := call[Labels]{do: func() (Labels, error) { return s.Secrets.Describe(ctx, s.event.SecretID) }}
	now := call[document]{do: func() (document, error) { return s.currentDocument(ctx) }}
	stored := call[Version]{do: func() (Version, error) { return s.Secrets.Version(ctx, s.event.SecretID, s.event.Token) }}
	// Where the version turns out to have a value, a password has been made in vain.
	password := call[redact.Secret]{do: func() (redact.Secret, error) { return s.Secrets.RandomPassword(ctx) }}
	s.concurrently(labels.run, now.run, stored.run, password.run)

	if labels.err != nil {
		return "", labels.err
	}
	if finished, err := labels.result.progress(s.event.Token); finished || err != nil {
		return alreadyFinished, err
	}
	current, err := now.result, now.err
	if err != nil {
		return "", err
	}
	if current.versionID == s.event.Token {
		return alreadyFinished, nil
	}
	if _, err := s.adminARN(current.Document); err != nil {
		return "", err
	}
	if err := secret.CheckUsername(current.Engine(), current.Username(), s.Settings.UsernameLimit); err != nil {
		return "", fmt.Errorf("naming the other user: %w", err)
	}
	other := secret.Other(current.Username())

	switch {
	case stored.err == nil:
		return s.keepPending(ctx, current.Document, stored.result, "the version has its value already")
	case !errors.Is(stored.err, ErrVersionNotFound):
		return "", stored.err
	case password.err != nil:
		return "", password.err
	}
	pending, err := current.WithCredentials(other, password.result)
	if err != nil {
		return "", fmt.Errorf("writing the pending document: %w", err)
	}
	err = s.Secrets.PutPending(ctx, PendingVersion{
		SecretID:      s.event.SecretID,
		VersionID:     s.event.Token,
		Document:      pending.Raw(),
		RotationToken: s.event.RotationToken,
	})
	if errors.Is(err, ErrVersionExists) {
		// Another run of this step was faster. Its value is as good as this one.
		won, err := s.pendingVersion(ctx)
		if err != nil {
			return "", fmt.Errorf("reading the value that another run of createSecret has stored: %w", err)
		}
		return s.keepPending(ctx, current.Document, won, "another run of this step has stored the value")
	}
	if err != nil {
		return "", err
	}
	s.log.InfoContext(ctx, "pending credentials stored", "user", other)
	return "pending credentials stored", nil
}

// document is a version's document, read.
type document struct {
	secret.Document
	versionID string
	created   time.Time // when the version got its value; zero where not known
}

func (s step) currentDocument(ctx context.Context) (document, error) {
	version, err := s.Secrets.Current(ctx, s.event.SecretID)
	if errors.Is(err, ErrVersionNotFound) {
		return document{}, failure.Errorf(failure.CurrentSecretMissing, "reading the %s document: %w: store a document in the secret", Current, err)
	}
	if err != nil {
		return document{}, err
	}
	read, err := secret.Parse(version.Document)
	if err != nil {
		return document{}, fmt.Errorf("reading the %s document: %w", Current, err)
	}
	s.record.application(read)
	return document{read, version.ID, version.Created}, nil
}

// readDocuments reads the token's version and the current one.
func (s step) readDocuments(ctx context.Context) (pending Version, current document, err error) {
	next := call[Version]{do: func() (Version, error) { return s.pendingVersion(ctx) }}
	now := call[document]{do: func() (document, error) { return s.currentDocument(ctx) }}
	s.concurrently(next.run, now.run)
	if err = next.err; err == nil {
		err = now.err
	}
	return next.result, now.result, err
}

// adminARN is the admin secret that the document, or else the function's
// configuration, names.
func (s step) adminARN(current secret.Document) (string, error) {
	if arn := current.AdminARN(); arn != "" {
		return arn, nil
	}
	if s.Settings.AdminARN != "" {
		return s.Settings.AdminARN, nil
	}
	return "", failure.New(failure.AdminSecretNotNamed, "no admin secret is named: put its ARN into the secret's document as masterarn, or into the function's environment as SUPERUSER_SECRET_ARN")
}

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
