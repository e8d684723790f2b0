// Command sandbox is the function on this machine, with a real database server
// and a local Secrets Manager: to be shown, to be tried by hand, to be watched.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/sandbox"
)

// The exit codes beside 0.
const (
	exitFailed = 1
	exitUsage  = 2
)

// secretKeyVariable has the key that sandbox serve prints: a command line can be read
// by other users of the machine.
const secretKeyVariable = "AWS_SECRET_ACCESS_KEY"

// parentVariable, set to anything, has the sandbox end when the process that started
// it does, as make may without a word (it keeps SIGHUP to itself).
const parentVariable = "SANDBOX_ENDS_WITH_PARENT"

// errUsage is the error of a command line that makes no sense. The flag package
// has said why by then.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	// The second Ctrl-C ends the process, if the first one's cleaning up takes long.
	context.AfterFunc(ctx, stop)
	executable, _ := os.Executable() // where that is unknown, it is not go run's
	if byGoRun(executable) || os.Getenv(parentVariable) != "" {
		var end context.CancelFunc
		ctx, end = withParent(ctx)
		defer end()
	}
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(exitUsage)
	default:
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(exitFailed)
	}
}

// command is a subcommand. define adds its flags and returns what it does.
type command struct {
	name, does, help string
	define           func(set *flag.FlagSet, stdout, stderr io.Writer) func(context.Context) error
}

var commands = []command{
	{"demo", "play AWS's two tutorials on a real server, in a few seconds", demoHelp, demo},
	{"serve", "keep a sandbox running, to rotate a secret by hand with the AWS CLI", serveHelp, serve},
	{"watch", "see labels, users and an application's logins while a secret rotates", watchHelp, watch},
	{"check", "see what a rotation would meet, without changing anything", checkHelp, check},
	{"fetch", "get the database servers that the tests need", fetchHelp, fetch},
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(stdout, overview())
		return nil
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		if len(args) == 1 {
			fmt.Fprint(stdout, overview())
			return nil
		}
		args = []string{args[1], "--help"}
	}
	for _, c := range commands {
		if c.name == args[0] {
			return c.run(ctx, args[1:], stdout, stderr)
		}
	}
	fmt.Fprintf(stderr, "sandbox: there is no command %q\n\n%s", args[0], overview())
	return errUsage
}

func (c command) run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	set := flag.NewFlagSet(c.name, flag.ContinueOnError)
	set.SetOutput(stderr)
	set.Usage = func() {
		fmt.Fprint(set.Output(), c.help+"\n")
		set.PrintDefaults()
	}
	do := c.define(set, stdout, stderr)
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage
	}
	if set.NArg() > 0 {
		fmt.Fprintf(stderr, "sandbox %s: %q is no flag: see sandbox %s --help\n", c.name, set.Arg(0), c.name)
		return errUsage
	}
	return do(ctx)
}

func overview() string {
	var b strings.Builder
	b.WriteString("sandbox runs the rotation function on this machine, as Lambda runs it, with a real\n" +
		"database server and a local Secrets Manager. It needs no AWS account and no root.\n\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "  sandbox %-6s %s\n", c.name, c.does)
	}
	b.WriteString("\nFlags and an example of each: sandbox COMMAND --help\n")
	return b.String()
}

const demoHelp = `sandbox demo plays both tutorials of AWS's User Guide on a real server, then kills a
rotation half-way, revokes a privilege and leaves an application behind. It fails if anything is not as it must be.

  go run ./cmd/sandbox demo --server mysql-9

SANDBOX_DSN names a server of your own: admin:PASSWORD@tcp(127.0.0.1:3306)/
`

func demo(set *flag.FlagSet, stdout, stderr io.Writer) func(context.Context) error {
	options := sandbox.DemoOptions{Out: stdout, Finder: dbserver.Finder{Progress: stderr}}
	serverFlag(set, &options.Release)
	functionFlag(set, &options.Binary)
	return func(ctx context.Context) error { return sandbox.Demo(ctx, options) }
}

const serveHelp = `sandbox serve keeps a server, Secrets Manager and the function running until Ctrl-C, prints
what to paste into another terminal, and then what the function logs.

  go run ./cmd/sandbox serve
  go run ./cmd/sandbox serve --server mysql-9 --every 10s

SANDBOX_DSN names a server of your own: admin:PASSWORD@tcp(127.0.0.1:3306)/
`

func serve(set *flag.FlagSet, stdout, stderr io.Writer) func(context.Context) error {
	options := sandbox.ServeOptions{Out: stdout, Info: stdout, Finder: dbserver.Finder{Progress: stderr}}
	serveFlags(set, &options)
	set.StringVar(&options.Listen, "listen", "", "`address` for Secrets Manager, on loopback (default "+sandbox.DefaultListen+", or a free port)")
	set.BoolVar(&options.JSON, "json", false, "write the log as CloudWatch gets it, and nothing else to stdout")
	return func(ctx context.Context) error {
		if options.JSON {
			options.Info = stderr
		}
		return sandbox.Serve(ctx, options)
	}
}

