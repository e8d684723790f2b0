package document_test

import (
	"encoding/json"
	"fmt"
	"go/format"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
		case "policy", "deployer", "boundary", "trust":
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
}

// needed are the operations by which CloudFormation, in the deployer's name, makes,
// changes, reads and removes a resource of a type, as far as the template's properties ask.
//
// Source: the permissions of the handlers in CloudFormation's resource schemas.
var needed = map[string][]string{
	"AWS::Serverless::Function": {
		"lambda:CreateFunction", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration", "lambda:GetFunction", "lambda:DeleteFunction",
		"lambda:PutFunctionConcurrency", "lambda:DeleteFunctionConcurrency", "lambda:GetFunctionCodeSigningConfig", "lambda:PutFunctionCodeSigningConfig",
		"lambda:DeleteFunctionCodeSigningConfig", "lambda:GetCodeSigningConfig", "lambda:GetLayerVersion", "lambda:GetFunctionRecursionConfig", "lambda:GetFunctionScalingConfig", "lambda:GetRuntimeManagementConfig",
		"lambda:ListTags", "lambda:TagResource", "lambda:UntagResource", "iam:PassRole", "s3:GetObject", "s3:GetObjectVersion",
		"s3:GetObjectTagging", // SAM, for a signing profile: get_version_of_artifact
		"ec2:DescribeSubnets", "ec2:DescribeSecurityGroups", "ec2:DescribeVpcs", "ec2:DescribeNetworkInterfaces",
	},
	"AWS::Lambda::Permission": {"lambda:AddPermission", "lambda:RemovePermission", "lambda:GetPolicy"},
	"AWS::IAM::Role": {
		"iam:CreateRole", "iam:GetRole", "iam:UpdateRole", "iam:UpdateRoleDescription", "iam:DeleteRole", "iam:PutRolePolicy", "iam:GetRolePolicy", "iam:DeleteRolePolicy",
		"iam:ListRolePolicies", "iam:ListAttachedRolePolicies", "iam:PutRolePermissionsBoundary", "iam:TagRole", "iam:UntagRole",
	},
	"AWS::Logs::LogGroup": {
		"logs:CreateLogGroup", "logs:DescribeLogGroups", "logs:PutRetentionPolicy", "logs:DeleteRetentionPolicy", "logs:DeleteLogGroup", "logs:AssociateKmsKey",
		"logs:DisassociateKmsKey", "logs:GetDataProtectionPolicy", "logs:DescribeIndexPolicies", "logs:DescribeResourcePolicies", "logs:ListTagsForResource",
		"logs:TagResource", "logs:UntagResource",
	},
	"AWS::SecretsManager::RotationSchedule": {"secretsmanager:RotateSecret", "secretsmanager:DescribeSecret", "secretsmanager:CancelRotateSecret", "lambda:InvokeFunction"},
	"AWS::CloudWatch::Alarm":                {"cloudwatch:PutMetricAlarm", "cloudwatch:DescribeAlarms", "cloudwatch:DeleteAlarms", "cloudwatch:ListTagsForResource", "cloudwatch:TagResource", "cloudwatch:UntagResource"},
	"AWS::CloudWatch::Dashboard":            {"cloudwatch:PutDashboard", "cloudwatch:GetDashboard", "cloudwatch:DeleteDashboards", "cloudwatch:ListTagsForResource", "cloudwatch:TagResource", "cloudwatch:UntagResource"},
	"AWS::Scheduler::ScheduleGroup": {
		"scheduler:CreateScheduleGroup", "scheduler:GetScheduleGroup", "scheduler:DeleteScheduleGroup", "scheduler:DeleteSchedule",
		"scheduler:ListTagsForResource", "scheduler:TagResource", "scheduler:UntagResource",
	},
	"AWS::Scheduler::Schedule": {"scheduler:CreateSchedule", "scheduler:GetSchedule", "scheduler:UpdateSchedule", "scheduler:DeleteSchedule", "iam:PassRole"},
	"AWS::Events::Rule":        {"events:PutRule", "events:DescribeRule", "events:DeleteRule", "events:PutTargets", "events:RemoveTargets", "events:ListTargetsByRule", "events:ListTagsForResource", "events:TagResource", "events:UntagResource"},
	"AWS::S3::Bucket": {
		"s3:CreateBucket", "s3:ListBucket", "s3:TagResource", "s3:PutBucketTagging", "s3:PutBucketPublicAccessBlock", "s3:PutEncryptionConfiguration", "s3:PutBucketVersioning",
		"s3:GetBucketTagging", "s3:ListTagsForResource", "s3:GetBucketPublicAccessBlock", "s3:GetEncryptionConfiguration", "s3:GetBucketVersioning",
	},
	"AWS::S3::BucketPolicy": {"s3:GetBucketPolicy", "s3:PutBucketPolicy"},
}

