package e2e

import (
	"slices"

	"tandem/internal/secret"
)

// way is how a place's secret is rotated, and what a rotation leaves.
type way struct {
	name string
	// turns are the rotations of a cycle, after each of which the next is possible.
	turns []string
	// alike: they send the same messages, so that a run that is not full breaks each message
	// in one of them.
	alike bool
	env   []string // of the function
	// next is the user whose password a rotation changes where this one is current.
	next func(username string) string
	// furnish gives the users what they have before the first turn, prepare gives a turn
	// something to do, and reset goes back to before the first one.
	furnish func(*target)
	prepare func(p *target, turn string)
	reset   func(*target)
	// watch returns what checks the promises in the middle of a rotation.
	watch func(p *target, before secret.Document) (stands func(when string))
	// inOrder wants the users to be what a rotation leaves.
	inOrder func(p *target, when string)
	// onePassword: the server keeps one of the user, so that the previous one ends, and the
	// current one is refused from the change to the label's move.
	onePassword bool
}

var alternatingTurns = []string{"the first rotation", "the original's turn", "the clone's turn"}

var alternating = way{
	name:  "alternating users",
	turns: alternatingTurns,
	next:  secret.Other,

	furnish: (*target).furnish,
	prepare: (*target).prepare,
	reset:   (*target).reset,
	watch: func(p *target, before secret.Document) func(string) {
		user := before.Username()
		untouched := p.account(user)
		p.observe(user)
		return func(when string) { p.stands(when, user, untouched) }
	},
	inOrder: (*target).equal,
}

// skips reports whether a place leaves the turn alone in a round. Places begin with different
// rounds.
func (w way) skips(extent size, turn string, round int) bool {
	return w.alike && extent.spread && slices.Index(w.turns, turn) != round%len(w.turns)
}

// turnsOf are the turns of several ways.
func turnsOf(ways ...way) (turns []string) {
	for _, way := range ways {
		turns = slices.Concat(turns, way.turns)
	}
	return turns
}

func (p *target) inOrder(when string) {
	p.t.Helper()
	p.way.inOrder(p, when)
}

// moved reports whether AWSCURRENT has moved to what a rotation makes of it.
func (p *target) moved(before, now secret.Document) bool {
	return now.Username() == p.way.next(before.Username()) && !now.Password().Equal(before.Password())
}
