package rotation

import (
	"context"
	"errors"
	"fmt"

	"tandem/internal/failure"
	"tandem/internal/secret"
)

// testSecret logs in as the pending user, opens the document's database and
// compares what the pending user may do with what the current one may, if these are
// two. It reads only, and needs no admin. At a reader it waits for the replication.
func (s step) testSecret(ctx context.Context) (string, error) {
	version, current, err := s.readDocuments(ctx)
	if err != nil {
		return "", err
	}
	if finished, err := s.finished(ctx, version); finished || err != nil {
		return alreadyFinished, err
	}
	// Two equal documents are a test before the first rotation (RotateImmediately
	// is false): the pending version is a copy of the current one.
	pending, rehearsal := current.Document, version.Document.Equal(current.Raw())
	if !rehearsal {
		if pending, err = s.parseMatching(current.Document, version); err != nil {
			return s.giveUp(ctx, err)
		}
	}

	session, err := s.testPending(ctx, pending)
	if errors.Is(err, errOnePassword) {
		return s.testWithCurrent(ctx, pending)
	}
	if err != nil {
		return s.unlessUnusable(ctx, err)
	}
	defer s.close(ctx, session)
	if s.Settings.Strategy == SingleUser {
		return fmt.Sprintf("%q logs in", pending.Username()), nil
	}
	if rehearsal {
		return fmt.Sprintf("%q logs in; there is no other user yet to compare it with", pending.Username()), nil
	}
	proof, err := s.Database.Connect(ctx, login(current.Document))
	if err != nil {
		return "", refusedLogin(failure.CurrentCredentialsRejected, fmt.Errorf("testing the %s credentials: %w", Current, err))
	}
	defer s.close(ctx, proof)
	if err := s.compare(ctx, proof, session); err != nil {
		return "", err
	}
	return fmt.Sprintf("%q logs in and may do what %q may", pending.Username(), current.Username()), nil
}

// testPending logs in with the pending credentials wherever the application may be led, and
// opens the document's database.
func (s step) testPending(ctx context.Context, pending secret.Document) (Session, error) {
	if err := s.testMembers(ctx, pending); err != nil {
		return nil, fmt.Errorf("testing the %s credentials: %w", Pending, err)
	}
	session, err := s.connectReplicated(ctx, login(pending), pending)
	if err != nil {
		return nil, refusedLogin(failure.PendingCredentialsRejected, fmt.Errorf("testing the %s credentials: %w", Pending, err))
	}
	if err := s.open(ctx, session, pending); err != nil {
		s.close(ctx, session)
		return nil, err
	}
	return session, nil
}

// open opens the document's database, if it names one.
func (s step) open(ctx context.Context, session Session, d secret.Document) error {
	if d.Database() == "" {
		return nil
	}
	if err := session.Use(ctx, d.Database()); err != nil {
		return databaseNotOpened(d.Username(), err)
	}
	return nil
}

// databaseNotOpened is why a user could not open the database that the document names.
// A privilege that the clone alone was given would be taken from it by the next try.
func databaseNotOpened(user string, err error) error {
	err = denied(failure.DatabaseAccessDenied, fmt.Errorf("opening the database that the document names, as %q: %w", user, err))
	if failure.Of(err) == failure.DatabaseAccessDenied {
		return failure.WithRemedy(err, failure.Remedy(failure.DatabaseAccessDenied))
	}
	return err
}
