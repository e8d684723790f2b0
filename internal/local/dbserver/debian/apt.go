package debian

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tandem/internal/local/dbserver/release"
)

const (
	// tries is how often a command that needs the mirror is run. A mirror that is
	// slow has not said no.
	tries = 3
	// usualPause lies between two tries, and grows with each.
	usualPause = 2 * time.Second
)

// apt drives apt-get on lists, status and cache of its own, so that the
// machine's are neither read nor changed, and no root is needed. What apt
// verifies it verifies here: the index's signature, the packages' hashes.
type apt struct {
	folder string
	config string
	// title begins each message.
	title string
	say   func(format string, args ...any)
	pause time.Duration
}

// newApt prepares the folder, which may hold the state of an earlier,
// interrupted use.
func (u Unpacker) newApt(ctx context.Context, folder string, from archive) (*apt, error) {
	for _, name := range []string{"apt-get", "apt-cache", "apt-config", "dpkg-deb"} {
		if _, err := exec.LookPath(name); err != nil {
			return nil, fmt.Errorf("%s is not on PATH: unpacking needs the programs of Debian or Ubuntu", name)
		}
	}
	a := &apt{folder: folder, config: filepath.Join(folder, "apt.conf"), title: from.release.Title(), say: u.Say, pause: u.Pause}
	if a.pause == 0 {
		a.pause = usualPause
	}
	for _, name := range []string{"lists/partial", "archives/partial", "none.d", "debs"} {
		if err := os.MkdirAll(filepath.Join(folder, name), 0o755); err != nil {
			return nil, fmt.Errorf("making apt's folders: %w", err)
		}
	}
	machine, err := exec.CommandContext(ctx, "apt-config", "dump").Output()
	if err != nil {
		return nil, fmt.Errorf("reading the machine's apt configuration: %w", err)
	}
	files := map[string]string{
		"status":       "",
		"sources.list": strings.Join(from.lines, "\n") + "\n",
		"apt.conf":     aptConfig(folder, string(machine)),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			return nil, fmt.Errorf("writing apt's configuration: %w", err)
		}
	}
	return a, nil
}

// machineSettings are what is taken over from the machine's apt: the way to the
// network, and whether an index past its date is accepted. Its hooks are not:
// they are about the machine's own packages.
var machineSettings = regexp.MustCompile(`^Acquire::(https?::|Check-Valid-Until|Check-Date)`)

func aptConfig(folder, machine string) string {
	var config strings.Builder
	set := func(name, value string) { fmt.Fprintf(&config, "%s %q;\n", name, value) }
	none := filepath.Join(folder, "none.d")
	set("Dir::Etc::sourcelist", filepath.Join(folder, "sources.list"))
	set("Dir::Etc::sourceparts", none)
	set("Dir::Etc::preferences", "/dev/null")
	set("Dir::Etc::preferencesparts", none)
	set("Dir::Etc::main", filepath.Join(folder, "none"))
	set("Dir::Etc::parts", none)
	set("Dir::State", folder)
	set("Dir::State::lists", filepath.Join(folder, "lists"))
	set("Dir::State::status", filepath.Join(folder, "status"))
	set("Dir::Cache", folder)
	set("Dir::Cache::archives", filepath.Join(folder, "archives"))
	set("Dir::Cache::pkgcache", "")
	set("Dir::Cache::srcpkgcache", "")
	set("Dir::Log", folder)
	// The user that apt run by root would download as may not write here.
	set("APT::Sandbox::User", "root")
	set("APT::Install-Recommends", "false")
	set("APT::Update::Error-Mode", "any")
	set("Acquire::Languages", "none")
	set("Acquire::Retries", "3")
	for _, icons := range []string{"", "-icons", "-icons-small", "-icons-hidpi", "-icons-large", "-icons-large-hidpi"} {
		set("Acquire::IndexTargets::deb::DEP-11"+icons+"::DefaultEnabled", "false")
	}
	set("Acquire::IndexTargets::deb::CNF::DefaultEnabled", "false")
	set("Debug::NoLocking", "true")
	for line := range strings.Lines(machine) {
		if machineSettings.MatchString(line) {
			config.WriteString(strings.TrimSpace(line) + "\n")
		}
	}
	return config.String()
}