// bySAM are the types of the stack aws-sam-cli-managed-default, which sam deploy makes for
// the code and does not remove.
//
// Source: AWS SAM CLI 1.164, samcli/lib/bootstrap/bootstrap.py, _get_stack_template.
var bySAM = []string{"AWS::S3::Bucket", "AWS::S3::BucketPolicy"}

// confined are actions that the deployer has under a condition alone: else whoever
// deploys gives the function's role, or passes to another service, what they like.
var confined = map[string]string{
	"iam:CreateRole": "iam:PermissionsBoundary", "iam:PutRolePolicy": "iam:PermissionsBoundary", "iam:DeleteRolePolicy": "iam:PermissionsBoundary",
	"iam:PutRolePermissionsBoundary": "iam:PermissionsBoundary", "iam:PassRole": "iam:PassedToService",
}

// never are those that lead out of the boundary.
var never = []string{"iam:UpdateAssumeRolePolicy", "iam:DeleteRolePermissionsBoundary", "iam:AttachRolePolicy", "iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion"}

// What the deployer is allowed is enough for each resource of the template, and does
// not let it out of its boundary.
func TestDeployer(t *testing.T) {
	var deployer template.Policy
	if err := strictly(document.MarkedBlock(t, "deployer").Text, &deployer); err != nil {
		t.Fatal(err)
	}
	var allowed []string
	for _, s := range deployer.Statement {
		allowed = append(allowed, s.Action...)
		for _, action := range s.Action {
			if key := confined[action]; key != "" && len(s.Condition["StringEquals"][key]) != 1 {
				t.Errorf("the deployer may %s without a condition on %s", action, key)
			}
			if slices.Contains(never, action) || strings.HasPrefix(action, "iam:") && slices.Contains(s.Resource, "*") {
				t.Errorf("the deployer may %s on %v", action, s.Resource)
			}
		}
	}
	tpl := readTemplate(t)
	kinds := slices.Clone(bySAM)
	for _, resource := range tpl.Resources {
		kinds = append(kinds, fmt.Sprint(resource["Type"]))
	}
	for _, kind := range kinds {
		if needed[kind] == nil {
			t.Errorf("nobody knows what %s needs", kind)
		}
		for _, action := range needed[kind] {
			if !slices.Contains(allowed, action) {
				t.Errorf("the deployer may not %s, which %s needs", action, kind)
			}
		}
	}
}

