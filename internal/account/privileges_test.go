package account

import "testing"

// What ALL PRIVILEGES stands for differs by version; a name that a server does not
// know would be a syntax error.
func TestAll(t *testing.T) {
	maria := func(major, minor, patch int) Server { return Server{MariaDB, major, minor, patch, ""} }
	for _, test := range []struct {
		server    Server
		level     Level
		privilege string
		want      bool
	}{
		{mysql9, LevelTable, "DELETE HISTORY", false}, {maria(10, 4, 0), LevelTable, "DELETE HISTORY", true},
		{maria(10, 4, 34), LevelGlobal, "REPLICATION CLIENT", true}, {maria(10, 5, 2), LevelGlobal, "REPLICATION CLIENT", false},
		{maria(10, 4, 34), LevelGlobal, "BINLOG MONITOR", false}, {maria(10, 5, 2), LevelGlobal, "BINLOG MONITOR", true},
		{maria(10, 5, 8), LevelGlobal, "SLAVE MONITOR", false}, {maria(10, 5, 9), LevelGlobal, "SLAVE MONITOR", true},
		{maria(11, 2, 9), LevelRoutine, "SHOW CREATE ROUTINE", false}, {maria(11, 3, 0), LevelRoutine, "SHOW CREATE ROUTINE", true}, {maria(11, 3, 0), LevelTable, "SHOW CREATE ROUTINE", false},
		{mysql9, LevelDatabase, "EVENT", true}, {mysql9, LevelTable, "EVENT", false}, {mysql9, LevelGlobal, "SUPER", true}, {mysql9, LevelDatabase, "SUPER", false},
	} {
		if got := contains(all(test.server, test.level), test.privilege); got != test.want {
			t.Errorf("%s, level %d: %s is %v", test.server, test.level, test.privilege, got)
		}
	}
}
