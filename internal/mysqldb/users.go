package mysqldb

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/statement"
)

// Users reads all accounts of each named user: which there are, which an admin's
// Lock has listed already, then SHOW CREATE USER and SHOW GRANTS of each, all of
// them on one way to the server and back.
func (s *Session) Users(ctx context.Context, names ...string) ([]account.User, error) {
	var accounts []listed
	if s.lockedRead != nil && slices.Equal(s.lockedRead.users, names) {
		accounts = s.lockedRead.accounts
		s.lockedRead.users = nil // what is sent from here on may change them
	} else {
		var err error
		if accounts, err = s.accounts(ctx, names); err != nil {
			return nil, err
		}
	}
	for _, entry := range accounts {
		if entry.role {
			return nil, failure.Errorf(failure.UserNameTaken, "%q is a role on this server, not a user, and MariaDB renames no role: DROP ROLE %s, or rotate another user", entry.name.User, statement.Identifier(entry.name.User))
		}
	}
	shown, err := s.show(ctx, accounts)
	if err != nil {
		return nil, err
	}
	users := make([]account.User, len(names))
	for i, name := range names {
		users[i].Name = name
		users[i].ProxiedTo = s.proxies.on(name)
		for j, entry := range accounts {
			if entry.name.User != name {
				continue
			}
			shown[j].Stored = &entry.stored
			read, err := s.account(ctx, entry.name, shown[j])
			if err != nil {
				return nil, err
			}
			read.SecondPassword, read.GrantedAsRole = entry.secondPassword, entry.grantedAsRole
			read.PasswordChanged = entry.passwordChanged
			if read.Grants.Restrictions, err = account.ParseRestrictions(entry.restrictions); err != nil {
				return nil, fmt.Errorf("reading account %s: %w", entry.name, err)
			}
			users[i].Accounts = append(users[i].Accounts, read)
		}
	}
	return users, nil
}

// listed is an account, with what only the servers' tables tell of it.
type listed struct {
	name                account.Name
	role, grantedAsRole bool
	secondPassword      redact.Secret // what is kept of it
	restrictions        string        // a JSON array
	stored              account.Stored
	passwordChanged     time.Time // by this machine's clock; zero where not known
}

// nullableListed is a row of list, or of an outer join with it.
type nullableListed struct {
	user, host, restrictions           sql.NullString
	attribute, subject, issuer, cipher sql.NullString
	secondPassword                     sql.NullString
	role, grantedAsRole                sql.NullBool
	passwordAge                        sql.NullFloat64
	count                              sql.NullInt64 // how many rows there are
	proxy                              nullableProxy
}

func (n *nullableListed) columns() []any {
	return []any{&n.user, &n.host, &n.role, &n.grantedAsRole, &n.secondPassword, &n.restrictions, &n.passwordAge,
		&n.attribute, &n.subject, &n.issuer, &n.cipher, &n.count, &n.proxy.user, &n.proxy.host}
}

func (n *nullableListed) listed(asked time.Time) (entry listed, any bool) {
	entry = listed{
		name: account.Name{User: n.user.String, Host: n.host.String},
		role: n.role.Bool, grantedAsRole: n.grantedAsRole.Bool, secondPassword: redact.New(n.secondPassword.String), restrictions: n.restrictions.String,
		stored: account.Stored{Subject: n.subject.String, Issuer: n.issuer.String, Cipher: n.cipher.String, Attribute: n.attribute.String},
	}
	if age := n.passwordAge.Float64; n.passwordAge.Valid && age >= 0 {
		entry.passwordChanged = asked.Add(-time.Duration(age) * time.Second)
	}
	return entry, n.user.Valid && !n.proxy.user.Valid
}

// list asks for accounts by name. MariaDB keeps roles in the same table; on MySQL
// a user may be a role at the same time. How old a password is, the server's own
// clock says, in seconds; less than 0 is not known.
//
// Source: MySQL 8.4 Reference Manual, 8.2.3 "Grant Tables" (mysql.user's
// User_attributes and password_last_changed, mysql.role_edges); MariaDB,
// "mysql.user Table", "mysql.global_priv Table".
const list = "SELECT u.User AS User, u.Host AS Host, FALSE /*M! OR u.is_role = 'Y' */ AS is_role, " +
	"FALSE /*!80000 OR EXISTS (SELECT 1 FROM mysql.role_edges e WHERE e.FROM_USER = u.User AND e.FROM_HOST = u.Host) */ AS granted_as_role, " +
	"COALESCE(/*!80014 CAST(JSON_UNQUOTE(JSON_EXTRACT(u.User_attributes, '$.additional_password')) AS BINARY), */ '') AS second_password, " +
	"COALESCE(/*!80016 JSON_EXTRACT(u.User_attributes, '$.Restrictions'), */ '') AS restrictions, " +
	"COALESCE(/*!50706 UNIX_TIMESTAMP(SYSDATE()) - UNIX_TIMESTAMP(u.password_last_changed), */ " +
	"/*M! UNIX_TIMESTAMP(SYSDATE()) - JSON_VALUE((SELECT g.Priv FROM mysql.global_priv g WHERE g.User = u.User AND g.Host = u.Host), '$.password_last_changed'), */ -1) AS password_age, " +
	// As bytes: MySQL has them as BLOB, MariaDB makes them of JSON.
	"COALESCE(/*!80021 JSON_EXTRACT(u.User_attributes, '$.metadata'), */ '') AS attribute, " +
	"CAST(u.x509_subject AS BINARY) AS subject, CAST(u.x509_issuer AS BINARY) AS issuer, CAST(u.ssl_cipher AS BINARY) AS cipher, "

