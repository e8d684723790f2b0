package account

import (
	"strings"
	"testing"

	"tandem/internal/redact"
)

// ed25519Account has an account keep something as long as what ed25519 does.
func ed25519Account(host, password string) Account {
	return Account{Name: Name{User: "app", Host: host}, Factors: []Factor{{Plugin: "ed25519", Verifier: redact.New(fakeEd25519(password))}}}
}

func fakeEd25519(password string) string { return password + strings.Repeat(".", 43-len(password)) }

// oneOfPasswords compares what both plugins are said to keep.
func oneOfPasswords() Passwords {
	p := singlePasswords
	native := p.Matches
	p.Matches = func(plugin string, kept, password redact.Secret) (bool, error) {
		fits, err := native(plugin, kept, password)
		return fits || kept.Reveal() == fakeEd25519(password.Reveal()), err
	}
	p.VerifierOf = func(plugin string, password redact.Secret) (redact.Secret, error) {
		if plugin == "ed25519" {
			return redact.New(fakeEd25519(password.Reveal())), nil
		}
		return singlePasswords.VerifierOf(plugin, password)
	}
	return p
}

// Where a server keeps one password it is replaced, and replaced again when it is taken
// back: what else an account authenticates with stays where it is.
func TestChangeOfOnePassword(t *testing.T) {
	before, first := Server{Flavor: MySQL, Major: 8, Minor: 0, Patch: 13}, Server{Flavor: MySQL, Major: 5, Minor: 7}
	mariadb := Server{Flavor: MariaDB, Major: 10, Minor: 11}
	socket := ed25519Account("%", "current")
	socket.Factors = append([]Factor{{Plugin: "unix_socket"}}, socket.Factors...)
	both := ed25519Account("%", "current")
	both.Factors = append(both.Factors, mariadbAccount("%", "mysql_native_password current").Factors...)
	twice := mariadbAccount("%", "mysql_native_password current", "mysql_native_password before")
	foreign := ed25519Account("10.%", "third")
	for _, test := range []struct {
		name       string
		user       SingleUser
		want, back string // the passwords swapped
	}{
		{"MySQL 5.7", SingleUser{Server: first, User: User{Accounts: []Account{mysqlAccount("%", "current", "")}}}, "ALTER USER 'app'@'%' IDENTIFIED WITH 'caching_sha2_password' BY 'pending'", ""},
		{"MySQL 5.7, one's own", SingleUser{Server: first, Own: true, Login: Name{User: "app", Host: "%"}, User: User{Accounts: []Account{mysqlAccount("%", "current", "")}}}, "ALTER USER 'app'@'%' IDENTIFIED BY 'pending'", ""},
		{"MySQL 8.0.13, one's own", SingleUser{Server: before, Own: true, Login: Name{User: "app", Host: "%"}, User: User{Accounts: []Account{mysqlAccount("%", "current", "")}}}, "ALTER USER 'app'@'%' IDENTIFIED BY 'pending' REPLACE 'current'", ""},
		{"MySQL 8.0.13, set", SingleUser{Server: before, User: User{Accounts: []Account{mysqlAccount("%", "pending", "")}}}, "", "ALTER USER 'app'@'%' IDENTIFIED WITH 'caching_sha2_password' BY 'current'"},
		{"ed25519", SingleUser{Server: mariadb, User: User{Accounts: []Account{ed25519Account("%", "current"), foreign}}},
			"ALTER USER 'app'@'%' IDENTIFIED VIA `ed25519` USING 'pending', 'app'@'10.%' IDENTIFIED VIA `ed25519` USING 'pending'", ""},
		{"ed25519, set", SingleUser{Server: mariadb, User: User{Accounts: []Account{ed25519Account("%", "pending"), foreign}}},
			"ALTER USER 'app'@'10.%' IDENTIFIED VIA `ed25519` USING 'pending'", "ALTER USER 'app'@'%' IDENTIFIED VIA `ed25519` USING 'current'"},
		{"another way in", SingleUser{Server: mariadb, User: User{Accounts: []Account{socket}}}, "ALTER USER 'app'@'%' IDENTIFIED VIA `unix_socket` OR `ed25519` USING 'pending'", ""},
		{"two plugins", SingleUser{Server: mariadb, User: User{Accounts: []Account{both}}}, "ALTER USER 'app'@'%' IDENTIFIED VIA `ed25519` USING 'pending' OR `mysql_native_password` USING 'pending'", ""},
		{"a strict plugin", SingleUser{Server: mariadb, Clear: []string{"simple_password_check"}, User: User{Accounts: []Account{twice}}}, "ALTER USER 'app'@'%' IDENTIFIED VIA `mysql_native_password` USING PASSWORD('pending')", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			statements, err := test.user.Change(oneOfPasswords())
			got := strings.NewReplacer(fakeEd25519("pending"), "pending", fakeEd25519("current"), "current").Replace(revealed(statements))
			if err != nil || got != test.want {
				t.Errorf("%v\n%s, want\n%s", err, got, test.want)
			}
			statements, err = test.user.TakeBack(oneOfPasswords())
			got = strings.NewReplacer(fakeEd25519("current"), "current").Replace(revealed(statements))
			if err != nil || got != test.back {
				t.Errorf("taken back: %v\n%s, want\n%s", err, got, test.back)
			}
			if one := test.user.OnePassword(); one.Why == "" || one.Remedy == "" {
				t.Errorf("it is not said to be one: %+v", one)
			}
		})
	}
}

