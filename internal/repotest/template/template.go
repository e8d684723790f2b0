// Package template reads a CloudFormation template and evaluates it for given
// parameters, as CloudFormation does before it creates anything: defaults and
// constraints, rules, conditions, and the functions that put values together.
//
// It exists for the tests: which statement, variable or resource a parameter
// brings is decided in template.yaml by conditions, and only an evaluation for
// parameters on either side of each says that they are right. It knows what the
// project's template uses, and refuses the rest by name.
//
// Source: AWS CloudFormation User Guide, "Intrinsic function reference",
// "Parameters", "Rules" and "Conditions".
package template

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Template is a template as it is written: every function in its long form, such
// as {"Fn::Sub": "..."} for !Sub.
type Template struct {
	Parameters map[string]Parameter
	Rules      map[string]Rule
	Conditions map[string]any
	Resources  map[string]map[string]any
	Outputs    map[string]map[string]any
	// Metadata is the template's own: the interface of its parameters, and what
	// the Serverless Application Repository is told.
	Metadata map[string]any
	// Document is all of it.
	Document map[string]any
}

// Read reads the template in a file.
func Read(path string) (*Template, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the template: %w", err)
	}
	return Parse(content)
}

// Parse reads a template in YAML, of which JSON is a part. A key that occurs
// twice is an error.
func Parse(content []byte) (*Template, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(content, &root); err != nil {
		return nil, fmt.Errorf("reading the template: %w", err)
	}
	if len(root.Content) != 1 {
		return nil, fmt.Errorf("reading the template: it is empty")
	}
	value, err := long(root.Content[0])
	if err != nil {
		return nil, fmt.Errorf("reading the template: %w", err)
	}
	document, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("reading the template: it is a %T, not a mapping", value)
	}
	t := &Template{Document: document, Metadata: mapping(document["Metadata"]), Conditions: mapping(document["Conditions"])}
	if t.Parameters, err = parameters(mapping(document["Parameters"])); err != nil {
		return nil, err
	}
	if t.Rules, err = rules(mapping(document["Rules"])); err != nil {
		return nil, err
	}
	if t.Resources, err = mappings("Resources", document); err != nil {
		return nil, err
	}
	t.Outputs, err = mappings("Outputs", document)
	return t, err
}

// long turns a node into values, and a function's short form into its long one.
func long(node *yaml.Node) (any, error) {
	value, err := plain(node)
	if err != nil {
		return nil, err
	}
	name, short := strings.CutPrefix(node.Tag, "!")
	if !short || strings.HasPrefix(name, "!") {
		return value, nil
	}
	switch name {
	case "Ref", "Condition":
		return map[string]any{name: value}, nil
	case "GetAtt":
		if text, ok := value.(string); ok {
			resource, attribute, found := strings.Cut(text, ".")
			if !found {
				return nil, fmt.Errorf("line %d: !GetAtt %s names no attribute", node.Line, text)
			}
			value = []any{resource, attribute}
		}
	}
	return map[string]any{"Fn::" + name: value}, nil
}

func plain(node *yaml.Node) (any, error) {
	switch node.Kind {
	case yaml.MappingNode:
		values := map[string]any{}
		for i := 0; i < len(node.Content); i += 2 {
			key := node.Content[i].Value
			if _, twice := values[key]; twice {
				return nil, fmt.Errorf("line %d: %s stands there twice", node.Content[i].Line, key)
			}
			value, err := long(node.Content[i+1])
			if err != nil {
				return nil, err
			}
			values[key] = value
		}
		return values, nil
	case yaml.SequenceNode:
		values := []any{}
		for _, element := range node.Content {
			value, err := long(element)
			if err != nil {
				return nil, err
			}
			values = append(values, value)
		}
		return values, nil
	case yaml.ScalarNode:
		if strings.HasPrefix(node.Tag, "!!") {
			var value any
			err := node.Decode(&value)
			return value, err
		}
		return node.Value, nil
	}
	return nil, fmt.Errorf("line %d: aliases and anchors are not CloudFormation's", node.Line)
}

// mapping returns a value as a mapping, and nil where it is none.
func mapping(value any) map[string]any {
	m, _ := value.(map[string]any)
	return m
}

func mappings(section string, document map[string]any) (map[string]map[string]any, error) {
	values := map[string]map[string]any{}
	for name, value := range mapping(document[section]) {
		if values[name] = mapping(value); values[name] == nil {
			return nil, fmt.Errorf("reading the template: %s: %s is a %T, not a mapping", section, name, value)
		}
	}
	return values, nil
}

// References lists the names that a value refers to, by Ref, by GetAtt, and in
// Sub: parameters, resources and pseudo parameters.
func References(value any) []string {
	var names []string
	walk(value, func(function string, argument any) {
		switch function {
		case "Ref":
			names = append(names, fmt.Sprint(argument))
		case "Fn::GetAtt":
			if list, ok := argument.([]any); ok && len(list) == 2 {
				names = append(names, fmt.Sprint(list[0]))
			}
		case "Fn::Sub":
			text, own, _ := substitution(argument)
			for _, found := range placeholder.FindAllStringSubmatch(text, -1) {
				if _, given := own[found[1]]; !given {
					name, _, _ := strings.Cut(found[1], ".")
					names = append(names, name)
				}
			}
		}
	})
	slices.Sort(names)
	return slices.Compact(names)
}

// ConditionsIn lists the conditions that a value depends on, by If or by name.
func ConditionsIn(value any) []string {
	var names []string
	walk(value, func(function string, argument any) {
		if list, ok := argument.([]any); ok && function == "Fn::If" && len(list) == 3 {
			names = append(names, fmt.Sprint(list[0]))
		}
		if name, ok := argument.(string); ok && function == "Condition" {
			names = append(names, name)
		}
	})
	slices.Sort(names)
	return slices.Compact(names)
}

// walk calls visit for every key of every mapping in a value.
func walk(value any, visit func(key string, value any)) {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			visit(key, inner)
			walk(inner, visit)
		}
	case []any:
		for _, inner := range value {
			walk(inner, visit)
		}
	}
}
