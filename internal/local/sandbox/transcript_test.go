package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"tandem/internal/repotest/document"
)

// exchange is a command of a transcript and what it shows.
type exchange struct {
	command string
	shows   []string
}

// anything is a line of a transcript that stands for any lines, or none.
const anything = "..."

// transcripts returns the exchanges of the documents, those of the sandbox's own
// first. A command is a line that begins with a dollar sign.
func transcripts(documents []document.Document) ([]exchange, error) {
	var exchanges []exchange
	slices.SortStableFunc(documents, func(a, b document.Document) int {
		return cmp.Compare(rank(a), rank(b))
	})
	for _, d := range documents {
		for _, b := range d.Blocks {
			if b.Marker != "transcript" {
				continue
			}
			of, err := exchangesOf(b.Text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", b, err)
			}
			exchanges = append(exchanges, of...)
		}
	}
	if len(exchanges) == 0 {
		return nil, errors.New("there is no transcript: write <!-- transcript --> before its fenced block")
	}
	return exchanges, nil
}

func rank(d document.Document) int {
	if strings.HasPrefix(d.Path, "cmd/sandbox/") {
		return 0
	}
	return 1
}

func exchangesOf(text string) ([]exchange, error) {
	var exchanges []exchange
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if command, found := strings.CutPrefix(line, "$ "); found {
			exchanges = append(exchanges, exchange{command: command})
		} else if len(exchanges) == 0 {
			return nil, errors.New("the transcript begins with a line that is no command: " + line)
		} else {
			last := &exchanges[len(exchanges)-1]
			last.shows = append(last.shows, line)
		}
	}
	return exchanges, nil
}

// variable are the parts of an output that differ from run to run, and what
// stands for them when outputs are compared.
var variable = []struct {
	form  *regexp.Regexp
	stand string
}{
	{regexp.MustCompile(`(MariaDB|MySQL) [0-9][^(]*\([a-z]+, `), "SERVER (FOUND, "},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`"port":\d+`), `"port":PORT`},
	{regexp.MustCompile(`"password":"(\\.|[^"\\])*"`), `"password":"PASSWORD"`},
	{regexp.MustCompile(`(:secret:[^"]+)-[A-Za-z0-9]{6}"`), `$1-SUFFIX"`},
	{regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`(requestId|token|version)=[0-9a-f]{8}`), "$1=SHORT"},
	{regexp.MustCompile(`\d\d:\d\d:\d\d\.\d{3}`), "TIME"},
	{regexp.MustCompile(`([a-zA-Z]+)=[0-9.]+ms`), "$1=DURATION"},
	{regexp.MustCompile(`port=\d+`), "port=PORT"},
	{regexp.MustCompile(`version=\d+\.\d+\.\d+`), "version=RELEASE"},
	{regexp.MustCompile(`server=[A-Za-z]+ serverVersion=("[^"]*"|[^ ]*)`), "server=SERVER"},
	{regexp.MustCompile(`^aws: \[ERROR\]: `), ""}, // version 2 of the CLI
}

// normalise puts stands in the place of what is variable.
func normalise(text string) []string {
	var normal []string
	for line := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		line = strings.TrimRight(line, " ")
		for _, v := range variable {
			line = v.form.ReplaceAllString(line, v.stand)
		}
		normal = append(normal, line)
	}
	return normal
}

// matches reports whether the lines are those wanted, in which anything stands
// for any.
func matches(want, got []string) bool {
	if len(want) == 0 {
		return len(got) == 0
	}
	if want[0] == anything {
		for skip := range len(got) + 1 {
			if matches(want[1:], got[skip:]) {
				return true
			}
		}
		return false
	}
	return len(got) > 0 && want[0] == got[0] && matches(want[1:], got[1:])
}

// keyForm is the part of a command that each start has another of.
var keyForm = regexp.MustCompile(`AWS_SECRET_ACCESS_KEY=\S+`)

// TestTranscript types in what the text says, and compares.
func TestTranscript(t *testing.T) {
	if !lookPath("aws") {
		t.Skip("SKIPPED: the transcript uses the AWS CLI, and there is no aws on this machine")
	}
	exchanges, err := transcripts(document.All(t))
	if err != nil {
		t.Fatal(err)
	}
	screen := &lines{} // of the first terminal
	s, end := tutorial(t, func(o *ServeOptions) {
		o.Out, o.Info, o.has = screen, screen, func(string) bool { return true }
	})
	caller := newCaller(t, s).(cliCaller)
	var first *exchange
	var exports string
	for i, e := range exchanges {
		if e.command == "make sandbox" {
			first = &exchanges[i]
			continue
		}
		command := strings.ReplaceAll(e.command, "http://"+DefaultListen, s.URL)
		command = keyForm.ReplaceAllLiteralString(command, "AWS_SECRET_ACCESS_KEY="+s.SecretKey)
		if strings.HasPrefix(command, "export ") {
			exports += command + "\n"
		}
		shell := exec.Command("sh", "-c", exports+command)
		shell.Env = caller.environ()
		out, err := shell.CombinedOutput()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		compare(t, e, string(out))
		if strings.Contains(command, " rotate-secret ") {
			// A person is not as fast as the next command is here.
			if outcome, err := s.Service.WaitRotation(deadline(t), appSecret); err != nil || outcome.Err != nil {
				t.Fatal(err, outcome.Err)
			}
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	if first == nil {
		t.Fatal("the transcript does not begin with make sandbox")
	}
	compare(t, *first, strings.ReplaceAll(screen.String(), binary(t), "bin/bootstrap"))
}

func compare(t *testing.T, e exchange, out string) {
	t.Helper()
	want, got := normalise(strings.Join(e.shows, "\n")), normalise(out)
	if !matches(want, got) {
		t.Errorf("$ %s\nshows (-in the text +in fact, %s standing for anything):\n%s", e.command, anything, gocmp.Diff(want, got))
	}
}

func TestTranscripts(t *testing.T) {
	parse := func(path, text string) document.Document {
		t.Helper()
		d, err := document.Parse(path, text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	got, err := transcripts([]document.Document{
		parse("a.md", "<!-- transcript -->\n\n```console\n$ c\n...\n```\n"),
		parse("cmd/sandbox/README.md", "```\n$ not this\n```\n<!-- transcript -->\n```console\n$ a b\n1\n\n2\n```\n$ nor this\n"),
	})
	want := []exchange{{"a b", []string{"1", "", "2"}}, {"c", []string{"..."}}}
	if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(exchange{})); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for name, text := range map[string]string{"none": "# Title\n```\n$ a\n```\n", "no command": "<!-- transcript -->\n```\na\n```\n"} {
		if got, err := transcripts([]document.Document{parse("a.md", text)}); err == nil {
			t.Errorf("%s: %v, and no error", name, got)
		}
	}
}

func TestTranscriptMatches(t *testing.T) {
	lines := func(text string) []string { return strings.Fields(text) }
	for _, test := range []struct {
		want, got string
		matches   bool
	}{
		{"a b", "a b", true},
		{"a b", "a", false},
		{"a", "a b", false},
		{"a ... c", "a c", true},
		{"a ... c", "a b b c", true},
		{"a ... c", "a b", false},
		{"... c ... d", "a c b d", true},
		{"... d ... c", "a c b d", false},
		{"...", "", true},
	} {
		if got := matches(lines(test.want), lines(test.got)); got != test.matches {
			t.Errorf("matches(%q, %q) is %v", test.want, test.got, got)
		}
	}
}
