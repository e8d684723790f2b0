package account

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"tandem/internal/failure"
	"tandem/internal/redact"
)

// Parse reads what a server printed about an account. A row that is not understood
// is a *SyntaxError.
//
// Source: MySQL 8.4 Reference Manual, 15.7.1.3 "CREATE USER Statement" and 15.7.1.6
// "GRANT Statement"; MariaDB, "SHOW CREATE USER" and "SHOW GRANTS"; and the rows of
// the servers themselves, in testdata.
func Parse(server Server, name Name, rows Rows) (Account, error) {
	account, doubt, err := parse(server, name, rows, nil)
	if rows.Stored == nil {
		return account, err
	}
	if doubt {
		known := &Requirement{RequireSpecified, rows.Stored.Subject, rows.Stored.Issuer, rows.Stored.Cipher}
		// Where that does not fit either, restore says why.
		if second, _, secondErr := parse(server, name, rows, known); secondErr == nil || err != nil {
			account, err = second, secondErr
		}
	}
	if err != nil {
		return Account{}, err
	}
	return account, account.restore(server, *rows.Stored)
}

// parse reads the rows, with a REQUIRE clause that is known, or not. doubt tells that
// its texts may hold what was read as a second text, since servers print them without
// escapes.
func parse(server Server, name Name, rows Rows, known *Requirement) (account Account, doubt bool, err error) {
	account = Account{Name: name}
	if len(rows.CreateUser) == 0 {
		return Account{}, false, &SyntaxError{Account: name, Row: "(none)", Expected: "CREATE USER"}
	}
	for i, row := range rows.CreateUser {
		r := &reader{row: row.Reveal()}
		if i == 0 {
			r.must("CREATE USER")
			r.grantee(name)
			r.factors(server, &account)
			r.known = known
			r.attributes(server, &account)
			doubt = r.doubt
		} else {
			// MariaDB prints the policy of an expired account in a statement of its own.
			r.must("ALTER USER")
			r.grantee(name)
			r.attributes(server, &account)
		}
		if !r.end() {
			r.fail("the end")
		}
		if r.failed() {
			return Account{}, doubt, r.error(name)
		}
	}
	account.ExpiryHidden = server.Flavor == MySQL && account.Expired
	grants, err := parseGrants(server, name, rows.Grants, false)
	if err != nil {
		return Account{}, doubt, err
	}
	grants.DefaultRoles = append(account.Grants.DefaultRoles, grants.DefaultRoles...)
	account.Grants = grants
	return account, doubt, nil
}

// The plugins that SHOW CREATE USER implies without naming them.
const (
	nativePlugin    = "mysql_native_password"
	oldNativePlugin = "mysql_old_password"
	// oldNativeLength is the length of a verifier of before MySQL 4.1.
	oldNativeLength = 16
)

// factors reads the IDENTIFIED clauses.
func (r *reader) factors(server Server, account *Account) {
	add := func(plugin string, verifier redact.Secret) {
		account.Factors = append(account.Factors, Factor{Plugin: plugin, Verifier: verifier})
	}
	switch {
	case r.accept("IDENTIFIED BY PASSWORD"):
		verifier := r.verifier()
		plugin := nativePlugin
		if len(verifier.Reveal()) == oldNativeLength {
			plugin = oldNativePlugin
		}
		add(plugin, verifier)
	case r.accept("IDENTIFIED VIA"):
		for {
			plugin := r.plugin()
			var verifier redact.Secret
			if r.accept("USING") || r.accept("AS") {
				verifier = r.kept(server)
			}
			add(plugin, verifier)
			if !r.accept("OR") {
				break
			}
		}
	case server.Flavor == MariaDB:
		add(nativePlugin, redact.Secret{})
	default:
		for {
			initial := r.accept("INITIAL AUTHENTICATION")
			if !r.accept("IDENTIFIED WITH") {
				if initial {
					r.fail("IDENTIFIED WITH")
				}
				break
			}
			plugin := r.plugin()
			var verifier redact.Secret
			if r.accept("AS") {
				verifier = r.verifier()
			}
			add(plugin, verifier)
			account.Factors[len(account.Factors)-1].Initial = initial
			if !r.accept("AND") && !r.ahead("INITIAL AUTHENTICATION") {
				break
			}
		}
	}
}

