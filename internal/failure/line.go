package failure

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxLine is how long a line of text that leaves the function may be, in bytes:
// an error, a warning, what a check has found. What is in it comes from secrets,
// events and servers, which may be of any length.
const MaxLine = 8 << 10

// tail is the part of a line that is cut which is kept of its end, where remedies
// stand.
const tail = MaxLine / 4

// Line makes one line of a text, of at most MaxLine bytes. Line breaks become
// semicolons and other control characters spaces; of a text that is too long the
// middle is left out.
func Line(text string) string {
	text = oneLine(text)
	if len(text) <= MaxLine {
		return text
	}
	const mark = 64 // what the note may take
	head, end := MaxLine-tail-mark, len(text)-tail
	for !utf8.RuneStart(text[head]) {
		head--
	}
	for !utf8.RuneStart(text[end]) {
		end++
	}
	return fmt.Sprintf("%s ... (%d bytes left out) ... %s", text[:head], end-head, text[end:])
}

// oneLine replaces what begins a new line or moves the cursor where it is shown.
func oneLine(text string) string {
	if strings.IndexFunc(text, breaks) < 0 && utf8.ValidString(text) {
		return text
	}
	lines := strings.FieldsFunc(strings.ToValidUTF8(text, "\ufffd"), newLine)
	kept := lines[:0]
	for _, line := range lines {
		line = strings.TrimSpace(strings.Map(func(r rune) rune {
			if breaks(r) {
				return ' '
			}
			return r
		}, line))
		if line != "" {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "; ")
}

// newLine reports whether a character ends a line, by Unicode's newline guidelines.
//
// Source: The Unicode Standard, 5.8 "Newline Guidelines".
func newLine(r rune) bool {
	return r >= '\n' && r <= '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029'
}

// breaks reports whether a character is none that a line shows: a control
// character, or one that has the text after it run the other way.
func breaks(r rune) bool {
	return newLine(r) || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}

// OneLine is the error with a text that Line has made; what errors.Is, errors.As
// and Of find in it stays. Nil stays nil.
func OneLine(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	line := Line(text)
	if line == text {
		return err
	}
	return &lined{err, line}
}

type lined struct {
	error
	line string
}

func (l *lined) Error() string { return l.line }

// Unwrap returns the error with its own text.
func (l *lined) Unwrap() error { return l.error }
