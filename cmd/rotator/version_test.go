package main

import (
	"encoding/json"
	"sync"
	"testing"

	"tandem/internal/local/lambdahost"
	"tandem/internal/local/sandbox"
	"tandem/internal/version"
)

// The first line that the compiled function writes names its version.
func TestVersionIsTheFirstLine(t *testing.T) {
	var mutex sync.Mutex
	var lines []string
	binary, err := lambdahost.Compile(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	function, err := lambdahost.Start(t.Context(), lambdahost.Function{
		Binary: binary, ARN: sandbox.FunctionARN, Env: []string{"AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=x"},
		Logs: func(line lambdahost.Line) {
			mutex.Lock()
			defer mutex.Unlock()
			lines = append(lines, line.Text)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer function.Close()
	if _, err := function.Invoke(t.Context(), []byte("{}")); err == nil {
		t.Error("an event without a step was carried out")
	}
	mutex.Lock()
	defer mutex.Unlock()
	var first struct{ Message, Version string }
	if len(lines) == 0 || json.Unmarshal([]byte(lines[0]), &first) != nil || first.Message != "function started" || first.Version != version.Number {
		t.Errorf("the lines are %q", lines)
	}
}
