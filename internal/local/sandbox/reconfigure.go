package sandbox

import (
	"context"
	"fmt"
	"slices"

	"tandem/internal/local/lambdahost"
)

// Reconfigure gives the function further variables, in the form of os.Environ,
// which win over those that it has: what an update of its configuration does. Its
// processes are ended, so none may be at work.
func (s *Sandbox) Reconfigure(ctx context.Context, env ...string) error {
	changed := s.function
	changed.Env = append(slices.Clone(changed.Env), env...)
	started, err := lambdahost.Start(ctx, changed)
	if err != nil {
		return fmt.Errorf("starting the function with another configuration: %w", err)
	}
	s.Function.Close()
	s.Function, s.function = started, changed
	return nil
}
