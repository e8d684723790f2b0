package e2e

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"tandem/internal/local/dbserver"
	"tandem/internal/secret"
	"tandem/internal/statement"
)

// generator draws the SQL by which an owner makes a user what it is: everything
// that "What is copied" (internal/account/README.md) names.
type generator struct {
	*rapid.T
	on *dbserver.Server
	// from is where the server sees the function come from.
	from string
	// mighty: the admin has everything. Otherwise it has what RDS's has, and so
	// have its users.
	mighty bool
	// ciphers are those of TLS that the function's connections use.
	ciphers []string
	// cover counts what was drawn that is a part of a statement.
	cover func(kind string)
}

func (g generator) mysql() bool { return g.on.Flavor == dbserver.MySQL }

func (g generator) pick(label string, of ...string) string {
	return rapid.SampledFrom(of).Draw(g.T, label)
}

// some draws between one and three of them.
func (g generator) some(label string, of ...string) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 1, min(3, len(of)), rapid.ID).Draw(g.T, label)
}

func (g generator) chance(label string, oneIn int) bool {
	// Shrinking goes towards zero, which has to be "no".
	return rapid.IntRange(0, oneIn-1).Draw(g.T, label) == oneIn-1
}

// hostile are names that break whoever cuts at words or quotes by hand.
var hostile = []string{
	"app", "a TO b", "o'brien", "a`b", `a"b`, `a\b`, "100%", "a_b", "é日", "x@y", "'@'x", "' TO 'y", "u ON *.*", ";--", "a\nb", "select",
	"IDENTIFIED BY", "WITH GRANT OPTION", "`@`%", `\'`, "''", "0x41", "a b", "public_", "PROXY ON", "/*!*/", "x#y",
}

// userName draws a name that a login can be made with.
func (g generator) userName() string {
	engine := secret.MariaDB
	if g.mysql() {
		engine = secret.MySQL
	}
	letters := []rune("ab'\"`\\%_@ .,;()-#$*/!\n\té日ÿZ")
	return rapid.OneOf(rapid.SampledFrom(hostile), rapid.StringOfN(rapid.SampledFrom(letters), 1, 12, -1)).Filter(func(name string) bool {
		return secret.CheckUsername(engine, name, 0) == nil && !secret.IsClone(name) && !slices.Contains(reservedNames, strings.ToLower(name))
	}).Draw(g.T, "user")
}

var reservedNames = []string{"root", "admin", "mysql", "public", "mariadb.sys"}

// nearHosts are hosts of the function's own address, as the server sees it: one
// of the first has to be there, and such an account has to let the function in.
func nearHosts(from string) []string {
	network, _, _ := strings.Cut(from, ".")
	last := strings.LastIndex(from, ".") + 1
	return []string{"%", from, network + ".%", network + ".0.0.0/255.0.0.0", from[:last] + strings.Repeat("_", len(from)-last), "localhost"}
}

var farHosts = []string{"10.%", "10.0.0.0/255.0.0.0", "192.168.1.7", "::1", "fe80::%", "a_b.example", "%.example.com"}

// hostPool are the far hosts, and the near ones where asked for.
func (g generator) hostPool(near bool) []string {
	pool := slices.Clone(farHosts)
	if !g.mysql() {
		pool = append(pool, `a\_b.example`) // MySQL cannot alter such an account
	}
	if near {
		pool = append(pool, nearHosts(g.from)...)
	}
	return pool
}

func (g generator) isNear(host string) bool { return slices.Contains(nearHosts(g.from), host) }

// password is a clause that gives an account a password, or at a far host something else.
func (g generator) password(near bool, password string) string {
	if g.chance("plugin", 3) {
		c := g.identified(near, password)
		g.cover(c.kind)
		return c.sql
	}
	return " IDENTIFIED BY " + statement.Literal(password)
}

// Expiries that not every account takes.
const (
	byPolicy = "INTERVAL 30 DAY"
	byHand   = "now"
)

