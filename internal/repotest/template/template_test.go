package template_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/awssdk"
	"tandem/internal/config"
	"tandem/internal/local/emulator"
	"tandem/internal/repotest/document"
	"tandem/internal/repotest/template"
	"tandem/internal/version"
)

// Each parameter but functionName has a default that it allows itself, each has
// a description and a constraint, is used, and stands in one group.
func TestParameters(t *testing.T) {
	tpl := read(t)
	used := template.References(tpl.Document)
	grouped := map[string]int{}
	face, _ := tpl.Metadata["AWS::CloudFormation::Interface"].(map[string]any)
	groups, _ := face["ParameterGroups"].([]any)
	for _, group := range groups {
		group, _ := group.(map[string]any)
		if label, _ := group["Label"].(map[string]any); label["default"] == "" {
			t.Errorf("a group has no label")
		}
		for _, name := range list(group["Parameters"]) {
			grouped[name]++
			if _, there := tpl.Parameters[name]; !there {
				t.Errorf("%s is in a group, and is no parameter", name)
			}
		}
	}
	for name, p := range tpl.Parameters {
		if grouped[name] != 1 {
			t.Errorf("%s is in %d groups", name, grouped[name])
		}
		if !strings.HasSuffix(p.Description, ".") && !strings.HasSuffix(p.Description, ").") {
			t.Errorf("%s: the description is %q", name, p.Description)
		}
		if !p.Constrained() {
			t.Errorf("%s has no constraint", name)
		}
		if slices.Contains(used, name) == (name == "runtime") {
			t.Errorf("%s is used: %v", name, name == "runtime")
		}
		switch {
		case p.Default == nil && name != "functionName":
			t.Errorf("%s has no default", name)
		case p.Default != nil:
			if err := p.Check(*p.Default); err != nil {
				t.Errorf("the default: %v", err)
			}
		}
	}
}

func TestParametersRefuse(t *testing.T) {
	tpl := read(t)
	for name, values := range map[string][]string{
		"functionName":           {"", "a b", "f:live", strings.Repeat("f", 65)},
		"architecture":           {"", "arm", "amd64"},
		"memorySize":             {"", "127", "10241", "x"},
		"timeout":                {"9", "901"},
		"reservedConcurrency":    {"0", "-1", "x", "10000"},
		"logRetentionInDays":     {"2"},
		"permissionsBoundaryArn": {"policy", "arn:aws:iam::123456789012:role/r"},
		"endpoint":               {"ftp://x", "https://user@x"},
		"runtime":                {"python 3", "x\ny"},
		"logGroupName":           {"a b", "arn:aws:logs:eu-west-1:123456789012:log-group:g", "g*", strings.Repeat("g", 513)},
		"logGroupKmsKeyArn":      {"alias/x"},
		"environmentKmsKeyArn":   {"alias/x"},
		"codeSigningConfigArn":   {"csc-0123456789abcdef0", "arn:aws:lambda:eu-west-1:123456789012:function:f"},
		"tracing":                {"", "active", "Off"},
		"roleArn":                {"rotation", "arn:aws:iam::123456789012:user/u"},
		"superuserSecretArn":     {"Admin", "arn:aws:secretsmanager:eu-west-1:123456789012:Admin", secret + "\nx"},
		"masterSecretArn":        {"Admin"},
		"kmsKeyArn":              {"alias/x", "arn:aws:kms:eu-west-1:123456789012:alias/x"},
		"rotationRoleArn":        {"rotation", "arn:aws:iam::123456789012:user/u", "arn:aws:iam::{account}", "arn:aws:iam::*:role/r", "arn:aws:iam::123456789012:role/{account}"},
		"sourceAccountIds":       {"12345678901", "123456789012,", "123456789012 210987654321", "1,2", "111111111111,222222222222,333333333333,444444444444,555555555555,666666666666"},
		"rotationRoleExternalId": {"x", "a b"},
		"vpcSubnetIds":           {"subnet-0a subnet-0b", "subnet-0a,", "vpc-0a", " "},
		"vpcSecurityGroupIds":    {"sg-0a;sg-0b"},
		"repairWithAdmin":        {",", "app,", "app,,reports", " ", "'app'", "app, \"reports\""},
		"privilegeSync":          {"", "false", "copy"},
		"connectionStrings":      {"", "false", "update"},
		"pendingUserSessions":    {"", "wait", "Refuse"},
		"secretArn":              {"App"},
		"scheduleExpression":     {"", "30 days", "rate()"},
		"duration":               {"0h", "25h", "2"},
		"alarmTopicArn":          {"alarms"},
		"checkSchedule":          {"1 day", "rate()", "rate(1 day", "every(1 day)", "rate(1 day)\nx", "rate(1 day)\""},
		"daysWithoutRotation":    {"0", "8", "30", "1.5"},
		"rdsLookups":             {"", "yes", "tRUE"},
	} {
		for _, value := range values {
			if tpl.Parameters[name].Check(value) == nil {
				t.Errorf("%s=%q is allowed", name, value)
			}
		}
	}
}

