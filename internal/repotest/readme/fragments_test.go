package readme

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"tandem/internal/repotest/template"
	"tandem/internal/version"
)

func marked(t *testing.T, language string, least int) []block {
	t.Helper()
	_, blocks := readme(t)
	blocks = slices.DeleteFunc(blocks, func(b block) bool { return b.language != language })
	if len(blocks) < least {
		t.Fatalf("README has %d blocks of %s", len(blocks), language)
	}
	return blocks
}

// document is a policy of IAM, as far as README writes some.
type document struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid       string          `json:",omitempty"`
	Effect    string          `json:",omitempty"`
	Principal json.RawMessage `json:",omitempty"`
	Action    texts
	Resource  texts
	Condition map[string]map[string]texts
}

// texts is a text or a list of some.
type texts []string

func (s *texts) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*s = texts{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(s))
}

func (s statement) check(t *testing.T, b block) {
	t.Helper()
	if s.Effect != "Allow" || len(s.Action) == 0 || s.Principal == nil && len(s.Resource) == 0 {
		t.Errorf("line %d: %+v is no statement", b.line, s)
	}
	for _, action := range s.Action {
		if !regexp.MustCompile(`^[a-z0-9]+:[A-Z][A-Za-z]+$`).MatchString(action) {
			t.Errorf("line %d: %s is no action", b.line, action)
		}
	}
	for _, resource := range s.Resource {
		if resource != "*" && !regexp.MustCompile(`^arn:aws:[a-z0-9]+:[a-z0-9-]*:([0-9]{12}|aws)?:\S+$`).MatchString(resource) {
			t.Errorf("line %d: %s is no ARN", b.line, resource)
		}
	}
}

func strictly(text string, into any) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

func TestPolicies(t *testing.T) {
	for _, b := range marked(t, "json", 5) {
		var policy document
		switch b.marker {
		case "policy", "deployer":
			if err := strictly(b.text, &policy); err != nil || policy.Version != "2012-10-17" || len(policy.Statement) == 0 {
				t.Errorf("line %d: %+v, error %v", b.line, policy, err)
			}
		case "statement":
			policy.Statement = make([]statement, 1)
			if err := strictly(b.text, &policy.Statement[0]); err != nil {
				t.Errorf("line %d: %v", b.line, err)
			}
		}
		for _, s := range policy.Statement {
			s.check(t, b)
		}
		if b.marker == "deployer" {
			checkDeployer(t, policy)
		}
	}
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
	"AWS::Events::Rule":                     {"events:PutRule", "events:DescribeRule", "events:DeleteRule", "events:PutTargets", "events:RemoveTargets"},
}

func checkDeployer(t *testing.T, policy document) {
	t.Helper()
	var allowed []string
	for _, s := range policy.Statement {
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
	for _, b := range marked(t, "yaml", 1) {
		tpl, err := template.Parse([]byte(b.text))
		if err != nil {
			t.Errorf("line %d: %v", b.line, err)
			continue
		}
		stack, err := tpl.Evaluate(map[string]string{"RotationLambdaARN": "arn:aws:lambda:eu-west-1:123456789012:function:tandem"})
		if err != nil {
			t.Errorf("line %d: %v", b.line, err)
			continue
		}
		for name, resource := range stack.Resources {
			if resource.Type != "AWS::SecretsManager::RotationSchedule" {
				continue
			}
			if arn := fmt.Sprint(resource.Properties["RotationLambdaARN"]); strings.Count(arn, ":") != 6 {
				t.Errorf("line %d: %s names %s, which is not unqualified", b.line, name, arn)
			}
		}
	}
}

// TypeScript is parsed, not typed: the libraries of the CDK are not here. What
// is imported is used, and every name that begins an expression is imported,
// declared or a parameter, as the bundler sees it.
func TestTypeScript(t *testing.T) {
	for _, b := range marked(t, "ts", 2) {
		result := api.Transform(b.text, api.TransformOptions{Loader: api.LoaderTS, LogLevel: api.LogLevelSilent, Sourcefile: fmt.Sprintf("line %d", b.line)})
		for _, message := range append(result.Errors, result.Warnings...) {
			t.Errorf("line %d: %s", b.line+message.Location.Line, message.Text)
		}
		imports := regexp.MustCompile(`(?m)^import (?:\* as (\w+)|\{ (.*) \}) from`).FindAllStringSubmatch(b.text, -1)
		var names []string
		for _, found := range imports {
			for name := range strings.SplitSeq(found[1]+found[2], ", ") {
				if _, alias, renamed := strings.Cut(name, " as "); renamed {
					name = alias
				}
				names = append(names, name)
			}
		}
		rest := regexp.MustCompile(`(?m)^import .*$`).ReplaceAllString(b.text, "")
		for _, name := range names {
			if !regexp.MustCompile(`\b` + name + `\b`).MatchString(rest) {
				t.Errorf("line %d: %s is imported and not used", b.line, name)
			}
		}
		for _, found := range regexp.MustCompile(`(?:new |extends |: |[ (,]|= )([A-Z]\w+)\b`).FindAllStringSubmatch(rest, -1) {
			if !slices.Contains(names, found[1]) && !strings.Contains(rest, "'"+found[1]+"'") && !strings.Contains(rest, "class "+found[1]) {
				t.Errorf("line %d: %s is not imported", b.line, found[1])
			}
		}
		checkApplication(t, b)
	}
	if text, _ := readme(t); !strings.Contains(text, ".addRotationSchedule(") || !strings.Contains(text, "new sam.CfnApplication(") {
		t.Error("README shows not both ways of the CDK")
	}
}

// checkApplication looks at the parameters of a nested application.
func checkApplication(t *testing.T, b block) {
	t.Helper()
	_, parameters, found := strings.Cut(b.text, "parameters: {\n")
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
			t.Errorf("line %d: the template has no parameter %s", b.line, name[1])
		}
	}
	if !strings.Contains(b.text, "semanticVersion: '"+version.Number+"'") {
		t.Errorf("line %d: the application is not of version %s", b.line, version.Number)
	}
	for _, output := range regexp.MustCompile(`'Outputs\.(\w+)'`).FindAllStringSubmatch(b.text, -1) {
		if _, there := tpl.Outputs[output[1]]; !there {
			t.Errorf("line %d: the template has no output %s", b.line, output[1])
		}
	}
}

