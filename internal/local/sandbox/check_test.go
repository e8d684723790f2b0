package sandbox

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tandem/internal/rotation"
)

// A check by the command, which goes through the function, as a table and as the
// function gave it.
func TestCheck(t *testing.T) {
	s, _ := tutorial(t)
	var out strings.Builder
	if err := Check(deadline(t), CheckOptions{SecretKey: s.SecretKey, URL: s.URL + "/", Out: &out}); err != nil {
		t.Error(err)
	}
	for _, c := range rotation.Checks() {
		name := c.Name
		if !strings.Contains(out.String(), "\n"+name+" ") {
			t.Errorf("no row for %q in\n%s", name, out.String())
		}
	}
	for _, text := range []string{"CREATE USER 'appuser_clone'@'%'", "A rotation would meet nothing", "not testable read-only"} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("no %q in\n%s", text, out.String())
		}
	}

	if err := s.Execute(t.Context(), "ALTER USER 'appuser'@'%' ACCOUNT LOCK"); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if err := Check(deadline(t), CheckOptions{SecretKey: s.SecretKey, URL: s.URL, Secret: appSecret, Out: &out}); !errors.Is(err, ErrCheckFailed) {
		t.Errorf("the check of a locked account: %v", err)
	}
	for _, text := range []string{"AccountLocked: ", "ALTER USER ... ACCOUNT UNLOCK", "would not get through"} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("no %q in\n%s", text, out.String())
		}
	}

	out.Reset()
	if err := Check(deadline(t), CheckOptions{SecretKey: s.SecretKey, URL: s.URL, JSON: true, Out: &out}); !errors.Is(err, ErrCheckFailed) {
		t.Errorf("as JSON: %v", err)
	}
	var found rotation.Inspection
	if err := json.Unmarshal([]byte(out.String()), &found); err != nil || found.OK {
		t.Errorf("%v: %s", err, out.String())
	}
	out.Reset()
	if err := Check(deadline(t), CheckOptions{SecretKey: s.SecretKey, URL: s.URL, Every: true, Out: &out}); !errors.Is(err, ErrCheckFailed) ||
		!strings.Contains(out.String(), "rotates 1 of 2 secrets") || !strings.Contains(out.String(), "AccountLocked: ") || !strings.Contains(out.String(), ":secret:"+appSecret+"-") {
		t.Errorf("of every secret: %v: %s", err, out.String())
	}
	if err := Check(deadline(t), CheckOptions{URL: "http://127.0.0.1:1", Out: &out}); err == nil || !strings.Contains(err.Error(), "make sandbox") {
		t.Errorf("without a sandbox: %v", err)
	}
}

// The AWS CLI invokes the function through the sandbox.
func TestInvokeByCLI(t *testing.T) {
	if !lookPath("aws") {
		t.Skip("SKIPPED: there is no aws on this machine")
	}
	s, _ := tutorial(t)
	caller := newCaller(t, s).(cliCaller)
	for event, want := range map[string]string{
		`{"Step":"check","SecretId":"` + appSecret + `"}`: `"ok":true`,
		`{"Step":"check"}`:               `"found":1`,
		`{"Step":"check","SecretId":""}`: `"errorType":"EventInvalid"`,
	} {
		file := filepath.Join(t.TempDir(), "out.json")
		command := exec.CommandContext(deadline(t), "aws", "--endpoint-url", s.URL, "lambda", "invoke", "--function-name", "tandem", "--payload", event, file)
		command.Env = append(caller.environ(), "AWS_CLI_BINARY_FORMAT=raw-in-base64-out")
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if got, err := os.ReadFile(file); err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s: %v, %s", event, err, got)
		}
	}
}

func TestInvokeOfAnother(t *testing.T) {
	s, _ := tutorial(t)
	for _, path := range []string{"/2015-03-31/functions/another/invocations", "/2015-03-31/functions//invocations"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, strings.NewReader("{}"))
		if err == nil {
			err = sign(t.Context(), request, []byte("{}"), s.SecretKey)
		}
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusNotFound || !strings.Contains(string(body), "tandem") {
			t.Errorf("%s: %s, %s", path, answer.Status, body)
		}
	}
}
