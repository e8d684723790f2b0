package secret_test

import (
	"slices"
	"strings"
	"testing"

	"tandem/internal/redact"
	"tandem/internal/secret"
)

// A connection string of one of the users that has another password than the current one
// is named, where it is the document's server's.
func TestOutdated(t *testing.T) {
	previous := withStrings(t, "PREVIOUS", ``)
	for _, test := range []struct {
		name, text string
		named      bool // by its host
		held       bool // by the previous credentials alone
		doubtful   bool
	}{
		{"the current credentials", "mysql://app:OLD@h/db", false, false, false},
		{"the current password of another user", "mysql://app_clone:OLD@h/db", false, false, false},
		{"another user", "mysql://ro:PREVIOUS@h/db", false, false, false},
		{"another user's, by its case", "mysql://App:PREVIOUS@h/db", false, false, false},
		{"another engine", "postgres://app:PREVIOUS@h/db", false, false, false},
		{"no password", "mysql://app@h/db", false, false, false},
		{"an empty password", "mysql://app:@h/db", false, false, false},
		{"no connection string", "mysql -uapp -pPREVIOUS -hh", false, false, false},
		{"a template", "mysql://app:${PASSWORD}@h/db", false, false, false},
		{"a template of Python", "Server=h;Uid=app;Pwd=%(password)s", false, false, false},
		{"a template in braces", "jdbc:mysql://h/?user=app&password={{password}}", false, false, false},
		{"a masked one", "mysql://app:***@h/db", false, false, false},
		{"a template of Kubernetes", "app:$(DB_PASSWORD)@tcp(h:3306)/db", false, false, false},
		{"a template in hashes", "Server=h;Uid=app;Pwd=#{password}", false, false, false},
		{"a template in brackets", "Server=h;Uid=app;Pwd=[password]", false, false, false},
		{"a template in underscores", "Server=h;Uid=app;Pwd=__PASSWORD__", false, false, false},
		{"a masked one of letters", "Server=h;Uid=app;Pwd=xxxxxx", false, false, false},
		{"the host in quotes", `Server="h";Uid=app;Pwd=other`, true, false, false},
		{"the host in braces", "Driver={MySQL ODBC 9.0 Unicode Driver};Server={h};UID=app;PWD=other", true, false, false},
		{"the host before a fragment", "mysql://app:other@h#x", true, false, false},
		{"the previous credentials", "mysql://app:PREVIOUS@h/db", true, false, false},
		{"the previous credentials, spelled", "mysql://%61pp:PR%45VIOUS@H:3306", true, false, false},
		{"some password", "jdbc:mariadb://h:3306,h2/db?user=app_clone&password=other", true, false, false},
		{"Go's", "app_clone:other@tcp(h:3306)/db", true, false, false},
		{"ADO.NET", "Server=h;Uid=app;Pwd=other", true, false, false},
		{"one of several, beside a current one", "mysql://app:OLD@h/db mysql://app_clone:other@h/db", true, false, false},
		{"at another host", "mysql://app:other@x.h/db", false, false, true},
		{"at another host, with a schema of that name", "mysql://app:other@other/h", false, false, true},
		{"the previous credentials at another host", "mysql://app:PREVIOUS@reader/db", false, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			document := withStrings(t, "OLD", `,"urls":[{"a":`+quoted(test.text)+`}]`)
			names := func(named bool) []string {
				if !named {
					return nil
				}
				return []string{"urls[0].a"}
			}
			users := []string{"app", "app_clone"}
			if got, doubtful := document.Outdated(users); !slices.Equal(got.First, names(test.named)) || (doubtful == 1) != test.doubtful {
				t.Errorf("named %v, doubtful %d", got, doubtful)
			}
			if got, _ := document.Outdated(users, previous); !slices.Equal(got.First, names(test.named || test.held)) {
				t.Errorf("beside the previous one: named %v", got)
			}
		})
	}
}

// A key that has such a password in it is hidden.
func TestOutdatedHidesKeys(t *testing.T) {
	document, err := secret.Parse(redact.New(`{"engine":"mysql","host":"h","username":"app","password":"OLD","my PREVIOUS key":"mysql://app:PREVIOUS@h"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := document.Outdated([]string{"app"}); strings.Contains(strings.Join(got.First, ""), "PREVIOUS") || got.Count != 1 {
		t.Errorf("named %v", got)
	}
}
