package account

import (
	"slices"
	"strings"
	"testing"

	"tandem/internal/warning"

	"github.com/google/go-cmp/cmp"
)

const proxyOfStranger = "GRANT PROXY ON `stranger`@`%` TO ME"

// Of the account that PROXY is on the user's name counts, an empty one stands for all,
// and everybody may pass PROXY on himself on.
func TestDenyProxies(t *testing.T) {
	admin := Name{"admin", "%"}
	for _, test := range []struct {
		own    string
		denied bool
	}{
		{"GRANT ALL PRIVILEGES ON *.* TO `admin`@`%` WITH GRANT OPTION", true},
		{"GRANT PROXY ON `stranger`@`%` TO `admin`@`%`", true},
		{"GRANT PROXY ON `another`@`%` TO `admin`@`%` WITH GRANT OPTION", true},
		{"GRANT PROXY ON `stranger`@`10.%` TO `admin`@`%` WITH GRANT OPTION", false},
		{"GRANT PROXY ON ``@`%` TO `admin`@`%` WITH GRANT OPTION", false},
		{"GRANT PROXY ON ``@`` TO `admin`@`%` WITH GRANT OPTION", false},
	} {
		pair := Pair{Server: mysql9, Original: user("app", account(t, mysql9, app, "", proxyOfStranger)), Clone: user("app_clone")}
		denied, err := pair.DenyProxies(OwnGrants{Name: admin, Rows: rows("", test.own).Grants})
		if err != nil {
			t.Fatal(err)
		}
		if got := denied.has(Name{"stranger", "%"}); got != test.denied {
			t.Errorf("%s: denied %v", test.own, got)
		}
	}
	pair := Pair{Server: mysql9, Original: user("app", account(t, mysql9, app, "", "GRANT PROXY ON `admin`@`%` TO ME", "GRANT PROXY ON `admin`@`10.%` TO ME"))}
	denied, err := pair.DenyProxies(OwnGrants{Name: admin})
	if err != nil || denied.has(admin) || !denied.has(Name{"admin", "10.%"}) {
		t.Errorf("on the admin itself: %v, %v", denied, err)
	}
	step := granting(app, Object{Level: LevelProxy, Proxied: admin}, nil, nil, false)
	if !denied.Note(step) || denied.Note(step) || !denied.has(admin) {
		t.Error("a denial is not noted, or twice")
	}
	if denied.Note(granting(app, Object{}, []string{"SELECT"}, nil, false)) || (*ProxiesDenied)(nil).Note(step) {
		t.Error("something else is noted")
	}
}

