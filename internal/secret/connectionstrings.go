package secret

import (
	"fmt"
	"slices"

	"tandem/internal/failure"
	"tandem/internal/redact"
)

// Renewal is a document with other credentials, in its connection strings too.
type Renewal struct {
	Document
	// Renewed are the connection strings that have the new credentials now.
	Renewed Names
	// Unwritten are those that hold exactly the former credentials, and keep them, as the
	// new ones cannot be written there.
	Unwritten Names
	// Left are the other strings that contain the former password, and keys that do.
	Left Names
}

// Names name strings of a document, such as urls[0].primary. The mark of a secret stands
// for a key that contains the password, or may contain one.
type Names struct {
	// First are the names of those that come first.
	First []string
	// Count is how many there are.
	Count int
}

// most is how many strings are named: with thousands of them, at thousands of levels,
// the names would be far longer than the document.
const most = 20

func (n *Names) add(at path, hidden copies) {
	if n.Count++; n.Count <= most {
		n.First = append(n.First, at.name(hidden))
	}
}

// Listed returns the names, and how many more there are.
func (n Names) Listed() []string {
	if n.Count <= len(n.First) {
		return n.First
	}
	return append(slices.Clone(n.First), fmt.Sprintf("and %d more", n.Count-len(n.First)))
}

// Without returns the names that are not among these others, all of which are among n.
func (n Names) Without(others Names) Names {
	return Names{slices.DeleteFunc(slices.Clone(n.First), func(name string) bool { return slices.Contains(others.First, name) }), n.Count - others.Count}
}

// Renew is WithCredentials, and puts the new credentials into connection strings
// besides: into each string, at any depth, that has one of the forms and holds exactly
// the document's username and password. Every other byte stays, of those strings too.
//
// A connection string is unwritten where the new credentials cannot be written in its form,
// or not so that everybody who may read it finds the same. All of them are left where the
// document would be longer than Secrets Manager stores.
func (d Document) Renew(username string, password redact.Secret) (Renewal, error) {
	edits, err := d.credentialEdits(username, password)
	if err != nil {
		return Renewal{}, failure.Mark(failure.SecretInvalid, err)
	}
	r := renewing{
		document: d, edits: edits, copies: copies{d.password.Reveal()},
		former: credentials{d.username, d.password.Reveal()}, next: credentials{username, password.Reveal()},
	}
	walk(d.raw.Reveal(), r.visit)
	if d.fits(edits) && !d.fits(r.edits) {
		r = renewing{document: d, edits: edits, copies: r.copies, leaves: true}
		walk(d.raw.Reveal(), r.visit)
	}
	renewed, err := d.edited(r.edits)
	if err != nil {
		return Renewal{}, failure.Mark(failure.SecretInvalid, err)
	}
	return Renewal{Document: renewed, Renewed: r.renewed, Unwritten: r.unwritten, Left: r.left}, nil
}

// credentials are a user name and a password.
type credentials struct{ username, password string }

// renewing is Renew at work.
type renewing struct {
	document     Document
	former, next credentials
	copies       copies
	leaves       bool // each connection string as it is

	edits                    []edit // of the document
	renewed, unwritten, left Names
}

// visit looks at one string of the document. Only where the password is in it can it be a
// connection string that holds the password.
func (r *renewing) visit(at path, where span, isKey bool) {
	if where == r.document.usernameSpan || where == r.document.passwordSpan || isKey && at.ownKey() {
		return
	}
	decoded := decode(r.document.raw.Reveal(), where)
	if !r.copies.in(decoded.text) {
		return
	}
	if !r.leaves && !isKey && !at.ownKey() && decoded.ok {
		edits, held := renewString(decoded.text, r.former, r.next)
		if held && edits == nil {
			r.unwritten.add(at, r.copies)
			return
		}
		if held && !r.copies.in(r.renew(at, decoded, edits)) {
			return
		}
	}
	r.left.add(at, r.copies)
}

// renew takes the edits of a string over to the document, and returns the rest of the
// string, in which marks stand for what has changed.
func (r *renewing) renew(at path, old decoded, edits []edit) (rest string) {
	r.renewed.add(at, r.copies)
	for i, e := range edits {
		r.edits = append(r.edits, edit{old.span(e.span), escape(e.text)})
		edits[i].text = "\x00"
	}
	return replace(old.text, edits)
}

// ownKey reports whether the path is that of a key which has a meaning here.
func (p path) ownKey() bool {
	return len(p) == 1 && slices.Contains([]string{keyEngine, keyHost, keyPort, keyUsername, keyPassword, keyDatabase, keyAdminARN, keyTLS}, p[0].key)
}
