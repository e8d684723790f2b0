package template

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What the pseudo parameters are in an evaluation, unless Evaluate is told
// otherwise.
const (
	Region    = "eu-west-1"
	AccountID = "123456789012"
)

// Stack is what a template comes to for given parameters.
type Stack struct {
	// Conditions are all of the template's, and whether they hold.
	Conditions map[string]bool
	// Resources are those whose condition holds.
	Resources map[string]Resource
	Outputs   map[string]any
}

// Resource is a resource with its values put together. What only exists once the
// resource does stands as "<Name>" for its Ref and "<Name.Attribute>" for an
// attribute.
type Resource struct {
	Type       string
	Properties map[string]any
	DependsOn  []string
}

// noValue is what AWS::NoValue comes to: the property is as if it were not there.
type noValue struct{}

// Evaluate evaluates the template for parameters, and pseudo parameters such as
// AWS::Partition. A parameter that is not allowed, a rule that is broken and a
// reference to what is not there are errors.
func (t *Template) Evaluate(given map[string]string) (*Stack, error) {
	own := map[string]string{}
	e := &evaluation{template: t, conditions: map[string]bool{}, pseudo: map[string]string{
		"AWS::AccountId": AccountID, "AWS::Partition": "aws", "AWS::Region": Region, "AWS::StackName": "stack", "AWS::URLSuffix": "amazonaws.com",
	}}
	for name, value := range given {
		if strings.HasPrefix(name, "AWS::") {
			e.pseudo[name] = value
			continue
		}
		own[name] = value
	}
	var err error
	if e.values, err = t.values(own); err != nil {
		return nil, err
	}
	if err := e.rules(); err != nil {
		return nil, err
	}
	stack := &Stack{Conditions: e.conditions, Resources: map[string]Resource{}, Outputs: map[string]any{}}
	for name := range t.Conditions {
		if _, err := e.condition(name); err != nil {
			return nil, err
		}
	}
	for name, declared := range t.Resources {
		holds, err := e.there(declared)
		if err != nil {
			return nil, err
		}
		if !holds {
			continue
		}
		properties, err := e.evaluate(declared["Properties"])
		if err != nil {
			return nil, fmt.Errorf("evaluating %s: %w", name, err)
		}
		stack.Resources[name] = Resource{Type: fmt.Sprint(declared["Type"]), Properties: mapping(properties), DependsOn: texts(declared["DependsOn"])}
	}
	for name, declared := range t.Outputs {
		holds, err := e.there(declared)
		if err != nil {
			return nil, err
		}
		if !holds {
			continue
		}
		if stack.Outputs[name], err = e.evaluate(declared["Value"]); err != nil {
			return nil, fmt.Errorf("evaluating the output %s: %w", name, err)
		}
	}
	return stack, nil
}

type evaluation struct {
	template   *Template
	values     map[string]string
	pseudo     map[string]string
	conditions map[string]bool
	underway   []string
}

func (e *evaluation) rules() error {
	var broken []error
	for name, rule := range e.template.Rules {
		if rule.Condition != nil {
			if applies, err := e.truth(rule.Condition); err != nil || !applies {
				broken = append(broken, err)
				continue
			}
		}
		for _, assertion := range rule.Assertions {
			holds, err := e.truth(assertion.Assert)
			if err == nil && !holds {
				err = fmt.Errorf("rule %s: %s", name, assertion.Description)
			}
			broken = append(broken, err)
		}
	}
	return errors.Join(broken...)
}

// there reports whether what is declared depends on no condition, or on one that
// holds.
func (e *evaluation) there(declared map[string]any) (bool, error) {
	name, conditional := declared["Condition"].(string)
	if !conditional {
		return true, nil
	}
	return e.condition(name)
}

func (e *evaluation) condition(name string) (bool, error) {
	if known, there := e.conditions[name]; there {
		return known, nil
	}
	declared, there := e.template.Conditions[name]
	if !there {
		return false, fmt.Errorf("there is no condition %s", name)
	}
	if slices.Contains(e.underway, name) {
		return false, fmt.Errorf("condition %s refers to itself", name)
	}
	e.underway = append(e.underway, name)
	holds, err := e.truth(declared)
	e.underway = e.underway[:len(e.underway)-1]
	if err != nil {
		return false, fmt.Errorf("evaluating condition %s: %w", name, err)
	}
	e.conditions[name] = holds
	return holds, nil
}

// truth evaluates a condition's functions.
func (e *evaluation) truth(value any) (bool, error) {
	function, argument, ok := call(value)
	if !ok {
		return false, fmt.Errorf("%v is no condition", value)
	}
	if function == "Condition" {
		return e.condition(fmt.Sprint(argument))
	}
	list, _ := argument.([]any)
	switch function {
	case "Fn::Equals":
		if len(list) != 2 {
			break
		}
		left, err := e.text(list[0])
		if err != nil {
			return false, err
		}
		right, err := e.text(list[1])
		return left == right, err
	case "Fn::Not":
		if len(list) != 1 {
			break
		}
		holds, err := e.truth(list[0])
		return !holds, err
	case "Fn::And", "Fn::Or":
		if len(list) < 2 || len(list) > 10 {
			break
		}
		any, all := false, true
		for _, element := range list {
			holds, err := e.truth(element)
			if err != nil {
				return false, err
			}
			any, all = any || holds, all && holds
		}
		return function == "Fn::And" && all || function == "Fn::Or" && any, nil
	}
	return false, fmt.Errorf("%s of %v is no condition", function, argument)
}

