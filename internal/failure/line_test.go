package failure_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"tandem/internal/failure"
)

func TestLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "",
		"as it is: \"é\" … 日本語":                  "as it is: \"é\" … 日本語",
		"one\ntwo":                               "one; two",
		"\r\n one \r\n\r\n two\u2028three\u0085": "one; two; three",
		"a\ttab, a \x1b[31mcolour\x00":           "a tab, a  [31mcolour",
		"backwards \u202egnitirw":                "backwards  gnitirw",
		"not \xff UTF-8":                         "not \ufffd UTF-8",
		"\n\n":                                   "",
	} {
		if got := failure.Line(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// However long a value in an error is, its beginning and its remedy are shown.
func TestLineIsBounded(t *testing.T) {
	for _, filling := range []string{"x", "é", "日", "🙂"} {
		for extra := range 4 {
			got := failure.Line(strings.Repeat("-", extra) + "cause" + strings.Repeat(filling, failure.MaxLine) + "remedy")
			if len(got) > failure.MaxLine || len(got) < failure.MaxLine*9/10 || !utf8.ValidString(got) {
				t.Errorf("%q: %d bytes, valid %v", filling, len(got), utf8.ValidString(got))
			}
			if !strings.Contains(got, "cause") || !strings.HasSuffix(got, "remedy") || !strings.Contains(got, "bytes left out") {
				t.Errorf("%q: what matters is cut: %.40s ... %s", filling, got, got[len(got)-40:])
			}
		}
	}
	if exact := strings.Repeat("x", failure.MaxLine); failure.Line(exact) != exact {
		t.Error("a line of just that length is cut")
	}
}

func TestOneLineKeepsTheError(t *testing.T) {
	inner := failure.Errorf(failure.UserMissing, "reading: %w", errors.Join(io.EOF, answered{1040}))
	err := failure.OneLine(fmt.Errorf("a step: %w", inner))
	if err.Error() != "a step: reading: EOF; error 1040" || !errors.Is(err, io.EOF) || failure.Of(err) != failure.UserMissing || failure.Number(err) != 1040 {
		t.Errorf("%v, %s, %d", err, failure.Of(err), failure.Number(err))
	}
	if plain := io.EOF; failure.OneLine(plain) != plain || failure.OneLine(nil) != nil {
		t.Error("what is one line already is wrapped")
	}
}
