package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/local/emulator"
	"tandem/internal/local/leakscan"
	"tandem/internal/local/sandbox"
	"tandem/internal/rotation"
	"tandem/internal/warning"
)

// check asks the function for a check, which is always answered.
func (w *deployment) check() rotation.Inspection {
	w.t.Helper()
	return w.checkBy(map[string]any{"Step": "check", "SecretId": w.app})
}

// checkBy does so by an event.
func (w *deployment) checkBy(fields map[string]any) rotation.Inspection {
	w.t.Helper()
	event, err := json.Marshal(fields)
	if err != nil {
		w.t.Fatal(err)
	}
	result, err := w.Function.Invoke(w.t.Context(), event)
	if err != nil {
		w.t.Fatal(err)
	}
	w.said = append(w.said, string(result.Payload))
	var found rotation.Inspection
	if err := json.Unmarshal(result.Payload, &found); err != nil {
		w.t.Fatalf("%v: %s", err, result.Payload)
	}
	var names []string
	for _, f := range found.Checks {
		names = append(names, f.Name)
		switch {
		case f.Result == rotation.ResultFailed && (f.Type == "" || f.Detail == "" || f.Remedy == ""):
			w.t.Errorf("%s failed without a type, a sentence or a remedy: %+v", f.Name, f)
		case f.Result == rotation.ResultFailed && failure.Remedy(failure.Type(f.Type)) == "":
			w.t.Errorf("%s failed with a type that is none: %+v", f.Name, f)
		case f.Result == rotation.ResultAttention && f.Type != "" && warning.Remedy(f.Type) == "":
			w.t.Errorf("%s warns with a type that is none: %+v", f.Name, f)
		}
		if strings.ContainsAny(f.Detail, "\n\r") {
			w.t.Errorf("%s has more than one line: %q", f.Name, f.Detail)
		}
	}
	var want []string
	for _, c := range rotation.Checks() {
		want = append(want, c.Name)
	}
	if diff := cmp.Diff(want, names); diff != "" {
		w.t.Errorf("the checks are not those that are listed:\n%s", diff)
	}
	return found
}

// finding is one of a check's.
func finding(t *testing.T, found rotation.Inspection, name string) rotation.Finding {
	t.Helper()
	for _, f := range found.Checks {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("there is no check %q", name)
	return rotation.Finding{}
}

// failing lists the checks that failed, with their types.
func failing(found rotation.Inspection) []string {
	var out []string
	for _, f := range found.Checks {
		if f.Result == rotation.ResultFailed {
			out = append(out, f.Name+" "+f.Type)
		}
	}
	return out
}

// state is everything that a check must leave as it is: the accounts of the server,
// the secrets' versions and labels.
func (w *deployment) state() []string {
	w.t.Helper()
	state := append(w.others(), oracle(w.t, w.Server, w.Root, w.user)...)
	state = append(state, oracle(w.t, w.Server, w.Root, w.clone())...)
	for _, id := range []string{w.app, w.admin} {
		out, err := w.Secrets.DescribeSecret(w.t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(id)})
		if err != nil {
			w.t.Fatal(err)
		}
		text, err := json.Marshal(map[string]any{"stages": out.VersionIdsToStages, "enabled": out.RotationEnabled, "changed": out.LastChangedDate, "rotated": out.LastRotatedDate})
		if err != nil {
			w.t.Fatal(err)
		}
		state = append(state, string(text))
		listed, err := w.Secrets.ListSecretVersionIds(w.t.Context(), &secretsmanager.ListSecretVersionIdsInput{SecretId: aws.String(id), IncludeDeprecated: aws.Bool(true)})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, v := range listed.Versions {
			value, err := w.Secrets.GetSecretValue(w.t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(id), VersionId: v.VersionId})
			if err == nil {
				state = append(state, aws.ToString(v.VersionId)+" "+aws.ToString(value.SecretString))
			}
		}
	}
	slices.Sort(state)
	return state
}

// reads are the operations of Secrets Manager that change nothing.
var reads = []string{"DescribeSecret", "GetSecretValue", "GetRandomPassword", "ListSecretVersionIds"}

// timedSelect is how a SELECT begins that the server is to end in time: by a comment that
// MariaDB reads.
var timedSelect = regexp.MustCompile(`^/\*M! SET STATEMENT max_statement_time = [0-9]+e-3 FOR \*/ SELECT `)

