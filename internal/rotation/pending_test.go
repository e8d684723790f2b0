package rotation_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"tandem/internal/rotation"
)

// A version whose value AWSCURRENT has moved away from would be in the way of
// every rotation for ever: createSecret gives it up, and the next one finishes.
func TestCreateSecretGivesUpWhatIsStale(t *testing.T) {
	for name, stale := range map[string]string{
		"for the current user": document("app", "pending password", nil),
		"for somebody else":    document("other", "pending password", nil),
		"for another host":     document("app_clone", "pending password", map[string]any{"host": "other.example"}),
		"for another port":     document("app_clone", "pending password", map[string]any{"port": 3307}),
		"for another engine":   document("app_clone", "pending password", map[string]any{"engine": "mysql"}),
		"no document":          "hunter2",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.values[token] = stale
			err := w.step(rotation.CreateSecret)
			if !errors.Is(err, rotation.ErrStale) || !strings.Contains(err.Error(), "was taken off version "+token) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %v", err)
			}
			if carrier := (rotation.Labels{Stages: w.labels}).Carrier("AWSPENDING"); carrier != "" {
				t.Errorf("AWSPENDING is on %s", carrier)
			}
			w.labels[newToken] = []string{"AWSPENDING"}
			for _, step := range steps {
				if err := w.stepOf(step, newToken); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// What is not stale is not given up, and what has finished is not either, whenever
// the step finds out.
func TestCreateSecretGivesUpNothingElse(t *testing.T) {
	w := newWorld(t)
	w.values[token] = document("app_clone", "pending password", nil)
	w.before = func(what string) error {
		if what == "read current" { // right after the labels
			w.labels = map[string][]string{oldToken: {"AWSPREVIOUS"}, token: {"AWSCURRENT", "AWSPENDING"}}
		}
		return nil
	}
	if err := w.step(rotation.CreateSecret); err != nil || len(w.mutating()) > 0 {
		t.Errorf("finished meanwhile: error %v after %v", err, w.trace)
	}

	w = newWorld(t)
	w.values[token] = document("app", "pending password", nil)
	w.before = func(what string) error {
		if strings.HasPrefix(what, "take") { // another rotation has begun
			delete(w.labels, token)
			w.labels[newToken] = []string{"AWSPENDING"}
		}
		return nil
	}
	if err := w.step(rotation.CreateSecret); err == nil || !slices.Contains(w.labels[newToken], "AWSPENDING") {
		t.Errorf("overtaken meanwhile: error %v, labels %v", err, w.labels)
	}
}

// The other steps leave the labels alone: testSecret is run by itself on a version
// that is a copy of the current one, and the try after a failed step begins with
// createSecret.
func TestOnlyCreateSecretGivesUp(t *testing.T) {
	for _, step := range steps[1:] {
		w := newWorld(t)
		w.values[token] = document("app_clone", "pending password", map[string]any{"host": "other.example"})
		if err := w.step(step); step != rotation.FinishSecret && err == nil || w.position("take") >= 0 {
			t.Errorf("%s: error %v after %v", step, err, w.trace)
		}
	}
}
