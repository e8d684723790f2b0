package account

// The servers print ALL PRIVILEGES for an object on which an account has everything
// that the server knows at that level. To take some of it away, what it stands for
// has to be known by name: REVOKE ALL PRIVILEGES would leave a moment with nothing.

// staticMySQL are the static global privileges of MySQL; every other one is dynamic.
//
// Source: MySQL 8.4 Reference Manual, 8.2.2 "Privileges Provided by MySQL", Table 8.2.
var staticMySQL = set(append([]string{
	"RELOAD", "SHUTDOWN", "PROCESS", "FILE", "SHOW DATABASES", "SUPER", "REPLICATION SLAVE", "REPLICATION CLIENT",
	"CREATE USER", "CREATE TABLESPACE", "CREATE ROLE", "DROP ROLE",
}, databasePrivileges...))

// Source: the same manual, 15.7.1.6 "GRANT Statement", and what MySQL 9.7, MariaDB
// 10.5, 10.11 and 11.8 list once one of ALL PRIVILEGES is revoked.
var (
	tablePrivileges = []string{
		"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "REFERENCES", "INDEX", "ALTER", "CREATE VIEW", "SHOW VIEW", "TRIGGER",
	}
	databasePrivileges = append([]string{
		"CREATE TEMPORARY TABLES", "LOCK TABLES", "EXECUTE", "CREATE ROUTINE", "ALTER ROUTINE", "EVENT",
	}, tablePrivileges...)
	routinePrivileges = []string{"EXECUTE", "ALTER ROUTINE"}
)

func set(names []string) map[string]bool {
	out := make(map[string]bool, len(names))
	for _, name := range names {
		out[name] = true
	}
	return out
}

// all lists what ALL PRIVILEGES stands for on a server.
func all(server Server, level Level) []string {
	var out []string
	switch level {
	case LevelGlobal:
		out = append(out, databasePrivileges...)
		out = append(out, "RELOAD", "SHUTDOWN", "PROCESS", "FILE", "SHOW DATABASES", "SUPER", "REPLICATION SLAVE", "CREATE USER", "CREATE TABLESPACE")
		if server.Flavor != MariaDB || !server.AtLeast(10, 5, 2) {
			out = append(out, "REPLICATION CLIENT")
		} else {
			out = append(out, "BINLOG MONITOR", "SET USER", "FEDERATED ADMIN", "CONNECTION ADMIN", "READ_ONLY ADMIN",
				"REPLICATION SLAVE ADMIN", "REPLICATION MASTER ADMIN", "BINLOG ADMIN", "BINLOG REPLAY")
			if server.AtLeast(10, 5, 9) {
				out = append(out, "SLAVE MONITOR")
			}
		}
	case LevelDatabase:
		out = append(out, databasePrivileges...)
	case LevelTable:
		out = append(out, tablePrivileges...)
	case LevelRoutine:
		out = append(out, routinePrivileges...)
	}
	if server.Flavor == MariaDB {
		if level != LevelRoutine {
			out = append(out, "DELETE HISTORY")
		}
		if level != LevelTable && server.AtLeast(11, 3, 0) {
			out = append(out, "SHOW CREATE ROUTINE")
		}
	}
	return out
}
