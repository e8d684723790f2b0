package emulator_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"tandem/internal/local/emulator"
)

// The unmodified AWS CLI, as a person uses it: a few calls, since each starts a
// Python.
func TestAWSCLI(t *testing.T) {
	path, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("SKIPPED: there is no aws on the PATH; install the AWS CLI to test the emulator with it")
	}
	function := &late{}
	w := newServiceWithSecret(t, emulator.Options{Invoker: function})
	function.Invoker = w.function(func(event) error { return nil })
	url, err := w.Listen(t.Context(), "127.0.0.1:0")
	w.must(err)
	home := t.TempDir()
	aws := func(arguments ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), path, append([]string{"secretsmanager"}, arguments...)...)
		cmd.Env = []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"),
			"AWS_CONFIG_FILE=" + home + "/config", "AWS_SHARED_CREDENTIALS_FILE=" + home + "/credentials",
			"AWS_ENDPOINT_URL_SECRETS_MANAGER=" + url, "AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true",
			"AWS_ACCESS_KEY_ID=AKIDCLI", "AWS_SECRET_ACCESS_KEY=any", "AWS_DEFAULT_OUTPUT=json", "AWS_PAGER=",
			"AWS_MAX_ATTEMPTS=1", "NO_PROXY=127.0.0.1",
		}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	run := func(into any, arguments ...string) {
		t.Helper()
		out, err := aws(arguments...)
		if err != nil {
			t.Fatalf("aws %s: %v\n%s", strings.Join(arguments, " "), err, out)
		}
		if err := json.Unmarshal([]byte(out), into); err != nil {
			t.Fatalf("aws %s: %v\n%s", strings.Join(arguments, " "), err, out)
		}
	}

	var rotated struct{ ARN, VersionId string }
	run(&rotated, "rotate-secret", "--secret-id", "app", "--rotation-lambda-arn", functionARN,
		"--rotation-rules", `{"ScheduleExpression":"cron(0 8 * * ? *)","Duration":"2h"}`)
	if _, err := w.WaitRotation(deadline(t), "app"); err != nil {
		t.Fatal(err)
	}
	var described struct {
		RotationEnabled    bool
		NextRotationDate   any
		VersionIdsToStages map[string][]string
	}
	run(&described, "describe-secret", "--secret-id", w.arn[:len(w.arn)-len("-a1b2c3")])
	if got := described.VersionIdsToStages[rotated.VersionId]; !described.RotationEnabled || described.NextRotationDate == nil || len(got) != 1 || got[0] != "AWSCURRENT" {
		t.Errorf("describe-secret: %+v", described)
	}
	var value struct{ SecretString string }
	run(&value, "get-secret-value", "--secret-id", "app", "--endpoint-url", url)
	if value.SecretString != "value of "+rotated.VersionId {
		t.Errorf("get-secret-value: %+v", value)
	}

	for _, name := range []string{"page/a", "page/b", "page/c"} {
		_, err := w.client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name})
		w.must(err)
	}
	var listed struct{ SecretList []struct{ Name string } }
	run(&listed, "list-secrets", "--page-size", "2", "--filters", "Key=name,Values=page/")
	pages := w.CallCounts()["ListSecrets"]
	if len(listed.SecretList) != 3 || pages != 2 {
		t.Errorf("list-secrets: %d secrets in %d pages, want 3 in 2", len(listed.SecretList), pages)
	}

	out, err := aws("get-secret-value", "--secret-id", "app", "--version-stage", "AWSPENDING")
	const want = "An error occurred (ResourceNotFoundException) when calling the GetSecretValue operation: Secrets Manager can't find the specified secret value for staging label: AWSPENDING"
	if err == nil || !strings.Contains(out, want) {
		t.Errorf("an error looks like this: %v\n%s", err, out)
	}
	for _, c := range w.Calls() {
		if c.Operation == "RotateSecret" && c.Identity != "AKIDCLI" {
			t.Errorf("the identity is %q", c.Identity)
		}
	}
}
