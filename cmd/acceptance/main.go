//go:build unix

// Command acceptance plays the tutorials, and what goes beyond them, in a real account
// of AWS; see internal/local/acceptance. It is run by make acceptance, in the project's
// folder.
package main

import (
	"context"
	"fmt"
	"os"

	"tandem/internal/local/acceptance"
)

func main() {
	if len(os.Args) > 1 { // by the steps
		switch os.Args[1] {
		case "aws":
			os.Exit(acceptance.Guard(context.Background(), os.Args[2:]))
		case "sam":
			os.Exit(acceptance.GuardSAM(context.Background(), os.Args[2:]))
		}
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "acceptance:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) > 1 {
		return fmt.Errorf("%q is no argument: what to play is said by variables (.github/tutorials/acceptance.md)", os.Args[1])
	}
	ctx, stop := acceptance.UntilSignal(context.Background())
	defer stop()
	options, err := acceptance.FromEnvironment(os.Getenv)
	if err != nil {
		return err
	}
	if options.Program, err = os.Executable(); err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	options.In, options.Out = os.Stdin, os.Stdout
	return acceptance.Run(ctx, options)
}
