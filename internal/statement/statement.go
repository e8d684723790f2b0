// Package statement builds SQL statements that cannot be built wrong.
//
// CREATE USER, ALTER USER and GRANT take no placeholders, so their values have
// to be written into their text. Everything variable in a statement goes through
// one of two quoters, Identifier and Literal, and a Builder accepts nothing else:
// its SQL method takes a type that only constants of the source convert to.
// Secret parts are kept apart from the text, so that a Statement prints masked;
// only the code that sends it to a server reveals it.
package statement

import (
	"fmt"
	"strconv"
	"strings"

	"tandem/internal/redact"
)

// SQLMode is the sql_mode that every session that executes a Statement has.
// Literal relies on the absence of NO_BACKSLASH_ESCAPES, and the text of
// SHOW CREATE USER and SHOW GRANTS on the absence of ANSI_QUOTES and PAD_CHAR_TO_FULL_LENGTH.
// NO_AUTO_CREATE_USER is not among them since MySQL 8.0 knows it no more: a GRANT
// must never be sent for an account that has not been seen.
//
// Source: MySQL 8.4 Reference Manual, 7.1.11 "Server SQL Modes"; MariaDB, "SQL_MODE".
const SQLMode = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"

// constant is text of this program's own source. It is unexported, so that
// another package can pass an untyped constant and nothing else.
type constant string

// Statement is one SQL statement. It prints masked.
type Statement struct {
	masked string
	full   redact.Secret
	secret bool
}

// String returns the statement with redact.Mark in place of its secrets.
func (s Statement) String() string { return s.masked }

// GoString returns the same as String.
func (s Statement) GoString() string { return s.masked }

// Reveal returns the statement as it is to be sent.
func (s Statement) Reveal() string { return s.full.Reveal() }

// Len returns the statement's length in bytes, as it is to be sent.
func (s Statement) Len() int { return len(s.Reveal()) }

// HoldsSecret reports whether the statement has a part that does not print.
func (s Statement) HoldsSecret() bool { return s.secret }

// Empty reports whether there is nothing to send.
func (s Statement) Empty() bool { return s.full.Empty() }

// Builder gathers a Statement. The zero value is ready to use.
type Builder struct {
	masked, full strings.Builder
	secret       bool
}

// New begins a statement with a piece of SQL.
func New(text constant) *Builder { return new(Builder).SQL(text) }

func (b *Builder) both(text string) *Builder {
	b.masked.WriteString(text)
	b.full.WriteString(text)
	return b
}

// SQL adds a piece of SQL from the program's own source.
func (b *Builder) SQL(text constant) *Builder { return b.both(string(text)) }

// Identifier adds the name of a database, a table, a column, a routine.
func (b *Builder) Identifier(name string) *Builder { return b.both(Identifier(name)) }

// Literal adds a string.
func (b *Builder) Literal(value string) *Builder { return b.both(Literal(value)) }

// Secret adds a string that does not print.
func (b *Builder) Secret(value redact.Secret) *Builder {
	b.secret = true
	b.masked.WriteString(redact.Mark)
	b.full.WriteString(Literal(value.Reveal()))
	return b
}

// Number adds an unsigned number.
func (b *Builder) Number(n uint64) *Builder { return b.both(strconv.FormatUint(n, 10)) }

// Account adds an account name, 'user'@'host'.
func (b *Builder) Account(user, host string) *Builder {
	return b.Literal(user).SQL("@").Literal(host)
}

// Keyword adds a word or several that a server named and this program does not
// list, as a privilege or an object type: letters, digits, underscores and spaces
// between them. Anything else is written as an identifier, which the server then
// refuses as a syntax error instead of reading it as SQL.
func (b *Builder) Keyword(words string) *Builder {
	if !IsKeyword(words) {
		return b.Identifier(words)
	}
	return b.both(words)
}

// Statement ends the building.
func (b *Builder) Statement() Statement {
	return Statement{masked: b.masked.String(), full: redact.New(b.full.String()), secret: b.secret}
}

// Join makes one text of statements, for a session that may be sent several at
// once: they are executed in their order, up to the first that fails.
//
// Source: MySQL 8.4 C API Developer Guide, "Multiple Statement Execution Support".
func Join(statements ...Statement) Statement {
	if len(statements) == 1 {
		return statements[0]
	}
	var b Builder
	for i, s := range statements {
		if i > 0 {
			b.both("; ")
		}
		b.masked.WriteString(s.masked)
		b.full.WriteString(s.Reveal())
		b.secret = b.secret || s.secret
	}
	return b.Statement()
}

// IsKeyword reports whether words are letters, digits and underscores, with
// single spaces between words.
func IsKeyword(words string) bool {
	previous := ' '
	for _, r := range words {
		letter := r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_'
		if !letter && (r != ' ' || previous == ' ') {
			return false
		}
		previous = r
	}
	return previous != ' '
}

// Identifier quotes a name with backticks, which every sql_mode reads.
//
// Source: MySQL 8.4 Reference Manual, 11.2 "Schema Object Names".
func Identifier(name string) string {
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}

// escapes are the sequences that a string literal needs. Only the quote and the
// backslash are needed for the server to read the string; the others keep a
// statement on one line and free of bytes that a log or a client may cut at.
//
// Source: MySQL 8.4 Reference Manual, 11.1.1 "String Literals", Table 11.1.
var escapes = strings.NewReplacer(`\`, `\\`, `'`, `''`, "\x00", `\0`, "\n", `\n`, "\r", `\r`, "\x1a", `\Z`)

// Literal quotes a string with single quotes, for a session whose sql_mode is
// SQLMode and whose character set is utf8mb4.
func Literal(value string) string { return "'" + escapes.Replace(value) + "'" }

// Format makes every verb print the masked text.
func (s Statement) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.masked)) }
