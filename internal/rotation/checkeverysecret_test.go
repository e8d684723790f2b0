package rotation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/failure"
	"tandem/internal/metric"
	"tandem/internal/redact"
	"tandem/internal/rotation"
)

const functionARN = "arn:aws:lambda:eu-west-1:123456789012:function:tandem"

// lister lists these secrets, and ends in err.
type lister struct {
	secrets []rotation.ListedSecret
	err     error
}

func (l lister) List(_ context.Context, each func(rotation.ListedSecret)) error {
	for _, s := range l.secrets {
		each(s)
	}
	return l.err
}

// scheduledCheck is the event of a check of every secret that is counted.
var scheduledCheck = rotation.Event{Step: rotation.Check, Scheduled: true}

// arn is that of a secret that the memory answers for.
func arn(name string) string { return strings.Replace(secretID, "app-abcdef", name, 1) }

// lines are those of the log with this message.
func (w *memory) lines(message string) []map[string]any {
	w.t.Helper()
	var out []map[string]any
	for line := range strings.SplitSeq(strings.TrimSpace(w.log.String()), "\n") {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			w.t.Fatalf("%v: %s", err, line)
		}
		if object["msg"] == message {
			out = append(out, object)
		}
	}
	return out
}

// steady is a secret that has been rotated once, and is not being rotated.
func steady(t *testing.T) *memory {
	w := newMemory(t)
	w.labels = map[string][]string{oldToken: {"AWSCURRENT"}}
	enabled := true
	w.enabled = &enabled
	w.values[oldToken] = document("app", "password", nil) // which the accounts' verifier is of
	w.accounts[accountName("admin")] = rows("admin", "ALTER")
	w.accounts[accountName("admin")].Grants[0] = grantsAll
	return w
}

// A check of every secret is one of those that this function rotates, by whatever
// version of it, the next to be rotated first; with an answer and a line for each, and
// one line that counts.
func TestCheckOfEverySecret(t *testing.T) {
	w := steady(t)
	on, off := true, false
	day := func(n int) time.Time { return time.Date(2030, 1, n, 0, 0, 0, 0, time.UTC) }
	r := w.rotator()
	r.Lister = lister{secrets: []rotation.ListedSecret{
		{ARN: arn("unplanned-b"), RotationLambdaARN: functionARN},
		{ARN: arn("unplanned-a"), RotationLambdaARN: functionARN, RotationEnabled: &on},
		{ARN: arn("later"), RotationLambdaARN: functionARN, NextRotation: day(9), RotationEnabled: &on},
		{ARN: arn("sooner"), RotationLambdaARN: functionARN + ":live", NextRotation: day(2), RotationEnabled: &on},
		{ARN: arn("off"), RotationLambdaARN: functionARN, RotationEnabled: &off},
		{ARN: arn("none")},
		{ARN: arn("another"), RotationLambdaARN: functionARN + "2", RotationEnabled: &on},
		{ARN: arn("region"), RotationLambdaARN: strings.Replace(functionARN, "eu-west-1", "eu-west-2", 1), RotationEnabled: &on},
	}}
	want := []string{arn("sooner"), arn("later"), arn("unplanned-a"), arn("unplanned-b")}
	for _, invoked := range []string{functionARN, functionARN + ":live", functionARN + ":7"} {
		w.log.Reset()
		answer := r.InspectEvery(t.Context(), scheduledCheck, invoked)
		var got []string
		for _, inspection := range answer.Secrets {
			got = append(got, inspection.Secret)
			if !inspection.OK || len(inspection.Checks) != len(rotation.Checks()) {
				t.Errorf("%s: %+v", inspection.Secret, inspection)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by %s (-want +got):\n%s", invoked, diff)
		}
		if !answer.OK || answer.Found != 4 || len(answer.NotReached) != 0 || !slices.Equal(answer.RotationOff, []string{arn("off")}) {
			t.Errorf("%+v", answer)
		}
		got = nil
		for _, line := range w.lines("check done") {
			got = append(got, line["secret"].(string))
			if line[metric.Member] != nil || line[metric.ChecksFailed] != nil {
				t.Errorf("the line of one secret counts what the line of all does: %v", line)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
		all := w.lines("every secret checked")
		if len(all) != 1 || all[0]["found"] != 4.0 || all[0][metric.ChecksFailed] != 0.0 || all[0][metric.ChecksAttention] != 0.0 || all[0][metric.Failures] != nil {
			t.Errorf("%v", all)
		}
	}
}

// What is found in each secret is in the sum, and stands first in the answer.
func TestCheckOfEverySecretCounts(t *testing.T) {
	w := steady(t)
	r := w.rotator()
	r.Secrets = someBroken{fakeSecrets{w}, []string{arn("c"), arn("d")}}
	var listed []rotation.ListedSecret
	for _, name := range []string{"a", "b", "c", "d"} {
		listed = append(listed, rotation.ListedSecret{ARN: arn(name), RotationLambdaARN: functionARN})
	}
	r.Lister = lister{secrets: listed}
	answer := r.InspectEvery(t.Context(), scheduledCheck, functionARN)
	var got []string
	for _, inspection := range answer.Secrets {
		got = append(got, inspection.Secret)
	}
	if diff := cmp.Diff([]string{arn("c"), arn("d"), arn("a"), arn("b")}, got); diff != "" || answer.OK {
		t.Errorf("ok %v (-want +got):\n%s", answer.OK, diff)
	}
	if line := w.lines("every secret checked")[0]; line[metric.ChecksFailed] != 2.0 || line["ok"] != false {
		t.Errorf("%v", line)
	}
}

// someBroken are secrets of which some cannot be read.
type someBroken struct {
	rotation.Secrets
	broken []string
}

func (s someBroken) Current(ctx context.Context, id string) (rotation.Version, error) {
	if slices.Contains(s.broken, id) {
		return rotation.Version{}, failure.New(failure.SecretNotFound, "it is gone")
	}
	return s.Secrets.Current(ctx, id)
}

// Where there is no time for all of them, the others are named, in the answer and in the
// log, and asked for attention.
func TestCheckOfEverySecretWithinItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := steady(t)
		r := w.rotator()
		r.Secrets = slow{fakeSecrets{w}}
		var listed []rotation.ListedSecret
		for n := range 30 {
			listed = append(listed, rotation.ListedSecret{ARN: arn(fmt.Sprintf("s%02d", n)), RotationLambdaARN: functionARN})
		}
		r.Lister = lister{secrets: listed}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		answer := r.InspectEvery(ctx, scheduledCheck, functionARN)
		if ctx.Err() != nil {
			t.Error("it took all of the time")
		}
		if len(answer.Secrets) < 5 || len(answer.Secrets)+len(answer.NotReached) != 30 || answer.Found != 30 || answer.OK || answer.NotReached[len(answer.NotReached)-1] != arn("s29") {
			t.Errorf("%d are checked, %d not reached, ok %v", len(answer.Secrets), len(answer.NotReached), answer.OK)
		}
		var named []string
		for _, line := range w.lines("secret not reached") {
			named = append(named, line["secret"].(string))
		}
		if diff := cmp.Diff(answer.NotReached, named); diff != "" {
			t.Errorf("(-answered +logged):\n%s", diff)
		}
		line := w.lines("every secret checked")[0]
		if line["notReached"] != float64(len(named)) || line[metric.ChecksAttention].(float64) < float64(len(named)) || line[metric.ChecksFailed] != 0.0 {
			t.Errorf("%v", line)
		}
	})
}

