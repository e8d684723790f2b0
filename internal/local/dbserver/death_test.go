package dbserver

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestServerDiesWithItsProcess(t *testing.T) {
	for _, release := range []string{"mariadb", "mysql"} {
		t.Run(release, func(t *testing.T) {
			program := find(t, release)
			// A folder with a path longer than a Unix socket's may be.
			t.Setenv("TMPDIR", longFolder(t))
			command, line, _ := helper(t, "start", "SERVER_TEST_RELEASE="+program.Release().String())
			var port int
			var password, data string
			if _, err := fmt.Sscan(line, &port, &password, &data); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			server, err := Connect(t.Context(), fmt.Sprintf("root:%s@tcp(127.0.0.1:%d)/?tls=skip-verify", password, port))
			if err != nil {
				t.Fatal(err)
			}
			// The statement ends with the server, or else by itself.
			db, ended := mustOpen(t, server), make(chan error, 1)
			connection, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				_, err := connection.ExecContext(t.Context(), "DO SLEEP(60)")
				ended <- err
			}()
			if err := command.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if <-ended == nil {
				t.Error("the server runs on without its process")
			}
			// The server ends with the thread that started it, and what the process has locked is
			// free when the last of its threads has ended.
			_ = command.Wait() // by the signal

			if !exists(t, data) {
				t.Fatal("the data directory vanished: the test proves nothing")
			}
			// The next server's start removes what was left.
			mustStart(t, program, Options{})
			if exists(t, filepath.Dir(data)) {
				t.Errorf("%s is still there", filepath.Dir(data))
			}
		})
	}
}

// longFolder makes a folder with a path of more than 107 bytes.
func longFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "tandem-a-path-that-is-long-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	long := filepath.Join(folder, "0123456789012345678901234567890123456789", "0123456789012345678901234567890123456789")
	if err := os.MkdirAll(long, 0o755); err != nil {
		t.Fatal(err)
	}
	return long
}

func TestWatchKillsWhenItsProcessDies(t *testing.T) {
	command, _, rest := helper(t, "watch")
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// The watched process holds the helper's output open until it ends.
	if _, err := io.Copy(io.Discard, rest); err != nil {
		t.Fatal(err)
	}
}

func TestFolderOfALivingServerStays(t *testing.T) {
	parent := t.TempDir()
	folder, release, err := newFolder(parent)
	if err != nil {
		t.Fatal(err)
	}
	removeLeftovers(parent)
	if !exists(t, folder) {
		t.Error("a folder in use was removed")
	}
	release()
	removeLeftovers(parent)
	if exists(t, folder) {
		t.Error("a folder that was left stays")
	}
}
