package template_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/emulator"
	"tandem/internal/repotest/template"
)

const (
	file      = "../../../template.yaml"
	secret    = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:App-AbCdEf"
	admin     = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:Admin-AbCdEf"
	key       = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
	adminKey  = "arn:aws:kms:eu-west-1:123456789012:key/66666666-7777-8888-9999-000000000000"
	topic     = "arn:aws:sns:eu-west-1:123456789012:alarms"
	role      = "arn:aws:iam::210987654321:role/rotation"
	anySecret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:*"
)

// everything gives every parameter but the second names.
var everything = map[string]string{
	"functionName": "f", "architecture": "x86_64", "memorySize": "512", "timeout": "120", "reservedConcurrency": "2", "logRetentionInDays": "7",
	"permissionsBoundaryArn": "arn:aws:iam::123456789012:policy/b", "invokingServicePrincipal": "secretsmanager.amazonaws.com", "endpoint": "https://sm.example",
	"superuserSecretArn": admin, "kmsKeyArn": key, "superuserSecretKmsKeyArn": adminKey, "rdsLookups": "true",
	"rotationRoleArn": role, "rotationRoleExternalId": "external", "vpcSubnetIds": "subnet-0a,subnet-0b", "vpcSecurityGroupIds": "sg-0a,sg-0b",
	"allowPlaintext": "true", "privilegeSync": "mirror", "pendingUserSessions": "refuse", "usernameLimit": "16", "passwordLength": "64", "excludeCharacters": "/@",
	"excludeNumbers": "true", "excludePunctuation": "true", "excludeUppercase": "true", "excludeLowercase": "false", "requireEachIncludedType": "false",
	"secretArn": secret, "scheduleExpression": "cron(0 3 * * ? *)", "duration": "2h", "rotateImmediately": "false",
	"alarmTopicArn": topic, "rotationEvents": "true", "dashboard": "true",
}

