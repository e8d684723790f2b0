package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"tandem/internal/local/emulator"
	"tandem/internal/local/faultproxy"
	"tandem/internal/local/sandbox"
	"tandem/internal/redact"
)

// misbehaviour is what Secrets Manager, or the server, does at a message.
type misbehaviour struct {
	name string
	// lasting goes on to the end of the invocation.
	lasting bool
	// harmless is one that the rotation must get over without a further try.
	harmless bool
	do       func(p *target, what string) *action
	// only, where set, are the messages at which it can be. They are few, and
	// every size of fire tries them all.
	only []string
}

func answering(status int, code string) func(*target, string) *action {
	return func(*target, string) *action {
		return &action{answer: &emulator.Error{Status: status, Code: code, Message: "made for a test"}}
	}
}

func fated(fate faultproxy.Fate, after bool) func(*target, string) *action {
	return func(*target, string) *action { return &action{fate: fate, after: after} }
}

var secretsManagers = []misbehaviour{
	{"throttled", false, true, answering(http.StatusBadRequest, "ThrottlingException"), nil},
	{"throttled for good", true, false, answering(http.StatusBadRequest, "ThrottlingException"), nil},
	{"500", false, true, answering(http.StatusInternalServerError, "InternalServiceError"), nil},
	{"500 for good", true, false, answering(http.StatusInternalServerError, "InternalServiceError"), nil},
	{"slow", false, true, func(p *target, _ string) *action { return &action{do: func() { p.wait(700 * time.Millisecond) }} }, nil},
	{"reset", false, true, fated(faultproxy.Drop, false), nil},
	{"reset for good", true, false, fated(faultproxy.Drop, false), nil},
	{"silent", false, false, fated(faultproxy.Vanish, false), nil},
	{"silent for good", true, false, fated(faultproxy.Vanish, false), nil},
	{"access denied", false, false, answering(http.StatusBadRequest, "AccessDeniedException"), nil},
	{"a lost race", false, true, (*target).loseRace, []string{"PutSecretValue", "UpdateSecretVersionStage"}},
}

// wait lets time pass: it is what a slow answer is.
func (p *target) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.t.Context().Done():
	}
}

// loseRace has somebody else do, right before a call that changes something, what
// another invocation of the same step would do.
func (p *target) loseRace(what string) *action {
	ctx := context.WithoutCancel(p.t.Context())
	token := p.pendingToken()
	switch what {
	case "PutSecretValue":
		return &action{do: func() {
			current, err := p.Current(ctx, p.app)
			if err != nil {
				p.t.Error(err)
				return
			}
			pending, err := current.WithCredentials(p.way.next(current.Username()), redact.New(sandbox.NewPassword()))
			if err == nil {
				_, err = p.Secrets.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: aws.String(p.app),
					ClientRequestToken: aws.String(token), SecretString: aws.String(pending.Raw().Reveal()), VersionStages: []string{"AWSPENDING"}})
			}
			if err != nil {
				p.t.Error(err)
			}
		}}
	case "UpdateSecretVersionStage":
		return &action{do: func() {
			from := p.versionUnder("AWSCURRENT")
			if from == token {
				return // it is the repetition of a call that has been carried out
			}
			if _, err := p.Secrets.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{SecretId: aws.String(p.app),
				VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: aws.String(token), RemoveFromVersionId: aws.String(from)}); err != nil {
				p.t.Error(err)
			}
		}}
	}
	p.t.Errorf("there is no race to lose at %s", what)
	return nil
}

// calls are the messages to Secrets Manager, statements those to the server.
func calls(what string) bool      { return !statements(what) }
func statements(what string) bool { return strings.HasPrefix(what, "the server's ") }

// secretsManagerMisbehaves has every call answered badly.
func (f *fireServer) secretsManagerMisbehaves(t *testing.T) {
	f.misbehaves(t, "Secrets Manager misbehaves", alternating, secretsManagers, calls, "call", 4)
	lag := &tally{}
	for _, visible := range []int{1, 3, 6} {
		p := f.place(t, 6*time.Second, withSecretsManager(func(o *emulator.Options) { o.PendingLag = visible }))
		for i := range 2 {
			before := t.Failed()
			p.mustRotate()
			lag.note("lag", i, 0, !t.Failed() || before)
		}
	}
	f.say("AWSPENDING not visible", fmt.Sprintf("%d rotations, %d survived", lag.points, lag.survived), "it was not found 1, 3 and 6 times")
}

