package secret_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tandem/internal/secret"
)

func TestOther(t *testing.T) {
	for _, test := range []struct{ username, original, clone, other string }{
		{"app", "app", "app_clone", "app_clone"},
		{"app_clone", "app", "app_clone", "app"},
		{"app_CLONE", "app_CLONE", "app_CLONE_clone", "app_CLONE_clone"},
		{"clone", "clone", "clone_clone", "clone_clone"},
		{"_clone_b", "_clone_b", "_clone_b_clone", "_clone_b_clone"},
	} {
		original, clone, other := secret.Original(test.username), secret.Clone(test.username), secret.Other(test.username)
		if original != test.original || clone != test.clone || other != test.other {
			t.Errorf("%s: original %s, clone %s, other %s; want %s, %s, %s",
				test.username, original, clone, other, test.original, test.clone, test.other)
		}
	}
}

func TestCheckUsername(t *testing.T) {
	const mysql, aurora, mariadb = secret.MySQL, secret.AuroraMySQL, secret.MariaDB
	of := func(n int) string { return strings.Repeat("ü", n) }
	for _, test := range []struct {
		name       string
		engine     secret.Engine
		username   string
		configured int
		want       string // empty where the name is good
	}{
		{"a plain name", mysql, "app", 0, ""},
		{"a clone", mysql, "app_clone", 0, ""},
		{"MySQL's longest", mysql, of(26), 0, ""},
		{"MySQL's longest clone", mysql, of(26) + "_clone", 0, ""},
		{"one more than MySQL's longest", mysql, of(27), 0, "has 33 characters and may have 32: use a user name of at most 26 characters"},
		{"one more than MySQL's longest clone", mysql, of(27) + "_clone", 0, "has 33 characters and may have 32"},
		{"Aurora's longest", aurora, of(26), 0, ""},
		{"one more than Aurora's longest", aurora, of(27), 0, "may have 32"},
		{"MariaDB's longest", mariadb, of(74), 0, ""},
		{"one more than MariaDB's longest", mariadb, of(75), 0, "has 81 characters and may have 80"},
		{"a lowered limit", mysql, of(10), 16, ""},
		{"one more than a lowered limit", mysql, of(11), 16, "has 17 characters and may have 16: use a user name of at most 10"},
		{"a limit lowered for MariaDB", mariadb, of(11), 16, "may have 16"},
		{"a limit below the suffix", mysql, "a", 3, "has 7 characters and may have 3: use a user name of at most 0"},
		{"a limit that MySQL cannot have", mysql, of(27), 80, "may have 32"},
		{"a limit raised for MariaDB", mariadb, of(122), 128, ""},
		{"one more than MariaDB's column", mariadb, of(123), 500, "has 129 characters and may have 128"},

		{"empty", mysql, "", 0, "the user name is empty"},
		{"the suffix alone", mysql, "_clone", 0, `"_clone" alone`},
		{"the clone of a clone", mysql, "app_clone_clone", 0, "twice"},
		{"the suffix alone, twice", mysql, "_clone_clone", 0, "twice"},
		{"outside the BMP", mysql, "app😀", 0, "Basic Multilingual Plane"},
		{"outside the BMP on MariaDB", mariadb, "\U00010000", 0, "Basic Multilingual Plane"},
		{"the BMP's last", mysql, "app\uffff", 0, ""},
		{"NUL", mariadb, "a\x00b", 0, "NUL"},
		{"invalid UTF-8", mariadb, "a\xff", 0, "UTF-8"},
		{"a space at the end", mysql, "app ", 0, "ends with a space"},
		{"a space at the original's end", mariadb, "app _clone", 0, "ends with a space"},
		{"a space at the beginning", mysql, " app", 0, "white space"},
		{"a space at the beginning of a clone", aurora, " app_clone", 0, "white space"},
		{"a space at the beginning on MariaDB", mariadb, " app", 0, ""},
		{"a space within", mysql, "a pp", 0, ""},
		{"a vertical tab at the end", mysql, "app\v", 0, "white space"},
		{"a tab at the end on MariaDB", mariadb, "app\t", 0, ""},
		{"white space beyond ASCII", mysql, "app\u00a0", 0, ""},
		{"in quotes", mysql, "'app'", 0, "single quote"},
		{"in quotes on MariaDB", mariadb, "''", 0, "single quote"},
		{"the clone of a name in quotes", mysql, "'app'_clone", 0, "single quote"},
		{"one quote", mysql, "'", 0, ""},
		{"a quote at one end", mysql, "'app", 0, ""},
		{"in other quotes", mysql, "`\"app\"`", 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := secret.CheckUsername(test.engine, test.username, test.configured)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("%q refused: %v", test.username, err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%q: error is %v, and has to say %q", test.username, err, test.want)
			case err != nil && len(test.username) > 3 && strings.Contains(err.Error(), test.username) && test.username != secret.CloneSuffix:
				t.Errorf("error quotes the name: %v", err)
			}
		})
	}
}

// A pair is closed: neither of its names leads to a third one.
func TestPairIsClosed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		username := rapid.StringMatching(`[a' _]{0,4}(_clone){0,3}`).Draw(t, "username")
		if secret.CheckUsername(secret.MariaDB, username, 0) != nil {
			return
		}
		other := secret.Other(username)
		if other == username || secret.Other(other) != username {
			t.Fatalf("%q alternates with %q, and that with %q", username, other, secret.Other(other))
		}
		if err := secret.CheckUsername(secret.MariaDB, other, 0); err != nil {
			t.Fatalf("%q is good and its other name is not: %v", username, err)
		}
	})
}
