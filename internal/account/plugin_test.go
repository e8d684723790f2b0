package account

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tandem/internal/redact"
)

// identified gives an account factors: plugin and what is kept of it, by turns.
func identified(account Account, factors ...string) Account {
	account.Factors = nil
	for i := 0; i < len(factors); i += 2 {
		account.Factors = append(account.Factors, Factor{Plugin: factors[i], Verifier: redact.New(factors[i+1])})
	}
	return account
}

const (
	keptEd25519 = "ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY"
	keptParsec  = "P0:salt:key"
)

// Which accounts the function can log in through.
func TestLoginFactors(t *testing.T) {
	for _, test := range []struct {
		server  Server
		factors []string
		refused string // a word of the sentence; none where it can
	}{
		{mysql9, []string{"caching_sha2_password", "x"}, ""},
		{mysql9, []string{"caching_sha2_password", "x", "auth_socket", ""}, "several factors"},
		{mysql9, []string{"authentication_ldap_sasl", "x"}, "LDAP"},
		{mysql9, []string{"authentication_kerberos", "x"}, "Kerberos"},
		{mysql9, []string{"ed25519", keptEd25519}, "no password"},
		{maria10, []string{"ED25519", keptEd25519}, ""},
		{maria10, []string{"ed25519", ""}, ""},
		{maria10, []string{"unix_socket", "", "ed25519", keptEd25519}, ""},
		{maria10, []string{"mysql_native_password", "invalid", "ed25519", keptEd25519}, ""},
		{maria10, []string{"mysql_native_password", nativeVerifier, "parsec", keptParsec}, ""},
		{maria10, []string{"parsec", keptParsec}, "parsec first"},
		{maria10, []string{"parsec", keptParsec, "mysql_native_password", nativeVerifier}, "parsec first"},
		{maria10, []string{"pam", "", "mysql_native_password", nativeVerifier}, "pam first"},
		{maria10, []string{"ed25519", "invalid", "mysql_native_password", nativeVerifier}, "ed25519 first"},
		{maria10, []string{"mysql_native_password", "invalid"}, "turned off"},
		{maria10, []string{"mysql_old_password", "5d2e19393cc5ef67"}, "before MySQL 4.1"},
		{maria10, []string{"gssapi", ""}, "Kerberos"},
	} {
		original := identified(account(t, test.server, app, ""), test.factors...)
		pair := Pair{Server: test.server, Original: user("app", original), Clone: user("app_clone"), Known: true, Login: app}
		_, err := pair.Plan(Merge, TurnOfClone, throwaway)
		if test.refused == "" && err != nil || test.refused != "" && (!errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), test.refused)) {
			t.Errorf("%s, %v: %v, want a refusal that says %q", test.server, test.factors, err, test.refused)
		}
	}
}

