// Package acceptance plays the tutorials, and what goes beyond them, in a real account
// of AWS: what make acceptance does.
//
//	documents ── steps ──► bash ──► aws, the guard ──► the AWS CLI ──► the account
//	                                   │
//	                                journal ──► clean-up, and the next run's
//
// What is played is the text of the documents: each of their blocks that has the marker
// "step", in one bash for each chapter. It finds a guard in the place of the AWS CLI,
// which knows what may be called, lets nothing be touched that the run has not made,
// tags what is made, and writes it down before and after. The clean-up removes what is
// both written down and tagged.
//
// It is never linked into the function, and no test of the project calls AWS by it.
package acceptance

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Tag is the key of the tag of everything that a run makes; its value is the run's name.
const Tag = "tandem-acceptance"

// folder has the journals, and a folder for each run.
const folder = ".acceptance"

// scratch is the folder in which the tutorials keep their files.
const scratch = "tutorial"

// Options say what to play. The zero value of each is its default.
type Options struct {
	// Engines are those of ACCEPTANCE_ENGINES, in the words of RDS.
	Engines []string
	// VPC and Subnets are given ones.
	VPC     string
	Subnets []string
	// Yes is the number of the account in which nothing is asked.
	Yes string
	// Remove is the name of another machine's run that is to be removed.
	Remove string
	// Program is this program, which becomes the guard.
	Program string
	In      io.Reader
	Out     io.Writer
	// Interval is between two looks at what is being removed; 15 seconds if zero.
	Interval time.Duration
}

var (
	vpcForm    = regexp.MustCompile(`^vpc-[0-9a-z]+$`)
	subnetForm = regexp.MustCompile(`^subnet-[0-9a-z]+$`)
	runForm    = regexp.MustCompile(`^[a-z2-7]{8}$`)
	engines    = []string{mysql, mariadb, aurora}
)

// The engines, as RDS calls them.
const (
	mysql   = "mysql"
	mariadb = "mariadb"
	aurora  = "aurora-mysql"
)

// FromEnvironment reads what the variables of make acceptance say.
func FromEnvironment(getenv func(string) string) (Options, error) {
	o := Options{
		Engines: strings.Fields(getenv("ACCEPTANCE_ENGINES")), VPC: getenv("ACCEPTANCE_VPC"), Subnets: strings.Fields(getenv("ACCEPTANCE_SUBNETS")),
		Yes: getenv("ACCEPTANCE_YES"), Remove: getenv("ACCEPTANCE_REMOVE"),
	}
	if len(o.Engines) == 0 {
		o.Engines = []string{mysql, mariadb}
	}
	for i, engine := range o.Engines {
		if !slices.Contains(engines, engine) || slices.Contains(o.Engines[:i], engine) {
			return o, fmt.Errorf("ACCEPTANCE_ENGINES is %q: it has to be some of %s, each once, with spaces between", getenv("ACCEPTANCE_ENGINES"), strings.Join(engines, ", "))
		}
	}
	if (o.VPC != "" || len(o.Subnets) > 0) && (!vpcForm.MatchString(o.VPC) || len(o.Subnets) != 2 || !subnetForm.MatchString(o.Subnets[0]) || !subnetForm.MatchString(o.Subnets[1])) {
		return o, fmt.Errorf("ACCEPTANCE_VPC is %q and ACCEPTANCE_SUBNETS is %q: they have to be the ID of a VPC and those of two of its subnets, with a space between; or give neither, and a VPC is made", o.VPC, getenv("ACCEPTANCE_SUBNETS"))
	}
	if o.Yes != "" && !regexp.MustCompile(`^\d{12}$`).MatchString(o.Yes) {
		return o, errors.New("ACCEPTANCE_YES has to be the number of the account that is meant, of twelve digits")
	}
	if o.Remove != "" && !runForm.MatchString(o.Remove) {
		return o, fmt.Errorf("ACCEPTANCE_REMOVE is %q: it has to be the name of a run, the value of the tag %s", o.Remove, Tag)
	}
	return o, nil
}

// needed are the programs that the steps call.
var needed = []string{"aws", "sam", "bash", "make", "go", "curl", "mysql", "grep", "sed"}

// ErrFailed is the error of a run of which something has failed, or is left.
var ErrFailed = errors.New("not everything passed, see the report")

// Run plays. The end of ctx ends the playing, and not the clean-up.
func Run(ctx context.Context, o Options) error {
	r, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	earlier, err := r.earlier(ctx)
	if err != nil {
		return err
	}
	defer releaseAll(earlier)
	if o.Remove == "" {
		r.plan()
	}
	r.planRemoval(earlier)
	if agreed, err := r.agreed(ctx); err != nil || !agreed {
		return errors.Join(err, forget(earlier))
	}
	for _, left := range earlier {
		if err := r.finish(ctx, left); err != nil {
			return err
		}
	}
	if o.Remove != "" {
		return nil
	}
	return r.play(ctx)
}

// run is one run of make acceptance.
type run struct {
	Options
	name    string
	cli     cli
	account string
	region  string
	texts   map[string]string // of the steps, by their names
	report  report
}

func prepare(ctx context.Context, o Options) (*run, error) {
	r := &run{Options: o, name: strings.ToLower(rand.Text()[:8])}
	if r.Interval == 0 {
		r.Interval = 15 * time.Second
	}
	for _, program := range needed {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("%s was not found, and make acceptance needs it: install it (.github/tutorials/acceptance.md)", program)
		}
	}
	if found, _ := filepath.Glob("samconfig.*"); len(found) > 0 { // the pattern is none that is malformed
		return nil, fmt.Errorf("SAM reads %s, which may name another account, region or role than the AWS CLI's: move it away while this runs", found[0])
	}
	var err error
	if r.texts, err = steps("."); err != nil {
		return nil, err
	}
	r.cli = cli{path: mustFind("aws")}
	if r.region, err = r.cli.region(ctx); err != nil {
		return nil, err
	}
	r.cli.regionName = r.region
	if r.account, err = r.cli.account(ctx); err != nil {
		return nil, err
	}
	if o.Yes != "" && o.Yes != r.account {
		return nil, fmt.Errorf("ACCEPTANCE_YES names another account than %s, whose credentials these are: nothing was made", r.account)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the journals: %w", err)
	}
	return r, nil
}

func mustFind(program string) string {
	path, _ := exec.LookPath(program) // prepare has looked
	if absolute, err := filepath.Abs(path); err == nil {
		return absolute
	}
	return path
}

// agreed asks whether to begin.
func (r *run) agreed(ctx context.Context) (bool, error) {
	if r.Yes != "" {
		r.say("ACCEPTANCE_YES names this account: it begins.")
		return true, nil
	}
	_, _ = fmt.Fprint(r.Out, "Type yes to begin: ")
	typed := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(r.In).ReadString('\n')
		typed <- line
	}()
	select {
	case line := <-typed:
		if strings.TrimSpace(line) == "yes" {
			return true, nil
		}
	case <-ctx.Done():
	}
	r.say("\nNothing was made, and nothing removed.")
	return false, nil
}

func (r *run) say(format string, values ...any) { _, _ = fmt.Fprintf(r.Out, format+"\n", values...) }