// slow takes a while to answer.
type slow struct{ fakeSecrets }

func (s slow) Describe(ctx context.Context, id string) (rotation.Labels, error) {
	select {
	case <-time.After(3 * time.Second):
		return s.fakeSecrets.Describe(ctx, id)
	case <-ctx.Done():
		return rotation.Labels{}, ctx.Err()
	}
}

// Secrets Manager not answering about some keeps no other secret from being checked.
func TestCheckOfEverySecretGoesOnBesideOneThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := steady(t)
		var mutex sync.Mutex // the memory is for one at a time
		hanging := map[string]bool{}
		var listed []rotation.ListedSecret
		for n := range 22 {
			id := arn(fmt.Sprintf("s%02d", n))
			hanging[id] = n < 16
			listed = append(listed, rotation.ListedSecret{ARN: id, RotationLambdaARN: functionARN})
		}
		r := w.rotator()
		r.Concurrently = nil
		r.Secrets = hangs{fakeSecrets{w}, &mutex, hanging}
		r.Database = oneAtATime{fakeDatabase{w}, &mutex}
		r.Lister = lister{secrets: listed}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		answer := r.InspectEvery(ctx, scheduledCheck, functionARN)
		if len(answer.Secrets) != len(listed) {
			t.Errorf("not reached: %q", answer.NotReached)
		}
		for _, inspection := range answer.Secrets {
			for _, f := range inspection.Checks {
				if f.Name == "permission: DescribeSecret" && (f.Result == rotation.ResultOK) == hanging[inspection.Secret] {
					t.Errorf("%s: %+v", inspection.Secret, f)
				}
			}
		}
	})
}

// hangs does not answer about some secrets.
type hangs struct {
	fakeSecrets
	mutex   *sync.Mutex
	hanging map[string]bool
}

