package account

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/redact"
	"tandem/internal/statement"
)

func never(string, redact.Secret, redact.Secret) (bool, error) { return false, nil }

func TestEndsPassword(t *testing.T) {
	password := redact.New("new")
	matches := func(_ string, stored, password redact.Secret) (bool, error) {
		return stored.Reveal() == "of "+password.Reveal(), nil
	}
	at := func(user, host, clauses, verifier string) Account {
		a := account(t, mysql9, Name{user, host}, clauses)
		a.Factors = []Factor{{Plugin: "caching_sha2_password", Verifier: redact.New(verifier)}}
		return a
	}
	const locked = " PASSWORD EXPIRE DEFAULT ACCOUNT LOCK"
	app := user("app", at("app", "%", "", "of old"))
	for _, test := range []struct {
		what  string
		clone User
		mode  Mode
		turn  Turn
		ends  bool
	}{
		{"a user who is new", user("app_clone"), Merge, TurnOfClone, false},
		{"the clone's", user("app_clone", at("app_clone", "%", "", "of old")), Merge, TurnOfClone, true},
		{"set already", user("app_clone", at("app_clone", "%", "", "of new")), Merge, TurnOfClone, false},
		{"made by an earlier try", user("app_clone", at("app_clone", "%", locked, "of nobody")), Merge, TurnOfClone, false},
		{"an account that is dropped", user("app_clone", at("app_clone", "%", "", "of new"), at("app_clone", "10.%", "", "of old")), Merge, TurnOfClone, true},
		{"the original's", user("app_clone", at("app_clone", "%", "", "of new")), Merge, TurnOfOriginal, true},
		{"passwords only", user("app_clone", at("app_clone", "%", "", "of old")), Off, TurnOfClone, true},
	} {
		ends, err := Pair{Server: mysql9, Original: app, Clone: test.clone, Known: true}.EndsPassword(test.mode, test.turn, password, matches)
		if err != nil || ends != test.ends {
			t.Errorf("%s: %v, %v", test.what, ends, err)
		}
	}
}

