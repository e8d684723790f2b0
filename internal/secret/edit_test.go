package secret_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/redact"
	"tandem/internal/secret"
)

func TestWithCredentials(t *testing.T) {
	for _, test := range []struct {
		name, raw, username, password, want string
	}{
		{"both", with(``), "app_clone", "n3w",
			`{"engine":"mysql","host":"db.example.com","username":"app_clone","password":"n3w"}`},
		{"the password stands first", `{"password":"old","engine":"mysql","username":"app","host":"h"}`, "app_clone", "n3w",
			`{"password":"n3w","engine":"mysql","username":"app_clone","host":"h"}`},
		{"everything else stays", "{ \"b\" :1.10,\t\"a\":1e400,\"user\\u006eame\"  :\"app\",\n\"c\":12345678901234567890123," +
			"\"password\":\"\\u0068\",\"d\":{\"password\":\"\\/\", \"x\":[1, 2]},\"host\":\"\\u0068\",\"engine\":\"mysql\",\"\\ud83d\\ude00\":\"\\ud800\"}\r\n",
			"app_clone", "n3w",
			"{ \"b\" :1.10,\t\"a\":1e400,\"user\\u006eame\"  :\"app_clone\",\n\"c\":12345678901234567890123," +
				"\"password\":\"n3w\",\"d\":{\"password\":\"\\/\", \"x\":[1, 2]},\"host\":\"\\u0068\",\"engine\":\"mysql\",\"\\ud83d\\ude00\":\"\\ud800\"}\r\n"},
		{"what does not change keeps its spelling", where("username", `"\u0061pp"`), "app", "n3w",
			`{"engine":"mysql","host":"db.example.com","username":"\u0061pp","password":"n3w"}`},
		{"nothing changes", where("password", `"\u0061\/"`), "app", "a/", where("password", `"\u0061\/"`)},
		{"characters that have to be escaped", with(``), `o"b\c`, "\x00\n\x1f\"\\",
			`{"engine":"mysql","host":"db.example.com","username":"o\"b\\c","password":"\u0000\n\u001f\"\\"}`},
		{"characters that have not", with(``), "é/'", "<&>😀\x7f",
			`{"engine":"mysql","host":"db.example.com","username":"é/'","password":"<&>😀` + "\x7f" + `"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			old, err := secret.Parse(redact.New(test.raw))
			if err != nil {
				t.Fatal(err)
			}
			edited, err := old.WithCredentials(test.username, redact.New(test.password))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, edited.Raw().Reveal()); diff != "" {
				t.Errorf("document (-want +got):\n%s", diff)
			}
			want := reading(old)
			want.Username, want.Password = test.username, test.password
			if diff := cmp.Diff(want, reading(edited)); diff != "" {
				t.Errorf("read again (-want +got):\n%s", diff)
			}
			if old.Raw().Reveal() != test.raw {
				t.Error("the edit changed the document that it was made of")
			}
		})
	}
}

func TestWithCredentialsOfAnAdminManagedByRDS(t *testing.T) {
	admin, err := secret.ParseAdmin(redact.New(`{"username":"admin","password":"old"}`))
	if err != nil {
		t.Fatal(err)
	}
	edited, err := admin.WithCredentials("admin", redact.New("n3w"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := edited.Raw().Reveal(), `{"username":"admin","password":"n3w"}`; got != want || !edited.ManagedByRDS() {
		t.Errorf("%s, managed: %v", got, edited.ManagedByRDS())
	}
}

// A document may grow to the very size that Secrets Manager stores.
func TestLongestDocument(t *testing.T) {
	raw := with(`,"theirs":"` + strings.Repeat("x", secret.MaxBytes-len("_clone")-len(with(`,"theirs":""`))) + `"`)
	document, err := secret.Parse(redact.New(raw))
	if err != nil {
		t.Fatal(err)
	}
	edited, err := document.WithCredentials("app_clone", document.Password())
	if err != nil || len(edited.Raw().Reveal()) != secret.MaxBytes || edited.Username() != "app_clone" {
		t.Errorf("a document of %d bytes: %v", len(edited.Raw().Reveal()), err)
	}
}

func TestWithCredentialsRefuses(t *testing.T) {
	fits := `,"theirs":"` + strings.Repeat("x", secret.MaxBytes-len(with(`,"theirs":""`))) + `"`
	for _, test := range []struct {
		name, raw, username, password, want string
	}{
		{"an empty username", with(``), "", "n3w", "not empty"},
		{"an empty password", with(``), "app", "", "not empty"},
		{"a username that is no text", with(``), "app\xff", "n3w", "UTF-8"},
		{"a password that is no text", with(``), "app", "n3w\xed\xa0\x80", "UTF-8"},
		{"a document that grows too long", with(fits), "app_", "hunter2!", "has 65537 bytes, and Secrets Manager stores 65536"},
	} {
		t.Run(test.name, func(t *testing.T) {
			document, err := secret.Parse(redact.New(test.raw))
			if err != nil {
				t.Fatal(err)
			}
			_, err = document.WithCredentials(test.username, redact.New(test.password))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error is %v, and has to say %q", err, test.want)
			}
			for _, value := range []string{"app", "n3w", "hunter"} {
				if strings.Contains(err.Error(), value) {
					t.Errorf("error quotes %q: %s", value, err)
				}
			}
		})
	}
	if _, err := (secret.Document{}).WithCredentials("app", redact.New("n3w")); err == nil {
		t.Error("a document that was never read was edited")
	}
}

// The property of an edit: it reads back as what was asked for, the bytes around
// the two values are the same bytes, and another JSON parser sees the same
// values under all other keys.
func FuzzWithCredentials(f *testing.F) {
	vocabulary := ""
	for _, row := range usable {
		f.Add(row.raw, "app_clone", "n3w")
		f.Add(row.raw, "é\"\\", "\x00\u2028<>&😀")
	}
	for _, row := range unusable {
		if len(row.raw) < 1000 { // the fuzzer would spend its time on shortening it
			f.Add(row.raw, "app_clone", "n3w")
		}
		if _, err := secret.Parse(redact.New(row.raw)); err != nil {
			vocabulary += err.Error() + "\n"
		}
	}
	f.Add(with(``), "app", "\xff")
	f.Fuzz(func(t *testing.T, raw, username, password string) {
		for _, parse := range []func(redact.Secret) (secret.Document, error){secret.Parse, secret.ParseAdmin} {
			document, err := parse(redact.New(raw))
			if err != nil {
				refuteLeak(t, raw, vocabulary, err)
				continue
			}
			edited, err := document.WithCredentials(username, redact.New(password))
			if err != nil {
				continue
			}
			want := reading(document)
			want.Username, want.Password = username, password
			if diff := cmp.Diff(want, reading(edited)); diff != "" {
				t.Fatalf("read again (-want +got):\n%s", diff)
			}

			again, err := edited.WithCredentials(document.Username(), document.Password())
			if err != nil {
				t.Fatalf("editing back: %v", err)
			}
			before, after, back := members(t, raw), members(t, edited.Raw().Reveal()), members(t, again.Raw().Reveal())
			for _, key := range []string{"username", "password"} {
				delete(before, key)
				delete(after, key)
				delete(back, key)
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Fatalf("other keys (-before +after):\n%s", diff)
			}
			if got, want := blank(t, edited.Raw().Reveal()), blank(t, raw); got != want {
				t.Fatalf("bytes outside the values:\n%q\nbefore:\n%q", got, want)
			}
			if got, want := blank(t, again.Raw().Reveal()), blank(t, raw); got != want {
				t.Fatalf("bytes outside the values after editing back:\n%q\nbefore:\n%q", got, want)
			}
		}
	})
}

// members decodes the top level with encoding/json, each value as it is spelled.
func members(t *testing.T, raw string) map[string]json.RawMessage {
	t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte(raw), &all); err != nil {
		t.Fatalf("encoding/json does not read %q: %v", raw, err)
	}
	return all
}

// blank returns raw without the values of username and password, which it finds
// by encoding/json's tokens, not by the package's own scanner.
func blank(t *testing.T, raw string) string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(raw))
	decoder.UseNumber()
	token := func() json.Token {
		t.Helper()
		got, err := decoder.Token()
		if err != nil {
			t.Fatalf("reading the tokens of %q: %v", raw, err)
		}
		return got
	}
	token() // the brace
	var blanked strings.Builder
	at := 0
	for decoder.More() {
		key := token().(string)
		keyEnd := int(decoder.InputOffset())
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			t.Fatalf("reading the tokens of %q: %v", raw, err)
		}
		if key == "username" || key == "password" {
			end := int(decoder.InputOffset())
			blanked.WriteString(raw[at : end-len(value)])
			if end-len(value) < keyEnd {
				t.Fatalf("value of %q begins before its key ends", key)
			}
			at = end
		}
	}
	return blanked.String() + raw[at:]
}

// refuteLeak fails where err has a value of the document in it. Short values
// occur in any text, and so does what the keys and the fixed errors have.
func refuteLeak(t *testing.T, raw, vocabulary string, err error) {
	t.Helper()
	const shortest = 6
	decoder := json.NewDecoder(strings.NewReader(raw))
	decoder.UseNumber()
	var texts []string
	for {
		token, tokenErr := decoder.Token()
		if tokenErr != nil {
			break
		}
		switch token := token.(type) {
		case string:
			texts = append(texts, token)
		case json.Number:
			texts = append(texts, token.String())
		}
	}
	keys := ""
	var all map[string]json.RawMessage
	if json.Unmarshal([]byte(raw), &all) == nil {
		for key := range all {
			keys += key + "\n"
		}
	}
	for _, text := range texts {
		if len(text) >= shortest && strings.Contains(err.Error(), text) &&
			!strings.Contains(vocabulary, text) && !strings.Contains(keys, text) {
			t.Fatalf("error quotes %q: %s", text, err)
		}
	}
}
