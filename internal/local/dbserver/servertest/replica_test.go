package servertest

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"tandem/internal/local/dbserver"
)

// replicas are a source and its replica of a release.
func replicas(t *testing.T, release string, how dbserver.Replication) (source, replica *dbserver.Server) {
	source = fleet.MustStart(t, release, ReplicationArgs(release, 1, how.GTID)...)
	replica = fleet.MustStart(t, release, ReplicationArgs(release, 2, how.GTID)...)
	if err := replica.Replicate(t.Context(), source, how); err != nil {
		t.Fatal(err)
	}
	return source, replica
}

// A replica has what its source has, also what the source had before; paused it has
// not, and promoted it stays as it is.
func TestReplicate(t *testing.T) {
	fleet.EachRelease(t, func(t *testing.T, release string) {
		for name, how := range map[string]dbserver.Replication{"GTID": {GTID: true}, "position": {}} {
			t.Run(name, func(t *testing.T) {
				source, replica := replicas(t, release, how)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				up, down := open(t, source), open(t, replica)
				must := func(err error) {
					t.Helper()
					if err != nil {
						t.Fatal(err)
					}
				}
				there := func() (n int) {
					t.Helper()
					must(down.QueryRowContext(ctx, "SELECT COUNT(*) FROM mysql.user WHERE User LIKE 'replicated%'").Scan(&n))
					return n
				}
				create := func(name string) {
					t.Helper()
					_, err := up.ExecContext(ctx, "CREATE USER "+name+" IDENTIFIED BY 'a Password 1'")
					must(err)
				}
				create("replicated1")
				must(replica.AwaitSource(ctx, source))
				if n := there(); n != 1 {
					t.Errorf("%d users, want 1", n)
				}
				must(replica.PauseReplica(ctx))
				create("replicated2")
				if n := there(); n != 1 {
					t.Errorf("paused: %d users, want 1", n)
				}
				must(replica.ResumeReplica(ctx))
				must(replica.AwaitSource(ctx, source))
				if n := there(); n != 2 {
					t.Errorf("resumed: %d users, want 2", n)
				}
				must(replica.Promote(ctx))
				create("replicated3")
				if err := replica.AwaitSource(ctx, source); err == nil {
					t.Error("promoted, it still follows")
				}
				if n := there(); n != 2 {
					t.Errorf("promoted: %d users, want 2", n)
				}
			})
		}
	})
}

func open(t *testing.T, s *dbserver.Server) *sql.DB {
	t.Helper()
	db, err := s.DB()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
