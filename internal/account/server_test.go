package account

import (
	"errors"
	"testing"
)

func TestParseServer(t *testing.T) {
	for _, test := range []struct {
		version, comment, want string
	}{
		{"8.0.36", "MySQL Community Server - GPL", "MySQL 8.0.36"},
		{"5.7.44-log", "", "MySQL 5.7.44"},
		{"9.7.4-2", "(Debian)", "MySQL 9.7.4"},
		{"8.0.39-30", "Percona Server (GPL), Release 30", "MySQL 8.0.39"},
		{"8.0.mysql_aurora.3.05.2", "", "MySQL 8.0.0"},
		{"10.11.19-MariaDB-0+deb12u1", "Debian 12", "MariaDB 10.11.19"},
		{"10.5.29-MariaDB", "", "MariaDB 10.5.29"},
		{"5.5.5-10.6.21-MariaDB-log", "MariaDB Server", "MariaDB 10.6.21"},
		{"10.4.34", "mariadb.org binary distribution", "MariaDB 10.4.34"},
		{"11.8.6-MariaDB-0+deb13u1 from Debian", "-- Please help get to 10k stars", "MariaDB 11.8.6"},
		{"12.3", "MariaDB Server", "MariaDB 12.3.0"},

		{"5.6.51", "MySQL Community Server", ""},
		{"10.3.39-MariaDB", "", ""},
		{"8.0.11-TiDB-v8.1.0", "TiDB Server (Apache License 2.0)", ""},
		{"", "", ""},
		{"8", "", ""},
		{"x.y.z", "", ""},
		{"8.x.1", "", ""},
		{"99999.1.1", "", ""},
	} {
		got, err := ParseServer(test.version, test.comment)
		switch {
		case test.want == "":
			if !errors.Is(err, ErrUnsupported) {
				t.Errorf("ParseServer(%q, %q) = %v, %v, want ErrUnsupported", test.version, test.comment, got, err)
			}
		case err != nil || got.String() != test.want || got.Text != test.version:
			t.Errorf("ParseServer(%q, %q) = %v, %v, want %s", test.version, test.comment, got, err, test.want)
		}
	}
}

func TestAtLeast(t *testing.T) {
	server := Server{Major: 8, Minor: 4, Patch: 3}
	for _, test := range []struct {
		major, minor, patch int
		want                bool
	}{{8, 4, 3, true}, {8, 4, 4, false}, {8, 0, 36, true}, {8, 5, 0, false}, {9, 0, 0, false}, {5, 7, 44, true}} {
		if got := server.AtLeast(test.major, test.minor, test.patch); got != test.want {
			t.Errorf("AtLeast(%d, %d, %d) = %v", test.major, test.minor, test.patch, got)
		}
	}
}
