package account

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is sent to make one account's roles another's.
func TestRoles(t *testing.T) {
	me := "'app_clone'@'%'"
	mandatory := RoleFacts{Mandatory: map[Name]bool{{"r", "%"}: true}}
	for _, test := range []struct {
		what       string
		server     Server
		want, have []string
		facts      RoleFacts
		clauses    string // of the clone
		defaults   [2][]Name
		statements []string
		gone       string
	}{
		{what: "the same", server: mysql9, want: []string{"GRANT `r`@`%`,`s`@`10.%` TO ME"}, have: []string{"GRANT `s`@`10.%` TO ME", "GRANT `r`@`%` TO ME"}},
		{what: "revokes first, grants last", server: mysql9,
			want:       []string{"GRANT SELECT ON `d`.* TO ME", "GRANT `r`@`%` TO ME", "GRANT `s`@`10.%` TO ME WITH ADMIN OPTION"},
			have:       []string{"GRANT `t`@`%` TO ME", "GRANT INSERT ON `d`.* TO ME", "GRANT `s`@`10.%` TO ME"},
			defaults:   [2][]Name{{{"r", "%"}, {"s", "10.%"}}, {{"t", "%"}}},
			statements: []string{"REVOKE INSERT ON `d`.* FROM " + me, "REVOKE 't'@'%' FROM " + me, "GRANT 'r'@'%' TO " + me, "GRANT 's'@'10.%' TO " + me + " WITH ADMIN OPTION", "SET DEFAULT ROLE 'r'@'%', 's'@'10.%' TO " + me, "GRANT SELECT ON `d`.* TO " + me}},
		{what: "admin option goes with the role, and a default with both", server: mysql9,
			want: []string{"GRANT `r`@`%`,`s`@`%` TO ME"}, have: []string{"GRANT `r`@`%`,`s`@`%` TO ME WITH ADMIN OPTION"}, defaults: [2][]Name{{{"s", "%"}}, {{"s", "%"}}},
			statements: []string{"REVOKE 'r'@'%' FROM " + me, "GRANT 'r'@'%' TO " + me, "REVOKE 's'@'%' FROM " + me, "GRANT 's'@'%' TO " + me, "SET DEFAULT ROLE 's'@'%' TO " + me}},
		{what: "a mandatory role cannot be revoked", server: mysql9, have: []string{"GRANT `r`@`%`,`s`@`%` TO ME WITH ADMIN OPTION"}, facts: mandatory,
			statements: []string{"REVOKE 's'@'%' FROM " + me}},
		{what: "a mandatory role as a default", server: mysql9, facts: mandatory, defaults: [2][]Name{{{"r", "%"}}, nil},
			statements: []string{"SET DEFAULT ROLE 'r'@'%' TO " + me}},
		{what: "a default that was mandatory", server: mysql9, defaults: [2][]Name{{{"r", "%"}}, nil}, gone: "the default role 'r'@'%'"},
		{what: "no default any more", server: mysql9, want: []string{"GRANT `r`@`%` TO ME"}, have: []string{"GRANT `r`@`%` TO ME"}, defaults: [2][]Name{nil, {{"r", "%"}}},
			statements: []string{"SET DEFAULT ROLE NONE TO " + me}},

		{what: "MariaDB", server: maria10,
			want:       []string{"GRANT `r` TO ME", "GRANT `s` TO ME", "SET DEFAULT ROLE `r` FOR ME"},
			have:       []string{"GRANT `s` TO ME WITH ADMIN OPTION", "GRANT `t` TO ME", "SET DEFAULT ROLE `t` FOR ME"},
			statements: []string{"REVOKE ADMIN OPTION FOR `s` FROM " + me, "REVOKE `t` FROM " + me, "GRANT `r` TO " + me, "SET DEFAULT ROLE `r` FOR " + me}},
		{what: "MariaDB, no default any more", server: maria10, have: []string{"SET DEFAULT ROLE `t` FOR ME"}, statements: []string{"SET DEFAULT ROLE NONE FOR " + me}},
		{what: "MariaDB, a default without its role", server: maria10, want: []string{"SET DEFAULT ROLE `r` FOR ME"},
			statements: []string{"ALTER USER " + me + " ACCOUNT LOCK", "GRANT `r` TO " + me, "SET DEFAULT ROLE `r` FOR " + me, "REVOKE `r` FROM " + me}},
		{what: "MariaDB, the same, died after the GRANT", server: maria10, clauses: " ACCOUNT LOCK", want: []string{"SET DEFAULT ROLE `r` FOR ME"}, have: []string{"GRANT `r` TO ME"},
			statements: []string{"SET DEFAULT ROLE `r` FOR " + me, "REVOKE `r` FROM " + me}},
		{what: "MariaDB, the same, died before the REVOKE", server: maria10, clauses: " ACCOUNT LOCK", want: []string{"SET DEFAULT ROLE `r` FOR ME"}, have: []string{"GRANT `r` TO ME", "SET DEFAULT ROLE `r` FOR ME"},
			statements: []string{"REVOKE `r` FROM " + me}},
		{what: "MariaDB, a default that is gone", server: maria10, want: []string{"SET DEFAULT ROLE `r` FOR ME"}, have: []string{"SET DEFAULT ROLE `t` FOR ME"}, facts: RoleFacts{Gone: map[Name]bool{{"r", ""}: true}},
			statements: []string{"SET DEFAULT ROLE NONE FOR " + me}, gone: "the default role 'r'@''"},
	} {
		t.Run(test.what, func(t *testing.T) {
			original, have := account(t, test.server, app, "", test.want...), account(t, test.server, clone, test.clauses, test.have...)
			if test.server.Flavor == MySQL {
				original.Grants.DefaultRoles, have.Grants.DefaultRoles = test.defaults[0], test.defaults[1]
			}
			pair := Pair{Server: test.server, Original: user("app", original), Clone: user("app_clone", have), Known: true, Roles: test.facts}
			plan, err := pair.Plan(Merge, TurnOfClone, throwaway)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.statements, statementTexts(plan)); diff != "" {
				t.Error(diff)
			}
			if warned := strings.Join(types(plan), " "); (warned == ObjectGone) != (test.gone != "") || test.gone != "" && !strings.Contains(plan.Warnings[0].Message, test.gone) {
				t.Errorf("warnings: %v", plan.Warnings)
			}
		})
	}
}

