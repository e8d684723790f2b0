package e2e

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/dbserver"
)

// The oracle says what a user is by the servers' own tables, with none of the
// code under test: no SHOW GRANTS, no parser. It reads every column as bytes, in
// hexadecimal, so that no character set comes in between.
//
// Source: MySQL 8.4 Reference Manual, 8.2.3 "Grant Tables"; MariaDB,
// "mysql.global_priv Table" and the tables beside it.

// querier is what the oracle asks: an administrator's pool, or a connection.
type querier interface {
	QueryContext(ctx context.Context, query string, arguments ...any) (*sql.Rows, error)
}

// tester is a *testing.T or a *rapid.T.
type tester interface {
	Helper()
	Context() context.Context
	Fatal(arguments ...any)
	Fatalf(format string, arguments ...any)
}

// oracle describes all accounts of a user, a line a row, without the user's name,
// its password, and when things happened.
func oracle(t tester, on *dbserver.Server, root querier, user string) []string {
	t.Helper()
	return see(t, on, root, user).lines()
}

// sight is what the tables hold on a user: rows by table.
type sight map[string][]map[string]string

func see(t tester, on *dbserver.Server, root querier, user string) sight {
	t.Helper()
	seen := sight{"user": accountRows(t, on, root, user)}
	tables := map[string]string{"db": "User", "tables_priv": "User", "columns_priv": "User", "procs_priv": "User", "proxies_priv": "User"}
	if on.Flavor == dbserver.MySQL {
		maps.Copy(tables, map[string]string{"global_grants": "User", "role_edges": "TO_USER", "default_roles": "User"})
	} else {
		tables["roles_mapping"] = "User"
	}
	for table, column := range tables {
		for _, row := range rowsOf(t, root, table, column, user) {
			maps.DeleteFunc(row, func(name, _ string) bool {
				return strings.EqualFold(name, column) || slices.Contains(passing, name)
			})
			seen[table] = append(seen[table], row)
		}
	}
	seen.normalise(on.Flavor)
	return seen
}

// passing are columns that say who granted something and when.
var passing = []string{"Timestamp", "Grantor"}

// lines are the rows in an order that does not depend on the tables'.
func (s sight) lines() []string {
	var out []string
	for table, rows := range s {
		for _, row := range rows {
			out = append(out, table+" "+line(row))
		}
	}
	slices.Sort(out)
	return out
}

// everyTablePrivilege is what GRANT ALL ON a table writes into Table_priv.
var everyTablePrivilege = map[dbserver.Flavor][]string{
	dbserver.MySQL:   strings.Split("Select,Insert,Update,Delete,Create,Drop,References,Index,Alter,Create View,Show view,Trigger", ","),
	dbserver.MariaDB: strings.Split("Select,Insert,Update,Delete,Create,Drop,References,Index,Alter,Create View,Show view,Trigger,Delete versioning rows", ","),
}

// normalise takes out what can differ between two users who may do the same: rows
// that a server leaves behind without a privilege in them, the letter case of
// routines' names, and the columns of a table on which the user has everything,
// which no server prints.
func (s sight) normalise(flavor dbserver.Flavor) {
	whole := s.wholeTables(flavor)
	at := func(row map[string]string) [3]string { return [3]string{row["Host"], row["Db"], row["Table_name"]} }
	for _, row := range s["tables_priv"] {
		if whole[at(row)] {
			delete(row, "Column_priv")
		}
	}
	s["tables_priv"] = slices.DeleteFunc(s["tables_priv"], func(row map[string]string) bool { return row["Table_priv"]+row["Column_priv"] == "" })
	s["columns_priv"] = slices.DeleteFunc(s["columns_priv"], func(row map[string]string) bool { return whole[at(row)] })
	s["procs_priv"] = slices.DeleteFunc(s["procs_priv"], func(row map[string]string) bool { return row["Proc_priv"] == "" })
	for _, row := range s["procs_priv"] {
		row["Routine_name"] = strings.ToLower(row["Routine_name"])
	}
}

// wholeTables are the tables on which the user has every privilege, as host,
// database and name.
func (s sight) wholeTables(flavor dbserver.Flavor) map[[3]string]bool {
	whole := map[[3]string]bool{}
	for _, row := range s["tables_priv"] {
		has := strings.Split(row["Table_priv"], ",")
		if !slices.ContainsFunc(everyTablePrivilege[flavor], func(p string) bool { return !slices.Contains(has, p) }) {
			whole[[3]string{row["Host"], row["Db"], row["Table_name"]}] = true
		}
	}
	return whole
}

