package emulator_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"tandem/internal/local/emulator"
	"tandem/internal/local/emulator/conformance"
)

const functionARN = "arn:aws:lambda:us-east-1:123456789012:function:rotator"

// TestConformance holds the rules against the emulator, or against the endpoint
// in CONFORMANCE_ENDPOINT.
func TestConformance(t *testing.T) {
	if endpoint := os.Getenv("CONFORMANCE_ENDPOINT"); endpoint != "" {
		conformance.Run(t, conformance.Target{Client: newClient(t, endpoint, "AKIDCONFORMANCE")})
		return
	}
	function := &conformance.Function{}
	s, url := serve(t, emulator.Options{Invoker: function, Attempts: 2, Pause: -1})
	conformance.Run(t, conformance.Target{
		Client:      newClient(t, url, "AKIDCONFORMANCE"),
		Function:    function,
		FunctionARN: functionARN,
		WaitRotation: func(ctx context.Context, id string) error {
			_, err := s.WaitRotation(ctx, id)
			return err
		},
	})
}

// serve starts a service on a loopback port.
func serve(t *testing.T, options emulator.Options) (*emulator.Service, string) {
	t.Helper()
	s := emulator.New(options)
	t.Cleanup(s.Close)
	url, err := s.Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return s, url
}

// newClient makes an unmodified client that signs as the access key and does not
// repeat calls.
func newClient(t *testing.T, url, accessKey string) *secretsmanager.Client {
	t.Helper()
	credentials := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: "any"}, nil
	})
	cfg, err := config.LoadDefaultConfig(t.Context(),
		config.WithRegion("us-east-1"), config.WithCredentialsProvider(credentials), config.WithBaseEndpoint(url),
		config.WithSharedConfigFiles([]string{}), config.WithSharedCredentialsFiles([]string{}),
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }))
	if err != nil {
		t.Fatal(err)
	}
	return secretsmanager.NewFromConfig(cfg)
}

// deadline bounds waiting for what does not come.
func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}
