package secret_test

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// reader reads a user name and a password as a driver does: by the driver itself where
// it is in Go, and otherwise after the driver's source.
type reader func(text string) (username, password string, ok bool)

// readURL is net/url's.
func readURL(text string) (username, password string, ok bool) {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" || parsed.User == nil {
		return "", "", false
	}
	password, ok = parsed.User.Password()
	return parsed.User.Username(), password, ok
}

// readShell reads what MySQL Shell does: a URL that may lack its scheme.
func readShell(text string) (username, password string, ok bool) { return readURL("mysql://" + text) }

// readGo is go-sql-driver's.
func readGo(text string) (username, password string, ok bool) {
	config, err := mysql.ParseDSN(text)
	if err != nil {
		return "", "", false
	}
	return config.User, config.Passwd, true
}

// Source: MySQL Connector/J, ConnectionUrlParser.java. Connector/J takes the credentials
// of a host before those of the query.
var (
	jConnection = regexp.MustCompile(`^(?P<scheme>[\w+:%]+)\s*(?://(?P<authority>[^/?#]*))?\s*(?:/(?P<path>[^?#]*))?(?:\?(?P<query>[^#]*))?(?:\s*#(?P<fragment>.*))?$`)
	jProperties = regexp.MustCompile(`[&\s]*([\w.\-\s%]*)(?:=([^&]*))?`)
	jKeysOfHost = regexp.MustCompile(`[,\s]*([\w.\-\s%]*)(?:=([^,]*))?`)
	jKeysOfAddr = regexp.MustCompile(`\s*\(\s*([\w.\-%]+)?\s*(?:=([^)]*))?\)\s*`)
)

func readConnectorJ(text string) (username, password string, ok bool) {
	parts := jConnection.FindStringSubmatch(text)
	if parts == nil || !strings.HasPrefix(text, "jdbc:mysql:") {
		return "", "", false
	}
	keys := func(pattern *regexp.Regexp, in string) {
		for _, pair := range pattern.FindAllStringSubmatch(in, -1) {
			value, err := url.QueryUnescape(strings.TrimSpace(pair[2]))
			switch key := strings.ToLower(strings.TrimSpace(pair[1])); {
			case err != nil:
			case key == "user":
				username = value
			case key == "password":
				password = value
			}
		}
	}
	keys(jProperties, parts[4])
	host := parts[2]
	if before, behind, found := strings.Cut(host, "@"); found {
		user, secret, _ := strings.Cut(before, ":")
		username, _ = url.QueryUnescape(strings.TrimSpace(user))
		password, _ = url.QueryUnescape(strings.TrimSpace(secret))
		host = behind
	}
	if inside, found := strings.CutPrefix(host, "address="); found {
		keys(jKeysOfAddr, inside)
	} else if strings.HasPrefix(host, "(") {
		keys(jKeysOfHost, strings.Trim(host, "()"))
	}
	return username, password, username != "" && password != ""
}

// Source: MariaDB Connector/J 3, Configuration.java, parseInternal.
func readMariaDBConnectorJ(text string) (username, password string, ok bool) {
	if !strings.HasPrefix(text, "jdbc:mariadb:") {
		return "", "", false
	}
	return readQueryAsItStands(text)
}

// Source: MariaDB Connector/J 2, UrlParser.java, which takes MySQL's URLs too.
func readMariaDBConnectorJ2(text string) (username, password string, ok bool) {
	if !strings.HasPrefix(text, "jdbc:mysql:") {
		return readMariaDBConnectorJ(text)
	}
	return readQueryAsItStands(text)
}

// Source: AWS Advanced JDBC Wrapper, ConnectionUrlParser.java, which decodes as
// Connector/J does, whatever the driver behind it is.
func readAWSWrapper(text string) (username, password string, ok bool) {
	_, behind, found := strings.Cut(text, "://")
	if !found || !strings.HasPrefix(text, "jdbc:aws-wrapper:") {
		return "", "", false
	}
	return readConnectorJ("jdbc:mysql://" + behind)
}

