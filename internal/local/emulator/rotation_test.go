package emulator_test

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/emulator"
)

// serviceWithSecret is a service with one secret, its client, and the events so far.
type serviceWithSecret struct {
	*testing.T
	*emulator.Service
	client *secretsmanager.Client
	arn    string
	first  string

	mu     sync.Mutex
	events []string
}

func newServiceWithSecret(t *testing.T, options emulator.Options) *serviceWithSecret {
	t.Helper()
	w := &serviceWithSecret{T: t}
	options.Events = func(e emulator.Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.events = append(w.events, e.Name)
	}
	var url string
	w.Service, url = serve(t, options)
	w.client = newClient(t, url, "AKIDOWNER")
	out, err := w.client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("app"), SecretString: aws.String("first")})
	if err != nil {
		t.Fatal(err)
	}
	w.arn, w.first = *out.ARN, *out.VersionId
	return w
}

func (w *serviceWithSecret) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *serviceWithSecret) wantEvents(want ...string) {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if diff := cmp.Diff(want, w.events); diff != "" {
		w.Errorf("events (-want +got):\n%s", diff)
	}
}

// rotate starts a rotation and returns its token.
func (w *serviceWithSecret) rotate(changes ...func(*secretsmanager.RotateSecretInput)) string {
	w.Helper()
	in := &secretsmanager.RotateSecretInput{SecretId: &w.arn, RotationLambdaARN: aws.String(functionARN)}
	for _, change := range changes {
		change(in)
	}
	out, err := w.client.RotateSecret(w.Context(), in)
	w.must(err)
	return *out.VersionId
}

func (w *serviceWithSecret) outcome() emulator.Outcome {
	w.Helper()
	out, err := w.WaitRotation(deadline(w.T), w.arn)
	w.must(err)
	return out
}

// outcomeLater returns when somebody waits for the rotation that is under way now;
// its outcome comes through the channel, whatever happens to the secret meanwhile.
func (w *serviceWithSecret) outcomeLater() <-chan emulator.Outcome {
	w.Helper()
	ctx := &watchedContext{Context: deadline(w.T), watched: make(chan struct{})}
	outcomes := make(chan emulator.Outcome, 1)
	go func() {
		out, err := w.WaitRotation(ctx, w.arn)
		if err != nil {
			w.Error(err)
		}
		outcomes <- out
	}()
	<-ctx.watched
	return outcomes
}

// watchedContext tells when somebody begins to wait for its end.
type watchedContext struct {
	context.Context
	watched chan struct{}
	once    sync.Once
}

func (c *watchedContext) Done() <-chan struct{} {
	c.once.Do(func() { close(c.watched) })
	return c.Context.Done()
}

func (w *serviceWithSecret) describe() *secretsmanager.DescribeSecretOutput {
	w.Helper()
	out, err := w.client.DescribeSecret(w.Context(), &secretsmanager.DescribeSecretInput{SecretId: &w.arn})
	w.must(err)
	return out
}

type event struct{ Step, SecretId, ClientRequestToken, RotationToken string }

// function makes an Invoker of a function of the event; a step that it lets pass
// does what a rotation function must do.
func (w *serviceWithSecret) function(before func(event) error) emulator.Invoker {
	return emulator.InvokerFunc(func(ctx context.Context, _ string, payload []byte) error {
		var e event
		if err := json.Unmarshal(payload, &e); err != nil {
			return err
		}
		if err := before(e); err != nil {
			return err
		}
		switch e.Step {
		case emulator.StepCreate:
			_, err := w.client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
				SecretId: &e.SecretId, ClientRequestToken: &e.ClientRequestToken, SecretString: aws.String("value of " + e.ClientRequestToken),
				VersionStages: []string{"AWSPENDING"}, RotationToken: tokenOrNil(e.RotationToken),
			})
			return err
		case emulator.StepFinish:
			current, err := w.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &e.SecretId})
			if err != nil || *current.VersionId == e.ClientRequestToken {
				return err
			}
			_, err = w.client.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{
				SecretId: &e.SecretId, VersionStage: aws.String("AWSCURRENT"),
				RemoveFromVersionId: current.VersionId, MoveToVersionId: &e.ClientRequestToken,
			})
			return err
		}
		return nil
	})
}

