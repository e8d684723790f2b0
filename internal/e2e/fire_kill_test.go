package e2e

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/faultproxy"
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
func (f *fireServer) killedAnywhere(t *testing.T) { f.killedInEach(t, "killed anywhere", alternating) }

// killedInEach is that for each of several ways, which share the points of a run that is
// not full.
func (f *fireServer) killedInEach(t *testing.T, scenario string, ways ...way) {
	counts := &tally{}
	t.Run("deaths", func(t *testing.T) {
		for k, way := range ways {
			for i, death := range deaths {
				for j, same := range []bool{true, false} {
					next := "another token"
					if same {
						next = "the same token"
					}
					t.Run(way.name+", "+death.name+", then "+next, func(t *testing.T) {
						t.Parallel()
						first, stride := 1, f.size.stride
						if f.size.spread {
							first += 2*i + j + k*2*len(deaths)
							stride *= len(ways)
						}
						f.killedBy(t, way, death, same, first, stride, counts)
					})
				}
			}
		}
	})
	turns := turnsOf(ways...)
	counts.mustHaveTried(t, turns...)
	var messages []string
	for _, turn := range turns {
		messages = append(messages, strconv.Itoa(counts.reached[turn]))
	}
	f.say(scenario, fmt.Sprintf("%s; rotations of %s messages; at most %d further tries", counts, inWords(messages), counts.worst),
		"%s; %d deaths, each followed by the same token and by another; %d further tries", strings.Join(turns, ", "), len(deaths), counts.tried)
}

func inWords(list []string) string {
	if last := len(list) - 1; last > 0 {
		return strings.Join(list[:last], ", ") + " and " + list[last]
	}
	return strings.Join(list, "")
}

func (f *fireServer) killedBy(t *testing.T, way way, death death, same bool, first, stride int, counts *tally) *target {
	timeout := 20 * time.Second
	if death.fate == faultproxy.Vanish {
		timeout = 3 * time.Second // Lambda's shortest that is of use
	}
	p := f.placeFor(t, way, timeout)
	way.furnish(p)
	over := map[string]bool{} // the turns all of whose messages were tried
	for n, round := first, first; len(over) < len(way.turns); n, round = n+stride, round+1 {
		for _, turn := range way.turns {
			way.prepare(p, turn)
			if over[turn] || way.skips(f.size, turn, round) {
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
		way.reset(p)
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
	p := f.killedBy(t, alternating, death{"aborted", syscall.SIGABRT, faultproxy.Drop, false, 1, false}, true, 1, stride, counts)
	counts.mustHaveTried(t, alternating.turns...)
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
	case alternatingTurns[1]:
		p.execute("GRANT TRIGGER ON "+p.database+".* TO "+clone, "GRANT DELETE ON "+p.database+".`odd ``name` TO "+clone)
		p.narrowed(clone, "SELECT")
	case alternatingTurns[2]:
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
	target := p.way.next(before.Username())
	stands := p.way.watch(p, before)
	old, err := p.staged("AWSPREVIOUS") // the password that ends, promise 9
	ends := err == nil && old.Username() == target && !old.Password().Equal(before.Password())
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
		stands(report() + ", in " + step)
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
	for again := 0; err != nil && !same && tries <= death.tries; {
		now := p.current(report())
		if p.moved(before, now) {
			p.abandonFinished()
			break // it had moved the label, and only the answer was lost
		}
		if p.logsIn(now) != nil {
			if again++; again > mostTries {
				p.t.Fatalf("%s: %d tries after it were not enough: %v", report(), again, err)
			}
			err = p.tryAgain(true) // whoever gave it up now would take the only password away
			continue
		}
		p.abandon()
		err = p.rotate()
	}
	if tries > death.tries {
		p.t.Errorf("%s: %d tries were not enough:\n%s", report(), tries, strings.Join(errs, "\n"))
	}
	document := p.current(report())
	if !p.moved(before, document) {
		p.t.Errorf("%s: AWSCURRENT is %q's, want another of %q's", report(), document.Username(), target)
	}
	p.inOrder(report())
	p.gather()
	if previous, err := p.staged("AWSPREVIOUS"); err != nil || !p.way.onePassword && p.logsIn(previous) != nil {
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
