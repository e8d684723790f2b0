// Package deploy holds the tests of make deploy, and of the workflow's step that runs
// it: what SAM is given, to the letter, and what is refused before SAM is called.
package deploy

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

const root = "../../../"

// looksAtParameters is internal/local/parameters, compiled.
var looksAtParameters string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		folder, err := os.MkdirTemp("", "tandem-deploy-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(folder) }()
		looksAtParameters = filepath.Join(folder, "parameters")
		if out, err := exec.Command("go", "build", "-o", looksAtParameters, root+"internal/local/parameters").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v: %s\n", err, out)
			return 1
		}
		return m.Run()
	}())
}

// project is a copy of what make deploy looks at, with a sam and a go that record how
// they are called.
type project struct {
	folder, tools, calls string
}

func newProject(t *testing.T) project {
	t.Helper()
	p := project{folder: t.TempDir(), tools: t.TempDir(), calls: filepath.Join(t.TempDir(), "calls")}
	for _, name := range []string{"Makefile", "go.mod", "template.yaml", ".github/deploying/deploy", ".github/deploying/execute", ".github/deploying/production.yaml"} {
		content, err := os.ReadFile(root + name)
		if err != nil {
			t.Fatal(err)
		}
		state, err := os.Stat(root + name)
		if err != nil {
			t.Fatal(err)
		}
		p.write(t, name, string(content), state.Mode().Perm())
	}
	for name, script := range map[string]string{
		// As sam build does, it has make build the function, with all that make was told.
		"sam": `echo "sam $1"
printf '%s\0' "$#" "$@" >> "$CALLS"
[ "$1" != build ] || exec make --silent build-RotationFunction ARTIFACTS_DIR=built`,
		"go": `case $1 in
list) ;;
build) printf %s "$GOARCH" > built/for ;;
run) [ "$2" = ./internal/local/parameters ] && shift 2 && exec "$LOOKS_AT_PARAMETERS" "$@" ;;
version) printf '\tbuild\tGOARCH=%s\n' "${BUILT_FOR:-$(cat built/for)}" ;;
*) exit 1 ;;
esac`,
	} {
		if err := os.WriteFile(filepath.Join(p.tools, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p project) write(t *testing.T, name, content string, mode os.FileMode) {
	t.Helper()
	path := filepath.Join(p.folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// run runs a command in the project, with nothing of this process's environment.
func (p project) run(t *testing.T, environment []string, words ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), words[0], words[1:]...)
	command.Dir = p.folder
	command.Env = append([]string{"PATH=" + p.tools + ":/usr/bin:/bin", "CALLS=" + p.calls, "LOOKS_AT_PARAMETERS=" + looksAtParameters}, environment...)
	out, err := command.CombinedOutput()
	return string(out), err
}

// called are the calls of sam since the last time, each with its words.
func (p project) called(t *testing.T) [][]string {
	t.Helper()
	content, err := os.ReadFile(p.calls)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(p.calls); err != nil {
		t.Fatal(err)
	}
	var calls [][]string
	for words := strings.Split(strings.TrimSuffix(string(content), "\x00"), "\x00"); len(words) > 0; {
		n, err := strconv.Atoi(words[0])
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, words[1:n+1])
		words = words[n+1:]
	}
	return calls
}

// deployment is how SAM is called, with options in front of the parameters.
func deployment(stack string, options []string, parameters ...string) [][]string {
	words := []string{"deploy", "--stack-name", stack, "--capabilities", "CAPABILITY_IAM", "--no-fail-on-empty-changeset"}
	words = append(words, options...)
	if !slices.Contains(words, "--s3-bucket") {
		words = append(words, "--resolve-s3")
	}
	words = append(words, "--parameter-overrides")
	return [][]string{{"build"}, append(words, parameters...)}
}

// hostile are values of which a shell, make or a reader of options makes something else.
var hostile = []string{
	"rate(7 days)", `/@"'\`, "t; touch HIT", "$(touch HIT)", "`touch HIT`", "$(shell touch HIT)", "${HOME}", "$$", "a\nb; touch HIT", "#x", "-x", "--guided",
	"a=b", "*", "%s", `\n`, "a  b ", "&& touch HIT", "| touch HIT", "'", `"`, "ü",
}

// inTag reports whether a tag may have that as its value, without being changed by SAM.
func inTag(value string) bool {
	return !strings.ContainsAny(value, "\n=") && value == strings.TrimSpace(value) && value != "'" && value != `"`
}

// ways are the two by which make is told.
var ways = map[string]func(assignments []string) (environment, words []string){
	"environment":  func(assignments []string) (environment, words []string) { return assignments, nil },
	"command line": func(assignments []string) (environment, words []string) { return nil, assignments },
}

func TestWhatSAMIsGiven(t *testing.T) {
	type deploy struct {
		given []string
		want  [][]string
	}
	cases := []deploy{
		{nil, deployment("tandem", nil, "functionName=tandem", "architecture=arm64")},
		{[]string{"STACK=other"}, deployment("other", nil, "functionName=other", "architecture=arm64")},
		{[]string{"ARCHITECTURE=x86_64", "PARAMETERS=.github/deploying/production.yaml"},
			deployment("tandem", nil, "functionName=tandem", "file://.github/deploying/production.yaml", "architecture=x86_64")},
		{[]string{"TAGS=team=db stage=production", "ROLE_ARN=arn:aws:iam::123456789012:role/cloudformation", "SIGNING_PROFILE=tandem", "EXECUTE_CHANGESET=false"},
			deployment("tandem", []string{"--no-execute-changeset", "--signing-profiles", "RotationFunction=tandem", "--role-arn", "arn:aws:iam::123456789012:role/cloudformation",
				"--tags", "team=db", "stage=production"}, "functionName=tandem", "architecture=arm64")},
	}
	cases = append(cases, deploy{[]string{"S3_BUCKET=amzn-s3-demo-bucket"}, deployment("tandem", []string{"--s3-bucket", "amzn-s3-demo-bucket"}, "functionName=tandem", "architecture=arm64")})
	// A line is one tag, with the spaces in it, unless it has several.
	for given, want := range map[string][]string{
		" team=db\n  stage= ": {"team=db", "stage="},
		"owner=the team":      {"owner=the team"},
		"\nCost Center=Data  Platform, 5\nteam=db stage=p\n\tx=y\r\n": {"Cost Center=Data  Platform, 5", "team=db", "stage=p", "x=y"},
	} {
		cases = append(cases, deploy{[]string{"TAGS=" + given}, deployment("tandem", append([]string{"--tags"}, want...), "functionName=tandem", "architecture=arm64")})
	}
	for _, value := range hostile {
		file := strings.ReplaceAll(value, "/", "_") + ".yaml"
		given := []string{"ROLE_ARN=" + value, "SIGNING_PROFILE=" + value, "S3_BUCKET=" + value, "PARAMETERS=" + file}
		options := []string{"--signing-profiles", "RotationFunction=" + value, "--role-arn", value}
		bucket := []string{"--s3-bucket", value} // the last of the options
		if inTag(value) {
			given = append(given, "TAGS=k="+value)
			options = append(options, "--tags", "k="+value)
		}
		if inTag(value) && value[0] != '-' && value != `'` {
			given[len(given)-1] += "\n" + value + "=v"
			options = append(options, value+"=v")
		}
		options = append(options, bucket...)
		cases = append(cases, deploy{given, deployment("tandem", options, "functionName=tandem", "file://"+file, "architecture=arm64")})
	}
	for way, tell := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			p := newProject(t)
			for _, value := range hostile {
				p.write(t, strings.ReplaceAll(value, "/", "_")+".yaml", "scheduleExpression: rate(7 days)\n", 0o600)
			}
			p.write(t, "k=file", "", 0o600) // which the tag k=* does not mean
			for _, test := range cases {
				environment, words := tell(test.given)
				out, err := p.run(t, environment, append([]string{"make", "deploy"}, words...)...)
				if diff := cmp.Diff(test.want, p.called(t)); err != nil || diff != "" {
					t.Errorf("%q: error %v, sam was called (-want +got):\n%s\n%s", test.given, err, diff, out)
				}
				// What comes from the environment is said, before anything is done with it.
				said, _, _ := strings.Cut(out, "sam build\n")
				for _, given := range test.given {
					name, value, _ := strings.Cut(given, "=")
					if name != "TAGS" && name != "ROLE_ARN" && name != "SIGNING_PROFILE" && name != "S3_BUCKET" {
						continue
					}
					value = strings.ReplaceAll(value, "\n", " ")
					if name == "TAGS" { // in lines, or several in one
						_, tags, _ := strings.Cut(strings.Join(test.want[1], ", "), "--tags, ")
						value, _, _ = strings.Cut(tags, ", --")
					}
					if !strings.Contains(said, name+": ") || !strings.Contains(said, strings.ReplaceAll(value, "\n", " ")) {
						t.Errorf("%q is passed on, and nobody is told:\n%s", given, out)
					}
				}
			}
			if _, err := os.Stat(filepath.Join(p.folder, "HIT")); err == nil {
				t.Error("a value was run as a command")
			}
		})
	}
}

