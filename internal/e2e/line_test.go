package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/local/emulator"
	"tandem/internal/local/sandbox"
	"tandem/internal/metric"
	"tandem/internal/repotest/document"
)

// query reads one of the documents' queries.
func query(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimRight(document.MarkedBlock(t, "query "+name).Text, "\n")
}

// eventful is a deployment in which a rotation has been refused, one has changed the
// clone, and one has taken a privilege back.
func eventful(t *testing.T, on *dbserver.Server, options ...option) *deployment {
	w := newDeployment(t, on, options...)
	w.mustRotate()
	w.execute("GRANT CREATE VIEW ON "+w.database+".* TO '"+w.user+"_clone'@'%'", "REVOKE ALL PRIVILEGES ON "+w.database+".* FROM '"+w.user+"'@'%'",
		"GRANT SELECT, INSERT ON "+w.database+".* TO '"+w.user+"'@'%'")
	w.mustRotate() // takes back
	w.execute("REVOKE DELETE, DROP ON "+w.database+".* FROM '"+w.user+"'@'%'", "GRANT SELECT ON mysql.* TO '"+w.user+"'@'%'", "REVOKE SELECT ON *.* FROM 'admin'@'%'")
	w.mustFail("setSecret")
	w.abandon()
	w.execute("GRANT SELECT ON *.* TO 'admin'@'%' WITH GRANT OPTION")
	w.mustRotate()
	return w
}

// steps are the lines with which steps ended.
func (w *deployment) steps() []map[string]any {
	w.t.Helper()
	var out []map[string]any
	for line := range strings.SplitSeq(w.log(), "\n") {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			w.t.Fatalf("a line that is no JSON: %s", line)
		}
		if message, _ := object["message"].(string); strings.HasPrefix(message, "step ") {
			out = append(out, object)
		}
	}
	return out
}

// The documents' queries find in real lines what they are for.
func TestQueriesOfTheDocuments(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := eventful(t, on)
		lines := strings.Split(w.log(), "\n")

		failures := insights(t, query(t, "failures"), lines)
		if len(failures) != 1 || failures[0]["failures"] != 1.0 || failures[0]["errorType"] != string(failure.AdminAccessDenied) ||
			!strings.Contains(fmt.Sprint(failures[0]["example"]), "GRANT SELECT ON") {
			t.Errorf("failures: %v", failures)
		}

		history := insights(t, query(t, "history"), lines)
		if len(history) != 1 || history[0]["errorType"] != string(failure.AdminAccessDenied) || history[0]["step"] != "setSecret" ||
			history[0]["secret"] == nil || history[0]["error"] == nil || history[0]["@timestamp"] == nil {
			t.Errorf("history: %v", history)
		}

		token := w.steps()[0]["token"].(string)
		var names []string
		for _, row := range insights(t, strings.Replace(query(t, "rotation"), "TOKEN", token, 1), lines) {
			names = append(names, fmt.Sprint(row["step"]))
			if row["result"] == nil || row["durationMs"] == nil {
				t.Errorf("rotation: %v", row)
			}
		}
		if want := []string{"createSecret", "setSecret", "testSecret", "finishSecret"}; !slices.Equal(names, want) {
			t.Errorf("rotation: %v", names)
		}

		changes := insights(t, query(t, "changes"), lines)
		if len(changes) != 3 {
			t.Fatalf("changes: %v", changes)
		}
		made := changes[2]
		if made["pendingUser"] != w.clone() || made["createdCount"] != 1.0 || made["granted"] != 1.0 {
			t.Errorf("the first change: %v", made)
		}
		if back := changes[1]; back["pendingUser"] != w.user || back["granted"] == nil {
			t.Errorf("the change that took back: %v", back)
		}
		if last := changes[0]; last["revoked"] == nil || last["granted"] == nil {
			t.Errorf("the last change: %v", last)
		}

		found := false
		for _, row := range insights(t, query(t, "warnings"), lines) {
			found = found || row["type"] == "PrivilegeTakenBack" && row["warnings"] == 1.0
		}
		if !found {
			t.Error("warnings: no privilege was taken back")
		}

		phases := insights(t, query(t, "phases"), lines)
		if len(phases) != 1 || phases[0]["steps"] != 3.0 {
			t.Fatalf("phases: %v", phases)
		}
		for _, name := range []string{"longest", "secretsManager", "adminLogin", "lock"} {
			if _, number := phases[0][name].(float64); !number {
				t.Errorf("phases: %s is %v", name, phases[0][name])
			}
		}
	})
}

