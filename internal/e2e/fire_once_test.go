package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"tandem/internal/local/sandbox"
	"tandem/internal/secret"
)

// atOnce runs at the same time what is meant to run in turn.
func (f *fireServer) atOnce(t *testing.T) {
	rounds := 5
	if f.size.spread {
		rounds = 1
	}
	f.stepsAtOnce(t, "at once", rounds, alternating)
	f.manySecrets(t)
	f.twoSecretsOfOnePair(t, max(4, rounds))
}

// stepsAtOnce invokes each step eight times at once, and all four steps twice at once.
func (f *fireServer) stepsAtOnce(t *testing.T, scenario string, rounds int, way way) {
	counts := &tally{}
	const times = 8
	p := f.placeFor(t, way, 30*time.Second)
	way.furnish(p)
	for range rounds {
		for i, turn := range way.turns {
			sound := !t.Failed()
			way.prepare(p, turn)
			p.between = func(_ context.Context, _ string, invoke func() error) error { return together(times, invoke) }
			p.mustRotate()
			p.between = nil
			counts.note("steps", i, 0, p.whole(turn+", each step eight times at once") && sound)
		}
		way.reset(p)
		for i, turn := range way.turns {
			sound, done := !t.Failed(), false
			way.prepare(p, turn)
			p.between = func(_ context.Context, _ string, invoke func() error) error {
				if !done {
					done = true
					if err := together(2, p.allSteps); err != nil {
						t.Errorf("%s, all four steps twice at once: %v", turn, err)
					}
				}
				return invoke()
			}
			p.mustRotate()
			p.between = nil
			counts.note("rotations", i, 0, p.whole(turn+", all four steps twice at once") && sound)
		}
		way.reset(p)
	}
	f.say(scenario, fmt.Sprintf("%d rotations, %d survived", counts.points, counts.survived), "each step %d times at once, or all four steps twice", times)
}

// together runs a function so many times at once, and returns an error of one of
// them.
func together(times int, run func() error) error {
	errs := make(chan error, times)
	for range times {
		go func() { errs <- run() }()
	}
	var first error
	for range times {
		if err := <-errs; err != nil {
			first = err
		}
	}
	return first
}

// allSteps invokes the four steps of the token under way.
func (p *target) allSteps() error {
	token := p.pendingToken()
	for _, step := range []string{"createSecret", "setSecret", "testSecret", "finishSecret"} {
		payload, err := json.Marshal(map[string]string{"Step": step, "SecretId": p.app, "ClientRequestToken": token})
		if err != nil {
			return err
		}
		if _, err := p.Function.Invoke(context.WithoutCancel(p.t.Context()), payload); err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
	}
	return nil
}

// manySecrets rotates many secrets of one server, each by a process of its own.
func (f *fireServer) manySecrets(t *testing.T) {
	p := f.place(t, 60*time.Second)
	type owner struct{ user, secret string }
	var owners []owner
	for range f.size.secrets {
		user, password := unique("many"), sandbox.NewPassword()
		f.mutex.Lock()
		f.owned[user], f.owned[secret.Clone(user)] = true, true
		f.mutex.Unlock()
		if err := p.CreateUser(t.Context(), user, "%", password); err != nil {
			t.Fatal(err)
		}
		p.execute("GRANT SELECT, INSERT, UPDATE ON " + p.database + ".* TO '" + user + "'@'%'")
		p.store(user, password, nil)
		owners = append(owners, owner{user, p.app})
	}
	began := time.Now()
	survived := 0
	var mutex sync.Mutex
	var running sync.WaitGroup
	for _, owner := range owners {
		running.Go(func() {
			outcome, err := p.Rotate(t.Context(), owner.secret)
			if err == nil {
				err = outcome.Err
			}
			document, currentErr := p.Current(t.Context(), owner.secret)
			switch {
			case err != nil:
				t.Errorf("rotating one of %d secrets: %v", len(owners), err)
			case currentErr != nil || document.Username() != secret.Clone(owner.user) || p.logsIn(document) != nil:
				t.Errorf("after its rotation, one of %d secrets: user %q, %v", len(owners), document.Username(), currentErr)
			default:
				mutex.Lock()
				survived++
				mutex.Unlock()
			}
		})
	}
	running.Wait()
	f.say("many secrets at once", fmt.Sprintf("%d secrets, %d survived", len(owners), survived), "a process each, in %s", time.Since(began).Round(100*time.Millisecond))
	for _, owner := range owners {
		p.execute("DROP USER '" + owner.user + "'@'%', '" + secret.Clone(owner.user) + "'@'%'")
	}
}

// twoSecretsOfOnePair rotates at once two secrets, of which one is for the
// original and one for the clone. That is one secret too many: each sets the
// password that the other has in use, and for as long as the two rotations take
// no promise can be kept to both. What is proven is that the pair's lock puts
// them in order: both end, at most one of them by an error, and the pair is whole.
func (f *fireServer) twoSecretsOfOnePair(t *testing.T, rounds int) {
	p := f.place(t, 20*time.Second)
	p.furnish()
	survived := 0
	for range rounds {
		p.prepare(alternatingTurns[0])
		p.mustRotate() // the clone is current
		current, err := p.Current(t.Context(), p.app)
		if err != nil {
			t.Fatal(err)
		}
		previous, err := p.staged("AWSPREVIOUS")
		if err != nil {
			t.Fatal(err)
		}
		first := p.app
		p.store(previous.Username(), previous.Password().Reveal(), nil)
		second := p.app
		errs := make(chan error, 2)
		for _, id := range []string{first, second} {
			go func() {
				_, err := p.Secrets.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{
					SecretId: aws.String(id), RotationLambdaARN: aws.String(sandbox.FunctionARN), ClientRequestToken: aws.String(sandbox.Token()),
				})
				if err == nil {
					_, err = p.Service.WaitRotation(t.Context(), id)
				}
				errs <- err
			}()
		}
		for range 2 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		working := 0
		for _, id := range []string{first, second} {
			if document, err := p.Current(t.Context(), id); err == nil && p.logsIn(document) == nil {
				working++
			}
		}
		if working == 0 {
			t.Errorf("neither secret works after both rotated at once, the first for %q", current.Username())
		}
		p.app = first
		p.equal("two secrets of one pair")
		if !t.Failed() {
			survived++
		}
		p.execute("DROP USER '"+p.clone()+"'@'%', '"+p.clone()+"'@'10.9.%'", "DROP USER '"+p.user+"'@'10.9.%'")
		if err := p.CreateUser(t.Context(), p.user, "%", firstPassword); err != nil {
			t.Fatal(err)
		}
		p.execute("GRANT SELECT, INSERT ON " + p.database + ".* TO '" + p.user + "'@'%'")
		p.addHost("10.9.%")
		p.store(p.user, firstPassword, nil)
	}
	f.say("one pair from two secrets", fmt.Sprintf("%d, %d survived", rounds, survived), "the original's and the clone's turn at once")
}
