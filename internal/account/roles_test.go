package account

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseRoles(t *testing.T) {
	for text, want := range map[string][]Name{
		"":                                  nil,
		" ":                                 nil,
		"a":                                 {{"a", "%"}},
		"role1,role2@localhost,r3@%.ex.com": {{"role1", "%"}, {"role2", "localhost"}, {"r3", "%.ex.com"}},
		"a-b@10.%, c.d@::1 , e@1.2.3.0/8":   {{"a-b", "10.%"}, {"c.d", "::1"}, {"e", "1.2.3.0/8"}},
		"`a b`@`10.%`, c@localhost,'d'":     {{"a b", "10.%"}, {"c", "localhost"}, {"d", "%"}},
		"`role,1`@`%`,`it``s`@`a_b.C`":      {{"role,1", "%"}, {"its", "a_b.c"}},
		"a b,'a' b@\"h\"i":                  {{"ab", "%"}, {"ab", "hi"}},
		`a\'b,c', d`:                        {{`a\b,c`, "%"}, {"d", "%"}},
		"'a@b'@c@d,e@":                      {{"a@b", "cd"}, {"e", "%"}},
		"a,,b,@c,''@d,e, ":                  {{"a", "%"}, {"b", "%"}, {"e", "%"}},
		"'a,b":                              {{"a,b", "%"}},
	} {
		if diff := cmp.Diff(want, ParseRoles(text)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

// Every step about a role has what lets an admin do it.
func TestMendRole(t *testing.T) {
	admin := Name{"admin", "%"}
	step := Step{Object: Object{Level: LevelRole, Proxied: Name{User: "r"}}}
	for _, test := range []struct {
		server Server
		role   Name
		want   string
	}{
		{maria10, Name{User: "r"}, "GRANT `r` TO 'admin'@'%' WITH ADMIN OPTION; and, to set a default role, GRANT UPDATE ON `mysql`.* TO 'admin'@'%'"},
		{maria10, Name{}, "GRANT UPDATE ON `mysql`.* TO 'admin'@'%'"},
		{mysql9, Name{"r", "%"}, "GRANT 'r'@'%' TO 'admin'@'%' WITH ADMIN OPTION"},
		{mysql9, Name{}, "GRANT CREATE USER ON *.* TO 'admin'@'%'"},
	} {
		step.Object.Proxied = test.role
		if got := step.MendRole(test.server, admin, RoleGrants{}); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
	step.Object.Proxied = Name{"r", "%"}
	system := RoleGrants{Of: map[Name]Grants{{"r", "%"}: {Dynamic: []Dynamic{{Privilege: systemUser}}}}}
	if got, want := step.MendRole(mysql9, admin, system), "GRANT 'r'@'%' TO 'admin'@'%' WITH ADMIN OPTION; GRANT SYSTEM_USER ON *.* TO 'admin'@'%'"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := (Step{Object: Object{Level: LevelTable}}).MendRole(mysql9, admin, RoleGrants{}); got != "" {
		t.Errorf("a step about a table: %s", got)
	}
}
