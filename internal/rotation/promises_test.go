package rotation_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"tandem/internal/account"
)

// promises are those of README.md that can be seen in memory, as they must hold in
// every state. They are told in terms of what an application or a DBA would see.

// current is promise 1: what is under AWSCURRENT logs in wherever the original
// had an account in the beginning, and may there do what the original could.
func (x *exploration) current(u *modelState) error {
	user, password := credentials(u.values[u.current])
	for _, first := range x.start.of("app") {
		name := first.name
		name.User = user
		a := u.account(name)
		if a != nil && !a.letsIn(password) && x.inGap(u, *a) {
			continue
		}
		switch {
		case a == nil:
			return fmt.Errorf("promise 1: AWSCURRENT is on %s, and there is no account %s", u.current, name)
		case a.locked:
			return fmt.Errorf("promise 1: AWSCURRENT is on %s, and %s is locked", u.current, name)
		case !a.letsIn(password):
			return fmt.Errorf("promise 1: AWSCURRENT is on %s, and its password does not log in as %s", u.current, name)
		case !a.mayAll(first.privileges):
			return fmt.Errorf("promise 1: AWSCURRENT is on %s, and %s may no longer do all that the original could", u.current, name)
		}
	}
	return nil
}

// inGap reports whether an account is between the change of its only password and the
// label's move: that of the rotation in progress, or of one that an operator has taken
// AWSPENDING off. Where a move was carried out late, after the password had been taken
// back, the one under AWSPREVIOUS logs in until finishSecret runs again.
func (x *exploration) inGap(u *modelState, a worldAccount) bool {
	if x.scenario.keepsTwo() {
		return false
	}
	if u.landed {
		if user, password := credentials(u.values[u.previous]); user == a.name.User && a.letsIn(password) {
			return true
		}
	}
	if u.begun > 1 {
		return x.pendingLogsIn(u, a)
	}
	if u.pending == "" {
		return false
	}
	user, password := credentials(u.values[u.pending])
	return user == a.name.User && a.letsIn(password)
}

// currentUnlessByHand is promise 1 but for what somebody has changed by hand, or locked:
// from the next rotation's end on it holds again.
func (x *exploration) currentUnlessByHand(u *modelState) error {
	if u.of("app")[0].locked || u.byHand.broken && u.byHand.at == u.current {
		return nil
	}
	return x.current(u)
}

// replacedEnded is promise 9 for a password that the owner has replaced, or that somebody
// has replaced by hand: no rotation sets it again.
func (x *exploration) replacedEnded(u *modelState) error {
	for _, a := range u.of("app") {
		if u.replaced != "" && a.letsIn(u.replaced) {
			return fmt.Errorf("promise 9: the owner has replaced the password, and the one before logs in as %s", a.name)
		}
		for _, stored := range []string{a.verifier, a.second} {
			if stored != "" && strings.Contains(u.byHand.replaced, stored) {
				return fmt.Errorf("promise 9: %s has a password again that somebody has replaced by hand", a.name)
			}
		}
	}
	return nil
}

// previous is the promise of a single user on a server that keeps two passwords: the one
// under AWSPREVIOUS logs in until the next rotation sets its own.
func (x *exploration) previous(u *modelState) error {
	if u.previous == "" || !x.scenario.keepsTwo() || u.replaced != "" {
		return nil
	}
	_, current := credentials(u.values[u.current])
	_, previous := credentials(u.values[u.previous])
	for _, a := range u.of("app") {
		if a.verifier == nativeVerifier(current) && !a.letsIn(previous) {
			return fmt.Errorf("AWSPREVIOUS is on %s, no rotation has set a password since, and its password does not log in as %s", u.previous, a.name)
		}
	}
	return nil
}

