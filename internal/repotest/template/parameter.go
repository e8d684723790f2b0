package template

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strconv"
)

// Parameter is a parameter's declaration.
type Parameter struct {
	Name        string
	Type        string // String or Number
	Description string
	// Default is nil where the parameter has to be given.
	Default       *string
	AllowedValues []string
	// AllowedPattern is nil where there is none. CloudFormation wants it to match
	// the whole value.
	AllowedPattern *regexp.Regexp
	MinValue       *int
	MaxValue       *int
	MaxLength      *int
	// ConstraintDescription is what CloudFormation says of a value that is not allowed.
	ConstraintDescription string
}

// Constrained reports whether the declaration restricts the value.
func (p Parameter) Constrained() bool {
	return p.AllowedValues != nil || p.AllowedPattern != nil || p.MinValue != nil || p.MaxValue != nil || p.MaxLength != nil
}

// Check returns an error for a value that the declaration does not allow.
func (p Parameter) Check(value string) error {
	err := p.check(value)
	if err != nil && p.ConstraintDescription != "" {
		err = fmt.Errorf("%w. It has to be: %s", err, p.ConstraintDescription)
	}
	return err
}

func (p Parameter) check(value string) error {
	if p.Type == "Number" {
		n, err := strconv.Atoi(value)
		if err != nil {
			return fmt.Errorf("parameter %s: %q is not a number", p.Name, value)
		}
		if p.MinValue != nil && n < *p.MinValue || p.MaxValue != nil && n > *p.MaxValue {
			return fmt.Errorf("parameter %s: %d is out of its bounds", p.Name, n)
		}
	}
	if p.AllowedValues != nil && !slices.Contains(p.AllowedValues, value) {
		return fmt.Errorf("parameter %s: %q is none of %q", p.Name, value, p.AllowedValues)
	}
	if p.AllowedPattern != nil && !slices.Equal(p.AllowedPattern.FindStringIndex(value), []int{0, len(value)}) {
		return fmt.Errorf("parameter %s: %q does not match %s", p.Name, value, p.AllowedPattern)
	}
	if p.MaxLength != nil && len(value) > *p.MaxLength {
		return fmt.Errorf("parameter %s: longer than %d characters", p.Name, *p.MaxLength)
	}
	return nil
}

func parameters(declared map[string]any) (map[string]Parameter, error) {
	read := map[string]Parameter{}
	for name, value := range declared {
		p := Parameter{Name: name}
		for key, property := range mapping(value) {
			var err error
			switch key {
			case "Type":
				p.Type = fmt.Sprint(property)
				if p.Type != "String" && p.Type != "Number" {
					err = fmt.Errorf("the type %s is not known here", p.Type)
				}
			case "Description":
				p.Description = fmt.Sprint(property)
			case "Default":
				text := fmt.Sprint(property)
				p.Default = &text
			case "AllowedValues":
				list, _ := property.([]any)
				for _, allowed := range list {
					p.AllowedValues = append(p.AllowedValues, fmt.Sprint(allowed))
				}
			case "AllowedPattern":
				p.AllowedPattern, err = regexp.Compile(fmt.Sprint(property))
			case "MinValue":
				p.MinValue, err = number(property)
			case "MaxValue":
				p.MaxValue, err = number(property)
			case "MaxLength":
				p.MaxLength, err = number(property)
			case "ConstraintDescription":
				p.ConstraintDescription = fmt.Sprint(property)
			default:
				err = fmt.Errorf("%s is not known here", key)
			}
			if err != nil {
				return nil, fmt.Errorf("reading parameter %s: %w", name, err)
			}
		}
		read[name] = p
	}
	return read, nil
}

func number(value any) (*int, error) {
	n, err := strconv.Atoi(fmt.Sprint(value))
	return &n, err
}

// values fills in the defaults of parameters that are not given, and checks all.
func (t *Template) values(given map[string]string) (map[string]string, error) {
	values := map[string]string{}
	var problems []error
	for name := range given {
		if _, declared := t.Parameters[name]; !declared {
			problems = append(problems, fmt.Errorf("parameter %s: the template has none of that name", name))
		}
	}
	for name, p := range t.Parameters {
		value, there := given[name]
		switch {
		case there:
		case p.Default == nil:
			problems = append(problems, fmt.Errorf("parameter %s: it has no default and is not given", name))
			continue
		default:
			value = *p.Default
		}
		if err := p.Check(value); err != nil {
			problems = append(problems, err)
		}
		values[name] = value
	}
	sort.Slice(problems, func(i, j int) bool { return problems[i].Error() < problems[j].Error() })
	return values, errors.Join(problems...)
}

// Rule is what the parameters have to fulfil together.
type Rule struct {
	// Condition is nil where the rule goes for all.
	Condition  any
	Assertions []Assertion
}

// Assertion is a condition that has to hold, and what is said where it does not.
type Assertion struct {
	Assert      any
	Description string
}

func rules(declared map[string]any) (map[string]Rule, error) {
	read := map[string]Rule{}
	for name, value := range declared {
		rule := Rule{Condition: mapping(value)["RuleCondition"]}
		list, _ := mapping(value)["Assertions"].([]any)
		for _, element := range list {
			assertion := mapping(element)
			rule.Assertions = append(rule.Assertions, Assertion{assertion["Assert"], fmt.Sprint(assertion["AssertDescription"])})
		}
		if len(rule.Assertions) == 0 {
			return nil, fmt.Errorf("reading rule %s: it asserts nothing", name)
		}
		read[name] = rule
	}
	return read, nil
}
