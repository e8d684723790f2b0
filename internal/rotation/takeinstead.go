package rotation

import (
	"fmt"
	"slices"
	"strings"

	"tandem/internal/account"
	"tandem/internal/failure"
)

// takenInstead adds to a denial the other way out, where the admin may not make the two
// users equal by giving a thing to one: that the other, or the clone, has it no longer.
// Whoever may grant it can have given it to one of them without meaning to, or to stand
// in the way.
func takenInstead(pair account.Pair, step account.Step, err error) error {
	from, revokes := pair.TakeInstead(step)
	if len(revokes) == 0 || !isDenial(err) {
		return err
	}
	texts := make([]string, len(revokes))
	for i, s := range revokes {
		texts[i] = s.String()
	}
	other := fmt.Sprintf("if nobody meant %q to have it, take it away, as somebody who may: %s", from, strings.Join(texts, "; "))
	return failure.WithRemedy(err, other)
}

// takenInsteadOf lists, for a check, what takes away what the admin may not make equal.
// A step is one that it may not send if that alone lacks something.
func takenInsteadOf(pair account.Pair, own account.OwnGrants, plan account.Plan) []string {
	var texts []string
	for _, step := range plan.Steps {
		lacks, _, err := account.AdminLacks(pair.Server, own, account.Plan{Steps: []account.Step{step}})
		if err != nil || len(lacks) == 0 {
			continue
		}
		_, revokes := pair.TakeInstead(step)
		for _, revoke := range revokes {
			if text := revoke.String(); !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
	}
	return texts
}