// listOf writes the query for the accounts of users, and for who has PROXY on them.
// Each row says how many there are. They come in no order: by which bytes a server
// sorts, and with how much memory, its settings say.
func listOf(query *statement.Builder, users []string) *statement.Builder {
	count := func() {
		inList(query.SQL("(SELECT COUNT(*) FROM mysql.user c WHERE c.User IN "), users)
		inList(query.SQL(") + (SELECT COUNT(*) FROM mysql.proxies_priv d WHERE d.Proxied_user IN "), users).SQL(")")
	}
	query.SQL(list)
	count()
	inList(query.SQL(" AS listed_count, NULL AS proxy_user, NULL AS proxy_host FROM mysql.user u WHERE u.User IN "), users)
	query.SQL(proxyList)
	count()
	return inList(query.SQL(", p.User, p.Host FROM mysql.proxies_priv p WHERE p.Proxied_user IN "), users)
}

// inList writes names in parentheses.
func inList(query *statement.Builder, names []string) *statement.Builder {
	for i, name := range names {
		if i == 0 {
			query.SQL("(")
		} else {
			query.SQL(", ")
		}
		query.Literal(name)
	}
	return query.SQL(")")
}

// listing gathers the rows of such a query.
type listing struct {
	accounts []listed
	proxies  proxies
	rows     int64
	count    int64 // how many rows there are, as the last one says
}

func (l *listing) add(row nullableListed, asked time.Time) {
	if !row.user.Valid {
		return // of the outer join, where no user has an account
	}
	l.rows, l.count = l.rows+1, row.count.Int64
	l.proxies.add(row)
	if account, any := row.listed(asked); any {
		l.accounts = append(l.accounts, account)
	}
}

// close sorts the accounts. All of the rows must be there: a proxy may keep some back,
// and an account that is not seen is one that its clone lacks, or that keeps an old
// password.
func (l *listing) close() error {
	if l.rows != l.count {
		return failure.Errorf(failure.ServerResponseUnrecognised, "listing accounts: %d of %d rows came: look for a proxy before the server that limits the rows of an answer", l.rows, l.count)
	}
	slices.SortFunc(l.accounts, func(a, b listed) int {
		return cmp.Or(strings.Compare(a.name.User, b.name.User), strings.Compare(a.name.Host, b.name.Host))
	})
	return nil
}

func (s *Session) accounts(ctx context.Context, names []string) ([]listed, error) {
	if err := s.pin(ctx); err != nil {
		return nil, err
	}
	asked := time.Now()
	rows, err := s.connection.QueryContext(ctx, listOf(new(statement.Builder), names).Statement().Reveal())
	if err != nil {
		return nil, s.listingFailed(ctx, err)
	}
	defer rows.Close()
	var found listing
	for rows.Next() {
		var row nullableListed
		if err := rows.Scan(row.columns()...); err != nil {
			return nil, fmt.Errorf("listing accounts: %w", explain(err, false))
		}
		found.add(row, asked)
	}
	if err := rows.Err(); err != nil {
		return nil, s.listingFailed(ctx, err)
	}
	if err := found.close(); err != nil {
		return nil, err
	}
	s.proxies = found.proxies
	return found.accounts, nil
}

// show reads SHOW CREATE USER and SHOW GRANTS of each account.
func (s *Session) show(ctx context.Context, accounts []listed) ([]account.Rows, error) {
	var queries []statement.Statement
	for _, entry := range accounts {
		queries = append(queries,
			statement.New("SHOW CREATE USER ").Account(entry.name.User, entry.name.Host).Statement(),
			statement.New("SHOW GRANTS FOR ").Account(entry.name.User, entry.name.Host).Statement())
	}
	together := 1
	if s.endpoint.login.Admin {
		together = 64
	}
	var answers [][]redact.Secret
	for batch := range slices.Chunk(queries, together) {
		some, err := s.allRows(ctx, batch)
		if err != nil {
			return nil, err
		}
		answers = append(answers, some...)
	}
	shown := make([]account.Rows, len(accounts))
	for i := range shown {
		shown[i] = account.Rows{CreateUser: answers[2*i], Grants: answers[2*i+1]}
	}
	return shown, nil
}
