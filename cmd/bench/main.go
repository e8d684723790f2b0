// Command bench measures the function's speed; see internal/local/bench. It is run by
// make bench, from the project's folder.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"tandem/internal/local/bench"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	o := bench.Options{Progress: os.Stderr}
	flag.StringVar(&o.Function, "function", "bin/bootstrap", "the compiled function")
	flag.StringVar(&o.Zip, "zip", "", "the package for Lambda")
	flag.StringVar(&o.Python, "aws-function", os.Getenv("AWS_FUNCTION"), "AWS's function in Python, to compare with")
	flag.BoolVar(&o.Brief, "brief", false, "leave out what takes minutes")
	flag.StringVar(&o.Baseline, "baseline", "bin/baseline", "the compiled baseline, internal/local/bench/testdata/baseline")
	flag.StringVar(&o.Floor, "floor", "bin/floor", "the compiled floor, internal/local/bench/testdata/floor")
	flag.StringVar(&o.Earlier, "earlier", os.Getenv("EARLIER"), "an earlier build of the function, to compare with")
	to := flag.String("json", os.Getenv("BENCH_JSON"), "a file for the figures")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := bench.Run(ctx, o)
	if err != nil {
		return err
	}
	if *to != "" {
		text, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(*to, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	report.Print(os.Stdout)
	return report.CheckFloors()
}
