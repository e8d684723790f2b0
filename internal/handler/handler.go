// Package handler stands between Lambda and the rotation: it reads the event,
// ends the work early enough to report, and lets nothing out that must not be
// seen, not even by a panic.
package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"tandem/internal/failure"
	"tandem/internal/metric"
	"tandem/internal/redact"
	"tandem/internal/rotation"
	"tandem/internal/timeout"
)

// Handler answers Lambda's invocations. It implements lambda.Handler.
type Handler struct {
	// Rotate performs a step, logging to log.
	Rotate func(ctx context.Context, event rotation.Event, log *slog.Logger) error
	// Inspect performs a check, which is not a step of a rotation.
	Inspect func(ctx context.Context, event rotation.Event, log *slog.Logger) (rotation.Inspection, error)
	// InspectEvery performs a check of every secret that the function rotates, which
	// names none.
	InspectEvery func(ctx context.Context, event rotation.Event, functionARN string, log *slog.Logger) rotation.Overview
	Log          *slog.Logger
	// Function is what the log and the metrics say of the function.
	Function rotation.Function
}

// Invoke performs the event's step. Its error is the one that Lambda reports:
// messages.InvokeResponse_Error, whose type Lambda takes for errorType.
func (h *Handler) Invoke(ctx context.Context, payload []byte) (answer []byte, err error) {
	log, began, functionARN := h.Log, time.Now(), ""
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		log, functionARN = log.With("requestId", lc.AwsRequestID), lc.InvokedFunctionArn
	}
	var event event
	defer func() {
		if value := recover(); value != nil {
			err = h.panicked(ctx, log, event, began, value)
		}
	}()
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-timeout.Reserve(time.Until(deadline))))
		defer cancel()
	}
	if event, err = parse(payload); err != nil {
		return nil, h.refused(ctx, log, event, began, err)
	}
	switch {
	case event.Step == rotation.Check && !event.namesSecret:
		return h.inspectEvery(ctx, event, functionARN, log)
	case event.Step == rotation.Check:
		return h.inspect(ctx, event, log, began)
	}
	if err := h.Rotate(ctx, event.Event, log); err != nil {
		return nil, reported(err)
	}
	return []byte("null"), nil
}

// refused logs an event that is none, and returns the error that Lambda reports.
func (h *Handler) refused(ctx context.Context, log *slog.Logger, event event, began time.Time, err error) error {
	h.failed(ctx, log, event, "event refused", began, slog.String("errorType", string(failure.Of(err))), slog.String("error", failure.Line(err.Error())))
	return reported(err)
}

// reported is the error that Lambda reports, on one line.
func reported(err error) error {
	return messages.InvokeResponse_Error{Type: string(failure.Of(err)), Message: failure.Line(err.Error())}
}

// failed logs what did not get as far as a step or a check, and counts it as the
// failure of the one or, if that is scheduled, of the other.
func (h *Handler) failed(ctx context.Context, log *slog.Logger, event event, message string, began time.Time, line ...slog.Attr) {
	if h.Function.Version != "" {
		line = append(line, slog.String("version", h.Function.Version))
	}
	metrics := metric.Values{metric.Failures: 1, metric.StepDuration: metric.Duration(time.Since(began))}.Attributes(h.Function.Name, time.Now())
	switch {
	case event.Scheduled:
		metrics = metric.Values{metric.ChecksFailed: 1}.CheckAttributes(h.Function.Name, time.Now())
	case event.Step == rotation.Check:
		metrics = nil
	}
	log.LogAttrs(ctx, slog.LevelError, message, append(line, metrics...)...)
}

// event is an event as it was read.
type event struct {
	rotation.Event
	// namesSecret: it has a SecretId, even an empty one.
	namesSecret bool
}

// maxEvent is the longest event that is read, in bytes. Secrets Manager's have some
// hundreds; Lambda hands over millions.
const maxEvent = 64 << 10

