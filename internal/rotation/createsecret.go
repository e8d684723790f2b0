package rotation

import (
	"context"
	"errors"
	"fmt"

	"tandem/internal/redact"
)

// createSecret checks all that can be checked without the database, makes a
// password and stores the pending document. It is done already when the token's
// version has a value.
func (s step) createSecret(ctx context.Context) (string, error) {
	labels := call[Labels]{do: func() (Labels, error) { return s.Secrets.Describe(ctx, s.event.SecretID) }}
	now := call[document]{do: func() (document, error) { return s.currentDocument(ctx) }}
	stored := call[Version]{do: func() (Version, error) { return s.Secrets.Version(ctx, s.event.SecretID, s.event.Token) }}
	// Where the version turns out to have a value, a password has been made in vain.
	password := call[redact.Secret]{do: func() (redact.Secret, error) { return s.Secrets.RandomPassword(ctx, "") }}
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
	if err := s.Settings.checkUsername(current.Engine(), current.Username(), s.Settings.UsernameLimit); err != nil {
		return "", fmt.Errorf("naming the next user: %w", err)
	}
	next := s.Settings.next(current.Username())

	switch {
	case stored.err == nil:
		return s.keepPending(ctx, current.Document, stored.result, "the version has its value already")
	case !errors.Is(stored.err, ErrVersionNotFound):
		return "", stored.err
	case password.err != nil:
		return "", password.err
	}
	pending, unfit, err := s.renewWithFitting(ctx, current.Document, next, password.result)
	if err != nil {
		return "", fmt.Errorf("writing the pending document: %w", err)
	}
	// Before the document is stored: whoever comes after that warns no more.
	s.warnOfPasswordsLeft(ctx, current.Document, pending, unfit)
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
	if renewed := pending.Renewed; renewed.Count > 0 {
		s.log.InfoContext(ctx, "connection strings renewed", "keys", renewed.Listed(), "keysCount", renewed.Count)
	}
	s.log.InfoContext(ctx, "pending credentials stored", "user", next)
	return "pending credentials stored", nil
}
