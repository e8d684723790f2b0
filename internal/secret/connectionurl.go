package secret

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// schemes finds where a URL begins: in a list of them, which white space or a comma
// separates, there are several. JDBC's and R2DBC's have a scheme of several words, and
// those of Python and MySQL's SRV records a plus sign in it.
var schemes = regexp.MustCompile(`(?:^|[\s,;|])\s*([A-Za-z][\w+.-]*(?::[A-Za-z][\w+.-]*)*)://`)

// namesMySQL reports whether a scheme or a driver, in lower case, says that it is for MySQL
// or MariaDB. The same user and password may be those of another service too.
func namesMySQL(name string) bool { return hasOneOf(name, "mysql", "maria", "myodbc", "maodbc") }

// namesAnotherEngine reports whether it says that it is for another one, as far as these are
// known. Aurora and Percona make both.
func namesAnotherEngine(name string) bool {
	return hasOneOf(name, "postgres", "pgsql", "psql", "psycopg", "dsql", "redshift", "greenplum", "cockroach",
		"sqlserver", "sql server", "mssql", "msodbcsql", "sqlncli", "oledbsql", "sqloledb", "sqlclient", "freetds", "tdsodbc", "sybase", "adaptive server",
		"oracle", "oraclient", "oraoledb", "msdaora", "sqora", "sqlite", "db2", "iseries", "ibmda400", "informix", "firebird", "interbase",
		"mongo", "redis", "elastic", "cassandra", "clickhouse", "exasol", "impala", "hive", "spark", "dremio", "presto", "trino", "snowflake", "teradata", "vertica", "hdbodbc", "netezza",
		"athena", "bigquery", "databricks", "jet.oledb", "ace.oledb", "microsoft access", "microsoft excel")
}

func hasOneOf(name string, words ...string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(name, word) })
}

// address is one URL of a string: from behind the two slashes to its end, white space at
// the end aside.
type address struct {
	span
	scheme string
}

// ours reports whether the URL is one for MySQL or MariaDB.
func (a address) ours() bool {
	return namesMySQL(a.scheme) || hasOneOf(a.scheme, "aurora", "percona", "trilogy") && !namesAnotherEngine(a.scheme)
}

func addresses(text string) []address {
	var found []address
	for _, at := range schemes.FindAllStringSubmatchIndex(text, -1) {
		if len(found) > 0 {
			found[len(found)-1].end = at[0]
		}
		found = append(found, address{span{at[1], len(text)}, strings.ToLower(text[at[2]:at[3]])})
	}
	for i, a := range found {
		found[i].end = a.start + len(strings.TrimRight(text[a.start:a.end], " \t\r\n"))
	}
	return found
}

// urlString reads URLs as RFC 3986 has them, with one user and password before the host or
// the hosts, or in the query:
//
//	mysql://USER:PASSWORD@host:3306/db
//	jdbc:mysql://host:3306/db?user=USER&password=PASSWORD
func urlString(text string) []login {
	var logins []login
	for _, a := range addresses(text) {
		if !a.ours() {
			continue
		}
		end := authorityEnd(text, a.start, a.end)
		l := a.login(text, strings.LastIndexByte(text[a.start:end], '@'), end)
		if !l.complete() {
			l = a.unescaped(text)
		}
		logins = append(logins, l)
	}
	return complete(logins)
}

// login is the one of a URL before its host, in its query, or in part in each. at is how
// far from its start the @ is, negative for none, and end where its hosts end.
func (a address) login(text string, at, end int) login {
	var before login
	if at >= 0 {
		before = userinfo(text, span{a.start, a.start + at})
	}
	return merged(before, a.query(text, end))
}

// unescaped is the login of a URL in whose password stands a /, ? or #, which ought to be
// percent-encoded there. Some parsers take it nevertheless, such as SQLAlchemy's.
func (a address) unescaped(text string) login {
	at := strings.IndexByte(text[a.start:a.end], '@')
	if at < 0 {
		return login{}
	}
	return a.login(text, at, authorityEnd(text, a.start+at, a.end))
}

// keysOfHost finds the keys of one host and their values, in (key=value,key=value);
// keysOfAddress does in address=(key=value)(key=value).
var (
	keysOfHost    = regexp.MustCompile(`[(,]\s*([\w.%-]+)\s*=([^,)]*)`)
	keysOfAddress = regexp.MustCompile(`\(\s*([\w.%-]+)\s*=([^)]*)`)
)