func readQueryAsItStands(text string) (username, password string, ok bool) {
	_, behind, found := strings.Cut(text, "//")
	_, query, asked := strings.Cut(behind, "?")
	if !found || !asked {
		return "", "", false
	}
	for parameter := range strings.SplitSeq(query, "&") {
		switch key, value, _ := strings.Cut(parameter, "="); key {
		case "user":
			username = value
		case "password":
			password = value
		}
	}
	return username, password, username != "" && password != ""
}

// Source: php-src ext/pdo/pdo.c, php_pdo_parse_data_source; ext/pdo_mysql/mysql_driver.c.
func readPDO(text string) (username, password string, ok bool) {
	source, found := strings.CutPrefix(text, "mysql:")
	if !found {
		return "", "", false
	}
	name := 0
	for i := 0; i < len(source) && source[i] != 0; {
		if source[i] != '=' {
			i++
			continue
		}
		key := source[name:i]
		i++
		var value strings.Builder
		for i < len(source) {
			if source[i] == 0 || source[i] == ';' && (i+1 >= len(source) || source[i+1] != ';') {
				break
			}
			value.WriteByte(source[i])
			if source[i] == ';' {
				i++
			}
			i++
		}
		switch key {
		case "user":
			username = value.String()
		case "password":
			password = value.String()
		}
		i++
		for i < len(source) && strings.IndexByte(" \t\n\v\f\r", source[i]) >= 0 {
			i++
		}
		name = i
	}
	return username, password, username != "" && password != ""
}

// Source: .NET, DbConnectionOptions.Common.cs, ConnectionStringPattern, without what
// looks ahead and behind, which is looked at apart.
var adoPair = regexp.MustCompile(`^[\s;]*((?:[^=\s;\p{Cc}]|==)(?:[^=\s\p{Cc}]|\s+[^=\s\p{Cc}]|\s+==|==)*)\s*=(\s*)` +
	`("(?:[^"\x00]|"")*"|'(?:[^'\x00]|'')*'|(?:[^;\s\p{Cc}"'](?:[^;\s\p{Cc}]|\s+[^;\s\p{Cc}])*)?)(?:\s*)(?:;|[\x00\s]*$)`)

func readADO(text string) (username, password string, ok bool) {
	for strings.Trim(text, "; \t\r\n") != "" {
		pair := adoPair.FindStringSubmatch(text)
		if pair == nil {
			return "", "", false
		}
		value := pair[3]
		switch {
		case pair[2] == "" && strings.HasPrefix(value, "="):
			return "", "", false
		case strings.HasPrefix(value, `"`):
			value = strings.ReplaceAll(value[1:len(value)-1], `""`, `"`)
		case strings.HasPrefix(value, `'`):
			value = strings.ReplaceAll(value[1:len(value)-1], `''`, `'`)
		case strings.HasSuffix(value, `"`) || strings.HasSuffix(value, `'`):
			return "", "", false
		}
		switch strings.ToLower(pair[1]) { // as MySqlConnector's MySqlConnectionStringBuilder has them
		case "user id", "userid", "username", "uid", "user name", "user":
			username = value
		case "password", "pwd":
			password = value
		}
		text = text[len(pair[0]):]
	}
	return username, password, username != "" && password != ""
}

// Source: MySQL Connector/ODBC 9, DataSource::from_kvpair.
func readODBC(text string) (username, password string, ok bool) {
	isODBC := false
	for text != "" {
		key, behind, found := strings.Cut(text, "=")
		if !found {
			break
		}
		behind = strings.TrimLeft(behind, " ")
		value := ""
		if inside, braces := strings.CutPrefix(behind, "{"); braces {
			end := 0
			for {
				next := strings.IndexByte(inside[end:], '}')
				if next < 0 {
					return "", "", false
				}
				end += next
				if !strings.HasPrefix(inside[end:], "}}") {
					break
				}
				end += 2
			}
			value, text = strings.ReplaceAll(inside[:end], "}}", "}"), inside[end+1:]
		} else {
			value, text, _ = strings.Cut(behind, ";")
			value = strings.TrimRight(value, " ")
		}
		text = strings.TrimLeft(text, "; ")
		switch strings.ToUpper(strings.Trim(key, " ")) {
		case "DRIVER", "DSN":
			isODBC = true
		case "UID", "USER":
			username = value
		case "PWD", "PASSWORD":
			password = value
		}
	}
	return username, password, isODBC && username != "" && password != ""
}
