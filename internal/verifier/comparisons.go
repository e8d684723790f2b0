package verifier

import "tandem/internal/redact"

// Comparisons is Matches with a memory: a verifier can take milliseconds of a full core to
// compute, and one step asks for the same comparison more than once. The zero value is
// ready. It keeps passwords, so it must end with the step, and it is not safe for
// concurrent use.
type Comparisons struct{ answers map[comparison]answer }

type comparison struct{ plugin, stored, password string }

type answer struct {
	matches bool
	err     error
}

// Matches is the function Matches, computed once.
func (c *Comparisons) Matches(plugin string, stored, password redact.Secret) (bool, error) {
	asked := comparison{plugin, stored.Reveal(), password.Reveal()}
	known, ok := c.answers[asked]
	if !ok {
		known.matches, known.err = Matches(plugin, stored, password)
		if c.answers == nil {
			c.answers = map[comparison]answer{}
		}
		c.answers[asked] = known
	}
	return known.matches, known.err
}
