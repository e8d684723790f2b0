package account

import (
	"strings"
	"testing"
)

var mariadb1011 = Server{Flavor: MariaDB, Major: 10, Minor: 11, Patch: 8}

// What counts as more than to act on data, by a server's own rows.
func TestPrivileged(t *testing.T) {
	const partly = "REVOKE INSERT ON `mysql`.* FROM ME; REVOKE INSERT ON `performance_schema`.* FROM ME; REVOKE INSERT ON `sys`.* FROM ME"
	for _, test := range []struct {
		on     Server
		grants string
		roles  map[string]string // by name, what each was granted
		all    string            // the role that each account has
		want   string            // begins what is more; none where nothing is
	}{
		{on: mysql9},
		{on: mysql9, grants: "GRANT USAGE ON *.* TO ME; GRANT ALL PRIVILEGES ON `d`.* TO ME; GRANT SELECT, INSERT (`a`) ON `e`.`t` TO ME; GRANT EXECUTE, ALTER ROUTINE ON PROCEDURE `e`.`p` TO ME"},
		{on: mysql9, grants: "GRANT SHOW DATABASES, CREATE TEMPORARY TABLES, LOCK TABLES ON *.* TO ME; GRANT SELECT ON `app\\_%`.* TO ME"},
		{on: mysql9, grants: "GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO ME"},
		{on: mysql9, grants: "GRANT INSERT ON *.* TO ME; " + partly},
		{on: mysql9, grants: "GRANT INSERT, SELECT ON *.* TO ME; " + partly, want: "SELECT ON *.*"},
		{on: mysql9, grants: "GRANT INSERT ON *.* TO ME; REVOKE INSERT ON `mysql`.* FROM ME", want: "INSERT ON *.*"},
		{on: mysql9, grants: "GRANT INSERT ON *.* TO ME; REVOKE INSERT ON `d`.* FROM ME", want: "INSERT ON *.*"},
		{on: mysql9, grants: "GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO ME WITH GRANT OPTION", want: "APPLICATION_PASSWORD_ADMIN ON *.*"},
		{on: mysql9, grants: "GRANT CREATE USER ON *.* TO ME", want: "CREATE USER ON *.*"},
		{on: mysql9, grants: "GRANT SUPER ON *.* TO ME", want: "SUPER ON *.*"},
		{on: mysql9, grants: "GRANT PROCESS ON *.* TO ME", want: "PROCESS ON *.*"},
		{on: mysql9, grants: "GRANT FILE ON *.* TO ME", want: "FILE ON *.*"},
		{on: mysql9, grants: "GRANT RELOAD ON *.* TO ME", want: "RELOAD ON *.*"},
		{on: mysql9, grants: "GRANT SHUTDOWN ON *.* TO ME", want: "SHUTDOWN ON *.*"},
		{on: mysql9, grants: "GRANT REPLICATION SLAVE ON *.* TO ME", want: "REPLICATION SLAVE ON *.*"},
		{on: mysql9, grants: "GRANT REPLICATION CLIENT ON *.* TO ME", want: "REPLICATION CLIENT ON *.*"},
		{on: mysql9, grants: "GRANT CREATE ROLE ON *.* TO ME", want: "CREATE ROLE ON *.*"},
		{on: mysql9, grants: "GRANT CREATE TABLESPACE ON *.* TO ME", want: "CREATE TABLESPACE ON *.*"},
		{on: mysql9, grants: "GRANT SYSTEM_USER ON *.* TO ME", want: "SYSTEM_USER ON *.*"},
		{on: mysql9, grants: "GRANT SYSTEM_VARIABLES_ADMIN ON *.* TO ME", want: "SYSTEM_VARIABLES_ADMIN ON *.*"},
		{on: mysql9, grants: "GRANT SET_ANY_DEFINER ON *.* TO ME", want: "SET_ANY_DEFINER ON *.*"},
		{on: mysql9, grants: "GRANT OF_A_LATER_RELEASE ON *.* TO ME", want: "OF_A_LATER_RELEASE ON *.*"},
		{on: mysql9, grants: "GRANT USAGE ON *.* TO ME WITH GRANT OPTION", want: "GRANT OPTION ON *.*"},
		{on: mysql9, grants: "GRANT SELECT ON `d`.* TO ME WITH GRANT OPTION", want: "GRANT OPTION ON `d`.*"},
		{on: mysql9, grants: "GRANT SELECT ON *.* TO ME", want: "SELECT ON *.*"},
		{on: mysql9, grants: "GRANT UPDATE ON *.* TO ME", want: "UPDATE ON *.*"},
		{on: mysql9, grants: "GRANT SELECT ON `mysql`.* TO ME", want: "SELECT ON `mysql`.*"},
		{on: mysql9, grants: "GRANT SELECT ON `m%`.* TO ME", want: "SELECT ON `m%`.*"},
		{on: mysql9, grants: "GRANT SELECT ON `MySQL`.* TO ME", want: "SELECT ON `MySQL`.*"},
		{on: mysql9, grants: "GRANT SELECT ON `mysql`.`func` TO ME", want: "SELECT ON `mysql`.`func`"},
		{on: mysql9, grants: "GRANT UPDATE (`plugin`) ON `mysql`.`user` TO ME", want: "UPDATE (`plugin`) ON `mysql`.`user`"},
		{on: mysql9, grants: "GRANT EXECUTE ON PROCEDURE `mysql`.`rds_kill` TO ME", want: "EXECUTE ON PROCEDURE `mysql`.`rds_kill`"},
		{on: mysql9, grants: "GRANT UPDATE ON `performance\\_schema`.* TO ME", want: "UPDATE ON `performance\\_schema`.*"},
		{on: mysql9, grants: "GRANT EXECUTE ON `sys`.* TO ME", want: "EXECUTE ON `sys`.*"},
		{on: mysql9, grants: "GRANT PROXY ON `root`@`%` TO ME", want: "PROXY ON 'root'@'%'"},
		{on: mysql9, grants: "GRANT `r`@`%` TO ME WITH ADMIN OPTION", roles: map[string]string{"r": ""}, want: "the role 'r'@'%' WITH ADMIN OPTION"},
		{on: mysql9, grants: "GRANT `r`@`%` TO ME", roles: map[string]string{"r": "GRANT SELECT ON `d`.* TO ME"}},
		{on: mysql9, grants: "GRANT `r`@`%` TO ME", roles: map[string]string{"r": "GRANT RELOAD ON *.* TO ME"}, want: "RELOAD ON *.* by the role 'r'@'%'"},
		{on: mysql9, grants: "GRANT `r`@`%` TO ME", roles: map[string]string{"r": "GRANT `s`@`%` TO ME", "s": "GRANT `r`@`%` TO ME; GRANT FILE ON *.* TO ME"}, want: "FILE ON *.* by the role 's'@'%'"},
		{on: mysql9, grants: "GRANT `r`@`%` TO ME", want: "the role 'r'@'%', of which it is not known"},
		{on: mysql9, roles: map[string]string{"m": "GRANT CREATE USER ON *.* TO ME"}, all: "m", want: "CREATE USER ON *.* by the role 'm'@'%'"},

		{on: mariadb1011, grants: "GRANT USAGE ON *.* TO ME; GRANT ALL PRIVILEGES ON `d`.* TO ME; GRANT DELETE HISTORY ON `e`.* TO ME"},
		{on: mariadb1011, grants: "GRANT ALL PRIVILEGES ON *.* TO ME", want: "ALL PRIVILEGES ON *.*"},
		{on: mariadb1011, grants: "GRANT BINLOG MONITOR ON *.* TO ME", want: "BINLOG MONITOR ON *.*"},
		{on: mariadb1011, grants: "GRANT SET USER ON *.* TO ME", want: "SET USER ON *.*"},
		{on: mariadb1011, grants: "GRANT CONNECTION ADMIN ON *.* TO ME", want: "CONNECTION ADMIN ON *.*"},
		{on: mariadb1011, grants: "GRANT USAGE ON *.* TO ME WITH GRANT OPTION", want: "GRANT OPTION ON *.*"},
		{on: mariadb1011, grants: "GRANT DELETE ON `mysql`.`proxies_priv` TO ME", want: "DELETE ON `mysql`.`proxies_priv`"},
		{on: mariadb1011, grants: "GRANT PROXY ON ''@'%' TO 'app'@'%' WITH GRANT OPTION", want: "PROXY ON ''@'%'"},
		{on: mariadb1011, grants: "GRANT `r` TO ME", roles: map[string]string{"r": "GRANT USAGE ON *.* TO ROLE; GRANT SELECT ON `d`.* TO ROLE"}},
		{on: mariadb1011, grants: "GRANT `r` TO ME", roles: map[string]string{"r": "GRANT `s` TO ROLE; GRANT SUPER ON *.* TO `s`", "s": "GRANT SUPER ON *.* TO ROLE"}, want: "SUPER ON *.* by the role 'r'@''"},
		{on: mariadb1011, roles: map[string]string{"PUBLIC": "GRANT SELECT ON `mysql`.* TO PUBLIC"}, all: "PUBLIC", want: "SELECT ON `mysql`.* by the role 'PUBLIC'@''"},
	} {
		t.Run(string(test.on.Flavor)+" "+test.grants+" "+test.all, func(t *testing.T) {
			u := user("app", account(t, test.on, app, "", lines(test.grants)...))
			roles := RoleGrants{Of: map[Name]Grants{}}
			name := func(role string) Name {
				if test.on.Flavor == MySQL {
					return Name{role, "%"}
				}
				return Name{User: role}
			}
			for role, granted := range test.roles {
				me := "`" + role + "`@`%`"
				granted = strings.ReplaceAll(strings.ReplaceAll(granted, "TO ME", "TO "+me), "TO ROLE", "TO `"+role+"`")
				read, err := ParseRoleGrants(test.on, name(role), rows("", lines(granted)...))
				if err != nil {
					t.Fatal(err)
				}
				roles.Of[name(role)] = read
			}
			if test.all != "" {
				roles.Everybody = []Name{name(test.all)}
			}
			found, more := u.Privileged(roles)
			if !strings.HasPrefix(more, test.want) || (more == "") != (test.want == "") || more != "" && found != app {
				t.Errorf("found %q of %v, want %q", more, found, test.want)
			}
		})
	}
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "; ")
}
