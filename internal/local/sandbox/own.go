package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"tandem/internal/local/dbserver"
	"tandem/internal/secret"
	"tandem/internal/statement"
)

// A server whose address was given is somebody's own. What the sandbox makes on
// it must not be in anybody's way, and has to go in the end.

// administrator makes the rotation's admin user of that name and the secret for it.
// The login that was given is never the one: its password would be in the sandbox's
// Secrets Manager, and whoever got at that would have the server. Where it has that
// name, as RDS's first user has, the sandbox's has another.
func (s *Sandbox) administrator(ctx context.Context, secretName, user string) (string, error) {
	return s.CreateAdminNamed(ctx, secretName, s.ownName(user))
}

// ownName is the name of a user that the sandbox makes, where the login that was given
// may have it.
func (s *Sandbox) ownName(user string) string {
	if !s.Server.Managed() && s.Server.Username == user {
		return "sandbox_" + user
	}
	return user
}

// created are the names that making these users, and rotating them, puts on the
// server.
func (s *Sandbox) created(users []string) []string {
	var all []string
	for _, user := range users {
		user = s.ownName(user)
		all = append(all, user, secret.Clone(user))
	}
	return all
}

// grantEach grants what of a list of privileges the login that was given can grant:
// of somebody's own server's admin nobody knows what he has. It is an error where that
// is nothing.
func (s *Sandbox) grantEach(ctx context.Context, privileges, user string) error {
	var refused error
	granted := 0
	for privilege := range strings.SplitSeq(privileges, ", ") {
		if err := s.Execute(ctx, grantAll(privilege, user)); err != nil {
			refused = err
			continue
		}
		granted++
	}
	if granted == 0 {
		return refused
	}
	return nil
}

// checkUnused refuses a server that has users or databases of these names: they
// would be replaced, and dropped at the end.
func (s *Sandbox) checkUnused(ctx context.Context, users, databases []string) error {
	if s.Server.Managed() {
		return nil
	}
	var taken []string
	for _, user := range s.created(users) {
		found, err := s.texts(ctx, statement.New("SELECT User FROM mysql.user WHERE User = ").Literal(user).SQL(" LIMIT 1").Statement())
		if err != nil {
			return err
		}
		if len(found) > 0 {
			taken = append(taken, "the user "+user)
		}
	}
	for _, database := range databases {
		found, err := s.texts(ctx, statement.New("SELECT schema_name FROM information_schema.schemata WHERE schema_name = ").Literal(database).Statement())
		if err != nil {
			return err
		}
		if len(found) > 0 {
			taken = append(taken, "the database "+database)
		}
	}
	if len(taken) > 0 {
		return fmt.Errorf("the server that %s names has %s already, which the sandbox would replace and then drop: drop what an earlier run has left behind, or name another server",
			dbserver.AddressVariable, strings.Join(taken, ", "))
	}
	return nil
}

// dropTimeout bounds the cleaning up, which happens after Ctrl-C as well.
const dropTimeout = 20 * time.Second

// drop removes users, their clones and databases from somebody's own server.
func (s *Sandbox) drop(ctx context.Context, users, databases []string) error {
	if s.Server.Managed() {
		return nil // the whole server goes
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
	defer cancel()
	var problems []error
	for _, user := range s.created(users) {
		sent := statement.New("DROP USER IF EXISTS ").Account(user, "%").Statement()
		if _, err := s.Root.ExecContext(ctx, sent.Reveal()); err != nil {
			problems = append(problems, fmt.Errorf("dropping the user %s: %w", user, err))
		}
	}
	for _, database := range databases {
		sent := statement.New("DROP DATABASE IF EXISTS ").Identifier(database).Statement()
		if _, err := s.Root.ExecContext(ctx, sent.Reveal()); err != nil {
			problems = append(problems, fmt.Errorf("dropping the database %s: %w", database, err))
		}
	}
	return errors.Join(problems...)
}

// checkBinary finds out early, before a server is fetched for it, that there is
// no function.
func checkBinary(path string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("finding the function's binary: %w: build it first (make build), or name it by --function", err)
	}
	return nil
}
