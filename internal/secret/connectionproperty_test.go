package secret_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tandem/internal/redact"
	markdown "tandem/internal/repotest/document"
	"tandem/internal/secret"
)

// connectionKinds are connection strings as those write them who make them, what a
// parameter is in them, and the reader of each. The first of the parameters stand before
// the credentials where they can, the last behind them.
var connectionKinds = map[string]struct {
	write     func(username, password, host, database, first, last string) string
	parameter func(key, value string) string
	separator string
	read      reader
}{
	"URL": {func(u, p, h, d, first, last string) string {
		made := url.URL{Scheme: "mysql", User: url.UserPassword(u, p), Host: h + ":3306", Path: "/" + d, RawQuery: first + "&" + last, Fragment: "c"}
		return made.String()
	}, escapedParameter, "&", readURL},
	"MySQL Shell": {func(u, p, h, d, first, last string) string {
		return url.UserPassword(u, p).String() + "@" + h + ":3306/" + url.PathEscape(d) + "?" + first + "&" + last
	}, escapedParameter, "&", readShell},
	"Go": {func(u, p, h, d, first, last string) string {
		config := mysql.NewConfig()
		config.User, config.Passwd, config.Net, config.Addr, config.DBName, config.ParseTime = u, p, "tcp", h+":3306", d, true
		return config.FormatDSN() + "&" + first + "&" + last
	}, escapedParameter, "&", readGo},
	"JDBC": {func(u, p, h, d, first, last string) string {
		return "jdbc:mysql://" + h + "/" + url.PathEscape(d) + "?" + first + "&user=" + u + "&password=" + p + "&" + last
	}, escapedParameter, "&", readConnectorJ},
	"JDBC of AWS's wrapper": {func(u, p, h, d, first, last string) string {
		return "jdbc:aws-wrapper:mariadb://" + h + "/" + url.PathEscape(d) + "?" + first + "&" + url.Values{"user": {u}, "password": {p}}.Encode() + "&" + last
	}, escapedParameter, "&", readAWSWrapper},
	"JDBC, user before the host": {func(u, p, h, d, first, last string) string {
		return "jdbc:mysql:loadbalance://" + url.UserPassword(strings.ReplaceAll(u, "+", "x"), strings.ReplaceAll(p, "+", "x")).String() + "@[" + h + ":1," + h + ":2]/" + url.PathEscape(d) + "?" + first + "&" + last
	}, escapedParameter, "&", readConnectorJ},
	"JDBC, keys of the host": {func(u, p, h, d, first, last string) string {
		return "jdbc:mysql://(host=" + h + "," + first + ",user=" + url.QueryEscape(u) + ",password=" + url.QueryEscape(p) + "," + last + ")/" + url.PathEscape(d)
	}, escapedParameter, ",", readConnectorJ},
	"JDBC, an address": {func(u, p, h, d, first, last string) string {
		return "jdbc:mysql://address=(host=" + h + ")(" + first + ")(password=" + url.QueryEscape(p) + ")(user=" + url.QueryEscape(u) + ")(" + last + ")/" + url.PathEscape(d)
	}, escapedParameter, ")(", readConnectorJ},
	"JDBC of MariaDB": {func(u, p, h, d, first, last string) string {
		return "jdbc:mariadb://" + h + "/" + d + "?" + first + "&user=" + u + "&password=" + p + "&" + last
	}, func(k, v string) string { return k + "=" + v }, "&", readMariaDBConnectorJ},
	"PDO": {func(u, p, h, d, first, last string) string {
		twice := func(text string) string { return strings.ReplaceAll(text, ";", ";;") }
		return "mysql:host=" + h + ";" + first + ";dbname=" + twice(d) + ";user=" + twice(u) + ";password=" + twice(p) + ";" + last
	}, func(k, v string) string { return k + "=" + strings.ReplaceAll(v, ";", ";;") }, ";", readPDO},
	"ADO.NET": {func(u, p, h, d, first, last string) string {
		return "Server=" + h + ";" + first + ";Database=" + adoQuoted(d) + ";User ID=" + adoQuoted(u) + ";Password=" + adoQuoted(p) + ";" + last
	}, func(k, v string) string { return k + "=" + adoQuoted(v) }, ";", readADO},
	"ODBC": {func(u, p, h, d, first, last string) string {
		return "Driver={MySQL ODBC 9.0 Unicode Driver};Server=" + h + ";" + first + ";UID=" + odbcQuoted(u) + ";PWD=" + odbcQuoted(p) + ";DATABASE=" + odbcQuoted(d) + ";" + last
	}, func(k, v string) string { return k + "=" + odbcQuoted(v) }, ";", readODBC},
}