var placeholder = regexp.MustCompile(`\$\{([A-Za-z0-9:.]+)\}`)

// evaluate puts a value together.
func (e *evaluation) evaluate(value any) (any, error) {
	if function, argument, ok := call(value); ok {
		return e.call(function, argument)
	}
	switch value := value.(type) {
	case map[string]any:
		result := map[string]any{}
		for key, inner := range value {
			evaluated, err := e.evaluate(inner)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			if evaluated != (noValue{}) {
				result[key] = evaluated
			}
		}
		return result, nil
	case []any:
		result := []any{}
		for i, inner := range value {
			evaluated, err := e.evaluate(inner)
			if err != nil {
				return nil, fmt.Errorf("element %d: %w", i, err)
			}
			if evaluated != (noValue{}) {
				result = append(result, evaluated)
			}
		}
		return result, nil
	}
	return value, nil
}

// call reports whether a value is a function, and of what.
func call(value any) (function string, argument any, ok bool) {
	m := mapping(value)
	if len(m) != 1 {
		return "", nil, false
	}
	for function, argument = range m {
	}
	_, text := argument.(string)
	return function, argument, function == "Ref" || strings.HasPrefix(function, "Fn::") || function == "Condition" && text
}

func (e *evaluation) call(function string, argument any) (any, error) {
	list, _ := argument.([]any)
	switch {
	case function == "Ref":
		return e.ref(fmt.Sprint(argument))
	case function == "Fn::GetAtt" && len(list) == 2:
		name := fmt.Sprint(list[0])
		if _, there := e.template.Resources[name]; !there {
			return nil, fmt.Errorf("there is no resource %s", name)
		}
		return fmt.Sprintf("<%s.%s>", name, list[1]), nil
	case function == "Fn::If" && len(list) == 3:
		holds, err := e.condition(fmt.Sprint(list[0]))
		if err != nil {
			return nil, err
		}
		if holds {
			return e.evaluate(list[1])
		}
		return e.evaluate(list[2])
	case function == "Fn::Sub":
		text, own, ok := substitution(argument)
		if !ok {
			break
		}
		var problem error
		text = placeholder.ReplaceAllStringFunc(text, func(found string) string {
			name := placeholder.FindStringSubmatch(found)[1]
			value, err := "", error(nil)
			if given, there := own[name]; there {
				value, err = e.text(given)
			} else {
				value, err = e.substitute(name)
			}
			problem = errors.Join(problem, err)
			return value
		})
		return text, problem
	case function == "Fn::Join" && len(list) == 2:
		evaluated, err := e.evaluate(list[1])
		if err != nil {
			return nil, err
		}
		parts, ok := evaluated.([]any)
		if !ok {
			break
		}
		var joined []string
		for _, part := range parts {
			text, err := e.text(part)
			if err != nil {
				return nil, err
			}
			joined = append(joined, text)
		}
		return strings.Join(joined, fmt.Sprint(list[0])), nil
	case function == "Fn::Select" && len(list) == 2:
		index, err := strconv.Atoi(fmt.Sprint(list[0]))
		if err != nil {
			break
		}
		from, err := e.evaluate(list[1])
		if err != nil {
			return nil, err
		}
		if elements := texts(from); index < len(elements) {
			return elements[index], nil
		}
		return nil, fmt.Errorf("Fn::Select of element %d of %v, which has none", index, from)
	case function == "Fn::Split" && len(list) == 2:
		text, err := e.text(list[1])
		if err != nil {
			return nil, err
		}
		var parts []any
		for part := range strings.SplitSeq(text, fmt.Sprint(list[0])) {
			parts = append(parts, part)
		}
		return parts, nil
	}
	return nil, fmt.Errorf("%s of %v is not known here", function, argument)
}

// substitution is what Fn::Sub is given: a text, and values for names in it.
func substitution(argument any) (text string, own map[string]any, ok bool) {
	if list, pair := argument.([]any); pair && len(list) == 2 {
		text, ok = list[0].(string)
		own = mapping(list[1])
		return text, own, ok && own != nil
	}
	text, ok = argument.(string)
	return text, nil, ok
}

func (e *evaluation) substitute(name string) (string, error) {
	if resource, attribute, found := strings.Cut(name, "."); found {
		value, err := e.call("Fn::GetAtt", []any{resource, attribute})
		return fmt.Sprint(value), err
	}
	value, err := e.ref(name)
	return fmt.Sprint(value), err
}

func (e *evaluation) ref(name string) (any, error) {
	if name == "AWS::NoValue" {
		return noValue{}, nil
	}
	if value, there := e.pseudo[name]; there {
		return value, nil
	}
	if value, there := e.values[name]; there {
		return value, nil
	}
	if declared, there := e.template.Resources[name]; there {
		holds, err := e.there(declared)
		if err == nil && !holds {
			err = fmt.Errorf("%s is referred to, and its condition does not hold", name)
		}
		return "<" + name + ">", err
	}
	return nil, fmt.Errorf("there is no parameter and no resource %s", name)
}

func (e *evaluation) text(value any) (string, error) {
	evaluated, err := e.evaluate(value)
	if err != nil {
		return "", err
	}
	text, ok := evaluated.(string)
	if !ok {
		return "", fmt.Errorf("%v is no text", evaluated)
	}
	return text, nil
}

// texts returns a text, or a list of texts, as a list.
func texts(value any) []string {
	switch value := value.(type) {
	case string:
		return []string{value}
	case []any:
		var list []string
		for _, element := range value {
			list = append(list, fmt.Sprint(element))
		}
		return list
	}
	return nil
}
