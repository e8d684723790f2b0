package account

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/failure"
	"tandem/internal/redact"
)

// What a plan sends for a pair of accounts stands in testdata/plans, in files that
// need no Go to be read or written; testdata/plans/README.md has their form.
//
//	go test ./internal/account -run TestPlanCases -update
//
// writes what is sent and warned of as it is now, to be read before it is kept.

// planCase is one case of a file.
type planCase struct {
	comments []string // the lines above it
	title    string
	given    []string // its lines, as they stand, but for what is expected
	expected []string // "send: ...", "warn: ...", "refuse: ..."

	server Server
	pair   Pair
	mode   Mode
	turn   Turn
}

// expectation are the keys of what is expected.
var expectation = []string{"send", "warn", "refuse"}

func readPlanCases(t *testing.T, path string) []*planCase {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var cases []*planCase
	var current *planCase
	var comments []string
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := lines.Text()
		key, _, found := strings.Cut(line, ": ")
		switch {
		case line == "":
			current = nil
		case strings.HasPrefix(line, "#"):
			comments = append(comments, line)
		case current == nil:
			current = &planCase{title: line, comments: comments}
			cases, comments = append(cases, current), nil
		case !found:
			t.Fatalf("%s: %q is no line of a case", path, line)
		case slices.Contains(expectation, key):
			current.expected = append(current.expected, line)
		default:
			current.given = append(current.given, line)
		}
	}
	if err := lines.Err(); err != nil || len(cases) == 0 {
		t.Fatalf("%s: %d cases, %v", path, len(cases), err)
	}
	return cases
}

var (
	createLine = regexp.MustCompile(`^CREATE USER (\S+)(.*)$`)
	grantLine  = regexp.MustCompile(`^((?:GRANT|REVOKE|SET DEFAULT ROLE) .* (?:TO|FROM|FOR) )(\S+)((?: WITH (?:GRANT|ADMIN) OPTION)?)$`)
	rolesLine  = regexp.MustCompile(`^SET DEFAULT ROLE (.*) TO (\S+)$`)
)

// caseName reads an account as a case has it: app, or app@host.
func caseName(text string) Name {
	user, host, found := strings.Cut(text, "@")
	if !found {
		host = "%"
	}
	return Name{user, host}
}

// accounts builds a user's from its statements.
func (c *planCase) accounts(t *testing.T, statements []string) (accounts []Account) {
	t.Helper()
	clauses, grants, roles := map[Name]string{}, map[Name][]string{}, map[Name][]Name{}
	var order []Name
	know := func(name Name) {
		if !slices.Contains(order, name) {
			order = append(order, name)
		}
	}
	for _, text := range statements {
		if found := createLine.FindStringSubmatch(text); found != nil {
			name := caseName(found[1])
			know(name)
			clauses[name] = found[2]
			continue
		}
		if found := rolesLine.FindStringSubmatch(text); found != nil { // MySQL, in SHOW CREATE USER
			name := caseName(found[2])
			know(name)
			roles[name] = c.roles(found[1])
			continue
		}
		found := grantLine.FindStringSubmatch(text)
		if found == nil {
			t.Fatalf("%s: %q is none of CREATE USER, GRANT, REVOKE and SET DEFAULT ROLE", c.title, text)
		}
		name := caseName(found[2])
		know(name)
		grants[name] = append(grants[name], found[1]+"ME"+found[3])
	}
	for _, name := range order {
		made := account(t, c.server, name, clauses[name], grants[name]...)
		made.Grants.DefaultRoles = append(made.Grants.DefaultRoles, roles[name]...)
		accounts = append(accounts, made)
	}
	return accounts
}

// roles reads a list of roles. MariaDB's have no host.
func (c *planCase) roles(text string) []Name {
	roles := ParseRoles(text)
	if c.server.Flavor == MariaDB {
		for i := range roles {
			roles[i].Host = ""
		}
	}
	return roles
}

// roleSet is a set of roles, as RoleFacts has it.
func (c *planCase) roleSet(t *testing.T, text string) map[Name]bool {
	t.Helper()
	set := map[Name]bool{}
	for _, role := range c.roles(text) {
		set[role] = true
	}
	return set
}

