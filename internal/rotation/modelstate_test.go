package rotation_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tandem/internal/account"
	"tandem/internal/redact"
	"tandem/internal/rotation"
	"tandem/internal/verifier"
)

// modelState is everything that outlives an invocation: the secret's labels and
// values, the server's accounts, locks and sessions. It is a value: what happens
// in it happens in a copy, so that an exploration can go on from it in every
// direction.
//
// Labels move as the service moves them: UpdateSecretVersionStage needs the
// version that has AWSCURRENT now and does not care for AWSPENDING, PutSecretValue
// takes AWSPENDING from whichever version has it, and the service gives it to the
// next token when a rotation begins.
type modelState struct {
	*dialect
	current, previous, pending string            // the versions that carry the labels
	values                     map[string]string // documents by version
	accounts                   []worldAccount    // sorted by name
	locks                      []worldLock
	gone                       [maxActors]uint8 // lost sessions of each actor, a bit each
	begun                      int              // rotations that the service has begun
	made                       []string         // the versions, in the order in which they got their values
	late                       [2]string        // a move of AWSCURRENT, to and from, that is still to be carried out
	landed                     bool             // such a move has been, though another was refused for good
	refused                    bool             // a move was refused for good
	replaced                   string           // the password that the owner has replaced, by hand and in the secret
	// reported: all four steps of a rotation have reported success.
	reported bool
	byHand   byHand
}

// byHand is what somebody has done who has changed a single user's password by hand.
type byHand struct {
	// at was AWSCURRENT then; empty where nobody has.
	at string
	// broken: AWSCURRENT's password has ended with that.
	broken bool
	// replaced is what was stored of the passwords of AWSCURRENT and AWSPREVIOUS that have
	// ended with that.
	replaced string
}

const maxActors = 3

// worldAccount is an account as far as this pair needs one.
type worldAccount struct {
	name       account.Name
	verifier   string
	second     string // of another password, where the server keeps two
	locked     bool
	privileges []string // sorted, as "SELECT ON `db`.*"
}

// worldLock is a lock that a session holds. An orphan's client is gone, and the
// server has not noticed.
type worldLock struct {
	name           string
	actor, session int
	orphan         bool
}

func (u *modelState) clone() *modelState {
	c := *u
	c.values = maps.Clone(u.values)
	c.accounts = slices.Clone(u.accounts)
	c.locks = slices.Clone(u.locks)
	c.made = slices.Clone(u.made)
	return &c
}

// key tells apart what an invocation or a promise could tell apart.
func (u *modelState) key() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d|%v|%v|%v|%s\n", u.begun, u.gone, u.late, u.refused, u.replaced)
	if !u.keepsTwo() {
		fmt.Fprintln(&b, u.made)
	}
	b.WriteString(u.seen())
	for _, l := range u.locks {
		fmt.Fprintf(&b, "%s %d %d %v\n", l.name, l.actor, l.session, l.orphan)
	}
	return b.String()
}

// seen tells apart what a promise could tell apart.
func (u *modelState) seen() string {
	var b strings.Builder
	b.WriteString(u.current + "|" + u.previous + "|" + u.pending + "|" + strconv.FormatBool(u.reported) + "|" + u.replaced + "|" + strconv.Itoa(u.begun) + "|" + strconv.FormatBool(u.landed) + fmt.Sprint(u.byHand) + "\n")
	for _, id := range slices.Sorted(maps.Keys(u.values)) {
		b.WriteString(id + "=" + u.values[id] + "\n")
	}
	b.WriteString(accountsKey(u.accounts))
	return b.String()
}

