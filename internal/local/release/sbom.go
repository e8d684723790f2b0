package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime/debug"
	"strings"
)

// program is the one file of a package.
const program = "bootstrap"

// describe writes a package's bill of materials beside it: what is linked into its
// program, as Go has written it into that program itself.
func (r release) describe(file string) error {
	content, err := unpack(file)
	if err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	build, err := buildinfo.Read(bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("reading what is linked into %s: %w", file, err)
	}
	if err := r.checkToolchain(build.GoVersion); err != nil {
		return err
	}
	bom, err := r.billOf(content, build)
	if err != nil {
		return fmt.Errorf("describing %s: %w", file, err)
	}
	text, err := json.MarshalIndent(bom, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(strings.TrimSuffix(file, ".zip")+".cdx.json", append(text, '\n'), 0o644)
}

func unpack(file string) ([]byte, error) {
	archive, err := zip.OpenReader(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = archive.Close() }()
	entry, err := archive.Open(program)
	if err != nil {
		return nil, err
	}
	defer func() { _ = entry.Close() }()
	return io.ReadAll(entry)
}

// checkToolchain: a release is built by the toolchain that go.mod names, so that whoever
// builds it anew gets the same bytes. A rehearsal takes any.
func (r release) checkToolchain(built string) error {
	text, err := os.ReadFile(r.goMod)
	if err != nil {
		return err
	}
	pinned := regexp.MustCompile(`(?m)^toolchain (\S+)$`).FindSubmatch(text)
	switch {
	case pinned == nil:
		return fmt.Errorf("%s names no toolchain: let it name the one that releases are built by, such as toolchain go1.26.8", r.goMod)
	case r.tag != "" && string(pinned[1]) != built:
		return fmt.Errorf("the function was built by %s, and %s names %s: build it by that one, with GOTOOLCHAIN=%[3]s", built, r.goMod, pinned[1])
	}
	return nil
}

// What follows is a part of CycloneDX's form.
//
// Source: CycloneDX, "JSON Reference v1.6"; package-url, "purl-spec", type golang.
type bill struct {
	Format       string       `json:"bomFormat"`
	Spec         string       `json:"specVersion"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type    string    `json:"type"`
	Ref     string    `json:"bom-ref"`
	Name    string    `json:"name"`
	Version string    `json:"version"`
	Hashes  []hash    `json:"hashes,omitempty"`
	PURL    string    `json:"purl,omitempty"`
	Build   []setting `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn"`
}

func (r release) billOf(content []byte, build *debug.BuildInfo) (bill, error) {
	own := component{Type: "application", Ref: "tandem", Name: "tandem", Version: r.version, Hashes: []hash{{"SHA-256", fmt.Sprintf("%x", sha256.Sum256(content))}}}
	for _, s := range build.Settings {
		if s.Key == "GOOS" || s.Key == "GOARCH" {
			own.Build = append(own.Build, setting{"tandem:" + s.Key, s.Value})
		}
	}
	b := bill{Format: "CycloneDX", Spec: "1.6", Version: 1, Metadata: metadata{own}, Dependencies: []dependency{{Ref: own.Ref}}}
	add := func(c component) {
		c.Type, c.Ref = "library", c.PURL
		b.Components = append(b.Components, c)
		b.Dependencies[0].DependsOn = append(b.Dependencies[0].DependsOn, c.Ref)
	}
	goVersion := strings.TrimPrefix(build.GoVersion, "go")
	add(component{Name: "std", Version: goVersion, PURL: "pkg:golang/std@" + goVersion})
	for _, m := range build.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		// The sum is of the module's files, as go.sum has it.
		sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:"))
		if err != nil || len(sum) != sha256.Size {
			return bill{}, fmt.Errorf("the module %s has the sum %q", m.Path, m.Sum)
		}
		add(component{Name: m.Path, Version: m.Version, Hashes: []hash{{"SHA-256", hex.EncodeToString(sum)}}, PURL: "pkg:golang/" + m.Path + "@" + m.Version})
	}
	return b, nil
}
