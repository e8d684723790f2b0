package document_test

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tandem/internal/repotest/document"
)

// scripts are the blocks that a shell is to read.
func scripts(t *testing.T) []document.Block {
	t.Helper()
	found := document.Blocks(t, "sh")
	if len(found) < 30 {
		t.Fatalf("the documents have %d scripts", len(found))
	}
	return found
}

// The most that a document may have, in bytes: what is longer is not read.
const most = 40_000

var limits = map[string]int{"README.md": 20_000}

func TestSizes(t *testing.T) {
	for _, d := range document.All(t) {
		limit := limits[d.Path]
		if limit == 0 {
			limit = most
		}
		if len(d.Text) > limit {
			t.Errorf("%s has %d bytes, and may have %d: move what somebody new does not need to where it belongs", d.Path, len(d.Text), limit)
		}
	}
}

// looked says which markers a test looks at, by the language of a block; a marker
// of two words by its first. Nil is that no marker is needed.
var looked = map[string][]string{
	"sh":      {"", "step"}, // TestCommands, TestCLI; steps: TestAcceptance
	"":        {"query"},
	"console": {"transcript"},
	"sql":     {"admin grants"},
	"json":    {"policy", "statement", "deployer", "boundary", "trust", "pattern"},
	"yaml":    nil, // TestCloudFormation
	"ts":      nil, // TestTypeScript
	"hcl":     nil, // TestTerraform
	"go":      nil, // TestGo
}

// lookedTables are the markers of tables that a test looks at.
var lookedTables = []string{
	"bench", "table answer", "table calls", "table checks", "table connection strings", "table errors", "table fields", "table figures", "table fire", "table grants by hand", "table metrics",
	"table parameters", "table passwords", "table results", "table tls", "table variables", "table warnings",
}

// No block and no marker is of a kind that nobody looks at.
func TestBlocks(t *testing.T) {
	for _, d := range document.All(t) {
		for _, b := range d.Blocks {
			markers, known := looked[b.Language]
			kind, _, _ := strings.Cut(b.Marker, " ")
			if !known || markers != nil && !slices.Contains(markers, b.Marker) && !slices.Contains(markers, kind) || markers == nil && b.Marker != "" {
				t.Errorf("%s: a block of the language %q, marked %q: no test looks at it", b, b.Language, b.Marker)
			}
		}
		for _, table := range d.Tables {
			if table.Marker != "" && !slices.Contains(lookedTables, table.Marker) {
				t.Errorf("%s: a table marked %q: no test looks at it", table, table.Marker)
			}
		}
	}
	for _, marker := range lookedTables {
		document.MarkedTable(t, marker)
	}
}

// Every link leads somewhere: to a file, to a folder, to a heading. Every document
// is reached from README.md, and README.md's contents name each of its chapters.
func TestLinks(t *testing.T) {
	documents := map[string]document.Document{}
	for _, d := range document.All(t) {
		documents[d.Path] = d
	}
	root := document.Root(t)
	leads := map[string][]string{} // from document to document
	chapters := map[string]bool{}
	for _, d := range documents {
		for _, link := range d.Links {
			to, err := url.Parse(link.Target)
			if err != nil {
				t.Errorf("%s: %v", link, err)
				continue
			}
			if to.Scheme != "" {
				continue
			}
			file := d.Path
			if to.Path != "" {
				file = path.Join(path.Dir(d.Path), to.Path)
			}
			if _, err := os.Stat(filepath.Join(root, file)); err != nil || strings.HasPrefix(file, "../") {
				t.Errorf("%s: %s leads nowhere", link, link.Target)
				continue
			}
			leads[d.Path] = append(leads[d.Path], file)
			if to.Fragment == "" {
				continue
			}
			if !slices.Contains(documents[file].Anchors, to.Fragment) {
				t.Errorf("%s: %s has no heading #%s", link, file, to.Fragment)
			}
			if d.Path == "README.md" && file == d.Path {
				chapters[to.Fragment] = true
			}
		}
	}
	reached, next := map[string]bool{}, []string{"README.md"}
	for len(next) > 0 {
		from := next[0]
		next = next[1:]
		if reached[from] {
			continue
		}
		reached[from] = true
		next = append(next, leads[from]...)
	}
	for name := range documents {
		if !reached[name] {
			t.Errorf("no way leads from README.md to %s", name)
		}
	}
	for _, chapter := range documents["README.md"].Chapters {
		if !chapters[chapter] {
			t.Errorf("README.md's contents lack #%s", chapter)
		}
	}
}

