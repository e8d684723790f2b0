package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// insights runs a query over lines of a log, as CloudWatch Logs Insights does, as
// far as the documents' queries need its language: fields, filter, stats, sort and limit;
// comparisons, like, ispresent, and, or. What it does not know fails the test, so
// that a query is never taken for one that was run.
//
// Source: Amazon CloudWatch Logs User Guide, "CloudWatch Logs Insights language
// query syntax" and "Supported logs and discovered fields".
func insights(t *testing.T, query string, lines []string) []map[string]any {
	t.Helper()
	rows := discovered(lines)
	var show []string
	for command := range strings.SplitSeq(query, "|") {
		name, rest, _ := strings.Cut(strings.TrimSpace(command), " ")
		p := &queryParser{t: t, tokens: tokensOf(t, rest)}
		switch name {
		case "fields":
			show = p.names()
		case "filter":
			holds := p.or()
			rows = slices.DeleteFunc(rows, func(row map[string]any) bool { return !holds(row) })
		case "stats":
			rows = p.stats(rows)
			show = nil
		case "sort":
			key, order := p.next(), p.next()
			if order != "asc" && order != "desc" {
				t.Fatalf("sort %s %q", key, order)
			}
			slices.SortStableFunc(rows, func(a, b map[string]any) int {
				if order == "desc" {
					a, b = b, a
				}
				return compareValues(a[key], b[key])
			})
		case "limit":
			n, err := strconv.Atoi(p.next())
			if err != nil {
				t.Fatal(err)
			}
			rows = rows[:min(n, len(rows))]
		default:
			t.Fatalf("the query has a command %q, which is not known here", name)
		}
		p.end()
	}
	if show == nil {
		return rows
	}
	var out []map[string]any
	for _, row := range rows {
		shown := map[string]any{}
		for _, name := range show {
			if value, found := row[name]; found {
				shown[name] = value
			}
		}
		out = append(out, shown)
	}
	return out
}

// discovered are the fields that Insights finds in JSON lines: nested ones with
// dots, and lists by their indices.
func discovered(lines []string) []map[string]any {
	var rows []map[string]any
	for i, line := range lines {
		var object map[string]any
		row := map[string]any{"@message": line, "@timestamp": float64(i)} // lines come in the order of time
		if json.Unmarshal([]byte(line), &object) == nil {
			flatten("", object, row)
		}
		rows = append(rows, row)
	}
	return rows
}

func flatten(prefix string, value any, row map[string]any) {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			flatten(strings.TrimPrefix(prefix+"."+key, "."), inner, row)
		}
	case []any:
		for i, inner := range value {
			flatten(fmt.Sprintf("%s.%d", prefix, i), inner, row)
		}
	default:
		row[prefix] = value
	}
}

