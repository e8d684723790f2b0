package awssecrets

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"tandem/internal/awssdk"
	"tandem/internal/config"
	"tandem/internal/failure"
)

// As returns the configuration with the role's credentials, which the SDK gets from
// STS when they are first needed and renews before they expire. The sessions are
// named after the function. Without a role it is as it was.
func As(sdk aws.Config, roots awssdk.Roots, role config.Role, function string) aws.Config {
	if role.ARN == "" {
		return sdk
	}
	service := sts.NewFromConfig(sdk, func(o *sts.Options) { o.HTTPClient = roots.Client(o.HTTPClient) })
	provider := stscreds.NewAssumeRoleProvider(service, role.ARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = sessionName(function)
		if role.ExternalID != "" {
			o.ExternalID = aws.String(role.ExternalID)
		}
	})
	sdk.Credentials = aws.NewCredentialsCache(&assumed{provider, role.ARN})
	return sdk
}

// assumed gets a role's credentials, with an error that may be shown.
type assumed struct {
	provider *stscreds.AssumeRoleProvider
	arn      string
}

// Retrieve implements aws.CredentialsProvider.
func (a *assumed) Retrieve(ctx context.Context) (aws.Credentials, error) {
	got, err := a.provider.Retrieve(ctx)
	if err != nil {
		return got, &RoleError{a.arn, err}
	}
	return got, nil
}

// RoleError says why the role of ROTATION_ROLE_ARN was not assumed.
type RoleError struct {
	arn   string
	cause error
}

// Error names the role, the cause and, where there is one, a remedy.
func (e *RoleError) Error() string {
	text := "assuming the role " + e.arn + " of ROTATION_ROLE_ARN: "
	told := awssdk.Explain(e.cause, nil)
	switch {
	case !told.Answered():
		return text + "STS was not reached; in a VPC, give it an interface endpoint for STS, or a NAT gateway: " + told.Reason
	case told.Class == awssdk.AccessDenied:
		return text + told.Code + ": " + told.Message + "; " + failure.Remedy(failure.RoleNotAssumed)
	case told.Code == "RegionDisabledException":
		return text + told.Code + ": " + told.Message + "; turn STS on for the function's region in the account of the role"
	}
	return text + told.Code + ": " + told.Message
}

// FailureType implements failure.Typed.
func (e *RoleError) FailureType() failure.Type { return failure.RoleNotAssumed }

// Unwrap is the end of a context, where that was the cause.
func (e *RoleError) Unwrap() error {
	for _, end := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(e.cause, end) {
			return end
		}
	}
	return nil
}

// Limits of a session's name, in characters.
//
// Source: AWS STS API Reference, "AssumeRole".
const (
	sessionMin = 2
	sessionMax = 64
)

// sessionName makes one of the function's name, which the other account's trail then
// shows.
func sessionName(function string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_+=,.@-", r) {
			return r
		}
		return -1
	}, function)
	if len(name) < sessionMin {
		name = "tandem-" + name
	}
	return name[:min(len(name), sessionMax)]
}
