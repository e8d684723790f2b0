package emulator_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"tandem/internal/local/emulator"
)

// scheduled is a world whose rotations are told to the test as they run.
func scheduled(t *testing.T, options emulator.Options, answer func(event) error) (*serviceWithSecret, *emulator.ManualClock, <-chan event) {
	t.Helper()
	clock := emulator.NewManualClock(at("2024-01-31 10:30"))
	function := &late{}
	options.Invoker, options.Clock, options.Attempts = function, clock, 1
	w := newServiceWithSecret(t, options)
	finished := make(chan event, 16)
	function.Invoker = w.function(func(e event) error {
		if e.Step == emulator.StepCreate {
			finished <- e
		}
		return answer(e)
	})
	return w, clock, finished
}

func await(t *testing.T, events <-chan event) event {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-deadline(t).Done():
		t.Fatal("nothing was rotated")
		return event{}
	}
}

func none(t *testing.T, events <-chan event) {
	t.Helper()
	select {
	case e := <-events:
		t.Errorf("rotated before its time: %s", e.ClientRequestToken)
	default:
	}
}

// bystander makes another secret, due on 15 February at 8: when the scheduler waits
// for that moment it has dealt with everything before.
func (w *serviceWithSecret) bystander() {
	w.Helper()
	out, err := w.client.CreateSecret(w.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("bystander"), SecretString: aws.String("x")})
	w.must(err)
	_, err = w.client.RotateSecret(w.Context(), &secretsmanager.RotateSecretInput{
		SecretId: out.ARN, RotationLambdaARN: aws.String(functionARN), RotateImmediately: aws.Bool(false),
		RotationRules: &types.RotationRulesType{ScheduleExpression: aws.String("cron(0 8 15 * ? *)")},
	})
	w.must(err)
	if _, err := w.WaitRotation(deadline(w.T), *out.ARN); err != nil {
		w.Fatal(err)
	}
}

func everyDayAtEight(in *secretsmanager.RotateSecretInput) {
	in.RotateImmediately = aws.Bool(false)
	in.RotationRules = &types.RotationRulesType{ScheduleExpression: aws.String("cron(0 8 * * ? *)")}
}

func TestSchedulerRotatesWhenTheWindowOpens(t *testing.T) {
	w, clock, rotations := scheduled(t, emulator.Options{Schedule: true}, func(event) error { return nil })
	w.rotate(everyDayAtEight)
	w.outcome()
	w.must(clock.AwaitAlarm(deadline(t), 21*time.Hour+30*time.Minute))
	clock.Advance(21*time.Hour + 29*time.Minute)
	w.must(clock.AwaitAlarm(deadline(t), time.Minute))
	none(t, rotations)
	for range 3 {
		clock.Advance(time.Minute)
		await(t, rotations)
		if out := w.outcome(); out.Status != emulator.Succeeded {
			t.Fatalf("outcome %+v", out)
		}
		w.must(clock.AwaitAlarm(deadline(t), 24*time.Hour))
		clock.Advance(24*time.Hour - time.Minute)
		none(t, rotations)
	}
}

// A scheduled rotation that fails is taken up again in the next window, with its
// token.
func TestSchedulerTakesUpWhatHasFailed(t *testing.T) {
	fails := true
	w, clock, rotations := scheduled(t, emulator.Options{Schedule: true}, func(e event) error {
		if fails && e.Step == emulator.StepCreate {
			return errOnPurpose
		}
		return nil
	})
	w.rotate(everyDayAtEight)
	w.outcome()
	promised := *w.describe().NextRotationDate
	clock.Advance(22 * time.Hour)
	failed := await(t, rotations)
	if out := w.outcome(); out.Status != emulator.Failed {
		t.Fatalf("outcome %+v", out)
	}
	if got := *w.describe().NextRotationDate; !got.Equal(promised) {
		t.Errorf("NextRotationDate = %v, want %v: it may be in the past", got, promised)
	}
	fails = false
	w.must(clock.AwaitAlarm(deadline(t), 23*time.Hour+30*time.Minute))
	clock.Advance(24 * time.Hour)
	if again := await(t, rotations); again.ClientRequestToken != failed.ClientRequestToken {
		t.Error("the rotation was not taken up with its token")
	}
	if out := w.outcome(); out.Status != emulator.Succeeded {
		t.Errorf("outcome %+v", out)
	}
}

