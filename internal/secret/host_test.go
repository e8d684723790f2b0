package secret_test

import (
	"encoding/json"
	"strings"
	"testing"

	"tandem/internal/redact"
	"tandem/internal/secret"
)

// A host that has one meaning is taken as meant, whatever stands around it, and the
// document keeps its bytes.
func TestHost(t *testing.T) {
	for _, test := range []struct {
		host, port string // as JSON; no port if empty
		want       string
		wantPort   int
	}{
		{"db.example.com", "", "db.example.com", 3306},
		{" db.example.com\n", "", "db.example.com", 3306},
		{"\r\n\tdb.example.com\u00a0", "", "db.example.com", 3306},
		{"db.example.com:3307", "", "db.example.com", 3307},
		{"db.example.com:3307\n", `"3307"`, "db.example.com", 3307},
		{"db.example.com:3307", `null`, "db.example.com", 3307},
		{"db.example.com:3307", `""`, "db.example.com", 3307},
		{"db_1.example.com.", `3307`, "db_1.example.com.", 3307},
		{"bücher.example", "", "bücher.example", 3306},
		{"127.0.0.1", "", "127.0.0.1", 3306},
		{"127.0.0.1:3306", "3306", "127.0.0.1", 3306},
		{"::1", "", "::1", 3306},
		{"[::1]", "", "::1", 3306},
		{" [::1] ", "3307", "::1", 3307},
		{"[2001:db8::1]:3307", "", "2001:db8::1", 3307},
		{"fe80::1%eth0", "", "fe80::1%eth0", 3306},
		{"[fe80::1%eth0]:3307", "", "fe80::1%eth0", 3307},
		{"::1:3306", "3307", "::1:3306", 3307}, // with the other port, it is no address and a port
		{"[::1:3306]", "", "::1:3306", 3306},
		{"2001:db8::1:abc", "", "2001:db8::1:abc", 3306},
		{"2001:db8::1:0", "", "2001:db8::1:0", 3306},
		{"1:2:3:4:5:6:7:8", "", "1:2:3:4:5:6:7:8", 3306},
	} {
		for _, parse := range []func(redact.Secret) (secret.Document, error){secret.Parse, secret.ParseAdmin} {
			raw := withHost(t, test.host, test.port)
			document, err := parse(redact.New(raw))
			if err != nil {
				t.Errorf("%q with port %s: %v", test.host, test.port, err)
				continue
			}
			if document.Host() != test.want || document.Port() != test.wantPort {
				t.Errorf("%q with port %s is %q:%d, want %q:%d", test.host, test.port, document.Host(), document.Port(), test.want, test.wantPort)
			}
			edited, err := document.WithCredentials("another", redact.New("p"))
			if want := strings.Replace(raw, `"hunter2!"`, `"p"`, 1); err != nil || edited.Raw().Reveal() != strings.Replace(want, `"app"`, `"another"`, 1) {
				t.Errorf("%q with port %s: its bytes have changed: %v", test.host, test.port, err)
			}
		}
	}
}

// What has no meaning, or more than one, is refused by one line that tells no value.
func TestHostRefused(t *testing.T) {
	for _, test := range []struct{ host, port, want string }{
		{"\n", "", `key "host" is empty`},
		{"mysql://db.example.com", "", `key "host" is a URL`},
		{"mysql://app:pw@db.example.com:3306/shop", "", `key "host" is a URL`},
		{"db.example.com:3307", "3306", `another port in it than key "port"`},
		{"[::1]:3307", "3306", `another port in it than key "port"`},
		{"db.example.com:99999", "", `no whole number from 1 to 65535`},
		{"db.example.com:mysql", "", `no whole number from 1 to 65535`},
		{"db.example.com:", "", "not a host name"},
		{"db.example.com:3306:3306", "", "not a host name"},
		{"one.example.com,two.example.com", "", "not a host name"},
		{"one.example.com two.example.com", "", "not a host name"},
		{"db.example\n.com", "", "not a host name"},
		{"db.example\u2028.com", "", "not a host name"},
		{"db.example.com/shop", "", "not a host name"},
		{"app@db.example.com", "", "not a host name"},
		{"tcp(db.example.com)", "", "not a host name"},
		{"/var/run/mysqld.sock", "", "not a host name"},
		{"[db.example.com]", "", "not a host name"},
		{"[127.0.0.1]", "", "not a host name"},
		{"[::1", "", "not a host name"},
		{"[::1]3306", "", "not a host name"},
		{"[::1]:", "", "not a host name"},
		{":3306", "", "not a host name"},
		{"::1:3306", "", "in brackets"},
		{"::1:3306", "3306", "in brackets"},
		{"fe80::1:3306", `""`, "in brackets"},
		{"2001:db8::10.0.0.1:3306", "", "not a host name"},
		{"%", "", "not a host name"},
		{"db%eth0", "", "not a host name"},
		{"10.0.0.1%eth0", "", "not a host name"},
		{"...", "", "not a host name"},
		{".", "", "not a host name"},
		{"db..example.com", "", "not a host name"},
		{".example.com", "", "not a host name"},
		{"db.example.com..", "", "not a host name"},
		{"..:3306", "", "not a host name"},
		{strings.Repeat("a", 254), "", "254 bytes"},
	} {
		_, err := secret.Parse(redact.New(withHost(t, test.host, test.port)))
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.ContainsAny(err.Error(), "\n\u2028") || strings.Contains(err.Error(), "example") {
			t.Errorf("%q with port %s: %v, want %q", test.host, test.port, err, test.want)
		}
	}
}

func TestAdminARN(t *testing.T) {
	const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:admin-abcdef"
	for text, ok := range map[string]bool{arn: true, " " + arn + "\n": true, "a name": false, arn + "\n" + arn: false, "é": false, strings.Repeat("a", 2049): false} {
		quoted, _ := json.Marshal(text)
		document, err := secret.Parse(redact.New(with(`,"masterarn":` + string(quoted))))
		if (err == nil) != ok || ok && document.AdminARN() != arn {
			t.Errorf("%q: %q, %v", text, document.AdminARN(), err)
		}
	}
}

func TestDifferences(t *testing.T) {
	parse := func(raw string) secret.Document {
		document, err := secret.Parse(redact.New(raw))
		if err != nil {
			t.Fatal(err)
		}
		return document
	}
	one := parse(with(`,"ssl":true,"note":{"a":1},"mine":1`))
	other := parse(strings.Replace(with(`,"ssl": true,"note":{"a":2},"theirs":"hunter"`), `"app"`, `"app_clone"`, 1))
	if got := strings.Join(one.Differences(other), " "); got != `"mine" "note" "theirs"` {
		t.Error(got)
	}
	if got := one.Differences(one); len(got) > 0 {
		t.Error(got)
	}
}

func withHost(t *testing.T, host, port string) string {
	t.Helper()
	quoted, err := json.Marshal(host)
	if err != nil {
		t.Fatal(err)
	}
	raw := strings.Replace(with(""), `"db.example.com"`, string(quoted), 1)
	if port != "" {
		raw = strings.Replace(raw, `,"username"`, `,"port":`+port+`,"username"`, 1)
	}
	return raw
}
