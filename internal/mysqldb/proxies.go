package mysqldb

import (
	"database/sql"

	"tandem/internal/account"
)

// proxies are the PROXY privileges on the users whose accounts were listed last.
type proxies []account.ProxyGrant

// proxyList asks for them in rows of the form of list, so that it costs no statement
// of its own. They are asked for by the user's name: a PROXY on an account that does
// not exist works when the account is made.
// Whoever may send SHOW CREATE USER, which wants SELECT on mysql.*, may read the table.
//
// Source: MySQL 8.4 Reference Manual, 8.2.3 "Grant Tables" (mysql.proxies_priv);
// MariaDB, "mysql.proxies_priv Table".
const proxyList = " UNION ALL SELECT p.Proxied_user, p.Proxied_host, FALSE, FALSE, FALSE, '', -1, '', '', '', '', "

// nullableProxy is the grantee of a row of proxyList.
type nullableProxy struct{ user, host sql.NullString }

// add takes a row of proxyList, and leaves others alone.
func (p *proxies) add(row nullableListed) {
	if row.proxy.user.Valid {
		*p = append(*p, account.ProxyGrant{
			On: account.Name{User: row.user.String, Host: row.host.String},
			To: account.Name{User: row.proxy.user.String, Host: row.proxy.host.String},
		})
	}
}

// on lists those on a user.
func (p proxies) on(user string) []account.ProxyGrant {
	var found []account.ProxyGrant
	for _, grant := range p {
		if grant.On.User == user {
			found = append(found, grant)
		}
	}
	return found
}
