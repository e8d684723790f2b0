package debian

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"tandem/internal/local/dbserver/release"
)

// debianSuites are the suites of Debian that hold a server which the project is
// tested against. A suite's packages are never newer than its series.
var debianSuites = []struct {
	suite   string
	release release.Release
}{
	{"trixie", release.Release{Flavor: release.MariaDB, Series: "11.8"}},
	{"bookworm", release.Release{Flavor: release.MariaDB, Series: "10.11"}},
	{"bullseye", release.Release{Flavor: release.MariaDB, Series: "10.5"}},
	{"sid", release.Release{Flavor: release.MySQL, Series: "9"}},
}

// MariaDBSeries lists the series of MariaDB that Debian's suites have.
func MariaDBSeries() []string {
	var all []string
	for _, s := range slices.Backward(debianSuites) {
		if s.release.Flavor == release.MariaDB {
			all = append(all, s.release.Series)
		}
	}
	return all
}

// An archive is where the packages of a release are: a suite with its pockets,
// as lines for apt.
type archive struct {
	// release is what is wanted of it; a package of another series is refused.
	release release.Release
	// label names it in messages and in the cache: "debian-bookworm".
	label string
	// mirror is the address that messages show.
	mirror string
	lines  []string
}

// osRelease reads os-release(5).
func (u Unpacker) osRelease() map[string]string {
	values := map[string]string{}
	for _, file := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		content, err := os.ReadFile(u.path(file))
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
func (u Unpacker) archive(wanted release.Release) (archive, error) {
	system := u.osRelease()
	like := append(strings.Fields(system["ID_LIKE"]), system["ID"])
	all, err := u.sources()
	if err != nil {
		return archive{}, err
	}
	switch {
	case u.Getenv(MirrorVariable) != "" && system["ID"] != "debian":
		return u.debian(wanted, "", all)
	case slices.Contains(like, "ubuntu"):
		codename := system["UBUNTU_CODENAME"]
		if codename == "" {
			codename = system["VERSION_CODENAME"]
		}
		return u.ubuntu(wanted, codename, all)
	case slices.Contains(like, "debian"):
		return u.debian(wanted, system["VERSION_CODENAME"], all)
	}
	name := system["PRETTY_NAME"]
	if name == "" {
		name = "this system"
	}
	return archive{}, fmt.Errorf("%s is neither Debian nor Ubuntu, whose packages are the ones known here", name)
}

// debianSuite chooses the suite for a release: with no series asked for, the
// machine's own if it is one of them, since its keys are certainly here.
func debianSuite(wanted release.Release, codename string) (string, release.Release, error) {
	if wanted.Flavor == "" {
		wanted.Flavor = release.MariaDB
	}
	chosen := -1
	for i, s := range debianSuites {
		if s.release.Flavor != wanted.Flavor {
			continue
		}
		fits := s.release.Matches(wanted.Flavor, wanted.Series) || wanted.Matches(wanted.Flavor, s.release.Series)
		if wanted.Series != "" && !fits {
			continue
		}
		if chosen < 0 || s.suite == codename {
			chosen = i
		}
	}
	if chosen < 0 {
		return "", wanted, fmt.Errorf("no suite of Debian has %s", wanted.Title())
	}
	if wanted.Series == "" {
		wanted = debianSuites[chosen].release
	}
	return debianSuites[chosen].suite, wanted, nil
}

func (u Unpacker) debian(wanted release.Release, codename string, all []source) (archive, error) {
	suite, wanted, err := debianSuite(wanted, codename)
	if err != nil {
		return archive{}, err
	}
	known := []string{codename, "stable", "oldstable", "oldoldstable", "testing", "unstable"}
	for _, s := range debianSuites {
		known = append(known, s.suite)
	}
	main, found := bestSource(all, "debian", known)
	mirror := u.Getenv(MirrorVariable)
	if mirror == "" {
		if !found {
			return archive{}, errors.New("apt's sources name no Debian mirror: set " + MirrorVariable + " to one")
		}
		mirror = main.URI
	}
	key := u.keyring("debian", main)
	if key == "" && !found {
		return archive{}, fmt.Errorf("%s is set, and there is no key to verify Debian's packages with: install the package debian-archive-keyring", MirrorVariable)
	}
	result := archive{release: wanted, label: "debian-" + suite, mirror: mirror}
	// unstable's index is renewed for ever, and so an old one is refused, unless
	// the machine's apt is told otherwise. The index of a released suite expires
	// when its support does, and is still the one to verify with.
	options := []string{}
	if suite != "sid" {
		options = append(options, "check-valid-until=no")
	}
	result.lines = append(result.lines, sourceLine(mirror, suite, "main", key, options))
	if suite == "sid" || u.Getenv(MirrorVariable) != "" {
		return result, nil
	}
	var pockets []string
	for _, name := range known {
		pockets = append(pockets, name+"-security")
	}
	if security, found := bestSource(all, "debian", pockets); found {
		result.lines = append(result.lines, sourceLine(security.URI, suite+"-security", "main", u.keyring("debian", security), options))
	}
	return result, nil
}

func (u Unpacker) ubuntu(wanted release.Release, codename string, all []source) (archive, error) {
	if wanted.Flavor == "" {
		wanted.Flavor = release.MariaDB
	}
	main, found := bestSource(all, "ubuntu", []string{codename})
	if !found {
		return archive{}, fmt.Errorf("apt's sources name no Ubuntu mirror for %q: set %s to a Debian mirror instead", codename, MirrorVariable)
	}
	result := archive{release: wanted, label: "ubuntu-" + codename, mirror: main.URI}
	for _, pocket := range []string{codename, codename + "-updates", codename + "-security"} {
		if s, found := bestSource(all, "ubuntu", []string{pocket}); found {
			// MariaDB is in universe, which a small system may not have enabled.
			result.lines = append(result.lines, sourceLine(s.URI, pocket, "main universe", u.keyring("ubuntu", s), nil))
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
