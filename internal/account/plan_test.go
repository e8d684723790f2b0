package account

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/redact"
	"tandem/internal/warning"
)

// account parses an account of MySQL 9 from its clauses and its grants, in which
// ME stands for its name.
func account(t testing.TB, server Server, name Name, clauses string, grants ...string) Account {
	t.Helper()
	me := "`" + name.User + "`@`" + name.Host + "`"
	create := "CREATE USER " + me
	if server.Flavor == MariaDB {
		create += " IDENTIFIED BY PASSWORD '" + nativeVerifier + "'" + clauses
	} else {
		create += " IDENTIFIED WITH 'caching_sha2_password' AS 0x414243"
		if !strings.Contains(clauses, "PASSWORD EXPIRE") {
			clauses += " PASSWORD EXPIRE DEFAULT"
		}
		create += clauses
	}
	r := rows(create)
	for _, grant := range grants {
		r.Grants = append(r.Grants, redact.New(strings.ReplaceAll(grant, "ME", me)))
	}
	out, err := Parse(server, name, r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func user(name string, accounts ...Account) User { return User{Name: name, Accounts: accounts} }

func throwaway(plugin string) (redact.Secret, error) {
	return redact.New("throwaway of " + plugin), nil
}

func statementTexts(plan Plan) []string {
	var out []string
	for _, step := range plan.Steps {
		out = append(out, step.Statement.String())
	}
	return out
}

var clone = Name{"app_clone", "%"}

// What is sent to make one account's attributes another's, and back to the defaults.
func TestAttributes(t *testing.T) {
	for _, test := range []struct {
		server       Server
		clauses      string
		create, gain string // of a new account, and of one that has the defaults
		lose         []string
	}{
		{mysql9, "", " ACCOUNT LOCK", "", nil},
		{mysql9, " REQUIRE SUBJECT '/CN=a' ISSUER 'b' CIPHER 'c'", " REQUIRE SUBJECT '/CN=a' AND ISSUER 'b' AND CIPHER 'c' ACCOUNT LOCK", " REQUIRE SUBJECT '/CN=a' AND ISSUER 'b' AND CIPHER 'c'", []string{" REQUIRE NONE"}},
		{mysql9, " REQUIRE SUBJECT ''", " REQUIRE SUBJECT '' ACCOUNT LOCK", " REQUIRE SUBJECT ''", []string{" REQUIRE NONE"}},
		{mysql9, " REQUIRE SSL", " REQUIRE SSL ACCOUNT LOCK", " REQUIRE SSL", []string{" REQUIRE NONE"}},
		{mysql9, " REQUIRE X509", " REQUIRE X509 ACCOUNT LOCK", " REQUIRE X509", []string{" REQUIRE NONE"}},
		{mysql9, " REQUIRE NONE WITH MAX_QUERIES_PER_HOUR 1 MAX_UPDATES_PER_HOUR 2 MAX_CONNECTIONS_PER_HOUR 3 MAX_USER_CONNECTIONS 4",
			" WITH MAX_QUERIES_PER_HOUR 1 MAX_UPDATES_PER_HOUR 2 MAX_CONNECTIONS_PER_HOUR 3 MAX_USER_CONNECTIONS 4 ACCOUNT LOCK",
			" WITH MAX_QUERIES_PER_HOUR 1 MAX_UPDATES_PER_HOUR 2 MAX_CONNECTIONS_PER_HOUR 3 MAX_USER_CONNECTIONS 4",
			[]string{" WITH MAX_QUERIES_PER_HOUR 0 MAX_UPDATES_PER_HOUR 0 MAX_CONNECTIONS_PER_HOUR 0 MAX_USER_CONNECTIONS 0"}},
		{mysql9, " PASSWORD EXPIRE NEVER", " PASSWORD EXPIRE NEVER ACCOUNT LOCK", " PASSWORD EXPIRE NEVER", []string{" PASSWORD EXPIRE DEFAULT"}},
		{mysql9, " PASSWORD EXPIRE INTERVAL 3 DAY", " PASSWORD EXPIRE INTERVAL 3 DAY ACCOUNT LOCK", " PASSWORD EXPIRE INTERVAL 3 DAY", []string{" PASSWORD EXPIRE NEVER ACCOUNT LOCK", " PASSWORD EXPIRE DEFAULT"}},
		{mysql9, " PASSWORD EXPIRE DEFAULT ACCOUNT LOCK", " ACCOUNT LOCK", " ACCOUNT LOCK", nil},
		{mysql9, " PASSWORD EXPIRE DEFAULT PASSWORD HISTORY 0 PASSWORD REUSE INTERVAL 2 DAY PASSWORD REQUIRE CURRENT", " ACCOUNT LOCK PASSWORD HISTORY 0 PASSWORD REUSE INTERVAL 2 DAY PASSWORD REQUIRE CURRENT",
			" PASSWORD HISTORY 0 PASSWORD REUSE INTERVAL 2 DAY PASSWORD REQUIRE CURRENT", []string{" PASSWORD HISTORY DEFAULT PASSWORD REUSE INTERVAL DEFAULT PASSWORD REQUIRE CURRENT DEFAULT"}},
		{mysql9, " PASSWORD EXPIRE DEFAULT PASSWORD REQUIRE CURRENT OPTIONAL FAILED_LOGIN_ATTEMPTS 2 PASSWORD_LOCK_TIME UNBOUNDED", " ACCOUNT LOCK PASSWORD REQUIRE CURRENT OPTIONAL FAILED_LOGIN_ATTEMPTS 2 PASSWORD_LOCK_TIME UNBOUNDED",
			" PASSWORD REQUIRE CURRENT OPTIONAL FAILED_LOGIN_ATTEMPTS 2 PASSWORD_LOCK_TIME UNBOUNDED", []string{" PASSWORD REQUIRE CURRENT DEFAULT FAILED_LOGIN_ATTEMPTS 0 PASSWORD_LOCK_TIME 0"}},
		{mysql9, ` PASSWORD EXPIRE DEFAULT ATTRIBUTE '{"a": {"b": [1, null]}, "comment": "it\'s <"}'`, ` ACCOUNT LOCK ATTRIBUTE '{"a":{"b":[1,null]},"comment":"it''s <"}'`,
			` ATTRIBUTE '{"a":{"b":[1,null]},"comment":"it''s <"}'`, []string{` ATTRIBUTE '{"a":null,"comment":null}'`}},
		{mysql9, ` PASSWORD EXPIRE DEFAULT COMMENT 'x'`, ` ACCOUNT LOCK ATTRIBUTE '{"comment":"x"}'`, ` ATTRIBUTE '{"comment":"x"}'`, []string{` ATTRIBUTE '{"comment":null}'`}},
		{mysql9, ` PASSWORD EXPIRE DEFAULT ATTRIBUTE '{}'`, ` ACCOUNT LOCK`, ``, nil},
		{maria10, "", " ACCOUNT LOCK", "", nil},
		{maria10, " REQUIRE SSL WITH MAX_USER_CONNECTIONS -1 MAX_STATEMENT_TIME 1.050000 ACCOUNT LOCK PASSWORD EXPIRE INTERVAL 3 DAY", " REQUIRE SSL WITH MAX_USER_CONNECTIONS -1 MAX_STATEMENT_TIME 1050000e-6 ACCOUNT LOCK PASSWORD EXPIRE INTERVAL 3 DAY",
			" REQUIRE SSL WITH MAX_USER_CONNECTIONS -1 MAX_STATEMENT_TIME 1050000e-6 ACCOUNT LOCK PASSWORD EXPIRE INTERVAL 3 DAY", []string{" REQUIRE NONE WITH MAX_USER_CONNECTIONS 0 MAX_STATEMENT_TIME 0e-6 PASSWORD EXPIRE DEFAULT"}},
	} {
		t.Run(string(test.server.Flavor)+test.clauses, func(t *testing.T) {
			identified := " IDENTIFIED WITH 'caching_sha2_password' AS <redacted>"
			if test.server.Flavor == MariaDB {
				identified = " IDENTIFIED VIA `mysql_native_password` USING <redacted>"
			}
			check := func(want, have Account, exists bool, statements ...string) {
				t.Helper()
				want.Name, have.Name = app, clone
				pair := Pair{Server: test.server, Original: user("app", want), Clone: user("app_clone"), Known: true}
				if exists {
					pair.Clone.Accounts = []Account{have}
				}
				plan, err := pair.Plan(Mirror, TurnOfClone, throwaway)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(statements, statementTexts(plan)); diff != "" {
					t.Error(diff)
				}
			}
			plain, full := account(t, test.server, app, ""), account(t, test.server, app, test.clauses)
			check(full, plain, false, "CREATE USER 'app_clone'@'%'"+identified+test.create)
			if test.gain != "" {
				check(full, plain, true, "ALTER USER 'app_clone'@'%'"+test.gain)
			}
			var lose []string
			for _, clauses := range test.lose {
				lose = append(lose, "ALTER USER 'app_clone'@'%'"+clauses)
			}
			check(plain, full, true, lose...)
			check(full, full, true)
		})
	}
}

// Part of a JSON object changes.
func TestMergePatch(t *testing.T) {
	for _, test := range []struct{ have, want, patch string }{
		{`{"a":1}`, `{"a":1}`, ""},
		{``, `{"a":1}`, `{"a":1}`},
		{`{"a":{"b":1,"c":2}}`, `{"a":{"b":1}}`, `{"a":{"c":null}}`},
		{`{"a":{"b":1}}`, `{"a":{}}`, `{"a":{"b":null}}`},
		{`{"a":1}`, `{"a":{"b":2}}`, `{"a":{"b":2}}`},
		{`{"a":[1,2],"b":1}`, `{"a":[1],"b":1}`, `{"a":[1]}`},
		{`{"a":1.0}`, `{"a":1}`, `{"a":1}`},
	} {
		got, needed := mergePatch(test.have, test.want)
		if got != test.patch || needed != (test.patch != "") {
			t.Errorf("mergePatch(%s, %s) = %s, %v, want %s", test.have, test.want, got, needed, test.patch)
		}
	}
}

// An account of the clone that is to be opened is not touched before its password is set.
func TestLockedCloneStaysLocked(t *testing.T) {
	pair := Pair{Server: mysql9, Original: user("app", account(t, mysql9, app, "")), Clone: user("app_clone", account(t, mysql9, clone, " PASSWORD EXPIRE DEFAULT ACCOUNT LOCK")), Known: true}
	plan, err := pair.Plan(Merge, TurnOfClone, throwaway)
	if err != nil || len(plan.Steps) > 0 {
		t.Errorf("plan = %s, %v", plan.StatementList(), err)
	}
}

// MySQL does not show the policy of an expired account.
func TestExpired(t *testing.T) {
	expired := " REQUIRE NONE PASSWORD EXPIRE ACCOUNT UNLOCK"
	pair := Pair{Server: mysql9, Original: user("app", account(t, mysql9, app, "")), Clone: user("app_clone", account(t, mysql9, clone, expired)), Known: true}
	plan, err := pair.Plan(Merge, TurnOfClone, throwaway)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"ALTER USER 'app_clone'@'%' PASSWORD EXPIRE NEVER ACCOUNT LOCK",
		"ALTER USER 'app_clone'@'%' IDENTIFIED WITH 'caching_sha2_password' AS <redacted> PASSWORD EXPIRE DEFAULT ACCOUNT LOCK",
	}
	if diff := cmp.Diff(want, statementTexts(plan)); diff != "" {
		t.Error(diff)
	}
	pair.Original, pair.Clone = user("app", account(t, mysql9, app, expired)), user("app_clone")
	if _, err := pair.Plan(Merge, TurnOfClone, throwaway); !errors.Is(err, ErrUnsupported) {
		t.Errorf("the policy of an expired original is not known, and err = %v", err)
	}
	if _, err := pair.Plan(Merge, TurnOfOriginal, throwaway); !errors.Is(err, ErrNotFound) {
		t.Errorf("err = %v, want ErrNotFound for the clone", err)
	}
	pair.Original.Accounts[0].ExpiryHidden = false
	if plan, err = pair.Plan(Merge, TurnOfClone, throwaway); err != nil || len(plan.Steps) != 1 || strings.Contains(plan.StatementList(), "EXPIRE") {
		t.Errorf("an original whose password was expired by hand: plan = %s, %v", plan.StatementList(), err)
	}
}

// What is gone is granted by way of CREATE, or left out with a warning.
func TestAbsent(t *testing.T) {
	original := account(t, mysql9, app, "", "GRANT SELECT, SELECT (`a`, `b`) ON `d`.`t` TO ME WITH GRANT OPTION", "GRANT SELECT (`a`, `b`), INSERT ON `d`.`u` TO ME", "GRANT EXECUTE ON PROCEDURE `d`.`p` TO ME")
	pair := Pair{Server: mysql9, Original: user("app", original), Clone: user("app_clone", account(t, mysql9, clone, "")), Known: true}
	plan := func() Plan {
		t.Helper()
		plan, err := pair.Plan(Merge, TurnOfClone, throwaway)
		if err != nil {
			t.Fatal(err)
		}
		return plan
	}
	p := plan()
	if len(p.Steps) != 4 || !pair.Absent.Note(p.Steps[0], AbsentTable) || !pair.Absent.Note(p.Steps[2], AbsentColumn) || !pair.Absent.Note(p.Steps[3], AbsentRoutine) {
		t.Fatalf("steps: %s", p.StatementList())
	}
	for _, absence := range []Absence{AbsentTable, AbsentRoutine} {
		if pair.Absent.Note(p.Steps[map[Absence]int{AbsentTable: 0, AbsentRoutine: 3}[absence]], absence) {
			t.Errorf("an absent %s is news twice", absence)
		}
	}
	p = plan()
	want := []string{
		"ALTER USER 'app_clone'@'%' ACCOUNT LOCK",
		"GRANT SELECT, CREATE ON `d`.`t` TO 'app_clone'@'%' WITH GRANT OPTION",
		"GRANT INSERT ON `d`.`u` TO 'app_clone'@'%'",
		"GRANT SELECT (`a`) ON `d`.`u` TO 'app_clone'@'%'",
		"GRANT SELECT (`b`) ON `d`.`u` TO 'app_clone'@'%'",
		"REVOKE CREATE ON `d`.`t` FROM 'app_clone'@'%'",
	}
	if diff := cmp.Diff(want, statementTexts(p)); diff != "" {
		t.Fatal(diff)
	}
	if !pair.Absent.Note(p.Steps[4], AbsentColumn) || pair.Absent.Note(p.Steps[4], AbsentColumn) || pair.Absent.Note(p.Steps[2], AbsentColumn) {
		t.Error("a column is noted once, for a step that grants on columns")
	}
	p = plan()
	if diff := cmp.Diff(append(want[:4:4], want[5]), statementTexts(p)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Warning{{warning.ObjectGone, "not copied, since what it is on is gone: EXECUTE ON PROCEDURE `d`.`p`, SELECT (`a`) ON `d`.`t`, SELECT (`b`) ON `d`.`t`, SELECT (`b`) ON `d`.`u`"}}, p.Warnings); diff != "" {
		t.Error(diff)
	}
	// With what could be granted granted, nothing differs.
	pair.Clone = user("app_clone", account(t, mysql9, clone, "", "GRANT SELECT ON `d`.`t` TO ME WITH GRANT OPTION", "GRANT SELECT (`a`), INSERT ON `d`.`u` TO ME"))
	if p = plan(); len(p.Steps) > 0 {
		t.Errorf("remainder: %s", p.StatementList())
	}
}

// What needs a table that somebody has locked is left out, in both directions, and the
// warning has what takes it from the user that has it.
func TestPlanWithLockedTable(t *testing.T) {
	grants := []string{"GRANT SELECT (`a`), INSERT ON `d`.`t` TO ME", "GRANT SELECT (`a`) ON `d`.`u` TO ME"}
	for turn, from := range map[Turn]Name{TurnOfClone: app, TurnOfOriginal: clone} {
		original, copied := account(t, mysql9, app, "", grants...), account(t, mysql9, clone, "")
		if turn == TurnOfOriginal {
			original, copied = account(t, mysql9, app, ""), account(t, mysql9, clone, "", grants...)
		}
		pair := Pair{Server: mysql9, Known: true, Original: user("app", original), Clone: user("app_clone", copied)}
		plan, err := pair.Plan(Merge, turn, throwaway)
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.Steps) != 2 || !pair.Absent.Note(plan.Steps[0], LockedTable) || pair.Absent.Note(plan.Steps[0], LockedTable) {
			t.Fatalf("steps: %s", plan.StatementList())
		}
		if plan, err = pair.Plan(Merge, turn, throwaway); err != nil {
			t.Fatal(err)
		}
		to := plan.Steps[0].Account
		if diff := cmp.Diff([]string{"GRANT INSERT ON `d`.`t` TO " + to.String(), "GRANT SELECT (`a`) ON `d`.`u` TO " + to.String()}, statementTexts(plan)); diff != "" {
			t.Error(diff)
		}
		last := plan.Warnings[len(plan.Warnings)-1]
		if want := "REVOKE SELECT (`a`) ON `d`.`t` FROM " + from.String(); last.Type != warning.TableLocked || !strings.HasSuffix(last.Message, want) {
			t.Errorf("the warning is %v", last)
		}
	}
}

