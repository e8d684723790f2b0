package account

import (
	"strings"
	"testing"

	"tandem/internal/redact"
)

// Of a refused login, what shows that it is not the password.
func TestOtherReason(t *testing.T) {
	mysql, mariadb := Server{Flavor: MySQL, Major: 8, Minor: 4}, Server{Flavor: MariaDB, Major: 10, Minor: 11}
	with := func(a Account, change func(*Account)) Account { change(&a); return a }
	locked := func(a *Account) { a.Attributes.Locked = true }
	requires := func(kind RequirementKind) func(*Account) {
		return func(a *Account) { a.Attributes.Requirement.Kind = kind }
	}
	factor := func(a *Account) {
		a.Factors = append(a.Factors, Factor{Plugin: "sha256_password", Verifier: stored("current")})
	}
	for _, test := range []struct {
		name         string
		on           Server
		from         string
		plain        bool
		accounts     []Account
		text, remedy string
	}{
		{"changed by hand", mysql, "10.0.0.7", false, []Account{mysqlAccount("%", "third", "")}, "", ""},
		{"with another kept", mysql, "10.0.0.7", false, []Account{mysqlAccount("%", "third", "before")}, "", ""},
		{"the pending one is set", mysql, "10.0.0.7", false, []Account{mysqlAccount("%", "pending", "")}, "", ""},
		{"the first", mysql, "10.0.0.7", false, []Account{mysqlAccount("%", "current", "")}, "the password of 'app'@'%' is the one under AWSCURRENT, so that", "what stands before the server"},
		{"the second", mysql, "10.0.0.7", false, []Account{mysqlAccount("%", "third", "current")}, "the password of 'app'@'%' is the one under AWSCURRENT", "what stands before the server"},
		{"a further factor", mysql, "10.0.0.7", false, []Account{with(mysqlAccount("%", "third", ""), factor)}, "the password of 'app'@'%' is the one", ""},
		{"MariaDB's second", mariadb, "10.0.0.7", false, []Account{mariadbAccount("%", "mysql_native_password third", "mysql_native_password current")}, "the password of 'app'@'%' is the one", ""},
		{"MariaDB's ed25519", mariadb, "10.0.0.7", false, []Account{{Name: app, Factors: []Factor{{Plugin: "ed25519", Verifier: redact.New(strings.Repeat("c", 43))}}}}, "", ""},
		{"another way in", mariadb, "localhost", false, []Account{mariadbAccount("localhost", "unix_socket", "mysql_native_password third")}, "", ""},
		{"at another host", mysql, "10.0.0.7", false, []Account{mysqlAccount("%", "third", ""), mysqlAccount("11.%", "current", "")},
			"the password of 'app'@'11.%' is the one under AWSCURRENT, and that account is not for clients at 10.0.0.7", "other accounts the same password"},
		{"at another host alone", mysql, "10.0.0.7", false, []Account{mysqlAccount("11.%", "current", "")}, "not for clients at 10.0.0.7", "create one"},
		{"no host", mysql, "10.0.0.7", false, []Account{mysqlAccount("11.%", "third", "")}, `no account of "app" is for clients at 10.0.0.7`, "create one for this client's host"},
		{"no host, by name", mysql, "ip-10-0-0-7.example", false, []Account{mysqlAccount("%.test", "third", "")}, "no account of", "create one"},
		{"a host with a name, an account for addresses", mysql, "ip-10-0-0-7.example", false, []Account{mysqlAccount("10.0.%", "third", "")}, "", ""},
		{"the nearer one by name is locked", mysql, "ip-10-0-0-7.example", false, []Account{mysqlAccount("%", "third", ""), with(mysqlAccount("ip-%", "third", ""), locked)}, "'app'@'ip-%' is locked", "UNLOCK"},
		{"this machine", mysql, "localhost", false, []Account{mysqlAccount("127.0.0.1", "third", "")}, "", ""},
		{"locked", mysql, "10.0.0.7", false, []Account{with(mysqlAccount("%", "third", ""), locked)}, "'app'@'%' is locked", "run: ALTER USER 'app'@'%' ACCOUNT UNLOCK"},
		{"locked elsewhere", mysql, "10.0.0.7", false, []Account{mysqlAccount("%", "third", ""), with(mysqlAccount("11.%", "third", ""), locked)}, "", ""},
		{"the nearer one is locked", mysql, "10.0.0.7", false, []Account{mysqlAccount("%", "third", ""), with(mysqlAccount("10.%", "third", ""), locked)}, "'app'@'10.%' is locked", "UNLOCK"},
		{"locked, with the current one", mysql, "10.0.0.7", false, []Account{with(mysqlAccount("%", "current", ""), locked)}, "is the one under AWSCURRENT, and 'app'@'%' is locked", "UNLOCK"},
		{"a certificate", mysql, "10.0.0.7", false, []Account{with(mysqlAccount("%", "third", ""), requires(RequireX509))}, "asks for more than an encrypted connection", "run: ALTER USER 'app'@'%' REQUIRE SSL"},
		{"an issuer", mysql, "10.0.0.7", false, []Account{with(mysqlAccount("%", "current", ""), requires(RequireSpecified))}, "AWSCURRENT, and 'app'@'%' asks for more", "REQUIRE SSL"},
		{"TLS", mysql, "10.0.0.7", false, []Account{with(mysqlAccount("%", "third", ""), requires(RequireSSL))}, "", ""},
		{"TLS, and there is none", mysql, "10.0.0.7", true, []Account{with(mysqlAccount("%", "third", ""), requires(RequireSSL))}, "asks for an encrypted connection", `"ssl": false`},
		{"another way in alone", mysql, "10.0.0.7", false, []Account{{Name: app, Factors: []Factor{{Plugin: "authentication_ldap_simple"}}}}, "'app'@'%' has no password", "an account with a password"},
		{"the nearer one has another way in alone", mysql, "10.0.0.7", false, []Account{mysqlAccount("%", "third", ""), {Name: Name{"app", "10.%"}, Factors: []Factor{{Plugin: "AWSAuthenticationPlugin", Verifier: redact.New("RDS")}}}},
			"'app'@'10.%' has no password", "give that one a password"},
		{"nobody's", mysql, "10.0.0.7", false, nil, "no account of", "create one"},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := SingleUser{Server: test.on, User: User{Name: "app", Accounts: test.accounts}}
			reason, err := u.OtherReason(Refusal{From: test.from, Plaintext: test.plain}, singlePasswords)
			if err != nil {
				t.Fatal(err)
			}
			if reason == nil {
				reason = new(Reason)
			}
			if !strings.Contains(reason.Text, test.text) || (reason.Text == "") != (test.text == "") || !strings.Contains(reason.Remedy, test.remedy) {
				t.Errorf("%+v, want %q and %q", reason, test.text, test.remedy)
			}
		})
	}
}

