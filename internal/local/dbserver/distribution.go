package dbserver

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// debianSuites are the suites of Debian that hold a server which the project is
// tested against. A suite's packages are never newer than its series.
var debianSuites = []struct {
	suite   string
	release Release
}{
	{"trixie", Release{MariaDB, "11.8"}},
	{"bookworm", Release{MariaDB, "10.11"}},
	{"bullseye", Release{MariaDB, "10.5"}},
	{"sid", Release{MySQL, "9"}},
}

func debianSeries() []string {
	var all []string
	for _, s := range slices.Backward(debianSuites) {
		if s.release.Flavor == MariaDB {
			all = append(all, s.release.Series)
		}
	}
	return all
}

// An archive is where the packages of a release are: a suite with its pockets,
// as lines for apt.
type archive struct {
	// release is what is wanted of it; a package of another series is refused.
	release Release
	// label names it in messages and in the cache: "debian-bookworm".
	label string
	// mirror is the address that messages show.
	mirror string
	lines  []string
}

// osRelease reads os-release(5).
func (f Finder) osRelease() map[string]string {
	values := map[string]string{}
	for _, file := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		content, err := os.ReadFile(f.path(file))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(content)) {
			name, value, found := strings.Cut(strings.TrimSpace(line), "=")
			if found && !strings.HasPrefix(name, "#") {
				values[name] = strings.Trim(value, `"'`)
			}
		}
		break
	}
	return values
}

// archive returns where the release's packages are on this machine's
// distribution.
func (f Finder) archive(release Release) (archive, error) {
	system := f.osRelease()
	like := append(strings.Fields(system["ID_LIKE"]), system["ID"])
	all, err := f.sources()
	if err != nil {
		return archive{}, err
	}
	switch {
	case f.getenv(MirrorVariable) != "" && system["ID"] != "debian":
		return f.debian(release, "", all)
	case slices.Contains(like, "ubuntu"):
		codename := system["UBUNTU_CODENAME"]
		if codename == "" {
			codename = system["VERSION_CODENAME"]
		}
		return f.ubuntu(release, codename, all)
	case slices.Contains(like, "debian"):
		return f.debian(release, system["VERSION_CODENAME"], all)
	}
	name := system["PRETTY_NAME"]
	if name == "" {
		name = "this system"
	}
	return archive{}, fmt.Errorf("%s is neither Debian nor Ubuntu, whose packages are the ones known here", name)
}

// debianSuite chooses the suite for a release: with no series asked for, the
// machine's own if it is one of them, since its keys are certainly here.
func debianSuite(release Release, codename string) (string, Release, error) {
	if release.Flavor == "" {
		release.Flavor = MariaDB
	}
	chosen := -1
	for i, s := range debianSuites {
		if s.release.Flavor != release.Flavor {
			continue
		}
		fits := s.release.Matches(release.Flavor, release.Series) || release.Matches(release.Flavor, s.release.Series)
		if release.Series != "" && !fits {
			continue
		}
		if chosen < 0 || s.suite == codename {
			chosen = i
		}
	}
	if chosen < 0 {
		return "", release, fmt.Errorf("no suite of Debian has %s", release.Title())
	}
	if release.Series == "" {
		release = debianSuites[chosen].release
	}
	return debianSuites[chosen].suite, release, nil
}

func (f Finder) debian(release Release, codename string, all []source) (archive, error) {
	suite, release, err := debianSuite(release, codename)
	if err != nil {
		return archive{}, err
	}
	known := []string{codename, "stable", "oldstable", "oldoldstable", "testing", "unstable"}
	for _, s := range debianSuites {
		known = append(known, s.suite)
	}
	main, found := bestSource(all, "debian", known)
	mirror := f.getenv(MirrorVariable)
	if mirror == "" {
		if !found {
			return archive{}, errors.New("apt's sources name no Debian mirror: set " + MirrorVariable + " to one")
		}
		mirror = main.URI
	}
	key := f.keyring("debian", main)
	if key == "" && !found {
		return archive{}, fmt.Errorf("%s is set, and there is no key to verify Debian's packages with: install the package debian-archive-keyring", MirrorVariable)
	}
	result := archive{release: release, label: "debian-" + suite, mirror: mirror}
	// unstable's index is renewed for ever, and so an old one is refused, unless
	// the machine's apt is told otherwise. The index of a released suite expires
	// when its support does, and is still the one to verify with.
	options := []string{}
	if suite != "sid" {
		options = append(options, "check-valid-until=no")
	}
	result.lines = append(result.lines, sourceLine(mirror, suite, "main", key, options))
	if suite == "sid" || f.getenv(MirrorVariable) != "" {
		return result, nil
	}
	var pockets []string
	for _, name := range known {
		pockets = append(pockets, name+"-security")
	}
	if security, found := bestSource(all, "debian", pockets); found {
		result.lines = append(result.lines, sourceLine(security.URI, suite+"-security", "main", f.keyring("debian", security), options))
	}
	return result, nil
}

func (f Finder) ubuntu(release Release, codename string, all []source) (archive, error) {
	if release.Flavor == "" {
		release.Flavor = MariaDB
	}
	main, found := bestSource(all, "ubuntu", []string{codename})
	if !found {
		return archive{}, fmt.Errorf("apt's sources name no Ubuntu mirror for %q: set %s to a Debian mirror instead", codename, MirrorVariable)
	}
	result := archive{release: release, label: "ubuntu-" + codename, mirror: main.URI}
	for _, pocket := range []string{codename, codename + "-updates", codename + "-security"} {
		if s, found := bestSource(all, "ubuntu", []string{pocket}); found {
			// MariaDB is in universe, which a small system may not have enabled.
			result.lines = append(result.lines, sourceLine(s.URI, pocket, "main universe", f.keyring("ubuntu", s), nil))
		}
	}
	return result, nil
}

func sourceLine(uri, suite, components, keyring string, options []string) string {
	if keyring != "" {
		options = append([]string{"signed-by=" + keyring}, options...)
	}
	line := "deb "
	if len(options) > 0 {
		line += "[" + strings.Join(options, " ") + "] "
	}
	return line + uri + " " + suite + " " + components
}
