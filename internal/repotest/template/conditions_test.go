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

	"tandem/internal/config"
	"tandem/internal/local/emulator"
	"tandem/internal/metric"
	"tandem/internal/repotest/template"
)

const (
	file     = "../../../template.yaml"
	secret   = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:App-AbCdEf"
	admin    = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:Admin-AbCdEf"
	key      = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
	adminKey = "arn:aws:kms:eu-west-1:123456789012:key/66666666-7777-8888-9999-000000000000"
	topic    = "arn:aws:sns:eu-west-1:123456789012:alarms"
	role     = "arn:aws:iam::210987654321:role/rotation"
	signing  = "arn:aws:lambda:eu-west-1:123456789012:code-signing-config:csc-0123456789abcdef0"

	layer = "arn:aws:lambda:eu-west-1:123456789012:layer:rds-ca-bundle:1"

	logKey         = "arn:aws:kms:eu-west-1:123456789012:key/22222222-3333-4444-5555-666666666666"
	environmentKey = "arn:aws:kms:eu-west-1:123456789012:key/33333333-4444-5555-6666-777777777777"

	anySecret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:*"
)

// everything gives every parameter but the second names, and those that exclude another:
// by which something that exists already stands in the place of what the template makes,
// the kinds of endpoints, and further accounts.
var everything = map[string]string{
	"functionName": "f", "runtime": "python3.12", "architecture": "x86_64", "memorySize": "512", "timeout": "120", "reservedConcurrency": "2", "logRetentionInDays": "7",
	"logGroupKmsKeyArn": logKey, "environmentKmsKeyArn": environmentKey, "codeSigningConfigArn": signing, "tracing": "Active",
	"permissionsBoundaryArn": "arn:aws:iam::123456789012:policy/b", "invokingServicePrincipal": "secretsmanager.amazonaws.com", "endpoint": "https://sm.example",
	"superuserSecretArn": admin, "kmsKeyArn": key, "superuserSecretKmsKeyArn": adminKey, "rdsLookups": "true",
	"rotationRoleArn": role, "rotationRoleExternalId": "external", "rotationRoleForRds": "false", "vpcSubnetIds": "subnet-0a,subnet-0b", "vpcSecurityGroupIds": "sg-0a,sg-0b", "ipv6AllowedForDualStack": "true",
	"allowPlaintext": "true", "rdsCaBundleLayerArn": layer, "privilegeSync": "mirror", "connectionStrings": "keep", "rotationStrategy": "single-user", "repairWithAdmin": "app, reports", "usernameLimit": "16", "passwordLength": "64", "excludeCharacters": "/@",
	"excludeNumbers": "true", "excludePunctuation": "true", "excludeUppercase": "true", "excludeLowercase": "false", "requireEachIncludedType": "false",
	"secretArn": secret, "scheduleExpression": "cron(0 3 * * ? *)", "duration": "2h", "rotateImmediately": "false",
	"checkSchedule": "rate(1 day)", "alarmTopicArn": topic, "daysWithoutRotation": "3", "rotationEvents": "true", "dashboard": "true",
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
		"RotationFunction.Tracing":                                     "PassThrough",
		"RotationFunction.LoggingConfig.LogFormat":                     "JSON",
		"RotationFunction.LoggingConfig.LogGroup":                      "<RotationLogGroup>",
		"RotationFunction.Environment.Variables.PRIVILEGE_SYNC":        "merge",
		"RotationFunction.Environment.Variables.ROTATION_STRATEGY":     "alternating-users",
		"RotationFunction.Environment.Variables.CONNECTION_STRINGS":    "renew",
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
	var alarm []string
	for name, watched := range map[string]string{"ErrorAlarm": "Errors", "ThrottleAlarm": "Throttles"} {
		for _, property := range []string{
			"Namespace=AWS/Lambda", "MetricName=" + watched, "Statistic=Sum", "Dimensions.0.Name=FunctionName", "Dimensions.0.Value=<RotationFunction>",
			"Period=300", "EvaluationPeriods=1", "Threshold=1", "ComparisonOperator=GreaterThanOrEqualToThreshold", "TreatMissingData=notBreaching", "AlarmActions.0=" + topic,
		} {
			alarm = append(alarm, "+"+name+"."+property)
		}
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
	checkSchedule := func(input string) []string {
		return []string{
			"+CheckSchedule.GroupName=<CheckScheduleGroup>",
			"+CheckSchedule.ScheduleExpression=rate(1 day)",
			"+CheckSchedule.FlexibleTimeWindow.Mode=OFF",
			"+CheckSchedule.Target.Arn=<RotationFunction.Arn>",
			"+CheckSchedule.Target.RoleArn=<CheckRole.Arn>",
			"+CheckSchedule.Target.Input=" + input,
			"+CheckSchedule.Target.RetryPolicy.MaximumEventAgeInSeconds=3600",
			"+CheckSchedule.Target.RetryPolicy.MaximumRetryAttempts=5",
			"+CheckRole.AssumeRolePolicyDocument.Version=2012-10-17",
			"+CheckRole.AssumeRolePolicyDocument.Statement.0.Effect=Allow",
			"+CheckRole.AssumeRolePolicyDocument.Statement.0.Principal.Service=scheduler.amazonaws.com",
			"+CheckRole.AssumeRolePolicyDocument.Statement.0.Action=sts:AssumeRole",
			"+CheckRole.AssumeRolePolicyDocument.Statement.0.Condition.StringEquals.aws:SourceAccount=" + template.AccountID,
			"+CheckRole.AssumeRolePolicyDocument.Statement.0.Condition.StringEquals.aws:SourceArn=<CheckScheduleGroup.Arn>",
			"+CheckRole.Policies.0.PolicyName=invoke",
			"+CheckRole.Policies.0.PolicyDocument.Version=2012-10-17",
			"+CheckRole.Policies.0.PolicyDocument.Statement.0.Effect=Allow",
			"+CheckRole.Policies.0.PolicyDocument.Statement.0.Action=lambda:InvokeFunction",
			"+CheckRole.Policies.0.PolicyDocument.Statement.0.Resource=<RotationFunction.Arn>",
		}
	}
	checkEvery := slices.Concat(checkSchedule(`{"Step": "check", "Scheduled": true}`), []string{
		"+" + statement + "FindSecrets.Effect=Allow", "+" + statement + "FindSecrets.Action=secretsmanager:ListSecrets", "+" + statement + "FindSecrets.Resource=*",
	})
	checkAlarms := []string{
		"+CheckAlarm.Metrics.0.Id=found", "+CheckAlarm.Metrics.0.Label=What the check found", "+CheckAlarm.Metrics.0.Expression=failed + attention", "+CheckAlarm.Metrics.0.ReturnData=true",
		"+CheckAlarm.EvaluationPeriods=1", "+CheckAlarm.Threshold=1", "+CheckAlarm.ComparisonOperator=GreaterThanOrEqualToThreshold",
		"+CheckAlarm.TreatMissingData=ignore", "+CheckAlarm.AlarmActions.0=" + topic,
		"+CheckMissedAlarm.Metrics.0.Id=missed", "+CheckMissedAlarm.Metrics.0.Label=Checks that were not made", "+CheckMissedAlarm.Metrics.0.Expression=SUM([notInvoked, dropped])", "+CheckMissedAlarm.Metrics.0.ReturnData=true",
		"+CheckMissedAlarm.Metrics.1.Id=notInvoked", "+CheckMissedAlarm.Metrics.1.MetricStat.Metric.Namespace=AWS/Scheduler", "+CheckMissedAlarm.Metrics.1.MetricStat.Metric.MetricName=InvocationDroppedCount",
		"+CheckMissedAlarm.Metrics.1.MetricStat.Metric.Dimensions.0.Name=ScheduleGroup", "+CheckMissedAlarm.Metrics.1.MetricStat.Metric.Dimensions.0.Value=<CheckScheduleGroup>",
		"+CheckMissedAlarm.Metrics.2.Id=dropped", "+CheckMissedAlarm.Metrics.2.MetricStat.Metric.Namespace=AWS/Lambda", "+CheckMissedAlarm.Metrics.2.MetricStat.Metric.MetricName=AsyncEventsDropped",
		"+CheckMissedAlarm.Metrics.2.MetricStat.Metric.Dimensions.0.Name=FunctionName", "+CheckMissedAlarm.Metrics.2.MetricStat.Metric.Dimensions.0.Value=<RotationFunction>",
		"+CheckMissedAlarm.EvaluationPeriods=1", "+CheckMissedAlarm.Threshold=1",
		"+CheckMissedAlarm.ComparisonOperator=GreaterThanOrEqualToThreshold", "+CheckMissedAlarm.TreatMissingData=notBreaching", "+CheckMissedAlarm.AlarmActions.0=" + topic,
	}
	for n := range 2 {
		at := fmt.Sprintf("+CheckMissedAlarm.Metrics.%d.", n+1)
		checkAlarms = append(checkAlarms, at+"ReturnData=false", at+"MetricStat.Period=300", at+"MetricStat.Stat=Sum")
	}
	for n, name := range []string{metric.ChecksFailed, metric.ChecksAttention} {
		at := fmt.Sprintf("+CheckAlarm.Metrics.%d.", n+1)
		checkAlarms = append(checkAlarms, at+"Id="+[]string{"failed", "attention"}[n], at+"ReturnData=false", at+"MetricStat.Period=300", at+"MetricStat.Stat=Sum",
			at+"MetricStat.Metric.Namespace="+metric.Namespace, at+"MetricStat.Metric.MetricName="+name,
			at+"MetricStat.Metric.Dimensions.0.Name="+metric.Dimension, at+"MetricStat.Metric.Dimensions.0.Value=<RotationFunction>")
	}
	vpc := []string{
		"+RotationFunction.VpcConfig.SubnetIds.0=subnet-0a", "+RotationFunction.VpcConfig.SubnetIds.1=subnet-0b", "+RotationFunction.VpcConfig.SecurityGroupIds.0=sg-0a",
		"+" + statement + "AttachToVpc.Effect=Allow", "+" + statement + "AttachToVpc.Resource=*",
		"+" + statement + "AttachToVpc.Action.0=ec2:AssignPrivateIpAddresses", "+" + statement + "AttachToVpc.Action.1=ec2:CreateNetworkInterface",
		"+" + statement + "AttachToVpc.Action.2=ec2:DeleteNetworkInterface", "+" + statement + "AttachToVpc.Action.3=ec2:DescribeNetworkInterfaces",
		"+" + statement + "AttachToVpc.Action.4=ec2:DescribeSubnets", "+" + statement + "AttachToVpc.Action.5=ec2:UnassignPrivateIpAddresses",
		"+" + statement + "KeepCodeFromVpc.Effect=Deny", "+" + statement + "KeepCodeFromVpc.Action=ec2:*", "+" + statement + "KeepCodeFromVpc.Resource=*",
		"+" + statement + "KeepCodeFromVpc.Condition.ArnEquals.lambda:SourceFunctionArn=arn:aws:lambda:eu-west-1:123456789012:function:f",
	}
	accounts := func(ids ...string) []string {
		const (
			name = statement + "AssumeRotationRoleOfSourceAccounts"
			own  = statement + "AssumeRotationRoleOfThisAccount"
		)
		lines := []string{
			"+" + variable + "ROTATION_ROLE_ARN=arn:aws:iam::{account}:role/rotation",
			"+" + own + ".Effect=Allow",
			"+" + own + ".Action=sts:AssumeRole",
			"+" + own + ".Resource=arn:aws:iam::*:role/rotation",
			"+" + own + ".Condition.StringEquals.aws:ResourceAccount=" + template.AccountID,
		}
		if len(ids) > 0 {
			lines = append(lines, "+"+name+".Effect=Allow", "+"+name+".Action=sts:AssumeRole", "+"+name+".Resource=arn:aws:iam::*:role/rotation")
		}
		for i, id := range ids {
			permission := "+RotationPermissionOfAccount" + strconv.Itoa(i+1)
			lines = append(lines, "+"+name+".Condition.StringEquals.aws:ResourceAccount."+strconv.Itoa(i)+"="+id,
				permission+".FunctionName=<RotationFunction>", permission+".Action=lambda:InvokeFunction", permission+".Principal=secretsmanager.amazonaws.com", permission+".SourceAccount="+id)
		}
		return lines
	}
	removed := func(prefix string) (lines []string) {
		for path, value := range flat(evaluate(t, map[string]string{"functionName": "f"})) {
			if strings.HasPrefix(path, prefix) {
				lines = append(lines, "-"+path+"="+value)
			}
		}
		if lines == nil {
			t.Fatalf("the least stack has no %s", prefix)
		}
		return lines
	}
	seen, changed := map[string]bool{}, map[string]bool{"functionName": true}
	for _, test := range []struct {
		name       string
		parameters map[string]string
		want       []string
	}{
		{"runtime", map[string]string{"runtime": "python3.12"}, nil},
		{"architecture", map[string]string{"architecture": "x86_64"}, []string{"-RotationFunction.Architectures.0=arm64", "+RotationFunction.Architectures.0=x86_64"}},
		{"memory", map[string]string{"memorySize": "512"}, []string{"-RotationFunction.MemorySize=256", "+RotationFunction.MemorySize=512"}},
		{"timeout", map[string]string{"timeout": "120"}, []string{"-RotationFunction.Timeout=60", "+RotationFunction.Timeout=120"}},
		{"reserved concurrency", map[string]string{"reservedConcurrency": "2"}, []string{"+RotationFunction.ReservedConcurrentExecutions=2"}},
		{"retention", map[string]string{"logRetentionInDays": "7"}, []string{"-RotationLogGroup.RetentionInDays=90", "+RotationLogGroup.RetentionInDays=7"}},
		{"log group that exists", map[string]string{"logGroupName": "/aws/lambda/former"}, slices.Concat(removed("RotationLogGroup."), removed(statement+"WriteLog."), []string{
			"-RotationFunction.LoggingConfig.LogGroup=<RotationLogGroup>", "+RotationFunction.LoggingConfig.LogGroup=/aws/lambda/former",
			"+" + statement + "WriteLogOfLogGroupName.Effect=Allow",
			"+" + statement + "WriteLogOfLogGroupName.Action.0=logs:CreateLogStream",
			"+" + statement + "WriteLogOfLogGroupName.Action.1=logs:PutLogEvents",
			"+" + statement + "WriteLogOfLogGroupName.Resource=arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/former:*",
		})},
		{"key of the log group", map[string]string{"logGroupKmsKeyArn": logKey}, []string{"+RotationLogGroup.KmsKeyId=" + logKey}},
		{"key of the environment", map[string]string{"environmentKmsKeyArn": environmentKey}, []string{"+RotationFunction.KmsKeyArn=" + environmentKey}},
		{"code signing", map[string]string{"codeSigningConfigArn": signing}, []string{"+RotationFunction.CodeSigningConfigArn=" + signing}},
		{"tracing", map[string]string{"tracing": "Active"}, []string{
			"-RotationFunction.Tracing=PassThrough", "+RotationFunction.Tracing=Active",
			"+" + statement + "Trace.Effect=Allow", "+" + statement + "Trace.Resource=*",
			"+" + statement + "Trace.Action.0=xray:PutTelemetryRecords", "+" + statement + "Trace.Action.1=xray:PutTraceSegments",
		}},
		{"role that exists", map[string]string{"roleArn": "arn:aws:iam::123456789012:role/path/own"}, slices.Concat(removed("RotationRole."), []string{
			"-RotationFunction.Role=<RotationRole.Arn>", "+RotationFunction.Role=arn:aws:iam::123456789012:role/path/own",
		})},
		{"boundary", map[string]string{"permissionsBoundaryArn": "arn:aws:iam::aws:policy/b"}, []string{"+RotationRole.PermissionsBoundary=arn:aws:iam::aws:policy/b"}},
		{"principal", map[string]string{"invokingServicePrincipal": "x.example"}, []string{"-RotationPermission.Principal=secretsmanager.amazonaws.com", "+RotationPermission.Principal=x.example"}},
		{"endpoint", map[string]string{"endpoint": "https://sm.example"}, []string{"+" + variable + "SECRETS_MANAGER_ENDPOINT=https://sm.example"}},
		{"FIPS", map[string]string{"useFipsEndpoint": "true"}, []string{"+" + variable + "AWS_USE_FIPS_ENDPOINT=true"}},
		{"dual stack", map[string]string{"useDualstackEndpoint": "true"}, []string{"+" + variable + "AWS_USE_DUALSTACK_ENDPOINT=true"}},
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
		{"role for RDS", map[string]string{"rotationRoleArn": role, "rotationRoleForRds": "true"}, slices.Concat(removed(statement+"LookUpServers."), []string{
			"+" + variable + "ROTATION_ROLE_ARN=" + role, "+" + variable + "ROTATION_ROLE_FOR_RDS=true",
			"+" + statement + "AssumeRotationRole.Effect=Allow",
			"+" + statement + "AssumeRotationRole.Action=sts:AssumeRole",
			"+" + statement + "AssumeRotationRole.Resource=" + role,
		})},
		{"role of each account", map[string]string{"rotationRoleArn": "arn:aws:iam::{account}:role/rotation"}, accounts()},
		{"one role for a further account", map[string]string{"rotationRoleArn": role, "sourceAccountIds": "111111111111"}, []string{
			"+" + variable + "ROTATION_ROLE_ARN=" + role,
			"+" + statement + "AssumeRotationRole.Effect=Allow",
			"+" + statement + "AssumeRotationRole.Action=sts:AssumeRole",
			"+" + statement + "AssumeRotationRole.Resource=" + role,
			"+RotationPermissionOfAccount1.FunctionName=<RotationFunction>", "+RotationPermissionOfAccount1.Action=lambda:InvokeFunction",
			"+RotationPermissionOfAccount1.Principal=secretsmanager.amazonaws.com", "+RotationPermissionOfAccount1.SourceAccount=111111111111",
		}},
		{"one further account", map[string]string{"rotationRoleArn": "arn:aws:iam::{account}:role/rotation", "sourceAccountIds": "111111111111"}, accounts("111111111111")},
		{"five further accounts", map[string]string{"rotationRoleArn": "arn:aws:iam::{account}:role/rotation", "sourceAccountIds": "111111111111, 222222222222,333333333333 ,444444444444,555555555555"},
			accounts("111111111111", "222222222222", "333333333333", "444444444444", "555555555555")},
		{"VPC", map[string]string{"vpcSubnetIds": "subnet-0a,subnet-0b", "vpcSecurityGroupIds": "sg-0a"}, append(slices.Clone(vpc), "+RotationFunction.VpcConfig.Ipv6AllowedForDualStack=false")},
		{"IPv6", map[string]string{"vpcSubnetIds": "subnet-0a,subnet-0b", "vpcSecurityGroupIds": "sg-0a", "ipv6AllowedForDualStack": "true"}, append(vpc, "+RotationFunction.VpcConfig.Ipv6AllowedForDualStack=true")},
		{"a single user", map[string]string{"rotationStrategy": "single-user"}, []string{"-" + variable + "ROTATION_STRATEGY=alternating-users", "+" + variable + "ROTATION_STRATEGY=single-user"}},
		{"repair", map[string]string{"rotationStrategy": "single-user", "repairWithAdmin": "true"}, []string{"-" + variable + "ROTATION_STRATEGY=alternating-users", "+" + variable + "ROTATION_STRATEGY=single-user", "+" + variable + "REPAIR_WITH_ADMIN=true"}},
		{"authorities of RDS", map[string]string{"rdsCaBundleLayerArn": layer}, []string{"+RotationFunction.Layers.0=" + layer, "+" + variable + "RDS_CA_BUNDLE=/opt/global-bundle.pem"}},
		{"plain text", map[string]string{"allowPlaintext": "true"}, []string{"+" + variable + "ALLOW_PLAINTEXT=true"}},
		{"sync", map[string]string{"privilegeSync": "off"}, []string{"-" + variable + "PRIVILEGE_SYNC=merge", "+" + variable + "PRIVILEGE_SYNC=off"}},
		{"connection strings", map[string]string{"connectionStrings": "keep"}, []string{"-" + variable + "CONNECTION_STRINGS=renew", "+" + variable + "CONNECTION_STRINGS=keep"}},
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
		{"checks of every secret", map[string]string{"checkSchedule": "rate(1 day)"}, checkEvery},
		{"checks of the secret", map[string]string{"checkSchedule": "rate(1 day)", "secretArn": secret},
			slices.Concat(checkSchedule(`{"Step": "check", "SecretId": "`+secret+`", "Scheduled": true}`), schedule("true", "rate(30 days)"))},
		{"checks with a boundary", map[string]string{"checkSchedule": "rate(1 day)", "permissionsBoundaryArn": "arn:aws:iam::aws:policy/b"},
			slices.Concat(checkEvery, []string{"+RotationRole.PermissionsBoundary=arn:aws:iam::aws:policy/b", "+CheckRole.PermissionsBoundary=arn:aws:iam::aws:policy/b"})},
		{"checks with an alarm", map[string]string{"checkSchedule": "rate(1 day)", "alarmTopicArn": topic}, slices.Concat(checkEvery, alarm, checkAlarms)},
		{"days without a rotation", map[string]string{"alarmTopicArn": topic, "daysWithoutRotation": "7"}, slices.Concat(alarm, []string{
			"+NoRotationAlarm.Metrics.0.Id=filled", "+NoRotationAlarm.Metrics.0.Label=Rotations, and none",
			"+NoRotationAlarm.Metrics.0.Expression=FILL(rotations, 0)", "+NoRotationAlarm.Metrics.0.ReturnData=true",
			"+NoRotationAlarm.Metrics.1.Id=rotations", "+NoRotationAlarm.Metrics.1.ReturnData=false",
			"+NoRotationAlarm.Metrics.1.MetricStat.Metric.Namespace=" + metric.Namespace, "+NoRotationAlarm.Metrics.1.MetricStat.Metric.MetricName=" + metric.Rotations,
			"+NoRotationAlarm.Metrics.1.MetricStat.Metric.Dimensions.0.Name=" + metric.Dimension, "+NoRotationAlarm.Metrics.1.MetricStat.Metric.Dimensions.0.Value=<RotationFunction>",
			"+NoRotationAlarm.Metrics.1.MetricStat.Period=86400", "+NoRotationAlarm.Metrics.1.MetricStat.Stat=Sum",
			"+NoRotationAlarm.EvaluationPeriods=7", "+NoRotationAlarm.Threshold=1",
			"+NoRotationAlarm.ComparisonOperator=LessThanThreshold", "+NoRotationAlarm.TreatMissingData=breaching", "+NoRotationAlarm.AlarmActions.0=" + topic,
		})},
		{"events of some secrets", map[string]string{"alarmTopicArn": topic, "rotationEvents": "true", "rotationEventsSecretArns": secret + ", " + admin}, slices.Concat(events, []string{
			"+RotationEventsRule.EventPattern.detail.additionalEventData.SecretId.0=" + secret, "+RotationEventsRule.EventPattern.detail.additionalEventData.SecretId.1=" + admin,
		})},
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

// What exists already is named by the outputs too.
func TestOutputsOfWhatExists(t *testing.T) {
	stack := evaluate(t, map[string]string{"functionName": "f", "logGroupName": "former", "roleArn": role})
	if diff := cmp.Diff(map[string]any{"RotationLambdaARN": "<RotationFunction.Arn>", "RotationRoleARN": role, "RotationLogGroup": "former"}, stack.Outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

// A change of the schedule rotates, so the property stays of the type that it had.
func TestRotateImmediatelyIsAText(t *testing.T) {
	for _, value := range []string{"true", "false"} {
		stack := evaluate(t, map[string]string{"functionName": "f", "secretArn": secret, "rotateImmediately": value})
		if got := stack.Resources["RotationSchedule"].Properties["RotateImmediatelyOnUpdate"]; got != value {
			t.Errorf("RotateImmediatelyOnUpdate is the %T %v, want the text %q", got, got, value)
		}
	}
}

// Each further account, and no other, may invoke the function.
func TestSourceAccounts(t *testing.T) {
	ids := []string{"111111111111", "222222222222", "333333333333", "444444444444", "555555555555"}
	for n := range len(ids) + 1 {
		stack := evaluate(t, map[string]string{"functionName": "f", "rotationRoleArn": role, "sourceAccountIds": strings.Join(ids[:n], ", ")})
		var got []string
		for _, resource := range stack.Resources {
			if resource.Type == "AWS::Lambda::Permission" {
				got = append(got, fmt.Sprint(resource.Properties["SourceAccount"]))
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(slices.Sorted(slices.Values(append([]string{template.AccountID}, ids[:n]...))), got); diff != "" {
			t.Errorf("%d accounts (-want +got):\n%s", n, diff)
		}
	}
}

// True and TRUE are what true is, to the template and to the function.
func TestSpellingsOfTruth(t *testing.T) {
	tpl := read(t)
	parameters := 0
	for name, p := range tpl.Parameters {
		if !slices.Contains(p.AllowedValues, "true") {
			continue
		}
		parameters++
		for _, plain := range []string{"true", "false"} {
			with := maps.Clone(everything)
			delete(with, "endpoint")
			with[name] = plain
			want := evaluate(t, with)
			for _, spelling := range []string{strings.ToUpper(plain[:1]) + plain[1:], strings.ToUpper(plain)} {
				with[name] = spelling
				got := evaluate(t, with)
				if diff := cmp.Diff(want.Conditions, got.Conditions); diff != "" {
					t.Errorf("%s=%s (-%s +%s):\n%s", name, spelling, plain, spelling, diff)
				}
				if diff := cmp.Diff(configuration(t, want), configuration(t, got)); diff != "" {
					t.Errorf("the function, %s=%s (-%s +%s):\n%s", name, spelling, plain, spelling, diff)
				}
				before, after := flat(want), flat(got)
				for path := range before {
					if before[path] != after[path] && !strings.HasPrefix(path, "RotationFunction.Environment.Variables.") {
						t.Errorf("%s=%s: %s is %s, and with %s %s", name, spelling, path, after[path], plain, before[path])
					}
				}
			}
		}
	}
	if parameters < 10 {
		t.Errorf("only %d parameters are true or false", parameters)
	}
}

// configuration is what the function reads of a stack's variables.
func configuration(t *testing.T, stack *template.Stack) config.Config {
	t.Helper()
	values := flat(stack)
	c, err := config.Load(func(name string) (string, bool) {
		value, set := values["RotationFunction.Environment.Variables."+name]
		return value, set
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// People put spaces behind commas, as in a list that they copy.
func TestSpacesInLists(t *testing.T) {
	with := maps.Clone(everything)
	delete(with, "secretArn")
	with["rotationEventsSecretArns"] = secret + "," + admin
	want := flat(evaluate(t, with))
	for _, name := range []string{"vpcSubnetIds", "vpcSecurityGroupIds", "rotationEventsSecretArns"} {
		with[name] = " " + strings.ReplaceAll(with[name], ",", " ,  ") + " "
	}
	if diff := cmp.Diff(want, flat(evaluate(t, with))); diff != "" {
		t.Errorf("with spaces (-without +with):\n%s", diff)
	}
}

// The log is what shows afterwards who was granted what: it stays when the stack goes,
// but for a stack that was never whole, which could not be made again.
func TestLogOutlivesTheStack(t *testing.T) {
	group := read(t).Resources["RotationLogGroup"]
	if group["DeletionPolicy"] != "RetainExceptOnCreate" || group["UpdateReplacePolicy"] != "Retain" {
		t.Errorf("DeletionPolicy is %v, UpdateReplacePolicy %v", group["DeletionPolicy"], group["UpdateReplacePolicy"])
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