// What is sent where an account has more than one factor, or no password.
func TestFactors(t *testing.T) {
	matches := func(_ string, stored, _ redact.Secret) (bool, error) { return stored.Reveal() == keptEd25519, nil }
	verifierOf := func(plugin string, _ redact.Secret) (redact.Secret, error) { return redact.New("new " + plugin), nil }
	for _, test := range []struct {
		what           string
		server         Server
		want, have     []string
		clear          []string
		plan, password []string
	}{
		{what: "a new account", server: mysql9, want: []string{"caching_sha2_password", "x", "auth_socket", "joe"},
			plan: []string{"CREATE USER 'app_clone'@'%' IDENTIFIED WITH 'caching_sha2_password' AS 'throwaway of caching_sha2_password' AND IDENTIFIED WITH 'auth_socket' AS 'joe' ACCOUNT LOCK"}},
		{what: "a factor more", server: mysql9, want: []string{"caching_sha2_password", "x", "auth_socket", "joe"}, have: []string{"caching_sha2_password", "y"},
			plan:     []string{"ALTER USER 'app_clone'@'%' ADD 2 FACTOR IDENTIFIED WITH 'auth_socket' AS 'joe'"},
			password: []string{"ALTER USER 'app_clone'@'%' IDENTIFIED WITH 'caching_sha2_password' BY 'secret' ACCOUNT UNLOCK"}},
		{what: "another factor, and one less", server: mysql9, want: []string{"caching_sha2_password", "x", "auth_socket", "joe"}, have: []string{"auth_socket", "", "auth_socket", "jim", "auth_socket", ""},
			plan:     []string{"ALTER USER 'app_clone'@'%' DROP 3 FACTOR", "ALTER USER 'app_clone'@'%' MODIFY 2 FACTOR IDENTIFIED WITH 'auth_socket' AS 'joe'"},
			password: []string{"ALTER USER 'app_clone'@'%' IDENTIFIED WITH 'caching_sha2_password' BY 'secret' ACCOUNT UNLOCK"}},
		{what: "no password any more", server: mysql9, want: []string{"auth_socket", "joe"}, have: []string{"caching_sha2_password", "y"},
			password: []string{"ALTER USER 'app_clone'@'%' IDENTIFIED WITH 'auth_socket' AS 'joe' ACCOUNT UNLOCK"}},
		{what: "no password, and the same", server: mysql9, want: []string{"auth_socket", "joe"}, have: []string{"auth_socket", "joe"}},
		{what: "OR", server: maria10, want: []string{"unix_socket", "", "ed25519", "x", "mysql_native_password", nativeVerifier}, have: []string{"mysql_native_password", nativeVerifier},
			password: []string{"ALTER USER 'app_clone'@'%' IDENTIFIED VIA `unix_socket` OR `ed25519` USING 'x' OR `mysql_native_password` USING 'new mysql_native_password' ACCOUNT UNLOCK"}},
		{what: "OR, set already", server: maria10, want: []string{"ed25519", keptEd25519, "unix_socket", "joe"}, have: []string{"ED25519", keptEd25519, "unix_socket", "joe"}},
		{what: "OR, set already, with another socket", server: maria10, want: []string{"ed25519", keptEd25519, "unix_socket", "joe"}, have: []string{"ed25519", keptEd25519, "unix_socket", "jim"},
			password: []string{"ALTER USER 'app_clone'@'%' IDENTIFIED VIA `ed25519` USING 'new ed25519' OR `unix_socket` USING 'joe' ACCOUNT UNLOCK"}},
		{what: "in clear", server: maria10, clear: []string{"simple_password_check"}, want: []string{"ed25519", "", "unix_socket", "joe"}, have: []string{"ed25519", ""},
			password: []string{"ALTER USER 'app_clone'@'%' IDENTIFIED VIA `ed25519` USING PASSWORD('secret') OR `unix_socket` USING 'joe' ACCOUNT UNLOCK"}},
		{what: "a new account in clear", server: maria10, clear: []string{"simple_password_check"}, want: []string{"ed25519", ""},
			plan: []string{"CREATE USER 'app_clone'@'%' IDENTIFIED VIA `ed25519` USING PASSWORD('throwaway of ed25519') ACCOUNT LOCK"}},
	} {
		t.Run(test.what, func(t *testing.T) {
			pair := Pair{Server: test.server, Original: user("app", identified(account(t, test.server, app, ""), test.want...)), Clone: user("app_clone"), Known: true, Clear: test.clear}
			if test.have != nil {
				pair.Clone = user("app_clone", identified(account(t, test.server, clone, ""), test.have...))
			}
			plan, err := pair.Plan(Merge, TurnOfClone, throwaway)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.plan, reveal(plan.Statements()), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("plan: %s", diff)
			}
			if test.have == nil {
				return
			}
			statements, err := pair.Password(Merge, TurnOfClone, redact.New("secret"), matches, verifierOf)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.password, reveal(statements), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("password: %s", diff)
			}
			if warned := len(ClearWarning(pair.Clear, false)) > 0; warned != (test.clear != nil) {
				t.Errorf("warned: %v", warned)
			}
		})
	}
}

// What MariaDB keeps for a plugin, as releases that escape nothing print it.
func TestKeptIsPrintedAsItIs(t *testing.T) {
	const row = `CREATE USER ` + "`app`@`%`" + ` IDENTIFIED VIA unix_socket USING 'it's a\b' OR ed25519 USING 'x'`
	read, err := Parse(mustServer(t, "11.8.6-MariaDB", ""), app, rows(row))
	if err != nil {
		t.Fatal(err)
	}
	if len(read.Factors) != 2 || read.Factors[0].Verifier.Reveal() != `it's a\b` {
		t.Errorf("read %d factors, the first with %q", len(read.Factors), read.Factors[0].Verifier.Reveal())
	}
}

// Of MariaDB's one default role the original keeps its own: that lacks nothing.
func TestAnotherDefaultRoleIsNoLack(t *testing.T) {
	own := func(name Name, role string) OwnGrants {
		at := " `" + name.User + "`@`%`"
		return OwnGrants{Name: name, Rows: []redact.Secret{redact.New("GRANT `a` TO" + at), redact.New("GRANT `b` TO" + at), redact.New("SET DEFAULT ROLE `" + role + "` FOR" + at)}}
	}
	if missing, _, err := CompareOwn(maria10, own(clone, "a"), own(app, "b")); err != nil || len(missing) > 0 {
		t.Errorf("missing: %v, %v", missing, err)
	}
}