// Where even a GRANT on a table as a whole waits, it has CREATE beside it for a moment; with
// an account that cannot be closed for that moment, or an admin who may not pass CREATE on,
// it is left out.
func TestPlanWithTableLockedAsAWhole(t *testing.T) {
	for _, test := range []struct {
		creatable bool
		steps     []string
		left      []string
	}{
		{true, []string{"GRANT SELECT, CREATE ON `d`.`t` TO 'app_clone'@'%' WITH GRANT OPTION", "REVOKE CREATE ON `d`.`t` FROM 'app_clone'@'%'"}, []string{"REVOKE UPDATE (`a`) ON `d`.`t` FROM 'app'@'%'"}},
		{false, nil, []string{"REVOKE GRANT OPTION ON `d`.`t` FROM 'app'@'%'", "REVOKE SELECT ON `d`.`t` FROM 'app'@'%'", "REVOKE UPDATE (`a`) ON `d`.`t` FROM 'app'@'%'"}},
	} {
		pair := Pair{Server: mysql9, Known: true, Original: user("app", account(t, mysql9, app, "", "GRANT SELECT, UPDATE (`a`) ON `d`.`t` TO ME WITH GRANT OPTION")), Clone: user("app_clone", account(t, mysql9, clone, ""))}
		plan := func() Plan {
			plan, err := pair.Plan(Merge, TurnOfClone, throwaway)
			if err != nil {
				t.Fatal(err)
			}
			return plan
		}
		for range 2 { // first its columns are left out
			if p := plan(); len(p.Steps) != 1 || !pair.Absent.Note(p.Steps[0], LockedTable) {
				t.Fatalf("steps: %s", p.StatementList())
			}
		}
		p := plan()
		if !test.creatable {
			for _, step := range p.Steps {
				pair.Absent.Note(step, NotCreatable)
			}
			p = plan()
		}
		var sent []string
		for _, text := range statementTexts(p) {
			if strings.Contains(text, "`d`") {
				sent = append(sent, text)
			}
		}
		if diff := cmp.Diff(test.steps, sent); diff != "" {
			t.Error(diff)
		}
		told, locks := p.WarningsOfLocks()
		if len(told) > 0 || len(locks) != 1 || !strings.HasSuffix(locks[0].Message, strings.Join(test.left, "; ")) {
			t.Errorf("the warnings are %v, %v", told, locks)
		}
	}
}