const watchHelp = `sandbox watch shows who is under which label, the step in progress, and an application that
logs in with the current credentials all the time. Without a URL it starts a sandbox.

  go run ./cmd/sandbox watch --every 5s
  go run ./cmd/sandbox watch --url http://127.0.0.1:4600

SANDBOX_URL is the same as --url. The sandbox answers whoever has its key only: paste the line
with AWS_SECRET_ACCESS_KEY that it has printed into this terminal first.
`

func watch(set *flag.FlagSet, stdout, stderr io.Writer) func(context.Context) error {
	options := sandbox.WatchOptions{
		Own: sandbox.ServeOptions{Every: sandbox.DefaultEvery, Listen: "127.0.0.1:0", Out: io.Discard, Info: io.Discard, Finder: dbserver.Finder{Progress: stderr}},
		Out: stdout, Live: isTerminal(stdout), SecretKey: os.Getenv(secretKeyVariable),
	}
	set.StringVar(&options.URL, "url", os.Getenv("SANDBOX_URL"), "`URL` that sandbox serve has printed")
	set.StringVar(&options.Secret, "secret", "", "`name` of the secret (default the one that sandbox serve makes)")
	plain := set.Bool("plain", false, "write lines, even to a terminal")
	serveFlags(set, &options.Own)
	return func(ctx context.Context) error {
		options.Live = options.Live && !*plain
		return sandbox.Watch(ctx, options)
	}
}

const checkHelp = `sandbox check has the function of a sandbox that runs look at all that a rotation of the
secret would meet, and shows it as a table. It fails where something stands in the way.

  go run ./cmd/sandbox check --url http://127.0.0.1:4600
  go run ./cmd/sandbox check --every

SANDBOX_URL is the same as --url. The sandbox answers whoever has its key only: paste the line
with AWS_SECRET_ACCESS_KEY that it has printed into this terminal first.
`

func check(set *flag.FlagSet, stdout, _ io.Writer) func(context.Context) error {
	options := sandbox.CheckOptions{Out: stdout, SecretKey: os.Getenv(secretKeyVariable)}
	set.StringVar(&options.URL, "url", os.Getenv("SANDBOX_URL"), "`URL` that sandbox serve has printed (default http://"+sandbox.DefaultListen+")")
	set.StringVar(&options.Secret, "secret", "", "`name` of the secret (default the one that sandbox serve makes)")
	set.BoolVar(&options.Every, "every", false, "check every secret that the function rotates")
	set.BoolVar(&options.JSON, "json", false, "write the answer as the function gave it")
	return func(ctx context.Context) error {
		if options.Every && options.Secret != "" {
			return errors.New("--every is of every secret, and --secret of one: give one of the two")
		}
		return sandbox.Check(ctx, options)
	}
}

const fetchHelp = `sandbox fetch gets the database servers that the tests need into the cache: a MariaDB and
MySQL 9, or with TEST_MATRIX=1 every release that the project answers for, or those that it
names. What cannot be had is a line, and where CI is set a failure.

  TEST_MATRIX=1 go run ./cmd/sandbox fetch
  TEST_MATRIX="mariadb-10.5 mysql-9" go run ./cmd/sandbox fetch
`

func fetch(_ *flag.FlagSet, stdout, stderr io.Writer) func(context.Context) error {
	return func(ctx context.Context) error {
		return sandbox.Fetch(ctx, dbserver.Finder{Progress: stderr}, stdout)
	}
}

// serveFlags are those of whatever keeps a sandbox running.
func serveFlags(set *flag.FlagSet, options *sandbox.ServeOptions) {
	serverFlag(set, &options.Release)
	functionFlag(set, &options.Binary)
	usual := ""
	if options.Every > 0 {
		usual = " (default " + options.Every.String() + ")"
	}
	set.Func("every", "`time` between two rotations, whatever the secret's rules say, as in 10s"+usual, func(text string) (err error) {
		if options.Every, err = time.ParseDuration(text); err != nil || options.Every <= 0 {
			return errors.New("it is a time such as 10s or 5m")
		}
		return nil
	})
	set.Func("env", "`NAME=value` for the function's environment, such as PRIVILEGE_SYNC=mirror; may be repeated", func(text string) error {
		if name, _, found := strings.Cut(text, "="); !found || name == "" {
			return errors.New("it has the form NAME=value")
		}
		options.Env = append(options.Env, text)
		return nil
	})
}

func serverFlag(set *flag.FlagSet, release *dbserver.Release) {
	set.Func("server", "`release` of the database server: mariadb, mysql, mariadb-10.11, mysql-9 ... (default any)", func(text string) (err error) {
		*release, err = dbserver.ParseRelease(text)
		return err
	})
}

func functionFlag(set *flag.FlagSet, binary *string) {
	set.StringVar(binary, "function", "bin/bootstrap", "`path` of the compiled function (make build)")
}

// isTerminal reports whether a view can redraw what it has written.
func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok || os.Getenv("TERM") == "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && file.Name() != os.DevNull
}
