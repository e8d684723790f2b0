// Package metric writes a step's numbers into its log line, in CloudWatch's
// embedded metric format: CloudWatch Logs makes metrics of them, and the function
// needs neither a call nor a permission for that.
//
// Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format".
package metric

import (
	"log/slog"
	"time"
)

// Namespace is where CloudWatch keeps the metrics.
const Namespace = "tandem"

// Dimension is their one dimension: the function's name.
const Dimension = "FunctionName"

// Units of CloudWatch.
//
// Source: Amazon CloudWatch API Reference, MetricDatum.
const (
	Count        = "Count"
	Milliseconds = "Milliseconds"
)

// The metrics' names.
const (
	Rotations           = "Rotations"
	Failures            = "Failures"
	StepDuration        = "StepDuration"
	PrivilegesGranted   = "PrivilegesGranted"
	PrivilegesRevoked   = "PrivilegesRevoked"
	PendingUserSessions = "PendingUserSessions"
	ChecksFailed        = "ChecksFailed"
	ChecksAttention     = "ChecksAttention"
)

// Metric is what is known of one.
type Metric struct{ Name, Unit, Meaning string }

// Metrics lists them, in the documents' order. A step's line has all of a step's, and a
// scheduled check's line all of a check's, so that an alarm sees a zero and not the lack of data.
// Neither has the other's: what a rotation counts says nothing of the last check.
func Metrics() []Metric {
	return []Metric{
		{Rotations, Count, "1 where finishSecret has moved AWSCURRENT"},
		{Failures, Count, "1 where the step has failed, the event could not be read, or the function panicked"},
		{StepDuration, Milliseconds, "how long the step took"},
		{PrivilegesGranted, Count, "to the user whose turn it was"},
		{PrivilegesRevoked, Count, "from that user"},
		{PendingUserSessions, Count, "sessions of that user, before its password changed"},
		{ChecksFailed, Count, "of a scheduled check: how much of what it looked at has failed"},
		{ChecksAttention, Count, "of a scheduled check: how much asks for attention, without what has `noAlarm`, or was not looked at for lack of time"},
	}
}

// ofCheck reports whether a metric is of a check's line, and not of a step's.
func ofCheck(name string) bool { return name == ChecksFailed || name == ChecksAttention }

// Values are the numbers of one step or check, by the metric's name. What is absent is 0.
type Values map[string]float64

// Duration is the value of a metric in milliseconds.
func Duration(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Attributes are what a step's line has to have beside its own fields. Without a
// function's name, as outside of Lambda, there are none.
func (v Values) Attributes(function string, at time.Time) []slog.Attr {
	return v.attributes(function, at, false)
}

// CheckAttributes are the same of a scheduled check's line.
func (v Values) CheckAttributes(function string, at time.Time) []slog.Attr {
	return v.attributes(function, at, true)
}

func (v Values) attributes(function string, at time.Time, check bool) []slog.Attr {
	if function == "" {
		return nil
	}
	type definition struct{ Name, Unit string }
	type directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []definition
	}
	described := directive{Namespace: Namespace, Dimensions: [][]string{{Dimension}}}
	var numbers []slog.Attr
	for _, m := range Metrics() {
		if ofCheck(m.Name) != check {
			continue
		}
		described.Metrics = append(described.Metrics, definition{m.Name, m.Unit})
		numbers = append(numbers, slog.Float64(m.Name, v[m.Name]))
	}
	return append([]slog.Attr{
		slog.Any(Member, struct {
			Timestamp         int64
			CloudWatchMetrics []directive
		}{at.UnixMilli(), []directive{described}}),
		slog.String(Dimension, function),
	}, numbers...)
}

// Member is the member of a log line that says which others are metrics.
const Member = "_aws"
