package account

import (
	"errors"
	"strings"
	"testing"

	"tandem/internal/redact"
	"tandem/internal/statement"
)

// What is kept of a password is "stored " and the password here.
func stored(password string) redact.Secret { return redact.New("stored " + password) }

var singlePasswords = Passwords{
	Current: redact.New("current"), Pending: redact.New("pending"),
	Matches: func(_ string, kept, password redact.Secret) (bool, error) {
		return kept.Reveal() == "stored "+password.Reveal() || kept.Reveal() == fakeNative(password.Reveal()), nil
	},
	VerifierOf: func(_ string, password redact.Secret) (redact.Secret, error) {
		return redact.New(fakeNative(password.Reveal())), nil
	},
}

// fakeNative looks like what mysql_native_password keeps.
func fakeNative(password string) string {
	return "*" + strings.ToUpper(strings.Repeat("0", 40-2*len(password))+hexOf(password))
}

func hexOf(text string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for _, c := range []byte(text) {
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

func mysqlAccount(host, first, second string) Account {
	a := Account{Name: Name{User: "app", Host: host}, Factors: []Factor{{Plugin: "caching_sha2_password"}}}
	if first != "" {
		a.Factors[0].Verifier = stored(first)
	}
	if second != "" {
		a.SecondPassword = stored(second)
	}
	return a
}

func mariadbAccount(host string, factors ...string) Account {
	a := Account{Name: Name{User: "app", Host: host}}
	for _, factor := range factors {
		plugin, password, _ := strings.Cut(factor, " ")
		one := Factor{Plugin: plugin}
		if password != "" {
			one.Verifier = redact.New(fakeNative(password))
		}
		a.Factors = append(a.Factors, one)
	}
	return a
}

func revealed(statements []statement.Statement) string {
	var texts []string
	for _, s := range statements {
		text := s.Reveal()
		for _, password := range []string{"current", "pending", "third"} {
			text = strings.ReplaceAll(text, fakeNative(password), password)
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}

// Whatever an account is open to, after the change it is open to the pending password, to
// the current one if it was before, and to nothing else.
func TestChangeOfASingleUser(t *testing.T) {
	mysql := Server{Flavor: MySQL, Major: 8, Minor: 0, Patch: 14}
	mariadb := Server{Flavor: MariaDB, Major: 10, Minor: 11}
	const sets, retains = "ALTER USER 'app'@'%' IDENTIFIED WITH 'caching_sha2_password' BY 'pending'", " RETAIN CURRENT PASSWORD"
	const discards = "ALTER USER 'app'@'%' DISCARD OLD PASSWORD"
	const via = "ALTER USER 'app'@'%' IDENTIFIED VIA `mysql_native_password` USING 'pending'"
	const or = " OR `mysql_native_password` USING 'current'"
	for _, test := range []struct {
		name    string
		server  Server
		account Account
		want    string
	}{
		{"the current one alone", mysql, mysqlAccount("%", "current", ""), sets + retains},
		{"the current one and the one before", mysql, mysqlAccount("%", "current", "before"), sets + retains},
		{"one given up", mysql, mysqlAccount("%", "given up", "current"), sets},
		{"it is set", mysql, mysqlAccount("%", "pending", "current"), ""},
		{"it is set twice", mysql, mysqlAccount("%", "pending", "pending"), ""},
		{"it is set, and there is a stranger's", mysql, mysqlAccount("%", "pending", "third"), discards},
		{"two strangers'", mysql, mysqlAccount("%", "third", "fourth"), discards + "; " + sets},
		{"none, and the current one", mysql, mysqlAccount("%", "", "current"), sets},
		{"the current one", mariadb, mariadbAccount("%", "mysql_native_password current"), via + or},
		{"and the one before", mariadb, mariadbAccount("%", "mysql_native_password current", "mysql_native_password before"), via + or},
		{"one given up", mariadb, mariadbAccount("%", "mysql_native_password lost", "mysql_native_password current"), via + or},
		{"it is set", mariadb, mariadbAccount("%", "mysql_native_password pending", "mysql_native_password current"), ""},
		{"it is set in the wrong order", mariadb, mariadbAccount("%", "mysql_native_password current", "mysql_native_password pending"), via + or},
		{"a third", mariadb, mariadbAccount("%", "mysql_native_password pending", "mysql_native_password current", "mysql_native_password third"), via + or},
		{"a stranger's", mariadb, mariadbAccount("%", "mysql_native_password third"), via},
		{"it is set alone", mariadb, mariadbAccount("%", "mysql_native_password pending"), ""},
		{"another way in", mariadb, mariadbAccount("%", "unix_socket", "mysql_native_password current"), via + or + " OR `unix_socket`"},
		{"another way in, set", mariadb, mariadbAccount("%", "mysql_native_password pending", "mysql_native_password current", "unix_socket"), ""},
	} {
		t.Run(string(test.server.Flavor)+" "+test.name, func(t *testing.T) {
			u := SingleUser{Server: test.server, User: User{Name: "app", Accounts: []Account{test.account}}}
			statements, err := u.Change(singlePasswords)
			if got := revealed(statements); err != nil || got != test.want {
				t.Errorf("%v\n%s, want\n%s", err, got, test.want)
			}
		})
	}
}

// All accounts are changed in one statement, each by what it has; one's own without naming
// the plugin, and with the password that is replaced.
func TestChangeOfSeveralAccounts(t *testing.T) {
	u := SingleUser{
		Server: Server{Flavor: MySQL, Major: 9}, Own: true, Login: Name{User: "app", Host: "%"},
		User: User{Name: "app", Accounts: []Account{
			mysqlAccount("%", "current", ""), mysqlAccount("10.%", "given up", "current"), mysqlAccount("11.%", "third", "fourth"),
			{Name: Name{User: "app", Host: "localhost"}, Factors: []Factor{{Plugin: "auth_socket"}}},
		}},
	}
	statements, err := u.Change(singlePasswords)
	const want = "ALTER USER 'app'@'11.%' DISCARD OLD PASSWORD; " +
		"ALTER USER 'app'@'%' IDENTIFIED BY 'pending' REPLACE 'current' RETAIN CURRENT PASSWORD, " +
		"'app'@'10.%' IDENTIFIED WITH 'caching_sha2_password' BY 'pending', 'app'@'11.%' IDENTIFIED WITH 'caching_sha2_password' BY 'pending'"
	if got := revealed(statements); err != nil || got != want {
		t.Errorf("%v\n%s, want\n%s", err, got, want)
	}
	for _, s := range statements[1:] {
		if strings.Contains(s.String(), "pending") || strings.Contains(s.String(), "current'") {
			t.Errorf("it shows a password: %s", s)
		}
	}
	foreign, err := u.ForeignPasswords(singlePasswords)
	if err != nil || len(foreign) != 2 || foreign[0].Host != "10.%" || foreign[1].Host != "11.%" {
		t.Errorf("foreign passwords of %v, %v", foreign, err)
	}
}

// Of a repair, the accounts that are not locked by hand are unlocked, where a login was
// refused for that even those that need no other password; locked ones come before.
func TestChangeThatUnlocks(t *testing.T) {
	locked := func(a Account) Account { a.Attributes.Locked = true; return a }
	const sets, lockedSets = "ALTER USER 'app'@'%' IDENTIFIED WITH 'caching_sha2_password' BY 'pending'", "ALTER USER 'app'@'10.%' IDENTIFIED WITH 'caching_sha2_password' BY 'pending'"
	for _, test := range []struct {
		name     string
		blocked  bool
		accounts []Account
		want     string
	}{
		{"one", false, []Account{mysqlAccount("%", "third", "")}, sets + " ACCOUNT UNLOCK"},
		{"one, blocked", true, []Account{mysqlAccount("%", "third", "")}, sets + " ACCOUNT UNLOCK"},
		{"a locked one", false, []Account{mysqlAccount("%", "third", ""), locked(mysqlAccount("10.%", "third", ""))}, lockedSets + "; " + sets + " ACCOUNT UNLOCK"},
		{"a locked one alone", true, []Account{locked(mysqlAccount("10.%", "third", ""))}, lockedSets},
		{"it is set", false, []Account{mysqlAccount("%", "pending", "")}, ""},
		{"it is set, blocked", true, []Account{mysqlAccount("%", "pending", ""), locked(mysqlAccount("10.%", "pending", ""))}, "ALTER USER 'app'@'%' ACCOUNT UNLOCK"},
		{"it is set in one, blocked", true, []Account{mysqlAccount("%", "third", ""), mysqlAccount("11.%", "pending", "")}, sets + ", 'app'@'11.%' ACCOUNT UNLOCK"},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := SingleUser{Server: mysql9, User: user("app", test.accounts...), Unlocks: true, Blocked: test.blocked}
			statements, err := u.Change(singlePasswords)
			if got := revealed(statements); err != nil || got != test.want {
				t.Errorf("%v\n%s, want\n%s", err, got, test.want)
			}
		})
	}
}

// Accounts that get a password and had none that logged in.
func TestOpenedAnew(t *testing.T) {
	expired := func(a Account) Account { a.Expired = true; return a }
	locked := func(a Account) Account { a.Attributes.Locked = true; return a }
	u := SingleUser{Server: mysql9, User: user("app",
		mysqlAccount("%", "current", ""), mysqlAccount("1.%", "third", ""),
		expired(mysqlAccount("10.%", "current", "")), expired(mysqlAccount("11.%", "third", "")), expired(mysqlAccount("12.%", "pending", "current")),
		mysqlAccount("13.%", "", ""), expired(mysqlAccount("14.%", "", "")),
		locked(mysqlAccount("15.%", "", "")), locked(expired(mysqlAccount("16.%", "current", ""))),
		Account{Name: Name{User: "app", Host: "17.%"}, Factors: []Factor{{Plugin: "auth_socket"}}},
	)}
	hosts := func(names []Name) (out string) {
		for _, name := range names {
			out += name.Host + " "
		}
		return out
	}
	past, without, err := u.OpenedAnew(singlePasswords)
	if hosts(past) != "10.% 11.% " || hosts(without) != "13.% 14.% " || err != nil {
		t.Errorf("expired %v, without a password %v, %v", past, without, err)
	}
}

// What lets somebody change a single user's password lets them pass nothing on.
func TestRemediesOfASingleUser(t *testing.T) {
	who := Name{User: "app", Host: "%"}
	for _, test := range []struct {
		on       Server
		own      bool
		accounts int
		want     string
	}{
		{mysql9, true, 1, "GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO 'app'@'%'"},
		{mysql9, true, 2, "GRANT CREATE USER ON *.* TO 'app'@'%'"},
		{mysql9, false, 1, "GRANT CREATE USER ON *.* TO 'app'@'%'"},
		{mariadb1011, true, 1, "GRANT CREATE USER ON *.* TO 'app'@'%'"},
		{mariadb1011, false, 2, "GRANT CREATE USER ON *.* TO 'app'@'%'"},
	} {
		grants := OwnGrants{Name: who, Rows: []redact.Secret{redact.New("GRANT USAGE ON *.* TO `app`@`%`")}}
		if got, err := PasswordLacks(test.on, grants, test.own, test.accounts); got != test.want || err != nil {
			t.Errorf("%s lacks %q, %v, want %q", test.on, got, err, test.want)
		}
		if test.own {
			if got := OwnPasswordRemedy(test.on, who, test.accounts).String(); got != test.want {
				t.Errorf("%s: the remedy is %q, want %q", test.on, got, test.want)
			}
		} else if got := SingleUserRemedy(who).String(); got != test.want {
			t.Errorf("the remedy is %q, want %q", got, test.want)
		}
	}
}

// What cannot have two passwords, or cannot be altered, is refused before anything is sent.
func TestSingleUserIsRefused(t *testing.T) {
	mariadb := Server{Flavor: MariaDB, Major: 10, Minor: 11}
	one := func(server Server, a Account) SingleUser {
		return SingleUser{Server: server, Login: a.Name, User: User{Name: "app", Accounts: []Account{a}}}
	}
	mixed := one(mariadb, mariadbAccount("%", "mysql_native_password current"))
	mixed.User.Accounts = append(mixed.User.Accounts, ed25519Account("10.%", "current"))
	system := one(Server{Flavor: MySQL, Major: 8, Minor: 4}, mysqlAccount("%", "current", ""))
	system.User.Accounts[0].Grants.Dynamic = []Dynamic{{Privilege: "SYSTEM_USER"}}
	system.AdminDynamic = map[string]bool{}
	several := one(Server{Flavor: MySQL, Major: 8, Minor: 4}, mysqlAccount("%", "current", ""))
	several.User.Accounts[0].Factors = append(several.User.Accounts[0].Factors, Factor{Plugin: "authentication_webauthn"})
	for _, test := range []struct {
		name string
		user SingleUser
		want string
		is   error
	}{
		{"plugins of both kinds", mixed, "identify both by one plugin, best by mysql_native_password", ErrUnsupported},
		{"SYSTEM_USER", system, "SYSTEM_USER", ErrRefused},
		{"several factors", several, "several factors", ErrUnsupported},
		{"nobody", SingleUser{Server: mariadb, User: User{Name: "app"}}, "does not exist", ErrNotFound},
		{"a plugin without a password", one(mariadb, mariadbAccount("%", "unix_socket")), "has no password to rotate", ErrUnsupported},
		{"a backslash", one(Server{Flavor: MySQL, Major: 9}, mysqlAccount(`10.\_`, "current", "")), "backslash", ErrUnsupported},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := test.user.Check(); !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
	mixed.Clear = []string{"simple_password_check"} // then it keeps one of each
	for _, good := range []SingleUser{mixed, one(Server{Flavor: MySQL, Major: 5, Minor: 7}, mysqlAccount("%", "current", "")), one(mariadb, ed25519Account("%", "current"))} {
		if err := good.Check(); err != nil {
			t.Error(err)
		}
	}
}

// Only what the account of the login has counts as accepted.
func TestAccepts(t *testing.T) {
	u := SingleUser{
		Server: Server{Flavor: MySQL, Major: 9}, Login: Name{User: "app", Host: "%"},
		User: User{Name: "app", Accounts: []Account{mysqlAccount("%", "first", "second"), mysqlAccount("10.%", "other", "")}},
	}
	for password, want := range map[string]bool{"first": true, "second": true, "other": false} {
		if got, err := u.Accepts(redact.New(password), singlePasswords.Matches); got != want || err != nil {
			t.Errorf("%s: %v, %v", password, got, err)
		}
	}
}

// What opens an account of the user beside its passwords is told of. A locked account opens
// to nobody.
func TestWarningsOfASingleUser(t *testing.T) {
	my, maria := Server{Flavor: MySQL, Major: 8, Minor: 4}, Server{Flavor: MariaDB, Major: 10, Minor: 11}
	proxy := []ProxyGrant{{On: Name{User: "app", Host: "%"}, To: Name{User: "other", Host: "%"}}, {On: Name{User: "app", Host: "%"}, To: Name{User: "app", Host: "10.%"}}}
	at := func(host string, a Account) Account { a.Name.Host = host; return a }
	locked := at("12.%", mariadbAccount("%", "unix_socket"))
	locked.Attributes.Locked = true
	for _, test := range []struct {
		user SingleUser
		want string
	}{
		{SingleUser{Server: my, User: User{Name: "app", ProxiedTo: proxy, Accounts: []Account{mysqlAccount("%", "current", ""), {Name: Name{User: "app", Host: "15.%"}, Factors: []Factor{{Plugin: "auth_socket"}}}}}},
			"ProxyOnUser LoginWithoutPassword"},
		{SingleUser{Server: maria, User: User{Name: "app", Accounts: []Account{mariadbAccount("%", "mysql_native_password current", "unix_socket"), locked, at("11.%", mariadbAccount("%", "mysql_native_password"))}}},
			"LoginWithoutPassword"},
	} {
		var kinds []string
		for _, w := range test.user.OtherWaysIn() {
			kinds = append(kinds, w.Type)
		}
		if strings.Join(kinds, " ") != test.want {
			t.Errorf("%v, want %s", kinds, test.want)
		}
	}
}

// An account with several factors is said to need them, and nothing else of it.
func TestSeveralFactorsInWords(t *testing.T) {
	a := mysqlAccount("%", "current", "")
	a.Factors = append(a.Factors, Factor{Plugin: "auth_socket"})
	u := SingleUser{Server: Server{Flavor: MySQL, Major: 8, Minor: 4}, Login: a.Name, User: User{Name: "app", Accounts: []Account{a}}}
	if err := u.Check(); err == nil || !strings.Contains(err.Error(), "needs several factors (caching_sha2_password, auth_socket (known to the operating system))") {
		t.Errorf("it says %v", err)
	}
}
