package dbserver

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// The cache holds, below servers/:
//
//	debian-bookworm-mariadb.lock   held by the process that unpacks
//	debian-bookworm-mariadb.fetch/ apt's state and the packages, until unpacked
//	.unpacking-*                   an unpacking under way or interrupted
//	mariadb-10.11-amd64/           whole: it got its name when it was
//	    manifest.json
//	    root/                      the packages' files
//	    data/                      a data directory, ready to be copied
//
// A release is never renewed by itself; removing its folder has it fetched
// again.
const (
	unpackingPrefix = ".unpacking-"
	manifestName    = "manifest.json"
)

// manifest describes an unpacked release.
type manifest struct {
	Flavor  Flavor
	Version string
	// Origin is the suite and mirror, for whoever wonders.
	Origin string
}

// unpacked returns a program of the release from the cache, after filling the
// cache if it must be.
func (f Finder) unpacked(ctx context.Context, release Release) (*Program, error) {
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("unpacking a server's packages works on Debian and Ubuntu, and this is %s", runtime.GOOS)
	}
	cache, err := f.cache()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(cache, "servers")
	if program := f.cached(folder, release); program != nil {
		return program, nil
	}
	from, err := f.archive(release)
	if err != nil {
		return nil, err
	}
	return f.unpack(ctx, folder, from)
}

// cached returns an unpacked program of the release, the newest if there are
// several, or nil.
func (f Finder) cached(folder string, release Release) *Program {
	manifests, err := filepath.Glob(filepath.Join(folder, "*-"+runtime.GOARCH, manifestName))
	if err != nil {
		return nil
	}
	var found []*Program
	for _, file := range manifests {
		content, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		var m manifest
		if json.Unmarshal(content, &m) != nil || !release.Matches(m.Flavor, m.Version) {
			continue
		}
		if program, err := f.unpackedProgram(filepath.Dir(file), m); err == nil {
			found = append(found, program)
		}
	}
	if len(found) == 0 {
		return nil
	}
	// MariaDB first: it starts faster.
	return slices.MaxFunc(found, func(a, b *Program) int {
		if a.Flavor != b.Flavor {
			return strings.Compare(string(b.Flavor), string(a.Flavor))
		}
		return compareVersions(series(a.Version), series(b.Version))
	})
}

// unpack fills the cache with one release.
func (f Finder) unpack(ctx context.Context, folder string, from archive) (*Program, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("making the cache directory: %w: set XDG_CACHE_HOME to a folder that can be written", err)
	}
	name := filepath.Join(folder, from.label+"-"+string(from.release.Flavor))
	unlock, err := lock(ctx, name+".lock", func() {
		f.say("%s: another process is unpacking it; waiting", from.release.Title())
	})
	if err != nil {
		return nil, err
	}
	defer unlock()
	if program := f.cached(folder, from.release); program != nil {
		return program, nil
	}

	title := from.release.Title()
	f.say("%s: reading the package index of %s at %s…", title, from.label, from.mirror)
	a, err := f.newApt(ctx, name+".fetch", from)
	if err != nil {
		return nil, err
	}
	if err := a.update(ctx); err != nil {
		return nil, fmt.Errorf("asking the mirror %s: %w%s", from.mirror, err, mirrorRemedy(err, from))
	}
	pkg, version, err := a.server(ctx, from.release.Flavor)
	if err != nil {
		return nil, fmt.Errorf("looking in %s: %w", from.label, err)
	}
	if !from.release.Matches(from.release.Flavor, version) {
		return nil, fmt.Errorf("%s has %s %s, not %s", from.label, from.release.Flavor, version, title)
	}

	// The lock keeps others from these, so what is there was interrupted.
	unpacking := unpackingPrefix + filepath.Base(name) + "-"
	left, _ := filepath.Glob(filepath.Join(folder, unpacking+"*"))
	for _, path := range left {
		_ = os.RemoveAll(path)
	}
	temporary, err := os.MkdirTemp(folder, unpacking)
	if err != nil {
		return nil, fmt.Errorf("making a folder to unpack into: %w", err)
	}
	defer func() { _ = os.RemoveAll(temporary) }()
	if err := a.install(ctx, pkg, temporary); err != nil {
		return nil, err
	}
	final := filepath.Join(folder, Release{from.release.Flavor, series(version)}.String()+"-"+runtime.GOARCH)
	program, err := f.settle(ctx, temporary, final, from)
	if err != nil {
		return nil, err
	}
	// The packages have served.
	_ = os.RemoveAll(name + ".fetch")
	return program, nil
}

// mirrorRemedy names the way out of the refusals that have one.
func mirrorRemedy(err error, from archive) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "NO_PUBKEY"):
		return ": install a newer package " + strings.SplitN(from.label, "-", 2)[0] + "-archive-keyring"
	case strings.Contains(text, "does not have a Release file"), strings.Contains(text, "404  Not Found"):
		return ": " + MirrorVariable + " can name a mirror that has " + from.label + ", such as one of the archive of old releases"
	}
	return ""
}