func TestRefusals(t *testing.T) {
	plain, copied := account(t, mysql9, app, ""), account(t, mysql9, clone, "")
	with := func(name Name, clauses string, grants ...string) Account {
		return account(t, mysql9, name, clauses, grants...)
	}
	plugin := func(account Account, plugins ...string) Account {
		account.Factors = nil
		for _, plugin := range plugins {
			account.Factors = append(account.Factors, Factor{Plugin: plugin})
		}
		return account
	}
	for _, test := range []struct {
		what string
		pair Pair
		mode Mode
		turn Turn
		want error
		text string
	}{
		{"several factors", Pair{Original: user("app", plugin(plain, "caching_sha2_password", "authentication_fido")), Login: app}, Merge, TurnOfClone, ErrUnsupported, "authentication_fido"},
		{"no factor", Pair{Original: user("app", plugin(plain))}, Merge, TurnOfClone, ErrUnsupported, "'app'@'%'"},
		{"no password", Pair{Original: user("app", plugin(plain, "auth_socket"))}, Off, TurnOfOriginal, ErrNotFound, ""},
		{"no password in off", Pair{Original: user("app", plugin(plain, "auth_socket")), Clone: user("app_clone", copied), Login: clone}, Off, TurnOfOriginal, ErrUnsupported, "auth_socket (known to the operating system)"},
		{"a password by IAM", Pair{Original: user("app", plugin(plain, "AWSAuthenticationPlugin")), Login: app}, Merge, TurnOfClone, ErrUnsupported, "IAM"},
		{"a device to be registered", Pair{Original: user("app", Account{Name: app, Factors: []Factor{{Plugin: "caching_sha2_password", Initial: true}}})}, Merge, TurnOfClone, ErrUnsupported, "registration"},
		{"no password at another host", Pair{Original: user("app", plain, plugin(with(Name{"app", "10.%"}, ""), "auth_socket")), Clone: user("app_clone", copied), Login: clone}, Merge, TurnOfOriginal, nil, ""},
		{"several factors at another host", Pair{Original: user("app", plain, plugin(with(Name{"app", "10.%"}, ""), "caching_sha2_password", "auth_socket")), Clone: user("app_clone", copied), Login: clone}, Merge, TurnOfOriginal, nil, ""},
		{"a system user", Pair{Original: user("app", with(app, "", "GRANT SYSTEM_USER ON *.* TO ME")), AdminDynamic: map[string]bool{"ROLE_ADMIN": true}}, Merge, TurnOfClone, ErrRefused, "SYSTEM_USER"},
		{"a system user to drop", Pair{Original: user("app", plain), Clone: user("app_clone", with(Name{"app_clone", "10.%"}, "", "GRANT SYSTEM_USER ON *.* TO ME")), AdminDynamic: map[string]bool{}}, Merge, TurnOfClone, ErrRefused, "'app_clone'@'10.%'"},
		{"a system user in off", Pair{Original: user("app", with(app, "", "GRANT SYSTEM_USER ON *.* TO ME")), Clone: user("app_clone", copied), AdminDynamic: map[string]bool{}}, Off, TurnOfOriginal, ErrRefused, "SYSTEM_USER"},

		{"an admin who is a system user too", Pair{Original: user("app", with(app, "", "GRANT SYSTEM_USER ON *.* TO ME")), AdminDynamic: map[string]bool{"SYSTEM_USER": true}}, Merge, TurnOfClone, nil, ""},
	} {
		t.Run(test.what, func(t *testing.T) {
			test.pair.Server, test.pair.Known, test.pair.Clone.Name = mysql9, test.pair.Roles.Mandatory == nil, "app_clone"
			_, err := test.pair.Plan(test.mode, test.turn, throwaway)
			if !errors.Is(err, test.want) {
				t.Fatalf("err = %v, want %v", err, test.want)
			}
			if err != nil && !strings.Contains(err.Error(), test.text) {
				t.Errorf("err = %v, which does not name %s", err, test.text)
			}
			if _, again := test.pair.Password(test.mode, test.turn, redact.New("p"), never, nil); test.want != nil && !errors.Is(again, test.want) {
				t.Errorf("Password: err = %v, want %v", again, test.want)
			}
		})
	}
}

