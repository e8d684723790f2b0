package sandbox

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/leakscan"
	"tandem/internal/redact"
)

// TestDemo plays the demo on somebody's own server, and looks at the table.
func TestDemo(t *testing.T) {
	var out bytes.Buffer
	if err := Demo(t.Context(), DemoOptions{Binary: binary(t), Finder: address(t), Out: &out}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	fields := regexp.MustCompile(`\s{2,}`)
	var got []string
	for line := range strings.Lines(out.String()) {
		cells := fields.Split(strings.TrimSpace(line), -1)
		if len(cells) < 4 || cells[0] == "step" || strings.HasPrefix(cells[0], "--") {
			continue
		}
		// The time goes: it is a column of its own, or follows the step's name.
		cells = append([]string{strings.Fields(cells[0])[0]}, cells[len(cells)-3:]...)
		got = append(got, strings.Join(cells, " | "))
	}
	first := func(pending string) []string {
		return []string{
			"as | AWSCURRENT | (no user) | current ok",
			"createSecret | AWSCURRENT | AWSPENDING (no user) | current ok",
			"setSecret | AWSCURRENT | " + pending + " | current ok",
		}
	}
	rest := []string{
		"testSecret | AWSCURRENT | AWSPENDING | current ok",
		"finishSecret | AWSPREVIOUS | AWSCURRENT | current ok, previous ok",
	}
	toOriginal := []string{
		"createSecret | AWSPREVIOUS, AWSPENDING | AWSCURRENT | current ok, previous ok",
		"setSecret | AWSPREVIOUS, AWSPENDING | AWSCURRENT | current ok, previous replaced",
		"testSecret | AWSPREVIOUS, AWSPENDING | AWSCURRENT | current ok, previous replaced",
		"finishSecret | AWSCURRENT | AWSPREVIOUS | current ok, previous ok",
	}
	toClone := []string{
		"createSecret | AWSCURRENT | AWSPREVIOUS, AWSPENDING | current ok, previous ok",
		"setSecret | AWSCURRENT | AWSPREVIOUS, AWSPENDING | current ok, previous replaced",
		"testSecret | AWSCURRENT | AWSPREVIOUS, AWSPENDING | current ok, previous replaced",
		"finishSecret | AWSPREVIOUS | AWSCURRENT | current ok, previous ok",
	}
	applications := func(first string) []string {
		return []string{"rotation | now current | " + first + " | reads it again"}
	}
	var want []string
	for _, rows := range [][]string{
		{"as | AWSCURRENT | - | current ok", "createSecret | AWSCURRENT | AWSPENDING (not set) | current ok", "setSecret | AWSCURRENT | AWSPENDING | current ok"}, rest, // the admin
		first("AWSPENDING"), rest, toOriginal, toClone, // tutorial 1
		first("AWSPENDING"), rest, toOriginal, // tutorial 2
		first("AWSPENDING (locked)"), {"createSecret | AWSCURRENT | AWSPENDING (locked) | current ok", "setSecret | AWSCURRENT | AWSPENDING | current ok"}, rest,
		{"as | AWSCURRENT | AWSPREVIOUS | current ok, previous ok"}, toClone,
		applications("reads it once"), {"1 | shopuser | logs in | logs in", "2 | shopuser_clone | REFUSED | logs in", "3 | shopuser | REFUSED | logs in"},
		applications("reads it when told"), {"1 | shopuser_clone | logs in | logs in", "2 | shopuser | logs in | logs in", "3 | shopuser_clone | logs in | logs in"},
		applications("reads it again"), {"1 | shopuser | logs in | logs in", "2 | shopuser_clone | logs in | logs in", "3 | shopuser | logs in | logs in"},
	} {
		want = append(want, rows...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s\n%s", diff, out.String())
	}
	for _, text := range []string{
		"-> who has read the secret before the rotation still logs in, until the next one",
		"admin rotated meanwhile: its passwords under AWSCURRENT and AWSPREVIOUS log in, and no earlier one does",
		"setSecret KILLED",
		"has privileges on 6 of 12 tables, and nobody can log in as it",
		"has its privileges on 12 of 12 tables",
		", and 0 logins failed",
		"-> the function warned before it changed anything:",
		`"shopuser_clone" is still in use by 1 session: 1 from localhost`,
		"-> setSecret changed nothing, the secret's labels stay, and the application works:",
		"All was as it must be. None of the ",
	} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("the demo does not say %q:\n%s", text, out.String())
		}
	}
	// It has looked for what there was: 25 passwords, and a hash and a token with
	// almost each of them.
	var passwords, hashes, tokens int
	conclusion := out.String()[strings.LastIndex(out.String(), "None of the "):]
	if _, err := fmt.Sscanf(conclusion, "None of the %d passwords, %d hashes and %d rotation tokens", &passwords, &hashes, &tokens); err != nil || passwords < 10 || hashes < 10 || tokens < 6 {
		t.Errorf("it looked for %d passwords, %d hashes, %d tokens (%v)", passwords, hashes, tokens, err)
	}
	if names := left(t); names != nil {
		t.Errorf("the demo has left behind %v", names)
	}
}

