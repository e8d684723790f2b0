package lambdahost

import (
	"context"
	_ "embed"
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
)

// The names that RDS gives servers reach servers on this machine by a function that is
// built with one more file, and with its dialer and its lookup in the place of net's.
// Nothing of that is in the function that people build, and nothing on the machine is
// changed.

//go:embed testdata/names/names.go
var ofNames []byte

// inNet are the calls of dial.go that it takes the place of.
var inNet = map[string]string{"new(net.Dialer).DialContext": "dialNamed", "net.DefaultResolver.LookupHost": "lookupNamed"}

// NamesVariable tells that function the file of Names.
const NamesVariable = "TEST_NAMES"

// CompileNamed compiles that function for this machine into a file. It is for tests.
func CompileNamed(ctx context.Context, binary string) error {
	folder, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "tandem/internal/mysqldb").Output()
	if err != nil {
		return fmt.Errorf("looking for the function's dialer: %w", err)
	}
	dial := filepath.Join(strings.TrimSpace(string(folder)), "dial.go")
	source, err := os.ReadFile(dial)
	if err != nil {
		return fmt.Errorf("reading the function's dialer: %w", err)
	}
	changed := string(source)
	for theirs, ours := range inNet {
		if strings.Count(changed, theirs) != 1 {
			return fmt.Errorf("dial.go does not have %s once", theirs)
		}
		changed = strings.Replace(changed, theirs, ours, 1)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		dial: binary + ".dial.go", filepath.Join(filepath.Dir(dial), "names.go"): binary + ".names.go",
	}})
	if err != nil {
		return err
	}
	err = errors.Join(os.WriteFile(binary+".dial.go", []byte(changed), 0o600), os.WriteFile(binary+".names.go", ofNames, 0o600), os.WriteFile(binary+".overlay", overlay, 0o600))
	if err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc", "-overlay", binary+".overlay", "-o", binary, "tandem/cmd/rotator")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("compiling the function: %w: %s", err, out)
	}
	return nil
}

// Names lead host names to servers.
type Names struct {
	File  string // for NamesVariable
	mutex sync.Mutex
	to    map[string]string
}

// NewNames has its file in a folder, and leads nowhere yet.
func NewNames(folder string) *Names {
	return &Names{File: filepath.Join(folder, "names.json"), to: map[string]string{}}
}

// Lead has a name, at a port, lead to an address from now on.
func (n *Names) Lead(host string, port int, to string) error {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	n.to[net.JoinHostPort(host, strconv.Itoa(port))] = to
	content, err := json.Marshal(n.to)
	if err != nil {
		return err
	}
	if err := os.WriteFile(n.File+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(n.File+".new", n.File) // at once, for a function that reads it
}
