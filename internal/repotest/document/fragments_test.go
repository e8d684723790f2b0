package document_test

import (
	"encoding/json"
	"fmt"
	"go/format"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tandem/internal/config"
	"tandem/internal/repotest/document"
	"tandem/internal/repotest/template"
	"tandem/internal/version"
)

func checkStatement(t *testing.T, b document.Block, s template.Statement) {
	t.Helper()
	if s.Effect != "Allow" || len(s.Action) == 0 || s.Principal == nil && len(s.Resource) == 0 {
		t.Errorf("%s: %+v is no statement", b, s)
	}
	for _, action := range s.Action {
		if !regexp.MustCompile(`^[a-z0-9]+:[A-Z][A-Za-z]+$`).MatchString(action) {
			t.Errorf("%s: %s is no action", b, action)
		}
	}
	for _, resource := range s.Resource {
		if resource != "*" && !regexp.MustCompile(`^arn:aws:[a-z0-9]+:[a-z0-9-]*:([0-9]{12}|aws)?:\S+$`).MatchString(resource) {
			t.Errorf("%s: %s is no ARN", b, resource)
		}
	}
}

func strictly(text string, into any) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

func TestPolicies(t *testing.T) {
	for _, b := range document.Blocks(t, "json") {
		var p template.Policy
		switch b.Marker {
		case "policy", "deployer":
			if err := strictly(b.Text, &p); err != nil || p.Version != "2012-10-17" || len(p.Statement) == 0 {
				t.Errorf("%s: %+v, error %v", b, p, err)
			}
		case "statement":
			p.Statement = make([]template.Statement, 1)
			if err := strictly(b.Text, &p.Statement[0]); err != nil {
				t.Errorf("%s: %v", b, err)
			}
		}
		for _, s := range p.Statement {
			checkStatement(t, b, s)
		}
	}
	var deployer template.Policy
	if err := strictly(document.MarkedBlock(t, "deployer").Text, &deployer); err != nil {
		t.Fatal(err)
	}
	checkDeployer(t, deployer)
}

