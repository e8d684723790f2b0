package handler_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/google/go-cmp/cmp"

	"tandem/internal/failure"
	"tandem/internal/handler"
	"tandem/internal/rotation"
)

// A check is answered with what it has found, and a rotation with nothing; neither is
// taken for the other.
func TestInvokeTellsACheckFromAStep(t *testing.T) {
	const check, step = `{"Step":"check","SecretId":"arn:x"}`, `{"Step":"createSecret","SecretId":"arn:x","ClientRequestToken":"` + token + `"}`
	refused := failure.New(failure.ReadOnlyServer, "cause")
	for _, test := range []struct {
		payload string
		err     error
		answer  string
	}{
		{check, nil, `{"ok":true,"secret":"arn:x","checks":[{"name":"a","result":"ok","detail":"a < b & c","tookMs":0}]}`},
		{check, refused, ""},
		{step, nil, "null"},
		{step, refused, ""},
	} {
		var done []string
		h := handler.Handler{
			Log: slog.New(slog.DiscardHandler),
			Rotate: func(context.Context, rotation.Event, *slog.Logger) error {
				done = append(done, step)
				return test.err
			},
			Inspect: func(context.Context, rotation.Event, *slog.Logger) (rotation.Inspection, error) {
				done = append(done, check)
				return rotation.Inspection{OK: true, Secret: "arn:x", Checks: []rotation.Finding{{Name: "a", Result: "ok", Detail: "a < b & c"}}}, test.err
			},
		}
		answer, err := h.Invoke(t.Context(), []byte(test.payload))
		if string(answer) != test.answer || len(done) != 1 || done[0] != test.payload {
			t.Errorf("%s is answered %s, by way of %v", test.payload, answer, done)
		}
		var want error
		if test.err != nil {
			want = messages.InvokeResponse_Error{Type: "ReadOnlyServer", Message: "cause"}
		}
		if diff := cmp.Diff(want, err); diff != "" {
			t.Errorf("%s: error (-want +got): %s", test.payload, diff)
		}
	}
}

// Every line of an invocation has its request, and the line of one that was refused
// the version of the function, where it has one.
func TestLinesNameRequestAndVersion(t *testing.T) {
	for version, want := range map[string]bool{"1.2.3": true, "": false} {
		var log bytes.Buffer
		h := handler.Handler{Log: slog.New(slog.NewJSONHandler(&log, nil)), Function: rotation.Function{Version: version}}
		ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "request-1"})
		if _, err := h.Invoke(ctx, []byte("no event")); err == nil {
			t.Fatal("no event, and no error")
		}
		line := log.String()
		if !strings.Contains(line, `"requestId":"request-1"`) || !strings.Contains(line, `"errorType":"EventInvalid"`) || strings.Contains(line, `"version"`) != want {
			t.Errorf("version %q: %s", version, line)
		}
	}
}