// accountRows describes the accounts themselves.
func accountRows(t tester, on *dbserver.Server, root querier, user string) []map[string]string {
	t.Helper()
	if on.Flavor == dbserver.MySQL {
		rows := rowsOf(t, root, "user", "User", user)
		for _, row := range rows {
			for _, name := range []string{"User", "password_last_changed", "password_expired"} {
				delete(row, name)
			}
			if keepsPassword(row["plugin"]) {
				delete(row, "authentication_string")
			} else {
				for _, name := range []string{"password_lifetime", "Password_reuse_history", "Password_reuse_time"} {
					delete(row, name) // of no password
				}
			}
			row["User_attributes"] = object(t, row["User_attributes"], func(attributes map[string]any) {
				if metadata, ok := attributes["metadata"].(map[string]any); ok && len(metadata) == 0 {
					delete(attributes, "metadata") // what ATTRIBUTE leaves that takes the last key away
				}
				leaveOutWhatIsNotHeld(row, attributes)
				if restrictions, ok := attributes["Restrictions"].([]any); ok {
					slices.SortFunc(restrictions, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
				}
			})
		}
		return rows
	}
	rows := rowsOf(t, root, "global_priv", "User", user)
	for _, row := range rows {
		delete(row, "User")
		row["Priv"] = object(t, row["Priv"], func(priv map[string]any) {
			for _, name := range []string{"password_last_changed", "version_id"} {
				delete(priv, name)
			}
			maskPassword(priv)
			if several, ok := priv["auth_or"].([]any); ok {
				for _, one := range several {
					maskPassword(one.(map[string]any))
				}
				if len(several) == 1 {
					delete(priv, "auth_or") // what ALTER USER leaves of several
				}
			}
			// A setting that was never made and one that was taken back.
			for name, unset := range map[string]any{
				"access": 0., "account_locked": false, "ssl_type": 0., "max_questions": 0., "max_updates": 0., "max_connections": 0.,
				"max_user_connections": 0., "max_statement_time": 0., "password_lifetime": -1., "plugin": "mysql_native_password",
				"default_role": "", "ssl_cipher": "", "x509_issuer": "", "x509_subject": "",
			} {
				if priv[name] == unset {
					delete(priv, name)
				}
			}
		})
	}
	return rows
}

// leaveOutWhatIsNotHeld leaves out the partial revokes of privileges that the account does not
// have on *.*, which REVOKE leaves behind now and then. They hold nothing back, also not when
// the privilege comes again, from a role either (tried on MySQL 9.7 with GRANT on *.*, GRANT
// ... AS, and a role, with FLUSH PRIVILEGES before and without).
func leaveOutWhatIsNotHeld(row map[string]string, attributes map[string]any) {
	held := map[any]bool{}
	for column, value := range row {
		if name, ok := strings.CutSuffix(column, "_priv"); ok && value == "Y" {
			held[privilegeKey(name)] = true
		}
	}
	restrictions, _ := attributes["Restrictions"].([]any)
	var kept []any
	for _, one := range restrictions {
		restriction := one.(map[string]any)
		privileges := slices.DeleteFunc(restriction["Privileges"].([]any), func(name any) bool { return !held[privilegeKey(name.(string))] })
		if restriction["Privileges"] = privileges; len(privileges) > 0 {
			kept = append(kept, restriction)
		}
	}
	if attributes["Restrictions"] = kept; len(kept) == 0 {
		delete(attributes, "Restrictions")
	}
}

// object edits a JSON object, and writes it with its keys in order, as nothing
// where none are left.
func object(t tester, text string, edit func(map[string]any)) string {
	t.Helper()
	if text == "" {
		return ""
	}
	var content map[string]any
	if err := json.Unmarshal([]byte(text), &content); err != nil {
		t.Fatal(err)
	}
	edit(content)
	if len(content) == 0 {
		return ""
	}
	out, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// powers are the single things that a user may do through its accounts at the
// given hosts. What a partial revoke withholds is not among them.
func (s sight) powers(g generator, hosts map[string]bool) map[string]bool {
	out := map[string]bool{}
	add := func(row map[string]string, what ...string) {
		if hosts[row["Host"]] {
			out[strings.Join(append([]string{row["Host"]}, what...), " | ")] = true
		}
	}
	global := map[string][]string{} // by host
	restricted := map[string]bool{} // host, database, privilege
	for _, row := range s["user"] {
		host := row["Host"]
		if !g.mysql() {
			var priv struct{ Access uint64 }
			_ = json.Unmarshal([]byte(row["Priv"]), &priv)
			for bit := range 64 {
				if priv.Access>>bit&1 == 1 {
					add(row, "global", fmt.Sprint(bit))
				}
			}
			continue
		}
		var attributes struct {
			Restrictions []struct {
				Database   string
				Privileges []string
			}
		}
		_ = json.Unmarshal([]byte(row["User_attributes"]), &attributes)
		for _, restriction := range attributes.Restrictions {
			for _, privilege := range restriction.Privileges {
				restricted[host+"|"+restriction.Database+"|"+privilegeKey(privilege)] = true
			}
		}
		for name, value := range row {
			if key, ok := strings.CutSuffix(name, "_priv"); ok && value == "Y" {
				add(row, "global", key)
				global[host] = append(global[host], privilegeKey(key))
			}
		}
	}
	// On a database that a partial revoke may stand on, what counts is what comes
	// out: a GRANT there may lift the restriction, and leave no row.
	for host, privileges := range global {
		for _, database := range g.restrictable() {
			for _, privilege := range privileges {
				if !restricted[host+"|"+database+"|"+privilege] {
					add(map[string]string{"Host": host}, "on", database, privilege)
				}
			}
		}
	}
	for _, row := range s["db"] {
		for name, value := range row {
			if key, ok := strings.CutSuffix(name, "_priv"); ok && value == "Y" {
				add(row, "on", row["Db"], privilegeKey(key))
			}
		}
	}
	for _, row := range s["tables_priv"] {
		for _, privilege := range strings.FieldsFunc(row["Table_priv"], func(r rune) bool { return r == ',' }) {
			add(row, "table", row["Db"], row["Table_name"], privilege)
		}
	}
	for _, row := range s["columns_priv"] {
		for _, privilege := range strings.Split(row["Column_priv"], ",") {
			add(row, "column", row["Db"], row["Table_name"], row["Column_name"], privilege)
		}
	}
	for _, row := range s["procs_priv"] {
		for _, privilege := range strings.Split(row["Proc_priv"], ",") {
			add(row, "routine", row["Db"], row["Routine_type"], row["Routine_name"], privilege)
		}
	}
	for _, row := range s["proxies_priv"] {
		add(row, "proxy", row["Proxied_user"], row["Proxied_host"])
		if row["With_grant"] == "1" {
			add(row, "proxy", row["Proxied_user"], row["Proxied_host"], "with grant option")
		}
	}
	s.powersOfRoles(add)
	for _, row := range s["global_grants"] {
		host := map[string]string{"Host": row["HOST"]}
		add(host, "dynamic", row["PRIV"])
		if row["WITH_GRANT_OPTION"] == "Y" {
			add(host, "dynamic", row["PRIV"], "with grant option")
		}
	}
	return out
}

// grantBit is GRANT OPTION among MariaDB's global privileges.
const grantBit = uint64(1) << 10

// withoutGlobalOption is what the tables hold without GRANT OPTION on *.*, which anybody
// can have given by a PROXY privilege, so that an original that lacks it is not given it.
// One that has it, but for a part that was revoked, gets that part from the clone.
func (s sight) withoutGlobalOption(original sight) sight {
	has := map[string]bool{}
	for _, row := range original["user"] {
		has[row["Host"]] = hasGlobalOption(row)
	}
	out := maps.Clone(s)
	out["user"] = nil
	for _, row := range s["user"] {
		if has[row["Host"]] {
			out["user"] = append(out["user"], row)
			continue
		}
		row = maps.Clone(row)
		var priv map[string]any
		if text, ok := row["Priv"]; ok && json.Unmarshal([]byte(text), &priv) == nil {
			access, _ := priv["access"].(float64)
			priv["access"] = uint64(access) &^ grantBit
			text, _ := json.Marshal(priv)
			row["Priv"] = string(text)
		} else {
			row["Grant_priv"] = "N"
		}
		out["user"] = append(out["user"], row)
	}
	return out
}

// hasGlobalOption reads a row of an account for GRANT OPTION on *.*.
func hasGlobalOption(row map[string]string) bool {
	var priv struct{ Access uint64 }
	if text, ok := row["Priv"]; ok && json.Unmarshal([]byte(text), &priv) == nil {
		return priv.Access&grantBit != 0
	}
	return row["Grant_priv"] == "Y"
}

// privilegeKey writes alike what a column of mysql.user and a restriction name.
func privilegeKey(name string) string {
	name = strings.ToLower(strings.ReplaceAll(name, "_", " "))
	switch name {
	case "create temporary tables":
		return "create tmp table"
	}
	return name
}

// settings are what an account is beside its privileges.
func (s sight) settings() []string {
	var out []string
	for _, row := range s["user"] {
		kept := maps.Clone(row)
		maps.DeleteFunc(kept, func(name, _ string) bool { return strings.HasSuffix(name, "_priv") })
		for name, text := range kept {
			var content map[string]any
			if (name == "Priv" || name == "User_attributes") && json.Unmarshal([]byte(text), &content) == nil {
				delete(content, "access")
				delete(content, "Restrictions")
				delete(content, "default_role") // compareDefaultRoles does
				if kept[name] = fmt.Sprint(content); len(content) == 0 {
					kept[name] = ""
				}
			}
		}
		out = append(out, line(kept))
	}
	slices.Sort(out)
	return out
}

// keepsPassword reports whether what the server stores for a plugin is a password's.
func keepsPassword(plugin string) bool {
	return slices.Contains([]string{"mysql_native_password", "caching_sha2_password", "sha256_password", "ed25519", "parsec"}, strings.ToLower(plugin))
}

// maskPassword takes out what is stored of a password. "invalid" is none.
func maskPassword(entry map[string]any) {
	plugin, named := entry["plugin"].(string)
	if (keepsPassword(plugin) || !named) && entry["authentication_string"] != "invalid" {
		delete(entry, "authentication_string")
	}
}

func line(row map[string]string) string {
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(row)) {
		fmt.Fprintf(&out, "%s=%q ", name, row[name])
	}
	return out.String()
}

// grantColumns are what is selected of a table, by connection and table.
var grantColumns sync.Map

// rowsOf reads a user's rows of a grant table.
func rowsOf(t tester, db querier, table, column, user string) []map[string]string {
	t.Helper()
	type place struct {
		db    querier
		table string
	}
	selected, known := grantColumns.Load(place{db, table})
	if !known {
		var columns []string
		for _, row := range columnsOf(t, db, "SELECT COLUMN_NAME AS name FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'mysql' AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION", table) {
			columns = append(columns, "HEX(CAST(`"+row["name"]+"` AS BINARY)) AS `"+row["name"]+"`")
		}
		if len(columns) == 0 {
			t.Fatalf("there is no table mysql.%s", table)
		}
		selected = strings.Join(columns, ", ")
		grantColumns.Store(place{db, table}, selected)
	}
	rows := columnsOf(t, db, "SELECT "+selected.(string)+" FROM mysql."+table+" WHERE "+column+" = ?", user)
	for _, row := range rows {
		for name, text := range row {
			content, err := hex.DecodeString(text)
			if err != nil {
				t.Fatalf("mysql.%s.%s: %v", table, name, err)
			}
			row[name] = string(content)
		}
	}
	return rows
}

// columnsOf reads a query's rows, each a map from column to text.
func columnsOf(t tester, db querier, query string, arguments ...any) []map[string]string {
	t.Helper()
	rows, err := db.QueryContext(context.WithoutCancel(t.Context()), query, arguments...) // a clean-up may ask too
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
func (w *deployment) mustEqual() {
	w.t.Helper()
	original := oracle(w.t, w.Server, w.Root, w.user)
	clone := oracle(w.t, w.Server, w.Root, w.clone())
	if diff := cmp.Diff(original, clone); diff != "" {
		w.t.Errorf("the clone is not the original's equal (-original +clone):\n%s", diff)
	}
}

// The oracle must see what it is there for.
func TestOracleSeesADifference(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
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
			"ALTER USER '%s'@'%%' REQUIRE SUBJECT '/CN=😀'",
			"ALTER USER '%s'@'%%' REQUIRE SUBJECT '/CN=?'",
			"CREATE USER '%s'@'10.%%'",
			`ALTER USER '%s'@'%%' ATTRIBUTE '{"k😀": 1}'`, `ALTER USER '%s'@'%%' ATTRIBUTE '{"k????": 1}'`, `ALTER USER '%s'@'%%' COMMENT '😀'`,
		} {
			if on.Flavor == dbserver.MariaDB && (strings.Contains(change, "ATTRIBUTE") || strings.Contains(change, "COMMENT")) {
				continue // it has neither
			}
			before := oracle(t, on, w.Root, w.user)
			w.execute(fmt.Sprintf(change, w.user))
			if cmp.Equal(before, oracle(t, on, w.Root, w.user)) {
				t.Errorf("%s is not seen", change)
			}
		}
	})
}
