package account

import "testing"

func TestAnonymous(t *testing.T) {
	for _, test := range []struct {
		name     string
		accounts []Name
		want     string // its host; none where the login is the user's
	}{
		{"nearer", []Name{{"app", "%"}, {"", "localhost"}}, "localhost"},
		{"nearer by its address", []Name{{"app", "127.%"}, {"", "127.0.0.1"}}, "127.0.0.1"},
		{"as near", []Name{{"", "localhost"}, {"app", "localhost"}}, ""},
		{"farther", []Name{{"app", "localhost"}, {"", "%"}}, ""},
		{"elsewhere", []Name{{"app", "%"}, {"", "10.%"}}, ""},
		{"alone", []Name{{"", "%"}}, "%"},
		{"none", nil, ""},
	} {
		got, ok := Anonymous(test.accounts, "localhost", "127.0.0.1")
		if ok != (test.want != "") || ok && got != (Name{"", test.want}) {
			t.Errorf("%s: %v, %v", test.name, got, ok)
		}
	}
}