// ahead reports whether words stand next, and leaves them.
func (r *reader) ahead(phrase string) bool {
	start := r.pos
	found := r.accept(phrase)
	r.pos = start
	return found
}

// plugin takes a plugin's name.
func (r *reader) plugin() string {
	if r.next() == '\'' {
		return r.literal()
	}
	return r.identifier()
}

// attributes reads everything of a CREATE USER row that follows the IDENTIFIED clauses.
func (r *reader) attributes(server Server, account *Account) {
	if r.accept("DEFAULT ROLE") {
		for {
			account.Grants.DefaultRoles = append(account.Grants.DefaultRoles, r.account())
			if !r.acceptByte(',') {
				break
			}
		}
	}
	a := &account.Attributes
	if r.accept("REQUIRE") {
		a.Requirement = r.requirement(server, func(r *reader) {
			// MySQL always says something of expiry, so that a text which swallows that is none.
			if expiry := r.settings(&Account{}); !expiry && server.Flavor == MySQL {
				r.fail("PASSWORD EXPIRE")
			}
		})
	}
	r.settings(account)
}

// settings reads what may follow REQUIRE, and tells whether expiry was among it.
func (r *reader) settings(account *Account) (expiry bool) {
	a := &account.Attributes
	for !r.failed() && !r.end() {
		switch {
		case r.accept("WITH"):
			r.limits(&a.Limits)
		case r.accept("PASSWORD EXPIRE"):
			expiry = true
			switch {
			case r.accept("DEFAULT"):
				a.Expiry = Expiry{}
			case r.accept("NEVER"):
				a.Expiry = Expiry{Kind: ExpireNever}
			case r.accept("INTERVAL"):
				a.Expiry = Expiry{Kind: ExpireInterval, Days: r.number()}
				r.must("DAY")
			default:
				account.Expired = true
			}
		case r.accept("ACCOUNT UNLOCK"):
			a.Locked = false
		case r.accept("ACCOUNT LOCK"):
			a.Locked = true
		case r.accept("PASSWORD HISTORY"):
			a.History = r.setting()
		case r.accept("PASSWORD REUSE INTERVAL"):
			if a.ReuseInterval = r.setting(); a.ReuseInterval.Own {
				r.must("DAY")
			}
		case r.accept("PASSWORD REQUIRE CURRENT"):
			switch {
			case r.accept("DEFAULT"):
				a.RequireCurrent = RequireCurrentDefault
			case r.accept("OPTIONAL"):
				a.RequireCurrent = RequireCurrentOptional
			default:
				a.RequireCurrent = RequireCurrentYes
			}
		case r.accept("FAILED_LOGIN_ATTEMPTS"):
			a.FailedLoginAttempts = r.number()
		case r.accept("PASSWORD_LOCK_TIME"):
			if r.accept("UNBOUNDED") {
				a.LockTime = Unbounded
			} else if a.LockTime = int64(r.number()); a.LockTime < 0 {
				r.fail("a number of days")
			}
		case r.accept("ATTRIBUTE"):
			text := r.literal()
			canonical, err := canonicalObject(text)
			if err != nil {
				r.fail("a JSON object")
			}
			a.Attribute = canonical
		case r.accept("COMMENT"):
			text, _ := json.Marshal(map[string]string{"comment": r.literal()})
			a.Attribute, _ = canonicalObject(string(text))
		default:
			r.fail("a clause of CREATE USER")
		}
	}
	return expiry
}

func (r *reader) acceptByte(c byte) bool {
	if r.failed() || r.next() != c {
		return false
	}
	r.pos++
	return true
}

func (r *reader) setting() Setting {
	if r.accept("DEFAULT") {
		return Setting{}
	}
	return Setting{Own: true, Value: r.number()}
}

