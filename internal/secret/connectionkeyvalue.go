package secret

import (
	"slices"
	"strings"
	"unicode"
)

// adoString reads a connection string of ADO.NET, and of ADO:
//
//	Server=host;Port=3306;Database=db;Uid=USER;Pwd=PASSWORD
//
// A value that has a semicolon, quotes or white space at its ends in it stands in single
// or double quotes, which are written twice within.
//
// Source: .NET API, DbConnectionStringBuilder.ConnectionString, "Remarks".
func adoString(text string) []login {
	pairs, ok := keyValues(text, `"'`)
	if !ok || isODBC(text, pairs) && !names(text, pairs, "provider") || !isODBC(text, pairs) && !namesServer(text, pairs) {
		return nil
	}
	return loginOf(text, pairs)
}

// odbcString reads a connection string of ODBC:
//
//	Driver={MySQL ODBC 9.0 Unicode Driver};Server=host;Database=db;UID=USER;PWD={PASSWORD}
//
// A value that has more than letters and digits in it stands in braces, of which the
// closing one is written twice within.
//
// Source: ODBC Programmer's Reference, SQLDriverConnect, "Comments"; MySQL Connector/ODBC,
// DataSource::from_kvpair.
func odbcString(text string) []login {
	pairs, ok := keyValues(text, "{")
	if !ok || !isODBC(text, pairs) {
		return nil
	}
	return loginOf(text, pairs)
}

// isODBC reports whether a connection string names what only ODBC's do.
func isODBC(text string, pairs []keyValue) bool {
	return names(text, pairs, "driver", "dsn", "filedsn")
}

// namesServer reports whether a connection string of ADO names a server: without one, it
// may be anything that has semicolons.
//
// Source: MySQL Connector/NET Developer Guide, "Connector/NET Connection Options".
func namesServer(text string, pairs []keyValue) bool {
	return names(text, pairs, "server", "host", "data source", "datasource", "address", "addr", "network address")
}

func names(text string, pairs []keyValue, keys ...string) bool {
	return slices.ContainsFunc(pairs, func(p keyValue) bool {
		return slices.Contains(keys, strings.ToLower(text[p.key.start:p.key.end]))
	})
}

// namesAnother reports whether a connection string says that its driver is for another kind
// of server. A driver whose name says nothing may be one for MySQL.
func namesAnother(text string, pairs []keyValue) bool {
	var named strings.Builder
	for _, p := range pairs {
		if names(text, []keyValue{p}, "driver", "provider", "dsn", "filedsn") {
			named.WriteString(strings.ToLower(text[p.value.start:p.value.end]) + ";")
		}
	}
	return namesAnotherEngine(named.String()) && !namesMySQL(named.String())
}

func loginOf(text string, pairs []keyValue) []login {
	if namesAnother(text, pairs) {
		return nil
	}
	var l login
	for _, p := range pairs {
		l.add(text[p.key.start:p.key.end], p.value)
	}
	return complete([]login{l})
}

// keyValue is one key with its value.
type keyValue struct {
	key   span
	value place
}

// keyValues reads what stands between semicolons as keys and values, the latter perhaps
// in quotes. A brace is closed by the other one.
func keyValues(text, quotes string) (pairs []keyValue, ok bool) {
	for at := 0; ; {
		at += leading(text[at:], func(r rune) bool { return unicode.IsSpace(r) || r == ';' })
		if at == len(text) {
			return pairs, true
		}
		equals := at + strings.IndexByte(text[at:], '=')
		// What URLs, other DSNs, JSON and programs have is in no key. Two equals signs would be a key's.
		if equals <= at || strings.ContainsAny(text[at:equals], ";:/?@[]{}\"'<>$\r\n") || strings.HasPrefix(text[equals:], "==") {
			return nil, false
		}
		value, end, ok := valueAt(text, equals+1, quotes)
		if !ok {
			return nil, false
		}
		pairs = append(pairs, keyValue{key: span{at, at + len(strings.TrimRightFunc(text[at:equals], unicode.IsSpace))}, value: value})
		at = end
	}
}

// valueAt reads the value that begins at a place, white space aside, and returns where
// its semicolon is, or the end of text. It is not ok where something else is behind its
// quotes, or they are not closed.
func valueAt(text string, at int, quotes string) (value place, end int, ok bool) {
	closing := func(quote string) string { return strings.Replace(quote, "{", "}", 1) }
	at += leading(text[at:], unicode.IsSpace)
	if at == len(text) || !strings.Contains(quotes, text[at:at+1]) {
		end = at + leading(text[at:], func(r rune) bool { return r != ';' })
		return place{span{at, at + len(strings.TrimRightFunc(text[at:end], unicode.IsSpace))}, bare(quotes[:1], closing(quotes[:1]))}, end, true
	}
	mark := closing(text[at : at+1])
	length, closed := quoted(text[at+1:], mark)
	if !closed {
		return place{}, 0, false
	}
	value = place{span{at + 1, at + 1 + length}, doubling(mark)}
	end = value.end + len(mark)
	end += leading(text[end:], unicode.IsSpace)
	return value, end, end == len(text) || text[end] == ';'
}

// leading returns how many bytes text begins with that are of a kind.
func leading(text string, kind func(rune) bool) int {
	return len(text) - len(strings.TrimLeftFunc(text, kind))
}

// quoted returns how long the text before the closing mark is, which is written twice
// where it is none.
func quoted(text, mark string) (length int, closed bool) {
	for at := 0; at < len(text); at++ {
		switch {
		case !strings.HasPrefix(text[at:], mark):
		case strings.HasPrefix(text[at:], mark+mark):
			at++
		default:
			return at, true
		}
	}
	return 0, false
}

// bare is the spelling of a value that is not in quotes, until it has to be.
func bare(opening, closing string) spelling {
	needless := plain
	if opening != "{" {
		needless = needsNoQuotes
	}
	return spelling{
		read: literal.read,
		write: func(value string) (string, bool) {
			if needless(value) {
				return value, true
			}
			inside, ok := doubling(closing).write(value)
			return opening + inside + closing, ok
		},
	}
}

// needsNoQuotes reports whether ADO reads a value that is not in quotes as it is. Some
// readers know no quotes.
//
// Source: .NET, DbConnectionOptions.Common.cs, ConnectionStringPattern.
func needsNoQuotes(value string) bool {
	return value == strings.TrimSpace(value) && !strings.HasPrefix(value, "=") &&
		!strings.ContainsAny(value, `;"'`) && !strings.ContainsFunc(value, unicode.IsControl)
}
