package mysqldb

import (
	"time"

	"tandem/internal/statement"
)

// settings sets every session variable that could change what a statement of this
// program answers, whatever the server's defaults or its init_connect are: how texts
// are sent and read and in which language, how statements are parsed, how many rows an answer may have, how
// long a statement may take, and whether it may change anything. A plan that was forced
// to be a bad one made MySQL take minutes over information_schema. Variables that need
// a privilege are not among them. A comment of the form /*! is executed by MySQL
// alone, one of the form /*M! by MariaDB alone.
//
// The session ends by itself, on the server's side too, soon after the invocation's
// deadline: a server keeps a client that has died without a word, and its lock, for
// as long as wait_timeout says, which is eight hours otherwise.
//
// Source: MySQL 8.4 Reference Manual, 7.1.8 "Server System Variables", 15.7.6.1 "SET
// Syntax for Variable Assignment"; MariaDB, "Server System Variables" (tx_read_only
// and tx_isolation are known to every release, transaction_read_only from 11.1 on).
func (s *Session) settings() *statement.Builder {
	remaining := s.remaining()
	return statement.New("SET NAMES utf8mb4 COLLATE utf8mb4_bin, SESSION sql_mode = ").Literal(statement.SQLMode).
		SQL(", SESSION sql_quote_show_create = 1, SESSION wait_timeout = ").Number(remaining).
		SQL(", SESSION lock_wait_timeout = ").Number(remaining).
		SQL(", SESSION autocommit = 1, SESSION sql_select_limit = 18446744073709551615, SESSION sql_big_selects = 1" +
			", SESSION group_concat_max_len = 1048576, SESSION time_zone = '+00:00', SESSION lc_messages = 'en_US'" +
			", SESSION optimizer_switch = 'default', SESSION optimizer_search_depth = 62, SESSION optimizer_prune_level = 1, SESSION join_buffer_size = 262144" +
			"/*!50720 , SESSION max_execution_time = 0, SESSION transaction_read_only = 0, SESSION transaction_isolation = 'REPEATABLE-READ', SESSION timestamp = DEFAULT */" +
			"/*!80003 , SESSION cte_max_recursion_depth = 1000 */" +
			"/*!80017 , SESSION print_identified_with_as_hex = 1 */" +
			"/*M! , SESSION max_statement_time = 0, SESSION tx_read_only = 0, SESSION tx_isolation = 'REPEATABLE-READ', SESSION old_passwords = 0" +
			", SESSION max_session_mem_used = 9223372036854775807, SESSION tmp_disk_table_size = 18446744073709551615 */" +
			"/*M!110501 , SESSION max_tmp_session_space_usage = 0 */")
}

// remaining is the time until the invocation's deadline, in seconds, and one more.
func (s *Session) remaining() uint64 {
	if !s.hasEnd {
		return uint64(24 * time.Hour / time.Second)
	}
	return uint64(max(0, time.Until(s.ends))/time.Second) + 1
}
