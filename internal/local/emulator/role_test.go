package emulator_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"tandem/internal/local/emulator"
)

const (
	roleARN      = "arn:aws:iam::210987654321:role/path/rotation"
	functionRole = "arn:aws:sts::123456789012:assumed-role/function/rotator"
)

func stsClient(url, key, token string) *sts.Client {
	return sts.New(sts.Options{Region: "us-east-1", BaseEndpoint: aws.String(url), Credentials: keys(key, token), Retryer: aws.NopRetryer{}})
}

func roles(t *testing.T) (*emulator.Service, string) {
	return serve(t, emulator.Options{
		Invoker:    emulator.InvokerFunc(func(context.Context, string, []byte) error { return nil }),
		Principals: map[string]string{"AKIDFUNCTION": functionRole},
		Roles: []emulator.Role{{
			ARN: roleARN, Trusts: []string{functionRole}, ExternalID: "agreed",
			Allows: []emulator.Permission{{
				Actions: []string{"secretsmanager:*SecretValue"}, Resources: []string{"arn:aws:secretsmanager:us-east-1:123456789012:secret:app*"}, RotationFunction: functionARN,
			}},
		}},
	})
}

// Who may assume a role.
func TestAssumeRole(t *testing.T) {
	_, url := roles(t)
	for _, test := range []struct {
		name, key, role, session, external, code string
	}{
		{"as agreed", "AKIDFUNCTION", roleARN, "tandem", "agreed", ""},
		{"somebody else", "AKIDOTHER", roleARN, "tandem", "agreed", "AccessDenied"},
		{"another role", "AKIDFUNCTION", "arn:aws:iam::210987654321:role/other", "tandem", "agreed", "AccessDenied"},
		{"without the external id", "AKIDFUNCTION", roleARN, "tandem", "", "AccessDenied"},
		{"with another external id", "AKIDFUNCTION", roleARN, "tandem", "other", "AccessDenied"},
		{"a session's name with a blank", "AKIDFUNCTION", roleARN, "a session", "agreed", "ValidationError"},
		{"a session's name too long", "AKIDFUNCTION", roleARN, strings.Repeat("x", 65), "agreed", "ValidationError"},
	} {
		in := &sts.AssumeRoleInput{RoleArn: aws.String(test.role), RoleSessionName: aws.String(test.session)}
		if test.external != "" {
			in.ExternalId = aws.String(test.external)
		}
		out, err := stsClient(url, test.key, "").AssumeRole(t.Context(), in)
		if code(err) != test.code || err != nil && test.code == "" {
			t.Errorf("%s: error %v, want %q", test.name, err, test.code)
		}
		if err == nil && aws.ToString(out.AssumedRoleUser.Arn) != "arn:aws:sts::210987654321:assumed-role/rotation/tandem" {
			t.Errorf("%s: got %s", test.name, aws.ToString(out.AssumedRoleUser.Arn))
		}
	}
}

// What a session may do: what its role allows, to secrets that the function
// rotates.
func TestSessionOfARole(t *testing.T) {
	s, url := roles(t)
	owner := newClient(t, url, "AKIDOWNER")
	for _, name := range []string{"app", "app-by-hand", "other"} {
		if _, err := owner.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String(name), SecretString: aws.String("x")}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := owner.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{
		SecretId: aws.String("app"), RotationLambdaARN: aws.String(functionARN), RotateImmediately: aws.Bool(false),
	}); err != nil {
		t.Fatal(err)
	}
	out, err := stsClient(url, "AKIDFUNCTION", "").AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String(roleARN), RoleSessionName: aws.String("tandem"), ExternalId: aws.String("agreed"),
	})
	if err != nil {
		t.Fatal(err)
	}
	key, token := aws.ToString(out.Credentials.AccessKeyId), aws.ToString(out.Credentials.SessionToken)
	who, err := stsClient(url, key, token).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || aws.ToString(who.Arn) != "arn:aws:sts::210987654321:assumed-role/rotation/tandem" || aws.ToString(who.Account) != "210987654321" {
		t.Errorf("it is %+v, error %v", who, err)
	}
	session := func(token string) *secretsmanager.Client {
		return secretsmanager.New(secretsmanager.Options{Region: "us-east-1", BaseEndpoint: aws.String(url), Credentials: keys(key, token), Retryer: aws.NopRetryer{}})
	}
	for _, test := range []struct{ secret, token, code string }{
		{"app", token, ""},
		{"app-by-hand", token, "AccessDeniedException"},
		{"other", token, "AccessDeniedException"},
		{"app", "stale", "UnrecognizedClientException"},
	} {
		_, err := session(test.token).GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(test.secret)})
		if code(err) != test.code || err != nil && test.code == "" {
			t.Errorf("%s: error %v, want %q", test.secret, err, test.code)
		}
	}
	if _, err := session(token).DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("app")}); code(err) != "AccessDeniedException" {
		t.Errorf("an action that is not allowed: error %v", err)
	}
	seen := false
	for _, call := range s.Calls() {
		seen = seen || call.Operation == "GetSecretValue" && call.Identity == "arn:aws:sts::210987654321:assumed-role/rotation/tandem"
	}
	if !seen {
		t.Error("the session's calls are not told apart")
	}
}
