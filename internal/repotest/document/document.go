// Package document reads the repository's documents for the tests that hold them
// to the code. A document is any Markdown file.
//
// What a test looks at has a marker in front of it, an HTML comment that GitHub
// does not show:
//
//	<!-- table errors -->
//	| type | what has happened | what to do |
//	|---|---|---|
//	| `EventInvalid` | ... | ... |
//
// Tests ask for a block or a table by its marker and do not say in which
// document it stands, so that it may move. A marker that two things have, or
// that nothing follows, fails.
package document

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Document is one Markdown file.
type Document struct {
	Path   string // from the repository's root, with slashes
	Text   string
	Blocks []Block
	Tables []Table
	Links  []Link
	// Anchors are the names by which a link reaches a heading, in their order.
	Anchors []string
	// Chapters are those of Anchors that belong to headings of the second level.
	Chapters []string
}

// Place says where something stands.
type Place struct {
	Path    string // the document's
	Section string // the nearest heading above it
	Line    int
}

func (p Place) String() string { return fmt.Sprintf("%s:%d", p.Path, p.Line) }

// Block is text that is set as code.
type Block struct {
	Place
	// Language is what stands behind the fence, or Indented for a block without one.
	Language string
	Marker   string
	Text     string
}

// Indented is the language of a block that is indented by four spaces.
const Indented = "indented"

// Table is a table of GitHub's Markdown.
type Table struct {
	Place
	Marker string
	Head   []string
	Rows   []Row
}

// Row is a table's line.
type Row struct {
	Place
	Cells []string
}

// Link is the target of a link or an image.
type Link struct {
	Place
	Target string
}

// Root returns the way from the working directory to the repository's root.
func Root(t testing.TB) string {
	t.Helper()
	for root := "."; ; root = filepath.Join("..", root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			return root
		}
		if absolute, err := filepath.Abs(root); err != nil || absolute == filepath.Dir(absolute) {
			t.Fatalf("no folder above this one has a go.mod (%v)", err)
		}
	}
}

// built are folders that hold what was built, and no documents of the project.
var built = []string{".git", ".aws-sam", "bin", "testdata", "node_modules"}

// All returns every document, sorted by its path.
func All(t testing.TB) []Document {
	t.Helper()
	root := Root(t)
	var all []Document
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains(built, entry.Name()):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".md":
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		parsed, err := Parse(name, string(text))
		all = append(all, parsed)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("there is no document")
	}
	return all
}

// Get returns the document of a path.
func Get(t testing.TB, path string) Document {
	t.Helper()
	for _, d := range All(t) {
		if d.Path == path {
			return d
		}
	}
	t.Fatalf("there is no document %s", path)
	return Document{}
}

