package rotation_test

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"tandem/internal/account"
	"tandem/internal/redact"
	"tandem/internal/rotation"
)

// dialect is how a server prints accounts, and which statements it is sent: a
// verifier on MariaDB, a password on MySQL. A universe has one of them.
type dialect struct {
	server account.Server
	// create begins what SHOW CREATE USER prints, usage is the first row of SHOW
	// GRANTS, given the account's name and its verifiers.
	create, usage func(name, verifier, second string) string
	locked, open  string // what SHOW CREATE USER ends in
	// created and altered are the clauses that set a password, with what it is set to.
	created, altered string
	// verifier is what the server stores of what altered sets.
	verifier func(sent string) string
}

var mariaDB = &dialect{
	server: mustServer("10.11.8-MariaDB"),
	create: func(name, verifier, second string) string {
		return "CREATE USER " + name + identifiedMariaDB(verifier, second)
	},
	locked: " ACCOUNT LOCK",
	usage: func(name, verifier, second string) string {
		return "GRANT USAGE ON *.* TO " + name + identifiedMariaDB(verifier, second)
	},
	created:  " IDENTIFIED VIA `mysql_native_password` USING '([^']*)'",
	altered:  " IDENTIFIED VIA `mysql_native_password` USING '([^']*)'(?: OR `mysql_native_password` USING '([^']*)')?",
	verifier: func(sent string) string { return sent },
}

func identifiedMariaDB(verifier, second string) string {
	if second == "" {
		return " IDENTIFIED BY PASSWORD '" + verifier + "'"
	}
	return " IDENTIFIED VIA mysql_native_password USING '" + verifier + "' OR mysql_native_password USING '" + second + "'"
}

var mySQL = &dialect{
	server: mustServer("8.0.43"),
	create: func(name, verifier, _ string) string {
		return "CREATE USER " + name + " IDENTIFIED WITH 'mysql_native_password' AS '" + verifier + "' REQUIRE NONE PASSWORD EXPIRE DEFAULT"
	},
	locked:   " ACCOUNT LOCK" + mySQLDefaults,
	open:     " ACCOUNT UNLOCK" + mySQLDefaults,
	usage:    func(name, _, _ string) string { return "GRANT USAGE ON *.* TO " + name },
	created:  " IDENTIFIED WITH 'mysql_native_password' AS '([^']*)'",
	altered:  " IDENTIFIED (?:WITH 'mysql_native_password' )?BY '([^']*)'( REPLACE '[^']*')?( RETAIN CURRENT PASSWORD)?",
	verifier: nativeVerifier,
}

// mySQLBefore is a MySQL that keeps one password of an account.
var mySQLBefore = func() *dialect {
	before := *mySQL
	before.server = mustServer("8.0.13")
	return &before
}()

// ed25519 is a MariaDB whose accounts authenticate with ed25519, of which an account has
// one password.
var ed25519 = &dialect{
	server: mariaDB.server,
	create: func(name, verifier, _ string) string {
		return "CREATE USER " + name + " IDENTIFIED VIA ed25519 USING '" + verifier + "'"
	},
	locked: mariaDB.locked,
	usage: func(name, verifier, _ string) string {
		return "GRANT USAGE ON *.* TO " + name + " IDENTIFIED VIA ed25519 USING '" + verifier + "'"
	},
	created:  " IDENTIFIED VIA `ed25519` USING '([^']*)'",
	altered:  " IDENTIFIED VIA `ed25519` USING '([^']*)'( OR nothing)?",
	verifier: mariaDB.verifier,
}

// keepsTwo reports whether the server keeps two passwords of an account.
func (d *dialect) keepsTwo() bool { return d != mySQLBefore && d != ed25519 }

// stores is what the server keeps of a password.
func (d *dialect) stores(password string) string {
	if d == ed25519 {
		return verifierOf("ed25519", password)
	}
	return nativeVerifier(password)
}

var dialects = []*dialect{mariaDB, mySQL, mySQLBefore, ed25519}

const mySQLDefaults = " PASSWORD HISTORY DEFAULT PASSWORD REUSE INTERVAL DEFAULT PASSWORD REQUIRE CURRENT DEFAULT"

