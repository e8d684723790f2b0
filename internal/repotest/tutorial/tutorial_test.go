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
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/dbserver/servertest"
	"tandem/internal/local/lambdahost"
	"tandem/internal/repotest/document"
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
		binary, err = lambdahost.Compile(context.Background(), folder)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	servers.Main(m)
	_ = os.RemoveAll(folder) // an interrupted run leaves it to the system's cleaning
}

// project makes a folder that is the project's, as far as make deploy looks at it.
func project(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"Makefile", "go.mod", ".github/deploying/deploy"} {
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

// The tutorials, typed in from the first line to the last: by the AWS CLI, in an
// account in which Secrets Manager, the function, its role and the database are
// as real as they are anywhere in these tests. The CLI, started some sixty times,
// takes a minute of a core, so that TEST_TUTORIALS asks for it, which make test sets.
func TestTutorials(t *testing.T) {
	if os.Getenv("TEST_TUTORIALS") == "" && os.Getenv("CI") == "" {
		t.Skip("SKIPPED: set TEST_TUTORIALS=1 to type in the tutorials")
	}
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("SKIPPED: the tutorials use the AWS CLI, and there is no aws on this machine")
	}
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
	account := newAWSAccount(t, binary, servers.MustStart(t, "mysql-9"), end)
	endpoint := httptest.NewServer(account)
	defer endpoint.Close()

	folder := project(t)
	shell := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script.String())
	shell.Dir, shell.WaitDelay = folder, time.Second
	shell.Env = append(os.Environ(),
		"PATH="+install(t)+":"+os.Getenv("PATH"), "GO=go", cloudVariable+"="+endpoint.URL, rootsVariable+"="+account.server.CAFile,
		"AWS_ENDPOINT_URL="+endpoint.URL, "AWS_ENDPOINT_URL_SECRETS_MANAGER="+account.url, "AWS_ACCESS_KEY_ID="+administrator, "AWS_SECRET_ACCESS_KEY=x",
		"AWS_CONFIG_FILE="+filepath.Join(folder, "none"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(folder, "none"), "NO_PROXY=127.0.0.1", "MAKEFLAGS=", "MAKELEVEL=")
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v, %v\n%s\n%s", err, context.Cause(ctx), out, account.log())
	}
	want := []string{
		"admin@%", "admin@%", // by two passwords
		"appuser_clone@%", "appuser@%", "appuser@%", "appuser_clone@%",
		"mytestuser@%", "mytestuser_clone@%", "mytestuser@%", "mytestuser_clone@%",
	}
	if diff := cmp.Diff(want, regexp.MustCompile(`(?m)^\w+@%$`).FindAllString(string(out), -1)); diff != "" {
		t.Errorf("who logged in (-want +got):\n%s\n%s", diff, out)
	}
	if !strings.Contains(string(out), `"ok":true`) {
		t.Errorf("the check does not say that all is well:\n%s", out)
	}
	if left := account.left(); len(left) != 0 {
		t.Errorf("the clean-up leaves %q", left)
	}
	if _, err := os.Stat(filepath.Join(folder, "tutorial")); err == nil {
		t.Error("the clean-up leaves the folder tutorial")
	}
	secrets, err := account.secrets.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{IncludePlannedDeletion: aws.Bool(true)})
	if err != nil || len(secrets.SecretList) != 4 {
		t.Errorf("%d secrets were made, error %v", len(secrets.SecretList), err)
	}
	for _, secret := range secrets.SecretList {
		if secret.DeletedDate == nil {
			t.Errorf("the clean-up leaves the secret %s", aws.ToString(secret.Name))
		}
	}
}