func read(t *testing.T) *template.Template {
	t.Helper()
	read, err := template.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func evaluate(t *testing.T, parameters map[string]string) *template.Stack {
	t.Helper()
	stack, err := read(t).Evaluate(parameters)
	if err != nil {
		t.Fatal(err)
	}
	return stack
}

// With nothing but its name the function is as small as it can be.
func TestLeastStack(t *testing.T) {
	stack := evaluate(t, map[string]string{"functionName": "f"})
	want := []string{"RotationFunction", "RotationLogGroup", "RotationPermission", "RotationRole"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(stack.Resources))); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
	got := flat(stack)
	maps.DeleteFunc(got, func(path, _ string) bool { return strings.Contains(path, "Description") })
	const statement = "RotationRole.Policies.0.PolicyDocument.Statement."
	if diff := cmp.Diff(map[string]string{
		"RotationFunction.FunctionName":                                "f",
		"RotationFunction.CodeUri":                                     ".",
		"RotationFunction.Handler":                                     "bootstrap",
		"RotationFunction.Runtime":                                     "provided.al2023",
		"RotationFunction.Architectures.0":                             "arm64",
		"RotationFunction.MemorySize":                                  "256",
		"RotationFunction.Timeout":                                     "60",
		"RotationFunction.Role":                                        "<RotationRole.Arn>",
		"RotationFunction.LoggingConfig.LogFormat":                     "JSON",
		"RotationFunction.LoggingConfig.LogGroup":                      "<RotationLogGroup>",
		"RotationFunction.Environment.Variables.PRIVILEGE_SYNC":        "merge",
		"RotationFunction.Environment.Variables.PENDING_USER_SESSIONS": "warn",

		"RotationLogGroup.LogGroupName":    "/aws/lambda/f",
		"RotationLogGroup.RetentionInDays": "90",

		"RotationPermission.FunctionName":  "<RotationFunction>",
		"RotationPermission.Action":        "lambda:InvokeFunction",
		"RotationPermission.Principal":     "secretsmanager.amazonaws.com",
		"RotationPermission.SourceAccount": template.AccountID,

		"RotationRole.AssumeRolePolicyDocument.Version":                       "2012-10-17",
		"RotationRole.AssumeRolePolicyDocument.Statement.0.Effect":            "Allow",
		"RotationRole.AssumeRolePolicyDocument.Statement.0.Action":            "sts:AssumeRole",
		"RotationRole.AssumeRolePolicyDocument.Statement.0.Principal.Service": "lambda.amazonaws.com",
		"RotationRole.Policies.0.PolicyName":                                  "rotation",
		"RotationRole.Policies.0.PolicyDocument.Version":                      "2012-10-17",

		statement + "Rotate.Effect":   "Allow",
		statement + "Rotate.Action.0": "secretsmanager:DescribeSecret",
		statement + "Rotate.Action.1": "secretsmanager:GetSecretValue",
		statement + "Rotate.Action.2": "secretsmanager:PutSecretValue",
		statement + "Rotate.Action.3": "secretsmanager:UpdateSecretVersionStage",
		statement + "Rotate.Resource": anySecret,
		statement + "Rotate.Condition.StringEquals.secretsmanager:resource/AllowRotationLambdaArn": "arn:aws:lambda:eu-west-1:123456789012:function:f",

		statement + "MakePassword.Effect":   "Allow",
		statement + "MakePassword.Action":   "secretsmanager:GetRandomPassword",
		statement + "MakePassword.Resource": "*",

		statement + "LookUpServers.Effect":     "Allow",
		statement + "LookUpServers.Action.0":   "rds:DescribeDBClusters",
		statement + "LookUpServers.Action.1":   "rds:DescribeDBInstances",
		statement + "LookUpServers.Resource.0": "arn:aws:rds:*:123456789012:cluster:*",
		statement + "LookUpServers.Resource.1": "arn:aws:rds:*:123456789012:db:*",

		statement + "WriteLog.Effect":   "Allow",
		statement + "WriteLog.Action.0": "logs:CreateLogStream",
		statement + "WriteLog.Action.1": "logs:PutLogEvents",
		statement + "WriteLog.Resource": "<RotationLogGroup.Arn>",
	}, got); diff != "" {
		t.Errorf("properties (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{
		"RotationLambdaARN": "<RotationFunction.Arn>", "RotationRoleARN": "<RotationRole.Arn>", "RotationRoleName": "<RotationRole>", "RotationLogGroup": "<RotationLogGroup>",
	}, stack.Outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

// What each parameter adds (+) to the least stack and takes (-) from it, whole.
func TestWhatParametersChange(t *testing.T) {
	const (
		variable  = "RotationFunction.Environment.Variables."
		statement = "RotationRole.Policies.0.PolicyDocument.Statement."
	)
	readAdmin := []string{
		"+" + variable + "SUPERUSER_SECRET_ARN=" + admin,
		"+" + statement + "ReadAdminSecret.Effect=Allow",
		"+" + statement + "ReadAdminSecret.Action.0=secretsmanager:DescribeSecret",
		"+" + statement + "ReadAdminSecret.Action.1=secretsmanager:GetSecretValue",
		"+" + statement + "ReadAdminSecret.Resource=" + admin,
	}
	useAdminKey := slices.Concat(readAdmin, []string{
		"+" + statement + "UseKeyOfAdminSecret.Effect=Allow",
		"+" + statement + "UseKeyOfAdminSecret.Action=kms:Decrypt",
		"+" + statement + "UseKeyOfAdminSecret.Resource=" + adminKey,
		"+" + statement + "UseKeyOfAdminSecret.Condition.StringEquals.kms:EncryptionContext:SecretARN=" + admin,
	})
	readSecret := []string{
		"+" + statement + "ReadSecret.Effect=Allow",
		"+" + statement + "ReadSecret.Action.0=secretsmanager:DescribeSecret",
		"+" + statement + "ReadSecret.Action.1=secretsmanager:GetSecretValue",
		"+" + statement + "ReadSecret.Resource=" + secret,
		"+RotationPermission.SourceArn=" + secret,
		"+RotationSchedule.SecretId=" + secret,
		"+RotationSchedule.RotationLambdaARN=<RotationFunction.Arn>",
	}
	schedule := func(immediately, expression string) []string {
		return slices.Concat(readSecret, []string{
			"+RotationSchedule.RotateImmediatelyOnUpdate=" + immediately,
			"+RotationSchedule.RotationRules.ScheduleExpression=" + expression,
		})
	}
	alarm := []string{
		"+ErrorAlarm.Namespace=AWS/Lambda", "+ErrorAlarm.MetricName=Errors", "+ErrorAlarm.Statistic=Sum",
		"+ErrorAlarm.Dimensions.0.Name=FunctionName", "+ErrorAlarm.Dimensions.0.Value=<RotationFunction>",
		"+ErrorAlarm.Period=300", "+ErrorAlarm.EvaluationPeriods=1", "+ErrorAlarm.Threshold=1",
		"+ErrorAlarm.ComparisonOperator=GreaterThanOrEqualToThreshold", "+ErrorAlarm.TreatMissingData=notBreaching", "+ErrorAlarm.AlarmActions.0=" + topic,
	}
	events := slices.Concat(alarm, []string{
		"+RotationEventsRule.EventPattern.source.0=aws.secretsmanager",
		"+RotationEventsRule.EventPattern.detail-type.0=AWS Service Event via CloudTrail",
		"+RotationEventsRule.EventPattern.detail.eventSource.0=secretsmanager.amazonaws.com",
		"+RotationEventsRule.EventPattern.detail.eventName.0=RotationFailed",
		"+RotationEventsRule.EventPattern.detail.eventName.1=RotationAbandoned",
		"+RotationEventsRule.EventPattern.detail.eventName.2=TestRotationFailed",
		"+RotationEventsRule.Targets.0.Id=topic",
		"+RotationEventsRule.Targets.0.Arn=" + topic,
	})
	seen, changed := map[string]bool{}, map[string]bool{"functionName": true}
	for _, test := range []struct {
		name       string
		parameters map[string]string
		want       []string
	}{
		{"architecture", map[string]string{"architecture": "x86_64"}, []string{"-RotationFunction.Architectures.0=arm64", "+RotationFunction.Architectures.0=x86_64"}},
		{"memory", map[string]string{"memorySize": "512"}, []string{"-RotationFunction.MemorySize=256", "+RotationFunction.MemorySize=512"}},
		{"timeout", map[string]string{"timeout": "120"}, []string{"-RotationFunction.Timeout=60", "+RotationFunction.Timeout=120"}},
		{"reserved concurrency", map[string]string{"reservedConcurrency": "2"}, []string{"+RotationFunction.ReservedConcurrentExecutions=2"}},
		{"retention", map[string]string{"logRetentionInDays": "7"}, []string{"-RotationLogGroup.RetentionInDays=90", "+RotationLogGroup.RetentionInDays=7"}},
		{"boundary", map[string]string{"permissionsBoundaryArn": "arn:aws:iam::aws:policy/b"}, []string{"+RotationRole.PermissionsBoundary=arn:aws:iam::aws:policy/b"}},
		{"principal", map[string]string{"invokingServicePrincipal": "x.example"}, []string{"-RotationPermission.Principal=secretsmanager.amazonaws.com", "+RotationPermission.Principal=x.example"}},
		{"endpoint", map[string]string{"endpoint": "https://sm.example"}, []string{"+" + variable + "SECRETS_MANAGER_ENDPOINT=https://sm.example"}},
		{"admin secret", map[string]string{"superuserSecretArn": admin}, readAdmin},
		{"admin secret by its other name", map[string]string{"masterSecretArn": admin}, readAdmin},
		{"key of the admin secret", map[string]string{"superuserSecretArn": admin, "superuserSecretKmsKeyArn": adminKey}, useAdminKey},
		{"key of the admin secret by its other name", map[string]string{"masterSecretArn": admin, "masterSecretKmsKeyArn": adminKey}, useAdminKey},
		{"key of any secret", map[string]string{"kmsKeyArn": key}, []string{
			"+" + statement + "UseKeyOfAnySecret.Effect=Allow",
			"+" + statement + "UseKeyOfAnySecret.Action.0=kms:Decrypt",
			"+" + statement + "UseKeyOfAnySecret.Action.1=kms:GenerateDataKey",
			"+" + statement + "UseKeyOfAnySecret.Resource=" + key,
			"+" + statement + "UseKeyOfAnySecret.Condition.StringLike.kms:EncryptionContext:SecretARN=" + anySecret,
		}},
		{"key of the secret", map[string]string{"kmsKeyArn": key, "secretArn": secret}, slices.Concat(schedule("true", "rate(30 days)"), []string{
			"+" + statement + "UseKeyOfSecret.Effect=Allow",
			"+" + statement + "UseKeyOfSecret.Action.0=kms:Decrypt",
			"+" + statement + "UseKeyOfSecret.Action.1=kms:GenerateDataKey",
			"+" + statement + "UseKeyOfSecret.Resource=" + key,
			"+" + statement + "UseKeyOfSecret.Condition.StringEquals.kms:EncryptionContext:SecretARN=" + secret,
		})},
		{"no look-ups", map[string]string{"rdsLookups": "false"}, []string{
			"-" + statement + "LookUpServers.Effect=Allow",
			"-" + statement + "LookUpServers.Action.0=rds:DescribeDBClusters",
			"-" + statement + "LookUpServers.Action.1=rds:DescribeDBInstances",
			"-" + statement + "LookUpServers.Resource.0=arn:aws:rds:*:123456789012:cluster:*",
			"-" + statement + "LookUpServers.Resource.1=arn:aws:rds:*:123456789012:db:*",
		}},
		{"role", map[string]string{"rotationRoleArn": role, "rotationRoleExternalId": "external"}, []string{
			"+" + variable + "ROTATION_ROLE_ARN=" + role, "+" + variable + "ROTATION_ROLE_EXTERNAL_ID=external",
			"+" + statement + "AssumeRotationRole.Effect=Allow",
			"+" + statement + "AssumeRotationRole.Action=sts:AssumeRole",
			"+" + statement + "AssumeRotationRole.Resource=" + role,
		}},
		{"VPC", map[string]string{"vpcSubnetIds": "subnet-0a,subnet-0b", "vpcSecurityGroupIds": "sg-0a"}, []string{
			"+RotationFunction.VpcConfig.SubnetIds.0=subnet-0a", "+RotationFunction.VpcConfig.SubnetIds.1=subnet-0b", "+RotationFunction.VpcConfig.SecurityGroupIds.0=sg-0a",
			"+" + statement + "AttachToVpc.Effect=Allow", "+" + statement + "AttachToVpc.Resource=*",
			"+" + statement + "AttachToVpc.Action.0=ec2:AssignPrivateIpAddresses", "+" + statement + "AttachToVpc.Action.1=ec2:CreateNetworkInterface",
			"+" + statement + "AttachToVpc.Action.2=ec2:DeleteNetworkInterface", "+" + statement + "AttachToVpc.Action.3=ec2:DescribeNetworkInterfaces",
			"+" + statement + "AttachToVpc.Action.4=ec2:DescribeSubnets", "+" + statement + "AttachToVpc.Action.5=ec2:UnassignPrivateIpAddresses",
		}},
		{"plain text", map[string]string{"allowPlaintext": "true"}, []string{"+" + variable + "ALLOW_PLAINTEXT=true"}},
		{"sync", map[string]string{"privilegeSync": "off"}, []string{"-" + variable + "PRIVILEGE_SYNC=merge", "+" + variable + "PRIVILEGE_SYNC=off"}},
		{"sessions", map[string]string{"pendingUserSessions": "refuse"}, []string{"-" + variable + "PENDING_USER_SESSIONS=warn", "+" + variable + "PENDING_USER_SESSIONS=refuse"}},
		{"user's name", map[string]string{"usernameLimit": "16"}, []string{"+" + variable + "USERNAME_CHARACTER_LIMIT=16"}},
		{"password", map[string]string{"passwordLength": "64", "excludeCharacters": "/@\"' ", "excludeNumbers": "true", "excludePunctuation": "false",
			"excludeUppercase": "true", "excludeLowercase": "false", "requireEachIncludedType": "false"}, []string{
			"+" + variable + "PASSWORD_LENGTH=64", "+" + variable + "EXCLUDE_CHARACTERS=/@\"' ", "+" + variable + "EXCLUDE_NUMBERS=true", "+" + variable + "EXCLUDE_PUNCTUATION=false",
			"+" + variable + "EXCLUDE_UPPERCASE=true", "+" + variable + "EXCLUDE_LOWERCASE=false", "+" + variable + "REQUIRE_EACH_INCLUDED_TYPE=false",
		}},
		{"secret", map[string]string{"secretArn": secret}, schedule("true", "rate(30 days)")},
		{"schedule", map[string]string{"secretArn": secret, "scheduleExpression": "cron(0 3 * * ? *)", "duration": "2h", "rotateImmediately": "false"},
			append(schedule("false", "cron(0 3 * * ? *)"), "+RotationSchedule.RotationRules.Duration=2h")},
		{"alarm", map[string]string{"alarmTopicArn": topic}, alarm},
		{"events", map[string]string{"alarmTopicArn": topic, "rotationEvents": "true"}, events},
		{"events of the secret", map[string]string{"alarmTopicArn": topic, "rotationEvents": "true", "secretArn": secret}, slices.Concat(events, schedule("true", "rate(30 days)"),
			[]string{"+RotationEventsRule.EventPattern.detail.additionalEventData.SecretId.0=" + secret})},
		{"dashboard", map[string]string{"dashboard": "true"}, []string{"+RotationDashboard.DashboardName=f-eu-west-1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			least := evaluate(t, map[string]string{"functionName": "f"})
			for parameter := range test.parameters {
				changed[parameter] = true
			}
			test.parameters["functionName"] = "f"
			stack := evaluate(t, test.parameters)
			for _, s := range []*template.Stack{least, stack} {
				for condition, holds := range s.Conditions {
					seen[condition+strconv.FormatBool(holds)] = true
				}
			}
			var got []string
			before, after := flat(least), flat(stack)
			for path, value := range before {
				if after[path] != value {
					got = append(got, "-"+path+"="+value)
				}
			}
			for path, value := range after {
				if before[path] != value && !strings.HasSuffix(path, "Description") && !strings.HasSuffix(path, "DashboardBody") {
					got = append(got, "+"+path+"="+value)
				}
			}
			slices.Sort(got)
			slices.Sort(test.want)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
	for parameter := range read(t).Parameters {
		if !changed[parameter] {
			t.Errorf("nobody looks at what %s changes", parameter)
		}
	}
	for condition := range read(t).Conditions {
		for _, side := range []string{"true", "false"} {
			if !seen[condition+side] {
				t.Errorf("%s was never %s", condition, side)
			}
		}
	}
}

// A partition changes every ARN, and no parameter keeps one out.
func TestPartitions(t *testing.T) {
	for partition, region := range map[string]string{"aws-us-gov": "us-gov-west-1", "aws-cn": "cn-north-1"} {
		parameters := map[string]string{"AWS::Partition": partition, "AWS::Region": region}
		for name, value := range everything {
			parameters[name] = strings.ReplaceAll(strings.ReplaceAll(value, "arn:aws:", "arn:"+partition+":"), "eu-west-1", region)
		}
		stack := evaluate(t, parameters)
		for path, value := range flat(stack) {
			if strings.Contains(value, "arn:aws:") || strings.Contains(value, "eu-west-1") || strings.Contains(value, "us-east-1") {
				t.Errorf("%s: %s is %s", partition, path, value)
			}
		}
	}
}

// statements are those of the role, by their Sid.
func statements(t *testing.T, stack *template.Stack) map[string]map[string]any {
	t.Helper()
	found := map[string]map[string]any{}
	policies, _ := stack.Resources["RotationRole"].Properties["Policies"].([]any)
	for _, policy := range policies {
		document, _ := policy.(map[string]any)["PolicyDocument"].(map[string]any)
		elements, _ := document["Statement"].([]any)
		for _, element := range elements {
			statement, _ := element.(map[string]any)
			sid := fmt.Sprint(statement["Sid"])
			if found[sid] != nil {
				t.Errorf("the Sid %s stands there twice", sid)
			}
			found[sid] = statement
		}
	}
	if len(found) == 0 {
		t.Fatal("the role has no statements")
	}
	return found
}

func list(value any) []string {
	switch value := value.(type) {
	case string:
		return []string{value}
	case []any:
		var texts []string
		for _, element := range value {
			texts = append(texts, fmt.Sprint(element))
		}
		return texts
	}
	return nil
}

// flat lists a stack's properties by their path. A statement's is its Sid.
func flat(stack *template.Stack) map[string]string {
	values := map[string]string{}
	for name, resource := range stack.Resources {
		flatten(name, resource.Properties, values)
	}
	return values
}

func flatten(path string, value any, into map[string]string) {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			if key != "Sid" {
				flatten(path+"."+key, inner, into)
			}
		}
	case []any:
		for i, inner := range value {
			at := strconv.Itoa(i)
			if named, ok := inner.(map[string]any); ok && named["Sid"] != nil {
				at = fmt.Sprint(named["Sid"])
			}
			flatten(path+"."+at, inner, into)
		}
	case string:
		into[path] = value
	default:
		text, _ := json.Marshal(value)
		into[path] = string(text)
	}
}

func decode(t *testing.T, event emulator.Event) any {
	t.Helper()
	text, err := event.EventBridge()
	if err != nil {
		t.Fatal(err)
	}
	var decoded any
	if err := json.Unmarshal(text, &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}