// Secrets Manager takes an ARN without the six random characters at its end, and a
// policy that has one allows nothing: it is refused, and the sentence says what is
// missing.
func TestWholeARNsOfSecrets(t *testing.T) {
	tpl := read(t)
	parameters := 0
	for name, p := range tpl.Parameters {
		if !strings.Contains(name, "ecretArn") {
			continue
		}
		parameters++
		const start = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"
		for arn, whole := range map[string]bool{
			start + "App-AbCdEf": true, start + "prod/app_1+x=y.z@w-Ab12Ef": true, start + "a-b-c-AbCdEf": true, start + "rds!db-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9-AbCdEf": true, start + "rds!cluster-0a1b2c3d-AbCdEf": true, "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:App-AbCdEf": true,
			start + "App": false, start + "prod/app": false, start + "App-AbCd": false, start + "App-AbCdEfG": false, start + "App-??????": false, start + "App-*": false, start + "*": false, start + "-AbCdEf": false,
			start + "App-AbCdEf:password::": false,
		} {
			if err := p.Check(arn); (err == nil) != whole {
				t.Errorf("%s=%s: %v", name, arn, err)
			}
		}
		if p.ConstraintDescription == "" || !strings.Contains(p.ConstraintDescription, "six random characters") {
			t.Errorf("%s says %q of an ARN without its six random characters", name, p.ConstraintDescription)
		}
	}
	if parameters != 4 {
		t.Errorf("%d parameters are ARNs of secrets", parameters)
	}
}

// What the function reads as a number, and no other number, is what the
// template takes.
func TestNumbersAreTheFunctions(t *testing.T) {
	tpl := read(t)
	for parameter, variable := range map[string]string{"passwordLength": "PASSWORD_LENGTH", "usernameLimit": "USERNAME_CHARACTER_LIMIT"} {
		for n := range 300 {
			value := strconv.Itoa(n)
			_, err := config.Load(func(name string) (string, bool) { return map[string]string{variable: value}[name], name == variable })
			if taken := tpl.Parameters[parameter].Check(value) == nil; taken != (err == nil) {
				t.Errorf("%s=%d: the template takes it: %v; the function: %v", parameter, n, taken, err)
			}
		}
	}
}

// Every variable that the function reads is set by its own parameter, and by no
// other, and the template sets none that it does not read.
func TestVariablesAreTheFunctions(t *testing.T) {
	tpl := read(t)
	function := tpl.Resources["RotationFunction"]
	environment, _ := function["Properties"].(map[string]any)["Environment"].(map[string]any)
	variables, _ := environment["Variables"].(map[string]any)
	want, set := map[string][]string{}, map[string][]string{}
	for _, variable := range config.Variables() {
		want[variable.Name] = slices.Sorted(slices.Values(variable.Parameters))
	}
	for name, value := range variables {
		for _, reference := range template.References(value) {
			if _, parameter := tpl.Parameters[reference]; parameter {
				set[name] = append(set[name], reference)
			}
		}
		slices.Sort(set[name])
	}
	// These are the SDK's, and which the template decides by a condition.
	for name, parameter := range map[string]string{"AWS_USE_FIPS_ENDPOINT": "useFipsEndpoint", "AWS_USE_DUALSTACK_ENDPOINT": "useDualstackEndpoint"} {
		read := false
		_, _ = awssdk.Load(func(asked string) (string, bool) { // an error of other variables
			read = read || asked == name
			return "", false
		})
		if !read {
			t.Errorf("%s is not read", name)
		}
		if _, there := tpl.Parameters[parameter]; !there || variables[name] == nil {
			t.Errorf("the template does not set %s by %s", name, parameter)
		}
	}
	// The layer brings the file that this names.
	set["RDS_CA_BUNDLE"] = list("rdsCaBundleLayerArn")
	if diff := cmp.Diff(want, set); diff != "" {
		t.Errorf("variables and the parameters that set them (-of the function +of the template):\n%s", diff)
	}
	got := flat(evaluate(t, everything))
	if _, err := config.Load(func(name string) (string, bool) {
		value, set := got["RotationFunction.Environment.Variables."+name]
		return value, set
	}); err != nil {
		t.Errorf("the function does not read what the template sets: %v", err)
	}
}

