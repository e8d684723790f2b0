package emulator

import (
	"slices"
	"strings"
)

// filter is a condition of ListSecrets. One of its values must match, and none
// that begins with "!"; of several filters all must match.
type filter struct {
	Key    *string
	Values []string
}

func (v *validation) filters(filters []filter) {
	if len(filters) > 10 {
		v.size("filters", "", len(filters), 0, 10)
	}
	for _, f := range filters {
		v.required("filters.member.key", f.Key)
		v.oneOf("filters.member.key", f.Key, "description", "name", "tag-key", "tag-value", "primary-region", "owning-service", "all")
		v.size("filters.member.values", "", len(f.Values), 1, 10)
	}
}

func matchesAll(filters []filter, sec *secret) bool {
	for _, f := range filters {
		if !f.matches(sec) {
			return false
		}
	}
	return true
}

func (f filter) matches(sec *secret) bool {
	wanted, found := false, false
	for _, value := range f.Values {
		if unwanted, negated := strings.CutPrefix(value, "!"); negated {
			if matchesValue(deref(f.Key), unwanted, sec) {
				return false
			}
			continue
		}
		wanted = true
		found = found || matchesValue(deref(f.Key), value, sec)
	}
	return found || !wanted
}

// matchesValue looks at the start of the attribute, in the letter case that the
// API Reference gives for each key.
func matchesValue(key, value string, sec *secret) bool {
	switch key {
	case "name":
		return strings.HasPrefix(sec.name, value)
	case "description":
		return strings.HasPrefix(strings.ToLower(sec.description), strings.ToLower(value))
	case "tag-key":
		return slices.ContainsFunc(sec.tags, func(t tag) bool { return strings.HasPrefix(t.Key, value) })
	case "tag-value":
		return slices.ContainsFunc(sec.tags, func(t tag) bool { return strings.HasPrefix(t.Value, value) })
	case "all":
		attributes := []string{sec.name, sec.description}
		for _, t := range sec.tags {
			attributes = append(attributes, t.Key, t.Value)
		}
		text := strings.ToLower(strings.Join(attributes, "\n"))
		for word := range strings.FieldsSeq(strings.ToLower(value)) {
			if !strings.Contains(text, word) {
				return false
			}
		}
		return true
	}
	// Nothing here is replicated or owned by another service.
	return false
}
