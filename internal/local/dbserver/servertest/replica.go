package servertest

import (
	"strconv"
	"strings"
)

// ReplicationArgs are the options for the command line of a server of a release that
// replicates, or is replicated from: with a binary log, into which also goes what it
// gets from another, and an ID of its own.
func ReplicationArgs(release string, id int, gtid bool) []string {
	args := []string{"--server-id=" + strconv.Itoa(id), "--log-bin=binlog"}
	switch {
	case strings.HasPrefix(release, "mariadb"):
		args = append(args, "--log-slave-updates=ON")
	case gtid:
		args = append(args, "--gtid-mode=ON", "--enforce-gtid-consistency=ON")
	}
	return args
}