func TestRules(t *testing.T) {
	for _, test := range []struct {
		rule   string
		broken map[string]string
		kept   []map[string]string
	}{
		{"OneAdminSecret", map[string]string{"superuserSecretArn": admin, "masterSecretArn": admin},
			[]map[string]string{{"superuserSecretArn": admin}, {"masterSecretArn": admin}}},
		{"OneAdminSecretKey", map[string]string{"superuserSecretArn": admin, "superuserSecretKmsKeyArn": adminKey, "masterSecretKmsKeyArn": adminKey},
			[]map[string]string{{"superuserSecretArn": admin, "masterSecretKmsKeyArn": adminKey}}},
		{"AdminSecretKeyNeedsAnAdminSecret", map[string]string{"masterSecretKmsKeyArn": adminKey}, []map[string]string{{"masterSecretArn": admin, "superuserSecretKmsKeyArn": adminKey}}},
		{"AdminSecretKeyNeedsAnAdminSecret", map[string]string{"superuserSecretKmsKeyArn": adminKey}, nil},
		{"RepairNeedsASingleUser", map[string]string{"repairWithAdmin": "TRUE"}, []map[string]string{{"repairWithAdmin": "true", "rotationStrategy": "single-user"}, {"repairWithAdmin": "false"}, {"repairWithAdmin": "FALSE"}}},
		{"RepairNeedsASingleUser", map[string]string{"repairWithAdmin": "app, reports"}, []map[string]string{{"repairWithAdmin": "app, reports", "rotationStrategy": "single-user"}}},
		{"RefusingNeedsTwoUsers", map[string]string{"pendingUserSessions": "refuse", "rotationStrategy": "single-user"}, []map[string]string{{"pendingUserSessions": "refuse"}, {"rotationStrategy": "single-user"}}},
		{"SubnetsAndSecurityGroups", map[string]string{"vpcSubnetIds": "subnet-0a"}, []map[string]string{{"vpcSubnetIds": "subnet-0a", "vpcSecurityGroupIds": "sg-0a"}}},
		{"SubnetsAndSecurityGroups", map[string]string{"vpcSecurityGroupIds": "sg-0a"}, nil},
		{"EventsNeedATopic", map[string]string{"rotationEvents": "True", "secretArn": secret}, []map[string]string{{"rotationEvents": "true", "alarmTopicArn": topic, "secretArn": secret}, {"rotationEvents": "False"}}},
		{"EventsNeedATopic", map[string]string{"rotationEvents": "TRUE", "alarmTopicArn": topic}, []map[string]string{{"rotationEvents": "true", "alarmTopicArn": topic, "rotationEventsSecretArns": secret}}},
		{"DaysNeedATopic", map[string]string{"daysWithoutRotation": "1"}, []map[string]string{{"daysWithoutRotation": "1", "alarmTopicArn": topic}}},
		{"EndpointOrItsKind", map[string]string{"endpoint": "https://sm.example", "useFipsEndpoint": "True"}, []map[string]string{{"endpoint": "https://sm.example", "useFipsEndpoint": "false"}, {"useFipsEndpoint": "true"}}},
		{"EndpointOrItsKind", map[string]string{"endpoint": "https://sm.example", "useDualstackEndpoint": "TRUE"}, []map[string]string{{"useDualstackEndpoint": "true", "useFipsEndpoint": "true"}}},
		{"Ipv6NeedsAVpc", map[string]string{"ipv6AllowedForDualStack": "true"}, []map[string]string{{"ipv6AllowedForDualStack": "false"}, {"ipv6AllowedForDualStack": "true", "vpcSubnetIds": "subnet-0a", "vpcSecurityGroupIds": "sg-0a"}}},
		{"RdsRoleNeedsARole", map[string]string{"rotationRoleForRds": "true"}, []map[string]string{{"rotationRoleForRds": "true", "rotationRoleArn": role}, {"rotationRoleForRds": "false"}, {"rotationRoleForRds": "FALSE"}}},
		{"RdsRoleNeedsARole", map[string]string{"rotationRoleForRds": "TRUE"}, nil},
		{"SecretOrSourceAccounts", map[string]string{"sourceAccountIds": "210987654321", "rotationRoleArn": role, "secretArn": secret}, []map[string]string{{"secretArn": secret, "rotationRoleArn": role}}},
		{"SecretsOfEventsNeedEvents", map[string]string{"rotationEventsSecretArns": secret, "rotationEvents": "False", "alarmTopicArn": topic}, []map[string]string{{"rotationEventsSecretArns": secret, "rotationEvents": "TRUE", "alarmTopicArn": topic}}},
		{"SourceAccountsNeedARole", map[string]string{"sourceAccountIds": "210987654321"}, []map[string]string{{"sourceAccountIds": "210987654321", "rotationRoleArn": role}}},
		{"RoleOrItsBoundary", map[string]string{"roleArn": role, "permissionsBoundaryArn": "arn:aws:iam::123456789012:policy/b"}, []map[string]string{{"roleArn": role}, {"roleArn": role, "permissionsBoundaryArn": "arn:aws:iam::123456789012:policy/b", "checkSchedule": "rate(1 day)"}}},
		{"LogGroupOrItsKey", map[string]string{"logGroupName": "former", "logGroupKmsKeyArn": logKey}, []map[string]string{{"logGroupName": "former"}}},
		{"ExternalIdNeedsARole", map[string]string{"rotationRoleExternalId": "external"}, []map[string]string{{"rotationRoleExternalId": "external", "rotationRoleArn": role}}},
	} {
		test.broken["functionName"] = "f"
		_, err := read(t).Evaluate(test.broken)
		if err == nil || !strings.Contains(err.Error(), "rule "+test.rule+": ") {
			t.Errorf("%v: %v, want %s", test.broken, err, test.rule)
		}
		for _, parameters := range test.kept {
			parameters["functionName"] = "f"
			if _, err := read(t).Evaluate(parameters); err != nil {
				t.Errorf("%v: %v", parameters, err)
			}
		}
	}
}

