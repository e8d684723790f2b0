package account

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tandem/internal/redact"
	"tandem/internal/statement"
)

// print writes an account's rows as a server would.
func print(server Server, account Account) Rows {
	quote := statement.Identifier
	name := func(n Name) string {
		if n.Host == "" && server.Flavor == MariaDB {
			return quote(n.User)
		}
		return quote(n.User) + "@" + quote(n.Host)
	}
	own := quote(account.Name.User) + "@" + quote(account.Name.Host)
	var identified []string
	for _, factor := range account.Factors {
		word := " IDENTIFIED VIA "
		if server.Flavor == MySQL {
			word = " IDENTIFIED WITH "
		}
		if len(identified) > 0 && server.Flavor == MySQL {
			word = " AND" + word
		} else if len(identified) > 0 {
			word = " OR "
		}
		if factor.Initial {
			word = " INITIAL AUTHENTICATION IDENTIFIED WITH "
		}
		text := word + statement.Literal(factor.Plugin)
		if !factor.Verifier.Empty() && server.Flavor == MySQL {
			text += " AS 0x" + hex.EncodeToString([]byte(factor.Verifier.Reveal()))
		} else if !factor.Verifier.Empty() {
			text += " USING " + statement.Literal(factor.Verifier.Reveal())
		}
		identified = append(identified, text)
	}

	a := account.Attributes
	var require string
	switch a.Requirement.Kind {
	case RequireNone:
		if server.Flavor == MySQL {
			require = " REQUIRE NONE"
		}
	case RequireSpecified:
		require = " REQUIRE"
		for _, part := range []struct{ word, text string }{{"ISSUER", a.Requirement.Issuer}, {"SUBJECT", a.Requirement.Subject}, {"CIPHER", a.Requirement.Cipher}} {
			if part.text != "" && escapesRequirements(server) {
				require += " " + part.word + " " + statement.Literal(part.text)
			} else if part.text != "" {
				require += " " + part.word + " '" + part.text + "'"
			}
		}
	default:
		require = " REQUIRE " + string(a.Requirement.Kind)
	}
	limits := func(first string) string {
		out := first
		add := func(word string, n int64) {
			if n != 0 {
				out += fmt.Sprintf(" %s %d", word, n)
			}
		}
		if a.Limits.QueriesPerHour != 0 {
			out += fmt.Sprintf(" MAX_QUERIES_PER_HOUR %d", a.Limits.QueriesPerHour)
		}
		if a.Limits.UpdatesPerHour != 0 {
			out += fmt.Sprintf(" MAX_UPDATES_PER_HOUR %d", a.Limits.UpdatesPerHour)
		}
		if a.Limits.ConnectionsPerHour != 0 {
			out += fmt.Sprintf(" MAX_CONNECTIONS_PER_HOUR %d", a.Limits.ConnectionsPerHour)
		}
		add("MAX_USER_CONNECTIONS", a.Limits.UserConnections)
		if micros := a.Limits.StatementTime; micros != 0 {
			out += fmt.Sprintf(" MAX_STATEMENT_TIME %d.%06d", micros/1e6, micros%1e6)
		}
		if out != "" {
			return " WITH" + out
		}
		return ""
	}
	policy := map[ExpiryKind]string{ExpireDefault: " PASSWORD EXPIRE DEFAULT", ExpireNever: " PASSWORD EXPIRE NEVER", ExpireInterval: fmt.Sprintf(" PASSWORD EXPIRE INTERVAL %d DAY", a.Expiry.Days)}[a.Expiry.Kind]
	lock := " ACCOUNT UNLOCK"
	if a.Locked {
		lock = " ACCOUNT LOCK"
	}
	setting := func(s Setting, unit string) string {
		if !s.Own {
			return "DEFAULT"
		}
		return fmt.Sprint(s.Value) + unit
	}

	create := "CREATE USER " + own + strings.Join(identified, "")
	var rows Rows
	if server.Flavor == MySQL {
		for i, role := range account.Grants.DefaultRoles {
			create += map[bool]string{true: " DEFAULT ROLE ", false: ","}[i == 0] + name(role)
		}
		if account.Expired {
			policy = " PASSWORD EXPIRE"
		}
		create += require + limits("") + policy + lock +
			" PASSWORD HISTORY " + setting(a.History, "") + " PASSWORD REUSE INTERVAL " + setting(a.ReuseInterval, " DAY") +
			map[RequireCurrent]string{RequireCurrentDefault: " PASSWORD REQUIRE CURRENT DEFAULT", RequireCurrentYes: " PASSWORD REQUIRE CURRENT", RequireCurrentOptional: " PASSWORD REQUIRE CURRENT OPTIONAL"}[a.RequireCurrent]
		if a.FailedLoginAttempts != 0 {
			create += fmt.Sprintf(" FAILED_LOGIN_ATTEMPTS %d", a.FailedLoginAttempts)
		}
		if a.LockTime == Unbounded {
			create += " PASSWORD_LOCK_TIME UNBOUNDED"
		} else if a.LockTime != 0 {
			create += fmt.Sprintf(" PASSWORD_LOCK_TIME %d", a.LockTime)
		}
		if a.Attribute != "" {
			create += " ATTRIBUTE " + statement.Literal(a.Attribute)
		}
	} else {
		create += require + limits("")
		if a.Locked {
			create += lock
		}
		if account.Expired {
			create += " PASSWORD EXPIRE"
			rows.CreateUser = append(rows.CreateUser, redact.New("ALTER USER "+own+policy))
		} else if a.Expiry.Kind != ExpireDefault {
			create += policy
		}
	}
	rows.CreateUser = append([]redact.Secret{redact.New(create)}, rows.CreateUser...)

	add := func(text string) { rows.Grants = append(rows.Grants, redact.New(text)) }
	for _, grant := range account.Grants.Objects {
		var list []string
		list = append(list, grant.Privileges...)
		for _, column := range grant.Columns {
			list = append(list, column.Privilege+" ("+quote(column.Name)+")")
		}
		if len(list) == 0 {
			list = []string{"USAGE"}
		}
		on := map[Level]string{
			LevelGlobal: "*.*", LevelDatabase: quote(grant.Object.Database) + ".*", LevelTable: quote(grant.Object.Database) + "." + quote(grant.Object.Name),
			LevelRoutine: grant.Object.Type + " " + quote(grant.Object.Database) + "." + quote(grant.Object.Name), LevelProxy: name(grant.Object.Proxied),
		}[grant.Object.Level]
		if grant.Object.Level == LevelProxy {
			list = []string{"PROXY"}
		}
		text := "GRANT " + strings.Join(list, ", ") + " ON " + on + " TO " + own
		option := ""
		if grant.Grantable {
			option = " GRANT OPTION"
		}
		if grant.Object.Level == LevelGlobal && server.Flavor == MariaDB {
			text += strings.Join(identified, "") + require + limits(option)
		} else if grant.Grantable {
			text += " WITH" + option
		}
		add(text)
	}
	for _, dynamic := range account.Grants.Dynamic {
		text := "GRANT " + dynamic.Privilege + " ON *.* TO " + own
		if dynamic.Grantable {
			text += " WITH GRANT OPTION"
		}
		add(text)
	}
	for _, restriction := range account.Grants.Restrictions {
		list := strings.Join(restriction.Privileges, ", ")
		if list == GrantOption {
			list = ""
		}
		add("REVOKE " + list + " ON " + quote(restriction.Database) + ".* FROM " + own)
	}
	for _, role := range account.Grants.Roles {
		text := "GRANT " + name(role.Name) + " TO " + own
		if role.Admin {
			text += " WITH ADMIN OPTION"
		}
		add(text)
	}
	if server.Flavor == MariaDB {
		for _, role := range account.Grants.DefaultRoles {
			add("SET DEFAULT ROLE " + name(role) + " FOR " + own)
		}
	}
	return rows
}

