package secret_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/redact"
	"tandem/internal/secret"
)

// with returns a document that has the required keys and these members besides.
func with(members string) string {
	return `{"engine":"mysql","host":"db.example.com","username":"app","password":"hunter2!"` + members + `}`
}

// where returns the document of with(""), with one member's value spelled as given.
func where(key, value string) string {
	fields := []string{"engine", `"mysql"`, "host", `"db.example.com"`, "username", `"app"`, "password", `"hunter2!"`}
	fields[slices.Index(fields, key)+1] = value
	return fmt.Sprintf(`{"%s":%s,"%s":%s,"%s":%s,"%s":%s}`,
		fields[0], fields[1], fields[2], fields[3], fields[4], fields[5], fields[6], fields[7])
}

// read is what a document says, in a form that a test can compare and show.
type read struct {
	Engine                              secret.Engine
	Host                                string
	Port                                int
	Username, Password, Database, Admin string
	TLS                                 secret.TLSMode
	Managed                             bool
}

func reading(d secret.Document) read {
	return read{d.Engine(), d.Host(), d.Port(), d.Username(), d.Password().Reveal(), d.Database(), d.AdminARN(),
		d.TLS(), d.ManagedByRDS()}
}

// plain is what with("") says, changed.
func plain(change ...func(*read)) read {
	r := read{Engine: secret.MySQL, Host: "db.example.com", Port: 3306, Username: "app", Password: "hunter2!"}
	for _, c := range change {
		c(&r)
	}
	return r
}

func port(p int) func(*read)           { return func(r *read) { r.Port = p } }
func tls(m secret.TLSMode) func(*read) { return func(r *read) { r.TLS = m } }
func engine(e secret.Engine) func(*read) {
	return func(r *read) { r.Engine = e }
}

// usable are documents that can be read. They seed the fuzz test too.
var usable = []struct {
	name, raw string
	want      read
}{
	{"the required keys alone", with(``), plain()},
	{"aurora", where("engine", `"aurora-mysql"`), plain(engine(secret.AuroraMySQL))},
	{"mariadb", where("engine", `"mariadb"`), plain(engine(secret.MariaDB))},

	{"a port as a number", with(`,"port":3307`), plain(port(3307))},
	{"a port as a string", with(`,"port":"3307"`), plain(port(3307))},
	{"the lowest port", with(`,"port":1`), plain(port(1))},
	{"the highest port", with(`,"port":"65535"`), plain(port(65535))},
	{"an escaped port", with(`,"port":"\u0033307"`), plain(port(3307))},
	{"an empty port", with(`,"port":""`), plain()},
	{"no port at all", with(`,"port":null`), plain()},

	{"a database", with(`,"dbname":"shop"`), plain(func(r *read) { r.Database = "shop" })},
	{"an empty database", with(`,"dbname":""`), plain()},
	{"no database", with(`,"dbname":null`), plain()},
	{"an admin", with(`,"masterarn":"arn:aws:x"`), plain(func(r *read) { r.Admin = "arn:aws:x" })},
	{"an empty admin", with(`,"masterarn":""`), plain()},
	{"no admin", with(`,"masterarn":null`), plain()},

	{"TLS", with(`,"ssl":true`), plain(tls(secret.TLSRequired))},
	{"TLS as a string", with(`,"ssl":"true"`), plain(tls(secret.TLSRequired))},
	{"TLS in capitals", with(`,"ssl":"TRUE"`), plain(tls(secret.TLSRequired))},
	{"no TLS", with(`,"ssl":false`), plain(tls(secret.TLSDisabled))},
	{"no TLS as a string", with(`,"ssl":"false"`), plain(tls(secret.TLSDisabled))},
	{"no TLS in mixed case", with(`,"ssl":"False"`), plain(tls(secret.TLSDisabled))},
	{"TLS null", with(`,"ssl":null`), plain()},
	{"TLS as a number", with(`,"ssl":0`), plain()},
	{"TLS empty", with(`,"ssl":""`), plain()},
	{"TLS as another word", with(`,"ssl":"no"`), plain()},
	{"TLS with a space", with(`,"ssl":"false "`), plain()},
	{"TLS with a long s", with(`,"ssl":"falſe"`), plain()},
	{"TLS as an array", with(`,"ssl":[false]`), plain()},

	{"escapes in keys and values", `{"eng\u0069ne":"my\u0073ql","host":"db.ex\u0061mple.com","user\u006eame":"\u0061pp",` +
		`"password":"\"\\\/\b\f\n\r\t\u00e9\uD83D\ude00"}`,
		plain(func(r *read) { r.Password = "\"\\/\b\f\n\r\té😀" })},
	{"the first and the last hexadecimal letter", where("password", `"\u00aF\u00Af"`), plain(func(r *read) { r.Password = "¯¯" })},
	{"U+FFFD itself", where("password", `"\ufffd`+"\ufffd"+`"`), plain(func(r *read) { r.Password = "\ufffd\ufffd" })},
	{"white space everywhere", "\r\n\t {\t\"engine\" :\n\"mysql\" , \"host\": \"db.example.com\",\"username\"\r:\"app\"\n,\"password\":\"hunter2!\" } \n", plain()},
	{"numbers that no float holds", with(`,"a":1.10,"b":1e400,"c":12345678901234567890123,"d":-0.0E+1,"e":0`), plain()},
	{"nested values", with(`,"a":{"password":"no","x":[{},[],"]}\"",{"y":[1,{"username":null}]}]},"b":[ 1 , "\\" ]`), plain()},
	{"half a surrogate pair in the owner's value", with(`,"theirs":"\ud800"`), plain()},
	{"keys that differ in letter case", with(`,"Password":"theirs","USERNAME":1`), plain()},
	{"a key twice, but deeper down", with(`,"theirs":{"a":1,"a":2}`), plain()},
	{"an empty key", with(`,"":""`), plain()},
}

