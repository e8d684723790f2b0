package mysqldb

import (
	"context"
	"net"
	"strings"

	"tandem/internal/way"
)

// dial resolves the host's name and connects, and tells the way of both.
func (d *Database) dial(trip *way.Way, host string) func(ctx context.Context, network, address string) (net.Conn, error) {
	dial := d.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if trip != nil && net.ParseIP(host) == nil {
			// The dialer looks it up once more: only it knows how to choose among several.
			trip.Enter(way.DNS)
			found, err := net.DefaultResolver.LookupHost(ctx, host)
			if err != nil {
				return nil, &net.OpError{Op: "dial", Net: network, Err: err}
			}
			trip.Pass(way.DNS, strings.Join(found, ", "))
		}
		trip.Enter(way.Connect)
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		trip.Pass(way.Connect, conn.RemoteAddr().String())
		trip.Enter(way.TLS)
		return conn, nil
	}
}
