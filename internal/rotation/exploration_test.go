package rotation_test

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"tandem/internal/account"
	"tandem/internal/rotation"
)

// An exploration visits every state that the steps' own code can reach in a
// scenario. The code runs on goroutines that stand still at every effect. What an
// invocation does next follows from the answers that it has had, and nothing else:
// so a state is the universe and, for each invocation, its answers so far, and an
// invocation is executed once for each sequence of answers instead of once for
// each schedule. Two schedules that lead to the same state are followed once.
//
// What is found is told as a schedule, and a schedule is executed, from beginning
// to end, by replay, which shares none of this.
type exploration struct {
	scenario scenario
	start    *modelState
	faults   int // at most so many in one schedule
	wrap     wrapping
	// beyond lets a session be killed where no code can notice: see TestLimit.
	beyond bool

	roots map[string]*history // by token and step
	all   []*history
	// worlds are the universes, each once.
	worlds   []*modelState
	worldIDs map[string]int32
	first    []arrival       // by which each was reached first
	kept     map[string]bool // where all promises are, by what is seen of a universe

	// effects are what has been seen to happen: an effect in a universe is
	// performed once, whatever the other actors stand at meanwhile.
	effects map[effectKey]effect

	states  []state
	visited map[stateKey]int32

	transitions, executions, recoveries int
	recovered                           map[string]bool
	refusals                            map[string]int // what a second try of the four steps said, by its text
}

// history is an invocation's answers so far.
type history struct {
	id       int32
	token    string
	step     int
	parent   *history
	asked    request // what the last answer was to
	last     answer
	children map[string]*history

	known bool
	next  request
	ended bool
	err   error
	live  *invocation // standing at next, until somebody goes on from it
}

func (h *history) loggedIn(user string) bool {
	for ; h.parent != nil; h = h.parent {
		if h.asked.user == user && h.last.err == nil {
			return true
		}
	}
	return false
}

// Where an actor stands that is in no step.
const (
	waiting  int32 = -1 // its rotation has not begun
	finished int32 = -2
	stopped  int32 = -3 // its step has failed, or it has died
)

type stateKey struct {
	world  int32
	actors [maxActors]int32 // a history's id, or one of the constants
	tries  [maxActors]int8  // that the service still makes
	faults int8             // that are still to come
}

type effectKey struct {
	world, history int32 // the history: noHistory for what no actor does
	actor          int8
	kind           string
}

const noHistory int32 = -1

// arrival is a choice in a state.
type arrival struct {
	from   int32
	choice choice
}

// effect is what follows: a universe, and where the actor then stands.
type effect struct{ world, actor int32 }

type state struct {
	stateKey
	parent int32
	choice choice
	to     []int32 // the states that follow, for counting the schedules
}

// choice is what happens next.
type choice struct {
	actor int // -1 for what no actor does
	kind  string
	text  string // the effect's
}

// What can happen to an effect, to an invocation and between invocations.
const (
	happens        = ""
	lost           = "the answer is lost"
	lostKept       = "the answer is lost, and the server keeps the session"
	unheard        = "it is not heard"
	unheardKept    = "it is not heard, and the server keeps the session"
	dies           = "dies"
	diesKept       = "dies, and the server keeps the session"
	killed         = "has its session killed by the server"
	unseen         = "does not see it yet"
	serviceNext    = "the service gives AWSPENDING to the next token"
	serviceTakes   = "the service takes AWSPENDING off"
	serverFrees    = "the server ends the sessions of clients that are gone"
	refusedMove    = "it is refused for good"
	movesLate      = "the answer is lost, and it is carried out later"
	lands          = "the late move of AWSCURRENT is carried out"
	ownerReplaces  = "the secret's owner replaces the password"
	ownerEdits     = "the secret's owner edits the document"
	somebodyByHand = "somebody changes the password by hand"
	again          = "everybody else dies, and the four steps are run alone, of " // a token
)

// scenario is what is there in the beginning, and whose steps run.
type scenario struct {
	name   string
	actors []string // each performs the four steps of this token
	tries  int      // how often each does, where a step fails or dies
	mode   account.Mode
	*dialect
	begins func() *modelState
	// reversed: of what is done side by side, the last comes first.
	reversed bool
	// edits: once, at any moment, the secret's owner edits the document under AWSCURRENT.
	edits bool
	// replaces: once, at any moment, the owner sets another password, and stores it.
	replaces bool
}

