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

// administrator makes the rotation's admin user of that name and the secret for
// it. Where the login that was given has that name already, as RDS's first user
// has, it is the one.
func (s *Sandbox) administrator(ctx context.Context, secretName, user string) (string, error) {
	if !s.Server.Managed() && s.Server.Username == user {
		return s.CreateSecret(ctx, secretName, user, s.Server.Password.Reveal(), nil)
	}
	return s.CreateAdminNamed(ctx, secretName, user)
}

// created are the names that making these users, and rotating them, puts on the
// server.
func (s *Sandbox) created(users []string) []string {
	var all []string
	for _, user := range users {
		if s.Server.Managed() || s.Server.Username != user {
			all = append(all, user, secret.Clone(user))
		}
	}
	return all
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
