package metric

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Each metric is described, and is a number of the line, given or not: a step's of a
// step's line, a check's of a check's, and none of both.
func TestAttributes(t *testing.T) {
	values := Values{Rotations: 1, StepDuration: Duration(1500 * time.Microsecond), ChecksFailed: 2}
	lines := map[string][]slog.Attr{"step": values.Attributes("f", time.UnixMilli(7)), "check": values.CheckAttributes("f", time.UnixMilli(7))}
	of := map[string][]string{"check": {ChecksFailed, ChecksAttention}}
	for _, m := range Metrics() {
		if !slices.Contains(of["check"], m.Name) {
			of["step"] = append(of["step"], m.Name)
		}
	}
	for kind, attributes := range lines {
		var out bytes.Buffer
		slog.New(slog.NewJSONHandler(&out, nil)).LogAttrs(t.Context(), slog.LevelInfo, "x", attributes...)
		var line map[string]any
		if err := json.Unmarshal(out.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		var described []any
		want := map[string]any{"time": line["time"], "level": "INFO", "msg": "x", "FunctionName": "f"}
		for _, m := range Metrics() {
			if slices.Contains(of[kind], m.Name) {
				described = append(described, map[string]any{"Name": m.Name, "Unit": m.Unit})
				want[m.Name] = values[m.Name]
			}
		}
		want["_aws"] = map[string]any{"Timestamp": 7.0, "CloudWatchMetrics": []any{
			map[string]any{"Namespace": "tandem", "Dimensions": []any{[]any{"FunctionName"}}, "Metrics": described},
		}}
		if diff := cmp.Diff(want, line); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
		if kind == "step" && (line[StepDuration] != 1.5 || line[Rotations] != 1.0 || line[Failures] != 0.0) {
			t.Errorf("the numbers are %v, %v, %v", line[StepDuration], line[Rotations], line[Failures])
		}
		if kind == "check" && (line[ChecksFailed] != 2.0 || line[ChecksAttention] != 0.0) {
			t.Errorf("the numbers are %v, %v", line[ChecksFailed], line[ChecksAttention])
		}
	}
	// A value under a name that no metric has would be lost.
	known := map[string]bool{}
	for _, m := range Metrics() {
		known[m.Name] = true
	}
	for name := range values {
		if !known[name] {
			t.Errorf("%s is no metric", name)
		}
	}
	if len(values.Attributes("", time.Now())) != 0 {
		t.Error("outside of Lambda there are metrics")
	}
}
