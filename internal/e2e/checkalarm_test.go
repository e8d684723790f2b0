package e2e

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/emulator"
	"tandem/internal/local/sandbox"
	"tandem/internal/metric"
	"tandem/internal/rotation"
	"tandem/internal/warning"
)

// checked are the function's lines with this message so far.
func (w *deployment) checked(message string) []map[string]any {
	w.t.Helper()
	var out []map[string]any
	for line := range strings.SplitSeq(w.log(), "\n") {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err == nil && object["message"] == message {
			out = append(out, object)
		}
	}
	return out
}

// counted checks the secret as the schedule does, and returns what its line adds to the metrics of the alarm.
func (w *deployment) counted() (failed, attention float64, found rotation.Inspection) {
	w.t.Helper()
	found = w.checkBy(map[string]any{"Step": "check", "SecretId": w.app, "Scheduled": true})
	lines := w.checked("check done")
	line := lines[len(lines)-1]
	failed, failedKnown := line[metric.ChecksFailed].(float64)
	attention, attentionKnown := line[metric.ChecksAttention].(float64)
	if !failedKnown || !attentionKnown {
		w.t.Fatalf("the line of a check has no metrics: %v", line)
	}
	for _, of := range []string{metric.Failures, metric.Rotations, metric.StepDuration} {
		if line[of] != nil {
			w.t.Errorf("the line of a check counts %s", of)
		}
	}
	return failed, attention, found
}

// attach makes the function a secret's rotation function, without a rotation.
func (w *deployment) attach(secretID string) {
	w.t.Helper()
	if _, err := w.Secrets.RotateSecret(w.t.Context(), &secretsmanager.RotateSecretInput{
		SecretId: aws.String(secretID), RotationLambdaARN: aws.String(sandbox.FunctionARN), ClientRequestToken: aws.String(sandbox.Token()), RotateImmediately: aws.Bool(false),
		RotationRules: &types.RotationRulesType{ScheduleExpression: aws.String("rate(30 days)")},
	}); err != nil {
		w.t.Fatal(err)
	}
	if outcome, err := w.Service.WaitRotation(w.t.Context(), secretID); err != nil || outcome.Err != nil {
		w.t.Fatal(err, outcome.Err)
	}
}

// While all is well the alarm is silent: before the first rotation, after it, and after
// the one of the other user, in every mode, and on a server whose support has ended.
func TestHealthyCheckRingsNoAlarm(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		for _, mode := range []string{"merge", "mirror", "off"} {
			w := newDeployment(t, on, withEnv("PRIVILEGE_SYNC="+mode))
			if mode == "off" {
				w.execute("CREATE USER "+me(w.clone())+" IDENTIFIED BY 'of its own'", "GRANT ALL PRIVILEGES ON "+w.database+".* TO "+me(w.clone()))
			}
			w.attach(w.app)
			for _, state := range []string{"before the first rotation", "after it", "after the second", "after the third"} {
				if state != "before the first rotation" {
					w.mustRotate()
				}
				failed, attention, found := w.counted()
				if failed != 0 || attention != 0 || !found.OK {
					t.Errorf("%s, %s: %v failed, %v ask for attention: %+v", mode, state, failed, attention, w.checked("check done")[len(w.checked("check done"))-1])
				}
			}
		}
	})
}

// Neither is what its owner has chosen, or knows: it is told of, and not counted.
func TestLastingStateRingsNoAlarm(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.store(w.user, firstPassword, map[string]any{"ssl": false})
		w.attach(w.app)
		for range 2 {
			failed, attention, found := w.counted()
			if f := finding(t, found, "server: TLS"); f.Result != rotation.ResultAttention || f.Type != warning.Plaintext || !f.NoAlarm || failed != 0 || attention != 0 {
				t.Errorf("%v failed, %v ask for attention: %+v", failed, attention, f)
			}
			w.mustRotate()
		}
	})
}

// clockBehind is a clock that goes, and is late.
type clockBehind struct{ by time.Duration }

func (c clockBehind) Now() time.Time { return time.Now().Add(-c.by) }

func (c clockBehind) At(moment time.Time) <-chan time.Time {
	return emulator.SystemClock{}.At(moment.Add(c.by))
}