func (s scenario) start() *modelState {
	u := s.begins()
	u.dialect = s.dialect
	for _, id := range []string{firstVersion, secondVersion} {
		if _, there := u.values[id]; there {
			u.made = append(u.made, id)
		}
	}
	if !s.keepsTwo() {
		u.storing(s.dialect)
	}
	return u
}

// tokens are those of the actors, in the order in which the service begins them.
func (s scenario) tokens() []string { return slices.Compact(slices.Clone(s.actors)) }

var stepOrder = []rotation.Step{rotation.CreateSecret, rotation.SetSecret, rotation.TestSecret, rotation.FinishSecret}

func newExploration(s scenario, faults int, wrap wrapping) *exploration {
	return &exploration{
		scenario: s, start: s.start(), faults: faults, wrap: wrap,
		roots: map[string]*history{}, worldIDs: map[string]int32{}, kept: map[string]bool{}, effects: map[effectKey]effect{}, visited: map[stateKey]int32{},
		recovered: map[string]bool{}, refusals: map[string]int{},
	}
}

// violation is a broken promise and the schedule that leads to it.
type violation struct {
	promise  error
	schedule string
}

func (v *violation) Error() string { return v.promise.Error() + "\n" + v.schedule }

func (x *exploration) root(token string, step int) *history {
	key := token + " " + string(stepOrder[step])
	h := x.roots[key]
	if h == nil {
		h = &history{token: token, step: step}
		x.add(h)
		x.roots[key] = h
	}
	return h
}

func (x *exploration) add(h *history) {
	h.id = int32(len(x.all))
	x.all = append(x.all, h)
}

// after is the history that goes on with an answer.
func (x *exploration) after(h *history, a answer) *history {
	child := h.children[a.text]
	if child == nil {
		child = &history{token: h.token, step: h.step, parent: h, asked: h.next, last: a}
		x.add(child)
		if h.children == nil {
			h.children = map[string]*history{}
		}
		h.children[a.text] = child
	}
	return child
}

// learn executes the step, up to what comes after the history's answers.
func (x *exploration) learn(h *history) *history {
	if h.known {
		return h
	}
	var v *invocation
	if h.parent != nil {
		v, h.parent.live = h.parent.live, nil
	}
	if v != nil && !v.stood.Equal(time.Now()) {
		// Somebody else has waited meanwhile, and the time that has passed would be this
		// one's too.
		v.kill()
		v = nil
	}
	if v != nil {
		v.answers <- h.last
	} else {
		x.executions++
		v = invoke(x.scenario, h.token, stepOrder[h.step], x.wrap)
		var answered []*history
		for at := h; at.parent != nil; at = at.parent {
			answered = append(answered, at)
		}
		for _, at := range slices.Backward(answered) {
			r, ended, err := v.next()
			if ended || r.text != at.asked.text {
				panic(fmt.Sprintf("the code is not deterministic: after the same answers it once asked %q and now %q (ended %v: %v)", at.asked.text, r.text, ended, err))
			}
			v.answers <- at.last
		}
	}
	h.next, h.ended, h.err = v.next()
	h.known = true
	if !h.ended {
		h.live = v
	}
	return h
}

// close ends the invocations that still stand somewhere.
func (x *exploration) close() {
	for _, h := range x.all {
		if h.live != nil {
			h.live.kill()
		}
	}
}

// memory is the number of a universe, which is checked where it is new.
func (x *exploration) world(u *modelState, from int32, c choice) (int32, *violation) {
	key := u.key()
	if id, ok := x.worldIDs[key]; ok {
		return id, nil
	}
	id := int32(len(x.worlds))
	x.worlds = append(x.worlds, u)
	x.worldIDs[key] = id
	x.first = append(x.first, arrival{from, c})
	if err := x.inState(u); err != nil {
		return id, x.violated(err, from, c)
	}
	return id, nil
}

