//go:build !linux

package roots

import "crypto/x509"

// system returns the system's authorities.
func system() (*x509.CertPool, error) { return x509.SystemCertPool() }
