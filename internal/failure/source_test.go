package failure_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"tandem/internal/awssdk"
	"tandem/internal/config"
	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/secret"
	"tandem/internal/warning"
)

// function is the source of all packages of this module that are linked into the
// function, by their path below the module's root.
func function(t *testing.T) (*token.FileSet, map[string][]*ast.File) {
	t.Helper()
	set, packages := token.NewFileSet(), map[string][]*ast.File{}
	var walk func(path string)
	walk = func(path string) {
		if _, seen := packages[path]; seen {
			return
		}
		names, err := filepath.Glob(filepath.Join("../..", path, "*.go"))
		if err != nil || len(names) == 0 {
			t.Fatalf("%s has no source: %v", path, err)
		}
		packages[path] = nil
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			packages[path] = append(packages[path], file)
			for _, imported := range file.Imports {
				if below, own := strings.CutPrefix(strings.Trim(imported.Path.Value, `"`), "tandem/"); own {
					walk(below)
				}
			}
		}
	}
	walk("cmd/rotator")
	return set, packages
}

// sentinels are the errors that have no type since the step alone knows whose
// login, or which secret, it was, or that say more of one that has a type.
var sentinels = map[string]bool{"ErrVersionNotFound": true, "ErrVersionExists": true, "ErrNotMoved": true, "ErrLoginRefused": true}

// marked are the packages whose exported functions give each of their errors a
// type on its way out; TestMarked calls them.
var marked = map[string]bool{"internal/secret": true, "internal/config": true, "internal/awssdk": true, "internal/failure": true}

// An error that is made without a type, and wraps none that has one, would leave
// the function as Unexpected.
func TestEveryErrorIsMadeWithAType(t *testing.T) {
	set, packages := function(t)
	made := 0
	for path, files := range packages {
		if marked[path] {
			continue
		}
		for _, file := range files {
			ast.Inspect(file, func(node ast.Node) bool {
				if spec, ok := node.(*ast.ValueSpec); ok && sentinels[spec.Names[0].Name] {
					return false
				}
				call, ok := node.(*ast.CallExpr)
				if !ok {
					return true
				}
				switch name := called(call); {
				case strings.HasPrefix(name, "failure."):
					made++
				case name == "errors.New", name == "fmt.Errorf" && !wraps(call):
					t.Errorf("%s: %s makes an error without a type: use failure.New or failure.Errorf", set.Position(call.Pos()), name)
				}
				return true
			})
		}
	}
	if made < 50 {
		t.Errorf("only %d errors with a type: the search does not see them", made)
	}
}

// called is the name of a function of another package, as it is written.
func called(call *ast.CallExpr) string {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	from, ok := selector.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return from.Name + "." + selector.Sel.Name
}

// wraps reports whether a format, or a piece of it, has %w.
func wraps(call *ast.CallExpr) bool {
	found := false
	ast.Inspect(call.Args[0], func(node ast.Node) bool {
		if text, ok := node.(*ast.BasicLit); ok && text.Kind == token.STRING && strings.Contains(text.Value, "%w") {
			found = true
		}
		return true
	})
	return found
}

// The packages that TestEveryErrorIsMadeWithAType leaves out.
func TestMarked(t *testing.T) {
	_, parse := secret.Parse(redact.New("{"))
	_, parseAdmin := secret.ParseAdmin(redact.New("{"))
	document, err := secret.Parse(redact.New(`{"engine":"mysql","host":"h","username":"u","password":"p"}`))
	if err != nil {
		t.Fatal(err)
	}
	_, edited := document.WithCredentials("", redact.New("p"))
	_, renewed := document.Renew("", redact.New("p"))
	_, load := config.Load(func(string) (string, bool) { return "nonsense", true })
	_, sdk := awssdk.Load(func(string) (string, bool) { return "", false })
	for want, err := range map[failure.Type]error{
		failure.AdminSecretInvalid: parseAdmin, failure.UsernameInvalid: secret.CheckUsername(secret.MySQL, "", 0), failure.ConfigurationInvalid: load,
	} {
		if failure.Of(err) != want {
			t.Errorf("%v is %s, want %s", err, failure.Of(err), want)
		}
	}
	if failure.Of(parse) != failure.SecretInvalid || failure.Of(edited) != failure.SecretInvalid || failure.Of(renewed) != failure.SecretInvalid || failure.Of(sdk) != failure.ConfigurationInvalid {
		t.Errorf("%s, %s, %s, %s", failure.Of(parse), failure.Of(edited), failure.Of(renewed), failure.Of(sdk))
	}
}

// Each type is one of Causes, and is given somewhere.
func TestEveryTypeIsKnownAndGiven(t *testing.T) {
	_, packages := function(t)
	constants, given := map[string]bool{}, map[string]bool{"Unexpected": true} // by Of
	for path, files := range packages {
		for _, file := range files {
			ast.Inspect(file, func(node ast.Node) bool {
				switch node := node.(type) {
				case *ast.ValueSpec:
					if kind, ok := node.Type.(*ast.Ident); ok && kind.Name == "Type" && path == "internal/failure" {
						constants[node.Names[0].Name] = true
					}
				case *ast.SelectorExpr:
					if from, ok := node.X.(*ast.Ident); ok && from.Name == "failure" {
						given[node.Sel.Name] = true
					}
				}
				return true
			})
		}
	}
	causes := map[string]bool{}
	for _, cause := range failure.Causes() {
		name := string(cause.Type)
		causes[name] = true
		if !constants[name] || !given[name] {
			t.Errorf("%s: a constant %v, given %v", name, constants[name], given[name])
		}
	}
	for name := range constants {
		if !causes[name] {
			t.Errorf("%s is not among the causes", name)
		}
	}
}

// A line that warns has a type: there is one place that writes such lines, and
// what it is given is a constant of package warning, or what a plan has of these.
func TestEveryWarningHasAType(t *testing.T) {
	set, packages := function(t)
	known := map[string]bool{}
	for _, cause := range warning.Causes() {
		known[cause.Type] = true
	}
	writes, given := 0, map[string]bool{}
	for path, files := range packages {
		for _, file := range files {
			ast.Inspect(file, func(node ast.Node) bool {
				switch node := node.(type) {
				case *ast.CallExpr:
					selector, ok := node.Fun.(*ast.SelectorExpr)
					if ok && (selector.Sel.Name == "WarnContext" || selector.Sel.Name == "Warn") {
						writes++
						if path != "internal/rotation" {
							t.Errorf("%s: a warning that may have no type: use step.warn", set.Position(node.Pos()))
						}
					}
				case *ast.SelectorExpr:
					if from, ok := node.X.(*ast.Ident); ok && from.Name == "warning" && known[node.Sel.Name] {
						given[node.Sel.Name] = true
					}
				}
				return true
			})
		}
	}
	if writes != 1 {
		t.Errorf("%d places write warnings, want step.warn alone", writes)
	}
	for kind := range known {
		if !given[kind] {
			t.Errorf("%s is given nowhere", kind)
		}
	}
	for path, files := range packages {
		if path != "internal/warning" {
			continue
		}
		for _, file := range files {
			ast.Inspect(file, func(node ast.Node) bool {
				if spec, ok := node.(*ast.ValueSpec); ok && !known[spec.Names[0].Name] {
					t.Errorf("%s is not among the causes", spec.Names[0].Name)
				}
				return true
			})
		}
	}
}