// TestDemoIsInterrupted ends the demo between two of its parts, as Ctrl-C does.
func TestDemoIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	var out bytes.Buffer
	err := Demo(ctx, DemoOptions{Binary: binary(t), Finder: address(t), Out: writerFunc(func(p []byte) {
		out.Write(p)
		if bytes.Contains(p, []byte("finishSecret")) {
			cancel(errors.New("Ctrl-C"))
		}
	})})
	if err == nil || !strings.Contains(err.Error(), "the demo was interrupted: Ctrl-C") {
		t.Errorf("the error is %v", err)
	}
	if strings.Contains(out.String(), "NOT AS IT MUST BE") {
		t.Errorf("what was cut short is taken for wrong:\n%s", out.String())
	}
	if names := left(t); names != nil {
		t.Errorf("the demo has left behind %v", names)
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

// TestDemoRefusesWhatIsThere keeps the demo off users and databases that it has
// not made.
func TestDemoRefusesWhatIsThere(t *testing.T) {
	db, err := database(t).DB()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	exec := func(sent string) {
		if _, err := db.Exec(sent); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE USER appuser_clone")
	exec("CREATE DATABASE shop")
	defer exec("DROP DATABASE shop")
	defer exec("DROP USER appuser_clone")
	err = Demo(t.Context(), DemoOptions{Binary: binary(t), Finder: address(t), Out: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "has the user appuser_clone, the database shop already") {
		t.Errorf("the error is %v", err)
	}
	if diff := cmp.Diff([]string{"appuser_clone", "shop"}, left(t)); diff != "" {
		t.Errorf("left on the server (-want +got):\n%s", diff)
	}
}

// TestDemoFails checks that what is not as it must be makes the demo an error.
func TestDemoFails(t *testing.T) {
	const password, hash, token = "correct-horse-1", "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19", "0f1c9ab2-1111-2222-3333-0123456789ab"
	for name, test := range map[string]struct {
		do   func(*demo)
		want string // in the error; "" for none
	}{
		"all well":          {func(*demo) {}, ""},
		"a password shown":  {func(d *demo) { d.say("it is %s", password) }, "were shown: password in clear;"},
		"a password logged": {func(d *demo) { d.logs.WriteString("it is " + password) }, "in the function's log: password in clear"},
		"a hash shown":      {func(d *demo) { d.say("it is %q", hash) }, "were shown: hash in clear"},
		"a token in base64": {func(d *demo) { d.say("it is %s", base64.StdEncoding.EncodeToString([]byte(token))) }, "were shown: rotation token in base64"},
		"cut short": {func(d *demo) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			d.wrong(ctx, "no answer")
		}, ""},
		"something was wrong": {func(d *demo) { d.wrong(t.Context(), "the sky is green") }, "not as it must be: the sky is green"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &demo{Sandbox: &Sandbox{Server: database(t)}, out: &witness{to: io.Discard}, kept: leakscan.Secrets{}}
			d.keep(aPassword, redact.New(password))
			d.keep(aHash, redact.New(hash))
			d.keep(aToken, redact.New(token))
			test.do(d)
			err := d.conclude(time.Second)
			if test.want == "" && err == nil {
				return
			}
			if err == nil || test.want == "" || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want %q", err, test.want)
			}
		})
	}
}
