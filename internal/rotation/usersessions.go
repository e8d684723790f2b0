package rotation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/statement"
)

// UserSessions is who is logged in to a server as a user, this function's own sessions
// aside.
type UserSessions struct {
	// Known is false where the server has not told: for the reason of Unknown, or else
	// since it shows this login no sessions but those of its own user.
	Known   bool
	Unknown error
	Count   int
	// Sessions are all of them, unless Undetailed says why they could not be listed.
	Sessions   []UserSession
	Undetailed error
}

// UserSession is one of them.
type UserSession struct {
	// Connection is its number on the server.
	Connection uint64
	// Host is the client's, as the server names it.
	Host string
	// Program is what the client calls itself; empty where that is not known.
	Program string
	// Quiet is how long ago the last statement ended, in whole seconds; 0 where one is
	// being executed.
	Quiet time.Duration
	// OfRDSProxy: it comes from where RDS Proxy's own sessions come from.
	OfRDSProxy bool
}

// SessionInspector is implemented by a Session that can tell who is logged in.
type SessionInspector interface {
	UserSessions(ctx context.Context, user string) UserSessions
}

// errNotInspected is why a Session that is no SessionInspector does not tell.
var errNotInspected = failure.New(failure.Unexpected, "the server was not asked")

func userSessions(ctx context.Context, session Session, user string) UserSessions {
	if inspector, ok := session.(SessionInspector); ok {
		return inspector.UserSessions(ctx, user)
	}
	return UserSessions{Unknown: errNotInspected}
}

// UserSessions implements SessionInspector.
func (t timedSession) UserSessions(ctx context.Context, user string) UserSessions {
	defer t.record.time(phaseReading)()
	return userSessions(ctx, t.Session, user)
}

// UserSessions implements SessionInspector.
func (r readingSession) UserSessions(ctx context.Context, user string) UserSessions {
	return userSessions(ctx, r.Session, user)
}

// inUse is what was found of a user's sessions on one server, or on several.
type inUse struct {
	user  string
	count int
	// servers is how many have told.
	servers int
	// clients says who they are, a text for each host and program.
	clients []string
	// gone is the statement that ends the session which has been quiet the longest, and
	// quiet how long it has; empty where no session's number is known.
	gone  string
	quiet time.Duration
	// unknown says of which servers it is not known, and why; lacks are the accounts that
	// may not see it there. absent are those servers that did not answer and that RDS does
	// not call available.
	unknown []error
	lacks   []account.Name
	absent  []error
}

// add takes what a server has told to the account. at names the server; it is empty for
// the writer's.
func (u *inUse) add(at string, of account.Name, found UserSessions) {
	if at != "" {
		at = " at " + at
	}
	switch {
	case !found.Known && found.Unknown != nil:
		u.unknown = append(u.unknown, fmt.Errorf("whether %q is still in use%s is not known: %w", u.user, at, found.Unknown))
		return
	case !found.Known:
		u.unknown = append(u.unknown, failure.Errorf(failure.PendingUserInUse, "whether %q is still in use%s is not known, as %s may not see the sessions of others", u.user, at, of))
		if !slices.Contains(u.lacks, of) {
			u.lacks = append(u.lacks, of)
		}
		return
	}
	u.servers++
	u.count += found.Count
	if found.Undetailed != nil {
		u.clients = append(u.clients, fmt.Sprintf("%d%s, of which no more could be read: %v", found.Count, at, found.Undetailed))
	}
	for _, text := range clients(found.Sessions) {
		u.clients = append(u.clients, text+at)
	}
	for _, s := range found.Sessions {
		if s.Connection != 0 && (u.gone == "" || s.Quiet > u.quiet) {
			u.gone, u.quiet = endOf(s.Connection)+at, s.Quiet
		}
	}
}

// numbered is how many sessions of a client are named by their numbers.
const numbered = 5

