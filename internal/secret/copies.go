package secret

import (
	"encoding/json"
	"html"
	"slices"
	"strconv"
	"strings"
)

// copies are passwords of which copies are looked for.
type copies []string

// in reports whether text contains one of the passwords, as it is or with the escapes of
// those formats in which one is usually written down: percent encoding, XML, backslashes,
// a shell's quotes, characters that are written twice, and JSON. A line of one may stand
// in a file of another.
func (c copies) in(text string) bool {
	texts := []string{text}
	for begin, depth := 0, 0; depth < 2; depth++ {
		end := len(texts)
		for _, escaped := range texts[begin:end] {
			for _, read := range unescaped(escaped) {
				if !slices.Contains(texts, read) {
					texts = append(texts, read)
				}
			}
		}
		begin = end
	}
	if slices.ContainsFunc(texts, c.inside) {
		return true
	}
	if trimmed := strings.TrimSpace(text); trimmed == "" || !strings.Contains(`{["`, trimmed[:1]) || !json.Valid([]byte(trimmed)) {
		return false
	}
	found := false
	walk(text, func(_ path, where span, _ bool) { found = found || c.in(decode(text, where).text) })
	return found
}

// inside reports whether text contains one of the passwords, where a character may be
// written twice: a quote in SQL, a percent sign in Python's ConfigParser, a dollar sign in
// Docker Compose.
func (c copies) inside(text string) bool {
	once := onceEach(text)
	return slices.ContainsFunc(c, func(password string) bool {
		return strings.Contains(text, password) || strings.Contains(once, onceEach(password))
	})
}

// onceEach writes one of those characters where several of the same stand in a row.
func onceEach(text string) string {
	var out strings.Builder
	for i := range len(text) {
		if i == 0 || text[i] != text[i-1] || strings.IndexByte(`'"};%$\`, text[i]) < 0 {
			out.WriteByte(text[i])
		}
	}
	return out.String()
}

// unescaped is what a text is to those who undo the escapes of one format.
func unescaped(text string) []string {
	var texts []string
	if strings.ContainsAny(text, "%+") {
		texts = append(texts, percentDecoded(text)...)
	}
	if strings.Contains(text, "&") {
		texts = append(texts, html.UnescapeString(text))
	}
	if strings.Contains(text, `\`) {
		texts = append(texts, withoutBackslashes(text))
	}
	if strings.Contains(text, `'`) {
		texts = append(texts, strings.NewReplacer(`'\''`, `'`, `'"'"'`, `'`).Replace(text))
	}
	return texts
}

// withoutBackslashes undoes the escapes of .properties, YAML, my.cnf and shells, where a
// backslash stands before a character, or before its number in hexadecimal digits.
func withoutBackslashes(text string) string {
	var out strings.Builder
	for at := 0; at < len(text); at++ {
		if text[at] != '\\' || at+1 == len(text) {
			out.WriteByte(text[at])
			continue
		}
		at++
		digits := map[byte]int{'x': 2, 'u': 4}[text[at]]
		number, err := strconv.ParseUint(text[at+1:min(at+1+digits, len(text))], 16, 16)
		if err != nil {
			out.WriteByte(text[at])
			continue
		}
		out.WriteRune(rune(number))
		at += digits
	}
	return out.String()
}
