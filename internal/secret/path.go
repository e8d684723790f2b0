package secret

import (
	"fmt"
	"strings"

	"tandem/internal/redact"
)

// path leads to a value in the document.
type path []element

// element is the key of an object's member, or the index of an array's value.
type element struct {
	key   string
	index int // -1 of a member
}

// name returns the path as a line shows it, such as urls[0].primary, with a key that
// contains the password hidden.
func (p path) name(hidden copies) string {
	var out strings.Builder
	for i, e := range p {
		if e.index >= 0 {
			fmt.Fprintf(&out, "[%d]", e.index)
			continue
		}
		if i > 0 {
			out.WriteByte('.')
		}
		switch {
		case hidden.in(e.key):
			out.WriteString(redact.Mark)
		case e.key == "" || strings.ContainsFunc(e.key, func(r rune) bool { return !isWord(r) && r != '-' }):
			out.WriteString(quoteKey(e.key))
		default:
			out.WriteString(strings.Trim(quoteKey(e.key), `"`))
		}
	}
	return out.String()
}

// isWord reports whether r is a letter, a digit or an underscore, of ASCII.
func isWord(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_'
}

// walk visits each string of a JSON value, keys included, in the order in which they
// stand. The value is known to be valid. The path is good until visit returns.
func walk(raw string, visit func(at path, where span, isKey bool)) {
	w := walker{scanner: scanner{raw: raw}, visit: visit}
	w.space()
	w.walk()
}

type walker struct {
	scanner
	path  path
	visit func(at path, where span, isKey bool)
}

func (w *walker) walk() {
	switch w.peek() {
	case '"':
		w.visit(w.path, w.value(), false)
	case '{':
		w.parts('}', func(int) {
			key := w.value()
			w.path = append(w.path, element{decode(w.raw, key).text, -1})
			w.visit(w.path, key, true)
			w.space()
			w.at++ // the colon
			w.space()
		})
	case '[':
		w.parts(']', func(n int) { w.path = append(w.path, element{index: n}) })
	default:
		w.word()
	}
}

// parts walks over the members of an object, or the values of an array, which enter
// adds to the path.
func (w *walker) parts(end byte, enter func(n int)) {
	w.at++
	depth := len(w.path)
	for n := 0; ; n++ {
		w.space()
		if w.peek() == ',' {
			w.at++
			w.space()
		}
		if w.peek() == end {
			break
		}
		enter(n)
		w.walk()
		w.path = w.path[:depth]
	}
	w.at++
}
