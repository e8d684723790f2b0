package account

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/redact"
)

var (
	app     = Name{"app", "%"}
	mysql9  = Server{Flavor: MySQL, Major: 9, Minor: 7, Patch: 4}
	maria10 = Server{Flavor: MariaDB, Major: 10, Minor: 11, Patch: 19}
	maria11 = Server{Flavor: MariaDB, Major: 11, Minor: 8, Patch: 6}
)

// rows makes Rows of a CREATE USER row and rows of SHOW GRANTS.
func rows(create string, grants ...string) Rows {
	out := Rows{CreateUser: []redact.Secret{redact.New(create)}}
	for _, grant := range grants {
		out.Grants = append(out.Grants, redact.New(grant))
	}
	return out
}

const (
	mysqlApp = "CREATE USER `app`@`%` IDENTIFIED WITH 'caching_sha2_password' AS 0x24412430 REQUIRE NONE PASSWORD EXPIRE DEFAULT ACCOUNT UNLOCK PASSWORD HISTORY DEFAULT PASSWORD REUSE INTERVAL DEFAULT PASSWORD REQUIRE CURRENT DEFAULT"
	mariaApp = "CREATE USER `app`@`%` IDENTIFIED BY PASSWORD '*6BB4837EB74329105EE4568DDA7DC67ED2CA2AD9'"
)

