package e2e

import (
	"fmt"
	"strings"
	"testing"

	"tandem/internal/local/dbserver"
	"tandem/internal/secret"
)

// Any password that the variables permit works, quotes and backslashes included,
// and so does any current password that the server accepted.
func TestPasswords(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		for _, current := range []string{
			`it's "quoted" \ and` + " `ticked` %s @:/?#[]", "pässwörd 日本語 🙂", "\ttab\nand newline", strings.Repeat("x", 200), "' OR ''='", `\`, `\'`,
		} {
			w := newDeployment(t, on, withEnv("EXCLUDE_CHARACTERS=", "PASSWORD_LENGTH=40"))
			if err := w.CreateUser(t.Context(), w.user, "%", "another"); err != nil {
				t.Fatal(err)
			}
			w.execute("GRANT ALL PRIVILEGES ON " + w.database + ".* TO '" + w.user + "'@'%'")
			if _, err := w.Root.ExecContext(t.Context(), "SET PASSWORD FOR '"+w.user+"'@'%' = "+passwordLiteral(on, current)); err != nil {
				t.Fatal(err)
			}
			w.store(w.user, current, nil)
			for range 3 {
				w.mustRotate()
				w.mustLogIn(w.Current(t.Context(), w.app))
			}
		}
	})
}

// passwordLiteral writes a password for SET PASSWORD, by the manual and not by
// the code under test.
func passwordLiteral(on *dbserver.Server, password string) string {
	literal := "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(password) + "'"
	if on.Flavor == dbserver.MariaDB {
		return "PASSWORD(" + literal + ")"
	}
	return literal
}

func TestPasswordsAreAsConfigured(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		const letters = "abcdefghijklmnopqrstuvwxyz"
		longest := 255
		if on.Config().TLS == nil {
			longest = 213 // what a key of 2048 bits encrypts on a connection without TLS
		}
		for _, test := range []struct {
			name string
			env  []string
			fits func(password string) bool
		}{
			{"default", nil, func(p string) bool {
				return len(p) == 32 && strings.Trim(p, letters+strings.ToUpper(letters)+"0123456789-_.") == "" &&
					strings.ContainsAny(p, letters) && strings.ContainsAny(p, strings.ToUpper(letters)) && strings.ContainsAny(p, "0123456789") && strings.ContainsAny(p, "-_.")
			}},
			{"length", []string{fmt.Sprintf("PASSWORD_LENGTH=%d", longest)}, func(p string) bool { return len(p) == longest }},
			{"lower case alone", []string{"EXCLUDE_NUMBERS=true", "EXCLUDE_PUNCTUATION=yes", "EXCLUDE_UPPERCASE=1"},
				func(p string) bool { return len(p) == 32 && strings.Trim(p, letters) == "" }},
			{"other characters excluded", []string{"EXCLUDE_CHARACTERS=" + letters, "PASSWORD_LENGTH=64", "EXCLUDE_LOWERCASE=y"},
				func(p string) bool {
					return !strings.ContainsAny(p, letters) && strings.ContainsAny(p, "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~")
				}},
		} {
			w := newDeployment(t, on, withEnv(test.env...))
			w.mustRotate()
			document, err := w.Current(t.Context(), w.app)
			w.mustLogIn(document, err)
			if !test.fits(document.Password().Reveal()) {
				t.Errorf("%s: the password is not as configured", test.name)
			}
		}
	})
}

// The document keeps every byte but the two values.
func TestDocumentIsKept(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.store(w.user, firstPassword, map[string]any{"note": "kept <&> \u2028", "nested": map[string]any{"username": "x"}, "number": 1.5})
		before := w.value("AWSCURRENT")
		w.mustRotate()
		document, err := w.Current(t.Context(), w.app)
		w.mustLogIn(document, err)
		after := w.value("AWSCURRENT")
		back := strings.Replace(after, document.Password().Reveal(), firstPassword, 1)
		back = strings.Replace(back, `"`+secret.Clone(w.user)+`"`, `"`+w.user+`"`, 1)
		if back != before {
			t.Error("the document has changed beyond its username and password")
		}
	})
}

// PASSWORD HISTORY forbids a password that was used before: a repeated setSecret
// must not send it again.
func TestPasswordHistory(t *testing.T) {
	servers.Only(dbserver.MySQL, "MariaDB has no such clause").Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, withIntercept(twice))
		w.execute("ALTER USER '" + w.user + "'@'%' PASSWORD HISTORY 5 PASSWORD REUSE INTERVAL 365 DAY PASSWORD REQUIRE CURRENT")
		for range 3 {
			w.mustRotate()
		}
		w.mustEqual()
	})
}
