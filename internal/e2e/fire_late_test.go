package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"tandem/internal/local/lambdahost"
)

// late has an invocation stand still at every message, be overtaken by a whole
// rotation, and go on.
func (f *fireServer) late(t *testing.T) { f.lateIn(t, "late", alternating, 3) }

// lateIn is that for one way. A run that is not full tries so many times the points that its
// stride says.
func (f *fireServer) lateIn(t *testing.T, scenario string, way way, dense int) {
	counts := &tally{}
	t.Run("overtaken", func(t *testing.T) {
		for i, after := range []bool{false, true} {
			for j, same := range []bool{true, false} {
				by, stopped := "another token", "before the message"
				if same {
					by = "the same token"
				}
				if after {
					stopped = "after the server acted"
				}
				t.Run(stopped+", by "+by, func(t *testing.T) {
					t.Parallel()
					first, stride := 1, f.size.stride
					if f.size.spread {
						stride /= dense // by 3, four places try what a reduced run's twelve do
						first += 2*i + j
					}
					f.overtaken(t, way, after, same, first, stride, counts)
				})
			}
		}
	})
	counts.mustHaveTried(t, way.turns...)
	f.say(scenario, counts.String(), "before and after the server acted, overtaken by a rotation of the same and of another token; %d overtakers met the lock and went on when the session was gone; abandoned createSecrets that put AWSPENDING back: %d were taken up and finished, %d were given up by the function, and the next rotation began",
		counts.locked, counts.takenUp, counts.givenUp)
}

func (f *fireServer) overtaken(t *testing.T, way way, after, same bool, first, stride int, counts *tally) {
	p := f.placeFor(t, way, 8*time.Second)
	way.furnish(p)
	over := map[string]bool{}
	for n, round := first, first; len(over) < len(way.turns); n, round = n+stride, round+1 {
		for _, turn := range way.turns {
			way.prepare(p, turn)
			if over[turn] || way.skips(f.size, turn, round) {
				p.mustRotate()
				continue
			}
			reached, ok := p.overtake(turn, n, after, same, counts)
			if !reached {
				over[turn] = true
				continue
			}
			if !ok {
				return
			}
		}
		way.reset(p)
	}
}

// overtake rotates, and stops the invocation that sends message n.
func (p *target) overtake(turn string, n int, after, same bool, counts *tally) (reachedIt, ok bool) {
	p.t.Helper()
	before, err := p.Current(p.t.Context(), p.app)
	if err != nil {
		p.t.Fatal(err)
	}
	sound, stopped := !p.t.Failed(), false
	where, reached := "", false
	frozen, thawed := make(chan int, 1), make(chan struct{})
	p.arm(func(seen int, what string) *action {
		if seen != n {
			return nil
		}
		where, reached = what, true
		if strings.HasSuffix(what, "quit") {
			return nil // nobody waits for its answer: the invocation may be over
		}
		return &action{after: after, do: func() {
			p.mutex.Lock()
			pid := p.pid
			p.mutex.Unlock()
			if err := lambdahost.Freeze(pid); err != nil {
				return // it has ended: the message was its last
			}
			frozen <- pid
			<-thawed
		}}
	})
	defer p.arm(nil)
	report := func() string {
		return fmt.Sprintf("%s, message %d (%s), after the server acted %v, same token %v", turn, n, where, after, same)
	}
	p.between = func(ctx context.Context, step string, invoke func() error) error {
		done := make(chan error, 1)
		go func() { done <- invoke() }()
		var err error
		select {
		case err = <-done:
			if err != nil {
				p.said = append(p.said, err.Error())
				p.forceLock(err, counts)
			}
			return err
		case pid := <-frozen:
			stopped = true
			finished := p.moved(before, p.current(report()))
			switch {
			case same:
				p.wholeRotation(report(), counts)
			case finished:
				// It has moved the label and does not know yet: no other rotation begins
				// before it has returned.
			default:
				p.abandon()
				if outcome, err := p.Rotate(ctx, p.app); err != nil || outcome.Err != nil {
					p.t.Errorf("%s: the rotation that overtakes it: %v, %v", report(), err, outcome.Err)
				}
			}
			if overtaken := p.current(report()); !p.moved(before, overtaken) {
				p.t.Errorf("%s: it was overtaken, and AWSCURRENT is still %q's", report(), overtaken.Username())
			}
			_ = syscall.Kill(pid, syscall.SIGCONT)
			close(thawed)
			err = <-done
			if err != nil {
				p.said = append(p.said, err.Error())
			}
			p.current(report() + ", when it had gone on")
			p.inOrder(report() + ", when it had gone on")
			return err
		}
	}
	err = p.rotate()
	p.between = nil
	if same && err != nil || !stopped && err != nil {
		p.t.Errorf("%s: %v", report(), err)
	}
	if _, err := p.Service.WaitRotation(p.t.Context(), p.app); err != nil {
		p.t.Error(err)
	}
	if document := p.current(report()); !p.moved(before, document) {
		p.t.Errorf("%s: AWSCURRENT is still %q's", report(), document.Username())
	}
	p.inOrder(report())
	p.gather()
	if diff := p.theRest(); diff != "" {
		p.t.Errorf("%s: somebody else was touched:\n%s", report(), diff)
	}
	if !same && stopped {
		// An abandoned createSecret may have put AWSPENDING on its version, late.
		p.settle(counts, report())
	}
	ok = sound && !p.t.Failed()
	if stopped {
		counts.note(turn, n, 0, ok)
	}
	return reached, ok
}

