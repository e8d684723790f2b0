package acceptance

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tandem/internal/local/dbserver/filelock"
)

// graceful is how long steps that are to end may go on, for the call that makes
// something to be answered and written down.
const graceful = 3 * time.Minute

// play plays everything, removes what was made, and writes the report.
func (r *run) play(ctx context.Context) error {
	if _, err := os.Stat(scratch); err == nil {
		return fmt.Errorf("there is a folder %s, in which the steps would keep their files: somebody plays the tutorials by hand; end that first, by their clean-up", scratch)
	}
	r.report.began = time.Now()
	j := journalOf(r.name)
	if err := j.write(entry{What: begun, Run: r.name, Account: r.account, Region: r.region}); err != nil {
		return err
	}
	lock, err := os.Open(j.path)
	if err != nil {
		return fmt.Errorf("locking the journal: %w", err)
	}
	defer func() { _ = lock.Close() }()
	if !filelock.Try(lock) {
		return fmt.Errorf("locking the journal: another process has the lock of %s", j.path)
	}
	if err := os.MkdirAll(r.path(), 0o700); err != nil {
		return fmt.Errorf("making the run's folder: %w", err)
	}
	secrets := r.playChapters(ctx, j)
	r.say("Removing what was made. This takes up to half an hour; to end it now would leave what costs money.")
	before, err := j.read()
	if err != nil {
		return err
	}
	remaining, err := r.cleanUp(context.WithoutCancel(ctx), j)
	if err != nil {
		r.say("%v", err)
		r.report.unclean = true
	}
	for _, one := range remaining {
		r.report.left = append(r.report.left, one.Kind)
	}
	r.report.made = len(before.Left)
	path := filepath.Join(folder, r.name+".report.txt")
	if err := r.report.write(path, append(secrets, r.account, r.name)); err != nil {
		return err
	}
	r.say("The report, which may be sent to anybody: %s", path)
	r.say("What the programs have printed has names of this account, and stays here: %s", r.path())
	if !r.report.passed() {
		return ErrFailed
	}
	return nil
}

func (r *run) path(name ...string) string {
	return filepath.Join(append([]string{folder, r.name}, name...)...)
}

// playChapters plays them one after the other, and returns the secrets of their files.
func (r *run) playChapters(ctx context.Context, j journal) (secrets []string) {
	all, done := r.chapters(), map[string]bool{}
	prepared := r.installTools()
	if prepared == nil {
		prepared = r.makeBucket(ctx, j)
	}
	if prepared != nil {
		r.say("%v", prepared)
	}
	for _, c := range all {
		ready := prepared == nil && ctx.Err() == nil
		for _, need := range c.needs {
			ready = ready && done[need]
		}
		if !ready {
			r.skip(c, c.steps)
			continue
		}
		err := r.playChapter(ctx, c)
		if err != nil {
			r.say("  %v", err)
		}
		done[c.id()] = err == nil
		secrets = append(secrets, secretsIn(scratch)...)
		r.noteVersion(ctx, c)
	}
	return secrets
}

func (r *run) chapters() []chapter {
	return chapters(r.Engines, r.VPC == "", r.Engines[0])
}

func (r *run) skip(c chapter, steps []string) {
	for _, step := range steps {
		r.report.add(line{chapter: c.id(), step: step, result: notPlayed})
	}
}

// installTools makes the folder of programs that the steps find first.
func (r *run) installTools() error {
	tools := r.path("tools")
	if err := os.MkdirAll(tools, 0o700); err != nil {
		return fmt.Errorf("making the folder of the guard: %w", err)
	}
	for _, name := range []string{"aws", "sam"} {
		script := "#!/bin/sh\nexec \"$TANDEM_ACCEPTANCE_PROGRAM\" " + name + " \"$@\"\n"
		if err := os.WriteFile(filepath.Join(tools, name), []byte(script), 0o700); err != nil {
			return fmt.Errorf("writing the guard: %w", err)
		}
	}
	return nil
}

// bucket is the name of the bucket that SAM packs into, which it would otherwise make
// by a stack of its own that nobody removes.
func (r *run) bucket() string { return Tag + "-" + r.name }

func (r *run) makeBucket(ctx context.Context, j journal) error {
	one := resource{bucketKind, r.bucket()}
	if err := j.write(entry{What: making, resource: one}); err != nil {
		return err
	}
	if _, err := r.cli.call(ctx, "s3", "mb", "s3://"+one.ID); err != nil {
		return fmt.Errorf("making the bucket for the code: %w", err)
	}
	if _, err := r.cli.call(ctx, "s3api", "put-bucket-tagging", "--bucket", one.ID, "--tagging", "TagSet=[{Key="+Tag+",Value="+r.name+"}]"); err != nil {
		return fmt.Errorf("tagging the bucket for the code: %w", err)
	}
	return j.write(entry{What: made, resource: one})
}

