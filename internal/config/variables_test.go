package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/config"
)

// Load reads the variables that are listed, each of them and no other.
func TestVariables(t *testing.T) {
	read := map[string]bool{}
	if _, err := config.Load(func(name string) (string, bool) { read[name] = true; return "", false }); err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, variable := range config.Variables() {
		listed[variable.Name] = true
		if len(variable.Parameters) == 0 || variable.Default == "" || variable.Meaning == "" {
			t.Errorf("%s says too little: %+v", variable.Name, variable)
		}
	}
	if diff := cmp.Diff(listed, read); diff != "" {
		t.Errorf("variables (-listed +read):\n%s", diff)
	}
}
