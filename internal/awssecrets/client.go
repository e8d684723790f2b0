// Package awssecrets is the way to AWS Secrets Manager: the rotation's five
// operations and the one of a check of every secret, with the service's errors turned into sentences.
//
// An error of this package does not wrap the SDK's: a service may quote what it
// refuses, and what it refuses may be a RotationToken.
package awssecrets

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"tandem/internal/awssdk"
	"tandem/internal/config"
	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/retries"
	"tandem/internal/rotation"
)

// operations are those of the SDK's client that a rotation or a check uses. A test
// derives from them what the function's role must allow.
type operations interface {
	DescribeSecret(context.Context, *secretsmanager.DescribeSecretInput, ...func(*secretsmanager.Options)) (*secretsmanager.DescribeSecretOutput, error)
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
	PutSecretValue(context.Context, *secretsmanager.PutSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.PutSecretValueOutput, error)
	UpdateSecretVersionStage(context.Context, *secretsmanager.UpdateSecretVersionStageInput, ...func(*secretsmanager.Options)) (*secretsmanager.UpdateSecretVersionStageOutput, error)
	GetRandomPassword(context.Context, *secretsmanager.GetRandomPasswordInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetRandomPasswordOutput, error)
	ListSecrets(context.Context, *secretsmanager.ListSecretsInput, ...func(*secretsmanager.Options)) (*secretsmanager.ListSecretsOutput, error)
}

// Client is Secrets Manager. It implements rotation.Secrets and rotation.Lister.
type Client struct {
	service  operations
	password config.Password
}

var (
	_ rotation.Secrets = (*Client)(nil)
	_ rotation.Lister  = (*Client)(nil)
)

// New makes a client. An empty endpoint leaves the address to the SDK, and with
// it to AWS_ENDPOINT_URL_SECRETS_MANAGER, the FIPS and the dual-stack variables.
func New(sdk aws.Config, roots awssdk.Roots, endpoint string, password config.Password) *Client {
	service := secretsmanager.NewFromConfig(sdk, func(o *secretsmanager.Options) {
		if endpoint != "" {
			o.BaseEndpoint = aws.String(endpoint)
		}
		o.HTTPClient = roots.Client(o.HTTPClient)
	})
	return &Client{service: service, password: password}
}

// Describe implements rotation.Secrets by DescribeSecret.
func (c *Client) Describe(ctx context.Context, secretID string) (rotation.Labels, error) {
	ctx, w := traced(ctx)
	out, err := c.service.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(secretID)})
	if err != nil {
		return rotation.Labels{}, explainAt(w, err, "DescribeSecret", secretID)
	}
	labels := rotation.Labels{Stages: out.VersionIdsToStages, RotationEnabled: out.RotationEnabled,
		Changed: aws.ToTime(out.LastChangedDate), NextRotation: aws.ToTime(out.NextRotationDate), Tags: map[string]string{}}
	for _, tag := range out.Tags {
		labels.Tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	return labels, nil
}

// Current implements rotation.Secrets by GetSecretValue.
func (c *Client) Current(ctx context.Context, secretID string) (rotation.Version, error) {
	return c.value(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(secretID), VersionStage: aws.String(rotation.Current)})
}

// Version implements rotation.Secrets by GetSecretValue.
func (c *Client) Version(ctx context.Context, secretID, versionID string) (rotation.Version, error) {
	return c.value(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(secretID), VersionId: aws.String(versionID)})
}

func (c *Client) value(ctx context.Context, in *secretsmanager.GetSecretValueInput) (rotation.Version, error) {
	ctx, w := traced(ctx)
	out, err := c.service.GetSecretValue(ctx, in)
	if err != nil {
		return rotation.Version{}, explainAt(w, err, "GetSecretValue", aws.ToString(in.SecretId))
	}
	if out.SecretString == nil || out.VersionId == nil {
		return rotation.Version{}, failure.Errorf(failure.SecretInvalid, "reading secret %s: its value is binary: store the document as a string", aws.ToString(in.SecretId))
	}
	return rotation.Version{ID: *out.VersionId, Document: redact.New(*out.SecretString), Stages: out.VersionStages, Created: aws.ToTime(out.CreatedDate)}, nil
}

// PutPending implements rotation.Secrets by PutSecretValue. Without VersionStages
// the service would move AWSCURRENT at once.
func (c *Client) PutPending(ctx context.Context, pending rotation.PendingVersion) error {
	in := &secretsmanager.PutSecretValueInput{
		SecretId:           aws.String(pending.SecretID),
		ClientRequestToken: aws.String(pending.VersionID),
		SecretString:       aws.String(pending.Document.Reveal()),
		VersionStages:      []string{rotation.Pending},
	}
	if !pending.RotationToken.Empty() {
		in.RotationToken = aws.String(pending.RotationToken.Reveal())
	}
	ctx, w := traced(ctx)
	_, err := c.service.PutSecretValue(ctx, in)
	return explainAt(w, err, "PutSecretValue", pending.SecretID, pending.RotationToken, pending.Document)
}

// MoveCurrent implements rotation.Secrets by UpdateSecretVersionStage.
func (c *Client) MoveCurrent(ctx context.Context, secretID, to, from string) error {
	ctx, w := traced(ctx)
	before := retries.Noted(ctx)
	_, err := c.service.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{
		SecretId:            aws.String(secretID),
		VersionStage:        aws.String(rotation.Current),
		MoveToVersionId:     aws.String(to),
		RemoveFromVersionId: aws.String(from),
	})
	err = explainAt(w, err, "UpdateSecretVersionStage", secretID)
	// Of several attempts an earlier one may still be carried out, whatever the last one
	// was answered.
	if answer := (*ServiceError)(nil); errors.As(err, &answer) && answer.refusesForGood() && retries.Noted(ctx) == before {
		answer.kind = rotation.ErrNotMoved
	}
	return err
}

// DropPending implements rotation.Secrets by UpdateSecretVersionStage.
func (c *Client) DropPending(ctx context.Context, secretID, versionID string) error {
	ctx, w := traced(ctx)
	_, err := c.service.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{
		SecretId:            aws.String(secretID),
		VersionStage:        aws.String(rotation.Pending),
		RemoveFromVersionId: aws.String(versionID),
	})
	return explainAt(w, err, "UpdateSecretVersionStage", secretID)
}

// RandomPassword implements rotation.Secrets by GetRandomPassword.
func (c *Client) RandomPassword(ctx context.Context, without string) (redact.Secret, error) {
	ctx, w := traced(ctx)
	out, err := c.service.GetRandomPassword(ctx, &secretsmanager.GetRandomPasswordInput{
		PasswordLength:          aws.Int64(c.password.Length),
		ExcludeCharacters:       aws.String(c.password.ExcludeCharacters + without),
		ExcludeNumbers:          aws.Bool(c.password.ExcludeNumbers),
		ExcludePunctuation:      aws.Bool(c.password.ExcludePunctuation),
		ExcludeUppercase:        aws.Bool(c.password.ExcludeUppercase),
		ExcludeLowercase:        aws.Bool(c.password.ExcludeLowercase),
		RequireEachIncludedType: aws.Bool(c.password.RequireEachIncludedType),
	})
	if err != nil {
		return redact.Secret{}, explainAt(w, err, "GetRandomPassword", "")
	}
	if aws.ToString(out.RandomPassword) == "" {
		return redact.Secret{}, failure.New(failure.SecretsManagerFailed, "making a password: GetRandomPassword answered without one: try again")
	}
	return redact.New(*out.RandomPassword), nil
}
