package dbserver

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var anyMariaDB = Release{Flavor: MariaDB, Series: ""}

func cacheNames(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(folder, "cache", "servers"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// whole is what the cache holds after an unpacking.
func whole(program *Program) []string {
	return []string{"debian-bookworm-mariadb.lock", program.Release().String() + "-" + runtime.GOARCH}
}

func TestUnpack(t *testing.T) {
	folder := useFakes(t)
	var progress bytes.Buffer
	finder := fakeFinder(folder)
	finder.Progress = &progress
	program, err := finder.Find(t.Context(), anyMariaDB)
	if err != nil {
		t.Fatal(err)
	}
	mustStart(t, program, Options{})
	for _, line := range []string{
		"MariaDB 10.11: reading the package index of debian-bookworm at http://mirror.example/debian…\n",
		"MariaDB 10.11: read 40 % of the package index\n",
		// libc6, zlib1g, the server and its plugins; neither perl nor its library.
		"MariaDB 10.11: fetching 4 packages (4.0 MB)…\n",
		"MariaDB 10.11: initialising a data directory…\n",
	} {
		if !strings.Contains(progress.String(), line) {
			t.Errorf("the progress lacks %q:\n%s", line, progress.String())
		}
	}
	if diff := cmp.Diff(whole(program), cacheNames(t, folder)); diff != "" {
		t.Errorf("the cache (-want +got):\n%s", diff)
	}
	config, err := finder.Find(t.Context(), anyMariaDB)
	if err != nil || config.Path != program.Path || calls(t, folder, "update") != 1 {
		t.Errorf("asked again: %v, %v, %d updates", config, err, calls(t, folder, "update"))
	}
	if _, err := finder.Find(t.Context(), Release{Flavor: MariaDB, Series: "10.4"}); err == nil {
		t.Error("a release that is not the cached one is found")
	}
}

func TestUnpackOnceForAll(t *testing.T) {
	folder := useFakes(t)
	var finding sync.WaitGroup
	for range 3 {
		finding.Go(func() {
			if _, err := fakeFinder(folder).Find(t.Context(), anyMariaDB); err != nil {
				t.Error(err)
			}
		})
	}
	finding.Wait()
	if got := calls(t, folder, "unpack"); got != 1 {
		t.Errorf("unpacked %d times", got)
	}
}

func TestInterruptedUnpackIsNotTakenAsWhole(t *testing.T) {
	folder := useFakes(t)
	pipe := makePipe(t, folder)
	command := helperSilent(t, "find", "SERVER_TEST_ROOT="+folder)
	// This returns when dpkg-deb has opened the other end.
	block, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait()
	names := strings.Join(cacheNames(t, folder), " ")
	if !strings.Contains(names, ".unpacking-") || strings.Contains(names, "-"+runtime.GOARCH) {
		t.Fatalf("interrupted, the cache holds %s", names)
	}
	if program := (unpackedServers{fakeFinder(folder), filepath.Join(folder, "cache", "servers")}).newest(anyMariaDB); program != nil {
		t.Errorf("what was interrupted is taken as %s", program)
	}
	if err := os.Remove(pipe); err != nil {
		t.Fatal(err)
	}
	program, err := fakeFinder(folder).Find(t.Context(), anyMariaDB)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(whole(program), cacheNames(t, folder)); diff != "" {
		t.Errorf("the cache (-want +got):\n%s", diff)
	}
	if got := calls(t, folder, "download"); got != 1 {
		t.Errorf("what was fetched whole was fetched %d times", got)
	}
	_ = block.Close()
}

func TestMirrorsAnswers(t *testing.T) {
	const slow = "E: Failed to fetch http://mirror.example/x  Connection timed out"
	for _, test := range []struct {
		name, file, content string
		// The command is run this often.
		command string
		runs    int
		err     string
	}{
		{"slow once", "fail-update", slow, "update", 2, ""},
		{"slow for good", "fail-update", slow + "\n" + slow + "\n" + slow, "update", 3, "Connection timed out"},
		{"a package slow once", "fail-download", slow, "download", 2, ""},
		{"no key", "fail-update", "E: GPG error: The following signatures couldn't be verified: NO_PUBKEY 123", "update", 1, "install a newer package debian-archive-keyring"},
		{"no suite", "fail-update", "E: The repository 'x bookworm Release' does not have a Release file.", "update", 1, "DEBIAN_MIRROR can name a mirror that has debian-bookworm"},
		{"another content", "corrupt", "", "download", 1, "SHA256 hash"},
		{"not to be unpacked", "fail-unpack", "dpkg-deb: error: unexpected end of file", "unpack", 1, "unexpected end of file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := useFakes(t)
			write(t, folder, test.file, test.content)
			var progress bytes.Buffer
			finder := fakeFinder(folder)
			finder.Progress = &progress
			_, err := finder.Find(t.Context(), anyMariaDB)
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			if got := calls(t, folder, test.command); got != test.runs {
				t.Errorf("%s was run %d times, want %d", test.command, got, test.runs)
			}
			if test.runs > 1 && !strings.Contains(progress.String(), "trying again (2 of 3)") {
				t.Errorf("nothing is said of another try:\n%s", progress.String())
			}
		})
	}
}