// run explores, shortest schedules first, and returns the first violation.
func (x *exploration) run() *violation {
	defer x.close()
	start := x.scenario.start()
	start.pending, start.begun = x.scenario.tokens()[0], 1
	key := stateKey{faults: int8(x.faults)}
	for i := range key.actors {
		key.actors[i] = finished
		if i < len(x.scenario.actors) {
			key.actors[i] = waiting
			key.tries[i] = int8(x.scenario.tries - 1)
		}
	}
	x.begin(start.pending, &key)
	x.states = append(x.states, state{stateKey: key, parent: -1})
	x.visited[key] = 0
	if _, err := x.world(start, -1, choice{}); err != nil {
		return err
	}
	for at := 0; at < len(x.states); at++ {
		if err := x.expand(int32(at)); err != nil {
			return err
		}
	}
	for id, first := range x.first {
		if token, err := x.recover(x.worlds[id]); err != nil {
			v := x.violated(err, first.from, first.choice)
			v.schedule += again + token + "\n"
			return v
		}
	}
	return nil
}

// begin lets the actors of a token go.
func (x *exploration) begin(token string, key *stateKey) {
	for i, t := range x.scenario.actors {
		if t == token {
			key.actors[i] = x.learn(x.root(token, 0)).id
		}
	}
}

// expand goes one choice further from a state, in every direction.
func (x *exploration) expand(at int32) *violation {
	key := x.states[at].stateKey
	u := x.worlds[key.world]
	only := -1
	for i, h := range key.actors {
		if h >= 0 && x.all[h].alone(u, i) {
			only = i
			break
		}
	}
	for i, h := range key.actors {
		if h < 0 || only >= 0 && i != only {
			continue
		}
		h := x.all[h]
		kinds := []string{happens}
		if key.faults > 0 {
			kinds = append(kinds, h.faults(u, i, x.beyond)...)
		}
		for _, kind := range kinds {
			if err := x.act(at, i, h, kind); err != nil {
				return err
			}
		}
	}
	if only >= 0 {
		return nil
	}
	for _, kind := range []string{serviceNext, serviceTakes, serverFrees, ownerEdits, ownerReplaces, lands, somebodyByHand} {
		if err := x.around(at, kind); err != nil {
			return err
		}
	}
	return nil
}

// around is what happens around the actors.
func (x *exploration) around(at int32, kind string) *violation {
	key := x.states[at].stateKey
	u := x.worlds[key.world]
	switch kind {
	case serviceNext:
		if u.begun == len(x.scenario.tokens()) {
			return nil
		}
	case serviceTakes:
		if !u.reported || u.pending != u.current {
			return nil
		}
	case serverFrees:
		if !u.orphans() {
			return nil
		}
	case ownerEdits:
		if !x.scenario.edits || u.edited() {
			return nil
		}
	case ownerReplaces:
		// Who replaces a password that is refused at the moment has other things to do.
		if !x.scenario.replaces || u.edited() || x.scenario.stranded(u) {
			return nil
		}
	case lands:
		if u.late == ([2]string{}) {
			return nil
		}
	}
	if kind == somebodyByHand && !x.byHandNow(u, key) {
		return nil
	}
	c := choice{-1, kind, ""}
	id := effectKey{key.world, noHistory, -1, kind}
	known, ok := x.effects[id]
	if !ok {
		after := u.clone()
		switch kind {
		case serviceNext:
			after.pending = x.scenario.tokens()[u.begun]
			after.begun++
		case serviceTakes:
			after.pending = ""
		case serverFrees:
			after.locks = slices.DeleteFunc(after.locks, func(l worldLock) bool { return l.orphan })
		default:
			after.happen(kind)
		}
		world, err := x.world(after, at, c)
		if err != nil {
			return err
		}
		known = effect{world: world}
		x.effects[id] = known
	}
	key.world = known.world
	if kind == serviceNext {
		x.begin(x.worlds[known.world].pending, &key)
	}
	x.arrive(at, c, key)
	return nil
}

// byHandNow reports whether somebody may change the password by hand now. They do not
// between two statements of one that holds the lock, nor between the last step's login and
// the label's move, which nobody but they could prevent.
func (x *exploration) byHandNow(u *modelState, key stateKey) bool {
	finishing := slices.ContainsFunc(key.actors[:], func(h int32) bool { return h >= 0 && stepOrder[x.all[h].step] == rotation.FinishSecret })
	return x.scenario.mayChangeByHand() && u.byHand.at == "" && len(u.locks) == 0 && !finishing
}

