// Package emulator is AWS Secrets Manager on this machine: AWS JSON 1.1 over
// HTTP on a loopback address, spoken to by the unmodified SDK and the unmodified
// AWS CLI. At the same address it is what of Amazon RDS and of AWS STS a rotation
// function may ask: where a server is, and for a role's credentials.
//
// A rotation function can only be proven against a service that behaves badly in
// the ways the real one does: a pending version that exists without a value, a
// whole rotation that is started again because one step failed, a label that
// stays where a dead rotation left it. Mocks of single calls have none of that.
// So this package keeps the service's state and its rules, runs rotations as the
// service runs them, and lets a test break any call on purpose.
//
// It is for tests, the demo and the sandbox, and is never linked into the
// function. The access key is taken as the name of the caller; the signature is
// verified where Options.SecretKey is set. State lives in memory and ends with the Service.
package emulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// What Options leave out.
const (
	DefaultRegion  = "us-east-1"
	DefaultAccount = "123456789012"

	// The service repeats a failed rotation "multiple times"; five attempts, 100
	// seconds apart, is what others have observed.
	DefaultAttempts = 5
	DefaultPause    = 100 * time.Second
)

// Options configure a Service. The zero value is a service without rotation
// functions and without faults.
type Options struct {
	Region  string // of every ARN; DefaultRegion if empty
	Account string // of every ARN; DefaultAccount if empty

	// Invoker runs the steps of rotations. Without one RotateSecret is refused as
	// the service refuses a function that it may not invoke.
	Invoker Invoker
	// KnowsFunction, where set, says which function ARNs may be invoked; RotateSecret
	// refuses the others.
	KnowsFunction func(functionARN string) bool
	// Attempts is how often a rotation is tried in all, Pause the time between two
	// attempts. Zero means the defaults; a negative Pause means none.
	Attempts int
	Pause    time.Duration
	// OmitRotationToken leaves RotationToken out of the event, as older versions of
	// the service did.
	OmitRotationToken bool
	// RequireRotationToken refuses a PutSecretValue for the version under rotation
	// that does not bring the event's RotationToken, as the service does where the
	// function works through an assumed role or across accounts.
	RequireRotationToken bool

	// Schedule rotates secrets when their rotation rules say so.
	Schedule bool
	// Every replaces the rules of every secret whose rotation is on: it rotates that
	// long after its last rotation ended. It implies Schedule.
	Every time.Duration

	// PendingLag is the number of GetSecretValue calls that do not find a pending
	// version yet after PutSecretValue has stored its value.
	PendingLag int

	// SecretKey, where set, is the secret access key that every signature is verified
	// with, whatever its access key; a role's session has one of its own.
	SecretKey string
	// Principals are the ARNs of those who sign with an access key; a key that is not
	// here is a user's of that name.
	Principals map[string]string
	// Roles are what AssumeRole gives sessions of. A session may do what its role
	// allows; its name for Authorize and Call.Identity is its principal's ARN.
	Roles []Role
	// Authorize, where set, is asked before every operation. secret is the ARN, or
	// what the caller wrote where there is no such secret, or "*" for an operation
	// that is about no secret. An error becomes AccessDeniedException; an *Error is
	// answered as it is.
	Authorize func(identity, operation, secret string) error
	// Fault, where set, is asked about every call before it is carried out.
	Fault func(Call) Fault
	// Events, where set, receives the service's events, one at a time. It must
	// return soon and not wait for a rotation.
	Events func(Event)

	Clock Clock // the system's if nil
}

// Service is an http.Handler that answers as Secrets Manager does. It is safe for
// concurrent use.
type Service struct {
	options Options
	clock   Clock

	ctx     context.Context // ends with Close; rotations and held answers live in it
	cancel  context.CancelFunc
	running sync.WaitGroup // rotations, the scheduler, servers
	wake    chan struct{}  // tells the scheduler that a due date has changed

	// mu guards everything below. It is held for steps in memory only, never while
	// a function runs, a hook is asked or an answer is written, so that every call
	// remains possible while a rotation is under way.
	mu        sync.Mutex
	closed    bool
	secrets   map[string]*secret  // by name
	sessions  map[string]*session // by access key
	instances []DBInstance
	clusters  []DBCluster
	calls     []Call
	seq       int

	eventMu sync.Mutex // one event at a time
}

// New makes a Service. Close ends it.
func New(options Options) *Service {
	if options.Region == "" {
		options.Region = DefaultRegion
	}
	if options.Account == "" {
		options.Account = DefaultAccount
	}
	if options.Attempts <= 0 {
		options.Attempts = DefaultAttempts
	}
	if options.Pause == 0 {
		options.Pause = DefaultPause
	}
	if options.Clock == nil {
		options.Clock = SystemClock{}
	}
	s := &Service{
		options:  options,
		clock:    options.Clock,
		secrets:  map[string]*secret{},
		sessions: map[string]*session{},
		wake:     make(chan struct{}, 1),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if options.Schedule || options.Every > 0 {
		s.running.Add(1)
		go s.runSchedules()
	}
	return s
}

// Listen serves on addr ("127.0.0.1:0" chooses a port) until ctx or the Service
// ends, and returns the URL. An address that is not a loopback address is
// refused: what is served here answers anybody.
func (s *Service) Listen(ctx context.Context, addr string) (string, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("reading the address %q: %w; it has the form 127.0.0.1:4566", addr, err)
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return "", fmt.Errorf("refusing to listen on %q: not a loopback address; use 127.0.0.1, ::1 or localhost", addr)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return "", fmt.Errorf("listening for Secrets Manager calls: %w; choose another port, or 0 for any", err)
	}
	// A name may lead anywhere; what was bound is what counts.
	bound, ok := listener.Addr().(*net.TCPAddr)
	if !ok || !bound.IP.IsLoopback() {
		_ = listener.Close()
		return "", fmt.Errorf("refusing to listen on %q: it leads to %s, not a loopback address", addr, listener.Addr())
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}

	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		_ = listener.Close()
		return "", errors.New("listening for Secrets Manager calls: the service is closed")
	}
	s.running.Add(2)
	s.mu.Unlock()
	stopped := make(chan struct{})
	go func() {
		defer s.running.Done()
		defer close(stopped)
		_ = server.Serve(listener) // always ends with an error, mostly ErrServerClosed
	}()
	go func() {
		defer s.running.Done()
		select {
		case <-ctx.Done():
		case <-s.ctx.Done():
		case <-stopped:
		}
		// Not Shutdown: an answer may be held back on purpose.
		_ = server.Close()
	}()
	return "http://" + bound.String(), nil
}

// Close ends servers, cancels the contexts of rotations under way and waits until
// the last of them has returned. It may be called more than once.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.running.Wait()
}
