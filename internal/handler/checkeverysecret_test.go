package handler_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"tandem/internal/failure"
	"tandem/internal/handler"
	"tandem/internal/metric"
	"tandem/internal/rotation"
)

// A check that names no secret is of every one that the function rotates, which it knows
// by the ARN that it is invoked by; one whose SecretId is empty is a mistake, and the
// check's own matter to refuse.
func TestInvokeTellsACheckOfEverySecret(t *testing.T) {
	const arn = "arn:aws:lambda:eu-west-1:123456789012:function:tandem:live"
	for payload, want := range map[string]string{
		`{"Step":"check"}`:                              "every " + arn,
		`{"Step":"check","ClientRequestToken":"t"}`:     "every " + arn,
		`{"Step":"check","SecretId":""}`:                "one ",
		`{"Step":"check","SecretId":null}`:              "one ",
		`{"Step":"check","secretid":null}`:              "one ",
		`{"Step":"check","Scheduled":true}`:             "every " + arn,
		`{"Step":"createSecret","Scheduled":"x","y":1}`: "step ",
		`{"Step":"check","SecretId":"arn:x"}`:           "one arn:x",
		`{"Step":"createSecret"}`:                       "step ",
		`{"Step":"createSecret","SecretId":"arn:x"}`:    "step arn:x",
		`{"Step":"CHECK"}`:                              "step ",
		`{"step":"check","secretid":"any letter case"}`: "one any letter case",
	} {
		done := ""
		h := handler.Handler{
			Log: slog.New(slog.DiscardHandler),
			Rotate: func(_ context.Context, e rotation.Event, _ *slog.Logger) error {
				done = "step " + e.SecretID
				return nil
			},
			Inspect: func(_ context.Context, e rotation.Event, _ *slog.Logger) (rotation.Inspection, error) {
				done = "one " + e.SecretID
				return rotation.Inspection{}, nil
			},
			InspectEvery: func(_ context.Context, _ rotation.Event, functionARN string, _ *slog.Logger) rotation.Overview {
				done = "every " + functionARN
				return rotation.Overview{OK: true, Checks: []rotation.Finding{}, Secrets: []rotation.Inspection{}}
			},
		}
		ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{InvokedFunctionArn: arn})
		answer, err := h.Invoke(ctx, []byte(payload))
		if err != nil || done != want {
			t.Errorf("%s: %q, error %v, want %q", payload, done, err, want)
		}
		if strings.HasPrefix(want, "every") && string(answer) != `{"ok":true,"found":0,"checks":[],"secrets":[]}` {
			t.Errorf("%s: %s", payload, answer)
		}
	}
}

// The answer is one that Lambda takes, with what it left out counted, and what failed
// in it; those that were not reached come before what was found.
func TestAnswerFitsIntoLambdas(t *testing.T) {
	long := strings.Repeat("<é", 10_000)
	found := rotation.Overview{}
	for n := range 1000 {
		found.NotReached = append(found.NotReached, fmt.Sprintf("not reached %d", n))
		found.Secrets = append(found.Secrets, rotation.Inspection{Secret: fmt.Sprint(n), Checks: []rotation.Finding{{Name: "a", Detail: long}}})
	}
	h := handler.Handler{Log: slog.New(slog.DiscardHandler), InspectEvery: func(context.Context, rotation.Event, string, *slog.Logger) rotation.Overview { return found }}
	answer, err := h.Invoke(t.Context(), []byte(`{"Step":"check"}`))
	if err != nil || len(answer) > 6<<20 || len(answer) < 1<<20 {
		t.Fatalf("%d bytes, error %v", len(answer), err)
	}
	var read rotation.Overview
	if err := json.Unmarshal(answer, &read); err != nil {
		t.Fatal(err)
	}
	if len(read.NotReached) != 1000 || len(read.Secrets) == 0 || read.Secrets[0].Secret != "0" || len(read.Secrets)+read.LeftOut != 1000 {
		t.Errorf("%d not reached, %d answers, %d left out", len(read.NotReached), len(read.Secrets), read.LeftOut)
	}
}

// A check with a field that is none is refused, and not one of every secret. The error
// names the field, and no value.
func TestCheckWithAnUnknownFieldIsRefused(t *testing.T) {
	for payload, named := range map[string]string{
		`{"Step":"check","Secret_Id":"hunter2"}`:                         "Secret_Id",
		`{"Step":"check","SecretARN":"hunter2"}`:                         "SecretARN",
		`{"step":"check","SecretId":"arn:x","password":{"x":"hunter2"}}`: "password",
		`{"Step":"check","Scheduled":"hunter2"}`:                         "Scheduled",
		`{"Step":"check","Scheduled":1}`:                                 "Scheduled",
		`{"Step":"check","SecretId":["hunter2"]}`:                        "SecretId",
	} {
		var log bytes.Buffer
		h := handler.Handler{Log: slog.New(slog.NewJSONHandler(&log, nil)), Function: rotation.Function{Name: "tandem"}}
		_, err := h.Invoke(t.Context(), []byte(payload))
		var refused messages.InvokeResponse_Error
		if !errors.As(err, &refused) || refused.Type != string(failure.EventInvalid) || !strings.Contains(refused.Message, named) ||
			strings.Contains(refused.Message+log.String(), "hunter2") {
			t.Errorf("%s: %v", payload, err)
		}
		if strings.Contains(log.String(), metric.Member) {
			t.Errorf("%s, by hand, is counted: %s", payload, log.String())
		}
	}
}

// A check never counts as a rotation's failure, not even one that is refused, or panics.
func TestCheckIsNoFailureOfARotation(t *testing.T) {
	for name, inspect := range map[string]func(context.Context, rotation.Event, *slog.Logger) (rotation.Inspection, error){
		"refused": func(context.Context, rotation.Event, *slog.Logger) (rotation.Inspection, error) {
			return rotation.Inspection{}, failure.New(failure.EventInvalid, "cause")
		},
		"panic": func(context.Context, rotation.Event, *slog.Logger) (rotation.Inspection, error) { panic("x") },
	} {
		var log bytes.Buffer
		h := handler.Handler{Log: slog.New(slog.NewJSONHandler(&log, nil)), Inspect: inspect, Function: rotation.Function{Name: "tandem"},
			Rotate: func(context.Context, rotation.Event, *slog.Logger) error { panic("x") }}
		if _, err := h.Invoke(t.Context(), []byte(`{"Step":"check","SecretId":"x","Scheduled":true}`)); err == nil {
			t.Errorf("%s: no error", name)
		}
		var line map[string]any
		if err := json.Unmarshal(log.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if line[metric.Failures] != nil || line[metric.StepDuration] != nil || line[metric.ChecksFailed] != 1.0 {
			t.Errorf("%s: %v", name, line)
		}
		log.Reset()
		if _, err := h.Invoke(t.Context(), []byte(`{"Step":"check","SecretId":"x"}`)); err == nil || strings.Contains(log.String(), metric.Member) {
			t.Errorf("%s, by hand: error %v, %s", name, err, log.String())
		}
		log.Reset()
		if _, err := h.Invoke(t.Context(), []byte(`{"Step":"setSecret","SecretId":"x"}`)); err == nil {
			t.Errorf("%s: no error", name)
		}
		line = nil
		if err := json.Unmarshal(log.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if line[metric.Failures] != 1.0 || line[metric.ChecksFailed] != nil {
			t.Errorf("%s, a step: %v", name, line)
		}
	}
}
