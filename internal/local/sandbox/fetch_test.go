package sandbox

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tandem/internal/local/dbserver"
)

// machine is a Finder for a machine with an installed MySQL of that version, or
// none, and no other way to a server.
func machine(t *testing.T, mysqld string, environment map[string]string) dbserver.Finder {
	t.Helper()
	root, path := t.TempDir(), t.TempDir()
	if mysqld != "" {
		script := "#!/bin/sh\necho \"mysqld  Ver " + mysqld + " for Linux on x86_64\"\n"
		if err := os.WriteFile(filepath.Join(path, "mysqld"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dbserver.Finder{Root: root, CacheDir: filepath.Join(root, "cache"), Getenv: func(name string) string {
		if name == "PATH" {
			return path
		}
		return environment[name]
	}}
}

func TestFetch(t *testing.T) {
	type env = map[string]string
	for name, test := range map[string]struct {
		mysqld      string
		environment env
		want        []string // in the output, in this order
		missing     int
		wantErr     string
	}{
		"one of two":       {"9.1.0", env{}, []string{"servers for the tests: MySQL 9.1.0 (installed)\n", "MISSING, so the tests that need it are skipped: no MariaDB"}, 1, ""},
		"none":             {"", env{}, []string{"MISSING"}, 2, ""},
		"none in CI":       {"", env{"CI": "true"}, []string{"MISSING"}, 2, "2 of 2 servers cannot be had, and in CI every test must run"},
		"the whole matrix": {"9.1.0", env{"TEST_MATRIX": "1"}, []string{"MySQL 9.1.0", "no MariaDB 10.5", "no MariaDB 10.11", "no MariaDB 11.8"}, 3, ""},
		"two releases":     {"9.1.0", env{"TEST_MATRIX": "mariadb-10.5 mysql-9"}, []string{"MySQL 9.1.0", "no MariaDB 10.5"}, 1, ""},
		"no matrix":        {"9.1.0", env{"TEST_MATRIX": "0"}, []string{"MySQL 9.1.0"}, 1, ""},
		"a mistake":        {"9.1.0", env{"TEST_MATRIX": "all"}, nil, 0, `TEST_MATRIX is "all": set it to 1 or to releases (mariadb-10.5 mysql-9), or not at all`},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			err := Fetch(t.Context(), machine(t, test.mysqld, test.environment), &out)
			if test.wantErr == "" && err != nil || test.wantErr != "" && (err == nil || err.Error() != test.wantErr) {
				t.Errorf("the error is %v, want %q", err, test.wantErr)
			}
			rest := out.String()
			for _, want := range test.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("no %q, or not in this order, in\n%s", want, out.String())
				}
				rest = after
			}
			if got := strings.Count(out.String(), "MISSING"); got != test.missing {
				t.Errorf("%d servers missing, want %d:\n%s", got, test.missing, out.String())
			}
		})
	}
}