func TestSchedulerLeavesWhatIsOffOrDeleted(t *testing.T) {
	w, clock, rotations := scheduled(t, emulator.Options{Schedule: true}, func(event) error { return nil })
	w.rotate(everyDayAtEight)
	w.outcome()
	w.bystander()
	_, err := w.client.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &w.arn})
	w.must(err)
	clock.Advance(48 * time.Hour)
	w.must(clock.AwaitAlarm(deadline(t), (12*24+21)*time.Hour+30*time.Minute))
	if out := w.outcome(); !out.Test {
		t.Error("a secret that is marked for deletion was rotated")
	}
	_, err = w.client.RestoreSecret(t.Context(), &secretsmanager.RestoreSecretInput{SecretId: &w.arn})
	w.must(err)
	await(t, rotations) // what came due meanwhile
	if out := w.outcome(); out.Status != emulator.Succeeded {
		t.Errorf("outcome %+v", out)
	}
	w.must(clock.AwaitAlarm(deadline(t), 21*time.Hour+30*time.Minute))
	_, err = w.client.CancelRotateSecret(t.Context(), &secretsmanager.CancelRotateSecretInput{SecretId: &w.arn})
	w.must(err)
	clock.Advance(48 * time.Hour)
	w.must(clock.AwaitAlarm(deadline(t), (10*24+21)*time.Hour+30*time.Minute))
	none(t, rotations)
}

func TestSchedulerEvery(t *testing.T) {
	w, clock, rotations := scheduled(t, emulator.Options{Every: 10 * time.Second}, func(event) error { return nil })
	w.rotate() // without rules
	await(t, rotations)
	for range 3 {
		w.must(clock.AwaitAlarm(deadline(t), 10*time.Second))
		clock.Advance(10 * time.Second)
		await(t, rotations)
		if out := w.outcome(); out.Status != emulator.Succeeded {
			t.Fatalf("outcome %+v", out)
		}
	}
}

// A value that is put in place by hand counts as a rotation for a rate, and not
// for a calendar.
func TestScheduleAfterAManualValue(t *testing.T) {
	for expression, want := range map[string]string{
		"rate(20 days)":      "2024-03-07 00:00",
		"cron(0 8 15 * ? *)": "2024-02-16 00:00",
	} {
		w, clock, _ := scheduled(t, emulator.Options{}, func(event) error { return nil })
		w.rotate(func(in *secretsmanager.RotateSecretInput) {
			in.RotateImmediately = aws.Bool(false)
			in.RotationRules = &types.RotationRulesType{ScheduleExpression: &expression}
		})
		w.outcome()
		clock.Advance(15 * 24 * time.Hour) // 2024-02-15 10:30, in the window of the second
		_, err := w.client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &w.arn, SecretString: aws.String("by hand")})
		w.must(err)
		if got := *w.describe().NextRotationDate; !got.Equal(at(want).Add(-time.Second)) {
			t.Errorf("%s: NextRotationDate = %v, want the last second before %s", expression, got, want)
		}
	}
}

// What becomes due while something else is under way is not forgotten.
func TestSchedulerWaitsForWhatIsUnderWay(t *testing.T) {
	testing, release := make(chan struct{}), make(chan struct{})
	tested := false
	w, clock, rotations := scheduled(t, emulator.Options{Schedule: true}, func(e event) error {
		if e.Step == emulator.StepTest && !tested {
			tested = true
			close(testing)
			<-release
		}
		return nil
	})
	w.rotate(everyDayAtEight)
	<-testing
	w.bystander()
	w.must(clock.AwaitAlarm(deadline(t), 21*time.Hour+30*time.Minute))
	clock.Advance(22 * time.Hour)
	w.must(clock.AwaitAlarm(deadline(t), 14*24*time.Hour-30*time.Minute))
	none(t, rotations)
	close(release)
	await(t, rotations)
}

// A scheduled rotation that somebody overtakes by hand is not started again at
// once.
func TestSchedulerAfterAnAbandonedRotation(t *testing.T) {
	var w *serviceWithSecret
	w, clock, rotations := scheduled(t, emulator.Options{Schedule: true}, func(e event) error {
		if e.Step == emulator.StepSet {
			return w.put("by hand")
		}
		return nil
	})
	w.rotate(everyDayAtEight)
	w.outcome()
	clock.Advance(22 * time.Hour)
	await(t, rotations)
	if out := w.outcome(); out.Status != emulator.Abandoned {
		t.Fatalf("outcome %+v", out)
	}
	w.must(clock.AwaitAlarm(deadline(t), 23*time.Hour+30*time.Minute))
	none(t, rotations)
}
