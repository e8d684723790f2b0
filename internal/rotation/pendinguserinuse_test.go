package rotation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/rotation"
	"tandem/internal/warning"
)

// turnOfClone is a secret whose second rotation to the clone has got as far as setSecret.
func turnOfClone(t *testing.T) *memory {
	w := newMemory(t)
	const before = "00000000-0000-0000-0000-000000000009"
	w.labels[before], w.values[before] = []string{"AWSPREVIOUS"}, document("app_clone", "old password", nil)
	w.values[token] = document("app_clone", "new password", nil)
	w.accounts[account.Name{User: "app_clone", Host: "%"}] = rows("app_clone", "ALTER")
	return w
}

// inUse answers with sessions of the clone at each server that is named.
func inUse(at map[string][]rotation.UserSession) func(at, user string) rotation.UserSessions {
	return func(server, user string) rotation.UserSessions {
		if user != "app_clone" {
			return rotation.UserSessions{Known: true}
		}
		return rotation.UserSessions{Known: true, Count: len(at[server]), Sessions: at[server]}
	}
}

func here(sessions ...rotation.UserSession) map[string][]rotation.UserSession {
	return map[string][]rotation.UserSession{"": sessions}
}

// logged are the lines that have the type, or with "" those with which steps ended.
func (w *memory) logged(kind string) []map[string]any {
	w.t.Helper()
	var found []map[string]any
	for line := range strings.Lines(w.log.String()) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			w.t.Fatal(err)
		}
		message, _ := object["msg"].(string)
		if kind == "" && strings.HasPrefix(message, "step ") || kind != "" && object["type"] == kind {
			found = append(found, object)
		}
	}
	return found
}

var twoClients = []rotation.UserSession{
	{Connection: 11, Host: "10.0.1.7", Program: "orders", Quiet: 3 * time.Minute},
	{Connection: 12, Host: "10.0.2.9", Quiet: 5 * time.Second, OfRDSProxy: true},
	{Connection: 13, Host: "10.0.1.7", Program: "orders", Quiet: 2 * time.Hour},
}

// With warn they are named before anything is sent, and the rotation goes on.
func TestPendingUserInUseWarns(t *testing.T) {
	w := turnOfClone(t)
	w.sessions = inUse(here(twoClients...))
	w.accounts[account.Name{User: "app", Host: "%"}] = rows("app", "DROP") // so that there is a plan
	warned := -1
	w.before = func(what string) error {
		if strings.HasPrefix(what, "apply ") && warned < 0 {
			warned = len(w.logged(warning.PendingUserInUse))
		}
		return nil
	}
	// This server never has what it was sent, so that the step fails: later than this.
	_ = w.step(rotation.SetSecret)
	if warned != 1 {
		t.Fatalf("%d warnings before the first statement: %q", warned, w.trace)
	}
	found := w.logged(warning.PendingUserInUse)
	want := `"app_clone" is still in use by 3 sessions: 2 from 10.0.1.7 ('orders'), quiet for 3m0s to 2h0m0s, connections 11, 13; ` +
		`1 from 10.0.2.9, by RDS Proxy, which keeps a user's sessions whether or not a client has need of them, quiet for 5s, connection 12; ` +
		`its password changes now: open sessions go on, but the next login with the old password is refused; ` +
		`restart these clients, or have them read the secret again and close what they opened before; ` +
		`or, where a client is gone, end its session, as somebody who may, as in KILL 13, or on Amazon RDS CALL mysql.rds_kill(13)`
	if len(found) != 1 || found[0]["msg"] != want || found[0]["sessions"] != 3.0 || found[0]["user"] != "app_clone" || len(found[0]["clients"].([]any)) != 2 {
		t.Errorf("warnings (-want +got):\n%s\n%v", cmp.Diff(want, found[0]["msg"]), found)
	}
	if line := w.logged("")[0]; line["pendingUserSessions"] != 3.0 || line["PendingUserSessions"] != 3.0 {
		t.Errorf("the step's line and metric: %v", line)
	}
}

