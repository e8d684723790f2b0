package dbserver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The fakes stand for the programs of apt, so that what goes wrong with a mirror
// can be made to. The package that they "unpack" is a real server, unpacked
// before by the real ones.
//
// They are told what to do by files in the folder that FAKE_APT names:
//
//	fail-COMMAND    printed as an error, once per line, then removed
//	block           a named pipe: dpkg-deb opens it, waits, and gives up
//	source          a link to the unpacked server
//	calls           what they were called for
var fakes = map[string]func([]string) int{
	"apt-get": fakeAptGet, "apt-cache": fakeAptCache,
	"apt-config": func([]string) int { fmt.Println(`Acquire::http::Proxy "http://proxy.example/";`); return 0 },
	"dpkg-deb":   fakeDpkgDeb,
	"mariadbd":   fakeInstalled, "mysqld": fakeInstalled,
}

const fakeTable = `mariadb-server-core | 1:10.11.19-0+deb12u1 | http://mirror.example/debian bookworm/main amd64 Packages
mariadb-server-core-10.5 | 1:10.11.19-0+deb12u1 | http://mirror.example/debian bookworm/main amd64 Packages
`

func fakeFile(name string) string { return filepath.Join(os.Getenv("FAKE_APT"), name) }

// fakeCall notes the call, and says whether it is to fail.
func fakeCall(name string) bool {
	calls, err := os.OpenFile(fakeFile("calls"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		panic(err)
	}
	_, _ = calls.WriteString(name + "\n")
	_ = calls.Close()
	content, err := os.ReadFile(fakeFile("fail-" + name))
	if err != nil {
		return false
	}
	first, rest, _ := strings.Cut(string(content), "\n")
	if rest == "" {
		_ = os.Remove(fakeFile("fail-" + name))
	} else {
		_ = os.WriteFile(fakeFile("fail-"+name), []byte(rest), 0o644)
	}
	fmt.Fprintln(os.Stderr, first)
	return true
}

func fakeAptGet(args []string) int {
	line := " " + strings.Join(args, " ") + " "
	names := args[len(args)-1:]
	if _, after, found := strings.Cut(line, " download "); found {
		names = strings.Fields(after)
	}
	switch {
	case strings.Contains(line, " update "):
		if fakeCall("update") {
			return 100
		}
		fmt.Fprintln(os.NewFile(3, "status"), "dlstatus:1:42.5:Retrieving file 1 of 2")
	case strings.Contains(line, " install "):
		for _, name := range append(names, "libc6", "zlib1g", "perl-base", "libperl5.36") {
			fmt.Printf("'http://mirror.example/%s.deb' %s_1_amd64.deb 1000000 MD5Sum:0\n", name, name)
		}
	case strings.Contains(line, "--print-uris"):
		for _, name := range names {
			if _, err := os.Stat(name + "_1_amd64.deb"); err == nil {
				continue
			}
			sum := sha256.Sum256([]byte(name))
			fmt.Printf("'http://mirror.example/%s.deb' %s_1_amd64.deb 1000000 SHA256:%s\n", name, name, hex.EncodeToString(sum[:]))
		}
	default:
		if fakeCall("download") {
			return 100
		}
		for _, name := range names {
			content := name
			if exists := os.Remove(fakeFile("corrupt")); exists == nil {
				content = "something else"
			}
			if err := os.WriteFile(name+"_1_amd64.deb", []byte(content), 0o644); err != nil {
				panic(err)
			}
		}
	}
	return 0
}

func fakeAptCache(args []string) int {
	if args[0] == "pkgnames" {
		fmt.Println("mariadb-server-core\nmariadb-server-core-10.5")
		return 0
	}
	fmt.Print(fakeTable)
	return 0
}

func fakeDpkgDeb(args []string) int {
	if !strings.HasPrefix(filepath.Base(args[1]), "mariadb-server-core_") {
		return 0
	}
	if fakeCall("unpack") {
		return 2
	}
	if pipe, err := os.OpenFile(fakeFile("block"), os.O_RDONLY, 0); err == nil {
		_, _ = pipe.Read(make([]byte, 1))
		return 2
	}
	if err := copyTree(fakeFile("source")+"/root", args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	return 0
}

// copyTree copies files, folders and links.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		switch {
		case entry.IsDir():
			return os.MkdirAll(target, 0o755)
		case entry.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return copyFile(path, target, info.Mode().Perm())
	})
}

// useFakes puts the fakes on PATH and returns the folder that they are told by,
// which is also the Root and the cache's parent of fakeFinder.
func useFakes(t *testing.T) string {
	t.Helper()
	program := find(t, "mariadb-10.11")
	if program.Origin != "unpacked" {
		t.Skip("the server here is an installed one, and an unpacked one is needed")
	}
	folder := t.TempDir()
	for name := range fakes {
		if err := os.MkdirAll(filepath.Join(folder, "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(absolute(t, os.Args[0]), filepath.Join(folder, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Dir(program.template), filepath.Join(folder, "source")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(folder, os.DirFS("testdata/debian-bookworm")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Join(folder, "bin"))
	t.Setenv("FAKE_APT", folder)
	return folder
}

func fakeFinder(folder string) Finder {
	return Finder{Root: folder, CacheDir: filepath.Join(folder, "cache"), Getenv: func(string) string { return "" }, pause: time.Millisecond}
}

func write(t *testing.T, folder, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// calls counts what the fakes were called for.
func calls(t *testing.T, folder, name string) int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, "calls"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	count := 0
	for line := range strings.Lines(string(content)) {
		if line == name+"\n" {
			count++
		}
	}
	return count
}

// fakeInstalled stands for an installed server: it says the version that a file
// beside it holds, and otherwise becomes the unpacked one that a link beside it
// leads to.
func fakeInstalled(args []string) int {
	folder := filepath.Dir(os.Args[0])
	if version, err := os.ReadFile(filepath.Join(folder, "version")); err == nil && args[len(args)-1] == "--version" {
		fmt.Print(string(version))
		return 0
	}
	real, err := Finder{}.unpackedProgram(filepath.Join(folder, "source"), manifest{Flavor: MariaDB})
	if err == nil {
		command := real.command(context.Background(), append(slices.Clone(args[:1]), append([]string{
			"--lc-messages-dir=" + real.share, "--character-sets-dir=" + real.share + "/charsets",
		}, args[1:]...)...)...)
		err = syscall.Exec(command.Path, command.Args, append(command.Env, os.Environ()...))
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func makePipe(t *testing.T, folder string) string {
	t.Helper()
	path := filepath.Join(folder, "block")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
