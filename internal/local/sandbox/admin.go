package sandbox

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"tandem/internal/account"
	"tandem/internal/local/dbserver"
	"tandem/internal/statement"
)

// Admin is the name of the rotation's admin user, as RDS calls it.
const Admin = "admin"

// adminPrivileges are what RDS gives the user that it makes with an instance: no
// SUPER, no SYSTEM_USER, and GRANT OPTION on what it has. The static ones and the
// dynamic ones cannot be in one statement.
//
// Source: Amazon RDS User Guide, "Master user account privileges".
var adminPrivileges = map[dbserver.Flavor][]string{
	dbserver.MySQL: {
		"SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, REPLICATION SLAVE, REPLICATION CLIENT, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, TRIGGER, CREATE ROLE, DROP ROLE",
		"APPLICATION_PASSWORD_ADMIN, ROLE_ADMIN, XA_RECOVER_ADMIN, SESSION_VARIABLES_ADMIN, SHOW_ROUTINE",
	},
	dbserver.MariaDB: {
		"SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, REPLICATION SLAVE, REPLICATION CLIENT, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, TRIGGER, DELETE HISTORY",
	},
}

// CreateAdmin makes the rotation's admin user, with the privileges that RDS gives
// its own, and the secret for it. It returns the secret's ARN.
func (s *Sandbox) CreateAdmin(ctx context.Context, secretName string) (string, error) {
	return s.CreateAdminNamed(ctx, secretName, Admin)
}

// CreateAdminNamed is CreateAdmin for an admin of another name.
func (s *Sandbox) CreateAdminNamed(ctx context.Context, secretName, user string) (string, error) {
	version, err := account.ParseServer(s.Server.Version, s.Server.Flavor.String())
	if err != nil {
		return "", err
	}
	privileges := slices.Clone(adminPrivileges[s.Server.Flavor])
	if version.Flavor == account.MariaDB && version.AtLeast(11, 3, 0) {
		// Part of ALL PRIVILEGES on a database since then, which nobody without it can grant.
		privileges = append(privileges, "SHOW CREATE ROUTINE")
	}
	password := NewPassword()
	if err := s.CreateUser(ctx, user, "%", password); err != nil {
		return "", err
	}
	for _, list := range privileges {
		err := s.Execute(ctx, grantAll(list, user))
		if err != nil && !s.Server.Managed() {
			err = s.grantEach(ctx, list, user)
		}
		if err != nil {
			return "", err
		}
	}
	return s.CreateSecret(ctx, secretName, user, password, nil)
}

// grantAll grants privileges on everything, with GRANT OPTION.
func grantAll(privileges, user string) string {
	return "GRANT " + privileges + " ON *.* TO " + statement.Literal(user) + "@'%' WITH GRANT OPTION"
}

// CreateAdminWith is CreateAdmin with other GRANT statements.
func (s *Sandbox) CreateAdminWith(ctx context.Context, secretName string, grants ...string) (string, error) {
	password := NewPassword()
	if err := s.CreateUser(ctx, Admin, "%", password); err != nil {
		return "", err
	}
	if err := s.Execute(ctx, grants...); err != nil {
		return "", err
	}
	return s.CreateSecret(ctx, secretName, Admin, password, nil)
}

// NewPassword makes a password that a server's validation plugin has nothing to
// say against.
func NewPassword() string { return rand.Text() + "-" + strings.ToLower(rand.Text()[:6]) + "1" }

// CreateUser makes a user with a password, in place of one of that name.
func (s *Sandbox) CreateUser(ctx context.Context, user, host, password string) error {
	drop := statement.New("DROP USER IF EXISTS ").Account(user, host).Statement()
	create := statement.New("CREATE USER ").Account(user, host).SQL(" IDENTIFIED BY ").Literal(password).Statement()
	for _, sent := range []statement.Statement{drop, create} {
		if _, err := s.Root.ExecContext(ctx, sent.Reveal()); err != nil {
			return fmt.Errorf("creating the user %q: %w", user, err)
		}
	}
	return nil
}

// Execute runs statements as the server's administrator.
func (s *Sandbox) Execute(ctx context.Context, statements ...string) error {
	for _, sent := range statements {
		if _, err := s.Root.ExecContext(ctx, sent); err != nil {
			return fmt.Errorf("executing %s: %w", sent, err)
		}
	}
	return nil
}
