package roots

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The system's authorities are exactly those of crypto/x509, whatever the variables and
// the files are. Go reads them once per process, so each case has one of its own.
func TestSystem(t *testing.T) {
	const role = "ROOTS_TEST_SYSTEM"
	if expected := os.Getenv(role); expected != "" {
		want, wantErr := x509.SystemCertPool()
		got, err := new(Roots).System()
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("the error is %v, crypto/x509's %v", err, wantErr)
		}
		if err == nil && !got.Equal(want) {
			t.Error("not what crypto/x509 has")
		}
		if expected == "any" {
			return
		}
		text, err := os.ReadFile(expected)
		if err != nil {
			t.Fatal(err)
		}
		if want = x509.NewCertPool(); !want.AppendCertsFromPEM(text) || !got.Equal(want) {
			t.Errorf("not what is in %s", expected)
		}
		return
	}

	folder := t.TempDir()
	text := func(name string) []byte {
		ca, _ := authority(t, pkix.Name{CommonName: name})
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw})
	}
	one, two, three := text("one"), text("two"), text("three")
	put := func(path string, parts ...[]byte) string {
		path = filepath.Join(folder, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, bytes.Join(parts, nil), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	onlyTwo, all := put("12.pem", one, two), put("123.pem", one, two, three)
	bundle := put("bundle.pem", []byte("# one\n"), one, []byte("# two\n"), two, one)
	put("folder/a.pem", one)
	put("folder/b.pem", bytes.TrimSpace(three))
	put("folder/note", []byte("no certificate"))
	for link, target := range map[string]string{"folder/c.0": "b.pem", "folder/all": bundle, "folder/nowhere": "/nonexistent/x"} {
		if err := os.Symlink(target, filepath.Join(folder, link)); err != nil {
			t.Fatal(err)
		}
	}
	in := func(name string) string { return filepath.Join(folder, name) }
	odd := put("odd.pem",
		[]byte("-----BEGIN CERTIFICATE-----\nbroken\n"), one,
		bytes.ReplaceAll(two, []byte("\n"), []byte("\r\n")), bytes.TrimSpace(two),
		[]byte("\n-----BEGIN TRUSTED CERTIFICATE-----\nMAo=\n-----END TRUSTED CERTIFICATE-----\n"),
		bytes.Replace(three, []byte("-----\n"), []byte("-----\nHeader: yes\n\n"), 1),
		[]byte("-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----"))
	// What crypto/x509 takes for no certificate, or for another one: nothing of these may be
	// trusted more than by it.
	marked := func(mark string, text []byte) []byte {
		return bytes.Replace(text, []byte("-----BEGIN"), []byte(mark+"-----BEGIN"), 1)
	}
	behind := func(text []byte, mark string) []byte { return slices.Concat(bytes.TrimSpace(text), []byte(mark)) }
	off := map[string]string{
		"a # before BEGIN":             put("off/hash.pem", one, marked("#", two), three),
		"a # before the only BEGIN":    put("off/only.pem", marked("# ", one)),
		"a word before BEGIN":          put("off/word.pem", marked("disabled: ", one), two),
		"text behind END":              put("off/text.pem", behind(one, " disabled\n"), two),
		"two files without a newline":  put("off/joined.pem", behind(one, ""), two, three),
		"a byte order mark":            put("off/mark.pem", []byte("\uFEFF"), one, two),
		"a # before END":               put("off/end.pem", bytes.Replace(one, []byte("-----END"), []byte("#-----END"), 1), two),
		"a carriage return at the end": put("off/return.pem", two, behind(one, "\r")),
		"carriage returns alone":       put("off/returns.pem", bytes.ReplaceAll(one, []byte("\n"), []byte("\r"))),
		"another END":                  put("off/another.pem", bytes.Replace(one, []byte("END CERT"), []byte("END X CERT"), 1), two),
		"blanks behind BEGIN and END":  put("off/blanks.pem", bytes.ReplaceAll(slices.Concat(one, two), []byte("E-----\n"), []byte("E----- \t\r\n")), three),
		"a name between":               put("off/name.pem", one, []byte("----- two -----\n"), two),
	}
	type systemCase struct{ file, folders, authorities string }
	cases := map[string]systemCase{
		"as the system has them":         {"", "", "any"},
		"a file":                         {bundle, in("none"), onlyTwo},
		"a folder":                       {in("none"), in("folder"), all},
		"two folders":                    {bundle, in("none") + ":" + in("folder"), all},
		"a file and a folder":            {bundle, in("folder"), all},
		"a file beside the system's":     {bundle, "", "any"},
		"a folder beside the system's":   {"", in("folder"), "any"},
		"a file of all sorts":            {odd, in("none"), "any"},
		"neither is there":               {in("none"), in("none"), "any"},
		"a folder in the place of files": {in("folder"), in("none"), "any"},
		"a file in the place of folders": {in("none"), bundle, "any"},
	}
	for name, file := range off {
		cases[name] = systemCase{file, in("none"), "any"}
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			child := exec.Command(os.Args[0], "-test.run=^TestSystem$")
			for _, variable := range os.Environ() {
				if !strings.HasPrefix(variable, "SSL_CERT_") {
					child.Env = append(child.Env, variable)
				}
			}
			child.Env = append(child.Env, role+"="+test.authorities, "SSL_CERT_FILE="+test.file, "SSL_CERT_DIR="+test.folders)
			if output, err := child.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, output)
			}
		})
	}
}

// What makes it fast: a text of several files is parsed once. It is the text that counts,
// since some file systems number two files alike.
func TestDistinct(t *testing.T) {
	folder := t.TempDir()
	ca, _ := authority(t, pkix.Name{CommonName: "one"})
	other, _ := authority(t, pkix.Name{CommonName: "two"})
	path := func(name string) string { return filepath.Join(folder, name) }
	write(t, path("one.pem"), ca)
	if err := os.Symlink(path("one.pem"), path("link.pem")); err != nil {
		t.Fatal(err)
	}
	both := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: other.Raw})...)
	if err := os.WriteFile(path("both.pem"), both, 0o600); err != nil {
		t.Fatal(err)
	}
	d := newDistinct()
	if !d.read(path("one.pem")) {
		t.Error("a file was not read")
	}
	// The same inode, with another text.
	write(t, path("one.pem"), other)
	want := x509.NewCertPool()
	want.AddCert(ca)
	want.AddCert(other)
	if !d.read(path("link.pem")) || !d.pool.Equal(want) {
		t.Error("a text was not read")
	}
	if !d.read(path("both.pem")) || !d.pool.Equal(want) || !d.found {
		t.Error("the authorities of another file are not the same")
	}
	if d.read(path("none.pem")) {
		t.Error("what is not there was read")
	}
	if n := testing.AllocsPerRun(10, func() { d.add(both) }); n > 5 {
		t.Errorf("what was parsed is parsed again: %v allocations", n)
	}
}

// Every call returns the same pool.
func TestSystemIsReadOnce(t *testing.T) {
	var r Roots
	pool, err := r.System()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := r.System(); err != nil || again != pool {
		t.Errorf("the second call made another pool (%v)", err)
	}
}