// What cannot be deployed is refused in one line, before SAM builds.
func TestRefused(t *testing.T) {
	p := newProject(t)
	for name, content := range map[string]string{
		"architecture.yaml":        "functionName: f\narchitecture: x86_64 # no comment\n",
		"architecture-quoted.yaml": "'architecture' : x86_64\n",
		"parameters.json":          "{\n  \"functionName\": \"f\",\n  \"rotateImmediately\": false\n}\n",
		"comment.yaml":             "# architecture: x86_64\nfunctionName: f\n",
		"parameters.toml":          "functionName = \"f\"\n",
		"secret.yaml":              "secretArn: arn:aws:secretsmanager:eu-west-1:123456789012:secret:App\n",
		"backslash.yaml":           `excludeCharacters: '\"/'`,
	} {
		p.write(t, name, content, 0o600)
	}
	type refusal struct {
		given []string
		want  string
	}
	cases := []refusal{
		{[]string{"ARCHITECTURE=amd64"}, `ARCHITECTURE is "amd64": it has to be arm64 or x86_64`},
		{[]string{"ARCHITECTURE=$(shell touch HIT)"}, `it has to be arm64 or x86_64`},
		{[]string{"PARAMETERS=functionName=f scheduleExpression=rate(7 days)"}, "PARAMETERS is \"functionName=f scheduleExpression=rate(7 days)\": it has to be the name of a file"},
		{[]string{"PARAMETERS=functionName=t; touch HIT"}, "it has to be the name of a file"},
		{[]string{"PARAMETERS=none.yaml"}, `PARAMETERS is "none.yaml", and there is no such file`},
		{[]string{"PARAMETERS=.github"}, `PARAMETERS is ".github", and there is no such file`},
		{[]string{"PARAMETERS=parameters.toml"}, "the file has to be YAML, and its name to end in .yaml or .yml"},
		{[]string{"PARAMETERS=architecture.yaml"}, "architecture.yaml: it names the architecture: say ARCHITECTURE=arm64 or ARCHITECTURE=x86_64 instead"},
		{[]string{"PARAMETERS=architecture-quoted.yaml"}, "names the architecture"},
		{[]string{"PARAMETERS=parameters.json"}, `PARAMETERS is "parameters.json": SAM takes no file of parameters in JSON. Let its name end in .yaml`},
		{[]string{"PARAMETERS=secret.yaml"}, "secret.yaml: parameter secretArn: "},
		{[]string{"PARAMETERS=backslash.yaml"}, "backslash.yaml: reading the parameters: line 1: excludeCharacters: SAM takes the backslash away"},
		{[]string{"EXECUTE_CHANGESET=no"}, `EXECUTE_CHANGESET is "no": it has to be true or false`},
		{[]string{"STACK="}, "the name of a stack begins with a letter"},
		{[]string{"TAGS=team"}, `TAGS is "team": team is no NAME=VALUE. Write one in each line, or several without spaces in one, and no = in names and values`},
		{[]string{"TAGS=team=db =production"}, "=production is no NAME=VALUE. Write one in each line"},
		{[]string{"TAGS=owner=the team stage=production"}, "team is no NAME=VALUE. Write one in each line"},
		{[]string{"TAGS=team=db\nstage"}, "stage is no NAME=VALUE"},
		{[]string{"TAGS=team = db"}, "team = db is no NAME=VALUE"},
		{[]string{"TAGS=team= db"}, "team= db is no NAME=VALUE"},
		{[]string{"TAGS=team=a=b"}, "team=a=b is no NAME=VALUE"},
		{[]string{`TAGS=owner="the team"`}, `write owner="the team" without them`},
		{[]string{`TAGS="owner=the team"`}, `write "owner=the team" without them`},
		{[]string{`TAGS='cost center'=5`}, "write 'cost center'=5 without them"},
		{[]string{`TAGS=team='`}, "write team=' without them"},
		{[]string{`TAGS=team=a\ b`}, `SAM takes away the backslash of team=a\ b`},
		{[]string{"TAGS=--guided=yes"}, "SAM takes --guided=yes for an option: let the name begin with another character"},
	}
	for _, value := range hostile {
		cases = append(cases, refusal{[]string{"STACK=" + value}, "the name of a stack begins with a letter"})
		if value != "a=b" {
			cases = append(cases, refusal{[]string{"TAGS=" + value}, "is no NAME=VALUE"})
		}
		if strings.ContainsAny(value, "\n=") {
			cases = append(cases, refusal{[]string{"TAGS=k=" + value}, "is no NAME=VALUE"})
		}
	}
	for _, tell := range ways {
		for _, test := range cases {
			environment, words := tell(test.given)
			out, err := p.run(t, environment, append([]string{"make", "--silent", "deploy"}, words...)...)
			said := strings.Split(strings.TrimSpace(out), "\n")
			if err == nil || !strings.Contains(said[0], test.want) || len(said) > 2 {
				t.Errorf("%q: error %v, want %q:\n%s", test.given, err, test.want, out)
			}
			if calls := p.called(t); calls != nil {
				t.Errorf("%q: sam was called: %q", test.given, calls)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(p.folder, "HIT")); err == nil {
		t.Error("a value was run as a command")
	}
	if out, err := p.run(t, nil, "make", "deploy", "PARAMETERS=comment.yaml"); err != nil {
		t.Errorf("a comment that names the architecture is refused: %v\n%s", err, out)
	}
	p.called(t)
	// The remedy for a file in JSON.
	if err := os.Rename(filepath.Join(p.folder, "parameters.json"), filepath.Join(p.folder, "parameters.yaml")); err != nil {
		t.Fatal(err)
	}
	if out, err := p.run(t, nil, "make", "deploy", "PARAMETERS=parameters.yaml"); err != nil {
		t.Errorf("JSON by the name of YAML is refused: %v\n%s", err, out)
	}
	p.called(t)

	if out, err := p.run(t, []string{"BUILT_FOR=arm64"}, "make", "deploy", "ARCHITECTURE=x86_64"); err == nil || !strings.Contains(out, "the function was built for arm64, and ARCHITECTURE is x86_64") {
		t.Errorf("built for another processor: error %v\n%s", err, out)
	}
	if diff := cmp.Diff([][]string{{"build"}}, p.called(t)); diff != "" {
		t.Errorf("what was built for another processor is deployed (-want +got):\n%s", diff)
	}
	if err := os.Remove(filepath.Join(p.tools, "sam")); err != nil {
		t.Fatal(err)
	}
	if out, err := p.run(t, nil, "make", "deploy"); err == nil || !strings.Contains(out, "sam was not found: install AWS's SAM CLI") {
		t.Errorf("without sam: error %v\n%s", err, out)
	}
}

// The workflow's step runs make deploy with what the repository's variables hold,
// whatever it is.
func TestWorkflow(t *testing.T) {
	text, err := os.ReadFile(root + ".github/workflows/deploy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct {
				If, Run string
				Env     map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &workflow); err != nil {
		t.Fatal(err)
	}
	steps := workflow.Jobs["deploy"].Steps
	last := steps[len(steps)-1]
	expression := regexp.MustCompile(`^\$\{\{ (?:vars|inputs)\.(\w+)(?: \|\| '([^']*)')? \}\}$`)
	p, summary, outputs := newProject(t), filepath.Join(t.TempDir(), "summary"), filepath.Join(t.TempDir(), "outputs")
	deploy := func(p project, variables map[string]string) ([][]string, string) {
		environment := []string{"GITHUB_STEP_SUMMARY=" + summary, "GITHUB_OUTPUT=" + outputs}
		variables = maps.Clone(variables)
		if variables == nil {
			variables = map[string]string{}
		}
		for name, value := range map[string]string{"parameters": ".github/deploying/production.yaml", "execute": "true"} {
			if variables[name] == "" {
				variables[name] = value
			}
		}
		for name, value := range last.Env {
			if strings.Contains(value, "${{") {
				found := expression.FindStringSubmatch(value)
				if found == nil {
					t.Fatalf("%s is %s", name, value)
				}
				if value = variables[found[1]]; value == "" {
					value = found[2]
				}
			}
			environment = append(environment, name+"="+value)
		}
		// As GitHub runs a step.
		out, err := p.run(t, environment, "bash", "-e", "-c", last.Run)
		if err != nil {
			out += err.Error()
		}
		return p.called(t), out
	}
	production := "file://.github/deploying/production.yaml"
	if got, out := deploy(p, nil); !cmp.Equal(got, deployment("tandem", nil, "functionName=tandem", production, "architecture=arm64")) {
		t.Errorf("without variables sam was called %q\n%s", got, out)
	}
	for _, value := range hostile {
		got, out := deploy(p, map[string]string{"TANDEM_STACK": "other", "TANDEM_ARCHITECTURE": "x86_64", "TANDEM_TAGS": "k=v", "TANDEM_CLOUDFORMATION_ROLE_ARN": value, "TANDEM_SIGNING_PROFILE": value})
		if want := deployment("other", []string{"--signing-profiles", "RotationFunction=" + value, "--role-arn", value, "--tags", "k=v"}, "functionName=other", production, "architecture=x86_64"); !cmp.Equal(got, want) {
			t.Errorf("%q: sam was called (-want +got):\n%s\n%s", value, cmp.Diff(want, got), out)
		}
	}
	for _, value := range hostile {
		if got, out := deploy(p, map[string]string{"TANDEM_TAGS": "k=" + value}); (got == nil) != (strings.ContainsAny(value, "\n=") || value == "'" || value == `"`) {
			t.Errorf("the tag %q: sam was called %q\n%s", value, got, out)
		}
	}
	if _, err := os.Stat(filepath.Join(p.folder, "HIT")); err == nil {
		t.Error("a variable was run as a command")
	}
	// Before anything else, who has the variable of before is told where it went.
	former := steps[0]
	out, err := p.run(t, nil, "bash", "-e", "-c", former.Run)
	if former.If != "vars.TANDEM_PARAMETERS != ''" || err == nil || strings.Count(out, "\n") != 1 ||
		!strings.HasPrefix(out, "::error::the variable TANDEM_PARAMETERS is not read any more: ") || !strings.Contains(out, "production.yaml, functionName first of all") {
		t.Errorf("where %s, error %v: %s", former.If, err, out)
	}
	for n, step := range steps {
		if step.If != "" && n != 0 && n < len(steps)-2 {
			t.Errorf("a step is run only where %s", step.If)
		}
	}
	// A change set is left, shown and named; another time it is executed as it is.
	const arn = "arn:aws:cloudformation:eu-west-1:123456789012:changeSet/samcli-deploy1790000000/11111111-2222"
	p.tool(t, "sam", `[ "$1" = build ] && exec make --silent build-RotationFunction ARTIFACTS_DIR=built
echo "+ Add RotationFunction"; echo "Changeset created successfully. `+arn+`"`)
	if _, out := deploy(p, map[string]string{"execute": "false"}); !strings.HasSuffix(read(t, outputs), "change-set=samcli-deploy1790000000\n") || !strings.Contains(read(t, summary), "+ Add RotationFunction") {
		t.Errorf("of a change set the outputs are %q, the summary %q\n%s", read(t, outputs), read(t, summary), out)
	}
	p.tool(t, "sam", `[ "$1" = build ] && exec make --silent build-RotationFunction ARTIFACTS_DIR=built
echo "No changes to deploy. Stack tandem is up to date"`)
	if _, out := deploy(p, map[string]string{"execute": "false"}); !strings.HasSuffix(read(t, outputs), "\nchange-set=\n") {
		t.Errorf("where nothing changes the outputs are %q\n%s", read(t, outputs), out)
	}
	p.tool(t, "sam", `[ "$1" = build ] && exec make --silent build-RotationFunction ARTIFACTS_DIR=built
exit 1`)
	if _, out := deploy(p, nil); !strings.HasSuffix(out, "exit status 2") {
		t.Errorf("a deployment that fails: %s", out)
	}
	execute := steps[len(steps)-2]
	if execute.Run != ".github/deploying/execute" || execute.If != "inputs.change-set != ''" || last.If != "inputs.change-set == ''" {
		t.Errorf("where %s, %s is run; where %s, %s", execute.If, execute.Run, last.If, last.Run)
	}
}

// A change set is executed as it is, and its end waited for: of a stack that is made by
// it, and of one that exists.
func TestExecute(t *testing.T) {
	p := newProject(t)
	const describe = "cloudformation describe-stacks --stack-name tandem --query Stacks[0].StackStatus --output text\n"
	for status, end := range map[string]string{"REVIEW_IN_PROGRESS": "stack-create-complete", "UPDATE_COMPLETE": "stack-update-complete"} {
		calls := filepath.Join(t.TempDir(), "aws")
		p.tool(t, "aws", `echo "$*" >> '`+calls+`'; [ "$2" != describe-stacks ] || echo `+status)
		out, err := p.run(t, []string{"STACK=tandem", "CHANGE_SET=samcli-deploy1"}, ".github/deploying/execute")
		want := describe + "cloudformation execute-change-set --stack-name tandem --change-set-name samcli-deploy1\ncloudformation wait " + end + " --stack-name tandem\n"
		if diff := cmp.Diff(want, read(t, calls)); diff != "" || err != nil {
			t.Errorf("%s: error %v, aws was called (-want +got):\n%s\n%s", status, err, diff, out)
		}
	}
	p.tool(t, "aws", `[ "$2" != wait ]`)
	if out, err := p.run(t, []string{"STACK=tandem", "CHANGE_SET=samcli-deploy1"}, ".github/deploying/execute"); err == nil {
		t.Errorf("a change set that fails is no error: %s", out)
	}
	p.tool(t, "aws", `[ "$2" != execute-change-set ] || { echo "ChangeSetNotFound" >&2; exit 254; }`)
	out, err := p.run(t, []string{"STACK=tandem", "CHANGE_SET=samcli-deploy1"}, ".github/deploying/execute")
	if err == nil || !strings.HasPrefix(out, "ChangeSetNotFound\nthe change set samcli-deploy1 was not executed. ") || !strings.Contains(out, "run all jobs again") {
		t.Errorf("of a change set that another has outdated, error %v: %s", err, out)
	}
}

// tool puts another program in the place of one that the project has.
func (p project) tool(t *testing.T, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.tools, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
	}
	return string(content)
}

// What make acceptance is told reaches it to the letter.
func TestAcceptanceVariables(t *testing.T) {
	for way, tell := range ways {
		t.Run(way, func(t *testing.T) {
			p := newProject(t)
			p.write(t, "built/for", "", 0o600)
			p.write(t, "bin/acceptance", "#!/bin/sh\nprintf 'told: <%s>\\n' \"$ACCEPTANCE_ENGINES\" \"$ACCEPTANCE_VPC\" \"$ACCEPTANCE_SUBNETS\" \"$ACCEPTANCE_YES\" \"$ACCEPTANCE_REMOVE\"\n", 0o700)
			for _, value := range hostile {
				environment, words := tell([]string{"ACCEPTANCE_ENGINES=" + value, "ACCEPTANCE_VPC=" + value, "ACCEPTANCE_SUBNETS=" + value, "ACCEPTANCE_YES=" + value, "ACCEPTANCE_REMOVE=" + value})
				out, err := p.run(t, environment, append([]string{"make", "--silent", "acceptance"}, words...)...)
				if want := strings.Repeat("told: <"+value+">\n", 5); err != nil || !strings.HasSuffix(out, want) {
					t.Errorf("%q: error %v:\n%s", value, err, out)
				}
			}
			if _, err := os.Stat(filepath.Join(p.folder, "HIT")); err == nil {
				t.Error("a value was run as a command")
			}
		})
	}
}
