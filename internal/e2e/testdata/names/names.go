package mysqldb

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"strings"
)

// dialNamed stands in the place of the net.Dialer in dial.go, where tests build the
// function with this file added: then host names of RDS lead to servers on this
// machine. All else is the function's own, TLS by the servers' names included. The
// file of TEST_NAMES is read anew each time, as a name is resolved anew: after a
// failover it leads elsewhere.
func dialNamed(ctx context.Context, network, address string) (net.Conn, error) {
	content, err := os.ReadFile(os.Getenv("TEST_NAMES"))
	if err != nil {
		return nil, err
	}
	addresses := map[string]string{}
	if err := json.Unmarshal(content, &addresses); err != nil {
		return nil, err
	}
	to, known := addresses[strings.ToLower(address)]
	if !known {
		return nil, &net.DNSError{Err: "no such host", Name: address, IsNotFound: true}
	}
	return new(net.Dialer).DialContext(ctx, network, to)
}
