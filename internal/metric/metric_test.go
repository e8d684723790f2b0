package metric

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Each metric is described, and is a number of the line, given or not.
func TestAttributes(t *testing.T) {
	var out bytes.Buffer
	values := Values{Rotations: 1, StepDuration: Duration(1500 * time.Microsecond)}
	slog.New(slog.NewJSONHandler(&out, nil)).LogAttrs(t.Context(), slog.LevelInfo, "x", values.Attributes("f", time.UnixMilli(7))...)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	var described []any
	want := map[string]any{"time": line["time"], "level": "INFO", "msg": "x", "FunctionName": "f"}
	for _, m := range Metrics() {
		described = append(described, map[string]any{"Name": m.Name, "Unit": m.Unit})
		want[m.Name] = values[m.Name]
	}
	want["_aws"] = map[string]any{"Timestamp": 7.0, "CloudWatchMetrics": []any{
		map[string]any{"Namespace": "tandem", "Dimensions": []any{[]any{"FunctionName"}}, "Metrics": described},
	}}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if line[StepDuration] != 1.5 || line[Rotations] != 1.0 || line[Failures] != 0.0 {
		t.Errorf("the numbers are %v, %v, %v", line[StepDuration], line[Rotations], line[Failures])
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
