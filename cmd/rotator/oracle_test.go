package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/server"
)

// The oracle says what a user is by the servers' own tables, with none of the
// code under test: no SHOW GRANTS, no parser.
//
// Source: MySQL 8.4 Reference Manual, 8.2.3 "Grant Tables"; MariaDB,
// "mysql.global_priv Table" and the tables beside it.

// oracle describes all accounts of a user, a line a row, without the user's name,
// its password, and when things happened.
func oracle(t *testing.T, on *server.Server, root *sql.DB, user string) []string {
	t.Helper()
	described := accountRows(t, on, root, user)
	tables := []grantTable{
		{name: "db"}, {name: "tables_priv"}, {name: "columns_priv"}, {name: "procs_priv"}, {name: "proxies_priv"},
	}
	if on.Flavor == server.MySQL {
		tables = append(tables, grantTable{name: "global_grants"},
			grantTable{name: "role_edges", user: "TO_USER"}, grantTable{name: "default_roles"})
	} else {
		tables = append(tables, grantTable{name: "roles_mapping"})
	}
	for _, table := range tables {
		described = append(described, table.rows(t, root, user)...)
	}
	slices.Sort(described)
	return described
}

type grantTable struct {
	name string
	user string // the column of the user's name, User if empty
}

// passing are columns that say who granted something and when.
var passing = []string{"Timestamp", "Grantor"}

func (g grantTable) rows(t *testing.T, root *sql.DB, user string) []string {
	t.Helper()
	column := g.user
	if column == "" {
		column = "User"
	}
	var out []string
	for _, row := range columnsOf(t, root, fmt.Sprintf("SELECT * FROM mysql.%s WHERE %s = ?", g.name, column), user) {
		maps.DeleteFunc(row, func(name, _ string) bool {
			return strings.EqualFold(name, column) || slices.Contains(passing, name)
		})
		out = append(out, g.name+" "+line(row))
	}
	return out
}

// accountRows describes the accounts themselves.
func accountRows(t *testing.T, on *server.Server, root *sql.DB, user string) []string {
	t.Helper()
	var out []string
	if on.Flavor == server.MySQL {
		for _, row := range columnsOf(t, root, "SELECT * FROM mysql.user WHERE User = ?", user) {
			for _, name := range []string{"User", "password_last_changed", "password_expired"} {
				delete(row, name)
			}
			if keepsPassword(row["plugin"]) {
				delete(row, "authentication_string")
			}
			out = append(out, "user "+line(row))
		}
		return out
	}
	for _, row := range columnsOf(t, root, "SELECT Host, Priv FROM mysql.global_priv WHERE User = ?", user) {
		var priv map[string]any
		if err := json.Unmarshal([]byte(row["Priv"]), &priv); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"password_last_changed", "version_id"} {
			delete(priv, name)
		}
		maskPassword(priv)
		if several, ok := priv["auth_or"].([]any); ok {
			if len(several) == 1 {
				delete(priv, "auth_or") // what ALTER USER leaves of several
			}
			for _, one := range several {
				maskPassword(one.(map[string]any))
			}
		}
		if access, ok := priv["access"].(float64); ok && access == 0 {
			delete(priv, "access")
		}
		if locked, ok := priv["account_locked"].(bool); ok && !locked {
			delete(priv, "account_locked")
		}
		text, err := json.Marshal(priv)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, "global_priv "+row["Host"]+" "+string(text))
	}
	return out
}

// keepsPassword reports whether what the server stores for a plugin is a password's.
func keepsPassword(plugin string) bool {
	return slices.Contains([]string{"mysql_native_password", "caching_sha2_password", "sha256_password", "ed25519", "parsec"}, strings.ToLower(plugin))
}

// maskPassword masks what is stored of a password. "invalid" is none.
func maskPassword(entry map[string]any) {
	plugin, _ := entry["plugin"].(string)
	if stored, ok := entry["authentication_string"].(string); ok && keepsPassword(plugin) && stored != "invalid" {
		entry["authentication_string"] = "masked"
	}
}

func line(row map[string]string) string {
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(row)) {
		fmt.Fprintf(&out, "%s=%q ", name, row[name])
	}
	return out.String()
}

// columnsOf reads a query's rows, each a map from column to text.
func columnsOf(t *testing.T, db *sql.DB, query string, arguments ...any) []map[string]string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query, arguments...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		targets := make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		row := map[string]string{}
		for i, value := range values {
			row[columns[i]] = value.String
		}
		out = append(out, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// mustEqual wants the clone to be the original's equal, by the oracle.
func (w *world) mustEqual() {
	w.t.Helper()
	original := oracle(w.t, w.Server, w.Root, w.user)
	clone := oracle(w.t, w.Server, w.Root, w.clone())
	if diff := cmp.Diff(original, clone); diff != "" {
		w.t.Errorf("the clone is not the original's equal (-original +clone):\n%s", diff)
	}
}

// The oracle must see what it is there for.
func TestOracleSeesADifference(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *server.Server) {
		w := newWorld(t, on)
		for _, change := range []string{
			"GRANT SELECT ON *.* TO '%s'@'%%'",
			"GRANT SELECT ON " + w.database + ".* TO '%s'@'%%' WITH GRANT OPTION",
			"GRANT SELECT ON " + w.database + ".t TO '%s'@'%%'",
			"GRANT SELECT (a) ON " + w.database + ".t TO '%s'@'%%'",
			"ALTER USER '%s'@'%%' REQUIRE SSL",
			"ALTER USER '%s'@'%%' WITH MAX_QUERIES_PER_HOUR 9",
			"ALTER USER '%s'@'%%' ACCOUNT LOCK",
			"ALTER USER '%s'@'%%' PASSWORD EXPIRE NEVER",
			"GRANT PROXY ON 'root'@'%%' TO '%s'@'%%'",
			"CREATE USER '%s'@'10.%%'",
		} {
			before := oracle(t, on, w.Root, w.user)
			w.execute(fmt.Sprintf(change, w.user))
			if cmp.Equal(before, oracle(t, on, w.Root, w.user)) {
				t.Errorf("%s is not seen", change)
			}
		}
	})
}
