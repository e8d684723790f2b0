package handler_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/google/go-cmp/cmp"

	"tandem/internal/failure"
	"tandem/internal/handler"
	"tandem/internal/redact"
	"tandem/internal/rotation"
)

const token = "0123456789abcdef0123456789abcdef"

type rotate = func(context.Context, rotation.Event, *slog.Logger) error

func invoke(t *testing.T, ctx context.Context, perform rotate, payload string) (messages.InvokeResponse_Error, string) {
	t.Helper()
	var log bytes.Buffer
	h := handler.Handler{Rotate: perform, Log: slog.New(slog.NewJSONHandler(&log, nil))}
	_, err := h.Invoke(ctx, []byte(payload))
	if err == nil {
		return messages.InvokeResponse_Error{}, log.String()
	}
	answered, ok := err.(messages.InvokeResponse_Error) // by value: a wrapped one is not seen by Lambda
	if !ok {
		t.Fatalf("the error is a %T, which Lambda would name by its Go type", err)
	}
	return answered, log.String()
}

func TestInvokeHandsTheEventOver(t *testing.T) {
	var got rotation.Event
	failure, _ := invoke(t, t.Context(), func(_ context.Context, e rotation.Event, _ *slog.Logger) error { got = e; return nil },
		`{"Step":"setSecret","SecretId":"arn:x","ClientRequestToken":"`+token+`","RotationToken":"rt"}`)
	if failure.Message != "" {
		t.Fatal(failure.Message)
	}
	want := rotation.Event{Step: rotation.SetSecret, SecretID: "arn:x", Token: token, RotationToken: redact.New("rt")}
	if diff := cmp.Diff(want, got, cmp.Comparer(redact.Secret.Equal)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestInvokeReportsTheError(t *testing.T) {
	failure, _ := invoke(t, t.Context(), func(context.Context, rotation.Event, *slog.Logger) error {
		return fmt.Errorf("gerund: %w", failure.New(failure.ReadOnlyServer, "cause"))
	}, `{}`)
	want := messages.InvokeResponse_Error{Type: "ReadOnlyServer", Message: "gerund: cause"}
	if diff := cmp.Diff(want, failure); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestInvokeRefusesAnEventWithoutQuotingIt(t *testing.T) {
	for _, payload := range []string{``, `hunter2`, `[]`, `"hunter2"`, `{"RotationToken": 42}`, `{"RotationToken": "hunter2`, `{"RotationToken": "hunter2", "Step": ["hunter2"]}`} {
		failure, log := invoke(t, t.Context(), func(context.Context, rotation.Event, *slog.Logger) error {
			t.Errorf("%q went through", payload)
			return nil
		}, payload)
		if failure.Type != "EventInvalid" || strings.Contains(failure.Message+log, "hunter2") {
			t.Errorf("%q: %+v, log %s", payload, failure, log)
		}
	}
}

func TestInvokeHidesWhatPanics(t *testing.T) {
	for name, value := range map[string]any{"text": "hunter2", "error": errors.New("hunter2"), "struct": struct{ S string }{"hunter2"}} {
		failure, log := invoke(t, t.Context(), func(context.Context, rotation.Event, *slog.Logger) error { panic(value) }, `{}`)
		if failure.Type != "Panic" || strings.Contains(failure.Message+log, "hunter2") {
			t.Errorf("%s: %+v, log %s", name, failure, log)
		}
		if !strings.Contains(log, "handler_test.go") {
			t.Errorf("%s: the log does not say where: %s", name, log)
		}
	}
	var none map[string]int
	failure, _ := invoke(t, t.Context(), func(context.Context, rotation.Event, *slog.Logger) error { none["x"] = 1; return nil }, `{}`)
	if !strings.Contains(failure.Message, "nil map") {
		t.Errorf("the runtime's own panic is hidden: %+v", failure)
	}
}

func TestInvokeKeepsTimeToReport(t *testing.T) {
	for lambda, reserve := range map[time.Duration]time.Duration{
		60 * time.Second: time.Second, 7 * time.Second: 700 * time.Millisecond, 3 * time.Second: 500 * time.Millisecond,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), lambda)
		end, _ := ctx.Deadline()
		invoke(t, ctx, func(inner context.Context, _ rotation.Event, _ *slog.Logger) error {
			deadline, ok := inner.Deadline()
			if !ok {
				t.Fatal("no deadline")
			}
			// A tenth of what is left is computed a moment after it was set.
			if got := end.Sub(deadline); got > reserve || got < reserve-reserve/5 {
				t.Errorf("of %s, %s are kept, want about %s", lambda, got, reserve)
			}
			return nil
		}, `{}`)
		cancel()
	}
}

// An event of megabytes is not read, and its words are not repeated.
func TestInvokeBoundsTheEvent(t *testing.T) {
	long := strings.Repeat("x", 5<<20)
	for _, payload := range []string{long, `{"Step":"` + long + `"}`, `{"` + long + `":1}`} {
		answered, log := invoke(t, t.Context(), func(context.Context, rotation.Event, *slog.Logger) error {
			t.Error("it went through")
			return nil
		}, payload)
		if answered.Type != "EventInvalid" || len(answered.Message)+len(log) > 2000 {
			t.Errorf("%s, a message of %d bytes, a log of %d", answered.Type, len(answered.Message), len(log))
		}
	}
}

// Lambda's report of an error is one line, whatever the step says.
func TestInvokeReportsOneLine(t *testing.T) {
	answered, _ := invoke(t, t.Context(), func(context.Context, rotation.Event, *slog.Logger) error {
		return failure.New(failure.ReadOnlyServer, "two\nlines "+strings.Repeat("x", 1<<20))
	}, `{}`)
	if answered.Type != "ReadOnlyServer" || strings.Contains(answered.Message, "\n") || len(answered.Message) > failure.MaxLine {
		t.Errorf("%+.300v", answered)
	}
}
