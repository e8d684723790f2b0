// Package roots holds the certificate authorities that a database's certificate
// is verified against: the system's, and those of Amazon RDS, which sign the
// certificates of RDS and Aurora servers and are in no system's store.
//
// Amazon's are embedded (roots.pem, which lists them by region), because a
// rotation must not depend on a download. They are what the source named in that
// file had when it was made: a region that is not in the file has to be added by
// a refresh, or by the user, with a bundle of Amazon's beside the function, see New.
// Amazon has bundles of their own for the GovCloud and China
// regions; the refresh program asks for these too, and its source for a machine
// without access to Amazon's addresses has neither.
package roots

import (
	"bytes"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"tandem/internal/failure"
)

//go:generate go run ../local/refreshroots -o roots.pem

//go:embed roots.pem
var embedded []byte

// Roots is the set of certificate authorities of one process. The zero value is
// ready, and nothing is parsed before it is asked for: that takes milliseconds of
// a full core, and many times that of the share that a small function gets. It
// is safe for concurrent use and must not be copied.
type Roots struct {
	bundle []*x509.Certificate // see New

	systemOnce sync.Once
	system     *x509.CertPool
	systemErr  error

	once   sync.Once
	pool   *x509.CertPool
	expiry time.Time
	err    error

	mutex   sync.Mutex
	regions map[string]*x509.CertPool
}

// For returns the authorities that the certificate of a host may be from:
//
//   - of a host whose name RDS gave it, in a region that the embedded file or the bundle
//     has, the system's and that region's: RDS signs the certificates of a region by
//     authorities of that region alone, and a function that serves one need not parse
//     those of thirty. What else is in the bundle and is no other region's is among them;
//   - of another host whose name RDS gave it, those of Pool;
//   - of any other, the system's: RDS signs no certificate for a name that is not its own.
//
// Every call for a region, and for a host without one, returns the same pool, which the
// caller must not change.
//
// Source: Amazon RDS User Guide, "Using SSL/TLS to encrypt a connection to a DB
// instance or cluster", "Certificate bundles by AWS Region".
func (r *Roots) For(host string) (*x509.CertPool, error) {
	region, is := regionOf(host)
	if !is {
		return r.System()
	}
	file := ofRegion(region)
	if len(file) == 0 && (region == "" || !slices.ContainsFunc(r.bundle, func(c *x509.Certificate) bool { return regionOfRoot(c) == region })) {
		return r.Pool()
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if pool := r.regions[region]; pool != nil {
		return pool, nil
	}
	pool, err := r.ofRegion(region, file)
	if err != nil {
		return nil, err
	}
	if r.regions == nil {
		r.regions = map[string]*x509.CertPool{}
	}
	r.regions[region] = pool
	return pool, nil
}

// ofRegion makes the pool of a region, of which file is the embedded part.
func (r *Roots) ofRegion(region string, file []byte) (*x509.CertPool, error) {
	var own []*x509.Certificate
	if len(file) > 0 {
		var err error
		if own, err = parse(file); err != nil {
			return nil, failure.Mark(failure.ConfigurationInvalid, err)
		}
	}
	for _, c := range r.bundle {
		if of := regionOfRoot(c); of == "" || of == region {
			own = append(own, c)
		}
	}
	return r.withSystems(own)
}

// regionOf reads the region out of the name that RDS has given to a host, such as
// db.c9akciq32.eu-west-1.rds.amazonaws.com, and reports whether it is such a name. The
// rule is that of internal/rotation, hostname.go: AWS has domains of several endings, and
// in China the region comes behind, as in db.c9akciq32.rds.cn-north-1.amazonaws.com.cn.
func regionOf(host string) (region string, is bool) {
	labels := strings.Split(strings.ToLower(strings.TrimSuffix(host, ".")), ".")
	for i, label := range labels {
		if rest := labels[i+1:]; label == "rds" {
			switch {
			case i >= 3 && len(rest) >= 2 && rest[0] == "amazonaws":
				region, is = labels[i-1], true
			case i >= 2 && len(rest) >= 3 && rest[1] == "amazonaws":
				region, is = rest[0], true
			default:
				region, is = "", false
			}
		}
	}
	return region, is
}

// title begins the line above each certificate of the embedded file.
const title = "# Amazon RDS "

// ofRegion is the part of the embedded file that is a region's; empty where there is
// none.
func ofRegion(region string) []byte {
	if region == "" {
		return nil
	}
	var part []byte
	for _, entry := range bytes.SplitAfter(embedded, []byte("-----END CERTIFICATE-----\n")) {
		if bytes.Contains(entry, []byte(title+region+" Root CA ")) {
			part = append(part, entry...)
		}
	}
	return part
}

// Pool returns the system's authorities and Amazon RDS's, those of the bundle among them.
// The system's are those that Go takes: SSL_CERT_FILE and SSL_CERT_DIR replace their part
// of them, and never Amazon RDS's. Every call returns the same pool, which the caller must
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
	certificates, err := parse(embedded)
	if err != nil {
		r.err = failure.Mark(failure.ConfigurationInvalid, err)
		return
	}
	r.expiry = slices.MinFunc(certificates, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }).NotAfter
	r.pool, r.err = r.withSystems(append(certificates, r.bundle...))
}

// System returns the system's authorities, with what replaces them. Every call returns
// the same pool, which the caller must not change.
func (r *Roots) System() (*x509.CertPool, error) {
	r.systemOnce.Do(func() {
		if r.system, r.systemErr = system(); r.systemErr != nil {
			r.systemErr = failure.Errorf(failure.ConfigurationInvalid, "reading the system's root certificates "+
				"(SSL_CERT_FILE and SSL_CERT_DIR, where set, must name files that can be read): %w", r.systemErr)
		}
	})
	return r.system, r.systemErr
}

// withSystems adds certificates to the system's.
func (r *Roots) withSystems(certificates []*x509.Certificate) (*x509.CertPool, error) {
	systems, err := r.System()
	if err != nil {
		return nil, err
	}
	pool := systems.Clone()
	for _, c := range certificates {
		// Not AppendCertsFromPEM, which keeps the bytes and parses again those
		// that a verification needs.
		pool.AddCert(c)
	}
	return pool, nil
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
