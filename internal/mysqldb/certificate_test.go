package mysqldb

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"
)

// The certificate that expires first is told of with the time that this very one is valid
// for, and the root with its own.
func TestCertificateIsTheFirstToExpire(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2030, 1, n, 0, 0, 0, 0, time.UTC) }
	of := func(from, until int) *x509.Certificate {
		return &x509.Certificate{NotBefore: day(from), NotAfter: day(until)}
	}
	for _, test := range []struct {
		name          string
		chain         []*x509.Certificate
		from, until   time.Time
		root, rootEnd time.Time
	}{
		{"the server's", []*x509.Certificate{of(3, 20), of(2, 30), of(1, 60)}, day(3), day(20), day(1), day(60)},
		{"one between", []*x509.Certificate{of(3, 40), of(2, 30), of(1, 60)}, day(2), day(30), day(1), day(60)},
		{"its own root", []*x509.Certificate{of(3, 40)}, day(3), day(40), day(3), day(40)},
	} {
		c := certificate(tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{test.chain}})
		if !c.NotBefore.Equal(test.from) || !c.NotAfter.Equal(test.until) || !c.RootNotBefore.Equal(test.root) || !c.RootNotAfter.Equal(test.rootEnd) {
			t.Errorf("%s: %+v", test.name, c)
		}
	}
}
