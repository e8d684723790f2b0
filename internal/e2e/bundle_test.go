package e2e

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/internal/failure"
	"tandem/internal/rotation"
)

// A server of RDS whose root is in RDS_CA_BUNDLE alone is verified by it, and only for
// the region that the root names; one whose root is in nothing is refused, as before.
func TestBundleOfRDS(t *testing.T) {
	const (
		host      = "db.c9akciq32rs1.us-gov-west-1.rds.amazonaws.com"
		elsewhere = "db.c9akciq32rs1.us-gov-east-1.rds.amazonaws.com"
		notOfRDS  = "db.example.com"
	)
	servers.EachRelease(t, func(t *testing.T, release string) {
		on := servers.MustStart(t, release)
		amazon, otherRegion := newAuthorityOf(t, "Amazon RDS us-gov-west-1 Root CA ECC384 G1", 365*24*time.Hour), newAuthorityOf(t, "Amazon RDS us-gov-east-1 Root CA ECC384 G1", 365*24*time.Hour)
		bundle, system := both(t, amazon, otherRegion), newAuthority(t, 365*24*time.Hour)
		known := newNames(t)
		for _, name := range []string{host, elsewhere, notOfRDS} {
			known.lead(name, on)
		}
		for _, test := range []struct {
			name, host, bundle string
			want               failure.Type
		}{
			{"its region's root is in the bundle", host, bundle, ""},
			{"no bundle", host, "", failure.TLSUnknownAuthority},
			{"another region's root", elsewhere, bundle, failure.TLSUnknownAuthority},
			{"a host that is none of RDS's", notOfRDS, bundle, failure.TLSUnknownAuthority},
		} {
			t.Run(test.name, func(t *testing.T) {
				// The system's are others: what serve writes is a file that they are read from too.
				w := newDeployment(t, on, withNames(known), withEnv("RDS_CA_BUNDLE="+test.bundle, "SSL_CERT_FILE="+system.file))
				amazon.serve(w, func(c *x509.Certificate) { c.DNSNames = []string{host, elsewhere, notOfRDS} })
				w.elsewhere(test.host, 3306)
				outcome, err := w.Rotate(t.Context(), w.app)
				if err != nil {
					t.Fatal(err)
				}
				if got := errorType(outcome.Err); got != test.want {
					t.Fatalf("the error is %v, want the type %q", outcome.Err, test.want)
				}
				// The check resolves the name of "server: TLS" by DNS, which does not know it.
				f := finding(t, w.check(), "admin")
				if want := map[bool]rotation.Result{true: rotation.ResultOK, false: rotation.ResultFailed}[test.want == ""]; f.Result != want || f.Type != string(test.want) {
					t.Errorf("the check's finding: %+v", f)
				}
			})
		}
	})
}

// both writes a bundle of two authorities.
func both(t *testing.T, one, other *authority) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "global-bundle.pem")
	var text []byte
	for _, a := range []*authority{one, other} {
		content, err := os.ReadFile(a.file)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, content...)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A bundle that cannot be read is an error of every invocation, before anything is
// changed, and the check says so.
func TestBundleThatCannotBeRead(t *testing.T) {
	servers.EachRelease(t, func(t *testing.T, release string) {
		w := newDeployment(t, servers.MustStart(t, release), withEnv("RDS_CA_BUNDLE="+filepath.Join(t.TempDir(), "global-bundle.pem")))
		err := w.rotate()
		if errorType(err) != failure.ConfigurationInvalid || !strings.Contains(err.Error(), "RDS_CA_BUNDLE") {
			t.Errorf("the error is %v", err)
		}
		if f := finding(t, w.check(), "configuration"); f.Result != rotation.ResultFailed || !strings.Contains(f.Detail, "RDS_CA_BUNDLE") {
			t.Errorf("the check's finding: %+v", f)
		}
		if w.value("AWSPENDING") != "" {
			t.Error("a version is under AWSPENDING")
		}
	})
}
