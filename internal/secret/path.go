package secret

import (
	"fmt"
	"slices"
	"strings"
)

// path leads to a value in the document.
type path []element

// element is the key of an object's member, or the index of an array's value.
type element struct {
	key   string
	index int // -1 of a member
}

// longestName is how long the halves of a name become in all, in bytes, before what is
// between them is left out.
const longestName = 200

// name returns the path as a line shows it, such as urls[0].primary, with the keys
// hidden that copies.hide hides. Of a long one it has the first and the last elements.
func (p path) name(hidden copies) string {
	var first, last []string
	from, to := 0, len(p)
	for length := 0; from < to && length < longestName/2; from++ {
		first = append(first, p.element(from, hidden))
		length += len(first[from])
	}
	for length := 0; from < to && length < longestName/2; {
		to--
		last = append(last, p.element(to, hidden))
		length += len(last[len(last)-1])
	}
	if from < to {
		first = append(first, "...")
	}
	slices.Reverse(last)
	return strings.Join(slices.Concat(first, last), "")
}

// element returns one element as a name shows it.
func (p path) element(i int, hidden copies) string {
	if p[i].index >= 0 {
		return fmt.Sprintf("[%d]", p[i].index)
	}
	key := hidden.quoteKey(p[i].key)
	if key != `""` && !strings.ContainsFunc(p[i].key, func(r rune) bool { return !isWord(r) && r != '-' }) {
		key = strings.Trim(key, `"`)
	}
	if i > 0 {
		key = "." + key
	}
	return key
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
