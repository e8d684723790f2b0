package debian

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Files returns the server program below root, and the loader and the
// folders of libraries to run it with. Their names differ between processors
// and releases, so they are read from the program and looked for.
func Files(root string) (program, loader string, libraries []string, err error) {
	for _, name := range []string{"usr/sbin/mariadbd", "usr/sbin/mysqld"} {
		if path := filepath.Join(root, name); isProgram(path) {
			program = path
			break
		}
	}
	if program == "" {
		return "", "", nil, fmt.Errorf("%s has neither mariadbd nor mysqld", root)
	}
	// Releases before the merged /usr have libraries in both places.
	for _, pattern := range []string{"usr/lib/*-linux-gnu*", "lib/*-linux-gnu*"} {
		folders, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return "", "", nil, fmt.Errorf("looking for libraries: %w", err)
		}
		libraries = append(libraries, folders...)
	}
	interpreter, err := interpreterOf(program)
	if err != nil {
		return "", "", nil, err
	}
	for _, folder := range libraries {
		if path := filepath.Join(folder, filepath.Base(interpreter)); isProgram(path) {
			return program, path, libraries, nil
		}
	}
	return "", "", nil, fmt.Errorf("%s has no %s", root, filepath.Base(interpreter))
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// interpreterOf returns the loader that an ELF program asks for.
func interpreterOf(path string) (string, error) {
	file, err := elf.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", path, err)
	}
	defer func() { _ = file.Close() }()
	for _, part := range file.Progs {
		if part.Type == elf.PT_INTERP {
			name := make([]byte, part.Filesz)
			if _, err := part.ReadAt(name, 0); err != nil {
				return "", fmt.Errorf("reading %s: %w", path, err)
			}
			return string(bytes.TrimRight(name, "\x00")), nil
		}
	}
	return "", fmt.Errorf("reading %s: it names no loader", path)
}

// missingLibraries lists the libraries that the server below root needs and root
// lacks. One that the loader finds on the machine counts as missing: it is of
// another release.
func missingLibraries(ctx context.Context, root string) ([]string, error) {
	program, loader, libraries, err := Files(root)
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, loader, "--library-path", strings.Join(libraries, ":"), "--list", program)
	output, err := command.CombinedOutput()
	missing := parseLoaderList(string(output), root)
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || len(missing) == 0) {
		return nil, fmt.Errorf("listing the server's libraries: %w: %s", err, strings.TrimSpace(string(output)))
	}
	return missing, nil
}

// parseLoaderList reads "NAME => PATH (ADDRESS)" and "NAME => not found", and the
// loader's complaint "... NAME: cannot open shared object file ...".
func parseLoaderList(output, root string) []string {
	var missing []string
	for line := range strings.Lines(output) {
		if _, complaint, found := strings.Cut(line, "error while loading shared libraries: "); found {
			name, _, _ := strings.Cut(complaint, ":")
			missing = append(missing, name)
			continue
		}
		name, path, found := strings.Cut(strings.TrimSpace(line), " => ")
		if found && !strings.HasPrefix(path, root+"/") {
			missing = append(missing, name)
		}
	}
	return missing
}
