package sandbox

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"tandem/internal/local/emulator"
)

// A sandbox answers for RDS and STS too: an admin secret without an address, and a
// role.
func TestServeManagedByRDSAndAsRole(t *testing.T) {
	s, _ := tutorial(t, func(o *ServeOptions) { o.Env = append(o.Env, "ROTATION_ROLE_ARN="+RoleARN) })
	ctx := t.Context()
	out, err := s.Secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(adminSecret)})
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal([]byte(aws.ToString(out.SecretString)), &document); err != nil {
		t.Fatal(err)
	}
	delete(document, "engine")
	delete(document, "host")
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Secrets.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: aws.String(adminSecret), SecretString: aws.String(string(text))}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Secrets.TagResource(ctx, &secretsmanager.TagResourceInput{SecretId: aws.String(adminSecret), Tags: []types.Tag{{
		Key: aws.String("aws:rds:primaryDBInstanceArn"), Value: aws.String("arn:aws:rds:" + Region + ":" + emulator.DefaultAccount + ":db:" + Instance),
	}}}); err != nil {
		t.Fatal(err)
	}
	if outcome, err := s.Rotate(ctx, appSecret); err != nil || outcome.Err != nil {
		t.Fatal(err, outcome.Err)
	}
	counts := s.Service.CallCounts()
	if counts["AssumeRole"] == 0 || counts["DescribeDBInstances"] == 0 {
		t.Errorf("calls: %v", counts)
	}
}
