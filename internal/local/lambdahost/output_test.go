package lambdahost_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/lambdahost"
)

// Whatever an invocation wrote has been handed over when Invoke returns.
func TestLinesAreHandedOver(t *testing.T) {
	for _, test := range []struct {
		name, printed string
		want          []string
	}{
		{"a line", "one\n", []string{"one"}},
		{"several", "one\ntwo\r\n\nthree\n", []string{"one", "two", "", "three"}},
		{"one without its end", "one\ntwo", []string{"one", "two"}},
		{"nothing", "", nil},
		{"many", strings.Repeat("line\n", 5000), slices.Repeat([]string{"line"}, 5000)},
	} {
		t.Run(test.name, func(t *testing.T) {
			var l log
			host := start(t, logs(&l))
			mustInvoke[any](t, host, event{Do: "print", Text: test.printed})
			var want []string
			for _, text := range test.want {
				want = append(want, "1 stdout "+text)
			}
			if diff := cmp.Diff(want, l.of(lambdahost.Stdout)); diff != "" {
				t.Error(diff)
			}
			if got := l.of(lambdahost.Stderr); !slices.Equal(got, []string{"1 stderr unfinished"}) {
				t.Errorf("stderr %q", got)
			}
		})
	}
	for _, size := range []int{256 << 10, 300 << 10, 1 << 20} {
		t.Run(fmt.Sprintf("a line of %d bytes in pieces", size), func(t *testing.T) {
			var l log
			host := start(t, logs(&l))
			text := strings.Repeat("x", size)
			mustInvoke[any](t, host, event{Do: "print", Text: text + "\nnext\n"})
			lines := l.of(lambdahost.Stdout)
			last := len(lines) - 1
			if want := (size + 256<<10 - 1) / (256 << 10); last != want || lines[last] != "1 stdout next" {
				t.Fatalf("%d lines, want %d pieces and the next line", len(lines), want)
			}
			if got := strings.ReplaceAll(strings.Join(lines[:last], ""), "1 stdout ", ""); got != text {
				t.Errorf("the pieces have %d bytes, want %d", len(got), size)
			}
		})
	}
}

func TestSystemLogs(t *testing.T) {
	for _, test := range []struct {
		event  event
		status string
		end    string
	}{
		{event{Do: "print", Text: "hello\n"}, "success", ""},
		{event{Do: "error"}, "error", "\tStatus: error\tError Type: customError"},
		{event{Do: "panic", Text: "p"}, "error", "\tStatus: error\tError Type: errorString"},
		{event{Do: "exit", Code: 1}, "failure", "\tStatus: failure\tError Type: Runtime.ExitError"},
		{event{Do: "hang"}, "timeout", "\tStatus: timeout"},
	} {
		t.Run(test.event.Do, func(t *testing.T) {
			var l log
			limit := long
			if test.event.Do == "hang" {
				limit = brief
			}
			host := start(t, logs(&l), timeout(limit), func(f *lambdahost.Function) { f.SystemLogs = true })
			result, _ := host.Invoke(t.Context(), payload(test.event))
			var types, texts []string
			for _, line := range l.lines {
				if line.Stream != lambdahost.System {
					types = append(types, string(line.Stream))
					continue
				}
				var record struct {
					Type   string
					Record struct{ RequestID, Status string }
				}
				if err := json.Unmarshal([]byte(line.Text), &record); err != nil {
					t.Fatal(err)
				}
				types = append(types, record.Type)
				texts = append(texts, strings.ReplaceAll(lambdahost.Format(line), result.RequestID, "ID"))
				if record.Record.RequestID != result.RequestID {
					t.Errorf("line %s of another request", line.Text)
				}
				if record.Type != "platform.start" && record.Record.Status != test.status {
					t.Errorf("line %s, want status %s", line.Text, test.status)
				}
			}
			// What the function wrote lies between START and END.
			if types[0] != "platform.start" || !slices.Equal(types[len(types)-2:], []string{"platform.runtimeDone", "platform.report"}) ||
				(test.event.Do == "print" && len(types) != 5) {
				t.Errorf("lines %q", types)
			}
			if !slices.Equal(texts[:2], []string{"START RequestId: ID Version: $LATEST", "END RequestId: ID"}) {
				t.Errorf("lines %q", texts)
			}
			memory := `\tMax Memory Used: [1-9][0-9]* MB`
			if !knowsMemory {
				memory = ""
			}
			want := `^REPORT RequestId: ID\tDuration: [0-9.]+ ms\tBilled Duration: [1-9][0-9]* ms\tMemory Size: 128 MB` + memory +
				`\tInit Duration: [0-9.]+ ms` + regexp.QuoteMeta(test.end) + "$"
			if !regexp.MustCompile(want).MatchString(texts[2]) {
				t.Errorf("%q, want %s", texts[2], want)
			}
		})
	}
	t.Run("Init Duration is reported once", func(t *testing.T) {
		var l log
		host := start(t, logs(&l), func(f *lambdahost.Function) { f.SystemLogs = true })
		mustInvoke[any](t, host, do("echo"))
		mustInvoke[any](t, host, do("echo"))
		if n := strings.Count(strings.Join(l.of(lambdahost.System), "\n"), "initDurationMs"); n != 1 {
			t.Errorf("%d times", n)
		}
	})
}
