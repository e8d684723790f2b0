package rotation

import (
	"context"
	"fmt"
	"strings"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/secret"
	"tandem/internal/warning"
)

// testSecret logs in as the pending user, opens the document's database and
// compares what the pending user may do with what the current one may. It reads
// only, and needs no admin. At a reader it waits for the replication.
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
			return "", denied(failure.DatabaseAccessDenied, fmt.Errorf("opening the database that the document names, as %q: %w", pending.Username(), err))
		}
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

// compare fails where pending may not do something that current may.
func (s step) compare(ctx context.Context, current, pending Session) error {
	may, err := current.OwnGrants(ctx)
	if err != nil {
		return fmt.Errorf("reading what %s may do: %w", current.Facts().Account, err)
	}
	mayThen, err := pending.OwnGrants(ctx)
	if err != nil {
		return fmt.Errorf("reading what %s may do: %w", pending.Facts().Account, err)
	}
	missing, extra, err := account.CompareOwn(current.Facts().Server, may, mayThen)
	if err != nil {
		return fmt.Errorf("comparing what %s and %s may do: %w", current.Facts().Account, pending.Facts().Account, err)
	}
	if len(extra) > 0 {
		s.warn(ctx, warning.PendingHasMore, "the pending user may do more than the current one", "privileges", capped(texts(extra)))
	}
	if missing, err = s.withoutProxies(ctx, current, may, missing); err != nil {
		return fmt.Errorf("comparing what %s and %s may do: %w", current.Facts().Account, pending.Facts().Account, err)
	}
	if missing, err = s.present(ctx, current, missing); err != nil {
		return err
	}
	if len(missing) == 0 {
		return nil
	}
	if s.Settings.Mode == account.Off || s.Settings.Mode == account.Mirror && !secret.IsClone(pending.Facts().Account.User) {
		s.warn(ctx, warning.PendingHasLess, "the pending user may do less than the current one", "privileges", capped(texts(missing)))
		return nil
	}
	return failure.Errorf(failure.PendingLacksPrivileges, "%s may not do everything that %s may, it lacks %s: rotate again, which makes them equal; if this repeats, grant it to the original",
		pending.Facts().Account, current.Facts().Account, strings.Join(capped(texts(missing)), "; "))
}

// present leaves out, with a warning, what current has on a table, a column or a routine
// that was dropped, or on a column of a view that cannot be opened any more: setSecret
// cannot always grant that again, and nobody can use it.
func (s step) present(ctx context.Context, current Session, missing []account.Lack) ([]account.Lack, error) {
	var there []account.Lack
	var gone []string
	for _, lack := range missing {
		exists := true
		if lack.MayBeGone() {
			var err error
			if exists, err = current.Exists(ctx, lack.Object, lack.Column); err != nil {
				return nil, fmt.Errorf("looking whether what %s has a privilege on still exists: %w", current.Facts().Account, err)
			}
		}
		if exists {
			there = append(there, lack)
		} else {
			gone = append(gone, lack.Text)
		}
	}
	if len(gone) > 0 {
		s.warn(ctx, warning.ObjectGone, "the current user has privileges on what is gone", "privileges", capped(gone))
	}
	return there, nil
}

func texts(lacks []account.Lack) []string {
	out := make([]string, len(lacks))
	for i, lack := range lacks {
		out[i] = lack.Text
	}
	return out
}

// listed is how many things a message names before it counts the rest.
const listed = 20

func capped(list []string) []string {
	if len(list) <= listed {
		return list
	}
	return append(list[:listed:listed], fmt.Sprintf("and %d more", len(list)-listed))
}
