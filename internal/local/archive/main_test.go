package main

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestPack(t *testing.T) {
	folder := t.TempDir()
	program, first, second := filepath.Join(folder, "bootstrap"), filepath.Join(folder, "a.zip"), filepath.Join(folder, "b.zip")
	if err := os.WriteFile(program, []byte("a program"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := pack(first, program); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(program, time.Now(), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(program, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := pack(second, program); err != nil {
		t.Fatal(err)
	}
	a, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Error("two archives of one program differ")
	}
	archive, err := zip.NewReader(bytes.NewReader(a), int64(len(a)))
	if err != nil {
		t.Fatal(err)
	}
	if len(archive.File) != 1 || archive.File[0].Name != "bootstrap" || archive.File[0].Mode() != 0o755 {
		t.Fatalf("the archive holds %v", archive.File)
	}
	content, err := archive.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(content); err != nil || string(text) != "a program" {
		t.Errorf("it holds %q, error %v", text, err)
	}
}

func TestPackLeavesNothingHalf(t *testing.T) {
	folder := t.TempDir()
	if err := pack(filepath.Join(folder, "a.zip"), folder); err == nil {
		t.Error("a folder was packed")
	}
	if err := pack(filepath.Join(folder, "a.zip"), filepath.Join(folder, "none")); err == nil {
		t.Error("what is not there was packed")
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
		t.Errorf("%v is left, error %v", left, err)
	}
}