// A row that is not understood is an error, and never skipped.
func TestNotUnderstood(t *testing.T) {
	for _, test := range []struct {
		server   Server
		rows     Rows
		expected string // what the error says was expected
		row      string // how it quotes the row
	}{
		{mysql9, Rows{}, "CREATE USER", "(none)"},
		{mysql9, rows("CREATE ROLE `app`"), "CREATE USER", "CREATE ROLE `app`"},
		{mysql9, rows("CREATE USER `other`@`%`"), "the account 'app'@'%'", "CREATE USER `other`@`%`"},
		{mysql9, rows(mysqlApp + " SOMETHING NEW"), "a clause of CREATE USER", "CREATE USER `app`@`%` IDENTIFIED WITH <redacted> AS <redacted> REQUIRE NONE PASSWORD EXPIRE DEFAULT ACCOUNT UNLOCK PASSWORD HISTORY DEFAULT PASSWORD REUSE INTERVAL DEFAULT PASSWORD REQUIRE CURRENT DEFAULT SOMETHING NEW"},
		{mysql9, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'x' AS 0x123"), "an even number of hexadecimal digits", "CREATE USER `app`@`%` IDENTIFIED WITH <redacted> AS <redacted>"},
		{mysql9, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'x' AS 'unterminated"), "a closing quote", "CREATE USER `app`@`%` IDENTIFIED WITH <redacted> AS <redacted>"},
		{mysql9, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'x' REQUIRE NONE PASSWORD EXPIRE INTERVAL x DAY"), "a number", "CREATE USER `app`@`%` IDENTIFIED WITH <redacted> REQUIRE NONE PASSWORD EXPIRE INTERVAL <redacted> DAY"},
		{mysql9, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'x' REQUIRE NONE PASSWORD EXPIRE DEFAULT ATTRIBUTE '[1]'"), "a JSON object", "CREATE USER `app`@`%` IDENTIFIED WITH <redacted> REQUIRE NONE PASSWORD EXPIRE DEFAULT ATTRIBUTE <redacted>"},
		{mysql9, rows(mysqlApp, "DENY SELECT ON *.* TO `app`@`%`"), "GRANT, REVOKE or SET DEFAULT ROLE", "DENY SELECT ON *.* TO `app`@`%`"},
		{mysql9, rows(mysqlApp, "GRANT SELECT ON `d`.* TO `app`@`%` WITH SOMETHING"), "the end", "GRANT SELECT ON `d`.* TO `app`@`%` WITH SOMETHING"},
		{mysql9, rows(mysqlApp, "GRANT SELECT ON `d`.* TO `ap`@`%`"), "the account 'app'@'%'", "GRANT SELECT ON `d`.* TO `ap`@`%`"},
		{mysql9, rows(mysqlApp, "GRANT SELECT ON `d`.* TO 'app'@'x'"), "the account 'app'@'%'", "GRANT SELECT ON `d`.* TO 'app'@'x'"},
		{mysql9, rows(mysqlApp, "GRANT SELECT ON `d` TO `app`@`%`"), "a dot", "GRANT SELECT ON `d` TO `app`@`%`"},
		{mysql9, rows(mysqlApp, "GRANT SELECT (`a`) ON `d`.* TO `app`@`%`"), "a table, as columns were named", "GRANT SELECT (`a`) ON `d`.* TO `app`@`%`"},
		{mysql9, rows(mysqlApp, "GRANT SELECT, ON `d`.* TO `app`@`%`"), "a privilege", "GRANT SELECT, ON `d`.* TO `app`@`%`"},
		{mysql9, rows(mysqlApp, "GRANT SELECT ON PROCEDURE `d`.* TO `app`@`%`"), "a name", "GRANT SELECT ON PROCEDURE `d`.* TO `app`@`%`"},
		{mysql9, rows(mysqlApp, "REVOKE SELECT ON `d`.`t` FROM `app`@`%`"), "a partial revoke, which is on a database", "REVOKE SELECT ON `d`.`t` FROM `app`@`%`"},
		{mysql9, rows(mysqlApp, "GRANT SELECT ON `d`.* TO PUBLIC"), "the account 'app'@'%'", "GRANT SELECT ON `d`.* TO PUBLIC"},
		{maria11, rows(mariaApp, "GRANT PROXY ON 'a'@'b'@'c' TO 'app'@'%'"), "TO", "GRANT PROXY ON 'a'@'b'@'c' TO 'app'@'%'"},
		{maria11, rows(mariaApp + " REQUIRE SOMETHING"), "NONE, SSL, X509, ISSUER, SUBJECT or CIPHER, and nothing but clauses of CREATE USER behind it", "CREATE USER `app`@`%` IDENTIFIED BY PASSWORD <redacted> REQUIRE SOMETHING"},
		{mysql9, rows("CREATE USER `app`@`%` REQUIRE SUBJECT 'a' PASSWORD EXPIRE NEVER ATTRIBUTE '{}' PASSWORD EXPIRE NEVER ATTRIBUTE '{}'"), "a REQUIRE clause that can be read in one way only", "CREATE USER `app`@`%` REQUIRE SUBJECT <redacted> PASSWORD EXPIRE NEVER ATTRIBUTE <redacted> PASSWORD EXPIRE NEVER ATTRIBUTE <redacted>"},
		{maria11, rows(mariaApp + " WITH MAX_STATEMENT_TIME 1.2.3"), "a number of seconds", "CREATE USER `app`@`%` IDENTIFIED BY PASSWORD <redacted> WITH MAX_STATEMENT_TIME <redacted>"},
	} {
		_, err := Parse(test.server, app, test.rows)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%v: not a SyntaxError: %v", test.expected, err)
			continue
		}
		want := SyntaxError{Account: app, Expected: test.expected, Row: test.row}
		if diff := cmp.Diff(want, *syntax); diff != "" {
			t.Error(diff)
		}
	}
}

// Texts of REQUIRE that hold quotes are read where there is one way to read them.
func TestRequirementTexts(t *testing.T) {
	mysqlTail := " PASSWORD EXPIRE DEFAULT ACCOUNT UNLOCK ATTRIBUTE '{\"k\": \"v\"}'"
	for _, test := range []struct {
		server Server
		row    string
		want   Requirement
	}{
		{mysql9, "REQUIRE SUBJECT '/CN=O'Brien' ISSUER 'a\\b'" + mysqlTail, Requirement{Kind: RequireSpecified, Subject: "/CN=O'Brien", Issuer: `a\b`}},
		{mysql9, "REQUIRE SUBJECT 'a' WITH x'" + mysqlTail, Requirement{Kind: RequireSpecified, Subject: "a' WITH x"}},
		{mysql9, "REQUIRE SUBJECT '' ISSUER ''" + mysqlTail, Requirement{Kind: RequireSpecified}},
		{mysql9, "REQUIRE X509" + mysqlTail, Requirement{Kind: RequireX509}},
		{maria10, `REQUIRE ISSUER 'b''c' SUBJECT 'd\\e' CIPHER 'c'`, Requirement{Kind: RequireSpecified, Issuer: "b'c", Subject: `d\e`, Cipher: "c"}},
		{maria11, `REQUIRE ISSUER 'b'c' SUBJECT 'd\e' CIPHER 'c' WITH MAX_QUERIES_PER_HOUR 1`, Requirement{Kind: RequireSpecified, Issuer: "b'c", Subject: `d\e`, Cipher: "c"}},
		{maria11, `REQUIRE `, Requirement{Kind: RequireSpecified}},
		{maria11, `REQUIRE  ACCOUNT LOCK`, Requirement{Kind: RequireSpecified}},
	} {
		create := "CREATE USER `app`@`%` IDENTIFIED WITH 'p' "
		if test.server.Flavor == MariaDB {
			create = mariaApp + " "
		}
		got, err := Parse(test.server, app, rows(create+test.row))
		if err != nil {
			t.Error(err)
		} else if diff := cmp.Diff(test.want, got.Attributes.Requirement); diff != "" {
			t.Errorf("%s: %s", test.row, diff)
		}
	}
}

// Where a text can be read as two, or as nothing, what mysql.user has decides.
func TestRequirementInDoubt(t *testing.T) {
	const row = mariaApp + ` REQUIRE SUBJECT 'x' CIPHER 'y' WITH MAX_QUERIES_PER_HOUR 1`
	both := Requirement{Kind: RequireSpecified, Subject: "x", Cipher: "y"}
	one := Requirement{Kind: RequireSpecified, Subject: "x' CIPHER 'y"}
	grant := "GRANT USAGE ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD '*0' REQUIRE SUBJECT 'x' CIPHER 'y' WITH GRANT OPTION MAX_QUERIES_PER_HOUR 1"
	for _, known := range []Requirement{both, one} {
		stored := &Stored{Subject: known.Subject, Cipher: known.Cipher}
		got, err := Parse(maria11, app, Rows{CreateUser: rows(row).CreateUser, Grants: []redact.Secret{redact.New(grant)}, Stored: stored})
		if err != nil {
			t.Fatal(err)
		}
		if got.Attributes.Requirement != known || got.Attributes.Limits.QueriesPerHour != 1 || len(got.Grants.Objects) != 1 {
			t.Errorf("read as %+v, want %+v", got, known)
		}
	}
	if _, err := Parse(maria11, app, Rows{CreateUser: rows(row).CreateUser, Stored: &Stored{Issuer: "z"}}); err == nil {
		t.Error("a row that is not what mysql.user has is accepted")
	}
	var syntax *SyntaxError
	if _, err := Parse(maria11, app, rows(mariaApp+` REQUIRE CIPHER 'x' CIPHER 'y'`)); !errors.As(err, &syntax) {
		t.Errorf("two ciphers: %v", err)
	}
}

// What is printed with losses is taken from the tables, or refused.
func TestStored(t *testing.T) {
	mysqlRow := "CREATE USER `app`@`%` IDENTIFIED WITH 'p' REQUIRE SUBJECT '/CN=?????' ISSUER 'é?' PASSWORD EXPIRE DEFAULT ATTRIBUTE '{\"k????\": 1}'"
	inDoubt := "CREATE USER `app`@`%` IDENTIFIED WITH 'p' REQUIRE SUBJECT 'x' CIPHER '????' PASSWORD EXPIRE DEFAULT"
	for _, test := range []struct {
		what   string
		server Server
		row    string
		stored Stored
		want   Attributes
		fails  bool
	}{
		{"outside the BMP", mysql9, mysqlRow, Stored{Subject: "/CN=😀?", Issuer: "é?", Attribute: `{"k😀": 1}`},
			Attributes{Requirement: Requirement{Kind: RequireSpecified, Subject: "/CN=😀?", Issuer: "é?"}, Attribute: `{"k😀":1}`}, false},
		{"question marks that are", mysql9, mysqlRow, Stored{Subject: "/CN=?????", Issuer: "é?", Attribute: `{"k????": 1}`},
			Attributes{Requirement: Requirement{Kind: RequireSpecified, Subject: "/CN=?????", Issuer: "é?"}, Attribute: `{"k????":1}`}, false},
		{"in doubt too", mysql9, inDoubt, Stored{Subject: "x' CIPHER '😀"}, Attributes{Requirement: Requirement{Kind: RequireSpecified, Subject: "x' CIPHER '😀"}}, false},
		{"no UTF-8", mysql9, mysqlRow, Stored{Subject: "/CN=\xff????", Issuer: "é?"}, Attributes{}, true},
		{"another text", mysql9, mysqlRow, Stored{Subject: "/CN=z", Issuer: "é?"}, Attributes{}, true},
		{"no object", mysql9, mysqlRow, Stored{Subject: "/CN=😀?", Issuer: "é?", Attribute: "1"}, Attributes{}, true},
		{"what MariaDB has in memory alone", maria11, mariaApp + ` REQUIRE SUBJECT '/CN=????'`, Stored{}, Attributes{}, true},
	} {
		got, err := Parse(test.server, app, Rows{CreateUser: rows(test.row).CreateUser, Stored: &test.stored})
		if errors.Is(err, ErrUnsupported) != test.fails || (err != nil) != test.fails || !test.fails && got.Attributes != test.want {
			t.Errorf("%s: %+v, %v", test.what, got.Attributes, err)
		}
	}
}

const nativeVerifier = "*6BB4837EB74329105EE4568DDA7DC67ED2CA2AD9"

// Whatever is wrong with a row, the error holds no verifier, nor a long part of one.
func FuzzErrorsAreMasked(f *testing.F) {
	f.Add(uint8(0), uint8(30), " '")
	f.Add(uint8(1), uint8(13), "`")
	f.Add(uint8(2), uint8(60), "NEW CLAUSE")
	f.Add(uint8(3), uint8(0), "GRANT \"")
	f.Fuzz(func(t *testing.T, form, at uint8, text string) {
		caching := "$A$005$" + "Qk'w\x01\\z`7Hd Lm\"PdeUQ" + "xYzZyX0123456789abcdefghijklmnopqrstuvwxyzA"
		pieces := [][2]string{
			{"CREATE USER `app`@`%` IDENTIFIED BY PASSWORD '" + nativeVerifier, "' REQUIRE SSL"},
			{"GRANT SELECT ON *.* TO `app`@`%` IDENTIFIED VIA mysql_native_password USING '" + nativeVerifier, "' WITH GRANT OPTION"},
			{"CREATE USER 'app'@'%' IDENTIFIED WITH 'caching_sha2_password' AS 0x" + strings.ToUpper(hex.EncodeToString([]byte(caching))), " REQUIRE NONE PASSWORD EXPIRE DEFAULT"},
			{"CREATE USER `app`@`%` IDENTIFIED WITH 'mysql_native_password' AS '" + nativeVerifier, "' REQUIRE NONE"},
		}[form%4]
		// The text goes anywhere but into the verifier.
		row := pieces[0] + text + pieces[1]
		if border := strings.LastIndexAny(pieces[0], "'x"); int(at) <= border {
			row = pieces[0][:at] + text + pieces[0][at:] + pieces[1]
		}
		for _, server := range []Server{mysql9, maria10, maria11} {
			for _, r := range []Rows{rows(row), rows(mariaApp, row), rows(mysqlApp, row)} {
				_, err := Parse(server, app, r)
				if err == nil {
					continue
				}
				for _, secret := range []string{nativeVerifier, caching, strings.ToUpper(hex.EncodeToString([]byte(caching)))} {
					for i := 0; i+10 <= len(secret); i += 5 {
						if strings.Contains(err.Error(), secret[i:i+10]) && !strings.Contains(text, secret[i:i+10]) {
							t.Fatalf("%q shows a verifier: %v", row, err)
						}
					}
				}
			}
		}
	})
}

// The forms in which one thing can be written.
func TestForms(t *testing.T) {
	for _, grant := range []string{
		"GRANT SELECT, INSERT ON `d`.`t` TO `app`@`%`", `GRANT SELECT, INSERT ON "d"."t" TO "app"@"%"`, "GRANT SELECT, INSERT ON d.t TO 'app'@'%'",
		"grant  select , insert on `d` . `t` to `app`@`%`", "GRANT INSERT ON `d`.`t` TO `app`@`%`\nGRANT SELECT, INSERT ON `d`.`t` TO `app`@`%`",
	} {
		account, err := Parse(mysql9, app, rows(mysqlApp, strings.Split(grant, "\n")...))
		if err != nil {
			t.Error(err)
			continue
		}
		want := account.Grants.Objects[0]
		if len(account.Grants.Objects) != 1 || want.Object != (Object{Level: LevelTable, Database: "d", Name: "t"}) || len(want.Privileges) != 2 || !contains(want.Privileges, "SELECT") || !contains(want.Privileges, "INSERT") {
			t.Errorf("%s: %+v", grant, account.Grants.Objects)
		}
	}
	account, err := Parse(mysql9, app, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'p' AS '"+`a\0\n\r\t\Z\b\'\"''\\b`+"' PASSWORD EXPIRE DEFAULT"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := account.Factors[0].Verifier.Reveal(), "a\x00\n\r\t\x1a\b'\"'\\b"; got != want {
		t.Errorf("the verifier is %q, want %q", got, want)
	}
}

// A name of another account that stands in a name's quotes is not taken for it.
func TestRawNames(t *testing.T) {
	name := Name{"a' TO 'b", "%"}
	account, err := Parse(maria11, name, rows("CREATE USER `a' TO 'b`@`%`", "GRANT PROXY ON 'p'@'10.%' TO 'a' TO 'b'@'%' WITH GRANT OPTION"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Grant{{Object: Object{Level: LevelProxy, Proxied: Name{"p", "10.%"}}, Grantable: true}}
	if diff := cmp.Diff(want, account.Grants.Objects); diff != "" {
		t.Error(diff)
	}
}
