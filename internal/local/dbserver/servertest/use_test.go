package servertest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/dbserver"
)

// A release is run also when the package's shared server of it has started before,
// as in every run of all tests.
func TestEachReleaseAfterEach(t *testing.T) {
	var mutex sync.Mutex
	var shared, releases []string
	note := func(in *[]string, name string) {
		mutex.Lock()
		defer mutex.Unlock()
		*in = append(*in, name)
	}
	fleet.Each(t, func(t *testing.T, s *dbserver.Server) {
		note(&shared, t.Name()[strings.LastIndex(t.Name(), "/")+1:])
	})
	fleet.EachRelease(t, func(t *testing.T, release string) {
		note(&releases, release)
		fleet.MustStart(t, release)
	})
	slices.Sort(shared)
	slices.Sort(releases)
	if len(shared) == 0 {
		t.Error("Each ran on no server")
	}
	if diff := cmp.Diff(shared, releases); diff != "" {
		t.Errorf("EachRelease runs other releases than Each (-Each +EachRelease):\n%s", diff)
	}
}

// fixtureVariable has a run of this package's tests run a fixture.
const fixtureVariable = "SERVERTEST_FIXTURE"

// fixtures are tests of a fleet whose two servers are made up. Those with a reason
// have to fail, and to say it.
var fixtures = map[string]struct {
	run    func(t *testing.T, f *Fleet)
	reason string
}{
	"every server":  {run: func(t *testing.T, f *Fleet) { f.Each(t, func(*testing.T, *dbserver.Server) {}) }},
	"every release": {run: func(t *testing.T, f *Fleet) { f.EachRelease(t, start(f)) }},
	"every release, in parallel": {run: func(t *testing.T, f *Fleet) {
		f.EachRelease(t, func(t *testing.T, release string) {
			t.Run("case", func(t *testing.T) { t.Parallel(); start(f)(t, release) })
		})
	}},
	"a server for a subtest of a release": {run: func(t *testing.T, f *Fleet) {
		f.EachRelease(t, func(t *testing.T, release string) { t.Run("case", func(t *testing.T) { start(f)(t, release) }) })
	}},
	"one of two": {run: func(t *testing.T, f *Fleet) {
		f.Each(t, func(t *testing.T, on *dbserver.Server) { skipUnless(t, on.Flavor == dbserver.MySQL) })
	}},
	"one flavor of two": {run: func(t *testing.T, f *Fleet) {
		f.Only(dbserver.MySQL, "MariaDB has none").Each(t, func(t *testing.T, on *dbserver.Server) {
			if on.Flavor != dbserver.MySQL {
				t.Error(on)
			}
		})
		f.Only(dbserver.MariaDB, "MySQL has none").EachRelease(t, func(t *testing.T, release string) {
			if release != "mariadb" {
				t.Error(release)
			}
			start(f)(t, release)
		})
	}},
	"a flavor that was not asked for": {run: func(t *testing.T, f *Fleet) {
		f.targets = f.targets[:1]
		f.Only(dbserver.MySQL, "MariaDB has none").Each(t, func(*testing.T, *dbserver.Server) {})
	}},
	"a release of a flavor that was not asked for": {run: func(t *testing.T, f *Fleet) {
		f.targets = f.targets[:1]
		f.Only(dbserver.MySQL, "MariaDB has none").EachRelease(t, func(*testing.T, string) {})
	}},
	"skipped as a whole": {run: func(t *testing.T, f *Fleet) {
		f.Each(t, func(t *testing.T, _ *dbserver.Server) { skipUnless(t, false) })
		skipUnless(t, false)
	}},
	"left out by -run": {run: func(t *testing.T, f *Fleet) { f.Each(t, func(*testing.T, *dbserver.Server) {}) }},

	"no server": {run: func(t *testing.T, f *Fleet) {
		f.targets = nil
		f.Each(t, func(*testing.T, *dbserver.Server) {})
	}, reason: "ran on none: it has no subtest"},
	"no server, of one flavor": {run: func(t *testing.T, f *Fleet) {
		f.targets = nil
		f.Only(dbserver.MySQL, "MariaDB has none").Each(t, func(*testing.T, *dbserver.Server) {})
	}, reason: "ran on none: it has no subtest"},
	"all of the flavor skipped": {run: func(t *testing.T, f *Fleet) {
		f.Only(dbserver.MySQL, "MariaDB has none").Each(t, func(t *testing.T, _ *dbserver.Server) { skipUnless(t, false) })
	}, reason: "ran on none: each of its subtests was skipped"},
	"a server of the flavor that does not answer": {run: func(t *testing.T, f *Fleet) {
		f.targets[1] = &target{name: "address", address: true, get: func(context.Context) (*dbserver.Server, error) { return nil, errors.New("no answer") }}
		f.Only(dbserver.MySQL, "MariaDB has none").Each(t, func(*testing.T, *dbserver.Server) {})
	}, reason: "no answer"},
	"no release": {run: func(t *testing.T, f *Fleet) {
		for _, target := range f.targets {
			target.address = true
		}
		f.EachRelease(t, start(f))
	}, reason: "ran on none: it has no subtest"},
	"no server to be had": {run: func(t *testing.T, f *Fleet) {
		for _, target := range f.targets {
			target.get = func(context.Context) (*dbserver.Server, error) { return nil, &dbserver.UnavailableError{} }
		}
		f.Each(t, func(*testing.T, *dbserver.Server) {})
	}, reason: "ran on none: each of its subtests was skipped"},
	"all skipped": {run: func(t *testing.T, f *Fleet) {
		f.Each(t, func(t *testing.T, _ *dbserver.Server) { skipUnless(t, false) })
	}, reason: "ran on none: each of its subtests was skipped"},
	"all skipped, in parallel": {run: func(t *testing.T, f *Fleet) {
		f.Each(t, func(t *testing.T, _ *dbserver.Server) {
			t.Run("case", func(t *testing.T) { t.Parallel(); skipUnless(t, false) })
			skipUnless(t, false)
		})
	}, reason: "ran on none: each of its subtests was skipped"},
	"a release that was not asked for": {run: func(t *testing.T, f *Fleet) {
		f.MustStart(t, "mysql-8.4")
	}, reason: "this run is not to start mysql-8.4"},
	"releases of which no server is started": {run: func(t *testing.T, f *Fleet) {
		f.EachRelease(t, func(*testing.T, string) {})
	}, reason: "ran on none: each of its subtests was skipped, or was given no server"},
	"in a subtest": {run: func(t *testing.T, f *Fleet) {
		f.Each(t, func(*testing.T, *dbserver.Server) {})
		t.Run("case", func(t *testing.T) { f.EachRelease(t, func(*testing.T, string) {}) })
	}, reason: "TestFixture/in_a_subtest/case asked for servers and ran on none"},
	"the second time": {run: func(t *testing.T, f *Fleet) {
		f.Each(t, func(*testing.T, *dbserver.Server) {})
		f.Each(t, func(t *testing.T, _ *dbserver.Server) { skipUnless(t, false) })
	}, reason: "ran on none"},
}

