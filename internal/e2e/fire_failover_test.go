package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/faultproxy"
	"tandem/internal/local/sandbox"
	"tandem/internal/secret"
)

// twin is a second server, a real replica of the field's, and the place whose name
// leads to the one or the other.
type twin struct {
	*target
	replica  *dbserver.Server
	root     *sql.DB // of the replica
	isWriter bool    // the replica has taken the writer's place
}

// failsOver has the name lead to a reader, and to another writer, between any two
// steps and between the two logins of one.
func (f *fireServer) failsOver(t *testing.T) {
	readers, writers := &tally{}, &tally{}
	t.Run("the name leads to a reader", func(t *testing.T) {
		w := f.withReplica(t)
		for i, step := range []string{"setSecret", "finishSecret"} {
			w.leadsToAReader(t, step, i, readers)
		}
		w.betweenLogins(t, writers)
	})
	f.say("the name leads to a reader", readers.String(), "a replica that is read-only, before setSecret and before finishSecret, to an admin who may not write there and to one who may: the step refuses, and the next try succeeds at the writer")
	for i, step := range []string{"testSecret", "finishSecret"} {
		for j, replicated := range []bool{true, false} {
			if f.size.spread && i != j {
				continue // two of the four
			}
			t.Run(fmt.Sprintf("failover before %s, replicated %v", step, replicated), func(t *testing.T) {
				f.promotes(t, step, replicated, 2*i+j, writers)
			})
		}
	}
	f.say("the writer fails over", writers.String(), "to a replica of another identity, with and without the last change, between two steps and between the two logins of setSecret")
}

// withReplica makes a place whose name leads to the field's server, and a replica
// of that, which is read-only.
func (f *fireServer) withReplica(t *testing.T) *twin {
	t.Helper()
	logUpdates := "--log-replica-updates=ON"
	if f.Flavor == dbserver.MariaDB {
		logUpdates = "--log-slave-updates=ON"
	}
	// Of two options of one name the last counts. With other settings than its writer's,
	// partial_revokes say, a replica cannot do what its writer did.
	w := &twin{replica: servers.MustStart(t, f.Release().String(), append(slices.Clone(f.args), "--server-id=2", logUpdates)...)}
	root, err := w.replica.DB()
	if err != nil {
		t.Fatal(err)
	}
	w.root = root
	t.Cleanup(func() { _ = root.Close() })
	primary, err := f.DB()
	if err != nil {
		t.Fatal(err)
	}
	defer primary.Close()

	user, password := unique("repl"), sandbox.NewPassword()[:32] // the most that MySQL takes
	f.mutex.Lock()
	f.owned[user] = true
	f.mutex.Unlock()
	mustExecute(t, primary, "CREATE USER '"+user+"'@'%' IDENTIFIED BY '"+password+"'", "GRANT REPLICATION SLAVE ON *.* TO '"+user+"'@'%'")
	t.Cleanup(func() {
		if db, err := f.DB(); err == nil {
			_, _ = db.ExecContext(context.WithoutCancel(t.Context()), "DROP USER '"+user+"'@'%'")
			_ = db.Close()
		}
	})
	file, position := w.at(t, primary)
	if f.Flavor == dbserver.MySQL {
		mustExecute(t, root, fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = %d, SOURCE_USER = '%s', SOURCE_PASSWORD = '%s', "+
			"SOURCE_LOG_FILE = '%s', SOURCE_LOG_POS = %d, SOURCE_SSL = 1", f.Port, user, password, file, position),
			"START REPLICA", "SET GLOBAL read_only = 1") // not super_read_only: an admin may be above this
	} else {
		mustExecute(t, root, fmt.Sprintf("CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = %d, MASTER_USER = '%s', MASTER_PASSWORD = '%s', "+
			"MASTER_LOG_FILE = '%s', MASTER_LOG_POS = %d, MASTER_SSL = 1, MASTER_SSL_VERIFY_SERVER_CERT = 0", f.Port, user, password, file, position),
			"START SLAVE", "SET GLOBAL read_only = 1")
	}
	// The place is made on the writer, and gets to the replica as everything does.
	w.target = f.place(t, 10*time.Second)
	w.furnish()
	t.Cleanup(func() { f.keepLogs(t, w.replica) })
	return w
}

func mustExecute(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%.60s...: %v", statement, err)
		}
	}
}

