package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/rotation"
	"tandem/internal/warning"
)

// authority is a root of a test's own, and a file that names it.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string
}

// newAuthority makes a root that lasts as long as said.
func newAuthority(t *testing.T, lasts time.Duration) *authority {
	t.Helper()
	return newAuthorityOf(t, "a test's root", lasts)
}

// newAuthorityOf makes one of another name.
func newAuthorityOf(t *testing.T, name string, lasts time.Duration) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(lasts),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, file: filepath.Join(t.TempDir(), "root.pem")}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// serve has the server present a certificate of this root until the test ends, or end
// is called.
func (a *authority) serve(w *deployment, change func(*x509.Certificate)) (end func()) {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "a test's server"}, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		w.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		w.t.Fatal(err)
	}
	reload := "ALTER INSTANCE RELOAD TLS"
	if w.Server.Flavor == dbserver.MariaDB {
		reload = "FLUSH SSL"
	}
	own := map[string][]byte{}
	end = sync.OnceFunc(func() {
		for path, content := range own {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				w.t.Error(err)
			}
		}
		if err := w.Execute(context.WithoutCancel(w.t.Context()), reload); err != nil { // by the connection that there is
			w.t.Error(err)
		}
	})
	w.t.Cleanup(end)
	for variable, block := range map[string]*pem.Block{
		"ssl_ca": {Type: "CERTIFICATE", Bytes: a.certificate.Raw}, "ssl_cert": {Type: "CERTIFICATE", Bytes: der}, "ssl_key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		var path, datadir string
		if err := w.Root.QueryRowContext(w.t.Context(), "SELECT @@"+variable+", @@datadir").Scan(&path, &datadir); err != nil {
			w.t.Fatal(err)
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(datadir, path)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			w.t.Fatal(err)
		}
		own[path] = content
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	w.execute(reload)
	// A server refuses to load one that has expired; it has expired by the time that
	// it is looked at.
	if left := time.Until(template.NotAfter); left < time.Minute {
		<-time.After(left)
	}
	return end
}

// What is wrong with a certificate, each kept apart.
func TestCertificates(t *testing.T) {
	const year, month = 365 * 24 * time.Hour, 30 * 24 * time.Hour
	for _, test := range []struct {
		name   string
		root   time.Duration
		change func(*x509.Certificate)
		want   failure.Type // of the error
		warned string       // the type of the warning
	}{
		{"sound", year, func(*x509.Certificate) {}, "", ""},
		{"expired", year, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(2 * time.Second) }, failure.TLSCertificateExpired, ""},
		{"for another name", year, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"db.example.com"} }, failure.TLSNameMismatch, ""},
		{"for clients", year, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, failure.TLSVerificationFailed, ""},
		{"expires soon", year, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(month) }, "", warning.CertificateExpires},
		{"of a root that expires soon", month, func(*x509.Certificate) {}, "", warning.RootExpires},
	} {
		t.Run(test.name, func(t *testing.T) {
			servers.Each(t, func(t *testing.T, on *dbserver.Server) {
				if !on.Managed() {
					t.Skip("the certificate of a server that is given by address is not ours to change")
				}
				root := newAuthority(t, test.root)
				w := newDeployment(t, on, withEnv("SSL_CERT_FILE="+root.file))
				root.serve(w, test.change)
				outcome, err := w.Rotate(t.Context(), w.app)
				found := w.check()
				if err != nil {
					t.Fatal(err)
				}
				f := finding(t, found, "server: TLS")
				if got := errorType(outcome.Err); got != test.want {
					t.Errorf("the step's type is %q, want %q: %v", got, test.want, outcome.Err)
				}
				switch {
				case test.want != "":
					if f.Result != rotation.ResultFailed || f.Type != string(test.want) || f.Remedy == "" {
						t.Errorf("the check: %+v", f)
					}
				case test.warned != "":
					if f.Result != rotation.ResultAttention || f.Type != test.warned || f.Remedy == "" {
						t.Errorf("the check: %+v", f)
					}
				case f.Result != rotation.ResultOK || !strings.Contains(f.Detail, "by the root CN=a test's root until"):
					t.Errorf("the check: %+v", f)
				}
				if warned := strings.Contains(w.log(), `"type":"`+warning.CertificateExpires) || strings.Contains(w.log(), `"type":"`+warning.RootExpires); warned != (test.warned != "") ||
					warned && !strings.Contains(w.log(), `"type":"`+test.warned+`"`) {
					t.Errorf("warned: %v", warned)
				}
			})
		})
	}
}