// Every field of a step's line is in the documents' table, and every field of the table
// is in some line.
func TestFieldsOfTheDocuments(t *testing.T) {
	documented := map[string]bool{}
	for _, row := range document.MarkedTable(t, "table fields").Rows {
		for _, name := range document.Code(row.Cells[0]) {
			documented[name] = true
			if name != "phases" {
				continue
			}
			for _, phase := range document.Code(row.Cells[1]) {
				documented["phases."+phase] = true
			}
		}
	}
	if len(documented) < 30 {
		t.Fatalf("the table has only %d fields", len(documented))
	}
	// An old version of the clone at another host is dropped; a throttled call is
	// tried again; a refused login has a number.
	// RDS's tests see to the one, and those of a single user with one password to the other.
	seen := map[string]bool{"phases.rdsMs": true, "currentRefusedMs": true}
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		throttled := false
		w := eventful(t, on, withSecretsManager(func(o *emulator.Options) {
			o.Fault = func(call emulator.Call) emulator.Fault {
				if call.Operation != "GetRandomPassword" || throttled {
					return emulator.Fault{}
				}
				throttled = true
				return emulator.Fault{Error: &emulator.Error{Code: "ThrottlingException", Message: "Rate exceeded"}}
			}
		}))
		w.mustRotate()
		w.execute("CREATE USER '"+w.clone()+"'@'10.1.2.3' IDENTIFIED BY 'x'", "ALTER USER '"+w.user+"'@'%' WITH MAX_QUERIES_PER_HOUR 1000")
		w.mustRotate()
		wrong, err := w.CreateSecret(t.Context(), sandbox.Token()[:20], "admin", "not the password", nil)
		if err != nil {
			t.Fatal(err)
		}
		leave := w.staysAs(w.before(), "")
		w.mustRotate()
		leave()
		w.execute("REVOKE PROCESS ON *.* FROM 'admin'@'%'")
		w.mustRotate()
		w.store(w.user, "not the password", map[string]any{"masterarn": wrong})
		w.mustFail("1045")
		metrics := map[string]bool{metric.Member: true, metric.Dimension: true}
		for _, d := range metric.Metrics() {
			metrics[d.Name] = true
		}
		for _, line := range w.steps() {
			for key, value := range line {
				if metrics[key] {
					continue
				}
				names := []string{key}
				if phases, ok := value.(map[string]any); ok {
					for phase := range phases {
						names = append(names, key+"."+phase)
					}
				}
				for _, name := range names {
					seen[name] = true
					if !documented[name] {
						t.Errorf("%s is not in the table: %v", name, value)
					}
				}
			}
		}
	})
	for name := range documented {
		if !seen[name] {
			t.Errorf("%s of the table was in no line", name)
		}
	}
}

// Each step's line is in the embedded metric format, by the words of its
// specification, and counts what was done.
func TestMetrics(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := eventful(t, on)
		sums := map[string]float64{}
		for _, line := range w.steps() {
			text, err := json.Marshal(line)
			if err != nil {
				t.Fatal(err)
			}
			var object struct {
				AWS struct {
					Timestamp         int64
					CloudWatchMetrics []struct {
						Namespace  string
						Dimensions [][]string
						Metrics    []struct{ Name, Unit string }
					}
				} `json:"_aws"`
			}
			if err := json.Unmarshal(text, &object); err != nil || len(object.AWS.CloudWatchMetrics) != 1 {
				t.Fatalf("%s: %v", text, err)
			}
			d := object.AWS.CloudWatchMetrics[0]
			if object.AWS.Timestamp < 1.7e12 || d.Namespace != "tandem" || !cmp.Equal(d.Dimensions, [][]string{{"FunctionName"}}) {
				t.Errorf("%+v", object.AWS)
			}
			// Each target is a member of the root: a string for a dimension, a number for
			// a metric.
			if name, ok := line["FunctionName"].(string); !ok || name == "" {
				t.Errorf("FunctionName is %v", line["FunctionName"])
			}
			for _, m := range d.Metrics {
				value, ok := line[m.Name].(float64)
				if want := map[string]string{"StepDuration": "Milliseconds"}[m.Name]; !ok || want == "" && m.Unit != "Count" || want != "" && m.Unit != want {
					t.Errorf("%+v is %v", m, line[m.Name])
				}
				sums[m.Name] += value
			}
			if len(text) > 256<<10 {
				t.Errorf("a line of %d bytes", len(text))
			}
		}
		if sums["StepDuration"] <= 0 {
			t.Error("steps took no time")
		}
		delete(sums, "StepDuration")
		// Granted: all on the database; CREATE VIEW and what else was revoked; SELECT
		// on mysql. Some of it server by server in other words.
		if sums["PrivilegesGranted"] < 3 || sums["PrivilegesRevoked"] < 2 {
			t.Errorf("%v", sums)
		}
		delete(sums, "PrivilegesGranted")
		delete(sums, "PrivilegesRevoked")
		if diff := cmp.Diff(map[string]float64{"Rotations": 3, "Failures": 1, "PendingUserSessions": 0}, sums); diff != "" {
			t.Error(diff)
		}
	})
}
