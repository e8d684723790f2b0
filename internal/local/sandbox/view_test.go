package sandbox

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/emulator"
)

const watchedARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:app-Ab3dE9"

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.Local)

func began(step string) notice {
	return notice{Kind: kindStep, Time: noon, Name: step, SecretARN: watchedARN, Token: "t"}
}

func ended(step, failure string) notice {
	return notice{Kind: kindStep, Time: noon, Name: step, SecretARN: watchedARN, Token: "t", Ended: true, TookMs: 12.3, Error: failure}
}

func reported(event string) notice {
	return notice{Kind: kindEvent, Time: noon, Name: event, SecretARN: watchedARN, Token: "t"}
}

func TestView(t *testing.T) {
	other := began(emulator.StepTest)
	other.SecretARN = strings.Replace(watchedARN, ":app-", ":other-", 1)
	v := &view{
		secret: "app", greeting: &greeting{Server: "MariaDB 11.8.6", Every: "10s"},
		users:  map[string]string{"AWSCURRENT": "app", "AWSPENDING": ""},
		logins: Logins{Attempted: 7, Failed: 1, User: "app", Err: errors.New("denied")},
	}
	var told []string
	for _, n := range []notice{
		reported(emulator.RotationStarted),
		began(emulator.StepCreate), ended(emulator.StepCreate, "no answer"),
		began(emulator.StepCreate), ended(emulator.StepCreate, ""),
		began(emulator.StepSet),
		other,
	} {
		if line := v.apply(n); line != "" {
			told = append(told, line)
		}
	}
	want := []string{
		"12:00:00.000  RotationStarted",
		"12:00:00.000  createSecret 12 ms  FAILED: no answer",
		"12:00:00.000  createSecret 12 ms",
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	screen := `app on MariaDB 11.8.6

  AWSCURRENT   app
  AWSPENDING   (no value yet)
  AWSPREVIOUS  -

  step         setSecret for 250 ms (try 2)
  rotations    0 succeeded, 0 failed; every 10s
  application  7 logins attempted with the current credentials, 1 failed; last as app
               last failure: denied

  12:00:00.000  RotationStarted
  12:00:00.000  createSecret 12 ms  FAILED: no answer
  12:00:00.000  createSecret 12 ms`
	if diff := cmp.Diff(screen, strings.Join(v.screen(noon.Add(250*time.Millisecond)), "\n")); diff != "" {
		t.Errorf("screen (-want +got):\n%s", diff)
	}
	if got, want := v.labels(), "AWSCURRENT app, AWSPENDING (no value yet)"; got != want {
		t.Errorf("labels: %s, want %s", got, want)
	}
	for range recentLines {
		v.apply(reported(emulator.RotationSucceeded))
	}
	if len(v.recent) != recentLines || v.ended[emulator.RotationSucceeded] != recentLines {
		t.Errorf("after many events: %d lines, %v", len(v.recent), v.ended)
	}
}

func TestSecretName(t *testing.T) {
	for arn, want := range map[string]string{
		watchedARN: "app",
		"arn:aws:secretsmanager:eu-west-1:123456789012:secret:a/b-c-Ab3dE9": "a/b-c",
		"app": "app",
	} {
		if got := secretName(arn); got != want {
			t.Errorf("secretName(%q) is %q, want %q", arn, got, want)
		}
	}
}