// What stands in the way of the next rotation is counted, days before it; and not any
// more, once it is mended.
func TestCheckCountsWhatItFinds(t *testing.T) {
	late := func(by time.Duration) option {
		return withSecretsManager(func(o *emulator.Options) { o.Clock = clockBehind{by} })
	}
	for _, test := range []struct {
		name    string
		options []option
		spoil   func(*testing.T, *deployment) (mend func())
		check   string
		result  rotation.Result
		kind    string
	}{
		{"drift", nil, func(_ *testing.T, w *deployment) func() {
			w.execute("REVOKE DELETE ON " + w.database + ".* FROM " + me(w.clone()))
			return func() { w.execute("GRANT DELETE ON " + w.database + ".* TO " + me(w.clone())) }
		}, "drift", rotation.ResultAttention, warning.PendingHasLess},
		{"a GRANT that the admin lacks", nil, func(_ *testing.T, w *deployment) func() {
			w.execute("REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'admin'@'%'", "GRANT CREATE USER ON *.* TO 'admin'@'%'", "GRANT SELECT ON mysql.* TO 'admin'@'%'",
				"GRANT PROCESS ON *.* TO "+me(w.user))
			return func() {
				w.execute("GRANT PROCESS ON *.* TO 'admin'@'%' WITH GRANT OPTION")
				w.mustRotate()
			}
		}, "admin's privileges", rotation.ResultFailed, "PrivilegeNotGrantable"},
		{"a rotation that is stuck", []option{late(2 * time.Hour)}, func(_ *testing.T, w *deployment) func() {
			w.execute("ALTER USER 'admin'@'%' ACCOUNT LOCK")
			w.mustFail("setSecret")
			w.execute("ALTER USER 'admin'@'%' ACCOUNT UNLOCK")
			return func() { w.abandon(); w.mustRotate() }
		}, "rotation", rotation.ResultAttention, ""},
		{"a rotation that did not succeed by its date", []option{late(70 * 24 * time.Hour)}, func(*testing.T, *deployment) func() { return nil }, "rotation", rotation.ResultAttention, ""},
		{"the current password", nil, func(_ *testing.T, w *deployment) func() {
			w.execute("ALTER USER " + me(w.user) + " ACCOUNT LOCK")
			return func() { w.execute("ALTER USER " + me(w.user) + " ACCOUNT UNLOCK") }
		}, "current credentials", rotation.ResultFailed, "AccountLocked"},
	} {
		t.Run(test.name, func(t *testing.T) {
			servers.Each(t, func(t *testing.T, on *dbserver.Server) {
				w := newDeployment(t, on, test.options...)
				w.attach(w.app)
				w.mustRotate()
				w.mustRotate()
				mend := test.spoil(t, w)
				failed, attention, found := w.counted()
				f := finding(t, found, test.check)
				if f.Result != test.result || f.Type != test.kind || f.NoAlarm || f.Remedy == "" {
					t.Errorf("%+v", f)
				}
				if test.result == rotation.ResultFailed && failed == 0 || test.result == rotation.ResultAttention && attention == 0 {
					t.Errorf("%v failed, %v ask for attention", failed, attention)
				}
				if mend == nil {
					return
				}
				mend()
				if failed, attention, found := w.counted(); failed != 0 || attention != 0 {
					t.Errorf("mended, %v failed and %v ask for attention: %+v", failed, attention, found)
				}
			})
		})
	}
}

// A certificate is told of 90 days before it expires, and counted when it is near its end.
func TestCheckCountsACertificateThatExpires(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		if !on.Managed() {
			t.Skip("the certificate of a server that is given by address is not ours to change")
		}
		root := newAuthority(t, 365*24*time.Hour)
		w := newDeployment(t, on, withEnv("SSL_CERT_FILE="+root.file))
		for days, counted := range map[int]float64{20: 1, 60: 0, 200: 0} {
			end := root.serve(w, func(c *x509.Certificate) {
				c.NotAfter = time.Now().AddDate(0, 0, days)
				c.NotBefore = c.NotAfter.AddDate(-1, 0, 0)
			})
			failed, attention, found := w.counted()
			if f := finding(t, found, "server: TLS"); failed != 0 || attention != counted || (f.Type == warning.CertificateExpires) != (days < 90) {
				t.Errorf("%d days: %v failed, %v ask for attention: %+v", days, failed, attention, f)
			}
			end()
		}
	})
}

