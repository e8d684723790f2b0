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

	"tandem/internal/awssdk"
	"tandem/internal/config"
	"tandem/internal/failure"
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
	rotator, services, err := newRotator(lookup)
	if err != nil {
		log.Error("function not configured", "errorType", string(failure.Of(err)), "error", failure.Line(err.Error()))
		rotator = rotation.Rotator{ConfigError: err}
	}
	// Lambda sets the name when it starts the process.
	rotator.Function = rotation.Function{Name: lambdacontext.FunctionName, Version: version.Number}
	// rotatorWith gives an invocation a rotator of its own, with the services of an ARN.
	rotatorWith := func(ctx context.Context, give func(arn string, to *rotation.Rotator), arn string, log *slog.Logger) *rotation.Rotator {
		own := rotator
		own.Log = log
		if invocation, ok := lambdacontext.FromContext(ctx); ok {
			own.Function.ARN = invocation.InvokedFunctionArn
		}
		if own.ConfigError == nil {
			give(arn, &own)
		}
		return &own
	}
	return &handler.Handler{
		Rotate: func(ctx context.Context, event rotation.Event, log *slog.Logger) error {
			return rotatorWith(ctx, services.of, event.SecretID, log).Rotate(ctx, event)
		},
		Inspect: func(ctx context.Context, event rotation.Event, log *slog.Logger) (rotation.Inspection, error) {
			return rotatorWith(ctx, services.of, event.SecretID, log).Inspect(ctx, event)
		},
		InspectEvery: func(ctx context.Context, event rotation.Event, functionARN string, log *slog.Logger) rotation.Overview {
			return rotatorWith(ctx, services.ofFunction, functionARN, log).InspectEvery(ctx, event, functionARN)
		},
		Log: log, Function: rotator.Function,
	}
}

// newRotator makes a rotator without AWS's services, and what has those for a secret.
func newRotator(lookup func(string) (string, bool)) (rotation.Rotator, *services, error) {
	settings, err := config.Load(lookup)
	sdk, sdkErr := awssdk.Load(lookup)
	authorities, rootsErr := roots.New(settings.RDSCABundle)
	if err := errors.Join(err, sdkErr, rootsErr); err != nil {
		return rotation.Rotator{}, nil, err
	}
	return rotation.Rotator{
		Database: &mysqldb.Database{Roots: authorities.For, AllowPlaintext: settings.AllowPlaintext},
		Settings: settings.Rotation, Random: rand.Reader,
	}, newServices(sdk, authorities.System, settings), nil
}
