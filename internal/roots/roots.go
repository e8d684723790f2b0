// Package roots holds the certificate authorities that a database's certificate
// is verified against: the system's, and those of Amazon RDS, which sign the
// certificates of RDS and Aurora servers and are in no system's store.
//
// Amazon's are embedded (roots.pem, which lists them by region), because a
// rotation must not depend on a download. They are what the source named in that
// file had when it was made: a region that is not in the file has to be added by
// a refresh, or by the user, with SSL_CERT_DIR naming a folder that has Amazon's
// bundle for it. Amazon has bundles of their own for the GovCloud and China
// regions; the refresh program asks for these too, and its source for a machine
// without access to Amazon's addresses has neither.
package roots

import (
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"fmt"
	"sync"
	"time"

	"tandem/internal/failure"
)

//go:generate go run ./refresh -o roots.pem

//go:embed roots.pem
var embedded []byte

// Roots is the set of certificate authorities of one process. The zero value is
// ready, and nothing is parsed before it is asked for: that takes milliseconds of
// a full core, and many times that of the share that a small function gets. It
// is safe for concurrent use and must not be copied.
type Roots struct {
	once   sync.Once
	pool   *x509.CertPool
	expiry time.Time
	err    error
}

// Pool returns the system's authorities and Amazon RDS's. The system's are those
// that Go takes: SSL_CERT_FILE and SSL_CERT_DIR replace their part of them, and
// never Amazon RDS's. Every call returns the same pool, which the caller must
// not change; Clone makes one that may be.
func (r *Roots) Pool() (*x509.CertPool, error) {
	r.once.Do(r.load)
	return r.pool, r.err
}

// EarliestExpiry returns when the first of Amazon RDS's authorities that are
// embedded expires: by then the file has to be refreshed.
func (r *Roots) EarliestExpiry() (time.Time, error) {
	r.once.Do(r.load)
	return r.expiry, r.err
}

func (r *Roots) load() {
	pool, err := x509.SystemCertPool()
	if err != nil {
		r.err = failure.Errorf(failure.ConfigurationInvalid, "reading the system's root certificates "+
			"(SSL_CERT_FILE and SSL_CERT_DIR, where set, must name files that can be read): %w", err)
		return
	}
	certificates, err := parse(embedded)
	if err != nil {
		r.err = failure.Mark(failure.ConfigurationInvalid, err)
		return
	}
	r.pool, r.expiry = pool, certificates[0].NotAfter
	for _, c := range certificates {
		// Not AppendCertsFromPEM, which keeps the bytes and parses again those
		// that a verification needs.
		pool.AddCert(c)
		if c.NotAfter.Before(r.expiry) {
			r.expiry = c.NotAfter
		}
	}
}

// parse reads a file of PEM blocks, at least one.
func parse(file []byte) ([]*x509.Certificate, error) {
	var certificates []*x509.Certificate
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parsing embedded root certificate number %d: %w", len(certificates)+1, err)
		}
		certificates = append(certificates, c)
	}
	if len(certificates) == 0 {
		return nil, failure.Errorf(failure.ConfigurationInvalid, "parsing the embedded root certificates: there are none in %d bytes", len(file))
	}
	return certificates, nil
}
