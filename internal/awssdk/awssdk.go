// Package awssdk reads the AWS SDK's configuration as a Lambda function has it:
// from the environment, and from nowhere else.
//
// The SDK's own loader, aws-sdk-go-v2/config, links every way in which a person's
// machine may hold credentials (profiles, SSO, roles assumed by STS, programs),
// and a function pays for them whenever it starts. This one reads what Lambda and
// its users set: the region, the credentials of the function's role, the
// endpoints, FIPS and dual-stack among them, the authorities, and the few settings
// that these services' clients heed. A variable means what it means to the SDK.
//
// Given up are, all of them absent from a Lambda function of an OS-only runtime:
//   - the files ~/.aws/config and ~/.aws/credentials with AWS_PROFILE,
//     AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE, and what only these can name:
//     SSO, a login, a role to assume, a program to run. Whoever runs the function
//     by hand exports the keys: aws configure export-credentials --format env;
//   - AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN, AWS_CONTAINER_CREDENTIALS_FULL_URI
//     and _RELATIVE_URI, and the instance metadata of EC2 with AWS_EC2_METADATA_DISABLED
//     and its like: credentials of EKS, ECS, EC2, and of Lambda SnapStart, which
//     OS-only runtimes do not have;
//   - AWS_AUTH_SCHEME_PREFERENCE, AWS_ACCOUNT_ID_ENDPOINT_MODE,
//     AWS_ENABLE_ENDPOINT_DISCOVERY, AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES,
//     AWS_DISABLE_REQUEST_COMPRESSION, AWS_REQUEST_CHECKSUM_CALCULATION,
//     AWS_RESPONSE_CHECKSUM_VALIDATION and those of S3, which no service that the
//     function calls heeds.
//
// AWS_MAX_ATTEMPTS and AWS_RETRY_MODE have no effect, since the function has a
// Retryer of its own.
package awssdk

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"

	"tandem/internal/failure"
)

// Load reads the configuration by lookup, which is os.LookupEnv: the clients of
// the SDK look up some variables themselves. The error joins one error for each
// variable that cannot be used.
//
// Source: AWS SDKs and Tools Reference Guide, "Settings reference"; AWS Lambda
// Developer Guide, "Defined runtime environment variables".
func Load(lookup func(name string) (string, bool)) (aws.Config, error) {
	env := environment{lookup: lookup}
	sdk := aws.Config{
		Region:                     env.first("AWS_REGION", "AWS_DEFAULT_REGION"),
		Retryer:                    Retryer,
		AppID:                      env.first("AWS_SDK_UA_APP_ID"),
		DisableClockSkewCorrection: env.boolean("AWS_DISABLE_CLOCK_SKEW_CORRECTION") == enabled,
		Credentials:                env.credentials(),
		HTTPClient:                 env.httpClient(),
	}
	env.endpoints(&sdk)
	env.defaultsMode(&sdk)
	if sdk.Region == "" {
		env.problem("AWS_REGION", "it is not set: set it to the region of the secret, as Lambda does")
	}
	return sdk, failure.Mark(failure.ConfigurationInvalid, errors.Join(env.problems...))
}

// environment gathers what is wrong instead of stopping at the first.
type environment struct {
	lookup   func(string) (string, bool)
	problems []error
}

// first is the first of the variables that is set and not empty. Text is taken as
// it stands, as the SDK does.
func (e *environment) first(names ...string) string {
	for _, name := range names {
		if value, _ := e.lookup(name); value != "" {
			return value
		}
	}
	return ""
}

func (e *environment) problem(name, format string, args ...any) {
	e.problems = append(e.problems, fmt.Errorf("reading the environment variable %s: "+format, append([]any{name}, args...)...))
}
