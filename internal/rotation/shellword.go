package rotation

import "strings"

// shellWord is a text as one word of a POSIX shell. What the names and ARNs of AWS
// consist of needs no quotes.
//
// Source: The Open Group Base Specifications, "Shell Command Language", 2.2.2
// "Single-Quotes".
func shellWord(text string) string {
	special := func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune("/_+=.@:-", r)
	}
	if text != "" && !strings.ContainsFunc(text, special) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
