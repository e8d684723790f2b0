package dbserver

import (
	"runtime"
	"strings"
	"testing"
)

// environment is a Getenv with these names and values.
func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestFindListsTheWays(t *testing.T) {
	cache := t.TempDir()
	for _, test := range []struct {
		root, release string
		want          []string
	}{
		{"fedora", "mariadb-10.5", []string{
			"no MariaDB 10.5 server to be had: SANDBOX_DSN: not set; installed: neither mariadbd nor mysqld is on PATH",
			"Fedora Linux 42 (Server Edition) is neither",
			"set SANDBOX_DSN to the address", "install MariaDB (the package mariadb-server) 10.5", "MariaDB 10.5, 10.11, 11.8 is unpacked", "DEBIAN_MIRROR",
		}},
		{"debian-bookworm", "mysql-8.4", []string{"no MySQL 8.4 server", "no suite of Debian has MySQL 8.4", "install MySQL (the package mysql-server) 8.4"}},
		{"fedora", "", []string{"no MariaDB or MySQL server", "mariadb-server or mysql-server"}},
	} {
		release, err := ParseRelease(test.release)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Finder{Root: absolute(t, "testdata/"+test.root), CacheDir: cache, Getenv: environment()}.Find(t.Context(), release)
		if err == nil {
			t.Fatalf("%s has %s", test.root, release)
		}
		for _, want := range test.want {
			if runtime.GOOS != "linux" && strings.Contains(want, "neither") {
				continue
			}
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v\nlacks %q", err, want)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("the error has several lines: %v", err)
		}
	}
}

func TestFindNamesAUselessCache(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("nothing is cached here")
	}
	finder := Finder{Root: absolute(t, "testdata/debian-bookworm"), Getenv: environment()}
	t.Run("no home", func(t *testing.T) {
		t.Setenv("HOME", "")
		t.Setenv("XDG_CACHE_HOME", "")
		_, err := finder.Find(t.Context(), Release{})
		if err == nil || !strings.Contains(err.Error(), "set HOME or XDG_CACHE_HOME") {
			t.Error(err)
		}
	})
	t.Run("not to be written", func(t *testing.T) {
		t.Setenv("XDG_CACHE_HOME", "/dev/null")
		_, err := finder.Find(t.Context(), Release{})
		if err == nil || !strings.Contains(err.Error(), "/dev/null") || !strings.Contains(err.Error(), "set XDG_CACHE_HOME") {
			t.Error(err)
		}
	})
}