// kept are the variables and functions of a chapter that those after it use.
const kept = `for name in VPC SUBNETS GROUP ENDPOINT RDS_ENDPOINT HOST PORT ADMIN FUNCTION MASTER USER_SECRET READER READER_PORT; do
  if [ -n "${!name+set}" ]; then declare -p "$name"; fi
done > "$TANDEM_ACCEPTANCE_KEEP"
for name in document field username login; do
  if declare -F "$name" > /dev/null; then declare -f "$name"; fi
done >> "$TANDEM_ACCEPTANCE_KEEP"
`

// script is a chapter's, for bash. Before each step it writes a line to descriptor 3.
func (r *run) script(c chapter) string {
	var b strings.Builder
	b.WriteString("set -euo pipefail\numask 077\n")
	for _, need := range c.needs {
		fmt.Fprintf(&b, ". '%s'\n", r.keepFile(need))
	}
	if c.engine != "" {
		fmt.Fprintf(&b, "ENGINE=%s\n", c.engine)
	}
	for i, step := range c.steps {
		fmt.Fprintf(&b, "echo %d >&3\n%s", i, renamed(r.texts[step], r.name, c.engine))
		if step == "settings" {
			fmt.Fprintf(&b, "printf %%s %s > %s\n", r.name, scratchMarker)
		}
	}
	fmt.Fprintf(&b, "echo %d >&3\n%s", len(c.steps), kept)
	return b.String()
}

func (r *run) keepFile(id string) string {
	return r.path(strings.NewReplacer(", ", "-", " ", "-", "'", "").Replace(id) + ".kept")
}

// notTheirs are variables that would change what the steps do: make's own, those of
// make deploy, and the ones of a former run.
var notTheirs = []string{
	"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "STACK", "PARAMETERS", "ROLE_ARN", "SIGNING_PROFILE", "EXECUTE_CHANGESET", "TAGS", "S3_BUCKET",
	"VPC", "SUBNETS", "ENGINE", "AWS_REGION", "AWS_DEFAULT_REGION", "BASH_ENV", "ENV",
}

// notTheirPrefixes begin the names of others: SAM's options, and functions, of which one
// that is called aws would go before the guard.
var notTheirPrefixes = []string{"TANDEM_ACCEPTANCE_", "SAM_", "BASH_FUNC_"}

