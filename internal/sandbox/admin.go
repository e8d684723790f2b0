package sandbox

import (
	"context"
	"crypto/rand"
	"fmt"

	"tandem/internal/account"
	"tandem/internal/server"
	"tandem/internal/statement"
)

// Admin is the name of the rotation's admin user, as RDS calls it.
const Admin = "admin"

// adminPrivileges are what RDS gives the user that it makes with an instance: no
// SUPER, no SYSTEM_USER, and GRANT OPTION on what it has.
//
// Source: Amazon RDS User Guide, "Master user account privileges".
var adminPrivileges = map[server.Flavor][]string{
	server.MySQL: {
		"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, REPLICATION SLAVE, REPLICATION CLIENT, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, TRIGGER, CREATE ROLE, DROP ROLE ON *.* TO 'admin'@'%' WITH GRANT OPTION",
		"GRANT APPLICATION_PASSWORD_ADMIN, ROLE_ADMIN, XA_RECOVER_ADMIN, SESSION_VARIABLES_ADMIN, SHOW_ROUTINE ON *.* TO 'admin'@'%' WITH GRANT OPTION",
	},
	server.MariaDB: {
		"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, REPLICATION SLAVE, REPLICATION CLIENT, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, TRIGGER, DELETE HISTORY ON *.* TO 'admin'@'%' WITH GRANT OPTION",
	},
}

// CreateAdmin makes the rotation's admin user, with the privileges that RDS gives
// its own, and the secret for it. It returns the secret's ARN.
func (s *Sandbox) CreateAdmin(ctx context.Context, secretName string) (string, error) {
	version, err := account.ParseServer(s.Server.Version, s.Server.Flavor.String())
	if err != nil {
		return "", err
	}
	grants := adminPrivileges[s.Server.Flavor]
	if version.Flavor == account.MariaDB && version.AtLeast(11, 3, 0) {
		// Part of ALL PRIVILEGES on a database since then, which nobody without it can grant.
		grants = append(grants, "GRANT SHOW CREATE ROUTINE ON *.* TO 'admin'@'%' WITH GRANT OPTION")
	}
	return s.CreateAdminWith(ctx, secretName, grants...)
}

// CreateAdminWith is CreateAdmin with other GRANT statements.
func (s *Sandbox) CreateAdminWith(ctx context.Context, secretName string, grants ...string) (string, error) {
	password := rand.Text()
	if err := s.CreateUser(ctx, Admin, "%", password); err != nil {
		return "", err
	}
	if err := s.Execute(ctx, grants...); err != nil {
		return "", err
	}
	return s.CreateSecret(ctx, secretName, Admin, password, nil)
}

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
