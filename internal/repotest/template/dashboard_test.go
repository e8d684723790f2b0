package template_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/metric"
)

// The dashboard shows the metrics that the function writes, each of them, and of
// this function alone.
func TestDashboard(t *testing.T) {
	properties := evaluate(t, everything).Resources["RotationDashboard"].Properties
	var board struct {
		Widgets []struct {
			Type                string
			X, Y, Width, Height int
			Properties          struct {
				Title, Region, Query, View, Stat string
				Period                           int
				Metrics                          [][]any
			}
		}
	}
	decoder := json.NewDecoder(strings.NewReader(fmt.Sprint(properties["DashboardBody"])))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&board); err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, definition := range metric.Metrics() {
		want = append(want, definition.Name)
	}
	for _, widget := range board.Widgets {
		shown := widget.Properties
		if shown.Title == "" || shown.Region != "eu-west-1" || widget.Width == 0 || widget.Height == 0 || widget.X+widget.Width > 24 {
			t.Errorf("%q: %+v", shown.Title, widget)
		}
		if widget.Type == "log" && !strings.Contains(shown.Query, "SOURCE '<RotationLogGroup>' ") {
			t.Errorf("%q asks %q", shown.Title, shown.Query)
		}
		for _, values := range shown.Metrics {
			if len(values) < 4 || values[2] != metric.Dimension || values[3] != "f" {
				t.Errorf("%q shows %v", shown.Title, values)
				continue
			}
			if values[0] == metric.Namespace {
				got = append(got, fmt.Sprint(values[1]))
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
		t.Errorf("metrics (-written by the function +on the dashboard):\n%s", diff)
	}
}

// The dashboard reads a log group that was there before.
func TestDashboardReadsTheLogGroup(t *testing.T) {
	stack := evaluate(t, map[string]string{"functionName": "f", "dashboard": "true", "logGroupName": "former/group"})
	if body := fmt.Sprint(stack.Resources["RotationDashboard"].Properties["DashboardBody"]); !strings.Contains(body, "SOURCE 'former/group' ") || strings.Contains(body, "/aws/lambda/") {
		t.Errorf("it reads another: %s", body)
	}
}
