package template_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/repotest/template"
)

// What people write into a file of parameters comes to the template as it is written.
func TestParametersOfFile(t *testing.T) {
	text := strings.Join([]string{
		`# architecture: x86_64`,
		`functionName: f # the function`,
		`scheduleExpression: rate(7 days)`,
		`excludeCharacters: ':/@"''\'`,
		`privilegeSync: off`,
		`rotateImmediately: false`,
		`rdsLookups: True`,
		`memorySize: 512`,
		`vpcSubnetIds: subnet-0a, subnet-0b`,
		`vpcSecurityGroupIds: [sg-0a, sg-0b]`,
		`duration:`,
		`rotationRoleExternalId: -x`,
		`endpoint: ""`,
		`logGroupName: "$(id)"`,
		`secretArn: ` + secret,
	}, "\n")
	got, err := template.ParametersOfFile([]byte(text))
	if diff := cmp.Diff(map[string]string{
		"functionName": "f", "scheduleExpression": "rate(7 days)", "excludeCharacters": `:/@"'\`, "privilegeSync": "off", "rotateImmediately": "False", "rdsLookups": "True",
		"memorySize": "512", "vpcSubnetIds": "subnet-0a, subnet-0b", "vpcSecurityGroupIds": "sg-0a,sg-0b", "duration": "", "rotationRoleExternalId": "-x", "endpoint": "",
		"logGroupName": "$(id)", "secretArn": secret,
	}, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	for name, text := range map[string]string{
		"no YAML": "a: [", "a list": "- a", "words": "functionName=f", "twice": "a: b\na: c", "a mapping": "a: {b: c}",
		"a mapping in a list": "a: [{b: c}]", "quotes around a list": `a: ["'b", "c'"]`,
		"a backslash that SAM takes away": `excludeCharacters: '\"x'`, "quotes that SAM takes away": `excludeCharacters: '"/"'`,
	} {
		if got, err := template.ParametersOfFile([]byte(text)); err == nil {
			t.Errorf("%s is read as %v", name, got)
		}
	}
}

// What SAM's parser reads in another way, or not at all, is refused with the line that it
// stands in, where it has one, and what to write instead.
func TestFileOfOneReading(t *testing.T) {
	const tag, directive, tab, second = "leave it out, and put a text in quotes", "leave it out", "write spaces", "SAM refuses a file with a second document"
	for text, want := range map[string]string{
		"%YAML 1.1\n---\nrdsLookups: yes":            "line 1: SAM reads a file with a directive, such as %YAML, in another way: " + directive,
		"# a comment\n%TAG ! tag:x,2026:\n---\na: b": "line 2: SAM reads a file with a directive",
		"a: !!bool \"yes\"":                          tag,
		"a: !!str 012":                               tag,
		"a: !!null x":                                tag,
		"a: ! 012":                                   "put it in quotes",
		"a: !Ref x":                                  tag,
		"a: [!!str 1]":                               tag,
		"a: !!seq [b]":                               tag,
		"!!str a: b":                                 tag,
		"!!map {a: b}":                               tag,
		"a: b\nc:\td":                                "line 2: SAM refuses a tab, or reads it in another way: " + tab,
		"a: [\n\tb]":                                 "line 2: SAM refuses a tab",
		"a: b\n---\na: c":                            second,
		"a: b\n---\n":                                second,
		"---\n---\na: b":                             second,
		"a: b\n...\n---\na: c":                       second,
		"a: b\n---\na: [":                            "did not find",
	} {
		got, err := template.ParametersOfFile([]byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), "reading the parameters: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is read as %v, error %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"---\na: 50% of !!bool --- x\n", "a: '50% of !!bool --- x'\n...\n", "{a: '50% of !!bool --- x'}", "# %YAML, !!str\r\na: '50% of !!bool --- x'\r\n"} {
		if got, err := template.ParametersOfFile([]byte(text)); err != nil || !cmp.Equal(got, map[string]string{"a": "50% of !!bool --- x"}) {
			t.Errorf("%q is read as %v, error %v", text, got, err)
		}
	}
}

// A number that Python writes in another way than it stands there is refused, unless it
// stands in quotes.
func TestNumbersOfFile(t *testing.T) {
	for _, number := range []string{"012345678901", "1e3", "0x1F", "0o17", "0b1", "1_000", "1.50", "+1", "-0", ".5", ".inf", ".NaN", "2026-01-01T00:00:00Z"} {
		for _, text := range []string{"a: " + number, "a: [subnet-0a, " + number + "]", "a:\n- " + number} {
			if got, err := template.ParametersOfFile([]byte(text)); err == nil || !strings.Contains(err.Error(), "put it in quotes") {
				t.Errorf("%q is read as %v, error %v", text, got, err)
			}
		}
		for _, text := range []string{"a: '" + number + "'", `a: ["` + number + `"]`, "a: |-\n  " + number} {
			if got, err := template.ParametersOfFile([]byte(text)); err != nil || got["a"] != number {
				t.Errorf("%q is read as %v, error %v", text, got, err)
			}
		}
	}
	got, err := template.ParametersOfFile([]byte("a: 0\nb: 123456789012\nc: [true, 10, null, '', x ]\n"))
	if diff := cmp.Diff(map[string]string{"a": "0", "b": "123456789012", "c": "True,10,x"}, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

// The file that the workflow deploys with is one that the template takes.
func TestProduction(t *testing.T) {
	content, err := os.ReadFile("../../../.github/deploying/production.yaml")
	if err != nil {
		t.Fatal(err)
	}
	parameters, err := template.ParametersOfFile(content)
	if err != nil {
		t.Fatal(err)
	}
	// The stack's, which make deploy names.
	parameters["functionName"] = "f"
	evaluate(t, parameters)
	// What is written as a comment is to be taken in by removing the #.
	var commented []string
	for line := range strings.Lines(string(content)) {
		if name, _, found := strings.Cut(strings.TrimPrefix(line, "# "), ":"); found && strings.HasPrefix(line, "# ") && !strings.Contains(name, " ") {
			commented = append(commented, strings.TrimPrefix(line, "# "))
		}
	}
	if len(commented) < 3 {
		t.Fatalf("it shows %d parameters", len(commented))
	}
	shown, err := template.ParametersOfFile([]byte(strings.Join(commented, "")))
	if err != nil {
		t.Fatal(err)
	}
	if shown["functionName"] == "" {
		t.Error("it does not show functionName")
	}
	evaluate(t, shown)
}
