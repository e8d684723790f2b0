package document_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/config"
	"tandem/internal/failure"
	"tandem/internal/metric"
	"tandem/internal/repotest/document"
	"tandem/internal/rotation"
	"tandem/internal/warning"
)

var update = flag.Bool("update", false, "write the tables that the code has the rows of")

// registries are the rows of tables that the code has, by the table's marker.
func registries() map[string][][]string {
	all := map[string][][]string{}
	add := func(marker, name string, cells ...string) {
		all[marker] = append(all[marker], append([]string{"`" + name + "`"}, cells...))
	}
	for _, c := range failure.Causes() {
		add("table errors", string(c.Type), c.Meaning, c.Remedy)
	}
	for _, c := range warning.Causes() {
		add("table warnings", c.Type, c.Meaning, c.Remedy)
	}
	for _, v := range config.Variables() {
		add("table variables", v.Name, v.Default, v.Meaning)
	}
	for _, c := range rotation.Checks() {
		add("table checks", c.Name, c.LooksAt)
	}
	for _, m := range metric.Metrics() {
		add("table metrics", m.Name, m.Unit, m.Meaning)
	}
	return all
}

// Errors, warnings, checks, variables and metrics are in the documents as the code has
// them, word by word and in its order. What is to be changed is the code; -update
// writes the tables after it.
func TestTables(t *testing.T) {
	for marker, want := range registries() {
		table := document.MarkedTable(t, marker)
		var got [][]string
		for _, row := range table.Rows {
			got = append(got, row.Cells)
		}
		if cmp.Equal(want, got) {
			continue
		}
		if *update {
			rewrite(t, table, want)
			continue
		}
		t.Errorf("%s, <!-- %s --> (-in the code +in the document; go test ./internal/repotest/document -update writes it):\n%s", table, marker, cmp.Diff(want, got))
	}
}

// rewrite writes a table's rows.
func rewrite(t *testing.T, table document.Table, rows [][]string) {
	t.Helper()
	// Behind the head and the rule, counted from 0.
	replace(t, table.Path, table.Line+1, len(table.Rows), rows)
}

// replace writes rows in the place of as many lines of a document.
func replace(t *testing.T, path string, first, lines int, rows [][]string) {
	t.Helper()
	var written []string
	for _, cells := range rows {
		written = append(written, "| "+strings.Join(cells, " | ")+" |")
	}
	text := strings.Join(slices.Replace(strings.Split(document.Get(t, path).Text, "\n"), first, first+lines, written...), "\n")
	if err := os.WriteFile(filepath.Join(document.Root(t), path), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// What stands in another table with the same head is a choice of these rows:
// README's variables, its ten commonest failures, its grants by hand.
func TestChosenRows(t *testing.T) {
	for marker, least := range map[string]int{"table errors": 10, "table variables": 3, "table grants by hand": 4} {
		table := document.MarkedTable(t, marker)
		rows := map[string][]string{}
		for _, row := range table.Rows {
			rows[row.Cells[0]] = row.Cells
		}
		chosen := 0
		for _, other := range document.Get(t, "README.md").Tables {
			if !slices.Equal(other.Head, table.Head) {
				continue
			}
			for _, row := range other.Rows {
				chosen++
				if want := rows[row.Cells[0]]; *update && want != nil {
					replace(t, row.Path, row.Line-1, 1, [][]string{want})
				} else if diff := cmp.Diff(want, row.Cells); diff != "" {
					t.Errorf("%s (-%s +README.md):\n%s", row, table.Path, diff)
				}
			}
		}
		if chosen < least || marker == "table errors" && chosen != least {
			t.Errorf("README has %d rows of <!-- %s -->", chosen, marker)
		}
	}
}

// The words "What is copied", which remedies name, are a chapter.
func TestChaptersOfRemedies(t *testing.T) {
	chapters := map[string]bool{}
	for _, d := range document.All(t) {
		for line := range strings.Lines(d.Text) {
			if _, chapter, found := strings.Cut(line, "# "); found {
				chapters[strings.TrimSpace(chapter)] = true
			}
		}
	}
	for _, rows := range registries() {
		for _, cells := range rows {
			for _, found := range regexp.MustCompile(`"([A-Z][a-z ]+)"`).FindAllStringSubmatch(cells[len(cells)-1], -1) {
				if !chapters[found[1]] {
					t.Errorf("%q names a chapter that is in no document", cells)
				}
			}
		}
	}
}

// The metrics' namespace and dimension, and how many a function pays for.
func TestMetrics(t *testing.T) {
	table := document.MarkedTable(t, "table metrics")
	if text := document.Get(t, table.Path).Text; !strings.Contains(text, "The namespace is `"+metric.Namespace+"`, the dimension `"+metric.Dimension+"`.") {
		t.Errorf("%s does not name the namespace %s and the dimension %s", table.Path, metric.Namespace, metric.Dimension)
	}
	if text := document.Get(t, ".github/deploying/README.md").Text; !strings.Contains(text, fmt.Sprintf("%d custom metrics", len(metric.Metrics()))) {
		t.Errorf(".github/deploying/README.md does not say what %d custom metrics cost", len(metric.Metrics()))
	}
}

// The members of the answer to a check of every secret, in their order.
func TestAnswer(t *testing.T) {
	var want, got []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[rotation.Overview]()) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		want = append(want, "`"+name+"`")
	}
	for _, row := range document.MarkedTable(t, "table answer").Rows {
		got = append(got, row.Cells[0])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-in the code +in the document):\n%s", diff)
	}
}

// The warnings that no alarm is about are named where it says what is counted.
func TestLastingWarnings(t *testing.T) {
	_, chapter, found := strings.Cut(document.Get(t, "cmd/rotator/README.md").Text, "\n### What is counted\n")
	chapter, _, _ = strings.Cut(chapter, "\n#")
	if !found {
		t.Fatal("nothing says what is counted")
	}
	for _, cause := range warning.Causes() {
		if strings.Contains(chapter, "`"+cause.Type+"`") != warning.Lasting(cause.Type) {
			t.Errorf("%s is lasting: %v", cause.Type, warning.Lasting(cause.Type))
		}
	}
}
