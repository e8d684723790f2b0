package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/sandbox"
)

// The names that RDS gives servers reach servers on this machine by a function that
// is built with one more file, testdata/names/names.go, and with its dialer in the
// place of net's. Nothing of that is in the function that people build, and nothing
// on the machine is changed.

// named is that function, built once, when the first test wants it.
var named = sync.OnceValues(func() (string, error) {
	const room, theirs, ours = "../../internal/mysqldb/", "new(net.Dialer).DialContext", "dialNamed"
	source, err := os.ReadFile(room + "dial.go")
	if err != nil {
		return "", err
	}
	if strings.Count(string(source), theirs) != 1 {
		return "", fmt.Errorf("dial.go does not have %s once", theirs)
	}
	changed := strings.Replace(string(source), theirs, ours, 1)
	replaced := map[string]string{}
	for path, by := range map[string]string{room + "dial.go": binary + ".dial.go", room + "names.go": "testdata/names/names.go"} {
		if path, err = filepath.Abs(path); err == nil {
			replaced[path], err = filepath.Abs(by)
		}
		if err != nil {
			return "", err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", err
	}
	file := binary + ".overlay"
	if err := errors.Join(os.WriteFile(binary+".dial.go", []byte(changed), 0o600), os.WriteFile(file, overlay, 0o600)); err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-overlay", file, "-o", binary+".named", "../../cmd/rotator")
	build.Stderr = os.Stderr
	return binary + ".named", build.Run()
})

// names lead host names to servers.
type names struct {
	t    *testing.T
	file string
	to   map[string]string
}

func newNames(t *testing.T) *names {
	return &names{t, filepath.Join(t.TempDir(), "names.json"), map[string]string{}}
}

// lead has a name, at MySQL's port, lead to a server from now on.
func (n *names) lead(host string, to *dbserver.Server) {
	n.t.Helper()
	n.to[net.JoinHostPort(host, "3306")] = net.JoinHostPort(to.Host, strconv.Itoa(to.Port))
	content, err := json.Marshal(n.to)
	if err == nil {
		err = os.WriteFile(n.file+".new", content, 0o600)
	}
	if err == nil {
		err = os.Rename(n.file+".new", n.file) // at once, for a function that reads it
	}
	if err != nil {
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
		o.Env = append(o.Env, "TEST_NAMES="+n.file)
	}
}
