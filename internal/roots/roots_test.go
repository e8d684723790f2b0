package roots

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestEmbeddedRoots(t *testing.T) {
	recorded := regexp.MustCompile(`(?m)^# Refreshed: (\d{4}-\d\d-\d\d)$`).FindSubmatch(embedded)
	if recorded == nil {
		t.Fatal("the file does not say when it was refreshed")
	}
	refreshed, err := time.Parse(time.DateOnly, string(recorded[1]))
	if err != nil {
		t.Fatal(err)
	}
	certificates, err := parse(embedded)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range certificates {
		name := c.Subject.CommonName
		if !strings.HasPrefix(name, "Amazon RDS ") || strings.Contains(name, "Beta") || strings.Contains(name, "Preview") {
			t.Errorf("%s is embedded", name)
		}
		if !c.IsCA || !bytes.Equal(c.RawSubject, c.RawIssuer) || c.CheckSignatureFrom(c) != nil {
			t.Errorf("%s is no self-signed authority", name)
		}
		if !refreshed.Before(c.NotAfter) {
			t.Errorf("%s had expired when the file was made", name)
		}
		if seen[string(c.Raw)] {
			t.Errorf("%s is embedded twice", name)
		}
		seen[string(c.Raw)] = true
		if line := "# " + name + ", not after " + c.NotAfter.Format(time.DateOnly) + "\n-----BEGIN"; !bytes.Contains(embedded, []byte(line)) {
			t.Errorf("%s has no comment that says what it is", name)
		}
	}
	// Three kinds of key for each region; the oldest regions are never missing.
	for _, root := range []string{"us-east-1", "eu-west-1", "ap-southeast-2"} {
		for _, key := range []string{"RSA2048", "RSA4096", "ECC384"} {
			if name := "Amazon RDS " + root + " Root CA " + key + " G1,"; !bytes.Contains(embedded, []byte(name)) {
				t.Errorf("no %s", name)
			}
		}
	}
}

func TestPoolTrustsAmazonRDS(t *testing.T) {
	var roots Roots
	pool, err := roots.Pool()
	if err != nil {
		t.Fatal(err)
	}
	certificates, err := parse(embedded)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range certificates {
		// A root verifies through itself if it is trusted, and not otherwise.
		if _, err := c.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
			t.Errorf("%s: %v", c.Subject.CommonName, err)
		}
	}
	again, err := roots.Pool()
	if err != nil || again != pool {
		t.Errorf("the second call made another pool (%v)", err)
	}
}

func TestPoolRefusesOthers(t *testing.T) {
	var roots Roots
	pool, err := roots.Pool()
	if err != nil {
		t.Fatal(err)
	}
	certificates, err := parse(embedded)
	if err != nil {
		t.Fatal(err)
	}
	// The second has the name of an authority of Amazon's, and not its key.
	for _, name := range []pkix.Name{{CommonName: "Test CA"}, certificates[0].Subject} {
		_, leaf := authority(t, name)
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "db.example.com"}); err == nil {
			t.Errorf("a certificate signed by another %q is trusted", name)
		}
	}
}

func TestEarliestExpiry(t *testing.T) {
	var roots Roots
	got, err := roots.EarliestExpiry()
	if err != nil {
		t.Fatal(err)
	}
	var earliest string
	for _, match := range regexp.MustCompile(`(?m)^# .*, not after (.*)$`).FindAllSubmatch(embedded, -1) {
		if day := string(match[1]); earliest == "" || day < earliest {
			earliest = day
		}
	}
	if got.Format(time.DateOnly) != earliest {
		t.Errorf("EarliestExpiry() = %v, the file's comments say %s", got, earliest)
	}
}

// SSL_CERT_FILE replaces the system's roots and not Amazon's. Go reads it once
// per process, so the assertions run in a process of their own.
func TestPoolHonoursSSLCertFile(t *testing.T) {
	const role = "ROOTS_TEST_LEAF"
	if file := os.Getenv(role); file != "" {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		leaves, err := parse(content)
		if err != nil {
			t.Fatal(err)
		}
		var roots Roots
		pool, err := roots.Pool()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := leaves[0].Verify(x509.VerifyOptions{Roots: pool, DNSName: "db.example.com"}); err != nil {
			t.Errorf("SSL_CERT_FILE's authority is not trusted: %v", err)
		}
		certificates, err := parse(embedded)
		if err != nil {
			t.Fatal(err)
		}
		expected := x509.NewCertPool()
		authority, err := os.ReadFile(os.Getenv("SSL_CERT_FILE"))
		if err != nil {
			t.Fatal(err)
		}
		expected.AppendCertsFromPEM(authority)
		for _, c := range certificates {
			expected.AddCert(c)
		}
		if !pool.Equal(expected) {
			t.Error("the pool is not exactly SSL_CERT_FILE's authority and Amazon's")
		}
		return
	}

	folder := t.TempDir()
	ca, leaf := authority(t, pkix.Name{CommonName: "Test CA"})
	caFile, leafFile := filepath.Join(folder, "ca.pem"), filepath.Join(folder, "leaf.pem")
	write(t, caFile, ca)
	write(t, leafFile, leaf)
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), role+"="+leafFile, "SSL_CERT_FILE="+caFile, "SSL_CERT_DIR="+filepath.Join(folder, "none"))
	if output, err := child.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, file := range map[string][]byte{
		"nothing":        nil,
		"no certificate": []byte("# a comment\n"),
		"a broken one":   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}),
	} {
		if certificates, err := parse(file); err == nil {
			t.Errorf("%s: %d certificates", name, len(certificates))
		}
	}
}

// What the first connection of a process to a host of RDS waits for whose region is not
// embedded ("all", with the system's roots), the same of one that is ("region"), the part
// of "all" that base64 takes for RDS's roots ("decode"), and the other way to fill a pool
// ("append").
func BenchmarkPool(b *testing.B) {
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			var roots Roots
			if _, err := roots.Pool(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("region", func(b *testing.B) {
		for b.Loop() {
			var roots Roots
			if _, err := roots.For("db.c9akciq32.eu-west-1.rds.amazonaws.com"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			for block, rest := pem.Decode(embedded); block != nil; block, rest = pem.Decode(rest) {
			}
		}
	})
	b.Run("append", func(b *testing.B) {
		for b.Loop() {
			x509.NewCertPool().AppendCertsFromPEM(embedded)
		}
	})
}

// authority makes a certificate authority with this name and a server's
// certificate for db.example.com, signed by it.
func authority(t *testing.T, name pkix.Name) (ca, leaf *x509.Certificate) {
	t.Helper()
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: name, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	key := newKey(t)
	ca = sign(t, &template, &template, key, key)
	return ca, sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "db"}, DNSNames: []string{"db.example.com"},
		NotBefore: template.NotBefore, NotAfter: template.NotAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, ca, newKey(t), key)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t *testing.T, path string, c *x509.Certificate) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
}
