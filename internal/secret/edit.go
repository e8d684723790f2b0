package secret

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"tandem/internal/failure"
	"tandem/internal/redact"
)

// WithCredentials returns the document with another username and password, and
// with every other byte as it was. A value that does not change keeps its
// spelling too, so that an edit that changes nothing returns the same bytes.
func (d Document) WithCredentials(username string, password redact.Secret) (Document, error) {
	edits, err := d.credentialEdits(username, password)
	if err == nil {
		d, err = d.edited(edits)
	}
	if err != nil {
		return Document{}, failure.Mark(failure.SecretInvalid, err)
	}
	return d, nil
}

func (d Document) credentialEdits(username string, password redact.Secret) ([]edit, error) {
	if username == "" || password.Empty() {
		return nil, errors.New("a document needs a username and a password that are not empty")
	}
	if !utf8.ValidString(username) || !utf8.ValidString(password.Reveal()) {
		return nil, errors.New("a username or password that is not valid UTF-8 cannot stand in a JSON document")
	}
	var edits []edit
	if username != d.username {
		edits = append(edits, edit{d.usernameSpan, `"` + escape(username) + `"`})
	}
	if !password.Equal(d.password) {
		edits = append(edits, edit{d.passwordSpan, `"` + escape(password.Reveal()) + `"`})
	}
	return edits, nil
}

// edited returns the document with other bytes at some places, which do not overlap.
func (d Document) edited(edits []edit) (Document, error) {
	raw := replace(d.raw.Reveal(), edits)
	if len(raw) > MaxBytes {
		return Document{}, fmt.Errorf("the document with the new username and password has %d bytes, "+
			"and Secrets Manager stores %d: shorten it", len(raw), MaxBytes)
	}
	// Read again rather than shifted: the spans have moved.
	return parse(redact.New(raw), d.managed)
}

// fits reports whether Secrets Manager stores the document with the edits made.
func (d Document) fits(edits []edit) bool { return len(replace(d.raw.Reveal(), edits)) <= MaxBytes }

// edit is text in place of what stands somewhere.
type edit struct {
	span
	text string
}

func inOrder(edits []edit) []edit {
	return slices.SortedFunc(slices.Values(edits), func(a, b edit) int { return cmp.Compare(a.start, b.start) })
}

// overlap reports whether two edits are of the same bytes.
func overlap(edits []edit) bool {
	edits = inOrder(edits)
	for i := 1; i < len(edits); i++ {
		if edits[i].start < edits[i-1].end {
			return true
		}
	}
	return false
}

// replace returns text with the edits made, which do not overlap.
func replace(text string, edits []edit) string {
	edits = inOrder(edits)
	var out strings.Builder
	at := 0
	for _, e := range edits {
		out.WriteString(text[at:e.start])
		out.WriteString(e.text)
		at = e.end
	}
	out.WriteString(text[at:])
	return out.String()
}

// escape returns valid text as it stands in a JSON string, with as few escapes as the
// standard asks for, as a person would have written it: <, > and & stay as they are.
func escape(text string) string {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // valid UTF-8 can be encoded, and a Builder written to
	return strings.TrimSuffix(strings.TrimPrefix(out.String(), `"`), "\"\n")
}
