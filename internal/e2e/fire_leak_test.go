package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tandem/internal/local/dbserver"
)

// nothingLeaks searches the server's logs for every password of the scenarios.
// What the function wrote and returned has been searched, for tokens and
// verifiers too, as each place was closed.
func (f *fireServer) nothingLeaks(t *testing.T) {
	passwords := f.kept.Of("password")
	kinds := map[string]int{}
	for _, what := range f.kept {
		kinds[what]++
	}
	if kinds["password"] == 0 || kinds["verifier"] == 0 || kinds["RotationToken"] == 0 {
		t.Fatalf("secrets gathered: %v", kinds)
	}
	f.keepLogs(t, f.Server)
	var bytes int64
	changes, shown := 0, 0
	for _, file := range f.logs {
		bytes += int64(len(file.content))
		changes += strings.Count(file.content, "ALTER USER")
		if found := passwords.Found(file.content); found != nil {
			shown += len(found)
			t.Errorf("%s has %d passwords: %v", file.name, len(found), found[:min(5, len(found))])
		}
	}
	if changes == 0 {
		t.Error("no log has an ALTER USER: they were not written, or not found")
	}
	f.say("nothing leaks", fmt.Sprintf("%d passwords, %d verifiers, %d tokens: %d found", kinds["password"], kinds["verifier"], kinds["RotationToken"], shown+f.shown),
		"in %d kB of the function's, and the passwords in %d kB of %d logs of the server", f.wrote>>10, bytes>>10, len(f.logs))
}

// logFile is a log of a server, which may have ended since.
type logFile struct{ name, content string }

// keepLogs reads a server's general, error and binary logs, for the search.
func (f *fireServer) keepLogs(t *testing.T, on *dbserver.Server) {
	t.Helper()
	db, err := on.DB()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(context.WithoutCancel(t.Context()), "FLUSH LOGS"); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(on.DataDir(), "binlog.0*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, filepath.Join(on.DataDir(), "general.log"), on.LogFile()) {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f.logs = append(f.logs, logFile{filepath.Base(file), string(content)})
	}
}
