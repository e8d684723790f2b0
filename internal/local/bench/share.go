package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"tandem/internal/local/dbserver"
)

// memoryMB is the function whose share of a core is measured. At 1,769 MB a
// function has one core, and below in proportion.
//
// Source: AWS Lambda Developer Guide, "Configure Lambda function memory".
const (
	memoryMB    = 256
	fullShareMB = 1769
	periodUs    = 100000
)

// quota is a control group whose processes share what a small function has of a
// core. The kernel counts how often it has held them back.
type quota struct {
	folder, statistics string
}

// newQuota makes one, where this process may.
func newQuota() (*quota, error) {
	us := periodUs * memoryMB / fullShareMB
	name := "tandem-bench-" + strconv.Itoa(os.Getpid())
	var reasons []error
	for _, version := range []struct {
		root  string
		files map[string]string
	}{
		{"/sys/fs/cgroup/cpu", map[string]string{"cpu.cfs_period_us": strconv.Itoa(periodUs), "cpu.cfs_quota_us": strconv.Itoa(us)}},
		{"/sys/fs/cgroup", map[string]string{"cpu.max": fmt.Sprintf("%d %d", us, periodUs)}},
	} {
		folder := filepath.Join(version.root, name)
		if err := os.Mkdir(folder, 0o755); err != nil {
			reasons = append(reasons, err)
			continue
		}
		var err error
		for file, text := range version.files {
			if _, missing := os.Stat(filepath.Join(folder, file)); missing != nil {
				err = errors.Join(err, missing)
				continue
			}
			err = errors.Join(err, os.WriteFile(filepath.Join(folder, file), []byte(text), 0o644))
		}
		if err == nil {
			return &quota{folder, filepath.Join(folder, "cpu.stat")}, nil
		}
		_ = os.Remove(folder)
		reasons = append(reasons, err)
	}
	return nil, errors.Join(reasons...)
}

// throttled is how often the kernel has held the processes back.
func (q *quota) throttled() int {
	text, _ := os.ReadFile(q.statistics)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "nr_throttled "); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(rest))
			return n
		}
	}
	return 0
}

func (q *quota) remove() { _ = os.Remove(q.folder) }

// share measures a cold start and a cold rotation, each step in a process of its
// own, with the share of a core that a small function has.
func (b *bench) share(ctx context.Context, on *dbserver.Server) error {
	title := on.Release().Title()
	what := []string{"start", "createSecret", "setSecret", "testSecret", "finishSecret"}
	row := func(step string) string { return fmt.Sprintf("cold, at %d MB's share of a core: %s", memoryMB, step) }
	q, err := newQuota()
	if err != nil {
		for _, step := range what {
			b.report.add(Figure{Server: title, What: row(step), Absent: "not measured: no control group could be made here"})
		}
		return nil
	}
	defer q.remove()
	b.say("%s, at %d MB's share of a core ...", title, memoryMB)
	held := program{name: "held", binary: filepath.Join(b.folder, "held")}
	script := fmt.Sprintf("#!/bin/sh\necho $$ > '%s/cgroup.procs' && exec '%s'\n", q.folder, b.own.binary)
	if err := os.WriteFile(held.binary, []byte(script), 0o755); err != nil {
		return err
	}
	figures := map[string][]float64{}
	rounds := 5
	if b.Brief {
		rounds = 1
	}
	for round := range rounds {
		one, err := start(ctx, held)
		if err != nil {
			return err
		}
		figures["start"] = append(figures["start"], ms(one.took))
		w, err := open(ctx, on, held, fmt.Sprintf("cold%d", round))
		if w == nil {
			return err
		}
		w.watched, w.fresh = false, true
		if err == nil {
			_, err = w.settle(ctx, 10, nil)
		}
		var steps map[string]taken
		if err == nil {
			steps, err = w.rotate(ctx)
		}
		err = errors.Join(err, w.remove(ctx), w.Close())
		if err != nil {
			return err
		}
		for step, took := range steps {
			figures[step] = append(figures[step], ms(took.Wall))
		}
	}
	for _, step := range what {
		f := Figure{Server: title, What: row(step), Value: median(figures[step]), Unit: "ms"}
		if q.throttled() == 0 {
			f.Value, f.Absent = 0, "not measured: the kernel did not throttle"
		}
		b.report.add(f)
	}
	return nil
}
