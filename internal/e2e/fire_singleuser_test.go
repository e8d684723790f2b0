package e2e

import (
	"context"
	"crypto/sha1" //nolint:gosec // mysql_native_password is made of it
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/sandbox"
	"tandem/internal/secret"
)

// A single user under fire: changed by the admin, by itself, and where the server keeps
// one password.
//
// A server's tables say how many passwords an account has, and logins say whose they are.

var (
	byAdmin = wayOfSingleUser("by an admin", (*target).furnishSingleUser)
	byOwn   = wayOfSingleUser("by itself", (*target).furnishOwn)
	// withOne has no turns in which there is a second password.
	withOne = func() way {
		one := wayOfSingleUser("with one password", (*target).furnishOnePassword)
		one.turns, one.onePassword = []string{"a rotation with one password"}, true
		one.reset = func(*target) {}
		return one
	}()
)

func wayOfSingleUser(name string, furnish func(*target)) way {
	turns := []string{"the first rotation " + name, "a later one " + name, "one after another was given up, " + name}
	return way{
		name: name, turns: turns, alike: true, env: []string{"ROTATION_STRATEGY=single-user"},
		next:    func(username string) string { return username },
		furnish: furnish,
		prepare: func(p *target, turn string) {
			p.strays = nil
			if turn == turns[2] {
				p.givenUp()
			}
		},
		reset:   (*target).currentAlone,
		watch:   (*target).watchSingleUser,
		inOrder: (*target).twoPasswords,
	}
}

// hangsOfSingleUser are those in what the other strategy does not do, or does elsewhere.
var hangsOfSingleUser = []hang{
	{"the server, taking the lock", "setSecret", is("the server's query SET NAMES"), "taking the lock"},
	{"the server, reading", "setSecret", is("the server's query SHOW"), "reading"},
	{"the server, setting the password", "setSecret", is("the server's query ALTER USER"), "setting the password"},
	{"the server, on connecting to test", "testSecret", is("the server's connect"), "testing the AWSPENDING credentials"},
	{"the server, on connecting to finish", "finishSecret", is("the server's connect"), "logging in with the AWSPENDING credentials"},
	{"Secrets Manager, moving the label", "finishSecret", is("UpdateSecretVersionStage"), "UpdateSecretVersionStage on"},
}

// singleUser is what the other scenarios do to two users.
func (f *fireServer) singleUser(t *testing.T) {
	t.Run("killed anywhere", func(t *testing.T) { f.killedInEach(t, "a single user killed anywhere", byAdmin, byOwn) })
	t.Run("late", func(t *testing.T) { f.lateIn(t, "a single user, late", byAdmin, 2) })
	t.Run("at once", func(t *testing.T) { f.stepsAtOnce(t, "a single user, at once", 1, byAdmin) })
	t.Run("Secrets Manager misbehaves", func(t *testing.T) {
		f.misbehaves(t, "a single user, Secrets Manager misbehaves", byAdmin, secretsManagers, calls, "call", 2)
	})
	t.Run("the server misbehaves", func(t *testing.T) {
		f.misbehaves(t, "a single user, the server misbehaves", byAdmin, badServers, statements, "message", 1)
	})
	t.Run("the admin rotates too", func(t *testing.T) { f.adminRotatesIn(t, "a single user, the admin rotates too", byAdmin, 2) })
	t.Run("deadline", func(t *testing.T) { f.deadlineIn(t, "a single user, deadline", byAdmin, hangsOfSingleUser) })
	t.Run("availability", f.singleUserAvailable)
	if f.Flavor == dbserver.MariaDB {
		t.Run("one password", func(t *testing.T) { f.killedInEach(t, "one password, killed anywhere", withOne) })
	}
}

func (p *target) furnishSingleUser() { p.addHost("10.9.%") }

// furnishOwn has the user change its own password. On MySQL it may not list accounts; on
// MariaDB it has to.
func (p *target) furnishOwn() {
	p.t.Helper()
	user := "'" + p.user + "'@'%'"
	if p.Server.Flavor == dbserver.MySQL {
		p.execute("GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO " + user)
	} else {
		p.execute("GRANT CREATE USER ON *.* TO "+user, "GRANT SELECT ON mysql.* TO "+user)
	}
	p.put(p.app, map[string]any{"masterarn": nil})
}

func (p *target) furnishOnePassword() {
	p.t.Helper()
	p.identified("VIA ed25519 USING PASSWORD(PW)")
}

