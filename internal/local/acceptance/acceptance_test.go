package acceptance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/acceptance"
)

// tools is a folder with what plays call: the aws and the sam of testdata/tools, something
// that is called mysql, and the guard, which is cmd/acceptance.
var tools string

func TestMain(m *testing.M) {
	if os.Getenv(programVariable) != "" {
		os.Exit(runProgram())
	}
	os.Exit(withTools(m.Run))
}

func withTools(run func() int) int {
	var err error
	if tools, err = os.MkdirTemp("", "tandem-acceptance-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(tools) }()
	if out, err := exec.Command("go", "build", "-o", tools, "./testdata/tools", "tandem/cmd/acceptance").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %s\n", err, out)
		return 1
	}
	for _, name := range []string{"aws", "sam", "mysql"} {
		if err := os.Symlink("tools", filepath.Join(tools, name)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return run()
}

// programVariable has the test's binary be the program.
const programVariable = "ACCEPTANCE_TEST_PROGRAM"

// runProgram is cmd/acceptance, with a shorter time between two looks.
func runProgram() int {
	ctx, stop := acceptance.UntilSignal(context.Background())
	defer stop()
	options, err := acceptance.FromEnvironment(os.Getenv)
	if err == nil {
		options.Program, options.In, options.Out, options.Interval = os.Getenv(programVariable), os.Stdin, os.Stdout, time.Millisecond
		err = acceptance.Run(ctx, options)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "acceptance:", err)
		return 1
	}
	return 0
}

// steps are as much of the documents' as makes and removes something.
var steps = map[string]string{
	"settings":       "mkdir tutorial\nprintf hunter2hunter2 > tutorial/admin",
	"own-network":    "VPC=$(aws ec2 create-vpc --cidr-block 10.0.0.0/24)\nGATEWAY=$(aws ec2 create-internet-gateway)\naws ec2 attach-internet-gateway --internet-gateway-id \"$GATEWAY\" --vpc-id \"$VPC\"\nSUBNETS=$(aws ec2 create-subnet --vpc-id \"$VPC\")",
	"network":        "aws rds create-db-subnet-group --db-subnet-group-name secretsmanagertutorial --subnet-ids $SUBNETS\nGROUP=$(aws ec2 create-security-group --group-name SecretsManagerTutorial --vpc-id \"$VPC\")",
	"endpoint":       "ENDPOINT=$(aws ec2 create-vpc-endpoint --vpc-id \"$VPC\" --security-group-ids \"$GROUP\")",
	"rds-endpoint":   "RDS_ENDPOINT=$(aws ec2 create-vpc-endpoint --vpc-id \"$VPC\" --security-group-ids \"$GROUP\")",
	"database":       "aws rds create-db-instance --db-instance-identifier secretsmanagertutorialdb --engine \"$ENGINE\"\nHOST=db.example.com PORT=3306",
	"admin-secret":   "ADMIN=$(aws secretsmanager create-secret --name SecretsManagerTutorialAdmin)",
	"admin-rotation": "sam deploy --stack-name tutorial-admin-rotation --tags \"$TAGS\" --s3-bucket \"$S3_BUCKET\"", "admin-logins": "true",
	"user": "true", "user-secret": "aws secretsmanager create-secret --name SecretsManagerTutorialAppuser",
	"function":       "sam deploy --stack-name tutorial-alternating-users-rotation --tags \"$TAGS\" --s3-bucket \"$S3_BUCKET\"\nFUNCTION=f",
	"first-rotation": "username() { echo \"$HOST of $ENGINE\"; }\nusername", "check": "true", "check-is-well": "true", "second-rotation": "true",
	"master-database": "aws rds create-db-instance --db-instance-identifier mytestdatabaseinstance --engine \"$ENGINE\"\nHOST=other.example.com",
	"test-user":       "aws secretsmanager create-secret --name MyTestDatabaseUserSecret", "test-rotations": "sam deploy --stack-name mytest-rotation --tags \"$TAGS\" --s3-bucket \"$S3_BUCKET\"",
	"killed": "[ \"$HOST\" = db.example.com ]", "killed-rotation-ends": "username",
	"replica":  "aws rds create-db-instance-read-replica --db-instance-identifier secretsmanagertutorialreader --source-db-instance-identifier secretsmanagertutorialdb",
	"reader":   "aws secretsmanager create-secret --name SecretsManagerTutorialReader",
	"schedule": "[ \"$HOST\" = other.example.com ]", "scheduled-rotation": "username", "managed-admin-secret": "MANAGED=m", "managed-rotation": "[ \"$MANAGED\" = m ]",
	"aurora-master-database": "aws rds create-db-cluster --db-cluster-identifier mytestdatabasecluster --engine \"$ENGINE\"\nHOST=other.example.com", "aurora-managed-admin-secret": "MANAGED=m",
	"clean-up-reader":       "aws secretsmanager delete-secret --secret-id SecretsManagerTutorialReader\naws rds delete-db-instance --db-instance-identifier secretsmanagertutorialreader",
	"clean-up":              "aws cloudformation delete-stack --stack-name mytest-rotation\naws rds delete-db-instance --db-instance-identifier mytestdatabaseinstance",
	"clean-up-rds-endpoint": "aws ec2 delete-vpc-endpoints --vpc-endpoint-ids \"$RDS_ENDPOINT\"", "clean-up-network": "aws ec2 delete-vpc-endpoints --vpc-endpoint-ids \"$ENDPOINT\"\nrm -r tutorial",
	"aurora-database": "aws rds create-db-cluster --db-cluster-identifier secretsmanagertutorialcluster --engine \"$ENGINE\"\naws rds create-db-instance --db-instance-identifier secretsmanagertutorialdb --engine \"$ENGINE\"\nHOST=db.example.com PORT=3306",
}

// project is a folder with documents of these steps, and an account.
type project struct {
	*account
	t      *testing.T
	folder string
	env    []string
}

// tempDir is a folder that goes with the test, although what a killed program has left
// running may still write to it for a moment.
func tempDir(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "acceptance-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 1000 {
			if err = os.RemoveAll(folder); err == nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Error(err)
	})
	return folder
}

