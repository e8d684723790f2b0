package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/local/sandbox"
)

// setting is a server variable, and the value by which it could make a rotation see
// less than there is, fail, or be cut short.
type setting struct{ name, value string }

// againstUs are global variables that every session begins with.
func againstUs(flavor dbserver.Flavor, limit string) []setting {
	settings := []setting{
		{"sql_select_limit", limit}, {"max_join_size", "1"}, {"sql_big_selects", "0"}, {"autocommit", "0"}, {"completion_type", "'RELEASE'"},
		{"group_concat_max_len", "4"}, {"time_zone", "'+13:00'"}, {"sql_quote_show_create", "0"}, {"sql_safe_updates", "1"}, {"sql_auto_is_null", "1"},
		{"character_set_client", "latin1"}, {"character_set_results", "utf16"}, {"collation_connection", "latin1_german1_ci"}, {"lc_messages", "'ja_JP'"},
		{"tmp_table_size", "1024"}, {"max_heap_table_size", "16384"}, {"max_sort_length", "64"}, {"sort_buffer_size", "32768"}, {"join_buffer_size", "128"},
		{"net_read_timeout", "1"}, {"net_write_timeout", "1"}, {"wait_timeout", "5"}, {"interactive_timeout", "5"}, {"lock_wait_timeout", "1"}, {"innodb_lock_wait_timeout", "1"},
		{"default_password_lifetime", "1"}, {"max_error_count", "0"}, {"optimizer_search_depth", "1"},
	}
	if flavor == dbserver.MySQL {
		return append(settings, []setting{
			{"sql_mode", "'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,PAD_CHAR_TO_FULL_LENGTH,IGNORE_SPACE,HIGH_NOT_PRECEDENCE,REAL_AS_FLOAT'"},
			{"transaction_read_only", "1"}, {"transaction_isolation", "'READ-UNCOMMITTED'"}, {"max_execution_time", "1"}, {"print_identified_with_as_hex", "0"},
			{"default_collation_for_utf8mb4", "utf8mb4_general_ci"}, {"optimizer_switch", "'derived_merge=off,semijoin=off,subquery_to_derived=on'"},
			{"sql_require_primary_key", "1"}, {"session_track_state_change", "1"}, {"terminology_use_previous", "'BEFORE_8_0_26'"},
			{"internal_tmp_mem_storage_engine", "MEMORY"}, {"cte_max_recursion_depth", "0"},
		}...)
	}
	return append(settings, []setting{
		{"sql_mode", "'ORACLE,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH,EMPTY_STRING_IS_NULL,IGNORE_SPACE,SIMULTANEOUS_ASSIGNMENT'"},
		{"tx_read_only", "1"}, {"tx_isolation", "'READ-UNCOMMITTED'"}, {"max_statement_time", "1"}, {"old_passwords", "1"}, {"old_mode", "'NO_PROGRESS_INFO,ZERO_DATE_TIME_CAST'"},
		{"tmp_disk_table_size", "1024"}, {"tmp_memory_table_size", "0"}, {"max_session_mem_used", "200000"}, {"max_tmp_session_space_usage", "65536"}, {"in_predicate_conversion_threshold", "2"},
		{"idle_transaction_timeout", "1"}, {"optimizer_switch", "'derived_merge=off,semijoin=off,materialization=off,split_materialized=off'"}, {"sql_if_exists", "1"},
	}...)
}

// inEffect sets global variables, and calls do while they are set. They are set and
// restored by a connection of its own, that was there before.
func inEffect(t *testing.T, conn *sql.Conn, settings []setting, do func()) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	var undo []string
	defer func() {
		slices.Reverse(undo)
		for _, statement := range undo {
			if _, err := conn.ExecContext(ctx, statement); err != nil {
				t.Errorf("%s: %v", statement, err)
			}
		}
	}()
	for _, s := range settings {
		var before sql.NullString
		if err := conn.QueryRowContext(ctx, "SELECT CAST(@@GLOBAL."+s.name+" AS CHAR), QUOTE(@@GLOBAL."+s.name+")").Scan(new(sql.NullString), &before); err != nil {
			if strings.Contains(err.Error(), "Unknown system variable") {
				t.Logf("this release has no %s", s.name)
				continue
			}
			t.Fatal(err)
		}
		if _, err := conn.ExecContext(ctx, "SET GLOBAL "+s.name+" = "+s.value); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		value := before.String
		if number := strings.Trim(value, "'"); number != "" && strings.Trim(number, "0123456789.") == "" {
			value = number // a number in quotes is refused
		}
		undo = append(undo, "SET GLOBAL "+s.name+" = "+value)
	}
	do()
}

