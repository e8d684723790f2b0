package account

import (
	"testing"
	"time"
)

func TestSupportEnded(t *testing.T) {
	now := time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		version string
		old     bool
		ended   string
	}{
		{"5.7.44", true, "2023-10-31"},
		{"8.0.mysql_aurora.3.05.2", true, "2026-04-30"},
		{"8.3.0", true, ""}, // an innovation release, and 8.4 is out
		{"8.4.6", false, ""},
		{"9.7.4-2", false, ""},
		{"10.5.29-MariaDB", true, "2025-06-24"},
		{"10.7.8-MariaDB", true, ""},
		{"10.11.14-MariaDB-log", false, ""},
		{"11.0.6-MariaDB", true, ""},
		{"11.8.6-MariaDB", false, ""},
		{"12.3.1-MariaDB", false, ""},
	} {
		server, err := ParseServer(test.version, "")
		if err != nil {
			t.Fatal(err)
		}
		ended, old := server.SupportEnded(now)
		day := ""
		if old && !ended.IsZero() {
			day = ended.Format(time.DateOnly)
		}
		if old != test.old || day != test.ended {
			t.Errorf("%s: %v, %q, want %v, %q", test.version, old, day, test.old, test.ended)
		}
	}
	before := Server{Flavor: MariaDB, Major: 10, Minor: 5}
	if _, old := before.SupportEnded(time.Date(2025, time.June, 1, 0, 0, 0, 0, time.UTC)); old {
		t.Error("10.5 is old while it has support")
	}
}