func newProject(t *testing.T, changed map[string]string) *project {
	t.Helper()
	p := &project{account: newAccount(), t: t, folder: tempDir(t)}
	var text strings.Builder
	for name, step := range steps {
		if other, is := changed[name]; is {
			step = other
		}
		fmt.Fprintf(&text, "<!-- step %s -->\n```sh\n%s\n```\n\n", name, step)
	}
	if err := os.MkdirAll(filepath.Join(p.folder, ".github/tutorials"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"README.md": text.String(), "acceptance.md": ""} {
		if err := os.WriteFile(filepath.Join(p.folder, ".github/tutorials", name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(p.account)
	t.Cleanup(server.Close)
	p.env = append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"), urlVariable+"="+server.URL,
		"AWS_REGION=eu-west-1", "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1",
		"GORACE=atexit_sleep_ms=0") // the detector has a program sleep for a second before it ends
	return p
}

// command is make acceptance.
func (p *project) command(typed string, env ...string) *exec.Cmd {
	own, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	command := exec.CommandContext(p.t.Context(), own)
	command.Dir, command.Stdin, command.Env = p.folder, strings.NewReader(typed), slices.Concat(p.env, []string{programVariable + "=" + filepath.Join(tools, "acceptance")}, env)
	return command
}

func (p *project) run(typed string, env ...string) (string, error) {
	command := p.command(typed, env...)
	command.WaitDelay = time.Second
	out, err := command.CombinedOutput()
	return string(out), err
}

// report is the newest.
func (p *project) report() string {
	p.t.Helper()
	files, err := filepath.Glob(filepath.Join(p.folder, ".acceptance", "*.report.txt"))
	if err != nil || len(files) != 1 {
		p.t.Fatalf("there are the reports %q, %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// printed is what a chapter has printed.
func (p *project) printed(chapter string) string {
	p.t.Helper()
	files, err := filepath.Glob(filepath.Join(p.folder, ".acceptance", "*", chapter))
	if err != nil || len(files) != 1 {
		p.t.Fatalf("there are the logs %q, %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// others are resources of somebody else, of each kind, one with the tag of another run.
func (p *project) others() []string {
	for _, name := range []string{
		"secret SecretsManagerTutorialAppuser", "db secretsmanagertutorialdb", "cluster secretsmanagertutorialcluster", "subgrp secretsmanagertutorial", "vpc vpc-0000aaaa",
		"subnet subnet-0000aaaa", "security-group sg-0000aaaa", "vpc-endpoint vpce-0000aaaa", "internet-gateway igw-0000aaaa", "stack mytest-rotation", "log-group /aws/lambda/mytest-rotation", "bucket theirs",
	} {
		p.put(name, map[string]string{"team": "db"})
	}
	p.put("secret of-another-run", map[string]string{"tandem-acceptance": "abcdefgh"})
	return p.names()
}

func TestEverythingPassesAndGoes(t *testing.T) {
	for engines, want := range map[string]string{"": "mysql mariadb", "aurora-mysql": "aurora-mysql"} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			p := newProject(t, nil)
			standing := p.others()
			// One that is deleted for two looks more keeps the group.
			// Nor does a function go before the guard that the caller has exported, or what SAM reads.
			out, err := p.run("yes\n", "ACCEPTANCE_ENGINES="+engines, "BASH_FUNC_aws%%=() { return 1; }", "SAM_CLI_PROFILE=other")
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if diff := cmp.Diff(standing, p.names()); diff != "" {
				t.Errorf("what stands there (-before +after):\n%s\n%s", diff, out)
			}
			if len(p.early) > 0 {
				t.Errorf("deleted before their stacks: %q", p.early)
			}
			report := p.report()
			for engine := range strings.FieldsSeq(want) {
				for _, part := range []string{"\n" + engine + " 8.4.5\n", "\n" + engine + ", a step that is killed\n"} {
					if !strings.Contains(report, part) {
						t.Errorf("the report lacks %q:\n%s", part, report)
					}
				}
			}
			first, _, _ := strings.Cut(want, " ")
			if strings.Count(report, "\n  scheduled-rotation ") != 1 || !strings.Contains(report, "\n"+first+", the scheduled rotation's end\n") {
				t.Errorf("not one rotation from the schedule, on %s:\n%s", first, report)
			}
			if !strings.HasSuffix(report, "left of them: 0\n\nEverything passed.\n") || strings.Contains(report, "not played") {
				t.Error(report)
			}
			if _, err := os.Stat(filepath.Join(p.folder, "tutorial")); err == nil {
				t.Error("the folder of the steps' files is left")
			}
			for _, words := range p.called() {
				if how, makes := made[strings.Join(words[:2], " ")]; makes && tagsOf(words)["tandem-acceptance"] == "" {
					t.Errorf("%s is made without the tag: %q", how[0], words)
				}
			}
		})
	}
}

// Before somebody has said yes nothing is made, and what is going to be is said.
func TestAsksFirst(t *testing.T) {
	reads := regexp.MustCompile(`^(sts get-caller-identity|resourcegroupstaggingapi get-resources)\b`)
	for name, test := range map[string]struct {
		typed string
		env   []string
		want  string
		fails bool
	}{
		"nothing is typed":    {"", nil, "Nothing was made", false},
		"something else":      {"y\n", nil, "Nothing was made", false},
		"yes to another":      {"yes\n", []string{"ACCEPTANCE_YES=210987654321"}, "another account than 123456789012", true},
		"no account's number": {"yes\n", []string{"ACCEPTANCE_YES=yes"}, "ACCEPTANCE_YES has to be the number of the account that is meant, of twelve digits", true},
		"an engine":           {"yes\n", []string{"ACCEPTANCE_ENGINES=oracle"}, `ACCEPTANCE_ENGINES is "oracle": it has to be some of mysql, mariadb, aurora-mysql`, true},
		"an engine twice":     {"yes\n", []string{"ACCEPTANCE_ENGINES=mysql mysql"}, "each once", true},
		"a VPC, no subnets":   {"yes\n", []string{"ACCEPTANCE_VPC=vpc-0a"}, "or give neither, and a VPC is made", true},
		"no subnets":          {"yes\n", []string{"ACCEPTANCE_VPC=vpc-0a", "ACCEPTANCE_SUBNETS=subnet-0a;x subnet-0b"}, "or give neither", true},
		"no run":              {"yes\n", []string{"ACCEPTANCE_REMOVE=*"}, `ACCEPTANCE_REMOVE is "*"`, true},
		"nothing bears a tag": {"yes\n", []string{"ACCEPTANCE_REMOVE=abcdefgz"}, "there is nothing to remove", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProject(t, nil)
			out, err := p.run(test.typed, test.env...)
			if (err != nil) != test.fails || !strings.Contains(out, test.want) {
				t.Errorf("error %v, want %q:\n%s", err, test.want, out)
			}
			for _, words := range p.called() {
				if !reads.MatchString(strings.Join(words, " ")) {
					t.Errorf("called: %q", words)
				}
			}
			if !test.fails {
				for _, said := range []string{"1 VPC with two subnets", "3 mysql instances db.t4g.micro", "3 mariadb instances", "https://aws.amazon.com/rds/pricing/", "About $0.74 together", "in account 123456789012, region eu-west-1"} {
					if !strings.Contains(out, said) {
						t.Errorf("the plan does not say %q:\n%s", said, out)
					}
				}
			}
		})
	}
}

// Whatever call fails, everything is removed, though each call for that fails once too,
// and the report says where.
func TestAnyCallFails(t *testing.T) {
	p := newProject(t, nil)
	if out, err := p.run("yes\n", "ACCEPTANCE_ENGINES=mysql"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	makes := 0
	for _, words := range p.called() {
		if _, is := made[strings.Join(words[:2], " ")]; is || words[0] == "sam" || words[0] == "s3" && words[1] == "mb" {
			makes++
		}
	}
	if makes < 15 {
		t.Fatalf("only %d calls make something", makes)
	}
	for nth := range makes {
		if os.Getenv("TEST_TUTORIALS") != "full" && nth%6 != 1 {
			continue
		}
		for when, done := range map[string]bool{"before": false, "after": true} {
			t.Run(fmt.Sprintf("%d %s", nth, when), func(t *testing.T) {
				t.Parallel()
				p := newProject(t, nil)
				standing := p.others()
				var count atomic.Int64
				var throttled sync.Map
				p.before = func(words []string) string {
					if count.Load() > int64(nth) { // from then on each call fails the first time
						if _, before := throttled.LoadOrStore(strings.Join(words, " "), true); !before {
							return "ThrottlingException"
						}
						return ""
					}
					if _, is := made[strings.Join(words[:2], " ")]; !is && words[0] != "sam" && (words[0] != "s3" || words[1] != "mb") {
						return ""
					}
					if count.Add(1) != int64(nth+1) {
						return ""
					}
					if done { // and the answer is lost
						p.answer(words)
					}
					return "ServiceUnavailable"
				}
				out, err := p.run("yes\n", "ACCEPTANCE_ENGINES=mysql")
				if err == nil || !strings.Contains(out, "not everything passed, see the report") {
					t.Errorf("error %v\n%s", err, out)
				}
				if diff := cmp.Diff(standing, p.names()); diff != "" {
					t.Errorf("what stands there (-before +after):\n%s\n%s", diff, out)
				}
				if report := p.report(); !strings.Contains(report, "\nNot everything passed.\n") || nth > 0 && !strings.Contains(report, "failed, ") {
					t.Error(report)
				}
			})
		}
	}
}

// holdsAt holds the answer of the first such call back: reached is closed when it was carried
// out, and it is answered when goOn is closed.
func (a *account) holdsAt(operation string) (reached, goOn chan struct{}) {
	reached, goOn = make(chan struct{}), make(chan struct{})
	var once atomic.Bool
	a.after = func(words []string) {
		if strings.Join(words[:2], " ") == operation && once.CompareAndSwap(false, true) {
			close(reached)
			<-goOn
		}
	}
	return reached, goOn
}

// Ctrl-C, and whatever else ends a program, in the middle of a call that makes
// something: the call is awaited, nothing more is made, and all is removed. SIGTERM and
// SIGHUP may come twice, and nobody may be left to read what it prints.
func TestInterrupted(t *testing.T) {
	for operation, sent := range map[string][]os.Signal{
		"ec2 create-vpc": {os.Interrupt}, "rds create-db-instance": {syscall.SIGTERM, syscall.SIGTERM},
		"sam deploy": {os.Interrupt}, "secretsmanager create-secret": {syscall.SIGHUP, syscall.SIGHUP},
	} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			p := newProject(t, nil)
			standing := p.others()
			p.late = true
			reached, goOn := p.holdsAt(operation)
			command := p.command("yes\n", "ACCEPTANCE_ENGINES=mysql")
			reader, err := command.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = io.Copy(io.Discard, reader) }()
			<-reached
			makes := len(p.called())
			_ = reader.Close()
			for _, one := range sent {
				if err := command.Process.Signal(one); err != nil {
					t.Fatal(err)
				}
				awaitFile(t, p.folder, ".acceptance/*/stop")
			}
			close(goOn)
			if err := command.Wait(); err == nil {
				t.Error("it ends without an error")
			}
			if diff := cmp.Diff(standing, p.names()); diff != "" {
				t.Errorf("what stands there (-before +after):\n%s", diff)
			}
			for _, words := range p.called()[makes:] {
				if _, is := made[strings.Join(words[:2], " ")]; is || words[0] == "sam" {
					t.Errorf("after Ctrl-C: %q", words)
				}
			}
			if report := p.report(); !strings.Contains(report, " interrupted, ") {
				t.Error(report)
			}
		})
	}
}

// awaitFile waits for a file of the project's folder.
func awaitFile(t *testing.T, project, pattern string) {
	t.Helper()
	for {
		files, err := filepath.Glob(filepath.Join(project, pattern))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) > 0 {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal("there is no " + pattern)
		case <-time.After(time.Millisecond):
		}
	}
}

// A run that is killed, with a call on its way, is finished by the next one, whose
// steps it does not disturb; and in between the killed run's steps make nothing.
func TestKilledAndFinishedByTheNext(t *testing.T) {
	for _, operation := range []string{"s3 mb", "ec2 create-vpc", "sam deploy"} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			p := newProject(t, nil)
			standing := p.others()
			reached, goOn := p.holdsAt(operation)
			command := p.command("yes\n", "ACCEPTANCE_ENGINES=mysql")
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			<-reached
			// A second one does not touch what is being played.
			if out, _ := p.run("no\n"); !strings.Contains(out, "is being played now: it is left alone") {
				t.Errorf("beside another: %s", out)
			}
			if err := command.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			var exit *exec.ExitError
			if err := command.Wait(); !errors.As(err, &exit) {
				t.Fatal(err)
			}
			out, err := p.run("no\n", "ACCEPTANCE_ENGINES=mysql")
			if err != nil || !strings.Contains(out, "has left this, which is removed first") || len(p.names()) <= len(standing) {
				t.Errorf("without a yes: %v\n%s", err, out)
			}
			out, err = p.run("yes\n", "ACCEPTANCE_ENGINES=mysql")
			close(goOn)
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			if diff := cmp.Diff(standing, p.names()); diff != "" {
				t.Errorf("what stands there (-before +after):\n%s\n%s", diff, out)
			}
		})
	}
}

