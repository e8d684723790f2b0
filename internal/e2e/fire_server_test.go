package e2e

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/faultproxy"
	"tandem/internal/secret"
)

var badServers = []misbehaviour{
	{"resets the connection", false, false, fated(faultproxy.Drop, false)},
	{"refuses from then on", true, false, fated(faultproxy.Drop, false)},
	{"hangs from then on", true, false, fated(faultproxy.Vanish, false)},
	{"hangs after it has acted", false, false, fated(faultproxy.Vanish, true)},
	{"kills our sessions before", false, false, func(p *place, _ string) *action { return &action{do: p.killSessions} }},
	{"kills our sessions after", false, false, func(p *place, _ string) *action { return &action{do: p.killSessions, after: true} }},
}

// serverMisbehaves has every message of the server's answered badly, and the
// server itself in the states that operators know.
func (f *field) serverMisbehaves(t *testing.T) {
	messages := func(what string) bool { return strings.HasPrefix(what, "the server's ") }
	f.misbehaves(t, "the server misbehaves", badServers, messages, "message", 2)

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
	enter func(p *place) (leave func())
	words []string // of the error
}

func (f *field) states() []state {
	readOnly, writable := []string{"SET GLOBAL read_only = 1"}, []string{"SET GLOBAL read_only = 0"}
	if f.Flavor == dbserver.MySQL {
		readOnly, writable = []string{"SET GLOBAL super_read_only = 1"}, []string{"SET GLOBAL super_read_only = 0", "SET GLOBAL read_only = 0"}
	}
	return []state{
		{"read-only", func(p *place) func() {
			p.execute(readOnly...)
			return func() { p.execute(writable...) }
		}, []string{"read-only", "writer"}},
		{"no connection left", (*place).exhaust, []string{"1040", "max_connections"}},
		{"the lock is kept", func(p *place) func() {
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
		}, []string{"another rotation", "nothing was changed"}},
	}
}

// exhaust takes all connections that the server has for ordinary users.
func (p *place) exhaust() (leave func()) {
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
func (p *place) inState(t *testing.T, state state) {
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
func (f *field) serverRestarts(t *testing.T) {
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
		counts.note("gaps", i, 0, p.whole(fmt.Sprintf("a restart before %s", gap)) && sound)
	}
	// kill -9 at a statement that changes something.
	statements := []string{"the server's query CREATE USER", "the server's query GRANT", "the server's query ALTER USER"}
	if f.size.spread {
		statements = statements[2:]
	}
	for i, statement := range statements {
		sound, done := !t.Failed(), false
		if i < 2 {
			p.dropClone()
		}
		p.arm(func(_ int, what string) *action {
			if !strings.HasPrefix(what, statement) || done {
				return nil
			}
			done = true
			return &action{after: true, fate: faultproxy.Drop, do: func() {
				if err := f.Kill(); err != nil {
					t.Error(err)
				}
			}}
		})
		p.between = func(_ context.Context, _ string, invoke func() error) error {
			err := invoke()
			if err != nil {
				p.said = append(p.said, err.Error())
				p.mustReport(statement, err)
				restart(false)
				p.current(statement)
			}
			return err
		}
		p.mustRotate()
		p.between = nil
		p.arm(nil)
		if !done {
			t.Errorf("%s was never sent", statement)
		}
		counts.note("statements", i, 1, p.whole("the server killed at "+statement) && sound)
	}
	f.say("the server restarts", counts.String(), "between any two steps, stopped and killed; killed when it had executed one of %d statements", len(statements))
}

// dropClone goes back to before the first rotation, the original being current.
func (p *place) dropClone() {
	p.t.Helper()
	if document := p.current("before"); secret.IsClone(document.Username()) {
		p.mustRotate()
	}
	p.execute("DROP USER '"+p.clone()+"'@'%'", "DROP USER '"+p.clone()+"'@'10.9.%'")
}

// whole checks the promises after a rotation.
func (p *place) whole(when string) bool {
	p.t.Helper()
	p.current(when)
	p.equal(when)
	p.gather()
	if diff := p.theRest(); diff != "" {
		p.t.Errorf("%s: somebody else was touched:\n%s", when, diff)
	}
	return !p.t.Failed()
}
