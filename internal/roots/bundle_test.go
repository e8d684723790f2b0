package roots

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/internal/failure"
)

// newRoot makes an authority of a name, and its PEM block.
func newRoot(t *testing.T, name string) (*x509.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func writeBundle(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "bundle.pem")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// What is in the bundle is trusted for RDS's hosts of its region, what names no region for
// each of RDS's, and nothing of it for any other host.
func TestBundle(t *testing.T) {
	gov, govPEM := newRoot(t, "Amazon RDS us-gov-west-1 Root CA RSA2048 G1")
	again, againPEM := newRoot(t, "Amazon RDS eu-west-1 Root CA RSA2048 G2")
	preview, previewPEM := newRoot(t, "Amazon RDS Preview us-gov-west-1 Root CA RSA2048 G1")
	own, ownPEM := newRoot(t, "The company's own authority")
	r, err := New(writeBundle(t, "# Amazon's\n"+govPEM+againPEM+"\n"+previewPEM+ownPEM))
	if err != nil {
		t.Fatal(err)
	}
	embedded, err := parse(embedded)
	if err != nil {
		t.Fatal(err)
	}
	roots := map[string]*x509.Certificate{"gov": gov, "eu": again, "preview": preview, "own": own}
	for _, c := range embedded {
		if strings.HasPrefix(c.Subject.CommonName, "Amazon RDS eu-west-1 ") {
			roots["embedded of eu"] = c
		}
	}
	for host, trusted := range map[string][]string{
		"db.c9akciq32.us-gov-west-1.rds.amazonaws.com":  {"gov", "own"},
		"DB.c9akciq32.us-gov-west-1.rds.amazonaws.com.": {"gov", "own"},
		"db.c9akciq32.eu-west-1.rds.amazonaws.com":      {"eu", "own", "embedded of eu"},
		"db.c9akciq32.eu-west-2.rds.amazonaws.com":      {"own"},
		"db.c9akciq32.mars-north-1.rds.amazonaws.com":   {"gov", "eu", "preview", "own", "embedded of eu"}, // in neither
		"db.global-c9akciq32.global.rds.amazonaws.com":  {"gov", "eu", "preview", "own", "embedded of eu"},
		"db.example.com": nil,
		"127.0.0.1":      nil,
		"secretsmanager.us-gov-west-1.amazonaws.com":      nil,
		"db.us-gov-west-1.rds.amazonaws.com.example.com":  nil,
		"db.c9akciq32.us-gov-west-1.rds.notamazonaws.com": nil,
	} {
		pool, err := r.For(host)
		if err != nil {
			t.Fatal(err)
		}
		for name, root := range roots {
			_, err := root.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
			want := false
			for _, one := range trusted {
				want = want || one == name
			}
			if (err == nil) != want {
				t.Errorf("%s for %s: %v, want trusted %v", name, host, err, want)
			}
		}
		// TLS sessions are kept by the pool.
		if again, err := r.For(host); err != nil || again != pool {
			t.Errorf("another pool for %s, error %v", host, err)
		}
	}
	if system, err := r.System(); err != nil || !mustPool(t, "db.example.com", r).Equal(system) {
		t.Errorf("Secrets Manager and hosts of no region: not the system's authorities alone, error %v", err)
	}
}

func mustPool(t *testing.T, host string, r *Roots) *x509.CertPool {
	t.Helper()
	pool, err := r.For(host)
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// Without a file all is as the embedded file has it.
func TestNoBundle(t *testing.T) {
	r, err := New("")
	if err != nil {
		t.Fatal(err)
	}
	var plain Roots
	for _, host := range []string{"db.c9akciq32.eu-west-1.rds.amazonaws.com", "db.c9akciq32.us-gov-west-1.rds.amazonaws.com", "db.example.com"} {
		if !mustPool(t, host, r).Equal(mustPool(t, host, &plain)) {
			t.Errorf("other authorities for %s", host)
		}
	}
}

// A file that is not what it has to be is said to be so, with what to do.
func TestBundleThatCannotBeRead(t *testing.T) {
	_, whole := newRoot(t, "Amazon RDS us-gov-west-1 Root CA RSA2048 G1")
	other := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("not to be told")}))
	noCertificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("nothing")}))
	for name, test := range map[string]struct{ file, want string }{
		"missing":           {filepath.Join(t.TempDir(), "global-bundle.pem"), "no such file"},
		"a folder":          {t.TempDir(), "is a directory"},
		"empty":             {writeBundle(t, ""), "has no certificate in PEM form"},
		"a page":            {writeBundle(t, "<html>AccessDenied</html>"), "has no certificate in PEM form"},
		"DER":               {writeBundle(t, "0\x82\x03\x01"), "has no certificate in PEM form"},
		"cut off":           {writeBundle(t, whole+whole[:len(whole)/2]), "is broken: of the 2 PEM blocks that begin in it, 1 can be read"},
		"cut off at once":   {writeBundle(t, whole[:len(whole)/2]), "is broken: of the 1 PEM blocks that begin in it, 0 can be read"},
		"broken within":     {writeBundle(t, strings.Replace(whole, "\nM", "\n*", 1)+whole), "is broken: of the 2 PEM blocks"},
		"no certificate":    {writeBundle(t, whole+noCertificate), "certificate number 2 of "},
		"with a key beside": {writeBundle(t, whole+other), `PEM block number 2 of `},
	} {
		_, err := New(test.file)
		switch {
		case err == nil:
			t.Errorf("%s: no error", name)
		case failure.Of(err) != failure.ConfigurationInvalid || !strings.Contains(err.Error(), test.want) ||
			!strings.Contains(err.Error(), "RDS_CA_BUNDLE") || !strings.Contains(err.Error(), "or leave it out") || strings.Contains(err.Error(), "\n"):
			t.Errorf("%s: %v (%s), want %q", name, err, failure.Of(err), test.want)
		}
	}
}
