package sandbox

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"tandem/internal/local/dbserver"
)

// Fetch has the servers that the tests need ready in the cache: those that
// servertest starts, by the same variables. "go test" shows what a package
// prints when it is done, and counts a download against its time limit; so it is
// done before, where its progress can be seen.
//
// A server that cannot be had is a line, and an error where CI is set.
func Fetch(ctx context.Context, finder dbserver.Finder, out io.Writer) error {
	getenv := finder.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	releases, _, err := dbserver.WantedReleases(getenv("TEST_MATRIX"))
	if err != nil {
		return err
	}
	var ready []string
	var missing []error
	for _, release := range releases {
		program, err := finder.Find(ctx, release)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("getting %s: %w", release.Title(), context.Cause(ctx))
		case err != nil:
			missing = append(missing, err)
		default:
			ready = append(ready, fmt.Sprintf("%s %s (%s)", program.Flavor, program.Version, program.Origin))
		}
	}
	if len(ready) > 0 {
		fmt.Fprintf(out, "servers for the tests: %s\n", strings.Join(ready, ", "))
	}
	for _, err := range missing {
		fmt.Fprintf(out, "MISSING, so the tests that need it are skipped: %v\n", err)
	}
	if len(missing) > 0 && getenv("CI") != "" {
		return fmt.Errorf("%d of %d servers cannot be had, and in CI every test must run", len(missing), len(releases))
	}
	return nil
}
