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

// sharesMB are the functions whose share of a core is measured. At 1,769 MB a
// function has one core, and below in proportion.
//
// Source: AWS Lambda Developer Guide, "Configure Lambda function memory".
var sharesMB = []int{256, 128}

const (
	fullShareMB = 1769
	periodUs    = 100000

	starts = "the starts of the four processes"
)

// quota is a control group whose processes share what a small function has of a
// core. The kernel counts how often it has held them back.
type quota struct {
	folder, statistics string
}

// newQuota makes one, where this process may.
func newQuota(memoryMB int) (*quota, error) {
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

// share measures a cold rotation, each step in a process of its own, with the share of
// a core that a small function has; and in turn that of testdata/floor, see cpu.
func (b *bench) share(ctx context.Context, on *dbserver.Server) (err error) {
	if b.lambdaRoots, err = rootsAsOnLambda(b.folder, on.CAPEM); err != nil {
		return err
	}
	programs := []program{b.own, b.floor}
	if b.earlier.binary != "" {
		programs = append(programs, b.earlier)
	}
	for _, memoryMB := range sharesMB {
		if err := b.shareOf(ctx, on, memoryMB, programs); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) shareOf(ctx context.Context, on *dbserver.Server, memoryMB int, programs []program) error {
	title := on.Release().Title()
	row := func(step string) string { return fmt.Sprintf("cold, at %d MB's share of a core: %s", memoryMB, step) }
	const whole, ofCore = "whole rotation, with these starts", "CPU of the four steps"
	q, err := newQuota(memoryMB)
	if err != nil {
		b.report.add(Figure{Server: title, What: row(whole), Absent: "not measured: no control group could be made here"})
		return nil
	}
	defer q.remove()
	b.say("%s, at %d MB's share of a core ...", title, memoryMB)
	figures := map[string]map[string][]float64{}
	rounds := 11
	if b.Brief {
		rounds = 1
	}
	for round := range rounds {
		for _, p := range programs {
			took, cpu, err := b.cold(ctx, on, q, p, fmt.Sprintf("cold%d", round))
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if figures[p.name] == nil {
				figures[p.name] = map[string][]float64{}
			}
			all := 0.0
			for _, value := range took {
				all += value
			}
			took[whole], took[ofCore] = all, cpu
			for what, value := range took {
				figures[p.name][what] = append(figures[p.name][what], value)
			}
		}
	}
	add := func(f Figure) {
		f.Server = title
		if q.throttled() == 0 {
			f.Value, f.Limit, f.Absent = 0, 0, "not measured: the kernel did not throttle"
		}
		b.report.add(f)
	}
	own, cpu := median(figures[b.own.name][whole]), median(figures[b.own.name][ofCore])
	for _, step := range append([]string{starts}, steps...) {
		add(Figure{What: row(step), Value: median(figures[b.own.name][step]), Unit: "ms"})
	}
	add(Figure{What: row(whole), Value: own, Unit: "ms"})
	add(Figure{What: row(ofCore), Value: cpu, Unit: "ms"})
	add(Figure{What: row(whole + ", of its logins and calls alone"), Value: median(figures[b.floor.name][whole]), Unit: "ms", FloorOf: row(whole)})
	add(Figure{What: row(ofCore + ", of its logins and calls alone"), Value: median(figures[b.floor.name][ofCore]), Unit: "ms", FloorOf: row(ofCore)})
	if b.earlier.binary != "" {
		earlier, then := median(figures[b.earlier.name][whole]), median(figures[b.earlier.name][ofCore])
		add(Figure{What: row(whole + ", an earlier build"), Value: earlier, Unit: "ms"})
		add(Figure{What: row(whole + ", share of an earlier build's"), Value: own / earlier, Unit: "times", Limit: 0.5})
		add(Figure{What: row(ofCore + ", share of an earlier build's"), Value: cpu / then, Unit: "times", Limit: 0.5})
	}
	return nil
}

// rootsAsOnLambda lays the authorities out as the image of Lambda's runtimes does, and
// returns the variables that name them: all in one file, beside it two folders which both
// lead to that file. Here they are this system's and the test's own. How long a cold step
// takes depends on their number and on how often they are read more than on anything else.
//
// Source: Amazon Linux 2023's package ca-certificates, whose /etc/ssl/certs is a link to
// /etc/pki/tls/certs; crypto/x509 reads both.
func rootsAsOnLambda(folder string, own []byte) (variables []string, err error) {
	bundle := filepath.Join(folder, "ca-bundle.crt")
	for _, path := range []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"} {
		if systems, err := os.ReadFile(path); err == nil {
			own = append(systems, own...)
			break
		}
	}
	if err := os.WriteFile(bundle, own, 0o644); err != nil {
		return nil, err
	}
	certs, link := filepath.Join(folder, "certs"), filepath.Join(folder, "link")
	err = os.MkdirAll(certs, 0o755)
	for name, target := range map[string]string{filepath.Join(certs, "ca-bundle.crt"): bundle, link: certs} {
		if _, missing := os.Lstat(name); missing != nil {
			err = errors.Join(err, os.Symlink(target, name))
		}
	}
	return []string{"SSL_CERT_FILE=" + bundle, "SSL_CERT_DIR=" + link + ":" + certs}, err
}

// cold rotates a secret with a new process for each step, and returns how long each took,
// how long the processes took to start, and the CPU time of the steps, in ms.
func (b *bench) cold(ctx context.Context, on *dbserver.Server, q *quota, p program, name string) (took map[string]float64, cpu float64, err error) {
	held := program{name: p.name, binary: filepath.Join(b.folder, "held")}
	script := fmt.Sprintf("#!/bin/sh\necho $$ > '%s/cgroup.procs' && exec '%s'\n", q.folder, p.binary)
	if err := os.WriteFile(held.binary, []byte(script), 0o755); err != nil {
		return nil, 0, err
	}
	took = map[string]float64{}
	for range steps {
		one, err := start(ctx, held)
		if err != nil {
			return nil, 0, err
		}
		took[starts] += ms(one.took)
	}
	w, err := open(ctx, on, held, name, b.lambdaRoots...)
	if w == nil {
		return nil, 0, err
	}
	defer func() {
		err = errors.Join(err, w.remove(ctx), w.Execute(ctx, "DROP DATABASE IF EXISTS "+w.database), w.Close())
	}()
	if err != nil {
		return nil, 0, err
	}
	w.watched, w.fresh = false, true
	if _, err := w.settle(ctx, 10, nil); err != nil {
		return nil, 0, err
	}
	made, err := w.rotate(ctx)
	for step, one := range made {
		took[step] = ms(one.Wall)
	}
	return took, ms(inAll(made).CPU), err
}
