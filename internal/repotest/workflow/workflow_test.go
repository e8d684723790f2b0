// Package workflow holds the tests of what GitHub reads and runs: the workflows
// parse, what they use is pinned, and they may do no more than they need; so do
// Dependabot's configuration and the form for bugs.
package workflow

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"tandem/internal/local/dbserver"
)

type workflow struct {
	text        string
	On          map[string]any
	Permissions map[string]string
	Jobs        map[string]job
}

type job struct {
	If          string
	Needs       []string
	RunsOn      string `yaml:"runs-on"`
	Timeout     int    `yaml:"timeout-minutes"`
	Container   string
	Environment string
	Permissions map[string]string
	Services    map[string]struct{ Image string }
	Strategy    struct {
		Matrix map[string][]string
	}
	Steps []step
}

type step struct {
	Name, Uses, Run string
	With            map[string]any
	Env             map[string]string
}

const folder = "../../../.github/workflows"

// ci is the workflow of every push.
const ci = "ci.yaml"

// read reads every workflow, by the name of its file.
func read(t *testing.T) map[string]workflow {
	t.Helper()
	files, err := filepath.Glob(folder + "/*")
	if err != nil {
		t.Fatal(err)
	}
	workflows := map[string]workflow{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		w := workflow{text: string(text)}
		if err := yaml.Unmarshal(text, &w); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		workflows[filepath.Base(file)] = w
	}
	var names []string
	for name := range workflows {
		names = append(names, name)
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{ci, "vulnerabilities.yaml"}, names); diff != "" {
		t.Fatalf("the workflows (-want +got):\n%s", diff)
	}
	return workflows
}

// An action is named by the commit, which nobody can move, with its version
// behind it; what a job runs on is named by its version.
func TestPinned(t *testing.T) {
	pin := regexp.MustCompile(`^[\w-]+/[\w-]+@[0-9a-f]{40}$`)
	versions := map[string]string{}
	for file, w := range read(t) {
		for name, j := range w.Jobs {
			if strings.HasSuffix(j.RunsOn, "latest") || j.RunsOn == "" || j.Timeout == 0 {
				t.Errorf("%s: %s runs on %q for up to %d minutes", file, name, j.RunsOn, j.Timeout)
			}
			for _, s := range j.Steps {
				if s.Uses != "" && !pin.MatchString(s.Uses) {
					t.Errorf("%s: %s uses %s", file, name, s.Uses)
				}
				// A tool that is run by its module is named by its version.
				for _, found := range regexp.MustCompile(`go (?:run|install) (\S+\.\S+/\S*)`).FindAllStringSubmatch(s.Run, -1) {
					if !regexp.MustCompile(`@v[0-9]+\.[0-9]+\.[0-9]+$`).MatchString(found[1]) {
						t.Errorf("%s: %s runs %s, of no version", file, name, found[1])
					}
				}
			}
		}
		for _, found := range regexp.MustCompile(`uses: (\S+)(?: # (v[0-9.]+))?`).FindAllStringSubmatch(w.text, -1) {
			if found[2] == "" {
				t.Errorf("%s: %s has no version behind it", file, found[1])
			}
			action, _, _ := strings.Cut(found[1], "@")
			if other := versions[action]; other != "" && other != found[0] {
				t.Errorf("%s is used as %s and as %s", action, other, found[0])
			}
			versions[action] = found[0]
		}
	}
	if len(versions) < 4 {
		t.Errorf("only %v are used", versions)
	}
}

// Only the deployment may ask for a token, only on main, and only when all else
// has passed.
func TestPermissions(t *testing.T) {
	workflows := read(t)
	for file, w := range workflows {
		if diff := cmp.Diff(map[string]string{"contents": "read"}, w.Permissions); diff != "" {
			t.Errorf("%s: the workflow's permissions (-want +got):\n%s", file, diff)
		}
		for name, j := range w.Jobs {
			want := map[string]string(nil)
			if file == ci && name == "deploy" {
				want = map[string]string{"contents": "read", "id-token": "write"}
			}
			if diff := cmp.Diff(want, j.Permissions); diff != "" {
				t.Errorf("%s: %s: permissions (-want +got):\n%s", file, name, diff)
			}
			for _, s := range j.Steps {
				if strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != false {
					t.Errorf("%s: %s: the checkout leaves its credentials behind", file, name)
				}
				// What a variable holds is no part of a script.
				if strings.Contains(s.Run, "${{") {
					t.Errorf("%s: %s: an expression is written into a script: %s", file, name, s.Run)
				}
			}
		}
	}
	w := workflows[ci]
	deploy := w.Jobs["deploy"]
	if !strings.HasPrefix(deploy.If, "github.ref == 'refs/heads/main' && github.event_name == 'push' && ") || deploy.Environment == "" {
		t.Errorf("deploy runs if %q, in the environment %q", deploy.If, deploy.Environment)
	}
	for name := range w.Jobs {
		if name != "deploy" && !slices.Contains(deploy.Needs, name) {
			t.Errorf("deploy does not wait for %s", name)
		}
	}
	for _, event := range []string{"push", "pull_request"} {
		if _, there := w.On[event]; !there {
			t.Errorf("it does not run on %s", event)
		}
	}
}

