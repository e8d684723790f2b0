package rotation

import (
	"context"
	"fmt"

	"tandem/internal/failure"
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

	if err := s.testMembers(ctx, pending); err != nil {
		return s.unlessUnusable(ctx, fmt.Errorf("testing the %s credentials: %w", Pending, err))
	}
	session, err := s.connectReplicated(ctx, login(pending), pending)
	if err != nil {
		return s.unlessUnusable(ctx, refusedLogin(failure.PendingCredentialsRejected, fmt.Errorf("testing the %s credentials: %w", Pending, err)))
	}
	defer s.close(ctx, session)
	if database := pending.Database(); database != "" {
		if err := session.Use(ctx, database); err != nil {
			return "", databaseNotOpened(pending.Username(), err)
		}
	}
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

// databaseNotOpened is why a user could not open the database that the document names.
// A privilege that the clone alone was given would be taken from it by the next try.
func databaseNotOpened(user string, err error) error {
	err = denied(failure.DatabaseAccessDenied, fmt.Errorf("opening the database that the document names, as %q: %w", user, err))
	if failure.Of(err) == failure.DatabaseAccessDenied {
		return failure.WithRemedy(err, failure.Remedy(failure.DatabaseAccessDenied))
	}
	return err
}