func tokenOrNil(token string) *string {
	if token == "" {
		return nil
	}
	return &token
}

// late lets options name a function of a world that does not exist yet.
type late struct{ emulator.Invoker }

func (l *late) Invoke(ctx context.Context, arn string, payload []byte) error {
	return l.Invoker.Invoke(ctx, arn, payload)
}

var errOnPurpose = errors.New("failing on purpose")

func TestRotationIsTriedFiveTimes100SecondsApart(t *testing.T) {
	clock := emulator.NewManualClock(at("2024-01-31 10:30"))
	function := &late{}
	w := newServiceWithSecret(t, emulator.Options{Invoker: function, Clock: clock})
	function.Invoker = w.function(func(e event) error {
		if e.Step == emulator.StepSet {
			return errOnPurpose
		}
		return nil
	})
	token := w.rotate()
	for range 4 {
		w.must(clock.AwaitAlarm(deadline(t), 100*time.Second))
		clock.Advance(100 * time.Second)
	}
	out := w.outcome()
	if out.Status != emulator.Failed || out.Attempts != 5 || !errors.Is(out.Err, errOnPurpose) || len(out.Steps) != 10 {
		t.Errorf("outcome %+v", out)
	}
	w.wantEvents(emulator.RotationStarted, emulator.RotationFailed)
	want := map[string][]string{w.first: {"AWSCURRENT"}, token: {"AWSPENDING"}}
	if diff := cmp.Diff(want, w.describe().VersionIdsToStages); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

func TestRotationThatSucceedsLate(t *testing.T) {
	function := &late{}
	w := newServiceWithSecret(t, emulator.Options{Invoker: function, Pause: -1})
	tries := 0
	function.Invoker = w.function(func(e event) error {
		if e.Step == emulator.StepTest {
			if tries++; tries < 3 {
				return errOnPurpose
			}
		}
		return nil
	})
	w.rotate()
	if out := w.outcome(); out.Status != emulator.Succeeded || out.Attempts != 3 || out.Err != nil {
		t.Errorf("outcome %+v", out)
	}
	w.wantEvents(emulator.RotationStarted, emulator.RotationSucceeded)
}

// A function that reports success without having moved AWSCURRENT has not rotated.
func TestRotationWithoutAWSCURRENTFails(t *testing.T) {
	w := newServiceWithSecret(t, emulator.Options{Attempts: 1, Invoker: emulator.InvokerFunc(func(context.Context, string, []byte) error { return nil })})
	w.rotate()
	if out := w.outcome(); out.Status != emulator.Failed || out.Err == nil {
		t.Errorf("outcome %+v", out)
	}
}

func TestRotationTestEvents(t *testing.T) {
	var answer error
	w := newServiceWithSecret(t, emulator.Options{Invoker: emulator.InvokerFunc(func(context.Context, string, []byte) error { return answer })})
	later := func(in *secretsmanager.RotateSecretInput) { in.RotateImmediately = aws.Bool(false) }
	for _, answer = range []error{nil, errOnPurpose} {
		w.rotate(later)
		if out := w.outcome(); !out.Test || out.Attempts != 1 || !errors.Is(out.Err, answer) {
			t.Errorf("outcome %+v", out)
		}
	}
	w.wantEvents(emulator.TestRotationStarted, emulator.TestRotationSucceeded, emulator.TestRotationStarted, emulator.TestRotationFailed)
}

// The temporary version of a test goes, unless somebody has made use of it.
func TestRotationTestVersionWithAnotherLabel(t *testing.T) {
	function := &late{}
	w := newServiceWithSecret(t, emulator.Options{Invoker: function})
	function.Invoker = w.function(func(e event) error {
		_, err := w.client.UpdateSecretVersionStage(t.Context(), &secretsmanager.UpdateSecretVersionStageInput{
			SecretId: &w.arn, VersionStage: aws.String("mine"), MoveToVersionId: &e.ClientRequestToken,
		})
		return err
	})
	token := w.rotate(func(in *secretsmanager.RotateSecretInput) { in.RotateImmediately = aws.Bool(false) })
	w.outcome()
	want := map[string][]string{w.first: {"AWSCURRENT"}, token: {"mine"}}
	if diff := cmp.Diff(want, w.describe().VersionIdsToStages); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

// A value put in place by hand while a step runs: the step runs on, as nothing can
// recall a function, and is the last.
func TestRotationAbandonedUnderWay(t *testing.T) {
	function := &late{}
	w := newServiceWithSecret(t, emulator.Options{Invoker: function})
	function.Invoker = w.function(func(e event) error {
		if e.Step == emulator.StepSet {
			_, err := w.client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &w.arn, SecretString: aws.String("by hand")})
			return err
		}
		return nil
	})
	w.rotate()
	if out := w.outcome(); out.Status != emulator.Abandoned || len(out.Steps) != 2 {
		t.Errorf("outcome %+v", out)
	}
	w.wantEvents(emulator.RotationStarted, emulator.RotationAbandoned)
}

