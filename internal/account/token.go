package account

import (
	"fmt"
	"strconv"
	"strings"

	"tandem/internal/redact"
)

// SyntaxError is a row of a server that is not understood. It quotes the row with
// everything masked that may be a verifier.
type SyntaxError struct {
	Account  Name
	Row      string // masked
	Expected string // what the parser expected where it stopped
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("the server's description of %s is not understood: expected %s in the row: %s", e.Account, e.Expected, e.Row)
}

// reader reads one row of the servers' grammar from left to right. After a failure
// it stays failed, and every read answers with a zero value.
type reader struct {
	row  string
	pos  int
	want string // what was expected where it failed; empty while it has not

	known *Requirement // what REQUIRE is to be read as, where it can be read in several ways
	doubt bool         // it could be read otherwise
}

func (r *reader) failed() bool { return r.want != "" }

func (r *reader) fail(expected string) {
	if r.want == "" {
		r.want = expected
	}
}

func (r *reader) space() {
	for r.pos < len(r.row) && (r.row[r.pos] == ' ' || r.row[r.pos] == '\t' || r.row[r.pos] == '\n' || r.row[r.pos] == '\r') {
		r.pos++
	}
}

// end reports whether nothing is left.
func (r *reader) end() bool {
	r.space()
	return r.pos == len(r.row)
}

