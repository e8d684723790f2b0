package rotation

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/metric"
	"tandem/internal/redact"
	"tandem/internal/retries"
	"tandem/internal/secret"
	"tandem/internal/statement"
)

// record is what one step leaves in the log, on one line, for those who ask
// afterwards: what was done to whom, on which server, and what took how long.
type record struct {
	mutex sync.Mutex

	currentUser, pendingUser, adminUser string
	currentPassword                     redact.Secret
	host                                string
	port                                int
	server                              account.Server

	created, dropped   []string // accounts
	altered            int      // ALTER USER, the password's aside
	granted, revoked   int      // privileges and roles
	statements         []string // masked
	passwordSet, moved bool
	refusedSince       time.Time     // when the only password was changed; zero before, and once it was set again
	refused            time.Duration // from then to the label's move
	changedBefore      bool          // an earlier try has changed it

	pendingSessions int   // of the user whose password was about to change
	sessionsUnknown error // of which servers it is not known whether there are any

	warnings []string // types, each once
	met      map[string]bool
	plain    map[string]bool // logins without TLS that have been warned of
	phases   []phaseTime
	retries  *retries.Count
}

// phase is a part of a step that waits for somebody else.
type phase string

// The phases, as the log names them.
const (
	phaseSecretsManager phase = "secretsManager"
	phaseRDS            phase = "rds"
	phaseCurrentLogin   phase = "currentLogin"
	phasePendingLogin   phase = "pendingLogin"
	phaseAdminLogin     phase = "adminLogin"
	phaseLock           phase = "lock"
	phaseReading        phase = "reading"
	phaseChanging       phase = "changing"
)

// phases are in the order in which a step comes to them. Some go side by side, and end
// in any order.
var phases = []phase{phaseSecretsManager, phaseRDS, phaseCurrentLogin, phasePendingLogin, phaseAdminLogin, phaseLock, phaseReading, phaseChanging}

// phaseTitles names a phase to a person.
var phaseTitles = map[phase]string{
	phaseSecretsManager: "calls of Secrets Manager", phaseRDS: "calls of RDS", phaseCurrentLogin: "the login with the current credentials",
	phasePendingLogin: "the login with the pending credentials", phaseAdminLogin: "the admin's login", phaseLock: "taking the pair's lock and listing the accounts",
	phaseReading: "reading from the server", phaseChanging: "statements that change accounts",
}

// phaseTime is how long all of a phase took.
type phaseTime struct {
	phase
	took time.Duration
}

// time counts the time until the function that it returns is called.
func (r *record) time(l phase) (end func()) {
	began := time.Now()
	return func() {
		took := time.Since(began)
		r.mutex.Lock()
		defer r.mutex.Unlock()
		for i := range r.phases {
			if r.phases[i].phase == l {
				r.phases[i].took += took
				return
			}
		}
		r.phases = append(r.phases, phaseTime{l, took})
		slices.SortFunc(r.phases, func(a, b phaseTime) int { return slices.Index(phases, a.phase) - slices.Index(phases, b.phase) })
	}
}

// longest is the phase that took the most of the time.
func (r *record) longest() (l phaseTime, found bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, one := range r.phases {
		if one.took > l.took {
			l, found = one, true
		}
	}
	return l, found
}

// application notes whose turn it is, and where.
func (r *record) application(d secret.Document, next string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.currentUser, r.pendingUser, r.currentPassword = d.Username(), next, d.Password()
	r.host, r.port = d.Host(), d.Port()
}

// pending notes the pending document where the current one is not read.
func (r *record) pending(d secret.Document) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.pendingUser, r.host, r.port = d.Username(), d.Host(), d.Port()
}

// loginOf tells whose login one is by its name, or a single user's by its password.
func (r *record) loginOf(login Login) phase {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	switch {
	case login.Username == r.currentUser && (r.currentUser != r.pendingUser || login.Password.Equal(r.currentPassword)):
		return phaseCurrentLogin
	case login.Username == r.pendingUser:
		return phasePendingLogin
	}
	r.adminUser = login.Username
	return phaseAdminLogin
}

// sent notes a step that the server has carried out.
func (r *record) sent(s account.Step) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.statements = append(r.statements, s.Statement.String())
	switch s.Kind() {
	case "CREATE":
		r.created = append(r.created, s.Account.String())
	case "DROP":
		r.dropped = append(r.dropped, s.Account.String())
	case "GRANT":
		r.granted += s.Privileges()
	case "REVOKE":
		r.revoked += s.Privileges()
	default:
		r.altered++
	}
}

// gapBegins notes that the only password is about to change.
func (r *record) gapBegins() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.refusedSince = time.Now()
}

// gapEnds notes that it was set again.
func (r *record) gapEnds() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.refusedSince, r.changedBefore, r.passwordSet = time.Time{}, false, false
}

// gapBegan notes that an earlier try has changed the only password.
func (r *record) gapBegan() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.changedBefore = true
}