// The arguments of the provider's resources that README uses: those that have to
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
	for _, b := range marked(t, "hcl", 1) {
		file, problems := hclparse.NewParser().ParseHCL([]byte(b.text), "README.md")
		if problems.HasErrors() {
			t.Errorf("line %d: %v", b.line, problems)
			continue
		}
		body, _ := file.Body.(*hclsyntax.Body)
		declared := map[string]bool{}
		for _, part := range body.Blocks {
			name := strings.Join(part.Labels, ".")
			if part.Type == "data" {
				name = "data." + name
			}
			declared[name] = true
			checkArguments(t, b, part.Type+" "+part.Labels[0], part.Body)
		}
		_ = hclsyntax.VisitAll(body, func(node hclsyntax.Node) hcl.Diagnostics {
			reference, ok := node.(*hclsyntax.ScopeTraversalExpr)
			if !ok {
				return nil
			}
			var names []string
			for _, step := range reference.Traversal {
				switch step := step.(type) {
				case hcl.TraverseRoot:
					names = append(names, step.Name)
				case hcl.TraverseAttr:
					names = append(names, step.Name)
				case hcl.TraverseIndex:
					if tpl, err := template.Read("../../../template.yaml"); err != nil || tpl.Outputs[step.Key.AsString()] == nil {
						t.Errorf("line %d: the template has no output %s (%v)", b.line, step.Key.AsString(), err)
					}
				}
			}
			length := 2
			if names[0] == "data" {
				length = 3
			}
			if !declared[strings.Join(names[:length], ".")] {
				t.Errorf("line %d: %q is not declared", b.line, names)
			}
			return nil
		})
	}
}

func checkArguments(t *testing.T, b block, kind string, body *hclsyntax.Body) {
	t.Helper()
	schema, known := schemas[kind]
	if !known {
		t.Errorf("line %d: nobody knows the arguments of %s", b.line, kind)
	}
	var given []string
	for name := range body.Attributes {
		given = append(given, name)
	}
	for _, inner := range body.Blocks {
		given = append(given, inner.Type)
		checkArguments(t, b, inner.Type, inner.Body)
	}
	for _, name := range given {
		if !slices.Contains(schema.required, name) && !slices.Contains(schema.optional, name) {
			t.Errorf("line %d: %s has no argument %s", b.line, kind, name)
		}
	}
	for _, name := range schema.required {
		if !slices.Contains(given, name) {
			t.Errorf("line %d: %s lacks %s", b.line, kind, name)
		}
	}
}

// README names every parameter of the template, and its default.
func TestParameters(t *testing.T) {
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tpl, err := template.Read("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(content), "\n### Parameters\n")
	table, _, ended := strings.Cut(table, "\n### ")
	if !found || !ended {
		t.Fatal("README has no table of the parameters")
	}
	for name, parameter := range tpl.Parameters {
		row := regexp.MustCompile("(?m)^\\|[^|]*`" + name + "`[^|]*\\|([^|]*)\\|").FindStringSubmatch(table)
		if row == nil {
			t.Errorf("the table lacks %s", name)
			continue
		}
		if parameter.Default != nil && *parameter.Default != "" && !strings.Contains(row[1], *parameter.Default) {
			t.Errorf("%s: the table says %q, and its default is %q", name, row[1], *parameter.Default)
		}
	}
	for name := range tpl.Outputs {
		if !strings.Contains(table, "`"+name+"`") {
			t.Errorf("README does not name the output %s", name)
		}
	}
}
