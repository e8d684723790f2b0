package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/faultproxy"
	"tandem/internal/secret"
)

// death is a way in which an invocation, or a connection of it, ends at a message.
type death struct {
	name  string
	kill  syscall.Signal // to the process, where not 0
	fate  faultproxy.Fate
	after bool
	// tries is how many further tries the rotation may take. A session that has
	// vanished keeps its lock until the server gives it up, when the time of the
	// invocation is over; till then a try finds the lock taken.
	tries int
	// among has it come after that many statements of the first query that changes
	// several things, instead of at that message.
	among bool
}

var deaths = []death{
	{"killed before the message", syscall.SIGKILL, faultproxy.Drop, false, 1, false},
	{"killed after the server acted", syscall.SIGKILL, faultproxy.Drop, true, 1, false},
	{"dropped before the message", 0, faultproxy.Drop, false, 1, false},
	{"dropped after the server acted", 0, faultproxy.Drop, true, 1, false},
	{"silent before the message", 0, faultproxy.Vanish, false, 5, false},
	{"silent after the server acted", 0, faultproxy.Vanish, true, 5, false},
}

// mostTries is more than any death may take.
const mostTries = 8

// tally counts over the places of a scenario.
type tally struct {
	mutex                          sync.Mutex
	points, survived, tried, worst int
	locked, takenUp, givenUp       int            // see late
	reached                        map[string]int // the highest message, by turn
}

func (c *tally) String() string { return fmt.Sprintf("%d points, %d survived", c.points, c.survived) }

func (c *tally) note(turn string, n int, tries int, ok bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.points++
	if ok {
		c.survived++
	}
	c.tried += tries
	c.worst = max(c.worst, tries)
	if c.reached == nil {
		c.reached = map[string]int{}
	}
	c.reached[turn] = max(c.reached[turn], n)
}

// mustHaveTried wants a point to have been tried in each of these: a scenario that
// finds none of its points passes by doing nothing.
func (c *tally) mustHaveTried(t *testing.T, turns ...string) {
	t.Helper()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, turn := range turns {
		if _, tried := c.reached[turn]; !tried {
			t.Errorf("not one point of %q was tried", turn)
		}
	}
}

// Promises 1 to 5 at every message of a rotation, whoever dies there, and the
// next try, by the same token and by another.
func (f *fireServer) killedAnywhere(t *testing.T) {
	counts := &tally{}
	t.Run("deaths", func(t *testing.T) {
		for i, death := range deaths {
			for j, same := range []bool{true, false} {
				next := "another token"
				if same {
					next = "the same token"
				}
				t.Run(death.name+", then "+next, func(t *testing.T) {
					t.Parallel()
					first := 1
					if f.size.spread {
						first += 2*i + j
					}
					f.killedBy(t, death, same, first, f.size.stride, counts)
				})
			}
		}
	})
	counts.mustHaveTried(t, turns...)
	f.say("killed anywhere", fmt.Sprintf("%s; rotations of %d, %d and %d messages; at most %d further tries", counts,
		counts.reached[turns[0]], counts.reached[turns[2]], counts.reached[turns[1]], counts.worst),
		"the first rotation, the clone's turn, the original's turn; %d deaths, each followed by the same token and by another; %d further tries", len(deaths), counts.tried)
}

// turns are the rotations of a cycle, after each of which the next is possible.
var turns = []string{"the first rotation", "the original's turn", "the clone's turn"}

func (f *fireServer) killedBy(t *testing.T, death death, same bool, first, stride int, counts *tally) *target {
	timeout := 20 * time.Second
	if death.fate == faultproxy.Vanish {
		timeout = 3 * time.Second // Lambda's shortest that is of use
	}
	p := f.place(t, timeout)
	p.furnish()
	over := map[string]bool{} // the turns all of whose messages were tried
	for n := first; len(over) < len(turns); n += stride {
		for _, turn := range turns {
			p.prepare(turn)
			if over[turn] {
				p.mustRotate()
				continue
			}
			fired, tries, ok := p.strike(turn, n, death, same)
			if !fired {
				over[turn] = true
				continue
			}
			counts.note(turn, n, tries, ok)
			if !ok {
				return p // what follows would start from what nobody has described
			}
		}
		p.reset()
	}
	return p
}

