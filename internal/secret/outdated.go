package secret

import (
	"regexp"
	"slices"
	"strings"
)

// Outdated names the connection strings of users whose passwords are others than the
// document's. They are those of the document's server: where its host is in the string,
// or exactly the credentials of a document that was there before. doubtful is how many
// more there are, which may be another server's.
func (d Document) Outdated(usernames []string, before ...Document) (named Names, doubtful int) {
	host := regexp.MustCompile(`(?i)(?:^|//|[@,(=\[\s"'{:])` + regexp.QuoteMeta(d.host) + `(?:$|[:/?#,)\];&\s"'}])`)
	current := credentials{d.username, d.password.Reveal()}
	d.strings(func(at path, text string) {
		if !copies(usernames).in(text) {
			return
		}
		logins := slices.DeleteFunc(loginsOf(text, current), func(l login) bool { return !l.outdated(text, usernames, current.password) })
		held := slices.ContainsFunc(before, func(b Document) bool {
			return slices.ContainsFunc(logins, func(l login) bool { return l.holds(text, credentials{b.username, b.password.Reveal()}) })
		})
		switch {
		case len(logins) == 0:
		case held || d.host != "" && host.MatchString(text):
			hidden := copies{current.password}
			for _, l := range logins {
				for _, p := range l.passwords {
					hidden = append(hidden, p.read(text[p.start:p.end])...)
				}
			}
			named.add(at, hidden)
		default:
			doubtful++
		}
	})
	return named, doubtful
}

// loginsOf returns the logins in a string by the forms in which it holds the current
// credentials, or where it holds none, by all that it may have.
func loginsOf(text string, current credentials) []login {
	var all []login
	for _, f := range connectionForms() {
		logins := f(text)
		if slices.ContainsFunc(logins, func(l login) bool { return l.holds(text, current) }) {
			return logins
		}
		all = append(all, logins...)
	}
	return all
}

// placeholder is what stands in a template in place of a password.
var placeholder = regexp.MustCompile(`^(?:|[$#]?\{.*\}|\$\(.*\)|\[.*\]|<.*>|%[\w(){}]+%?|\$\w+|__\w+__|@\w+@|\*+|[xX]+)$`)

// outdated reports whether a login is one of the users', with a password that is neither
// the current one nor none at all.
func (l login) outdated(text string, usernames []string, password string) bool {
	reads := func(p place, is func(string) bool) bool {
		return slices.ContainsFunc(p.read(text[p.start:p.end]), is)
	}
	for _, p := range l.usernames {
		if !reads(p, func(read string) bool { return slices.Contains(usernames, read) }) {
			return false
		}
	}
	for _, p := range l.passwords {
		if reads(p, func(read string) bool { return read == password || placeholder.MatchString(strings.TrimSpace(read)) }) {
			return false
		}
	}
	return l.complete()
}
