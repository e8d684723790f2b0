package debian

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tandem/internal/local/dbserver/release"

	"github.com/google/go-cmp/cmp"
)

func TestParseURIs(t *testing.T) {
	const output = `Reading package lists...
'http://mirror.example/pool/libc6_2.36-9%2bdeb12u14_amd64.deb' libc6_2.36-9+deb12u14_amd64.deb 2759320 MD5Sum:8e7e
'http://mirror.example/pool/mariadb-server_10.11.19-0%2bdeb12u1_amd64.deb' mariadb-server_1%3a10.11.19-0+deb12u1_amd64.deb 3665596 SHA256:2219
`
	want := []deb{
		{"libc6", "libc6_2.36-9+deb12u14_amd64.deb", 2759320, "MD5Sum:8e7e"},
		{"mariadb-server", "mariadb-server_1%3a10.11.19-0+deb12u1_amd64.deb", 3665596, "SHA256:2219"},
	}
	if diff := cmp.Diff(want, parseURIs(output)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNewestServer(t *testing.T) {
	for _, test := range []struct{ name, table, prefix, want, version string }{
		{"an old name of the same package", `mariadb-server-core | 1:10.11.19-0+deb12u1 | http://mirror.example/debian bookworm/main amd64 Packages
mariadb-server-core-10.5 | 1:10.11.19-0+deb12u1 | http://mirror.example/debian bookworm/main amd64 Packages
`, "mariadb-server-core", "mariadb-server-core", "10.11.19"},
		{"a series in the name", " mysql-server-core-8.0 | 8.0.41-0ubuntu0.24.04.1 | http://x noble-updates/main amd64 Packages\n" +
			" mysql-server-core-8.0 | 8.0.36-2ubuntu3 | http://x noble/main amd64 Packages\n" +
			" mysql-server-core-8.4 | 8.4.10-1 | http://x noble/universe amd64 Packages\n" +
			" mysql-server-core-8.4 | 8.4.9-1 | http://x noble/universe Sources\n" +
			" mysql-server-core-dbgsym | 9.0.0-1 | http://x noble/main amd64 Packages\n", "mysql-server-core", "mysql-server-core-8.4", "8.4.10"},
		{"none", "", "mysql-server-core", "", ""},
	} {
		name, version := newestServer(test.table, test.prefix)
		if name != test.want || version != test.version {
			t.Errorf("%s: %s %s, want %s %s", test.name, name, version, test.want, test.version)
		}
	}
}

func TestCompareVersions(t *testing.T) {
	for _, ordered := range [][2]string{{"8.0.9", "8.0.10"}, {"5.7", "8.0"}, {"8.0", "8.0.1"}, {"9.7.4", "10.0.0"}} {
		if release.Compare(ordered[0], ordered[1]) >= 0 || release.Compare(ordered[1], ordered[0]) <= 0 {
			t.Errorf("%s is not before %s", ordered[0], ordered[1])
		}
	}
}

func TestParseStatus(t *testing.T) {
	for line, want := range map[string]int{
		"dlstatus:3:33.9793:Retrieving file 3 of 3": 33,
		"dlstatus:1:100.0000:x":                     100,
		"dlstatus:1:x:y":                            -1,
		"pmstatus:libc6:50:x":                       -1,
		"":                                          -1,
	} {
		got, found := parseStatus(line)
		if !found {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %d, want %d", line, got, want)
		}
	}
}

func TestParseLoaderList(t *testing.T) {
	const output = `	linux-vdso.so.1 (0x00007ffd)
	libpcre2-8.so.0 => /cache/root/usr/lib/x86_64-linux-gnu/libpcre2-8.so.0 (0x00007f)
	libaio.so.1 => not found
	libssl.so.3 => /lib/x86_64-linux-gnu/libssl.so.3 (0x00007f)
	/lib64/ld-linux-x86-64.so.2 => /cache/root/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 (0x00007f)
`
	if diff := cmp.Diff([]string{"libaio.so.1", "libssl.so.3"}, parseLoaderList(output, "/cache/root")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	const complaint = "mariadbd: error while loading shared libraries: liburing.so.2: cannot open shared object file: No such file or directory\n"
	if diff := cmp.Diff([]string{"liburing.so.2"}, parseLoaderList(complaint, "/cache/root")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The machine's way to the network is taken over, its hooks are not.
func TestAptConfig(t *testing.T) {
	config := aptConfig("/a folder", `Acquire::http::Proxy "http://proxy.example:3128";
Acquire::https::Verify-Peer "true";
Acquire::Check-Valid-Until "false";
DPkg::Post-Invoke:: "rm -f /var/cache/apt/archives/*.deb";
Dir::State "var/lib/apt";
`)
	for _, line := range []string{
		"Acquire::http::Proxy \"http://proxy.example:3128\";\n", "Acquire::https::Verify-Peer \"true\";\n", "Acquire::Check-Valid-Until \"false\";\n",
		"Dir::State \"/a folder\";\n",
	} {
		if !strings.Contains(config, line) {
			t.Errorf("the configuration lacks %q", line)
		}
	}
	for _, text := range []string{"Post-Invoke", "var/lib/apt"} {
		if strings.Contains(config, text) {
			t.Errorf("the configuration has %q", text)
		}
	}
}

func TestCheck(t *testing.T) {
	a := &apt{folder: t.TempDir()}
	if err := os.Mkdir(filepath.Join(a.folder, "debs"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, a.folder, "debs/a.deb", "abc")
	for hash, whole := range map[string]bool{
		"SHA256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad":                                                                 true,
		"SHA512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f": true,
		"SHA256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ae":                                                                 false,
		// MD5 is no proof, though this is the content's.
		"MD5Sum:900150983cd24fb0d6963f7d28e17f72": false,
		"": false,
	} {
		if err := a.check(deb{File: "a.deb", Hash: hash}); (err == nil) != whole {
			t.Errorf("%s: %v", hash, err)
		}
	}
	if err := a.check(deb{File: "b.deb"}); !os.IsNotExist(err) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func write(t *testing.T, folder, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