// needed are the operations by which CloudFormation, in the deployer's name,
// makes, changes and removes a resource of a type.
var needed = map[string][]string{
	"AWS::Serverless::Function":             {"lambda:CreateFunction", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration", "lambda:GetFunction", "lambda:DeleteFunction", "iam:PassRole", "lambda:PutFunctionConcurrency", "ec2:DescribeSubnets", "ec2:DescribeSecurityGroups", "ec2:DescribeVpcs"},
	"AWS::Lambda::Permission":               {"lambda:AddPermission", "lambda:RemovePermission", "lambda:GetPolicy"},
	"AWS::IAM::Role":                        {"iam:CreateRole", "iam:GetRole", "iam:PutRolePolicy", "iam:GetRolePolicy", "iam:DeleteRolePolicy", "iam:DeleteRole", "iam:PutRolePermissionsBoundary"},
	"AWS::Logs::LogGroup":                   {"logs:CreateLogGroup", "logs:DescribeLogGroups", "logs:PutRetentionPolicy", "logs:DeleteLogGroup"},
	"AWS::SecretsManager::RotationSchedule": {"secretsmanager:RotateSecret", "secretsmanager:DescribeSecret", "secretsmanager:CancelRotateSecret", "lambda:InvokeFunction"},
	"AWS::CloudWatch::Alarm":                {"cloudwatch:PutMetricAlarm", "cloudwatch:DescribeAlarms", "cloudwatch:DeleteAlarms"},
	"AWS::CloudWatch::Dashboard":            {"cloudwatch:PutDashboard", "cloudwatch:GetDashboard", "cloudwatch:DeleteDashboards"},
	"AWS::Scheduler::ScheduleGroup":         {"scheduler:CreateScheduleGroup", "scheduler:GetScheduleGroup", "scheduler:DeleteScheduleGroup", "scheduler:DeleteSchedule", "scheduler:ListTagsForResource", "scheduler:TagResource", "scheduler:UntagResource"},
	"AWS::Scheduler::Schedule":              {"scheduler:CreateSchedule", "scheduler:GetSchedule", "scheduler:UpdateSchedule", "scheduler:DeleteSchedule", "iam:PassRole"},
	"AWS::Events::Rule":                     {"events:PutRule", "events:DescribeRule", "events:DeleteRule", "events:PutTargets", "events:RemoveTargets"},
}

func checkDeployer(t *testing.T, p template.Policy) {
	t.Helper()
	var allowed []string
	for _, s := range p.Statement {
		allowed = append(allowed, s.Action...)
	}
	tpl, err := template.Read("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, resource := range tpl.Resources {
		kind := fmt.Sprint(resource["Type"])
		if needed[kind] == nil {
			t.Errorf("%s is of the type %s, and nobody knows what that needs", name, kind)
		}
		for _, action := range needed[kind] {
			if !slices.Contains(allowed, action) {
				t.Errorf("the deployer may not %s, which %s needs", action, name)
			}
		}
	}
}

func TestCloudFormation(t *testing.T) {
	for _, b := range document.Blocks(t, "yaml") {
		tpl, err := template.Parse([]byte(b.Text))
		if err != nil {
			t.Errorf("%s: %v", b, err)
			continue
		}
		stack, err := tpl.Evaluate(map[string]string{"RotationLambdaARN": "arn:aws:lambda:eu-west-1:123456789012:function:tandem"})
		if err != nil {
			t.Errorf("%s: %v", b, err)
			continue
		}
		for name, resource := range stack.Resources {
			if resource.Type != "AWS::SecretsManager::RotationSchedule" {
				continue
			}
			if arn := fmt.Sprint(resource.Properties["RotationLambdaARN"]); strings.Count(arn, ":") != 6 {
				t.Errorf("%s: %s names %s, which is not unqualified", b, name, arn)
			}
		}
	}
}

// TypeScript is not parsed, and Terraform not either: what goes wrong in them
// here are names, of the template's parameters and outputs, of what is imported
// or declared, of arguments. Those are looked at.
func TestTypeScript(t *testing.T) {
	var all strings.Builder
	for _, b := range document.Blocks(t, "ts") {
		all.WriteString(b.Text)
		checkBrackets(t, b)
		imports := regexp.MustCompile(`(?m)^import (?:\* as (\w+)|\{ (.*) \}) from '[^']+';$`).FindAllStringSubmatch(b.Text, -1)
		if want := strings.Count(b.Text, "import "); len(imports) != want {
			t.Errorf("%s: %d of %d imports are understood", b, len(imports), want)
		}
		var names []string
		for _, found := range imports {
			for name := range strings.SplitSeq(found[1]+found[2], ", ") {
				if _, alias, renamed := strings.Cut(name, " as "); renamed {
					name = alias
				}
				names = append(names, name)
			}
		}
		rest := regexp.MustCompile(`(?m)^import .*$`).ReplaceAllString(b.Text, "")
		for _, name := range names {
			if !regexp.MustCompile(`\b` + name + `\b`).MatchString(rest) {
				t.Errorf("%s: %s is imported and not used", b, name)
			}
		}
		for _, found := range regexp.MustCompile(`(?:new |extends |: |[ (,]|= )([A-Z]\w+)\b`).FindAllStringSubmatch(rest, -1) {
			if !slices.Contains(names, found[1]) && !strings.Contains(rest, "'"+found[1]+"'") && !strings.Contains(rest, "class "+found[1]) {
				t.Errorf("%s: %s is not imported", b, found[1])
			}
		}
		checkApplication(t, b)
	}
	if !strings.Contains(all.String(), ".addRotationSchedule(") || !strings.Contains(all.String(), "new sam.CfnApplication(") {
		t.Error("the documents show not both ways of the CDK")
	}
}

// checkBrackets looks whether each bracket outside of strings is closed by its own.
func checkBrackets(t *testing.T, b document.Block) {
	t.Helper()
	closes := map[rune]rune{')': '(', ']': '[', '}': '{'}
	var open []rune
	for _, r := range regexp.MustCompile(`'[^'\n]*'|"[^"\n]*"`).ReplaceAllString(b.Text, "") {
		switch {
		case strings.ContainsRune("([{", r):
			open = append(open, r)
		case strings.ContainsRune("'\"`", r):
			t.Errorf("%s: a string does not end", b)
		case closes[r] != 0 && (len(open) == 0 || open[len(open)-1] != closes[r]):
			t.Errorf("%s: %q closes nothing", b, r)
			return
		case closes[r] != 0:
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("%s: %q is never closed", b, string(open))
	}
}

// checkApplication looks at the parameters of a nested application.
func checkApplication(t *testing.T, b document.Block) {
	t.Helper()
	_, parameters, found := strings.Cut(b.Text, "parameters: {\n")
	if !found {
		return
	}
	parameters, _, _ = strings.Cut(parameters, "},")
	tpl, err := template.Read("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`(?m)^\s*(\w+):`).FindAllStringSubmatch(parameters, -1) {
		if _, there := tpl.Parameters[name[1]]; !there {
			t.Errorf("%s: the template has no parameter %s", b, name[1])
		}
	}
	if !strings.Contains(b.Text, "semanticVersion: '"+version.Number+"'") {
		t.Errorf("%s: the application is not of version %s", b, version.Number)
	}
	for _, output := range regexp.MustCompile(`'Outputs\.(\w+)'`).FindAllStringSubmatch(b.Text, -1) {
		if _, there := tpl.Outputs[output[1]]; !there {
			t.Errorf("%s: the template has no output %s", b, output[1])
		}
	}
}

// The arguments of the provider's resources that the documents use: those that have to
// be there, and those that may.
//
// Source: Terraform Registry, provider hashicorp/aws.
var schemas = map[string]struct{ required, optional []string }{
	"data aws_cloudformation_stack":               {[]string{"name"}, nil},
	"resource aws_secretsmanager_secret":          {nil, []string{"name"}},
	"resource aws_secretsmanager_secret_rotation": {[]string{"secret_id", "rotation_lambda_arn"}, []string{"rotate_immediately", "rotation_rules"}},
	"rotation_rules":                              {nil, []string{"schedule_expression", "duration", "automatically_after_days"}},
}

func TestTerraform(t *testing.T) {
	tpl, err := template.Read("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range document.Blocks(t, "hcl") {
		checkBrackets(t, b)
		declared := map[string]bool{}
		for _, found := range regexp.MustCompile(`(?m)^(data|resource) "(\w+)" "(\w+)" \{$`).FindAllStringSubmatch(b.Text, -1) {
			declared[strings.TrimPrefix(found[1]+"."+found[2]+"."+found[3], "resource.")] = true
		}
		if len(declared) == 0 {
			t.Errorf("%s: nothing is declared", b)
		}
		given := map[string][]string{} // the arguments, by what they are of
		var within []string
		for line := range strings.Lines(b.Text) {
			line = strings.TrimSpace(line)
			switch name, value, assigned := strings.Cut(line, "="); {
			case line == "}":
				within = within[:len(within)-1]
			case strings.HasSuffix(line, "{"):
				words := strings.Fields(strings.ReplaceAll(line, `"`, ""))
				kind := words[0]
				if len(words) == 4 {
					kind = words[0] + " " + words[1]
				} else {
					given[within[len(within)-1]] = append(given[within[len(within)-1]], kind)
				}
				within = append(within, kind)
				given[kind] = append(given[kind], []string{}...)
			case assigned:
				given[within[len(within)-1]] = append(given[within[len(within)-1]], strings.TrimSpace(name))
				if reference := regexp.MustCompile(`^((?:data\.)?aws_\w+\.\w+)`).FindString(strings.TrimSpace(value)); reference != "" && !declared[reference] {
					t.Errorf("%s: %s is not declared", b, reference)
				}
			case line != "":
				t.Errorf("%s: %q is not understood", b, line)
			}
		}
		for kind, arguments := range given {
			checkArguments(t, b, kind, arguments)
		}
		for _, found := range regexp.MustCompile(`outputs\["(\w+)"\]`).FindAllStringSubmatch(b.Text, -1) {
			if tpl.Outputs[found[1]] == nil {
				t.Errorf("%s: the template has no output %s", b, found[1])
			}
		}
	}
}

func checkArguments(t *testing.T, b document.Block, kind string, given []string) {
	t.Helper()
	schema, known := schemas[kind]
	if !known {
		t.Errorf("%s: nobody knows the arguments of %s", b, kind)
	}
	for _, name := range given {
		if !slices.Contains(schema.required, name) && !slices.Contains(schema.optional, name) {
			t.Errorf("%s: %s has no argument %s", b, kind, name)
		}
	}
	for _, name := range schema.required {
		if !slices.Contains(given, name) {
			t.Errorf("%s: %s lacks %s", b, kind, name)
		}
	}
}

// The table of parameters names every parameter of the template, and its default;
// beside it stand the outputs.
func TestParameters(t *testing.T) {
	tpl, err := template.Read("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	table := document.MarkedTable(t, "table parameters")
	defaults := map[string]string{}
	for _, row := range table.Rows {
		for _, name := range document.Code(row.Cells[0]) {
			if _, there := tpl.Parameters[name]; !there {
				t.Errorf("%s: the template has no parameter %s", row, name)
			}
			defaults[name] = row.Cells[1]
		}
	}
	for name, parameter := range tpl.Parameters {
		written, there := defaults[name]
		if !there {
			t.Errorf("the table lacks %s", name)
			continue
		}
		if parameter.Default != nil && *parameter.Default != "" && !strings.Contains(written, *parameter.Default) {
			t.Errorf("%s: the table says %q, and its default is %q", name, written, *parameter.Default)
		}
	}
	text := document.Get(t, table.Path).Text
	for name := range tpl.Outputs {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("%s does not name the output %s", table.Path, name)
		}
	}
}

// Examples in Go are whole files, as gofmt writes them.
func TestGo(t *testing.T) {
	for _, d := range document.All(t) {
		for _, b := range d.Blocks {
			if b.Language != "go" {
				continue
			}
			if formatted, err := format.Source([]byte(b.Text)); err != nil || string(formatted) != b.Text {
				t.Errorf("%s: not as gofmt writes it, error %v", b, err)
			}
		}
	}
}

// The examples of passwords are such as the variables beside them ask for.
func TestPasswords(t *testing.T) {
	for _, row := range document.MarkedTable(t, "table passwords").Rows {
		set := map[string]string{}
		for _, assignment := range document.Code(row.Cells[0]) {
			name, value, _ := strings.Cut(assignment, "=")
			set[name] = value
		}
		c, err := config.Load(func(name string) (string, bool) {
			value, there := set[name]
			delete(set, name)
			return value, there
		})
		if err != nil || len(set) != 0 {
			t.Errorf("%s: %v is read by nobody, error %v", row, set, err)
			continue
		}
		password, p := document.Code(row.Cells[1])[0], c.Password
		if int64(len(password)) != p.Length || strings.ContainsAny(password, p.ExcludeCharacters) {
			t.Errorf("%s: a password of %d characters, want %d without %s", row, len(password), p.Length, p.ExcludeCharacters)
		}
		for _, class := range []struct {
			characters string
			excluded   bool
		}{
			{"[a-z]", p.ExcludeLowercase}, {"[A-Z]", p.ExcludeUppercase}, {"[0-9]", p.ExcludeNumbers}, {"[!-/:-@\\[-`{-~]", p.ExcludePunctuation},
		} {
			if has := regexp.MustCompile(class.characters).MatchString(password); has == class.excluded {
				t.Errorf("%s: %s has %s: %v", row, password, class.characters, has)
			}
		}
	}
}
