package account

import (
	"fmt"
	"strings"
	"testing"
)

// What somebody else can take from whom, where the admin may not send a step.
func TestTakeInstead(t *testing.T) {
	pair := Pair{Server: mysql9, Original: user("app", account(t, mysql9, app, "")), Clone: user("app_clone", account(t, mysql9, clone, ""))}
	table := Object{Level: LevelTable, Database: "d", Name: "t"}
	for _, test := range []struct {
		step Step
		want string
	}{
		{granting(app, table, []string{"SELECT"}, []Column{{"UPDATE", "b"}}, false), "[REVOKE SELECT, UPDATE (`b`) ON `d`.`t` FROM 'app_clone'@'%']"},
		{granting(app, table, []string{"SELECT"}, nil, true), "[REVOKE SELECT, GRANT OPTION ON `d`.`t` FROM 'app_clone'@'%']"},
		{granting(app, Object{}, []string{"PROCESS"}, nil, true), "[REVOKE PROCESS ON *.* FROM 'app_clone'@'%' REVOKE GRANT OPTION ON *.* FROM 'app_clone'@'%']"},
		{granting(app, Object{Level: LevelProxy, Proxied: Name{"p", "%"}}, nil, nil, false), "[REVOKE PROXY ON 'p'@'%' FROM 'app_clone'@'%']"},
		{granting(clone, table, []string{"SELECT"}, nil, false), "[REVOKE SELECT ON `d`.`t` FROM 'app'@'%']"},
		{granting(Name{"app", "10.%"}, table, []string{"SELECT"}, nil, false), "[]"},
		{revoking(table, []string{"SELECT"}, nil, clone), "[REVOKE SELECT ON `d`.`t` FROM 'app_clone'@'%']"},
		{Step{Statement: lockStatement(clone), Account: clone}, "[]"},
	} {
		from, statements := pair.TakeInstead(test.step)
		if got := fmt.Sprint(statements); got != test.want || len(statements) > 0 && !strings.Contains(got, "'"+from+"'@") {
			t.Errorf("of %s: %s from %q, want %s", test.step.Statement, got, from, test.want)
		}
	}
}