func (h hangs) Describe(ctx context.Context, id string) (rotation.Labels, error) {
	if h.hanging[id] {
		<-ctx.Done()
		return rotation.Labels{}, failure.New(failure.SecretsManagerTimeout, "no answer")
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return h.fakeSecrets.Describe(ctx, id)
}

func (h hangs) Current(ctx context.Context, id string) (rotation.Version, error) {
	if h.hanging[id] {
		<-ctx.Done()
		return rotation.Version{}, failure.New(failure.SecretsManagerTimeout, "no answer")
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return h.fakeSecrets.Current(ctx, id)
}

func (h hangs) RandomPassword(ctx context.Context, without string) (redact.Secret, error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return h.fakeSecrets.RandomPassword(ctx, without)
}

// oneAtATime is a database whose sessions are the memory's, which knows no concurrency.
type oneAtATime struct {
	rotation.Database
	mutex *sync.Mutex
}

func (d oneAtATime) Connect(context.Context, rotation.Login) (rotation.Session, error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return nil, errors.New("not reached by this test")
}

// What was listed before the list broke off is checked, and the rest is not passed over
// in silence.
func TestListThatBreaksOff(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*rotation.Rotator)
		arn    string
		failed string
		found  int
	}{
		{"in the middle", func(*rotation.Rotator) {}, functionARN, "permission: ListSecrets: SecretsManagerAccessDenied", 1},
		{"without an ARN", func(*rotation.Rotator) {}, "", "permission: ListSecrets: Unexpected", 0},
		{"without a configuration", func(r *rotation.Rotator) {
			*r = rotation.Rotator{Log: r.Log, Function: r.Function, ConfigError: failure.New(failure.ConfigurationInvalid, "PASSWORD_LENGTH")}
		}, functionARN, "configuration: ConfigurationInvalid", 0},
	} {
		w := steady(t)
		r := w.rotator()
		r.Lister = lister{[]rotation.ListedSecret{{ARN: arn("a"), RotationLambdaARN: functionARN}}, failure.New(failure.SecretsManagerAccessDenied, "not allowed")}
		test.change(r)
		answer := r.InspectEvery(t.Context(), scheduledCheck, test.arn)
		line := w.lines("every secret checked")[0]
		if answer.OK || len(answer.Secrets) != test.found || len(answer.Checks) != len(rotation.ListChecks()) || line[metric.ChecksFailed] != 1.0 ||
			!slices.Equal(line["failed"].([]any), []any{test.failed}) {
			t.Errorf("%s: %+v, line %v", test.name, answer, line)
		}
		for _, f := range answer.Checks {
			if f.Result == rotation.ResultFailed && f.Remedy == "" {
				t.Errorf("%s: no remedy: %+v", test.name, f)
			}
		}
	}
}

// refusingAdmin refuses an admin, and counts how often that was tried.
type refusingAdmin struct {
	rotation.Database
	user  string
	with  error
	tried *int
}

func (d refusingAdmin) Connect(ctx context.Context, login rotation.Login) (rotation.Session, error) {
	if login.Username != d.user {
		return d.Database.Connect(ctx, login)
	}
	*d.tried++
	return nil, fmt.Errorf("%w: Access denied", d.with)
}

// An admin secret with a wrong password costs one failed login, however many secrets
// have it, or else a server that counts them would lock the admin.
func TestCheckOfEverySecretTriesARefusedLoginOnce(t *testing.T) {
	for with, kind := range map[error]failure.Type{rotation.ErrLoginRefused: failure.AdminCredentialsRejected, rotation.ErrLastPluginRefused: failure.PluginUnsupported} {
		w := steady(t)
		tried := 0
		r := w.rotator()
		r.Database = refusingAdmin{r.Database, "admin", with, &tried}
		var listed []rotation.ListedSecret
		for n := range 10 {
			listed = append(listed, rotation.ListedSecret{ARN: arn(fmt.Sprintf("s%02d", n)), RotationLambdaARN: functionARN})
		}
		r.Lister = lister{secrets: listed}
		answer := r.InspectEvery(t.Context(), scheduledCheck, functionARN)
		if tried != 1 || len(answer.Secrets) != 10 {
			t.Errorf("%d logins, %d answers", tried, len(answer.Secrets))
		}
		said := 0
		for _, inspection := range answer.Secrets {
			for _, f := range inspection.Checks {
				if f.Name == "admin" {
					if f.Result != rotation.ResultFailed || f.Type != string(kind) {
						t.Errorf("%+v", f)
					}
					if strings.Contains(f.Detail, "not tried again") {
						said++
					}
				}
			}
		}
		if said != 9 {
			t.Errorf("%d say that it was not tried again", said)
		}
		// The next check tries it.
		if r.InspectEvery(t.Context(), scheduledCheck, functionARN); tried != 2 {
			t.Errorf("%d logins in two checks", tried)
		}
	}
}

// A check by hand has no metrics, of one secret nor of all.
func TestCheckByHandIsNotCounted(t *testing.T) {
	for _, byHand := range []bool{true, false} {
		w := steady(t)
		r := w.rotator()
		r.Lister = lister{secrets: []rotation.ListedSecret{{ARN: arn("a"), RotationLambdaARN: functionARN}}}
		r.InspectEvery(t.Context(), rotation.Event{Step: rotation.Check, Scheduled: !byHand}, functionARN)
		all := w.lines("every secret checked")[0]
		w.log.Reset()
		if _, err := r.Inspect(t.Context(), rotation.Event{Step: rotation.Check, SecretID: secretID, Scheduled: !byHand}); err != nil {
			t.Fatal(err)
		}
		for _, line := range []map[string]any{all, w.lines("check done")[0]} {
			for _, member := range []string{metric.Member, metric.ChecksFailed, metric.ChecksAttention, "scheduled"} {
				if (line[member] == nil) != byHand {
					t.Errorf("by hand %v: %s is %v", byHand, member, line[member])
				}
			}
		}
	}
}