func mustServer(version string) account.Server {
	server, err := account.ParseServer(version, "")
	if err != nil {
		panic(err)
	}
	return server
}

func (d *dialect) String() string {
	switch d {
	case mySQLBefore:
		return d.server.String()
	case ed25519:
		return "MariaDB with ed25519"
	}
	return string(d.server.Flavor)
}

// rows prints an account.
func (d *dialect) rows(a worldAccount) account.Rows {
	name := "`" + a.name.User + "`@`" + a.name.Host + "`"
	state := d.open
	if a.locked {
		state = d.locked
	}
	rows := account.Rows{
		CreateUser: []redact.Secret{redact.New(d.create(name, a.verifier, a.second) + state)},
		Grants:     []redact.Secret{redact.New(d.usage(name, a.verifier, a.second))},
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
	dropPattern    = regexp.MustCompile("^DROP USER " + accountPattern + "$")
	grantPattern   = regexp.MustCompile("^(GRANT|REVOKE) ([A-Z, ]+) ON (`[^`]*`\\.\\*) (?:TO|FROM) " + accountPattern + "$")
	alterPattern   = regexp.MustCompile("^ALTER USER (.*?)( ACCOUNT LOCK| ACCOUNT UNLOCK)?$")
	discardPattern = regexp.MustCompile("^" + accountPattern + " DISCARD OLD PASSWORD$")

	createPatterns, alteredPatterns = map[*dialect]*regexp.Regexp{}, map[*dialect]*regexp.Regexp{}
)

func init() {
	for _, d := range dialects {
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
	var altered []alteration
	var users []string
	for _, part := range strings.Split(m[1], ", ") {
		one := d.alteration(part)
		if one.name.User == "" {
			panic("an ALTER USER that this world does not know: " + sql)
		}
		altered = append(altered, one)
		users = append(users, one.name.User)
	}
	return change{users, func(u *modelState) error {
		for _, o := range altered {
			a := u.account(o.name)
			if a == nil {
				return errNoSuchAccount
			}
			if o.replaces != "" && a.verifier != o.replaces {
				return replacesAnother{errors.New("error 3891: incorrect current password")}
			}
		}
		for _, o := range altered {
			a := u.account(o.name)
			o.apply(a)
			if m[2] != "" {
				a.locked = m[2] == " ACCOUNT LOCK"
			}
		}
		return nil
	}}
}

// alteration is what an ALTER USER says of the passwords of one account.
type alteration struct {
	name account.Name
	// verifier is what the password becomes, unless empty; second what the second factor
	// becomes (MariaDB, which has none then where it is empty); replaces is what REPLACE
	// names.
	verifier, second, replaces string
	factors, retains, discards bool
}

func (d *dialect) alteration(part string) (o alteration) {
	if p := discardPattern.FindStringSubmatch(part); p != nil {
		return alteration{name: account.Name{User: p[1], Host: p[2]}, discards: true}
	}
	p := alteredPatterns[d].FindStringSubmatch(part)
	if p == nil {
		return o
	}
	o.name = account.Name{User: p[1], Host: p[2]}
	switch {
	case p[3] == "":
	case d.server.Flavor == account.MariaDB:
		o.verifier, o.second, o.factors = p[3], p[4], true
	default:
		o.verifier, o.retains = d.verifier(p[3]), p[5] != ""
		if _, replaced, ok := strings.Cut(p[4], "'"); ok {
			o.replaces = d.verifier(strings.TrimSuffix(replaced, "'"))
		}
	}
	return o
}

// apply is what the server does: MySQL keeps the second password, unless it is told
// otherwise; MariaDB has the factors that were named, and no others.
func (o alteration) apply(a *worldAccount) {
	switch {
	case o.discards:
		a.second = ""
	case o.verifier == "":
	case o.factors:
		a.verifier, a.second = o.verifier, o.second
	case o.retains:
		a.verifier, a.second = o.verifier, a.verifier
	default:
		a.verifier = o.verifier
	}
}

// replacesAnother is the answer to a REPLACE of another password than the account's first.
type replacesAnother struct{ error }

func (replacesAnother) Is(target error) bool { return target == rotation.ErrReplacedPassword }

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
