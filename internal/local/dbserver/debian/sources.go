package debian

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// A source is one place that apt takes packages from.
type source struct {
	URI        string
	Suite      string
	Components []string
	// Keyring is what Signed-By names: key files or fingerprints. A key written
	// out in the entry itself is left out.
	Keyring string
}

// sources reads the machine's apt sources in both of their forms: one line each
// (sources.list) and deb822 (*.sources). See sources.list(5).
func (u Unpacker) sources() ([]source, error) {
	folder := u.path("/etc/apt")
	files := []string{filepath.Join(folder, "sources.list")}
	for _, pattern := range []string{"*.list", "*.sources"} {
		more, err := filepath.Glob(filepath.Join(folder, "sources.list.d", pattern))
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", folder, err)
		}
		files = append(files, more...)
	}
	sort.Strings(files[1:])
	var found []source
	for _, file := range files {
		content, err := os.ReadFile(file)
		if os.IsNotExist(err) || os.IsPermission(err) {
			// A file that the user may not read holds credentials for a mirror of
			// its own; apt run by this user could not read it either.
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading apt's sources: %w", err)
		}
		if strings.HasSuffix(file, ".sources") {
			found = append(found, parseDeb822Sources(string(content))...)
		} else {
			found = append(found, parseSourceLines(string(content))...)
		}
	}
	return found, nil
}

// parseSourceLines reads "deb [option=value ...] URI suite component...".
func parseSourceLines(content string) []source {
	var found []source
	for line := range strings.Lines(content) {
		line, _, _ = strings.Cut(line, "#")
		rest, isDeb := strings.CutPrefix(strings.TrimSpace(line), "deb")
		if !isDeb || !strings.HasPrefix(strings.TrimLeft(rest, " \t"), "[") && strings.TrimLeft(rest, " \t") == rest {
			continue
		}
		rest = strings.TrimSpace(rest)
		keyring := ""
		if strings.HasPrefix(rest, "[") {
			options, after, closed := strings.Cut(rest[1:], "]")
			if !closed {
				continue
			}
			for _, option := range strings.Fields(options) {
				if value, found := strings.CutPrefix(option, "signed-by="); found {
					keyring = value
				}
			}
			rest = after
		}
		fields := strings.Fields(rest)
		if len(fields) < 3 {
			continue
		}
		found = append(found, source{fields[0], fields[1], fields[2:], keyring})
	}
	return found
}

// parseDeb822Sources reads stanzas of "Field: value" with continuation lines.
func parseDeb822Sources(content string) []source {
	var found []source
	fields := map[string]string{}
	last := ""
	stanza := func() {
		if slices.Contains(strings.Fields(fields["types"]), "deb") && !isNo(fields["enabled"]) {
			for _, uri := range strings.Fields(fields["uris"]) {
				for _, suite := range strings.Fields(fields["suites"]) {
					if components := strings.Fields(fields["components"]); len(components) > 0 {
						found = append(found, source{uri, suite, components, keyringOf(fields["signed-by"])})
					}
				}
			}
		}
		fields, last = map[string]string{}, ""
	}
	for line := range strings.Lines(content) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			stanza()
		case line[0] == ' ' || line[0] == '\t':
			if last != "" {
				fields[last] += "\n" + strings.TrimSpace(line)
			}
		default:
			name, value, _ := strings.Cut(line, ":")
			last = strings.ToLower(strings.TrimSpace(name))
			fields[last] = strings.TrimSpace(value)
		}
	}
	stanza()
	return found
}

func isNo(value string) bool {
	return slices.Contains([]string{"no", "false", "without", "off", "disable"}, strings.ToLower(value))
}

func keyringOf(signedBy string) string {
	if strings.Contains(signedBy, "BEGIN PGP") {
		return ""
	}
	return strings.Join(strings.Fields(signedBy), ",")
}

// keyrings are where a distribution's archive keys lie, newer name first.
var keyrings = map[string][]string{
	"debian": {"/usr/share/keyrings/debian-archive-keyring.pgp", "/usr/share/keyrings/debian-archive-keyring.gpg"},
	"ubuntu": {"/usr/share/keyrings/ubuntu-archive-keyring.gpg"},
}

// keyring returns the key file to verify the distribution's index with: the
// source's own, else the distribution's. Without either apt's own trusted keys
// serve, which is what apt does too.
func (u Unpacker) keyring(distribution string, from source) string {
	if from.Keyring != "" {
		return from.Keyring
	}
	for _, file := range keyrings[distribution] {
		if _, err := fs.Stat(os.DirFS(u.path("/")), strings.TrimPrefix(file, "/")); err == nil {
			return file
		}
	}
	return ""
}

// bestSource returns the source that is most probably the distribution's own
// and not a third party's, which likes to name its suite after the
// distribution's: among those in a suite that is wanted, the one with the
// distribution's keyring, path and components. suites begins with the machine's
// own. A source with none of these marks is not taken.
func bestSource(all []source, distribution string, suites []string) (source, bool) {
	var best source
	bestScore := 0
	for _, s := range all {
		if !slices.Contains(suites, s.Suite) || !slices.Contains(s.Components, "main") || strings.Contains(s.URI, "://ppa.") {
			continue
		}
		score := 0
		if strings.Contains(s.Keyring, distribution+"-archive-keyring") {
			score += 4
		}
		path := strings.TrimRight(s.URI, "/")
		switch path[strings.LastIndex(path, "/")+1:] {
		case distribution, distribution + "-ports", distribution + "-security":
			score += 2
		}
		if slices.Contains(s.Components, "universe") {
			score += 2
		}
		if s.Suite == suites[0] {
			score++
		}
		if score > bestScore {
			best, bestScore = s, score
		}
	}
	return best, bestScore > 0
}