// inGap reports whether the password under AWSCURRENT is refused, as far as this step knows.
func (r *record) inGap() bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return (!r.refusedSince.IsZero() || r.changedBefore) && !r.moved
}

// stillValid says, in an error about the password's change, that the old one is.
func (r *record) stillValid() string {
	if r.inGap() {
		return ""
	}
	return "; the old password is still valid"
}

// labelMoved notes that AWSCURRENT has moved.
func (r *record) labelMoved() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.moved = true
	if !r.refusedSince.IsZero() {
		r.refused = time.Since(r.refusedSince)
	}
}

// password notes the statement that set the password.
func (r *record) password(s statement.Statement) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.passwordSet = true
	r.statements = append(r.statements, s.String())
}

// asked notes a statement about accounts that leaves the password as it is.
func (r *record) asked(s statement.Statement) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.statements = append(r.statements, s.String())
}

// warn logs a warning, and notes its type.
func (s step) warn(ctx context.Context, kind, message string, arguments ...any) {
	s.record.mutex.Lock()
	if !slices.Contains(s.record.warnings, kind) {
		s.record.warnings = append(s.record.warnings, kind)
	}
	s.record.mutex.Unlock()
	for i, argument := range arguments {
		if text, ok := argument.(string); ok {
			arguments[i] = failure.Line(text)
		} else if texts, ok := argument.([]string); ok {
			arguments[i] = shortened(texts)
		}
	}
	s.log.WarnContext(ctx, failure.Line(message), append([]any{"type", kind}, arguments...)...)
}

// attributes are the line's fields, without those that say nothing.
func (r *record) attributes() []slog.Attr {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var out []slog.Attr
	text := func(key, value string) {
		if value != "" {
			out = append(out, slog.String(key, value))
		}
	}
	number := func(key string, n int) {
		if n != 0 {
			out = append(out, slog.Int(key, n))
		}
	}
	list := func(key string, texts []string) {
		if len(texts) > 0 {
			out = append(out, slog.Any(key, capped(texts)), slog.Int(key+"Count", len(texts)))
		}
	}
	text("currentUser", r.currentUser)
	text("pendingUser", r.pendingUser)
	text("adminUser", r.adminUser)
	text("host", r.host)
	number("port", r.port)
	text("server", string(r.server.Flavor))
	text("serverVersion", r.server.Text)
	list("created", r.created)
	list("dropped", r.dropped)
	number("altered", r.altered)
	number("granted", r.granted)
	number("revoked", r.revoked)
	if r.passwordSet {
		out = append(out, slog.Bool("passwordSet", true))
	}
	if r.moved {
		out = append(out, slog.Bool("currentMoved", true))
	}
	if r.refused > 0 {
		out = append(out, slog.Float64("currentRefusedMs", milliseconds(r.refused)))
	}
	number("pendingUserSessions", r.pendingSessions)
	if r.sessionsUnknown != nil {
		text("pendingUserSessionsUnknown", failure.Line(r.sessionsUnknown.Error()))
	}
	list("statements", shortened(r.statements))
	list("warnings", r.warnings)
	var times []any
	for _, l := range r.phases {
		times = append(times, slog.Float64(string(l.phase)+"Ms", milliseconds(l.took)))
	}
	if len(times) > 0 {
		out = append(out, slog.Group("phases", times...))
	}
	if r.retries != nil {
		number("retries", r.retries.Value())
	}
	return out
}

// milliseconds has one decimal: a login on a near server takes less than two.
func milliseconds(d time.Duration) float64 {
	return float64(d.Round(100*time.Microsecond).Microseconds()) / 1000
}

// write ends a step's record with its line.
func (s step) write(ctx context.Context, began time.Time, result string, err error) {
	took := time.Since(began)
	values := metric.Values{
		metric.StepDuration:      metric.Duration(took),
		metric.PrivilegesGranted: float64(s.record.granted), metric.PrivilegesRevoked: float64(s.record.revoked),
		metric.PendingUserSessions: float64(s.record.pendingSessions),
	}
	line := []slog.Attr{slog.Int64("durationMs", took.Milliseconds())}
	level, message := slog.LevelInfo, "step done"
	if err == nil {
		line = append(line, slog.String("result", result))
	} else {
		level, message = slog.LevelError, "step failed"
		values[metric.Failures] = 1
		line = append(line, slog.String("errorType", string(failure.Of(err))))
		if number := failure.Number(err); number != 0 {
			line = append(line, slog.Int("errorNumber", number))
		}
		line = append(line, slog.String("error", err.Error()))
	}
	if s.record.moved {
		values[metric.Rotations] = 1
	}
	line = append(line, s.record.attributes()...)
	if s.Function.Version != "" {
		line = append(line, slog.String("version", s.Function.Version))
	}
	s.log.LogAttrs(ctx, level, message, append(line, values.Attributes(s.Function.Name, time.Now())...)...)
}
