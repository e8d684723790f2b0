package template

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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
	file, err := onlyDocument(content)
	if err != nil {
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
		if pairs[i].Style&yaml.TaggedStyle != 0 {
			err = errTag
		}
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

// errTag is the error for a node whose tag is written.
var errTag = errors.New("SAM reads a tag, such as !!str, in another way: leave it out, and put a text in quotes")

// onlyDocument reads the only document of a file, without what SAM's parser, which is one
// of YAML 1.2, reads in another way or not at all.
//
// Source: AWS SAM CLI 1.164, samcli/lib/config/file_manager.py, YamlFileManager.
func onlyDocument(content []byte) (*yaml.Node, error) {
	for n, line := range bytes.Split(content, []byte("\n")) {
		if bytes.HasPrefix(line, []byte("%")) {
			return nil, fmt.Errorf("line %d: SAM reads a file with a directive, such as %%YAML, in another way: leave it out", n+1)
		}
		if bytes.ContainsRune(line, '\t') {
			return nil, fmt.Errorf("line %d: SAM refuses a tab, or reads it in another way: write spaces", n+1)
		}
	}
	var document, further yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	if err := decoder.Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch err := decoder.Decode(&further); {
	case err == nil:
		return nil, errors.New("SAM refuses a file with a second document: leave out the line --- and what comes after it")
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	if len(document.Content) > 0 && document.Content[0].Style&yaml.TaggedStyle != 0 {
		return nil, errTag
	}
	return &document, nil
}

// overriding is a value as SAM passes it on.
func overriding(node *yaml.Node) (string, error) {
	if node.Style&yaml.TaggedStyle != 0 {
		return "", errTag
	}
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
	case node.Style&yaml.TaggedStyle != 0:
		return "", errTag
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