func TestParse(t *testing.T) {
	for _, test := range usable {
		t.Run(test.name, func(t *testing.T) {
			document, err := secret.Parse(redact.New(test.raw))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, reading(document)); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
			if got := document.Raw().Reveal(); got != test.raw {
				t.Errorf("Raw() = %s", got)
			}
		})
	}
}

const (
	notJSON   = "not valid JSON"
	notObject = "not an object"
	badPort   = `key "port" is not a usable port: set it to a whole number from 1 to 65535 in plain digits, or remove it for 3306`
)

// unusable are documents that are refused, with what the error has to say.
var unusable = []struct{ name, raw, want string }{
	{"nothing", ``, "the document is empty"},
	{"white space", " \n", notJSON},
	{"a byte order mark", "\ufeff" + with(``), "byte order mark"},
	{"a bare password", `hunter2!`, notJSON},
	{"a quoted password", `"hunter2!"`, notObject},
	{"a number", `94613`, notObject},
	{"null", `null`, notObject},
	{"an array", `[` + with(``) + `]`, notObject},
	{"trailing garbage", with(``) + `x`, notJSON},
	{"a second object", with(``) + with(``), notJSON},
	{"a trailing comma", with(`,`), notJSON},
	{"a comment", with(`/* */`), notJSON},
	{"no end", strings.TrimSuffix(with(``), "}"), notJSON},
	{"a string without end", `{"password":"hunter2!`, notJSON},
	{"single quotes", `{'password':'hunter2!'}`, notJSON},
	{"a key without quotes", `{password:"hunter2!"}`, notJSON},
	{"a raw line break in a string", where("password", "\"hunter2!\n\""), notJSON},
	{"an unknown escape", where("password", `"hunter2\!"`), notJSON},
	{"a half escape", where("password", `"hunter2\u00"`), notJSON},
	{"a number with a leading zero", with(`,"n":094613`), notJSON},
	{"not a number", with(`,"n":NaN`), notJSON},
	{"too deep", with(`,"n":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000)), notJSON},

	{"a key twice", with(`,"password":"hunter3!"`), `key "password" is in the document twice: remove one`},
	{"a key twice, escaped", with(`,"user\u006eame":"other"`), `key "username" is in the document twice`},
	{"a key twice, same value", with(`,"host":"db.example.com"`), `key "host" is in the document twice`},
	{"the owner's key twice", with(`,"theirs":1,"theirs":2`), `key "theirs" is in the document twice`},
	{"a long key twice", with(`,"` + strings.Repeat("k", 70) + `":1,"` + strings.Repeat("k", 70) + `":2`),
		`key "` + strings.Repeat("k", 64) + `..." is in the document twice`},
	{"the longest key that is quoted whole", with(`,"` + strings.Repeat("k", 64) + `":1,"` + strings.Repeat("k", 64) + `":2`),
		`key "` + strings.Repeat("k", 64) + `" is in the document twice`},

	{"no engine", `{"host":"db.example.com","username":"app","password":"hunter2!"}`, `key "engine" is missing: add it`},
	{"no host", `{"engine":"mysql","username":"app","password":"hunter2!"}`, `key "host" is missing: add it`},
	{"no username", `{"engine":"mysql","host":"db.example.com","password":"hunter2!"}`, `key "username" is missing: add it`},
	{"no password", `{"engine":"mysql","host":"db.example.com","username":"app"}`, `key "password" is missing: add it`},
	{"a key in capitals", `{"engine":"mysql","host":"db.example.com","username":"app","Password":"hunter2!"}`,
		`key "password" is missing (letter case counts, and the document has it as "Password"): rename it`},
	{"an empty engine", where("engine", `""`), `key "engine" is empty: give it a value`},
	{"an empty host", where("host", `""`), `key "host" is empty`},
	{"an empty username", where("username", `""`), `key "username" is empty`},
	{"an empty password", where("password", `""`), `key "password" is empty`},
	{"a null engine", where("engine", `null`), `key "engine" is null: make it a string`},
	{"a host that is a number", where("host", `94613`), `key "host" is a number: make it a string`},
	{"a username that is an array", where("username", `["app"]`), `key "username" is an array: make it a string`},
	{"a password that is a number", where("password", `94613`), `key "password" is a number: make it a string`},
	{"a password that is a boolean", where("password", `true`), `key "password" is a boolean`},
	{"a password that is an object", where("password", `{"value":"hunter2!"}`), `key "password" is an object`},
	{"a database that is a number", with(`,"dbname":94613`), `key "dbname" is a number: make it a string, or remove it`},
	{"an admin that is an array", with(`,"masterarn":["arn:aws:x"]`), `key "masterarn" is an array`},

	{"another engine", where("engine", `"postgres"`),
		`key "engine" is not an engine that can be rotated: set it to "mysql", "aurora-mysql" or "mariadb", in lower case`},
	{"an engine in capitals", where("engine", `"MySQL"`), `key "engine" is not an engine`},
	{"an engine with a space", where("engine", `"mysql "`), `key "engine" is not an engine`},

	{"port 0", with(`,"port":0`), badPort},
	{"port 0 as a string", with(`,"port":"0"`), badPort},
	{"one port too many", with(`,"port":65536`), badPort},
	{"a port beyond integers", with(`,"port":18446744073709554922`), badPort},
	{"a negative port", with(`,"port":-3306`), badPort},
	{"a signed port", with(`,"port":"+3306"`), badPort},
	{"half a port", with(`,"port":3306.5`), badPort},
	{"a port with a fraction of nothing", with(`,"port":3306.0`), badPort},
	{"a port with an exponent", with(`,"port":3.306e3`), badPort},
	{"a port with a leading zero", with(`,"port":"03306"`), badPort},
	{"a port with a space", with(`,"port":" 3306"`), badPort},
	{"a port in hex", with(`,"port":"0xcea"`), badPort},
	{"a port in other digits", with(`,"port":"٣٣٠٦"`), badPort},
	{"a port's name", with(`,"port":"mysql"`), badPort},
	{"a port that is a boolean", with(`,"port":true`), badPort},
	{"a port that is an array", with(`,"port":[3306]`), badPort},

	{"half a surrogate pair", where("password", `"hunter2!\ud800"`), `key "password" has half a surrogate pair`},
	{"half a surrogate pair and a character", where("password", `"\ud800x\udc00hunter2!"`), `key "password" has half a surrogate pair`},
	{"half a surrogate pair and an escape", where("password", `"\ud800\u0041hunter2!"`), `key "password" has half a surrogate pair`},
	{"surrogates in the wrong order", where("username", `"\udc00\ud800"`), `key "username" has half a surrogate pair`},
	{"half a surrogate pair in a port", with(`,"port":"\ud800"`), `key "port" has half a surrogate pair`},
	{"half a surrogate pair in ssl", with(`,"ssl":"\ud800"`), `key "ssl" has half a surrogate pair`},
	{"half a surrogate pair in a key", with(`,"\ud800":1`), "key number 5 is not valid Unicode: rename it"},
	{"invalid UTF-8", where("password", "\"hunter2!\xff\""), `value of key "password" is not valid UTF-8`},
	{"invalid UTF-8 in the owner's value", with(",\"theirs\":[\"\xc3\x28\"]"), `value of key "theirs" is not valid UTF-8`},
	{"a surrogate in UTF-8", with(",\"theirs\":\"\xed\xa0\x80\""), `value of key "theirs" is not valid UTF-8`},
	{"invalid UTF-8 in a key", with(",\"\xff\":1"), "key number 5 is not valid Unicode"},
}

func TestParseRefuses(t *testing.T) {
	for _, test := range unusable {
		t.Run(test.name, func(t *testing.T) {
			document, err := secret.Parse(redact.New(test.raw))
			if err == nil {
				t.Fatalf("read as %+v", reading(document))
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %q, and has to say %q", err, test.want)
			}
			// "invalid character" is how encoding/json begins to quote one.
			for _, value := range []string{"hunter", "94613", "db.example", "other", "postgres", "cea", "arn:", "invalid character"} {
				if strings.Contains(err.Error(), value) {
					t.Errorf("error quotes the value %q: %s", value, err)
				}
			}
			for cause := err; cause != nil; cause = errors.Unwrap(cause) {
				if strings.HasPrefix(fmt.Sprintf("%T", cause), "*json.") {
					t.Errorf("error carries a %T", cause)
				}
			}
			if diff := cmp.Diff(read{}, reading(document)); diff != "" {
				t.Errorf("a refused document says something:\n%s", diff)
			}
		})
	}
}

func TestParseAdmin(t *testing.T) {
	managed := read{Username: "admin", Password: "hunter2!", Managed: true}
	for _, test := range []struct {
		name, raw string
		want      read
		err       string
	}{
		{"the full form", with(``), plain(), ""},
		{"managed by RDS", `{"username":"admin","password":"hunter2!"}`, managed, ""},
		{"managed by RDS, with more", `{"username":"admin","password":"hunter2!","masterUserArn":"x","port":"none"}`, managed, ""},
		{"half an endpoint, no host", `{"engine":"mysql","username":"admin","password":"hunter2!"}`, read{}, `key "host" is missing`},
		{"half an endpoint, no engine", `{"host":"db.example.com","username":"admin","password":"hunter2!"}`, read{}, `key "engine" is missing`},
		{"an endpoint that is null", `{"engine":null,"host":null,"username":"admin","password":"hunter2!"}`, read{}, `key "engine" is null`},
		{"managed by RDS, no password", `{"username":"admin"}`, read{}, `key "password" is missing`},
	} {
		t.Run(test.name, func(t *testing.T) {
			document, err := secret.ParseAdmin(redact.New(test.raw))
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("error is %v, and has to say %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, reading(document)); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := secret.Parse(redact.New(`{"username":"admin","password":"hunter2!"}`)); err == nil {
		t.Error("an application's document without an endpoint was read")
	}
}

// Every road from a document to text.
func TestDocumentDoesNotPrint(t *testing.T) {
	document, err := secret.Parse(redact.New(with(`,"theirs":"k3y"`)))
	if err != nil {
		t.Fatal(err)
	}
	holder := struct {
		Document secret.Document
		hidden   secret.Document
	}{document, document}
	printed := []string{document.String(), document.GoString()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p"} {
		for _, value := range []any{document, &document, holder, &holder, []secret.Document{document}} {
			printed = append(printed, fmt.Sprintf(verb, value))
		}
	}
	for _, value := range []any{document, holder, map[string]any{"d": &document}} {
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		printed = append(printed, string(data))
	}
	var log strings.Builder
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(handler).Info("message", "document", document, "holder", holder)
	}
	for _, text := range append(printed, log.String()) {
		for _, value := range []string{"hunter2!", "k3y"} {
			for _, form := range []string{value, fmt.Sprintf("%x", value), fmt.Sprintf("%X", value)} {
				if strings.Contains(text, form) {
					t.Errorf("shows %q: %s", value, text)
				}
			}
		}
	}
}
