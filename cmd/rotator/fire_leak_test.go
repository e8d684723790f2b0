package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// nothingLeaks searches the server's logs for every password of the scenarios.
// What the function wrote and returned has been searched, for tokens and
// verifiers too, as each place was closed.
func (f *field) nothingLeaks(t *testing.T) {
	passwords := secrets{}
	kinds := map[string]int{}
	for content, what := range f.kept {
		kinds[what]++
		if what == "password" {
			passwords[content] = what
		}
	}
	if kinds["password"] == 0 || kinds["verifier"] == 0 || kinds["RotationToken"] == 0 {
		t.Fatalf("secrets gathered: %v", kinds)
	}
	db, err := f.DB()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "FLUSH LOGS"); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(f.DataDir(), "binlog.0*"))
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, filepath.Join(f.DataDir(), "general.log"), f.LogFile())
	var bytes int64
	changes, shown := 0, 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		bytes += int64(len(content))
		changes += strings.Count(string(content), "ALTER USER")
		if found := passwords.found(string(content)); found != nil {
			shown += len(found)
			t.Errorf("%s has %d passwords: %v", filepath.Base(file), len(found), found[:min(5, len(found))])
		}
	}
	if changes == 0 {
		t.Error("no log has an ALTER USER: they were not written, or not found")
	}
	f.say("nothing leaks", "%d passwords, %d verifiers and %d tokens; searched %d kB of the function's, and for the passwords %d kB in %d logs of the server: %d found in the logs, %d in the function's",
		kinds["password"], kinds["verifier"], kinds["RotationToken"], f.wrote>>10, bytes>>10, len(files), shown, f.shown)
}
