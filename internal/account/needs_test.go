package account

import "testing"

// The remedy of a step is the GRANT of what it grants or takes.
func TestRemedy(t *testing.T) {
	admin := Name{"admin", "%"}
	for _, test := range []struct {
		step Step
		want string
	}{
		{granting(app, Object{Level: LevelDatabase, Database: "d"}, []string{"SELECT", "EVENT"}, nil, false), "GRANT SELECT, EVENT ON `d`.* TO 'admin'@'%' WITH GRANT OPTION"},
		{granting(app, Object{Level: LevelTable, Database: "d", Name: "t"}, nil, []Column{{"SELECT", "a"}}, false), "GRANT SELECT (`a`) ON `d`.`t` TO 'admin'@'%' WITH GRANT OPTION"},
		{granting(app, Object{Level: LevelProxy, Proxied: Name{"p", "%"}}, nil, nil, true), "GRANT PROXY ON 'p'@'%' TO 'admin'@'%' WITH GRANT OPTION"},
		{revoking(Object{}, []string{GrantOption}, nil, app), "GRANT USAGE ON *.* TO 'admin'@'%' WITH GRANT OPTION"},
	} {
		if got := test.step.Remedy(admin).String(); got != test.want {
			t.Errorf("%s needs %s, want %s", test.step.Statement, got, test.want)
		}
	}
	if got := PasswordRemedy(admin).String(); got != "GRANT CREATE USER ON *.* TO 'admin'@'%' WITH GRANT OPTION" {
		t.Error(got)
	}
}