// urlOfHosts reads URLs of several hosts, each with credentials of its own:
//
//	jdbc:mysql://USER:PASSWORD@host1:3306,USER:PASSWORD@host2/db
//	jdbc:mysql://address=(host=host1)(user=USER)(password=PASSWORD),(host=host2,user=USER,password=PASSWORD)/db
//
// Source: MySQL Connector/J Developer Guide, "Connection URL Syntax".
func urlOfHosts(text string) []login {
	var logins []login
	for _, a := range addresses(text) {
		if !a.ours() {
			continue
		}
		end := authorityEnd(text, a.start, a.end)
		var own []login
		for _, host := range hosts(text, span{a.start, end}) {
			var l login
			if at := strings.LastIndexByte(text[host.start:host.end], '@'); at >= 0 {
				l = userinfo(text, span{host.start, host.start + at})
				host.start += at + 1
			}
			keys := keysOfHost
			if strings.HasPrefix(strings.ToLower(text[host.start:host.end]), "address=") {
				keys = keysOfAddress
			}
			for _, at := range keys.FindAllStringSubmatchIndex(text[host.start:host.end], -1) {
				l.add(text[host.start+at[2]:host.start+at[3]], place{span{host.start + at[4], host.start + at[5]}, percent})
			}
			own = append(own, l)
		}
		own = append(own, a.query(text, end))
		if slices.ContainsFunc(own, func(l login) bool { return len(l.places()) > 0 && !l.complete() }) {
			own = []login{merged(own...)} // the hosts have a part in common
		}
		logins = append(logins, own...)
	}
	return complete(logins)
}

// hosts splits an authority at its commas, those in brackets aside. The square brackets
// around a list are not a host's.
func hosts(text string, authority span) []span {
	var found []span
	depth, start := 0, authority.start
	for at := authority.start; at < authority.end; at++ {
		switch text[at] {
		case '(':
			depth++
		case ')':
			depth--
		case '[':
			if at == start {
				start++
			}
		case ',':
			if depth == 0 {
				found = append(found, span{start, at})
				start = at + 1
			}
		}
	}
	return append(found, span{start, authority.end})
}

// hostAlone is what stands behind the user and the password in a URL that has no scheme.
var hostAlone = regexp.MustCompile(`^(?:\[[^\]]*\]|[\w.%-]+)(?::\d*)?$`)

// uriWithoutScheme reads USER:PASSWORD@host:3306/db.
//
// Source: MySQL Shell 8.4, "Connecting to the Server Using URI-Like Strings or Key-Value Pairs".
func uriWithoutScheme(text string) []login {
	if len(addresses(text)) > 0 {
		return nil
	}
	start, end := len(text)-len(strings.TrimLeft(text, " \t\r\n")), len(strings.TrimRight(text, " \t\r\n"))
	end = authorityEnd(text, start, max(start, end))
	at := strings.LastIndexByte(text[start:end], '@')
	if at < 0 || !hostAlone.MatchString(text[start+at+1:end]) {
		return nil
	}
	return complete([]login{userinfo(text, span{start, start + at})})
}

// authorityEnd returns where the user, the password and the hosts end.
func authorityEnd(text string, start, end int) int {
	if at := strings.IndexAny(text[start:end], "/?#"); at >= 0 {
		return start + at
	}
	return end
}

// userinfo reads a user name, and the password behind its colon if it has one.
func userinfo(text string, in span) login {
	colon := in.start + strings.IndexByte(text[in.start:in.end], ':')
	if colon < in.start {
		return login{usernames: []place{{in, percentBeforeHost}}}
	}
	return login{
		usernames: []place{{span{in.start, colon}, percentBeforeHost}},
		passwords: []place{{span{colon + 1, in.end}, percentBeforeHost}},
	}
}