// next returns the next byte without taking it, and 0 at the end.
func (r *reader) next() byte {
	if r.end() {
		return 0
	}
	return r.row[r.pos]
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// accept takes words, separated by single spaces in phrase, where they stand next.
func (r *reader) accept(phrase string) bool {
	if r.failed() {
		return false
	}
	start := r.pos
	for phrase != "" {
		var word string
		word, phrase, _ = strings.Cut(phrase, " ")
		r.space()
		end := r.pos + len(word)
		if end > len(r.row) || !strings.EqualFold(r.row[r.pos:end], word) || isWord(word[len(word)-1]) && end < len(r.row) && isWord(r.row[end]) {
			r.pos = start
			return false
		}
		r.pos = end
	}
	return true
}

// must takes words that have to stand next.
func (r *reader) must(phrase string) {
	if !r.accept(phrase) {
		r.fail(phrase)
	}
}

// word takes a word, and returns it in upper case.
func (r *reader) word() string {
	if r.failed() {
		return ""
	}
	r.space()
	start := r.pos
	for r.pos < len(r.row) && isWord(r.row[r.pos]) {
		r.pos++
	}
	if r.pos == start {
		r.fail("a word")
	}
	return strings.ToUpper(r.row[start:r.pos])
}

// number takes an unsigned number.
func (r *reader) number() uint64 {
	if r.failed() {
		return 0
	}
	r.space()
	start := r.pos
	for r.pos < len(r.row) && r.row[r.pos] >= '0' && r.row[r.pos] <= '9' {
		r.pos++
	}
	n, err := strconv.ParseUint(r.row[start:r.pos], 10, 64)
	if err != nil || r.pos < len(r.row) && isWord(r.row[r.pos]) {
		r.fail("a number")
		return 0
	}
	return n
}

// unquoted is a name without quotes, which servers print with sql_quote_show_create
// off: it ends where a name may not go on.
func (r *reader) unquoted() string {
	start := r.pos
	for r.pos < len(r.row) && (isWord(r.row[r.pos]) || r.row[r.pos] == '$' || r.row[r.pos] >= 0x80) {
		r.pos++
	}
	if r.pos == start {
		r.fail("a name")
	}
	return r.row[start:r.pos]
}

// identifier takes a name in backticks or double quotes, in which only the quote
// itself is doubled, or in none.
func (r *reader) identifier() string {
	switch r.next() {
	case '`', '"':
		return r.doubled()
	}
	if r.failed() {
		return ""
	}
	return r.unquoted()
}

// doubled takes a quoted text in which the quote is doubled and nothing else is special.
func (r *reader) doubled() string {
	if r.failed() {
		return ""
	}
	quote := r.row[r.pos]
	rest := r.row[r.pos+1:]
	// Most names hold no quote: they are a part of the row, not a copy.
	end := strings.IndexByte(rest, quote)
	if end >= 0 && (end+1 == len(rest) || rest[end+1] != quote) {
		r.pos += end + 2
		return rest[:end]
	}
	var out strings.Builder
	for i := 0; i < len(rest); i++ {
		if rest[i] != quote {
			out.WriteByte(rest[i])
			continue
		}
		if i+1 < len(rest) && rest[i+1] == quote {
			out.WriteByte(quote)
			i++
			continue
		}
		r.pos += i + 2
		return out.String()
	}
	r.fail("a closing quote")
	return ""
}

// literal takes a string in single or double quotes with the escapes of a session
// that has no NO_BACKSLASH_ESCAPES.
//
// Source: MySQL 8.4 Reference Manual, 11.1.1 "String Literals".
func (r *reader) literal() string {
	quote := r.next()
	if r.failed() {
		return ""
	}
	if quote != '\'' && quote != '"' {
		r.fail("a string")
		return ""
	}
	var out strings.Builder
	for i := r.pos + 1; i < len(r.row); i++ {
		c := r.row[i]
		switch {
		case c == quote && i+1 < len(r.row) && r.row[i+1] == quote:
			out.WriteByte(quote)
			i++
		case c == quote:
			r.pos = i + 1
			return out.String()
		case c == '\\' && i+1 < len(r.row):
			i++
			switch r.row[i] {
			case '0':
				out.WriteByte(0)
			case 'b':
				out.WriteByte('\b')
			case 'n':
				out.WriteByte('\n')
			case 'r':
				out.WriteByte('\r')
			case 't':
				out.WriteByte('\t')
			case 'Z':
				out.WriteByte(0x1a)
			default:
				out.WriteByte(r.row[i])
			}
		default:
			out.WriteByte(c)
		}
	}
	r.fail("a closing quote")
	return ""
}

// verifier takes a password verifier, a string or a hexadecimal number.
func (r *reader) verifier() redact.Secret {
	if r.next() != '0' {
		return redact.New(r.literal())
	}
	if r.failed() {
		return redact.Secret{}
	}
	rest := r.row[r.pos:]
	if len(rest) < 2 || rest[1] != 'x' && rest[1] != 'X' {
		r.fail("a string or a hexadecimal number")
		return redact.Secret{}
	}
	var out strings.Builder
	i := 2
	for ; i+1 < len(rest); i += 2 {
		high, low := nibble(rest[i]), nibble(rest[i+1])
		if high < 0 || low < 0 {
			break
		}
		out.WriteByte(byte(high<<4 | low))
	}
	if i < len(rest) && isWord(rest[i]) {
		r.fail("an even number of hexadecimal digits")
		return redact.Secret{}
	}
	r.pos += i
	return redact.New(out.String())
}

func nibble(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// grantee takes the account that a row is about, which has to be this one.
//
// MySQL 5.7, and MariaDB in its PROXY rows, put names between single quotes without
// escaping anything, so that such a name can only be recognised, not read.
func (r *reader) grantee(name Name) {
	if r.failed() {
		return
	}
	r.space()
	if rest, ok := cutRawName(r.row[r.pos:], name); ok {
		r.pos = len(r.row) - len(rest)
		return
	}
	if got := r.account(); !r.failed() && (got.User != name.User || !sameHost(got.Host, name.Host)) {
		r.fail("the account " + name.String())
	}
}

// cutRawName takes an unescaped 'user'@'host' from the beginning of a text.
func cutRawName(text string, name Name) (rest string, ok bool) {
	if text == "" || text[0] != '\'' {
		return text, false
	}
	host := len("'") + len(name.User) + len("'@'")
	end := host + len(name.Host) + len("'")
	if len(text) < end || text[1:1+len(name.User)] != name.User || text[1+len(name.User):host] != "'@'" ||
		!sameHost(text[host:end-1], name.Host) || text[end-1] != '\'' || end < len(text) && text[end] != ' ' {
		return text, false
	}
	return text[end:], true
}

// account takes an account's or a role's name. MariaDB's roles have no host.
func (r *reader) account() Name {
	part := func() string {
		if r.next() == '\'' {
			return r.doubled()
		}
		return r.identifier()
	}
	name := Name{User: part()}
	if r.failed() {
		return Name{}
	}
	if r.pos < len(r.row) && r.row[r.pos] == '@' {
		r.pos++
		name.Host = part()
	}
	return name
}

// error makes an error of a failure.
func (r *reader) error(name Name) error {
	return &SyntaxError{Account: name, Row: mask(r.row), Expected: r.want}
}

// Longest quotation of a row in an error, in bytes.
const longestQuotation = 600

// mask quotes a row without anything that may be a verifier. It does not trust the
// row to be well-formed: before the first word that can introduce a verifier it
// leaves names, words and numbers, and after it only capital letters and short numbers.
func mask(row string) string {
	border := len(row)
	upper := strings.ToUpper(row)
	if len(upper) == len(row) {
		for _, word := range []string{"IDENTIFIED", "PASSWORD", " AS ", " BY ", "USING", "0X", "'*", "$"} {
			if i := strings.Index(upper, word); i >= 0 && i < border {
				border = i
			}
		}
	} else {
		border = 0
	}
	var out strings.Builder
	for i := 0; i < len(row) && out.Len() < longestQuotation; {
		c := row[i]
		end := i + 1
		shown := true
		switch {
		case c == '`' || c == '\'' || c == '"':
			end = closing(row, i)
			beside := i > 0 && row[i-1] == '@' || end < len(row) && row[end] == '@'
			shown = end <= border && (c == '`' || beside)
		case isWord(c) || c == '$' || c == '*' && end < len(row) && isWord(row[end]) || c >= 0x80:
			for end < len(row) && (isWord(row[end]) || strings.IndexByte("$*+/=.-", row[end]) >= 0 || row[end] >= 0x80) {
				end++
			}
			shown = end <= border || isKeyword(row[i:end])
		default:
			shown = end <= border || strings.IndexByte(" ,()@*.", c) >= 0
		}
		if shown {
			out.WriteString(row[i:end])
		} else if text := out.String(); !strings.HasSuffix(text, redact.Mark) {
			out.WriteString(redact.Mark)
		}
		i = end
	}
	if out.Len() > longestQuotation {
		return out.String()[:longestQuotation] + "..."
	}
	return out.String()
}

// isKeyword reports whether a word can only be one of the grammar's: capital letters, or a small number.
func isKeyword(word string) bool {
	letters := strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == ""
	digits := strings.Trim(word, "0123456789") == ""
	return letters && len(word) <= 24 || digits && len(word) <= 6 || word == "X509"
}

// closing returns where the text ends that begins with a quote at i.
func closing(row string, i int) int {
	quote := row[i]
	for i++; i < len(row); i++ {
		if row[i] != quote {
			continue
		}
		if i+1 < len(row) && row[i+1] == quote {
			i++
			continue
		}
		return i + 1
	}
	return len(row)
}
