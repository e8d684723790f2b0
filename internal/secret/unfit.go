package secret

import (
	"slices"
	"strings"
)

// Unfit is what stands in the way of a password in the connection strings of a document.
type Unfit struct {
	// Strings are those in which not every password can be written. None can be that has
	// one of the Characters.
	Strings    Names
	Characters string
	// Never are those in which none can be.
	Never Names
}

// Unfit tells which of the characters that a password may have keep it from being written
// into the connection strings that Renew renews.
func (d Document) Unfit(username, characters string) Unfit {
	var u Unfit
	former, hidden := credentials{d.username, d.password.Reveal()}, copies{d.password.Reveal()}
	d.strings(func(at path, text string) {
		if !hidden.in(text) {
			return
		}
		if _, held := renewString(text, former, former); !held {
			return
		}
		fits := func(password string) bool {
			edits, held := renewString(text, former, credentials{username, password})
			return held && edits != nil
		}
		if !fits(fitting) {
			u.Never.add(at, hidden)
			return
		}
		here := misfits(characters, fits)
		if here == "" {
			return
		}
		u.Strings.add(at, hidden)
		for _, r := range here {
			if !strings.ContainsRune(u.Characters, r) {
				u.Characters += string(r)
			}
		}
	})
	in := []rune(u.Characters)
	slices.Sort(in)
	u.Characters = string(in)
	return u
}

// fitting is a password that each form can have.
const fitting = "x"

// misfits returns those characters with which a password does not fit. Where a form looks at
// a character's place, it is at the ends of a value, or beside another of its kind.
func misfits(characters string, fits func(password string) bool) string {
	around := func(c string) string { return c + fitting + c + c + fitting + c }
	var all strings.Builder
	for _, r := range characters {
		all.WriteString(around(string(r)))
	}
	if fits(all.String()) { // as usual: each try reads the whole string
		return ""
	}
	return strings.Map(func(r rune) rune {
		if c := string(r); plain(c) || fits(around(c)) {
			return -1
		}
		return r
	}, characters)
}

// strings visits each string of the document that may be a connection string.
func (d Document) strings(visit func(at path, text string)) {
	walk(d.raw.Reveal(), func(at path, where span, isKey bool) {
		if isKey || at.ownKey() {
			return
		}
		if decoded := decode(d.raw.Reveal(), where); decoded.ok {
			visit(at, decoded.text)
		}
	})
}
