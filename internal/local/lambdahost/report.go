package lambdahost

import (
	"encoding/json"
	"errors"
	"math"
	"time"
)

// Lambda's own lines, in the form that they have under the log format JSON
// (Developer Guide, "Lambda Telemetry API Event schema reference").
const (
	typeStart  = "platform.start"
	typeDone   = "platform.runtimeDone"
	typeReport = "platform.report"
)

type systemLine struct {
	Time   string       `json:"time"`
	Type   string       `json:"type"`
	Record systemRecord `json:"record"`
}

type systemRecord struct {
	RequestID string   `json:"requestId"`
	Version   string   `json:"version,omitempty"`
	Status    string   `json:"status,omitempty"`
	ErrorType string   `json:"errorType,omitempty"`
	Metrics   *metrics `json:"metrics,omitempty"`
}

type metrics struct {
	DurationMs       float64 `json:"durationMs"`
	BilledDurationMs int64   `json:"billedDurationMs,omitempty"`
	MemorySizeMB     int     `json:"memorySizeMB,omitempty"`
	MaxMemoryUsedMB  int64   `json:"maxMemoryUsedMB,omitempty"`
	InitDurationMs   float64 `json:"initDurationMs,omitempty"`
}

func (h *Host) reportStart(e *environment, inv *invocation) {
	h.logSystem(e, typeStart, systemRecord{RequestID: inv.id, Version: version})
}

// report writes the lines that end an invocation.
func (h *Host) report(e *environment, inv *invocation, overrun bool) {
	e.mu.Lock()
	initTook, memory := e.initTook, e.memory
	e.initTook = 0 // part of the first report alone
	e.mu.Unlock()

	status, errorType := "success", ""
	var failure *FunctionError
	switch {
	case overrun:
		status, errorType = "timeout", TypeTimedOut
	case errors.As(inv.err, &failure) && failure.Type == TypeExited:
		status, errorType = "failure", TypeExited
	case failure != nil:
		status, errorType = "error", failure.Type
	case inv.err != nil:
		status = "failure"
	}
	took := milliseconds(inv.took)
	h.logSystem(e, typeDone, systemRecord{
		RequestID: inv.id, Status: status, ErrorType: errorType,
		Metrics: &metrics{DurationMs: took},
	})
	h.logSystem(e, typeReport, systemRecord{
		RequestID: inv.id, Status: status, ErrorType: errorType,
		Metrics: &metrics{
			DurationMs:       took,
			BilledDurationMs: int64(math.Ceil(milliseconds(inv.took + initTook))),
			MemorySizeMB:     h.function.MemoryMB,
			MaxMemoryUsedMB:  (memory + 1<<20 - 1) >> 20,
			InitDurationMs:   milliseconds(initTook),
		},
	})
}

func (h *Host) logSystem(e *environment, lineType string, record systemRecord) {
	if !h.function.SystemLogs {
		return
	}
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	text, _ := json.Marshal(systemLine{Time: now, Type: lineType, Record: record}) // strings and finite numbers marshal
	h.log(e.number, System, string(text))
}

// milliseconds keeps two places, as Lambda does.
func milliseconds(d time.Duration) float64 {
	return math.Round(float64(d)/float64(10*time.Microsecond)) / 100
}
