package e2e

import (
	"fmt"
	"testing"

	"tandem/internal/local/faultproxy"
)

// brokenOff has the session end after each statement that changes something.
//
// Statements are sent several at once, so that there is one message for all of
// them: a death at a message comes before the first or after the last. A server
// stops between them where it ends, where the session is killed, and where it
// notices that the client has gone.
func (f *fireServer) brokenOff(t *testing.T) {
	counts := &tally{}
	end := death{name: "the session ends", fate: faultproxy.Drop, after: true, tries: 1, among: true}
	t.Run("statements", func(t *testing.T) {
		for i, same := range []bool{true, false} {
			t.Run(fmt.Sprintf("then the same token %v", same), func(t *testing.T) {
				t.Parallel()
				first, stride := 1, 1
				if f.size.spread {
					first, stride = 1+i, max(2, f.size.stride/6)
				}
				f.killedBy(t, alternating, end, same, first, stride, counts)
			})
		}
	})
	turns := alternating.turns
	counts.mustHaveTried(t, turns...)
	f.say("broken off among the statements", fmt.Sprintf("%s; after up to %d, %d and %d statements", counts,
		counts.reached[turns[0]], counts.reached[turns[2]], counts.reached[turns[1]]),
		"the first rotation, the clone's turn, the original's turn; then the same token, and another; %d further tries, at most %d for one point", counts.tried, counts.worst)
}
