package template_test

import (
	"go/ast"
	"go/types"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/go/packages"
)

// onBehalf are the actions that no call in the code shows: what AWS does in the
// role's name when the function runs or calls.
var onBehalf = map[string]string{
	"kms:Decrypt":                    "Secrets Manager decrypts what it reads with a key of the account's own",
	"kms:GenerateDataKey":            "Secrets Manager encrypts what it stores with such a key",
	"logs:CreateLogStream":           "Lambda writes the log",
	"logs:PutLogEvents":              "Lambda writes the log",
	"xray:PutTelemetryRecords":       "Lambda sends traces",
	"xray:PutTraceSegments":          "Lambda sends traces",
	"ec2:AssignPrivateIpAddresses":   "Lambda attaches the function to a VPC",
	"ec2:CreateNetworkInterface":     "Lambda attaches the function to a VPC",
	"ec2:DeleteNetworkInterface":     "Lambda attaches the function to a VPC",
	"ec2:DescribeNetworkInterfaces":  "Lambda attaches the function to a VPC",
	"ec2:DescribeSubnets":            "Lambda attaches the function to a VPC",
	"ec2:UnassignPrivateIpAddresses": "Lambda attaches the function to a VPC",
}

// What the role may do is what the code does, and what AWS does on its behalf:
// no action is missing, and none is there for nothing.
func TestRoleAllowsWhatTheCodeDoes(t *testing.T) {
	want := slices.AppendSeq(operations(t), maps.Keys(onBehalf))
	slices.Sort(want)

	allowed := map[string]bool{}
	for _, parameters := range []map[string]string{everything, {"functionName": "f", "kmsKeyArn": key, "checkSchedule": "rate(1 day)"}} {
		for _, statement := range statements(t, evaluate(t, parameters)) {
			if statement["Sid"] == "KeepCodeFromVpc" { // see TestCodeIsKeptFromTheVPC
				continue
			}
			for _, action := range list(statement["Action"]) {
				allowed[action] = true
			}
			if statement["Effect"] != "Allow" {
				t.Errorf("%v does not allow", statement)
			}
		}
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(allowed))); diff != "" {
		t.Errorf("the role's actions (-done by the code or on its behalf, +in the template):\n%s", diff)
	}
}

// What Lambda needs of EC2 to attach the function it may do, in calls that name no source
// function, and the function's code may do none of it.
func TestCodeIsKeptFromTheVPC(t *testing.T) {
	const function = "arn:aws:lambda:eu-west-1:123456789012:function:f"
	all := statements(t, evaluate(t, map[string]string{"functionName": "f", "vpcSubnetIds": "subnet-0a", "vpcSecurityGroupIds": "sg-0a", "rotationRoleArn": role, "checkSchedule": "rate(1 day)"}))
	for action, reason := range onBehalf {
		if !strings.HasPrefix(action, "ec2:") {
			continue
		}
		for source, want := range map[string]bool{"": true, function: false} {
			if got := allows(t, all, action, source); got != want {
				t.Errorf("%s (%s), called by the source function %q: allowed %v", action, reason, source, got)
			}
		}
	}
	for _, action := range operations(t) { // those are the code's own
		if !allows(t, all, action, function) {
			t.Errorf("%s is denied to the code", action)
		}
	}
}

// allows reports whether some statement allows an action and none denies it, in a call
// whose key lambda:SourceFunctionArn is that; with none, it is absent. Of conditions it
// knows that key alone, and takes others to hold.
//
// Source: IAM User Guide, "Policy evaluation logic"; "IAM JSON policy elements: Condition
// operators": a key that is absent does not match.
func allows(t *testing.T, statements map[string]map[string]any, action, sourceFunction string) bool {
	t.Helper()
	allowed := false
	for _, statement := range statements {
		matches := slices.ContainsFunc(list(statement["Action"]), func(pattern string) bool {
			ok, err := path.Match(pattern, action)
			return err == nil && ok
		})
		conditions, _ := statement["Condition"].(map[string]any)
		for operator, keys := range conditions {
			value, about := keys.(map[string]any)["lambda:SourceFunctionArn"]
			if about && operator != "ArnEquals" {
				t.Fatalf("nobody knows what %s means", operator)
			}
			matches = matches && (!about || sourceFunction != "" && slices.Contains(list(value), sourceFunction))
		}
		switch {
		case matches && statement["Effect"] == "Deny":
			return false
		case matches:
			allowed = true
		}
	}
	return allowed
}

// sdk is where the SDK's services are.
const sdk = "github.com/aws/aws-sdk-go-v2/service/"

var (
	input     = regexp.MustCompile(`^([A-Z]\w+)Input$`)
	paginator = regexp.MustCompile(`^New([A-Z]\w+)Paginator$`)
)

// operations lists, as IAM's actions, the operations of AWS that the function's
// own packages call: through an SDK client, through an interface that they
// declare over one, by a paginator, or by the SDK's way to assume a role.
func operations(t *testing.T) []string {
	t.Helper()
	config := packages.Config{
		Context: t.Context(), Dir: "../../..", BuildFlags: []string{"-tags=lambda.norpc"},
		Mode: packages.NeedName | packages.NeedImports | packages.NeedDeps | packages.NeedModule,
	}
	function, err := packages.Load(&config, "./cmd/rotator")
	if err != nil {
		t.Fatal(err)
	}
	var own []string
	packages.Visit(function, nil, func(p *packages.Package) {
		if p.Module != nil && p.Module.Main {
			own = append(own, p.PkgPath)
		}
	})
	config.Mode = packages.NeedName | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo
	loaded, err := packages.Load(&config, own...)
	if err != nil {
		t.Fatal(err)
	}
	if packages.PrintErrors(loaded) > 0 {
		t.Fatal("the function does not compile")
	}
	found := map[string]bool{}
	for _, p := range loaded {
		for _, file := range p.Syntax {
			ast.Inspect(file, func(node ast.Node) bool {
				if called, ok := node.(*ast.CallExpr); ok {
					if action := action(p.TypesInfo, called); action != "" {
						found[action] = true
					}
				}
				return true
			})
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// action is the action that a call needs, and "" for a call of something else.
func action(info *types.Info, called *ast.CallExpr) string {
	var name *ast.Ident
	switch function := ast.Unparen(called.Fun).(type) {
	case *ast.Ident:
		name = function
	case *ast.SelectorExpr:
		name = function.Sel
	default:
		return ""
	}
	function, ok := info.Uses[name].(*types.Func)
	if !ok {
		return ""
	}
	if function.Pkg() != nil {
		if strings.HasSuffix(function.Pkg().Path(), "/credentials/stscreds") && function.Name() == "NewAssumeRoleProvider" {
			return "sts:AssumeRole"
		}
		if match := paginator.FindStringSubmatch(function.Name()); match != nil && strings.HasPrefix(function.Pkg().Path(), sdk) {
			return path.Base(function.Pkg().Path()) + ":" + match[1]
		}
	}
	// An operation takes a context and a pointer to its own input type.
	parameters := function.Signature().Params()
	if function.Signature().Recv() == nil || parameters.Len() < 2 {
		return ""
	}
	pointer, ok := parameters.At(1).Type().(*types.Pointer)
	if !ok {
		return ""
	}
	named, ok := pointer.Elem().(*types.Named)
	if !ok || named.Obj().Pkg() == nil || !strings.HasPrefix(named.Obj().Pkg().Path(), sdk) {
		return ""
	}
	if match := input.FindStringSubmatch(named.Obj().Name()); match != nil {
		return path.Base(named.Obj().Pkg().Path()) + ":" + match[1]
	}
	return ""
}
