package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"tandem/internal/local/emulator"
)

// WatchOptions are what a caller may choose about a view.
type WatchOptions struct {
	// URL is a sandbox that runs already. Without one, a sandbox is started as Own
	// says, and ends with the view.
	URL string
	// SecretKey is the secret access key that that sandbox has printed.
	SecretKey string
	Own       ServeOptions
	// Secret is the name of the secret to watch; the tutorial's if empty.
	Secret string
	// Live redraws the screen, which Out must be. Otherwise Out gets a line for
	// whatever happens.
	Live bool
	Out  io.Writer
}

// DefaultEvery is how often a secret rotates in a sandbox that is there to be
// watched.
const DefaultEvery = 10 * time.Second

const (
	// loginEvery is the time between two logins of the application.
	loginEvery = 50 * time.Millisecond
	// endGrace is how long the end of a sandbox may take to be noticed.
	endGrace = time.Second
	// redrawEvery is how old what the screen shows may be.
	redrawEvery = 200 * time.Millisecond
	// countEvery is the time between two lines with the number of logins, where
	// nothing else happens.
	countEvery = 10 * time.Second
)

// Watch shows labels and users, the step in progress, and how an application
// fares that logs in with the current credentials all the time, until ctx ends. A
// login that failed makes it an error in the end.
func Watch(ctx context.Context, options WatchOptions) error {
	if options.URL != "" {
		return watch(ctx, strings.TrimSuffix(options.URL, "/"), options.SecretKey, options)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready, served := make(chan *Sandbox, 1), make(chan error, 1)
	options.Own.Ready = func(s *Sandbox) { ready <- s }
	go func() { served <- Serve(ctx, options.Own) }()
	select {
	case own := <-ready:
		err := watch(ctx, own.URL, own.SecretKey, options)
		cancel()
		if serveErr := <-served; serveErr != nil {
			return serveErr // the reason for whatever else went wrong
		}
		return err
	case err := <-served:
		return err
	}
}

// watcher is a view under way.
type watcher struct {
	view    view
	secrets *secretsmanager.Client
	app     *Application
	out     io.Writer
	live    bool
}

func watch(ctx context.Context, url, secretKey string, options WatchOptions) error {
	greeting, notices, err := follow(ctx, url, secretKey)
	if err != nil {
		return err
	}
	name := options.Secret
	if name == "" {
		name = appSecret
	}
	w := &watcher{view: view{secret: name, greeting: greeting}, secrets: client(url, secretKey), out: options.Out, live: options.Live}
	if err := w.look(ctx); err != nil {
		return err
	}
	failures := make(chan error, backlog)
	w.app = &Application{
		Secrets: w.secrets, SecretID: name, Config: greeting.config, Every: loginEvery, Grace: endGrace,
		Failed: func(err error) {
			select {
			case failures <- err:
			default: // they are counted all the same
			}
		},
	}
	appContext, stop := context.WithCancel(ctx)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		w.app.Run(appContext)
	}()
	w.begin()
	ended := w.follow(ctx, notices, failures)
	stop()
	<-finished
	w.view.logins = w.app.Logins()
	w.end(ended)
	if failed := w.view.logins.Failed; failed > 0 {
		return fmt.Errorf("%d of %d logins with the current credentials failed, the last one: %w", failed, w.view.logins.Attempted, w.view.logins.Err)
	}
	return nil
}

// follow shows what happens until ctx ends, and reports whether it was the feed
// that ended before.
func (w *watcher) follow(ctx context.Context, notices <-chan notice, failures <-chan error) (ended bool) {
	redraw, count := time.NewTicker(redrawEvery), time.NewTicker(countEvery)
	defer redraw.Stop()
	defer count.Stop()
	for {
		select {
		case n, open := <-notices:
			if !open {
				return ctx.Err() == nil
			}
			if line := w.view.apply(n); line != "" {
				w.tell(ctx, line, n)
			}
		case err := <-failures:
			w.line(time.Now().Format("15:04:05.000") + "  a login with the current credentials FAILED: " + err.Error())
		case <-redraw.C:
			// The labels can be moved by hand, which is no event of the service.
			_ = w.look(ctx)
		case <-count.C:
			w.countLine()
		case <-ctx.Done():
			return false
		}
		w.draw()
	}
}

// tell writes the line of a notice.
func (w *watcher) tell(ctx context.Context, line string, n notice) {
	if w.look(ctx) == nil {
		line += "  " + w.view.labels()
	}
	w.line(line)
	if n.Name == emulator.RotationSucceeded || n.Name == emulator.RotationFailed {
		w.countLine()
	}
}

// look reads the labels.
func (w *watcher) look(ctx context.Context) error {
	versions, err := labelled(ctx, w.secrets, w.view.secret)
	if err != nil {
		return err
	}
	w.view.users = map[string]string{}
	for _, v := range versions {
		for _, label := range v.labels {
			w.view.users[label] = ""
			if !v.empty {
				w.view.users[label] = v.document.Username()
			}
		}
	}
	return nil
}

func (w *watcher) line(text string) {
	if !w.live {
		fmt.Fprintln(w.out, printable(text))
	}
}

// printable keeps an error's text from steering the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}

func (w *watcher) countLine() {
	w.view.logins = w.app.Logins()
	w.line(time.Now().Format("15:04:05.000") + "  " + w.view.loginLine())
}

// The sequences that every terminal of the last decades knows (ECMA-48 and DEC
// private modes): the other screen, no cursor, no wrapping of long lines, home,
// erase to the end of the line and of the screen.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	leaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	eraseLine   = "\x1b[K"
	eraseBelow  = "\x1b[J"
)

func (w *watcher) begin() {
	if w.live {
		fmt.Fprint(w.out, enterScreen)
		w.draw()
		return
	}
	w.line("watching " + w.view.secret + " on " + w.view.greeting.Server + ": " + w.view.labels())
}

func (w *watcher) draw() {
	if !w.live {
		return
	}
	w.view.logins = w.app.Logins()
	lines := append(w.view.screen(time.Now()), "", "Ctrl-C ends the view")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	fmt.Fprint(w.out, home+strings.Join(lines, eraseLine+"\n")+eraseLine+eraseBelow)
}

func (w *watcher) end(ended bool) {
	if w.live {
		fmt.Fprint(w.out, leaveScreen)
	}
	if ended {
		fmt.Fprintln(w.out, errSandboxEnded)
	}
	fmt.Fprintln(w.out, w.view.loginLine())
}

var errSandboxEnded = errors.New("the sandbox has ended")
