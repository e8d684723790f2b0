package mysqldb

import (
	"context"
	"net"
	"strings"

	"tandem/internal/conntrace"
)

// dial resolves the host's name and connects, and tells the way of both.
func (d *Database) dial(trip *conntrace.Trace, host string) func(ctx context.Context, network, address string) (net.Conn, error) {
	dial := d.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if trip != nil && net.ParseIP(host) == nil {
			// The dialer looks it up once more: only it knows how to choose among several.
			trip.Enter(conntrace.DNS)
			found, err := net.DefaultResolver.LookupHost(ctx, host)
			if err != nil {
				return nil, &net.OpError{Op: "dial", Net: network, Err: err}
			}
			trip.Pass(conntrace.DNS, strings.Join(found, ", "))
		}
		trip.Enter(conntrace.Connect)
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		trip.Pass(conntrace.Connect, conn.RemoteAddr().String())
		trip.Enter(conntrace.TLS)
		return conn, nil
	}
}
