package rotation_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"tandem/internal/account"
	"tandem/internal/redact"
)

// dialect is how a server prints accounts, and which statements it is sent: a
// verifier on MariaDB, a password on MySQL. A universe has one of them.
type dialect struct {
	server account.Server
	// create begins what SHOW CREATE USER prints, usage is the first row of SHOW
	// GRANTS, given the account's name and its verifier.
	create, usage func(name, verifier string) string
	locked, open  string // what SHOW CREATE USER ends in
	// created and altered are the clauses that set a password, with what it is set to.
	created, altered string
	// verifier is what the server stores of what altered sets.
	verifier func(sent string) string
}

var mariaDB = &dialect{
	server: mustServer("10.11.8-MariaDB"),
	create: func(name, verifier string) string {
		return "CREATE USER " + name + " IDENTIFIED BY PASSWORD '" + verifier + "'"
	},
	locked: " ACCOUNT LOCK",
	usage: func(name, verifier string) string {
		return "GRANT USAGE ON *.* TO " + name + " IDENTIFIED BY PASSWORD '" + verifier + "'"
	},
	created:  " IDENTIFIED VIA `mysql_native_password` USING '([^']*)'",
	altered:  " IDENTIFIED VIA `mysql_native_password` USING '([^']*)'",
	verifier: func(sent string) string { return sent },
}

var mySQL = &dialect{
	server: mustServer("8.0.43"),
	create: func(name, verifier string) string {
		return "CREATE USER " + name + " IDENTIFIED WITH 'mysql_native_password' AS '" + verifier + "' REQUIRE NONE PASSWORD EXPIRE DEFAULT"
	},
	locked:   " ACCOUNT LOCK" + mySQLDefaults,
	open:     " ACCOUNT UNLOCK" + mySQLDefaults,
	usage:    func(name, _ string) string { return "GRANT USAGE ON *.* TO " + name },
	created:  " IDENTIFIED WITH 'mysql_native_password' AS '([^']*)'",
	altered:  " IDENTIFIED WITH 'mysql_native_password' BY '([^']*)'",
	verifier: nativeVerifier,
}

const mySQLDefaults = " PASSWORD HISTORY DEFAULT PASSWORD REUSE INTERVAL DEFAULT PASSWORD REQUIRE CURRENT DEFAULT"

func mustServer(version string) account.Server {
	server, err := account.ParseServer(version, "")
	if err != nil {
		panic(err)
	}
	return server
}

func (d *dialect) String() string { return string(d.server.Flavor) }

// rows prints an account.
func (d *dialect) rows(a worldAccount) account.Rows {
	name := "`" + a.name.User + "`@`" + a.name.Host + "`"
	state := d.open
	if a.locked {
		state = d.locked
	}
	rows := account.Rows{
		CreateUser: []redact.Secret{redact.New(d.create(name, a.verifier) + state)},
		Grants:     []redact.Secret{redact.New(d.usage(name, a.verifier))},
	}
	byObject := map[string][]string{}
	for _, p := range a.privileges {
		privilege, object, _ := strings.Cut(p, " ON ")
		byObject[object] = append(byObject[object], privilege)
	}
	for _, object := range slices.Sorted(maps.Keys(byObject)) {
		rows.Grants = append(rows.Grants, redact.New("GRANT "+strings.Join(byObject[object], ", ")+" ON "+object+" TO "+name))
	}
	return rows
}

// change is a statement, understood.
type change struct {
	users []string // whose accounts it changes
	apply func(u *modelState) error
}

const accountPattern = `'([^']*)'@'([^']*)'`

var (
	dropPattern  = regexp.MustCompile("^DROP USER " + accountPattern + "$")
	grantPattern = regexp.MustCompile("^(GRANT|REVOKE) ([A-Z, ]+) ON (`[^`]*`\\.\\*) (?:TO|FROM) " + accountPattern + "$")
	alterPattern = regexp.MustCompile("^ALTER USER (.*?)( ACCOUNT LOCK| ACCOUNT UNLOCK)?$")

	createPatterns, alteredPatterns = map[*dialect]*regexp.Regexp{}, map[*dialect]*regexp.Regexp{}
)

func init() {
	for _, d := range []*dialect{mariaDB, mySQL} {
		createPatterns[d] = regexp.MustCompile("^CREATE USER " + accountPattern + d.created + "( ACCOUNT LOCK)?$")
		alteredPatterns[d] = regexp.MustCompile("^" + accountPattern + "(?:" + d.altered + ")?$")
	}
}

// interpret reads the statements that internal/account writes for this pair. What
// it does not know is a defect of this test, and not an answer of a server.
func (d *dialect) interpret(sql string) change {
	if m := createPatterns[d].FindStringSubmatch(sql); m != nil {
		return change{[]string{m[1]}, func(u *modelState) error {
			name := account.Name{User: m[1], Host: m[2]}
			if u.account(name) != nil {
				return errNoSuchAccount
			}
			u.accounts = append(u.accounts, worldAccount{name: name, verifier: m[3], locked: m[4] != ""})
			slices.SortFunc(u.accounts, func(a, b worldAccount) int { return strings.Compare(a.name.String(), b.name.String()) })
			return nil
		}}
	}
	if m := dropPattern.FindStringSubmatch(sql); m != nil {
		return change{[]string{m[1]}, func(u *modelState) error {
			before := len(u.accounts)
			u.accounts = slices.DeleteFunc(u.accounts, func(a worldAccount) bool { return a.name == account.Name{User: m[1], Host: m[2]} })
			if len(u.accounts) == before {
				return errNoSuchAccount
			}
			return nil
		}}
	}
	if m := grantPattern.FindStringSubmatch(sql); m != nil {
		return change{[]string{m[4]}, func(u *modelState) error {
			return u.grant(m[1] == "GRANT", m[2], m[3], account.Name{User: m[4], Host: m[5]})
		}}
	}
	m := alterPattern.FindStringSubmatch(sql)
	if m == nil {
		panic("a statement that this world does not know: " + sql)
	}
	type one struct {
		name     account.Name
		verifier string
	}
	var altered []one
	var users []string
	for _, part := range strings.Split(m[1], ", ") {
		p := alteredPatterns[d].FindStringSubmatch(part)
		if p == nil {
			panic("an ALTER USER that this world does not know: " + sql)
		}
		o := one{name: account.Name{User: p[1], Host: p[2]}}
		if p[3] != "" {
			o.verifier = d.verifier(p[3])
		}
		altered = append(altered, o)
		users = append(users, p[1])
	}
	return change{users, func(u *modelState) error {
		for _, o := range altered {
			if u.account(o.name) == nil {
				return errNoSuchAccount
			}
		}
		for _, o := range altered {
			a := u.account(o.name)
			if o.verifier != "" {
				a.verifier = o.verifier
			}
			if m[2] != "" {
				a.locked = m[2] == " ACCOUNT LOCK"
			}
		}
		return nil
	}}
}

func (u *modelState) grant(grant bool, privileges, object string, to account.Name) error {
	a := u.account(to)
	if a == nil {
		return errNoSuchAccount
	}
	changed := slices.Clone(a.privileges)
	for _, privilege := range strings.Split(privileges, ", ") {
		one := privilege + " ON " + object
		changed = slices.DeleteFunc(changed, func(p string) bool { return p == one })
		if grant {
			changed = append(changed, one)
		}
	}
	slices.Sort(changed)
	a.privileges = changed
	return nil
}
