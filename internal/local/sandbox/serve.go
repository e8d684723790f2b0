package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/emulator"
	"tandem/internal/local/lambdahost"
)

// DefaultListen is where the sandbox listens unless it is told otherwise; another
// free port is taken where that one is not.
const DefaultListen = "127.0.0.1:4600"

// ServeOptions are what a caller may choose about a sandbox that is kept running.
type ServeOptions struct {
	// Release is the server to start; any if zero.
	Release dbserver.Release
	// Binary is the compiled function.
	Binary string
	// Env has further variables for the function, in the form of os.Environ.
	Env []string
	// Listen is Secrets Manager's address. Empty is DefaultListen, or a free port
	// where that one is taken.
	Listen string
	// Every rotates that often; zero as the rules of the secrets say.
	Every time.Duration
	// JSON writes the logs as CloudWatch gets them, and events as EventBridge does.
	JSON bool
	// Finder finds the server.
	Finder dbserver.Finder
	// Out gets the logs and events, Info what a person is to know.
	Out, Info io.Writer
	// Ready, where set, is called when the sandbox can be used.
	Ready func(*Sandbox)

	// has says which programs there are on this machine; lookPath if nil.
	has func(program string) bool
	// clock is the schedule's; the system's if nil.
	clock emulator.Clock
}

// servePause is the time between two tries of a rotation: long enough to look,
// and shorter than the service's.
const servePause = 5 * time.Second

// Serve keeps a server, Secrets Manager and the function running until ctx ends,
// with the secret of the tutorial in it, ready to be rotated by hand. The error is
// nil where ctx ended it.
func Serve(ctx context.Context, options ServeOptions) error {
	fmt.Fprintf(options.Info, "A sandbox: a real database server, a local Secrets Manager, and the function %s as Lambda\n"+
		"runs it. No AWS account is used, nothing listens beyond 127.0.0.1. Ctrl-C ends and removes it all.\n", options.Binary)
	lines := &lineWriter{to: options.Out, json: options.JSON, held: true}
	defer lines.release()
	s, found, err := stage(ctx, options, lines)
	if err != nil && ctx.Err() != nil {
		return nil // it was cut short
	}
	if err != nil {
		return err
	}
	defer func() { _ = found.Close() }()
	err = s.serve(ctx, options, lines)
	return errors.Join(err, s.Close())
}

// stage starts the parts for Serve, and explains what cannot be started.
func stage(ctx context.Context, options ServeOptions, lines *lineWriter) (*Sandbox, *dbserver.Server, error) {
	if err := checkBinary(options.Binary); err != nil {
		return nil, nil, err
	}
	found, err := options.Finder.Start(ctx, options.Release, dbserver.Options{})
	if err != nil {
		return nil, nil, err
	}
	open := func(listen string) (*Sandbox, error) {
		return Open(ctx, Options{
			Server: found, Binary: options.Binary, Env: options.Env, SingleUser: true, Listen: listen,
			SecretsManager: emulator.Options{Schedule: true, Every: options.Every, Pause: servePause, Events: lines.event, Clock: options.clock},
			Logs:           lines.log, SystemLogs: options.JSON,
		})
	}
	s, err := open(withDefault(options.Listen))
	if errors.Is(err, errPortTaken) && options.Listen == "" {
		fmt.Fprintf(options.Info, "%s is taken, perhaps by another sandbox: another port is used.\n", DefaultListen)
		s, err = open("127.0.0.1:0")
	}
	if err != nil {
		return nil, nil, errors.Join(explain(ctx, found, err), found.Close())
	}
	return s, found, nil
}

func withDefault(listen string) string {
	if listen == "" {
		return DefaultListen
	}
	return listen
}

func (s *Sandbox) serve(ctx context.Context, options ServeOptions, lines *lineWriter) error {
	users, databases := []string{Admin, appUser}, []string{appDatabase}
	if err := s.checkUnused(ctx, users, databases); err != nil {
		return err
	}
	has := options.has
	if has == nil {
		has = lookPath
	}
	err := s.prepare(ctx)
	if err == nil {
		fmt.Fprint(options.Info, s.paste(has))
		lines.release()
		if options.Ready != nil {
			options.Ready(s)
		}
		select {
		case <-ctx.Done():
		case <-s.Server.Done():
			if ctx.Err() == nil {
				err = death(s.Server)
			}
		}
	}
	if ctx.Err() != nil {
		err = nil // whatever was cut short
	}
	return errors.Join(explain(ctx, s.Server, err), s.drop(ctx, users, databases))
}

// prepare makes the tutorial's secrets and turns their rotations on, without rotating
// them: that is for the person to do.
func (s *Sandbox) prepare(ctx context.Context) error {
	admin, app, _, err := s.createApplication(ctx)
	if err != nil {
		return err
	}
	if err := s.attach(ctx, admin, SingleUserARN, adminRules()); err != nil {
		return err
	}
	return s.attach(ctx, app, FunctionARN, &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(2), Duration: aws.String("2h")})
}

// attach turns the rotation of a secret on, without rotating it.
func (s *Sandbox) attach(ctx context.Context, secretARN, functionARN string, rules *types.RotationRulesType) error {
	_, err := s.Secrets.RotateSecret(ctx, &secretsmanager.RotateSecretInput{
		SecretId: aws.String(secretARN), RotationLambdaARN: aws.String(functionARN), ClientRequestToken: aws.String(Token()),
		RotationRules: rules, RotateImmediately: aws.Bool(false),
	})
	if err != nil {
		return fmt.Errorf("turning on the rotation of %s: %w", secretName(secretARN), err)
	}
	outcome, err := s.Service.WaitRotation(ctx, secretARN)
	if err != nil {
		return err
	}
	if outcome.Err != nil {
		return fmt.Errorf("turning on the rotation of %s, which tests the function: %w", secretName(secretARN), outcome.Err)
	}
	return nil
}

// lineWriter writes what the function logs and what the service reports, a line
// at a time. What comes before the person has read what to do is held back.
type lineWriter struct {
	to   io.Writer
	json bool

	mutex sync.Mutex
	held  bool
	lines []string
}

// release writes what was held back, and holds back no more.
func (w *lineWriter) release() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.held = false
	for _, text := range w.lines {
		_, _ = fmt.Fprintln(w.to, text)
	}
	w.lines = nil
}

func (w *lineWriter) write(text string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.held {
		w.lines = append(w.lines, text)
		return
	}
	// A reader that has gone is no reason to stop.
	_, _ = fmt.Fprintln(w.to, text)
}

func (w *lineWriter) log(line lambdahost.Line) {
	if w.json {
		w.write(line.Text)
		return
	}
	w.write(lambdahost.Format(line))
}

func (w *lineWriter) event(e emulator.Event) {
	if w.json {
		if text, err := e.EventBridge(); err == nil {
			w.write(string(text))
		}
		return
	}
	w.write(fmt.Sprintf("%s %s secret=%s version=%s", e.Time.Format("15:04:05.000"), e.Name, secretName(e.SecretARN), e.VersionID[:min(8, len(e.VersionID))]))
}

// secretName takes the name out of a secret's ARN, which ends in a hyphen and six
// characters.
func secretName(arn string) string {
	name := arn[strings.LastIndexByte(arn, ':')+1:]
	if cut := strings.LastIndexByte(name, '-'); cut > 0 {
		return name[:cut]
	}
	return name
}
