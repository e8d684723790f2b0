package tutorial

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
)

// compileNamed compiles the function as the end-to-end tests do for host names of
// RDS: with one file more, internal/e2e/testdata/names/names.go, whose dialer knows
// servers of this machine by such names; a check finds them all at 127.0.0.1.
func compileNamed(folder string) (string, error) {
	const room = "../../mysqldb/"
	edits := strings.NewReplacer("new(net.Dialer).DialContext", "dialNamed", "net.DefaultResolver.LookupHost(ctx, host)", `[]string{"127.0.0.1"}, error(nil)`)
	source, err := os.ReadFile(room + "dial.go")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(folder, "bootstrap")
	replaced := map[string]string{}
	for path, by := range map[string]string{room + "dial.go": binary + ".dial.go", room + "names.go": "../../e2e/testdata/names/names.go"} {
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
	changed := edits.Replace(string(source))
	if err := errors.Join(os.WriteFile(binary+".dial.go", []byte(changed), 0o600), os.WriteFile(binary+".overlay", overlay, 0o600)); err != nil {
		return "", err
	}
	if out, err := exec.Command("go", "build", "-tags", "lambda.norpc", "-overlay", binary+".overlay", "-o", binary, "../../../cmd/rotator").CombinedOutput(); err != nil {
		return "", fmt.Errorf("compiling the function: %w: %s", err, out)
	}
	return binary, nil
}

// names lead host names to servers.
type names struct {
	t     *testing.T
	file  string
	mutex sync.Mutex
	to    map[string]string
}

func newNames(t *testing.T) *names {
	return &names{t: t, file: filepath.Join(t.TempDir(), "names.json"), to: map[string]string{}}
}

// lead has a name, at a port, lead to a server from now on.
func (n *names) lead(host string, port int, to *dbserver.Server) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	n.to[net.JoinHostPort(host, strconv.Itoa(port))] = net.JoinHostPort(to.Host, strconv.Itoa(to.Port))
	content, err := json.Marshal(n.to)
	if err == nil {
		err = os.WriteFile(n.file+".new", content, 0o600)
	}
	if err == nil {
		err = os.Rename(n.file+".new", n.file) // at once, for a function that reads it
	}
	if err != nil {
		n.t.Error(err)
	}
}