// start is MustStart, of a server that is made up.
func start(f *Fleet) func(t *testing.T, release string) {
	return func(t *testing.T, release string) { f.noteUse(t, &dbserver.Server{Version: release}) }
}

func skipUnless(t *testing.T, condition bool) {
	if !condition {
		t.Skip("not on this server")
	}
}

// TestFixture is run by TestRanOnNone, in a process of its own.
func TestFixture(t *testing.T) {
	name := os.Getenv(fixtureVariable)
	if name == "" {
		t.Skip("run by TestRanOnNone")
	}
	f := &Fleet{ctx: t.Context()}
	for _, release := range []dbserver.Release{{Flavor: dbserver.MariaDB}, {Flavor: dbserver.MySQL, Series: "9"}} {
		f.targets = append(f.targets, &target{name: release.String(), release: release, get: func(context.Context) (*dbserver.Server, error) {
			return &dbserver.Server{Flavor: release.Flavor, Version: release.Series}, nil
		}})
	}
	// As a subtest, so that the fixture's own end is before this test's.
	t.Run(name, func(t *testing.T) { fixtures[name].run(t, f) })
}

// A test that asks for servers and ran on none fails, however that came about.
func TestRanOnNone(t *testing.T) {
	for name, fixture := range fixtures {
		t.Run(name, func(t *testing.T) {
			pattern := "^TestFixture$"
			if name == "left out by -run" {
				pattern += "/./^elsewhere$"
			}
			run := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run", pattern)
			// A server that is missing is an error in itself where CI is set.
			run.Env = append(os.Environ(), fixtureVariable+"="+name, "CI=", "TEST_SERVERS=", "TEST_SERVERS_REPORT=")
			out, err := run.CombinedOutput()
			if !strings.Contains(string(out), "=== RUN   TestFixture/") {
				t.Fatalf("the fixture was not run: %v\n%s", err, out)
			}
			switch {
			case fixture.reason == "" && err != nil:
				t.Errorf("it fails: %v\n%s", err, out)
			case fixture.reason != "" && (err == nil || !strings.Contains(string(out), fixture.reason)):
				t.Errorf("error %v, want a failure that says %q:\n%s", err, fixture.reason, out)
			}
		})
	}
}

// The result of tests against other servers, or of ones that were reported elsewhere, is
// not shown again in the place of a run.
func TestResultIsNotCached(t *testing.T) {
	log := filepath.Join(t.TempDir(), "testlog")
	run := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestFixture$", "-test.testlogfile", log)
	run.Env = append(os.Environ(), fixtureVariable+"=in a subtest")
	out, err := run.CombinedOutput() // fails, as that fixture has to
	content, readErr := os.ReadFile(log)
	if readErr != nil {
		t.Fatalf("%v (%v)\n%s", readErr, err, out)
	}
	for _, name := range []string{"TEST_MATRIX", "TEST_SERVERS", "TEST_SERVERS_REPORT", "CI"} {
		if !strings.Contains(string(content), "getenv "+name+"\n") {
			t.Errorf("Go is not told that the result depends on %s:\n%s", name, content)
		}
	}
}

// The report says how many tests ran against each server: each test once, and none
// that was skipped.
func TestReportCounts(t *testing.T) {
	f := &Fleet{}
	mariaDB, mySQL := &dbserver.Server{Flavor: dbserver.MariaDB, Version: "11.8.6-MariaDB-0+deb13u1 from Debian"}, &dbserver.Server{Flavor: dbserver.MySQL, Version: "9.7.0"}
	for _, name := range []string{"a", "b"} {
		t.Run(name, func(t *testing.T) {
			f.noteUse(t, mariaDB)
			f.noteUse(t, mariaDB)
			f.noteUse(t, mySQL)
		})
	}
	t.Run("skipped", func(t *testing.T) {
		f.noteUse(t, mySQL)
		t.Skip("to see that it is not counted")
	})
	t.Run("c", func(t *testing.T) { f.noteUse(t, mariaDB) })
	path := filepath.Join(t.TempDir(), "report")
	t.Setenv("TEST_SERVERS_REPORT", path)
	f.close()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("3 tests ran against MariaDB 11.8.6\n2 tests ran against MySQL 9.7.0\n", string(content)); diff != "" {
		t.Errorf("the report (-want +got):\n%s", diff)
	}
}
