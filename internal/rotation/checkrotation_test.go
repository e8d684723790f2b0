package rotation_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/metric"
	"tandem/internal/redact"
	"tandem/internal/rotation"
)

func accountName(user string) account.Name { return account.Name{User: user, Host: "%"} }

// grantsAll is what an admin has who lacks nothing.
var grantsAll = redact.New("GRANT ALL PRIVILEGES ON *.* TO `admin`@`%` IDENTIFIED BY PASSWORD '*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19' WITH GRANT OPTION")

// dated are secrets with dates.
type dated struct {
	fakeSecrets
	changed, next time.Time
	stored        time.Time // the pending version
}

func (d dated) Describe(ctx context.Context, id string) (rotation.Labels, error) {
	labels, err := d.fakeSecrets.Describe(ctx, id)
	labels.Changed, labels.NextRotation = d.changed, d.next
	return labels, err
}

func (d dated) Version(ctx context.Context, id, version string) (rotation.Version, error) {
	read, err := d.fakeSecrets.Version(ctx, id, version)
	if version == token {
		read.Created = d.stored
	}
	return read, err
}

// A rotation that has not ended is told of whenever it began; it is counted once it
// cannot be one in progress any more, or its window is over.
func TestStuckRotationIsCounted(t *testing.T) {
	now := time.Now()
	const value, noValue, none = "value", "no value", "none"
	for _, test := range []struct {
		name                  string
		pending               string
		stored, changed, next time.Time
		off                   bool
		result                rotation.Result
		counted               float64
		words                 string
	}{
		{"none", none, time.Time{}, now.Add(-100 * time.Hour), now.Add(time.Hour), false, rotation.ResultOK, 0, "no rotation is in progress"},
		{"just begun", noValue, time.Time{}, now.Add(-time.Second), time.Time{}, false, rotation.ResultAttention, 0, "createSecret has stored nothing yet"},
		{"in progress", value, now.Add(-time.Minute), now.Add(-time.Minute), time.Time{}, false, rotation.ResultAttention, 0, "goes on from its document"},
		{"stuck", value, now.Add(-2 * time.Hour), now, time.Time{}, false, rotation.ResultAttention, 1, "goes on from its document"},
		{"stuck before createSecret", noValue, time.Time{}, now.Add(-2 * time.Hour), time.Time{}, false, rotation.ResultAttention, 1, "createSecret has stored nothing yet"},
		{"of an unknown age", value, time.Time{}, now, time.Time{}, false, rotation.ResultAttention, 1, "a rotation has not ended"},
		{"tried again, and its window is over", value, now.Add(-time.Minute), now, now.Add(-2 * time.Hour), false, rotation.ResultAttention, 1, "a rotation has not ended"},
		{"never begun", none, time.Time{}, now.Add(-100 * time.Hour), now.Add(-2 * time.Hour), false, rotation.ResultAttention, 1, "has not succeeded"},
		{"about to begin", none, time.Time{}, now.Add(-100 * time.Hour), now.Add(-time.Minute), false, rotation.ResultOK, 0, "no rotation is in progress"},
		{"turned off", none, time.Time{}, now.Add(-100 * time.Hour), now.Add(-2 * time.Hour), true, rotation.ResultOK, 0, "turned off"},
	} {
		w := steady(t)
		if test.off {
			w.enabled = new(bool)
		}
		if test.pending != none {
			w.labels[token] = []string{"AWSPENDING"}
		}
		if test.pending == value {
			w.values[token] = document("app_clone", "new password", nil)
		}
		r := w.rotator()
		r.Secrets = dated{fakeSecrets{w}, test.changed, test.next, test.stored}
		answer, err := r.Inspect(t.Context(), rotation.Event{Step: rotation.Check, SecretID: secretID, Scheduled: true})
		if err != nil {
			t.Fatal(err)
		}
		line := w.lines("check done")[0]
		f := answer.Checks[len(answer.Checks)-1]
		for _, one := range answer.Checks {
			if one.Name == "rotation" {
				f = one
			}
		}
		if f.Result != test.result || !strings.Contains(f.Detail, test.words) || f.NoAlarm != (test.result == rotation.ResultAttention && test.counted == 0) {
			t.Errorf("%s: %+v", test.name, f)
		}
		if line[metric.ChecksAttention] != test.counted || line[metric.ChecksFailed] != 0.0 {
			t.Errorf("%s: %v", test.name, line)
		}
	}
}

