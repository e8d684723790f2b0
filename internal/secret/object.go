package secret

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"tandem/internal/redact"
)

// span is a range of bytes of the document.
type span struct{ start, end int }

// member is one key of the document with its value.
type member struct {
	key   string
	value span
}

// object is the document's top level, split into its members.
type object struct {
	raw     string
	members map[string]member
}

type kind string

const (
	kindAbsent kind = "absent"
	kindNull   kind = "null"
	kindBool   kind = "a boolean"
	kindNumber kind = "a number"
	kindString kind = "a string"
	kindArray  kind = "an array"
	kindObject kind = "an object"
)

// form is the remedy of every document that is no JSON object.
const form = `store one JSON object with the keys "engine", "host", "username" and "password"`

// readObject splits raw, which must be one JSON object by RFC 8259 and nothing
// after it. Each key may come once: which of two a reader takes is the reader's
// choice.
func readObject(raw string) (object, error) {
	switch {
	case raw == "":
		return object{}, errors.New("the document is empty: " + form)
	case strings.HasPrefix(raw, "\ufeff"):
		return object{}, errors.New("the document begins with a byte order mark, which JSON does not allow: store it without")
	}
	var all json.RawMessage
	if err := json.Unmarshal([]byte(raw), &all); err != nil {
		// The message quotes the offending character, which may be the
		// password's; its position is enough.
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return object{}, fmt.Errorf("the document is not valid JSON at byte %d: %s", syntax.Offset, form)
		}
		return object{}, errors.New("the document is not valid JSON: " + form)
	}
	s := scanner{raw: raw}
	s.space()
	if s.peek() != '{' {
		return object{}, errors.New("the document is JSON but not an object: " + form)
	}
	s.at++

	o := object{raw: raw, members: map[string]member{}}
	for s.space(); s.peek() != '}'; s.space() {
		if s.peek() == ',' {
			s.at++
			s.space()
		}
		key, ok := decodeString(raw, s.value())
		if !ok {
			return object{}, fmt.Errorf("the document's key number %d is not valid Unicode: rename it", len(o.members)+1)
		}
		s.space()
		s.at++ // the colon
		s.space()
		value := s.value()
		switch _, twice := o.members[key]; {
		case twice:
			return object{}, fmt.Errorf("key %s is in the document twice: remove one of them", passwordsOf(raw).quoteKey(key))
		case !utf8.ValidString(raw[value.start:value.end]):
			return object{}, fmt.Errorf("the value of key %s is not valid UTF-8: store it as UTF-8", passwordsOf(raw).quoteKey(key))
		}
		o.members[key] = member{key, value}
	}
	return o, nil
}

// passwordsOf returns the copies of each password that a document has, which may be twice
// in it. It is valid JSON.
func passwordsOf(raw string) copies {
	var all copies
	walk(raw, func(at path, where span, isKey bool) {
		if len(at) == 1 && at[0].key == keyPassword && !isKey && where.end-where.start > len(`""`) {
			all = append(all, decode(raw, where).text)
		}
	})
	return all
}

// quoteKey is the function of this name, with the mark of a secret for a key that
// contains the password, or may contain one, as a URL does.
func (c copies) quoteKey(key string) string {
	if c.in(key) || strings.Contains(key, "://") || strings.Contains(key, "@") {
		return redact.Mark
	}
	return quoteKey(key)
}

// quoteKey quotes a key for an error, at a length that a line can hold.
func quoteKey(key string) string {
	const longest = 64
	if runes := []rune(key); len(runes) > longest {
		key = string(runes[:longest]) + "..."
	}
	return fmt.Sprintf("%q", key)
}

// scanner walks over JSON that is known to be valid, and so looks for the ends
// of things only.
type scanner struct {
	raw string
	at  int
}

func (s *scanner) peek() byte { return s.raw[s.at] }

func (s *scanner) space() {
	for strings.IndexByte(" \t\r\n", s.peek()) >= 0 {
		s.at++
	}
}

// value moves behind the value that begins here and returns where it lies.
func (s *scanner) value() span {
	start, depth := s.at, 0
	for {
		switch s.peek() {
		case '"':
			s.text()
		case '{', '[':
			s.at++
			depth++
		case '}', ']':
			s.at++
			depth--
		case ',', ':', ' ', '\t', '\r', '\n': // between the parts of an array or an object
			s.at++
		default:
			s.word()
		}
		if depth == 0 {
			return span{start, s.at}
		}
	}
}

func (s *scanner) text() {
	for s.at++; s.peek() != '"'; s.at++ {
		if s.peek() == '\\' {
			s.at++
		}
	}
	s.at++
}

// word moves behind a number, true, false or null, which something follows: the
// object's brace at the latest.
func (s *scanner) word() {
	s.at += strings.IndexAny(s.raw[s.at:], "}], \t\r\n")
}