// No resource needs another that needs it.
func TestNoCircle(t *testing.T) {
	tpl := read(t)
	done := map[string]bool{}
	var visit func(name string, way []string)
	visit = func(name string, way []string) {
		if slices.Contains(way, name) {
			t.Fatalf("%s needs itself: %q", name, way)
		}
		if done[name] {
			return
		}
		needs := append(template.References(tpl.Resources[name]["Properties"]), list(tpl.Resources[name]["DependsOn"])...)
		for _, need := range needs {
			if _, resource := tpl.Resources[need]; resource {
				visit(need, append(way, name))
			}
		}
		done[name] = true
	}
	for name := range tpl.Resources {
		visit(name, nil)
	}
	if needs := list(tpl.Resources["RotationSchedule"]["DependsOn"]); !slices.Contains(needs, "RotationPermission") {
		t.Errorf("the schedule needs %q, and not the permission without which its first rotation is refused", needs)
	}
}

// A statement or a resource is conditional as a whole: none of the role's
// statements has a condition within.
func TestStatementsAreWhole(t *testing.T) {
	var statements []any
	role, _ := read(t).Resources["RotationRole"]["Properties"].(map[string]any)
	policies, _ := role["Policies"].([]any)
	for _, policy := range policies {
		document, _ := policy.(map[string]any)["PolicyDocument"].(map[string]any)
		elements, _ := document["Statement"].([]any)
		statements = append(statements, elements...)
	}
	conditional := 0
	for _, element := range statements {
		statement, _ := element.(map[string]any)
		if branches, ok := statement["Fn::If"].([]any); ok {
			conditional++
			statement, _ = branches[1].(map[string]any)
			if within := template.ConditionsIn(branches[2]); within != nil {
				t.Errorf("what stands in the place of %v depends on %q in its parts", statement["Sid"], within)
			}
		}
		if within := template.ConditionsIn(statement); within != nil {
			t.Errorf("%v depends on %q in its parts", statement["Sid"], within)
		}
	}
	if conditional < 5 {
		t.Errorf("only %d statements are conditional", conditional)
	}
	for policy, value := range map[string]any{"ManagedPolicyArns": role["ManagedPolicyArns"], "Policies of SAM": read(t).Resources["RotationFunction"]["Properties"].(map[string]any)["Policies"]} {
		if value != nil {
			t.Errorf("%s are %v", policy, value)
		}
	}
}

