// Command archive puts a program, or several, into the zip file that Lambda takes for
// a function: the programs alone, executable for everybody. The file's bytes depend
// on the programs' and on nothing else, such as the time.
//
//	go run ./internal/local/archive -o bin/function.zip bin/lambda/bootstrap
package main

import (
	"archive/zip"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

func main() {
	out := flag.String("o", "", "the `file` to write")
	flag.Parse()
	if *out == "" || flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "archive: give the file to write and the program: archive -o FILE PROGRAM ...")
		os.Exit(2)
	}
	if err := pack(*out, flag.Args()...); err != nil {
		fmt.Fprintln(os.Stderr, "archive:", err)
		os.Exit(1)
	}
}

// epoch is the time of the program in the archive: the earliest that a zip file
// can hold.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// pack writes the archive. Where it fails, no part of one is left.
func pack(file string, programs ...string) (err error) {
	target, err := os.CreateTemp(filepath.Dir(file), ".archive-")
	if err != nil {
		return fmt.Errorf("writing the archive: %w", err)
	}
	defer func() {
		if err != nil {
			_ = target.Close()
			_ = os.Remove(target.Name())
			err = fmt.Errorf("writing the archive: %w", err)
		}
	}()
	archive := zip.NewWriter(target)
	for _, program := range programs {
		if err := add(archive, program); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	if err := target.Chmod(0o644); err != nil {
		return err
	}
	if err := target.Close(); err != nil {
		return err
	}
	return os.Rename(target.Name(), file)
}

func add(archive *zip.Writer, program string) error {
	source, err := os.Open(program)
	if err != nil {
		return fmt.Errorf("reading the program: %w", err)
	}
	defer func() { _ = source.Close() }()
	header := &zip.FileHeader{Name: filepath.Base(program), Method: zip.Deflate, Modified: epoch}
	header.SetMode(0o755)
	entry, err := archive.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = io.Copy(entry, source)
	return err
}
