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

	"tandem/internal/local/dbserver/debian"
	"tandem/internal/local/dbserver/release"
)

// The cache holds, below servers/, for each release that was unpacked:
//
//	mariadb-10.11-amd64/           whole: it got its name when it was
//	    manifest.json
//	    root/                      the packages' files
//	    data/                      a data directory, ready to be copied
//
// A release is never renewed by itself; removing its folder has it fetched
// again.
const manifestName = "manifest.json"

// manifest describes an unpacked release.
type manifest struct {
	Flavor  Flavor
	Version string
	// Origin is the suite and mirror, for whoever wonders.
	Origin string
}

// unpacked returns a program of the release from the cache, after filling the
// cache if it must be.
func (f Finder) unpacked(ctx context.Context, wanted Release) (*Program, error) {
	folder, err := f.cache()
	if err != nil {
		return nil, err
	}
	unpacked := unpackedServers{f, filepath.Join(folder, "servers")}
	if program := unpacked.newest(wanted); program != nil {
		return program, nil
	}
	unpacker := debian.Unpacker{Say: f.say, Getenv: f.getenv, Root: f.Root, Pause: f.pause}
	if err := unpacker.Unpack(ctx, unpacked.folder, wanted, unpacked); err != nil {
		return nil, err
	}
	if program := unpacked.newest(wanted); program != nil {
		return program, nil
	}
	return nil, fmt.Errorf("%s was unpacked, and is not in %s", wanted.Title(), unpacked.folder)
}

// unpackedServers is the cache of unpacked releases. It implements debian.Cache.
type unpackedServers struct {
	Finder
	folder string
}

// Has implements debian.Cache.
func (s unpackedServers) Has(wanted Release) bool { return s.newest(wanted) != nil }

// newest returns an unpacked program of the release, the newest if there are
// several, or nil.
func (s unpackedServers) newest(wanted Release) *Program {
	manifests, err := filepath.Glob(filepath.Join(s.folder, "*-"+runtime.GOARCH, manifestName))
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
		if json.Unmarshal(content, &m) != nil || !wanted.Matches(m.Flavor, m.Version) {
			continue
		}
		if program, err := s.unpackedProgram(filepath.Dir(file), m); err == nil {
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
		return release.Compare(release.Series(a.Version), release.Series(b.Version))
	})
}

// Keep implements debian.Cache. It initialises a data directory too.
func (s unpackedServers) Keep(ctx context.Context, temporary, final string, of Release, origin string) error {
	program, err := s.unpackedProgram(temporary, manifest{Flavor: of.Flavor})
	if err != nil {
		return err
	}
	m := manifest{Flavor: of.Flavor, Origin: origin}
	output, err := program.command(ctx, "--no-defaults", "--version").Output()
	if err != nil {
		return fmt.Errorf("running the unpacked server: %w", err)
	}
	if _, m.Version, err = release.ParseProgramVersion(string(output)); err != nil {
		return fmt.Errorf("running the unpacked server: %w", err)
	}
	if !of.Matches(m.Flavor, m.Version) {
		return fmt.Errorf("the unpacked server is %s %s, not %s", m.Flavor, m.Version, of.Title())
	}
	program.Version = m.Version
	s.say("%s: initialising a data directory…", of.Title())
	if err := program.initialise(ctx, filepath.Join(temporary, "data"), nil); err != nil {
		return err
	}
	content, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return fmt.Errorf("describing the unpacked server: %w", err)
	}
	if err := os.WriteFile(filepath.Join(temporary, manifestName), content, 0o644); err != nil {
		return fmt.Errorf("describing the unpacked server: %w", err)
	}
	if err := os.Chmod(temporary, 0o755); err != nil {
		return fmt.Errorf("naming the unpacked server: %w", err)
	}
	// A folder of this name is one that could not be used: newest said so.
	if err := os.RemoveAll(final); err != nil {
		return fmt.Errorf("removing an unusable %s: %w", final, err)
	}
	if err := os.Rename(temporary, final); err != nil {
		return fmt.Errorf("naming the unpacked server: %w", err)
	}
	return nil
}
