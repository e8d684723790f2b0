package dbserver

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const (
	version1011 = "mariadbd  Ver 10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)\n"
	version84   = "mysqld  Ver 8.4.5 for Linux on x86_64 (MySQL Community Server - GPL)\n"
	version103  = "mysqld  Ver 10.3.39-MariaDB for Linux on x86_64 (MariaDB Server)\n"
)

// install puts a fake server below root. Where version is empty it says its own.
func install(t *testing.T, root, path, version string) {
	t.Helper()
	folder := filepath.Join(root, filepath.Dir(path))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(root, path)
	if os.Link(os.Args[0], program) != nil {
		// The folders are on different file systems.
		if err := copyFile(os.Args[0], program, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if version != "" {
		write(t, folder, "version", version)
	}
	share := filepath.Join(folder, "..", "share", "mysql")
	if err := os.MkdirAll(share, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, share, "mysql_system_tables.sql", "")
}

func TestInstalled(t *testing.T) {
	type installation struct{ path, version string }
	mariadb, mysql := installation{"usr/sbin/mariadbd", version1011}, installation{"usr/local/mysql/bin/mysqld", version84}
	for _, test := range []struct {
		name    string
		there   []installation
		profile string
		release string
		want    string
		err     string
	}{
		{name: "MariaDB goes first", there: []installation{mysql, mariadb}, want: "usr/sbin/mariadbd"},
		{name: "the flavor asked for", there: []installation{mysql, mariadb}, release: "mysql", want: "usr/local/mysql/bin/mysqld"},
		{name: "the version asked for", there: []installation{mariadb}, release: "mariadb-10.11", want: "usr/sbin/mariadbd"},
		{name: "another version", there: []installation{mariadb, mysql}, release: "mysql-9", err: "is MySQL 8.4.5, not MySQL 9"},
		{name: "too old", there: []installation{{"usr/sbin/mysqld", version103}}, err: "older than what is supported"},
		{name: "not a server", there: []installation{{"usr/sbin/mysqld", "hello\n"}}, err: "no version"},
		{name: "confined", there: []installation{mariadb}, profile: "# A comment.\n/usr/sbin/mariadbd {\n}\n", err: "AppArmor"},
		{name: "not confined", there: []installation{mariadb}, profile: "# A comment.\n\n", want: "usr/sbin/mariadbd"},
		{name: "none", err: "neither mariadbd nor mysqld"},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := t.TempDir()
			for _, i := range test.there {
				install(t, root, i.path, i.version)
			}
			if test.profile != "" {
				name := strings.ReplaceAll(strings.Trim(filepath.Join(root, "usr/sbin/mariadbd"), "/"), "/", ".")
				if err := os.MkdirAll(filepath.Join(root, "etc/apparmor.d"), 0o755); err != nil {
					t.Fatal(err)
				}
				write(t, root, "etc/apparmor.d/"+name, test.profile)
			}
			release, err := ParseRelease(test.release)
			if err != nil {
				t.Fatal(err)
			}
			program, err := Finder{Root: root, Getenv: environment()}.installed(t.Context(), release)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("%v, error %v; want %q", program, err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := filepath.Join(root, test.want); program.Path != want || program.Origin != "installed" {
				t.Errorf("%s, want %s", program, want)
			}
		})
	}
}

func TestPathGoesBeforeTheUsualFolders(t *testing.T) {
	root := t.TempDir()
	install(t, root, "usr/sbin/mariadbd", version1011)
	install(t, root, "opt/bin/mariadbd", version1011)
	finder := Finder{Root: root, Getenv: environment("PATH", "relative:"+filepath.Join(root, "opt/bin"))}
	program, err := finder.Find(t.Context(), Release{})
	if err != nil || program.Path != filepath.Join(root, "opt/bin/mariadbd") {
		t.Errorf("%v, %v", program, err)
	}
}

// An installed program starts as an unpacked one does, and has its initialised
// data directory cached, where there is a cache.
func TestInstalledServerStarts(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it is made of an unpacked server")
	}
	unpacked := find(t, "mariadb-10.11")
	if unpacked.Origin != "unpacked" {
		t.Skip("the server here is an installed one already")
	}
	for _, cacheable := range []bool{true, false} {
		root := t.TempDir()
		install(t, root, "usr/sbin/mariadbd", "")
		if err := os.RemoveAll(filepath.Join(root, "usr/share/mysql")); err != nil {
			t.Fatal(err)
		}
		for from, to := range map[string]string{
			filepath.Dir(unpacked.template): "usr/sbin/source",
			unpacked.share:                  "usr/share/mysql",
		} {
			if err := os.Symlink(from, filepath.Join(root, to)); err != nil {
				t.Fatal(err)
			}
		}
		finder := Finder{Root: root, Getenv: environment(), CacheDir: filepath.Join(root, "cache")}
		if !cacheable {
			finder.CacheDir = "/dev/null"
		}
		program, err := finder.Find(t.Context(), Release{})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			server := mustStart(t, program, Options{})
			if server.Origin != "installed" || server.Flavor != MariaDB {
				t.Errorf("started %s", server)
			}
		}
		templates, err := filepath.Glob(filepath.Join(root, "cache/data/mariadb-10.11-*", "mysql"))
		if err != nil || (len(templates) == 1) != cacheable {
			t.Errorf("with a cache: %v; data directories in it: %v (%v)", cacheable, templates, err)
		}
	}
}
