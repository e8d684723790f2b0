package account

import "testing"

func TestNameString(t *testing.T) {
	if got, want := (Name{`o'br\ien`, "10.%"}).String(), `'o''br\\ien'@'10.%'`; got != want {
		t.Errorf("String() = %s, want %s", got, want)
	}
}

func TestCovers(t *testing.T) {
	for _, test := range []struct {
		outer, inner string
		want         bool
	}{
		{"%", "10.%", true}, {"", "localhost", true}, {"10.%", "10.%", true}, {"10.%", "%", false},
		{"10.%", "10.1.%", true}, {"10.1.%", "10.%", false}, {"10.%", "10.1.2.3", true}, {"10.%", "11.1.2.3", false},
		{"10._.0.1", "10.1.0.1", true}, {"10._.0.1", "10.%.0.1", false}, {"%.example.com", "A.Example.com", true},
		{"a_b", "a%b", false}, {"a_b", "a_b", true}, {"ab", "a_", false}, {`a\_b`, "a_b", true}, {`a\_b`, "acb", false}, {"a%", `a\_b`, false},
		{"10.0.0.0/255.0.0.0", "10.9.8.7", true}, {"10.0.0.0/255.0.0.0", "11.9.8.7", false}, {"10.0.0.0/255.0.0.0", "10.1.0.0/255.255.0.0", true},
		{"10.1.0.0/255.255.0.0", "10.0.0.0/255.0.0.0", false}, {"10.0.0.0/8", "10.0.0.0/255.0.0.0", true}, {"10.0.0.0/255.0.255.0", "10.0.0.1", false},
		{"10.%", "10.0.0.0/255.0.0.0", true}, {"10.%", "10.1.2.0/24", true}, {"10.1.%", "10.0.0.0/255.0.0.0", false}, {"10.%", "10.0.0.0/9", false},
		{"10.0.0.0/255.0.0.0", "10.%", false}, {"10.0.0.0/255.0.0.0", "localhost", false},
	} {
		if got := covers(test.outer, test.inner); got != test.want {
			t.Errorf("covers(%q, %q) = %v", test.outer, test.inner, got)
		}
	}
}

func TestServing(t *testing.T) {
	user := User{Name: "app"}
	for _, host := range []string{"%", "10.%", "10.1.0.0/255.255.0.0", "10.1.2.%", "10.1.2.3", "localhost"} {
		user.Accounts = append(user.Accounts, Account{Name: Name{"app", host}})
	}
	for host, want := range map[string]string{
		"10.1.2.3": "10.1.2.3", "10.1.2.4": "10.1.0.0/255.255.0.0", "10.2.0.1": "10.%", "LOCALHOST": "localhost", "elsewhere": "%", "10.1.2.%": "10.1.2.%", "10.3.%": "10.%",
	} {
		if got := user.serving(host); got == nil || got.Name.Host != want {
			t.Errorf("serving(%q) = %v, want %s", host, got, want)
		}
	}
	user.Accounts = user.Accounts[1:]
	if got := user.serving("elsewhere"); got != nil {
		t.Errorf("serving = %v, want none", got.Name)
	}
}