// A login that is refused as the account is blocked tells nothing of the password: what the
// accounts keep does.
func TestOtherReasonOfABlockedAccount(t *testing.T) {
	for _, test := range []struct {
		on      Server
		account Account
		want    Reason
	}{
		{mysql9, mysqlAccount("%", "third", ""), Reason{}},
		{mysql9, mysqlAccount("%", "third", "current"), Reason{"the password of 'app'@'%' is the one under AWSCURRENT, and the server blocks the account after too many failed logins", "to fix it, run: ALTER USER 'app'@'%' ACCOUNT UNLOCK"}},
		{mariadb1011, mariadbAccount("%", "mysql_native_password third"), Reason{}},
		{mariadb1011, mariadbAccount("%", "mysql_native_password current"), Reason{"the password of 'app'@'%' is the one under AWSCURRENT, and the server blocks the account after too many failed logins", "to fix it, run: FLUSH PRIVILEGES"}},
	} {
		u := SingleUser{Server: test.on, User: user("app", test.account)}
		reason, err := u.OtherReason(Refusal{From: "10.0.0.7", Blocked: true}, singlePasswords)
		if reason == nil {
			reason = new(Reason)
		}
		if err != nil || *reason != test.want {
			t.Errorf("%+v, %v, want %+v", *reason, err, test.want)
		}
	}
}

// The statement by which somebody sets the password by hand leaves the plugin, and other ways in.
func TestSetByHandOfOneAccount(t *testing.T) {
	for _, test := range []struct {
		on      Server
		account Account
		want    string
	}{
		{Server{Flavor: MySQL, Major: 8, Minor: 4}, mysqlAccount("%", "third", "before"), "ALTER USER 'app'@'%' IDENTIFIED BY " + PasswordPlaceholder},
		{mariadb1011, mariadbAccount("%", "mysql_native_password third"), "ALTER USER 'app'@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD(" + PasswordPlaceholder + ")"},
		{mariadb1011, mariadbAccount("%", "unix_socket", "mysql_native_password third", "mysql_native_password before"),
			"ALTER USER 'app'@'%' IDENTIFIED VIA unix_socket OR mysql_native_password USING PASSWORD(" + PasswordPlaceholder + ")"},
		// What the server keeps of a password is not in it, whatever the plugin is.
		{mariadb1011, mariadbAccount("%", "mysql_old_password third", "mysql_native_password before"),
			"ALTER USER 'app'@'%' IDENTIFIED VIA mysql_old_password USING <what SHOW CREATE USER prints there, in quotes> OR mysql_native_password USING PASSWORD(" + PasswordPlaceholder + ")"},
	} {
		u := SingleUser{Server: test.on, User: user("app", test.account)}
		if got := u.SetByHand(app); got != test.want {
			t.Errorf("%s, want %s", got, test.want)
		}
	}
}
