package mysqldb

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"tandem/internal/account"
	"tandem/internal/redact"
	"tandem/internal/statement"
)

// public is what MariaDB keeps PUBLIC's privileges under.
var public = account.Name{User: "PUBLIC"}

// RoleGrants reads SHOW GRANTS FOR each of the roles, for those that they have in turn,
// and for those that each account has. A role that does not exist, as mandatory_roles may
// name one, gives nothing to anybody.
//
// Source: MySQL 8.4 Reference Manual, 7.1.8 "Server System Variables" (mandatory_roles),
// 15.7.7.22 "SHOW GRANTS Statement"; MariaDB, "SHOW GRANTS", "GRANT ... TO PUBLIC" (10.11).
func (s *Session) RoleGrants(ctx context.Context, names []account.Name) (account.RoleGrants, error) {
	read := account.RoleGrants{Of: map[account.Name]account.Grants{}}
	if err := s.everybodysRoles(ctx, &read); err != nil {
		return read, err
	}
	for unread := append(slices.Clone(names), read.Everybody...); len(unread) > 0; {
		var err error
		if unread, err = s.readRoles(ctx, unread, &read); err != nil {
			return read, err
		}
	}
	return read, nil
}

func (s *Session) everybodysRoles(ctx context.Context, read *account.RoleGrants) error {
	if s.facts.Server.Flavor == account.MariaDB {
		if s.facts.Server.AtLeast(10, 11, 0) {
			read.Everybody = []account.Name{public}
		}
		return nil
	}
	facts, err := s.mandatoryRoles(ctx)
	read.Everybody = slices.SortedFunc(maps.Keys(facts.Mandatory), func(a, b account.Name) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Host, b.Host))
	})
	return err
}

// readRoles reads some roles, and returns those that they have in turn and that have not
// been read.
func (s *Session) readRoles(ctx context.Context, names []account.Name, read *account.RoleGrants) (further []account.Name, err error) {
	there, err := s.accounts(ctx, userNames(names))
	if err != nil {
		return nil, err
	}
	var roles []account.Name
	for _, name := range names {
		if _, known := read.Of[name]; known {
			continue
		}
		read.Of[name] = account.Grants{}
		if slices.ContainsFunc(there, func(l listed) bool { return l.name == name }) {
			roles = append(roles, name)
		}
	}
	together := 1
	if s.endpoint.login.Admin {
		together = 64
	}
	for batch := range slices.Chunk(roles, together) {
		var queries []statement.Statement
		for _, role := range batch {
			queries = append(queries, s.showRole(role))
		}
		answers, err := s.allRows(ctx, queries)
		if err != nil {
			return nil, err
		}
		for i, role := range batch {
			grants, err := s.parseRole(role, answers[i])
			if err != nil {
				return nil, err
			}
			read.Of[role] = grants
			for _, in := range grants.Roles {
				if _, known := read.Of[in.Name]; !known {
					further = append(further, in.Name)
				}
			}
		}
	}
	return further, nil
}

func (s *Session) showRole(role account.Name) statement.Statement {
	b := statement.New("SHOW GRANTS FOR ")
	switch {
	case s.facts.Server.Flavor == account.MySQL:
		return b.Account(role.User, role.Host).Statement()
	case role == public:
		return b.SQL("PUBLIC").Statement()
	}
	return b.Identifier(role.User).Statement()
}

func (s *Session) parseRole(role account.Name, rows []redact.Secret) (account.Grants, error) {
	grants, err := account.ParseRoleGrants(s.facts.Server, role, account.Rows{Grants: rows})
	if err != nil {
		return account.Grants{}, fmt.Errorf("reading what the role %s may do: %w", role, err)
	}
	return grants, nil
}

func userNames(names []account.Name) []string {
	users := make([]string, 0, len(names))
	for _, name := range names {
		if !slices.Contains(users, name.User) {
			users = append(users, name.User)
		}
	}
	return users
}
