package main

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"strings"
)

// notesOf is the changelog's chapter of the version. With a tag nothing may stand under
// "Unreleased": it would be released, and in no notes.
func (r release) notesOf() (string, error) {
	text, err := os.ReadFile(r.changelog)
	if err != nil {
		return "", fmt.Errorf("reading the notes: %w", err)
	}
	if r.tag != "" && entries(chapter(string(text), "Unreleased")) {
		return "", fmt.Errorf("%s has entries under Unreleased: move them under %s before you tag it", r.changelog, r.version)
	}
	notes := chapter(string(text), r.version)
	if !entries(notes) {
		return "", fmt.Errorf("%s has no entries under %s: say there what is new", r.changelog, r.version)
	}
	return r.links(notes) + "\n", nil
}

// chapter is what stands below a heading of the second level, up to the next one.
func chapter(text, heading string) string {
	_, after, found := strings.Cut("\n"+text, "\n## "+heading+"\n")
	if !found {
		return ""
	}
	before, _, _ := strings.Cut("\n"+after, "\n## ")
	return strings.TrimSpace(before)
}

func entries(chapter string) bool { return strings.Contains("\n"+chapter, "\n- ") }

var link = regexp.MustCompile(`\[([^\[\]]+)\]\(([^()\s]+)\)`)

// links has relative links lead to the release's own files in the repository: a release's
// page is in no folder.
func (r release) links(text string) string {
	return link.ReplaceAllStringFunc(text, func(found string) string {
		match := link.FindStringSubmatch(found)
		if strings.Contains(match[2], "://") {
			return found
		}
		if r.repository == "" {
			return match[1]
		}
		file, fragment, _ := strings.Cut(match[2], "#")
		if fragment != "" {
			fragment = "#" + fragment
		}
		return "[" + match[1] + "](" + r.repository + "/blob/v" + r.version + "/" + path.Join(".github", file) + fragment + ")"
	})
}