// limits reads resource limits, and the GRANT OPTION that stands among them in the
// global row of MariaDB's SHOW GRANTS.
func (r *reader) limits(l *Limits) (grantable bool) {
	any := false
	for ; ; any = true {
		switch {
		case r.accept("GRANT OPTION"):
			grantable = true
		case r.accept("MAX_QUERIES_PER_HOUR"):
			l.QueriesPerHour = r.number()
		case r.accept("MAX_UPDATES_PER_HOUR"):
			l.UpdatesPerHour = r.number()
		case r.accept("MAX_CONNECTIONS_PER_HOUR"):
			l.ConnectionsPerHour = r.number()
		case r.accept("MAX_USER_CONNECTIONS"):
			negative := r.acceptByte('-')
			if l.UserConnections = int64(r.number()); negative {
				l.UserConnections = -l.UserConnections
			}
		case r.accept("MAX_STATEMENT_TIME"):
			l.StatementTime = r.micros()
		default:
			if !any {
				r.fail("a resource limit")
			}
			return grantable
		}
	}
}

// micros reads seconds with a fraction as microseconds.
func (r *reader) micros() uint64 {
	if r.failed() {
		return 0
	}
	r.space()
	start := r.pos
	for r.pos < len(r.row) && (r.row[r.pos] >= '0' && r.row[r.pos] <= '9' || r.row[r.pos] == '.') {
		r.pos++
	}
	whole, fraction, _ := strings.Cut(r.row[start:r.pos], ".")
	if len(whole) == 0 || len(whole) > 12 || len(fraction) > 6 || strings.Contains(fraction, ".") {
		r.fail("a number of seconds")
		return 0
	}
	digits := reader{row: whole + fraction + strings.Repeat("0", 6-len(fraction))}
	return digits.number()
}

// The order in which the servers print the parts of a requirement.
var requirementParts = []string{"ISSUER", "SUBJECT", "CIPHER"}

// requirement reads what follows REQUIRE. after reads the rest of the row, and
// decides between readings.
//
// The texts of a requirement are printed without escapes by every MySQL and by
// MariaDB up to the releases that escapesRequirements knows, so a text that holds a
// quote or a backslash can be read in several ways. Those that leave a rest which
// is not grammar are dropped. What remains has to be one.
func (r *reader) requirement(server Server, after func(*reader)) Requirement {
	switch {
	case r.accept("NONE"):
		return Requirement{}
	case r.accept("SSL"):
		return Requirement{Kind: RequireSSL}
	case r.accept("X509"):
		return Requirement{Kind: RequireX509}
	}
	if r.failed() {
		return Requirement{}
	}
	if r.known != nil {
		return r.knownRequirement()
	}
	type reading struct {
		requirement Requirement
		end         int
	}
	var readings []reading
	var read func(at reader, requirement Requirement, raw bool)
	read = func(at reader, requirement Requirement, raw bool) {
		part := ""
		for _, candidate := range requirementParts {
			if at.accept(candidate) {
				part = candidate
				break
			}
		}
		at.space()
		if part == "" {
			rest := at
			if after(&rest); !rest.failed() && rest.end() {
				found := reading{requirement, at.pos}
				for _, other := range readings {
					if other == found {
						return
					}
				}
				readings = append(readings, found)
			}
			return
		}
		target := map[string]*string{"ISSUER": &requirement.Issuer, "SUBJECT": &requirement.Subject, "CIPHER": &requirement.Cipher}[part]
		if *target != "" || at.next() != '\'' {
			return
		}
		if !raw {
			*target = at.literal()
			if !at.failed() {
				read(at, requirement, raw)
			}
			return
		}
		for i := at.pos + 1; i < len(at.row) && len(readings) < 2; i++ {
			if at.row[i] == '\'' && (i+1 == len(at.row) || at.row[i+1] == ' ') {
				*target = at.row[at.pos+1 : i]
				read(reader{row: at.row, pos: i + 1}, requirement, raw)
				if beginsPart(at.row[i+1:]) {
					r.doubt = true // it may be one text that holds this
					return
				}
			}
		}
	}
	read(*r, Requirement{Kind: RequireSpecified}, !escapesRequirements(server))
	if len(readings) != 1 {
		r.doubt = true
		if len(readings) == 0 {
			r.fail("NONE, SSL, X509, ISSUER, SUBJECT or CIPHER, and nothing but clauses of CREATE USER behind it")
		} else {
			r.fail("a REQUIRE clause that can be read in one way only")
		}
		return Requirement{}
	}
	r.pos = readings[0].end
	return readings[0].requirement
}

