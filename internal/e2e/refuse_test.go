package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/local/sandbox"
	"tandem/internal/rotation"
)

// Promise 6: what is refused, is refused before anything is changed, by a
// sentence that names it.
func TestRefusedBeforeAnythingChanges(t *testing.T) {
	for _, test := range []struct {
		name    string
		arrange func(w *deployment)
		step    string   // that refuses
		want    []string // in the error
		flavor  dbserver.Flavor
	}{
		{"no admin secret named", func(w *deployment) { w.store(w.user, firstPassword, map[string]any{"masterarn": nil}) },
			"createSecret", []string{"masterarn", "SUPERUSER_SECRET_ARN"}, ""},
		{"an engine of another kind", func(w *deployment) { w.store(w.user, firstPassword, map[string]any{"engine": "postgres"}) },
			"createSecret", []string{"engine"}, ""},
		{"a host that is a URL", func(w *deployment) { w.store(w.user, firstPassword, map[string]any{"host": "mysql://127.0.0.1"}) },
			"createSecret", []string{`key "host" is a URL`}, ""},
		{"a host with another port", func(w *deployment) { w.store(w.user, firstPassword, map[string]any{"host": "127.0.0.1:1\n"}) },
			"createSecret", []string{`key "host" has another port in it`}, ""},
		{"a host with a line's end in it", func(w *deployment) { w.store(w.user, firstPassword, map[string]any{"host": "127.0.0.1\n127.0.0.2"}) },
			"createSecret", []string{`key "host" is not a host name`}, ""},
		{"a name too long", func(w *deployment) {
			w.store(strings.Repeat("n", 80), firstPassword, nil)
		}, "createSecret", []string{"characters", "USERNAME_CHARACTER_LIMIT"}, ""},
		{"no such admin secret", func(w *deployment) {
			w.store(w.user, firstPassword, map[string]any{"masterarn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gone-abcdef"})
		}, "setSecret", []string{"admin secret", "gone-abcdef"}, ""},
		{"the admin secret is the user's own", func(w *deployment) {
			own := w.app
			w.store(w.user, firstPassword, map[string]any{"masterarn": own})
		}, "setSecret", []string{"one of the two users"}, ""},
		{"another host", func(w *deployment) { w.store(w.user, firstPassword, map[string]any{"host": "127.0.0.2"}) },
			"setSecret", []string{"127.0.0.2", "admin secret of the secret's own server"}, ""},
		{"the current password is wrong", func(w *deployment) { w.store(w.user, "not the password", nil) },
			"setSecret", []string{"AWSCURRENT", "1045"}, ""},
		{"the admin's password is wrong", func(w *deployment) {
			wrong, err := w.CreateSecret(w.t.Context(), sandbox.Token()[:20], "admin", "not the password", nil)
			if err != nil {
				w.t.Fatal(err)
			}
			w.store(w.user, firstPassword, map[string]any{"masterarn": wrong})
		}, "setSecret", []string{"admin", "1045"}, ""},
		{"a locked account", func(w *deployment) { w.execute("ALTER USER '" + w.user + "'@'%' ACCOUNT LOCK") },
			"setSecret", []string{"locked"}, ""},
		{"a user that is not there", func(w *deployment) { w.execute("DROP USER '" + w.user + "'@'%'") },
			"setSecret", []string{"1045"}, ""},
		{"the clone's name is a role", func(w *deployment) {
			w.execute("CREATE ROLE " + w.clone())
			w.afterwards("DROP ROLE " + w.clone())
		}, "setSecret", []string{"is a role"}, dbserver.MariaDB},
		{"a clone without its original", func(w *deployment) {
			w.execute("RENAME USER '" + w.user + "'@'%' TO '" + w.clone() + "'@'%'")
			w.store(w.clone(), firstPassword, nil)
		}, "setSecret", []string{"original", "does not exist"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			servers.Only(test.flavor, "it is no difference elsewhere").Each(t, func(t *testing.T, on *dbserver.Server) {
				w := newDeployment(t, on)
				test.arrange(w)
				others, before := w.others(), append(oracle(t, on, w.Root, w.user), oracle(t, on, w.Root, w.clone())...)
				w.mustFail(append(test.want, test.step)...)
				if diff := cmp.Diff(others, w.others()); diff != "" {
					t.Errorf("accounts of others have changed:\n%s", diff)
				}
				if diff := cmp.Diff(before, append(oracle(t, on, w.Root, w.user), oracle(t, on, w.Root, w.clone())...)); diff != "" {
					t.Errorf("the pair has changed:\n%s", diff)
				}
				if len(w.statements()) > 0 {
					t.Errorf("sent %q", w.statements())
				}
				if pending := w.value("AWSPENDING"); test.step == "createSecret" && pending != "" {
					t.Error("AWSPENDING was written")
				}
			})
		})
	}
}