// oldEnded is promise 9 for a single user: once a rotation has reported success, no password
// is left that is of none of the secret's versions.
func (x *exploration) oldEnded(u *modelState) error {
	if !u.reported {
		return nil
	}
	for _, a := range u.of("app") {
		for _, stored := range []string{a.verifier, a.second} {
			known := stored == "" || stored == nativeVerifier(passwordByHand) && u.byHand.at == u.current
			for _, value := range u.values {
				_, password := credentials(value)
				known = known || keptOf(stored, password)
			}
			if !known {
				return fmt.Errorf("promise 9: success was reported, and %s has a password that is of no version", a.name)
			}
		}
	}
	return nil
}

// copies is promise 2: once a rotation has reported success, original and clone
// are equal; in mirror, once one to the clone has.
func (x *exploration) copies(u *modelState) error {
	user, _ := credentials(u.values[u.current])
	if !u.reported || x.scenario.mode == account.Off || x.scenario.mode == account.Mirror && user == "app" {
		return nil
	}
	original, clone := u.of("app"), u.of("app_clone")
	if len(original) != len(clone) {
		return fmt.Errorf("promise 2: success was reported, and the original has %d accounts, its clone %d", len(original), len(clone))
	}
	for i := range original {
		if original[i].name.Host != clone[i].name.Host || original[i].locked != clone[i].locked || !slices.Equal(original[i].privileges, clone[i].privileges) {
			return fmt.Errorf("promise 2: success was reported, and %s and %s are not equal", original[i].name, clone[i].name)
		}
	}
	return nil
}

// halfMade is the rule that setSecret's order exists for: no account that a
// rotation has made, and none that has the password of a version, lets anybody in
// before it may do what its counterpart may. In mirror that goes for the clone
// alone: the original is left as it is.
func (x *exploration) halfMade(u *modelState) error {
	for _, user := range []string{"app_clone", "app"} {
		if user == "app" && x.scenario.mode == account.Mirror {
			break
		}
		for _, a := range u.of(user) {
			if a.locked || x.start.account(a.name) != nil && !x.pendingLogsIn(u, a) {
				continue
			}
			counterpart := a.name
			counterpart.User = map[string]string{"app": "app_clone", "app_clone": "app"}[user]
			if other := u.account(counterpart); other != nil && !a.mayAll(other.privileges) {
				return fmt.Errorf("half made: %s is open, and may not do what %s may", a.name, counterpart)
			}
		}
	}
	return nil
}

// neverMore is promise 8: an account that is open may do nothing that neither it nor its
// counterpart could in the beginning.
func (x *exploration) neverMore(u *modelState) error {
	for _, user := range []string{"app_clone", "app"} {
		for _, a := range u.of(user) {
			if a.locked {
				continue
			}
			var allowed []string
			for _, name := range []account.Name{{User: "app", Host: a.name.Host}, {User: "app_clone", Host: a.name.Host}} {
				if first := x.start.account(name); first != nil {
					allowed = append(allowed, first.privileges...)
				}
			}
			for _, privilege := range a.privileges {
				if !slices.Contains(allowed, privilege) {
					return fmt.Errorf("promise 8: %s is open, and has %s, which neither user had", a.name, privilege)
				}
			}
		}
	}
	return nil
}

// pendingLogsIn reports whether a version that a rotation has made has the
// account's password.
func (x *exploration) pendingLogsIn(u *modelState, a worldAccount) bool {
	for id, content := range u.values {
		if user, password := credentials(content); id != firstVersion && id != secondVersion && id != editedVersion && user == a.name.User && a.letsIn(password) {
			return true
		}
	}
	return false
}

// bystanders is a part of promise 3: nobody else's account has changed.
func (x *exploration) bystanders(u *modelState) error {
	others := func(u *modelState) []worldAccount {
		return slices.DeleteFunc(slices.Clone(u.accounts), func(a worldAccount) bool { return a.name.User == "app" || a.name.User == "app_clone" })
	}
	if accountsKey(others(u)) != accountsKey(others(x.start)) {
		return fmt.Errorf("promise 3: somebody else's account has changed")
	}
	return nil
}