// The rule's pattern matches what Secrets Manager reports of rotations that
// fail, and nothing else.
func TestEventPattern(t *testing.T) {
	pattern := func(parameters map[string]string) any {
		return evaluate(t, parameters).Resources["RotationEventsRule"].Properties["EventPattern"]
	}
	two := pattern(map[string]string{"functionName": "f", "alarmTopicArn": topic, "rotationEvents": "true", "rotationEventsSecretArns": secret + "," + admin})
	one := pattern(everything)
	for _, test := range []struct {
		event, secret string
		two, one      bool
	}{
		{emulator.RotationFailed, secret, true, true},
		{emulator.RotationAbandoned, secret, true, true},
		{emulator.TestRotationFailed, secret, true, true},
		{emulator.RotationFailed, admin, true, false},
		{emulator.RotationFailed, "arn:aws:secretsmanager:eu-west-1:123456789012:secret:Other-AbCdEf", false, false},
		{emulator.RotationStarted, secret, false, false},
		{emulator.RotationSucceeded, secret, false, false},
		{emulator.TestRotationSucceeded, secret, false, false},
	} {
		event := decode(t, emulator.Event{Name: test.event, SecretARN: test.secret})
		if got := matches(two, event); got != test.two {
			t.Errorf("%s of %s: matched for two secrets: %v", test.event, test.secret, got)
		}
		if got := matches(one, event); got != test.one {
			t.Errorf("%s of %s: matched for one secret: %v", test.event, test.secret, got)
		}
	}
}

// matches matches an event as EventBridge does, as far as exact values go.
func matches(pattern, event any) bool {
	switch pattern := pattern.(type) {
	case map[string]any:
		fields, _ := event.(map[string]any)
		for key, inner := range pattern {
			if !matches(inner, fields[key]) {
				return false
			}
		}
		return true
	case []any:
		return slices.Contains(pattern, event)
	}
	return false
}

func TestPublished(t *testing.T) {
	application, _ := read(t).Metadata["AWS::ServerlessRepo::Application"].(map[string]any)
	if application["Name"] != "tandem-mysql-rotation" || application["SpdxLicenseId"] != "MIT" {
		t.Errorf("the application is %v", application)
	}
	for _, key := range []string{"LicenseUrl", "ReadmeUrl"} {
		if _, err := os.Stat("../../../" + application[key].(string)); err != nil {
			t.Error(err)
		}
	}
	if application["SemanticVersion"] != version.Number {
		t.Errorf("the version is %v in the template, and %s in the function", application["SemanticVersion"], version.Number)
	}
	changes := document.Get(t, ".github/CHANGELOG.md").Text
	if newest := regexp.MustCompile(`(?m)^## ([0-9]\S*)`).FindStringSubmatch(changes); newest == nil || newest[1] != version.Number {
		t.Errorf("the newest version of the changelog is %q, and the function's is %s", newest, version.Number)
	}
}