func (r *run) environment(c chapter) []string {
	env := slices.DeleteFunc(os.Environ(), func(assignment string) bool {
		name, _, _ := strings.Cut(assignment, "=")
		return slices.Contains(notTheirs, name) || slices.ContainsFunc(notTheirPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
	})
	tools, _ := filepath.Abs(r.path("tools")) // from the working directory, which exists
	journal, _ := filepath.Abs(journalOf(r.name).path)
	stopped, _ := filepath.Abs(stopFile(r.name))
	env = append(env, "PATH="+tools+string(os.PathListSeparator)+os.Getenv("PATH"),
		"AWS_REGION="+r.region, "AWS_DEFAULT_REGION="+r.region, "AWS_PAGER=", "AWS_DEFAULT_OUTPUT=json",
		"TAGS="+Tag+"="+r.name, "S3_BUCKET="+r.bucket(),
		"TANDEM_ACCEPTANCE_PROGRAM="+r.Program, "TANDEM_ACCEPTANCE_KEEP="+r.keepFile(c.id()),
		runVariable+"="+r.name, cliVariable+"="+r.cli.path, samVariable+"="+mustFind("sam"), folderVariable+"="+journal, stopVariable+"="+stopped)
	if r.VPC != "" {
		env = append(env, "VPC="+r.VPC, "SUBNETS="+strings.Join(r.Subnets, " "))
	}
	return env
}

var (
	errTooLong     = errors.New("the step took too long")
	errInterrupted = errors.New("interrupted")
)

// playing is a chapter that is being played.
type playing struct {
	chapter
	r       *run
	command *exec.Cmd
	log     *os.File
	step    int // the one that has begun, -1 before the first
	since   time.Time
	from    int64 // where the step's part of the log begins
}

// playChapter plays a chapter to its end, to the first step that fails, or to the end of
// ctx.
func (r *run) playChapter(ctx context.Context, c chapter) (err error) {
	r.say("%s", c.id())
	p := &playing{chapter: c, r: r, step: -1}
	if p.log, err = os.OpenFile(strings.TrimSuffix(r.keepFile(c.id()), ".kept")+".log", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	defer func() { _ = p.log.Close() }()
	marks, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = marks.Close() }()
	p.command = exec.Command("bash", "-c", r.script(c))
	p.command.Env, p.command.Stdout, p.command.Stderr, p.command.ExtraFiles = r.environment(c), p.log, p.log, []*os.File{write}
	separate(p.command)
	err = p.command.Start()
	_ = write.Close()
	if err != nil {
		return fmt.Errorf("starting bash: %w", err)
	}
	return p.follow(ctx, marks)
}

// follow reads which steps begin until all that the chapter has started has ended:
// every process of it has the pipe.
func (p *playing) follow(ctx context.Context, marks io.Reader) error {
	begins := make(chan int)
	go func() {
		defer close(begins)
		lines := bufio.NewScanner(marks)
		for lines.Scan() {
			var step int
			if _, err := fmt.Sscan(lines.Text(), &step); err == nil {
				begins <- step
			}
		}
	}()
	var cause error
	limit := time.NewTimer(stepLimit)
	defer limit.Stop()
	interrupted, killing := ctx.Done(), (<-chan time.Time)(nil)
	finish := func(why error) {
		if cause == nil {
			cause = why
			_ = stop(p.r.name) // where that fails, what is made is written down all the same
			_ = terminate(p.command)
			killing = time.After(graceful)
		}
	}
	for {
		select {
		case step, more := <-begins:
			if !more {
				return p.ended(p.command.Wait(), cause)
			}
			p.begin(step)
			if step < len(p.steps) {
				limit.Reset(p.limit(step))
			}
		case <-limit.C:
			finish(errTooLong)
		case <-interrupted:
			interrupted = nil
			finish(errInterrupted)
		case <-killing:
			_ = kill(p.command)
		}
	}
}

func (c chapter) limit(step int) time.Duration {
	if limit := c.limits[c.steps[step]]; limit > 0 {
		return limit
	}
	return stepLimit
}

// begin notes that the step before has passed.
func (p *playing) begin(step int) {
	if p.step >= 0 {
		p.note(passed)
	}
	p.step, p.since = step, time.Now()
	p.from, _ = p.log.Seek(0, io.SeekEnd) // of a file that is open
	if step < len(p.steps) {
		p.r.say("  %s", p.steps[step])
	}
}

func (p *playing) note(how result) {
	l := line{chapter: p.id(), step: p.steps[p.step], result: how, took: time.Since(p.since)}
	if how != passed {
		l.kind = codeOf(p.printed())
		l.function = p.r.functionFailures(p.engine)
	}
	p.r.report.add(l)
}

// printed is what the step has printed, at most the last of it.
func (p *playing) printed() string {
	const most = 1 << 20
	end, _ := p.log.Seek(0, io.SeekEnd)
	text := make([]byte, min(end-p.from, most))
	n, _ := p.log.ReadAt(text, end-int64(len(text)))
	return string(text[:n])
}

// ended notes how the last step ended, and those that were not begun.
func (p *playing) ended(exit, cause error) error {
	if p.step >= len(p.steps) {
		return exit // of what keeps the variables
	}
	how, err := failed, exit
	switch {
	case errors.Is(cause, errTooLong):
		how, err = tooLong, cause
	case cause != nil:
		how, err = interrupted, cause
	case exit == nil:
		err = errors.New("the step has ended bash")
	}
	if p.step < 0 {
		p.r.skip(p.chapter, p.steps)
		return err
	}
	p.note(how)
	p.r.skip(p.chapter, p.steps[p.step+1:])
	if how == tooLong { // the chapters after it may go on
		if err := os.Remove(stopFile(p.r.name)); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: %w; the end of its output:\n%s", p.steps[p.step], err, lastLines(p.printed(), 8))
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return "    " + strings.Join(lines[max(0, len(lines)-n):], "\n    ")
}

// functionFailures asks for what an engine's functions have logged of steps that failed.
func (r *run) functionFailures(engine string) []string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var all []string
	for _, name := range []string{"tutorial-admin-rotation", "tutorial-alternating-users-rotation", "mytest-rotation"} {
		var lines []string
		group := "/aws/lambda/" + renamed(name, r.name, engine)
		if err := r.cli.query(ctx, &lines, "logs", "filter-log-events", "--log-group-name", group, "--filter-pattern", `{ $.message = "step failed" }`, "--query", "events[].message"); err == nil {
			all = append(all, lines...)
		}
	}
	return functionFailures(all)
}

// noteVersion asks for the version of the first tutorial's server.
func (r *run) noteVersion(ctx context.Context, c chapter) {
	if c.name != firstTutorial {
		return
	}
	out, err := r.cli.call(ctx, "rds", "describe-db-instances", "--db-instance-identifier", renamed("secretsmanagertutorialdb", r.name, c.engine), "--query", "DBInstances[0].EngineVersion", "--output", "text")
	if err == nil {
		r.report.server(c.engine, strings.TrimSpace(out))
	}
}
