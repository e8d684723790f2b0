package rotation

import (
	"errors"

	"tandem/internal/failure"
)

// What a server answers is the same for everybody. Whose login it was, and who
// was not allowed to do a thing, only the step knows; by that the error's type is
// chosen.

// refusedLogin gives the type to an error that says that a username and password
// were refused. Other errors keep theirs: a locked account is one for everybody.
func refusedLogin(kind failure.Type, err error) error {
	if errors.Is(err, ErrLoginRefused) {
		return failure.MarkUntyped(kind, err)
	}
	return err
}

// passwordMayBeWrong reports whether a login may be refused for its
// password, as the server has another one: the one before it, or after it.
func passwordMayBeWrong(refused error) bool {
	return errors.Is(refused, ErrLoginRefused) || errors.Is(refused, ErrLastPluginRefused)
}

// denied gives the type to an error that says that the session's account may not
// do a thing.
func denied(kind failure.Type, err error) error {
	var denial Denial
	if errors.As(err, &denial) && denial.Denied() {
		return failure.MarkUntyped(kind, err)
	}
	return err
}