// What make package leaves for a StackSet has no transform, and comes to the same
// resources.
func TestWithoutSAM(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("SKIPPED: there is no make on this machine")
	}
	folder := t.TempDir()
	for _, name := range []string{"Makefile", "template.yaml"} {
		content, err := os.ReadFile("../../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	make := exec.CommandContext(t.Context(), "make", "bin/cloudformation.yaml")
	make.Dir = folder
	if out, err := make.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	plain, err := template.Read(filepath.Join(folder, "bin/cloudformation.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"Transform", "Globals"} {
		if plain.Document[key] != nil {
			t.Errorf("it has %s", key)
		}
	}
	if plain.Metadata["AWS::ServerlessRepo::Application"] != nil {
		t.Error("it is told to the Serverless Application Repository")
	}
	for _, parameters := range []map[string]string{{"functionName": "f"}, everything} {
		stack, err := plain.Evaluate(parameters)
		if err != nil {
			t.Fatal(err)
		}
		for name, resource := range stack.Resources {
			if strings.Contains(resource.Type, "Serverless") {
				t.Errorf("%s is of the type %s", name, resource.Type)
			}
		}
		want := flat(evaluate(t, parameters))
		delete(want, "RotationFunction.CodeUri")
		want["RotationFunction.Code"] = "function.zip"
		want["RotationFunction.TracingConfig.Mode"] = want["RotationFunction.Tracing"]
		delete(want, "RotationFunction.Tracing")
		if diff := cmp.Diff(want, flat(stack)); diff != "" {
			t.Errorf("resources (-of SAM's +of CloudFormation's):\n%s", diff)
		}
	}
}

// A template that uses what is not known here is refused, not half understood.
func TestRefused(t *testing.T) {
	for name, text := range map[string]string{
		"empty":                 "",
		"a list":                "[]",
		"a key twice":           "Resources: {A: {Type: x}, A: {Type: y}}",
		"unknown function":      "Resources: {A: {Type: x, Properties: {P: !Cidr [a, b, c]}}}",
		"unknown reference":     "Resources: {A: {Type: x, Properties: {P: !Ref B}}}",
		"unknown in a text":     "Resources: {A: {Type: x, Properties: {P: !Sub 'a${B}'}}}",
		"unknown attribute":     "Resources: {A: {Type: x, Properties: {P: !GetAtt B.Arn}}}",
		"unknown condition":     "Resources: {A: {Type: x, Condition: C}}",
		"unknown if":            "Resources: {A: {Type: x, Properties: {P: !If [C, a, b]}}}",
		"condition of itself":   "Conditions: {C: !Not [!Condition C]}",
		"no condition":          "Conditions: {C: yes}",
		"what is not there":     "Conditions: {C: !Equals [a, b]}\nResources: {A: {Type: x, Condition: C}, B: {Type: x, Properties: {P: !Ref A}}}",
		"unknown constraint":    "Parameters: {p: {Type: String, Default: a, MinLength: 1}}",
		"unknown type":          "Parameters: {p: {Type: CommaDelimitedList, Default: a}}",
		"no value":              "Parameters: {p: {Type: String}}",
		"a rule that says none": "Rules: {R: {Assertions: []}}",
	} {
		tpl, err := template.Parse([]byte(text))
		if err == nil {
			_, err = tpl.Evaluate(nil)
		}
		if err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, err := read(t).Evaluate(map[string]string{"functionName": "f", "functionname": "f"}); err == nil {
		t.Error("a parameter that the template does not have is accepted")
	}
}

// A release's templates name the package beside them, need no other file, and come to the
// same resources.
func TestOfARelease(t *testing.T) {
	makefile, err := os.ReadFile("../../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for name, text := range map[string]string{
		"Makefile": string(makefile), "template.yaml": string(content), "LICENSE": "", "go.mod": "module m\n",
		// In the place of go, which these templates have no need of.
		"go": "#!/bin/sh\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	make := exec.CommandContext(t.Context(), "make", "release", "GO="+filepath.Join(folder, "go"))
	make.Dir = folder
	out, err := make.CombinedOutput()
	if !strings.Contains(string(out), "SHA256SUMS: No such file") { // which nothing but go writes
		t.Fatalf("%v: %s", err, out)
	}
	for name, property := range map[string]string{"template.yaml": "CodeUri", "cloudformation.yaml": "Code"} {
		tpl, err := template.Read(filepath.Join(folder, "bin/release", name))
		if err != nil {
			t.Fatal(err)
		}
		if tpl.Metadata["AWS::ServerlessRepo::Application"] != nil {
			t.Errorf("%s needs the files of a publication", name)
		}
		stack, err := tpl.Evaluate(everything)
		if err != nil {
			t.Fatal(err)
		}
		got := flat(stack)
		if code := got["RotationFunction."+property]; code != "function-arm64.zip" {
			t.Errorf("%s: the code is %q", name, code)
		}
		for path, value := range flat(evaluate(t, everything)) {
			if !strings.HasPrefix(path, "RotationFunction.Code") && !strings.HasPrefix(path, "RotationFunction.Tracing") && got[path] != value {
				t.Errorf("%s: %s is %q, want %q", name, path, got[path], value)
			}
		}
	}
}