// A check changes nothing, on the server or in Secrets Manager, whatever the state
// that it finds; and sends no operation and no statement that could.
func TestCheckChangesNothing(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.passwords = leakscan.Secrets{}
		stages := []struct {
			name  string
			enter func()
		}{
			{"before the first rotation", func() {}},
			{"after it", w.mustRotate},
			{"when the two have drifted apart", func() {
				w.execute("GRANT CREATE ON "+w.database+".* TO '"+w.user+"'@'%'", "REVOKE DELETE ON "+w.database+".* FROM '"+w.clone()+"'@'%'", "GRANT PROCESS ON *.* TO '"+w.user+"'@'%'")
			}},
			{"in the middle of a rotation", func() {
				w.execute("REVOKE PROCESS ON *.* FROM 'admin'@'%'")
				w.execute("REVOKE PROCESS ON *.* FROM '"+w.user+"'@'%'", "GRANT FILE ON *.* TO '"+w.user+"_clone'@'%'")
				w.mustFail("setSecret")
			}},
		}
		for _, stage := range stages {
			stage.enter()
			before, calls, logged := w.state(), len(w.Service.Calls()), w.logSizes()
			w.check()
			for _, call := range w.Service.Calls()[calls:] {
				if !slices.Contains(reads, call.Operation) {
					t.Errorf("%s: %s was called", stage.name, call.Operation)
				}
			}
			for file, offset := range logged {
				if !strings.HasSuffix(file, generalLog) {
					continue
				}
				content, err := readFrom(file, offset)
				if err != nil {
					t.Fatal(err)
				}
				statements := 0
				for line := range strings.SplitSeq(content, "\n") {
					_, statement, found := strings.Cut(line, "Query\t")
					if !found {
						continue
					}
					statements++
					statement = timedSelect.ReplaceAllString(statement, "SELECT ")
					if word, _, _ := strings.Cut(statement, " "); !slices.Contains([]string{"SELECT", "SHOW", "SET", "USE"}, word) ||
						word == "SET" && !strings.HasPrefix(statement, "SET NAMES") || strings.Contains(statement, "GET_LOCK") {
						t.Errorf("%s: %s", stage.name, statement)
					}
				}
				if statements < 10 {
					t.Errorf("%s: only %d statements are in the log: the search does not see them", stage.name, statements)
				}
			}
			if diff := cmp.Diff(before, w.state()); diff != "" {
				t.Errorf("%s: the check has changed\n%s", stage.name, diff)
			}
		}
	})
}

// What a check says of a pair in each state that a pair is in.
func TestCheckTellsThePlan(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.wantPlan("makes '"+w.clone()+"'@'%'", "CREATE USER")
		if f := finding(t, w.check(), "rotation"); !strings.Contains(f.Detail, "no rotation is attached") || f.Remedy == "" {
			t.Errorf("rotation: %+v", f)
		}
		w.mustRotate()
		w.wantPlan("the next setSecret sets the password of", "ALTER USER '"+w.user+"'@'%'")
		w.mustRotate()
		w.execute("GRANT CREATE VIEW ON "+w.database+".t TO '"+w.user+"'@'%'", "REVOKE ALL PRIVILEGES ON "+w.database+".* FROM '"+w.user+"'@'%'", "GRANT SELECT ON "+w.database+".* TO '"+w.user+"'@'%'")
		found := w.wantPlan("takes ", "GRANT CREATE VIEW ON")
		if f := finding(t, found, "drift"); f.Result != rotation.ResultAttention || !strings.Contains(strings.Join(f.List, "\n"), "the clone lacks CREATE VIEW") || !strings.Contains(strings.Join(f.List, "\n"), "the clone alone has") {
			t.Errorf("drift: %+v", f)
		}
		// Many statements are counted, and the first of them shown.
		var many []string
		for n := range 30 {
			many = append(many, fmt.Sprintf("CREATE TABLE %s.t%d (a INT)", w.database, n), fmt.Sprintf("GRANT INSERT ON %s.t%d TO '%s'@'%%'", w.database, n, w.user))
		}
		w.execute(many...)
		if f := finding(t, w.check(), "plan"); f.Count < 31 || len(f.List) != 21 || !strings.Contains(f.List[20], "more") {
			t.Errorf("of %d statements %d are shown", f.Count, len(f.List))
		}
		// What a check foretells is what a rotation does.
		expected := finding(t, w.check(), "plan").Count
		before := len(w.statements())
		w.mustRotate()
		if sent := w.steps()[len(w.steps())-3]["statementsCount"]; sent != float64(expected) {
			t.Errorf("%d statements were foretold, %v sent (%q)", expected, sent, w.statements()[before:])
		}
	})
}