// decodeString returns the text of the JSON string at where. It is not ok where
// that is no text: invalid UTF-8, or half a surrogate pair, for both of which
// encoding/json silently puts U+FFFD.
func decodeString(raw string, where span) (text string, ok bool) {
	decoded := decode(raw, where)
	return decoded.text, decoded.ok
}

// decoded is the text of a JSON string.
type decoded struct {
	text string
	// start is where the text begins in the document. at, where there are escapes in it, is
	// where each byte of the text comes from (of an escape, where that begins), and where
	// the text ends.
	start int
	at    []int
	ok    bool // as of decodeString
}

func decode(raw string, where span) decoded {
	d := decoded{start: where.start + 1, ok: true}
	if plain := raw[where.start+1 : where.end-1]; !strings.Contains(plain, `\`) {
		d.text, d.ok = plain, utf8.ValidString(plain)
		return d
	}
	var out strings.Builder
	for at := d.start; at < where.end-1; {
		length := 1
		if raw[at] != '\\' {
			out.WriteByte(raw[at])
		} else {
			var r rune
			r, length = unescape(raw[at : where.end-1])
			out.WriteRune(r)
			d.ok = d.ok && !utf16.IsSurrogate(r)
		}
		for len(d.at) < out.Len() {
			d.at = append(d.at, at)
		}
		at += length
	}
	d.text, d.at = out.String(), append(d.at, where.end-1)
	d.ok = d.ok && utf8.ValidString(d.text)
	return d
}

// unescape returns what the escape at the beginning of in stands for, and how long it is:
// a pair of surrogates is one. Half a pair stands for itself, which is no character.
func unescape(in string) (r rune, length int) {
	if in[1] != 'u' {
		const escapes, meanings = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
		return rune(meanings[strings.IndexByte(escapes, in[1])]), 2
	}
	r = escaped(in)
	if utf16.IsSurrogate(r) && strings.HasPrefix(in[6:], `\u`) {
		// U+FFFD, which no pair stands for, where the two are no pair.
		if pair := utf16.DecodeRune(r, escaped(in[6:])); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return r, 6
}

// span returns where in the document a part of the text lies, whose ends are ends of
// characters.
func (d decoded) span(of span) span {
	if d.at == nil {
		return span{d.start + of.start, d.start + of.end}
	}
	return span{d.at[of.start], d.at[of.end]}
}

// escaped returns what the escape at the beginning of in, \u and four hex
// digits, stands for.
func escaped(in string) rune {
	var r rune
	for _, digit := range []byte(in[2:6]) {
		r = r<<4 | rune(hexValue(digit))
	}
	return r
}

// hexValue returns what a hexadecimal digit stands for.
func hexValue(digit byte) byte {
	if digit >= 'A' {
		return digit&^0x20 - 'A' + 10
	}
	return digit - '0'
}

func (o object) has(key string) bool { return o.kind(key) != kindAbsent }

// token returns the value of key as it stands in the document, empty where the
// key is absent.
func (o object) token(key string) string {
	where := o.members[key].value
	return o.raw[where.start:where.end]
}

func (o object) kind(key string) kind {
	token := o.token(key)
	if token == "" {
		return kindAbsent
	}
	switch token[0] {
	case 'n':
		return kindNull
	case 't', 'f':
		return kindBool
	case '"':
		return kindString
	case '[':
		return kindArray
	case '{':
		return kindObject
	}
	return kindNumber
}

// text returns the value of key, which is a string.
func (o object) text(key string) (string, error) {
	text, ok := decodeString(o.raw, o.members[key].value)
	if !ok {
		return "", fmt.Errorf("key %q has half a surrogate pair (\\ud800 to \\udfff), which is no character: replace it", key)
	}
	return text, nil
}

// requiredText returns the value of a key that must be a string and not empty.
func (o object) requiredText(key string) (string, error) {
	switch k := o.kind(key); k {
	case kindAbsent:
		for other := range o.members {
			if strings.EqualFold(other, key) {
				return "", fmt.Errorf("key %q is missing (letter case counts, and the document has it as %s): rename it",
					key, quoteKey(other))
			}
		}
		return "", fmt.Errorf("key %q is missing: add it, with a string that is not empty", key)
	case kindString:
		text, err := o.text(key)
		if err == nil && text == "" {
			err = fmt.Errorf("key %q is empty: give it a value", key)
		}
		return text, err
	default:
		return "", fmt.Errorf("key %q is %s: make it a string that is not empty", key, k)
	}
}

// optionalText returns the value of a key that may be absent, null or empty,
// all of which mean none.
func (o object) optionalText(key string) (string, error) {
	switch k := o.kind(key); k {
	case kindAbsent, kindNull:
		return "", nil
	case kindString:
		return o.text(key)
	default:
		return "", fmt.Errorf("key %q is %s: make it a string, or remove it", key, k)
	}
}
