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
