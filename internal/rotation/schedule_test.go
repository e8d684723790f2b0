package rotation_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"tandem/internal/rotation"
)

// A schedule is told in lines, one for each choice:
//
//	scenario: the one that begins here
//	1 A createSecret: describe
//	2 B setSecret: lock (session 1): the answer is lost
//	1 A createSecret: put version A: dies
//	the service gives AWSPENDING to the next token
//	everybody else dies, and the four steps are run alone, of B
func scheduled(actor int, token string, step rotation.Step, effect, kind string) string {
	line := fmt.Sprintf("%d %s %s: %s", actor+1, token, step, effect)
	if kind != happens {
		line += ": " + kind
	}
	return line
}

// replay executes a schedule: every invocation on a goroutine of its own from
// beginning to end, one effect at a time as the lines say. It returns the
// universe in which it ends, or the first broken promise; misfit is where the code
// does something else than the schedule.
func replay(text string, wrap wrapping) (end *modelState, broken, misfit error) {
	lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(text), "\n"), func(line string) bool { return strings.HasPrefix(line, "#") })
	name, ok := strings.CutPrefix(lines[0], "scenario: ")
	if !ok {
		return nil, nil, fmt.Errorf("the first line is %q and not a scenario", lines[0])
	}
	s, err := scenarioOf(name)
	if err != nil {
		return nil, nil, err
	}

	type running struct {
		*invocation
		token string
		step  int
		next  request
		trail *history // for what it has logged in as
	}
	x := newExploration(s, 0, wrap)
	defer x.close()
	actors := make([]*running, len(s.actors))
	tries := make([]int, len(s.actors))
	u := s.start()
	defer func() {
		for _, a := range actors {
			if a != nil {
				a.kill()
			}
		}
	}()
	var advance func(i int)
	// try begins the four steps of an actor's token, where it has a try left.
	try := func(i int) {
		actors[i] = nil
		if tries[i] < s.tries {
			tries[i]++
			token := s.actors[i]
			actors[i] = &running{invocation: invoke(s, token, stepOrder[0], wrap), token: token, trail: &history{token: token}}
			advance(i)
		}
	}
	// advance waits for what comes next of an actor, in its next step if need be.
	advance = func(i int) {
		for {
			a := actors[i]
			r, ended, err := a.invocation.next()
			if !ended {
				a.next = r
				return
			}
			u.endActor(i, false)
			if broken = x.atEnd(u, &history{parent: a.trail.parent, asked: a.trail.asked, last: a.trail.last, err: err}); broken != nil {
				return
			}
			switch {
			case err != nil:
				try(i)
				return
			case a.step+1 == len(stepOrder):
				u.reported = true
				actors[i] = nil
				return
			}
			actors[i] = &running{invocation: invoke(s, a.token, stepOrder[a.step+1], wrap), token: a.token, step: a.step + 1, trail: &history{token: a.token}}
		}
	}
	begin := func() {
		u.pending = s.tokens()[u.begun]
		u.begun++
		for i, token := range s.actors {
			if token == u.pending {
				try(i)
			}
		}
	}
	begin()
	for number, line := range lines[1:] {
		if token, ok := strings.CutPrefix(line, again); ok {
			u.quiet()
			u.pending = token
			end, _, broken := x.alone(u, token)
			return end, broken, nil
		}
		switch line {
		case serviceNext:
			begin()
		case serviceTakes:
			u.pending = ""
		case ownerEdits, ownerReplaces, lands, somebodyByHand:
			u = u.clone()
			u.happen(line)
		case serverFrees:
			u.locks = slices.DeleteFunc(u.locks, func(l worldLock) bool { return l.orphan })
		default:
			i := int(line[0] - '1')
			if i < 0 || i >= len(actors) || actors[i] == nil {
				return nil, nil, fmt.Errorf("effect %d: %q: no such actor is at work", number+1, line)
			}
			a := actors[i]
			rest, fits := strings.CutPrefix(line, scheduled(i, a.token, stepOrder[a.step], a.next.text, happens))
			kind, described := strings.CutPrefix(rest, ": ")
			if !fits || rest != "" && !described {
				return nil, nil, fmt.Errorf("effect %d: %q, and the actor is about to: %s", number+1, line, scheduled(i, a.token, stepOrder[a.step], a.next.text, happens))
			}
			before := u
			var got answer
			u, got = perform(u, i, a.next, kind)
			switch kind {
			case dies, diesKept:
				a.kill()
				try(i)
			case killed:
			default:
				if got.err == nil || kind == lost || kind == lostKept {
					if err := x.inChange(before, a.trail, a.next); err != nil {
						return u, err, nil
					}
				}
				a.trail = &history{token: a.token, parent: a.trail, asked: a.next, last: got}
				a.answers <- got
				advance(i)
			}
		}
		if broken != nil {
			return u, broken, nil
		}
		if err := x.inState(u); err != nil {
			return u, err, nil
		}
	}
	return u, nil, nil
}

// The schedules of testdata, each told with its meaning and with what it leads to.
// SCHEDULE=file has one followed that an exploration has printed.
func TestSchedules(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.schedule"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	if file := os.Getenv("SCHEDULE"); file != "" {
		files = []string{file}
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var broken, misfit error
			synctest.Test(t, func(*testing.T) { _, broken, misfit = replay(string(text), nil) })
			if misfit != nil {
				t.Fatal(misfit)
			}
			want := ""
			for line := range strings.Lines(string(text)) {
				if leads, ok := strings.CutPrefix(line, "# Broken: "); ok {
					want = strings.TrimSpace(leads)
				}
			}
			if got := fmt.Sprint(broken); got != want && !(broken == nil && want == "") {
				t.Errorf("broken: %s, want %q", got, want)
			}
		})
	}
}
