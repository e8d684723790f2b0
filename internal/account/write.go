package account

import (
	"strings"

	"tandem/internal/statement"
)

// writeObject writes what follows ON.
func writeObject(b *statement.Builder, object Object) {
	switch object.Level {
	case LevelGlobal:
		b.SQL("*.*")
	case LevelDatabase:
		b.Identifier(object.Database).SQL(".*")
	case LevelRoutine:
		b.Keyword(object.Type).SQL(" ").Identifier(object.Database).SQL(".").Identifier(object.Name)
	case LevelProxy:
		b.Account(object.Proxied.User, object.Proxied.Host)
	default:
		b.Identifier(object.Database).SQL(".").Identifier(object.Name)
	}
}

// writePrivileges writes privileges and column privileges, or USAGE where there is neither.
func writePrivileges(b *statement.Builder, privileges []string, columns []Column) {
	first := true
	comma := func() {
		if !first {
			b.SQL(", ")
		}
		first = false
	}
	for _, privilege := range privileges {
		comma()
		b.Keyword(privilege)
	}
	// Columns of one privilege stand in one pair of parentheses.
	var order []string
	var byPrivilege map[string][]string
	for _, column := range columns {
		if byPrivilege == nil {
			byPrivilege = map[string][]string{}
		}
		if _, seen := byPrivilege[column.Privilege]; !seen {
			order = append(order, column.Privilege)
		}
		byPrivilege[column.Privilege] = append(byPrivilege[column.Privilege], column.Name)
	}
	for _, privilege := range order {
		comma()
		b.Keyword(privilege).SQL(" (")
		for i, name := range byPrivilege[privilege] {
			if i > 0 {
				b.SQL(", ")
			}
			b.Identifier(name)
		}
		b.SQL(")")
	}
	if first {
		b.SQL("USAGE")
	}
}

// grantStatement grants. grantable is GRANT OPTION on the whole object.
func grantStatement(to Name, object Object, privileges []string, columns []Column, grantable bool) statement.Statement {
	b := statement.New("GRANT ")
	if object.Level == LevelProxy {
		b.SQL("PROXY")
	} else {
		writePrivileges(b, privileges, columns)
	}
	b.SQL(" ON ")
	writeObject(b, object)
	b.SQL(" TO ").Account(to.User, to.Host)
	if grantable {
		b.SQL(" WITH GRANT OPTION")
	}
	return packaged(object, b.Statement())
}

// grantAsStatement grants on *.* what another account may pass on: with its partial revokes.
func grantAsStatement(to Name, privileges []string, grantable bool, as Name) statement.Statement {
	b := statement.New("GRANT ")
	writePrivileges(b, privileges, nil)
	b.SQL(" ON *.* TO ").Account(to.User, to.Host)
	if grantable {
		b.SQL(" WITH GRANT OPTION")
	}
	return b.SQL(" AS ").Account(as.User, as.Host).Statement()
}

// packaged writes a statement about a package so that every MariaDB reads it: up
// to 11.2 the word PACKAGE is one of the grammar only where sql_mode is ORACLE,
// which a statement can have for itself only where it is parsed when executed.
//
// Source: MariaDB, "SET STATEMENT", "EXECUTE IMMEDIATE"; tried on 10.5, 10.11 and 11.8.
func packaged(object Object, s statement.Statement) statement.Statement {
	if object.Level != LevelRoutine || !strings.HasPrefix(object.Type, "PACKAGE") {
		return s
	}
	return statement.New("SET STATEMENT sql_mode = 'ORACLE' FOR EXECUTE IMMEDIATE ").Literal(s.Reveal()).Statement()
}

// revokeStatement revokes, from one account or several.
func revokeStatement(object Object, privileges []string, columns []Column, from ...Name) statement.Statement {
	b := statement.New("REVOKE ")
	if object.Level == LevelProxy {
		b.SQL("PROXY")
	} else {
		writePrivileges(b, privileges, columns)
	}
	b.SQL(" ON ")
	writeObject(b, object)
	b.SQL(" FROM ")
	for i, name := range from {
		if i > 0 {
			b.SQL(", ")
		}
		b.Account(name.User, name.Host)
	}
	return packaged(object, b.Statement())
}

// createStatement makes an account with all attributes, locked, with a verifier whose password nobody knows.
func createStatement(server Server, name Name, credentials []credential, attributes Attributes) statement.Statement {
	attributes.Locked = true
	b := statement.New("CREATE USER ").Account(name.User, name.Host)
	writeCredentials(b, server, credentials...)
	writeAttributes(b, server, Attributes{}, attributes)
	return b.Statement()
}

