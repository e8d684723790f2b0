// Command parameters looks at a file of the template's parameters, as make deploy
// passes it to SAM, before anything is built: that SAM passes on what is written, and
// that CloudFormation will take it.
//
//	go run ./internal/local/parameters -stack tandem .github/deploying/production.yaml
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"tandem/internal/repotest/template"
)

func main() {
	stack := flag.String("stack", "", "the stack's `name`, which is the function's where the file names none")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "parameters: give the file: parameters -stack NAME FILE")
		os.Exit(2)
	}
	if err := check("template.yaml", flag.Arg(0), *stack); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", flag.Arg(0), err)
		os.Exit(1)
	}
}

// check returns what is wrong with a file, an error a line.
func check(templateFile, file, stack string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	tpl, err := template.Read(templateFile)
	if err != nil {
		return err
	}
	parameters, err := template.ParametersOfFile(content)
	if err != nil {
		return err
	}
	if _, named := parameters["architecture"]; named {
		return errors.New("it names the architecture: say ARCHITECTURE=arm64 or ARCHITECTURE=x86_64 instead, which the build has to know too")
	}
	if _, named := parameters["functionName"]; !named {
		parameters["functionName"] = stack
	}
	_, err = tpl.Evaluate(parameters)
	return err
}
