// Package conformance states, once each, the rules of Secrets Manager that a
// rotation function relies on, as tests through the unmodified SDK over HTTP.
//
// It is apart from the emulator, and knows only a client, so that the same rules
// can be held against every door behind which the emulator, or the service, is.
package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// Target is what the rules are held against.
type Target struct {
	Client *secretsmanager.Client
	// Function is a rotation function that the target invokes under FunctionARN. The
	// rules of rotations are skipped without it.
	Function    *Function
	FunctionARN string
	// WaitRotation waits until the latest rotation of a secret has ended.
	WaitRotation func(ctx context.Context, secretID string) error
}

// Run runs each rule as a subtest that bears its text.
func Run(t *testing.T, target Target) {
	for _, group := range [][]rule{readingRules, writingRules, labelRules, identifierRules, listRules, deletionRules, passwordRules} {
		for _, r := range group {
			t.Run(r.text, func(t *testing.T) { r.check(newKit(t, target)) })
		}
	}
	for _, r := range rotationRules {
		t.Run(r.text, func(t *testing.T) {
			if target.Function == nil {
				t.Skip("SKIPPED: the target has no rotation function that this test can script")
			}
			r.check(newKit(t, target))
		})
	}
}

type rule struct {
	text  string
	check func(*kit)
}

// Event is what a rotation function receives.
type Event struct {
	Step               string
	SecretId           string
	ClientRequestToken string
	RotationToken      string
}

// Function is a scripted rotation function: it implements the emulator's Invoker.
type Function struct {
	mu     sync.Mutex
	script func(context.Context, Event) error
	events []Event
}

// Invoke implements the emulator's Invoker.
func (f *Function) Invoke(ctx context.Context, _ string, payload []byte) error {
	var event Event
	if err := json.Unmarshal(payload, &event); err != nil {
		return err
	}
	f.mu.Lock()
	f.events = append(f.events, event)
	script := f.script
	f.mu.Unlock()
	if script == nil {
		return errors.New("no script")
	}
	return script(ctx, event)
}

// play sets what the function does, and forgets what it has seen.
func (f *Function) play(script func(context.Context, Event) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.script, f.events = script, nil
}

func (f *Function) seen() []Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.events)
}

func (f *Function) steps() []string {
	var steps []string
	for _, e := range f.seen() {
		steps = append(steps, e.Step)
	}
	return steps
}