// What is sent, and warned of, where the admin can pass no PROXY on.
func TestPlanWithDeniedProxies(t *testing.T) {
	const option = "GRANT USAGE ON *.* TO ME WITH GRANT OPTION"
	withOption := proxyOfStranger + " WITH GRANT OPTION"
	for _, test := range []struct {
		name            string
		original, clone []string
		turn            Turn
		sent            []string
		revokes         []string // in the warnings
	}{
		{"the original's", []string{proxyOfStranger}, nil, TurnOfClone, nil, []string{"REVOKE PROXY ON 'stranger'@'%' FROM 'app'@'%'"}},
		{"the clone's", nil, []string{proxyOfStranger}, TurnOfClone, nil, []string{"REVOKE PROXY ON 'stranger'@'%' FROM 'app_clone'@'%'"}},
		{"the clone's, not given back", nil, []string{proxyOfStranger}, TurnOfOriginal, nil, []string{"REVOKE PROXY ON 'stranger'@'%' FROM 'app_clone'@'%'"}},
		{"of both", []string{proxyOfStranger}, []string{proxyOfStranger}, TurnOfClone, nil, nil},
		{"of both, with the option", []string{withOption, option}, []string{withOption, option}, TurnOfClone, []string{"REVOKE GRANT OPTION ON *.* FROM 'app_clone'@'%'"},
			[]string{"REVOKE GRANT OPTION ON *.* FROM 'app'@'%'", "REVOKE PROXY ON 'stranger'@'%' FROM 'app'@'%'", "REVOKE PROXY ON 'stranger'@'%' FROM 'app_clone'@'%'"}},
		{"the original's option alone", []string{withOption, option}, nil, TurnOfClone, nil,
			[]string{"REVOKE GRANT OPTION ON *.* FROM 'app'@'%'", "REVOKE PROXY ON 'stranger'@'%' FROM 'app'@'%'"}},
		{"the original's option with a privilege", []string{withOption, "GRANT PROCESS ON *.* TO ME WITH GRANT OPTION"}, nil, TurnOfClone,
			[]string{"GRANT PROCESS ON *.* TO 'app_clone'@'%' WITH GRANT OPTION"}, []string{"REVOKE PROXY ON 'stranger'@'%' FROM 'app'@'%'"}},
		{"the clone's option with a privilege", nil, []string{withOption, "GRANT PROCESS ON *.* TO ME WITH GRANT OPTION"}, TurnOfOriginal,
			[]string{"GRANT PROCESS ON *.* TO 'app'@'%'"}, []string{"REVOKE GRANT OPTION ON *.* FROM 'app_clone'@'%'", "REVOKE PROXY ON 'stranger'@'%' FROM 'app_clone'@'%'"}},
		{"the clone's option alone", nil, []string{option}, TurnOfOriginal, nil, []string{"REVOKE GRANT OPTION ON *.* FROM 'app_clone'@'%'"}},
		{"the clone's option on purpose", nil, []string{"GRANT PROCESS ON *.* TO ME WITH GRANT OPTION"}, TurnOfOriginal,
			[]string{"GRANT PROCESS ON *.* TO 'app'@'%'"}, []string{"GRANT USAGE ON *.* TO 'app'@'%' WITH GRANT OPTION"}},
		{"the option of both", []string{"GRANT PROCESS ON *.* TO ME WITH GRANT OPTION"}, []string{"GRANT PROCESS ON *.* TO ME WITH GRANT OPTION"}, TurnOfOriginal, nil, nil},
		{"the clone's option elsewhere", nil, []string{"GRANT SELECT ON `d`.* TO ME WITH GRANT OPTION"}, TurnOfOriginal,
			[]string{"GRANT SELECT ON `d`.* TO 'app'@'%' WITH GRANT OPTION"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			pair := Pair{Server: mysql9, Known: true,
				Original: user("app", account(t, mysql9, app, "", test.original...)), Clone: user("app_clone", account(t, mysql9, clone, "", test.clone...)),
				ProxiesDenied: &ProxiesDenied{Name{"admin", "%"}, map[Name]bool{{"stranger", "%"}: true}}}
			plan, err := pair.Plan(Merge, test.turn, throwaway)
			if err != nil {
				t.Fatal(err)
			}
			var sent []string
			for _, s := range plan.Statements() {
				sent = append(sent, s.String())
			}
			if diff := cmp.Diff(test.sent, sent); diff != "" {
				t.Errorf("-want +sent:\n%s", diff)
			}
			var texts []string
			for _, warned := range plan.Warnings {
				if warned.Type == warning.ProxyLeftOut {
					texts = append(texts, warned.Message)
				}
			}
			if len(texts) != len(test.revokes) {
				t.Fatalf("%d warnings, want %d: %q", len(texts), len(test.revokes), texts)
			}
			for i, revoke := range test.revokes {
				if !strings.Contains(texts[i], revoke) {
					t.Errorf("the warning lacks %s: %s", revoke, texts[i])
				}
			}
			if len(pair.Original.Accounts[0].Grants.Objects) < len(test.original) {
				t.Error("planning has changed the pair")
			}
		})
	}
}

// What a session may lack since a rotation leaves it out.
func TestOfProxies(t *testing.T) {
	option := lack(Object{}, GrantOption, "")
	process := lack(Object{}, "PROCESS", "")
	for _, test := range []struct {
		name     string
		unproven bool
		current  string // what it has
		left     bool
	}{
		{"where merge copies from the clone", true, "GRANT PROCESS ON *.* TO ME WITH GRANT OPTION", true},
		{"elsewhere", false, "GRANT PROCESS ON *.* TO ME WITH GRANT OPTION", false},
		{"elsewhere, with such a PROXY", false, proxyOfStranger + " WITH GRANT OPTION", true},
	} {
		ofProxies, rest, err := OfProxies(mysql9, OwnGrants{Name: app, Rows: rows("", strings.ReplaceAll(test.current, "ME", "`app`@`%`")).Grants}, []Lack{option, process}, test.unproven)
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Contains(ofProxies, option); got != test.left || len(ofProxies)+len(rest) != 2 || !slices.Contains(rest, process) {
			t.Errorf("%s: left out are %v, the rest is %v", test.name, ofProxies, rest)
		}
	}
}
