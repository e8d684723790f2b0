package mysqldb

import (
	"database/sql"
	"testing"

	"tandem/internal/failure"
)

// What a server has not told in full is not known.
func TestParseSessionCount(t *testing.T) {
	users := []string{"app", "app_clone"}
	for _, test := range []struct {
		text   sql.NullString
		known  bool
		counts [2]int
		failed bool
	}{
		{sql.NullString{String: "1 0 3", Valid: true}, true, [2]int{0, 3}, false},
		{sql.NullString{String: "0 2 0", Valid: true}, false, [2]int{2, 0}, false},
		{sql.NullString{}, false, [2]int{}, true},
		{sql.NullString{String: "1 0", Valid: true}, false, [2]int{}, true},
		{sql.NullString{String: "1 0 many", Valid: true}, false, [2]int{}, true},
	} {
		found := parseSessionCount(test.text, users)
		if failed := found.Unknown != nil; failed != test.failed || failed && failure.Of(found.Unknown) != failure.ServerResponseUnrecognised {
			t.Errorf("%v: %v", test.text, found.Unknown)
		}
		for i, user := range users {
			if of := found.of(user); of.Known != test.known || !test.failed && of.Count != test.counts[i] {
				t.Errorf("%v: of %s %+v", test.text, user, of)
			}
		}
		if found.of("somebody").Known {
			t.Errorf("%v: a user who was not counted is known", test.text)
		}
	}
}

func TestWithoutPort(t *testing.T) {
	for host, want := range map[string]string{"10.0.1.7:50312": "10.0.1.7", "localhost": "localhost", "": "", "2001:db8::7:50312": "2001:db8::7", "app.example:1": "app.example"} {
		if got := withoutPort(host); got != want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
}