// survives is promise 7: what is under AWSCURRENT is what the secret's owner has
// written last, but for the username and the password.
func (x *exploration) survives(u *modelState) error {
	written := x.start.values[x.start.current]
	if u.edited() {
		written = u.values[editedVersion]
	}
	if others := besideCredentials(u.values[u.current]); others != besideCredentials(written) {
		return fmt.Errorf("promise 7: AWSCURRENT is on %s, whose document is not what the owner wrote: %s", u.current, others)
	}
	return nil
}

// besideCredentials is a document without the values of its username and password.
// It is taken apart as JSON, and not by the package that writes such documents.
func besideCredentials(content string) string {
	if known, ok := stripped.Load(content); ok {
		return known.(string)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(content), &members); err != nil {
		panic(err)
	}
	rest := content
	for _, key := range []string{"username", "password"} {
		rest = strings.Replace(rest, `"`+key+`":`+string(members[key]), `"`+key+`":`, 1)
	}
	stripped.Store(content, rest)
	return rest
}

var stripped sync.Map // of documents

// inState checks what a state shows.
func (x *exploration) inState(u *modelState) error {
	seen := u.seen()
	if x.kept[seen] {
		return nil
	}
	checks := []func(*modelState) error{x.current, x.copies, x.halfMade, x.neverMore, x.bystanders, x.survives}
	if x.scenario.single() {
		checks = []func(*modelState) error{x.replacedEnded, x.current, x.previous, x.oldEnded, x.neverMore, x.bystanders, x.survives}
	}
	if x.scenario.mayChangeByHand() {
		checks = []func(*modelState) error{x.currentUnlessByHand, x.replacedEnded, x.oldEnded, x.neverMore, x.bystanders, x.survives}
	}
	for _, check := range checks {
		if err := check(u); err != nil {
			return err
		}
	}
	x.kept[seen] = true
	return nil
}

// inChange checks what only the change itself shows: promise 3, a statement
// concerns the pending user alone, and never the one under AWSCURRENT; and promise
// 6, the invocation that sends it has logged in with the current credentials and as
// the admin before.
func (x *exploration) inChange(u *modelState, at *history, r request) error {
	if len(r.changes) == 0 {
		return nil
	}
	currentUser, _ := credentials(u.values[u.current])
	pendingUser, _ := credentials(u.values[at.token])
	for _, user := range r.changes {
		switch {
		case x.scenario.single() && user == currentUser:
		case user == currentUser:
			return fmt.Errorf("promise 3: %s, and %q is the user under AWSCURRENT", r.text, user)
		case user == pendingUser:
		default:
			return fmt.Errorf("promise 3: %s, and %q is not the user whose turn it is", r.text, user)
		}
	}
	if x.scenario.mode == repaired && !at.loggedIn(currentUser) {
		return x.inRepair(u, at, r)
	}
	proven := []string{currentUser, "admin"}
	if x.scenario.mode == ownPassword {
		proven = proven[:1]
	}
	for _, user := range proven {
		if !at.loggedIn(user) {
			return fmt.Errorf("promise 6: %s, and the invocation has not logged in as %q", r.text, user)
		}
	}
	return nil
}

// inRepair is promise 6 where nobody has logged in with the current credentials: the admin
// has, and the server keeps no password that is theirs.
func (x *exploration) inRepair(u *modelState, at *history, r request) error {
	switch {
	case !at.loggedIn("admin"):
		return fmt.Errorf("promise 6: %s, and nobody has logged in as the admin", r.text)
	case u.keeps(u.password(u.current)):
		return fmt.Errorf("promise 6: %s, and the invocation has not logged in with the current credentials, whose password the server keeps", r.text)
	case u.of("app")[0].locked:
		return fmt.Errorf("promise 6: %s, and it may be for another reason than its password that the login was refused", r.text)
	}
	return nil
}
