package dbserver

import (
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const debianKey = "/usr/share/keyrings/debian-archive-keyring.gpg"

func entry(uri, suite, components, keyring string) source {
	return source{uri, suite, strings.Fields(components), keyring}
}

func TestSources(t *testing.T) {
	for root, want := range map[string][]source{
		"debian-bookworm": {
			entry("https://mariadb.example/repo/debian", "bookworm", "main", ""),
			entry("http://mirror.example/debian", "bookworm", "main contrib", debianKey),
			entry("http://mirror.example/debian", "bookworm-updates", "main contrib", debianKey),
			entry("http://security.example/debian-security", "bookworm-security", "main", debianKey),
		},
		"debian-classic": {
			entry("http://mirror.example/debian/", "bullseye", "main contrib", ""),
			entry("http://mirror.example/debian/", "bullseye-updates", "main", ""),
			entry("https://other.example/linux/debian", "bullseye", "stable", "/etc/apt/keyrings/other.gpg"),
			entry("http://security.example/debian-security", "bullseye-security", "main", ""),
		},
		"fedora": nil,
	} {
		got, err := Finder{Root: absolute(t, "testdata/"+root)}.sources()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", root, diff)
		}
	}
}

func TestArchive(t *testing.T) {
	type row struct {
		root, release, mirror string
		label                 string
		resolved              string
		lines                 []string
		err                   string
	}
	signed := "[signed-by=" + debianKey + " check-valid-until=no] "
	for _, test := range []row{
		{root: "debian-bookworm", release: "", label: "debian-bookworm", resolved: "mariadb-10.11", lines: []string{
			"deb " + signed + "http://mirror.example/debian bookworm main",
			"deb " + signed + "http://security.example/debian-security bookworm-security main",
		}},
		{root: "debian-bookworm", release: "mariadb-10.5", label: "debian-bullseye", resolved: "mariadb-10.5", lines: []string{
			"deb " + signed + "http://mirror.example/debian bullseye main",
			"deb " + signed + "http://security.example/debian-security bullseye-security main",
		}},
		// unstable has no security pocket, and its index's date counts.
		{root: "debian-bookworm", release: "mysql", label: "debian-sid", resolved: "mysql-9", lines: []string{
			"deb [signed-by=" + debianKey + "] http://mirror.example/debian sid main",
		}},
		{root: "debian-bookworm", release: "mysql-9.7", label: "debian-sid", resolved: "mysql-9.7", lines: []string{
			"deb [signed-by=" + debianKey + "] http://mirror.example/debian sid main",
		}},
		{root: "debian-bookworm", release: "mysql-8.0", err: "no suite of Debian has MySQL 8.0"},
		{root: "debian-bookworm", release: "mariadb-10.6", err: "no suite of Debian has MariaDB 10.6"},
		// The keyring is looked for where the sources do not name it.
		{root: "debian-classic", release: "mariadb", label: "debian-bullseye", resolved: "mariadb-10.5", lines: []string{
			"deb " + signed + "http://mirror.example/debian/ bullseye main",
			"deb " + signed + "http://security.example/debian-security bullseye-security main",
		}},
		{root: "debian-bookworm", release: "mariadb-11.8", mirror: "http://given.example/debian", label: "debian-trixie", resolved: "mariadb-11.8", lines: []string{
			"deb " + signed + "http://given.example/debian trixie main",
		}},
		{root: "ubuntu-noble", release: "mysql", label: "ubuntu-noble", resolved: "mysql", lines: []string{
			"deb [signed-by=/usr/share/keyrings/ubuntu-archive-keyring.gpg] http://ports.example/ubuntu-ports/ noble main universe",
			"deb [signed-by=/usr/share/keyrings/ubuntu-archive-keyring.gpg] http://ports.example/ubuntu-ports/ noble-updates main universe",
			"deb [signed-by=/usr/share/keyrings/ubuntu-archive-keyring.gpg] http://security.example/ubuntu-ports/ noble-security main universe",
		}},
		{root: "ubuntu-noble", release: "", mirror: "http://given.example/debian", err: "install the package debian-archive-keyring"},
		{root: "fedora", release: "mariadb", err: "Fedora Linux 42 (Server Edition) is neither Debian nor Ubuntu"},
		{root: "none", release: "mariadb", err: "this system is neither Debian nor Ubuntu"},
	} {
		t.Run(test.root+" "+test.release+" "+test.mirror, func(t *testing.T) {
			release, err := ParseRelease(test.release)
			if err != nil {
				t.Fatal(err)
			}
			finder := Finder{Root: absolute(t, "testdata/"+test.root), Getenv: environment(MirrorVariable, test.mirror)}
			got, err := finder.archive(release)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want one with %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.lines, got.lines); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
			if got.label != test.label || got.release.String() != test.resolved {
				t.Errorf("%s of %s, want %s of %s", got.release, got.label, test.resolved, test.label)
			}
		})
	}
}

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
