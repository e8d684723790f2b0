package config_test

import (
	"testing"

	"tandem/internal/config"
	"tandem/internal/failure"
)

// The role is that of the account in the secret's ARN, and of no other.
func TestRoleForASecret(t *testing.T) {
	each := config.Role{ARN: "arn:aws:iam::{account}:role/path/rotation", ExternalID: "external"}
	for _, test := range []struct {
		role         config.Role
		secret, want string // no want is an error
	}{
		{each, "arn:aws:secretsmanager:eu-west-1:210987654321:secret:App-AbCdEf", "arn:aws:iam::210987654321:role/path/rotation"},
		{each, "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a:b-AbCdEf", "arn:aws:iam::123456789012:role/path/rotation"},
		{each, "App", ""},
		{each, "", ""},
		{each, "arn:aws:secretsmanager:eu-west-1::secret:App-AbCdEf", ""},
		{each, "arn:aws:secretsmanager:eu-west-1:21098765432:secret:App-AbCdEf", ""},
		{each, "arn:aws:secretsmanager:eu-west-1:{account}:secret:App-AbCdEf", ""},
		{each, "arn:aws:secretsmanager:eu-west-1:12345678901x:secret:App-AbCdEf", ""},
		{each, "arn:aws:kms:eu-west-1:210987654321:key/x", ""},
		{config.Role{ARN: "arn:aws:iam::210987654321:role/rotation", ExternalID: "external"}, "App", "arn:aws:iam::210987654321:role/rotation"},
	} {
		got, err := test.role.For(test.secret)
		switch {
		case test.want == "":
			if failure.Of(err) != failure.EventInvalid || got != (config.Role{}) {
				t.Errorf("%q: %v, error %v", test.secret, got, err)
			}
		case err != nil || got != (config.Role{ARN: test.want, ExternalID: "external"}):
			t.Errorf("%q: %v, error %v, want %s", test.secret, got, err, test.want)
		}
	}
	for function, want := range map[string]string{
		"arn:aws:lambda:eu-west-1:123456789012:function:tandem":      "arn:aws:iam::123456789012:role/path/rotation",
		"arn:aws:lambda:eu-west-1:123456789012:function:tandem:live": "arn:aws:iam::123456789012:role/path/rotation",
		"":       "",
		"tandem": "",
		"arn:aws:lambda:eu-west-1::function:tandem":                       "",
		"arn:aws:secretsmanager:eu-west-1:123456789012:secret:App-AbCdEf": "",
	} {
		got, err := each.OfFunction(function)
		switch {
		case want == "":
			if failure.Of(err) != failure.Unexpected || got != (config.Role{}) {
				t.Errorf("of %q: %v, error %v", function, got, err)
			}
		case err != nil || got != (config.Role{ARN: want, ExternalID: "external"}):
			t.Errorf("of %q: %v, error %v, want %s", function, got, err, want)
		}
	}
	if got, err := (config.Role{ARN: "arn:aws:iam::210987654321:role/rotation"}).OfFunction(""); err != nil || got.ARN != "arn:aws:iam::210987654321:role/rotation" {
		t.Errorf("of no account: %v, error %v", got, err)
	}
	if got, err := (config.Role{}).For("App"); err != nil || got != (config.Role{}) {
		t.Errorf("without a role: %v, error %v", got, err)
	}
}
