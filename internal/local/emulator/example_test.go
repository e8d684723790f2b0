package emulator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"tandem/internal/local/emulator"
)

// client is the unmodified SDK's, for a service at a URL. The access key is the
// caller's name.
func client(url string) *secretsmanager.Client {
	return secretsmanager.NewFromConfig(aws.Config{
		Region: emulator.DefaultRegion, BaseEndpoint: aws.String(url), Credentials: credentials.NewStaticCredentialsProvider("ME", "x", ""),
	})
}

// A rotation function is called step by step, as Lambda calls it, and talks to the
// service by the SDK.
func Example() {
	ctx := context.Background()
	var sm *secretsmanager.Client
	function := emulator.InvokerFunc(func(ctx context.Context, _ string, payload []byte) error {
		var event struct{ Step, SecretId, ClientRequestToken string }
		if err := json.Unmarshal(payload, &event); err != nil {
			return err
		}
		fmt.Println(event.Step)
		switch event.Step {
		case emulator.StepCreate:
			_, err := sm.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
				SecretId: &event.SecretId, ClientRequestToken: &event.ClientRequestToken, SecretString: aws.String("new"), VersionStages: []string{"AWSPENDING"},
			})
			return err
		case emulator.StepFinish:
			current, err := sm.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &event.SecretId})
			if err != nil {
				return err
			}
			_, err = sm.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{
				SecretId: &event.SecretId, VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: &event.ClientRequestToken, RemoveFromVersionId: current.VersionId,
			})
			return err
		}
		return nil
	})

	service := emulator.New(emulator.Options{Invoker: function})
	defer service.Close()
	url, err := service.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	sm = client(url)
	if _, err := sm.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("app"), SecretString: aws.String("old")}); err != nil {
		log.Fatal(err)
	}
	if _, err := sm.RotateSecret(ctx, &secretsmanager.RotateSecretInput{
		SecretId: aws.String("app"), RotationLambdaARN: aws.String("arn:aws:lambda:us-east-1:123456789012:function:rotation"),
	}); err != nil {
		log.Fatal(err)
	}
	outcome, err := service.WaitRotation(ctx, "app")
	if err != nil {
		log.Fatal(err)
	}
	for _, stage := range []string{"AWSCURRENT", "AWSPREVIOUS"} {
		value, err := sm.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("app"), VersionStage: aws.String(stage)})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(stage, *value.SecretString)
	}
	fmt.Println(outcome.Status)
	// Output:
	// createSecret
	// setSecret
	// testSecret
	// finishSecret
	// AWSCURRENT new
	// AWSPREVIOUS old
	// succeeded
}

// A test breaks any call on purpose: here PutSecretValue is carried out, and its
// first answer is lost.
func ExampleFault() {
	ctx := context.Background()
	var broken atomic.Bool
	service := emulator.New(emulator.Options{Fault: func(call emulator.Call) emulator.Fault {
		if call.Operation == "PutSecretValue" && broken.CompareAndSwap(false, true) {
			return emulator.Fault{After: true, Reset: true}
		}
		return emulator.Fault{}
	}})
	defer service.Close()
	url, err := service.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	sm := client(url)
	if _, err := sm.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("app"), SecretString: aws.String("old")}); err != nil {
		log.Fatal(err)
	}
	// The SDK tries again with the same token, which makes no second version.
	_, err = sm.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: aws.String("app"), SecretString: aws.String("new")})
	versions, listErr := sm.ListSecretVersionIds(ctx, &secretsmanager.ListSecretVersionIdsInput{SecretId: aws.String("app")})
	if listErr != nil {
		log.Fatal(listErr)
	}
	fmt.Println(err, service.CallCounts()["PutSecretValue"], len(versions.Versions))
	// Output: <nil> 2 2
}

// The service at an address of this machine, for a program that reads
// AWS_ENDPOINT_URL_SECRETS_MANAGER, or for aws --endpoint-url.
func ExampleService_Listen() {
	service := emulator.New(emulator.Options{Region: "eu-west-1"})
	defer service.Close()
	if _, err := service.Listen(context.Background(), "0.0.0.0:4600"); err != nil {
		fmt.Println("refused: what is served here answers anybody")
	}
	if _, err := service.Listen(context.Background(), "127.0.0.1:0"); err == nil {
		fmt.Println("listening")
	}
	// Output:
	// refused: what is served here answers anybody
	// listening
}