// givenUp leaves the user as a rotation does that was given up when it had set its
// password: that is the first now, and the one under AWSCURRENT the second.
func (p *target) givenUp() {
	p.t.Helper()
	current := p.current("before")
	stray := sandbox.NewPassword()
	p.strays = []string{stray}
	for host := range p.passwordsKept() {
		account := "'" + p.user + "'@'" + host + "'"
		if p.Server.Flavor == dbserver.MySQL {
			p.execute("ALTER USER " + account + " IDENTIFIED BY '" + stray + "' RETAIN CURRENT PASSWORD")
		} else {
			p.execute("ALTER USER " + account + " IDENTIFIED VIA mysql_native_password USING '" + nativeHash(stray) +
				"' OR mysql_native_password USING '" + nativeHash(current.Password().Reveal()) + "'")
		}
	}
}

// nativeHash is what mysql_native_password stores.
func nativeHash(password string) string {
	once := sha1.Sum([]byte(password)) //nolint:gosec // that is the plugin's
	return fmt.Sprintf("*%X", sha1.Sum(once[:]))
}

// currentAlone goes back to before the first rotation: the user has one password.
func (p *target) currentAlone() {
	p.t.Helper()
	current := p.current("before").Password().Reveal()
	for host := range p.passwordsKept() {
		account := "'" + p.user + "'@'" + host + "'"
		if p.Server.Flavor == dbserver.MySQL {
			p.execute("ALTER USER " + account + " DISCARD OLD PASSWORD")
		} else {
			p.execute("ALTER USER " + account + " IDENTIFIED VIA mysql_native_password USING '" + nativeHash(current) + "'")
		}
	}
}

// passwordsKept is how many passwords the server keeps of each account, by host.
func (p *target) passwordsKept() map[string]int {
	p.t.Helper()
	kept := map[string]int{}
	if p.Server.Flavor == dbserver.MySQL {
		for _, row := range columnsOf(p.t, p.Root, "SELECT Host, authentication_string AS one, User_attributes->>'$.additional_password' AS two FROM mysql.user WHERE User = ?", p.user) {
			kept[row["Host"]] = filled(row["one"], row["two"])
		}
		return kept
	}
	type factor struct {
		Stored string `json:"authentication_string"`
	}
	for _, row := range columnsOf(p.t, p.Root, "SELECT Host, Priv FROM mysql.global_priv WHERE User = ?", p.user) {
		var priv struct {
			factor
			Others []factor `json:"auth_or"`
		}
		if err := json.Unmarshal([]byte(row["Priv"]), &priv); err != nil {
			p.t.Fatal(err)
		}
		kept[row["Host"]] = filled(priv.Stored)
		for _, other := range priv.Others {
			kept[row["Host"]] += filled(other.Stored)
		}
	}
	return kept
}

func filled(texts ...string) (count int) {
	for _, text := range texts {
		if text != "" && text != "invalid" {
			count++
		}
	}
	return count
}

// besidePasswords is all that the server holds of the user but its passwords.
func (p *target) besidePasswords() []string {
	p.t.Helper()
	seen := see(p.t, p.Server, p.Root, p.user)
	for _, row := range seen["user"] {
		for _, column := range []string{"User_attributes", "Priv"} {
			row[column] = object(p.t, row[column], func(content map[string]any) {
				delete(content, "additional_password")
				delete(content, "auth_or")
			})
		}
	}
	return seen.lines()
}

// watchSingleUser checks in the middle of a rotation that AWSCURRENT logs in, that no
// account has a password that nobody knows, or three, and that nothing else has changed.
func (p *target) watchSingleUser(secret.Document) (stands func(when string)) {
	untouched := p.besidePasswords()
	return func(when string) {
		p.t.Helper()
		p.current(when)
		p.onlyKnown(when)
		if pending, err := p.staged("AWSPENDING"); err == nil {
			p.strays = append(p.strays, pending.Password().Reveal()) // it may be given up now
		}
		if diff := cmp.Diff(untouched, p.besidePasswords()); diff != "" {
			p.t.Errorf("%s: more than passwords has changed:\n%s", when, diff)
		}
		p.gather()
	}
}

// onlyKnown wants each password that the server keeps to be one that a label names, or one
// of the strays. It returns how many there are.
func (p *target) onlyKnown(when string) (kept int) {
	p.t.Helper()
	known := slices.Clone(p.strays)
	for _, stage := range []string{"AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"} {
		if document, err := p.staged(stage); err == nil {
			known = append(known, document.Password().Reveal())
		}
	}
	slices.Sort(known)
	open := 0
	for _, password := range slices.Compact(known) {
		if p.logsInAs(p.user, password) == nil {
			open++
		}
	}
	all := p.passwordsKept()
	for host, count := range all {
		if count > 2 {
			p.t.Errorf("%s: the server keeps %d passwords of %q@%q", when, count, p.user, host)
		}
	}
	if kept = all["%"]; kept != open {
		p.t.Errorf("%s: the server keeps %d passwords of %q, and %d known ones log in", when, kept, p.user, open)
	}
	return kept
}

