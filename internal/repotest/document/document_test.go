package document

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	const text = "# Title\n\nSee [b](b.md#c), `[not](this)` and <img src=\"d.svg\">.\n\n## One: two\n\n" +
		"<!-- query x -->\n```\na | b\n\n```\n\n### One two\n\n<!-- table y -->\n| a | b |\n|---|---|\n| `c`, `d` | e \\| f [g](#h) |\n\n    make x\n\n    make y\n\nEnd.\n"
	d, err := Parse("a.md", text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"title", "one-two", "one-two-1"}, d.Anchors); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"one-two"}, d.Chapters); diff != "" {
		t.Error(diff)
	}
	blocks := []Block{
		{Place{"a.md", "One: two", 8}, "", "query x", "a | b\n\n"},
		{Place{"a.md", "One two", 20}, Indented, "", "make x\n\nmake y\n"},
	}
	if diff := cmp.Diff(blocks, d.Blocks); diff != "" {
		t.Error(diff)
	}
	tables := []Table{{
		Place{"a.md", "One two", 16}, "table y", []string{"a", "b"},
		[]Row{{Place{"a.md", "One two", 18}, []string{"`c`, `d`", `e \| f [g](#h)`}}},
	}}
	if diff := cmp.Diff(tables, d.Tables); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"c", "d"}, Code(d.Tables[0].Rows[0].Cells[0])); diff != "" {
		t.Error(diff)
	}
	var links []string
	for _, l := range d.Links {
		links = append(links, l.Target)
	}
	if diff := cmp.Diff([]string{"b.md#c", "d.svg", "#h"}, links); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"```sh\nmake x\n":                         "does not end",
		"<!-- table x -->\n":                      "nothing follows the marker",
		"<!-- table x -->\nText.\n":               "is followed by what is no block",
		"| a | b |\n|---|---|\n| c |\n":           "has 1 cells",
		"<!-- query x -->\n\n## A heading\n\nx\n": "is followed by what is no block",
	} {
		if _, err := Parse("a.md", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}
