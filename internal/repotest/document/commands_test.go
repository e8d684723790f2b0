package document_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/syntax"

	"tandem/internal/repotest/document"
	"tandem/internal/repotest/template"
)

// command is a simple command of a script, with its words as the shell would
// make them, as far as that is known.
type command struct {
	words []string
	at    string
}

// session is what the scripts of a document have left behind so far: their variables,
// and the files that they have written by a here-document, as the shell would make them.
type session struct {
	values, files map[string]string
}

// sessions has one for each document, by its path; the steps beside the tutorials go on
// in theirs.
type sessions map[string]session

func (s sessions) of(path string) session {
	if strings.HasPrefix(path, ".github/tutorials/") {
		path = ".github/tutorials/"
	}
	if _, there := s[path]; !there {
		s[path] = session{map[string]string{}, map[string]string{}}
	}
	return s[path]
}

// parse lists a script's commands, those in substitutions too.
func parse(t *testing.T, b document.Block, s session) []command {
	t.Helper()
	values := s.values
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(b.Text), b.String())
	if err != nil {
		t.Errorf("%v:\n%s", err, b.Text)
		return nil
	}
	var commands []command
	syntax.Walk(file, func(node syntax.Node) bool {
		if loop, ok := node.(*syntax.ForClause); ok {
			if over, ok := loop.Loop.(*syntax.WordIter); ok && len(over.Items) > 0 {
				values[over.Name.Value] = expand(over.Items[0], values)
			}
		}
		if statement, ok := node.(*syntax.Stmt); ok {
			var file, text string
			for _, redirect := range statement.Redirs {
				switch redirect.Op {
				case syntax.RdrOut:
					file = expand(redirect.Word, values)
				case syntax.Hdoc:
					text = expand(redirect.Hdoc, values)
					if _, quoted := redirect.Word.Parts[0].(*syntax.SglQuoted); quoted {
						text = redirect.Hdoc.Lit() // as it stands
					}
				}
			}
			if text != "" {
				s.files[file] = text
			}
		}
		call, ok := node.(*syntax.CallExpr)
		if !ok {
			return true
		}
		for _, assign := range call.Assigns {
			values[assign.Name.Value] = expand(assign.Value, values)
		}
		at := b.Place
		at.Line += int(call.Pos().Line())
		c := command{at: at.String()}
		for _, word := range call.Args {
			text := expand(word, values)
			if unquoted(word) {
				c.words = append(c.words, strings.Fields(text)...)
				continue
			}
			c.words = append(c.words, text)
		}
		if len(c.words) > 0 {
			commands = append(commands, c)
		}
		return true
	})
	return commands
}

// unquoted reports whether the word is a variable that the shell splits.
func unquoted(word *syntax.Word) bool {
	if len(word.Parts) != 1 {
		return false
	}
	_, variable := word.Parts[0].(*syntax.ParamExp)
	return variable
}