// With refuse nothing is sent, the labels stay, and the next try goes on when they are gone.
func TestPendingUserInUseRefuses(t *testing.T) {
	w := turnOfClone(t)
	w.refuse = true
	w.sessions = inUse(here(twoClients...))
	err := w.step(rotation.SetSecret)
	if failure.Of(err) != failure.PendingUserInUse || !strings.Contains(err.Error(), "2 from 10.0.1.7 ('orders')") || !strings.Contains(err.Error(), "this step changed nothing") {
		t.Fatalf("error %v", err)
	}
	if w.position("apply") >= 0 || w.position("take AWSPENDING") >= 0 || w.position("lock") < 0 || w.position("lock") > w.position("sessions of app_clone") {
		t.Errorf("done: %q", w.trace)
	}
	if line := w.logged("")[0]; line["errorType"] != "PendingUserInUse" || line["PendingUserSessions"] != 3.0 || line["warnings"] != nil {
		t.Errorf("the step's line: %v", line)
	}
	w.sessions = inUse(nil)
	if err := w.step(rotation.SetSecret); err != nil || w.position("apply ALTER USER") < 0 {
		t.Errorf("when they are gone: %v, %q", err, w.trace)
	}
}

// What is not known is not none: with refuse it is refused, with the GRANT or the cause,
// and with warn it is a field and fails nothing.
func TestPendingUserInUseNotKnown(t *testing.T) {
	for name, test := range map[string]struct {
		answer  rotation.UserSessions
		refusal string
	}{
		"without PROCESS": {rotation.UserSessions{}, "as 'admin'@'%' may not see the sessions of others: this step changed nothing, as PENDING_USER_SESSIONS is refuse; to fix it, run: GRANT PROCESS ON *.* TO 'admin'@'%'"},
		"an error":        {rotation.UserSessions{Unknown: errors.New("error 1109")}, "is not known: error 1109: this step changed nothing, as PENDING_USER_SESSIONS is refuse; mend the cause, or set PENDING_USER_SESSIONS to warn; the next try looks again"},
		"a denial":        {rotation.UserSessions{Unknown: deniedError{}}, "this step changed nothing, as PENDING_USER_SESSIONS is refuse"},
	} {
		t.Run(name, func(t *testing.T) {
			w := turnOfClone(t)
			w.sessions = func(string, string) rotation.UserSessions { return test.answer }
			if err := w.step(rotation.SetSecret); err != nil {
				t.Error(err)
			}
			line := w.logged("")[0]
			if unknown, _ := line["pendingUserSessionsUnknown"].(string); len(w.logged(warning.PendingUserInUse)) != 0 || line["pendingUserSessions"] != nil ||
				!strings.HasPrefix(unknown, `whether "app_clone" is still in use is not known`) {
				t.Errorf("with warn: %v", line)
			}
			w.refuse, w.trace = true, nil
			err := w.step(rotation.SetSecret)
			if failure.Of(err) != failure.PendingUserInUse || !strings.Contains(err.Error(), test.refusal) || w.position("apply") >= 0 {
				t.Errorf("with refuse: %v, %q", err, w.trace)
			}
			if remedy := failure.RemedyOf(err); strings.Contains(remedy, "restart") {
				t.Errorf("nobody is named, and the remedy is %q", remedy)
			}
		})
	}
}

// deniedError is a server's answer that a login may not do a thing.
type deniedError struct{}

func (deniedError) Error() string { return "error 1142" }
func (deniedError) Denied() bool  { return true }

// Where the sessions could be counted and not listed, the number is what is said.
func TestPendingUserInUseNotListed(t *testing.T) {
	w := turnOfClone(t)
	w.sessions = func(string, string) rotation.UserSessions {
		return rotation.UserSessions{Known: true, Count: 4, Undetailed: errors.New("error 3024")}
	}
	if err := w.step(rotation.SetSecret); err != nil {
		t.Fatal(err)
	}
	if found := w.logged(warning.PendingUserInUse); len(found) != 1 || !strings.Contains(found[0]["msg"].(string), "by 4 sessions: 4, of which no more could be read: error 3024") {
		t.Errorf("warnings: %v", found)
	}
}

