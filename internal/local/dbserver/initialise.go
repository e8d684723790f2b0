package dbserver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"tandem/internal/local/dbserver/filelock"
)

// A data directory takes seconds to initialise and a moment to copy. So each
// program has one in the cache that was never used, and each server gets a
// copy. Its only administrator is root@'%', without a password: a server that
// starts on it sets one before it listens.

// initialise makes the data directory. It must not exist.
func (p *Program) initialise(ctx context.Context, data string, args []string) error {
	temporary, err := os.MkdirTemp("", "tandem-initialise-")
	if err != nil {
		return fmt.Errorf("making a temporary folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(temporary) }()
	if err := os.MkdirAll(data, 0o750); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	args = append(p.arguments(data, temporary), args...)
	var input io.Reader
	if p.Flavor == MariaDB {
		script, err := bootstrapScript(p.share)
		if err != nil {
			return err
		}
		input = bytes.NewReader(script)
		args = append(args, "--bootstrap", "--log-warnings=0", "--enforce-storage-engine=", "--max-allowed-packet=8M")
	} else {
		file := filepath.Join(temporary, "init.sql")
		if err := os.WriteFile(file, []byte("RENAME USER root@localhost TO root@'%';\n"), 0o600); err != nil {
			return fmt.Errorf("writing the first statement: %w", err)
		}
		args = append(args, "--initialize-insecure", "--init-file="+file)
	}
	command := p.command(ctx, args...)
	command.Stdin = input
	output, err := command.CombinedOutput()
	if err != nil || !initialised(p.Flavor, data) {
		_ = os.RemoveAll(data)
		if err == nil {
			err = fmt.Errorf("%s made no system tables", filepath.Base(p.Path))
		}
		return fmt.Errorf("initialising a data directory with %s: %w: %s", p.Path, err, lastLines(string(output), 5))
	}
	// Each copy must get an identity of its own; and no certificates but those
	// it is given. The RSA pair that MySQL's sha2 plugins use without TLS stays:
	// it takes long to make.
	for _, name := range []string{"auto.cnf", "ca.pem", "ca-key.pem", "server-cert.pem", "server-key.pem", "client-cert.pem", "client-key.pem"} {
		if err := os.Remove(filepath.Join(data, name)); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("clearing the data directory: %w", err)
		}
	}
	return nil
}

func initialised(flavor Flavor, data string) bool {
	if !isFolder(filepath.Join(data, "mysql")) {
		return false
	}
	if flavor == MariaDB {
		_, err := os.Stat(filepath.Join(data, "mysql", "global_priv.frm"))
		return err == nil
	}
	return true
}

// bootstrapScript puts together what mariadb-install-db feeds the server, with
// one administrator at the end. In a bootstrap each statement that is not from a
// script stands on a line of its own.
func bootstrapScript(share string) ([]byte, error) {
	var script bytes.Buffer
	script.WriteString("create database mysql;\nuse mysql;\nset @auth_root_socket=null;\n")
	for _, name := range []string{
		"system_tables.sql", "performance_tables.sql", "system_tables_data.sql",
		"maria_add_gis_sp_bootstrap.sql", "mariadb_sys_schema.sql",
	} {
		for _, prefix := range []string{"mariadb_", "mysql_", ""} {
			content, err := os.ReadFile(filepath.Join(share, prefix+name))
			if os.IsNotExist(err) {
				// Older releases have fewer of them.
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("reading the statements that make the system tables: %w", err)
			}
			for line := range bytes.Lines(content) {
				if !bytes.Contains(line, []byte("@current_hostname")) {
					script.Write(line)
				}
			}
			script.WriteByte('\n')
			break
		}
	}
	script.WriteString("use mysql;\n" +
		"delete from global_priv where User in ('root', '') and Host <> 'localhost';\n" +
		"delete from proxies_priv where Host <> 'localhost';\n" +
		"update global_priv set Host = '%' where User = 'root';\n" +
		"update proxies_priv set Host = '%' where User = 'root';\n")
	return script.Bytes(), nil
}

// fixedAtInitialisation are options that a data directory keeps for ever. A
// server that is started with one needs a data directory of its own making.
var fixedAtInitialisation = regexp.MustCompile(`^--(loose[-_])?(lower[-_]case[-_]table[-_]names|innodb[-_]page[-_]size|innodb[-_]data[-_]file[-_]path|innodb[-_]undo[-_]tablespaces|innodb[-_]checksum[-_]algorithm)(=|$)`)

// newData makes a data directory for a server with these options.
func (p *Program) newData(ctx context.Context, data string, args []string) error {
	var fixed []string
	for _, arg := range args {
		if fixedAtInitialisation.MatchString(arg) {
			fixed = append(fixed, arg)
		}
	}
	if len(fixed) > 0 {
		return p.initialise(ctx, data, fixed)
	}
	template, err := p.dataTemplate(ctx)
	if err != nil {
		return err
	}
	if template == "" {
		return p.initialise(ctx, data, nil)
	}
	if err := copyFolder(template, data); err != nil {
		return fmt.Errorf("copying the data directory: %w", err)
	}
	return nil
}

// dataTemplate returns the initialised data directory to copy. For an installed
// program it is made on first use; where the cache cannot be written there is
// none, which only costs time.
func (p *Program) dataTemplate(ctx context.Context) (string, error) {
	if p.template != "" {
		return p.template, nil
	}
	cache, err := p.finder.cache()
	if err != nil {
		return "", nil
	}
	folder := filepath.Join(cache, "data")
	if os.MkdirAll(folder, 0o755) != nil {
		return "", nil
	}
	sum := sha256.Sum256([]byte(p.Path + "\n" + p.identity))
	name := filepath.Join(folder, p.Release().String()+"-"+runtime.GOARCH+"-"+hex.EncodeToString(sum[:6]))
	unlock, err := filelock.Take(ctx, name+".lock", func() {
		p.finder.say("%s: another process is initialising a data directory; waiting", p.Release().Title())
	})
	if ctx.Err() != nil {
		return "", err
	}
	if err != nil {
		return "", nil
	}
	defer unlock()
	if isFolder(name) {
		return name, nil
	}
	// The lock keeps others from this folder, so what it holds is of one that was
	// interrupted.
	unfinished := name + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return "", fmt.Errorf("removing an interrupted initialisation: %w", err)
	}
	p.finder.say("%s: initialising a data directory…", p.Release().Title())
	if err := p.initialise(ctx, unfinished, nil); err != nil {
		return "", err
	}
	if err := os.Rename(unfinished, name); err != nil {
		return "", fmt.Errorf("naming the initialised data directory: %w", err)
	}
	return name, nil
}

// copyFolder copies files and folders. On Linux the kernel copies the content,
// by sharing it where the file system can.
func copyFolder(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		switch {
		case entry.IsDir():
			return os.MkdirAll(target, info.Mode().Perm()|0o700)
		case info.Mode().IsRegular():
			return copyFile(path, target, info.Mode().Perm()|0o600)
		}
		return nil
	})
}

func copyFile(from, to string, mode fs.FileMode) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := target.Close(); err == nil {
			err = closeErr
		}
	}()
	_, err = io.Copy(target, source)
	return err
}

func lastLines(text string, count int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], " | ")
}
