package account

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/redact"
)

// A verifier in hexadecimal digits is read as the bytes that it stands for, whatever
// the letter case.
func TestHexadecimalVerifiers(t *testing.T) {
	for text, want := range map[string]string{
		"0x4a4f":       "JO",
		"0X4A4F":       "JO",
		"0x0099AaFfAF": "\x00\x99\xaa\xff\xaf",
		"0x":           "",
	} {
		read, err := Parse(mysql9, app, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'caching_sha2_password' AS "+text))
		if err != nil {
			t.Error(err)
		} else if got := read.Factors[0].Verifier.Reveal(); got != want {
			t.Errorf("%s is read as %q, want %q", text, got, want)
		}
	}
}

// A row that is cut off, or goes on with something else, is refused, wherever that is.
func TestRowsThatEndTooEarly(t *testing.T) {
	for _, test := range []struct {
		server   Server
		rows     Rows
		expected string
	}{
		{mysql9, rows(mysqlApp, "GRANT SELECT"), "ON"},
		{mysql9, rows(mysqlApp, "GRANT SELECT ON"), "a name"},
		{mysql9, rows(mysqlApp, "GRANT SELECT ON `d"), "a closing quote"},
		{mysql9, rows(mysqlApp, "GRANT SELECT ON `a``b`"), "a dot"},
		{mysql9, rows(mysqlApp, "GRANT SELECT ON `a``b"), "a closing quote"},
		{mysql9, rows(mysqlApp, "GRANT SELECT ON `a``"), "a closing quote"},
		{mysql9, rows(mysqlApp, "GRANT SELECT (`a` ON `d`.`t` TO `app`@`%`"), ")"},
		{mysql9, rows(mysqlApp, "GRANT SELECT ON `d`.* TO `app`@"), "a name"},
		{mysql9, rows("CREATE USER `app`@`%` IDENTIFIED WITH"), "a name"},
		{mysql9, rows("CREATE USER `app`@`%` INITIAL AUTHENTICATION"), "IDENTIFIED WITH"},
		{mysql9, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'x' AS "), "a string"},
		{mysql9, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'x' AS 5"), "a string"},
		{mysql9, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'x' AS 'a''"), "a closing quote"},
		{mysql9, rows(`CREATE USER ` + "`app`@`%`" + ` IDENTIFIED WITH 'x' AS 'a\`), "a closing quote"},
		{mysql9, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'x' AS 0"), "a string or a hexadecimal number"},
		{mysql9, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'x' AS 0y41"), "a string or a hexadecimal number"},
		{mysql9, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'x' AS 0x4"), "an even number of hexadecimal digits"},
		{mysql9, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'x' AS 0x4g"), "an even number of hexadecimal digits"},
		{mysql9, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'x' AS 0x4G"), "an even number of hexadecimal digits"},
		{mysql9, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'x' AS 0x4/"), "an even number of hexadecimal digits"},
		{mysql9, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'x' AS 0x4:"), "an even number of hexadecimal digits"},
		{mysql9, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'x' AS 0x4@"), "an even number of hexadecimal digits"},
		{mysql9, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'x' AS 0x4`"), "an even number of hexadecimal digits"},
		{mysql9, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'x' REQUIRE NONE PASSWORD HISTORY"), "a number"},
		{mysql9, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'x' REQUIRE NONE PASSWORD HISTORY 5x"), "a number"},
		{mysql9, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'x' REQUIRE NONE PASSWORD_LOCK_TIME 9223372036854775808"), "a number of days"},
		{mysql9, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'x' REQUIRE NONE PASSWORD EXPIRE DEFAULT ATTRIBUTE '{}' x"), "a clause of CREATE USER"},
		{mysql9, rows("CREATE USER `app`@`%` IDENTIFIED WITH 'x' REQUIRE NONE PASSWORD EXPIRE DEFAULT ATTRIBUTE '{}{}'"), "a JSON object"},
		{maria11, rows("CREATE USER `app`@`%` IDENTIFIED VIA unix_socket USING 'joe"), "a closing quote"},
		{maria11, rows("CREATE USER `app`@`%` IDENTIFIED VIA unix_socket USING joe"), "a string"},
		{maria11, rows(mariaApp + " WITH"), "a resource limit"},
		{maria11, rows(mariaApp + " WITH MAX_STATEMENT_TIME"), "a number of seconds"},
		{maria11, rows(mariaApp + " WITH MAX_STATEMENT_TIME 1234567890123"), "a number of seconds"},
		{maria11, rows(mariaApp + " WITH MAX_STATEMENT_TIME 1.0000001"), "a number of seconds"},
	} {
		_, err := Parse(test.server, app, test.rows)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Expected != test.expected {
			t.Errorf("err = %v, want one that expects %s", err, test.expected)
		}
	}
}

// USAGE is what a server prints for no privilege: it is none.
func TestUsageIsNoPrivilege(t *testing.T) {
	for _, server := range []Server{mysql9, maria11} {
		if read := account(t, server, app, "", "GRANT USAGE ON *.* TO ME", "GRANT USAGE ON `d`.* TO ME"); len(read.Grants.Objects) > 0 {
			t.Errorf("%s: USAGE is read as %+v", server, read.Grants.Objects)
		}
	}
}

// MariaDB escapes the texts of REQUIRE in some releases of each series and not before.
func TestReleasesThatEscapeRequirements(t *testing.T) {
	for version, escapes := range map[string]bool{
		"10.5.29-MariaDB": false, "10.6.25-MariaDB": false, "10.6.26-MariaDB": true, "10.11.16-MariaDB": false, "10.11.17-MariaDB": true,
		"11.4.10-MariaDB": false, "11.4.11-MariaDB": true, "11.8.6-MariaDB": false, "11.8.7-MariaDB": true,
		"12.2.99-MariaDB": false, "12.3.0-MariaDB": true, "13.0.0-MariaDB": true,
	} {
		read, err := Parse(mustServer(t, version, ""), app, rows(mariaApp+` REQUIRE SUBJECT 'a\\b'`))
		if err != nil {
			t.Error(err)
			continue
		}
		want := map[bool]string{true: `a\b`, false: `a\\b`}[escapes]
		if got := read.Attributes.Requirement.Subject; got != want {
			t.Errorf("%s: the subject is read as %s, want %s", version, got, want)
		}
	}
}

// An error quotes of a row what cannot be a verifier: names, the grammar's words and
// short numbers, and no more of a long row than a line of a log holds.
func TestQuotedRows(t *testing.T) {
	long := "GRANT SELECT ON `" + string(make([]byte, 700)) + "` NEXT"
	for _, test := range []struct{ row, want string }{
		{"GRANT X ON `d`.`t` TO 'a'@'%'", "GRANT X ON `d`.`t` TO 'a'@'%'"},
		{"GRANT X ON 'd'", "GRANT X ON <redacted>"},
		{`GRANT X ON "d"."t" TO "a"@"%"`, `GRANT X ON <redacted>.<redacted> TO "a"@"%"`},
		{"GRANT X ON d-e.t1 TO é@x", "GRANT X ON d-e.t1 TO é@x"},
		{"GRANT X ON `a``b`.* TO 'a''b'@'%'", "GRANT X ON `a``b`.* TO 'a''b'@'%'"},
		{"IDENTIFIED WITH `p` AS 'x' NEXT", "IDENTIFIED WITH <redacted> AS <redacted> NEXT"},
		{"IDENTIFIED AS 'it''s' NEXT", "IDENTIFIED AS <redacted> NEXT"},
		{"IDENTIFIED AS 'never closed NEXT", "IDENTIFIED AS <redacted>"},
		{"IDENTIFIED BY PASSWORD *6BB4837EB743 NEXT 123456 1234567", "IDENTIFIED BY PASSWORD <redacted> NEXT 123456 <redacted>"},
		{"IDENTIFIED AS $A$005$salt+and/digest= NEXT", "IDENTIFIED AS <redacted> NEXT"},
		{"IDENTIFIED AS \x80\xff NEXT", "IDENTIFIED AS <redacted> NEXT"},
		{"IDENTIFIED X509 X510 ABCDEFGHIJKLMNOPQRSTUVWX ABCDEFGHIJKLMNOPQRSTUVWXY", "IDENTIFIED X509 <redacted> ABCDEFGHIJKLMNOPQRSTUVWX <redacted>"},
		{"IDENTIFIED a ; (b, *) * x", "IDENTIFIED <redacted> <redacted> (<redacted>, *) * <redacted>"},
		{"IDENTIFIED AS ABC$DEF NEXT", "IDENTIFIED AS <redacted> NEXT"},
		{"IDENTIFIED AS ABC\x80DEF NEXT", "IDENTIFIED AS <redacted> NEXT"},
		{"GRANT X;IDENTIFIED", "GRANT X;IDENTIFIED"},
		{"GRANT X ON *.*", "GRANT X ON *.*"},
		{"IDENTIFIED AS *", "IDENTIFIED AS *"},
		{strings.Repeat("a", 600), strings.Repeat("a", 600)},
		{long, long[:600] + "..."},
	} {
		if got := mask(test.row); got != test.want {
			t.Errorf("%s\n is quoted as %s\n       want %s", test.row, got, test.want)
		}
	}
}

// Of two networks that a client is in, the narrower one's account lets it in.
func TestNarrowerNetworkServes(t *testing.T) {
	for _, hosts := range [][]string{{"10.0.0.0/255.0.0.0", "10.1.0.0/255.255.0.0"}, {"10.1.0.0/255.255.0.0", "10.0.0.0/255.0.0.0"}} {
		user := User{Name: "app"}
		for _, host := range hosts {
			user.Accounts = append(user.Accounts, Account{Name: Name{"app", host}})
		}
		if got := user.serving("10.1.2.3"); got == nil || got.Name.Host != "10.1.0.0/255.255.0.0" {
			t.Errorf("%v: %v serves 10.1.2.3", hosts, got)
		}
	}
}

// What a pattern of hosts lets in, at its end and behind a %.
func TestPatternsOfHosts(t *testing.T) {
	for _, test := range []struct {
		pattern, host string
		want          bool
	}{
		{"a%", "a", true}, {"a%%", "a", true}, {"ab", "a", false}, {"a", "ab", false}, {"a_", "a", false}, {"_", "a", true}, {"%_", "", false},
		{"%a", "aba", true}, {"%ab", "abab", true}, {"a%c%e", "abcde", true}, {"a%c%e", "abcdf", false},
		{`a\%`, "a%", true}, {`a\%`, "ab", false}, {`\_a`, "_a", true}, {`a\`, "a", false}, {`a\`, `a\`, true}, {"a_", "a%", false}, {"a%", "a%", true},
	} {
		if got := matches(test.pattern, test.host); got != test.want {
			t.Errorf("%q lets in %q: %v", test.pattern, test.host, got)
		}
	}
}

func TestVersionsAtTheEdge(t *testing.T) {
	for version, want := range map[string]string{"8.0.1234": "MySQL 8.0.1234", "8x.0.1": "", "-8.0.1": "", "8.-1.0": "", "8.0.12345": "", "8.4.": "MySQL 8.4.0"} {
		got, err := ParseServer(version, "MySQL")
		if want == "" && !errors.Is(err, ErrUnsupported) || want != "" && (err != nil || got.String() != want) {
			t.Errorf("ParseServer(%q) = %v, %v, want %s", version, got, err, want)
		}
	}
}

// Rows with names in double quotes, as ANSI_QUOTES prints them, of the account and of its role.
func TestOwnRowsInDoubleQuotes(t *testing.T) {
	own := OwnGrants{Name: app, Rows: []redact.Secret{redact.New(`GRANT USAGE ON *.* TO "app"@"%"`), redact.New(`GRANT "r" TO "app"@"%"`), redact.New(`GRANT SELECT ON "d".* TO "r"`)}}
	none := OwnGrants{Name: clone, Rows: []redact.Secret{redact.New("GRANT USAGE ON *.* TO `app_clone`@`%`")}}
	missing, extra, err := CompareOwn(maria10, own, none)
	if err != nil || len(extra) > 0 {
		t.Fatalf("extra %v, %v", extra, err)
	}
	if diff := cmp.Diff([]string{"the role 'r'@''"}, texts(missing)); diff != "" {
		t.Error(diff)
	}
}

// A partial revoke withholds what would be had otherwise, and nothing else. Of those of
// GRANT OPTION SHOW GRANTS tells too little: they are compared as mysql.user has them.
func TestWithheldIsWhatWouldBeHad(t *testing.T) {
	own := func(name Name, grants ...string) OwnGrants {
		out := OwnGrants{Name: name}
		for _, grant := range grants {
			out.Rows = append(out.Rows, redact.New(grant))
		}
		return out
	}
	current := own(app, "GRANT SELECT ON *.* TO `app`@`%` WITH GRANT OPTION")
	pending := own(clone, "GRANT SELECT, INSERT ON *.* TO `app_clone`@`%` WITH GRANT OPTION", "REVOKE INSERT ON `d`.* FROM `app_clone`@`%`", "REVOKE SELECT ON `f`.* FROM `app_clone`@`%`", "REVOKE SELECT ON `e`.* FROM `app_clone`@`%`", "REVOKE  ON `g`.* FROM `app_clone`@`%`")
	missing, extra, err := CompareOwn(mysql9, current, pending)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"SELECT ON `e`.* (partially revoked)", "SELECT ON `f`.* (partially revoked)"}, texts(missing)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"INSERT ON *.*"}, texts(extra)); diff != "" {
		t.Error(diff)
	}
	now, next := Grants{Objects: []Grant{{Grantable: true}}}, Grants{Restrictions: []Restriction{{"g", []string{GrantOption}}}}
	if diff := cmp.Diff([]string{"GRANT OPTION ON `g`.* (partially revoked)"}, texts(restrictedIn(now, next))); diff != "" {
		t.Error(diff)
	}
}