func compareValues(a, b any) int {
	x, xNumber := a.(float64)
	y, yNumber := b.(float64)
	if xNumber && yNumber {
		return cmp.Compare(x, y)
	}
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

var queryToken = regexp.MustCompile(`"[^"]*"|/[^/]*/|[A-Za-z@_][A-Za-z0-9_.@]*|[0-9]+|>=|<=|!=|[=<>(),*]`)

func tokensOf(t *testing.T, text string) []string {
	t.Helper()
	if rest := strings.TrimSpace(queryToken.ReplaceAllString(text, "")); rest != "" {
		t.Fatalf("%q has something that is not known here: %q", text, rest)
	}
	return queryToken.FindAllString(text, -1)
}

type queryParser struct {
	t      *testing.T
	tokens []string
}

func (p *queryParser) peek() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

func (p *queryParser) next() string {
	token := p.peek()
	if len(p.tokens) > 0 {
		p.tokens = p.tokens[1:]
	}
	return token
}

func (p *queryParser) want(token string) {
	p.t.Helper()
	if got := p.next(); got != token {
		p.t.Fatalf("the query has %q where %q is wanted", got, token)
	}
}

func (p *queryParser) end() {
	p.t.Helper()
	if len(p.tokens) > 0 {
		p.t.Fatalf("the query goes on with %q", p.tokens)
	}
}

// names reads a list of names.
func (p *queryParser) names() []string {
	names := []string{p.next()}
	for p.peek() == "," {
		p.next()
		names = append(names, p.next())
	}
	return names
}

type condition func(row map[string]any) bool

func (p *queryParser) or() condition {
	left := p.and()
	for p.peek() == "or" {
		p.next()
		a, b := left, p.and()
		left = func(row map[string]any) bool { return a(row) || b(row) }
	}
	return left
}

func (p *queryParser) and() condition {
	left := p.condition()
	for p.peek() == "and" {
		p.next()
		a, b := left, p.condition()
		left = func(row map[string]any) bool { return a(row) && b(row) }
	}
	return left
}

func (p *queryParser) condition() condition {
	p.t.Helper()
	name := p.next()
	if name == "ispresent" {
		p.want("(")
		field := p.next()
		p.want(")")
		return func(row map[string]any) bool { return row[field] != nil }
	}
	operator, operand := p.next(), p.next()
	if operator == "like" {
		form, err := regexp.Compile(strings.Trim(operand, "/"))
		if err != nil {
			p.t.Fatal(err)
		}
		return func(row map[string]any) bool { return row[name] != nil && form.MatchString(fmt.Sprint(row[name])) }
	}
	var value any = strings.Trim(operand, `"`)
	if number, err := strconv.ParseFloat(operand, 64); err == nil {
		value = number
	}
	switch operator {
	case "=":
		return func(row map[string]any) bool { return row[name] == value }
	case ">":
		return func(row map[string]any) bool { return row[name] != nil && compareValues(row[name], value) > 0 }
	}
	p.t.Fatalf("the query has an operator %q, which is not known here", operator)
	return nil
}

// stats groups the rows.
func (p *queryParser) stats(rows []map[string]any) []map[string]any {
	p.t.Helper()
	type aggregate struct{ function, field, as string }
	var aggregates []aggregate
	for {
		a := aggregate{function: p.next()}
		p.want("(")
		a.field = p.next()
		p.want(")")
		p.want("as")
		a.as = p.next()
		aggregates = append(aggregates, a)
		if p.peek() != "," {
			break
		}
		p.next()
	}
	p.want("by")
	by := p.names()
	groups, order := map[string][]map[string]any{}, []string{}
	for _, row := range rows {
		var key []string
		for _, name := range by {
			key = append(key, fmt.Sprint(row[name]))
		}
		joined := strings.Join(key, "\x00")
		if groups[joined] == nil {
			order = append(order, joined)
		}
		groups[joined] = append(groups[joined], row)
	}
	var out []map[string]any
	for _, key := range order {
		group := groups[key]
		row := map[string]any{}
		for _, name := range by {
			row[name] = group[0][name]
		}
		for _, a := range aggregates {
			row[a.as] = p.aggregate(a.function, a.field, group)
		}
		out = append(out, row)
	}
	return out
}

func (p *queryParser) aggregate(function, field string, group []map[string]any) any {
	p.t.Helper()
	if function == "count" && field == "*" {
		return float64(len(group))
	}
	var values []any
	for _, row := range group {
		if row[field] != nil {
			values = append(values, row[field])
		}
	}
	if len(values) == 0 {
		return nil
	}
	switch function {
	case "latest":
		return values[len(values)-1]
	case "max":
		return slices.MaxFunc(values, compareValues)
	case "avg":
		sum := 0.0
		for _, value := range values {
			number, _ := value.(float64)
			sum += number
		}
		return sum / float64(len(values))
	}
	p.t.Fatalf("the query has a function %q, which is not known here", function)
	return nil
}

func TestInsights(t *testing.T) {
	lines := []string{
		`{"message":"a","n":1,"deep":{"ms":2.5},"list":["x"]}`, `{"message":"b","n":3,"deep":{"ms":7.5}}`, `{"message":"b","n":2}`, `no JSON`,
	}
	for query, want := range map[string]string{
		`fields n | filter message = "b"`:                                                        `[{"n":3},{"n":2}]`,
		`fields n | filter message = "b" | sort n asc | limit 1`:                                 `[{"n":2}]`,
		`fields n | filter n > 1 and message like /^b/ or list.0 = "x" | sort n desc`:            `[{"n":3},{"n":2},{"n":1}]`,
		`filter ispresent(deep.ms) | stats count(*) as c, avg(deep.ms) as m by message`:          `[{"c":1,"m":2.5,"message":"a"},{"c":1,"m":7.5,"message":"b"}]`,
		`filter message = "b" | stats max(n) as m, latest(n) as l, avg(missing) as x by message`: `[{"l":2,"m":3,"message":"b","x":null}]`,
		`fields @message | filter @message like /JSON/`:                                          `[{"@message":"no JSON"}]`,
		`fields n | filter message = "c"`:                                                        `null`,
	} {
		got, err := json.Marshal(insights(t, query, lines))
		if err != nil || string(got) != want {
			t.Errorf("%s\nis %s\nwant %s (%v)", query, got, want, err)
		}
	}
}
