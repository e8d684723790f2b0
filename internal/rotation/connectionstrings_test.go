package rotation_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/failure"
	"tandem/internal/rotation"
	"tandem/internal/warning"
)

// urls are what an owner keeps beside username and password: of the current user, of
// another, and a copy of the password that no form explains.
func urls(user, password, copied string) map[string]any {
	return map[string]any{
		"url": "mysql://" + user + ":" + password + "@db.example/shop", "of": map[string]any{"another": "mysql://ro:x@db.example/shop"},
		"copies": []string{"-p" + copied},
	}
}

// newMemoryWithURLs is a secret with connection strings, whose first rotation has begun.
func newMemoryWithURLs(t *testing.T, keep bool) *memory {
	w := newMemory(t)
	w.keepConnectionStrings = keep
	w.values[oldToken] = document("app", "old-password", urls("app", "old-password", "old-password"))
	return w
}

// warnings are the lines of the log that warn of a type.
func (w *memory) warnings(kind string) []map[string]any {
	var found []map[string]any
	for line := range strings.Lines(w.log.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			w.t.Fatal(err)
		}
		if fields["level"] == "WARN" && fields["type"] == kind {
			found = append(found, fields)
		}
	}
	return found
}

// A rotation renews the connection strings, and each step takes that for the document
// that comes of the current one. It warns once of the copy that it leaves, by its key.
func TestConnectionStringsAreRenewed(t *testing.T) {
	w := newMemoryWithURLs(t, false)
	for _, step := range []rotation.Step{rotation.CreateSecret, rotation.CreateSecret, rotation.SetSecret, rotation.TestSecret, rotation.FinishSecret} {
		if err := w.step(step); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(document("app_clone", "random password", urls("app_clone", "random%20password", "old-password")), w.values[token]); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
	if !slices.Contains(w.labels[token], "AWSCURRENT") {
		t.Errorf("labels %v", w.labels)
	}
	warned := w.warnings(warning.OldPasswordLeft)
	if len(warned) != 1 || warned[0]["step"] != "createSecret" || !cmp.Equal(warned[0]["keys"], []any{"copies[0]"}) {
		t.Errorf("warnings %v", warned)
	}
	if log := w.log.String(); !strings.Contains(log, `"msg":"connection strings renewed"`) ||
		strings.Contains(log, "old-password") || strings.Contains(log, "random") {
		t.Errorf("log %s", log)
	}
}

// With keep they are nobody's business.
func TestConnectionStringsAreKept(t *testing.T) {
	w := newMemoryWithURLs(t, true)
	for _, step := range steps {
		if err := w.step(step); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(document("app_clone", "random password", urls("app", "old-password", "old-password")), w.values[token]); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
	if warned := w.warnings(warning.OldPasswordLeft); len(warned) > 0 {
		t.Errorf("warnings %v", warned)
	}
}

// Without a connection string and a copy of the password nothing is said.
func TestNoConnectionStrings(t *testing.T) {
	w := newMemory(t)
	for _, step := range steps {
		if err := w.step(step); err != nil {
			t.Fatal(err)
		}
	}
	if warned := w.warnings(warning.OldPasswordLeft); len(warned) > 0 || strings.Contains(w.log.String(), "connection string") {
		t.Errorf("log %s", w.log.String())
	}
}

// Promise 7: an edit within a connection string is seen, and so is a document that was
// made otherwise: with the other value of CONNECTION_STRINGS, or by a version of the
// function that knew none. The rotation is given up, and the next one finishes.
func TestStaleConnectionStrings(t *testing.T) {
	renewed := urls("app_clone", "pending", "old-password")
	for _, test := range []struct {
		name  string
		keep  bool
		edit  func(urls map[string]any)
		said  string
		stale map[string]any
	}{
		{"edited", false, func(u map[string]any) { u["url"] = strings.Replace(u["url"].(string), "shop", "shop2", 1) }, `in more than the credentials, in "url": the secret was changed`, renewed},
		{"edited so that it is none", false, func(u map[string]any) { u["url"] = "mysql://ro:x@db.example/shop" }, `in "url"`, renewed},
		{"edited elsewhere", false, func(u map[string]any) { u["note"] = "x" }, `in "note": the secret was changed`, renewed},
		{"edited at a key with the password", false, func(u map[string]any) { u["my old-password key"] = "x" }, "in <redacted>: the secret was changed", renewed},
		{"another password in it", false, nil, `in "url"`, urls("app_clone", "other", "old-password")},
		{"kept before", false, nil, "was made with CONNECTION_STRINGS=keep, which is renew now", urls("app", "old-password", "old-password")},
		{"renewed before", true, nil, "was made with CONNECTION_STRINGS=renew, which is keep now", renewed},
		{"kept, and edited", true, func(u map[string]any) { u["url"] = "" }, `in "url"`, urls("app", "old-password", "old-password")},
	} {
		for _, step := range steps {
			t.Run(test.name+"/"+string(step), func(t *testing.T) {
				w := newMemoryWithURLs(t, test.keep)
				now := urls("app", "old-password", "old-password")
				if test.edit != nil {
					test.edit(now)
				}
				w.values[oldToken] = document("app", "old-password", now)
				w.values[token] = document("app_clone", "pending", test.stale)
				err := w.step(step)
				if failure.Of(err) != failure.PendingSecretMismatch || !strings.Contains(err.Error(), test.said) || !strings.Contains(err.Error(), "was taken off version "+token) {
					t.Errorf("error %v", err)
				}
				for _, value := range []string{"old-password", "pending password", "shop2"} {
					if strings.Contains(err.Error(), value) {
						t.Errorf("error %v", err)
					}
				}
				if changed := w.mutating(); len(changed) != 1 {
					t.Errorf("it has done %v", changed)
				}
				w.labels[newToken] = []string{"AWSPENDING"}
				for _, step := range steps {
					if err := w.stepOf(step, newToken); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
}

// A check says what a rotation would renew, and what it would leave, and no value.
func TestCheckOfConnectionStrings(t *testing.T) {
	for _, keep := range []bool{false, true} {
		w := newMemoryWithURLs(t, keep)
		delete(w.labels, token)
		answer, err := w.rotator().Inspect(t.Context(), rotation.Event{Step: rotation.Check, SecretID: secretID})
		if err != nil {
			t.Fatal(err)
		}
		found := answer.Checks[slices.IndexFunc(answer.Checks, func(f rotation.Finding) bool { return f.Name == "secret" })]
		if text, _ := json.Marshal(answer); strings.Contains(string(text), "old-password") || strings.Contains(string(text), "random") {
			t.Errorf("the answer is %s", text)
		}
		says := strings.Contains(found.Detail, "a rotation renews the connection strings url") && strings.Contains(found.Detail, "copies[0]")
		if attention := found.Result == rotation.ResultAttention && found.Type == warning.OldPasswordLeft && found.Remedy != ""; says == keep || attention == keep {
			t.Errorf("keep %v: %+v", keep, found)
		}
	}
}

// mariaURL is a connection string that can have no &.
func mariaURL(user, password string) map[string]any {
	return map[string]any{"url": "jdbc:mariadb://db.example/shop?user=" + user + "&password=" + password}
}

// A password that cannot be written in a connection string is not taken: another is asked
// for, without what is in the way. In all other cases one is made.
func TestPasswordThatDoesNotFit(t *testing.T) {
	for _, test := range []struct {
		name      string
		made      []string
		allowed   string
		asked     []string
		want, url string
		said      string // by the warning
	}{
		{"it fits", []string{"n#w"}, "", []string{"random"}, "n#w", "n#w", ""},
		{"it does not", []string{"n&w", "n#2"}, "", []string{"random", "random without &"}, "n#2", "n#2", ""},
		{"and fits by chance", []string{"n&w", "n&2", "n2"}, "abc&", []string{"random", "random", "random"}, "n2", "n2", ""},
		{"what fits nowhere is all the punctuation", []string{"n&w", "n&2", "n&3", "n&4"}, "abc&", []string{"random", "random", "random", "random"}, "n&4", "", "EXCLUDE_PUNCTUATION=true: &"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newMemory(t)
			w.passwords, w.allowed = test.made, test.allowed
			w.values[oldToken] = document("app", "old-password", mariaURL("app", "old-password"))
			for _, step := range steps {
				if err := w.step(step); err != nil {
					t.Fatal(err)
				}
			}
			urls := mariaURL("app_clone", test.url)
			if test.url == "" {
				urls = mariaURL("app", "old-password")
			}
			if diff := cmp.Diff(decoded(t, document("app_clone", test.want, urls)), decoded(t, w.values[token])); diff != "" {
				t.Errorf("document (-want +got):\n%s", diff)
			}
			var asked []string
			for _, done := range w.trace {
				if strings.HasPrefix(done, "random") {
					asked = append(asked, done)
				}
			}
			if !slices.Equal(asked, test.asked) {
				t.Errorf("asked for %q", asked)
			}
			warned := w.warnings(warning.OldPasswordLeft)
			if (len(warned) == 1) != (test.said != "") || len(warned) == 1 && (!strings.Contains(warned[0]["msg"].(string), test.said) || !cmp.Equal(warned[0]["keys"], []any{"url"})) {
				t.Errorf("warnings %v", warned)
			}
		})
	}
}

// A string in which no password can be written asks for no other one, and is told apart from
// those that some password would fit.
func TestStringThatIsNeverWritten(t *testing.T) {
	never := map[string]any{"never": "mysql://app:O/D@x@h"} // its readers do not agree where the password ends
	both := map[string]any{"never": never["never"], "url": "jdbc:mariadb://h/shop?user=app&password=O/D"}
	const rewrite, exclude = "write them so that all who read them", "EXCLUDE_PUNCTUATION=true: &"
	for _, test := range []struct {
		name      string
		strings   map[string]any
		made      []string
		allowed   string
		ofAnyKind bool
		asked     int
		warned    map[string]string // by the key, what is said
		foretold  []string          // by the check's remedy
	}{
		{"alone", never, []string{"n&w"}, "", false, 1, map[string]string{"never": rewrite}, []string{rewrite}},
		{"beside one that another password fits", both, []string{"n&w", "n2"}, "", false, 2, map[string]string{"never": rewrite}, []string{rewrite}},
		{"beside one that none fits", both, []string{"n&w", "n&w", "n&w", "n&w"}, "abc&", false, 4, map[string]string{"never": rewrite, "url": exclude}, []string{rewrite, exclude}},
		{"where no punctuation is asked for", both, []string{"n&w", "n2"}, "abc&", true, 2, map[string]string{"never": rewrite}, []string{rewrite}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newMemory(t)
			w.passwords, w.allowed, w.ofAnyKind = test.made, test.allowed, test.ofAnyKind
			w.values[oldToken] = document("app", "O/D", test.strings)
			if err := w.step(rotation.CreateSecret); err != nil {
				t.Fatal(err)
			}
			asked := 0
			for _, done := range w.trace {
				if strings.HasPrefix(done, "random") {
					asked++
				}
			}
			warned := map[string]string{}
			for _, line := range w.warnings(warning.OldPasswordLeft) {
				for _, key := range line["keys"].([]any) {
					warned[key.(string)] += line["msg"].(string)
				}
			}
			for key, said := range test.warned {
				if !strings.Contains(warned[key], said) {
					t.Errorf("of %s it says %q", key, warned[key])
				}
			}
			if asked != test.asked || len(warned) != len(test.warned) || strings.Contains(warned["never"], exclude) {
				t.Errorf("asked %d times, warned %q", asked, warned)
			}
			delete(w.labels, token)
			found := w.checked(t, "secret")
			for _, remedy := range []string{rewrite, exclude} {
				if strings.Contains(found.Remedy, remedy) != slices.Contains(test.foretold, remedy) {
					t.Errorf("the check says %+v", found)
				}
			}
		})
	}
}

// A string that was left is named by the next rotation too, and once its remedy has been
// followed it is renewed, and named no more.
func TestRemedyOfAStringThatWasLeft(t *testing.T) {
	w := newMemory(t)
	w.passwords, w.allowed = slices.Repeat([]string{"n&w"}, 4), "abc&"
	w.values[oldToken] = document("app", "old-password", mariaURL("app", "old-password"))
	rotate := func(token string) (warned int, said string) {
		t.Helper()
		w.log.Reset()
		for id := range w.labels {
			w.labels[id] = slices.DeleteFunc(w.labels[id], func(label string) bool { return label == "AWSPENDING" })
		}
		w.labels[token] = []string{"AWSPENDING"}
		for _, step := range steps {
			if err := w.stepOf(step, token); err != nil {
				t.Fatal(err)
			}
		}
		for _, line := range w.warnings(warning.OldPasswordLeft) {
			said += line["msg"].(string)
		}
		return len(w.warnings(warning.OldPasswordLeft)), said
	}
	if warned, said := rotate(token); warned != 1 || !strings.Contains(said, "put the current username and password into them") || !strings.Contains(said, "EXCLUDE_PUNCTUATION=true: &") {
		t.Errorf("%d warnings: %s", warned, said)
	}
	if warned, said := rotate("99999999-0000-0000-0000-000000000003"); warned != 1 || !strings.Contains(said, "another password than the one under AWSCURRENT") {
		t.Errorf("%d warnings: %s", warned, said)
	}
	w.allowed = "abc" // EXCLUDE_PUNCTUATION=true
	w.values["99999999-0000-0000-0000-000000000003"] = document("app", "random password", mariaURL("app", "random password"))
	if warned, said := rotate("99999999-0000-0000-0000-000000000004"); warned != 0 {
		t.Errorf("%d warnings: %s", warned, said)
	}
	if diff := cmp.Diff(document("app_clone", "random password", mariaURL("app_clone", "random password")), w.values["99999999-0000-0000-0000-000000000004"]); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
}

func decoded(t *testing.T, text string) (value map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// Where the other password cannot be had, nothing is stored, and the next try makes one.
func TestNoOtherPassword(t *testing.T) {
	w := newMemory(t)
	w.passwords = slices.Repeat([]string{"n&w"}, 6) // two of them for the first step
	w.values[oldToken] = document("app", "old-password", mariaURL("app", "old-password"))
	w.before = func(what string) error {
		if what == "random without &" {
			return failure.New(failure.SecretsManagerThrottled, "slow down")
		}
		return nil
	}
	if err := w.step(rotation.CreateSecret); failure.Of(err) != failure.SecretsManagerThrottled || !strings.Contains(err.Error(), "cannot be written in the connection strings url") || len(w.mutating()) > 0 {
		t.Errorf("error %v, done %v", err, w.mutating())
	}
	w.before = nil
	// A service that makes what it was not asked for is not asked for ever.
	if err := w.step(rotation.CreateSecret); err != nil || len(w.passwords) > 0 || len(w.warnings(warning.OldPasswordLeft)) != 1 {
		t.Errorf("error %v, %d passwords left, warnings %v", err, len(w.passwords), w.warnings(warning.OldPasswordLeft))
	}
}

// The check says the same whatever password it was given: by the characters that are
// allowed.
func TestCheckOfPasswordsThatDoNotFit(t *testing.T) {
	for _, test := range []struct {
		name, allowed string
		result        rotation.Result
		said, remedy  string
	}{
		{"some character does not fit", "", rotation.ResultOK, "a rotation renews the connection strings url; its password is made without the characters that cannot be written in url: &", ""},
		{"none such is allowed", "abc-._", rotation.ResultOK, "a rotation renews the connection strings url", ""},
		{"it is all the punctuation", "abc&", rotation.ResultAttention, "those in which its password cannot be written stay as they are: url", "EXCLUDE_PUNCTUATION=true: &"},
	} {
		for _, password := range []string{"n&w", "n#w"} {
			t.Run(test.name+"/"+password, func(t *testing.T) {
				w := newMemory(t)
				w.passwords, w.allowed = []string{password}, test.allowed
				w.values[oldToken] = document("app", "old-password", mariaURL("app", "old-password"))
				delete(w.labels, token)
				found := w.checked(t, "secret")
				if found.Result != test.result || !strings.Contains(found.Detail, test.said) || !strings.Contains(found.Remedy, test.remedy) || (found.Remedy == "") != (test.remedy == "") ||
					test.allowed == "abc-._" && strings.Contains(found.Detail, "characters") {
					t.Errorf("%+v", found)
				}
			})
		}
	}
}

// checked is what the check of a name has found.
func (w *memory) checked(t *testing.T, name string) rotation.Finding {
	t.Helper()
	answer, err := w.rotator().Inspect(t.Context(), rotation.Event{Step: rotation.Check, SecretID: secretID})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Checks[slices.IndexFunc(answer.Checks, func(f rotation.Finding) bool { return f.Name == name })]
}

// A connection string that was left before, or that somebody copied, is named by each
// rotation as long as it is there, and by the check.
func TestOutdatedConnectionStrings(t *testing.T) {
	for _, test := range []struct {
		name, text string
		keep       bool
		rotation   bool
		check      bool
	}{
		{"the other user's at the same server", "mysql://app_clone:previous@db.example/shop", false, true, true},
		{"the other user's at another host", "mysql://app_clone:previous@reader.example/shop", false, false, true},
		{"what may be another server's", "mysql://app_clone:whatever@reader.example/shop", false, false, false},
		{"the current one's, with another password", "app:older@tcp(db.example:3306)/shop", false, true, true},
		{"nobody's", "mysql://ro:previous@db.example/shop", false, false, false},
		{"kept", "mysql://app_clone:previous@db.example/shop", true, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newMemory(t)
			w.keepConnectionStrings = test.keep
			w.values["previous"], w.labels["previous"] = document("app_clone", "previous", nil), []string{"AWSPREVIOUS"}
			w.values[oldToken] = document("app", "old-password", map[string]any{"dsn": test.text})
			pending := w.labels[token]
			delete(w.labels, token)
			found := w.checked(t, "secret")
			if named := found.Result == rotation.ResultAttention && found.Type == warning.OldPasswordLeft && strings.Contains(found.Detail, "set, if it does now: dsn") && strings.Contains(found.Remedy, "put the current"); named != test.check {
				t.Errorf("%+v", found)
			}
			if text, _ := json.Marshal(found); strings.Contains(string(text), "previous@") {
				t.Errorf("the answer is %s", text)
			}
			w.labels[token] = pending
			w.trace = nil
			if err := w.step(rotation.CreateSecret); err != nil {
				t.Fatal(err)
			}
			if warned := w.warnings(warning.OldPasswordLeft); (len(warned) == 1) != test.rotation || len(warned) == 1 && !cmp.Equal(warned[0]["keys"], []any{"dsn"}) {
				t.Errorf("warnings %v", warned)
			}
			if w.position("read previous") >= 0 || w.position("version previous") >= 0 {
				t.Errorf("the rotation has done %v", w.trace)
			}
		})
	}
}

// A check that cannot read the version before says so, where it needs it.
func TestOutdatedNotKnown(t *testing.T) {
	w := newMemory(t)
	delete(w.labels, token)
	w.values["previous"], w.labels["previous"] = document("app_clone", "previous", nil), []string{"AWSPREVIOUS"}
	w.values[oldToken] = document("app", "old-password", map[string]any{"dsn": "mysql://app_clone:previous@reader.example/shop"})
	w.before = func(what string) error {
		if strings.Contains(what, "previous") {
			return failure.New(failure.SecretsManagerThrottled, "slow down")
		}
		return nil
	}
	if found := w.checked(t, "secret"); !strings.Contains(found.Detail, "under AWSPREVIOUS is not known: reading the AWSPREVIOUS document: slow down") {
		t.Errorf("%+v", found)
	}
}
