package rotation

import (
	"context"
	"fmt"
	"slices"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/timeout"
	"tandem/internal/warning"
)

// An application that has read its secret once goes on as the user that was current
// then. The next rotation leaves that user alone; the one after it gives that very user
// another password. So whoever is still logged in as the user whose turn it is, is named
// before its password changes.

// SessionPolicy is PENDING_USER_SESSIONS: what sessions of the user whose password is
// about to change are to a rotation.
type SessionPolicy string

// The policies. An empty one is WarnOfSessions.
const (
	// WarnOfSessions: the rotation warns of them, and goes on. Nothing about the look at
	// them fails a step.
	WarnOfSessions SessionPolicy = "warn"
	// RefuseSessions: setSecret changes nothing as long as there are any, or as long as
	// nobody knows whether there are.
	RefuseSessions SessionPolicy = "refuse"
)

// ParseSessionPolicy reads one.
func ParseSessionPolicy(text string) (SessionPolicy, error) {
	if policy := SessionPolicy(text); policy == WarnOfSessions || policy == RefuseSessions {
		return policy, nil
	}
	return "", failure.Errorf(failure.ConfigurationInvalid, "%q is neither %s nor %s: correct it, or leave it out", text, WarnOfSessions, RefuseSessions)
}

// checkNotInUse looks, right before anything is changed, whether somebody is still logged
// in as the user whose password is about to change. It asks nothing where no password
// ends: in a user's first turn, and in a try after one that has set the password.
func (w *setSecretRun) checkNotInUse(ctx context.Context, pair account.Pair) error {
	ends, err := pair.EndsPassword(w.Settings.Mode, w.turn(), w.pending.Password(), w.matches)
	switch {
	case err != nil && w.Settings.PendingUserSessions == RefuseSessions:
		return fmt.Errorf("finding out whether a password of %q ends: %w", w.pending.Username(), err)
	case err != nil || !ends:
		return nil // an error is the password's, which is compared again
	}
	found := w.whoIsThere(ctx)
	w.record.inUse(found)
	if w.Settings.PendingUserSessions == RefuseSessions {
		return found.refusal("this step changed nothing")
	}
	if found.count > 0 {
		w.step.warn(ctx, warning.PendingUserInUse, fmt.Sprintf("%s; its password changes now: %s; %s", found, whatFollows, found.remedy()),
			"user", found.user, "sessions", found.count, "clients", capped(found.clients))
	}
	return nil
}

// whoIsThere looks for the sessions of the user whose turn it is where its users are
// changed, and where the application logs in. One limit is for all of it. The admin's
// session is asked without that: the end of a context would take the session with it, and
// the lock, so there the server keeps the limit.
func (w *setSecretRun) whoIsThere(ctx context.Context) *inUse {
	found := &inUse{user: w.pending.Username()}
	limited, cancel := timeout.Sessions().Context(ctx)
	defer cancel()
	found.add("", w.admin.Facts().Account, userSessions(ctx, w.admin, found.user))
	if w.documents.admin.viaReader {
		w.lookAtReaders(limited, found)
	}
	return found
}

// lookAtReaders looks where the application logs in, if that is not where its users are
// changed: at the document's host, or behind a reader endpoint at each of the cluster's
// instances.
func (w *setSecretRun) lookAtReaders(ctx context.Context, found *inUse) {
	at := []Instance{{Status: available, Endpoint: Endpoint{w.current.Host(), w.current.Port()}}}
	if isReaderEndpoint(w.current.Host()) {
		var err error
		at, err = w.RDS.Members(ctx, parseHost(w.current.Host()).name) // which RDS has confirmed
		if err != nil {
			found.add(w.current.Host(), account.Name{}, UserSessions{Unknown: err})
			return
		}
	}
	w.lookAt(ctx, w.documents.admin, w.admin.Facts().Identity, at, found)
}

// lookAt logs in to servers as the admin, side by side, and looks for the user's sessions
// there, until ctx ends. One that turns out to be the writer, whose identity is given, is
// left out, and so is one that has no endpoint yet. One that is starting or going away may
// serve nevertheless: it is excused if it does not answer.
func (s step) lookAt(ctx context.Context, admin adminLogin, writer string, at []Instance, found *inUse) {
	at = slices.DeleteFunc(slices.Clone(at), func(there Instance) bool { return there.Endpoint.Host == "" })
	type answer struct {
		Facts
		UserSessions
	}
	answers := make([]call[answer], len(at))
	tasks := make([]func(), len(at))
	for i, there := range at {
		answers[i].do = func() (answer, error) {
			to := admin.login()
			to.Host, to.Port, to.Admin = there.Endpoint.Host, there.Endpoint.Port, false
			session, err := s.Database.Connect(ctx, to)
			if err != nil {
				return answer{}, err
			}
			defer s.close(ctx, session)
			if session.Facts().Identity == writer {
				return answer{Facts: session.Facts()}, nil
			}
			return answer{session.Facts(), userSessions(ctx, session, found.user)}, nil
		}
		tasks[i] = answers[i].run
	}
	s.concurrently(tasks...)
	for i, there := range at {
		told, err := answers[i].result, answers[i].err
		where := fmt.Sprintf("%s:%d", there.Endpoint.Host, there.Endpoint.Port)
		switch {
		case err != nil && there.Status != available && !unreplicated(err) && ctx.Err() == nil:
			found.absent = append(found.absent, fmt.Errorf("%s, whose status is %s, was not looked at: %w", where, there.Status, err))
			continue
		case err != nil:
			told.Unknown = fmt.Errorf("logging in as the admin: %w", err)
		case told.Identity == writer:
			continue
		}
		found.add(where, told.Account, told.UserSessions)
	}
}

// inUse notes what was found.
func (r *record) inUse(found *inUse) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.pendingSessions, r.sessionsUnknown = found.count, found.notKnown()
}