// Two are kept by MySQL from 8.0.14 on and by mysql_native_password on MariaDB.
func TestTwoPasswordsAreNotOne(t *testing.T) {
	for _, user := range []SingleUser{
		{Server: Server{Flavor: MySQL, Major: 8, Minor: 0, Patch: 14}},
		{Server: Server{Flavor: MySQL, Major: 8, Minor: 0, Patch: 43}, Clear: []string{"validate_password"}, User: User{Accounts: []Account{mysqlAccount("%", "current", "")}}},
		{Server: Server{Flavor: MariaDB, Major: 10, Minor: 4}, User: User{Accounts: []Account{mariadbAccount("%", "unix_socket", "mysql_native_password current")}}},
	} {
		if one := user.OnePassword(); one != (OnePassword{}) {
			t.Errorf("%s: %+v", user.Server, one)
		}
	}
}

// What somebody sends by hand leaves the other ways in.
func TestSetByHand(t *testing.T) {
	socket := ed25519Account("%", "pending")
	socket.Factors = append(socket.Factors, Factor{Plugin: "unix_socket"})
	u := SingleUser{Server: Server{Flavor: MariaDB, Major: 10, Minor: 11}, User: User{Accounts: []Account{socket}}}
	if got, want := u.SetByHand(), "ALTER USER 'app'@'%' IDENTIFIED VIA ed25519 USING PASSWORD(<the password under AWSCURRENT, in quotes>) OR unix_socket"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	// A name that a plugin keeps stays, and a password that is turned off is not set again.
	named, off := ed25519Account("10.%", "pending"), Factor{Plugin: "mysql_native_password", Verifier: redact.New("invalid")}
	named.Factors = append([]Factor{off}, append(named.Factors, Factor{Plugin: "unix_socket", Verifier: redact.New("some'body")}, Factor{Plugin: "unheard_of", Verifier: redact.New("a hash")})...)
	closed := Account{Name: Name{User: "app", Host: "11.%"}, Factors: []Factor{off}}
	u.User.Accounts = []Account{named, closed}
	if got, want := u.SetByHand(), "ALTER USER 'app'@'10.%' IDENTIFIED VIA ed25519 USING PASSWORD(<the password under AWSCURRENT, in quotes>) OR unix_socket USING 'some''body' OR unheard_of USING <what SHOW CREATE USER prints there, in quotes>"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := u.SetByHand(closed.Name), "ALTER USER 'app'@'11.%' IDENTIFIED VIA mysql_native_password USING PASSWORD(<the password under AWSCURRENT, in quotes>)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	u = SingleUser{Server: Server{Flavor: MySQL, Major: 5, Minor: 7}, User: User{Accounts: []Account{mysqlAccount("%", "x", ""), mysqlAccount("10.%", "x", "")}}}
	if got, want := u.SetByHand(), "ALTER USER 'app'@'%' IDENTIFIED BY <the password under AWSCURRENT, in quotes>, 'app'@'10.%' IDENTIFIED BY <the password under AWSCURRENT, in quotes>"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A locked account, by which nobody logs in, does not decide how many passwords the server
// keeps of the user, and keeps its plugin.
func TestLockedAccountHasNoSay(t *testing.T) {
	native, ed := mariadbAccount("%", "mysql_native_password current"), ed25519Account("10.%", "current")
	u := SingleUser{Server: Server{Flavor: MariaDB, Major: 10, Minor: 11}, Login: native.Name, User: User{Name: "app", Accounts: []Account{native, ed}}}
	if err := u.Check(); err == nil {
		t.Error("the two are not refused while both are open")
	}
	u.User.Accounts[1].Attributes.Locked = true
	if err := u.Check(); err != nil {
		t.Error(err)
	}
	if one := u.OnePassword(); one != (OnePassword{}) {
		t.Errorf("it is said to be one: %+v", one)
	}
	statements, err := u.Change(oneOfPasswords())
	got := strings.NewReplacer(fakeEd25519("pending"), "pending").Replace(revealed(statements))
	if err != nil || !strings.HasSuffix(got, "'app'@'10.%' IDENTIFIED VIA `ed25519` USING 'pending'") || !strings.Contains(got, " OR ") {
		t.Errorf("%v\n%s", err, got)
	}
	u.User.Accounts[0].Attributes.Locked, u.User.Accounts[1].Attributes.Locked, u.Login = true, false, ed.Name
	if err := u.Check(); err != nil {
		t.Error(err)
	}
	if one := u.OnePassword(); one.Why == "" || strings.Contains(one.Remedy, "'app'@'%'") {
		t.Errorf("%+v", one)
	}
}