// wholeRotation runs the four steps of the token under way, beside Secrets
// Manager's own.
func (p *target) wholeRotation(when string, counts *tally) {
	p.t.Helper()
	token := p.pendingToken()
	for _, step := range []string{"createSecret", "setSecret", "testSecret", "finishSecret"} {
		payload, err := json.Marshal(map[string]string{"Step": step, "SecretId": p.app, "ClientRequestToken": token})
		if err != nil {
			p.t.Fatal(err)
		}
		_, err = p.Function.Invoke(p.t.Context(), payload)
		if err != nil && p.forceLock(err, counts) {
			_, err = p.Function.Invoke(p.t.Context(), payload)
		}
		if err != nil {
			p.t.Errorf("%s: the %s that overtakes it: %v", when, step, err)
			return
		}
	}
}

// forceLock does what the server does in time: it ends the session that holds
// the pair's lock, where that is what an invocation has met.
func (p *target) forceLock(err error, counts *tally) bool {
	if !strings.Contains(err.Error(), "has been at work") {
		return false
	}
	counts.mutex.Lock()
	counts.locked++
	counts.mutex.Unlock()
	p.killSessions()
	return true
}

// killSessions ends all sessions of the place's users on the server.
func (p *target) killSessions() {
	ctx := context.WithoutCancel(p.t.Context())
	for _, row := range columnsOf(p.t, p.Root, "SELECT id FROM information_schema.processlist WHERE user IN (?, ?, ?)", p.user, p.clone(), p.adminUser) {
		for _, id := range row {
			_ = p.Execute(ctx, "KILL "+id) // it may have gone by itself
		}
	}
}

// pendingToken is the version under AWSPENDING, or where the label is off
// already, under AWSCURRENT.
func (p *target) pendingToken() string {
	p.t.Helper()
	out, err := p.Secrets.DescribeSecret(p.t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(p.app)})
	if err != nil {
		p.t.Fatal(err)
	}
	current := ""
	for id, stages := range out.VersionIdsToStages {
		for _, stage := range stages {
			switch stage {
			case "AWSPENDING":
				return id
			case "AWSCURRENT":
				current = id
			}
		}
	}
	return current
}

// settle brings a rotation to its end that was abandoned and has put AWSPENDING
// back, late: a createSecret that stood still before it stored its document. The
// service takes the rotation up again. If that document is for the user whose turn
// is next, it succeeds; if it is for the current user, which was overtaken, the
// function gives it up, and the next rotation begins without anybody's help.
func (p *target) settle(counts *tally, report string) {
	p.t.Helper()
	pending, err := p.staged("AWSPENDING")
	current := p.current(report)
	if err != nil {
		return
	}
	_, err = p.Rotate(p.t.Context(), p.app)
	if err == nil || !strings.Contains(err.Error(), "reattempted") {
		p.t.Errorf("%s: rotating while AWSPENDING is on an abandoned version: %v", report, err)
	}
	outcome, err := p.Service.WaitRotation(p.t.Context(), p.app)
	if err != nil {
		p.t.Fatal(err)
	}
	counts.mutex.Lock()
	defer counts.mutex.Unlock()
	if pending.Username() == p.way.next(current.Username()) {
		counts.takenUp++
		if outcome.Err != nil {
			p.t.Errorf("%s: taking the rotation up again: %v", report, outcome.Err)
		}
		p.mustRotate() // back to where it was
		return
	}
	counts.givenUp++
	if outcome.Err == nil || !strings.Contains(p.log(), "AWSPENDING was taken off version "+outcome.VersionID) {
		p.t.Errorf("%s: the function does not say that it gave the rotation up: %v", report, outcome.Err)
	}
	p.mustRotate()
	p.mustRotate() // back to where it was
	p.inOrder(report)
}
