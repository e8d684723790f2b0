package template

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ParametersOfFile reads a file of parameters, in YAML, as SAM's CLI reads one that
// --parameter-overrides names by file://. It refuses what SAM would pass on as
// something else than what is written.
//
// Source: AWS SAM CLI 1.164, samcli/cli/types.py, CfnParameterOverridesType.
func ParametersOfFile(content []byte) (map[string]string, error) {
	var file yaml.Node
	if err := yaml.Unmarshal(content, &file); err != nil {
		return nil, fmt.Errorf("reading the parameters: %w", err)
	}
	parameters := map[string]string{}
	if len(file.Content) == 0 {
		return parameters, nil
	}
	if file.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("reading the parameters: each is a line of its own, name: value")
	}
	var problems []error
	pairs := file.Content[0].Content
	for i := 0; i < len(pairs); i += 2 {
		name := pairs[i].Value
		value, err := overriding(pairs[i+1])
		if _, twice := parameters[name]; twice {
			err = errors.New("it stands there twice")
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("reading the parameters: line %d: %s: %w", pairs[i].Line, name, err))
		}
		parameters[name] = value
	}
	return parameters, errors.Join(problems...)
}

// overriding is a value as SAM passes it on.
func overriding(node *yaml.Node) (string, error) {
	if node.Kind != yaml.SequenceNode {
		value, err := pythonText(node)
		if err != nil {
			return value, err
		}
		return value, takenAway(value)
	}
	var elements []string
	for _, element := range node.Content {
		text, err := pythonText(element)
		if err != nil {
			return "", err
		}
		if text != "" {
			elements = append(elements, strings.TrimSpace(text))
		}
	}
	value := strings.Join(elements, ",")
	return value, takenAway(value)
}

// wholeNumber is a number that Python writes as YAML has it. 012 becomes 12, 1e3
// 1000.0, 0x1F 31 and 1_000 1000.
var wholeNumber = regexp.MustCompile(`^(0|[1-9][0-9]*)$`)

// pythonText is a scalar as Python's str() writes what SAM reads.
func pythonText(node *yaml.Node) (string, error) {
	switch {
	case node.Kind != yaml.ScalarNode:
		return "", errors.New("a value is a text, a number, true or false, or a list of those")
	case node.Tag == "!!null":
		return "", nil
	case node.Tag == "!!bool":
		return strings.ToUpper(node.Value[:1]) + strings.ToLower(node.Value[1:]), nil
	case node.Tag != "!!str" && !wholeNumber.MatchString(node.Value):
		return node.Value, fmt.Errorf("SAM reads %s as a number or a date, and would pass it on as one that is written in another way: put it in quotes", node.Value)
	}
	return node.Value, nil
}

// takenAway is the error for a value of which SAM takes quotes or a backslash away.
func takenAway(value string) error {
	for _, taken := range []string{`\ `, `\"`, `\'`} {
		if strings.Contains(value, taken) {
			return fmt.Errorf("SAM takes the backslash away in front of %q: let it be the last character", taken[1:])
		}
	}
	if value != "" && strings.ContainsAny(value[:1], `"'`) && value[0] == value[len(value)-1] {
		return errors.New("SAM takes away quotes around a value: let it begin with another character")
	}
	return nil
}
