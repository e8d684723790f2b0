package sandbox

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/go-sql-driver/mysql"

	"tandem/internal/local/emulator"
)

// watched attaches a view to a sandbox. end ends the view and returns its error.
func watched(t *testing.T, of *Sandbox, live bool) (out *lines, end func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out = &lines{}
	done := make(chan error, 1)
	go func() {
		done <- Watch(ctx, WatchOptions{URL: of.URL + "/", SecretKey: of.SecretKey, Live: live, Out: out})
	}()
	return out, func() error {
		cancel()
		return <-done
	}
}

func TestWatchAttached(t *testing.T) {
	s, _ := tutorial(t)
	out, end := watched(t, s, false)
	out.await(t, deadline(t), "watching "+appSecret+" on "+s.Server.String()+": AWSCURRENT appuser\n")
	if outcome, err := s.Rotate(t.Context(), appSecret); err != nil || outcome.Err != nil {
		t.Fatal(err, outcome.Err)
	}
	out.await(t, deadline(t), "  RotationSucceeded  AWSCURRENT appuser_clone, AWSPREVIOUS appuser\n")
	out.await(t, deadline(t), " logins attempted with the current credentials, 0 failed\n")
	if err := end(); err != nil {
		t.Error(err)
	}
	for _, text := range []string{"  RotationStarted  ", "  createSecret ", "  setSecret ", "  testSecret ", "  finishSecret "} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("no %q in\n%s", text, out)
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("escape sequences for what is no terminal:\n%q", out)
	}
}

func TestWatchLive(t *testing.T) {
	s, _ := tutorial(t)
	out, end := watched(t, s, true)
	out.await(t, deadline(t), enterScreen+home)
	if outcome, err := s.Rotate(t.Context(), appSecret); err != nil || outcome.Err != nil {
		t.Fatal(err, outcome.Err)
	}
	out.await(t, deadline(t), "AWSPREVIOUS  appuser"+eraseLine)
	out.await(t, deadline(t), "1 succeeded, 0 failed; by hand (rotate-secret)"+eraseLine)
	out.await(t, deadline(t), "0 failed; last as appuser_clone"+eraseLine)
	if err := end(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(out.String(), leaveScreen) {
		t.Error("the terminal is left on the other screen")
	}
}

// TestWatchOwn starts a sandbox for the view, which ends with it.
func TestWatchOwn(t *testing.T) {
	out := &lines{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	own := ServeOptions{Binary: binary(t), Finder: address(t), Listen: "127.0.0.1:0", Every: 10 * time.Millisecond, Out: &lines{}, Info: &lines{}}
	go func() { done <- Watch(ctx, WatchOptions{Own: own, Out: out}) }()
	out.await(t, deadline(t), "  RotationSucceeded  ")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if names := left(t); names != nil {
		t.Errorf("the sandbox has left behind %v", names)
	}
}

// TestWatchSandboxEnds ends the sandbox under a view: the logins that fail then
// are nobody's fault.
func TestWatchSandboxEnds(t *testing.T) {
	s, endSandbox := tutorial(t)
	out, end := watched(t, s, false)
	out.await(t, deadline(t), "watching ")
	if err := endSandbox(); err != nil {
		t.Error(err)
	}
	out.await(t, deadline(t), errSandboxEnded.Error())
	if err := end(); err != nil {
		t.Error(err)
	}
}

// TestWatchCountsFailures breaks the current credentials, as no rotation may.
func TestWatchCountsFailures(t *testing.T) {
	s, _ := tutorial(t)
	out, end := watched(t, s, false)
	out.await(t, deadline(t), "watching ")
	if err := s.Execute(t.Context(), "ALTER USER appuser IDENTIFIED BY 'another-1'"); err != nil {
		t.Fatal(err)
	}
	out.await(t, deadline(t), "a login with the current credentials FAILED: logging in as \"appuser\"")
	if err := end(); err == nil || !strings.Contains(err.Error(), "logins with the current credentials failed, the last one: ") {
		t.Errorf("the error is %v", err)
	}
}

func TestWatchRefuses(t *testing.T) {
	stranger := httptest.NewServer(http.NotFoundHandler())
	defer stranger.Close()
	talker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}\n")) }))
	defer talker.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	s, _ := tutorial(t)
	for name, test := range map[string]struct{ url, secret, want string }{
		"nobody":          {gone.URL, "", "start one (make sandbox) and give its URL"},
		"somebody else":   {stranger.URL, "", "it does not answer as one does: give the URL that sandbox serve has printed"},
		"somebody chatty": {talker.URL, "", "give the URL that sandbox serve has printed"},
		"no URL":          {"4600", "", "4600"},
		"no secret":       {s.URL, "nowhere", "describing secret nowhere: "},
	} {
		t.Run(name, func(t *testing.T) {
			err := Watch(t.Context(), WatchOptions{SecretKey: s.SecretKey, URL: test.url, Secret: test.secret, Out: &lines{}})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want %q", err, test.want)
			}
		})
	}
}

// TestFeedHangsUpOnTheSlow keeps a listener that does not listen from holding up
// a rotation.
func TestFeedHangsUpOnTheSlow(t *testing.T) {
	var f feed
	slow := make(chan notice, 1)
	f.listeners = map[chan notice]bool{slow: true}
	f.event(emulator.Event{Name: "1"})
	f.event(emulator.Event{Name: "2"})
	if n, open := <-slow; !open || n.Name != "1" {
		t.Errorf("the first notice is %v, %v", n, open)
	}
	if _, open := <-slow; open || len(f.listeners) != 0 {
		t.Error("a listener that does not keep up is still there")
	}
}

// TestApplicationFails counts what fails, and forgives what fails shortly before
// the end.
func TestApplicationFails(t *testing.T) {
	refusing := secretsmanager.New(secretsmanager.Options{Region: Region, RetryMaxAttempts: 1, HTTPClient: doer(func() error { return errors.New("refused") })})
	for name, test := range map[string]struct {
		end    time.Duration // after the failure
		counts Logins
	}{
		"goes on":             {2 * endGrace, Logins{Attempted: 1, Failed: 1}},
		"just before the end": {endGrace / 2, Logins{}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), test.end)
				defer cancel()
				a := &Application{Secrets: refusing, SecretID: "app", Config: mysql.NewConfig, Every: time.Minute, Grace: endGrace, Failed: func(error) { cancel() }}
				a.Run(ctx)
				logins := a.Logins()
				if (logins.Err != nil) != (test.counts.Failed > 0) {
					t.Errorf("the last failure is %v", logins.Err)
				}
				logins.Err = nil
				if logins != test.counts {
					t.Errorf("counted %+v, want %+v", logins, test.counts)
				}
			})
		})
	}
}

type doer func() error

func (d doer) Do(*http.Request) (*http.Response, error) { return nil, d() }
