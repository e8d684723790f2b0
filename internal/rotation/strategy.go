package rotation

import (
	"fmt"

	"tandem/internal/failure"
	"tandem/internal/secret"
)

// Strategy is ROTATION_STRATEGY: whose password a rotation changes, so that the one in use
// goes on. An empty one is AlternatingUsers.
type Strategy string

// The strategies.
const (
	// AlternatingUsers: the user whose turn it is, which is not the one in use.
	AlternatingUsers Strategy = "alternating-users"
	// SingleUser: the one user's. The server keeps the password in use beside the new one.
	SingleUser Strategy = "single-user"
)

// ParseStrategy reads one.
func ParseStrategy(text string) (Strategy, error) {
	if strategy := Strategy(text); strategy == AlternatingUsers || strategy == SingleUser {
		return strategy, nil
	}
	return "", failure.Errorf(failure.ConfigurationInvalid, "%q is neither %s nor %s: correct it, or leave it out", text, AlternatingUsers, SingleUser)
}

// next is the user whose password a rotation changes where this one is the current one.
func (s Settings) next(username string) string {
	if s.Strategy == SingleUser {
		return username
	}
	return secret.Other(username)
}

// ifOtherStrategy says of a pending document whose user is the one of the other strategy that
// this may be the reason; it is empty for any other.
func (s Settings) ifOtherStrategy(current, pending secret.Document) string {
	made, now := AlternatingUsers, SingleUser
	if s.Strategy != SingleUser {
		made, now = SingleUser, AlternatingUsers
	}
	if pending.Username() != (Settings{Strategy: made}).next(current.Username()) {
		return ""
	}
	return fmt.Sprintf("it was made with ROTATION_STRATEGY=%s, which is %s now, or ", made, now)
}

// inWords says what is rotated, to a person.
func (s Settings) inWords() string {
	if s.Strategy == SingleUser {
		return fmt.Sprintf("ROTATION_STRATEGY is %s, REPAIR_WITH_ADMIN %s", SingleUser, s.Repair.inWords())
	}
	return fmt.Sprintf("PRIVILEGE_SYNC is %s", s.Mode)
}

// named names those whom a rotation of the user changes.
func (s Settings) named(original string) string {
	if s.Strategy == SingleUser {
		return fmt.Sprintf("%q", original)
	}
	return fmt.Sprintf("%q and its clone", original)
}

// checkUsername refuses a current user whom a rotation cannot handle on a server of this engine.
func (s Settings) checkUsername(engine secret.Engine, username string, configured int) error {
	if s.Strategy == SingleUser {
		return secret.CheckSingleUsername(engine, username, configured)
	}
	return secret.CheckUsername(engine, username, configured)
}