// After a healthy rotation the next user is the one that the application has used so far.
// Who is still logged in as that user is told of, and counted days before the next one.
func TestCheckCountsSessionsBeforeTheNextRotation(t *testing.T) {
	for _, policy := range []rotation.SessionPolicy{rotation.WarnOfSessions, rotation.RefuseSessions} {
		for name, by := range map[string]time.Duration{"just rotated": 0, "near": 25 * 24 * time.Hour} {
			t.Run(name+", "+string(policy), func(t *testing.T) {
				servers.Each(t, func(t *testing.T, on *dbserver.Server) {
					w := newDeployment(t, on, withEnv("PENDING_USER_SESSIONS="+string(policy)), withSecretsManager(func(o *emulator.Options) { o.Clock = clockBehind{by} }))
					w.attach(w.app)
					w.staysAs(w.now(), "")
					w.mustRotate()
					failed, attention, found := w.counted()
					wantFailed, wantAttention, want := 0.0, 0.0, rotation.ResultAttention
					switch {
					case by > 0 && policy == rotation.RefuseSessions:
						wantFailed, want = 1, rotation.ResultFailed
					case by > 0:
						wantAttention = 1
					}
					if f := finding(t, found, "sessions"); f.Result != want || f.Type != warning.PendingUserInUse || f.Remedy == "" || failed != wantFailed || attention != wantAttention || found.OK != (failed == 0) {
						t.Errorf("%v failed, %v ask for attention: %+v", failed, attention, f)
					}
				})
			})
		}
	}
}

// Without PROCESS, which is optional, nothing is counted, however near the rotation is.
func TestCheckWithoutProcessRingsNoAlarm(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.execute("REVOKE PROCESS ON *.* FROM 'admin'@'%'")
		w.attach(w.app)
		w.mustRotate()
		failed, attention, found := w.counted()
		if f := finding(t, found, "sessions"); f.Result != rotation.ResultAttention || !f.NoAlarm || !strings.Contains(f.Remedy, "GRANT PROCESS") || failed != 0 || attention != 0 {
			t.Errorf("%v failed, %v ask for attention: %+v", failed, attention, f)
		}
	})
}

// A rotation in progress is no reason for an alarm, whichever step it has come to.
func TestCheckDuringARotation(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		var w *deployment
		w = newDeployment(t, on, withIntercept(func(ctx context.Context, step string, invoke func() error) error {
			if step == "testSecret" && w.app == "" {
				return invoke()
			}
			result, err := w.Function.Invoke(ctx, fmt.Appendf(nil, `{"Step":"check","SecretId":%q,"Scheduled":true}`, w.app))
			var found rotation.Inspection
			if err != nil || json.Unmarshal(result.Payload, &found) != nil || !found.OK {
				t.Errorf("before %s: %v: %s", step, err, result.Payload)
			}
			return invoke()
		}))
		for range 3 {
			w.mustRotate()
		}
		lines := w.checked("check done")
		if len(lines) != 12 {
			t.Errorf("%d checks in three rotations", len(lines))
		}
		for _, line := range lines {
			if line[metric.ChecksFailed] != 0.0 || line[metric.ChecksAttention] != 0.0 {
				t.Errorf("%v", line)
			}
		}
	})
}

// every asks the function for a check of every secret, as the schedule does, which is always answered.
func (w *deployment) every() rotation.Overview {
	w.t.Helper()
	result, err := w.Function.Invoke(w.t.Context(), []byte(`{"Step":"check","Scheduled":true}`))
	if err != nil {
		w.t.Fatal(err)
	}
	w.said = append(w.said, string(result.Payload))
	var found rotation.Overview
	if err := json.Unmarshal(result.Payload, &found); err != nil {
		w.t.Fatalf("%v: %s", err, result.Payload)
	}
	return found
}

// last is the last line with this message.
func (w *deployment) last(message string) map[string]any {
	w.t.Helper()
	lines := w.checked(message)
	if len(lines) == 0 {
		w.t.Fatalf("there is no line %q", message)
	}
	return lines[len(lines)-1]
}

