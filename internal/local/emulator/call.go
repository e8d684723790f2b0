package emulator

import (
	"context"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
)

// TokenState says what a PutSecretValue did with the RotationToken of its
// rotation's event. The token itself is not kept.
type TokenState string

// The states.
const (
	TokenAbsent  TokenState = ""
	TokenEmpty   TokenState = "empty"    // the member is there and empty, which the service refuses
	TokenAsGiven TokenState = "as given" // the event's, byte for byte
	TokenOther   TokenState = "other"
)

// Call is one call as it came in.
type Call struct {
	Seq       int    // 1 for the first
	Operation string // "GetSecretValue"; empty where the request named none
	Identity  string // the access key that it was signed with, or a role's session; empty if unsigned
	SecretID  string // as the caller wrote it
	SecretARN string // of the secret that SecretID leads to; empty if there is none
	// Parameters are the request's members, save SecretString, SecretBinary and
	// RotationToken.
	Parameters    map[string]any
	RotationToken TokenState
	// Done says that the operation was carried out or refused by the service, and
	// Error is then the name of the error answered, empty for success. A call whose
	// answer was replaced by a fault before it was carried out is not done.
	Done  bool
	Error string
}

// Parameter returns a string parameter, or "".
func (c Call) Parameter(name string) string {
	value, _ := c.Parameters[name].(string)
	return value
}

// Fault says how a call is to be broken. The zero value leaves it alone. Hold
// comes first, then at most one of Error, Reset and Silent takes effect, in this
// order.
type Fault struct {
	Hold  <-chan struct{} // do nothing until it is closed
	After bool            // carry the operation out, and break its answer only
	// Carried, where set, is called when the operation has been carried out, before
	// its answer.
	Carried func()
	Error   *Error // answer this
	// Reset drops the connection with a TCP reset.
	Reset bool
	// Silent never answers: the connection stays open until the caller or the
	// service ends.
	Silent bool
}

func (f Fault) breaks() bool { return f.Error != nil || f.Reset || f.Silent }

// callsKept bounds the memory of a service that runs for days.
const callsKept = 1 << 16

// Calls returns the calls so far in the order of their arrival; of very many, the
// latest.
func (s *Service) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := slices.Clone(s.calls)
	for i := range calls {
		calls[i].Parameters = maps.Clone(calls[i].Parameters)
	}
	return calls
}

// CallCounts returns how many of the calls that Calls returns were for each
// operation.
func (s *Service) CallCounts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[string]int{}
	for _, c := range s.calls {
		counts[c.Operation]++
	}
	return counts
}

// record notes a call that has arrived.
func (s *Service) record(operation, identity string, body []byte) Call {
	call := Call{Operation: operation, Identity: identity}
	// What cannot be read has no parameters; the operation answers why.
	_ = json.Unmarshal(body, &call.Parameters)
	call.SecretID = call.Parameter("SecretId")
	token, given := call.Parameters["RotationToken"]
	for _, member := range []string{"SecretString", "SecretBinary", "RotationToken"} {
		delete(call.Parameters, member)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	call.Seq = s.seq
	sec := s.find(call.SecretID)
	if sec != nil {
		call.SecretARN = sec.arn
	}
	switch text, _ := token.(string); {
	case !given:
	case text == "":
		call.RotationToken = TokenEmpty
	case sec != nil && sec.rotation != nil && sec.rotation.rotationToken.Reveal() == text:
		call.RotationToken = TokenAsGiven
	default:
		call.RotationToken = TokenOther
	}
	s.keep(call)
	call.Parameters = maps.Clone(call.Parameters) // hooks get their own
	return call
}

// recordQuery notes a call to RDS or STS.
func (s *Service) recordQuery(identity string, form url.Values) Call {
	call := Call{Operation: form.Get("Action"), Identity: identity, Parameters: map[string]any{}}
	for name := range form {
		call.Parameters[name] = form.Get(name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	call.Seq = s.seq
	s.keep(call)
	call.Parameters = maps.Clone(call.Parameters)
	return call
}

func (s *Service) keep(call Call) {
	if len(s.calls) == callsKept {
		s.calls = slices.Clone(s.calls[callsKept/2:])
	}
	s.calls = append(s.calls, call)
}

// settle notes how a call ended.
func (s *Service) settle(seq int, err *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.calls, func(c Call) bool { return c.Seq == seq })
	if i < 0 {
		return
	}
	s.calls[i].Done = true
	if err != nil {
		s.calls[i].Error = err.Code
	}
}

// hold waits until the fault's time has come, and reports whether it has.
func (s *Service) hold(ctx context.Context, f Fault) bool {
	if f.Hold == nil {
		return true
	}
	select {
	case <-f.Hold:
		return true
	case <-ctx.Done():
	case <-s.ctx.Done():
	}
	return false
}

// breakAnswer does what the fault says in the place of an answer.
func (s *Service) breakAnswer(ctx context.Context, w http.ResponseWriter, answers protocol, f Fault) {
	switch {
	case f.Error != nil:
		answers.fail(w, f.Error)
	case f.Reset:
		reset(w)
	default:
		select {
		case <-ctx.Done():
		case <-s.ctx.Done():
		}
		panic(http.ErrAbortHandler) // closes the connection without an answer
	}
}

func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // closing then sends RST instead of FIN
	}
	_ = conn.Close()
}