func TestRotationCancelledBetweenAttempts(t *testing.T) {
	clock := emulator.NewManualClock(at("2024-01-31 10:30"))
	w := newServiceWithSecret(t, emulator.Options{Clock: clock, Invoker: emulator.InvokerFunc(func(context.Context, string, []byte) error { return errOnPurpose })})
	token := w.rotate()
	w.must(clock.AwaitAlarm(deadline(t), emulator.DefaultPause))
	cancelled, err := w.client.CancelRotateSecret(t.Context(), &secretsmanager.CancelRotateSecretInput{SecretId: &w.arn})
	w.must(err)
	if aws.ToString(cancelled.VersionId) != token {
		t.Errorf("CancelRotateSecret answers version %v, want %s", aws.ToString(cancelled.VersionId), token)
	}
	if out := w.outcome(); out.Status != emulator.Cancelled || out.Attempts != 1 {
		t.Errorf("outcome %+v", out)
	}
	w.wantEvents(emulator.RotationStarted)

	// With rotation off nothing is taken up again.
	_, err = w.client.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{SecretId: &w.arn})
	wantError(t, err, "InvalidRequestException")
	w.wantEvents(emulator.RotationStarted)
}

// Somebody clears AWSPENDING away while a step hangs, and starts anew: the old
// invocation wakes up beside the new rotation, and is the last of its own.
func TestRotationSupersededWhileAStepHangs(t *testing.T) {
	function := &late{}
	clock := emulator.NewManualClock(at("2024-01-31 10:30"))
	w := newServiceWithSecret(t, emulator.Options{Invoker: function, Clock: clock, Pause: -1})
	hanging, release := make(chan struct{}), make(chan struct{})
	var invocations sync.Map
	var hung atomic.Bool
	function.Invoker = w.function(func(e event) error {
		n, _ := invocations.LoadOrStore(e.ClientRequestToken, new(atomic.Int32))
		n.(*atomic.Int32).Add(1)
		if hung.CompareAndSwap(false, true) {
			close(hanging)
			<-release
			return errOnPurpose
		}
		return nil
	})
	daily := func(in *secretsmanager.RotateSecretInput) {
		in.RotationRules = &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(1)}
	}
	old := w.rotate(daily)
	<-hanging
	superseded := w.outcomeLater()
	_, err := w.client.UpdateSecretVersionStage(t.Context(), &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: &w.arn, VersionStage: aws.String("AWSPENDING"), RemoveFromVersionId: &old,
	})
	w.must(err)
	next := w.rotate()
	if out := w.outcome(); out.Status != emulator.Succeeded || out.VersionID != next {
		t.Errorf("outcome %+v", out)
	}
	planned := *w.describe().NextRotationDate
	clock.Advance(48 * time.Hour)
	close(release)
	if out := <-superseded; out.Status != emulator.Abandoned || out.VersionID != old || out.Attempts != 1 {
		t.Errorf("outcome %+v", out)
	}
	if n, _ := invocations.Load(old); n.(*atomic.Int32).Load() != 1 {
		t.Error("the old rotation went on")
	}
	w.wantEvents(emulator.RotationStarted, emulator.RotationStarted, emulator.RotationSucceeded)
	if got := *w.describe().NextRotationDate; !got.Equal(planned) {
		t.Errorf("NextRotationDate = %v, want %v: the old rotation has no say any more", got, planned)
	}
}

