package rotation

import (
	"log/slog"
	"time"

	"tandem/internal/metric"
	"tandem/internal/warning"
)

// namesOf are a line's fields that name what is counted, with the types.
func namesOf(findings []Finding) []slog.Attr {
	var failed, attention []string
	for _, f := range findings {
		switch {
		case f.failed():
			failed = append(failed, f.Name+": "+f.Type)
		case f.attention() && f.Type != "":
			attention = append(attention, f.Name+": "+f.Type)
		case f.attention() && f.Result != ResultAttention:
			attention = append(attention, f.Name+": "+string(f.Result))
		case f.attention():
			attention = append(attention, f.Name)
		}
	}
	var line []slog.Attr
	if len(failed) > 0 {
		line = append(line, slog.Any("failed", failed))
	}
	if len(attention) > 0 {
		line = append(line, slog.Any("attention", attention))
	}
	return line
}

// failed and attention report whether a finding is counted in the metric of that name.
func (f Finding) failed() bool { return f.Result == ResultFailed }

func (f Finding) attention() bool {
	return f.Result == ResultAttention && !f.NoAlarm || f.Result == ResultUnknown
}

// checkMetrics are a line's metrics, and that the check is a scheduled one. Only those are
// counted: a check by hand, of another secret or of none, says nothing of what the last
// scheduled one found, by which the alarm goes.
func (r *Rotator) checkMetrics(event Event, counted metric.Values) []slog.Attr {
	if !event.Scheduled {
		return nil
	}
	return append([]slog.Attr{slog.Bool("scheduled", true)}, counted.CheckAttributes(r.Function.Name, time.Now())...)
}

// counts are what a scheduled check adds to the metrics.
func (a Inspection) counts() metric.Values {
	values := metric.Values{}
	for _, f := range a.Checks {
		if f.failed() {
			values[metric.ChecksFailed]++
		}
		if f.attention() {
			values[metric.ChecksAttention]++
		}
	}
	return values
}

// foremost is the type that stands for several: the last of those that are a reason for
// an alarm, or else the last; empty for none.
func foremost(kinds []string) string {
	foremost := ""
	for _, kind := range kinds {
		if foremost == "" || warning.Lasting(foremost) || !warning.Lasting(kind) {
			foremost = kind
		}
	}
	return foremost
}
