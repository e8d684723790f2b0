// Command rotator is the Lambda function: it reads the environment, makes the
// clients, and answers invocations.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"runtime"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"tandem/internal/awsrds"
	"tandem/internal/awssdk"
	"tandem/internal/awssecrets"
	"tandem/internal/config"
	"tandem/internal/handler"
	"tandem/internal/mysqldb"
	"tandem/internal/roots"
	"tandem/internal/rotation"
	"tandem/internal/version"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: lambdacontext.ReplaceAttr}))
	// The runtime writes its own lines by package log: errors, each of them.
	slog.SetDefault(log)
	slog.SetLogLoggerLevel(slog.LevelError)
	log.Info("function started", "version", version.Number, "go", runtime.Version())
	lambda.Start(newHandler(os.LookupEnv, log))
}

// newHandler makes the function. A configuration that cannot be read does not
// end the process, which would leave nobody to say so: it is logged now, and is
// what every invocation answers.
func newHandler(lookup func(string) (string, bool), log *slog.Logger) *handler.Handler {
	rotate, err := newRotate(lookup)
	if err != nil {
		log.Error("function not configured", "error", err.Error())
		rotate = func(ctx context.Context, event rotation.Event, log *slog.Logger) error {
			return (&rotation.Rotator{Log: log, Function: self(), Unfit: err}).Rotate(ctx, event)
		}
	}
	return &handler.Handler{Rotate: rotate, Log: log, Function: self()}
}

// self is what the log and the metrics say of this function. Lambda sets the
// name when it starts the process.
func self() rotation.Function {
	return rotation.Function{Name: lambdacontext.FunctionName, Version: version.Number}
}

func newRotate(lookup func(string) (string, bool)) (func(context.Context, rotation.Event, *slog.Logger) error, error) {
	settings, err := config.Load(lookup)
	sdk, sdkErr := awssdk.Load(lookup)
	if err := errors.Join(err, sdkErr); err != nil {
		return nil, err
	}
	secrets := awssecrets.New(awssecrets.As(sdk, settings.Role, lambdacontext.FunctionName), settings.SecretsManagerEndpoint, settings.Password)
	whereabouts := awsrds.New(sdk)
	database := &mysqldb.Database{Roots: new(roots.Roots).Pool, AllowPlaintext: settings.AllowPlaintext}
	return func(ctx context.Context, event rotation.Event, log *slog.Logger) error {
		rotator := rotation.Rotator{
			Secrets: secrets, Database: database, Whereabouts: whereabouts,
			Settings: settings.Rotation, Random: rand.Reader, Log: log, Function: self(),
		}
		return rotator.Rotate(ctx, event)
	}, nil
}
