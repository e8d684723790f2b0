package lambdahost

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Format writes a line as a person reads it. A log record in Lambda's JSON form
// becomes
//
//	12:04:05.123 WARN label moved label=AWSCURRENT secret=myDB token=8f1c2a77
//
// that is, the time of day where line.Time is, the level unless it is INFO, the
// message, and the rest in the record's order and in short, without what is there
// for CloudWatch's metrics alone: the first part of a
// UUID, the name out of an ARN, durationMs=12 as duration=12ms. Lambda's own
// records become the START, END and REPORT of its text form. Any other line
// stays as it is.
func Format(line Line) string {
	record, ok := parseRecord(line.Text)
	if !ok {
		return line.Text
	}
	if line.Stream == System {
		if text, ok := formatSystem(line.Text); ok {
			return text
		}
	}
	message, hasMessage := record.text("message")
	level, hasLevel := record.text("level")
	stamp, _ := record.text("timestamp")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if !hasMessage || !hasLevel || err != nil {
		return line.Text
	}
	var b strings.Builder
	b.WriteString(at.In(line.Time.Location()).Format("15:04:05.000"))
	if level != "INFO" {
		b.WriteString(" " + printable(level))
	}
	b.WriteString(" " + printable(message))
	hidden := record.metrics()
	for _, f := range record {
		switch f.key {
		case "timestamp", "level", "message":
		default:
			if !hidden[f.key] && f.key != eachOnItsLine {
				formatField(&b, f.key, f.value)
			}
		}
	}
	return b.String()
}

// record is a JSON object in the order in which it was written.
type record []field

type field struct {
	key   string
	value json.RawMessage
}

func parseRecord(text string) (record, bool) {
	if !strings.HasPrefix(text, "{") || !json.Valid([]byte(text)) {
		return nil, false
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	_, _ = decoder.Token() // the text is valid: no error can come from here on
	var r record
	for decoder.More() {
		token, _ := decoder.Token()
		key, _ := token.(string)
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			return nil, false
		}
		r = append(r, field{key, value})
	}
	return r, true
}

// eachOnItsLine is the list of what has had a line each already.
const eachOnItsLine = "statements"

// metrics are the members that are there for CloudWatch alone: those of its
// embedded metric format.
//
// Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format".
func (r record) metrics() map[string]bool {
	const member = "_aws"
	for _, f := range r {
		var emf struct {
			CloudWatchMetrics []struct {
				Dimensions [][]string
				Metrics    []struct{ Name string }
			}
		}
		if f.key != member || json.Unmarshal(f.value, &emf) != nil {
			continue
		}
		hidden := map[string]bool{member: true}
		for _, directive := range emf.CloudWatchMetrics {
			for _, metric := range directive.Metrics {
				hidden[metric.Name] = true
			}
			for _, set := range directive.Dimensions {
				for _, dimension := range set {
					hidden[dimension] = true
				}
			}
		}
		return hidden
	}
	return nil
}

// text returns the string under key.
func (r record) text(key string) (string, bool) {
	for _, f := range r {
		if f.key == key {
			var text string
			err := json.Unmarshal(f.value, &text)
			return text, err == nil
		}
	}
	return "", false
}

func formatField(b *strings.Builder, key string, value json.RawMessage) {
	if group, ok := parseRecord(string(value)); ok {
		for _, f := range group {
			formatField(b, key+"."+f.key, f.value)
		}
		return
	}
	text := formatValue(value)
	if name, ok := strings.CutSuffix(key, "Ms"); ok && name != "" && isNumber(value) {
		key, text = name, text+"ms"
	}
	fmt.Fprintf(b, " %s=%s", printable(key), text)
}

func formatValue(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil && value[0] == '"' {
		return quoted(short(text))
	}
	var list []json.RawMessage
	if json.Unmarshal(value, &list) == nil && value[0] == '[' {
		parts := make([]string, len(list))
		for i, element := range list {
			parts[i] = formatValue(element)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return printable(string(value)) // a number, true, false, null, or an object in a list
}

func isNumber(value json.RawMessage) bool {
	return value[0] == '-' || (value[0] >= '0' && value[0] <= '9')
}

var (
	uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	// The service adds a hyphen and six characters to a secret's name.
	secretARN = regexp.MustCompile(`^arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:(.+)-[0-9a-zA-Z]{6}$`)
	otherARN  = regexp.MustCompile(`^arn:[^:]+:[^:]+:[^:]*:[^:]*:(?:[^\s]*:)?([^:\s]+)$`)
)

// short returns the part of an identifier that a person tells it by.
func short(text string) string {
	if uuid.MatchString(text) {
		return text[:8]
	}
	for _, arn := range []*regexp.Regexp{secretARN, otherARN} {
		if match := arn.FindStringSubmatch(text); match != nil {
			return match[1]
		}
	}
	return text
}

// quoted quotes a value that would not be recognised as one without.
func quoted(text string) string {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool {
		return r == ' ' || r == '"' || r == '=' || !unicode.IsPrint(r)
	}) {
		return strconv.Quote(text)
	}
	return text
}

// printable writes what could steer a terminal, or break the line, as escapes.
func printable(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
	}
	return b.String()
}

// formatSystem writes Lambda's own records as it does under the log format Text.
func formatSystem(text string) (string, bool) {
	var line systemLine
	if json.Unmarshal([]byte(text), &line) != nil {
		return "", false
	}
	record := line.Record
	switch {
	case line.Type == typeStart:
		return "START RequestId: " + record.RequestID + " Version: " + record.Version, true
	case line.Type == typeDone:
		return "END RequestId: " + record.RequestID, true
	case line.Type != typeReport || record.Metrics == nil:
		return "", false
	}
	m := record.Metrics
	parts := []string{
		"REPORT RequestId: " + record.RequestID,
		fmt.Sprintf("Duration: %.2f ms", m.DurationMs),
		fmt.Sprintf("Billed Duration: %d ms", m.BilledDurationMs),
		fmt.Sprintf("Memory Size: %d MB", m.MemorySizeMB),
	}
	if m.MaxMemoryUsedMB > 0 {
		parts = append(parts, fmt.Sprintf("Max Memory Used: %d MB", m.MaxMemoryUsedMB))
	}
	if m.InitDurationMs > 0 {
		parts = append(parts, fmt.Sprintf("Init Duration: %.2f ms", m.InitDurationMs))
	}
	if record.Status != "success" {
		parts = append(parts, "Status: "+record.Status)
	}
	if record.ErrorType != "" && record.Status != "timeout" {
		parts = append(parts, "Error Type: "+record.ErrorType)
	}
	return strings.Join(parts, "\t"), true
}
