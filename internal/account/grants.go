package account

import (
	"encoding/json"
	"strings"

	"tandem/internal/failure"
	"tandem/internal/redact"
)

// parseGrants reads the rows of SHOW GRANTS. In a session's own rows (own) stand
// rows for others too, of roles that are active and of MariaDB's PUBLIC, which are left out.
func parseGrants(server Server, name Name, rows []redact.Secret, own bool) (Grants, error) {
	grants := collector{at: make(map[Object]int, len(rows)), Grants: Grants{Objects: make([]Grant, 0, len(rows))}}
	for _, row := range rows {
		r := reader{row: row.Reveal()}
		grants.row(&r, server, name, own)
		if !r.end() {
			r.fail("the end")
		}
		if r.failed() {
			return Grants{}, r.error(name)
		}
	}
	return grants.Grants, nil
}

// collector gathers rows that concern one object.
type collector struct {
	Grants
	at map[Object]int
}

func (c *collector) row(r *reader, server Server, name Name, own bool) {
	switch {
	case r.accept("SET DEFAULT ROLE"):
		role := r.account()
		r.must("FOR")
		r.grantee(name)
		c.DefaultRoles = append(c.DefaultRoles, role)
	case r.accept("REVOKE"):
		c.restriction(r, name)
	case r.accept("GRANT"):
		switch quote := r.next(); {
		case quote == '`' || quote == '"' || quote == '\'':
			c.roles(r, name, own)
		case r.ahead("PROXY ON"):
			c.proxy(r, name)
		default:
			c.privileges(r, server, name, own)
		}
	default:
		r.fail("GRANT, REVOKE or SET DEFAULT ROLE")
	}
}

// other takes the grantee of a row that is not the account's own: PUBLIC, or a role without a host.
func (r *reader) other(name Name) bool {
	start := r.pos
	if r.accept("PUBLIC") {
		return true
	}
	if quote := r.next(); quote == '`' || quote == '"' {
		if got := r.account(); !r.failed() && got.Host == "" && got != name {
			return true
		}
	}
	r.pos = start
	return false
}

func (c *collector) roles(r *reader, name Name, own bool) {
	var roles []Role
	for {
		roles = append(roles, Role{Name: r.account()})
		if !r.acceptByte(',') {
			break
		}
	}
	r.must("TO")
	theirs := own && r.other(name)
	if !theirs {
		r.grantee(name)
	}
	if r.accept("WITH ADMIN OPTION") {
		for i := range roles {
			roles[i].Admin = true
		}
	}
	if !theirs {
		c.Roles = append(c.Roles, roles...)
	}
}

func (c *collector) proxy(r *reader, name Name) {
	r.must("PROXY ON")
	r.space()
	grant := Grant{Object: Object{Level: LevelProxy}}
	if quote := r.next(); quote == '\'' {
		// Neither of the two names is escaped. The grantee is known, so what stands
		// before it is the other one, if it can be taken apart in one way only.
		const option = " WITH GRANT OPTION"
		text := r.row[r.pos:]
		text, grant.Grantable = strings.CutSuffix(text, option)
		to := " TO '" + name.User + "'@'" + name.Host + "'"
		proxied, ok := strings.CutSuffix(text, to)
		if ok && len(proxied) >= len("''@''") && strings.Count(proxied, "'@'") == 1 && strings.HasSuffix(proxied, "'") {
			user, host, _ := strings.Cut(proxied[1:len(proxied)-1], "'@'")
			grant.Object.Proxied = Name{user, host}
			r.pos = len(r.row)
			c.merge(grant)
			return
		}
		grant.Grantable = false
	}
	grant.Object.Proxied = r.account()
	r.must("TO")
	r.grantee(name)
	grant.Grantable = r.accept("WITH GRANT OPTION")
	c.merge(grant)
}

// object reads what follows ON.
func (r *reader) object() Object {
	if r.acceptByte('*') {
		r.must(".")
		r.must("*")
		return Object{Level: LevelGlobal}
	}
	object := Object{Level: LevelTable}
	// A type stands before the name of everything but a table: words, where a name has quotes.
	for !r.failed() && isWord(r.next()) {
		start := r.pos
		word := strings.ToUpper(r.unquoted()) // more than a word may be a database's name, as in a$b.t
		if r.next() == '.' {                  // a database without quotes
			r.pos = start
			break
		}
		object.Level = LevelRoutine
		if object.Type != "" {
			object.Type += " "
		}
		object.Type += word
	}
	object.Database = r.identifier()
	if !r.acceptByte('.') {
		r.fail("a dot")
	}
	if r.acceptByte('*') {
		if object.Level == LevelRoutine {
			r.fail("a name")
		}
		object.Level = LevelDatabase
		return object
	}
	object.Name = r.identifier()
	return object
}

// list reads privileges up to ON, with their columns.
func (r *reader) list(grant *Grant) {
	for !r.failed() {
		start := r.pos
		r.space()
		first := r.pos
		for isWord(r.next()) && !r.ahead("ON") {
			r.word()
		}
		if r.pos == start || r.pos == first {
			r.fail("a privilege")
			return
		}
		privilege := canonicalPrivilege(r.row[first:r.pos])
		if r.acceptByte('(') {
			for {
				grant.Columns = append(grant.Columns, Column{privilege, r.identifier()})
				if !r.acceptByte(',') {
					break
				}
			}
			if !r.acceptByte(')') {
				r.fail(")")
			}
		} else if privilege != "USAGE" {
			grant.Privileges = append(grant.Privileges, privilege)
		}
		if !r.acceptByte(',') {
			return
		}
	}
}

