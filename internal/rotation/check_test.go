package rotation_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/rotation"
)

// Each check that is listed is made, and in the answer.
func TestEveryCheckIsMade(t *testing.T) {
	w := newMemory(t)
	answer, err := w.rotator().Inspect(t.Context(), rotation.Event{Step: rotation.Check, SecretID: secretID})
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, c := range rotation.Checks() {
		want = append(want, c.Name)
	}
	for _, f := range answer.Checks {
		got = append(got, f.Name)
		if f.Result == rotation.ResultUnknown {
			t.Errorf("%s was not made: %s", f.Name, f.Detail)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-listed +answered):\n%s", diff)
	}
}
