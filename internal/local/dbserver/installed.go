package dbserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"tandem/internal/local/dbserver/release"
)

// programFolders are searched after PATH, which for an ordinary user often
// lacks the folders that servers are installed in.
var programFolders = []string{
	"/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/usr/local/libexec", "/usr/bin", "/usr/local/bin",
	"/usr/local/mysql/bin", "/usr/local/mariadb/bin",
	// Homebrew, on Apple's own processors and on Intel's.
	"/opt/homebrew/bin", "/opt/homebrew/opt/mariadb/bin", "/opt/homebrew/opt/mysql/bin",
	"/usr/local/opt/mariadb/bin", "/usr/local/opt/mysql/bin",
}

// installed returns an installed program of the release. MariaDB is preferred,
// since it starts faster.
func (f Finder) installed(ctx context.Context, wanted Release) (*Program, error) {
	var passed []error
	seen := map[string]bool{}
	for _, name := range []string{"mariadbd", "mysqld"} {
		for _, path := range f.programs(name) {
			file, err := filepath.EvalSymlinks(path)
			if err != nil || seen[file] {
				continue
			}
			seen[file] = true
			program, err := f.examine(ctx, path, file, wanted)
			if err == nil {
				return program, nil
			}
			passed = append(passed, err)
		}
	}
	if len(passed) == 0 {
		return nil, errors.New("neither mariadbd nor mysqld is on PATH or in " + strings.Join(programFolders[:3], ", "))
	}
	return nil, errors.Join(oneLine(passed)...)
}

// programs returns the files of that name that can be run, PATH first.
func (f Finder) programs(name string) []string {
	var found []string
	folders := filepath.SplitList(f.getenv("PATH"))
	for _, folder := range programFolders {
		folders = append(folders, f.path(folder))
	}
	for _, folder := range folders {
		if !filepath.IsAbs(folder) {
			continue
		}
		path := filepath.Join(folder, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			found = append(found, path)
		}
	}
	return found
}

// examine makes a Program of an installed file, or says why it is passed over.
func (f Finder) examine(ctx context.Context, path, file string, wanted Release) (*Program, error) {
	output, err := exec.CommandContext(ctx, path, "--no-defaults", "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("asking %s for its version: %w", path, err)
	}
	flavor, version, err := release.ParseProgramVersion(string(output))
	if err != nil {
		return nil, fmt.Errorf("asking %s for its version: %w", path, err)
	}
	switch {
	case release.TooOld(flavor, version):
		return nil, fmt.Errorf("%s is %s %s, older than what is supported", path, flavor, version)
	case !wanted.Matches(flavor, version):
		return nil, fmt.Errorf("%s is %s %s, not %s", path, flavor, version, wanted.Title())
	}
	if profile := f.confinement(file); profile != "" {
		return nil, fmt.Errorf("%s is confined to its own data directory by AppArmor (%s)", path, profile)
	}
	program := &Program{
		Flavor: flavor, Version: version, Path: path, Origin: "installed",
		identity: string(output), finder: f,
	}
	if flavor == MariaDB {
		if program.share, err = systemTables(filepath.Dir(filepath.Dir(file))); err != nil {
			return nil, err
		}
	}
	return program, nil
}

// confinement returns the AppArmor profile that keeps the program from any data
// directory but the system's, or nothing. Debian's profile for MariaDB is a
// file of comments: it confines nothing.
func (f Finder) confinement(file string) string {
	name := strings.ReplaceAll(strings.Trim(file, "/"), "/", ".")
	profile := f.path("/etc/apparmor.d/" + name)
	content, err := os.ReadFile(profile)
	if err != nil {
		return ""
	}
	if _, err := os.Stat(f.path("/etc/apparmor.d/disable/" + name)); err == nil {
		return ""
	}
	for line := range bytes.Lines(content) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' {
			return profile
		}
	}
	return ""
}

// systemTables returns the folder below base that holds the statements which
// make MariaDB's system tables.
func systemTables(base string) (string, error) {
	for _, name := range []string{"share/mariadb", "share/mysql"} {
		folder := filepath.Join(base, name)
		for _, script := range []string{"mariadb_system_tables.sql", "mysql_system_tables.sql"} {
			if _, err := os.Stat(filepath.Join(folder, script)); err == nil {
				return folder, nil
			}
		}
	}
	return "", fmt.Errorf("%s has no mariadb_system_tables.sql or mysql_system_tables.sql in share/mariadb or share/mysql: "+
		"install the rest of the server's package", base)
}

// oneLine keeps several causes on one line, where errors.Join would break it.
func oneLine(causes []error) []error {
	if len(causes) < 2 {
		return causes
	}
	joined := causes[0]
	for _, cause := range causes[1:] {
		joined = fmt.Errorf("%w, %w", joined, cause)
	}
	return []error{joined}
}
