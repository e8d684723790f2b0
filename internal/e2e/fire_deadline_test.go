package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"tandem/internal/local/faultproxy"
)

// hang is something that never answers, in a step.
type hang struct {
	name, step string
	at         func(what string) bool
	words      string // of what the function was doing
}

func is(what string) func(string) bool {
	return func(seen string) bool { return strings.HasPrefix(seen, what) }
}

var hangs = []hang{
	{"Secrets Manager", "createSecret", is("DescribeSecret"), "DescribeSecret on"},
	{"Secrets Manager, storing", "createSecret", is("PutSecretValue"), "PutSecretValue on"},
	{"Secrets Manager, in setSecret", "setSecret", is("DescribeSecret"), "DescribeSecret on"},
	{"Secrets Manager, moving the label", "finishSecret", is("UpdateSecretVersionStage"), "UpdateSecretVersionStage on"},
	{"the server, on connecting", "setSecret", is("the server's connect"), "proving the AWSCURRENT credentials"},
	{"the server, after its greeting", "setSecret", is("the server's TLS"), "proving the AWSCURRENT credentials"},
	{"the server, at the login", "setSecret", is("the server's login"), "proving the AWSCURRENT credentials"},
	{"the server, taking the lock", "setSecret", is("the server's query SET NAMES"), "taking the lock"},
	{"the server, reading", "setSecret", is("the server's query SHOW"), "reading"},
	{"the server, setting the password", "setSecret", is("the server's query ALTER USER"), "setting the password"},
	{"the server, on connecting to test", "testSecret", is("the server's connect"), "testing the AWSPENDING credentials"},
	{"the server, on connecting to finish", "finishSecret", is("the server's connect"), "logging in with the AWSPENDING credentials"},
	{"the server, testing", "testSecret", is("the server's query SHOW GRANTS"), "reading"},
}

// deadline has everything hang under different timeouts of Lambda. The function
// reports before Lambda ends it: what it was doing, and what is safe to assume.
func (f *fireServer) deadline(t *testing.T) { f.deadlineIn(t, "deadline", alternating, hangs) }

// deadlineIn is that for one way.
func (f *fireServer) deadlineIn(t *testing.T, scenario string, way way, hangs []hang) {
	timeouts := []time.Duration{3 * time.Second, 4 * time.Second, 6 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second}
	if f.size.spread {
		timeouts = []time.Duration{3 * time.Second, 6 * time.Second}
	}
	counts := &tally{}
	least := time.Hour
	t.Run("hangs", func(t *testing.T) {
		for _, timeout := range timeouts {
			for _, hang := range hangs {
				t.Run(timeout.String()+", "+hang.name, func(t *testing.T) {
					t.Parallel()
					p := f.placeFor(t, way, timeout)
					spare, ok := p.hangs(hang, timeout)
					counts.note("hangs", 1, 1, ok)
					counts.mutex.Lock()
					least = min(least, spare)
					counts.mutex.Unlock()
				})
			}
		}
	})
	f.say(scenario, counts.String(), "%d hangs under timeouts from %s to %s; the report came at least %s before the end",
		len(hangs), timeouts[0], timeouts[len(timeouts)-1], least.Round(10*time.Millisecond))
}

func (p *target) hangs(hang hang, timeout time.Duration) (spare time.Duration, ok bool) {
	p.t.Helper()
	sound := !p.t.Failed()
	before := p.current(hang.name)
	stands := p.way.watch(p, before)
	when := fmt.Sprintf("%s hangs in %s, timeout %s", hang.name, hang.step, timeout)
	tries := 0
	p.between = func(_ context.Context, step string, invoke func() error) error {
		if step == hang.step && tries == 0 {
			// For good: trying again within the step must not help.
			hanging := false
			p.arm(func(_ int, what string) *action {
				p.mutex.Lock()
				defer p.mutex.Unlock()
				if hanging = hanging || hang.at(what); hanging {
					return &action{fate: faultproxy.Vanish}
				}
				return nil
			})
		}
		began := time.Now()
		err := invoke()
		took := time.Since(began)
		if err == nil {
			return nil
		}
		p.arm(nil)
		p.said = append(p.said, err.Error())
		if tries++; tries > 1 {
			if !strings.Contains(err.Error(), "another rotation") { // of the session that hangs
				p.t.Errorf("%s, the next try: %v", when, err)
			}
			return err
		}
		spare = timeout - took
		p.mustReport(when, err)
		stands(when)
		for _, word := range []string{step + " of secret", hang.words} {
			if !strings.Contains(err.Error(), word) {
				p.t.Errorf("%s: the error lacks %q: %v", when, word, err)
			}
		}
		if !strings.Contains(err.Error(), "current credentials are unchanged") && !strings.Contains(err.Error(), "within") && !strings.Contains(err.Error(), "in time") {
			p.t.Errorf("%s: the error does not say that it ran out of time: %v", when, err)
		}
		return err
	}
	err := p.rotate()
	p.between = nil
	p.arm(nil)
	if err != nil || tries == 0 {
		p.t.Errorf("%s: %d tries failed, and in the end: %v", when, tries, err)
	}
	p.whole(when)
	return spare, sound && !p.t.Failed()
}
