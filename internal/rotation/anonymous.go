package rotation

import (
	"context"
	"errors"
	"fmt"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/statement"
)

// AnonymousFinder is implemented by a Session that can look for the account without a
// name that the server takes a user's logins for.
type AnonymousFinder interface {
	Anonymous(ctx context.Context, username string) (found account.Name, ok bool, err error)
}

// nameAnonymous adds to a refused login the account without a name that the server took
// it for, where there is one: the server's own message names the user. It asks by the
// admin's session; what that does not tell is left out.
func nameAnonymous(ctx context.Context, admin Session, username string, refused error) error {
	named, err := findAnonymous(ctx, admin, username, refused)
	if err != nil {
		return refused
	}
	return named
}

// findAnonymous is nameAnonymous, with why it could not be told.
func findAnonymous(ctx context.Context, admin Session, username string, refused error) (named, err error) {
	finder, ok := admin.(AnonymousFinder)
	if !ok || !errors.Is(refused, ErrLoginRefused) {
		return refused, nil
	}
	found, ok, err := finder.Anonymous(ctx, username)
	if err != nil || !ok {
		return refused, err
	}
	drop := statement.New("DROP USER ").Account(found.User, found.Host).Statement()
	return failure.Errorf(failure.LoggedInAsOtherUser, "the server takes the login of %q for the account without a name %s, whose host is nearer; to fix it, run: %s: %w", username, found, drop, refused), nil
}

// Anonymous implements AnonymousFinder.
func (t timedSession) Anonymous(ctx context.Context, username string) (account.Name, bool, error) {
	finder, ok := t.Session.(AnonymousFinder)
	if !ok {
		return account.Name{}, false, nil
	}
	defer t.record.time(phaseReading)()
	return finder.Anonymous(ctx, username)
}

// Anonymous implements AnonymousFinder.
func (r readingSession) Anonymous(ctx context.Context, username string) (account.Name, bool, error) {
	if finder, ok := r.Session.(AnonymousFinder); ok {
		return finder.Anonymous(ctx, username)
	}
	return account.Name{}, false, nil
}

// nameAnonymous does so in a check, which finds the refused login before it has the
// admin's session.
func (i *inspection) nameAnonymous(ctx context.Context, admin Session, username string, refused error) {
	named := nameAnonymous(ctx, admin, username, fmt.Errorf("proving the %s credentials: %w", Current, refused))
	f := i.findings[checkCurrent]
	if kind := failure.Of(named); f.Result == ResultFailed && kind == failure.LoggedInAsOtherUser {
		f.Detail, f.Type, f.Remedy = named.Error(), string(kind), failure.Remedy(kind)
		i.findings[checkCurrent] = f
	}
}