// canonicalPrivilege writes a privilege as the servers print it.
func canonicalPrivilege(words string) string {
	words = strings.ToUpper(strings.TrimSpace(words))
	if strings.Contains(words, "  ") {
		words = strings.Join(strings.Fields(words), " ")
	}
	if words == "ALL" {
		return AllPrivileges
	}
	return words
}

func (c *collector) privileges(r *reader, server Server, name Name, own bool) {
	var grant Grant
	r.list(&grant)
	r.must("ON")
	grant.Object = r.object()
	if len(grant.Columns) > 0 && grant.Object.Level != LevelTable {
		r.fail("a table, as columns were named")
	}
	r.must("TO")
	theirs := own && r.other(name)
	if !theirs {
		r.grantee(name)
	}
	if grant.Object.Level == LevelGlobal && server.Flavor == MariaDB && !theirs {
		grant.Grantable = r.globalTail(server)
	} else {
		grant.Grantable = r.accept("WITH GRANT OPTION")
	}
	if r.failed() || theirs {
		return
	}
	if grant.Object.Level == LevelGlobal && server.Flavor == MySQL {
		c.dynamic(&grant)
	}
	if len(grant.Privileges) > 0 || len(grant.Columns) > 0 || grant.Grantable {
		c.merge(grant)
	}
}

// globalTail reads what MariaDB prints behind the account in the global row: the
// attributes once more, and GRANT OPTION among the resource limits.
func (r *reader) globalTail(server Server) (grantable bool) {
	var ignored Account
	r.factors(server, &ignored)
	tail := func(r *reader) bool {
		var limits Limits
		return r.accept("WITH") && r.limits(&limits)
	}
	if r.accept("REQUIRE") && !r.accept("SSL") && !r.accept("X509") && !r.accept("NONE") {
		// The texts may hold anything, and do not matter here. Nothing behind them has
		// a quote.
		if end := strings.LastIndexByte(r.row, '\''); end >= r.pos {
			r.pos = end + 1
		}
	}
	return tail(r)
}

// dynamic takes the dynamic privileges out of a global row of MySQL.
func (c *collector) dynamic(grant *Grant) {
	static := grant.Privileges[:0]
	for _, privilege := range grant.Privileges {
		if privilege == AllPrivileges || staticMySQL[privilege] {
			static = append(static, privilege)
		} else {
			c.Dynamic = append(c.Dynamic, Dynamic{privilege, grant.Grantable})
		}
	}
	// The GRANT OPTION of a row of dynamic privileges is theirs, not the static ones'.
	if len(static) == 0 && len(grant.Privileges) > 0 {
		grant.Grantable = false
	}
	grant.Privileges = static
}

func (c *collector) restriction(r *reader, name Name) {
	var grant Grant
	if r.ahead("ON") { // MySQL prints the partial revoke of GRANT OPTION as no privilege at all
		grant.Privileges = []string{GrantOption}
	} else {
		r.list(&grant)
	}
	r.must("ON")
	object := r.object()
	if object.Level != LevelDatabase || len(grant.Columns) > 0 {
		r.fail("a partial revoke, which is on a database")
	}
	r.must("FROM")
	r.grantee(name)
	if r.failed() {
		return
	}
	for i := range c.Restrictions {
		if c.Restrictions[i].Database == object.Database {
			c.Restrictions[i].Privileges = append(c.Restrictions[i].Privileges, grant.Privileges...)
			return
		}
	}
	c.Restrictions = append(c.Restrictions, Restriction{object.Database, grant.Privileges})
}

// ParseRestrictions reads the partial revokes out of mysql.user.User_attributes:
// the value of its key Restrictions, empty or null where there are none. SHOW
// GRANTS hides that of GRANT OPTION where others stand beside it (tried on MySQL
// 9.7), so that this is the truth.
//
// Source: MySQL 8.4 Reference Manual, 8.2.12 "Privilege Restriction Using Partial
// Revokes".
func ParseRestrictions(text string) ([]Restriction, error) {
	if text == "" {
		return nil, nil
	}
	var stored []struct {
		Database   string
		Privileges []string
	}
	if err := json.Unmarshal([]byte(text), &stored); err != nil {
		return nil, failure.Errorf(failure.ServerResponseUnrecognised, "reading the partial revokes in mysql.user: %w", err)
	}
	var out []Restriction
	for _, restriction := range stored {
		for i, privilege := range restriction.Privileges {
			if restriction.Privileges[i] = canonicalPrivilege(privilege); restriction.Privileges[i] == "GRANT" {
				restriction.Privileges[i] = GrantOption
			}
		}
		out = append(out, Restriction{restriction.Database, restriction.Privileges})
	}
	return out, nil
}

// merge adds a grant to what is known of its object.
func (c *collector) merge(grant Grant) {
	i, known := c.at[grant.Object]
	if !known {
		c.at[grant.Object] = len(c.Objects)
		c.Objects = append(c.Objects, grant)
		return
	}
	old := &c.Objects[i]
	for _, privilege := range grant.Privileges {
		if !contains(old.Privileges, privilege) {
			old.Privileges = append(old.Privileges, privilege)
		}
	}
	old.Columns = append(old.Columns, grant.Columns...)
	old.Grantable = old.Grantable || grant.Grantable
}

func contains(list []string, item string) bool {
	for _, other := range list {
		if other == item {
			return true
		}
	}
	return false
}