// attributes draws the clauses of CREATE USER and ALTER USER. Where near, the
// account still lets in a client without a certificate, many times an hour.
// expiries are what may be drawn for PASSWORD EXPIRE besides what every account takes.
func (g generator) attributes(near bool, expiries ...string) string {
	var out strings.Builder
	add := func(format string, arguments ...any) { fmt.Fprintf(&out, " "+format, arguments...) }
	text := func(label string) string {
		if g.mysql() && g.chance("outside the BMP", 4) {
			return statement.Literal(g.pick(label, "/CN=😀?", "😀' CIPHER '😁", "/O=??😀??")) // MariaDB writes no such text
		}
		return statement.Literal(g.pick(label, "/CN=x", "a b", `/O=a"b`, "p WITH q", "/CN=O'Brien", `a\b`, "a''b", "x' y", "/CN=日", "x' CIPHER 'y"))
	}
	switch kind := g.pick("require", "", "SSL", "NONE", "CIPHER", "X509", "SUBJECT", "ISSUER", "ISSUER AND CIPHER", "all"); {
	case kind == "":
	case kind == "CIPHER" && near && !g.mysql(): // MySQL wants a certificate with it
		add("REQUIRE CIPHER %s", statement.Literal(g.pick("cipher", g.ciphers...)))
	case near || kind == "SSL" || kind == "NONE" || kind == "X509":
		if near && kind != "NONE" {
			kind = "SSL"
		}
		add("REQUIRE %s", kind)
	case kind == "ISSUER AND CIPHER":
		add("REQUIRE ISSUER %s AND CIPHER 'ECDHE-RSA-AES128-GCM-SHA256'", text("issuer"))
	case kind == "all":
		add("REQUIRE SUBJECT %s AND ISSUER %s AND CIPHER 'AES128-SHA'", text("subject"), text("issuer"))
	default:
		add("REQUIRE %s %s", kind, text("text"))
	}
	if g.chance("limits", 3) {
		number := rapid.IntRange(0, 9)
		if near {
			number = rapid.SampledFrom([]int{0, 1_000_000, 2_000_000})
		}
		clauses := []string{"MAX_QUERIES_PER_HOUR", "MAX_UPDATES_PER_HOUR", "MAX_CONNECTIONS_PER_HOUR", "MAX_USER_CONNECTIONS"}
		if !g.mysql() {
			clauses = append(clauses, "MAX_STATEMENT_TIME")
		}
		add("WITH")
		for _, clause := range g.some("clauses", clauses...) {
			value := fmt.Sprint(number.Draw(g.T, clause))
			switch {
			case clause == "MAX_STATEMENT_TIME":
				value = g.pick("seconds", "0", "100.5", "300.000001", "1000.05")
			case clause == "MAX_USER_CONNECTIONS" && near:
				value = g.pick("connections", "0", "50", "60")
			case clause == "MAX_USER_CONNECTIONS" && !g.mysql() && g.chance("negative", 3):
				value = "-1"
			}
			add("%s %s", clause, value)
		}
	}
	lock := func() {
		if !near && g.chance("lock", 3) {
			add("ACCOUNT LOCK")
		}
	}
	if !g.mysql() {
		lock()
	}
	switch policy := g.pick("expiry", append([]string{"", "NEVER", "DEFAULT"}, expiries...)...); policy {
	case "":
	case byHand:
		add("PASSWORD EXPIRE")
	default:
		add("PASSWORD EXPIRE %s", policy)
	}
	if !g.mysql() {
		return out.String()
	}
	lock()
	for _, setting := range []struct {
		clause string
		values []string
	}{
		{"PASSWORD HISTORY ", []string{"DEFAULT", "0", "4"}},
		{"PASSWORD REUSE INTERVAL ", []string{"DEFAULT", "0 DAY", "4 DAY"}},
		{"PASSWORD REQUIRE CURRENT", []string{"", " DEFAULT", " OPTIONAL"}},
		{"FAILED_LOGIN_ATTEMPTS ", []string{"0", "2", "4"}},
		{"PASSWORD_LOCK_TIME ", []string{"0", "2", "UNBOUNDED"}},
	} {
		if g.chance(setting.clause, 4) {
			add("%s%s", setting.clause, g.pick("value", setting.values...))
		}
	}
	switch g.pick("description", "", "", "ATTRIBUTE", "COMMENT") {
	case "ATTRIBUTE":
		add("ATTRIBUTE %s", statement.Literal(g.pick("attribute", `{}`, `{"a":1}`, `{"a":{"b":2,"c":"x'y\\n\"é"}}`, `{"a":{"c":[1,null]},"d":1.5}`, `{"a":null}`, `{"big":12345678901234567890}`, `{"k😀":1,"k😁":"????","k????":"😀"}`)))
	case "COMMENT":
		add("COMMENT %s", statement.Literal(g.pick("comment", "it's", `x\y`, "", "😀?")))
	}
	return out.String()
}

