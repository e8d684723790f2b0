package account

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseRoles(t *testing.T) {
	for text, want := range map[string][]Name{
		"":                              nil,
		" ":                             nil,
		"a":                             {{"a", "%"}},
		"`a b`@`10.%`, c@localhost,'d'": {{"a b", "10.%"}, {"c", "localhost"}, {"d", "%"}},
		"`role,1`@`%`,`it``s`@`a_b.c`":  {{"role,1", "%"}, {"it`s", "a_b.c"}},
	} {
		got, err := ParseRoles(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
	var syntax *SyntaxError
	for _, text := range []string{",", "a b", "`a", "a,,b"} {
		if got, err := ParseRoles(text); !errors.As(err, &syntax) {
			t.Errorf("%q: %v, %v", text, got, err)
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
		if got := step.MendRole(test.server, admin); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
	if got := (Step{Object: Object{Level: LevelTable}}).MendRole(mysql9, admin); got != "" {
		t.Errorf("a step about a table: %s", got)
	}
}