// build reads the given lines.
func (c *planCase) build(t *testing.T) {
	t.Helper()
	c.server, c.mode, c.turn = mysql9, Merge, TurnOfClone
	c.pair.Known = true
	var original, clones []string
	for _, line := range c.given {
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "server":
			c.server = map[string]Server{"MySQL 9": mysql9, "MariaDB 10": maria10, "MariaDB 11": maria11}[value]
			if c.server == (Server{}) {
				t.Fatalf("%s: %q is no server of these cases", c.title, value)
			}
		case "mode":
			mode, err := ParseMode(value)
			if err != nil {
				t.Fatal(err)
			}
			c.mode = mode
		case "turn":
			c.turn = map[string]Turn{"original": TurnOfOriginal, "clone": TurnOfClone}[value]
		case "original":
			original = append(original, value)
		case "clone":
			clones = append(clones, value)
		case "stranger": // the clone is somebody else's
			c.pair.Known = value != "yes"
		case "granted to":
			c.pair.GrantedTo = append(c.pair.GrantedTo, caseName(value))
		case "needed by": // account: what
			name, what, _ := strings.Cut(value, " ")
			if c.pair.Depends == nil {
				c.pair.Depends = map[Name][]string{}
			}
			c.pair.Depends[caseName(name)] = append(c.pair.Depends[caseName(name)], what)
		case "mandatory roles":
			c.pair.Roles.Mandatory = c.roleSet(t, value)
		case "dropped roles":
			c.pair.Roles.Gone = c.roleSet(t, value)
		case "login":
			c.pair.Login = caseName(value)
		case "from":
			c.pair.From = value
		default:
			t.Fatalf("%s: %q is no line of a case", c.title, line)
		}
	}
	c.pair.Server = c.server
	c.pair.Original = user("app", c.accounts(t, original)...)
	c.pair.Clone = user("app_clone", c.accounts(t, clones)...)
}

// outcome is what the plan comes to, in the form of what is expected.
func (c *planCase) outcome() (lines []string, messages []string) {
	plan, err := c.pair.Plan(c.mode, c.turn, throwaway)
	if err != nil {
		return []string{"refuse: " + string(failure.Of(err))}, []string{err.Error()}
	}
	for _, text := range statementTexts(plan) {
		lines = append(lines, "send: "+text)
	}
	for _, warning := range plan.Warnings {
		lines = append(lines, "warn: "+warning.Type)
		messages = append(messages, warning.Message)
	}
	return lines, messages
}

// A warning or a refusal may go on with a part of its sentence.
func firstWords(line string) (kind, part string) {
	key, rest, _ := strings.Cut(line, ": ")
	if key == "send" {
		return line, ""
	}
	name, part, _ := strings.Cut(rest, " ")
	return key + ": " + strings.TrimSuffix(name, ":"), part
}

func TestPlanCases(t *testing.T) {
	files, err := filepath.Glob("testdata/plans/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no cases: %v", err)
	}
	for _, path := range files {
		cases := readPlanCases(t, path)
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			for _, c := range cases {
				t.Run(c.title, func(t *testing.T) {
					c.build(t)
					got, messages := c.outcome()
					if *update {
						c.expected = keepWords(c.expected, got, messages)
						return
					}
					var want []string
					for _, line := range c.expected {
						kind, part := firstWords(line)
						// Several lines of one warning each ask for a part of its sentence.
						if part == "" || len(want) == 0 || want[len(want)-1] != kind {
							want = append(want, kind)
						}
						if part != "" && !anyContains(messages, part) {
							t.Errorf("no sentence has %q: %q", part, messages)
						}
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("(-want +got):\n%s", diff)
					}
					if strings.HasPrefix(strings.Join(got, ""), "refuse: ") {
						if _, err := c.pair.Password(c.mode, c.turn, redact.New("p"), never, nil); err == nil {
							t.Error("the password would be set")
						}
					}
				})
			}
		})
		if *update {
			writePlanCases(t, path, cases)
		}
	}
}

// keepWords is what came out, with the parts of sentences that were asked for and
// still stand in one.
func keepWords(old, got, messages []string) (lines []string) {
	for _, line := range got {
		kept := false
		for _, one := range old {
			if kind, part := firstWords(one); kind == line && part != "" && anyContains(messages, part) {
				lines, kept = append(lines, one), true
			}
		}
		if !kept {
			lines = append(lines, line)
		}
	}
	return lines
}

func anyContains(texts []string, part string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, part) })
}

func writePlanCases(t *testing.T, path string, cases []*planCase) {
	t.Helper()
	var out strings.Builder
	for i, c := range cases {
		if i > 0 {
			out.WriteString("\n")
		}
		for _, line := range slices.Concat(c.comments, []string{c.title}, c.given, c.expected) {
			fmt.Fprintln(&out, line)
		}
	}
	if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
