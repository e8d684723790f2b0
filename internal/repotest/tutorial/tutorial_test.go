// Package tutorial holds the tests that type in the tutorials.
package tutorial

import (
	"context"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/dbserver/servertest"
	"tandem/internal/local/lambdahost"
	"tandem/internal/repotest/document"
	"tandem/internal/repotest/template"
)

var (
	servers servertest.Fleet
	binary  string // the function
)

func TestMain(m *testing.M) {
	if tool := os.Getenv(toolVariable); tool != "" {
		os.Exit(runTool(tool, os.Args[1:]))
	}
	flag.Parse()
	if testing.Short() { // nothing that needs the function runs
		servers.Main(m)
		return
	}
	folder, err := os.MkdirTemp("", "tandem-tutorial-")
	if err == nil {
		binary = filepath.Join(folder, "bootstrap")
		err = lambdahost.CompileNamed(context.Background(), binary)
	}
	if err == nil {
		err = exec.Command("go", "build", "-o", folder, "tandem/internal/local/archive", "tandem/cmd/acceptance").Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	servers.Main(m)
	_ = os.RemoveAll(folder) // an interrupted run leaves it to the system's cleaning
}

// project makes a folder that is the project's, as far as make deploy and make
// acceptance look at it.
func project(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"Makefile", "go.mod", ".github/deploying/deploy", ".github/tutorials/README.md", ".github/tutorials/acceptance.md"} {
		content, err := os.ReadFile("../../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(folder, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// asked skips a test unless TEST_TUTORIALS asks for it: with 1, as make test sets it, for
// what plays every step once as typed by hand and once as make acceptance does, and with
// full for all.
func asked(t *testing.T, full bool) {
	t.Helper()
	switch wanted := os.Getenv("TEST_TUTORIALS"); {
	case full && wanted != "full":
		t.Skip("SKIPPED: set TEST_TUTORIALS=full to play everything")
	case wanted == "" && os.Getenv("CI") == "":
		t.Skip("SKIPPED: set TEST_TUTORIALS=1 to play the tutorials")
	}
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("SKIPPED: the tutorials use the AWS CLI, and there is no aws on this machine")
	}
}

// start makes an account whose DB instances are on a server of a release, with one
// that can replicate from it if there is to be a reader.
func start(t *testing.T, release string, reader bool, failed func(error)) (account *awsAccount, environment []string) {
	t.Helper()
	begin := func(id int) *dbserver.Server {
		return servers.MustStartWith(t, release, dbserver.Options{Args: servertest.ReplicationArgs(release, id, false), Names: []string{"*" + rdsSuffix, "*.cluster-c9akciq32rs1.eu-west-1.rds.amazonaws.com", "*.cluster-ro-c9akciq32rs1.eu-west-1.rds.amazonaws.com"}})
	}
	var replica *dbserver.Server
	source := begin(1)
	if reader {
		replica = begin(2)
	}
	account = newAWSAccount(t, binary, source, replica, failed)
	endpoint := httptest.NewServer(account)
	t.Cleanup(endpoint.Close)
	environment = append(os.Environ(),
		"GO=go", cloudVariable+"="+endpoint.URL, rootsVariable+"="+source.CAFile,
		functionVariable+"="+binary, archiveVariable+"="+filepath.Join(filepath.Dir(binary), "archive"), lambdahost.NamesVariable+"="+account.names.File,
		"AWS_ENDPOINT_URL="+endpoint.URL, "AWS_ENDPOINT_URL_SECRETS_MANAGER="+account.url, "AWS_ACCESS_KEY_ID="+administrator, "AWS_SECRET_ACCESS_KEY=x", "AWS_DEFAULT_REGION="+template.Region,
		"AWS_CONFIG_FILE="+filepath.Join(t.TempDir(), "none"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(t.TempDir(), "none"), "NO_PROXY=127.0.0.1", "MAKEFLAGS=", "MAKELEVEL=")
	cli := startCLI(t, environment)
	return account, append(environment, cliVariable+"="+cli, "PATH="+install(t, cli != "")+":"+os.Getenv("PATH"))
}

// The tutorials as they stand, typed into one bash from the first line to the last, in an
// account in which Secrets Manager, the function, its role and the database are as real as
// they are anywhere in these tests.
func TestTutorials(t *testing.T) {
	asked(t, false)
	t.Parallel()
	var script strings.Builder
	for _, b := range document.Get(t, ".github/tutorials/README.md").Blocks {
		if b.Language == "sh" {
			script.WriteString(b.Text)
		}
	}
	// The tutorials wait for what they have asked for, however long it takes.
	limited, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	ctx, end := context.WithCancelCause(limited)
	defer end(nil)
	account, environment := start(t, "mysql-9", false, end)

	folder := project(t)
	shell := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script.String())
	shell.Dir, shell.WaitDelay, shell.Env = folder, time.Second, environment
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v, %v\n%s\n%s", err, context.Cause(ctx), out, account.log())
	}
	want := append(slices.Clone(logins["tutorial-1"]), logins["tutorial-2"]...)
	if diff := cmp.Diff(want, loggedIn.FindAllString(string(out), -1)); diff != "" {
		t.Errorf("who logged in (-want +got):\n%s\n%s", diff, out)
	}
	if !strings.Contains(string(out), `"ok":true`) {
		t.Errorf("the check does not say that all is well:\n%s", out)
	}
	checkNothingLeft(t, account, folder, 4)
}

// who logs in, in the chapters in which nothing else may happen.
var logins = map[string][]string{
	"tutorial-1":                  {"admin@%", "admin@%", "appuser_clone@%", "appuser@%", "appuser@%", "appuser_clone@%"}, // the admin by two passwords
	"tutorial-2":                  {"mytestuser@%", "mytestuser_clone@%", "mytestuser@%", "mytestuser_clone@%"},
	"the-scheduled-rotations-end": {"mytestuser_clone@%", "mytestuser@%"},
	"a-managed-admin-secret":      {"mytestuser@%", "mytestuser_clone@%"},
	"a-reader":                    {"reportuser@%", "reportuser_clone@%", "reportuser@%"},
}

// make acceptance, in the same kind of account: with every line of the tutorials, and of
// what goes beyond them, on each engine. What it makes is gone at the end, and what its
// report says has nothing of the account.
func TestAcceptance(t *testing.T) {
	for engine, release := range map[string]string{"mysql": "mysql-9", "mariadb": "mariadb-11.8", "aurora-mysql": "mysql-9"} {
		t.Run(engine, func(t *testing.T) {
			asked(t, engine != "mysql")
			t.Parallel()
			account, environment := start(t, release, true, func(error) {}) // a step is killed
			folder := project(t)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			program := exec.CommandContext(ctx, filepath.Join(filepath.Dir(binary), "acceptance"))
			program.Cancel = func() error { return program.Process.Signal(os.Interrupt) } // so that it says how far it has come
			program.WaitDelay = time.Minute
			program.Dir, program.Env = folder, append(environment, "ACCEPTANCE_ENGINES="+engine, "ACCEPTANCE_YES="+template.AccountID)
			out, err := program.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s\n%s", err, out, account.log())
			}
			files, _ := filepath.Glob(filepath.Join(folder, ".acceptance", "*.report.txt"))
			report, err := os.ReadFile(strings.Join(files, ""))
			if err != nil || !strings.HasSuffix(string(report), "\nEverything passed.\n") {
				t.Errorf("the report: %v\n%s", err, report)
			}
			if strings.Contains(string(report), template.AccountID) || strings.Contains(string(report), "rds.amazonaws.com") {
				t.Errorf("the report has something of the account:\n%s", report)
			}
			for chapter, want := range logins {
				files, _ := filepath.Glob(filepath.Join(folder, ".acceptance", "*", engine+"-"+chapter+".log"))
				printed, err := os.ReadFile(strings.Join(files, ""))
				if diff := cmp.Diff(want, loggedIn.FindAllString(string(printed), -1)); err != nil || diff != "" {
					t.Errorf("%s: error %v; who logged in (-want +got):\n%s\n%s", chapter, err, diff, printed)
				}
			}
			if log := account.log(); !strings.Contains(log, "\nkilled after a statement\n") || !strings.Contains(log, "Runtime.ExitError") {
				t.Errorf("no step was killed after a statement:\n%s", log)
			}
			if time.Until(account.clock.Now()) < time.Hour {
				t.Error("no window was awaited")
			}
			checkNothingLeft(t, account, folder, 5)
		})
	}
}

// loggedIn is what login shows.
var loggedIn = regexp.MustCompile(`(?m)^\w+@%$`)

// checkNothingLeft looks for what was made and not removed, and counts the secrets, which
// can be restored.
func checkNothingLeft(t *testing.T, account *awsAccount, folder string, made int) {
	t.Helper()
	if left := account.left(); len(left) != 0 {
		t.Errorf("this is left: %q", left)
	}
	if _, err := os.Stat(filepath.Join(folder, "tutorial")); err == nil {
		t.Error("the folder tutorial is left")
	}
	secrets, err := account.secrets.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{IncludePlannedDeletion: aws.Bool(true)})
	if err != nil || len(secrets.SecretList) != made {
		t.Errorf("%d secrets were made, want %d, error %v", len(secrets.SecretList), made, err)
	}
	for _, secret := range secrets.SecretList {
		if secret.DeletedDate == nil {
			t.Errorf("the secret %s is left", aws.ToString(secret.Name))
		}
	}
}
