package e2e

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/account"
	"tandem/internal/local/dbserver"
	"tandem/internal/statement"
)

// The roles that the generator grants, of which the second has the third.
var groundRoles = []account.Name{{User: "tandem_r", Host: "%"}, {User: "tandem 'r` TO x", Host: "%"}, {User: `tandem\r"3`, Host: "10.%"}}

// role writes a role's name for the server.
func (g generator) role(role account.Name) string {
	if g.mysql() {
		return role.String()
	}
	return statement.Identifier(role.User)
}

func (g generator) roleNames() []string {
	var names []string
	for _, role := range groundRoles {
		names = append(names, g.role(role))
	}
	return names
}

// makeRoles makes the roles, which both admins may grant, and loads the plugins.
func (l *inProcess) makeRoles(t *testing.T) {
	t.Helper()
	g := generator{on: l.on, from: l.from}
	names := g.roleNames()
	for i, name := range names {
		l.must(t, "CREATE ROLE "+name)
		l.must(t, "GRANT SELECT ON "+ground+".t TO "+name)
		t.Cleanup(func() { l.must(t, "DROP ROLE "+names[i]) })
		for _, document := range l.admins {
			var admin struct{ Username string }
			if err := json.Unmarshal([]byte(document), &admin); err != nil {
				t.Fatal(err)
			}
			if l.on.Flavor == dbserver.MariaDB {
				l.must(t, "GRANT "+name+" TO "+account.Name{User: admin.Username, Host: "%"}.String()+" WITH ADMIN OPTION")
			}
		}
	}
	l.must(t, "GRANT "+names[2]+" TO "+names[1])
	if l.on.Flavor == dbserver.MariaDB {
		l.must(t, "INSTALL SONAME 'auth_ed25519'")
	} else {
		mustHaveAuthSocket(t, l.root)
	}
}

// mustHaveAuthSocket installs MySQL's plugin auth_socket, which another test may have done,
// or whoever gave the server by its address.
func mustHaveAuthSocket(t tester, root interface {
	querier
	ExecContext(ctx context.Context, query string, arguments ...any) (sql.Result, error)
}) {
	t.Helper()
	if len(columnsOf(t, root, "SELECT PLUGIN_NAME FROM information_schema.plugins WHERE PLUGIN_NAME = 'auth_socket'")) > 0 {
		return
	}
	if _, err := root.ExecContext(t.Context(), "INSTALL PLUGIN auth_socket SONAME 'auth_socket.so'"); err != nil {
		t.Fatal(err)
	}
}

// grantRole draws a statement about a role of an account. Some are refused, such as
// a default role that was not granted.
func (g generator) grantRole(at string) change {
	role := g.pick("role", g.roleNames()...)
	switch g.pick("about the role", "grant", "grant", "admin", "default", "none", "all", "revoke", "revoke admin") {
	case "grant":
		return change{"role", "GRANT " + role + " TO " + at}
	case "admin":
		return change{"role WITH ADMIN OPTION", "GRANT " + role + " TO " + at + " WITH ADMIN OPTION"}
	case "revoke":
		return change{"revoke a role", "REVOKE " + role + " FROM " + at}
	case "revoke admin":
		if !g.mysql() {
			return change{"revoke a role", "REVOKE ADMIN OPTION FOR " + role + " FROM " + at}
		}
		return change{"revoke a role", "REVOKE " + role + " FROM " + at}
	case "none":
		role = "NONE"
	case "all":
		if g.mysql() {
			role = "ALL"
		}
	}
	if g.mysql() {
		return change{"default role", "ALTER USER " + at + " DEFAULT ROLE " + role}
	}
	return change{"default role", "SET DEFAULT ROLE " + role + " FOR " + at}
}

// identified draws what an account is identified by. Where near, the function can
// log in through it by the password.
func (g generator) identified(near bool, password string) change {
	word, kinds := "VIA ", []string{"ed25519 USING PASSWORD(PW)", "unix_socket OR mysql_native_password USING PASSWORD(PW)", "mysql_native_password USING PASSWORD(PW) OR ed25519 USING PASSWORD(PW) OR unix_socket AS 'x'"}
	far := []string{"unix_socket", "unix_socket AS 'it''s'", `unix_socket AS 'a\\b"c'`, "ed25519 USING PASSWORD(PW) OR unix_socket AS 'y'", "mysql_native_password USING 'invalid' OR unix_socket"}
	if g.mysql() {
		word, kinds = "WITH ", []string{"sha256_password BY PW", "caching_sha2_password BY PW"}
		far = []string{"auth_socket", "auth_socket AS 'it''s'", `auth_socket AS 'a\\b"c'`, "caching_sha2_password BY PW AND IDENTIFIED WITH auth_socket AS 'x'", "sha256_password BY PW AND IDENTIFIED WITH auth_socket AND IDENTIFIED WITH auth_socket AS 'y'"}
	}
	if !near && g.chance("other factors", 2) {
		return change{"other factors", " IDENTIFIED " + word + strings.ReplaceAll(g.pick("factors", far...), "PW", statement.Literal(password))}
	}
	return change{"plugin", " IDENTIFIED " + word + strings.ReplaceAll(g.pick("plugin", kinds...), "PW", statement.Literal(password))}
}

