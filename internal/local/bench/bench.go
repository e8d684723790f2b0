// Package bench measures what the project says of its speed, on real servers and
// with the compiled function, and prints it as the table of cmd/bench/README.md.
//
// Figures of a shared machine mean little; ratios of one run mean something. So
// whatever is compared is measured in turns: the function and the program that it
// is compared with, one rotation each, and medians are taken. AWS's own function,
// in Python, takes part where its file is named; nothing of it is here.
//
// It is a tool, and is never linked into the function.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"tandem/internal/local/dbserver"
)

// Options say what to measure.
type Options struct {
	// Function is the compiled function, for this machine, with its own flags.
	Function string
	// Zip is the package for Lambda; empty leaves its size out.
	Zip string
	// Python is the path of AWS's function; empty leaves the comparison out.
	Python string
	// Baseline and Floor are testdata/baseline and testdata/floor, compiled like the
	// function.
	Baseline, Floor string
	// Earlier is another build of the function, to compare with; empty leaves that out.
	Earlier string
	// Brief leaves out what takes minutes.
	Brief bool
	// Progress is told what is being measured.
	Progress io.Writer
}

// program is a function as Lambda would start it.
type program struct {
	name   string
	binary string
	env    []string
}

// bench is a run.
type bench struct {
	Options
	folder             string
	own, python, plain program // plain is the baseline
	floor, earlier     program
	lambdaRoots        []string // see rootsAsOnLambda
	report             *Report
}

// Run measures.
func Run(ctx context.Context, o Options) (*Report, error) {
	folder, err := os.MkdirTemp("", "tandem-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	for _, file := range []*string{&o.Function, &o.Baseline, &o.Floor, &o.Earlier} {
		if *file == "" {
			continue
		}
		if *file, err = filepath.Abs(*file); err != nil {
			return nil, err
		}
	}
	b := &bench{Options: o, folder: folder, own: program{name: "tandem", binary: o.Function}, plain: program{name: "baseline", binary: o.Baseline},
		floor: program{name: "floor", binary: o.Floor}, earlier: program{name: "an earlier build", binary: o.Earlier}, report: newReport(o)}
	if err := b.prepare(ctx); err != nil {
		return nil, err
	}
	if err := b.size(); err != nil {
		return nil, err
	}
	if err := b.starts(ctx); err != nil {
		return nil, err
	}
	for _, release := range dbserver.Usual() {
		if err := b.on(ctx, release); err != nil {
			return nil, fmt.Errorf("on %s: %w", release.Title(), err)
		}
	}
	return b.report, nil
}

func (b *bench) say(format string, arguments ...any) {
	fmt.Fprintf(b.Progress, format+"\n", arguments...)
}

// prepare makes a program of AWS's function.
func (b *bench) prepare(ctx context.Context) error {
	if b.Python == "" {
		return nil
	}
	python := os.Getenv("PYTHON")
	if python == "" {
		python = "python3"
	}
	python, err := exec.LookPath(python)
	if err != nil {
		return fmt.Errorf("finding Python for AWS_FUNCTION: %w", err)
	}
	check := exec.CommandContext(ctx, python, "-c", "import boto3, pymysql; print(boto3.__version__, pymysql.__version__)")
	versions, err := check.Output()
	if err != nil {
		return fmt.Errorf("%s has no boto3 or no PyMySQL, which AWS's function needs: install them, or name another by PYTHON: %w", python, err)
	}
	function, err := filepath.Abs(b.Python)
	if err != nil {
		return err
	}
	runner, err := filepath.Abs("internal/local/bench/testdata/runner.py")
	if err != nil {
		return err
	}
	b.python = program{name: "AWS's function", binary: filepath.Join(b.folder, "python")}
	for _, name := range []string{"PYTHONPATH", "HOME"} {
		if value := os.Getenv(name); value != "" {
			b.python.env = append(b.python.env, name+"="+value)
		}
	}
	b.report.Python = "boto3 and PyMySQL " + strings.TrimSpace(string(versions))
	script := fmt.Sprintf("#!/bin/sh\nexec '%s' '%s' '%s'\n", python, runner, function)
	return os.WriteFile(b.python.binary, []byte(script), 0o755)
}

func (b *bench) compares() bool { return b.python.binary != "" }

// size looks at the package.
func (b *bench) size() error {
	if b.Zip == "" {
		return nil
	}
	info, err := os.Stat(b.Zip)
	if err != nil {
		return err
	}
	b.report.Figures = append(b.report.Figures, Figure{What: "zip of the package", Value: float64(info.Size()) / 1e6, Unit: "MB", Limit: 4.5})
	return nil
}

// starts starts the programs in turns.
func (b *bench) starts(ctx context.Context) error {
	b.say("starting processes ...")
	rounds := 31
	if b.Brief {
		rounds = 11
	}
	programs := []program{b.plain, b.own}
	if b.compares() {
		programs = append(programs, b.python)
	}
	took := map[string][]time.Duration{}
	resident := map[string][]float64{}
	for range rounds {
		for _, p := range programs {
			one, err := start(ctx, p)
			if err != nil {
				return err
			}
			took[p.name] = append(took[p.name], one.took)
			resident[p.name] = append(resident[p.name], one.resident)
		}
	}
	own, plain := median(took[b.own.name]), median(took[b.plain.name])
	b.report.add(Figure{What: "process start to asking for the first event", Value: ms(own), Unit: "ms"})
	b.report.add(Figure{What: "the same, of a binary that only starts the SDK's client and the runtime loop", Value: ms(plain), Unit: "ms", FloorOf: "process start to asking for the first event"})
	b.report.add(Figure{What: "ratio of the two", Value: ms(own) / ms(plain), Unit: "times", Limit: 1.3})
	b.report.compare("process start, AWS's function", ms(median(took[b.python.name])), "ms")
	b.report.add(Figure{What: "resident when ready", Value: median(resident[b.own.name]), Unit: "MB", Limit: 14})
	b.report.compare("resident when ready, AWS's function", median(resident[b.python.name]), "MB")
	return nil
}

// on measures what needs a server.
func (b *bench) on(ctx context.Context, release dbserver.Release) (err error) {
	b.say("starting %s ...", release.Title())
	ca, err := dbserver.NewCA()
	if err != nil {
		return err
	}
	on, err := dbserver.Finder{Progress: b.Progress}.Start(ctx, release, dbserver.Options{CA: ca, Args: []string{"--max-connections=1000"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, on.Close()) }()
	if err := b.rotations(ctx, on); err != nil {
		return err
	}
	if err := b.distance(ctx, on); err != nil {
		return err
	}
	if err := b.share(ctx, on); err != nil {
		return err
	}
	return b.crowd(ctx, on)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