// expand puts a word together. What a command prints is "printed".
func expand(word *syntax.Word, values map[string]string) string {
	if word == nil {
		return ""
	}
	var parts func(parts []syntax.WordPart) string
	parts = func(list []syntax.WordPart) string {
		var out strings.Builder
		for _, part := range list {
			switch part := part.(type) {
			case *syntax.Lit:
				out.WriteString(strings.ReplaceAll(part.Value, `\`, ""))
			case *syntax.SglQuoted:
				out.WriteString(part.Value)
			case *syntax.DblQuoted:
				out.WriteString(parts(part.Parts))
			case *syntax.ParamExp:
				out.WriteString(values[part.Param.Value])
			case *syntax.CmdSubst:
				out.WriteString(printed(part))
			}
		}
		return out.String()
	}
	return parts(word.Parts)
}

// printed stands for what a command prints: a time for date, which the AWS CLI
// reads as a number.
func printed(part *syntax.CmdSubst) string {
	if len(part.Stmts) == 1 {
		if call, ok := part.Stmts[0].Cmd.(*syntax.CallExpr); ok && len(call.Args) > 0 && call.Args[0].Lit() == "date" {
			return "1700000000"
		}
	}
	return "printed"
}

// others are programs that the scripts use besides those that are looked at.
var others = []string{"printf", "cat", "umask", "mkdir", "cp", "rm", "curl", "echo", "tr", "grep", "sed", "sleep", "export", "[", "mysql", "read", "bash", "document", "field", "username", "login", "stages", "date", "git", "gh", "zip", "sha256sum"}

func TestCommands(t *testing.T) {
	left := sessions{}
	for _, b := range scripts(t) {
		built := false
		for _, c := range parse(t, b, left.of(b.Path)) {
			// What SAM packs without a build is the source.
			built = built || slices.Equal(c.words, []string{"sam", "build"})
			if len(c.words) > 1 && c.words[0] == "sam" && c.words[1] == "package" && !built {
				t.Errorf("%s: %q, and no sam build before it", c.at, c.words)
			}
			switch program := c.words[0]; {
			case program == "aws":
				checkTemplateBySize(t, c) // for the rest there is TestCLI
			case program == "make":
				checkMake(t, c, left.of(b.Path).files)
			case program == "sam":
				checkSAM(t, c, left.of(b.Path).files)
			case program == "go":
				checkGo(t, c)
			case !slices.Contains(others, program):
				t.Errorf("%s: nobody looks at %q", c.at, c.words)
			}
		}
	}
}

// checkTemplateBySize looks whether the template goes by a bucket: once it is packaged
// it has more than the 51,200 bytes that CloudFormation takes in a request.
//
// Source: AWS CloudFormation User Guide, "Understand CloudFormation quotas".
func checkTemplateBySize(t *testing.T, c command) {
	t.Helper()
	by := map[string]string{"deploy": "--s3-bucket", "create-stack-set": "--template-url", "create-stack": "--template-url", "update-stack": "--template-url"}
	if len(c.words) < 3 || c.words[1] != "cloudformation" || by[c.words[2]] == "" {
		return
	}
	if !slices.Contains(c.words, by[c.words[2]]) {
		t.Errorf("%s: %q sends the template without %s", c.at, c.words[:3], by[c.words[2]])
	}
}

func checkMake(t *testing.T, c command, files map[string]string) {
	t.Helper()
	makefile, err := os.ReadFile("../../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range c.words[1:] {
		name, value, assigned := strings.Cut(word, "=")
		switch {
		case !assigned:
			if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(word) + `:`).Match(makefile) {
				t.Errorf("%s: make has no target %s", c.at, word)
			}
		case !regexp.MustCompile(`\$\(` + name + `\)|(?m)^(?:DEPLOY|RELEASE)_VARIABLES = .*\b` + name + `\b`).Match(makefile):
			t.Errorf("%s: the Makefile does not read %s", c.at, name)
		case name == "PARAMETERS":
			checkParametersOfFile(t, c, value, files)
		}
	}
}

// checkParametersOfFile evaluates the template for a file that the document has written,
// or that is in the repository. make deploy adds a functionName where it has none.
func checkParametersOfFile(t *testing.T, c command, file string, written map[string]string) {
	t.Helper()
	text, there := written[file]
	if !there {
		content, err := os.ReadFile("../../../" + file)
		if err != nil {
			t.Errorf("%s: %v, and no script before has written it", c.at, err)
		}
		text = string(content)
	}
	parameters, err := template.ParametersOfFile([]byte(text))
	if err != nil {
		t.Errorf("%s: %v", c.at, err)
	}
	var assignments []string
	for name, value := range parameters {
		assignments = append(assignments, name+"="+value)
	}
	if _, named := parameters["functionName"]; !named && c.words[0] == "make" {
		assignments = append(assignments, "functionName=tandem") // the stack's name
	}
	checkParameters(t, c, assignments)
}

// options are those of SAM's CLI that README uses, and whether a value follows.
//
// Source: AWS SAM Developer Guide, "AWS SAM CLI command reference".
var options = map[string]map[string]bool{
	"build":   {},
	"deploy":  {"--stack-name": true, "--template-file": true, "--resolve-s3": false, "--capabilities": true, "--parameter-overrides": true, "--guided": false},
	"package": {"--s3-bucket": true, "--output-template-file": true},
	"publish": {"--template": true},
}

func checkSAM(t *testing.T, c command, files map[string]string) {
	t.Helper()
	known, there := options[c.words[1]]
	if !there {
		t.Errorf("%s: sam has no command %s", c.at, c.words[1])
	}
	for i := 2; i < len(c.words); i++ {
		option := c.words[i]
		valued, there := known[option]
		if !there {
			t.Errorf("%s: sam %s has no option %s", c.at, c.words[1], option)
		}
		if option == "--parameter-overrides" {
			if file, whole := strings.CutPrefix(c.words[i+1], "file://"); whole && i+2 == len(c.words) {
				checkParametersOfFile(t, c, file, files)
				return
			}
			checkParameters(t, c, c.words[i+1:])
			return
		}
		if valued {
			i++
		}
	}
}

// examples are what stands for a parameter's value that a command prints, by the last
// word of the parameter's name.
var examples = map[string]string{
	"SubnetIds":        "subnet-0123456789abcdef0",
	"SecurityGroupIds": "sg-0123456789abcdef0",
	"SecretArn":        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:Example-AbCdEf",
	"secretArn":        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:Example-AbCdEf",
}

// checkParameters evaluates the template for NAME=VALUE.
func checkParameters(t *testing.T, c command, assignments []string) {
	t.Helper()
	tpl, err := template.Read("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]string{}
	for _, assignment := range assignments {
		name, value, found := strings.Cut(assignment, "=")
		if !found {
			t.Errorf("%s: %q is no parameter", c.at, assignment)
		}
		if value == "printed" {
			for ending, example := range examples {
				if strings.HasSuffix(name, ending) {
					value = example
				}
			}
		}
		given[name] = value
	}
	if _, err := tpl.Evaluate(given); err != nil {
		t.Errorf("%s: %q: %v", c.at, assignments, err)
	}
}

func checkGo(t *testing.T, c command) {
	t.Helper()
	for _, word := range c.words[1:] {
		if strings.HasPrefix(word, "./") {
			if _, err := os.Stat("../../../" + word); err != nil {
				t.Errorf("%s: %v", c.at, err)
			}
		}
	}
}

// Every command of the AWS CLI is one that the CLI itself accepts, down to the
// names and types of its options: it gets as far as calling, and is stopped by an
// address where nobody listens.
func TestCLI(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: starting the AWS CLI some eighty times takes a minute")
	}
	cli, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("SKIPPED: README's commands are checked by the AWS CLI, and there is no aws on this machine")
	}
	folder := t.TempDir()
	seen, left := map[string]bool{}, sessions{}
	for _, b := range scripts(t) {
		if strings.HasPrefix(b.Path, ".github/tutorials/") {
			continue // typed in by TestTutorials and TestAcceptance
		}
		for _, c := range parse(t, b, left.of(b.Path)) {
			line := strings.Join(c.words, " ")
			if c.words[0] != "aws" || seen[line] {
				continue
			}
			seen[line] = true
			t.Run(strings.Join(c.words[1:min(3, len(c.words))], " "), func(t *testing.T) {
				t.Parallel()
				if err := accepted(t, cli, folder, c.words[1:]); err != nil {
					t.Errorf("%s: %s: %v", c.at, line, err)
				}
			})
		}
	}
}

// emptyZip is the end of a zip file's directory, and so a zip file without files.
var emptyZip = append([]byte("PK\x05\x06"), make([]byte, 18)...)

func accepted(t *testing.T, cli, folder string, words []string) error {
	t.Helper()
	words = slices.Clone(words)
	for i, word := range words {
		if word == "VERSION" {
			words[i] = "11111111-2222-3333-4444-555555555555"
		}
		if found := regexp.MustCompile(`^(fileb?://)(.*)$`).FindStringSubmatch(word); found != nil {
			file := found[2]
			words[i] = found[1] + filepath.Join(folder, file)
			if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, file)), 0o700); err != nil {
				return err
			}
			content := []byte("{}")
			if strings.HasSuffix(file, ".zip") { // which the CLI looks into
				content = emptyZip
			}
			if err := os.WriteFile(filepath.Join(folder, file), content, 0o600); err != nil {
				return err
			}
		}
	}
	words = append(words, "--endpoint-url", "http://127.0.0.1:1")
	run := exec.CommandContext(t.Context(), cli, words...)
	run.Dir = folder
	run.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=x", "AWS_DEFAULT_REGION=eu-west-1", "AWS_MAX_ATTEMPTS=1", "AWS_PAGER=",
		"AWS_CONFIG_FILE="+filepath.Join(folder, "none"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(folder, "none"), "NO_PROXY=127.0.0.1")
	file := ""
	if template := slices.Index(words, "--template-file"); template >= 0 {
		file = words[template+1]
	} else if words[0] == "s3" {
		file = words[2] // s3 cp
	}
	if file != "" {
		// As make package leaves one, as far as the CLI reads it before it calls.
		if err := os.MkdirAll(filepath.Join(folder, filepath.Dir(file)), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, file), []byte("Resources: {T: {Type: AWS::Serverless::Function, Properties: {CodeUri: "+filepath.Base(file)+"}}}\n"), 0o600); err != nil {
			return err
		}
	}
	out, err := run.CombinedOutput()
	switch exit := (*exec.ExitError)(nil); {
	case err == nil:
		return nil
	case !errors.As(err, &exit):
		return err
	case strings.Contains(string(out), "Could not connect to the endpoint URL"):
		return nil
	}
	return fmt.Errorf("%w: %s", err, out)
}
