package account

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tandem/internal/redact"
)

// planFor plans a turn of a pair on MySQL in Merge.
func planFor(t *testing.T, pair Pair, turn Turn) Plan {
	t.Helper()
	if pair.Server == (Server{}) {
		pair.Server = mysql9
	}
	plan, err := pair.Plan(Merge, turn, throwaway)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// What the warnings say, word by word: somebody has to act by them.
func TestWarnings(t *testing.T) {
	for _, test := range []struct {
		what               string
		turn               Turn
		known              bool
		original, copied   []string // grants
		noClone            bool
		warnings, commands []string
	}{
		{what: "a clone that is made is no stranger's", noClone: true},
		{what: "a stranger's clone that had nothing beyond its original", warnings: []string{
			"Adopted: app_clone existed already and was taken as the clone of app; it had no privileges that its original lacks"}},
		{what: "a stranger's clone that had more", copied: []string{"GRANT SELECT ON `d`.* TO ME"}, warnings: []string{
			"Adopted: app_clone existed already and was taken as the clone of app; taken from it: SELECT ON `d`.*"}},
		{what: "the original gains on a database", turn: TurnOfOriginal, known: true,
			original: []string{"GRANT A_B ON *.* TO ME"}, copied: []string{"GRANT A_B ON *.* TO ME", "GRANT SELECT ON `d`.* TO ME"}, warnings: []string{
				"PrivilegeTakenBack: 'app'@'%' gained what its clone had beyond it: SELECT ON `d`.*; to take it from both: REVOKE SELECT ON `d`.* FROM 'app'@'%', 'app_clone'@'%'"}},
		{what: "a partial revoke that both have stays", turn: TurnOfOriginal, known: true,
			original: []string{"GRANT SELECT ON *.* TO ME", "REVOKE SELECT ON `d`.* FROM ME"},
			copied:   []string{"GRANT SELECT ON *.* TO ME", "REVOKE SELECT ON `d`.* FROM ME", "GRANT INSERT ON `e`.* TO ME"}, warnings: []string{
				"PrivilegeTakenBack: 'app'@'%' gained what its clone had beyond it: INSERT ON `e`.*; to take it from both: REVOKE INSERT ON `e`.* FROM 'app'@'%', 'app_clone'@'%'"}},
	} {
		t.Run(test.what, func(t *testing.T) {
			pair := Pair{Original: user("app", account(t, mysql9, app, "", test.original...)), Clone: user("app_clone"), Known: test.known}
			if !test.noClone {
				pair.Clone = user("app_clone", account(t, mysql9, clone, "", test.copied...))
			}
			var got []string
			for _, warning := range planFor(t, pair, test.turn).Warnings {
				got = append(got, warning.Type+": "+warning.Message)
			}
			if diff := cmp.Diff(test.warnings, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A list of twenty is printed whole.
func TestLongestSummary(t *testing.T) {
	var plan Plan
	for i := range 20 {
		plan.Steps = append(plan.Steps, granting(app, Object{Level: LevelDatabase, Database: fmt.Sprint(i)}, []string{"SELECT"}, nil, false))
	}
	if got := plan.StatementList(); !strings.HasSuffix(got, "; GRANT SELECT ON `19`.* TO 'app'@'%'") {
		t.Error(got)
	}
}

// What a plan does, in the words of a check.
func TestWords(t *testing.T) {
	lost := Name{"app_clone", "10.%"}
	for _, test := range []struct {
		what string
		pair Pair
		want []string
	}{
		{"nothing", Pair{Original: user("app", account(t, mysql9, app, "")), Clone: user("app_clone", account(t, mysql9, clone, ""))}, nil},
		{"a new clone", Pair{Original: user("app", account(t, mysql9, app, "", "GRANT SELECT, INSERT ON `d`.* TO ME", "GRANT SELECT (`a`) ON `d`.`t` TO ME", "GRANT `r`@`%` TO ME")), Clone: user("app_clone")},
			[]string{"makes 'app_clone'@'%', locked until its password is set", "gives 4 privileges or roles"}},
		{"one of each", Pair{Original: user("app", account(t, mysql9, app, " REQUIRE SSL", "GRANT SELECT ON `d`.* TO ME")),
			Clone: user("app_clone", account(t, mysql9, clone, "", "GRANT INSERT ON `d`.* TO ME"), account(t, mysql9, lost, ""))},
			[]string{"changes attributes or default roles by 1 statement", "gives 1 privilege or role", "takes 1 privilege or role", "drops 'app_clone'@'10.%'"}},
		{"two statements that give nothing", Pair{Original: user("app", account(t, mysql9, app, " REQUIRE SSL", "GRANT `r`@`%` TO ME")),
			Clone: user("app_clone", account(t, mysql9, clone, " DEFAULT ROLE `r`@`%`", "GRANT `r`@`%` TO ME"))},
			[]string{"changes attributes or default roles by 2 statements"}},
		{"a proxy, which is one privilege", Pair{Original: user("app", account(t, mysql9, app, "", "GRANT PROXY ON `p`@`%` TO ME")), Clone: user("app_clone", account(t, mysql9, clone, ""))},
			[]string{"gives 1 privilege or role"}},
		{"roles lost", Pair{Original: user("app", account(t, mysql9, app, "")), Clone: user("app_clone", account(t, mysql9, clone, "", "GRANT `r`@`%`,`s`@`%` TO ME"))},
			[]string{"takes 2 privileges or roles"}},
	} {
		test.pair.Known = true
		if diff := cmp.Diff(test.want, planFor(t, test.pair, TurnOfClone).Summary()); diff != "" {
			t.Errorf("%s: %s", test.what, diff)
		}
	}
}

// In what a clone differs, whoever's turn it is.
func TestDrift(t *testing.T) {
	for _, test := range []struct {
		what             string
		original, copied User
		lacks, beyond    []string
	}{
		{"nothing", user("app", account(t, mysql9, app, "")), user("app_clone", account(t, mysql9, clone, "")), nil, nil},
		{"no clone", user("app", account(t, mysql9, app, "")), user("app_clone"), nil, nil},
		{"a lock, which the password's statement lifts", user("app", account(t, mysql9, app, "")), user("app_clone", account(t, mysql9, clone, " PASSWORD EXPIRE DEFAULT ACCOUNT LOCK")), nil, nil},
		{"both ways", user("app", account(t, mysql9, app, " REQUIRE SSL", "GRANT SELECT ON *.* TO ME"), account(t, mysql9, Name{"app", "10.%"}, "")),
			user("app_clone", account(t, mysql9, clone, "", "GRANT SELECT ON *.* TO ME", "REVOKE SELECT ON `d`.* FROM ME", "GRANT INSERT ON `e`.* TO ME"), account(t, mysql9, Name{"app_clone", "11.%"}, "")),
			[]string{"SELECT ON `d`.* (partially revoked)", "the account 'app_clone'@'10.%'", "the attributes of 'app'@'%' (REQUIRE, limits, expiry and the like)"},
			[]string{"INSERT ON `e`.*", "the account 'app_clone'@'11.%'"}},
	} {
		lacks, beyond := Pair{Server: mysql9, Original: test.original, Clone: test.copied}.Drift()
		if diff := cmp.Diff(test.lacks, lacks, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: lacks: %s", test.what, diff)
		}
		if diff := cmp.Diff(test.beyond, beyond, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: beyond: %s", test.what, diff)
		}
	}
}

// Drift lasts where no rotation changes anything about any of it.
func TestDriftLasts(t *testing.T) {
	const proxy, other = "GRANT PROXY ON `stranger`@`%` TO ME", "GRANT INSERT ON `e`.* TO ME"
	lost := Name{"app_clone", "11.%"}
	denied := &ProxiesDenied{Name{"admin", "%"}, map[Name]bool{{"stranger", "%"}: true}}
	for _, test := range []struct {
		what             string
		original, copied User
		denied           *ProxiesDenied
		depends          map[Name][]string
		want             bool
	}{
		{"PROXY of a stranger", user("app", account(t, mysql9, app, "", proxy)), user("app_clone", account(t, mysql9, clone, "")), denied, nil, true},
		{"of the clone's", user("app", account(t, mysql9, app, "")), user("app_clone", account(t, mysql9, clone, "", proxy)), denied, nil, true},
		{"PROXY that the admin can pass on", user("app", account(t, mysql9, app, "", proxy)), user("app_clone", account(t, mysql9, clone, "")), nil, nil, false},
		{"and something else", user("app", account(t, mysql9, app, "", proxy, other)), user("app_clone", account(t, mysql9, clone, "")), denied, nil, false},
		{"an account that something depends on", user("app", account(t, mysql9, app, "")), user("app_clone", account(t, mysql9, clone, ""), account(t, mysql9, lost, "")), nil, map[Name][]string{lost: {"view d.v"}}, true},
		{"an account that nothing depends on", user("app", account(t, mysql9, app, "")), user("app_clone", account(t, mysql9, clone, ""), account(t, mysql9, lost, "")), nil, nil, false},
		{"no other account", user("app", account(t, mysql9, app, "")), user("app_clone", account(t, mysql9, lost, "")), nil, map[Name][]string{lost: {"view d.v"}}, false},
	} {
		for _, turn := range []Turn{TurnOfClone, TurnOfOriginal} {
			pair := Pair{Server: mysql9, Original: test.original, Clone: test.copied, ProxiesDenied: test.denied, Depends: test.depends}
			if got := pair.DriftLasts(Merge, turn); got != test.want {
				t.Errorf("%s: %v", test.what, got)
			}
		}
	}
}

// GRANT OPTION that the clone alone has may be a stranger's where merge would copy it; where
// the mode copies nothing to the original, the application loses it.
func TestDriftLastsByMode(t *testing.T) {
	pair := Pair{Server: mysql9, Original: user("app", account(t, mysql9, app, "")), Clone: user("app_clone", account(t, mysql9, clone, "", "GRANT USAGE ON *.* TO ME WITH GRANT OPTION"))}
	for mode, want := range map[Mode]bool{Merge: true, Mirror: false, Off: false} {
		if got := pair.DriftLasts(mode, TurnOfOriginal); got != want {
			t.Errorf("%s: %v", mode, got)
		}
	}
}

// An account is a user's where name and host are, the host in any letter case.
func TestHas(t *testing.T) {
	of := user("app", Account{Name: Name{"app", "db.example.com"}})
	for name, want := range map[Name]bool{{"app", "DB.example.com"}: true, {"app", "%"}: false, {"App", "db.example.com"}: false, {"app_clone", "db.example.com"}: false} {
		if of.Has(name) != want {
			t.Errorf("has %s: %v", name, !want)
		}
	}
}

// Which steps nobody can send who has not the privilege WITH GRANT OPTION, and how
// many privileges they pass on.
func TestPasses(t *testing.T) {
	table := Object{Level: LevelTable, Database: "d", Name: "t"}
	for _, test := range []struct {
		step       Step
		passes     bool
		privileges int
	}{
		{granting(app, table, []string{"SELECT", "INSERT"}, []Column{{"UPDATE", "a"}}, false), true, 3},
		{revoking(table, []string{"SELECT"}, nil, app), true, 1},
		{granting(app, table, nil, nil, true), true, 1},
		{Step{Statement: revokeRoleStatement(mysql9, Name{"r", "%"}, app), Object: Object{Level: LevelRole, Proxied: Name{"r", "%"}}}, true, 1},
		{Step{Statement: lockStatement(app), needs: altering}, false, 1},
	} {
		if test.step.ChangesGrants() != test.passes || test.step.Privileges() != test.privileges {
			t.Errorf("%s passes %v, %d", test.step.Statement, test.step.ChangesGrants(), test.step.Privileges())
		}
	}
}

// A remedy's WITH GRANT OPTION is written once.
func TestRemedyOfPrivilegesWithTheirOption(t *testing.T) {
	step := revoking(Object{Level: LevelDatabase, Database: "d"}, []string{"SELECT", GrantOption}, nil, app)
	if got, want := step.Remedy(Name{"admin", "%"}).String(), "GRANT SELECT ON `d`.* TO 'admin'@'%' WITH GRANT OPTION"; got != want {
		t.Errorf("remedy %s, want %s", got, want)
	}
}

// An admin of MariaDB may have more by his roles than his own rows show, and a step
// that gives GRANT OPTION alone needs that.
func TestAdminLacksInDoubt(t *testing.T) {
	option := Plan{Steps: []Step{granting(clone, Object{Level: LevelDatabase, Database: "d"}, nil, nil, true)}}
	for _, test := range []struct {
		what   string
		server Server
		rows   []string
		lacks  []string
		doubt  bool
	}{
		{"MariaDB, whose rows show what roles give too", maria10, []string{"GRANT CREATE USER ON *.* TO `admin`@`%`", "GRANT `r` TO `admin`@`%`"}, []string{"GRANT USAGE ON `d`.* TO 'admin'@'%' WITH GRANT OPTION"}, false},
		{"MariaDB, no role", maria10, []string{"GRANT CREATE USER ON *.* TO `admin`@`%`", "GRANT USAGE ON `d`.* TO `admin`@`%` WITH GRANT OPTION"}, nil, false},
		{"MySQL, whose rows show what roles give", mysql9, []string{"GRANT CREATE USER ON *.* TO `admin`@`%` WITH GRANT OPTION", "GRANT `r`@`%` TO `admin`@`%`"}, nil, false},
	} {
		own := OwnGrants{Name: Name{"admin", "%"}}
		for _, row := range test.rows {
			own.Rows = append(own.Rows, redact.New(row))
		}
		lacks, doubt, err := AdminLacks(test.server, own, option)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.lacks, lacks); diff != "" || (len(doubt) > 0) != test.doubt {
			t.Errorf("%s: in doubt %v; lacks %s", test.what, doubt, diff)
		}
	}
}

// MySQL says nothing of the expiry and the history of a password that it does not
// keep, and refuses to be told: an account without one gets what it can have.
func TestAttributesWithoutPassword(t *testing.T) {
	const policy = " PASSWORD EXPIRE NEVER PASSWORD HISTORY 3 PASSWORD REUSE INTERVAL 4 DAY"
	socket := func(account Account) Account { return identified(account, "auth_socket", "") }
	for _, test := range []struct {
		what     string
		server   Server
		original Account
		have     []Account
		want     []string
	}{
		{"a new clone", mysql9, socket(account(t, mysql9, app, policy)), nil,
			[]string{"CREATE USER 'app_clone'@'%' IDENTIFIED WITH 'auth_socket' ACCOUNT LOCK"}},
		{"a clone with a policy of its own", mysql9, socket(account(t, mysql9, app, policy)), []Account{account(t, mysql9, clone, "")}, nil},
		{"a clone without a password, and an original with one", mysql9, account(t, mysql9, app, policy), []Account{socket(account(t, mysql9, clone, ""))},
			[]string{"ALTER USER 'app_clone'@'%' IDENTIFIED WITH 'caching_sha2_password' AS <redacted> PASSWORD EXPIRE NEVER ACCOUNT LOCK PASSWORD HISTORY 3 PASSWORD REUSE INTERVAL 4 DAY"}},
		{"a clone without a plugin", mysql9, account(t, mysql9, app, policy), []Account{identified(account(t, mysql9, clone, ""))},
			[]string{"ALTER USER 'app_clone'@'%' IDENTIFIED WITH 'caching_sha2_password' AS <redacted> PASSWORD EXPIRE NEVER ACCOUNT LOCK PASSWORD HISTORY 3 PASSWORD REUSE INTERVAL 4 DAY"}},
		{"a clone without a password, and the same policy", mysql9, account(t, mysql9, app, ""), []Account{socket(account(t, mysql9, clone, ""))}, nil},
		{"on MariaDB, which keeps the policy", maria10, identified(account(t, maria10, app, " PASSWORD EXPIRE NEVER"), "unix_socket", ""), []Account{account(t, maria10, clone, "")},
			[]string{"ALTER USER 'app_clone'@'%' PASSWORD EXPIRE NEVER"}},
	} {
		pair := Pair{Server: test.server, Original: user("app", test.original), Clone: user("app_clone", test.have...), Known: true}
		if diff := cmp.Diff(test.want, statementTexts(planFor(t, pair, TurnOfClone))); diff != "" {
			t.Errorf("%s: %s", test.what, diff)
		}
	}
}

// A second password is taken from a clone that stays locked too.
func TestSecondPasswordOfALockedClone(t *testing.T) {
	locked := account(t, mysql9, app, " PASSWORD EXPIRE DEFAULT ACCOUNT LOCK")
	copied := account(t, mysql9, clone, " PASSWORD EXPIRE DEFAULT ACCOUNT LOCK")
	copied.SecondPassword = redact.New("another")
	pair := Pair{Server: mysql9, Original: user("app", locked), Clone: user("app_clone", copied), Known: true}
	statements, err := pair.Password(Merge, TurnOfClone, redact.New("secret"), func(string, redact.Secret, redact.Secret) (bool, error) { return false, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"ALTER USER 'app_clone'@'%' DISCARD OLD PASSWORD", "ALTER USER 'app_clone'@'%' IDENTIFIED WITH 'caching_sha2_password' BY 'secret'"}
	if diff := cmp.Diff(want, reveal(statements)); diff != "" {
		t.Error(diff)
	}
}

// What an admin may pass on: a PROXY by its own or by anybody's, a privilege on a column
// or on a table by that one's.
func TestAdminLacksByObject(t *testing.T) {
	proxy := Step{Statement: grantStatement(clone, Object{Level: LevelProxy, Proxied: Name{"p", "%"}}, nil, nil, false), needs: needs{object: Object{Level: LevelProxy, Proxied: Name{"p", "%"}}}}
	table := Object{Level: LevelTable, Database: "d", Name: "t"}
	column := granting(clone, table, nil, []Column{{"SELECT", "a"}}, false)
	insert := granting(clone, table, []string{"INSERT"}, nil, false)
	lock := granting(clone, Object{Level: LevelDatabase, Database: "d"}, []string{"LOCK TABLES"}, nil, false)
	for _, test := range []struct {
		row  string
		step Step
		may  bool
	}{
		{"GRANT PROXY ON ``@`` TO `admin`@`%` WITH GRANT OPTION", proxy, true},
		{"GRANT PROXY ON `p`@`%` TO `admin`@`%` WITH GRANT OPTION", proxy, true},
		{"GRANT PROXY ON `q`@`%` TO `admin`@`%` WITH GRANT OPTION", proxy, false},
		{"GRANT PROXY ON `p`@`%` TO `admin`@`%`", proxy, false},
		{"GRANT SELECT (`A`) ON `d`.`t` TO `admin`@`%` WITH GRANT OPTION", column, true},
		{"GRANT SELECT (`b`) ON `d`.`t` TO `admin`@`%` WITH GRANT OPTION", column, false},
		{"GRANT INSERT (`a`) ON `d`.`t` TO `admin`@`%` WITH GRANT OPTION", column, false},
		{"GRANT INSERT ON `d`.`t` TO `admin`@`%` WITH GRANT OPTION", insert, true},
		{"GRANT INSERT (`a`) ON `d`.`t` TO `admin`@`%` WITH GRANT OPTION", insert, false},
		{"GRANT INSERT ON `d`.`u` TO `admin`@`%` WITH GRANT OPTION", insert, false},
		{"GRANT ALL PRIVILEGES ON `d`.`t` TO `admin`@`%` WITH GRANT OPTION", insert, true},
		{"GRANT ALL PRIVILEGES ON `d`.* TO `admin`@`%` WITH GRANT OPTION", lock, true},
		{"GRANT ALL PRIVILEGES ON `d`.* TO `admin`@`%` WITH GRANT OPTION", insert, true},
	} {
		own := OwnGrants{Name: Name{"admin", "%"}, Rows: []redact.Secret{redact.New("GRANT CREATE USER ON *.* TO `admin`@`%`"), redact.New(test.row)}}
		lacks, _, err := AdminLacks(mysql9, own, Plan{Steps: []Step{test.step}})
		if err != nil {
			t.Fatal(err)
		}
		if may := len(lacks) == 0; may != test.may {
			t.Errorf("with %s, %s: %v", test.row, test.step.Statement, lacks)
		}
	}
}

// What can be dropped while the privilege on it stays, so that nobody can grant it again.
func TestMayBeGone(t *testing.T) {
	for _, test := range []struct {
		lack Lack
		want bool
	}{
		{Lack{Object: Object{Level: LevelRoutine, Type: "FUNCTION", Database: "d", Name: "f"}}, true},
		{Lack{Object: Object{Level: LevelTable, Database: "d", Name: "t"}, Column: "a"}, true},
		{Lack{Object: Object{Level: LevelTable, Database: "d", Name: "t"}, Privilege: "SELECT"}, true},
		{Lack{Object: Object{Level: LevelTable, Database: "d", Name: "t"}, Privilege: "CREATE"}, false}, // it can be used, and granted
		{Lack{Object: Object{Level: LevelTable, Database: "d", Name: "t"}, Privilege: AllPrivileges}, false},
		{Lack{Object: Object{Level: LevelDatabase, Database: "d"}, Privilege: "SELECT"}, false},
		{Lack{}, false},
	} {
		if got := test.lack.MayBeGone(); got != test.want {
			t.Errorf("%+v: %v", test.lack, got)
		}
	}
}

// The dynamic privileges of a session; none are not the same as not known.
func TestOwnDynamic(t *testing.T) {
	own := OwnGrants{Name: app, Rows: []redact.Secret{redact.New("GRANT SELECT ON *.* TO `app`@`%`"), redact.New("GRANT A_B,C_D ON *.* TO `app`@`%`")}}
	got, err := OwnDynamic(mysql9, own)
	if diff := cmp.Diff(map[string]bool{"A_B": true, "C_D": true}, got); diff != "" || err != nil {
		t.Errorf("%v, %s", err, diff)
	}
	if got, err := OwnDynamic(mysql9, OwnGrants{Name: app}); got == nil || err != nil {
		t.Errorf("without a row: %v, %v", got, err)
	}
	if _, err := OwnDynamic(mysql9, OwnGrants{Name: app, Rows: []redact.Secret{redact.New("GRANT")}}); err == nil {
		t.Error("a row that is not understood is left out")
	}
}

// Routines have the same name in any letter case, tables may not.
func TestLetterCaseOfNames(t *testing.T) {
	for _, test := range []struct {
		original, copied string
		want             []string
	}{
		{"GRANT EXECUTE ON FUNCTION `d`.`F` TO ME", "GRANT EXECUTE ON FUNCTION `d`.`f` TO ME", nil},
		{"GRANT SELECT ON `d`.`T` TO ME", "GRANT SELECT ON `d`.`t` TO ME",
			[]string{"REVOKE SELECT ON `d`.`t` FROM 'app_clone'@'%'", "GRANT SELECT ON `d`.`T` TO 'app_clone'@'%'"}},
	} {
		pair := Pair{Original: user("app", account(t, mysql9, app, "", test.original)), Clone: user("app_clone", account(t, mysql9, clone, "", test.copied)), Known: true}
		if diff := cmp.Diff(test.want, statementTexts(planFor(t, pair, TurnOfClone))); diff != "" {
			t.Error(diff)
		}
	}
}

// A routine that is gone is warned of where the clone lacks it, and not where both
// users have what nobody can use.
func TestAbsentRoutineThatBothHave(t *testing.T) {
	grant := "GRANT EXECUTE ON FUNCTION `d`.`f` TO ME"
	pair := Pair{Original: user("app", account(t, mysql9, app, "", grant)), Clone: user("app_clone", account(t, mysql9, clone, "", grant)), Known: true}
	pair.Absent.Note(granting(clone, Object{Level: LevelRoutine, Type: "FUNCTION", Database: "d", Name: "f"}, []string{"EXECUTE"}, nil, false), AbsentRoutine)
	if plan := planFor(t, pair, TurnOfClone); len(plan.Steps)+len(plan.Warnings) > 0 {
		t.Errorf("%s; warnings: %v", plan.StatementList(), plan.Warnings)
	}
}

// A partial revoke that both users have stays on the original, whatever else the clone
// was granted on that database.
func TestSharedPartialRevokeStays(t *testing.T) {
	both := []string{"GRANT SELECT ON *.* TO ME", "REVOKE SELECT ON `d`.* FROM ME"}
	pair := Pair{Original: user("app", account(t, mysql9, app, "", both...)), Known: true,
		Clone: user("app_clone", account(t, mysql9, clone, "", append(both, "GRANT INSERT ON `d`.* TO ME WITH GRANT OPTION")...))}
	want := []string{"GRANT INSERT ON `d`.* TO 'app'@'%' WITH GRANT OPTION"}
	if diff := cmp.Diff(want, statementTexts(planFor(t, pair, TurnOfOriginal))); diff != "" {
		t.Error(diff)
	}
}
