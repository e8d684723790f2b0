package rotation_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/internal/redact"
	"tandem/internal/rotation"
)

// crowd stands between a step and its world. What is asked waits until all that
// are to come together are there.
type crowd struct {
	rotation.Secrets
	rotation.Database
	expected int
	all      chan struct{}

	mutex  sync.Mutex
	there  []string
	closed int
	fail   map[string]error
	panics string
}

func newCrowd(w *memory, expected int) *crowd {
	return &crowd{Secrets: fakeSecrets{w}, Database: fakeDatabase{w}, expected: expected, all: make(chan struct{}), fail: map[string]error{}}
}

// arrive waits for the others, and then lets one after the other into the world,
// which is not made for more.
func (c *crowd) arrive(ctx context.Context, who string) (leave func(), err error) {
	c.mutex.Lock()
	c.there = append(c.there, who)
	if len(c.there) == c.expected {
		close(c.all)
	}
	c.mutex.Unlock()
	select {
	case <-c.all:
	case <-ctx.Done():
		return func() {}, errors.New(who + " was asked alone")
	}
	c.mutex.Lock()
	if who == c.panics {
		c.mutex.Unlock()
		panic("a password")
	}
	return c.mutex.Unlock, c.fail[who]
}

func (c *crowd) Describe(ctx context.Context, id string) (rotation.Labels, error) {
	leave, err := c.arrive(ctx, "describe")
	defer leave()
	if err != nil {
		return rotation.Labels{}, err
	}
	return c.Secrets.Describe(ctx, id)
}

func (c *crowd) Current(ctx context.Context, id string) (rotation.Version, error) {
	leave, err := c.arrive(ctx, "current")
	defer leave()
	if err != nil {
		return rotation.Version{}, err
	}
	return c.Secrets.Current(ctx, id)
}

func (c *crowd) Version(ctx context.Context, id, version string) (rotation.Version, error) {
	leave, err := c.arrive(ctx, "version")
	defer leave()
	if err != nil {
		return rotation.Version{}, err
	}
	return c.Secrets.Version(ctx, id, version)
}

func (c *crowd) RandomPassword(ctx context.Context, without string) (redact.Secret, error) {
	leave, err := c.arrive(ctx, "random")
	defer leave()
	if err != nil {
		return redact.Secret{}, err
	}
	return c.Secrets.RandomPassword(ctx, without)
}

// logins is a crowd at the database alone.
type logins struct{ *crowd }

func (l logins) Connect(ctx context.Context, login rotation.Login) (rotation.Session, error) {
	leave, err := l.arrive(ctx, login.Username)
	defer leave()
	if err != nil {
		return nil, err
	}
	session, err := l.Database.Connect(ctx, login)
	return closing{session, l.crowd}, err
}

type closing struct {
	rotation.Session
	crowd *crowd
}

func (c closing) Close() error {
	c.crowd.mutex.Lock()
	defer c.crowd.mutex.Unlock()
	c.crowd.closed++
	return c.Session.Close()
}

// besides performs a step with what it does side by side.
func besides(t *testing.T, step rotation.Step, secrets rotation.Secrets, database rotation.Database) error {
	rotator := rotation.Rotator{Secrets: secrets, Database: database, Random: rand.Reader, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // for what never comes together
	defer cancel()
	return rotator.Rotate(ctx, rotation.Event{Step: step, SecretID: secretID, Token: token})
}

// What createSecret has to know is asked for side by side.
func TestCreateSecretAsksSideBySide(t *testing.T) {
	c := newCrowd(newMemory(t), 4)
	if err := besides(t, rotation.CreateSecret, c, c.Database); err != nil {
		t.Fatal(err)
	}
	// Whoever is faster, the first in order is what is said.
	for range 20 {
		c := newCrowd(newMemory(t), 4)
		c.fail = map[string]error{"random": errors.New("no password"), "current": errors.New("no document"), "version": errors.New("no version")}
		if err := besides(t, rotation.CreateSecret, c, c.Database); err == nil || !strings.Contains(err.Error(), "no document") {
			t.Fatalf("error %v, want that of the document", err)
		}
	}
}

// The proof and the admin's login are made side by side; where one fails, the
// other's session does not stay, and the proof's error is told first.
func TestSetSecretLogsInSideBySide(t *testing.T) {
	for _, test := range []struct {
		fail   map[string]error
		want   string
		closed int
	}{
		{nil, "", 2},
		{map[string]error{"app": errors.New("refused")}, "proving the AWSCURRENT credentials", 1},
		{map[string]error{"admin": errors.New("refused")}, "reaching the server as the admin", 1},
		{map[string]error{"app": errors.New("refused"), "admin": errors.New("refused")}, "proving the AWSCURRENT credentials", 0},
	} {
		w := newMemory(t)
		w.values[token] = document("app_clone", "pending password", nil)
		c := newCrowd(w, 2)
		c.fail = test.fail
		err := besides(t, rotation.SetSecret, guarded{c.Secrets, c}, logins{c})
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%v: error %v, want %q", test.fail, err, test.want)
		}
		if c.closed != test.closed {
			t.Errorf("%v: %d sessions were closed, want %d", test.fail, c.closed, test.closed)
		}
	}
}

// guarded lets one after the other into the world.
type guarded struct {
	rotation.Secrets
	crowd *crowd
}

func (g guarded) Current(ctx context.Context, id string) (rotation.Version, error) {
	g.crowd.mutex.Lock()
	defer g.crowd.mutex.Unlock()
	return g.Secrets.Current(ctx, id)
}

func (g guarded) Version(ctx context.Context, id, version string) (rotation.Version, error) {
	g.crowd.mutex.Lock()
	defer g.crowd.mutex.Unlock()
	return g.Secrets.Version(ctx, id, version)
}

// A panic beside the step's own goroutine is one of the step's, and says where it was.
func TestPanicSideBySide(t *testing.T) {
	c := newCrowd(newMemory(t), 4)
	c.panics = "version"
	defer func() {
		p, ok := recover().(*rotation.Panic)
		if !ok || p.Value != "a password" || strings.Contains(p.String(), "a password") {
			t.Fatalf("recovered %v", p)
		}
		frames := runtime.CallersFrames(p.Callers)
		for {
			frame, more := frames.Next()
			if strings.HasSuffix(frame.Function, "(*crowd).arrive") {
				return
			}
			if !more {
				t.Fatal("it does not say where it was")
			}
		}
	}()
	err := besides(t, rotation.CreateSecret, c, c.Database)
	t.Fatalf("no panic, error %v", err)
}
