package e2e

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/faultproxy"
	"tandem/internal/secret"
)

var badServers = []misbehaviour{
	{"resets the connection", false, false, fated(faultproxy.Drop, false), nil},
	{"refuses from then on", true, false, fated(faultproxy.Drop, false), nil},
	{"hangs from then on", true, false, fated(faultproxy.Vanish, false), nil},
	{"hangs after it has acted", false, false, fated(faultproxy.Vanish, true), nil},
	{"kills our sessions before", false, false, func(p *target, _ string) *action { return &action{do: p.killSessions} }, nil},
	{"kills our sessions after", false, false, func(p *target, _ string) *action { return &action{do: p.killSessions, after: true} }, nil},
}

// serverMisbehaves has every message of the server's answered badly, and the
// server itself in the states that operators know.
func (f *fireServer) serverMisbehaves(t *testing.T) {
	f.misbehaves(t, "the server misbehaves", alternating, badServers, statements, "message", 2)

	p := f.place(t, 6*time.Second)
	counts := &tally{}
	for i, state := range f.states() {
		sound := !t.Failed()
		p.inState(t, state)
		counts.note("states", i, 1, sound && !t.Failed())
	}
	f.say("the server's states", fmt.Sprintf("%d tried, %d survived", counts.points, counts.survived), "read-only, no connection left, the lock kept")
}

// state is a state of the server in which setSecret must fail, and say so.
type state struct {
	name  string
	enter func(p *target) (leave func())
	words []string // of the error
}

func (f *fireServer) states() []state {
	readOnly, writable := []string{"SET GLOBAL read_only = 1"}, []string{"SET GLOBAL read_only = 0"}
	if f.Flavor == dbserver.MySQL {
		readOnly, writable = []string{"SET GLOBAL super_read_only = 1"}, []string{"SET GLOBAL super_read_only = 0", "SET GLOBAL read_only = 0"}
	}
	return []state{
		{"read-only", func(p *target) func() {
			p.execute(readOnly...)
			return func() { p.execute(writable...) }
		}, []string{"read-only", "writer"}},
		{"no connection left", (*target).exhaust, []string{"1040", "max_connections"}},
		{"the lock is kept", func(p *target) func() {
			sum := sha256.Sum256([]byte(p.user))
			name := "tandem." + hex.EncodeToString(sum[:16])
			conn, err := p.Root.Conn(p.t.Context())
			if err != nil {
				p.t.Fatal(err)
			}
			var got int
			if err := conn.QueryRowContext(p.t.Context(), "SELECT GET_LOCK(?, 0)", name).Scan(&got); err != nil || got != 1 {
				p.t.Fatalf("taking the lock: %d, %v", got, err)
			}
			return func() {
				if _, err := conn.ExecContext(p.t.Context(), "DO RELEASE_LOCK('"+name+"')"); err != nil {
					p.t.Error(err)
				}
				_ = conn.Close()
			}
		}, []string{"KILL", "nothing was changed"}},
	}
}

// exhaust takes all connections that the server has for ordinary users.
func (p *target) exhaust() (leave func()) {
	ctx := p.t.Context()
	var before int
	if err := p.Root.QueryRowContext(ctx, "SELECT @@max_connections").Scan(&before); err != nil {
		p.t.Fatal(err)
	}
	user := unique("crowd")
	if err := p.CreateUser(ctx, user, "%", firstPassword); err != nil {
		p.t.Fatal(err)
	}
	p.field.mutex.Lock()
	p.field.owned[user] = true
	p.field.mutex.Unlock()
	// An administrator's connection must be there to lower it again.
	conn, err := p.Root.Conn(ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := conn.ExecContext(ctx, "SET GLOBAL max_connections = 20"); err != nil {
		p.t.Fatal(err)
	}
	config := p.Server.Config()
	config.User, config.Passwd = user, firstPassword
	connector, err := mysql.NewConnector(config)
	if err != nil {
		p.t.Fatal(err)
	}
	crowd := sql.OpenDB(connector)
	var held []*sql.Conn
	for range 40 {
		one, err := crowd.Conn(ctx)
		if err != nil {
			break
		}
		held = append(held, one)
	}
	if len(held) == 40 {
		p.t.Fatal("the server never ran out of connections")
	}
	return func() {
		if _, err := conn.ExecContext(ctx, fmt.Sprintf("SET GLOBAL max_connections = %d", before)); err != nil {
			p.t.Error(err)
		}
		for _, one := range held {
			_ = one.Close()
		}
		_ = crowd.Close()
		_ = conn.Close()
		p.execute("DROP USER '" + user + "'@'%'")
	}
}

// inState rotates while the server is in a state, and once more by the same token
// when that is over.
func (p *target) inState(t *testing.T, state state) {
	t.Helper()
	before, err := p.Current(t.Context(), p.app)
	if err != nil {
		t.Fatal(err)
	}
	user := before.Username()
	tries := 0
	leave := func() {}
	entered := false
	p.between = func(_ context.Context, step string, invoke func() error) error {
		if step == "setSecret" && !entered {
			entered = true
			leave = state.enter(p)
		}
		err := invoke()
		if err == nil {
			return nil
		}
		tries++
		leave()
		p.said = append(p.said, err.Error())
		p.mustReport(state.name, err)
		for _, word := range state.words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: the error lacks %q: %v", state.name, word, err)
			}
		}
		if document := p.current(state.name); document.Username() != user {
			t.Errorf("%s: AWSCURRENT has moved", state.name)
		}
		return err
	}
	err = p.rotate()
	p.between = nil
	if err != nil || tries != 1 {
		t.Errorf("%s: %d tries failed, and in the end: %v", state.name, tries, err)
		leave()
	}
	if document := p.current(state.name); document.Username() != secret.Other(user) {
		t.Errorf("%s: AWSCURRENT is %q", state.name, document.Username())
	}
	p.equal(state.name)
	p.gather()
}

