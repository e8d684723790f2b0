package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// documents have the steps.
var documents = []string{".github/tutorials/README.md", ".github/tutorials/acceptance.md"}

// stepForm is a block with its marker.
var stepForm = regexp.MustCompile("(?m)^<!-- step ([a-z-]+) -->\n```sh\n((?:.*\n)*?)```$")

// steps reads the steps' texts, by their names, from the documents of the project in a
// folder.
func steps(project string) (map[string]string, error) {
	texts := map[string]string{}
	for _, document := range documents {
		content, err := os.ReadFile(filepath.Join(project, document))
		if err != nil {
			return nil, fmt.Errorf("reading the steps: %w; run make acceptance in the project's folder", err)
		}
		for _, found := range stepForm.FindAllStringSubmatch(string(content), -1) {
			if _, twice := texts[found[1]]; twice {
				return nil, fmt.Errorf("%s: the step %s is there twice", document, found[1])
			}
			texts[found[1]] = found[2]
		}
	}
	for _, c := range chapters(engines, true, "") {
		for _, step := range c.steps {
			if texts[step] == "" {
				return nil, fmt.Errorf("no document has the step %s", step)
			}
		}
	}
	return texts, nil
}

// names are those of what the steps make. A run adds its own to each, so that it can
// be told from everybody else's, and can be repeated. The longer of two with a common
// beginning comes first.
var names = []string{
	"SecretsManagerTutorialAppuser", "SecretsManagerTutorialAdmin", "SecretsManagerTutorialReader", "SecretsManagerTutorial",
	"secretsmanagertutorialcluster", "secretsmanagertutorialreader", "secretsmanagertutorialdb", "secretsmanagertutorial",
	"tutorial-alternating-users-rotation", "tutorial-admin-rotation", "MyTestDatabaseMasterSecret", "MyTestDatabaseUserSecret", "mytestdatabaseinstance", "mytestdatabasecluster", "mytest-rotation",
}

// shared are the names that all engines of a run share.
var shared = map[string]bool{"SecretsManagerTutorial": true, "secretsmanagertutorial": true}

// renamed adds the run's name to the names in a text, and the engine's where there is
// one for each engine.
func renamed(text, run, engine string) string {
	var pairs []string
	for _, name := range names {
		suffix := "-" + run
		if !shared[name] {
			suffix += "-" + engine
		}
		pairs = append(pairs, name, name+suffix)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}