// MarkedBlock returns the one block of all documents that has the marker.
func MarkedBlock(t testing.TB, marker string) Block {
	t.Helper()
	var found []Block
	for _, d := range All(t) {
		for _, b := range d.Blocks {
			if b.Marker == marker {
				found = append(found, b)
			}
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d blocks are marked <!-- %s -->, want 1", len(found), marker)
	}
	return found[0]
}

// MarkedTable returns the one table of all documents that has the marker.
func MarkedTable(t testing.TB, marker string) Table {
	t.Helper()
	var found []Table
	for _, d := range All(t) {
		for _, table := range d.Tables {
			if table.Marker == marker {
				found = append(found, table)
			}
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d tables are marked <!-- %s -->, want 1", len(found), marker)
	}
	if len(found[0].Rows) == 0 {
		t.Fatalf("%s: the table has no row", found[0])
	}
	return found[0]
}

// Blocks returns the blocks of a language in all documents, of which there have
// to be some.
func Blocks(t testing.TB, language string) []Block {
	t.Helper()
	var found []Block
	for _, d := range All(t) {
		for _, b := range d.Blocks {
			if b.Language == language {
				found = append(found, b)
			}
		}
	}
	if len(found) == 0 {
		t.Fatalf("no document has a block of the language %q", language)
	}
	return found
}

// Code returns what a cell sets as code: `a`, `b` and so on.
func Code(cell string) []string {
	var code []string
	for _, found := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
		code = append(code, found[1])
	}
	return code
}

var (
	comment   = regexp.MustCompile(`^<!-- (.*) -->$`)
	heading   = regexp.MustCompile(`^(#+) (.*)$`)
	rule      = regexp.MustCompile(`^\|(:?-+:?\|)+$`)
	inline    = regexp.MustCompile("`[^`]*`")
	target    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	attribute = regexp.MustCompile(`(?:src|srcset|href)="([^"]*)"`)
)

// Parse reads a document.
func Parse(name, text string) (Document, error) {
	p := parser{document: Document{Path: name, Text: text}, place: Place{Path: name}}
	for line := range strings.Lines(text) {
		p.place.Line++
		if err := p.line(strings.TrimRight(line, "\r\n")); err != nil {
			return p.document, fmt.Errorf("%s: %w", p.place, err)
		}
	}
	p.end()
	switch {
	case p.block != nil:
		return p.document, fmt.Errorf("%s: the block does not end", p.block)
	case p.marker != "":
		return p.document, fmt.Errorf("%s: nothing follows the marker %q", name, p.marker)
	}
	return p.document, nil
}

type parser struct {
	document Document
	place    Place
	marker   string
	block    *Block // that the line is in
	table    *Table // likewise
}

func (p *parser) line(line string) error {
	switch {
	case p.block != nil && p.block.Language != Indented:
		if line == "```" {
			p.document.Blocks, p.block = append(p.document.Blocks, *p.block), nil
			return nil
		}
		p.block.Text += line + "\n"
		return nil
	case p.table != nil && strings.HasPrefix(line, "|"):
		p.links(line)
		return p.row(line)
	case p.block != nil && (line == "" || strings.HasPrefix(line, "    ")):
		p.block.Text += strings.TrimPrefix(line, "    ") + "\n"
		return nil
	}
	p.end()
	switch {
	case strings.HasPrefix(line, "```"):
		p.begin(strings.TrimPrefix(line, "```"))
		return nil
	case strings.HasPrefix(line, "    "):
		p.begin(Indented)
		p.block.Text = strings.TrimPrefix(line, "    ") + "\n"
		return nil
	case strings.HasPrefix(line, "|"):
		p.table = &Table{Place: p.place, Marker: p.marker, Head: cells(line)}
		p.marker = ""
		p.links(line)
		return nil
	case line == "":
		return nil
	case p.marker != "":
		return fmt.Errorf("the marker %q is followed by what is no block and no table", p.marker)
	}
	if found := comment.FindStringSubmatch(line); found != nil {
		p.marker = found[1]
		return nil
	}
	if found := heading.FindStringSubmatch(line); found != nil {
		p.heading(len(found[1]), found[2])
	}
	p.links(line)
	return nil
}

func (p *parser) begin(language string) {
	p.block = &Block{Place: p.place, Language: language, Marker: p.marker}
	p.marker = ""
}

// end ends what has no last line of its own.
func (p *parser) end() {
	if p.table != nil {
		p.document.Tables, p.table = append(p.document.Tables, *p.table), nil
	}
	if p.block != nil && p.block.Language == Indented {
		p.block.Text = strings.TrimRight(p.block.Text, "\n") + "\n"
		p.document.Blocks, p.block = append(p.document.Blocks, *p.block), nil
	}
}

func (p *parser) row(line string) error {
	if len(p.table.Rows) == 0 && rule.MatchString(line) {
		return nil
	}
	row := Row{Place: p.place, Cells: cells(line)}
	if len(row.Cells) != len(p.table.Head) {
		return fmt.Errorf("the row has %d cells, and the table's head has %d", len(row.Cells), len(p.table.Head))
	}
	p.table.Rows = append(p.table.Rows, row)
	return nil
}

// cells splits a table's line. A bar with a backslash before it is part of a cell.
func cells(line string) []string {
	const bar = "\x00"
	line = strings.TrimSuffix(strings.TrimPrefix(strings.ReplaceAll(line, `\|`, bar), "|"), "|")
	var out []string
	for cell := range strings.SplitSeq(line, "|") {
		out = append(out, strings.TrimSpace(strings.ReplaceAll(cell, bar, `\|`)))
	}
	return out
}

// heading names a heading's anchor as GitHub does.
func (p *parser) heading(level int, text string) {
	p.place.Section = text
	name := strings.ReplaceAll(regexp.MustCompile(`[^\pL\pN_ -]`).ReplaceAllString(strings.ToLower(text), ""), " ", "-")
	anchor := name
	for n := 1; slices.Contains(p.document.Anchors, anchor); n++ {
		anchor = fmt.Sprintf("%s-%d", name, n)
	}
	p.document.Anchors = append(p.document.Anchors, anchor)
	if level == 2 {
		p.document.Chapters = append(p.document.Chapters, anchor)
	}
}

func (p *parser) links(line string) {
	line = inline.ReplaceAllString(line, "")
	for _, form := range []*regexp.Regexp{target, attribute} {
		for _, found := range form.FindAllStringSubmatch(line, -1) {
			p.document.Links = append(p.document.Links, Link{p.place, found[1]})
		}
	}
}
