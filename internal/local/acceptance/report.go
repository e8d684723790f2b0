package acceptance

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"tandem/internal/failure"
	"tandem/internal/rotation"
	"tandem/internal/version"
)

// result is how a step ended.
type result string

// The results.
const (
	passed      result = "passed"
	failed      result = "failed"
	tooLong     result = "took too long"
	interrupted result = "interrupted"
	notPlayed   result = "not played"
)

// report is what is sent in. Nothing gets into it but names of this package, numbers,
// and what is in one of the forms below: what a program has printed is never a part of it.
type report struct {
	began    time.Time
	lines    []line
	versions map[string]string // of the servers, by the engine
	made     int               // resources
	left     []kind
	unclean  bool // the removal itself failed
}

// line is of a step.
type line struct {
	chapter, step string
	result        result
	took          time.Duration
	kind          string   // the code of a service's error; empty for none
	function      []string // what the function has logged of steps that failed
}

// serviceCode is the form of a service's error code: words that begin with a capital.
var serviceCode = regexp.MustCompile(`^[A-Z][A-Za-z]{2,50}(\.[A-Z][A-Za-z]{2,50})?$`)

// serverVersion is the form of the version of an engine of RDS.
var serverVersion = regexp.MustCompile(`^\d{1,2}\.\d{1,2}\.(\d{1,3}|mysql_aurora\.\d{1,2}\.\d{1,2}\.\d{1,2})(-rds\.\d{8})?$`)

// codeOf is the code of the last service's error in what a step has printed, if it has
// the form of one.
func codeOf(printed string) string {
	found := codeForm.FindAllStringSubmatch(printed, -1)
	if len(found) == 0 || !serviceCode.MatchString(found[len(found)-1][1]) {
		return ""
	}
	return found[len(found)-1][1]
}

var rotationSteps = []rotation.Step{rotation.CreateSecret, rotation.SetSecret, rotation.TestSecret, rotation.FinishSecret}

// functionFailures counts the types in the function's lines of steps that failed. What
// is no step and no type of the function's is not in it.
func functionFailures(lines []string) []string {
	counts := map[string]int{}
	for _, text := range lines {
		var entry struct{ Step, ErrorType string }
		if json.Unmarshal([]byte(text), &entry) != nil || !slices.Contains(rotationSteps, rotation.Step(entry.Step)) {
			continue
		}
		if slices.ContainsFunc(failure.Causes(), func(c failure.Cause) bool { return string(c.Type) == entry.ErrorType }) {
			counts[entry.Step+" "+entry.ErrorType]++
		}
	}
	var all []string
	for what, n := range counts {
		all = append(all, fmt.Sprintf("%s x%d", what, n))
	}
	slices.Sort(all)
	return all
}

func (r *report) add(l line) { r.lines = append(r.lines, l) }

// server notes the version of an engine.
func (r *report) server(engine, number string) {
	if serverVersion.MatchString(number) {
		if r.versions == nil {
			r.versions = map[string]string{}
		}
		r.versions[engine] = number
	}
}

// passed reports whether everything passed, and nothing is left.
func (r *report) passed() bool {
	return len(r.left) == 0 && !r.unclean && len(r.lines) > 0 && !slices.ContainsFunc(r.lines, func(l line) bool { return l.result != passed })
}

func (r *report) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "tandem %s: make acceptance\n\nplayed on %s/%s, in %s\n", version.Number, runtime.GOOS, runtime.GOARCH, time.Since(r.began).Round(time.Minute))
	for _, engine := range engines {
		if number := r.versions[engine]; number != "" {
			fmt.Fprintf(&b, "%s %s\n", engine, number)
		}
	}
	chapter := ""
	for _, l := range r.lines {
		if l.chapter != chapter {
			chapter = l.chapter
			fmt.Fprintf(&b, "\n%s\n", chapter)
		}
		fmt.Fprintf(&b, "  %-22s %s", l.step, l.result)
		if l.took > 0 {
			fmt.Fprintf(&b, ", %d s", int(l.took.Seconds()))
		}
		if l.kind != "" {
			fmt.Fprintf(&b, ", %s", l.kind)
		}
		b.WriteByte('\n')
		for _, failure := range l.function {
			fmt.Fprintf(&b, "    the function: %s\n", failure)
		}
	}
	fmt.Fprintf(&b, "\nresources that were made: %d\nleft of them: %d\n", r.made, len(r.left))
	for _, k := range r.left {
		fmt.Fprintf(&b, "  a %s\n", k)
	}
	if r.unclean {
		b.WriteString("  the removal failed\n")
	}
	if r.passed() {
		b.WriteString("\nEverything passed.\n")
	} else {
		b.WriteString("\nNot everything passed.\n")
	}
	return b.String()
}

// What a report must not have.
var forbidden = map[string]*regexp.Regexp{
	"the number of an account": regexp.MustCompile(`\d{12}`),
	"an ARN":                   regexp.MustCompile(`(?i)\barn:`),
	"a host name":              regexp.MustCompile(`(?i)\b[a-z0-9-]+(\.[a-z0-9-]+)*\.(com|net|org|cn|aws|internal|local|io|dev)\b|amazonaws`),
	"the ID of a resource":     regexp.MustCompile(`\b(vpc|vpce|subnet|sg|igw|eni|rtb|i)-[0-9a-f]{2,}`),
	"an access key":            regexp.MustCompile(`\b(AKIA|ASIA)[A-Z0-9]{8,}`),
}

var ipv4 = regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}\b`)

// publishable looks whether a text may be sent to others: it has nothing of a form that
// is an account's own, and none of the words that are secret.
func publishable(text string, secrets []string) error {
	for what, form := range forbidden {
		if form.MatchString(text) {
			return fmt.Errorf("the report would have %s in it", what)
		}
	}
	for _, found := range ipv4.FindAllString(text, -1) {
		if net.ParseIP(found) != nil {
			return errors.New("the report would have an address in it")
		}
	}
	for _, secret := range secrets {
		if secret != "" && strings.Contains(text, secret) {
			return errors.New("the report would have something in it that is secret")
		}
	}
	return nil
}

// write writes the report, if it may be sent to others.
func (r *report) write(path string, secrets []string) error {
	text := r.text()
	if err := publishable(text, secrets); err != nil {
		return fmt.Errorf("%w: it is not written", err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// secretsIn are the passwords in the steps' files.
func secretsIn(folder string) []string {
	var all []string
	files, _ := filepath.Glob(filepath.Join(folder, "*")) // the pattern is none that is malformed
	for _, file := range files {
		if content, err := os.ReadFile(file); err == nil && len(content) > 0 && len(content) <= 64 && filepath.Ext(file) == "" {
			all = append(all, strings.TrimSpace(string(content)))
		}
	}
	return all
}