// The playground: what privileges are granted on. Each run makes it once for a
// server; "gone" is dropped now and then, while privileges on it are held.
const ground = "tandem_p"

var (
	groundDatabases = []string{ground, `tandem\_p`, "tandem%", ground + "_nix", ground + "`q", ground + "'e", ground + " TO"}
	groundTables    = []struct {
		name    string
		columns []string
		view    bool
	}{
		{ground + ".t", []string{"a", "b", "`c``x`"}, false},
		{ground + ".`we'ird ``t\\x`", []string{"a", "`d,e`"}, false},
		{ground + ".v", []string{"a"}, true},
		{"`" + ground + "'e`.t", []string{"a", "b"}, false},
		{ground + ".gone", []string{"a", "gone"}, false},
	}
)

// restrictable are the databases on which a partial revoke may stand.
func (g generator) restrictable() []string {
	if g.mysql() {
		return groundDatabases
	}
	return nil
}

func (g generator) groundRoutines() []string {
	routines := []string{"PROCEDURE " + ground + ".p", "FUNCTION " + ground + ".f", "PROCEDURE " + ground + ".`P q`", "PROCEDURE " + ground + ".gone"}
	if g.mysql() {
		return append(routines, "LIBRARY "+ground+".lib")
	}
	return append(routines, "PACKAGE "+ground+".pk", "PACKAGE BODY "+ground+".pk")
}

// Privileges by level, as GRANT takes them.
func (g generator) globalPrivileges() []string {
	list := []string{
		"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "RELOAD", "PROCESS", "SHOW DATABASES", "CREATE TEMPORARY TABLES", "EXECUTE",
		"REPLICATION SLAVE", "CREATE USER", "EVENT", "TRIGGER", "REPLICATION CLIENT",
	}
	if g.mysql() {
		list = append(list, "CREATE ROLE", "DROP ROLE")
	} else {
		list = append(list, "DELETE HISTORY")
	}
	if g.mighty {
		list = append(list, "SUPER", "FILE", "SHUTDOWN", "CREATE TABLESPACE")
		if !g.mysql() {
			list = append(list, "BINLOG ADMIN", "READ_ONLY ADMIN", "BINLOG MONITOR", "SLAVE MONITOR", "CONNECTION ADMIN")
		}
	}
	return list
}

func (g generator) dynamicPrivileges() []string {
	list := []string{"APPLICATION_PASSWORD_ADMIN", "ROLE_ADMIN", "XA_RECOVER_ADMIN", "SESSION_VARIABLES_ADMIN", "SHOW_ROUTINE"}
	if g.mighty {
		list = append(list, "BACKUP_ADMIN", "BINLOG_ADMIN", "CONNECTION_ADMIN", "SYSTEM_USER")
	}
	return list
}

var (
	databasePrivileges = []string{"SELECT", "INSERT", "UPDATE", "CREATE", "LOCK TABLES", "EVENT", "TRIGGER", "EXECUTE", "CREATE ROUTINE", "USAGE", "ALL"}
	tablePrivileges    = []string{"SELECT", "INSERT", "CREATE", "UPDATE", "REFERENCES", "TRIGGER", "USAGE", "ALL"}
)