// powersOfRoles adds what roles a user has to what it may do.
func (s sight) powersOfRoles(add func(row map[string]string, what ...string)) {
	for _, row := range s["role_edges"] {
		host := map[string]string{"Host": row["TO_HOST"]}
		add(host, "role", row["FROM_USER"], row["FROM_HOST"])
		if row["WITH_ADMIN_OPTION"] == "Y" {
			add(host, "role", row["FROM_USER"], row["FROM_HOST"], "with admin option")
		}
	}
	for _, row := range s["default_roles"] {
		add(map[string]string{"Host": row["HOST"]}, "default role", row["DEFAULT_ROLE_USER"], row["DEFAULT_ROLE_HOST"])
	}
	for _, row := range s["roles_mapping"] {
		add(row, "role", row["Role"])
		if row["Admin_option"] == "Y" {
			add(row, "role", row["Role"], "with admin option")
		}
	}
}

// defaultRoles are MariaDB's default roles by host, and whether each is in force.
func (s sight) defaultRoles() (roles map[string]string, inForce map[string]bool) {
	roles, inForce = map[string]string{}, map[string]bool{}
	for _, row := range s["user"] {
		var priv struct {
			Role string `json:"default_role"`
		}
		_ = json.Unmarshal([]byte(row["Priv"]), &priv)
		host := row["Host"]
		roles[host] = priv.Role
		for _, mapping := range s["roles_mapping"] {
			if mapping["Host"] == host && mapping["Role"] == priv.Role {
				inForce[host] = true
			}
		}
	}
	return roles, inForce
}

// compareDefaultRoles wants MariaDB's original to have kept its default role where
// that was in force, and else to have its clone's.
func (tr *trial) compareDefaultRoles(was, clone, is sight) {
	want, inForce := was.defaultRoles()
	theirs, theirsInForce := clone.defaultRoles()
	for host := range want {
		if !inForce[host] && theirsInForce[host] {
			want[host] = theirs[host]
		}
	}
	got, _ := is.defaultRoles()
	maps.DeleteFunc(got, func(host, _ string) bool { _, had := want[host]; return !had })
	if diff := cmp.Diff(want, got); diff != "" {
		tr.fail("the original's default roles are not what they must be (-want +original)", diff)
	}
}

// The kinds of statement about roles and plugins, all of which have to occur.
var roleKinds = slices.Concat([]string{"role", "role WITH ADMIN OPTION", "revoke a role", "default role"}, []string{"plugin", "other factors"})

// passwordMark is in every password of the secrets in memory, for the search of
// the servers' logs.
const passwordMark = "markOfARandomUser"

func (m *memory) password() string { return fmt.Sprintf("p'a\"s\\%%%s-%d", passwordMark, m.made) }

// alterIdentified identifies an account by something else. MySQL's further factors
// are statements of their own.
func (tr *trial) alterIdentified(at string, c change) {
	parts := strings.Split(c.sql, " AND")
	if !tr.try(change{c.kind, "ALTER USER " + at + parts[0]}) || !tr.mysql() {
		return
	}
	for n := 3; n >= 2; n-- {
		tr.try(change{"", fmt.Sprintf("ALTER USER %s DROP %d FACTOR", at, n)}) // if there is one
	}
	for n, part := range parts[1:] {
		tr.must(change{"", fmt.Sprintf("ALTER USER %s ADD %d FACTOR%s", at, n+2, part)})
	}
}

// described draws all clauses of a CREATE USER. MySQL lets no password expire that
// it does not keep.
func (tr *trial) described(host, password string) string {
	near := tr.isNear(host)
	identified := tr.password(near, password)
	switch {
	case strings.Contains(identified, "auth_socket"):
		return identified + tr.attributes(near)
	case near:
		return identified + tr.attributes(near, byPolicy)
	}
	return identified + tr.attributes(near, byPolicy, byHand)
}
