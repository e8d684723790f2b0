// Command baseline is what a Lambda function in Go with the AWS SDK cannot do
// without: it makes the client and runs the runtime's loop, and nothing else.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

func main() {
	client := secretsmanager.NewFromConfig(aws.Config{Region: os.Getenv("AWS_REGION")})
	lambda.Start(handler{client})
}

type handler struct{ client *secretsmanager.Client }

func (h handler) Invoke(ctx context.Context, _ []byte) ([]byte, error) {
	_, err := h.client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{})
	return nil, err
}