// writeAttributes writes the clauses, in the order of the servers' grammar, that
// make attributes what they must be. Nothing that is right already is written.
// UNLOCK is never written: an account opens together with its password.
//
// Source: MySQL 8.4 Reference Manual, 15.7.1.1 "ALTER USER Statement"; MariaDB, "ALTER USER".
func writeAttributes(b *statement.Builder, server Server, have, want Attributes) {
	if have.Requirement != want.Requirement {
		writeRequirement(b, want.Requirement)
	}
	if have.Limits != want.Limits {
		writeLimits(b, have.Limits, want.Limits)
	}
	lock := func() {
		if want.Locked && !have.Locked {
			b.SQL(" ACCOUNT LOCK")
		}
	}
	if server.Flavor == MariaDB {
		lock()
	}
	if have.Expiry != want.Expiry {
		writeExpiry(b, want.Expiry)
	}
	if server.Flavor == MySQL {
		lock()
	}
	if have.History != want.History {
		b.SQL(" PASSWORD HISTORY ")
		writeSetting(b, want.History)
	}
	if have.ReuseInterval != want.ReuseInterval {
		b.SQL(" PASSWORD REUSE INTERVAL ")
		if writeSetting(b, want.ReuseInterval); want.ReuseInterval.Own {
			b.SQL(" DAY")
		}
	}
	if have.RequireCurrent != want.RequireCurrent {
		switch want.RequireCurrent {
		case RequireCurrentYes:
			b.SQL(" PASSWORD REQUIRE CURRENT")
		case RequireCurrentOptional:
			b.SQL(" PASSWORD REQUIRE CURRENT OPTIONAL")
		default:
			b.SQL(" PASSWORD REQUIRE CURRENT DEFAULT")
		}
	}
	if have.FailedLoginAttempts != want.FailedLoginAttempts || have.LockTime != want.LockTime {
		b.SQL(" FAILED_LOGIN_ATTEMPTS ").Number(want.FailedLoginAttempts).SQL(" PASSWORD_LOCK_TIME ")
		if want.LockTime == Unbounded {
			b.SQL("UNBOUNDED")
		} else {
			b.Number(uint64(want.LockTime))
		}
	}
	if merge, needed := mergePatch(have.Attribute, want.Attribute); needed {
		b.SQL(" ATTRIBUTE ").Literal(merge)
	}
}

func writeRequirement(b *statement.Builder, r Requirement) {
	b.SQL(" REQUIRE ")
	switch r.Kind {
	case RequireNone:
		b.SQL("NONE")
	case RequireSSL:
		b.SQL("SSL")
	case RequireX509:
		b.SQL("X509")
	default:
		first := true
		for _, part := range []struct {
			write func()
			text  string
		}{
			{func() { b.SQL("SUBJECT ") }, r.Subject},
			{func() { b.SQL("ISSUER ") }, r.Issuer},
			{func() { b.SQL("CIPHER ") }, r.Cipher},
		} {
			if part.text == "" {
				continue
			}
			if !first {
				b.SQL(" AND ")
			}
			first = false
			part.write()
			b.Literal(part.text)
		}
		if first {
			b.SQL("SUBJECT ''")
		}
	}
}

func writeLimits(b *statement.Builder, have, want Limits) {
	b.SQL(" WITH")
	if have.QueriesPerHour != want.QueriesPerHour {
		b.SQL(" MAX_QUERIES_PER_HOUR ").Number(want.QueriesPerHour)
	}
	if have.UpdatesPerHour != want.UpdatesPerHour {
		b.SQL(" MAX_UPDATES_PER_HOUR ").Number(want.UpdatesPerHour)
	}
	if have.ConnectionsPerHour != want.ConnectionsPerHour {
		b.SQL(" MAX_CONNECTIONS_PER_HOUR ").Number(want.ConnectionsPerHour)
	}
	if have.UserConnections != want.UserConnections {
		b.SQL(" MAX_USER_CONNECTIONS ")
		if want.UserConnections < 0 {
			b.SQL("-").Number(uint64(-want.UserConnections))
		} else {
			b.Number(uint64(want.UserConnections))
		}
	}
	if have.StatementTime != want.StatementTime {
		b.SQL(" MAX_STATEMENT_TIME ").Number(want.StatementTime).SQL("e-6")
	}
}

func writeExpiry(b *statement.Builder, expiry Expiry) {
	switch expiry.Kind {
	case ExpireNever:
		b.SQL(" PASSWORD EXPIRE NEVER")
	case ExpireInterval:
		b.SQL(" PASSWORD EXPIRE INTERVAL ").Number(expiry.Days).SQL(" DAY")
	default:
		b.SQL(" PASSWORD EXPIRE DEFAULT")
	}
}

func writeSetting(b *statement.Builder, setting Setting) {
	if setting.Own {
		b.Number(setting.Value)
	} else {
		b.SQL("DEFAULT")
	}
}
