package e2e

import (
	"context"
	"net"
	"strconv"
	"sync"
	"testing"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/lambdahost"
	"tandem/internal/local/sandbox"
)

// named is the function that knows names, built once, when the first test wants it.
var named = sync.OnceValues(func() (string, error) {
	return binary + ".named", lambdahost.CompileNamed(context.Background(), binary+".named")
})

// names lead host names, at MySQL's port, to servers.
type names struct {
	*lambdahost.Names
	t *testing.T
}

func newNames(t *testing.T) *names { return &names{lambdahost.NewNames(t.TempDir()), t} }

// lead has a name lead to a server from now on.
func (n *names) lead(host string, to *dbserver.Server) {
	n.t.Helper()
	if err := n.Lead(host, 3306, net.JoinHostPort(to.Host, strconv.Itoa(to.Port))); err != nil {
		n.t.Fatal(err)
	}
}

// withNames runs the function to which the names are known.
func withNames(n *names) option {
	return func(w *deployment, o *sandbox.Options) {
		function, err := named()
		if err != nil {
			w.t.Fatal(err)
		}
		o.Binary = function
		o.Env = append(o.Env, lambdahost.NamesVariable+"="+n.File)
	}
}