func (h *history) alone(u *modelState, actor int) bool {
	if h.next.closes {
		return !slices.ContainsFunc(u.locks, func(l worldLock) bool { return l.actor == actor && l.session == h.next.session && !l.orphan })
	}
	return h.next.alone
}

// faults are what can befall the history's next effect.
func (h *history) faults(u *modelState, actor int, beyond bool) []string {
	kinds := []string{dies}
	holds := u.holds(actor)
	if holds {
		kinds = append(kinds, diesKept)
	}
	r := h.next
	inSession := r.session != noSession
	if r.closes || inSession && u.gone[actor]&(1<<r.session) != 0 {
		return kinds // nothing more can befall it
	}
	kinds = append(kinds, unheard)
	if _, there := u.values[r.lags]; there && r.lags == h.token {
		kinds = append(kinds, unseen)
	}
	if inSession && holds {
		kinds = append(kinds, unheardKept)
	}
	if r.moves[0] != "" && !u.keepsTwo() {
		kinds = append(kinds, refusedMove, movesLate)
	}
	if r.mutates {
		kinds = append(kinds, lost)
		if inSession {
			kinds = append(kinds, lostKept)
		}
	}
	if holds && (beyond || stepOrder[h.step] != rotation.FinishSecret) {
		kinds = append(kinds, killed)
	}
	return kinds
}

// perform lets an effect happen, in the way of the kind, in a universe of its own.
func perform(u *modelState, actor int, r request, kind string) (after *modelState, a answer) {
	after = u.clone()
	switch kind {
	case happens, lost, lostKept:
		a = r.do(after, actor)
	case killed:
		for _, l := range u.locks {
			if l.actor == actor && !l.orphan {
				after.endSession(actor, l.session, false)
			}
		}
		return after, answer{}
	case dies, diesKept:
		after.endActor(actor, kind == diesKept)
		return after, answer{}
	case refusedMove:
		after.refused = true
		return after, failed(notMoved{fmt.Errorf("not authorized to move it")})
	case movesLate:
		after.late = r.moves
		return after, failed(fmt.Errorf("connection lost"))
	case unseen:
		return after, failed(rotation.ErrVersionNotFound)
	}
	if kind != happens {
		a = failed(fmt.Errorf("connection lost"))
		if r.session != noSession {
			after.endSession(actor, r.session, kind == lostKept || kind == unheardKept)
		}
	}
	return after, a
}

func (x *exploration) act(at int32, actor int, h *history, kind string) *violation {
	key := x.states[at].stateKey
	c := choice{actor, kind, h.next.text}
	id := effectKey{key.world, h.id, int8(actor), kind}
	known, ok := x.effects[id]
	if !ok {
		var err *violation
		if known, err = x.perform(at, actor, h, kind); err != nil {
			return err
		}
		x.effects[id] = known
	}
	if kind != happens {
		key.faults--
	}
	key.world, key.actors[actor] = known.world, known.actor
	if known.actor == stopped && key.tries[actor] > 0 {
		key.tries[actor]--
		key.actors[actor] = x.learn(x.root(h.token, 0)).id
	}
	x.arrive(at, c, key)
	return nil
}

func (x *exploration) perform(at int32, actor int, h *history, kind string) (effect, *violation) {
	before := x.worlds[x.states[at].world]
	c := choice{actor, kind, h.next.text}
	after, a := perform(before, actor, h.next, kind)
	var stands int32
	switch kind {
	case dies, diesKept:
		stands = stopped
	case killed:
		stands = h.id
	default:
		if a.err == nil || kind == lost || kind == lostKept {
			if err := x.inChange(before, h, h.next); err != nil {
				return effect{}, x.violated(err, at, c)
			}
		}
		h = x.learn(x.after(h, a))
		stands = h.id
		if h.ended {
			if err := x.atEnd(after, h); err != nil {
				return effect{}, x.violated(err, at, c)
			}
			stands = x.ended(after, actor, h)
		}
	}
	world, err := x.world(after, at, c)
	return effect{world, stands}, err
}

