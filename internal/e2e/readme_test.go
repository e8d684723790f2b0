package e2e

import (
	"os"
	"strings"
	"testing"

	"tandem/internal/config"
	"tandem/internal/local/dbserver"
	"tandem/internal/local/sandbox"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// fenced returns the lines of the fenced block behind a marker.
func fenced(t *testing.T, marker string) []string {
	t.Helper()
	_, behind, found := strings.Cut(readme(t), "<!-- "+marker+" -->\n```sql\n")
	block, _, closed := strings.Cut(behind, "\n```\n")
	if !found || !closed {
		t.Fatalf("README has no block marked %q", marker)
	}
	return strings.Split(block, "\n")
}

// An admin with what README says it needs, and no more, rotates; without any one
// of these it does not.
func TestAdminGrantsOfReadme(t *testing.T) {
	grants := fenced(t, "admin grants")
	if len(grants) < 3 {
		t.Fatalf("only %q", grants)
	}
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		for without := -1; without < len(grants); without++ {
			w := newWorld(t, on)
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

// README's table has every variable that is read.
func TestVariablesOfReadme(t *testing.T) {
	text := readme(t)
	read := 0
	_, err := config.Load(func(name string) (string, bool) {
		read++
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("README does not name %s", name)
		}
		return "", false
	})
	if err != nil || read < 10 {
		t.Errorf("%d variables were read, error %v", read, err)
	}
}
