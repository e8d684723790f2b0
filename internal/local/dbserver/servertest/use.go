package servertest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"tandem/internal/local/dbserver"
)

// A use is a server that a test was given and ran on to its end.
type use struct{ test, server string }

// noteUse notes that a test has been given a server. It counts when the test has
// ended: one that was skipped after all has not run.
func (f *Fleet) noteUse(t *testing.T, on *dbserver.Server) {
	version, _, _ := strings.Cut(on.Version, "-")
	made := use{test: t.Name(), server: on.Flavor.String() + " " + version}
	t.Cleanup(func() {
		if t.Skipped() {
			return
		}
		f.mutex.Lock()
		defer f.mutex.Unlock()
		f.uses = append(f.uses, made)
	})
}

// counts says how many tests ran against each server, a line for each.
func counts(uses []use) []string {
	tests := map[string]map[string]bool{}
	for _, u := range uses {
		if tests[u.server] == nil {
			tests[u.server] = map[string]bool{}
		}
		tests[u.server][u.test] = true
	}
	var lines []string
	for _, on := range slices.Sorted(maps.Keys(tests)) {
		lines = append(lines, fmt.Sprintf("%d tests ran against %s", len(tests[on]), on))
	}
	return lines
}

// subtests are those that one call of Each or EachRelease makes.
type subtests struct {
	running sync.WaitGroup

	mutex    sync.Mutex
	started  []string
	filtered bool // -run or -skip has left one out
}

// expectUse has the test fail if it passes and no subtest of the call that follows
// has run on a server: nothing would tell it from one that has.
//
// It looks when the test has ended, since subtests may run in parallel, and only
// at what has been noted since the call, since -count runs a test of the same name
// again.
func (f *Fleet) expectUse(t *testing.T) *subtests {
	s := &subtests{}
	f.mutex.Lock()
	before := len(f.uses)
	f.mutex.Unlock()
	t.Cleanup(func() {
		f.mutex.Lock()
		defer f.mutex.Unlock()
		s.mutex.Lock()
		defer s.mutex.Unlock()
		if t.Skipped() || t.Failed() || s.filtered || slices.ContainsFunc(f.uses[before:], s.made) {
			return
		}
		reason := "it has no subtest, since no release and no server was asked for"
		if len(s.started) > 0 {
			reason = fmt.Sprintf("each of its subtests was skipped, or was given no server: %q", s.started)
		}
		t.Errorf("%s asked for servers and ran on none: %s", t.Name(), reason)
	})
	return s
}

// start starts a subtest beside those that run already. It does so without t.Parallel,
// which would have the subtest wait until the function that asked for it has returned,
// and which the subtest must not call, as package testing expects such calls one by one.
func (s *subtests) start(t *testing.T, name string, test func(t *testing.T)) {
	s.running.Go(func() {
		began := false
		t.Run(name, func(t *testing.T) {
			began = true
			s.mutex.Lock()
			s.started = append(s.started, t.Name())
			s.mutex.Unlock()
			test(t)
		})
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.filtered = s.filtered || !began
	})
}

// wait waits until the subtests have ended.
func (s *subtests) wait() { s.running.Wait() }

// made reports whether a use is of one of the subtests, or of one that they made.
func (s *subtests) made(u use) bool {
	return slices.ContainsFunc(s.started, func(name string) bool {
		return u.test == name || strings.HasPrefix(u.test, name+"/")
	})
}
