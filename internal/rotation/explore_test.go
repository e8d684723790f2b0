package rotation_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"tandem/internal/account"
)

// The versions that exist before anything is explored.
const (
	firstVersion  = "first"
	secondVersion = "second"
)

var (
	onDB    = []string{"INSERT ON `db`.*", "SELECT ON `db`.*"}
	onOther = []string{"EXECUTE ON `other`.*"}
)

func owned(user, host, password string, privileges ...[]string) worldAccount {
	a := worldAccount{name: account.Name{User: user, Host: host}, verifier: nativeVerifier(password)}
	for _, p := range privileges {
		a.privileges = append(a.privileges, p...)
	}
	return a
}

func content(user, password string) string {
	return document(user, password, map[string]any{"dbname": "db"})
}

// firstRotation is before the clone exists.
func firstRotation() *universe {
	return &universe{
		current: firstVersion,
		values:  map[string]string{firstVersion: content("app", "first password")},
		accounts: []worldAccount{
			owned("app", "%", "first password", onOther, onDB),
			owned("app", "10.%", "first password", onDB),
			owned("bystander", "%", "a password", onDB),
		},
	}
}

// clonesTurn is a later rotation to the clone, which differs from its original.
func clonesTurn() *universe {
	u := firstRotation()
	u.current, u.previous = secondVersion, firstVersion
	u.values[firstVersion] = content("app_clone", "first password")
	u.values[secondVersion] = content("app", "second password")
	u.accounts = []worldAccount{
		owned("app", "%", "second password", onOther, onDB),
		owned("app_clone", "%", "first password", []string{"DELETE ON `db`.*"}, onOther),
		owned("app_clone", "10.%", "first password", onDB),
		owned("bystander", "%", "a password", onDB),
	}
	return u
}

// originalsTurn is a rotation to the original, whose clone was granted something.
func originalsTurn() *universe {
	u := firstRotation()
	u.current, u.previous = secondVersion, firstVersion
	u.values[secondVersion] = content("app_clone", "second password")
	u.accounts = []worldAccount{
		owned("app", "%", "first password", onDB),
		owned("app_clone", "%", "second password", onOther, onDB),
		owned("bystander", "%", "a password", onDB),
	}
	return u
}

// beginnings are what there is when the first of the rotations begins.
var beginnings = []struct {
	name  string
	start func() *universe
}{{"first rotation", firstRotation}, {"clone's turn", clonesTurn}, {"original's turn", originalsTurn}}

// scenarios are all beginnings with these actors.
func scenarios(tries int, actors ...string) []scenario {
	var all []scenario
	for _, b := range beginnings {
		all = append(all, scenario{fmt.Sprintf("%s; %s; tries: %d", b.name, strings.Join(actors, " "), tries), actors, tries, b.start})
	}
	return all
}

// scenarioOf finds a scenario by its name.
func scenarioOf(name string) (scenario, error) {
	parts := strings.Split(name, "; ")
	if len(parts) == 3 {
		tries, err := strconv.Atoi(strings.TrimPrefix(parts[2], "tries: "))
		for _, s := range scenarios(tries, strings.Fields(parts[1])...) {
			if err == nil && s.name == name && len(s.actors) <= maxActors {
				return s, nil
			}
		}
	}
	return scenario{}, fmt.Errorf("no scenario %q", name)
}

// size is how much is explored.
type size struct {
	actors        []string
	tries, faults int
}

// sizes are those of every test run, and with EXPLORE=full those that take minutes.
func sizes() []size {
	if os.Getenv("EXPLORE") == "full" {
		return []size{
			{[]string{"A", "A"}, 2, 4}, {[]string{"A", "B"}, 2, 4},
			{[]string{"A", "A", "B"}, 1, 2}, {[]string{"A", "B", "B"}, 1, 2}, {[]string{"A", "B", "C"}, 1, 2},
		}
	}
	return []size{{[]string{"A", "A"}, 2, 2}, {[]string{"A", "B"}, 2, 2}, {[]string{"A", "A", "B"}, 1, 0}}
}

// Every interleaving of invocations of one token, of a token and those that come
// after it, given up or finished; every death and every lost answer.
func TestEveryInterleaving(t *testing.T) {
	for _, size := range sizes() {
		for _, s := range scenarios(size.tries, size.actors...) {
			t.Run(s.name, func(t *testing.T) {
				x := newExploration(s, size.faults, nil)
				if v := x.run(); v != nil {
					t.Fatal(v)
				}
				t.Log(x)
				followAgain(t, x)
			})
		}
	}
}

// Where the promises end: Secrets Manager moves a label whether or not the lock is
// still held, and finishSecret cannot notice that it is not while the call is on its
// way. For harm the server has to end that session in this moment (killed, or
// restarted), and in the same moment the token has to be given up and the next one's
// setSecret has to get as far as the password. A frozen invocation is no such case:
// its session outlives its deadline, after which it does not send the call.
func TestLimit(t *testing.T) {
	s := scenarios(1, "A", "B")[0]
	x := newExploration(s, 1, nil)
	x.beyond = true
	found := x.run()
	if found == nil || !strings.Contains(found.schedule, "1 A finishSecret: move AWSCURRENT from first to A: "+killed) {
		t.Fatalf("found %v, want a session that is killed while AWSCURRENT is being moved", found)
	}
	t.Log(found)
}

// followAgain executes some of the schedules from beginning to end: they have to
// lead to where the exploration says.
func followAgain(t *testing.T, x *exploration) {
	const some = 20
	for i := range some {
		to := int32(1 + i*(len(x.states)-2)/(some-1))
		end, broken, misfit := replay(x.way(to), nil)
		if broken != nil || misfit != nil {
			t.Fatalf("followed again: broken %v, misfit %v:\n%s", broken, misfit, x.way(to))
		}
		if got, want := end.key(), x.worlds[x.states[to].world].key(); got != want {
			t.Fatalf("followed again, it leads to\n%s\nand not to\n%s\n%s", got, want, x.way(to))
		}
	}
}