// misbehaves tries each misbehaviour at each message that is one of those. It
// succeeds, or fails with an error of the function's own, in time; and then the
// next try succeeds. A run that is not full tries so many times the points that its
// stride says.
func (f *fireServer) misbehaves(t *testing.T, scenario string, way way, kinds []misbehaviour, chosen func(what string) bool, messages string, dense int) {
	counts := &tally{}
	t.Run("misbehaviours", func(t *testing.T) {
		for i, kind := range kinds {
			t.Run(kind.name, func(t *testing.T) {
				t.Parallel()
				first, stride := 1, 1
				if f.size.spread {
					stride = max(1, f.size.stride/dense)
					first += i % stride
				}
				if kind.only != nil {
					first, stride = 1, 1
				}
				p := f.placeFor(t, way, 6*time.Second)
				way.furnish(p)
				for n := first; ; n += stride {
					reached, tries, ok := p.misbehave(scenario, n, kind, chosen)
					if !reached {
						return
					}
					counts.note(kind.name, n, tries, ok)
					if !ok {
						return
					}
				}
			})
		}
	})
	most := 0
	for _, kind := range kinds {
		counts.mustHaveTried(t, kind.name)
		if missed := len(kind.only) - counts.reached[kind.name]; missed > 0 {
			t.Errorf("%s: %d of %q were not tried", kind.name, missed, kind.only)
		}
		most = max(most, counts.reached[kind.name])
	}
	f.say(scenario, counts.String(), "%d kinds, at up to %d %ss; %d times it failed cleanly and the next try succeeded", len(kinds), most, messages, counts.tried)
}

func (p *target) misbehave(scenario string, n int, kind misbehaviour, chosen func(what string) bool) (reached bool, tries int, ok bool) {
	p.t.Helper()
	before, err := p.Current(p.t.Context(), p.app)
	if err != nil {
		p.t.Fatal(err)
	}
	stands := p.way.watch(p, before)
	sound := !p.t.Failed()
	seen, where, over := 0, "", false
	p.arm(func(_ int, what string) *action {
		if !chosen(what) || over || kind.only != nil && !slices.Contains(kind.only, what) {
			return nil
		}
		p.mutex.Lock()
		seen++
		strike := seen == n || seen > n && kind.lasting
		if strike {
			reached = true
			if where == "" {
				where = what
			}
		}
		p.mutex.Unlock()
		if strike {
			return kind.do(p, what)
		}
		return nil
	})
	report := func() string {
		return fmt.Sprintf("%s: %s, at %d (%s)", scenario, kind.name, n, where)
	}
	p.between = func(_ context.Context, step string, invoke func() error) error {
		err := invoke()
		if err == nil {
			return nil
		}
		tries++
		over = true
		p.arm(nil)
		p.said = append(p.said, err.Error())
		p.mustReport(report(), err)
		stands(report() + ", in " + step)
		if kind.harmless {
			p.t.Errorf("%s: %v", report(), err)
		}
		return err
	}
	err = p.rotate()
	p.between = nil
	p.arm(nil)
	if err != nil {
		p.t.Errorf("%s: %v", report(), err)
	}
	if tries > 2 {
		p.t.Errorf("%s: %d tries failed", report(), tries)
	}
	if document := p.current(report()); !p.moved(before, document) {
		p.t.Errorf("%s: AWSCURRENT is still %q's", report(), document.Username())
	}
	p.inOrder(report())
	p.gather()
	return reached, tries, sound && !p.t.Failed()
}

// versionUnder is the version that carries a label.
func (p *target) versionUnder(label string) string {
	p.t.Helper()
	out, err := p.Secrets.DescribeSecret(context.WithoutCancel(p.t.Context()), &secretsmanager.DescribeSecretInput{SecretId: aws.String(p.app)})
	if err != nil {
		p.t.Fatal(err)
	}
	for id, stages := range out.VersionIdsToStages {
		for _, stage := range stages {
			if stage == label {
				return id
			}
		}
	}
	return ""
}