// parse reads the event. Its errors do not quote the payload, which may hold a
// RotationToken. Where the error is about a check, the event says that it is one.
func parse(payload []byte) (event, error) {
	if len(payload) > maxEvent {
		return event{}, failure.Errorf(failure.EventInvalid, "reading the event: it has %d bytes, and at most %d are read: send an object with the strings Step, SecretId and ClientRequestToken, as Secrets Manager does", len(payload), maxEvent)
	}
	var read struct {
		Step               string
		SecretId           string
		ClientRequestToken string
		RotationToken      string
	}
	if err := json.Unmarshal(payload, &read); err != nil {
		reason := "it is not JSON"
		var mistyped *json.UnmarshalTypeError
		if errors.As(err, &mistyped) {
			reason = fmt.Sprintf("its field %q is a %s", mistyped.Field, strings.Fields(mistyped.Value + " ")[0])
		}
		return event{Event: rotation.Event{Step: rotation.Step(read.Step)}}, failure.New(failure.EventInvalid, "reading the event: "+reason+": send an object with the strings Step, SecretId and ClientRequestToken, as Secrets Manager does")
	}
	parsed := event{Event: rotation.Event{
		Step: rotation.Step(read.Step), Token: read.ClientRequestToken, RotationToken: redact.New(read.RotationToken),
	}}
	parsed.SecretID = read.SecretId
	if parsed.Step != rotation.Check {
		return parsed, nil
	}
	return parsed, parsed.readCheck(payload)
}

// readCheck reads what only a check's event has. It refuses fields that are none: with
// the name of its secret misspelt, a check of one would be a check of every secret. A
// step's event may have more, as Secrets Manager may come to send more.
func (e *event) readCheck(payload []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(payload, &fields); err != nil {
		return failure.New(failure.EventInvalid, "reading the event of a check: it is not an object") // not reached: it has been read as one
	}
	unknown := ""
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		switch {
		case strings.EqualFold(name, "SecretId"):
			e.namesSecret = true // null too: its check refuses it like an empty one
		case strings.EqualFold(name, "Scheduled"):
			if err := json.Unmarshal(fields[name], &e.Scheduled); err != nil {
				return failure.New(failure.EventInvalid, "reading the event of a check: its field Scheduled is neither true nor false: leave it out in a check by hand")
			}
		case strings.EqualFold(name, "Step"), strings.EqualFold(name, "ClientRequestToken"), strings.EqualFold(name, "RotationToken"):
		case unknown == "":
			unknown = name
		}
	}
	if unknown != "" {
		return failure.Errorf(failure.EventInvalid, "reading the event of a check: it has the field %.40q, which is none of Step, SecretId and Scheduled: correct its name, or leave it out", unknown)
	}
	return nil
}

// panicked turns a panic into an error. The panic's value is not shown, since
// nobody knows what is in it, unless it is the runtime's own, which quotes
// nothing but indices and types; where it came from is logged.
func (h *Handler) panicked(ctx context.Context, log *slog.Logger, event event, began time.Time, value any) error {
	pcs := make([]uintptr, 32)
	pcs = pcs[:runtime.Callers(3, pcs)]
	if beside, ok := value.(*rotation.Panic); ok {
		value, pcs = beside.Value, beside.Callers
	}
	cause := fmt.Sprintf("a value of type %T", value)
	if own, ok := value.(runtime.Error); ok {
		cause = own.Error()
	}
	frames := runtime.CallersFrames(pcs)
	var stack []string
	for {
		frame, more := frames.Next()
		stack = append(stack, fmt.Sprintf("%s %s:%d", frame.Function, frame.File, frame.Line))
		if !more {
			break
		}
	}
	h.failed(ctx, log, event, "panic", began, slog.String("errorType", string(failure.Panic)), slog.String("cause", cause), slog.Any("stack", stack))
	return messages.InvokeResponse_Error{
		Type:    string(failure.Panic),
		Message: "the function panicked (" + cause + "), which is a defect of it: its log has the stack; the next try goes on from what was done",
	}
}
