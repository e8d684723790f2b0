package secret

import "strings"

// goDSN reads a data source name of go-sql-driver:
//
//	USER:PASSWORD@tcp(host:3306)/db?parseTime=true
//
// Nothing is escaped in it. The last slash ends the address, the last @ before it the
// password, and the first colon the user name.
//
// Source: github.com/go-sql-driver/mysql, README "DSN (Data Source Name)", ParseDSN.
func goDSN(text string) []login {
	slash := strings.LastIndexByte(text, '/')
	at := strings.LastIndexByte(text[:max(slash, 0)], '@')
	colon := strings.IndexByte(text[:max(at, 0)], ':')
	if colon < 0 {
		return nil
	}
	network, inBrackets, has := strings.Cut(text[at+1:slash], "(")
	switch {
	case has && (!strings.HasSuffix(inBrackets, ")") || network == "" && strings.HasPrefix(inBrackets, "/")):
		return nil // the path of a socket in brackets is MySQL Shell's
	case !has && network != "" && network != "tcp" && network != "unix": // no other has an address by default
		return nil
	}
	return []login{{
		usernames: []place{{span{0, colon}, literal}},
		passwords: []place{{span{colon + 1, at}, literal}},
	}}
}

// pdoDSN reads a data source name of PHP Data Objects:
//
//	mysql:host=host;port=3306;dbname=db;user=USER;password=PASSWORD
//
// A value ends at a semicolon; one in it is written twice.
//
// Source: PHP Manual, "PDO_MYSQL DSN"; php-src ext/pdo/pdo.c, php_pdo_parse_data_source.
func pdoDSN(text string) []login {
	const prefix = "mysql:"
	if !strings.HasPrefix(text, prefix) {
		return nil
	}
	var l login
	for name, at := len(prefix), len(prefix); ; name = at {
		equals := strings.IndexByte(text[at:], '=')
		if equals < 0 {
			break
		}
		start := at + equals + 1
		end := start + endOfPDOValue(text[start:])
		value := place{span{start, end}, doubling(";")}
		switch text[name : start-1] {
		case "user":
			l.usernames = append(l.usernames, value)
		case "password":
			l.passwords = append(l.passwords, value)
		}
		if end == len(text) || text[end] == 0 {
			break
		}
		at = end + 1
		at += len(text[at:]) - len(strings.TrimLeft(text[at:], " \t\n\v\f\r"))
	}
	return complete([]login{l})
}

// endOfPDOValue returns where a value ends: at a semicolon that is not one of two, or a
// NUL.
func endOfPDOValue(text string) int {
	for at := 0; at < len(text); at++ {
		switch {
		case strings.HasPrefix(text[at:], ";;"):
			at++
		case text[at] == ';' || text[at] == 0:
			return at
		}
	}
	return len(text)
}
