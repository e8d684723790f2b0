package rotation_test

import (
	"fmt"
	"os"
	"strconv"
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

func scenarios(actors ...string) []scenario {
	var all []scenario
	for _, start := range []struct {
		name  string
		start func() *universe
	}{{"first rotation", firstRotation}, {"clone's turn", clonesTurn}, {"original's turn", originalsTurn}} {
		all = append(all, scenario{fmt.Sprintf("%s, %v", start.name, actors), account.Merge, actors, start.start})
	}
	return all
}

// depth is how many faults a schedule may have; EXPLORE_FAULTS=2 goes deeper.
func depth(t *testing.T, byDefault int) int {
	if text := os.Getenv("EXPLORE_FAULTS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("EXPLORE_FAULTS=%s: a number of faults is wanted", text)
		}
		return n
	}
	return byDefault
}

// Every interleaving of two invocations, every death and every lost answer.
func TestEveryInterleaving(t *testing.T) {
	for _, actors := range [][]string{{"A", "A"}, {"A", "B"}, {"A", "A", "B"}} {
		for _, s := range scenarios(actors...) {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				faults := depth(t, 1)
				if len(actors) == 3 {
					faults--
				}
				x := newExploration(s, faults, nil)
				if v := x.run(); v != nil {
					t.Fatal(v)
				}
				t.Log(x)
			})
		}
	}
}
