package servertest

import (
	"testing"

	"tandem/internal/local/dbserver"
)

// A Part is those servers of a fleet that a test is for.
type Part struct {
	fleet  *Fleet
	flavor dbserver.Flavor // empty for all
	reason string
}

// Only is the fleet's servers of one flavor, for tests of what the other has not; the
// reason says so. An empty flavor is every one. A test is skipped where a run was asked for the other flavor alone.
// Where it was asked for this one, a test that ran on none of them fails.
func (f *Fleet) Only(flavor dbserver.Flavor, reason string) Part {
	return Part{fleet: f, flavor: flavor, reason: reason}
}

// Each is Fleet.Each.
func (p Part) Each(t *testing.T, test func(t *testing.T, server *dbserver.Server)) {
	t.Helper()
	targets, subtests := p.mustBegin(t)
	defer subtests.wait()
	for _, target := range targets {
		subtests.start(t, target.name, func(t *testing.T) {
			on := p.fleet.mustGet(t, target)
			p.fleet.noteUse(t, on)
			test(t, on)
		})
	}
}

// EachRelease is Fleet.EachRelease.
func (p Part) EachRelease(t *testing.T, test func(t *testing.T, release string)) {
	t.Helper()
	targets, subtests := p.mustBegin(t)
	defer subtests.wait()
	for _, target := range targets {
		if release := target.release.String(); !target.address {
			subtests.start(t, release, func(t *testing.T) { test(t, release) })
		}
	}
}

// mustBegin returns what a test's subtests are for, and what has to run them.
func (p Part) mustBegin(t *testing.T) ([]*target, *subtests) {
	t.Helper()
	p.fleet.mustBegin(t)
	return p.mustTargets(t), p.fleet.expectUse(t)
}

// mustTargets returns the targets of the part, and skips the test if the run has others
// alone.
func (p Part) mustTargets(t *testing.T) []*target {
	t.Helper()
	if p.flavor == "" {
		return p.fleet.targets
	}
	var targets []*target
	others := false
	for _, one := range p.fleet.targets {
		if flavor := one.flavor(); flavor == p.flavor || flavor == "" {
			targets = append(targets, one)
		} else {
			others = true
		}
	}
	if len(targets) == 0 && others {
		t.Skipf("SKIPPED: %s, and this run was asked for no %s", p.reason, p.flavor)
	}
	return targets
}
