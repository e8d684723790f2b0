package main

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/lambdahost"
)

const changelog = "# Changelog\n\n## Unreleased\n\n%s## 1.2.3\n\n### Added\n\n- One thing, of [the README](../README.md#it) and [a guide](deploying/README.md), after [a document](https://example.com/a).\n\n## 1.2.2\n\n- An earlier thing.\n"

// newRelease makes a folder with a package of a program that links modules.
func newRelease(t *testing.T, unreleased string) release {
	t.Helper()
	folder := t.TempDir()
	r := release{version: "1.2.3", folder: filepath.Join(folder, "release"), notes: filepath.Join(folder, "notes.md"), changelog: filepath.Join(folder, "CHANGELOG.md"), goMod: "../../../go.mod"}
	if err := os.Mkdir(r.folder, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, r.changelog, fmt.Sprintf(changelog, unreleased))
	write(t, filepath.Join(r.folder, "template.yaml"), "a template")
	// This test is a program of Go too.
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(own)
	if err != nil {
		t.Fatal(err)
	}
	pack(t, filepath.Join(r.folder, "function-arm64.zip"), content)
	return r
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func pack(t *testing.T, file string, content []byte) {
	t.Helper()
	target, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = target.Close() }()
	archive := zip.NewWriter(target)
	entry, err := archive.Create(program)
	if err == nil {
		_, err = entry.Write(content)
	}
	if err == nil {
		err = archive.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func filesIn(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := map[string]string{}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		found[entry.Name()] = string(content)
	}
	return found
}

// A folder is completed, and the second time it comes to the same bytes.
func TestComplete(t *testing.T) {
	r := newRelease(t, "")
	if err := r.complete(); err != nil {
		t.Fatal(err)
	}
	first := filesIn(t, r.folder)
	if diff := cmp.Diff([]string{"SHA256SUMS", "function-arm64.cdx.json", "function-arm64.zip", "template.yaml"}, slices.Sorted(maps.Keys(first))); diff != "" {
		t.Errorf("the files (-want +got):\n%s", diff)
	}
	check := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = r.folder
	if out, err := check.CombinedOutput(); err != nil || strings.Count(string(out), ": OK") != len(first)-1 {
		t.Errorf("sha256sum: %v\n%s", err, out)
	}
	if err := r.complete(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, filesIn(t, r.folder)); diff != "" {
		t.Errorf("the second time (-first +second):\n%s", diff)
	}
}

// The bill names the program by its sum, the standard library and each module by its
// version, as Go itself prints them.
func TestBill(t *testing.T) {
	own, err := lambdahost.Compile(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(own)
	if err != nil {
		t.Fatal(err)
	}
	r := newRelease(t, "")
	pack(t, filepath.Join(r.folder, "function-arm64.zip"), content)
	if err := r.complete(); err != nil {
		t.Fatal(err)
	}
	var b bill
	if err := json.Unmarshal([]byte(filesIn(t, r.folder)["function-arm64.cdx.json"]), &b); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	if main := b.Metadata.Component; main.Version != "1.2.3" || main.Hashes[0].Content != hex.EncodeToString(sum[:]) {
		t.Errorf("the program: %+v", main)
	}
	out, err := exec.CommandContext(t.Context(), "go", "version", "-m", own).Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(out)) {
		switch fields := strings.Fields(line); {
		case strings.HasPrefix(line, own):
			want = append(want, "pkg:golang/std@"+strings.TrimPrefix(fields[len(fields)-1], "go"))
		case fields[0] == "dep":
			want = append(want, "pkg:golang/"+fields[1]+"@"+fields[2])
		}
	}
	var got []string
	for _, c := range b.Components {
		got = append(got, c.PURL)
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) < 10 {
		t.Errorf("components (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(got, b.Dependencies[0].DependsOn); diff != "" {
		t.Errorf("what it depends on (-components +got):\n%s", diff)
	}
}

// The notes are the version's chapter, with links that lead somewhere from a release's
// page.
func TestNotes(t *testing.T) {
	for repository, want := range map[string]string{
		"https://github.com/o/r": "### Added\n\n- One thing, of [the README](https://github.com/o/r/blob/v1.2.3/README.md#it) and [a guide](https://github.com/o/r/blob/v1.2.3/.github/deploying/README.md), after [a document](https://example.com/a).\n",
		"":                       "### Added\n\n- One thing, of the README and a guide, after [a document](https://example.com/a).\n",
	} {
		r := newRelease(t, "")
		r.repository = repository
		if err := r.complete(); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(r.notes)
		if diff := cmp.Diff(want, string(got)); diff != "" || err != nil {
			t.Errorf("error %v, notes (-want +got):\n%s", err, diff)
		}
	}
}

// What must not be released is refused, and the sentence says what to do.
func TestRefused(t *testing.T) {
	for name, test := range map[string]struct {
		unreleased string
		change     func(*release)
		want       string
	}{
		"another tag":                  {"", func(r *release) { r.tag = "v1.2.4" }, "the tag v1.2.4 is not v1.2.3"},
		"a tag without a v":            {"", func(r *release) { r.tag = "1.2.3" }, "the tag 1.2.3 is not v1.2.3"},
		"entries that are in no notes": {"- A new thing.\n\n", func(r *release) { r.tag = "v1.2.3" }, "move them under 1.2.3"},
		"no notes":                     {"", func(r *release) { r.version = "1.2.4" }, "no entries under 1.2.4"},
		"notes of a longer number":     {"", func(r *release) { r.version = "1.2" }, "no entries under 1.2:"},
		"no package":                   {"", func(r *release) { r.folder = t.TempDir() }, "no zip file"},
		"no program of Go":             {"", func(r *release) { pack(t, filepath.Join(r.folder, "z.zip"), []byte("x")) }, "reading what is linked into"},
		"another toolchain": {"", func(r *release) {
			r.tag, r.goMod = "v1.2.3", filepath.Join(t.TempDir(), "go.mod")
			write(t, r.goMod, "module m\n\ngo 1.26.0\n\ntoolchain go1.26.1\n")
		}, "GOTOOLCHAIN=go1.26.1"},
		"no toolchain": {"", func(r *release) {
			r.goMod = filepath.Join(t.TempDir(), "go.mod")
			write(t, r.goMod, "module m\n\ngo 1.26.0\n")
		}, "names no toolchain"},
	} {
		r := newRelease(t, test.unreleased)
		test.change(&r)
		if err := r.complete(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		if _, err := os.Stat(r.notes); err == nil {
			t.Errorf("%s: there are notes", name)
		}
	}
	r := newRelease(t, "- A new thing.\n\n")
	if err := r.complete(); err != nil {
		t.Errorf("a rehearsal: %v", err)
	}
}
