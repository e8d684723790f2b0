// Package workflow holds the tests of the workflow that GitHub runs: it parses,
// what it uses is pinned, and it may do no more than it needs.
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
)

type workflow struct {
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

func read(t *testing.T) (workflow, string) {
	t.Helper()
	files, err := filepath.Glob(folder + "/*")
	if err != nil || len(files) != 1 {
		t.Fatalf("the workflows are %q, error %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var w workflow
	if err := yaml.Unmarshal(text, &w); err != nil {
		t.Fatal(err)
	}
	return w, string(text)
}

// An action is named by the commit, which nobody can move, with its version
// behind it; what a job runs on is named by its version.
func TestPinned(t *testing.T) {
	w, text := read(t)
	pin := regexp.MustCompile(`^[\w-]+/[\w-]+@[0-9a-f]{40}$`)
	versions := map[string]string{}
	for name, j := range w.Jobs {
		if strings.HasSuffix(j.RunsOn, "latest") || j.RunsOn == "" || j.Timeout == 0 {
			t.Errorf("%s runs on %q for up to %d minutes", name, j.RunsOn, j.Timeout)
		}
		for _, s := range j.Steps {
			if s.Uses != "" && !pin.MatchString(s.Uses) {
				t.Errorf("%s uses %s", name, s.Uses)
			}
		}
	}
	uses := regexp.MustCompile(`uses: (\S+)(?: # (v[0-9.]+))?`).FindAllStringSubmatch(text, -1)
	for _, found := range uses {
		if found[2] == "" {
			t.Errorf("%s has no version behind it", found[1])
		}
		action, _, _ := strings.Cut(found[1], "@")
		if other := versions[action]; other != "" && other != found[0] {
			t.Errorf("%s is used as %s and as %s", action, other, found[0])
		}
		versions[action] = found[0]
	}
	if len(versions) < 4 {
		t.Errorf("only %v are used", versions)
	}
}

// Only the deployment may ask for a token, only on main, and only when all else
// has passed.
func TestPermissions(t *testing.T) {
	w, _ := read(t)
	if diff := cmp.Diff(map[string]string{"contents": "read"}, w.Permissions); diff != "" {
		t.Errorf("the workflow's permissions (-want +got):\n%s", diff)
	}
	for name, j := range w.Jobs {
		want := map[string]string(nil)
		if name == "deploy" {
			want = map[string]string{"contents": "read", "id-token": "write"}
		}
		if diff := cmp.Diff(want, j.Permissions); diff != "" {
			t.Errorf("%s: permissions (-want +got):\n%s", name, diff)
		}
		for _, s := range j.Steps {
			if strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != false {
				t.Errorf("%s: the checkout leaves its credentials behind", name)
			}
			// What a variable holds is no part of a script.
			if strings.Contains(s.Run, "${{") {
				t.Errorf("%s: an expression is written into a script: %s", name, s.Run)
			}
		}
	}
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
	w, _ := read(t)
	want := []string{"mysql:8.0", "mysql:8.4", "mysql:9", "mariadb:10.6", "mariadb:10.11", "mariadb:11.4", "mariadb:11.8"}
	servers := w.Jobs["servers"]
	if diff := cmp.Diff(want, servers.Strategy.Matrix["image"]); diff != "" {
		t.Errorf("servers (-want +got):\n%s", diff)
	}
	if servers.Services["server"].Image != "${{ matrix.image }}" {
		t.Errorf("the service is %v", servers.Services)
	}
	if last := servers.Steps[len(servers.Steps)-1]; last.Env["TEST_SERVERS"] == "" {
		t.Errorf("the last step is %v, and names no TEST_SERVERS", last)
	}
}

// Every script is one that a shell can read, and the targets of make are there.
func TestScripts(t *testing.T) {
	w, _ := read(t)
	makefile, err := os.ReadFile("../../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for name, j := range w.Jobs {
		for _, s := range j.Steps {
			if s.Run == "" {
				continue
			}
			if out, err := exec.CommandContext(t.Context(), "bash", "-n", "-c", s.Run).CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %s", name, s.Run, out)
			}
			for _, found := range regexp.MustCompile(`(?m)^make (\S+)`).FindAllStringSubmatch(s.Run, -1) {
				if !strings.Contains(string(makefile), "\n"+found[1]+":") {
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
}
