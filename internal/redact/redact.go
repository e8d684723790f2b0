// Package redact holds values that must not be seen: passwords, password
// verifiers (hashes), rotation tokens and whole secret documents.
//
// Remembering not to print a value fails the day somebody wraps an error around
// it. A Secret prints as a fixed mark through every road by which Go turns
// values into text, so that the only way to its content is a call to Reveal,
// which a reader can search for.
package redact

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
)

// Mark is what stands for a Secret wherever it is printed.
const Mark = "<redacted>"

// Secret is a string that does not print. The zero value is the empty secret.
//
// Secrets are compared with Equal; == compares where the content lies, not what
// it is.
type Secret struct {
	// A pointer keeps the content out of reflection-driven printers that know
	// nothing of the methods below, which show an address instead.
	content *string
}

// New makes a Secret of content.
func New(content string) Secret {
	if content == "" {
		return Secret{}
	}
	return Secret{content: &content}
}

// Reveal returns the content. Only the code that hands it to a server or a
// service calls this.
func (s Secret) Reveal() string {
	if s.content == nil {
		return ""
	}
	return *s.content
}

// Empty reports whether there is no content.
func (s Secret) Empty() bool { return s.content == nil }

// Equal compares two contents in constant time.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// Format implements fmt.Formatter, and so covers every verb, %#v and %p included.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(Mark)) }

// String implements fmt.Stringer.
func (s Secret) String() string { return Mark }

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return Mark }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(Mark) }

// MarshalText implements encoding.TextMarshaler, and with it JSON, XML and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(Mark), nil }
