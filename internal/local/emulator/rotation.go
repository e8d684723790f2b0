package emulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"tandem/internal/redact"
)

// Invoker invokes a rotation function and waits for its end. An error is what the
// service sees of a failed invocation; ctx ends with the Service.
type Invoker interface {
	Invoke(ctx context.Context, functionARN string, payload []byte) error
}

// InvokerFunc makes an Invoker of a function.
type InvokerFunc func(ctx context.Context, functionARN string, payload []byte) error

// Invoke implements Invoker.
func (f InvokerFunc) Invoke(ctx context.Context, functionARN string, payload []byte) error {
	return f(ctx, functionARN, payload)
}

// The steps, in their order.
const (
	StepCreate = "createSecret"
	StepSet    = "setSecret"
	StepTest   = "testSecret"
	StepFinish = "finishSecret"
)

// Status is how a rotation ended.
type Status string

// The statuses.
const (
	Succeeded   Status = "succeeded"
	Failed      Status = "failed"      // after the last attempt; AWSPENDING stays where it is
	Abandoned   Status = "abandoned"   // somebody put another value in place, or started another rotation
	Cancelled   Status = "cancelled"   // by CancelRotateSecret or DeleteSecret
	Interrupted Status = "interrupted" // by Close
)

// Outcome is the end of a rotation.
type Outcome struct {
	SecretARN string
	VersionID string
	Test      bool // testSecret alone, for RotateImmediately=false
	Status    Status
	Attempts  int      // begun
	Steps     []string // invoked, over all attempts
	Err       error    // of the last step that failed; nil if the last attempt succeeded
}

// ErrNeverRotated is the error returned by WaitRotation for a secret that no
// rotation was started for.
var ErrNeverRotated = errors.New("no rotation was started for this secret; call RotateSecret first")

var errNotCurrent = errors.New("finishSecret succeeded, but AWSCURRENT is not on the version that was rotated; the function has to move it")

// event is what a rotation function receives.
type rotationEvent struct {
	Step               string
	SecretId           string
	ClientRequestToken string
	RotationToken      string `json:",omitempty"`
}

// rotation is one run of the steps for one token, with its repetitions.
type rotation struct {
	service       *Service
	secret        *secret
	token         string
	rotationToken redact.Secret
	functionARN   string
	test          bool

	// The Service's mutex guards these until ended is closed.
	reason  Status // why it is to stop; "" if it is not
	outcome Outcome

	stopped chan struct{} // closed when reason is set
	ended   chan struct{} // closed when outcome is final
}

func (r *rotation) isOf(token string) bool { return r != nil && r.token == token }

// underway reports whether the rotation goes on: it has not ended, and nobody has
// stopped it.
func (r *rotation) underway() bool {
	if r == nil || r.reason != "" {
		return false
	}
	select {
	case <-r.ended:
		return false
	default:
		return true
	}
}

// stop ends the rotation before its next step.
func (r *rotation) stop(reason Status) {
	if r.underway() {
		r.reason = reason
		close(r.stopped)
	}
}

// WaitRotation waits until the latest rotation of a secret (a name, an ARN or a
// partial ARN) has ended, and returns its outcome; at once if it has ended
// already. The labels are tidied and the events emitted by then. The error is
// ErrNeverRotated, or says that there is no such secret, or is the context's.
func (s *Service) WaitRotation(ctx context.Context, secretID string) (Outcome, error) {
	s.mu.Lock()
	sec := s.find(secretID)
	var r *rotation
	if sec != nil {
		r = sec.rotation
	}
	s.mu.Unlock()
	switch {
	case sec == nil:
		return Outcome{}, fmt.Errorf("waiting for the rotation of %q: %w", secretID, secretNotFound())
	case r == nil:
		return Outcome{}, fmt.Errorf("waiting for the rotation of %q: %w", secretID, ErrNeverRotated)
	}
	select {
	case <-r.ended:
		return r.outcome, nil
	case <-ctx.Done():
		return Outcome{}, fmt.Errorf("waiting for the rotation of %q: %w", secretID, ctx.Err())
	}
}

func (r *rotation) run() {
	s := r.service
	defer s.running.Done()
	names := [3]string{RotationStarted, RotationSucceeded, RotationFailed}
	steps := []string{StepCreate, StepSet, StepTest, StepFinish}
	attempts := s.options.Attempts
	if r.test {
		names = [3]string{TestRotationStarted, TestRotationSucceeded, TestRotationFailed}
		steps, attempts = []string{StepTest}, 1
	}
	s.emit(s.event(names[0], r.secret, r.token))

	out := Outcome{SecretARN: r.secret.arn, VersionID: r.token, Test: r.test}
	for out.Status == "" {
		out.Attempts++
		out.Err = r.attempt(steps, &out)
		switch reason := r.endReason(); {
		case out.Err == nil:
			out.Status = Succeeded
		case reason != "":
			out.Status = reason
		case out.Attempts == attempts:
			out.Status = Failed
		default:
			out.Status = r.pause()
		}
	}

	s.mu.Lock()
	if r.test {
		r.secret.endTest(r.token)
	}
	if !r.test && r.secret.rotation == r { // else another rotation has taken its place
		s.account(r.secret, out.Status)
	}
	s.mu.Unlock()
	switch out.Status {
	case Succeeded:
		s.emit(s.event(names[1], r.secret, r.token))
	case Failed:
		s.emit(s.event(names[2], r.secret, r.token))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.outcome = out
	close(r.ended)
	s.replan() // what has become due meanwhile was waiting for this
}

// errStopped ends an attempt whose rotation was stopped between two steps.
var errStopped = errors.New("the rotation was stopped")

func (r *rotation) attempt(steps []string, out *Outcome) error {
	s := r.service
	for _, step := range steps {
		if r.endReason() != "" {
			return errStopped
		}
		event := rotationEvent{Step: step, SecretId: r.secret.arn, ClientRequestToken: r.token}
		if !s.options.OmitRotationToken {
			event.RotationToken = r.rotationToken.Reveal()
		}
		payload, err := json.Marshal(event)
		if err != nil {
			return fmt.Errorf("writing the event of %s: %w", step, err)
		}
		out.Steps = append(out.Steps, step)
		if err := s.options.Invoker.Invoke(s.ctx, r.functionARN, payload); err != nil {
			return fmt.Errorf("invoking %s: %w", step, err)
		}
	}
	if r.test {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.secret.finish(r.token)
}

// endReason returns why the rotation is to end now, or "".
func (r *rotation) endReason() Status {
	r.service.mu.Lock()
	defer r.service.mu.Unlock()
	if r.reason == "" && r.service.ctx.Err() != nil {
		return Interrupted
	}
	return r.reason
}

// pause waits for the next attempt, and returns why there is none, or "".
func (r *rotation) pause() Status {
	s := r.service
	select {
	case <-s.clock.At(s.clock.Now().Add(s.options.Pause)):
	case <-r.stopped:
	case <-s.ctx.Done():
	}
	return r.endReason()
}