// GitHub shows .github/README.md in the place of README.md.
func TestNoOtherReadme(t *testing.T) {
	for _, d := range document.All(t) {
		if d.Path == ".github/README.md" || d.Path == "docs/README.md" {
			t.Errorf("%s: GitHub shows it in the place of README.md", d.Path)
		}
	}
}

// What files beside the documents say of a chapter, as FILE.md, "Chapter", is there.
func TestChaptersElsewhere(t *testing.T) {
	documents := document.All(t)
	root := document.Root(t)
	seen := 0
	for _, name := range []string{"Makefile", "template.yaml", ".github/workflows/ci.yaml", ".github/workflows/tests.yaml", ".github/workflows/deploy.yaml", ".github/workflows/release.yaml", ".ci/run"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if old := regexp.MustCompile(`README, \\?"`).FindString(string(text)); old != "" {
			t.Errorf("%s speaks of a chapter of README, and does not say of which: write its path", name)
		}
		for _, found := range regexp.MustCompile(`([\w./-]+\.md), \\?"([^"\\]+)\\?"`).FindAllStringSubmatch(strings.ReplaceAll(string(text), "\n# ", " "), -1) {
			seen++
			if !slices.ContainsFunc(documents, func(d document.Document) bool {
				return d.Path == found[1] && strings.Contains(d.Text, "# "+found[2]+"\n")
			}) {
				t.Errorf("%s: there is no chapter %q in %s", name, found[2], found[1])
			}
		}
	}
	if seen < 5 {
		t.Errorf("only %d chapters are named", seen)
	}
}

// Figures that stand in README.md are those of the table that make bench prints.
func TestFigures(t *testing.T) {
	measured := map[string][]string{}
	for _, row := range document.MarkedTable(t, "bench").Rows {
		measured[row.Cells[0]] = row.Cells
	}
	figures := document.MarkedTable(t, "table figures")
	for _, row := range figures.Rows {
		of := measured[row.Cells[0]]
		if of == nil || !slices.Equal(of[:len(row.Cells)], row.Cells) {
			t.Errorf("%s: %q, and measured was %q", row, row.Cells, of)
		}
	}
}

// The runbook has three commands for each alarm.
func TestRunbook(t *testing.T) {
	_, runbook, found := strings.Cut(document.Get(t, ".github/deploying/README.md").Text, "\n## Runbook\n")
	runbook, _, _ = strings.Cut(runbook, "\n## ")
	alarms := strings.Split(runbook, "\n### ")[1:]
	if !found || len(alarms) < 5 {
		t.Fatalf("the runbook has %d alarms", len(alarms))
	}
	for _, alarm := range alarms {
		name, rest, _ := strings.Cut(alarm, "\n")
		_, rest, _ = strings.Cut(rest, "```sh\n")
		commands, _, _ := strings.Cut(rest, "```")
		if n := strings.Count(commands, "\n"); n != 3 {
			t.Errorf("%s: %d commands", name, n)
		}
	}
}

// The picture is XML, has a title, and colours for both schemes.
func TestPicture(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(document.Root(t), ".github/rotation.svg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<title", "prefers-color-scheme: dark", "viewBox"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the picture has no %s", want)
		}
	}
	for _, step := range []string{"createSecret", "setSecret", "testSecret", "finishSecret"} {
		if !strings.Contains(string(text), ">"+step+"<") {
			t.Errorf("the picture lacks %s", step)
		}
	}
}

// The files and folders that the contributor's guide names are there, and so is what
// its table of things to add names in them.
func TestContributing(t *testing.T) {
	text := document.Get(t, ".github/CONTRIBUTING.md").Text
	root := document.Root(t)
	named := 0
	for _, path := range regexp.MustCompile("`((?:internal|cmd|\\.ci|\\.github)/[\\w./-]+)`").FindAllStringSubmatch(text, -1) {
		named++
		if _, err := os.Stat(filepath.Join(root, path[1])); err != nil && path[1] != ".github/README.md" {
			t.Errorf("there is no %s", path[1])
		}
	}
	if named < 20 {
		t.Errorf("the guide names %d files and folders", named)
	}
	for _, line := range strings.Split(text, "\n") {
		files := regexp.MustCompile("`(internal/[\\w./-]+\\.go)`").FindAllStringSubmatch(line, -1)
		for _, word := range regexp.MustCompile("`(?:\\w+\\.)?([A-Za-z]{4,})(?:\\([^`]*)?`").FindAllStringSubmatch(line, -1) {
			found := len(files) == 0 || word[1] == "yaml"
			for _, file := range files {
				source, err := os.ReadFile(filepath.Join(root, file[1]))
				found = found || err == nil && strings.Contains(string(source), word[1])
			}
			if !found {
				t.Errorf("%s is in none of the files of its line: %s", word[1], line)
			}
		}
	}
}
