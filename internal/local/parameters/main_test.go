package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	const secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:App-AbCdEf"
	for _, test := range []struct {
		text, want string // no want is that nothing is wrong
	}{
		{"", ""},
		{"# nothing\n", ""},
		{"functionName: f\nscheduleExpression: rate(7 days)\nsecretArn: " + secret, ""},
		{`excludeCharacters: ':/@"''\'`, ""},
		{"rotateImmediately: false\nvpcSubnetIds: [subnet-0a, subnet-0b]\nvpcSecurityGroupIds: sg-0a", ""},
		{`{"functionName": "f", "memorySize": 512}`, ""},
		{"architecture: x86_64", "it names the architecture: say ARCHITECTURE="},
		{`{"architecture": "x86_64"}`, "it names the architecture"},
		{"%YAML 1.1\n---\nfunctionName: f", "reading the parameters: line 1: SAM reads a file with a directive"},
		{"functionName: f\n---\nfunctionName: g", "second document"},
		{"secretArn: arn:aws:secretsmanager:eu-west-1:123456789012:secret:App", "six random characters"},
		{"functionNane: f", "parameter functionNane: the template has none of that name"},
		{"$include: other.yaml", "the template has none of that name"},
		{"secretArn: " + secret + "\nrotationEvents: true", "rotationEvents needs alarmTopicArn"},
		{`excludeCharacters: '\"'`, "SAM takes the backslash away"},
		{"memorySize: many", `"many" is not a number`},
		{"functionName=f", "each is a line of its own"},
		{"a: [", "reading the parameters"},
	} {
		file := filepath.Join(t.TempDir(), "file.yaml")
		if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := check("../../../template.yaml", file, "stack")
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: error %v, want %q", test.text, err, test.want)
		}
	}
	if err := check("../../../template.yaml", "none.yaml", "stack"); err == nil {
		t.Error("a file that is not there is accepted")
	}
	if err := check("../../../template.yaml", "../../../.github/deploying/production.yaml", "stack"); err != nil {
		t.Error(err)
	}
}
