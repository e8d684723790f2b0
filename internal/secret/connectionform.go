package secret

import (
	"slices"
	"strings"
)

// connectionForm is a form of connection strings: it reads a string as those do whom the
// string is for, and returns the logins in it, each of which has a user name and a
// password. There are none in a string of another form.
type connectionForm func(text string) []login

// connectionForms are those that are known. A string may have several: then they have to
// agree on what a renewal makes of it.
func connectionForms() []connectionForm {
	return []connectionForm{urlString, urlOfHosts, uriWithoutScheme, goDSN, pdoDSN, adoString, odbcString}
}

// login is where a string has a user name and a password that belong together, each
// perhaps several times.
type login struct{ usernames, passwords []place }

// place is where a user name or a password stands.
type place struct {
	span
	spelling
}

// spelling is how a form spells a value.
type spelling struct {
	// read returns what a value may mean to those who read the form.
	read func(spelled string) []string
	// write spells a value, if it can stand there. It need not look further than that
	// value: the string is read again.
	write func(value string) (spelled string, ok bool)
}

func (l login) places() []place { return slices.Concat(l.usernames, l.passwords) }

// complete reports whether the login has both.
func (l login) complete() bool { return len(l.usernames) > 0 && len(l.passwords) > 0 }

// holds reports whether a login has exactly these credentials, to one reader at least.
func (l login) holds(text string, c credentials) bool {
	means := func(value string) func(place) bool {
		return func(p place) bool { return slices.Contains(p.read(text[p.start:p.end]), value) }
	}
	return l.complete() && !slices.ContainsFunc(l.usernames, not(means(c.username))) && !slices.ContainsFunc(l.passwords, not(means(c.password)))
}

func not(f func(place) bool) func(place) bool { return func(p place) bool { return !f(p) } }

// renewString returns the edits that put next in place of former into a connection
// string. held says whether text is one that holds exactly former; then the edits are nil
// where next cannot be written so that all who read it find it.
func renewString(text string, former, next credentials) (edits []edit, held bool) {
	for _, f := range connectionForms() {
		found, holds := f.renew(text, former, next)
		switch {
		case !holds:
		case found == nil || held && replace(text, found) != replace(text, edits):
			return nil, true
		default:
			edits, held = found, true
		}
	}
	return edits, held
}

// renew is renewString for one form.
func (f connectionForm) renew(text string, former, next credentials) (edits []edit, held bool) {
	logins := f(text)
	edits = []edit{}
	for _, l := range logins {
		if !l.holds(text, former) {
			continue
		}
		held = true
		for i, p := range l.places() {
			value := next.username
			if i >= len(l.usernames) {
				value = next.password
			}
			spelled, ok := p.respelled(text[p.start:p.end], value)
			if !ok {
				return nil, true
			}
			edits = append(edits, edit{p.span, spelled})
		}
	}
	if held && (overlap(edits) || !f.proves(text, replace(text, edits), former, next)) {
		return nil, true
	}
	return edits, held
}

// respelled spells a value in place of another, which stays as it is where it has that
// value.
func (s spelling) respelled(spelled, value string) (string, bool) {
	if now := s.read(spelled); len(now) == 1 && now[0] == value {
		return spelled, true
	}
	return s.write(value)
}

// proves reads a string again after an edit: all who read it find next where text held
// former, and what it was anywhere else.
func (f connectionForm) proves(text, edited string, former, next credentials) bool {
	before, after := f(text), f(edited)
	return slices.EqualFunc(before, after, func(was, is login) bool {
		held := was.holds(text, former)
		same := func(value string) func(was, is place) bool {
			return func(was, is place) bool {
				spelled := edited[is.start:is.end]
				if !held {
					return spelled == text[was.start:was.end]
				}
				return !slices.ContainsFunc(is.read(spelled), func(read string) bool { return read != value })
			}
		}
		return slices.EqualFunc(was.usernames, is.usernames, same(next.username)) && slices.EqualFunc(was.passwords, is.passwords, same(next.password))
	})
}

// literal is the spelling of a form that escapes nothing.
var literal = spelling{
	read:  func(spelled string) []string { return []string{spelled} },
	write: func(value string) (string, bool) { return value, true },
}

// doubling is the spelling of a form in which one character is written twice. None of
// these forms can have a NUL.
func doubling(mark string) spelling {
	return spelling{
		read: func(spelled string) []string { return []string{strings.ReplaceAll(spelled, mark+mark, mark)} },
		write: func(value string) (string, bool) {
			return strings.ReplaceAll(value, mark, mark+mark), !strings.Contains(value, "\x00")
		},
	}
}

// plain reports whether a value needs no escape in any form: it has only what RFC 3986
// calls unreserved.
func plain(value string) bool {
	return value != "" && !strings.ContainsFunc(value, func(r rune) bool { return !isWord(r) && !strings.ContainsRune("-.~", r) })
}