// settle checks what was unpacked, initialises its data directory and gives the
// folder its final name, by which it is known as whole.
func (f Finder) settle(ctx context.Context, temporary, final string, from archive) (*Program, error) {
	program, err := f.unpackedProgram(temporary, manifest{Flavor: from.release.Flavor})
	if err != nil {
		return nil, err
	}
	m := manifest{Flavor: from.release.Flavor, Origin: from.label + " at " + from.mirror}
	output, err := program.command(ctx, "--no-defaults", "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("running the unpacked server: %w", err)
	}
	if _, m.Version, err = parseProgramVersion(string(output)); err != nil {
		return nil, fmt.Errorf("running the unpacked server: %w", err)
	}
	if !from.release.Matches(m.Flavor, m.Version) {
		return nil, fmt.Errorf("the unpacked server is %s %s, not %s", m.Flavor, m.Version, from.release.Title())
	}
	program.Version = m.Version
	f.say("%s: initialising a data directory…", from.release.Title())
	if err := program.initialise(ctx, filepath.Join(temporary, "data"), nil); err != nil {
		return nil, err
	}
	content, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return nil, fmt.Errorf("describing the unpacked server: %w", err)
	}
	if err := os.WriteFile(filepath.Join(temporary, manifestName), content, 0o644); err != nil {
		return nil, fmt.Errorf("describing the unpacked server: %w", err)
	}
	if err := os.Chmod(temporary, 0o755); err != nil {
		return nil, fmt.Errorf("naming the unpacked server: %w", err)
	}
	// A folder of this name is one that could not be used: cached said so.
	if err := os.RemoveAll(final); err != nil {
		return nil, fmt.Errorf("removing an unusable %s: %w", final, err)
	}
	if err := os.Rename(temporary, final); err != nil {
		return nil, fmt.Errorf("naming the unpacked server: %w", err)
	}
	return f.unpackedProgram(final, m)
}

// spare reports whether a package of the server's closure is left out at first.
// The server loads only libraries, and not these; if it turns out to miss one
// after all, everything is fetched.
func spare(name string) bool {
	for _, prefix := range []string{"libperl", "libdb5", "libgdbm", "libc-gconv-modules-extra", "libdebconf"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return !strings.HasPrefix(name, "lib") && name != "zlib1g"
}

// install unpacks the package and what it needs below folder/root.
func (a *apt) install(ctx context.Context, pkg, folder string) error {
	all, err := a.closure(ctx, pkg)
	if err != nil {
		return err
	}
	wanted := []string{pkg}
	for _, name := range all {
		if name != pkg && !spare(name) {
			wanted = append(wanted, name)
		}
	}
	if plugins := strings.Replace(pkg, "-core", "", 1); strings.HasPrefix(pkg, "mariadb-") {
		// MariaDB's loadable plugins are in the package of the whole server, whose
		// other dependencies are about running it as a service.
		wanted = append(wanted, plugins)
	}
	root := filepath.Join(folder, "root")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return fmt.Errorf("making a folder to unpack into: %w", err)
	}
	if err := a.add(ctx, wanted, root); err != nil {
		return err
	}
	missing, err := missingLibraries(ctx, root)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		var rest []string
		for _, name := range all {
			if !slices.Contains(wanted, name) {
				rest = append(rest, name)
			}
		}
		if err := a.add(ctx, rest, root); err != nil {
			return err
		}
		if missing, err = missingLibraries(ctx, root); err != nil {
			return err
		}
		if len(missing) > 0 {
			return fmt.Errorf("the packages of %s lack %s", pkg, strings.Join(missing, ", "))
		}
	}
	return prune(root)
}

func (a *apt) add(ctx context.Context, names []string, root string) error {
	debs, err := a.describe(ctx, names)
	if err != nil {
		return err
	}
	if err := a.fetch(ctx, debs); err != nil {
		return err
	}
	a.say("%s: unpacking…", a.title)
	return a.unpack(ctx, debs, root)
}

// prune removes what a server does not read: documentation, other programs,
// configuration for a system-wide service.
func prune(root string) error {
	keep := map[string][]string{
		".":         {"lib", "lib64", "usr"},
		"usr":       {"lib", "lib64", "sbin", "share"},
		"usr/share": {"mariadb", "mysql"},
	}
	for folder, names := range keep {
		entries, err := os.ReadDir(filepath.Join(root, folder))
		if err != nil {
			return fmt.Errorf("removing what is not needed: %w", err)
		}
		for _, entry := range entries {
			if !slices.Contains(names, entry.Name()) {
				if err := os.RemoveAll(filepath.Join(root, folder, entry.Name())); err != nil {
					return fmt.Errorf("removing what is not needed: %w", err)
				}
			}
		}
	}
	return nil
}