// clients describes sessions by host and program, those with the most first.
func clients(sessions []UserSession) []string {
	type client struct {
		UserSession
		count          int
		least, longest time.Duration
		numbers        []string
	}
	var found []client
	for _, s := range sessions {
		quiet, connection := s.Quiet, s.Connection
		s.Quiet, s.Connection = 0, 0
		i := slices.IndexFunc(found, func(c client) bool { return c.UserSession == s })
		if i < 0 {
			i = len(found)
			found = append(found, client{UserSession: s, least: quiet, longest: quiet})
		}
		c := &found[i]
		c.count++
		if connection != 0 && len(c.numbers) < numbered {
			c.numbers = append(c.numbers, fmt.Sprint(connection))
		}
		c.least, c.longest = min(c.least, quiet), max(c.longest, quiet)
	}
	slices.SortStableFunc(found, func(a, b client) int { return b.count - a.count })
	texts := make([]string, len(found))
	for i, c := range found {
		text := fmt.Sprintf("%d from %s", c.count, c.Host)
		if c.Program != "" {
			text += fmt.Sprintf(" (%s)", statement.Literal(c.Program))
		}
		if c.OfRDSProxy {
			text += ", by RDS Proxy, which keeps a user's sessions whether or not a client has need of them"
		}
		switch {
		case c.longest == 0:
			text += ", active just now"
		case c.least == c.longest:
			text += fmt.Sprintf(", quiet for %s", c.longest)
		case c.least == 0:
			text += fmt.Sprintf(", quiet for up to %s", c.longest)
		default:
			text += fmt.Sprintf(", quiet for %s to %s", c.least, c.longest)
		}
		switch {
		case len(c.numbers) == 1 && c.count == 1:
			text += ", connection " + c.numbers[0]
		case len(c.numbers) > 0:
			text += ", connections " + strings.Join(c.numbers, ", ")
			if more := c.count - len(c.numbers); more > 0 {
				text += fmt.Sprintf(" and %d more", more)
			}
		}
		texts[i] = text
	}
	return texts
}

// String says who is there.
func (u *inUse) String() string {
	sessions := "sessions"
	if u.count == 1 {
		sessions = "session"
	}
	return fmt.Sprintf("%q is still in use by %d %s: %s", u.user, u.count, sessions, strings.Join(capped(shortened(u.clients)), "; "))
}

// notKnown is what is not known, as one error; nil where all is.
func (u *inUse) notKnown() error {
	var all error
	for _, err := range slices.Concat(u.unknown, u.absent) {
		if all == nil {
			all = err
		} else {
			all = fmt.Errorf("%w; %w", all, err)
		}
	}
	return all
}

// What becomes of sessions, and what to do about it.
const (
	whatFollows = "open sessions go on, but the next login with the old password is refused"
	reload      = "restart these clients, or have them read the secret again and close what they opened before"
)

// remedy is what to do about those who are there. A client that is gone, such as one whose
// host was switched off, can do neither, and its session is there until the server notices.
func (u *inUse) remedy() string {
	if u.gone == "" {
		return reload
	}
	return reload + "; or, where a client is gone, end its session, as somebody who may, as in " + u.gone
}

// refusal is the error with which a rotation waits; nil where there is no reason to.
// effect says what it means: "this step changed nothing".
func (u *inUse) refusal(effect string) error {
	refuses := effect + ", as PENDING_USER_SESSIONS is refuse"
	switch {
	case u.count > 0:
		return failure.Errorf(failure.PendingUserInUse, "%s; its password is about to change, after which %s: %s; %s, and the next try goes on", u, whatFollows, refuses, u.remedy())
	case len(u.lacks) > 0:
		var grants []string
		for _, of := range u.lacks {
			grants = append(grants, statement.New("GRANT PROCESS ON *.* TO ").Account(of.User, of.Host).Statement().String())
		}
		return failure.WithRemedy(failure.Errorf(failure.PendingUserInUse, "%w: %s", u.notKnown(), refuses), "to fix it, run: "+strings.Join(grants, "; "))
	case len(u.unknown) > 0:
		return failure.WithRemedy(failure.Errorf(failure.PendingUserInUse, "%w: %s", u.notKnown(), refuses), "mend the cause, or set PENDING_USER_SESSIONS to warn; the next try looks again")
	}
	return nil
}
