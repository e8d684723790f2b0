package release

import "testing"

func TestParseRelease(t *testing.T) {
	for text, want := range map[string]Release{
		"":              {},
		"mariadb":       {MariaDB, ""},
		"mysql":         {MySQL, ""},
		"mariadb-10.11": {MariaDB, "10.11"},
		"mysql-9":       {MySQL, "9"},
	} {
		got, err := Parse(text)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %v, %v; want %v", text, got, err, want)
		}
		if text != "" && got.String() != text {
			t.Errorf("%q prints as %q", text, got)
		}
	}
	for _, text := range []string{"postgres", "mysql-", "mariadb-10.", "mariadb10", "MySQL-9", "mysql-9 "} {
		if got, err := Parse(text); err == nil {
			t.Errorf("Parse(%q) = %v", text, got)
		}
	}
}

func TestReleaseMatches(t *testing.T) {
	for _, test := range []struct {
		release string
		flavor  Flavor
		version string
		want    bool
	}{
		{"", MySQL, "9.7.0", true},
		{"mysql", MySQL, "8.0.41-0ubuntu0.24.04.1", true},
		{"mysql", MariaDB, "10.11.14-MariaDB", false},
		{"mysql-9", MySQL, "9.7.4-2", true},
		{"mysql-9", MySQL, "8.9.9", false},
		{"mariadb-10.1", MariaDB, "10.11.14-MariaDB", false},
		{"mariadb-10.11", MariaDB, "10.11.14-MariaDB", true},
		{"mariadb-10.11.14", MariaDB, "10.11.14-MariaDB", true},
		{"mariadb-10.5", MySQL, "10.5.1", false},
	} {
		release, err := Parse(test.release)
		if err != nil {
			t.Fatal(err)
		}
		if got := release.Matches(test.flavor, test.version); got != test.want {
			t.Errorf("%s matches %s %s: %v", release, test.flavor, test.version, got)
		}
	}
}

func TestParseProgramVersion(t *testing.T) {
	for output, want := range map[string]struct {
		flavor  Flavor
		version string
		series  string
		old     bool
	}{
		"/usr/sbin/mariadbd  Ver 10.5.29-MariaDB-0+deb11u1 for debian-linux-gnu on x86_64 (Debian 11)\n": {MariaDB, "10.5.29-MariaDB-0+deb11u1", "10.5", false},
		"mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))\n":                                           {MySQL, "9.7.4-2", "9.7", false},
		"mysqld  Ver 10.3.39-MariaDB for Linux on x86_64 (MariaDB Server)":                               {MariaDB, "10.3.39-MariaDB", "10.3", true},
		"/usr/sbin/mysqld  Ver 8.0.41 for macos15.2 on arm64 (Homebrew)":                                 {MySQL, "8.0.41", "8.0", false},
		"mysqld  Ver 5.6.51 for Linux on x86_64 (MySQL Community Server (GPL))":                          {MySQL, "5.6.51", "5.6", true},
	} {
		flavor, version, err := ParseProgramVersion(output)
		if err != nil || flavor != want.flavor || version != want.version || Series(version) != want.series || TooOld(flavor, version) != want.old {
			t.Errorf("%q: %v %q (series %s, too old: %v), %v", output, flavor, version, Series(version), TooOld(flavor, version), err)
		}
	}
	if _, _, err := ParseProgramVersion("command not found"); err == nil {
		t.Error("a version in what has none")
	}
}
