package awssecrets

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http/httptrace"
	"strings"

	"tandem/internal/conntrace"
)

// traced has a call tell how far it got: in the context's way where somebody asks
// for it, and for the error of a call that is not answered.
func traced(ctx context.Context) (context.Context, *conntrace.Trace) {
	w := conntrace.FromContext(ctx)
	if w == nil {
		ctx, w = conntrace.WithTrace(ctx)
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:  w.Begin,
		DNSStart: func(httptrace.DNSStartInfo) { w.Enter(conntrace.DNS) },
		DNSDone: func(info httptrace.DNSDoneInfo) {
			if info.Err == nil {
				w.Pass(conntrace.DNS, addresses(info.Addrs))
			}
		},
		ConnectStart: func(string, string) { w.Enter(conntrace.Connect) },
		ConnectDone: func(_, address string, err error) {
			if err == nil {
				w.Pass(conntrace.Connect, address)
			}
		},
		TLSHandshakeStart: func() { w.Enter(conntrace.TLS) },
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			if err == nil {
				w.Pass(conntrace.TLS, agreed(state))
			}
		},
		GotConn: func(info httptrace.GotConnInfo) {
			if info.Reused {
				w.Reuse()
			}
		},
	}), w
}

func addresses(found []net.IPAddr) string {
	texts := make([]string, len(found))
	for i, address := range found {
		texts[i] = address.String()
	}
	return strings.Join(texts, ", ")
}

// agreed describes a connection's TLS.
func agreed(state tls.ConnectionState) string {
	text := tls.VersionName(state.Version)
	if len(state.VerifiedChains) > 0 {
		chain := state.VerifiedChains[0]
		text += fmt.Sprintf(", certificate %s, by the root %s", chain[0].Subject, chain[len(chain)-1].Subject)
	}
	return text
}
