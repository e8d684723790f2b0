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

// The metrics. A line has all of them, so that an alarm sees a zero and not the
// lack of data.
const (
	Rotations         = "Rotations"         // finishSecret has moved AWSCURRENT, Count
	Failures          = "Failures"          // the step has failed, Count
	StepDuration      = "StepDuration"      // how long the step took, Milliseconds
	PrivilegesGranted = "PrivilegesGranted" // to the user whose turn it was, Count
	PrivilegesRevoked = "PrivilegesRevoked" // from it, Count
)

// Units of CloudWatch.
//
// Source: Amazon CloudWatch API Reference, MetricDatum.
const (
	Count        = "Count"
	Milliseconds = "Milliseconds"
)

// Definition is a metric's name and unit.
type Definition struct{ Name, Unit string }

// Definitions lists the metrics.
func Definitions() []Definition {
	return []Definition{
		{Rotations, Count}, {Failures, Count}, {StepDuration, Milliseconds}, {PrivilegesGranted, Count}, {PrivilegesRevoked, Count},
	}
}

// Values are the numbers of one step.
type Values struct {
	Rotations, Failures, PrivilegesGranted, PrivilegesRevoked int
	StepDuration                                              time.Duration
}

// Attributes are what a log line has to have beside its own fields. Without a
// function's name, as outside of Lambda, there are none.
func (v Values) Attributes(function string, at time.Time) []slog.Attr {
	if function == "" {
		return nil
	}
	type metric struct{ Name, Unit string }
	type directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []metric
	}
	metrics := make([]metric, 0, len(Definitions()))
	for _, d := range Definitions() {
		metrics = append(metrics, metric(d))
	}
	return []slog.Attr{
		slog.Any(Member, struct {
			Timestamp         int64
			CloudWatchMetrics []directive
		}{at.UnixMilli(), []directive{{Namespace, [][]string{{Dimension}}, metrics}}}),
		slog.String(Dimension, function),
		slog.Int(Rotations, v.Rotations),
		slog.Int(Failures, v.Failures),
		slog.Float64(StepDuration, float64(v.StepDuration.Microseconds())/1000),
		slog.Int(PrivilegesGranted, v.PrivilegesGranted),
		slog.Int(PrivilegesRevoked, v.PrivilegesRevoked),
	}
}

// Member is the member of a log line that says which others are metrics.
const Member = "_aws"
