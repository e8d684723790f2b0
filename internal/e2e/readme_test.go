package e2e

import (
	"strings"
	"testing"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/sandbox"
	"tandem/internal/repotest/document"
)

// fenced returns the lines of the one block of the documents that has the marker.
func fenced(t *testing.T, marker string) []string {
	t.Helper()
	return strings.Split(strings.TrimRight(document.MarkedBlock(t, marker).Text, "\n"), "\n")
}

// An admin with what the documents say it needs, and no more, rotates; without any one
// of these it does not.
func TestAdminGrantsOfTheDocuments(t *testing.T) {
	grants := fenced(t, "admin grants")
	if len(grants) < 3 {
		t.Fatalf("only %q", grants)
	}
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		for without := -1; without < len(grants); without++ {
			w := newDeployment(t, on)
			var given []string
			for i, grant := range grants {
				if i != without {
					given = append(given, strings.ReplaceAll(grant, "myDB", w.database))
				}
			}
			admin, err := w.CreateAdminWith(t.Context(), sandbox.Token(), given...)
			if err != nil {
				t.Fatal(err)
			}
			w.store(w.user, firstPassword, map[string]any{"masterarn": admin})
			if without >= 0 {
				if err := w.rotate(); err == nil {
					t.Errorf("%s is not needed", grants[without])
				}
				continue
			}
			for range 2 {
				w.mustRotate()
			}
			w.execute("GRANT SELECT ON "+w.database+".t TO '"+w.user+"'@'%'", "REVOKE DROP ON "+w.database+".* FROM '"+w.user+"'@'%'")
			w.mustRotate()
			w.mustEqual()
		}
	})
}