// What is understood means the same when it is printed and parsed again.
func FuzzParse(f *testing.F) {
	for _, path := range []string{"testdata/manual.rows", "testdata/mysql-9.7.rows", "testdata/mariadb-10.11.rows", "testdata/mariadb-11.8.rows"} {
		for _, r := range readRows(f, path) {
			var grants []string
			for _, row := range r.rows.Grants {
				grants = append(grants, row.Reveal())
			}
			f.Add(r.server.Flavor == MariaDB, r.name.User, r.name.Host, r.rows.CreateUser[0].Reveal(), strings.Join(grants, "\n"))
		}
	}
	f.Fuzz(func(t *testing.T, mariadb bool, user, host, create, grants string) {
		server := Server{Flavor: MySQL, Major: 9, Minor: 7}
		if mariadb {
			server = Server{Flavor: MariaDB, Major: 10, Minor: 11, Patch: 19}
		}
		rows := Rows{CreateUser: []redact.Secret{redact.New(create)}}
		for _, row := range strings.Split(grants, "\n") {
			rows.Grants = append(rows.Grants, redact.New(row))
		}
		account, err := Parse(server, Name{user, host}, rows)
		if err != nil {
			return
		}
		r := account.Attributes.Requirement
		if strings.ContainsAny(r.Subject+r.Issuer+r.Cipher, `'\`) || !utf8.ValidString(user+host) || user == "" || host == "" {
			return // printed without escapes, such a text can become ambiguous
		}
		again, err := Parse(server, account.Name, print(server, account))
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, create, grants)
		}
		if diff := cmp.Diff(account, again, secrets, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("it changes when it is printed and parsed again:\n%s", diff)
		}
	})
}
