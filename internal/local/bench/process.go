package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"tandem/internal/local/lambdahost"
	"tandem/internal/local/sandbox"
)

// A process's figures are read from /proc; elsewhere than on Linux they are zero.

// cpuOf is the time that a process has had a core.
func cpuOf(pid int) time.Duration {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	var total int64
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err != nil {
			continue // it has ended
		}
		first, _, _ := strings.Cut(string(text), " ")
		ns, _ := strconv.ParseInt(first, 10, 64)
		total += ns
	}
	return time.Duration(total)
}

// residentOf is a process's resident memory in MB, of 1024 kB.
func residentOf(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kB, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kB / 1024
		}
	}
	return 0
}

// processOf finds the process that has a word in its environment.
func processOf(word string) int {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && slices.Contains(strings.Split(string(text), "\x00"), word) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			return pid
		}
	}
	return 0
}

// end ends a process, and waits until its host has seen that: the next invocation
// finds none, and waits for one to start.
func end(pid int) {
	process, err := os.FindProcess(pid)
	if err != nil {
		return
	}
	_ = process.Kill()
	for range 200 {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err != nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
}

// started is how a program came up.
type started struct {
	took     time.Duration // until it asked for its first event
	resident float64       // then, in MB
}

// start starts a program as Lambda does, and ends it.
func start(ctx context.Context, p program) (started, error) {
	mark := "BENCH_MARK=" + sandbox.Token()
	began := time.Now()
	host, err := lambdahost.Start(ctx, lambdahost.Function{
		Binary: p.binary, ARN: sandbox.FunctionARN,
		Env: append([]string{
			"SECRETS_MANAGER_ENDPOINT=http://127.0.0.1:1", "AWS_ACCESS_KEY_ID=BENCH", "AWS_SECRET_ACCESS_KEY=BENCH", mark,
		}, p.env...),
	})
	if err != nil {
		return started{}, err
	}
	defer host.Close()
	took := time.Since(began)
	return started{took, residentOf(processOf(mark))}, nil
}

// median of an odd number of figures is the middle one.
func median[T int | int64 | float64 | time.Duration](figures []T) T {
	if len(figures) == 0 {
		return 0
	}
	sorted := slices.Clone(figures)
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}