// A check of every secret finds those that the function rotates among more than a page
// of others, answers each as a check of it alone would, and changes nothing.
func TestCheckOfEverySecret(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.mustRotate()
		first := w.app
		w.store("nobody", "x", nil)
		off := w.app
		for n := range 110 {
			if _, err := w.Secrets.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String(fmt.Sprintf("other/%03d", n)), SecretString: aws.String("x")}); err != nil {
				t.Fatal(err)
			}
		}
		// A user of its own: the session of one secret's check would be in the other's.
		other := w.user + "2"
		w.execute("CREATE USER " + me(other) + " IDENTIFIED BY 'its password'")
		defer w.execute("DROP USER " + me(other))
		w.store(other, "not its password", nil)
		broken := w.app
		for _, id := range []string{off, broken} { // the test of a rotation may fail
			if _, err := w.Secrets.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{
				SecretId: aws.String(id), RotationLambdaARN: aws.String(sandbox.FunctionARN), ClientRequestToken: aws.String(sandbox.Token()), RotateImmediately: aws.Bool(false),
			}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Service.WaitRotation(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Secrets.CancelRotateSecret(t.Context(), &secretsmanager.CancelRotateSecretInput{SecretId: aws.String(off)}); err != nil {
			t.Fatal(err)
		}
		w.app = first
		before, calls := w.state(), len(w.Service.Calls())
		found := w.every()
		for _, call := range w.Service.Calls()[calls:] {
			if !slices.Contains(append(reads, "ListSecrets"), call.Operation) {
				t.Errorf("%s was called", call.Operation)
			}
		}
		if !slices.Equal(before, w.state()) {
			t.Error("the check has changed something")
		}
		if found.OK || found.Found != 2 || len(found.Secrets) != 2 || !slices.Equal(found.RotationOff, []string{off}) || len(found.NotReached) != 0 {
			t.Fatalf("%+v", found)
		}
		if pages := w.Service.CallCounts()["ListSecrets"]; pages != 2 {
			t.Errorf("%d pages were read", pages)
		}
		for n, want := range []string{broken, first} {
			got := found.Secrets[n]
			w.app = want
			alone := w.check()
			if got.Secret != want || got.OK != alone.OK || len(got.Checks) != len(alone.Checks) {
				t.Errorf("%+v, alone %+v", got, alone)
			}
			for i := range alone.Checks {
				if got.Checks[i].Name != alone.Checks[i].Name || got.Checks[i].Result != alone.Checks[i].Result || got.Checks[i].Type != alone.Checks[i].Type {
					t.Errorf("%s: %+v, alone %+v", want, got.Checks[i], alone.Checks[i])
				}
			}
		}
		line := w.last("every secret checked")
		if line["ok"] != false || line["found"] != 2.0 || line["rotationOff"] != 1.0 || line[metric.ChecksFailed] != 1.0 || line[metric.Failures] != nil {
			t.Errorf("%v", line)
		}
		lines := w.checked("check done")[:2]
		if secrets := []any{lines[0]["secret"], lines[1]["secret"]}; !slices.Contains(secrets, any(first)) || !slices.Contains(secrets, any(broken)) || lines[0][metric.Member] != nil {
			t.Errorf("%v", lines)
		}
	})
}

// Without the permission to list secrets the answer names the parameter that gives it,
// and the invocation does not fail.
func TestCheckOfEverySecretNeedsItsPermission(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, withSecretsManager(func(o *emulator.Options) {
			o.Authorize = func(_, operation, secret string) error {
				if operation == "ListSecrets" {
					if secret != "*" {
						t.Errorf("ListSecrets is about %q", secret)
					}
					return &emulator.Error{Code: "AccessDeniedException", Message: "User: x is not authorized to perform: secretsmanager:ListSecrets because no identity-based policy allows the secretsmanager:ListSecrets action"}
				}
				return nil
			}
		}))
		w.attach(w.app)
		found := w.every()
		f := found.Checks[len(found.Checks)-1]
		if found.OK || len(found.Secrets) != 0 || f.Name != "permission: ListSecrets" || f.Type != "SecretsManagerAccessDenied" ||
			!strings.Contains(f.Remedy, "checkSchedule") || !strings.Contains(f.Remedy, "secretsmanager:ListSecrets") {
			t.Errorf("%+v", found)
		}
		if line := w.last("every secret checked"); line[metric.ChecksFailed] != 1.0 {
			t.Errorf("%v", line)
		}
		if failed, attention, _ := w.counted(); failed != 0 || attention != 0 { // a check of one needs no list
			t.Errorf("%v failed, %v ask for attention", failed, attention)
		}
	})
}

