// Package leakscan looks for secrets where none may be: in clear, and in the forms that
// they take on their way through quoting and encoding.
//
// It is for the tests and the sandbox, and is never linked into the function.
package leakscan

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// Secrets are what is looked for: contents, and what each is.
type Secrets map[string]string

// Add gathers a secret. One that is shorter than Least is left out: it would be
// found anywhere.
func (s Secrets) Add(what, content string) {
	if len(content) >= Least {
		s[content] = what
	}
}

// Least is the length of what is looked up at each byte of a text.
const Least = 8

// Of is the part of the secrets that are of one kind.
func (s Secrets) Of(what string) Secrets {
	part := Secrets{}
	for content, kind := range s {
		if kind == what {
			part[content] = kind
		}
	}
	return part
}

// form is a way to write a secret.
type form struct{ written, name, content string }

// forms are those of a secret. In base64 a secret that stands in a longer text looks
// in three ways, by its place in it.
func forms(content string) []form {
	quoted, _ := json.Marshal(content)
	all := []form{
		{content, "clear", content},
		{strings.Trim(string(quoted), `"`), "JSON", content},
		{strings.Trim(fmt.Sprintf("%q", content), `"`), "Go", content},
		{strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(content), "SQL", content},
		{strings.NewReplacer(`\`, `\\`, `'`, `\'`, `"`, `\"`).Replace(content), "SQL with backslashes", content},
		{url.QueryEscape(content), "URL", content},
		{url.PathEscape(content), "URL's path", content},
		{hex.EncodeToString([]byte(content)), "hex", content},
		{strings.ToUpper(hex.EncodeToString([]byte(content))), "HEX", content},
	}
	for before := range 3 {
		text := append(make([]byte, before), content...)
		first, last := (8*before+5)/6, 8*len(text)/6 // the characters that are this secret's alone
		for name, encoding := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64 for URLs": base64.RawURLEncoding} {
			all = append(all, form{encoding.EncodeToString(text)[first:last], name, content})
		}
	}
	return all
}

// Found lists which secrets stand in a text, as "password in hex", each once. A run
// gathers thousands, and servers log much, so the text is read once.
func (s Secrets) Found(text string) []string {
	beginnings := map[string][]form{}
	for content := range s {
		for _, f := range forms(content) {
			beginnings[f.written[:Least]] = append(beginnings[f.written[:Least]], f)
		}
	}
	seen := map[string]bool{}
	var out []string
	for i := 0; i+Least <= len(text); i++ {
		for _, f := range beginnings[text[i:i+Least]] {
			if !seen[f.content] && strings.HasPrefix(text[i:], f.written) {
				seen[f.content] = true
				out = append(out, s[f.content]+" in "+f.name)
			}
		}
	}
	return out
}
