package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tandem/internal/failure"
	"tandem/internal/secret"
)

// finishSecret moves AWSCURRENT to the token's version, in one call, which also
// moves AWSPREVIOUS. AWSPENDING is left to the service, which takes it off after
// this step has succeeded.
//
// It moves the label under the pair's lock, as the pending user, for whom the
// lock needs no privilege. The service moves AWSCURRENT to a version whether
// AWSPENDING is on it or not: without the lock, a step that comes late could look
// at the labels, be overtaken by the next token's setSecret, which gives the
// pending user another password, and then move AWSCURRENT to the one that no
// longer works.
//
// Under the lock, too, the pending document is compared with AWSCURRENT's for the
// last time, and the label is moved from the version that was compared, or not at
// all: the service moves it from the version that RemoveFromVersionId names, or
// fails. So nothing that the secret's owner writes is undone, whenever they do.
func (s step) finishSecret(ctx context.Context) (string, error) {
	version, err := s.pendingVersion(ctx)
	if err != nil {
		return "", err
	}
	result, err := s.finish(ctx, version)
	var reason abandoned
	switch {
	case errors.As(err, &reason):
		return s.giveUp(ctx, reason.error)
	case err == nil && result == alreadyFinished && s.Settings.Strategy == SingleUser:
		return s.afterMove(ctx, version)
	}
	return result, err
}

// abandoned is why nothing can come of a rotation, which is given up once the lock is free:
// that may take the lock.
type abandoned struct{ error }

func (a abandoned) Unwrap() error { return a.error }

// ifMismatched is abandoned where the error is about the pending document.
func ifMismatched(err error) error {
	if failure.Of(err) == failure.PendingSecretMismatch {
		return abandoned{err}
	}
	return err
}

// finish moves the label, and ends its sessions.
func (s step) finish(ctx context.Context, version Version) (string, error) {
	if finished, err := s.finished(ctx, version); finished || err != nil {
		return alreadyFinished, err
	}
	pending, err := parsePending(version)
	if err != nil {
		return "", ifMismatched(err)
	}
	s.record.pending(pending)
	result, err := s.finishOrGiveBack(ctx, version, pending)
	if !errors.Is(err, errOnePassword) {
		return result, err
	}
	result, err = s.finishOnePassword(ctx, version)
	if !errors.Is(err, errUnanswered) {
		return result, err
	}
	result, again := s.finishOrGiveBack(ctx, version, pending)
	if again != nil {
		return "", fmt.Errorf("%w; looking whether it was: %w", err, again)
	}
	return result, nil
}

// finishOrGiveBack moves the label as the pending user. Where it is certain that the label
// does not move, a single user gets back the password that an earlier try has taken.
func (s step) finishOrGiveBack(ctx context.Context, version Version, pending secret.Document) (string, error) {
	result, err := s.finishWithPending(ctx, version, pending)
	if s.Settings.Strategy == SingleUser && errors.Is(err, ErrNotMoved) {
		if _, back := s.giveBack(ctx); back != nil {
			return "", fmt.Errorf("%w; %w", err, back)
		}
	}
	return result, err
}

// finishWithPending moves the label as the pending user.
func (s step) finishWithPending(ctx context.Context, version Version, pending secret.Document) (string, error) {
	session, err := s.connectToFinish(ctx, pending)
	if err != nil {
		return "", refusedLogin(failure.PendingCredentialsRejected, fmt.Errorf("logging in with the %s credentials, without which %s is not moved to them: %w", Pending, Current, err))
	}
	defer s.close(ctx, session)
	if err := s.lockable(ctx, session, pending); err != nil {
		return "", err
	}
	if err := s.lock(ctx, session, pending); err != nil {
		return "", err
	}
	if err := s.stillPending(ctx, session, pending); err != nil {
		return "", err
	}
	return s.moveCurrent(ctx, version, nil)
}

