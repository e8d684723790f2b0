// Package debian unpacks a database server from the packages of Debian or Ubuntu,
// verified as apt verifies them, into a folder: without root, and with nothing
// installed on the machine.
//
// Whoever has Docker, or a server of their own, needs none of it: internal/local/dbserver
// calls it in one place.
package debian

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"tandem/internal/local/dbserver/filelock"
	"tandem/internal/local/dbserver/release"
)

// MirrorVariable is the environment variable that holds the address of a Debian mirror,
// in the place of the machine's.
const MirrorVariable = "DEBIAN_MIRROR"

// Unpacker fetches and unpacks.
type Unpacker struct {
	// Say is told, a line at a time, what is fetched or made.
	Say func(format string, args ...any)
	// Getenv stands for os.Getenv.
	Getenv func(string) string
	// Root is the folder that the system's files are read under: "/" if empty.
	Root string
	// Pause lies between two tries of the mirror, if not the usual.
	Pause time.Duration
}

// Cache keeps what was unpacked.
type Cache interface {
	// Has reports whether it has the release, whole.
	Has(wanted release.Release) bool
	// Keep takes a folder in which root/ has the packages' files, checks it, and gives it
	// the name, by which it is known as whole. The origin is for whoever wonders.
	Keep(ctx context.Context, folder, name string, of release.Release, origin string) error
}

// Unpack fills the cache, whose folder it is given, with a release, unless it has it by
// then. In the folder there are, beside what the cache keeps there:
//
//	debian-bookworm-mariadb.lock   held by the process that unpacks
//	debian-bookworm-mariadb.fetch/ apt's state and the packages, until unpacked
//	.unpacking-*                   an unpacking under way or interrupted
func (u Unpacker) Unpack(ctx context.Context, folder string, wanted release.Release, cache Cache) error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("unpacking a server's packages works on Debian and Ubuntu, and this is %s", runtime.GOOS)
	}
	from, err := u.archive(wanted)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("making the cache directory: %w: set XDG_CACHE_HOME to a folder that can be written", err)
	}
	name := filepath.Join(folder, from.label+"-"+string(from.release.Flavor))
	unlock, err := filelock.Take(ctx, name+".lock", func() {
		u.Say("%s: another process is unpacking it; waiting", from.release.Title())
	})
	if err != nil {
		return err
	}
	defer unlock()
	if cache.Has(from.release) {
		return nil
	}

	title := from.release.Title()
	u.Say("%s: reading the package index of %s at %s…", title, from.label, from.mirror)
	a, err := u.newApt(ctx, name+".fetch", from)
	if err != nil {
		return err
	}
	if err := a.update(ctx); err != nil {
		return fmt.Errorf("asking the mirror %s: %w%s", from.mirror, err, mirrorRemedy(err, from))
	}
	pkg, version, err := a.server(ctx, from.release.Flavor)
	if err != nil {
		return fmt.Errorf("looking in %s: %w", from.label, err)
	}
	if !from.release.Matches(from.release.Flavor, version) {
		return fmt.Errorf("%s has %s %s, not %s", from.label, from.release.Flavor, version, title)
	}

	// The lock keeps others from these, so what is there was interrupted.
	unpacking := ".unpacking-" + filepath.Base(name) + "-"
	left, _ := filepath.Glob(filepath.Join(folder, unpacking+"*"))
	for _, path := range left {
		_ = os.RemoveAll(path)
	}
	temporary, err := os.MkdirTemp(folder, unpacking)
	if err != nil {
		return fmt.Errorf("making a folder to unpack into: %w", err)
	}
	defer func() { _ = os.RemoveAll(temporary) }()
	if err := a.install(ctx, pkg, temporary); err != nil {
		return err
	}
	whole := release.Release{Flavor: from.release.Flavor, Series: release.Series(version)}.String() + "-" + runtime.GOARCH
	if err := cache.Keep(ctx, temporary, filepath.Join(folder, whole), from.release, from.label+" at "+from.mirror); err != nil {
		return err
	}
	// The packages have served.
	_ = os.RemoveAll(name + ".fetch")
	return nil
}

// path places a system file under Root.
func (u Unpacker) path(name string) string { return filepath.Join("/", u.Root, name) }

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
