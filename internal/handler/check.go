package handler

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"
)

// inspect answers a check. It succeeds whatever the check has found: an invocation
// that fails is tried again, and counts as a rotation's failure.
func (h *Handler) inspect(ctx context.Context, event event, log *slog.Logger, began time.Time) ([]byte, error) {
	found, err := h.Inspect(ctx, event.Event, log)
	if err != nil {
		return nil, h.refused(ctx, log, event, began, err)
	}
	return encode(found)
}

// longestAnswer is how long the answer to a check of every secret may be, in bytes.
// Lambda takes 6 MB of an answer, and has the invocation fail for a longer one.
//
// Source: AWS Lambda Developer Guide, "Lambda quotas".
const longestAnswer = 5 << 20

// inspectEvery answers a check of every secret. It succeeds like any other check.
func (h *Handler) inspectEvery(ctx context.Context, event event, functionARN string, log *slog.Logger) ([]byte, error) {
	found := h.InspectEvery(ctx, event.Event, functionARN, log)
	left := longestAnswer
	found.NotReached = leading(found.NotReached, &left, &found.LeftOut)
	found.Secrets = leading(found.Secrets, &left, &found.LeftOut)
	found.RotationOff = leading(found.RotationOff, &left, &found.LeftOut)
	return encode(found)
}

// leading are as many of a list's elements as there is room left for, in bytes; what is
// left out is counted.
func leading[E any](list []E, room, leftOut *int) []E {
	for n := range list {
		text, err := json.Marshal(list[n])
		if err != nil || len(text)+1 > *room {
			*room = 0
			*leftOut += len(list) - n
			return list[:n]
		}
		*room -= len(text) + 1
	}
	return list
}

func encode(found any) ([]byte, error) {
	var answer bytes.Buffer
	encoder := json.NewEncoder(&answer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(found); err != nil {
		return nil, reported(fmt.Errorf("writing the answer: %w", err))
	}
	return bytes.TrimRight(answer.Bytes(), "\n"), nil
}