// happen is what others do.
func (u *modelState) happen(kind string) {
	switch kind {
	case ownerEdits:
		u.edit()
	case ownerReplaces:
		u.replace()
	case somebodyByHand:
		u.changeByHand()
	case lands:
		landed := u.move(u.late[0], u.late[1]) == nil // or it is refused by now
		u.landed = landed && u.refused
		u.late = [2]string{}
	}
}

// atEnd is what holds when a step has failed, and did not die: where it is certain that
// AWSCURRENT does not move, it logs in. Where the owner has replaced the password, or an
// earlier move has been carried out late, the next try sees to that.
func (x *exploration) atEnd(u *modelState, h *history) error {
	if h.err == nil || !x.scenario.stranded(u) || u.replaced != "" || u.landed {
		return nil
	}
	refused := false
	for ; h.parent != nil; h = h.parent {
		switch {
		case errors.Is(h.last.err, rotation.ErrNotMoved):
			refused = true
		case h.last.err != nil && strings.Contains(h.last.err.Error(), "connection lost"):
			return nil
		}
	}
	if refused {
		return fmt.Errorf("promise 1: AWSCURRENT was refused to move from %s, and its password does not log in", u.current)
	}
	return nil
}

// ended is where an actor stands when its step has returned.
func (x *exploration) ended(after *modelState, actor int, h *history) int32 {
	after.endActor(actor, false)
	switch {
	case h.err != nil:
		return stopped
	case h.step+1 < len(stepOrder):
		return x.learn(x.root(h.token, h.step+1)).id
	}
	after.reported = true
	return finished
}

// arrive notes a state.
func (x *exploration) arrive(from int32, c choice, key stateKey) {
	x.transitions++
	to, known := x.visited[key]
	if !known {
		to = int32(len(x.states))
		x.visited[key] = to
		x.states = append(x.states, state{stateKey: key, parent: from, choice: c})
	}
	x.states[from].to = append(x.states[from].to, to)
}

// The tokens of a rotation that is begun to see whether one can be: none of them
// is an actor's.
const fresh = "afresh"

// recover is promise 4: from here, with everybody else dead and their sessions
// ended, the four steps of the token that has AWSPENDING finish the rotation, or
// give it up, so that Secrets Manager can begin another, and that one finishes.
// Nobody has to lend a hand; and where an operator does, by taking AWSPENDING off,
// a new rotation finishes too. It returns the token whose rotation did not.
func (x *exploration) recover(u *modelState) (token string, err error) {
	rest := u.clone()
	rest.quiet()
	rest.reported, rest.begun = false, 0
	if x.scenario.stranded(rest) && !(u.landed && rest.pending == rest.current) {
		x.putBack(rest)
	}
	key := rest.key()
	if x.recovered[key] {
		return "", nil
	}
	x.recovered[key] = true
	x.recoveries++

	ends := []*modelState{rest}
	if x.scenario.stranded(rest) {
		ends = nil // first has the rotation to end that has set the only password
	}
	if u.landed && rest.pending == rest.current && x.scenario.stranded(rest) {
		// The service runs the steps of the token again, whose finishSecret has not succeeded.
		token := rest.current
		end, failed, broken := x.alone(rest, token)
		if broken != nil || failed != nil || x.scenario.stranded(end) {
			return token, fmt.Errorf("promise 4: AWSCURRENT has moved late, to a password that is not set, and the four steps again, alone, leave it so: %w", errors.Join(broken, failed))
		}
		ends = append(ends, end)
	} else if token := rest.pending; token != "" && token != rest.current {
		end, failed, broken := x.alone(rest, token)
		switch {
		case broken != nil:
			return token, fmt.Errorf("in the four steps again, alone: %w", broken)
		case failed == nil && end.current != token:
			return token, fmt.Errorf("promise 4: the four steps again, alone, succeed, and AWSCURRENT is on %s", end.current)
		case failed != nil && x.scenario.stuck(end):
		case failed != nil && end.pending != "":
			return token, fmt.Errorf("promise 4: the four steps again, alone, fail, and AWSPENDING stays in the way of the next rotation: %w", failed)
		case failed != nil:
			x.refusals[failed.Error()]++
		}
		ends = append(ends, end)
	}
	for _, begin := range ends {
		next := begin.clone()
		next.pending = fresh
		end, failed, broken := x.alone(next, fresh)
		switch {
		case broken != nil:
			return fresh, fmt.Errorf("in a new rotation, alone: %w", broken)
		case failed != nil && x.scenario.stuck(end):
		case failed != nil:
			return fresh, fmt.Errorf("promise 4: a new rotation, alone, does not finish: %w", failed)
		case end.current != fresh:
			return fresh, fmt.Errorf("promise 4: a new rotation, alone, succeeds, and AWSCURRENT is on %s", end.current)
		}
	}
	return "", nil
}