// wantPlan wants a check without failures, with these words and this statement.
func (w *deployment) wantPlan(words, statement string) rotation.Inspection {
	w.t.Helper()
	found := w.check()
	f := finding(w.t, found, "plan")
	if !found.OK || !strings.Contains(f.Detail, words) || !strings.Contains(strings.Join(f.List, "\n"), statement) {
		w.t.Errorf("failing %v, plan %+v, want %q and %q", failing(found), f, words, statement)
	}
	return found
}

// A rotation that stands still, and how to get out of it.
func TestCheckOfAnUnfinishedRotation(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.execute("GRANT SELECT ON mysql.* TO '"+w.user+"'@'%'", "REVOKE SELECT ON *.* FROM 'admin'@'%'", "GRANT SELECT ON mysql.* TO 'admin'@'%'")
		w.mustFail("PrivilegeNotGrantable")
		found := w.check()
		if f := finding(t, found, "rotation"); f.Result != rotation.ResultAttention || !strings.Contains(f.Detail, "goes on from its document") || !strings.Contains(f.Remedy, "--remove-from-version-id") {
			t.Errorf("rotation: %+v", f)
		}
		// With GRANT OPTION on *.* it may pass on what it has on mysql.*, SELECT elsewhere not.
		if f := finding(t, found, "admin's privileges"); f.Type != string(failure.PrivilegeNotGrantable) || !strings.Contains(f.Remedy, "GRANT ALL PRIVILEGES ON `"+w.database+"`.* TO 'admin'@'%' WITH GRANT OPTION") || strings.Contains(f.Remedy, "`mysql`") {
			t.Errorf("admin's privileges: %+v", f)
		}
		// Sending what it says is enough.
		for _, grant := range finding(t, found, "admin's privileges").List {
			w.execute(grant)
		}
		if found := w.check(); !found.OK {
			t.Errorf("with what was lacking, it fails still: %v", failing(found))
		}
		w.abandon()
		w.mustRotate()
		w.mustEqual()
	})
}

// One failed check hides no other that does not depend on it.
func TestCheckGoesOn(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		wrong, err := w.CreateSecret(t.Context(), sandbox.Token()[:20], "admin", "not the password", nil)
		if err != nil {
			t.Fatal(err)
		}
		w.store(w.user, "not this password", map[string]any{"masterarn": wrong})
		found := w.check()
		if diff := cmp.Diff([]string{"current credentials CurrentCredentialsRejected", "admin AdminCredentialsRejected"}, failing(found)); diff != "" {
			t.Error(diff)
		}
		if f := finding(t, found, "plan"); f.Result != rotation.ResultSkipped || !strings.Contains(f.Detail, "accounts") {
			t.Errorf("plan: %+v", f)
		}
		if f := finding(t, found, "rotation"); f.Result != rotation.ResultOK {
			t.Errorf("rotation: %+v", f)
		}
		// The current credentials alone are wrong: the plan can be told all the same.
		w.store(w.user, "not this password", nil)
		found = w.check()
		if f := finding(t, found, "plan"); f.Result != rotation.ResultOK || f.Count == 0 {
			t.Errorf("plan: %+v", f)
		}
		// A configuration that cannot be read leaves nothing to ask with.
		w = newDeployment(t, on, withEnv("PASSWORD_LENGTH=many"))
		found = w.check()
		if diff := cmp.Diff([]string{"configuration ConfigurationInvalid"}, failing(found)); diff != "" || !strings.Contains(finding(t, found, "configuration").Detail, "PASSWORD_LENGTH") {
			t.Errorf("%+v", found.Checks[0])
		}
		if f := finding(t, found, "secret"); f.Result != rotation.ResultSkipped {
			t.Errorf("secret: %+v", f)
		}
	})
}