// Nothing is asked where no password ends: in the first rotation, and in a try that comes
// after one that has set it.
func TestPendingUserInUseIsNotAsked(t *testing.T) {
	for name, prepare := range map[string]func(*memory){
		"the clone is new": func(w *memory) { delete(w.accounts, account.Name{User: "app_clone", Host: "%"}) },
		"the password is set": func(w *memory) {
			w.accounts[account.Name{User: "app_clone", Host: "%"}] = account.Rows{
				CreateUser: []redact.Secret{redact.New("CREATE USER `app_clone`@`%` IDENTIFIED BY PASSWORD '" + nativeVerifier("new password") + "'")},
				Grants:     []redact.Secret{redact.New("GRANT ALTER ON `db`.* TO `app_clone`@`%`")},
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := turnOfClone(t)
			w.refuse = true
			w.sessions = inUse(here(twoClients...))
			prepare(w)
			if err := w.step(rotation.SetSecret); err != nil {
				t.Error(err)
			}
			if w.position("sessions of") >= 0 || strings.Contains(w.log.String(), warning.PendingUserInUse) {
				t.Errorf("done: %q", w.trace)
			}
		})
	}
}

// atReader is a secret at a reader, whose clone has its turn.
func atReader(t *testing.T, host, admin string) *memory {
	w := readerWorld(t, host, admin)
	w.values[token] = document("app_clone", "new password", map[string]any{"host": host})
	return w
}

// Where the application's host is a reader, its sessions count too: at a replica, and at
// each instance behind a reader endpoint that is available. The writer counts once.
func TestPendingUserInUseAtReaders(t *testing.T) {
	for _, test := range []struct{ host, admin, reader string }{
		{"shop-read" + suffix, "shop" + suffix, "shop-read" + suffix},
		{readerHost, writerHost, "store-2" + suffix},
	} {
		w := atReader(t, test.host, test.admin)
		w.identity = map[string]string{}
		for _, reader := range []string{"shop-read" + suffix, "store-2" + suffix, "store-3" + suffix} {
			w.identity[reader] = reader
		}
		one := []rotation.UserSession{{Host: "10.0.1.7"}}
		w.sessions = inUse(map[string][]rotation.UserSession{test.reader: one, test.admin: one, "store-1" + suffix: one})
		if err := w.step(rotation.SetSecret); err != nil {
			t.Fatal(err)
		}
		found := w.logged(warning.PendingUserInUse)
		if len(found) != 1 || found[0]["sessions"] != 2.0 || !strings.Contains(found[0]["msg"].(string), "1 from 10.0.1.7, active just now at "+test.reader+":3306") {
			t.Errorf("%s: %v\n%q", test.host, found, w.trace)
		}
	}
}

// A reader that cannot be looked at fails nothing with warn. With refuse it is a reason to
// wait, as the account that may not look there is one for a GRANT.
func TestPendingUserInUseAtReaderNotKnown(t *testing.T) {
	for name, test := range map[string]struct {
		stop func(w *memory) func(what string) error
		want string
	}{
		"no login": {func(*memory) func(string) error {
			return func(what string) error {
				if what == "connect admin at shop-read"+suffix {
					return fmt.Errorf("error 1045: %w", rotation.ErrLoginRefused)
				}
				return nil
			}
		}, "at shop-read" + suffix + ":3306 is not known: logging in as the admin: error 1045"},
		"no PROCESS": {func(w *memory) func(string) error {
			w.sessions = func(at, _ string) rotation.UserSessions {
				return rotation.UserSessions{Known: at != "shop-read"+suffix}
			}
			return nil
		}, "to fix it, run: GRANT PROCESS ON *.* TO 'admin'@'%'"},
	} {
		t.Run(name, func(t *testing.T) {
			w := atReader(t, "shop-read"+suffix, "shop"+suffix)
			w.identity = map[string]string{"shop-read" + suffix: "another"}
			w.sessions = inUse(nil)
			w.before = test.stop(w)
			if err := w.step(rotation.SetSecret); err != nil {
				t.Error(err)
			}
			w.refuse = true
			if err := w.step(rotation.SetSecret); failure.Of(err) != failure.PendingUserInUse || !strings.Contains(err.Error(), test.want) {
				t.Errorf("with refuse: %v", err)
			}
		})
	}
}

