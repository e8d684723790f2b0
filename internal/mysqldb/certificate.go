package mysqldb

import (
	"crypto/tls"

	"tandem/internal/rotation"
)

// certificate tells what a connection's certificate was verified by: of several
// chains the one that lasts longest.
func certificate(state tls.ConnectionState) *rotation.Certificate {
	var best *rotation.Certificate
	for _, chain := range state.VerifiedChains {
		leaf, root := chain[0], chain[len(chain)-1]
		c := &rotation.Certificate{
			Subject: leaf.Subject.String(), Root: root.Subject.String(),
			NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, RootNotBefore: root.NotBefore, RootNotAfter: root.NotAfter,
			TLS: tls.VersionName(state.Version),
		}
		for _, between := range chain[:max(1, len(chain)-1)] {
			if between.NotAfter.Before(c.NotAfter) {
				c.NotBefore, c.NotAfter = between.NotBefore, between.NotAfter
			}
		}
		if best == nil || best.NotAfter.Before(c.NotAfter) || best.NotAfter.Equal(c.NotAfter) && best.RootNotAfter.Before(c.RootNotAfter) {
			best = c
		}
	}
	return best
}