// A check ends before the invocation's deadline, with what is not known listed.
func TestCheckEndsInTime(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		var silent atomic.Bool
		w := newDeployment(t, on, func(_ *deployment, o *sandbox.Options) {
			o.Timeout = 3 * time.Second
			o.SecretsManager.Fault = func(call emulator.Call) emulator.Fault {
				return emulator.Fault{Silent: silent.Load() && call.Operation == "DescribeSecret"}
			}
		})
		silent.Store(true)
		found := w.check()
		if f := finding(t, found, "Secrets Manager: TLS"); f.Type != string(failure.SecretsManagerTimeout) || !strings.Contains(f.Detail, "interface endpoint") {
			t.Errorf("Secrets Manager: %+v", f)
		}
		unknown := 0
		for _, f := range found.Checks {
			if f.Result == rotation.ResultUnknown || f.Result == rotation.ResultSkipped {
				unknown++
			}
		}
		if found.OK || unknown < 5 {
			t.Errorf("%d are not known: %+v", unknown, found)
		}
		silent.Store(false)
		if found := w.check(); !found.OK {
			t.Errorf("after that: %v", failing(found))
		}
	})
}

// An event that is no check, and one that is.
func TestCheckOfNothing(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		for _, event := range []string{`{"Step":"check","SecretId":""}`, `{"Step":"Check","SecretId":"x"}`} {
			if _, err := w.Function.Invoke(t.Context(), []byte(event)); errorType(err) != failure.EventInvalid {
				t.Errorf("%s: %v", event, err)
			}
		}
		w.app = "no-such-secret"
		if found := w.check(); finding(t, found, "permission: GetSecretValue").Type != string(failure.SecretNotFound) {
			t.Errorf("%v", failing(found))
		}
	})
}

// A check foretells whether the admin's privileges are enough: with the grants of
// the documents, and without any one of them, it agrees with the rotation after it.
func TestCheckForetellsTheAdminsPrivileges(t *testing.T) {
	grants := append(fenced(t, "admin grants"), "")
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		for without := range grants {
			w := newDeployment(t, on)
			var given []string
			for i, grant := range grants {
				if i != without && grant != "" {
					given = append(given, strings.ReplaceAll(grant, "myDB", w.database))
				}
			}
			admin, err := w.CreateAdminWith(t.Context(), sandbox.Token(), given...)
			if err != nil {
				t.Fatal(err)
			}
			w.store(w.user, firstPassword, map[string]any{"masterarn": admin})
			found := w.check()
			err = w.rotate()
			if found.OK != (err == nil) {
				t.Errorf("without %q, the check says %v, and the rotation %v", grants[without], failing(found), err)
			}
			if err == nil {
				continue
			}
			if failed := failing(found); len(failed) == 0 || !strings.HasSuffix(failed[0], " "+string(errorType(err))) {
				t.Errorf("without %q, the check says %v, and the rotation %v", grants[without], failed, errorType(err))
			}
		}
	})
}

// To take a privilege from a column, or from the table, an admin needs it on some column
// alone; to grant it, on that column.
func TestCheckForetellsByColumns(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		for _, test := range []struct {
			before, after string
			ok            bool
		}{
			{"GRANT INSERT (b) ON T TO ME", "REVOKE INSERT (b) ON T FROM ME", true},
			{"GRANT INSERT (b) ON T TO ME WITH GRANT OPTION", "REVOKE INSERT (b), GRANT OPTION ON T FROM ME", true},
			{"GRANT INSERT ON T TO ME", "REVOKE INSERT ON T FROM ME", true},
			{"GRANT UPDATE (b) ON T TO ME", "REVOKE UPDATE (b) ON T FROM ME", false},
			{"", "GRANT INSERT (a) ON T TO ME", true},
			{"", "GRANT INSERT (b) ON T TO ME", false},
			{"", "GRANT INSERT ON T TO ME", false},
		} {
			w := newDeployment(t, on)
			table := w.database + ".columns"
			w.execute("CREATE TABLE " + table + " (a INT, b INT)")
			execute := func(text string) {
				if text != "" {
					w.execute(strings.NewReplacer(" T ", " "+table+" ", "ME", me(w.user)).Replace(text))
				}
			}
			execute(test.before)
			w.mustRotate()
			w.mustRotate()
			w.execute("REVOKE ALL PRIVILEGES, GRANT OPTION FROM '"+sandbox.Admin+"'@'%'", "GRANT CREATE USER ON *.* TO '"+sandbox.Admin+"'@'%'",
				"GRANT SELECT ON mysql.* TO '"+sandbox.Admin+"'@'%'", "GRANT INSERT (a) ON "+table+" TO '"+sandbox.Admin+"'@'%' WITH GRANT OPTION")
			execute(test.after)
			found := w.check()
			err := w.rotate()
			if found.OK != (err == nil) || found.OK != test.ok {
				t.Errorf("%s: the check says %v, and the rotation %v", test.after, failing(found), err)
			}
		}
	})
}