// query reads the parameters behind a URL's authority.
//
// MariaDB's Connector/J takes them as they stand, up to the next & (Configuration.java,
// parseInternal), behind others too that hand the URL on, such as jdbc:p6spy:mariadb.
// MySQL's, AWS's wrapper and everybody else decodes them. A URL of
// jdbc:mysql may be read by either: MariaDB's reads it up to version 2 (UrlParser.java),
// and later where permitMysqlScheme is in it.
func (a address) query(text string, from int) login {
	spelling, end, decoded := percent, a.end, true
	words := strings.Split(a.scheme, ":")
	switch {
	case words[0] != "jdbc" || slices.Contains(words, "aws-wrapper"):
	case slices.Contains(words, "mariadb"):
		spelling, decoded = literal, false
	case strings.Contains(text[from:end], "permitMysqlScheme"):
		spelling, decoded = literal, false
	case strings.Contains(text[from:end], "#"): // where MySQL's stops and MariaDB's does not
		spelling, decoded = unclear, false
	default:
		spelling = percentWhereNeeded
	}
	if fragment := strings.IndexByte(text[from:end], '#'); decoded && fragment >= 0 {
		end = from + fragment
	}
	mark := strings.IndexByte(text[from:end], '?')
	if mark < 0 {
		return login{}
	}
	start := from + mark + 1
	var l login
	for start <= end {
		next := end
		if separator := strings.IndexByte(text[start:end], '&'); separator >= 0 {
			next = start + separator
		}
		if key, value, ok := strings.Cut(text[start:next], "="); ok {
			l.add(key, place{span{next - len(value), next}, spelling})
		}
		start = next + 1
	}
	return l
}

// add takes a value into the login by its key.
func (l *login) add(key string, value place) {
	switch strings.ReplaceAll(strings.ToLower(strings.TrimSpace(key)), " ", "") {
	case "user", "username", "userid", "uid":
		l.usernames = append(l.usernames, value)
	case "password", "passwd", "pwd", "password1", "pwd1":
		l.passwords = append(l.passwords, value)
	}
}

// merged is one login of several that have a part each.
func merged(logins ...login) login {
	var all login
	for _, l := range logins {
		all.usernames = append(all.usernames, l.usernames...)
		all.passwords = append(all.passwords, l.passwords...)
	}
	return all
}

func complete(logins []login) []login {
	return slices.DeleteFunc(logins, func(l login) bool { return !l.complete() })
}

// percent is the spelling of URLs. It writes all that is not unreserved in percent
// encoding, the plus sign too, which some readers take for a space.
//
// Source: RFC 3986, 2.1 and 2.3.
var percent = percentEncoding("")

// percentBeforeHost is percent before a URL's host, where a password can have more as it
// is: it is read by those too who decode nothing. The plus sign is written as in percent,
// and so are the comma and the brackets, which are about several hosts.
//
// Source: RFC 3986, 3.2.1.
var percentBeforeHost = percentEncoding("!$&'*;=")

// percentEncoding is the spelling of URLs where some more characters than the unreserved
// ones stand for themselves.
func percentEncoding(more string) spelling {
	return spelling{
		read: percentDecoded,
		write: func(value string) (string, bool) {
			var out strings.Builder
			for _, b := range []byte(value) {
				if plain(string(rune(b))) || strings.IndexByte(more, b) >= 0 {
					out.WriteByte(b)
				} else {
					fmt.Fprintf(&out, "%%%02X", b)
				}
			}
			return out.String(), true
		},
	}
}

// percentWhereNeeded is percent, which leaves bare what a query may have: so the driver
// that decodes nothing finds the same wherever nothing has to be escaped.
var percentWhereNeeded = spelling{
	read: percentDecoded,
	write: func(value string) (string, bool) {
		var out strings.Builder
		for _, r := range value {
			if strings.ContainsRune("%+&#", r) || unicode.IsSpace(r) || unicode.IsControl(r) {
				encoded, _ := percent.write(string(r))
				out.WriteString(encoded)
			} else {
				out.WriteRune(r)
			}
		}
		return out.String(), true
	},
}

// unclear is the spelling of what the readers of a string do not even find alike.
var unclear = spelling{
	read:  func(string) []string { return nil },
	write: func(string) (string, bool) { return "", false },
}

// percentDecoded returns what a percent-encoded text means, with each plus sign as itself
// and as a space. A percent sign that begins no escape stands for itself.
func percentDecoded(text string) []string {
	if !strings.Contains(text, "+") {
		return []string{decodePercent(text)}
	}
	return []string{decodePercent(text), decodePercent(strings.ReplaceAll(text, "+", " "))}
}

func decodePercent(text string) string {
	var out strings.Builder
	for at := 0; at < len(text); at++ {
		if text[at] == '%' && at+2 < len(text) && isHex(text[at+1]) && isHex(text[at+2]) {
			out.WriteByte(hexValue(text[at+1])<<4 | hexValue(text[at+2]))
			at += 2
		} else {
			out.WriteByte(text[at])
		}
	}
	return out.String()
}

func isHex(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
}