// Where the program was killed, a step that waits ends by itself.
func TestStepOfAKilledProgram(t *testing.T) {
	p := newProject(t, map[string]string{"user": "trap 'touch has-ended' EXIT\ntouch waits\nuntil false; do aws secretsmanager get-secret-value --secret-id SecretsManagerTutorialAdmin || true; done"})
	command := p.command("yes\n", "ACCEPTANCE_ENGINES=mysql")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	awaitFile(t, p.folder, "waits")
	if err := command.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait() // by the signal
	awaitFile(t, p.folder, "has-ended")
}

// Nothing but what the run has made is touched by a step, whatever it tries.
func TestGuard(t *testing.T) {
	var step strings.Builder
	tries := []string{
		"aws secretsmanager delete-secret --secret-id theirs",
		"aws secretsmanager get-secret-value --secret-id theirs",
		"aws secretsmanager put-secret-value --secret-id theirs",
		"aws secretsmanager delete-secret --secret-id=theirs",
		"aws secretsmanager delete-secret --secret-id SecretsManagerTutorialAdmin --secret-id theirs",
		"aws ec2 delete-vpc-endpoints --vpc-endpoint-ids \"$ENDPOINT\" vpce-0000aaaa",
		"aws ec2 delete-vpc-endpoints --vpc-endpoint-ids vpce-0000aaaa",
		"aws ec2 delete-security-group --group-id sg-0000aaaa",
		"aws ec2 create-subnet --vpc-id vpc-0000aaaa",
		"aws ec2 create-vpc-endpoint --vpc-id vpc-0000aaaa",
		"aws rds delete-db-instance --db-instance-identifier theirs --skip-final-snapshot",
		"aws rds create-db-instance --db-instance-identifier theirs",
		"aws rds create-db-instance-read-replica --db-instance-identifier secretsmanagertutorialreader --source-db-instance-identifier theirs",
		"aws rds modify-db-instance --db-instance-identifier theirs",
		"aws cloudformation delete-stack --stack-name theirs",
		"aws lambda update-function-code --function-name theirs",
		"aws logs delete-log-group --log-group-name /aws/lambda/theirs",
		"aws s3 rb s3://theirs --force",
		"aws iam delete-role --role-name theirs",
		"aws --region us-east-1 secretsmanager delete-secret --secret-id SecretsManagerTutorialAdmin",
		"aws secretsmanager delete-secret --secret-id SecretsManagerTutorialAdmin --region us-east-1",
		"aws secretsmanager delete-secret --secret-id SecretsManagerTutorialAdmin --profile theirs",
		"aws",
		"aws rds create-db-instance --db-instance-identifier secretsmanagertutorialreader --db-instance-identifier theirs",
		"sam deploy --stack-name theirs --tags \"$TAGS\" --s3-bucket \"$S3_BUCKET\"",
		"sam deploy --stack-name mytest-rotation --s3-bucket \"$S3_BUCKET\"",
		"sam deploy --stack-name mytest-rotation --tags \"$TAGS\" --resolve-s3",
		"sam delete --stack-name theirs",
	}
	for i, try := range tries {
		fmt.Fprintf(&step, "if %s; then echo not refused: %d; fi\n", try, i)
	}
	p := newProject(t, map[string]string{"user": step.String() + "false"})
	standing := p.others()
	out, err := p.run("yes\n", "ACCEPTANCE_ENGINES=mysql")
	if err == nil {
		t.Errorf("it passes\n%s", out)
	}
	if diff := cmp.Diff(standing, p.names()); diff != "" {
		t.Errorf("what stands there (-before +after):\n%s\n%s", diff, out)
	}
	for _, words := range p.called() {
		line := strings.Join(words, " ")
		if strings.Contains(line, "theirs") || strings.Contains(line, "0000aaaa") || strings.Contains(line, "us-east-1") {
			t.Errorf("called: %q", words)
		}
	}
	printed := p.printed("mysql-tutorial-1.log")
	if strings.Contains(printed, "not refused") || strings.Count(printed, "\nmake acceptance: ") != len(tries) {
		t.Error(printed)
	}
}