// A server's settings change nothing about what is copied, nor whether it is: its
// administrator may have turned all of them against us, for every session and, by
// init_connect, once more for those who are no administrators.
func TestSettingsAgainstUs(t *testing.T) {
	servers.EachRelease(t, func(t *testing.T, release string) {
		var args []string
		if strings.HasPrefix(release, string(dbserver.MariaDB)) {
			args = load("simple_password_check")
		}
		on := servers.MustStart(t, release, args...)
		for _, limit := range []string{"1", "0"} {
			t.Run("sql_select_limit "+limit, func(t *testing.T) { rotateAgainst(t, on, againstUs(on.Flavor, limit)) })
		}
	})
}

func rotateAgainst(t *testing.T, on *dbserver.Server, settings []setting) {
	w := newDeployment(t, on)
	w.mayBeSeen = on.Flavor == dbserver.MariaDB // the validation plugin sees passwords
	role := unique("role")
	texts := []string{
		"CREATE USER '" + w.user + "'@'10.%' IDENTIFIED BY 'Another-1x'", "CREATE USER '" + w.user + "'@'192.168.1.7' IDENTIFIED BY 'Another-1x' REQUIRE SSL",
		"CREATE ROLE " + role, "GRANT SELECT ON " + w.database + ".t TO " + role, "GRANT " + role + " TO '" + w.user + "'@'10.%'",
		"CREATE USER 'admin'@'10.%' IDENTIFIED BY 'Another-1x'",
	}
	if on.Flavor == dbserver.MySQL {
		texts = append(texts, "ALTER USER '"+w.user+"'@'10.%' DEFAULT ROLE "+role, "GRANT ROLE_ADMIN ON *.* TO 'admin'@'%'")
	} else {
		texts = append(texts, "SET DEFAULT ROLE "+role+" FOR '"+w.user+"'@'10.%'", "GRANT "+role+" TO 'admin'@'%' WITH ADMIN OPTION")
	}
	for n := range 300 {
		texts = append(texts, fmt.Sprintf("GRANT SELECT, INSERT ON `%s_%d`.* TO '%s'@'%%'", w.database, n, w.user))
	}
	w.execute(texts...)
	w.afterwards("DROP ROLE " + role)
	w.afterwards("DROP USER 'admin'@'10.%'")
	conn, err := w.Root.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sessions := "SET sql_select_limit = 0, autocommit = 0, character_set_results = utf16, group_concat_max_len = 4"
	if on.Flavor == dbserver.MySQL {
		sessions += ", timestamp = 1" // by which a password would be as old as that
	}
	for turn, user := range []string{w.clone(), w.user, w.clone()} {
		if turn == 2 {
			w.execute("DROP USER '"+w.user+"'@'192.168.1.7'", "CREATE USER '"+w.user+"'@'192.168.1.8' IDENTIFIED BY 'Another-1x'")
		}
		inEffect(t, conn, append(settings, setting{"init_connect", "'" + sessions + "'"}), func() {
			if found := w.check(); !found.OK {
				t.Errorf("turn %d: the check is not ok: %q", turn, failing(found))
			}
			if err := w.rotate(); err != nil {
				t.Errorf("turn %d: %v", turn, err)
			}
		})
		if t.Failed() {
			return
		}
		w.mustBe(user)
		if unknown := w.lastSetSecret()["pendingUserSessionsUnknown"]; unknown != nil {
			t.Errorf("turn %d: %v", turn, unknown)
		}
		if turn == 1 {
			continue
		}
		if diff := cmp.Diff(oracle(t, on, conn, w.user), oracle(t, on, conn, w.clone())); diff != "" {
			t.Errorf("turn %d: the clone is not the original's equal (-original +clone):\n%s", turn, diff)
		}
	}
}

// MariaDB ends GET_LOCK's wait after max_statement_time, and says no more than NULL:
// the rotation goes on waiting, and then says that the lock is held.
func TestLockOutlastsStatementTime(t *testing.T) {
	servers.Only(dbserver.MariaDB, "the variable is MariaDB's").EachRelease(t, func(t *testing.T, release string) {
		w := newDeployment(t, servers.MustStart(t, release), func(_ *deployment, o *sandbox.Options) { o.Timeout = 6 * time.Second })
		free := lockHeld(w)
		w.execute("SET GLOBAL max_statement_time = 0.3")
		w.mustFail(string(failure.LockHeldByAnotherProgram), "setSecret")
		free()
		w.abandon()
		w.mustRotate()
		w.mustBe(w.clone())
	})
}