func escapedParameter(key, value string) string {
	return key + "=" + strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
}

func odbcQuoted(text string) string { return "{" + strings.ReplaceAll(text, "}", "}}") + "}" }

// adoQuoted is what DbConnectionStringBuilder.AppendKeyValuePair writes.
func adoQuoted(value string) string {
	switch {
	case strings.Trim(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == "":
		return value
	case strings.Contains(value, `"`) && !strings.Contains(value, `'`):
		return `'` + value + `'`
	}
	return `"` + strings.ReplaceAll(value, `"`, `""`) + `"`
}

// words draws texts in which the characters that mean something in a connection string
// are frequent.
func words(least, most int) *rapid.Generator[string] {
	special := []rune("@:/?#%;{}[]()=&+,'\"\\ $!`~^|<>*-_.\tAé日\U0001F511")
	return rapid.StringOfN(rapid.OneOf(rapid.SampledFrom(special), rapid.RuneFrom([]rune("abcXYZ0123456789"))), least, most, -1)
}

// A connection string, as whoever needs it writes it, gives its reader the new
// credentials after a renewal, has all else as it was, and gives them back.
func TestRenewedStringsAreRead(t *testing.T) {
	for name, kind := range connectionKinds {
		t.Run(name, func(t *testing.T) {
			told := 0
			rapid.Check(t, func(t *rapid.T) {
				username := rapid.OneOf(rapid.Just("appuser"), words(1, 10)).Draw(t, "username")
				former, next := words(1, 12).Draw(t, "former password"), words(1, 12).Draw(t, "new password")
				host := rapid.StringMatching(`[a-z]{1,6}(\.[a-z0-9-]{1,4}){0,3}`).Draw(t, "host")
				database := words(0, 6).Draw(t, "database")
				parameters := func(which string) string {
					var all []string
					for range rapid.IntRange(1, 3).Draw(t, which+" parameters") {
						key := rapid.OneOf(rapid.SampledFrom([]string{"sslMode", "useSSL", "charset", "connect-timeout", "x.y", "UserAgent", "passwordless"}), rapid.StringMatching(`k[A-Za-z0-9_.-]{0,8}`)).Draw(t, "key")
						all = append(all, kind.parameter(key, words(0, 8).Draw(t, "value")))
					}
					return strings.Join(all, kind.separator)
				}
				first, last := parameters("first"), parameters("last")
				other := secret.Other(username)
				text := kind.write(username, former, host, database, first, last)
				if gotName, gotPassword, ok := kind.read(text); !ok || gotName != username || gotPassword != former {
					return // the form does not have these
				}
				told++
				got, wasRenewed := renewOne(t, text, username, former, other, next)
				gotName, gotPassword, ok := kind.read(got)
				if !wasRenewed {
					if gotName, gotPassword, ok := kind.read(kind.write(other, next, host, database, first, last)); ok && gotName == other && gotPassword == next {
						t.Fatalf("%q was not renewed, and %q could be written", text, kind.write(other, next, host, database, first, last))
					}
					return
				}
				if !ok || gotName != other || gotPassword != next {
					t.Fatalf("%q became %q, from which %q and %q are read", text, got, gotName, gotPassword)
				}
				if from, to := strings.Index(got, first), strings.LastIndex(got, last); from < 0 || to < from+len(first) {
					t.Fatalf("%q became %q, in which %q and %q are not any more", text, got, first, last)
				}
				if back, ok := renewOne(t, got, other, next, username, former); !ok {
					t.Fatalf("%q did not become %q again, but %q", got, text, back)
				} else if isPlain(username+former+next) && back != text {
					t.Fatalf("%q became %q, and then %q", text, got, back)
				}
			})
			if told == 0 {
				t.Error("no string was read before")
			}
		})
	}
}

func isPlain(text string) bool {
	return strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~") == ""
}

type failer interface {
	Helper()
	Fatalf(string, ...any)
}

// renewOne renews the one string of a document, in which every third character is escaped,
// and fails where it was neither renewed nor named.
func renewOne(t failer, text, username, password, nextUsername, nextPassword string) (got string, wasRenewed bool) {
	t.Helper()
	raw := `{"engine":"mysql","host":"h","username":` + quoted(username) + `,"password":` + quoted(password) + `,"url":` + escapedString(text) + `}`
	document, err := secret.Parse(redact.New(raw))
	if err != nil {
		t.Fatalf("%v", err)
	}
	renewal, err := document.Renew(nextUsername, redact.New(nextPassword))
	if err != nil {
		t.Fatalf("%v", err)
	}
	got = valueOf(renewal.Raw().Reveal(), "url")
	wasRenewed = slices.Contains(renewal.Renewed.First, "url")
	if !wasRenewed && !slices.Contains(slices.Concat(renewal.Left.First, renewal.Unwritten.First), "url") {
		t.Fatalf("%q with %q and %q was neither renewed nor named", text, username, password)
	}
	if !wasRenewed && got != text {
		t.Fatalf("%q was not renewed, and became %q", text, got)
	}
	return got, wasRenewed
}

// escapedString is a JSON string of which every third character is an escape, and each
// slash.
func escapedString(text string) string {
	var out strings.Builder
	for i, r := range []rune(text) {
		switch {
		case r == '/':
			out.WriteString(`\/`)
		case i%3 > 0:
			spelled := quoted(string(r))
			out.WriteString(spelled[1 : len(spelled)-1])
		case r > '\uffff':
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04X`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return `"` + out.String() + `"`
}

// valueOf is a top-level string of a document.
func valueOf(raw, key string) string {
	var values map[string]any
	if err := json.Unmarshal([]byte(raw), &values); err != nil {
		panic(err)
	}
	return values[key].(string)
}

// Of strings that are put together at random from the parts of connection strings, each
// that some driver reads the current credentials from is renewed for every one of those,
// or named.
func TestEveryReaderOfAStringAgrees(t *testing.T) {
	readers := map[string]reader{
		"net/url": readURL, "MySQL Shell": readShell, "go-sql-driver": readGo, "Connector/J": readConnectorJ,
		"MariaDB Connector/J": readMariaDBConnectorJ, "MariaDB Connector/J 2": readMariaDBConnectorJ2, "AWS's wrapper": readAWSWrapper, "PDO": readPDO, "ADO.NET": readADO, "ODBC": readODBC,
	}
	// notFor says that nobody would hand a string to a reader that could read it.
	notFor := map[string]func(text string) bool{
		"MySQL Shell": func(text string) bool { return strings.ContainsAny(text, "();= ") || strings.Contains(text, "//") },
		"ADO.NET": func(text string) bool {
			_, _, odbc := readODBC(text)
			return odbc || strings.HasPrefix(text, "mysql:")
		},
	}
	for _, kind := range []struct {
		reader, begin string
		parts         [][]string // of which one each is taken, in any order
		more          []string   // some of which are between them
		separators    []string
	}{
		{"net/url", "mysql://", [][]string{{"app:OLD@h", "%61pp:OLD@h:3306", "app:O%4cD@[::1]"}}, []string{"/", "/db", "?", "a=b", "#", "@", "app:", ",", "mysql://", "user=app"}, []string{""}},
		{"MySQL Shell", "", [][]string{{"app:OLD@h", "app:OLD@db.example.com:3306"}}, []string{"/", "/db", "?", "a=b", "#", "@", ","}, []string{""}},
		{"go-sql-driver", "app:OLD@", [][]string{{"tcp(h)/", "/", "tcp/", "unix(/x)/"}}, []string{"/", "db", "?", "&", "loc=UTC", "@", "tcp(", ")"}, []string{""}},
		{"Connector/J", "jdbc:mysql://h/db?", [][]string{{"user=app", "User=%61pp"}, {"password=OLD", "password=O%4CD"}}, []string{"a=b", "user", "#", "%", "+", "@", "/", "?"}, []string{"&"}},
		{"Connector/J", "jdbc:mysql://", [][]string{{"(user=app,password=OLD)", "address=(password=OLD)(user=app)", "app:OLD@h"}}, []string{"h", "(host=h)", "/", "?user=ro"}, []string{","}},
		{"MariaDB Connector/J 2", "jdbc:mysql://h/db?", [][]string{{"user=app"}, {"password=OLD"}}, []string{"a=b", "user", "#", "%", "+", "@", "password=O%4CD"}, []string{"&"}},
		{"AWS's wrapper", "jdbc:aws-wrapper:mariadb://h/db?", [][]string{{"user=app", "user=%61pp"}, {"password=OLD", "password=O%4CD"}}, []string{"a=b", "user", "#", "%", "+", "@"}, []string{"&"}},
		{"MariaDB Connector/J", "jdbc:mariadb://h/?", [][]string{{"user=app"}, {"password=OLD"}}, []string{"a=b", "user", "#", "%", "+", "@", "/", "password=O%4CD"}, []string{"&"}},
		{"PDO", "mysql:", [][]string{{"user=app"}, {"password=OLD"}}, []string{"host=h", "user", "'", "x=;;", ";;", "password=x"}, []string{";", "; "}},
		{"ADO.NET", "", [][]string{{"Uid=app", "User ID = 'app'"}, {"Pwd=OLD", "password='OLD'", `PWD = "OLD" `}}, []string{"Server=h", "x=';'", "x={", "x==y=z", " ", "=", "'", "Pwd=x"}, []string{";", "; "}},
		{"ODBC", "DSN=x;", [][]string{{"Uid=app", "UID={app}"}, {"PWD=OLD", "PWD={OLD}"}}, []string{"Server=h", "x={;}", "x='", "x={}}}", "=", "{", "PWD=x", "Provider=x"}, []string{";", "; "}},
	} {
		t.Run(kind.reader, func(t *testing.T) {
			read := 0
			rapid.Check(t, func(t *rapid.T) {
				var parts []string
				for _, one := range kind.parts {
					parts = append(parts, rapid.SampledFrom(one).Draw(t, "part"))
				}
				parts = append(parts, rapid.SliceOfN(rapid.SampledFrom(kind.more), 0, 3).Draw(t, "more")...)
				text := kind.begin + strings.Join(rapid.Permutation(parts).Draw(t, "order"), rapid.SampledFrom(kind.separators).Draw(t, "separator"))
				next := rapid.OneOf(rapid.Just("new"), words(1, 6)).Draw(t, "new password")
				got, renewed := renewOne(t, text, "app", "OLD", "app_clone", next)
				for name, reader := range readers {
					username, password, ok := reader(text)
					if not := notFor[name]; !ok || username != "app" || password != "OLD" || not != nil && not(text) {
						continue
					}
					if name == kind.reader {
						read++
					}
					if name == "MariaDB Connector/J 2" && strings.HasPrefix(text, "jdbc:mysql:") && strings.ContainsAny(next, "%+&# \t") {
						continue // it decodes nothing, and the URL is MySQL's
					}
					if username, password, ok := reader(got); renewed && (!ok || username != "app_clone" || password != next) {
						t.Fatalf("%q became %q, from which %s reads %q and %q", text, got, name, username, password)
					}
				}
			})
			if read == 0 {
				t.Error("it has read none")
			}
		})
	}
}

// Whatever the document is, a renewal changes strings that it names and nothing else, and
// does the same each time.
func FuzzRenew(f *testing.F) {
	for _, row := range usable {
		f.Add(row.raw, "app_clone", "n3w")
	}
	for _, text := range []string{`mysql:\/\/app:hunter2!@h`, `jdbc:mysql://h/?user=app&password=hunter2!`, `app:hunter2!@tcp(h)/`, `mysql:user=app;password=hunter2!`, `Server=h;Uid=app;Pwd='hunter2!';x`, `DSN=x;Uid=app;Pwd={hunter2!}`, `mysql://(user=app,password=hunter2!)`, `mysql://app:hunter2!(user=app)y@h`, `mysql://app:hunter2!@h,(user=app,password=hunter2!)@`} {
		f.Add(with(`,"a":["`+text+`",{"b":"`+text+`"}],"hunter2!":{"\ud800":"`+text+`\ud800"}`), "é'\"", "@:/?#%;{}\x00")
	}
	f.Fuzz(func(t *testing.T, raw, username, password string) {
		document, err := secret.Parse(redact.New(raw))
		if err != nil {
			return
		}
		renewal, err := document.Renew(username, redact.New(password))
		if err != nil {
			return
		}
		if again, err := document.Renew(username, redact.New(password)); err != nil || again.Raw().Reveal() != renewal.Raw().Reveal() {
			t.Fatalf("again: %v", err)
		}
		want := reading(document)
		want.Username, want.Password = username, password
		if diff := cmp.Diff(want, reading(renewal.Document)); diff != "" {
			t.Fatalf("read again (-want +got):\n%s", diff)
		}
		before, after := tokens(t, raw), tokens(t, renewal.Raw().Reveal())
		if len(before) != len(after) {
			t.Fatalf("%d tokens became %d", len(before), len(after))
		}
		changed := 0
		for i, was := range before {
			if was != after[i] {
				changed++
				if was[0] != '"' {
					t.Fatalf("%s became %s", was, after[i])
				}
			}
		}
		if most := renewal.Renewed.Count + 2; changed > most {
			t.Fatalf("%d strings have changed, and %v are named", changed, renewal.Renewed)
		}
		for _, name := range slices.Concat(renewal.Renewed.First, renewal.Left.First) {
			if strings.Contains(name, document.Password().Reveal()) && !strings.Contains(redact.Mark+`"[].0123456789\`, document.Password().Reveal()) {
				t.Fatalf("%q tells the password", name)
			}
		}
	})
}

// tokens splits JSON into its strings, and what is between them.
func tokens(t *testing.T, raw string) []string {
	t.Helper()
	return regexp.MustCompile(`"(?:[^"\\]|\\.)*"|[^"]+`).FindAllString(raw, -1)
}

// Each example of the documents is renewed, as its row says.
func TestConnectionStringsOfTheDocuments(t *testing.T) {
	examples := 0
	for _, row := range markdown.MarkedTable(t, "table connection strings").Rows {
		for _, text := range markdown.Code(row.Cells[1]) {
			examples++
			text = strings.ReplaceAll(text, "PASSWORD", "former")
			got, renewed := renewOne(t, text, "appuser", "former", "appuser_clone", "p;^w")
			spelled := "p;^w"
			switch how := row.Cells[2]; {
			case strings.HasPrefix(how, "percent-encoded, but"):
				spelled = "p;%5Ew"
			case how == "percent-encoded":
				spelled = "p%3B%5Ew"
			case strings.Contains(how, "twice"):
				spelled = "p;;^w"
			case strings.Contains(how, "quotes"):
				spelled = `"p;^w"`
			case strings.Contains(how, "braces"):
				spelled = "{p;^w}"
			}
			if want := strings.NewReplacer("appuser", "appuser_clone", "former", spelled).Replace(text); !renewed || got != want {
				t.Errorf("%s\nbecame %s\nwant   %s", text, got, want)
			}
		}
	}
	if examples < 10 {
		t.Errorf("only %d examples", examples)
	}
}
