package e2e

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/leakscan"
	"tandem/internal/local/sandbox"
)

// Promise 5: nothing that the function writes or returns, and nothing that the
// server logs, has a password, a verifier or a RotationToken in it. Failures are
// part of the run, since errors are where secrets get out.
func TestNothingLeaks(t *testing.T) {
	servers.EachRelease(t, func(t *testing.T, release string) {
		on := servers.MustStart(t, release, "--general-log=ON", "--general-log-file=general.log", "--log-bin=binlog", "--server-id=1")
		kept := leakscan.Secrets{}
		var w *deployment
		w = newDeployment(t, on, withEnv("EXCLUDE_CHARACTERS="), func(_ *deployment, o *sandbox.Options) {
			o.Intercept = func(ctx context.Context, payload []byte, invoke func(context.Context, []byte) error) error {
				var event struct{ RotationToken string }
				if err := json.Unmarshal(payload, &event); err != nil {
					return err
				}
				kept.Add("RotationToken", event.RotationToken)
				err := invoke(ctx, payload)
				w.keep(kept)
				return err
			}
		})
		w.check()
		for range 2 {
			w.mustRotate()
		}
		w.check()
		// Errors: a grant that is refused, a password that a policy refuses, a
		// server that cannot be reached.
		w.execute("GRANT SELECT ON mysql.* TO '"+w.user+"'@'%'", "REVOKE SELECT ON *.* FROM 'admin'@'%'")
		w.mustFail("setSecret")
		w.keep(kept)
		w.check() // of the rotation that stands still
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
		if found := kept.Found(w.log() + strings.Join(w.said, "\n")); found != nil {
			t.Errorf("the function shows %v", found)
		}
		w.noneLogged(kept)
	})
}

// keep gathers what the server and Secrets Manager hold now.
func (w *deployment) keep(kept leakscan.Secrets) {
	for _, stage := range []string{"AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"} {
		var document struct{ Password string }
		if json.Unmarshal([]byte(w.value(stage)), &document) == nil && document.Password != firstPassword {
			kept.Add("password", document.Password)
		}
	}
	columns, table := "authentication_string AS first, User_attributes->>'$.additional_password' AS second", "mysql.user"
	if w.Server.Flavor == dbserver.MariaDB {
		columns, table = "JSON_VALUE(Priv, '$.authentication_string') AS first, JSON_VALUE(Priv, '$.auth_or[*].authentication_string') AS second", "mysql.global_priv"
	}
	for _, row := range columnsOf(w.t, w.Root, "SELECT "+columns+" FROM "+table+" WHERE User IN (?, ?)", w.user, w.clone()) {
		kept.Add("verifier", row["first"])
		kept.Add("verifier", row["second"])
	}
}

// noneLogged searches the server's general and binary logs for the passwords that
// the function set. (Verifiers are what these logs are meant to hold.)
func (w *deployment) noneLogged(kept leakscan.Secrets) {
	w.t.Helper()
	passwords := kept.Of("password")
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
			if found := passwords.Found(string(content)); found != nil {
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
