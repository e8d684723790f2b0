package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/leakscan"
	"tandem/internal/local/sandbox"
	"tandem/internal/redact"
	"tandem/internal/verifier"
)

// planted is put into the compiled function, where a statement with a password or a
// verifier is about to be sent.
const planted = `
	for _, toApply := range statements {
		if plantedStrings.HasPrefix(toApply.String(), "ALTER USER") {
			text := toApply.Reveal()
			switch plantedOS.Getenv("PLANTED") {
			case "a text":
				panic(text)
			case "an error":
				panic(plantedFmt.Errorf("executing %s", text))
			case "a statement":
				panic(toApply)
			case "bytes":
				panic([]byte(text))
			case "an index":
				_ = text[len(text)+len(toApply.String())]
			case "a nil pointer":
				_ = *(*map[string]*Session)(nil)
			case "a type":
				_ = any(toApply).(error)
			case "elsewhere":
				go func() { panic(toApply) }()
				select {}
			}
		}
	}
`

// panicking compiles the function with the panics in it.
func panicking(t *testing.T) string {
	t.Helper()
	const beginning = "func (s *Session) Apply(ctx context.Context, statements ...statement.Statement) error {\n"
	sources, err := filepath.Glob("../../internal/mysqldb/*.go")
	if err != nil {
		t.Fatal(err)
	}
	source, changed := "", ""
	for _, file := range sources {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), beginning) {
			if source, err = filepath.Abs(file); err != nil {
				t.Fatal(err)
			}
			changed = strings.Replace(strings.Replace(string(text), beginning, beginning+planted, 1), "import (\n", "import (\n\tplantedOS \"os\"\n\tplantedFmt \"fmt\"\n\tplantedStrings \"strings\"\n", 1)
		}
	}
	if source == "" {
		t.Fatalf("internal/mysqldb has no %s", beginning)
	}
	folder := t.TempDir()
	path := func(name string) string { return filepath.Join(folder, name) }
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{source: path("planted.go")}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"planted.go": []byte(changed), "overlay.json": overlay} {
		if err := os.WriteFile(path(name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-overlay", path("overlay.json"), "-tags", "lambda.norpc", "-o", path("bootstrap"), "../../cmd/rotator")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path("bootstrap")
}

// Promise 5 holds for a function that panics with secrets in its hands, whatever it
// panics with: in an invocation, where it reports that itself, and elsewhere, where
// the runtime writes what every goroutine was doing.
func TestPanicsShowNothing(t *testing.T) {
	defective := panicking(t)
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		for _, kind := range []string{"a text", "an error", "a statement", "bytes", "an index", "a nil pointer", "a type", "elsewhere"} {
			t.Run(kind, func(t *testing.T) {
				kept := leakscan.Secrets{}
				w := newDeployment(t, on, withEnv("PLANTED="+kind), func(_ *deployment, o *sandbox.Options) {
					o.Binary = defective
					o.Intercept = func(ctx context.Context, payload []byte, invoke func(context.Context, []byte) error) error {
						var event struct{ RotationToken string }
						if err := json.Unmarshal(payload, &event); err != nil {
							return err
						}
						kept.Add("RotationToken", event.RotationToken)
						return invoke(ctx, payload)
					}
				})
				outcome, err := w.Rotate(t.Context(), w.app)
				if err != nil {
					t.Fatal(err)
				}
				where := "the function panicked"
				if kind == "elsewhere" {
					where = "goroutine"
				}
				if outcome.Err == nil || !strings.Contains(outcome.Err.Error()+w.log(), where) || !strings.Contains(w.log(), "mysqldb.(*Session).Apply") {
					t.Fatalf("it did not panic, or does not say where: %v\n%s", outcome.Err, w.log())
				}
				w.keep(kept)
				pending, err := w.pendingPassword()
				if err != nil {
					t.Fatal(err)
				}
				if on.Flavor == dbserver.MariaDB { // is sent this
					sent, err := verifier.New("mysql_native_password", pending, nil)
					if err != nil {
						t.Fatal(err)
					}
					kept.Add("verifier", sent.Reveal())
				}
				if len(kept.Of("password")) == 0 || len(kept.Of("verifier")) == 0 || len(kept.Of("RotationToken")) == 0 {
					t.Fatalf("only %d secrets were gathered", len(kept))
				}
				if found := kept.Found(w.log() + outcome.Err.Error()); found != nil {
					t.Errorf("the function shows %v:\n%s", found, w.log())
				}
				w.mustBe(w.user)
			})
		}
	})
}

// pendingPassword is what is under AWSPENDING.
func (w *deployment) pendingPassword() (redact.Secret, error) {
	var document struct{ Password string }
	err := json.Unmarshal([]byte(w.value("AWSPENDING")), &document)
	return redact.New(document.Password), err
}