// The secrets of another account are listed by the role of that account, which needs
// the permission; the function is known by its own ARN there too.
func TestCheckOfEverySecretOfAnotherAccount(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		role := roleOfReadme()
		role.Allows[2].Actions = append(role.Allows[2].Actions, "secretsmanager:ListSecrets")
		w := newDeployment(t, on, inAnotherAccount(role))
		w.attach(w.app)
		if found := w.every(); !found.OK || len(found.Secrets) != 1 || found.Secrets[0].Secret != w.app {
			t.Errorf("%+v", found)
		}
		w = newDeployment(t, on, inAnotherAccount(roleOfReadme()))
		w.attach(w.app)
		if found := w.every(); found.OK || found.Checks[1].Type != "SecretsManagerAccessDenied" {
			t.Errorf("%+v", found)
		}
	})
}

// Without a secret whose account stands for {account}, it is the function's own account
// whose secrets are listed and checked, as the role there.
func TestCheckOfEverySecretOfTheFunctionsAccount(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		const account = "123456789012"
		role := roleOfReadme()
		role.ARN = strings.Replace(role.ARN, otherAccount, account, 1)
		role.Allows[2].Actions = append(role.Allows[2].Actions, "secretsmanager:ListSecrets")
		for _, allowed := range role.Allows {
			for n, resource := range allowed.Resources {
				allowed.Resources[n] = strings.Replace(resource, otherAccount, account, 1)
			}
		}
		w := newDeployment(t, on, inAnotherAccount(role, "ROTATION_ROLE_ARN=arn:aws:iam::{account}:role/rotation"),
			withSecretsManager(func(o *emulator.Options) { o.Account = account }))
		w.attach(w.app)
		calls := len(w.Service.Calls())
		if found := w.every(); !found.OK || len(found.Secrets) != 1 || found.Secrets[0].Secret != w.app {
			t.Errorf("%+v", found)
		}
		listed := 0
		for _, call := range w.Service.Calls()[calls:] {
			if call.Identity == ownKey && call.Operation != "AssumeRole" {
				t.Errorf("%s was called by the function's own keys", call.Operation)
			}
			if call.Operation == "ListSecrets" && call.Identity == "arn:aws:sts::"+account+":assumed-role/rotation/tandem" {
				listed++
			}
		}
		if listed != 1 {
			t.Errorf("the role listed %d times", listed)
		}
	})
}

// Where the time is too short for all of them, the answer comes before its end, and
// names the rest.
func TestCheckOfEverySecretEndsInTime(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		silent := map[string]bool{}
		w := newDeployment(t, on, func(_ *deployment, o *sandbox.Options) {
			o.Timeout = 3 * time.Second
			o.SecretsManager.Fault = func(call emulator.Call) emulator.Fault {
				return emulator.Fault{Silent: call.Operation == "DescribeSecret" && silent[call.SecretARN]}
			}
		})
		var all []string
		for range 16 {
			w.store(w.user, firstPassword, nil)
			w.attach(w.app)
			all = append(all, w.app)
		}
		for _, id := range all {
			silent[id] = true
		}
		found := w.every()
		named := slices.Clone(found.NotReached)
		for _, one := range found.Secrets {
			named = append(named, one.Secret)
		}
		slices.Sort(named)
		slices.Sort(all)
		if found.OK || found.Found != 16 || len(found.NotReached) == 0 || len(found.Secrets) == 0 || !slices.Equal(named, all) {
			t.Errorf("%+v", found)
		}
		var logged []string
		for _, line := range w.checked("secret not reached") {
			logged = append(logged, line["secret"].(string))
		}
		if !slices.Equal(logged, found.NotReached) {
			t.Errorf("the log names %q, the answer %q", logged, found.NotReached)
		}
		if line := w.last("every secret checked"); line[metric.ChecksAttention].(float64) < float64(len(logged)) {
			t.Errorf("%v", line)
		}
	})
}
