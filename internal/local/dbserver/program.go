package dbserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"tandem/internal/local/dbserver/debian"
	"tandem/internal/local/dbserver/release"
)

// Program is a server program that can be started, any number of times side by
// side.
type Program struct {
	Flavor Flavor
	// Version is what the program says: "10.11.14-MariaDB-0+deb12u2", "9.7.0".
	Version string
	// Path is the program's file.
	Path string
	// Origin says where it comes from: "installed", "unpacked".
	Origin string

	// identity tells one build from another; of an installed program only.
	identity string
	// loader and libraries run a program against the libraries unpacked with it,
	// which are of another release than the machine's. Empty for an installed one.
	loader    string
	libraries []string
	// base is the folder that stands for /usr of an unpacked program.
	base string
	// share holds the statements that make MariaDB's system tables.
	share string
	// template is an initialised data directory, or empty.
	template string
	finder   Finder
}

// Release returns the release series of the program, as in "mariadb-10.11".
func (p *Program) Release() Release {
	return Release{Flavor: p.Flavor, Series: release.Series(p.Version)}
}

// String describes the program in a line.
func (p *Program) String() string {
	return fmt.Sprintf("%s %s (%s, %s)", p.Flavor, p.Version, p.Origin, p.Path)
}

// unpackedProgram finds the parts of an unpacked server in its folder.
func (f Finder) unpackedProgram(folder string, m manifest) (*Program, error) {
	root := filepath.Join(folder, "root")
	path, loader, libraries, err := debian.Files(root)
	if err != nil {
		return nil, err
	}
	p := &Program{
		Flavor: m.Flavor, Version: m.Version, Path: path, Origin: "unpacked",
		loader: loader, libraries: libraries, base: filepath.Join(root, "usr"),
		template: filepath.Join(folder, "data"), finder: f,
	}
	if p.Flavor == MariaDB {
		if p.share, err = systemTables(p.base); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// command prepares the program with arguments.
func (p *Program) command(ctx context.Context, args ...string) *exec.Cmd {
	if p.loader == "" {
		return exec.CommandContext(ctx, p.Path, args...)
	}
	args = append([]string{"--library-path", strings.Join(p.libraries, ":"), p.Path}, args...)
	command := exec.CommandContext(ctx, p.loader, args...)
	command.Env = os.Environ()
	for _, folder := range p.libraries {
		if modules := filepath.Join(folder, "ossl-modules"); isFolder(modules) {
			command.Env = append(command.Env, "OPENSSL_MODULES="+modules)
		}
	}
	// The machine's configuration is for the machine's OpenSSL.
	command.Env = append(command.Env, "OPENSSL_CONF=/dev/null")
	return command
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// arguments are those that every run of the program gets first.
func (p *Program) arguments(data, temporary string) []string {
	args := []string{"--no-defaults", "--datadir=" + data, "--tmpdir=" + temporary}
	if p.base != "" {
		share := p.share
		if share == "" {
			share = filepath.Join(p.base, "share/mysql")
		}
		args = append(args, "--basedir="+p.base, "--plugin-dir="+filepath.Join(p.base, "lib/mysql/plugin"),
			"--lc-messages-dir="+share, "--character-sets-dir="+filepath.Join(share, "charsets"))
	}
	if os.Geteuid() == 0 {
		// Both refuse to run as root unless they are told to.
		args = append(args, "--user=root")
	}
	if p.Flavor == MySQL {
		// The compiled-in folder for files is the system server's.
		args = append(args, "--secure-file-priv=NULL")
	}
	return append(args, "--skip-innodb-doublewrite", "--innodb-buffer-pool-size=32M", p.redoLog())
}

// redoLog keeps the redo log small: it is copied with every data directory.
func (p *Program) redoLog() string {
	if p.Flavor == MariaDB {
		return "--innodb-log-file-size=8M"
	}
	if p.redoByFiles() {
		return "--innodb-log-file-size=8M"
	}
	return "--innodb-redo-log-capacity=16M"
}

// redoByFiles reports whether the server is a MySQL from before 8.0.30, which
// has no innodb_redo_log_capacity.
func (p *Program) redoByFiles() bool {
	version := p.Version
	if i := strings.IndexFunc(version, func(c rune) bool { return c != '.' && (c < '0' || c > '9') }); i >= 0 {
		version = version[:i]
	}
	return release.Compare(version, "8.0.30") < 0
}