// moveCurrent moves the label, under the lock. before, unless it is nil, is done directly
// before that, when nothing else is left that could stand in the way.
func (s step) moveCurrent(ctx context.Context, version Version, before func(context.Context, document) error) (string, error) {
	labels := call[Labels]{do: func() (Labels, error) { return s.Secrets.Describe(ctx, s.event.SecretID) }}
	now := call[document]{do: func() (document, error) { return s.currentDocument(ctx) }}
	s.concurrently(labels.run, now.run)
	if labels.err != nil {
		return "", labels.err
	}
	if finished, err := labels.result.progress(s.event.Token); finished || err != nil {
		return alreadyFinished, err
	}
	carrier := labels.result.VersionWith(Current)
	if carrier == "" {
		return "", failure.Errorf(failure.CurrentSecretMissing, "no version of the secret carries %s: give it to the version whose credentials the application uses", Current)
	}
	current, err := now.result, now.err
	if err != nil {
		return "", err
	}
	if current.versionID == s.event.Token {
		return alreadyFinished, nil
	}
	if _, err := s.parseMatching(current.Document, version); err != nil {
		return "", ifMismatched(err)
	}
	// The two were read side by side. Where another rotation has ended in between, which
	// needs the lock's session to be gone, the labels are those from before it.
	if carrier != current.versionID || wasCurrent(labels.result.Stages[s.event.Token]) {
		return "", failure.Errorf(failure.RotationSuperseded, "%s has moved from version %s to %s while this step read it: it was not moved on to %s; the next try reads it anew",
			Current, carrier, current.versionID, s.event.Token)
	}
	if before != nil {
		if err := before(ctx, current); err != nil {
			return "", err
		}
	}
	// The server keeps the lock until the invocation's deadline. One that was
	// frozen meanwhile finds out here, whatever its timers have noticed.
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return "", fmt.Errorf("moving %s: it was not moved, as the lock may have ended with the invocation's time: %w", Current, context.DeadlineExceeded)
	}
	from := current.versionID
	moveErr := s.Secrets.MoveCurrent(ctx, s.event.SecretID, s.event.Token, from)
	if moveErr == nil {
		s.record.labelMoved()
		s.log.InfoContext(ctx, "label moved", "label", Current, "from", from, "to", s.event.Token)
		return Current + " moved", nil
	}
	// The call may have been carried out and its answer lost: what counts is where
	// the label is.
	after, err := s.Secrets.Describe(ctx, s.event.SecretID)
	if err != nil {
		return "", moveErr
	}
	if finished, err := after.progress(s.event.Token); err == nil && finished {
		s.record.labelMoved()
		return alreadyFinished, nil
	}
	if carrier := after.VersionWith(Current); carrier != "" && carrier != from {
		return "", failure.Errorf(failure.RotationSuperseded, "%s has moved from version %s to %s since this step read it, so it was not moved on to %s; the next try reads it anew: %w",
			Current, from, carrier, s.event.Token, moveErr)
	}
	return "", moveErr
}

// finished reports whether the version is AWSCURRENT already. An error means that
// its rotation has been given up: then its password is not tried, since a refused
// login counts against FAILED_LOGIN_ATTEMPTS. Where the version's own labels leave
// no doubt, the secret's need not be asked for.
func (s step) finished(ctx context.Context, version Version) (bool, error) {
	if slices.Contains(version.Stages, Pending) && !slices.Contains(version.Stages, Current) {
		return false, nil
	}
	labels, err := s.Secrets.Describe(ctx, s.event.SecretID)
	if err != nil {
		return false, err
	}
	return labels.progress(s.event.Token)
}

// lockable refuses a read-only server where setSecret does not take the lock: a
// name that leads to a reader for the moment. Where the application's host is a
// reader by RDS's own word, setSecret takes it there too.
func (s step) lockable(ctx context.Context, session Session, pending secret.Document) error {
	if !session.Facts().ReadOnly {
		return nil
	}
	reader, err := s.isReader(ctx, pending)
	if err != nil {
		return fmt.Errorf("the server is read-only, and whether it is meant to be a reader could not be found out: %w", err)
	}
	if reader {
		return nil
	}
	return failure.Errorf(failure.ReadOnlyServer, "the server that the %s credentials have reached is read-only, so it is a reader, or a writer in a failover: %s was not moved; "+
		"use the address of the writer, or wait for the end of the failover: the next try goes on", Pending, Current)
}