// list writes privileges, of which ALL stands alone.
func list(privileges []string) string {
	if slices.Contains(privileges, "ALL") {
		return "ALL"
	}
	return strings.Join(privileges, ", ")
}

// change is a statement about an account, and the word of the documents that it stands for.
type change struct{ kind, sql string }

// grant draws a GRANT or a REVOKE. at is the account, quoted.
func (g generator) grant(at string) change {
	option := g.pick("option", "", "", " WITH GRANT OPTION")
	kinds := []string{"database", "global", "table", "column", "routine", "database", "table", "column"}
	if g.mighty {
		kinds = append(kinds, "proxy", "all")
	}
	if g.mysql() {
		kinds = append(kinds, "dynamic")
	}
	revokes := []string{"revoke", "revoke"}
	if g.mysql() {
		revokes = append(revokes, "partial")
	}
	kind := g.pick("kind", append(kinds, revokes...)...)
	if kind == "partial" { // it is one if the account has the privileges globally, and partial_revokes is on
		what := g.pick("privileges", "SELECT", "INSERT", "GRANT OPTION", "SELECT, INSERT", "INSERT, GRANT OPTION") + " ON " + statement.Identifier(g.pick("database", groundDatabases[:3]...)) + ".*"
		return change{"revoke", "REVOKE " + what + " FROM " + at}
	}
	if kind != "revoke" {
		what := g.object(kind, true)
		if strings.Contains(what, " ON PACKAGE ") || strings.Contains(what, " ON LIBRARY ") {
			kind = "package or library"
		}
		return change{kind + option, packaged("GRANT " + what + " TO " + at + option)}
	}
	kinds = append(kinds, "option")
	what := g.object(g.pick("of", kinds...), false)
	return change{"revoke", packaged("REVOKE " + what + " FROM " + at)}
}

// packaged makes a statement about a package one that older MariaDBs read too.
func packaged(text string) string {
	if !strings.Contains(text, " ON PACKAGE ") {
		return text
	}
	return "SET STATEMENT sql_mode = 'ORACLE' FOR EXECUTE IMMEDIATE " + statement.Literal(text)
}

// object draws privileges and what they are on.
func (g generator) object(kind string, grant bool) string {
	switch kind {
	case "global":
		return list(g.some("privileges", g.globalPrivileges()...)) + " ON *.*"
	case "all":
		return "ALL ON *.*"
	case "dynamic":
		return list(g.some("privileges", g.dynamicPrivileges()...)) + " ON *.*"
	case "option":
		return "GRANT OPTION ON " + g.pick("on", "*.*", statement.Identifier(ground)+".*", ground+".t")
	case "database":
		return list(g.some("privileges", databasePrivileges...)) + " ON " + statement.Identifier(g.pick("database", groundDatabases...)) + ".*"
	case "routine":
		routine := g.pick("routine", g.groundRoutines()...)
		privileges := []string{"EXECUTE", "ALTER ROUTINE", "ALL"}
		if strings.HasPrefix(routine, "LIBRARY") {
			privileges = []string{"EXECUTE", "ALL"}
		}
		return list(g.some("privileges", privileges...)) + " ON " + routine
	case "proxy":
		return "PROXY ON " + g.pick("proxied", "'tandem_x'@'%'", `'tandem''x\\y'@'10.%'`, "''@''", "'tandem_x'@'localhost'")
	}
	table := rapid.SampledFrom(groundTables).Draw(g.T, "table")
	if kind == "table" {
		privileges := g.some("privileges", tablePrivileges...)
		return list(privileges) + " ON " + table.name
	}
	var parts []string
	for _, privilege := range g.some("privileges", "SELECT", "INSERT", "UPDATE", "REFERENCES") {
		parts = append(parts, privilege+" ("+strings.Join(g.some("columns", table.columns...), ", ")+")")
	}
	if grant && !table.view && g.chance("and the table", 4) {
		parts = append(parts, g.pick("privilege", "SELECT", "DELETE"))
	}
	return strings.Join(parts, ", ") + " ON " + table.name
}
