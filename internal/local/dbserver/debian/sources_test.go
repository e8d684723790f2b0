package debian

import (
	"path/filepath"
	"strings"
	"testing"

	"tandem/internal/local/dbserver/release"

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
		got, err := Unpacker{Root: absolute(t, "../testdata/"+root)}.sources()
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
			wanted, err := release.Parse(test.release)
			if err != nil {
				t.Fatal(err)
			}
			unpacker := Unpacker{Root: absolute(t, "../testdata/"+test.root), Getenv: environment(MirrorVariable, test.mirror)}
			got, err := unpacker.archive(wanted)
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

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
