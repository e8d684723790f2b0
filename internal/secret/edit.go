package secret

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"tandem/internal/failure"
	"tandem/internal/redact"
)

// WithCredentials returns the document with another username and password, and
// with every other byte as it was. A value that does not change keeps its
// spelling too, so that an edit that changes nothing returns the same bytes.
func (d Document) WithCredentials(username string, password redact.Secret) (Document, error) {
	edited, err := d.withCredentials(username, password)
	return edited, failure.Mark(failure.SecretInvalid, err)
}

func (d Document) withCredentials(username string, password redact.Secret) (Document, error) {
	if username == "" || password.Empty() {
		return Document{}, errors.New("a document needs a username and a password that are not empty")
	}
	if !utf8.ValidString(username) || !utf8.ValidString(password.Reveal()) {
		return Document{}, errors.New("a username or password that is not valid UTF-8 cannot stand in a JSON document")
	}
	edits := make([]edit, 0, 2)
	if username != d.username {
		edits = append(edits, edit{d.usernameSpan, username})
	}
	if !password.Equal(d.password) {
		edits = append(edits, edit{d.passwordSpan, password.Reveal()})
	}
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Compare(a.start, b.start) })

	old := d.raw.Reveal()
	var raw bytes.Buffer
	at := 0
	for _, e := range edits {
		raw.WriteString(old[at:e.start])
		if err := writeString(&raw, e.text); err != nil {
			return Document{}, err
		}
		at = e.end
	}
	raw.WriteString(old[at:])
	if raw.Len() > MaxBytes {
		return Document{}, fmt.Errorf("the document with the new username and password has %d bytes, "+
			"and Secrets Manager stores %d: shorten it", raw.Len(), MaxBytes)
	}
	// Read again rather than shifted: the spans have moved.
	return parse(redact.New(raw.String()), d.managed)
}

type edit struct {
	span
	text string
}

// writeString writes text as a JSON string with as few escapes as the standard
// asks for, as a person would have written it: <, > and & stay as they are.
func writeString(raw *bytes.Buffer, text string) error {
	encoder := json.NewEncoder(raw)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		return errors.New("a username or password cannot be written as JSON")
	}
	raw.Truncate(raw.Len() - len("\n"))
	return nil
}
