package awssdk

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// keys are credentials that do not change while the process lives: Lambda sets
// those of the function's role when it starts a process, and ends the process
// before they do.
type keys aws.Credentials

// Retrieve implements aws.CredentialsProvider.
func (k keys) Retrieve(context.Context) (aws.Credentials, error) { return aws.Credentials(k), nil }

// ProviderSources implements aws.CredentialProviderSource, by which the SDK tells
// the service in User-Agent where credentials are from.
func (k keys) ProviderSources() []aws.CredentialSource {
	return []aws.CredentialSource{aws.CredentialSourceEnvVars}
}

func (e *environment) credentials() aws.CredentialsProvider {
	read := keys{
		AccessKeyID:     e.first("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"),
		SecretAccessKey: e.first("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"),
		SessionToken:    e.first("AWS_SESSION_TOKEN"),
		AccountID:       e.first("AWS_ACCOUNT_ID"),
		Source:          "the environment",
	}
	const remedy = "it is not set: the function takes its credentials from the environment, where Lambda puts those of its role; " +
		"elsewhere, export them: aws configure export-credentials --format env"
	if read.AccessKeyID == "" {
		e.problem("AWS_ACCESS_KEY_ID", remedy)
	}
	if read.SecretAccessKey == "" {
		e.problem("AWS_SECRET_ACCESS_KEY", remedy)
	}
	return read
}
