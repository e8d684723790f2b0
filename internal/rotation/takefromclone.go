package rotation

import (
	"fmt"
	"slices"
	"strings"

	"tandem/internal/account"
	"tandem/internal/statement"
)

// takenInstead adds to a denial the other way out, where the admin may not give the
// original what its clone has: somebody who may grant it can have given it to the
// clone without meaning to, or to stand in the way.
func takenInstead(pair account.Pair, step account.Step, err error) error {
	revokes := pair.TakeFromClone(step)
	if len(revokes) == 0 || !isDenial(err) {
		return err
	}
	return fmt.Errorf("%w; or, if nobody meant %q to have it, take it from the clone, as somebody who may: %s", err, pair.Clone.Name, joined(revokes))
}

func joined(statements []statement.Statement) string {
	texts := make([]string, len(statements))
	for i, s := range statements {
		texts[i] = s.String()
	}
	return strings.Join(texts, "; ")
}

// takenInsteadOf lists, for a check, what takes from the clone what the admin may not
// give to the original. A step is one that it may not send if that alone lacks something.
func takenInsteadOf(pair account.Pair, own account.OwnGrants, plan account.Plan) []string {
	var texts []string
	for _, step := range plan.Steps {
		lacks, _, err := account.AdminLacks(pair.Server, own, account.Plan{Steps: []account.Step{step}})
		if err != nil || len(lacks) == 0 {
			continue
		}
		for _, revoke := range pair.TakeFromClone(step) {
			if text := revoke.String(); !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
	}
	return texts
}