// run executes one of apt's programs and returns its standard output. Where
// progress is not nil it gets the lines of apt's status.
func (a *apt) run(ctx context.Context, progress func(string), name string, args ...string) (string, error) {
	if progress != nil {
		args = append([]string{"-o", "APT::Status-Fd=3"}, args...)
	}
	command := exec.CommandContext(ctx, name, args...)
	// "download" writes to the working folder; "--print-uris download" leaves out
	// what is there, and so must not be run in the same.
	command.Dir = a.folder
	if slices.Contains(args, "download") && !slices.Contains(args, "--print-uris") {
		command.Dir = filepath.Join(a.folder, "debs")
	}
	command.Env = append(os.Environ(), "APT_CONFIG="+a.config, "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	// A fetcher that outlives its apt must not keep this waiting.
	command.WaitDelay = 5 * time.Second
	var output, messages bytes.Buffer
	command.Stdout, command.Stderr = &output, &messages
	var reading sync.WaitGroup
	if progress != nil {
		read, write, err := os.Pipe()
		if err != nil {
			return "", fmt.Errorf("running %s: %w", name, err)
		}
		command.ExtraFiles = []*os.File{write}
		reading.Go(func() {
			defer func() { _ = read.Close() }()
			for lines := bufio.NewScanner(read); lines.Scan(); {
				progress(lines.Text())
			}
			// What is too long for a line is drained, or apt would block on it.
			_, _ = io.Copy(io.Discard, read)
		})
		err = command.Start()
		_ = write.Close()
		if err != nil {
			reading.Wait()
			return "", fmt.Errorf("running %s: %w", name, err)
		}
		err = command.Wait()
		reading.Wait()
		return output.String(), aptError(ctx, name, args, err, messages.String())
	}
	err := command.Run()
	return output.String(), aptError(ctx, name, args, err, messages.String())
}

// aptError makes an error of what apt printed. An update that lacks an index
// says so only there, where apt is too old for APT::Update::Error-Mode.
func aptError(ctx context.Context, name string, args []string, err error, messages string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var complaints []string
	for line := range strings.Lines(messages) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "E: ") || strings.Contains(line, "Failed to fetch") || strings.Contains(line, "GPG error") {
			complaints = append(complaints, line)
		}
	}
	if err == nil && !strings.Contains(messages, "Failed to fetch") {
		return nil
	}
	if err == nil {
		err = errors.New("some index files failed to download")
	}
	what := name
	for _, arg := range args {
		if arg != "-o" && !strings.HasPrefix(arg, "-") && !strings.Contains(arg, "::") {
			what += " " + arg
			break
		}
	}
	if len(complaints) == 0 {
		return fmt.Errorf("running %s: %w", what, err)
	}
	return fmt.Errorf("running %s: %w: %s", what, err, strings.Join(slices.Compact(complaints), " "))
}

// refusals are answers that another try would only get again.
var refusals = []string{"NO_PUBKEY", "does not have a Release file", "is not signed", "404  Not Found", "Unable to locate package", "is not valid yet", "is expired", "No space left"}

// retry runs what needs the mirror, again after a failure that may pass.
func (a *apt) retry(ctx context.Context, what string, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if err == nil || ctx.Err() != nil {
			return err
		}
		final := slices.ContainsFunc(refusals, func(text string) bool { return strings.Contains(err.Error(), text) })
		if final || try == tries {
			return fmt.Errorf("%s: %w", what, err)
		}
		a.say("%s: %s did not work (%v); trying again (%d of %d)", a.title, what, err, try+1, tries)
		timer := time.NewTimer(time.Duration(try) * a.pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// update fetches and verifies the index.
func (a *apt) update(ctx context.Context) error {
	shown := a.percents("read %d %% of the package index")
	return a.retry(ctx, "reading the package index", func() error {
		_, err := a.run(ctx, shown, "apt-get", "-q", "update")
		return err
	})
}

// server returns the name and the upstream version of the package that holds
// the flavor's server program.
func (a *apt) server(ctx context.Context, flavor release.Flavor) (name, version string, err error) {
	prefix := string(flavor) + "-server-core"
	names, err := a.run(ctx, nil, "apt-cache", "pkgnames", prefix)
	if err != nil {
		return "", "", err
	}
	fields := strings.Fields(names)
	if len(fields) == 0 {
		return "", "", fmt.Errorf("no package %s", prefix)
	}
	table, err := a.run(ctx, nil, "apt-cache", append([]string{"madison"}, fields...)...)
	if err != nil {
		return "", "", err
	}
	name, version = newestServer(table, prefix)
	if name == "" {
		return "", "", fmt.Errorf("no package %s", prefix)
	}
	return name, version, nil
}

// newestServer chooses from the table that "apt-cache madison" prints: the
// package without a series in its name where there is one (those with a series
// are then old names that it answers to), else the newest.
func newestServer(table, prefix string) (name, version string) {
	type row struct{ name, version string }
	var rows []row
	for line := range strings.Lines(table) {
		columns := strings.Split(line, "|")
		if len(columns) < 3 || strings.Contains(columns[2], "Sources") {
			continue
		}
		r := row{strings.TrimSpace(columns[0]), upstream(strings.TrimSpace(columns[1]))}
		suffix := strings.TrimPrefix(r.name, prefix)
		if suffix != "" && !regexp.MustCompile(`^-[0-9.]+$`).MatchString(suffix) {
			continue
		}
		rows = append(rows, r)
	}
	if len(rows) == 0 {
		return "", ""
	}
	best := slices.MaxFunc(rows, func(a, b row) int {
		if (a.name == prefix) != (b.name == prefix) {
			if a.name == prefix {
				return 1
			}
			return -1
		}
		return release.Compare(a.version, b.version)
	})
	return best.name, best.version
}

// upstream takes the epoch and Debian's revision off a package's version.
func upstream(version string) string {
	if _, after, found := strings.Cut(version, ":"); found {
		version = after
	}
	if i := strings.LastIndex(version, "-"); i > 0 {
		version = version[:i]
	}
	return version
}

// A deb is a package file as apt names it.
type deb struct {
	Package string
	File    string
	Bytes   int64
	// Hash is the index's, as ALGORITHM:HEX.
	Hash string
}

// closure lists the names of the package and all that it depends on.
func (a *apt) closure(ctx context.Context, name string) ([]string, error) {
	output, err := a.run(ctx, nil, "apt-get", "-qq", "--print-uris", "install", name)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range parseURIs(output) {
		names = append(names, d.Package)
	}
	return names, nil
}

// describe returns the files of the packages, with the hashes of the signed
// index.
func (a *apt) describe(ctx context.Context, names []string) ([]deb, error) {
	output, err := a.run(ctx, nil, "apt-get", append([]string{"-qq", "--print-uris", "download"}, names...)...)
	if err != nil {
		return nil, err
	}
	debs := parseURIs(output)
	if len(debs) != len(names) {
		return nil, fmt.Errorf("apt-get names %d files for %d packages", len(debs), len(names))
	}
	return debs, nil
}

// parseURIs reads lines of "'URI' FILE SIZE HASH", as --print-uris writes them.
func parseURIs(output string) []deb {
	var debs []deb
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) < 3 || !strings.HasPrefix(fields[0], "'") {
			continue
		}
		size, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			continue
		}
		d := deb{File: fields[1], Bytes: size}
		d.Package, _, _ = strings.Cut(d.File, "_")
		if len(fields) > 3 {
			d.Hash = fields[3]
		}
		debs = append(debs, d)
	}
	return debs
}

