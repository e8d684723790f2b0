// Package readme holds the tests of README.md: what it tells people to type is
// typed in or parsed, and what it tells them to paste is parsed and evaluated.
//
// A transcript is replayed by package sandbox, SQL and tables by cmd/rotator.
package readme

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// block is a piece of README that is set as code.
type block struct {
	// language is what stands behind the fence; indented for a block without one.
	language string
	// marker is the comment in front of it, without "parsed: ".
	marker  string
	section string // the heading of the second or third level above it
	text    string
	line    int
}

const (
	path     = "../../../README.md"
	indented = "indented"
)

// extract lists a text's blocks.
func extract(markdown string) []block {
	comment := regexp.MustCompile(`^<!-- (?:parsed: )?(.*) -->$`)
	var blocks []block
	var inside *block
	var section, marker, chapter string
	for n, line := range strings.Split(markdown, "\n") {
		switch {
		case inside != nil && inside.language != indented && line == "```":
			blocks, inside = append(blocks, *inside), nil
		case inside != nil && inside.language != indented:
			inside.text += line + "\n"
		case strings.HasPrefix(line, "```"):
			inside = &block{language: strings.TrimPrefix(line, "```"), marker: marker, section: section, line: n + 1}
			marker = ""
		case strings.HasPrefix(line, "    "):
			if inside == nil {
				inside = &block{language: indented, section: section, line: n + 1}
			}
			inside.text += strings.TrimPrefix(line, "    ") + "\n"
		default:
			if inside != nil && line == "" {
				inside.text += "\n"
				continue
			}
			if inside != nil {
				blocks, inside = append(blocks, *inside), nil
			}
			if heading, found := strings.CutPrefix(line, "## "); found {
				section, chapter = heading, heading
			}
			if heading, found := strings.CutPrefix(line, "### "); found {
				section = chapter + " / " + heading
			}
			if found := comment.FindStringSubmatch(line); found != nil {
				marker = found[1]
			}
		}
	}
	if inside != nil {
		blocks = append(blocks, *inside)
	}
	return blocks
}

func readme(t *testing.T) (text string, blocks []block) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content), extract(string(content))
}

// scripts are the blocks that a shell is to read.
func scripts(t *testing.T) []block {
	t.Helper()
	_, blocks := readme(t)
	typed := regexp.MustCompile(`(?m)^(aws|make|sam|go|bash|curl|mysql) `)
	blocks = slices.DeleteFunc(blocks, func(b block) bool {
		return b.language != "sh" && (b.language != indented || !typed.MatchString(b.text))
	})
	if len(blocks) < 15 {
		t.Fatalf("README has %d scripts", len(blocks))
	}
	return blocks
}

// No block is of a kind that nobody looks at.
func TestBlocks(t *testing.T) {
	_, blocks := readme(t)
	looked := map[string][]string{
		indented:  nil, // a script, or a drawing
		"sh":      nil,
		"":        {"query"},
		"console": {"transcript"},
		"sql":     {"admin grants"},
		"json":    {"policy", "statement", "deployer"},
		"yaml":    {"cloudformation"},
		"ts":      {"typescript"},
		"hcl":     {"terraform"},
	}
	for _, b := range blocks {
		markers, known := looked[b.language]
		kind, _, _ := strings.Cut(b.marker, " ")
		if !known || markers != nil && !slices.Contains(markers, b.marker) && !slices.Contains(markers, kind) {
			t.Errorf("line %d: a block of the language %q, marked %q: no test looks at it", b.line, b.language, b.marker)
		}
	}
}

// Every link within README leads to a heading, and the contents name every
// chapter.
func TestLinks(t *testing.T) {
	text, _ := readme(t)
	anchors := map[string]bool{}
	var chapters []string
	fenced := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		heading := regexp.MustCompile(`^(#+) (.*)\n$`).FindStringSubmatch(line)
		if fenced || heading == nil {
			continue
		}
		anchor := strings.ReplaceAll(regexp.MustCompile(`[^\w -]`).ReplaceAllString(strings.ToLower(heading[2]), ""), " ", "-")
		anchors[anchor] = true
		if heading[1] == "##" {
			chapters = append(chapters, anchor)
		}
	}
	links := map[string]bool{}
	for _, found := range regexp.MustCompile(`\]\(#([^)]*)\)`).FindAllStringSubmatch(text, -1) {
		links[found[1]] = true
		if !anchors[found[1]] {
			t.Errorf("#%s leads nowhere", found[1])
		}
	}
	for _, chapter := range chapters {
		if !links[chapter] {
			t.Errorf("nothing leads to the chapter #%s", chapter)
		}
	}
}