// serverRestarts has the server end between any two steps, in good order and not,
// and in the middle of setSecret.
func (f *fireServer) serverRestarts(t *testing.T) {
	p := f.place(t, 6*time.Second)
	p.furnish()
	counts := &tally{}
	restart := func(kill bool) {
		if kill {
			if err := f.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Restart(t.Context(), f.args...); err != nil {
			t.Fatal(err)
		}
	}
	gaps := []string{"setSecret", "testSecret", "finishSecret"}
	for i, gap := range gaps {
		sound, done := !t.Failed(), false
		p.between = func(_ context.Context, step string, invoke func() error) error {
			if step == gap && !done {
				done = true
				restart(i%2 == 1)
			}
			return invoke()
		}
		p.mustRotate()
		p.between = nil
		if !done {
			t.Errorf("no restart before %s", gap)
		}
		counts.note("gaps", i, 0, p.whole(fmt.Sprintf("a restart before %s", gap)) && sound)
	}
	killed := f.killedAmongStatements(t, p, counts, restart)
	f.say("the server restarts", counts.String(), "between any two steps, stopped and killed; killed when it had executed so many of a query's %d statements, and when it had set the password", killed)
}

// killedAmongStatements has the server killed (kill -9) when it has executed some
// of the statements that make a clone, and when it has set the password. It returns
// how many statements there are.
func (f *fireServer) killedAmongStatements(t *testing.T, p *target, counts *tally, restart func(kill bool)) (total int) {
	before := []string(nil) // what the clone was with fewer statements
	for executed := 1; ; executed++ {
		sound, when := !t.Failed(), ""
		p.dropClone()
		tried := p.killServer(t, restart, func(what string) *action {
			batch := p.batchOfChanges(what)
			if executed >= len(batch) {
				return nil
			}
			total, when = len(batch), fmt.Sprintf("the server killed after %d of %d statements", executed, len(batch))
			return &action{statements: executed}
		}, func() {
			// Each statement adds something, or the server was not killed where it was
			// meant to be.
			made := oracle(t, p.Server, p.Root, p.clone())
			if cmp.Equal(made, before) {
				t.Errorf("%s: it has what it had with fewer statements:\n%s", when, strings.Join(made, "\n"))
			}
			before = made
		})
		if !tried {
			break
		}
		counts.note("statements", executed, 1, p.whole(when) && sound)
		if f.size.spread && executed < total-1 {
			executed = min(executed+total/2, total-1) - 1 // the first, one in the middle, the last
		}
	}
	if total < 4 {
		t.Errorf("a clone is made by %d statements at once: there is no middle to kill the server in", total)
	}
	sound, when := !t.Failed(), "the server killed when it had set the password"
	tried := p.killServer(t, restart, func(what string) *action {
		if !strings.HasPrefix(what, "the server's query ALTER USER") {
			return nil
		}
		return &action{}
	}, func() {
		pending, err := p.staged("AWSPENDING")
		if err != nil || p.logsIn(pending) != nil {
			t.Errorf("%s: the pending credentials do not log in: %v", when, err)
		}
	})
	if !tried {
		t.Error("the password was never set")
	}
	counts.note("statements", total, 1, p.whole(when) && sound)
	return total
}

// killServer rotates, and kills the server after it has acted at the first message
// for which at has an action. Then it restarts it and calls look, before the next
// try. It reports whether there was such a message.
func (p *target) killServer(t *testing.T, restart func(kill bool), at func(what string) *action, look func()) (tried bool) {
	t.Helper()
	p.arm(func(_ int, what string) *action {
		if tried {
			return nil
		}
		act := at(what)
		if act != nil {
			tried, act.after, act.fate = true, true, faultproxy.Drop
			act.do = func() {
				if err := p.field.Kill(); err != nil {
					t.Error(err)
				}
			}
		}
		return act
	})
	defer p.arm(nil)
	failures := 0
	p.between = func(_ context.Context, _ string, invoke func() error) error {
		err := invoke()
		if err != nil {
			failures++
			p.said = append(p.said, err.Error())
			p.mustReport("the server killed", err)
			restart(false)
			p.current("the server killed")
			look()
		}
		return err
	}
	defer func() { p.between = nil }()
	p.mustRotate()
	if tried && failures != 1 {
		t.Errorf("the server was killed, and %d steps failed", failures)
	}
	return tried
}

// batchOfChanges are the statements of the query that is the message, where it has
// several which change accounts. Queries that read are sent several at once too.
func (p *target) batchOfChanges(what string) []string {
	for _, begin := range []string{"CREATE USER", "ALTER USER", "DROP USER", "GRANT", "REVOKE"} {
		if strings.HasPrefix(what, "the server's query "+begin) {
			p.mutex.Lock()
			defer p.mutex.Unlock()
			return slices.Clone(p.batches[what])
		}
	}
	return nil
}

// dropClone goes back to before the first rotation, the original being current.
func (p *target) dropClone() {
	p.t.Helper()
	if document := p.current("before"); secret.IsClone(document.Username()) {
		p.mustRotate()
	}
	p.execute("DROP USER '"+p.clone()+"'@'%'", "DROP USER '"+p.clone()+"'@'10.9.%'")
}

// whole checks the promises after a rotation.
func (p *target) whole(when string) bool {
	p.t.Helper()
	p.current(when)
	p.inOrder(when)
	p.gather()
	if diff := p.theRest(); diff != "" {
		p.t.Errorf("%s: somebody else was touched:\n%s", when, diff)
	}
	return !p.t.Failed()
}