func accountsKey(accounts []worldAccount) string {
	var b strings.Builder
	for _, a := range accounts {
		b.WriteString(a.name.User + "@" + a.name.Host + " " + a.verifier)
		if a.second != "" {
			b.WriteString(" and " + a.second)
		}
		if a.locked {
			b.WriteString(" locked")
		}
		for _, p := range a.privileges {
			b.WriteString(" " + p)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (u *modelState) account(name account.Name) *worldAccount {
	for i := range u.accounts {
		if u.accounts[i].name == name {
			return &u.accounts[i]
		}
	}
	return nil
}

// of lists a user's accounts.
func (u *modelState) of(user string) []worldAccount {
	var found []worldAccount
	for _, a := range u.accounts {
		if a.name.User == user {
			found = append(found, a)
		}
	}
	return found
}

// letsIn reports whether a password logs in through the account.
func (a worldAccount) letsIn(password string) bool {
	return !a.locked && (keptOf(a.verifier, password) || keptOf(a.second, password))
}

// keptOf reports whether that is what a server keeps of a password.
func keptOf(stored, password string) bool {
	return stored == nativeVerifier(password) || stored == verifierOf("ed25519", password)
}

func (a worldAccount) mayAll(privileges []string) bool {
	for _, p := range privileges {
		if !slices.Contains(a.privileges, p) {
			return false
		}
	}
	return true
}

// verifiers remembers what passwords are stored as.
var verifiers sync.Map

func nativeVerifier(password string) string { return verifierOf("mysql_native_password", password) }

func verifierOf(plugin, password string) string {
	key := [2]string{plugin, password}
	if v, ok := verifiers.Load(key); ok {
		return v.(string)
	}
	v, err := verifier.New(plugin, redact.New(password), nil)
	if err != nil {
		panic(err)
	}
	verifiers.Store(key, v.Reveal())
	return v.Reveal()
}

// storing has the server keep what it is of the passwords that it has in the beginning.
func (u *modelState) storing(d *dialect) {
	for i := range u.accounts {
		a := &u.accounts[i]
		verifiers.Range(func(key, stored any) bool {
			if known := key.([2]string); stored == a.verifier && known[0] == "mysql_native_password" {
				a.verifier = d.stores(known[1])
				return false
			}
			return true
		})
		if !d.keepsTwo() {
			a.second = ""
		}
	}
}

// created is when a version got its value.
func (u *modelState) created(id string) time.Time {
	return time.Unix(int64(slices.Index(u.made, id)+1)*60, 0)
}

func (u *modelState) labels() rotation.Labels {
	stages := map[string][]string{}
	for _, l := range []struct{ label, version string }{{rotation.Current, u.current}, {rotation.Pending, u.pending}, {rotation.Previous, u.previous}} {
		if l.version != "" {
			stages[l.version] = append(stages[l.version], l.label)
		}
	}
	return rotation.Labels{Stages: stages}
}

func (u *modelState) put(token, content string) error {
	if value, ok := u.values[token]; ok {
		if value != content {
			return rotation.ErrVersionExists
		}
		return nil // labels stay where they are
	}
	u.values[token] = content
	u.made = append(u.made, token)
	u.pending = token
	return nil
}

func (u *modelState) move(to, from string) error {
	switch _, exists := u.values[to]; {
	case u.current != from:
		return notMoved{fmt.Errorf("RemoveFromVersionId doesn't match: AWSCURRENT is attached to %s", u.current)}
	case !exists:
		return notMoved{errors.New("can't find the specified secret version")}
	}
	u.previous, u.current = from, to
	return nil
}

// notMoved is an answer that leaves no doubt.
type notMoved struct{ error }

func (notMoved) Is(target error) bool { return target == rotation.ErrNotMoved }

// editedVersion is the version that the owner's edit makes.
const editedVersion = "edited"

func (u *modelState) edited() bool { _, done := u.values[editedVersion]; return done }

// edit is PutSecretValue as a secret's owner calls it, who has changed the document
// under AWSCURRENT elsewhere than in the username and the password: AWSCURRENT
// moves to the new version.
func (u *modelState) edit() {
	u.values[editedVersion] = strings.Replace(u.values[u.current], `"dbname":"db"`, `"dbname":"corrected"`, 1)
	u.previous, u.current = u.current, editedVersion
	u.made = append(u.made, editedVersion)
}

// replace is what a secret's owner does whose password has leaked: they set another at the
// server, and store it.
func (u *modelState) replace() {
	user, old := credentials(u.values[u.current])
	const password = "password of the owner"
	u.values[editedVersion] = strings.Replace(u.values[u.current], `"`+old+`"`, `"`+password+`"`, 1)
	u.previous, u.current = u.current, editedVersion
	u.made, u.replaced = append(u.made, editedVersion), old
	for i := range u.accounts {
		if u.accounts[i].name.User == user {
			u.accounts[i].verifier, u.accounts[i].second = u.stores(password), ""
		}
	}
}

// passwordByHand is what somebody has changed the user's password to.
const passwordByHand = "by hand"

// changeByHand is ALTER USER ... IDENTIFIED BY, sent by somebody for all accounts of the user:
// MySQL keeps the second password.
func (u *modelState) changeByHand() {
	u.byHand.at = u.current
	for i := range u.accounts {
		if a := &u.accounts[i]; a.name.User == "app" {
			a.verifier = nativeVerifier(passwordByHand)
			if u.server.Flavor == account.MariaDB {
				a.second = ""
			}
		}
	}
	u.byHand.broken = !u.keeps(u.password(u.current))
	for _, version := range []string{u.current, u.previous} {
		if version != "" && !u.keeps(u.password(version)) {
			u.byHand.replaced += nativeVerifier(u.password(version))
		}
	}
}

// password is a version's.
func (u *modelState) password(version string) string {
	_, password := credentials(u.values[version])
	return password
}

// keeps reports whether the server keeps a password for some account of the single user.
func (u *modelState) keeps(password string) bool {
	stored := nativeVerifier(password)
	return slices.ContainsFunc(u.of("app"), func(a worldAccount) bool { return a.verifier == stored || a.second == stored })
}

func (u *modelState) drop(id string) error {
	if u.pending != id {
		return fmt.Errorf("RemoveFromVersionId doesn't match: AWSPENDING is attached to %s", u.pending)
	}
	u.pending = ""
	return nil
}

// lock answers what GET_LOCK does whose wait is over at once: to wait is not to
// be scheduled.
func (u *modelState) lock(actor, session int, name string) error {
	for _, l := range u.locks {
		if l.name == name && (l.actor != actor || l.session != session || l.orphan) {
			return rotation.ErrLockTaken
		}
	}
	u.locks = append(u.locks, worldLock{name: name, actor: actor, session: session})
	return nil
}

// endSession is what becomes of a session's locks: the server notices that the
// client is gone, or it keeps them.
func (u *modelState) endSession(actor, session int, keep bool) {
	u.gone[actor] |= 1 << session
	u.endLocks(func(l worldLock) bool { return l.actor == actor && l.session == session }, keep)
}

// endActor is the end of an invocation that closes nothing.
func (u *modelState) endActor(actor int, keep bool) {
	u.gone[actor] = 0
	u.endLocks(func(l worldLock) bool { return l.actor == actor }, keep)
}

func (u *modelState) endLocks(of func(worldLock) bool, keep bool) {
	if !keep {
		u.locks = slices.DeleteFunc(u.locks, func(l worldLock) bool { return of(l) && !l.orphan })
		return
	}
	for i := range u.locks {
		if of(u.locks[i]) {
			u.locks[i].orphan = true
		}
	}
}

// quiet is when all invocations have died and the server has noticed.
func (u *modelState) quiet() { u.locks, u.gone = nil, [maxActors]uint8{} }

// holds reports whether an actor's living session has a lock.
func (u *modelState) holds(actor int) bool {
	return slices.ContainsFunc(u.locks, func(l worldLock) bool { return l.actor == actor && !l.orphan })
}

func (u *modelState) orphans() bool {
	return slices.ContainsFunc(u.locks, func(l worldLock) bool { return l.orphan })
}

var errNoSuchAccount = errors.New("error 1396: operation failed")
