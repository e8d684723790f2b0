package lambdahost

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// Compile compiles the function for this machine into a folder, and returns the
// path of the binary. It is for tests: what is deployed is compiled by make.
func Compile(ctx context.Context, folder string) (string, error) {
	binary := filepath.Join(folder, "bootstrap")
	build := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc", "-o", binary, "tandem/cmd/rotator")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compiling the function: %w: %s", err, out)
	}
	return binary, nil
}