// at is where a server's binary log ends.
func (w *twin) at(t *testing.T, db *sql.DB) (file string, position int64) {
	t.Helper()
	query := "SHOW MASTER STATUS"
	if w.replica.Flavor == dbserver.MySQL {
		query = "SHOW BINARY LOG STATUS"
	}
	row := columnsOf(t, db, query)[0]
	position, err := strconv.ParseInt(row["Position"], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return row["File"], position
}

// catchUp waits until the replica has got all that the field's server has done.
func (w *twin) catchUp(t *testing.T) {
	t.Helper()
	primary, err := w.field.DB()
	if err != nil {
		t.Fatal(err)
	}
	defer primary.Close()
	file, position := w.at(t, primary)
	query := "SELECT MASTER_POS_WAIT(?, ?, 60)"
	if w.replica.Flavor == dbserver.MySQL {
		query = "SELECT SOURCE_POS_WAIT(?, ?, 60)"
	}
	var events sql.NullInt64
	if err := w.root.QueryRowContext(t.Context(), query, file, position).Scan(&events); err != nil || !events.Valid || events.Int64 < 0 {
		why := "SHOW SLAVE STATUS"
		if w.replica.Flavor == dbserver.MySQL {
			why = "SELECT LAST_ERROR_MESSAGE FROM performance_schema.replication_applier_status_by_worker WHERE LAST_ERROR_NUMBER <> 0"
		}
		t.Fatalf("the replica does not catch up: %v, %v: %v", events, err, columnsOf(t, w.root, why))
	}
}

func (w *twin) words(mySQL, mariaDB string) string {
	if w.replica.Flavor == dbserver.MySQL {
		return mySQL
	}
	return mariaDB
}

func addressOf(s *dbserver.Server) string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// mighty lets the admin change what is read-only to others.
func (w *twin) mighty(t *testing.T) {
	t.Helper()
	w.execute("GRANT " + w.words("CONNECTION_ADMIN", "READ_ONLY ADMIN") + " ON *.* TO '" + w.adminUser + "'@'%'")
	w.catchUp(t)
}

// leadsToAReader has the name lead to the replica for one try of a step.
func (w *twin) leadsToAReader(t *testing.T, step string, n int, counts *tally) {
	f := w.field
	for i, admin := range []string{"an admin who may not write", "an admin who may"} {
		if i == 1 {
			w.mighty(t)
		}
		for _, turn := range alternating.turns {
			when := fmt.Sprintf("%s at a reader, %s, %s", step, admin, turn)
			w.prepare(turn)
			sound := !t.Failed()
			before := w.current(when)
			tries := 0
			w.between = func(_ context.Context, now string, invoke func() error) error {
				if now != step || tries > 0 {
					return invoke()
				}
				w.catchUp(t)
				w.proxy.Lead(addressOf(w.replica))
				sent := len(w.statements())
				err := invoke()
				w.proxy.Lead(addressOf(f.Server))
				tries++
				if err == nil {
					t.Errorf("%s: it succeeded", when)
					return nil
				}
				w.said = append(w.said, err.Error())
				w.mustReport(when, err)
				if !strings.Contains(err.Error(), "read-only") || !strings.Contains(err.Error(), "use the address of the writer") {
					t.Errorf("%s: the error does not say what to do: %v", when, err)
				}
				if more := len(w.statements()) - sent; more > 0 {
					t.Errorf("%s: it executed %d statements there", when, more)
				}
				if document := w.current(when); document.Username() != before.Username() {
					t.Errorf("%s: AWSCURRENT has moved", when)
				}
				return err
			}
			err := w.rotate()
			w.between = nil
			if err != nil || tries != 1 {
				t.Errorf("%s: %d tries at the reader, and in the end: %v", when, tries, err)
			}
			if document := w.current(when); document.Username() != secret.Other(before.Username()) {
				t.Errorf("%s: AWSCURRENT is %q", when, document.Username())
			}
			w.equal(when)
			w.alike(t, when)
			counts.note(step, n, tries, sound && !t.Failed())
		}
		w.reset()
	}
	w.execute("REVOKE " + w.words("CONNECTION_ADMIN", "READ_ONLY ADMIN") + " ON *.* FROM '" + w.adminUser + "'@'%'")
}

// alike wants the replica to have what the writer has: nothing was changed on it
// alone.
func (w *twin) alike(t *testing.T, when string) {
	t.Helper()
	w.catchUp(t)
	for _, user := range []string{w.user, w.clone()} {
		if diff := cmp.Diff(oracle(t, w.field.Server, w.Root, user), oracle(t, w.replica, w.root, user)); diff != "" {
			t.Errorf("%s: the replica differs from its writer:\n%s", when, diff)
		}
	}
}

// promote makes the replica the writer, as a failover does, and the field's server
// nobody's.
func (w *twin) promote(t *testing.T) {
	t.Helper()
	mustExecute(t, w.root, w.words("STOP REPLICA", "STOP SLAVE"), "SET GLOBAL read_only = 0")
	w.proxy.Lead(addressOf(w.replica))
	// From here on the promises are about the new writer.
	w.Server, w.Root, w.isWriter = w.replica, w.root, true
}

// promotes has the replica become the writer before a step, when it has got the
// rotation's changes, or has not.
func (f *fireServer) promotes(t *testing.T, step string, replicated bool, n int, counts *tally) {
	w := f.withReplica(t)
	old, oldRoot := w.Server, w.Root
	defer func() { w.Server, w.Root = old, oldRoot }() // for what removes the place
	when := fmt.Sprintf("a failover before %s, the change replicated %v", step, replicated)
	sound := !t.Failed()
	w.prepare(alternatingTurns[0])
	w.mustRotate()
	w.prepare(alternatingTurns[1])
	w.catchUp(t)
	before := w.current(when)
	failures := 0
	w.between = func(_ context.Context, now string, invoke func() error) error {
		if now == "setSecret" && !replicated && !w.isWriter {
			mustExecute(t, w.root, w.words("STOP REPLICA", "STOP SLAVE")) // it falls behind
		}
		if now == step && !w.isWriter {
			if replicated {
				w.catchUp(t)
			}
			w.promote(t)
			w.current(when)
		}
		err := invoke()
		if err != nil {
			failures++
			w.said = append(w.said, err.Error())
			w.mustReport(when, err)
			w.current(when)
		}
		return err
	}
	err := w.rotate()
	w.between = nil
	if err != nil || failures > 1 || replicated && failures > 0 {
		t.Errorf("%s: %d tries failed, and in the end: %v", when, failures, err)
	}
	if document := w.current(when); document.Username() != secret.Other(before.Username()) {
		t.Errorf("%s: AWSCURRENT is %q", when, document.Username())
	}
	w.equal(when)
	w.gather()
	w.mustRotate() // and on it goes
	w.current(when)
	counts.note(step, n, failures, sound && !t.Failed())
}

// betweenLogins has the name lead to another server after the current credentials
// have been proven, and before the admin logs in.
func (w *twin) betweenLogins(t *testing.T, counts *tally) {
	f := w.field
	mustExecute(t, w.root, "SET GLOBAL read_only = 0") // what is refused is the other identity
	const when = "a failover between the two logins of setSecret"
	sound := !t.Failed()
	before := w.current(when)
	connections, tries := 0, 0
	w.between = func(_ context.Context, step string, invoke func() error) error {
		if step != "setSecret" || tries > 0 {
			return invoke()
		}
		w.arm(func(_ int, what string) *action {
			if what != "the server's "+string(faultproxy.Connect) {
				return nil
			}
			if connections++; connections == 2 {
				w.proxy.Lead(addressOf(w.replica))
			}
			return nil
		})
		err := invoke()
		w.arm(nil)
		w.proxy.Lead(addressOf(f.Server))
		tries++
		if err == nil || !strings.Contains(err.Error(), "two servers") {
			t.Errorf("%s: %v", when, err)
		} else {
			w.said = append(w.said, err.Error())
			w.mustReport(when, err)
		}
		return err
	}
	err := w.rotate()
	w.between = nil
	if err != nil || tries != 1 || connections < 2 {
		t.Errorf("%s: %d tries, %d connections, and in the end: %v", when, tries, connections, err)
	}
	if document := w.current(when); document.Username() != secret.Other(before.Username()) {
		t.Errorf("%s: AWSCURRENT is %q", when, document.Username())
	}
	w.equal(when)
	w.alike(t, when)
	counts.note("logins", 0, tries, sound && !t.Failed())
}
