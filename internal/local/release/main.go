// Command release completes the folder of a release, which make release has filled with
// the packages and the templates: a bill of materials beside each package (sbom.go), and
// SHA256SUMS of every file. Apart from these it writes the notes (notes.go). What it
// writes depends on the files and on nothing else, such as the time.
//
//	go run ./internal/local/release -notes bin/release-notes.md -tag v1.2.3 bin/release
package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tandem/internal/version"
)

func main() {
	var r release
	flag.StringVar(&r.changelog, "changelog", ".github/CHANGELOG.md", "the `file` that the notes are taken from")
	flag.StringVar(&r.goMod, "gomod", "go.mod", "the `file` that pins the toolchain")
	flag.StringVar(&r.notes, "notes", "", "the `file` to write the notes to")
	flag.StringVar(&r.tag, "tag", "", "the `tag` that is released, such as v1.2.3; without one this is a rehearsal")
	flag.StringVar(&r.repository, "repository", "", "the `URL` of the repository, which the notes' links lead into; without one they lead nowhere and are left out")
	flag.Parse()
	if r.notes == "" || flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "release: give the file for the notes and the release's folder: release -notes FILE FOLDER")
		os.Exit(2)
	}
	r.folder, r.version = flag.Arg(0), version.Number
	if err := r.complete(); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release is what is released, and out of which.
type release struct {
	version                                          string
	folder, notes, changelog, goMod, tag, repository string
}

// complete writes what is missing, and refuses what must not be released.
func (r release) complete() error {
	if err := r.checkTag(); err != nil {
		return err
	}
	notes, err := r.notesOf()
	if err != nil {
		return err
	}
	packages, err := filepath.Glob(filepath.Join(r.folder, "*.zip"))
	if err != nil || len(packages) == 0 {
		return fmt.Errorf("looking for packages: there is no zip file in %s", r.folder)
	}
	for _, file := range packages {
		if err := r.describe(file); err != nil {
			return err
		}
	}
	if err := sum(r.folder); err != nil {
		return err
	}
	return os.WriteFile(r.notes, []byte(notes), 0o644)
}

// checkTag: the version is a constant of the source, so that the same source makes the
// same bytes with and without git; a tag has to agree with it.
func (r release) checkTag() error {
	if r.tag != "" && r.tag != "v"+r.version {
		return fmt.Errorf("the tag %s is not v%s, the version of internal/version: tag that commit v%s, or change the version, in template.yaml and the changelog too", r.tag, r.version, r.version)
	}
	return nil
}

// sums is the file that has the others' sums.
const sums = "SHA256SUMS"

// sum writes the sums of a folder's files, as sha256sum -c reads them.
func sum(folder string) error {
	if err := os.Remove(filepath.Join(folder, sums)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	entries, err := os.ReadDir(folder) // by name
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%x  %s\n", sha256.Sum256(content), entry.Name())
	}
	return os.WriteFile(filepath.Join(folder, sums), []byte(text.String()), 0o644)
}