// An instance that is not available may serve nevertheless: it is asked, and excused only
// if it does not answer.
func TestPendingUserInUseAtReaderThatIsNotAvailable(t *testing.T) {
	for _, test := range []struct {
		login   error
		says    string // the warning, or what is not known
		refused bool
	}{
		{nil, "1 from 10.0.1.7, active just now at store-2" + suffix, true},
		{errors.New("not reached"), "store-2" + suffix + ":3306, whose status is modifying, was not looked at: not reached", false},
		{fmt.Errorf("error 1045: %w", rotation.ErrLoginRefused), "at store-2" + suffix + ":3306 is not known: logging in as the admin: error 1045", true},
	} {
		w := atReader(t, readerHost, writerHost)
		for name, instance := range w.instances {
			instance.Status = "modifying"
			w.instances[name] = instance
		}
		w.sessions = inUse(map[string][]rotation.UserSession{"store-2" + suffix: {{Host: "10.0.1.7"}}})
		w.before = func(what string) error {
			if what == "connect admin at store-2"+suffix {
				return test.login
			}
			return nil
		}
		if err := w.step(rotation.SetSecret); err != nil {
			t.Fatal(err)
		}
		said := fmt.Sprint(w.logged("")[0]["pendingUserSessionsUnknown"])
		for _, warned := range w.logged(warning.PendingUserInUse) {
			said += fmt.Sprint(warned["msg"])
		}
		if !strings.Contains(said, test.says) {
			t.Errorf("login: %v; with warn it says %q", test.login, said)
		}
		w.refuse = true
		if err := w.step(rotation.SetSecret); (failure.Of(err) == failure.PendingUserInUse) != test.refused {
			t.Errorf("login: %v; with refuse: %v", test.login, err)
		}
		delete(w.labels, token)
		answer, err := w.rotator().Inspect(t.Context(), rotation.Event{SecretID: secretID})
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(answer.Checks, func(f rotation.Finding) bool { return f.Name == "sessions" })
		if f := answer.Checks[at]; !strings.Contains(f.Detail, test.says) || (f.Result == rotation.ResultFailed) != test.refused || (f.Remedy != "") != test.refused {
			t.Errorf("login: %v; a check: %+v", test.login, f)
		}
	}
}

// The admin's password is for its own server alone. In another account the names of hosts
// are the same but for a few letters that say nothing: where RDS has another endpoint for
// the instance or the cluster of that name, that is another server, and nobody logs in to
// what belongs to it.
func TestCheckOfSessionsLeavesOtherAccountsAlone(t *testing.T) {
	for _, host := range []string{"shop.ckforeign99.eu-west-1.rds.amazonaws.com", "store-1.ckforeign99.eu-west-1.rds.amazonaws.com", "store.cluster-ckforeign99.eu-west-1.rds.amazonaws.com"} {
		w := turnOfClone(t)
		w.aws()
		delete(w.labels, token)
		w.admin = document("admin", "x", map[string]any{"host": host})
		w.values[oldToken] = document("app", "old password", map[string]any{"host": host})
		w.sessions = inUse(nil)
		answer, err := w.rotator().Inspect(t.Context(), rotation.Event{SecretID: secretID})
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(answer.Checks, func(f rotation.Finding) bool { return f.Name == "sessions" })
		if f := answer.Checks[at]; f.Result != rotation.ResultOK || !strings.Contains(f.Detail, "were not looked at, as "+host+":3306 is not the address of the ") {
			t.Errorf("%s: %+v", host, f)
		}
		for _, done := range w.trace {
			if strings.HasPrefix(done, "connect ") && !strings.HasSuffix(done, " at "+host) {
				t.Errorf("%s: %s", host, done)
			}
		}
	}
}