// twoPasswords wants every account to have the passwords under AWSCURRENT and AWSPREVIOUS,
// and no third; the first alone where the server keeps one.
func (p *target) twoPasswords(when string) {
	p.t.Helper()
	current := p.current(when)
	previous, err := p.staged("AWSPREVIOUS")
	if err != nil {
		p.t.Errorf("%s: AWSPREVIOUS: %v", when, err)
		return
	}
	p.strays = nil // they have ended
	want := []string{current.Password().Reveal(), previous.Password().Reveal()}
	if p.way.onePassword {
		want = want[:1]
	}
	p.onlyKnown(when)
	for host, count := range p.passwordsKept() {
		if count != len(want) {
			p.t.Errorf("%s: the server keeps %d passwords of %q@%q, want %d", when, count, p.user, host, len(want))
		}
		p.at(host, func(user string) {
			for i, password := range want {
				if err := p.logsInAs(user, password); err != nil {
					p.t.Errorf("%s: password %d of %d of %q@%q does not log in: %v", when, i+1, len(want), p.user, host, err)
				}
			}
		})
	}
}

// at has the account at a host be reached from here, by another name.
func (p *target) at(host string, do func(user string)) {
	p.t.Helper()
	if host == "%" {
		do(p.user)
		return
	}
	here := unique("here")
	p.field.mutex.Lock()
	p.field.owned[here] = true
	p.field.mutex.Unlock()
	from, to := "'"+p.user+"'@'"+host+"'", "'"+here+"'@'%'"
	p.execute("RENAME USER " + from + " TO " + to)
	do(here)
	p.execute("RENAME USER " + to + " TO " + from)
}

// singleUserAvailable has clients log in without pause while the secret is rotated over
// and over: some read it each time, and some only when the next rotation is about to set
// its password, so that from the end of one rotation to the middle of the next they have
// the password under AWSPREVIOUS. No login fails.
func (f *fireServer) singleUserAvailable(t *testing.T) {
	p := f.placeFor(t, byAdmin, 60*time.Second)
	p.way.furnish(p)
	p.mustRotate()
	late, err := p.staged("AWSPREVIOUS")
	if err != nil {
		t.Fatal(err)
	}
	var reading sync.RWMutex // to be read by a client at work, and written by late ones that read the secret
	var punctual, tardy, previous, failed atomic.Int64
	inTime := func() (secret.Document, error) {
		punctual.Add(1)
		return p.Current(context.WithoutCancel(t.Context()), p.app)
	}
	tooLate := func() (secret.Document, error) {
		tardy.Add(1)
		return late, nil
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	readers := []func() (secret.Document, error){inTime, inTime, tooLate, tooLate}
	for _, read := range readers {
		running.Go(func() {
			for ctx.Err() == nil {
				reading.RLock()
				document, err := read()
				if err == nil {
					err = p.logsIn(document)
				}
				reading.RUnlock()
				if err != nil {
					failed.Add(1)
					t.Errorf("a client does not log in: %v", err)
					return
				}
			}
		})
	}
	p.between = func(ctx context.Context, step string, invoke func() error) error {
		if step != "setSecret" {
			return invoke()
		}
		// What the late ones have is one rotation old, and works.
		now, err := p.staged("AWSPREVIOUS")
		if err != nil || !now.Password().Equal(late.Password()) || p.logsIn(now) != nil {
			t.Errorf("the previous credentials do not log in, or are not those of the late clients: %v", err)
		}
		previous.Add(1)
		reading.Lock()
		late, err = p.Current(ctx, p.app)
		reading.Unlock()
		if err != nil {
			t.Error(err)
		}
		return invoke()
	}
	began := time.Now()
	rotations, most := 0, f.size.rotations
	if f.size.spread {
		most /= 3
	}
	for ; rotations < most && !t.Failed(); rotations++ {
		p.mustRotate()
		p.gather()
	}
	took := time.Since(began)
	stop()
	running.Wait()
	p.between = nil
	p.whole("after all rotations")
	if punctual.Load() == 0 || tardy.Load() == 0 || previous.Load() == 0 {
		t.Errorf("%d clients in time, %d late, %d by AWSPREVIOUS", punctual.Load(), tardy.Load(), previous.Load())
	}
	f.say("a single user, availability", fmt.Sprintf("%d rotations, %d logins, %d of them one rotation late, %d failed", rotations, punctual.Load()+tardy.Load(), tardy.Load(), failed.Load()),
		"in %s, of %d clients; %d by AWSPREVIOUS right before its end", took.Round(time.Second), len(readers), previous.Load())
}

// inTheGap reports whether the pending password is in force where the server keeps one,
// and the current one may be refused until the label moves.
func (p *target) inTheGap() bool {
	if !p.way.onePassword {
		return false
	}
	pending, err := p.staged("AWSPENDING")
	return err == nil && p.logsIn(pending) == nil
}
