package workflow

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/dbserver"
)

// enoughTests runs .ci/enough-tests on what a run has printed.
func enoughTests(t *testing.T, run, floors, printed string) (string, error) {
	t.Helper()
	output := filepath.Join(t.TempDir(), "output")
	if err := os.WriteFile(output, []byte(printed), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "../../../.ci/enough-tests", run, floors, output).CombinedOutput()
	return string(out), err
}

// The gate fails where fewer tests ran against a server than its floor wants.
func TestEnoughTests(t *testing.T) {
	floors := filepath.Join(t.TempDir(), "floors")
	const text = "# a reason\n5  make-test  MariaDB\n7  make-test  MySQL 9\n900  make-test-matrix  MySQL 9\n"
	if err := os.WriteFile(floors, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, run, printed string
		want               string // in what it prints, where it has to fail
	}{
		{"as many", "make-test", "ok pkg\n5 tests ran against MariaDB 11.8.9\n7 tests ran against MySQL 9.7.4\n", ""},
		{"of two releases together", "make-test", "3 tests ran against MariaDB 10.5.1\n2 tests ran against MariaDB 11.8.9\n10 tests ran against MySQL 9.7.4\n", ""},
		{"one too few", "make-test", "4 tests ran against MariaDB 11.8.9\n7 tests ran against MySQL 9.7.4\n", "4 tests ran against MariaDB, at least 5"},
		{"as text it would be more", "make-test", "5 tests ran against MariaDB 11.8.9\n10 tests ran against MySQL 9.7.4\n", ""},
		{"none on a server", "make-test", "5 tests ran against MariaDB 11.8.9\n", "0 tests ran against MySQL 9, at least 7"},
		{"none at all", "make-test", "0 tests ran against a server\n", "0 tests ran against MariaDB, at least 5"},
		{"nothing was printed", "make-test", "", "0 tests ran against MariaDB, at least 5"},
		{"another series", "make-test", "5 tests ran against MariaDB 11.8.9\n7 tests ran against MySQL 90.1\n", "MySQL 90.1: no floor"},
		{"a server without a floor", "make-test-matrix", "900 tests ran against MySQL 9.7.4\n1 tests ran against MariaDB 12.0.1\n", "MariaDB 12.0.1: no floor"},
		{"a run without a floor", "make-tests", "5 tests ran against MariaDB 11.8.9\n", "no floor at all"},
	} {
		out, err := enoughTests(t, test.run, floors, test.printed)
		if failed := err != nil; failed != (test.want != "") || !strings.Contains(out, test.want) {
			t.Errorf("%s: error %v, want %q:\n%s", test.name, err, test.want, out)
		}
	}
}

// What make prints at the end, and the floors of the repository, are what the gate
// compares: with one test fewer it fails.
func TestTheGateHoldsTheFloors(t *testing.T) {
	gate, err := os.ReadFile("../../../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	var held []string
	for _, test := range []struct {
		run, target, with string
		servers           []string
	}{
		{"make-test", "test", " TEST_FLAGS=-race", []string{"MariaDB 11.8", "MySQL 9"}},
		{"make-test-matrix", "test-matrix", ` MATRIX="mariadb-10.5 mariadb-10.11"`, []string{"MariaDB 10.5", "MariaDB 10.11"}},
	} {
		held = append(held, test.servers...)
		if !strings.Contains(string(gate), "\nmake "+test.target+test.with+" |") || !strings.Contains(string(gate), "\n.ci/enough-tests "+test.run+" .ci/floors ") {
			t.Errorf(".ci/run does not run make %s and hold it to its floor", test.target)
		}
		least := floorsOf(t, test.run)
		if len(least) != len(test.servers) {
			t.Errorf("%s: floors for %v, want for %q", test.run, least, test.servers)
		}
		for _, short := range append([]string{"nothing"}, test.servers...) {
			var reports []string
			for _, on := range test.servers {
				count, found := least[on]
				if !found {
					t.Fatalf("%s: no floor for %s", test.run, on)
				}
				if on == short {
					count--
				}
				reports = append(reports, report(on, count-3), report(on, 3)) // of two packages
			}
			printed, err := makeWith(t, test.target, reports, "0")
			if err != nil {
				t.Fatalf("make %s: %v\n%s", test.target, err, printed)
			}
			out, err := enoughTests(t, test.run, "../../../.ci/floors", printed)
			if (err != nil) != (short != "nothing") {
				t.Errorf("%s, %s is a test short: %v\n%s\n%s", test.run, short, err, printed, out)
			}
		}
		printed, err := makeWith(t, test.target, []string{"MISSING mysql-9: no network"}, "1")
		if err == nil || !strings.Contains(printed, "\nMISSING mysql-9: no network\n0 tests ran against a server\n") {
			t.Errorf("make %s, the tests having failed: error %v\n%s", test.target, err, printed)
		}
	}
	var matrix []string
	for _, one := range dbserver.Matrix() {
		matrix = append(matrix, one.Title())
	}
	slices.Sort(held)
	slices.Sort(matrix)
	if diff := cmp.Diff(matrix, slices.Compact(held)); diff != "" {
		t.Errorf("the releases that the gate runs the tests on (-the matrix +run):\n%s", diff)
	}
}

// floorsOf reads the floors of a run, by server.
func floorsOf(t *testing.T, run string) map[string]int {
	t.Helper()
	content, err := os.ReadFile("../../../.ci/floors")
	if err != nil {
		t.Fatal(err)
	}
	floors := map[string]int{}
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[1] != run {
			continue
		}
		least, err := strconv.Atoi(fields[0])
		if err != nil || least < 100 {
			t.Errorf("a floor of %q holds nothing (%v)", fields[0], err)
		}
		floors[strings.Join(fields[2:], " ")] = least
	}
	return floors
}

// report is a line of a package's report.
func report(on string, tests int) string {
	return strconv.Itoa(tests) + " tests ran against " + on + ".4"
}

// makeWith runs a target of the Makefile, with a go whose tests report these lines
// and exit with a status.
func makeWith(t *testing.T, target string, reports []string, status string) (string, error) {
	t.Helper()
	folder := t.TempDir()
	lines := filepath.Join(folder, "lines")
	script := "#!/bin/sh\n[ \"$1\" = test ] || exit 0\ncat '" + lines + "' >> \"$TEST_SERVERS_REPORT\"\nexit " + status + "\n"
	for path, content := range map[string]string{lines: strings.Join(reports, "\n") + "\n", filepath.Join(folder, "go"): script} {
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.CommandContext(t.Context(), "make", "--no-print-directory", target, "GO="+filepath.Join(folder, "go"), "TEST_FLAGS=")
	run.Dir = "../../.."
	run.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=")
	out, err := run.CombinedOutput()
	return string(out), err
}