// A check says who is there, and at the servers too that a rotation does not look at,
// which are no reason for it to wait.
func TestCheckOfSessions(t *testing.T) {
	one := []rotation.UserSession{{Host: "10.0.1.7", Program: "orders"}}
	known := func(w *memory, at map[string][]rotation.UserSession) { w.sessions = inUse(at) }
	for _, test := range []struct {
		name    string
		host    string // of both documents
		prepare func(w *memory)
		refuse  bool
		result  rotation.Result
		kind    string
		want    string
	}{
		{"nobody", "", func(w *memory) { known(w, nil) }, false, rotation.ResultOK, "", `nobody is logged in as "app_clone" at the moment; other servers, such as replicas, were not looked at, as db.example is no name`},
		{"somebody", "", func(w *memory) { known(w, here(one...)) }, false, rotation.ResultAttention, warning.PendingUserInUse, "1 from 10.0.1.7 ('orders')"},
		{"somebody, refused", "", func(w *memory) { known(w, here(one...)) }, true, rotation.ResultFailed, string(failure.PendingUserInUse), "a rotation would change nothing"},
		{"without PROCESS", "", func(w *memory) {
			w.sessions = func(string, string) rotation.UserSessions { return rotation.UserSessions{} }
		}, false, rotation.ResultAttention, "", "may not see the sessions of others"},
		{"no clone", "", func(w *memory) { delete(w.accounts, account.Name{User: "app_clone", Host: "%"}) }, true, rotation.ResultOK, "", `"app_clone" does not exist yet`},
		{"nobody in a cluster", writerHost, func(w *memory) { known(w, nil) }, true, rotation.ResultOK, "", "at 2 other servers neither"},
		{"somebody at another instance", writerHost, func(w *memory) {
			known(w, map[string][]rotation.UserSession{"store-3" + suffix: one})
		}, true, rotation.ResultAttention, warning.PendingUserInUse, "at store-3" + suffix},
		{"somebody at a replica", "shop" + suffix, func(w *memory) {
			known(w, map[string][]rotation.UserSession{"shop-read" + suffix: one})
		}, true, rotation.ResultAttention, warning.PendingUserInUse, "at shop-read" + suffix},
		{"somebody at a replica's replica", "shop" + suffix, func(w *memory) {
			name := rotation.ServerName{ID: "shop-read", Region: region}
			replica := w.instances[name]
			replica.Replicas = []string{"shop-read-read"}
			w.instances[name] = replica
			w.identity["shop-read-read"+suffix] = "3"
			known(w, map[string][]rotation.UserSession{"shop-read-read" + suffix: one})
		}, true, rotation.ResultAttention, warning.PendingUserInUse, "at shop-read-read" + suffix},
		{"RDS does not tell", writerHost, func(w *memory) {
			known(w, nil)
			w.before = func(what string) error {
				if strings.HasPrefix(what, "members") {
					return errors.New("allow rds:DescribeDBInstances")
				}
				return nil
			}
		}, true, rotation.ResultOK, "", "allow rds:DescribeDBInstances"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := turnOfClone(t)
			w.aws()
			delete(w.labels, token)
			if test.host != "" {
				w.admin = document("admin", "x", map[string]any{"host": test.host})
				w.values[oldToken] = document("app", "old password", map[string]any{"host": test.host})
			}
			w.identity = map[string]string{"shop-read" + suffix: "2", "store-2" + suffix: "4", "store-3" + suffix: "5"}
			w.refuse = test.refuse
			test.prepare(w)
			answer, err := w.rotator().Inspect(t.Context(), rotation.Event{SecretID: secretID})
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range answer.Checks {
				if found.Name == "sessions" && (found.Result != test.result || found.Type != test.kind || !strings.Contains(found.Detail, test.want) || strings.Contains(found.Detail, "the next rotation waits")) {
					t.Errorf("%+v", found)
				}
			}
		})
	}
}

// planned has AWSCURRENT's version made at a time, and the next rotation planned for one.
type planned struct {
	fakeSecrets
	last, next time.Time
}

func (p planned) Current(ctx context.Context, id string) (rotation.Version, error) {
	version, err := p.fakeSecrets.Current(ctx, id)
	version.Created = p.last
	return version, err
}

func (p planned) Describe(ctx context.Context, id string) (rotation.Labels, error) {
	labels, err := p.fakeSecrets.Describe(ctx, id)
	labels.NextRotation = p.next
	return labels, err
}

