package statement_test

import (
	"fmt"
	"strings"
	"testing"

	"tandem/internal/redact"
	"tandem/internal/statement"
)

func TestIdentifier(t *testing.T) {
	for name, want := range map[string]string{
		"d": "`d`", "": "``", "a`b": "`a``b`", "``": "``````", `a'b"c`: "`a'b\"c`", `d\_%`: "`d\\_%`", "é": "`é`",
	} {
		if got := statement.Identifier(name); got != want {
			t.Errorf("Identifier(%q) = %s, want %s", name, got, want)
		}
	}
}

func TestLiteral(t *testing.T) {
	for value, want := range map[string]string{
		"a": `'a'`, "": `''`, "it's": `'it''s'`, `a\b`: `'a\\b'`, "a\x00\n\r\x1a": `'a\0\n\r\Z'`, "`\"": "'`\"'", "日": `'日'`, `\'`: `'\\'''`,
	} {
		if got := statement.Literal(value); got != want {
			t.Errorf("Literal(%q) = %s, want %s", value, got, want)
		}
	}
}

func TestKeyword(t *testing.T) {
	for words, want := range map[string]string{
		"SELECT": "SELECT", "CREATE TEMPORARY TABLES": "CREATE TEMPORARY TABLES", "BACKUP_ADMIN": "BACKUP_ADMIN",
		// The first and the last of the letters and digits, and what stands beside them in ASCII.
		"AZ az 09_": "AZ az 09_", "A@": "`A@`", "A[": "`A[`", "A`": "`A```", "A{": "`A{`", "A/": "`A/`", "A:": "`A:`",
		"SELECT ON *.* TO x; --": "`SELECT ON *.* TO x; --`", "": "``", " A": "` A`", "A ": "`A `", "A  B": "`A  B`", "É": "`É`",
	} {
		if got := new(statement.Builder).Keyword(words).Statement().String(); got != want {
			t.Errorf("Keyword(%q) = %s, want %s", words, got, want)
		}
	}
}

func TestStatementPrintsMasked(t *testing.T) {
	s := statement.New("ALTER USER ").Account("it's", "%").SQL(" IDENTIFIED BY ").Secret(redact.New("p'w")).SQL(" LIMIT ").Number(3).Statement()
	if plain := statement.New("DO 1").Statement(); !s.HoldsSecret() || plain.HoldsSecret() {
		t.Error("HoldsSecret is true for exactly the statement with a secret")
	}
	const masked = `ALTER USER 'it''s'@'%' IDENTIFIED BY <redacted> LIMIT 3`
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if got := fmt.Sprintf(verb, s); got != masked {
			t.Errorf("%s prints %s", verb, got)
		}
		if got := fmt.Sprintf(verb, []statement.Statement{s}); strings.Contains(got, "p'") {
			t.Errorf("%s of a slice prints %s", verb, got)
		}
	}
	if got, want := s.Reveal(), `ALTER USER 'it''s'@'%' IDENTIFIED BY 'p''w' LIMIT 3`; got != want {
		t.Errorf("Reveal() = %s, want %s", got, want)
	}
}

// unquote reads a quoted text as the server does, and returns what follows it.
// It is written from the manual, not from the quoters.
func unquote(quoted string) (value, rest string, ok bool) {
	quote := quoted[0]
	var out strings.Builder
	for i := 1; i < len(quoted); i++ {
		switch c := quoted[i]; {
		case c == quote && i+1 < len(quoted) && quoted[i+1] == quote:
			out.WriteByte(quote)
			i++
		case c == quote:
			return out.String(), quoted[i+1:], true
		case c == '\\' && quote == '\'':
			i++
			if i == len(quoted) {
				return "", "", false
			}
			if special := strings.IndexByte("0nrZ", quoted[i]); special >= 0 {
				out.WriteByte("\x00\n\r\x1a"[special])
			} else {
				out.WriteByte(quoted[i])
			}
		default:
			out.WriteByte(c)
		}
	}
	return "", "", false
}

func fuzzQuoter(f *testing.F, quoter func(string) string) {
	for _, seed := range []string{"", "a", "'", "''", "`", "\\", "\\'", "a\x00b", "\n\r\x1a", "日本", "\xff", "'; DROP USER x; --", "`.* TO `x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		const following = " AND MORE"
		got, rest, ok := unquote(quoter(value) + following)
		if !ok || got != value || rest != following {
			t.Errorf("%q is quoted as %s, which reads as %q followed by %q", value, quoter(value), got, rest)
		}
	})
}

func FuzzIdentifier(f *testing.F) { fuzzQuoter(f, statement.Identifier) }
func FuzzLiteral(f *testing.F)    { fuzzQuoter(f, statement.Literal) }

// Statements that are sent at once print as masked as each of them does.
func TestJoin(t *testing.T) {
	open := statement.New("GRANT SELECT ON ").Identifier("a;b").SQL(".* TO ").Account("u", "%").Statement()
	hidden := statement.New("ALTER USER ").Account("u", "%").SQL(" IDENTIFIED BY ").Secret(redact.New("hunter2; DROP")).Statement()
	both := statement.Join(open, hidden)
	if got, want := both.String(), open.String()+"; "+hidden.String(); got != want {
		t.Errorf("prints %s, want %s", got, want)
	}
	if got, want := both.Reveal(), open.Reveal()+"; "+hidden.Reveal(); got != want || both.Len() != len(want) {
		t.Errorf("is %s, want %s", got, want)
	}
	if !both.HoldsSecret() || statement.Join(open, open).HoldsSecret() {
		t.Error("it does not know that it holds a secret, or thinks so")
	}
	if one := statement.Join(hidden); one.Reveal() != hidden.Reveal() || !one.HoldsSecret() {
		t.Error("one statement joined is another")
	}
}