func readTemplate(t *testing.T) *template.Template {
	t.Helper()
	tpl, err := template.Read("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

// The boundary that the deployer has to set is the one that is shown, and lets the roles
// do all that the template allows them, and no more.
func TestBoundary(t *testing.T) {
	var boundary, deployer template.Policy
	if err := strictly(document.MarkedBlock(t, "boundary").Text, &boundary); err != nil {
		t.Fatal(err)
	}
	if err := strictly(document.MarkedBlock(t, "deployer").Text, &deployer); err != nil {
		t.Fatal(err)
	}
	var within []string
	for _, s := range boundary.Statement {
		within = append(within, s.Action...)
		// The deployer may make roles that anybody assumes: what holds secrets is named.
		for _, action := range s.Action {
			service, _, _ := strings.Cut(action, ":")
			named := slices.Contains([]string{"secretsmanager", "kms", "sts", "logs", "lambda"}, service) &&
				action != "secretsmanager:GetRandomPassword" && action != "secretsmanager:ListSecrets" // which are of no secret
			if named == slices.Contains(s.Resource, "*") || named && slices.ContainsFunc(s.Resource, func(arn string) bool { return strings.HasSuffix(arn, ":secret:*") }) {
				t.Errorf("the boundary allows %s on %v", action, s.Resource)
			}
		}
	}
	slices.Sort(within)
	actions := map[string]bool{}
	for _, resource := range readTemplate(t).Resources {
		if resource["Type"] == "AWS::IAM::Role" {
			actionsIn(resource["Properties"].(map[string]any)["Policies"], actions)
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(actions)), within); diff != "" {
		t.Errorf("actions (-of the roles +of their boundary):\n%s", diff)
	}
	arn := "arn:aws:iam::123456789012:policy/tandem-boundary"
	for _, s := range deployer.Statement {
		for _, named := range s.Condition["StringEquals"]["iam:PermissionsBoundary"] {
			if named != arn {
				t.Errorf("the deployer is bound to %s", named)
			}
		}
	}
	// production.yaml shows the parameter that sets it.
	content, err := os.ReadFile("../../../.github/deploying/production.yaml")
	if err != nil || !strings.Contains(string(content), "# permissionsBoundaryArn: "+arn+"\n") {
		t.Errorf("production.yaml does not show %s, error %v", arn, err)
	}
}

// actionsIn gathers the actions that a template's statements allow, whatever condition they
// stand under.
func actionsIn(value any, into map[string]bool) {
	switch value := value.(type) {
	case map[string]any:
		if value["Effect"] == "Deny" {
			return
		}
		for key, inner := range value {
			if key != "Action" {
				actionsIn(inner, into)
				continue
			}
			list, several := inner.([]any)
			if !several {
				list = []any{inner}
			}
			for _, action := range list {
				into[fmt.Sprint(action)] = true
			}
		}
	case []any:
		for _, inner := range value {
			actionsIn(inner, into)
		}
	}
}

// GitHub's token is trusted in both forms of its subject, each for the environment of
// the job that deploys and for nothing else.
//
// Source: GitHub Docs, "OpenID Connect", "Immutable subject claims".
func TestTrust(t *testing.T) {
	var trust template.Policy
	block := document.MarkedBlock(t, "trust")
	if err := strictly(block.Text, &trust); err != nil || len(trust.Statement) != 1 {
		t.Fatalf("%+v, error %v", trust, err)
	}
	workflow, err := os.ReadFile("../../../.github/workflows/ci.yaml")
	if err != nil {
		t.Fatal(err)
	}
	environment := regexp.MustCompile(`(?m)^      environment: (production)$`).FindSubmatch(workflow)
	if environment == nil {
		t.Fatal("the job that deploys has no environment")
	}
	const token = "token.actions.githubusercontent.com:"
	condition := trust.Statement[0].Condition
	want := template.Texts{"repo:OWNER@OWNER_ID/REPOSITORY@REPOSITORY_ID:environment:" + string(environment[1]), "repo:OWNER/REPOSITORY:environment:" + string(environment[1])}
	if diff := cmp.Diff(map[string]map[string]template.Texts{"StringEquals": {token + "aud": {"sts.amazonaws.com"}, token + "sub": want}}, condition); diff != "" {
		t.Errorf("the condition (-want +got):\n%s", diff)
	}
	text := document.Get(t, block.Path).Text
	for _, said := range []string{"gh api repos/OWNER/REPOSITORY --jq '.owner.id, .id'", "GitHub Enterprise Server", "*Required reviewers*", "*Deployment branches and tags* only `main`"} {
		if !strings.Contains(text, said) {
			t.Errorf("%s does not say %q", block.Path, said)
		}
	}
}

// An event pattern matches what Secrets Manager sends, and names one secret.
//
// Source: AWS Secrets Manager User Guide, "Secret Label Updated event".
func TestEventPattern(t *testing.T) {
	for _, b := range document.Blocks(t, "json") {
		if b.Marker != "pattern" {
			continue
		}
		var pattern struct {
			Source     []string
			DetailType []string `json:"detail-type"`
			Resources  []string
			Detail     struct{ LabelUpdated []string }
		}
		if err := strictly(b.Text, &pattern); err != nil {
			t.Errorf("%s: %v", b, err)
		}
		if !slices.Equal(pattern.Source, []string{"aws.secretsmanager"}) || !slices.Equal(pattern.DetailType, []string{"Secret Label Updated"}) ||
			!slices.Equal(pattern.Detail.LabelUpdated, []string{"AWSCURRENT"}) || len(pattern.Resources) != 1 || !strings.Contains(pattern.Resources[0], ":secret:") {
			t.Errorf("%s: %+v", b, pattern)
		}
	}
}

// eventBridgeToTopic trusts EventBridge with the key of a topic, for which AWS supports no
// condition on the account: with one, no event reaches the topic.
//
// Source: Amazon SNS Developer Guide, "Managing Amazon SNS encryption keys and costs",
// "Enable compatibility between event sources from AWS services and encrypted topics".
func eventBridgeToTopic(s template.Statement) bool {
	return string(s.Principal) == `{"Service": "events.amazonaws.com"}` && slices.Equal(s.Action, []string{"kms:Decrypt", "kms:GenerateDataKey"}) && s.Condition == nil
}

// Who trusts a service's principal says for which account it may act, but for the one
// statement in which that keeps the service out.
func TestServicesActForTheAccount(t *testing.T) {
	services, excepted := 0, 0
	for _, b := range document.Blocks(t, "json") {
		var statements []template.Statement
		var p template.Policy
		var s template.Statement
		if strictly(b.Text, &p) == nil {
			statements = p.Statement
		} else if strictly(b.Text, &s) == nil {
			statements = []template.Statement{s}
		}
		for _, s := range statements {
			if !strings.Contains(string(s.Principal), `"Service"`) {
				continue
			}
			services++
			if eventBridgeToTopic(s) {
				excepted++
				continue
			}
			if strings.HasPrefix(strings.Join(s.Action, " "), "kms:") && strings.Contains(string(s.Principal), "events.amazonaws.com") {
				t.Errorf("%s: EventBridge does not reach a topic by this statement", b)
			}
			account := s.Condition["StringEquals"]["aws:SourceAccount"]
			log := s.Condition["ArnEquals"]["kms:EncryptionContext:aws:logs:arn"]
			if !slices.Equal(account, []string{"123456789012"}) && len(log) != 1 {
				t.Errorf("%s: %s may act for any account", b, s.Principal)
			}
		}
	}
	if services < 5 || excepted != 1 {
		t.Errorf("%d statements trust a service, %d of them without a condition on the account", services, excepted)
	}
}

// Who publishes the application, and who deploys it from the repository, is told what
// has to be allowed.
func TestPublishing(t *testing.T) {
	text := document.Get(t, ".github/deploying/deployer.md").Text
	_, publishing, _ := strings.Cut(text, "\n## Publishing\n")
	publishing, _, _ = strings.Cut(publishing, "\n## ")
	for _, said := range []string{"sam build\nsam package ", "sam publish ", "serverlessrepo.amazonaws.com", "`CAPABILITY_IAM`", "`CAPABILITY_RESOURCE_POLICY`", "`CAPABILITY_AUTO_EXPAND`"} {
		if !strings.Contains(publishing, said) {
			t.Errorf("publishing does not say %q", said)
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