// The original gains roles, and default roles, that its clone has beyond it, and the
// warning has what takes them from both.
func TestRolesOnTheOriginalsTurn(t *testing.T) {
	for _, test := range []struct {
		what             string
		server           Server
		original, clone  []string
		defaults         [2][]Name
		statements, back []string
	}{
		{"MySQL", mysql9, []string{"GRANT `a`@`%`,`b`@`%` TO ME"}, []string{"GRANT `b`@`%`,`c`@`%` TO ME WITH ADMIN OPTION", "GRANT `app`@`%` TO ME"}, [2][]Name{{{"a", "%"}}, {{"c", "%"}, {"app", "%"}}},
			[]string{"GRANT 'b'@'%' TO 'app'@'%' WITH ADMIN OPTION", "GRANT 'c'@'%' TO 'app'@'%' WITH ADMIN OPTION", "SET DEFAULT ROLE 'a'@'%', 'c'@'%' TO 'app'@'%'"},
			[]string{"REVOKE 'b'@'%' FROM 'app'@'%', 'app_clone'@'%'; GRANT 'b'@'%' TO 'app'@'%', 'app_clone'@'%'", "REVOKE 'c'@'%' FROM 'app'@'%', 'app_clone'@'%'", "SET DEFAULT ROLE 'a'@'%' TO 'app'@'%'; SET DEFAULT ROLE 'a'@'%' TO 'app_clone'@'%'"}},
		{"MariaDB", maria10, []string{"GRANT `a` TO ME", "SET DEFAULT ROLE `z` FOR ME"}, []string{"GRANT `a` TO ME WITH ADMIN OPTION", "GRANT `c` TO ME", "SET DEFAULT ROLE `c` FOR ME"}, [2][]Name{},
			[]string{"GRANT `a` TO 'app'@'%' WITH ADMIN OPTION", "GRANT `c` TO 'app'@'%'", "SET DEFAULT ROLE `c` FOR 'app'@'%'"},
			[]string{"REVOKE ADMIN OPTION FOR `a` FROM 'app'@'%', 'app_clone'@'%'", "REVOKE `c` FROM 'app'@'%', 'app_clone'@'%'", "SET DEFAULT ROLE NONE FOR 'app'@'%'"}},
		{"MariaDB, two defaults", maria10, []string{"GRANT `a` TO ME", "GRANT `c` TO ME", "SET DEFAULT ROLE `a` FOR ME"}, []string{"GRANT `a` TO ME", "GRANT `c` TO ME", "SET DEFAULT ROLE `c` FOR ME"}, [2][]Name{}, nil, nil},
		{"MariaDB, a default left behind", maria10, nil, []string{"SET DEFAULT ROLE `c` FOR ME"}, [2][]Name{}, nil, nil},
	} {
		t.Run(test.what, func(t *testing.T) {
			original, copied := account(t, test.server, app, "", test.original...), account(t, test.server, clone, "", test.clone...)
			if test.server.Flavor == MySQL {
				original.Grants.DefaultRoles, copied.Grants.DefaultRoles = test.defaults[0], test.defaults[1]
			}
			pair := Pair{Server: test.server, Original: user("app", original), Clone: user("app_clone", copied), Known: true}
			plan, err := pair.Plan(Merge, TurnOfOriginal, throwaway)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.statements, statementTexts(plan)); diff != "" {
				t.Error(diff)
			}
			if (len(plan.Warnings) == 1) != (test.back != nil) {
				t.Fatalf("warnings: %v", plan.Warnings)
			}
			for _, text := range test.back {
				if !strings.Contains(plan.Warnings[0].Message, text) {
					t.Errorf("the warning lacks %s: %s", text, plan.Warnings[0].Message)
				}
			}
		})
	}
}

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