// fetch downloads the packages; those that an earlier, interrupted fetch left
// whole are not fetched again.
func (a *apt) fetch(ctx context.Context, debs []deb) error {
	var missing []string
	var size int64
	for _, d := range debs {
		if a.check(d) != nil {
			missing = append(missing, d.Package)
			size += d.Bytes
		}
	}
	if len(missing) == 0 {
		return nil
	}
	a.say("%s: fetching %d packages (%s)…", a.title, len(missing), megabytes(size))
	shown := a.percents("fetched %d %% of " + megabytes(size))
	err := a.retry(ctx, "fetching packages", func() error {
		_, err := a.run(ctx, shown, "apt-get", append([]string{"-q", "download"}, missing...)...)
		return err
	})
	if err != nil {
		return err
	}
	for _, d := range debs {
		if err := a.check(d); err != nil {
			return fmt.Errorf("checking a fetched package: %w", err)
		}
	}
	return nil
}

// check compares a file with what the signed index says of it.
func (a *apt) check(d deb) error {
	file, err := os.Open(filepath.Join(a.folder, "debs", d.File))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	algorithm, want, _ := strings.Cut(d.Hash, ":")
	var sum hash.Hash
	switch algorithm {
	case "SHA256":
		sum = sha256.New()
	case "SHA512":
		// Ubuntu's index has these.
		sum = sha512.New()
	default:
		return fmt.Errorf("the index has no hash of %s that is known here: %q", d.File, d.Hash)
	}
	if _, err := io.Copy(sum, file); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		return fmt.Errorf("%s has the %s hash %s, and the index says %s", d.File, algorithm, got, want)
	}
	return nil
}

// unpack writes the files of the packages below root.
func (a *apt) unpack(ctx context.Context, debs []deb, root string) error {
	// Unpacking is decompression: one process for each processor.
	work := make(chan deb)
	failed := make(chan error, len(debs))
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), 4) {
		workers.Go(func() {
			for d := range work {
				command := exec.CommandContext(ctx, "dpkg-deb", "--extract", filepath.Join(a.folder, "debs", d.File), root)
				if output, err := command.CombinedOutput(); err != nil {
					failed <- fmt.Errorf("unpacking %s: %w: %s", d.File, err, strings.TrimSpace(string(output)))
				}
			}
		})
	}
	for _, d := range debs {
		work <- d
	}
	close(work)
	workers.Wait()
	close(failed)
	return <-failed
}

// percents returns a receiver of apt's status that reports every tenth part
// once.
func (a *apt) percents(format string) func(string) {
	last := 0
	return func(line string) {
		percent, found := parseStatus(line)
		if !found || percent < last+10 {
			return
		}
		last = percent - percent%10
		a.say("%s: "+format, a.title, last)
	}
}

// parseStatus reads "dlstatus:FILE:PERCENT:TEXT"; see APT::Status-Fd in apt's
// README.progress-reporting.
func parseStatus(line string) (percent int, found bool) {
	fields := strings.SplitN(line, ":", 4)
	if len(fields) < 4 || fields[0] != "dlstatus" {
		return 0, false
	}
	value, err := strconv.ParseFloat(fields[2], 64)
	if err != nil || value < 0 || value > 100 {
		return 0, false
	}
	return int(value), true
}

func megabytes(bytes int64) string {
	return strconv.FormatFloat(float64(bytes)/1e6, 'f', 1, 64) + " MB"
}
