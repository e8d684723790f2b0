package acceptance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// hostile is what a report must never have.
var hostile = []string{
	"123456789012", "arn:aws:rds:eu-west-1:1:db:x", "ARN:aws", "db.abc.eu-west-1.rds.amazonaws.com", "proxy.corp.internal", "10.0.0.7", "vpc-0a1b2c3d", "sg-0a1b2c",
	"subnet-0a1b", "igw-0a1b", "vpce-0a1b", "AKIAIOSFODNN7EXAMPLE", "hunter2hunter2", "Secret123456789012", "Sec.rets.Of.Somebody", "lower.Case", "<script>", "A\nB", "An error",
}

// Whatever services, servers and functions say, what is no code and no type of the known
// forms is not in the report, and the report is written.
func TestReportOfHostileValues(t *testing.T) {
	for _, value := range hostile {
		r := report{began: time.Now()}
		r.server(mysql, value)
		r.server(mysql, "8.4.5 "+value)
		r.add(line{
			chapter: "mysql, tutorial 1", step: "database", result: failed,
			kind:     codeOf("An error occurred (" + value + ") when calling the Create operation: " + value + "\n"),
			function: functionFailures([]string{`{"step": "setSecret", "errorType": "` + value + `"}`, `{"step": "` + value + `", "errorType": "StatementRefused"}`, value}),
		})
		path := filepath.Join(t.TempDir(), "report")
		if err := r.write(path, []string{value}); err != nil {
			t.Errorf("%q: %v", value, err)
		}
		text, err := os.ReadFile(path)
		if err != nil || strings.Contains(string(text), value) {
			t.Errorf("%q is in the report, error %v:\n%s", value, err, text)
		}
	}
}

// What is known is in it.
func TestReportOfKnownValues(t *testing.T) {
	var r report
	for engine, number := range map[string]string{mysql: "8.0.43-rds.20250529", mariadb: "11.8.3", aurora: "8.0.mysql_aurora.3.08.2"} {
		r.server(engine, number)
		if !strings.Contains(r.text(), "\n"+engine+" "+number+"\n") {
			t.Errorf("%s is not in\n%s", number, r.text())
		}
	}
	for _, name := range []string{"AccessDeniedException", "InvalidVpcEndpointId.NotFound", "DBInstanceAlreadyExists"} {
		if got := codeOf("x\nAn error occurred (Other) when calling the A operation: y\n\nAn error occurred (" + name + ") when calling the B operation (reached max retries: 4): z"); got != name {
			t.Errorf("the code of %s is %q", name, got)
		}
	}
	failures := functionFailures([]string{`{"step": "setSecret", "errorType": "StatementRefused"}`, `{"step": "setSecret", "errorType": "StatementRefused"}`})
	if len(failures) != 1 || failures[0] != "setSecret StatementRefused x2" {
		t.Errorf("the function's failures are %q", failures)
	}
}

// The second look: a text with any of these is not written.
func TestPublishable(t *testing.T) {
	for _, value := range hostile[:13] {
		path := filepath.Join(t.TempDir(), "report")
		r := report{lines: []line{{chapter: "c", step: "s", result: passed, kind: value}}}
		if err := r.write(path, []string{"hunter2hunter2"}); err == nil || !strings.Contains(err.Error(), "it is not written") {
			t.Errorf("%q: %v", value, err)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%q: the report is written", value)
		}
	}
	if err := publishable("mysql 8.4.5\n  database passed, 412 s\n", []string{"hunter2", ""}); err != nil {
		t.Error(err)
	}
}

// A run's name is added to every name of the steps' text, and to nothing else.
func TestRenamed(t *testing.T) {
	text := "aws secretsmanager create-secret --name SecretsManagerTutorialAppuser --secret-string file://tutorial/appuser.json; --db-name MyTestDatabase; aws ec2 --group-name SecretsManagerTutorial; mytest-rotation secretsmanagertutorialdb secretsmanagertutorial"
	want := "aws secretsmanager create-secret --name SecretsManagerTutorialAppuser-abcdefgh-mysql --secret-string file://tutorial/appuser.json; --db-name MyTestDatabase; aws ec2 --group-name SecretsManagerTutorial-abcdefgh; mytest-rotation-abcdefgh-mysql secretsmanagertutorialdb-abcdefgh-mysql secretsmanagertutorial-abcdefgh"
	if got := renamed(text, "abcdefgh", mysql); got != want {
		t.Errorf("%s", got)
	}
}

// The project's documents have every step, and no step that is not played.
func TestStepsOfTheDocuments(t *testing.T) {
	texts, err := steps("../../..")
	if err != nil {
		t.Fatal(err)
	}
	played := map[string]bool{}
	for _, own := range []bool{true, false} {
		for _, c := range append(chapters(engines, own, ""), chapters(engines[:1], own, "")...) {
			for _, step := range c.steps {
				played[step] = true
			}
		}
	}
	for step := range texts {
		if !played[step] {
			t.Errorf("no chapter plays the step %s", step)
		}
	}
	for _, document := range documents {
		text, err := os.ReadFile("../../../" + document)
		if err != nil {
			t.Fatal(err)
		}
		marked := strings.Count(string(text), "<!-- step ")
		if blocks := strings.Count(string(text), "```sh\n"); marked != blocks && !(strings.HasSuffix(document, "acceptance.md") && marked == blocks-1) {
			t.Errorf("%s has %d blocks, %d of which are steps", document, blocks, marked)
		}
	}
}

// A run of which something came after its end begins again.
func TestJournalBegunAgain(t *testing.T) {
	var r record
	for _, e := range []entry{{What: begun, Run: "abcdefgh"}, {What: made, resource: resource{vpcKind, "vpc-1"}}, {What: removed, resource: resource{vpcKind, "vpc-1"}}, {What: ended}, {What: begun, Run: "abcdefgh"}} {
		r.add(e)
	}
	if r.Ended || len(r.Left) != 0 || len(r.Removed) != 1 {
		t.Errorf("%+v", r)
	}
}

// A journal that ends in the middle of a line is read to the line before.
func TestJournalCutOff(t *testing.T) {
	j := journal{filepath.Join(t.TempDir(), "j")}
	for _, e := range []entry{{What: begun, Run: "abcdefgh", Account: "1", Region: "r"}, {What: making, resource: resource{vpcKind, ""}}, {What: made, resource: resource{vpcKind, "vpc-1"}}, {What: making, resource: resource{subnetKind, ""}}} {
		if err := j.write(e); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.OpenFile(j.path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(`{"what": "made", "kind": "sub`); err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
	r, err := j.read()
	if err != nil || r.Run != "abcdefgh" || len(r.Left) != 1 || len(r.Unnamed) != 1 || r.Unnamed[0] != subnetKind {
		t.Errorf("%+v, %v", r, err)
	}
}
