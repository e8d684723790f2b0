package account

import (
	"strings"
	"testing"

	"tandem/internal/redact"
)

func TestAdminLacks(t *testing.T) {
	mysql, mariadb := Server{Flavor: MySQL, Major: 9, Minor: 7}, Server{Flavor: MariaDB, Major: 10, Minor: 11}
	admin, app := Name{"admin", "%"}, Name{"app_clone", "%"}
	grant := func(object Object, privileges ...string) Step { return granting(app, object, privileges, nil, false) }
	db := Object{Level: LevelDatabase, Database: "db"}
	table := Object{Level: LevelTable, Database: "db", Name: "t"}
	role := Step{Object: Object{Level: LevelRole, Proxied: Name{"r", "%"}}}
	column := func(name string) []Column { return []Column{{"SELECT", name}} }
	const create = "GRANT CREATE USER ON *.* TO `admin`@`%`"
	for _, test := range []struct {
		name   string
		server Server
		rows   []string
		step   Step
		want   string // in what is lacking; none where nothing is
	}{
		{"all", mysql, []string{create, "GRANT SELECT ON `db`.* TO `admin`@`%` WITH GRANT OPTION"}, grant(db, "SELECT"), ""},
		{"no CREATE USER", mysql, []string{"GRANT SELECT ON `db`.* TO `admin`@`%` WITH GRANT OPTION"}, grant(db, "SELECT"), "GRANT CREATE USER ON *.*"},
		{"no option", mysql, []string{create, "GRANT SELECT ON `db`.* TO `admin`@`%`"}, grant(db, "SELECT"), "GRANT SELECT ON `db`.*"},
		{"from above", mysql, []string{"GRANT SELECT, CREATE USER ON *.* TO `admin`@`%` WITH GRANT OPTION"}, grant(table, "SELECT"), ""},
		{"another privilege", mysql, []string{"GRANT SELECT, CREATE USER ON *.* TO `admin`@`%` WITH GRANT OPTION"}, grant(table, "INSERT"), "GRANT INSERT ON `db`.`t`"},
		{"a pattern", mysql, []string{create, "GRANT SELECT ON `d%`.* TO `admin`@`%` WITH GRANT OPTION"}, grant(db, "SELECT"), ""},
		{"another pattern", mysql, []string{create, "GRANT SELECT ON `e%`.* TO `admin`@`%` WITH GRANT OPTION"}, grant(db, "SELECT"), "GRANT SELECT ON `db`.*"},
		{"an escaped name by a pattern", mysql, []string{create, "GRANT ALL PRIVILEGES ON `a_b`.* TO `admin`@`%` WITH GRANT OPTION"}, grant(Object{Level: LevelDatabase, Database: `a\_b`}, "SELECT"), ""},
		{"a pattern by an escaped name", mysql, []string{create, "GRANT ALL PRIVILEGES ON `a\\_b`.* TO `admin`@`%` WITH GRANT OPTION"}, grant(Object{Level: LevelDatabase, Database: "a_b"}, "SELECT"), "GRANT SELECT ON `a_b`.*"},
		{"a table by an escaped name", mysql, []string{create, "GRANT ALL PRIVILEGES ON `a\\_b`.* TO `admin`@`%` WITH GRANT OPTION"}, grant(Object{Level: LevelTable, Database: "a_b", Name: "t"}, "SELECT"), ""},
		{"the more specific pattern", mariadb, []string{create, "GRANT SELECT ON `a_b`.* TO `admin`@`%`", "GRANT ALL PRIVILEGES ON `a%`.* TO `admin`@`%` WITH GRANT OPTION"}, grant(Object{Level: LevelTable, Database: "a_b", Name: "t"}, "INSERT"), "GRANT INSERT ON `a_b`.`t`"},
		{"GRANT OPTION from elsewhere", mysql, []string{"GRANT SELECT, CREATE USER ON *.* TO `admin`@`%`", "GRANT USAGE ON `db`.`t` TO `admin`@`%` WITH GRANT OPTION"}, grant(table, "SELECT"), ""},
		{"dynamic, by UPDATE on mysql's tables", mysql, []string{create, "GRANT UPDATE ON `mysql`.* TO `admin`@`%`"}, grant(Object{}, "BACKUP_ADMIN"), ""},
		{"by a role", mariadb, []string{create, "GRANT USAGE ON *.* TO `r`", "GRANT SELECT ON `db`.* TO `r` WITH GRANT OPTION"}, grant(db, "SELECT"), ""},
		{"all of a database", mysql, []string{create, "GRANT ALL PRIVILEGES ON `db`.* TO `admin`@`%` WITH GRANT OPTION"}, grant(db, AllPrivileges), ""},
		{"most of a database", mysql, []string{create, "GRANT SELECT, INSERT ON `db`.* TO `admin`@`%` WITH GRANT OPTION"}, grant(db, AllPrivileges), "GRANT ALL PRIVILEGES ON `db`.*"},
		{"dynamic", mysql, []string{create, "GRANT BACKUP_ADMIN ON *.* TO `admin`@`%` WITH GRANT OPTION"}, grant(Object{}, "BACKUP_ADMIN"), ""},
		{"dynamic, no option", mysql, []string{create, "GRANT BACKUP_ADMIN ON *.* TO `admin`@`%`"}, grant(Object{}, "BACKUP_ADMIN"), "GRANT BACKUP_ADMIN ON *.*"},
		{"a partial revoke", mysql, []string{"GRANT SELECT, CREATE USER ON *.* TO `admin`@`%` WITH GRANT OPTION", "REVOKE SELECT ON `db`.* FROM `admin`@`%`"}, grant(db, "SELECT"), "GRANT SELECT ON `db`.*"},
		{"a column", mysql, []string{create, "GRANT SELECT (`a`) ON `db`.`t` TO `admin`@`%` WITH GRANT OPTION"}, granting(app, table, nil, column("a"), false), ""},
		{"another column", mysql, []string{create, "GRANT SELECT (`a`) ON `db`.`t` TO `admin`@`%` WITH GRANT OPTION"}, granting(app, table, nil, column("b"), false), "GRANT SELECT (`b`) ON `db`.`t`"},
		{"to take from another column", mysql, []string{create, "GRANT SELECT (`a`) ON `db`.`t` TO `admin`@`%` WITH GRANT OPTION"}, revoking(table, nil, column("b"), app), ""},
		{"to take from the table", mariadb, []string{create, "GRANT SELECT (`a`) ON `db`.`t` TO `admin`@`%` WITH GRANT OPTION"}, revoking(table, []string{"SELECT", GrantOption}, nil, app), ""},
		{"to take what it has on no column", mariadb, []string{create, "GRANT INSERT (`a`) ON `db`.`t` TO `admin`@`%` WITH GRANT OPTION"}, revoking(table, nil, column("b"), app), "GRANT SELECT (`b`) ON `db`.`t`"},
		{"to take without GRANT OPTION", mysql, []string{create, "GRANT SELECT (`a`) ON `db`.`t` TO `admin`@`%`"}, revoking(table, nil, column("b"), app), "GRANT SELECT (`b`) ON `db`.`t`"},
		{"a role", mysql, []string{create, "GRANT `r`@`%` TO `admin`@`%` WITH ADMIN OPTION"}, role, ""},
		{"a role without its option", mysql, []string{create, "GRANT `r`@`%` TO `admin`@`%`"}, role, "`r`@`%`"},
		{"a role by ROLE_ADMIN", mysql, []string{create, "GRANT ROLE_ADMIN ON *.* TO `admin`@`%`"}, role, ""},
		{"everything", mariadb, []string{"GRANT ALL PRIVILEGES ON *.* TO `admin`@`%` WITH GRANT OPTION"}, grant(db, "SHOW CREATE ROUTINE"), ""},
		{"by mysql's tables", mariadb, []string{"GRANT SELECT, INSERT, UPDATE, DELETE ON `mysql`.* TO `admin`@`%`", "GRANT SELECT ON `db`.* TO `admin`@`%` WITH GRANT OPTION"}, grant(db, "SELECT"), ""},
	} {
		var rows []redact.Secret
		for _, row := range test.rows {
			rows = append(rows, redact.New(row))
		}
		lacks, _, err := AdminLacks(test.server, OwnGrants{Name: admin, Rows: rows}, Plan{Steps: []Step{test.step}})
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		got := strings.Join(lacks, "; ")
		if test.want == "" && got != "" || test.want != "" && !strings.Contains(strings.ReplaceAll(got, "'", "`"), test.want) {
			t.Errorf("%s: lacks %q, want %q", test.name, got, test.want)
		}
	}
}
