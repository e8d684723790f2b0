package sandbox

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"tandem/internal/local/emulator"
)

// feedPath is where the feed is, below the sandbox's URL: a JSON object on each
// line, the first of them a greeting. It holds no secret.
const feedPath = "/sandbox/feed"

// Kinds of notices.
const (
	kindGreeting = "sandbox"
	kindStep     = "step"
	kindEvent    = "event"
)

// notice is a line of the feed.
type notice struct {
	Kind string    `json:"kind"`
	Time time.Time `json:"time,omitzero"`

	Greeting *greeting `json:"greeting,omitempty"`

	// Of steps and events. Name is the step's or the event's.
	Name      string  `json:"name,omitempty"`
	SecretARN string  `json:"secretArn,omitempty"`
	Token     string  `json:"token,omitempty"`
	Ended     bool    `json:"ended,omitempty"`
	TookMs    float64 `json:"tookMs,omitempty"`
	Error     string  `json:"error,omitempty"`
}

// greeting is what someone needs to know who wants to log in as an application.
type greeting struct {
	Server string `json:"server"`
	// Every is the time between two rotations, empty where there is no schedule.
	Every string `json:"every,omitempty"`
	// TLS says whether the server is reached by TLS, CA holds the certificates that
	// verify it, in PEM, where they are not the system's, and Unverified is true
	// where the address that was given says so.
	TLS        bool   `json:"tls"`
	CA         string `json:"ca,omitempty"`
	Unverified bool   `json:"unverified,omitempty"`
}

func (s *Sandbox) greeting() *greeting {
	g := &greeting{Server: s.Server.String(), CA: string(s.Server.CAPEM)}
	if s.every > 0 {
		g.Every = s.every.String()
	}
	if config := s.Server.Config(); config.TLS != nil {
		g.TLS, g.Unverified = true, config.TLS.InsecureSkipVerify
	}
	return g
}

// config is the driver's configuration for an application.
func (g *greeting) config() *mysql.Config {
	config := mysql.NewConfig()
	config.Net, config.Timeout, config.Logger = "tcp", 10*time.Second, &mysql.NopLogger{}
	if g.TLS {
		config.TLS = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: g.Unverified}
		if g.CA != "" {
			config.TLS.RootCAs = x509.NewCertPool()
			config.TLS.RootCAs.AppendCertsFromPEM([]byte(g.CA))
		}
	}
	return config
}

// feed passes notices on to whoever listens.
type feed struct {
	mutex     sync.Mutex
	listeners map[chan notice]bool
}

// backlog is how many notices a listener may be behind before it is hung up on.
const backlog = 256

func (f *feed) publish(n notice) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for listener := range f.listeners {
		select {
		case listener <- n:
		default: // it does not keep up; it sees the end, and may come again
			delete(f.listeners, listener)
			close(listener)
		}
	}
}

func (f *feed) step(step Step) {
	n := notice{Kind: kindStep, Time: time.Now(), Name: step.Name, SecretARN: step.SecretARN, Token: step.Token, Ended: step.Ended}
	n.TookMs = float64(step.Took.Microseconds()) / 1000
	if step.Err != nil {
		n.Error = step.Err.Error()
	}
	f.publish(n)
}

func (f *feed) event(e emulator.Event) {
	f.publish(notice{Kind: kindEvent, Time: e.Time, Name: e.Name, SecretARN: e.SecretARN, Token: e.VersionID})
}

func (f *feed) serve(w http.ResponseWriter, r *http.Request, greeting *greeting) {
	listener := make(chan notice, backlog)
	f.mutex.Lock()
	if f.listeners == nil {
		f.listeners = map[chan notice]bool{}
	}
	f.listeners[listener] = true
	f.mutex.Unlock()
	defer func() {
		f.mutex.Lock()
		defer f.mutex.Unlock()
		delete(f.listeners, listener)
	}()
	w.Header().Set("Content-Type", "application/x-ndjson")
	encoder, flush := json.NewEncoder(w), http.NewResponseController(w)
	for n, open := (notice{Kind: kindGreeting, Time: time.Now(), Greeting: greeting}), true; open; {
		if encoder.Encode(n) != nil || flush.Flush() != nil {
			return // the listener has gone
		}
		select {
		case n, open = <-listener:
		case <-r.Context().Done():
			return
		}
	}
}

// follow reads the feed of the sandbox at url: it returns the greeting, and sends
// what follows to the channel, which it closes when the feed ends.
func follow(ctx context.Context, url, secretKey string) (*greeting, <-chan notice, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+feedPath, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the sandbox's URL %q: %w", url, err)
	}
	if err := sign(ctx, request, nil, secretKey); err != nil {
		return nil, nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, nil, fmt.Errorf("reaching the sandbox: %w: start one (make sandbox) and give its URL", err)
	}
	if answer.StatusCode == http.StatusForbidden {
		_ = answer.Body.Close()
		return nil, nil, errWrongKey
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 4<<20) // certificates can be many
	var first notice
	err = errors.New("it does not answer as one does")
	if answer.StatusCode == http.StatusOK && lines.Scan() {
		err = json.Unmarshal(lines.Bytes(), &first)
	}
	if err != nil || first.Greeting == nil {
		_ = answer.Body.Close()
		return nil, nil, fmt.Errorf("reaching the sandbox at %s: %w: give the URL that sandbox serve has printed", url, err)
	}
	notices := make(chan notice, backlog)
	go func() {
		defer close(notices)
		defer func() { _ = answer.Body.Close() }()
		for lines.Scan() {
			var n notice
			if json.Unmarshal(lines.Bytes(), &n) != nil {
				return
			}
			select {
			case notices <- n:
			case <-ctx.Done():
				return
			}
		}
	}()
	return first.Greeting, notices, nil
}
