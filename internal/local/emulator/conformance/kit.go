package conformance

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
)

// kit is what a rule is checked with.
type kit struct {
	*testing.T
	Target
	ctx context.Context
}

func newKit(t *testing.T, target Target) *kit { return &kit{T: t, Target: target, ctx: t.Context()} }

// id returns a token that is also a version's ID.
func id() string { return "00000000-0000-4000-" + rand.Text()[:17] }

const first = `{"username":"app","password":"first"}`

// secret makes a secret with a value, and returns its ARN and its version.
func (k *kit) secret() (arn, version string) {
	k.Helper()
	out, err := k.Client.CreateSecret(k.ctx, &secretsmanager.CreateSecretInput{
		Name: aws.String("conformance/" + rand.Text()), SecretString: aws.String(first),
	})
	k.must(err)
	k.forget(*out.ARN)
	return *out.ARN, *out.VersionId
}

// forget deletes a secret when the test ends.
func (k *kit) forget(arn string) {
	k.Cleanup(func() {
		_, err := k.Client.DeleteSecret(context.Background(), &secretsmanager.DeleteSecretInput{
			SecretId: &arn, ForceDeleteWithoutRecovery: aws.Bool(true),
		})
		if err != nil {
			k.Errorf("deleting the secret of the test: %v", err)
		}
	})
}

func (k *kit) must(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

func (k *kit) equal(what string, want, got any) {
	k.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		k.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// refused checks an error's name and a part of its message.
func (k *kit) refused(err error, code, message string) {
	k.Helper()
	var api smithy.APIError
	switch {
	case err == nil:
		k.Errorf("succeeded, want %s", code)
	case !errors.As(err, &api):
		k.Errorf("got %v, want %s", err, code)
	case api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), message):
		k.Errorf("got %s: %q, want %s: %q", api.ErrorCode(), api.ErrorMessage(), code, message)
	}
}

// put stores a value; without stages the service chooses.
func (k *kit) put(arn, token, value string, stages ...string) error {
	_, err := k.Client.PutSecretValue(k.ctx, &secretsmanager.PutSecretValueInput{
		SecretId: &arn, ClientRequestToken: &token, SecretString: &value, VersionStages: stages,
	})
	return err
}

// update stores a value by UpdateSecret, with a description that names it.
func (k *kit) update(arn, token, value string) (*secretsmanager.UpdateSecretOutput, error) {
	return k.Client.UpdateSecret(k.ctx, &secretsmanager.UpdateSecretInput{
		SecretId: &arn, ClientRequestToken: &token, SecretString: &value, Description: aws.String("of " + value),
	})
}

// inUse checks that a token was refused, in the service's words.
func (k *kit) inUse(err error, token, arn string) {
	k.Helper()
	k.refused(err, "ResourceExistsException", "You can't use ClientRequestToken "+token+" because that value is already in use for a version of secret "+arn+".")
}

// get reads a value; empty means not given.
func (k *kit) get(secretID, version, stage string) (string, error) {
	out, err := k.Client.GetSecretValue(k.ctx, &secretsmanager.GetSecretValueInput{
		SecretId: &secretID, VersionId: given(version), VersionStage: given(stage),
	})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.SecretString), nil
}

// wantValue checks what a version holds.
func (k *kit) wantValue(arn, version, stage, want string) {
	k.Helper()
	got, err := k.get(arn, version, stage)
	k.must(err)
	k.equal("the value", want, got)
}

// move moves a label; empty means not given.
func (k *kit) move(arn, stage, from, to string) error {
	_, err := k.Client.UpdateSecretVersionStage(k.ctx, &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: &arn, VersionStage: &stage, RemoveFromVersionId: given(from), MoveToVersionId: given(to),
	})
	return err
}

func (k *kit) describe(arn string) *secretsmanager.DescribeSecretOutput {
	k.Helper()
	out, err := k.Client.DescribeSecret(k.ctx, &secretsmanager.DescribeSecretInput{SecretId: &arn})
	k.must(err)
	return out
}

// listed is what ListSecrets tells of a secret, page by page; nil where it is not listed.
func (k *kit) listed(arn string, deleted bool) *types.SecretListEntry {
	k.Helper()
	pages := secretsmanager.NewListSecretsPaginator(k.Client, &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(100), IncludePlannedDeletion: &deleted})
	for pages.HasMorePages() {
		page, err := pages.NextPage(k.ctx)
		k.must(err)
		for _, s := range page.SecretList {
			if *s.ARN == arn {
				return &s
			}
		}
	}
	return nil
}

// stages is the map of a secret's versions to their labels.
type stages = map[string][]string

func (k *kit) wantStages(arn string, want stages) {
	k.Helper()
	k.equal("VersionIdsToStages", want, k.describe(arn).VersionIdsToStages)
}

// rotate starts a rotation with a token of its own, and returns the token.
func (k *kit) rotate(arn string) string {
	k.Helper()
	token := id()
	k.must(k.rotateWith(arn, token, nil))
	return token
}

func (k *kit) rotateWith(arn, token string, immediately *bool) error {
	_, err := k.Client.RotateSecret(k.ctx, &secretsmanager.RotateSecretInput{
		SecretId: &arn, ClientRequestToken: &token, RotationLambdaARN: &k.FunctionARN,
		RotationRules: &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(30)}, RotateImmediately: immediately,
	})
	return err
}

func (k *kit) wait(arn string) {
	k.Helper()
	k.must(k.WaitRotation(k.ctx, arn))
}

// rotates makes the function do what a correct one does: a value in the first
// step, the label in the last. A step that before refuses is not done.
func (k *kit) rotates(before func(Event) error) {
	k.Function.play(func(_ context.Context, e Event) error {
		if before != nil {
			if err := before(e); err != nil {
				return err
			}
		}
		switch e.Step {
		case "createSecret":
			if _, err := k.get(e.SecretId, e.ClientRequestToken, "AWSPENDING"); err == nil {
				return nil
			}
			return k.put(e.SecretId, e.ClientRequestToken, "rotated to "+e.ClientRequestToken, "AWSPENDING")
		case "finishSecret":
			out, err := k.Client.GetSecretValue(k.ctx, &secretsmanager.GetSecretValueInput{SecretId: &e.SecretId})
			if err != nil {
				return err
			}
			return k.move(e.SecretId, "AWSCURRENT", *out.VersionId, e.ClientRequestToken)
		}
		return nil
	})
}

func given(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func unique(kind string) string { return fmt.Sprintf("%s-%s", kind, rand.Text()) }
