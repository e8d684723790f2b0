package awssecrets

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"tandem/internal/rotation"
	"tandem/internal/timeout"
)

// pageSize is how many secrets a call of ListSecrets answers with at most.
//
// Source: AWS Secrets Manager API Reference, ListSecrets, MaxResults.
const pageSize = 100

// List implements rotation.Lister by ListSecrets, page by page. The operation has no
// filter for the rotation function.
func (c *Client) List(ctx context.Context, each func(rotation.ListedSecret)) error {
	in := &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(pageSize)}
	for {
		out, err := c.page(ctx, in)
		if err != nil {
			return err
		}
		for _, entry := range out.SecretList {
			each(rotation.ListedSecret{
				ARN: aws.ToString(entry.ARN), RotationLambdaARN: aws.ToString(entry.RotationLambdaARN),
				RotationEnabled: entry.RotationEnabled, NextRotation: aws.ToTime(entry.NextRotationDate),
			})
		}
		if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" {
			return nil
		}
	}
}

func (c *Client) page(ctx context.Context, in *secretsmanager.ListSecretsInput) (*secretsmanager.ListSecretsOutput, error) {
	ctx, cancel := timeout.Call().Context(ctx)
	defer cancel()
	ctx, w := traced(ctx)
	out, err := c.service.ListSecrets(ctx, in)
	return out, explainAt(w, err, "ListSecrets", "")
}