// The next user is the one that the application has used until the last rotation, so its
// sessions are told of, and counted or refused only when the next rotation is near.
func TestSessionsAreCountedBeforeTheNextRotation(t *testing.T) {
	now := time.Now()
	const day = 24 * time.Hour
	for _, test := range []struct {
		name       string
		last, next time.Time
		near       bool
	}{
		{"just rotated", now.Add(-time.Minute), now.Add(30 * day), false},
		{"a week before a monthly rotation", now.Add(-22 * day), now.Add(8 * day), false},
		{"days before a monthly rotation", now.Add(-24 * day), now.Add(6 * day), true},
		{"a week before a yearly rotation", now.Add(-357 * day), now.Add(8 * day), false},
		{"days before a yearly rotation", now.Add(-359 * day), now.Add(6 * day), true},
		{"half of a day", now.Add(-12 * time.Hour), now.Add(12 * time.Hour), false},
		{"the last hours of a day", now.Add(-20 * time.Hour), now.Add(4 * time.Hour), true},
		{"overdue", now.Add(-31 * day), now.Add(-day), true},
		{"no date", now.Add(-time.Minute), time.Time{}, true},
		{"no date of the last, far", time.Time{}, now.Add(8 * day), false},
		{"no date of the last, near", time.Time{}, now.Add(6 * day), true},
	} {
		for _, refuse := range []bool{false, true} {
			w := turnOfClone(t)
			w.aws()
			delete(w.labels, token)
			w.refuse = refuse
			w.sessions = inUse(here(rotation.UserSession{Host: "10.0.1.7"}))
			r := w.rotator()
			r.Secrets = planned{fakeSecrets{w}, test.last, test.next}
			answer, err := r.Inspect(t.Context(), rotation.Event{Step: rotation.Check, SecretID: secretID})
			if err != nil {
				t.Fatal(err)
			}
			want := rotation.ResultAttention
			if refuse && test.near {
				want = rotation.ResultFailed
			}
			at := slices.IndexFunc(answer.Checks, func(f rotation.Finding) bool { return f.Name == "sessions" })
			if f := answer.Checks[at]; f.Result != want || f.Type != warning.PendingUserInUse || f.NoAlarm == test.near || !strings.Contains(f.Detail, "10.0.1.7") || strings.Contains(f.Detail, "PENDING_USER_SESSIONS is refuse") != refuse {
				t.Errorf("%s, refuse %v: %+v", test.name, refuse, f)
			}
		}
	}
}

// An admin without PROCESS, which is optional, is told of and not counted; where the
// rotation refuses to go on without it, the check fails whatever the date.
func TestSessionsThatAreNotKnownAreNotCounted(t *testing.T) {
	for refuse, want := range map[bool]rotation.Result{false: rotation.ResultAttention, true: rotation.ResultFailed} {
		w := turnOfClone(t)
		w.aws()
		delete(w.labels, token)
		w.refuse = refuse
		w.sessions = func(string, string) rotation.UserSessions { return rotation.UserSessions{} }
		r := w.rotator()
		r.Secrets = planned{fakeSecrets{w}, time.Now(), time.Now().Add(30 * 24 * time.Hour)}
		answer, err := r.Inspect(t.Context(), rotation.Event{Step: rotation.Check, SecretID: secretID})
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(answer.Checks, func(f rotation.Finding) bool { return f.Name == "sessions" })
		if f := answer.Checks[at]; f.Result != want || f.NoAlarm == refuse || !strings.Contains(f.Remedy, "GRANT PROCESS") {
			t.Errorf("refuse %v: %+v", refuse, f)
		}
	}
}

// However many there are, a client's first sessions are numbered, and what ends one stands
// in the line, and in the check's remedy; where it is, where that is another server.
func TestPendingUserInUseNumbersSessions(t *testing.T) {
	var many []rotation.UserSession
	for i := range 3000 {
		host, quiet := fmt.Sprintf("%d.%s", i%30, strings.Repeat("x", 100)), time.Duration(0)
		if i == 700 {
			quiet = time.Hour
		}
		many = append(many, rotation.UserSession{Connection: 1<<63 + uint64(i), Host: host, Program: strings.Repeat("p", 50), Quiet: quiet})
	}
	for _, refuse := range []bool{false, true} {
		w := turnOfClone(t)
		w.refuse = refuse
		w.sessions = inUse(here(many...))
		err := w.step(rotation.SetSecret)
		text := fmt.Sprint(err)
		if !refuse {
			text = w.logged(warning.PendingUserInUse)[0]["msg"].(string)
		}
		if numbered := fmt.Sprintf("connections %d, %d, %d, %d, %d and 95 more", many[0].Connection, many[30].Connection, many[60].Connection, many[90].Connection, many[120].Connection); len(text) > failure.MaxLine ||
			!strings.Contains(text, numbered) || !strings.Contains(text, fmt.Sprintf("as in KILL %d, or", many[700].Connection)) {
			t.Errorf("%d bytes: %.800s", len(text), text)
		}
	}
}