// dumps has the process end at a message with all that it was doing written out:
// what the runtime does on SIGABRT, and for a panic that nobody recovers.
func (f *fireServer) dumps(t *testing.T) {
	counts := &tally{}
	stride := 1
	if f.size.spread {
		stride = f.size.stride / 2
	}
	p := f.killedBy(t, death{"aborted", syscall.SIGABRT, faultproxy.Drop, false, 1, false}, true, 1, stride, counts)
	counts.mustHaveTried(t, turns...)
	dumped := strings.Count(p.log(), "SIGABRT: abort")
	if dumped < counts.points {
		t.Errorf("%d dumps at %d points", dumped, counts.points)
	}
	f.say("the process dumps its state", counts.String(), "%d dumps, searched for secrets with all else that the function wrote", dumped)
}

// furnish gives the original enough of everything that there is a middle.
func (p *target) furnish() {
	p.t.Helper()
	p.execute(p.grants()...)
	p.addHost("10.9.%")
	role := unique("role")
	p.field.mutex.Lock()
	p.field.owned[role] = true
	p.field.mutex.Unlock()
	assigned := "TO"
	if p.Server.Flavor == dbserver.MariaDB {
		assigned = "FOR"
	}
	p.execute("CREATE ROLE "+role, "GRANT REFERENCES ON "+p.database+".* TO "+role,
		"GRANT "+role+" TO '"+p.adminUser+"'@'%' WITH ADMIN OPTION", "GRANT "+role+" TO '"+p.user+"'@'%'",
		"SET DEFAULT ROLE "+role+" "+assigned+" '"+p.user+"'@'%'")
	p.afterwards("DROP ROLE " + role)
}

func (p *target) addHost(host string) {
	p.t.Helper()
	if err := p.CreateUser(p.t.Context(), p.user, host, firstPassword); err != nil {
		p.t.Fatal(err)
	}
	p.execute("GRANT SELECT, INSERT ON "+p.database+".* TO '"+p.user+"'@'"+host+"'",
		"GRANT UPDATE (a) ON "+p.database+".t TO '"+p.user+"'@'"+host+"'")
}

// prepare gives a turn something to do beside the password.
func (p *target) prepare(turn string) {
	p.t.Helper()
	original, clone := "'"+p.user+"'@'%'", "'"+p.clone()+"'@'%'"
	switch turn {
	case turns[1]:
		p.execute("GRANT TRIGGER ON "+p.database+".* TO "+clone, "GRANT DELETE ON "+p.database+".`odd ``name` TO "+clone)
		p.narrowed(clone, "SELECT")
	case turns[2]:
		p.narrowed(original, "INSERT")
		p.addHost("10.1.2.%")
		p.execute("DROP USER '"+p.user+"'@'10.9.%'",
			"GRANT CREATE VIEW ON "+p.database+".* TO "+original,
			"REVOKE RELOAD ON *.* FROM "+original,
			"REVOKE UPDATE (b) ON "+p.database+".t FROM "+original)
	}
}

// narrowed gives an account what a server can give only with more, or gives with more
// where somebody is careless: a privilege on a table that is gone, and on MySQL one
// with a partial revoke.
func (p *target) narrowed(account, privilege string) {
	p.t.Helper()
	p.execute("CREATE TABLE "+p.database+".gone (a INT)", "GRANT "+privilege+" ON "+p.database+".gone TO "+account, "DROP TABLE "+p.database+".gone")
	if p.Server.Flavor == dbserver.MySQL {
		p.execute("GRANT "+privilege+" ON *.* TO "+account, "REVOKE "+privilege+" ON mysql.* FROM "+account)
	}
}

// reset goes back to before the first rotation.
func (p *target) reset() {
	p.t.Helper()
	original := "'" + p.user + "'@'%'"
	p.execute("DROP USER '"+p.clone()+"'@'%', '"+p.clone()+"'@'10.1.2.%', '"+p.user+"'@'10.1.2.%'",
		"REVOKE CREATE VIEW, TRIGGER ON "+p.database+".* FROM "+original,
		"REVOKE DELETE ON "+p.database+".`odd ``name` FROM "+original,
		"GRANT RELOAD ON *.* TO "+original,
		"GRANT UPDATE (b) ON "+p.database+".t TO "+original,
		"REVOKE SELECT, INSERT ON "+p.database+".gone FROM "+original)
	if p.Server.Flavor == dbserver.MySQL {
		p.execute("REVOKE SELECT, INSERT ON *.* FROM " + original)
	}
	p.addHost("10.9.%")
	previous, err := p.staged("AWSPREVIOUS")
	if err != nil {
		p.t.Fatal(err)
	}
	p.gather()
	p.store(previous.Username(), previous.Password().Reveal(), nil)
}