// putBack is what an operator does who has taken AWSPENDING off between the change of the
// only password and the label's move: the label goes back to the version that has it.
func (x *exploration) putBack(u *modelState) {
	for id, content := range u.values {
		user, password := credentials(content)
		if slices.ContainsFunc(u.of(user), func(a worldAccount) bool { return a.letsIn(password) }) {
			u.pending = id
		}
	}
}

// alone performs the four steps of a token, with nobody else about. failed is what
// a step says, broken a promise.
func (x *exploration) alone(u *modelState, token string) (end *modelState, failed, broken error) {
	const actor = maxActors - 1
	for step := range stepOrder {
		h := x.learn(x.root(token, step))
		for !h.ended {
			if err := x.inChange(u, h, h.next); err != nil {
				return u, nil, err
			}
			var a answer
			mutates := h.next.mutates
			u, a = perform(u, actor, h.next, happens)
			h = x.learn(x.after(h, a))
			if !mutates {
				continue
			}
			if err := x.inState(u); err != nil {
				return u, nil, err
			}
		}
		if h.err != nil {
			return u, h.err, x.atEnd(u, h)
		}
	}
	u = u.clone()
	u.reported = true
	return u, nil, x.inState(u)
}

// violated writes the schedule that leads over a state to a choice.
func (x *exploration) violated(promise error, from int32, last choice) *violation {
	var lines []string
	if from >= 0 {
		lines = append(lines, x.line(from, last))
	}
	for at := from; at >= 0 && x.states[at].parent >= 0; at = x.states[at].parent {
		lines = append(lines, x.line(x.states[at].parent, x.states[at].choice))
	}
	lines = append(lines, "scenario: "+x.scenario.name)
	slices.Reverse(lines)
	return &violation{promise, strings.Join(lines, "\n") + "\n"}
}

// way is the schedule that leads to a state.
func (x *exploration) way(to int32) string {
	return x.violated(nil, x.states[to].parent, x.states[to].choice).schedule
}

func (x *exploration) line(from int32, c choice) string {
	if c.actor < 0 {
		return c.kind
	}
	h := x.all[x.states[from].actors[c.actor]]
	return scheduled(c.actor, h.token, stepOrder[h.step], c.text, c.kind)
}

// schedules counts the ways through the states, from the first to the last ones.
func (x *exploration) schedules() *big.Int {
	ways := make([]*big.Int, len(x.states))
	// A state's successors come first: depth first, without recursion.
	stack := []int32{0}
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		if ways[at] != nil {
			stack = stack[:len(stack)-1]
			continue
		}
		ready := true
		for _, to := range x.states[at].to {
			if ways[to] == nil {
				stack = append(stack, to)
				ready = false
			}
		}
		if !ready {
			continue
		}
		sum := new(big.Int)
		for _, to := range x.states[at].to {
			sum.Add(sum, ways[to])
		}
		if len(x.states[at].to) == 0 {
			sum.SetInt64(1)
		}
		ways[at] = sum
		stack = stack[:len(stack)-1]
	}
	return ways[0]
}

func (x *exploration) String() string { return x.counts() + x.refusalList() }

// counts is how much was explored, in a line.
func (x *exploration) counts() string {
	schedules := new(big.Float).SetInt(x.schedules())
	return fmt.Sprintf("%s; faults: %d: %d states of %d worlds, %d transitions, %.3g schedules; %d histories of the steps' code in %d executions; %d worlds finished again",
		x.scenario.name, x.faults, len(x.states), len(x.worlds), x.transitions, schedules, len(x.all), x.executions, x.recoveries)
}

func (x *exploration) refusalList() string {
	var b strings.Builder
	for _, text := range slices.Sorted(maps.Keys(x.refusals)) {
		fmt.Fprintf(&b, "\n  refused in %d: %s", x.refusals[text], text)
	}
	return b.String()
}