// knownRequirement takes the clause that prints as the requirement that is known,
// with its parts in any order.
func (r *reader) knownRequirement() Requirement {
	r.space()
	texts := map[string]string{"ISSUER": r.known.Issuer, "SUBJECT": r.known.Subject, "CIPHER": r.known.Cipher}
	for range requirementParts {
		for part, text := range texts {
			for _, form := range []string{text, printed(text)} {
				if whole := part + " '" + form + "'"; texts[part] != "" && strings.HasPrefix(r.row[r.pos:], whole) {
					r.pos += len(whole)
					r.space()
					delete(texts, part)
				}
			}
		}
	}
	for _, text := range texts {
		if text != "" {
			r.fail("the REQUIRE clause that mysql.user has")
		}
	}
	return *r.known
}

// beginsPart reports whether a part of a requirement stands next.
func beginsPart(text string) bool {
	for _, part := range requirementParts {
		if strings.HasPrefix(text, " "+part+" '") {
			return true
		}
	}
	return false
}

// escapesRequirements tells whether a server escapes the texts of REQUIRE when it
// prints them. A wrong answer cannot go unnoticed: what is read wrongly is written
// wrongly, and then reads differently from the original.
//
// Source: MariaDB 10.11.19 does, 10.5.29 and 11.8.6 do not, and no MySQL does (tried).
func escapesRequirements(server Server) bool {
	if server.Flavor != MariaDB {
		return false
	}
	first := map[[2]int]int{{10, 6}: 26, {10, 11}: 17, {11, 4}: 11, {11, 8}: 7, {12, 0}: 1 << 10, {12, 1}: 1 << 10, {12, 2}: 1 << 10}
	if patch, listed := first[[2]int{server.Major, server.Minor}]; listed {
		return server.Patch >= patch
	}
	return server.AtLeast(12, 3, 0)
}

// canonicalObject writes a JSON object in one form: keys sorted, no spaces, numbers as they stand.
// An empty object is the same as none.
func canonicalObject(text string) (string, error) {
	object, err := decodeObject(text)
	if err != nil || len(object) == 0 {
		return "", err
	}
	return encode(object), nil
}

func decodeObject(text string) (map[string]any, error) {
	if text == "" {
		return nil, nil
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, failure.New(failure.ServerResponseUnrecognised, "text after a JSON object")
	}
	return object, nil
}

func encode(value any) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // what was decoded from JSON can be encoded
	return strings.TrimSuffix(out.String(), "\n")
}

// mergePatch writes the JSON merge patch that makes have what want is, and says
// whether one is needed: ATTRIBUTE merges, and a null takes a key away.
//
// Source: MySQL 8.4 Reference Manual, 15.7.1.1 "ALTER USER Statement"; RFC 7396.
func mergePatch(have, want string) (string, bool) {
	if have == want {
		return "", false
	}
	// Both were decoded once already.
	from, _ := decodeObject(have)
	to, _ := decodeObject(want)
	return encode(patch(from, to)), true
}

func patch(have, want map[string]any) map[string]any {
	out := map[string]any{}
	for key := range have {
		if _, kept := want[key]; !kept {
			out[key] = nil
		}
	}
	for key, value := range want {
		old, exists := have[key]
		if exists && encode(old) == encode(value) {
			continue
		}
		to, toObject := value.(map[string]any)
		from, fromObject := old.(map[string]any)
		if toObject && fromObject {
			out[key] = patch(from, to)
		} else {
			out[key] = value
		}
	}
	return out
}