func TestServers(t *testing.T) {
	w := read(t)[ci]
	want := []string{"mysql:8.0", "mysql:8.4", "mysql:9", "mariadb:10.6", "mariadb:10.11", "mariadb:11.4", "mariadb:11.8"}
	servers := w.Jobs["servers"]
	if diff := cmp.Diff(want, servers.Strategy.Matrix["image"]); diff != "" {
		t.Errorf("servers (-want +got):\n%s", diff)
	}
	if servers.Services["server"].Image != "${{ matrix.image }}" {
		t.Errorf("the service is %v", servers.Services)
	}
	last := servers.Steps[len(servers.Steps)-1]
	if last.Env["TEST_SERVERS"] == "" {
		t.Errorf("the last step is %v, and names no TEST_SERVERS", last)
	}
	// Every test is run, on no server but that: -run would have to name each depth at
	// which a subtest is named by its server, and leave out what stands at another.
	skip := regexp.MustCompile(`-skip '([^']*)'`).FindStringSubmatch(last.Run)
	if skip == nil || strings.Contains(last.Run, "-run") {
		t.Fatalf("the last step runs %s", last.Run)
	}
	for _, pattern := range strings.Split(skip[1], "|.*/") {
		named := regexp.MustCompile(pattern[strings.LastIndex(pattern, "/")+1:])
		for _, release := range append(dbserver.Matrix(), dbserver.Usual()...) {
			if !named.MatchString(release.String()) {
				t.Errorf("%s is not skipped by %s", release, pattern)
			}
		}
		if named.MatchString("127.0.0.1:3306") {
			t.Errorf("%s skips the server itself", pattern)
		}
	}
}

// Every script is one that a shell can read, and the targets of make are there.
func TestScripts(t *testing.T) {
	makefile, err := os.ReadFile("../../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for file, w := range read(t) {
		for name, j := range w.Jobs {
			checkScripts(t, file+": "+name, j, string(makefile))
		}
	}
}

func checkScripts(t *testing.T, name string, j job, makefile string) {
	t.Helper()
	for _, s := range j.Steps {
		if s.Run == "" {
			continue
		}
		if out, err := exec.CommandContext(t.Context(), "bash", "-n", "-c", s.Run).CombinedOutput(); err != nil {
			t.Errorf("%s: %s: %s", name, s.Run, out)
		}
		for _, found := range regexp.MustCompile(`(?m)^make (\S+)`).FindAllStringSubmatch(s.Run, -1) {
			if !strings.Contains(makefile, "\n"+found[1]+":") {
				t.Errorf("%s: make has no target %s", name, found[1])
			}
		}
		if file, found := strings.CutPrefix(s.Run, "bash "); found {
			if _, err := os.Stat("../../../" + file); err != nil {
				t.Error(err)
			}
		}
	}
}

// What becomes known without a push is looked for on a schedule.
func TestVulnerabilities(t *testing.T) {
	w := read(t)["vulnerabilities.yaml"]
	schedule, _ := w.On["schedule"].([]any)
	if len(schedule) == 0 {
		t.Errorf("it runs on %v, and on no schedule", w.On)
	}
	if !strings.Contains(w.text, "golang.org/x/vuln/cmd/govulncheck@v") || !strings.Contains(w.text, " ./...") {
		t.Error("it does not run govulncheck over everything")
	}
}

// yamlFile reads a file of .github, strictly.
func yamlFile(t *testing.T, name string, into any) {
	t.Helper()
	file, err := os.Open("../../../.github/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// Dependabot looks after modules and actions.
//
// Source: GitHub Docs, "Dependabot options reference".
func TestDependabot(t *testing.T) {
	var d struct {
		Version int
		Updates []struct {
			Ecosystem string `yaml:"package-ecosystem"`
			Directory string
			Schedule  struct{ Interval string }
			Groups    map[string]struct{ Patterns []string }
		}
	}
	yamlFile(t, "dependabot.yml", &d)
	var got []string
	for _, u := range d.Updates {
		got = append(got, u.Ecosystem+" in "+u.Directory+" "+u.Schedule.Interval)
	}
	if diff := cmp.Diff([]string{"gomod in / weekly", "github-actions in / weekly"}, got); diff != "" || d.Version != 2 {
		t.Errorf("version %d (-want +got):\n%s", d.Version, diff)
	}
}

// The form for bugs asks for what a bug is found by, in the names of the log's
// fields, and warns of secrets.
//
// Source: GitHub Docs, "Syntax for GitHub's form schema".
func TestBugForm(t *testing.T) {
	var form struct {
		Name, Description string
		Labels            []string
		Body              []struct {
			Type, ID   string
			Attributes struct {
				Label, Description, Placeholder, Render, Value string
				Options                                        []struct {
					Label    string
					Required bool
				}
			}
			Validations struct{ Required bool }
		}
	}
	yamlFile(t, "ISSUE_TEMPLATE/bug.yaml", &form)
	required := map[string]bool{}
	var warns bool
	for _, field := range form.Body {
		if !slices.Contains([]string{"markdown", "textarea", "input", "checkboxes"}, field.Type) {
			t.Errorf("a field of the type %q", field.Type)
		}
		if field.Type != "markdown" && (field.ID == "" || field.Attributes.Label == "") {
			t.Errorf("a field without an id or a label: %+v", field)
		}
		required[field.ID] = field.Validations.Required || len(field.Attributes.Options) > 0 && field.Attributes.Options[0].Required
		warns = warns || strings.Contains(field.Attributes.Value, "Never paste a secret")
	}
	for _, id := range []string{"errorType", "serverVersion", "check", "version", "secrets"} {
		if !required[id] {
			t.Errorf("the form does not insist on %s", id)
		}
	}
	if !warns || form.Name == "" || form.Description == "" {
		t.Errorf("the form %q warns of secrets: %v", form.Name, warns)
	}
}
