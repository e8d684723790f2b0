package e2e

import (
	"math/rand/v2"
	"strings"
	"testing"

	"tandem/internal/account"
	"tandem/internal/local/dbserver"
)

// A server takes names in mandatory_roles that no statement takes, and logs each role
// that it does not find: as it has read it.
func TestMandatoryRolesAsTheServerReadsThem(t *testing.T) {
	servers.Only(dbserver.MySQL, "MariaDB has no mandatory_roles").Each(t, func(t *testing.T, on *dbserver.Server) {
		l := newInProcess(t, on)
		t.Cleanup(func() { l.must(t, "SET GLOBAL mandatory_roles = ''") })
		read := func(value string) (roles string, taken bool) {
			l.must(t, "SET GLOBAL mandatory_roles = ''")
			if _, err := l.root.ExecContext(t.Context(), "SET GLOBAL mandatory_roles = ?", value); err != nil {
				return "", false
			}
			since := columnsOf(t, l.root, "SELECT MAX(LOGGED) AS at FROM performance_schema.error_log")[0]["at"]
			columnsOf(t, l.root, "SHOW GRANTS")
			for _, row := range columnsOf(t, l.root, "SELECT DATA FROM performance_schema.error_log WHERE ERROR_CODE = 'MY-010968' AND LOGGED > ?", since) {
				roles += strings.TrimPrefix(row["DATA"], "Can't set mandatory_role: There's no such authorization ID ") + "\n"
			}
			return roles, true
		}
		values := []string{
			"role1,role2@localhost,r3@%.example.com", "a@%", "a-b@10.%", "a.b@my-host", "a@1.2.3.0/255.255.255.0", "a@::1", "rölle", "1a", " a , b ", "a b @ h",
			"'a'@'h'", "`a`@\"h\"", "'a''b'", `'a\'b',c'`, `a\,b`, "'a@b'@h", "a@b@h", "'a,b", "a@", "a@''", "' '", "a\tb", "a'b,c'd@e'f,g'h",
		}
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		alphabet := []string{"a", "b", "ö", "@", "@", ",", "'", "'", "`", `"`, " ", `\`, "%", ".", "-", "\t"}
		for range 300 {
			var value strings.Builder
			for range 1 + random.IntN(12) {
				value.WriteString(alphabet[random.IntN(len(alphabet))])
			}
			values = append(values, value.String())
		}
		compared := 0
		for _, value := range values {
			want, taken := read(value)
			if !taken {
				continue
			}
			compared++
			var got string
			for _, role := range account.ParseRoles(value) {
				got += role.User + "@" + role.Host + ".\n"
			}
			if got != want {
				t.Errorf("seed %d: %q is read as %q, by the server as %q", seed, value, got, want)
			}
		}
		if compared < 100 {
			t.Errorf("the server has taken %d of %d values", compared, len(values))
		}
	})
}

// Whatever form mandatory_roles has, its roles are nobody's own, and can be revoked from
// nobody.
func TestMandatoryRolesInEveryForm(t *testing.T) {
	servers.Only(dbserver.MySQL, "MariaDB has no mandatory_roles").Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		w.mustRotate()
		w.mustRotate()
		for _, test := range []struct {
			value string
			roles []string
		}{
			{"A", []string{"'A'@'%'"}},
			{"A,b_A@localhost,c-A@%.example.com", []string{"'A'@'%'", "'b_A'@'localhost'", "'c-A'@'%.example.com'"}},
			{"'A'@My.Host, `b A`@'10.%'", []string{"'A'@'my.host'", "'b A'@'10.%'"}},
			{"  A @ localhost,b's A'@%", []string{"'A'@'localhost'", "'bs A'@'%'"}},
			{"nobody,\"A\"", []string{"'A'@'%'"}},
		} {
			replace := strings.NewReplacer("A", unique("Role"))
			value := replace.Replace(test.value)
			for _, role := range test.roles {
				w.execute("CREATE ROLE " + replace.Replace(role))
				w.afterwards("DROP ROLE " + replace.Replace(role))
			}
			if _, err := w.Root.ExecContext(t.Context(), "SET GLOBAL mandatory_roles = ?", value); err != nil {
				t.Fatalf("%q: %v", value, err)
			}
			w.afterwards("SET GLOBAL mandatory_roles = ''") // before the roles are dropped
			for _, role := range test.roles {
				if _, err := w.Root.ExecContext(t.Context(), "DROP ROLE "+replace.Replace(role)); err == nil {
					t.Errorf("%q: %s is not mandatory", value, role)
				}
				w.execute("GRANT " + replace.Replace(role) + " TO " + me(w.clone()))
			}
			w.mustRotate()
			w.mustBe(w.clone())
			w.mustRotate()
		}
	})
}