func TestPassword(t *testing.T) {
	password := redact.New("new p'w")
	matches := func(plugin string, stored, password redact.Secret) (bool, error) {
		return stored.Reveal() == "of "+password.Reveal(), nil
	}
	verifierOf := func(plugin string, password redact.Secret) (redact.Secret, error) {
		return redact.New("of " + password.Reveal()), nil
	}
	// with gives an account a plugin and a stored verifier.
	with := func(account Account, plugin, verifier string) Account {
		account.Factors = []Factor{{Plugin: plugin, Verifier: redact.New(verifier)}}
		return account
	}
	at := func(server Server, user, host, clauses string) Account {
		return account(t, server, Name{user, host}, clauses)
	}
	second := func(account Account) Account {
		account.SecondPassword = redact.New("another")
		return account
	}
	const set, sha = "of new p'w", "caching_sha2_password"
	const locked = " PASSWORD EXPIRE DEFAULT ACCOUNT LOCK"
	for _, test := range []struct {
		what       string
		pair       Pair
		mode       Mode
		turn       Turn
		statements []string
	}{
		{"one account", Pair{Server: mysql9, Original: user("app", at(mysql9, "app", "%", "")), Clone: user("app_clone", at(mysql9, "app_clone", "%", locked)), Known: true}, Merge, TurnOfClone,
			[]string{"ALTER USER 'app_clone'@'%' IDENTIFIED WITH 'caching_sha2_password' BY 'new p''w' ACCOUNT UNLOCK"}},
		{"locked accounts first, without the unlock", Pair{Server: mysql9,
			Original: user("app", at(mysql9, "app", "%", ""), at(mysql9, "app", "10.%", locked), at(mysql9, "app", "11.%", "")),
			Clone:    user("app_clone", at(mysql9, "app_clone", "%", ""), at(mysql9, "app_clone", "10.%", locked), at(mysql9, "app_clone", "11.%", "")), Known: true}, Merge, TurnOfClone,
			[]string{"ALTER USER 'app_clone'@'10.%' IDENTIFIED WITH 'caching_sha2_password' BY 'new p''w'",
				"ALTER USER 'app_clone'@'%' IDENTIFIED WITH 'caching_sha2_password' BY 'new p''w', 'app_clone'@'11.%' IDENTIFIED WITH 'caching_sha2_password' BY 'new p''w' ACCOUNT UNLOCK"}},
		{"set already", Pair{Server: mysql9,
			Original: user("app", at(mysql9, "app", "%", ""), at(mysql9, "app", "10.%", locked)),
			Clone:    user("app_clone", with(at(mysql9, "app_clone", "%", ""), sha, set), with(at(mysql9, "app_clone", "10.%", locked), sha, set))}, Merge, TurnOfClone, nil},
		{"set, not opened", Pair{Server: mysql9,
			Original: user("app", at(mysql9, "app", "%", ""), at(mysql9, "app", "10.%", "")),
			Clone:    user("app_clone", with(at(mysql9, "app_clone", "%", locked), sha, set), with(at(mysql9, "app_clone", "10.%", ""), sha, "other")), Known: true}, Merge, TurnOfClone,
			[]string{"ALTER USER 'app_clone'@'%', 'app_clone'@'10.%' IDENTIFIED WITH 'caching_sha2_password' BY 'new p''w' ACCOUNT UNLOCK"}},
		{"set, expired", Pair{Server: mysql9, Original: user("app", with(at(mysql9, "app", "%", " PASSWORD EXPIRE"), sha, set)), Clone: user("app_clone", at(mysql9, "app_clone", "%", "")), Known: true}, Merge, TurnOfOriginal,
			[]string{"ALTER USER 'app'@'%' IDENTIFIED WITH 'caching_sha2_password' BY 'new p''w' ACCOUNT UNLOCK"}},
		{"the plugin of the original", Pair{Server: mysql9, Original: user("app", with(at(mysql9, "app", "%", ""), "sha256_password", "x")), Clone: user("app_clone", with(at(mysql9, "app_clone", "%", ""), "auth_socket", set)), Known: true}, Merge, TurnOfClone,
			[]string{"ALTER USER 'app_clone'@'%' IDENTIFIED WITH 'sha256_password' BY 'new p''w' ACCOUNT UNLOCK"}},
		{"its own plugin in off", Pair{Server: mysql9, Original: user("app", with(at(mysql9, "app", "%", ""), "sha256_password", "x")), Clone: user("app_clone", at(mysql9, "app_clone", "10.%", ""))}, Off, TurnOfClone,
			[]string{"ALTER USER 'app_clone'@'10.%' IDENTIFIED WITH 'caching_sha2_password' BY 'new p''w' ACCOUNT UNLOCK"}},
		{"the original, whose locked accounts stay locked", Pair{Server: mysql9, Original: user("app", at(mysql9, "app", "%", ""), at(mysql9, "app", "10.%", locked)), Clone: user("app_clone", at(mysql9, "app_clone", "%", "")), Known: true}, Merge, TurnOfOriginal,
			[]string{"ALTER USER 'app'@'10.%' IDENTIFIED WITH 'caching_sha2_password' BY 'new p''w'", "ALTER USER 'app'@'%' IDENTIFIED WITH 'caching_sha2_password' BY 'new p''w' ACCOUNT UNLOCK"}},
		{"a second password of the clone goes", Pair{Server: mysql9, Original: user("app", at(mysql9, "app", "%", ""), at(mysql9, "app", "10.%", "")), Clone: user("app_clone", second(at(mysql9, "app_clone", "%", "")), with(at(mysql9, "app_clone", "10.%", ""), sha, set)), Known: true}, Merge, TurnOfClone,
			[]string{"ALTER USER 'app_clone'@'%' DISCARD OLD PASSWORD", "ALTER USER 'app_clone'@'%' IDENTIFIED WITH 'caching_sha2_password' BY 'new p''w' ACCOUNT UNLOCK"}},
		{"a second password of the original goes", Pair{Server: mysql9, Original: user("app", second(at(mysql9, "app", "%", ""))), Clone: user("app_clone", at(mysql9, "app_clone", "%", "")), Known: true}, Merge, TurnOfOriginal,
			[]string{"ALTER USER 'app'@'%' DISCARD OLD PASSWORD", "ALTER USER 'app'@'%' IDENTIFIED WITH 'caching_sha2_password' BY 'new p''w' ACCOUNT UNLOCK"}},
		{"a second password goes in off", Pair{Server: mysql9, Original: user("app", at(mysql9, "app", "%", "")), Clone: user("app_clone", second(at(mysql9, "app_clone", "%", ""))), Known: true}, Off, TurnOfClone,
			[]string{"ALTER USER 'app_clone'@'%' DISCARD OLD PASSWORD", "ALTER USER 'app_clone'@'%' IDENTIFIED WITH 'caching_sha2_password' BY 'new p''w' ACCOUNT UNLOCK"}},
		{"a second password goes where the first is set already", Pair{Server: mysql9, Original: user("app", at(mysql9, "app", "%", "")), Clone: user("app_clone", second(with(at(mysql9, "app_clone", "%", ""), sha, set))), Known: true}, Merge, TurnOfClone,
			[]string{"ALTER USER 'app_clone'@'%' DISCARD OLD PASSWORD"}},
		{"MariaDB is sent the verifier", Pair{Server: maria10, Original: user("app", at(maria10, "app", "%", "")), Clone: user("app_clone", at(maria10, "app_clone", "%", " ACCOUNT LOCK"))}, Merge, TurnOfClone,
			[]string{"ALTER USER 'app_clone'@'%' IDENTIFIED VIA `mysql_native_password` USING 'of new p''w' ACCOUNT UNLOCK"}},
	} {
		t.Run(test.what, func(t *testing.T) {
			statements, err := test.pair.Password(test.mode, test.turn, password, matches, verifierOf)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.statements, reveal(statements)); diff != "" {
				t.Error(diff)
			}
		})
	}

	missing := Pair{Server: mysql9, Original: user("app", at(mysql9, "app", "%", "")), Clone: user("app_clone")}
	if _, err := missing.Password(Merge, TurnOfClone, password, matches, verifierOf); !errors.Is(err, ErrNotFound) {
		t.Errorf("an account that was not created: %v", err)
	}
	broken := errors.New("broken")
	pair := Pair{Server: maria10, Original: user("app", at(maria10, "app", "%", "")), Clone: user("app_clone", at(maria10, "app_clone", "%", "")), Known: true}
	for _, functions := range []struct {
		matches    func(string, redact.Secret, redact.Secret) (bool, error)
		verifierOf func(string, redact.Secret) (redact.Secret, error)
	}{
		{func(string, redact.Secret, redact.Secret) (bool, error) { return false, broken }, verifierOf},
		{matches, func(string, redact.Secret) (redact.Secret, error) { return redact.Secret{}, broken }},
	} {
		if _, err := pair.Password(Merge, TurnOfClone, password, functions.matches, functions.verifierOf); !errors.Is(err, broken) {
			t.Errorf("err = %v, want the function's", err)
		}
	}
}

func reveal(statements []statement.Statement) []string {
	var out []string
	for _, s := range statements {
		out = append(out, s.Reveal())
	}
	return out
}