// A host that has one meaning is taken as meant, in both secrets, and keeps its
// spelling.
func TestHostIsTakenAsMeant(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.store(w.user, firstPassword, map[string]any{"host": fmt.Sprintf(" %s:%d\n", on.Host, on.Port), "port": nil})
		w.correct(w.admin, map[string]any{"host": on.Host + "\n"})
		written := w.besideCredentials()
		for range 2 {
			w.mustRotate()
			w.mustEqual()
		}
		if now := w.besideCredentials(); now != written {
			t.Errorf("the document was\n%s\nand is\n%s", written, now)
		}
		w.correct(w.admin, map[string]any{"host": on.Host + "/admin"})
		w.mustFail("AdminSecretInvalid", "setSecret", `key "host" is not a host name`)
	})
}

// A variable that cannot be read is what every invocation answers.
func TestConfigurationIsAnswered(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, withEnv("PASSWORD_LENGTH=many", "EXCLUDE_NUMBERS=perhaps"))
		w.mustFail("PASSWORD_LENGTH", "EXCLUDE_NUMBERS")
		w.abandon()
		w.mustFail("PASSWORD_LENGTH", "EXCLUDE_NUMBERS")
		if !strings.Contains(w.log(), "PASSWORD_LENGTH") {
			t.Error("nothing was logged at the start")
		}
	})
}

// A server that accepts and stays silent costs one error of the function's own,
// before Lambda ends it.
func TestSilentServer(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		go func() {
			for {
				connection, err := listener.Accept()
				if err != nil {
					return
				}
				defer connection.Close()
			}
		}()
		w := newDeployment(t, on, func(_ *deployment, o *sandbox.Options) { o.Timeout = 3 * time.Second })
		port := listener.Addr().(*net.TCPAddr).Port
		admin, err := w.CreateSecret(t.Context(), sandbox.Token()[:20], "admin", "x", map[string]any{"host": "127.0.0.1", "port": port})
		if err != nil {
			t.Fatal(err)
		}
		w.store(w.user, firstPassword, map[string]any{"host": "127.0.0.1", "port": port, "masterarn": admin})
		w.mustFail("ReadTimeout", "setSecret", fmt.Sprint(port), "did not answer in time")
	})
}

// A wait within the server, too, ends in an error that says what the time was spent
// on, and hides nothing from a check.
func TestHangingReadNamesItsLeg(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, func(_ *deployment, o *sandbox.Options) { o.Timeout = 3 * time.Second })
		table := "mysql.user"
		if on.Flavor == dbserver.MariaDB {
			table = "mysql.global_priv" // of which mysql.user is a view
		}
		conn, err := w.Root.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.ExecContext(t.Context(), "LOCK TABLES "+table+" WRITE"); err != nil {
			t.Fatal(err)
		}
		failed, found := w.rotate(), w.check()
		if _, err := conn.ExecContext(t.Context(), "UNLOCK TABLES"); err != nil {
			t.Fatal(err)
		}
		if errorType(failed) != failure.ReadTimeout || !strings.Contains(failed.Error(), "spent on taking the pair's lock and listing the accounts") {
			t.Errorf("the step: %v", failed)
		}
		if f := finding(t, found, "accounts"); f.Type != string(failure.ReadTimeout) {
			t.Errorf("the check: %+v", f)
		}
		if f := finding(t, found, "rotation"); f.Result != rotation.ResultAttention {
			t.Errorf("the check: %+v", f)
		}
	})
}