// strike rotates, and has the death come at message n. It reports whether the
// rotation had that many, how many tries it took besides, and whether the
// promises were kept.
func (p *target) strike(turn string, n int, death death, same bool) (fired bool, tries int, ok bool) {
	p.t.Helper()
	before, err := p.Current(p.t.Context(), p.app)
	if err != nil {
		p.t.Fatal(err)
	}
	user, target := before.Username(), secret.Other(before.Username())
	untouched := p.account(user)
	p.observe(user)
	old, err := p.staged("AWSPREVIOUS") // the password that the pending user has, promise 9
	ends := err == nil && old.Username() == target
	where := ""
	p.arm(func(seen int, what string) *action {
		act := &action{after: death.after, fate: death.fate}
		switch {
		case death.among:
			batch := p.batchOfChanges(what)
			if fired || n >= len(batch) {
				return nil
			}
			act.statements, what = n, fmt.Sprintf("of %d statements", len(batch))
		case seen != n:
			return nil
		}
		fired, where = true, what
		if death.kill != 0 {
			act.do = func() { p.signal(death.kill) }
		}
		return act
	})
	report := func() string {
		return fmt.Sprintf("%s, message %d (%s), %s", turn, n, where, death.name)
	}
	sound := !p.t.Failed()
	var errs []string
	p.between = func(ctx context.Context, step string, invoke func() error) error {
		err := invoke()
		if err == nil {
			return nil
		}
		tries++
		errs = append(errs, err.Error())
		p.said = append(p.said, err.Error())
		p.stands(report()+", in "+step, user, untouched)
		if !same || tries > death.tries {
			// No further try by this token.
			if _, cancelErr := p.Secrets.CancelRotateSecret(ctx, &secretsmanager.CancelRotateSecretInput{SecretId: aws.String(p.app)}); cancelErr != nil {
				p.t.Error(cancelErr)
			}
		}
		return err
	}
	defer func() { p.between = nil; p.arm(nil) }()
	err = p.rotate()
	p.mutex.Lock()
	p.act = nil
	p.mutex.Unlock()
	for err != nil && !same && tries <= death.tries {
		if now := p.current(report()); now.Username() == target {
			p.abandonFinished()
			break // it had moved the label, and only the answer was lost
		}
		p.abandon()
		err = p.rotate()
	}
	if tries > death.tries {
		p.t.Errorf("%s: %d tries were not enough:\n%s", report(), tries, strings.Join(errs, "\n"))
	}
	document := p.current(report())
	if document.Username() != target {
		p.t.Errorf("%s: AWSCURRENT is %q, want %q", report(), document.Username(), target)
	}
	p.equal(report())
	p.gather()
	if previous, err := p.staged("AWSPREVIOUS"); err != nil || p.logsIn(previous) != nil {
		p.t.Errorf("%s: the previous credentials do not work any more: %v", report(), err)
	}
	if ends && p.logsIn(old) == nil {
		p.t.Errorf("%s: the password of %q from before the rotation logs in", report(), target)
	}
	if diff := p.theRest(); diff != "" {
		p.t.Errorf("%s: somebody else was touched:\n%s", report(), diff)
	}
	return fired, tries, sound && !p.t.Failed()
}

// mustReport wants an error to be the function's own, and not that of a function
// which Lambda had to end.
func (p *target) mustReport(when string, err error) {
	p.t.Helper()
	if !ownType(err) {
		p.t.Errorf("%s: the function did not report it itself: %v", when, err)
	}
}

// abandonFinished takes AWSPENDING off a version that is AWSCURRENT too, as the
// service does after finishSecret.
func (p *target) abandonFinished() {
	p.t.Helper()
	out, err := p.Secrets.DescribeSecret(p.t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(p.app)})
	if err != nil {
		p.t.Fatal(err)
	}
	for id, stages := range out.VersionIdsToStages {
		if !slices.Contains(stages, "AWSPENDING") {
			continue
		}
		if _, err := p.Secrets.UpdateSecretVersionStage(p.t.Context(), &secretsmanager.UpdateSecretVersionStageInput{
			SecretId: aws.String(p.app), VersionStage: aws.String("AWSPENDING"), RemoveFromVersionId: aws.String(id),
		}); err != nil {
			p.t.Fatal(err)
		}
	}
}
