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
	Concurrency concurrency
	Jobs        map[string]job
}

// concurrency is a group of which GitHub runs one at a time, and keeps one that waits.
type concurrency struct {
	Group            string
	CancelInProgress any `yaml:"cancel-in-progress"`
}

// UnmarshalYAML reads the group alone too.
func (c *concurrency) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		return node.Decode(&c.Group)
	}
	type plain concurrency
	return node.Decode((*plain)(c))
}

type job struct {
	If          string
	Uses        string
	With        map[string]string
	Needs       []string
	RunsOn      string `yaml:"runs-on"`
	Timeout     int    `yaml:"timeout-minutes"`
	Container   string
	Environment string
	Concurrency concurrency
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

// ci is the workflow of main and of pull requests, tests what must hold there and before
// every release, and deployment one deployment to one environment: both are called.
const (
	ci         = "ci.yaml"
	tests      = "tests.yaml"
	deployment = "deploy.yaml"
	release    = "release.yaml"
)

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
	if diff := cmp.Diff([]string{ci, deployment, release, tests, "vulnerabilities.yaml"}, names); diff != "" {
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
			if j.Uses != "" { // a workflow of the same commit
				if called := strings.TrimPrefix(j.Uses, "./.github/workflows/"); called != tests && called != deployment {
					t.Errorf("%s: %s calls %s", file, name, j.Uses)
				}
				continue
			}
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
		for _, found := range regexp.MustCompile(`uses: ([^\s.]\S*)(?: # (v[0-9.]+))?`).FindAllStringSubmatch(w.text, -1) {
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

// permissions are those that a job may have beyond reading the source.
var permissions = map[string]map[string]string{
	ci + " staging":        {"contents": "read", "id-token": "write"},
	ci + " changes":        {"contents": "read", "id-token": "write"},
	ci + " production":     {"contents": "read", "id-token": "write"},
	deployment + " deploy": {"contents": "read", "id-token": "write"},
	release + " release":   {"contents": "write", "id-token": "write", "attestations": "write"},
}

// Only a deployment and a release may ask for a token, and only a release may write.
func TestPermissions(t *testing.T) {
	for file, w := range read(t) {
		if diff := cmp.Diff(map[string]string{"contents": "read"}, w.Permissions); diff != "" {
			t.Errorf("%s: the workflow's permissions (-want +got):\n%s", file, diff)
		}
		// It runs what somebody else has written with the rights of this repository.
		if _, there := w.On["pull_request_target"]; there {
			t.Errorf("%s runs on pull_request_target", file)
		}
		for name, j := range w.Jobs {
			if diff := cmp.Diff(permissions[file+" "+name], j.Permissions); diff != "" {
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
}

// Everything that deploys does so on main alone, and after the tests and whatever stands
// before it; and nothing is tested twice for one push.
func TestDeployments(t *testing.T) {
	w := read(t)[ci]
	before := []string{"tests"}
	for _, stage := range []struct{ name, environment, parameters string }{
		{"staging", "staging", "staging.yaml"}, {"changes", "production-changes", "production.yaml"}, {"production", "production", "production.yaml"},
	} {
		j := w.Jobs[stage.name]
		if !strings.HasPrefix(j.If, "github.ref == 'refs/heads/main' && github.event_name == 'push' && ") || strings.Contains(j.If, "always()") {
			t.Errorf("%s runs if %q", stage.name, j.If)
		}
		// A condition that speaks of failures stands in the place of the one that all needed
		// succeeded; and cancelled() is about the run, not about a job that another run's replaced.
		if len(before) > 1 && !strings.HasSuffix(j.If, " && !failure() && !cancelled() && !contains(needs.*.result, 'cancelled')") {
			t.Errorf("%s runs after a failure, or after a job that was cancelled: %q", stage.name, j.If)
		}
		if diff := cmp.Diff(before, j.Needs); diff != "" {
			t.Errorf("%s waits for (-want +got):\n%s", stage.name, diff)
		}
		if j.Uses != "./.github/workflows/"+deployment || j.With["environment"] != stage.environment || j.With["parameters"] != ".github/deploying/"+stage.parameters {
			t.Errorf("%s: %+v", stage.name, j)
		}
		if _, err := os.Stat("../../../" + j.With["parameters"]); err != nil {
			t.Error(err)
		}
		before = append(before, stage.name)
	}
	if execute := w.Jobs["changes"].With["execute"]; execute != "false" {
		t.Errorf("what is to be looked at is executed: %q", execute)
	}
	production := w.Jobs["production"]
	if production.With["change-set"] != "${{ needs.changes.outputs.change-set }}" || !strings.Contains(production.If, "(vars.TANDEM_CHANGES != 'true' || needs.changes.outputs.change-set != '')") {
		t.Errorf("production executes something else than what was looked at: %+v", production)
	}
	if len(w.Jobs) != len(before) || w.Jobs["tests"].Uses != "./.github/workflows/"+tests {
		t.Errorf("the jobs are %v", w.Jobs)
	}
	if diff := cmp.Diff(map[string]any{"push": map[string]any{"branches": []any{"main"}}, "pull_request": nil}, w.On); diff != "" {
		t.Errorf("it runs on (-want +got):\n%s", diff)
	}
	called := read(t)[tests]
	if !strings.Contains(called.text, "- run: bash .ci/run\n") || len(called.Jobs["servers"].Steps) == 0 {
		t.Error("the tests are not those of .ci/run, and of the servers")
	}
	sam := called.Jobs["sam"]
	if last := sam.Steps[len(sam.Steps)-1]; !strings.HasPrefix(last.Run, "sam build\n") {
		t.Errorf("sam build is first run by a deployment: %+v", last)
	}
}

// A run on main that waits for reviewers cancels no other run; of a pull request the
// newest push is tested; and no two deployments to one environment meet, of which none
// is broken off.
//
// Source: GitHub Docs, "Control the concurrency of workflows and jobs".
func TestConcurrency(t *testing.T) {
	workflows := read(t)
	if c := workflows[ci].Concurrency; c.Group != "ci-${{ github.event_name == 'pull_request' && github.ref || github.run_id }}" || c.CancelInProgress != "${{ github.event_name == 'pull_request' }}" {
		t.Errorf("runs are of the group %s, and cancelled where %v", c.Group, c.CancelInProgress)
	}
	if c := workflows[deployment].Jobs["deploy"].Concurrency; c.Group != "deploy-${{ inputs.environment }}" || c.CancelInProgress != nil {
		t.Errorf("deployments are of the group %s, and cancelled where %v", c.Group, c.CancelInProgress)
	}
	for file, w := range workflows {
		for name, j := range w.Jobs {
			if file != deployment && j.Concurrency.Group != "" || file != ci && w.Concurrency.Group != "" {
				t.Errorf("%s: %s has a group too, in which runs may be lost: %+v, %+v", file, name, w.Concurrency, j.Concurrency)
			}
		}
	}
}

// A tag makes a release, after the tests, of what make release makes.
func TestRelease(t *testing.T) {
	w := read(t)[release]
	if diff := cmp.Diff(map[string]any{"push": map[string]any{"tags": []any{"v[0-9]+.[0-9]+.[0-9]+"}}}, w.On); diff != "" {
		t.Errorf("it runs on (-want +got):\n%s", diff)
	}
	j := w.Jobs["release"]
	if w.Jobs["tests"].Uses != "./.github/workflows/"+tests || !slices.Equal(j.Needs, []string{"tests"}) || j.If != "" {
		t.Errorf("it waits for %v, which are %+v", j.Needs, w.Jobs["tests"])
	}
	var runs, attested []string
	for _, s := range j.Steps {
		if s.Run != "" {
			runs = append(runs, s.Run)
			if s.Env["TAG"] != "${{ github.ref_name }}" {
				t.Errorf("%s: of the tag %q", s.Run, s.Env["TAG"])
			}
		}
		if strings.HasPrefix(s.Uses, "actions/attest@") {
			path, _ := s.With["subject-path"].(string)
			bom, _ := s.With["sbom-path"].(string)
			attested = append(attested, path+" "+bom)
		}
	}
	if len(runs) != 2 || runs[0] != "make release" || !strings.HasPrefix(runs[1], "gh release create ") ||
		!strings.Contains(runs[1], " --verify-tag ") || !strings.HasSuffix(runs[1], " --notes-file bin/release-notes.md bin/release/*") {
		t.Errorf("it runs %q", runs)
	}
	const folder = "bin/release/function-"
	if diff := cmp.Diff([]string{"bin/release/* ", folder + "arm64.zip " + folder + "arm64.cdx.json", folder + "x86_64.zip " + folder + "x86_64.cdx.json"}, attested); diff != "" {
		t.Errorf("what is attested (-want +got):\n%s", diff)
	}
}

// Images are named by their digest, SAM by its version, and pip's packages by theirs,
// whatever they need among them; and Go's image is that of the toolchain.
func TestToolsArePinned(t *testing.T) {
	workflows := read(t)
	digest := regexp.MustCompile(`^[a-z]+:[0-9][-.a-z0-9]*@sha256:[0-9a-f]{64}$`)
	images := append([]string{workflows[tests].Jobs["gate"].Container}, workflows[tests].Jobs["servers"].Strategy.Matrix["image"]...)
	seen := map[string]bool{}
	for _, image := range images {
		_, sum, _ := strings.Cut(image, "@")
		if !digest.MatchString(image) || seen[sum] {
			t.Errorf("the image is %s", image)
		}
		seen[sum] = true
	}
	goMod, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	toolchain := regexp.MustCompile(`(?m)^toolchain go(\S+)$`).FindSubmatch(goMod)
	if toolchain == nil || !strings.HasPrefix(images[0], "golang:"+string(toolchain[1])+"-") {
		t.Errorf("go.mod has the toolchain %s, and the image is %s", toolchain, images[0])
	}
	for file, w := range workflows {
		for name, j := range w.Jobs {
			for _, s := range j.Steps {
				if version, _ := s.With["version"].(string); strings.HasPrefix(s.Uses, "aws-actions/setup-sam@") && !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(version) {
					t.Errorf("%s: %s: SAM's version is %q", file, name, version)
				}
				if strings.Contains(s.Run, "pip install") && !strings.Contains(s.Run, "pip install --break-system-packages --no-deps --only-binary :all: --requirement .ci/requirements.txt\n") {
					t.Errorf("%s: %s: %s", file, name, s.Run)
				}
			}
		}
	}
	requirements, err := os.ReadFile("../../../.ci/requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	packages := 0
	for line := range strings.Lines(string(requirements)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		packages++
		if !regexp.MustCompile(`^[a-z0-9-]+==[0-9][a-z0-9.]*\n$`).MatchString(line) {
			t.Errorf("a package is %q", line)
		}
	}
	if packages < 20 || !strings.Contains(string(requirements), "\ncfn-lint==") {
		t.Errorf("%d packages", packages)
	}
}

func TestServers(t *testing.T) {
	w := read(t)[tests]
	want := []string{"mysql:8.0", "mysql:8.4", "mysql:9", "mariadb:10.6", "mariadb:10.11", "mariadb:11.4", "mariadb:11.8"}
	servers := w.Jobs["servers"]
	var got []string
	for _, image := range servers.Strategy.Matrix["image"] {
		image, _, _ = strings.Cut(image, "@")
		got = append(got, image)
	}
	if diff := cmp.Diff(want, got); diff != "" {
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

// Dependabot looks after modules, actions and pip's packages.
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
	if diff := cmp.Diff([]string{"gomod in / weekly", "github-actions in / weekly", "pip in /.ci weekly"}, got); diff != "" || d.Version != 2 {
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
