package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
)

// caller is somebody who uses the sandbox from outside: the AWS CLI where there
// is one, else the SDK.
type caller interface {
	// versions returns the labels of a secret's versions.
	versions(t *testing.T, secretID string) map[string][]string
	// value returns the document under a label.
	value(t *testing.T, secretID, label string) string
	rotate(t *testing.T, secretID string)
	// names lists all secrets in pages of one.
	names(t *testing.T) []string
	// refusal returns what the caller is shown when it asks for a secret that is not
	// there.
	refusal(t *testing.T, secretID string) string
}

func newCaller(t *testing.T, of *Sandbox) caller {
	t.Helper()
	path, err := exec.LookPath("aws")
	if err != nil {
		t.Log("no aws on this machine: the SDK takes its place")
		return sdkCaller{client(of.URL, of.SecretKey)}
	}
	return cliCaller{path, of.URL, of.SecretKey, t.TempDir()}
}

type cliCaller struct{ path, url, secretKey, home string }

// environ is the environment of a CLI that knows nothing of this machine's
// accounts.
func (c cliCaller) environ() []string {
	return append(os.Environ(),
		"AWS_ACCESS_KEY_ID="+AccessKey, "AWS_SECRET_ACCESS_KEY="+c.secretKey, "AWS_DEFAULT_REGION="+Region, "AWS_PAGER=",
		"AWS_CONFIG_FILE="+c.home+"/config", "AWS_SHARED_CREDENTIALS_FILE="+c.home+"/credentials", "NO_PROXY=127.0.0.1")
}

func (c cliCaller) run(args ...string) ([]byte, error) {
	command := exec.Command(c.path, append([]string{"--endpoint-url", c.url, "secretsmanager"}, args...)...)
	command.Env = c.environ()
	out, err := command.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return out, errors.New(strings.TrimSpace(string(exit.Stderr)))
	}
	return out, err
}

func (c cliCaller) answer(t *testing.T, answer any, args ...string) {
	t.Helper()
	out, err := c.run(args...)
	if err == nil {
		err = json.Unmarshal(out, answer)
	}
	if err != nil {
		t.Fatalf("aws %s: %v", args[0], err)
	}
}

func (c cliCaller) versions(t *testing.T, secretID string) map[string][]string {
	t.Helper()
	var answer struct{ VersionIdsToStages map[string][]string }
	c.answer(t, &answer, "describe-secret", "--secret-id", secretID)
	return answer.VersionIdsToStages
}

func (c cliCaller) value(t *testing.T, secretID, label string) string {
	t.Helper()
	var answer struct{ SecretString string }
	c.answer(t, &answer, "get-secret-value", "--secret-id", secretID, "--version-stage", label)
	return answer.SecretString
}

func (c cliCaller) rotate(t *testing.T, secretID string) {
	t.Helper()
	c.answer(t, &struct{}{}, "rotate-secret", "--secret-id", secretID)
}

func (c cliCaller) names(t *testing.T) []string {
	t.Helper()
	var names []string
	c.answer(t, &names, "list-secrets", "--page-size", "1", "--query", "SecretList[].Name")
	return names
}

func (c cliCaller) refusal(t *testing.T, secretID string) string {
	t.Helper()
	_, err := c.run("get-secret-value", "--secret-id", secretID)
	if err == nil {
		t.Fatalf("there is a secret %s", secretID)
	}
	return err.Error()
}

type sdkCaller struct{ *secretsmanager.Client }

func (c sdkCaller) versions(t *testing.T, secretID string) map[string][]string {
	t.Helper()
	out, err := c.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &secretID})
	if err != nil {
		t.Fatal(err)
	}
	return out.VersionIdsToStages
}

func (c sdkCaller) value(t *testing.T, secretID, label string) string {
	t.Helper()
	out, err := c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &secretID, VersionStage: &label})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.SecretString)
}

func (c sdkCaller) rotate(t *testing.T, secretID string) {
	t.Helper()
	if _, err := c.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{SecretId: &secretID, ClientRequestToken: aws.String(Token())}); err != nil {
		t.Fatal(err)
	}
}

func (c sdkCaller) names(t *testing.T) []string {
	t.Helper()
	var names []string
	pages := secretsmanager.NewListSecretsPaginator(c.Client, &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(1)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.WithoutCancel(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range page.SecretList {
			names = append(names, aws.ToString(secret.Name))
		}
	}
	return names
}

func (c sdkCaller) refusal(t *testing.T, secretID string) string {
	t.Helper()
	_, err := c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &secretID})
	var refused smithy.APIError
	if !errors.As(err, &refused) {
		t.Fatalf("asking for %s: %v", secretID, err)
	}
	// As the CLI words it.
	return fmt.Sprintf("An error occurred (%s) when calling the GetSecretValue operation: %s", refused.ErrorCode(), refused.ErrorMessage())
}