// What a rotation is changing while it is looked at is no reason for an alarm; when it
// is over, it is.
func TestDriftOfARotationInProgress(t *testing.T) {
	for name, began := range map[string]time.Time{"in progress": time.Now(), "stuck": time.Now().Add(-2 * time.Hour)} {
		w := steady(t)
		w.labels[token] = []string{"AWSPENDING"}
		w.values[token] = document("app_clone", "new password", nil)
		w.accounts[accountName("app_clone")] = account.Rows{CreateUser: rows("app_clone", "ALTER").CreateUser, Grants: rows("app_clone", "ALTER").Grants[:1]}
		r := w.rotator()
		r.Secrets = dated{fakeSecrets{w}, began, time.Time{}, began}
		answer, err := r.Inspect(t.Context(), rotation.Event{Step: rotation.Check, SecretID: secretID, Scheduled: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range answer.Checks {
			if f.Name == "drift" && (f.Result != rotation.ResultAttention || f.NoAlarm != (name == "in progress")) {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if counted := w.lines("check done")[0][metric.ChecksAttention].(float64); (counted == 0) != (name == "in progress") {
			t.Errorf("%s: %v are counted", name, counted)
		}
	}
}

// The call that takes AWSPENDING off is printed where that can lose no password: not where
// the current credentials are refused, and the pending ones are the same user's.
func TestCheckKeepsTheOnlyPassword(t *testing.T) {
	single := &rotation.Settings{Strategy: rotation.SingleUser, Repair: rotation.Repair{Everybody: true}}
	for _, test := range []struct {
		name      string
		settings  *rotation.Settings
		pending   string // the user
		stored    string // the password
		refuses   string // the user, or all
		both      string // the host of an account that has both passwords
		own, says bool
		words     string
	}{
		{"in force", single, "app", "pending password", "app", "", false, false, "rotate the secret again, which moves AWSCURRENT"},
		{"in force by its own word", single, "app", "pending password", "app", "", true, false, "rotate the secret again, which moves AWSCURRENT"},
		{"in force, and two users now", nil, "app", "pending password", "app", "", false, false, "set ROTATION_STRATEGY=single-user again"},
		{"the admin is refused too", single, "app", "pending password", "all", "", false, false, "do not take AWSPENDING off"},
		{"neither is in force", single, "app", "by hand", "app", "", false, true, "rotate the secret again"},
		{"the current one is", single, "app", "old password", "", "", false, true, "rotate the secret again"},
		{"both are stored, and refused for another reason", single, "app", "by hand", "app", "%", false, false, "may be the only one in force"},
		{"in force, and at another host both are", single, "app", "pending password", "app", "10.%", false, false, "rotate the secret again, which moves AWSCURRENT"},
		{"another user's", nil, "app_clone", "by hand", "app", "", false, true, "rotate the secret again"},
	} {
		w := newMemory(t)
		w.single = test.settings
		more := map[string]any{}
		if test.own {
			more["masterarn"] = nil
		}
		w.values[oldToken], w.values[token] = document("app", "old password", more), document(test.pending, "pending password", more)
		w.accounts[accountName("app")] = nativeRows("app", test.stored)
		w.accounts[accountName("admin")] = rows("admin", "ALTER")
		if test.both != "" {
			w.accounts[account.Name{User: "app", Host: test.both}] = bothRows("app", test.both)
		}
		w.refuses = func(login rotation.Login) bool {
			return test.refuses == "all" && login.Username == "admin" || test.refuses != "" && login.Username == "app" && login.Password.Reveal() != test.stored
		}
		for _, f := range inspected(t, w).Checks {
			said := f.Detail + "; " + f.Remedy
			if f.Name == "rotation" {
				if strings.Contains(said, "--remove-from-version-id") != test.says || !strings.Contains(said, test.words) {
					t.Errorf("%s: %+v", test.name, f)
				}
			}
			if inForce := test.stored == "pending password" && test.refuses == "app"; inForce && (f.Type == "RepairedWithAdmin" || strings.Contains(said, "by hand")) {
				t.Errorf("%s: %+v", test.name, f)
			}
		}
	}
}

// bothRows are those of an account that has the pending password and the old one.
func bothRows(user, host string) account.Rows {
	row := "CREATE USER `" + user + "`@`" + host + "` IDENTIFIED VIA mysql_native_password USING '" + nativeVerifier("pending password") + "' OR mysql_native_password USING '" + nativeVerifier("old password") + "'"
	return account.Rows{
		CreateUser: []redact.Secret{redact.New(row)}, Grants: []redact.Secret{redact.New(strings.Replace(row, "CREATE USER", "GRANT USAGE ON *.* TO", 1))},
	}
}

// A rotation goes on from a pending password that is in force though another host's account has
// both; and where both are refused for another reason, it says what could tell that.
func TestRefusedWhereBothAreStored(t *testing.T) {
	for host, refusesBoth := range map[string]bool{"%": true, "10.%": false} {
		w := newMemory(t)
		w.single = &rotation.Settings{Strategy: rotation.SingleUser}
		w.values[token] = document("app", "pending password", nil)
		w.accounts[accountName("app")] = nativeRows("app", "pending password")
		w.accounts[account.Name{User: "app", Host: host}] = bothRows("app", host)
		w.refuses = func(login rotation.Login) bool {
			return login.Username == "app" && (refusesBoth || login.Password.Reveal() != "pending password")
		}
		err := w.step(rotation.SetSecret)
		if !refusesBoth && err != nil {
			t.Errorf("both are stored at %s: %v", host, err)
		}
		if refusesBoth && (err == nil || !strings.Contains(failure.RemedyOf(err), "REPAIR_WITH_ADMIN") || strings.Contains(err.Error(), "in force")) {
			t.Errorf("both are refused: %v, of which the remedy is %q", err, failure.RemedyOf(err))
		}
	}
}

// The same at a reader, whether it has got the change from its writer or not.
func TestCheckInTheGapAtAReader(t *testing.T) {
	for _, behind := range []bool{false, true} {
		for _, unread := range []bool{false, true} {
			w := readerOfOne(t, "pending password")
			w.single.Repair = rotation.Repair{Everybody: true}
			w.accounts[accountName("admin")] = rows("admin", "ALTER")
			w.refuses = func(login rotation.Login) bool {
				return login.Username == "app" && (login.Password.Reveal() == "pending password") == (behind && login.Host == "shop-read"+suffix)
			}
			w.before = func(what string) error {
				if unread && what == "users" {
					return errors.New("not now")
				}
				return nil
			}
			want := "rotate the secret again, which moves AWSCURRENT"
			if unread {
				want = "do not take AWSPENDING off"
			}
			for _, f := range inspected(t, w).Checks {
				said := f.Detail + "; " + f.Remedy
				if strings.Contains(said, "--remove-from-version-id") || f.Type == "RepairedWithAdmin" || strings.Contains(said, "finishSecret") || f.Name == "rotation" && !strings.Contains(said, want) {
					t.Errorf("behind %v, unread %v: %+v", behind, unread, f)
				}
			}
		}
	}
}
