package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tandem/internal/sandbox"
	"tandem/internal/server"
)

// secrets gathers what must not be seen, and looks for it.
type secrets map[string]string // content to what it is

func (s secrets) add(what, content string) {
	if len(content) >= window { // shorter ones are found anywhere
		s[content] = what
	}
}

// window is the length of what is looked up at each byte of a text: no secret is
// shorter.
const window = 8

// found lists which secrets stand in a text, in clear or in another form. A run
// gathers thousands, and servers log much, so the text is read once.
func (s secrets) found(text string) []string {
	type form struct{ written, name, content string }
	forms := map[string][]form{} // by their beginning
	for content := range s {
		quoted, _ := json.Marshal(content)
		for name, written := range map[string]string{
			"clear": content, "JSON": strings.Trim(string(quoted), `"`), "SQL": strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(content),
			"URL": url.QueryEscape(content), "hex": hex.EncodeToString([]byte(content)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(content))),
			"base64": base64.StdEncoding.EncodeToString([]byte(content)), "Go": strings.Trim(fmt.Sprintf("%q", content), `"`),
		} {
			forms[written[:window]] = append(forms[written[:window]], form{written, name, content})
		}
	}
	seen := map[string]bool{}
	var out []string
	for i := 0; i+window <= len(text); i++ {
		for _, form := range forms[text[i:i+window]] {
			if !seen[form.content] && strings.HasPrefix(text[i:], form.written) {
				seen[form.content] = true
				out = append(out, s[form.content]+" in "+form.name)
			}
		}
	}
	return out
}

// The search must find what it is there for.
func TestSearchFindsSecrets(t *testing.T) {
	const content = `pa'ss\wo"rd%`
	s := secrets{}
	s.add("planted", content)
	for _, text := range []string{
		content, `x pa''ss\\wo"rd% x`, `{"m":"pa'ss\\wo\"rd%"}`, url.QueryEscape(content), hex.EncodeToString([]byte(content)),
		base64.StdEncoding.EncodeToString([]byte(content)),
	} {
		if len(s.found("before "+text+" after")) == 0 {
			t.Errorf("%s is not found", text)
		}
	}
	if found := s.found("nothing"); found != nil {
		t.Errorf("found %v in nothing", found)
	}
}

// Promise 5: nothing that the function writes or returns, and nothing that the
// server logs, has a password, a verifier or a RotationToken in it. Failures are
// part of the run, since errors are where secrets get out.
func TestNothingLeaks(t *testing.T) {
	servers.EachRelease(t, func(t *testing.T, release string) {
		on := servers.MustStart(t, release, "--general-log=ON", "--general-log-file=general.log", "--log-bin=binlog", "--server-id=1")
		kept := secrets{}
		var w *world
		w = newWorld(t, on, withEnv("EXCLUDE_CHARACTERS="), func(_ *world, o *sandbox.Options) {
			o.Intercept = func(ctx context.Context, payload []byte, invoke func(context.Context, []byte) error) error {
				var event struct{ RotationToken string }
				if err := json.Unmarshal(payload, &event); err != nil {
					return err
				}
				kept.add("RotationToken", event.RotationToken)
				err := invoke(ctx, payload)
				w.keep(kept)
				return err
			}
		})
		for range 2 {
			w.mustRotate()
		}
		// Errors: a grant that is refused, a password that a policy refuses, a
		// server that cannot be reached.
		w.execute("GRANT SELECT ON mysql.* TO '"+w.user+"'@'%'", "REVOKE SELECT ON *.* FROM 'admin'@'%'")
		w.mustFail("setSecret")
		w.keep(kept)
		w.abandon()
		w.execute("GRANT SELECT ON *.* TO 'admin'@'%' WITH GRANT OPTION")
		w.mustRotate()
		tokens := 0
		for _, what := range kept {
			if what == "RotationToken" {
				tokens++
			}
		}
		if len(kept) < 8 || tokens < 3 {
			t.Fatalf("only %d secrets were gathered, %d of them tokens", len(kept), tokens)
		}
		if found := kept.found(w.log() + strings.Join(w.said, "\n")); found != nil {
			t.Errorf("the function shows %v", found)
		}
		w.noneLogged(kept)
	})
}

// keep gathers what the server and Secrets Manager hold now.
func (w *world) keep(kept secrets) {
	for _, stage := range []string{"AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"} {
		var document struct{ Password string }
		if json.Unmarshal([]byte(w.value(stage)), &document) == nil && document.Password != firstPassword {
			kept.add("password", document.Password)
		}
	}
	column := "authentication_string"
	table := "mysql.user"
	if w.Server.Flavor == server.MariaDB {
		column, table = "JSON_VALUE(Priv, '$.authentication_string') AS authentication_string", "mysql.global_priv"
	}
	for _, row := range columnsOf(w.t, w.Root, "SELECT "+column+" FROM "+table+" WHERE User IN (?, ?)", w.user, w.clone()) {
		kept.add("verifier", row["authentication_string"])
	}
}

// noneLogged searches the server's general and binary logs for the passwords that
// the function set. (Verifiers are what these logs are meant to hold.)
func (w *world) noneLogged(kept secrets) {
	w.t.Helper()
	passwords := secrets{}
	for content, what := range kept {
		if what == "password" {
			passwords[content] = what
		}
	}
	var directory string
	if err := w.Root.QueryRowContext(w.t.Context(), "SELECT @@datadir").Scan(&directory); err != nil {
		w.t.Fatal(err)
	}
	w.execute("FLUSH LOGS")
	read := 0
	for _, pattern := range []string{"general.log", "binlog.0*"} {
		files, err := filepath.Glob(filepath.Join(directory, pattern))
		if err != nil {
			w.t.Fatal(err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				w.t.Fatal(err)
			}
			if found := passwords.found(string(content)); found != nil {
				w.t.Errorf("%s has %v", filepath.Base(file), found)
			}
			if strings.Contains(string(content), "ALTER USER") {
				read++
			}
		}
	}
	if read < 2 {
		w.t.Errorf("%d of the logs have an ALTER USER: they were not written, or not found", read)
	}
}
