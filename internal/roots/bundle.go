package roots

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"strings"

	"tandem/internal/failure"
)

// New returns the authorities with those of a bundle beside them: a file in PEM form such
// as Amazon's global-bundle.pem, which a user brings for a region that the embedded file
// lacks. They are trusted for hosts whose name RDS gave them and for no other, and one
// whose name tells a region, for that region alone. Without a file there is no bundle.
//
// The file is read here, once and whole, so that one that is not what it has to be is an
// error before anything is changed.
func New(bundle string) (*Roots, error) {
	if bundle == "" {
		return new(Roots), nil
	}
	certificates, err := readBundle(bundle)
	if err != nil {
		return nil, failure.Errorf(failure.ConfigurationInvalid, "reading the environment variable RDS_CA_BUNDLE: %w: "+
			"name a file that has certificates in PEM form and nothing else, such as the global-bundle.pem of RDS in a Lambda layer, or leave it out", err)
	}
	return &Roots{bundle: certificates}, nil
}

// readBundle reads every certificate of a file. Another PEM block, and what is cut off or
// otherwise no certificate, is an error, which package pem would pass over.
func readBundle(file string) ([]*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var certificates []*x509.Certificate
	begun := bytes.Count(text, []byte("-----BEGIN "))
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		number := len(certificates) + 1
		if block.Type != "CERTIFICATE" {
			return nil, failure.Errorf(failure.ConfigurationInvalid, "PEM block number %d of %s is no certificate, but of the type %q", number, file, block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, failure.Errorf(failure.ConfigurationInvalid, "certificate number %d of %s: %w", number, file, err)
		}
		certificates = append(certificates, c)
	}
	switch {
	case begun == 0:
		return nil, failure.Errorf(failure.ConfigurationInvalid, "%s has no certificate in PEM form", file)
	case len(certificates) < begun:
		return nil, failure.Errorf(failure.ConfigurationInvalid, "%s is broken: of the %d PEM blocks that begin in it, %d can be read", file, begun, len(certificates))
	}
	return certificates, nil
}

// regionOfRoot is the region that an authority of RDS names as its own, and empty for any
// other certificate.
func regionOfRoot(c *x509.Certificate) string {
	named, is := strings.CutPrefix(c.Subject.CommonName, "Amazon RDS ")
	region, _, says := strings.Cut(named, " Root CA ")
	if !is || !says {
		return ""
	}
	return region
}