// What lost the tag is not removed, and said to be left; so is the folder of others.
func TestNotTagged(t *testing.T) {
	p := newProject(t, map[string]string{"second-rotation": "false"})
	p.after = func(words []string) {
		if strings.Join(words[:2], " ") == "ec2 create-security-group" {
			p.mutex.Lock()
			defer p.mutex.Unlock()
			for name, one := range p.resources {
				if strings.HasPrefix(name, "security-group ") {
					one.tags = map[string]string{"team": "db"}
				}
			}
		}
	}
	out, err := p.run("yes\n", "ACCEPTANCE_ENGINES=mysql")
	if err == nil || !strings.Contains(out, "it does not bear the tag tandem-acceptance=") {
		t.Errorf("error %v\n%s", err, out)
	}
	if names := p.names(); len(names) != 1 || !strings.HasPrefix(names[0], "security-group ") {
		t.Errorf("what stands there: %q\n%s", names, out)
	}
	if report := p.report(); !strings.Contains(report, "\n  a security group\n") || !strings.Contains(report, "the function: setSecret StatementRefused x3\n") {
		t.Error(report)
	}
}

// A run of another folder is left alone until it is named.
func TestRemove(t *testing.T) {
	p := newProject(t, nil)
	standing := p.others()
	p.put("db left-abcdefgi", map[string]string{"tandem-acceptance": "abcdefgi"})
	p.put("vpc vpc-0b", map[string]string{"tandem-acceptance": "abcdefgi"})
	p.put("subnet subnet-0b", map[string]string{"tandem-acceptance": "abcdefgi"})
	p.resources["subnet subnet-0b"].in = "vpc-0b"
	out, err := p.run("yes\n", "ACCEPTANCE_ENGINES=aurora-mysql")
	if err != nil || !strings.Contains(out, "bear the tag of the run abcdefgi") || len(p.names()) != len(standing)+3 {
		t.Errorf("%v\n%s", err, out)
	}
	// Something of the run that has ended comes late.
	journals, err := filepath.Glob(filepath.Join(p.folder, ".acceptance", "*.journal"))
	if err != nil || len(journals) != 1 {
		t.Fatalf("there are the journals %q, %v", journals, err)
	}
	ended := strings.TrimSuffix(filepath.Base(journals[0]), ".journal")
	p.put("subnet subnet-0c", map[string]string{"tandem-acceptance": ended})
	out, err = p.run("yes\n", "ACCEPTANCE_REMOVE="+ended)
	if err != nil || len(p.names()) != len(standing)+3 {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = p.run("no\n")
	if err != nil || strings.Contains(out, "the tag of the run "+ended) {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err = p.run("no\n", "ACCEPTANCE_REMOVE=abcdefgi"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(p.folder, ".acceptance", "abcdefgi.journal")); !os.IsNotExist(err) {
		t.Errorf("the next run would remove what nobody has agreed to: %v", err)
	}
	out, err = p.run("yes\n", "ACCEPTANCE_REMOVE=abcdefgi")
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if diff := cmp.Diff(standing, p.names()); diff != "" {
		t.Errorf("what stands there (-before +after):\n%s\n%s", diff, out)
	}
}

// A VPC that is given gets nothing but the groups.
func TestGivenVPC(t *testing.T) {
	p := newProject(t, nil)
	standing := p.others()
	out, err := p.run("yes\n", "ACCEPTANCE_ENGINES=mysql", "ACCEPTANCE_VPC=vpc-0000aaaa", "ACCEPTANCE_SUBNETS=subnet-0000aaaa subnet-0000bbbb")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, words := range p.called() {
		if words[0] == "ec2" && strings.HasPrefix(words[1], "create-") && words[1] != "create-security-group" {
			t.Errorf("called: %q", words)
		}
		if words[1] == "create-db-subnet-group" && !slices.Contains(words, "subnet-0000bbbb") {
			t.Errorf("called: %q", words)
		}
	}
	if diff := cmp.Diff(standing, p.names()); diff != "" {
		t.Errorf("what stands there (-before +after):\n%s\n%s", diff, out)
	}
}

// The folder of somebody who plays the tutorials by hand is not touched.
func TestFolderOfOthers(t *testing.T) {
	p := newProject(t, nil)
	if err := os.Mkdir(filepath.Join(p.folder, "tutorial"), 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := p.run("yes\n")
	if err == nil || !strings.Contains(out, "somebody plays the tutorials by hand") || len(p.names()) > 0 {
		t.Errorf("error %v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(p.folder, "tutorial")); err != nil {
		t.Error(err)
	}
}

// What SAM reads of its own may name another account than the AWS CLI's.
func TestConfigurationOfSAM(t *testing.T) {
	p := newProject(t, nil)
	if err := os.WriteFile(filepath.Join(p.folder, "samconfig.toml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := p.run("yes\n"); err == nil || !strings.Contains(out, "SAM reads samconfig.toml") || len(p.called()) > 0 {
		t.Errorf("error %v, calls %q:\n%s", err, p.called(), out)
	}
}

// Where the AWS CLI has another account's credentials by the clean-up, what was made is not
// taken for gone.
func TestOtherAccountAtTheCleanUp(t *testing.T) {
	p := newProject(t, nil)
	p.strangers = 3
	out, err := p.run("yes\n", "ACCEPTANCE_ENGINES=aurora-mysql")
	if err != nil || len(p.names()) > 0 || !strings.Contains(out, "the credentials of another account") {
		t.Errorf("error %v, left %q:\n%s", err, p.names(), out)
	}
}