func TestRotationEndsWithItsSecret(t *testing.T) {
	for _, force := range []bool{false, true} {
		function := &late{}
		w := newServiceWithSecret(t, emulator.Options{Invoker: function})
		deleting, deleted := make(chan struct{}), make(chan struct{})
		function.Invoker = w.function(func(e event) error {
			if e.Step == emulator.StepSet {
				close(deleting)
				<-deleted
			}
			return nil
		})
		w.rotate()
		<-deleting
		waited := w.outcomeLater()
		_, err := w.client.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &w.arn, ForceDeleteWithoutRecovery: &force})
		w.must(err)
		close(deleted)
		if out := <-waited; out.Status != emulator.Cancelled || len(out.Steps) != 2 {
			t.Errorf("outcome %+v", out)
		}
		w.wantEvents(emulator.RotationStarted)
	}
}

// Events come one at a time; the race detector sees it if they do not.
func TestEventsComeOneAtATime(t *testing.T) {
	count := 0
	s, url := serve(t, emulator.Options{
		Attempts: 1,
		Invoker:  emulator.InvokerFunc(func(context.Context, string, []byte) error { return errOnPurpose }),
		Events:   func(emulator.Event) { count++ },
	})
	client := newClient(t, url, "AKID")
	var names []string
	for i := range 8 {
		names = append(names, "secret"+strconv.Itoa(i))
		_, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &names[i], SecretString: aws.String("x")})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		_, err := client.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{SecretId: &name, RotationLambdaARN: aws.String(functionARN)})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		if _, err := s.WaitRotation(deadline(t), name); err != nil {
			t.Fatal(err)
		}
	}
	if count != 16 {
		t.Errorf("%d events, want a start and an end for each of 8", count)
	}
}

func TestRotateSecretDuringFinishSecret(t *testing.T) {
	function := &late{}
	w := newServiceWithSecret(t, emulator.Options{Invoker: function})
	var refused error
	function.Invoker = emulator.InvokerFunc(func(ctx context.Context, arn string, payload []byte) error {
		err := w.function(func(event) error { return nil }).Invoke(ctx, arn, payload)
		if strings.Contains(string(payload), emulator.StepFinish) {
			_, refused = w.client.RotateSecret(ctx, &secretsmanager.RotateSecretInput{SecretId: &w.arn})
		}
		return err
	})
	w.rotate()
	if out := w.outcome(); out.Status != emulator.Succeeded {
		t.Errorf("outcome %+v", out)
	}
	wantError(t, refused, "InvalidRequestException")
}

func TestCloseInterruptsRotations(t *testing.T) {
	invoked := make(chan struct{})
	w := newServiceWithSecret(t, emulator.Options{Invoker: emulator.InvokerFunc(func(ctx context.Context, _ string, _ []byte) error {
		close(invoked)
		<-ctx.Done()
		return ctx.Err()
	})})
	w.rotate()
	<-invoked
	w.Close()
	w.Close()
	if out := w.outcome(); out.Status != emulator.Interrupted || out.Attempts != 1 {
		t.Errorf("outcome %+v", out)
	}
}

func TestWaitRotationWithoutOne(t *testing.T) {
	w := newServiceWithSecret(t, emulator.Options{})
	if _, err := w.WaitRotation(t.Context(), "app"); !errors.Is(err, emulator.ErrNeverRotated) {
		t.Errorf("a secret that was never rotated: %v", err)
	}
	var notFound *emulator.Error
	if _, err := w.WaitRotation(t.Context(), "nobody"); !errors.As(err, &notFound) || notFound.Code != "ResourceNotFoundException" {
		t.Errorf("a secret that is not there: %v", err)
	}
}

func TestWaitRotationEndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	w := newServiceWithSecret(t, emulator.Options{Invoker: emulator.InvokerFunc(func(context.Context, string, []byte) error { <-release; return errOnPurpose })})
	w.rotate()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.WaitRotation(ctx, w.arn); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestRotationToken(t *testing.T) {
	const strange = "00000000-0000-4000-8000-000000000000"
	for _, test := range []struct {
		name    string
		options emulator.Options
		bring   func(given string) string
		want    emulator.TokenState
		refused bool
	}{
		{"as given", emulator.Options{}, func(given string) string { return given }, emulator.TokenAsGiven, false},
		{"left out", emulator.Options{}, func(string) string { return "" }, emulator.TokenAbsent, false},
		{"another", emulator.Options{}, func(string) string { return strange }, emulator.TokenOther, false},
		{"required, as given", emulator.Options{RequireRotationToken: true}, func(given string) string { return given }, emulator.TokenAsGiven, false},
		{"required, left out", emulator.Options{RequireRotationToken: true}, func(string) string { return "" }, emulator.TokenAbsent, true},
		{"required, another", emulator.Options{RequireRotationToken: true}, func(string) string { return strange }, emulator.TokenOther, true},
		{"never given", emulator.Options{OmitRotationToken: true}, func(given string) string {
			if given != "" {
				t.Error("the event has a RotationToken")
			}
			return given
		}, emulator.TokenAbsent, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			function := &late{}
			test.options.Invoker, test.options.Attempts = function, 1
			w := newServiceWithSecret(t, test.options)
			function.Invoker = emulator.InvokerFunc(func(ctx context.Context, arn string, payload []byte) error {
				var e event
				if err := json.Unmarshal(payload, &e); err != nil {
					return err
				}
				e.RotationToken = test.bring(e.RotationToken)
				changed, err := json.Marshal(e)
				if err != nil {
					return err
				}
				return w.function(func(event) error { return nil }).Invoke(ctx, arn, changed)
			})
			w.rotate()
			if out := w.outcome(); (out.Status == emulator.Failed) != test.refused {
				t.Errorf("outcome %+v", out)
			}
			for _, c := range w.Calls() {
				if c.Operation == "PutSecretValue" && c.RotationToken != test.want {
					t.Errorf("the call's RotationToken is %q, want %q", c.RotationToken, test.want)
				}
			}
		})
	}
}

func TestRotateSecretRefusesFunctionsThatItMayNotInvoke(t *testing.T) {
	for name, options := range map[string]emulator.Options{
		"none":    {},
		"unknown": {Invoker: &late{}, KnowsFunction: func(arn string) bool { return arn != functionARN }},
	} {
		w := newServiceWithSecret(t, options)
		_, err := w.client.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{SecretId: &w.arn, RotationLambdaARN: aws.String(functionARN)})
		if wantError(t, err, "AccessDeniedException"); w.describe().RotationEnabled != nil {
			t.Errorf("%s: rotation is configured", name)
		}
	}
}

// After a success the service shows the days that a schedule expression amounts
// to, and goes on by the expression.
func TestRotationRulesAfterASuccess(t *testing.T) {
	clock := emulator.NewManualClock(at("2024-01-31 10:30"))
	function := &late{}
	w := newServiceWithSecret(t, emulator.Options{Invoker: function, Clock: clock})
	function.Invoker = w.function(func(event) error { return nil })
	w.rotate(func(in *secretsmanager.RotateSecretInput) {
		in.RotationRules = &types.RotationRulesType{ScheduleExpression: aws.String("cron(0 8 1 * ? *)"), Duration: aws.String("2h")}
	})
	w.outcome()
	d := w.describe()
	want := &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(1), ScheduleExpression: aws.String("cron(0 8 1 * ? *)"), Duration: aws.String("2h")}
	if got := d.RotationRules; *got.AutomaticallyAfterDays != *want.AutomaticallyAfterDays || *got.ScheduleExpression != *want.ScheduleExpression || *got.Duration != *want.Duration {
		t.Errorf("rules %+v", got)
	}
	if got, want := *d.NextRotationDate, at("2024-02-01 10:00").Add(-time.Second); !got.Equal(want) {
		t.Errorf("NextRotationDate = %v, want %v: the last moment of the window", got, want)
	}
	if !d.LastRotatedDate.Equal(at("2024-01-31 10:30")) {
		t.Errorf("LastRotatedDate = %v", d.LastRotatedDate)
	}
}
