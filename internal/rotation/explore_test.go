package rotation_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"tandem/internal/account"
	"tandem/internal/rotation"
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
func firstRotation() *modelState {
	return &modelState{
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
func clonesTurn() *modelState {
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
func originalsTurn() *modelState {
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

// equals are two users that may do the same, as they have to be where nothing is
// copied.
func equals(u *modelState) *modelState {
	for i := range u.accounts {
		u.accounts[i].privileges = slices.Clone(onDB)
	}
	return u
}

// beginnings are what there is when the first of the rotations begins.
var beginnings = []struct {
	name  string
	modes []account.Mode
	start func() *modelState
}{
	{"first rotation", []account.Mode{account.Merge, account.Mirror}, firstRotation},
	{"clone's turn", []account.Mode{account.Merge, account.Mirror}, clonesTurn},
	{"original's turn", []account.Mode{account.Merge, account.Mirror}, originalsTurn},
	{"clone's turn, equal users", []account.Mode{account.Off}, func() *modelState { return equals(clonesTurn()) }},
	{"original's turn, equal users", []account.Mode{account.Off}, func() *modelState { return equals(originalsTurn()) }},
	{"first rotation", []account.Mode{singleUser}, firstRotation},
	{laterOn, []account.Mode{singleUser}, laterRotation},
	{"after one that was given up", []account.Mode{singleUser}, afterGivenUp},
	{"first rotation", []account.Mode{changedByHand, repaired}, firstRotation},
	{"later rotation", []account.Mode{changedByHand, repaired}, laterRotation},
	{"refused for another reason", []account.Mode{changedByHand, repaired}, lockedUser},
	{"first rotation", []account.Mode{ownPassword}, func() *modelState { return withoutAdmin(firstRotation()) }},
	{laterOn, []account.Mode{ownPassword}, func() *modelState { return withoutAdmin(laterRotation()) }},
	{"after one that was given up", []account.Mode{ownPassword}, func() *modelState { return withoutAdmin(afterGivenUp()) }},
}

// laterOn is the one beginning where the server keeps one password: in it there is an
// AWSPREVIOUS, and a rotation that was given up leaves nothing.
const laterOn = "later rotation"

// What a scenario has in the place of a mode where one user is rotated: by an admin, or by
// itself.
const (
	singleUser  account.Mode = "single-user"
	ownPassword account.Mode = "single-user without an admin"
	// Of these somebody changes the password by hand, once, at any moment; and then a
	// rotation stops, or goes on from the admin's word.
	changedByHand account.Mode = "single-user changed by hand"
	repaired      account.Mode = "single-user repaired by the admin"
)

// settings are those of a scenario.
func (s scenario) settings() rotation.Settings {
	if s.single() {
		return rotation.Settings{Strategy: rotation.SingleUser, Repair: rotation.Repair{Everybody: s.mode == repaired}}
	}
	return rotation.Settings{Mode: s.mode}
}

// stranded reports whether the password under AWSCURRENT is refused.
func (s scenario) stranded(u *modelState) bool {
	user, password := credentials(u.values[u.current])
	return !s.keepsTwo() && !slices.ContainsFunc(u.of(user), func(a worldAccount) bool { return a.letsIn(password) })
}

// single reports whether one user is rotated.
func (s scenario) single() bool {
	return s.mode == singleUser || s.mode == ownPassword || s.mayChangeByHand()
}

// mayChangeByHand reports whether somebody may change the user's password by hand.
func (s scenario) mayChangeByHand() bool { return s.mode == changedByHand || s.mode == repaired }

// stuck reports whether somebody has changed the password by hand, or locked the account, and
// no rotation may set another password.
func (s scenario) stuck(u *modelState) bool {
	a := u.account(account.Name{User: "app", Host: "%"})
	return s.mayChangeByHand() && !a.letsIn(u.password(u.current)) && (s.mode == changedByHand || a.locked)
}

// lockedUser is a user whose login is refused, whatever its password is.
func lockedUser() *modelState {
	u := firstRotation()
	for i := range u.accounts {
		u.accounts[i].locked = u.accounts[i].name.User == "app"
	}
	return u
}

// laterRotation is one of a single user whose password before is still there, if the
// server keeps two.
func laterRotation() *modelState {
	u := firstRotation()
	u.current, u.previous = secondVersion, firstVersion
	u.values[secondVersion] = content("app", "second password")
	for i := range u.accounts {
		if u.accounts[i].name.User == "app" {
			u.accounts[i].verifier, u.accounts[i].second = nativeVerifier("second password"), nativeVerifier("first password")
		}
	}
	return u
}

// afterGivenUp is a rotation of a single user after one that was given up when its
// password had been set.
func afterGivenUp() *modelState {
	u := firstRotation()
	for i := range u.accounts {
		if u.accounts[i].name.User == "app" {
			u.accounts[i].verifier, u.accounts[i].second = nativeVerifier("password of one given up"), nativeVerifier("first password")
		}
	}
	return u
}

// withoutAdmin is a user that has one account, and whose secret names no admin.
func withoutAdmin(u *modelState) *modelState {
	for id, value := range u.values {
		u.values[id] = strings.Replace(value, `"masterarn":"`+adminID+`",`, "", 1)
	}
	u.accounts = slices.DeleteFunc(u.accounts, func(a worldAccount) bool { return a.name.Host == "10.%" })
	return u
}

// scenarios are all beginnings of a mode with these actors, as far as the server can be
// in such a state.
func scenarios(mode account.Mode, on *dialect, tries int, actors ...string) []scenario {
	var all []scenario
	for _, b := range beginnings {
		if slices.Contains(b.modes, mode) && (on.keepsTwo() || b.name == laterOn) {
			name := fmt.Sprintf("%s; %s; tries: %d; %s; %s", b.name, strings.Join(actors, " "), tries, mode, on)
			all = append(all, scenario{name: name, actors: actors, tries: tries, mode: mode, dialect: on, begins: b.start})
		}
	}
	return all
}

const inReverseName = "what is side by side, in reverse"

// inReverse is the scenario with the other order of what is done side by side.
func (s scenario) inReverse() scenario {
	s.name += "; " + inReverseName
	s.reversed = true
	return s
}

const withAnEdit = "the owner edits"

// edited is the scenario with an edit of the secret's owner, at any moment.
func (s scenario) edited() scenario {
	s.name += "; " + withAnEdit
	s.edits = true
	return s
}

const withAReplacement = "the owner replaces the password"

// replacing is the scenario with the owner's replacement of the password, at any moment.
func (s scenario) replacing() scenario {
	s.name += "; " + withAReplacement
	s.replaces = true
	return s
}

// scenarioOf finds a scenario by its name.
func scenarioOf(name string) (scenario, error) {
	parts := strings.Split(name, "; ")
	reversed, edits := slices.Contains(parts, inReverseName), slices.Contains(parts, withAnEdit)
	if len(parts) >= 5 {
		tries, err := strconv.Atoi(strings.TrimPrefix(parts[2], "tries: "))
		for _, on := range dialects {
			for _, s := range scenarios(account.Mode(parts[3]), on, tries, strings.Fields(parts[1])...) {
				if reversed {
					s = s.inReverse()
				}
				if edits {
					s = s.edited()
				}
				if slices.Contains(parts, withAReplacement) {
					s = s.replacing()
				}
				if err == nil && s.name == name && len(s.actors) <= maxActors {
					return s, nil
				}
			}
		}
	}
	return scenario{}, fmt.Errorf("no scenario %q", name)
}

// size is how much is explored of every beginning.
type size struct {
	mode          account.Mode
	on            *dialect
	actors        []string
	tries, faults int
	reversed      bool
	edits         bool
	replaces      bool
}

// sizes are those of every test run, and with EXPLORE=full those that take minutes.
// The two servers differ in what they print and are sent, the modes in what is
// copied; who does what when is explored furthest in the default mode.
func sizes() []size {
	twice, two := []string{"A", "A"}, []string{"A", "B"}
	var all []size
	for _, on := range []*dialect{mariaDB, mySQL} {
		for _, mode := range []account.Mode{account.Merge, account.Mirror, account.Off} {
			tries, faults := 1, 1
			if os.Getenv("EXPLORE") == "full" {
				tries, faults = 2, 3
			}
			if mode != account.Merge || on != mariaDB {
				all = append(all, size{mode, on, twice, tries, faults, false, false, false}, size{mode, on, two, tries, faults, false, false, false})
			}
		}
	}
	for _, on := range []*dialect{mariaDB, mySQL} {
		for _, mode := range []account.Mode{singleUser, ownPassword} {
			tries, faults := 1, 1
			if os.Getenv("EXPLORE") == "full" {
				tries, faults = 2, 2
			}
			all = append(all, size{mode, on, twice, tries, faults, false, false, false}, size{mode, on, two, tries, faults, true, false, false}, size{mode, on, two, 1, faults, false, true, false})
		}
	}
	for _, on := range []*dialect{mySQLBefore, ed25519} {
		for _, mode := range []account.Mode{singleUser, ownPassword} {
			one := []string{"A"}
			tries, edited := 1, one
			if os.Getenv("EXPLORE") == "full" {
				tries, edited = 2, two
			}
			all = append(all, size{mode: mode, on: on, actors: one, tries: 2, faults: 2}, size{mode: mode, on: on, actors: twice, tries: tries, faults: 1}, size{mode: mode, on: on, actors: two, tries: tries, faults: 1, reversed: true},
				size{mode: mode, on: on, actors: edited, tries: 2, faults: 1, edits: true}, size{mode: mode, on: on, actors: one, tries: 2, faults: 1, replaces: true})
		}
	}
	for _, on := range []*dialect{mariaDB, mySQL} {
		for _, mode := range []account.Mode{changedByHand, repaired} {
			all = append(all, size{mode, on, two, 1, 1, mode == repaired, false, false})
		}
	}
	if os.Getenv("EXPLORE") == "full" {
		all = append(all,
			size{account.Merge, mariaDB, []string{"A"}, 2, 3, false, true, false}, size{account.Merge, mariaDB, twice, 2, 2, true, true, false}, size{account.Merge, mariaDB, two, 2, 2, false, true, false},
			size{account.Merge, mySQL, two, 1, 2, false, true, false}, size{account.Mirror, mariaDB, two, 1, 2, true, true, false}, size{account.Off, mariaDB, two, 1, 2, false, true, false})
		return append(all,
			size{account.Merge, mariaDB, twice, 2, 4, false, false, false}, size{account.Merge, mariaDB, two, 2, 4, false, false, false},
			size{account.Merge, mariaDB, twice, 2, 3, true, false, false}, size{account.Merge, mariaDB, two, 2, 3, true, false, false},
			size{account.Merge, mariaDB, []string{"A", "A", "B"}, 1, 2, false, false, false}, size{account.Merge, mariaDB, []string{"A", "B", "B"}, 1, 2, true, false, false},
			size{account.Merge, mariaDB, []string{"A", "B", "C"}, 1, 2, false, false, false})
	}
	all = append(all,
		size{account.Merge, mariaDB, []string{"A"}, 2, 1, false, true, false}, size{account.Merge, mariaDB, twice, 1, 0, true, true, false}, size{account.Merge, mariaDB, two, 1, 1, false, true, false},
		size{account.Off, mySQL, []string{"A"}, 2, 1, true, true, false})
	return append(all, size{account.Merge, mariaDB, twice, 2, 2, false, false, false}, size{account.Merge, mariaDB, two, 2, 2, false, false, false}, size{account.Merge, mariaDB, []string{"A", "A", "B"}, 1, 0, false, false, false},
		size{account.Merge, mariaDB, twice, 1, 1, true, false, false}, size{account.Merge, mariaDB, two, 1, 1, true, false, false})
}

// Every interleaving of invocations of one token, of a token and those that come
// after it, given up or finished; every death and every lost answer. The clock is
// the bubble's: whoever waits has waited as soon as everybody else stands still.
func TestEveryInterleaving(t *testing.T) {
	var states, schedules atomic.Int64
	t.Run("scenarios", func(t *testing.T) {
		for _, size := range sizes() {
			for _, s := range scenarios(size.mode, size.on, size.tries, size.actors...) {
				if size.reversed {
					s = s.inReverse()
				}
				if size.edits {
					s = s.edited()
				}
				if size.replaces {
					s = s.replacing()
				}
				t.Run(s.name, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						x := newExploration(s, size.faults, nil)
						if v := x.run(); v != nil {
							t.Fatal(v)
						}
						t.Log(x)
						followAgain(t, x)
						states.Add(int64(len(x.states)))
						schedules.Add(1)
					})
				})
			}
		}
	})
	t.Logf("%d states in %d scenarios", states.Load(), schedules.Load())
}

// Where the promises end: Secrets Manager moves a label whether or not the lock is
// still held, and finishSecret cannot notice that it is not while the call is on its
// way. For harm the server has to end that session in this moment (killed, or
// restarted), and in the same moment the token has to be given up and the next one's
// setSecret has to get as far as the password. A frozen invocation is no such case:
// its session outlives its deadline, after which it does not send the call.
func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scenarios(account.Merge, mariaDB, 1, "A", "B")[0]
		x := newExploration(s, 1, nil)
		x.beyond = true
		found := x.run()
		if found == nil || !strings.Contains(found.schedule, "1 A finishSecret: move AWSCURRENT from first to A: "+killed) {
			t.Fatalf("found %v, want a session that is killed while AWSCURRENT is being moved", found)
		}
		t.Log(found)
	})
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