func TestParseMode(t *testing.T) {
	for text, want := range map[string]Mode{"": Merge, "merge": Merge, " Mirror ": Mirror, "OFF": Off, "none": ""} {
		if got, err := ParseMode(text); got != want || (err != nil) != (want == "") {
			t.Errorf("ParseMode(%q) = %q, %v", text, got, err)
		}
	}
}

func TestSummary(t *testing.T) {
	var plan Plan
	if got := plan.StatementList(); got != "nothing differs" {
		t.Error(got)
	}
	for i := range 22 {
		plan.Steps = append(plan.Steps, Step{Statement: grantStatement(app, Object{Level: LevelDatabase, Database: fmt.Sprint(i)}, []string{"SELECT"}, nil, false)})
	}
	if got := plan.StatementList(); !strings.HasPrefix(got, "GRANT SELECT ON `0`.* TO 'app'@'%'; GRANT") || !strings.HasSuffix(got, "; and 2 more") {
		t.Error(got)
	}
}

// On MariaDB a client without a certificate may have the cipher.
func TestCipherIsNoCertificate(t *testing.T) {
	cipher := Requirement{Kind: RequireSpecified, Cipher: "c"}
	if cipher.certificate(MariaDB) || !cipher.certificate(MySQL) {
		t.Error("a cipher alone needs a certificate on MySQL, and not on MariaDB")
	}
	for _, flavor := range []Flavor{MariaDB, MySQL} {
		for _, other := range []Requirement{{Kind: RequireX509}, {Kind: RequireSpecified, Subject: "s", Cipher: "c"}, {Kind: RequireSpecified, Issuer: "i", Cipher: "c"}} {
			if !other.certificate(flavor) {
				t.Errorf("%+v needs no certificate on %s", other, flavor)
			}
		}
		if (Requirement{}).certificate(flavor) || (Requirement{Kind: RequireSSL}).certificate(flavor) {
			t.Errorf("encryption alone needs a certificate on %s", flavor)
		}
	}
}
