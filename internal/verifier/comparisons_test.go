package verifier

import (
	"crypto/rand"
	"errors"
	"testing"

	"tandem/internal/redact"
)

// A comparison is computed once, and none is taken for another.
func TestComparisons(t *testing.T) {
	const plugin = "caching_sha2_password"
	right, wrong := redact.New("the password"), redact.New("another")
	stored, err := New(plugin, right, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := New(plugin, right, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var c Comparisons
	ask := func(plugin string, stored, password redact.Secret, want bool, wantErr error) {
		t.Helper()
		if got, err := c.Matches(plugin, stored, password); got != want || !errors.Is(err, wantErr) {
			t.Errorf("%v, %v; want %v, %v", got, err, want, wantErr)
		}
	}
	for range 2 {
		ask(plugin, stored, right, true, nil)
		ask(plugin, stored, wrong, false, nil)
		ask(plugin, other, right, true, nil)
		ask("mysql_native_password", stored, right, false, ErrMalformed)
		ask("unheard_of", stored, right, false, ErrUnknownPlugin)
	}
	if len(c.answers) != 5 {
		t.Errorf("%d comparisons are remembered, want 5", len(c.answers))
	}
	for asked := range c.answers {
		c.answers[asked] = answer{matches: true}
	}
	ask(plugin, redact.New(stored.Reveal()), redact.New("another"), true, nil) // what is remembered is not computed again
}
