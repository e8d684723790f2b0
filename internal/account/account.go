package account

import (
	"slices"
	"time"

	"tandem/internal/redact"
)

// Rows are what a server printed about one account, in the order in which it did.
// They hold password verifiers.
type Rows struct {
	// CreateUser is every row of SHOW CREATE USER. MariaDB prints a second one, an
	// ALTER USER, for an account whose password was expired by hand.
	CreateUser []redact.Secret
	// Grants is every row of SHOW GRANTS FOR the account.
	Grants []redact.Secret
	// Stored, where not nil, is what the tables say beside them: it decides how a
	// REQUIRE clause is read that can be read in several ways, and is taken in place
	// of what is printed with losses.
	Stored *Stored
}

// Account is one account: what decides what a login through it can do.
type Account struct {
	Name Name
	// Factors are how a client proves who it is: one of them is enough on MariaDB,
	// all of them are needed on MySQL.
	Factors []Factor
	// Expired: the password was expired by hand (PASSWORD EXPIRE). A new password lifts it.
	Expired bool
	// ExpiryHidden: Attributes.Expiry is not known, since MySQL prints an expired
	// account's policy nowhere but in mysql.user.password_lifetime. A caller that
	// reads it there sets Attributes.Expiry and clears this.
	ExpiryHidden bool
	// SecondPassword is what the server keeps of another valid password (RETAIN CURRENT
	// PASSWORD), empty for none. GrantedAsRole: the account is granted to others as a
	// role. No row shows either; a caller sets them.
	SecondPassword redact.Secret
	GrantedAsRole  bool
	// PasswordChanged is when the password was set last, to the second and by this
	// machine's clock; zero where that is not known. A caller sets it.
	PasswordChanged time.Time

	Attributes Attributes
	Grants     Grants
}

// Factor is one way to prove who a client is.
type Factor struct {
	Plugin   string
	Verifier redact.Secret // what the server keeps of the password; empty where it keeps none
	// Initial: a password to begin with, until a passwordless device is registered.
	Initial bool
}

// Passwords are the account's factors, and its second password as one more.
func (a Account) Passwords() []Factor {
	if a.SecondPassword.Empty() || len(a.Factors) == 0 {
		return a.Factors
	}
	return append(slices.Clone(a.Factors), Factor{Plugin: a.Factors[0].Plugin, Verifier: a.SecondPassword})
}

// User is all the accounts of one user name.
type User struct {
	Name     string
	Accounts []Account
	// ProxiedTo are those who have PROXY on an account of this name, whether there is
	// such an account or not. A caller sets it.
	ProxiedTo []ProxyGrant
}

// at returns the user's account at a host, and nil where it has none.
func (u User) at(host string) *Account {
	for i := range u.Accounts {
		if sameHost(u.Accounts[i].Name.Host, host) {
			return &u.Accounts[i]
		}
	}
	return nil
}

// Has reports whether the account is one of the user's.
func (u User) Has(name Name) bool {
	found := u.at(name.Host)
	return found != nil && found.Name.User == name.User
}

// serving returns the user's account that lets in the clients of a host: the
// account at that very host, else the most specific one that covers it, else nil.
func (u User) serving(host string) *Account {
	var best *Account
	for i := range u.Accounts {
		own := u.Accounts[i].Name.Host
		if sameHost(own, host) {
			return &u.Accounts[i]
		}
		if covers(own, host) && (best == nil || specificity(own) > specificity(best.Name.Host)) {
			best = &u.Accounts[i]
		}
	}
	return best
}

// Attributes are an account's settings beside its privileges and its password. The
// zero value is what CREATE USER gives when nothing is said. They compare with ==.
type Attributes struct {
	Requirement         Requirement
	Limits              Limits
	Expiry              Expiry
	Locked              bool
	History             Setting        // PASSWORD HISTORY, in passwords
	ReuseInterval       Setting        // PASSWORD REUSE INTERVAL, in days
	RequireCurrent      RequireCurrent // PASSWORD REQUIRE CURRENT
	FailedLoginAttempts uint64         // 0 is off
	LockTime            int64          // PASSWORD_LOCK_TIME in days; Unbounded is for ever
	// Attribute is the JSON object of ATTRIBUTE, COMMENT included (MySQL), in a
	// canonical form; empty where there is none or an empty object.
	Attribute string
}

// Unbounded is the PASSWORD_LOCK_TIME that never ends.
const Unbounded = -1

// Setting is a number that an account may have of its own; the zero value is DEFAULT.
type Setting struct {
	Own   bool
	Value uint64
}

// RequireCurrent tells whether a password change needs the current password.
type RequireCurrent string

// The settings of PASSWORD REQUIRE CURRENT.
const (
	RequireCurrentDefault  RequireCurrent = ""
	RequireCurrentYes      RequireCurrent = "REQUIRED"
	RequireCurrentOptional RequireCurrent = "OPTIONAL"
)

// Requirement is the REQUIRE clause.
type Requirement struct {
	Kind                    RequirementKind
	Subject, Issuer, Cipher string // of RequireSpecified, empty where not named
}

// RequirementKind is what a connection has to be.
type RequirementKind string

// The kinds of requirement. RequireSpecified without any of its texts exists: it is
// what REQUIRE SUBJECT with an empty text leaves on MariaDB.
const (
	RequireNone      RequirementKind = ""
	RequireSSL       RequirementKind = "SSL"
	RequireX509      RequirementKind = "X509"
	RequireSpecified RequirementKind = "SPECIFIED"
)

// certificate reports whether a client needs a certificate of its own. MySQL asks
// for one even where REQUIRE names a cipher alone (tried on MySQL 9.7).
func (r Requirement) certificate(flavor Flavor) bool {
	return r.Kind == RequireX509 || r.Kind == RequireSpecified && (flavor == MySQL || r.Subject != "" || r.Issuer != "" || r.Cipher == "")
}

// Limits are the resource limits; 0 is none.
type Limits struct {
	QueriesPerHour, UpdatesPerHour, ConnectionsPerHour uint64
	UserConnections                                    int64  // negative on MariaDB: may exceed max_connections' bounds, as the server defines it
	StatementTime                                      uint64 // MAX_STATEMENT_TIME in microseconds (MariaDB)
}

// Expiry is the policy of PASSWORD EXPIRE; the zero value is DEFAULT.
type Expiry struct {
	Kind ExpiryKind
	Days uint64 // of ExpireInterval
}

// ExpiryKind is when a password expires.
type ExpiryKind string

// The kinds of expiry.
const (
	ExpireDefault  ExpiryKind = ""
	ExpireNever    ExpiryKind = "NEVER"
	ExpireInterval ExpiryKind = "INTERVAL"
)

// Level is where a privilege holds.
type Level uint8

// The levels.
const (
	LevelGlobal Level = iota
	LevelDatabase
	LevelTable
	LevelRoutine // and whatever else the server names by a type before its name
	LevelProxy
	LevelRole // of a step about a role
)

// Object is what a privilege is on.
type Object struct {
	Level    Level
	Type     string // of LevelRoutine: PROCEDURE, FUNCTION, PACKAGE, PACKAGE BODY, LIBRARY ...
	Database string // a pattern, as it stands, of LevelDatabase
	Name     string // the table or routine
	Proxied  Name   // of LevelProxy; the role of LevelRole
}

// Column is a privilege on one column.
type Column struct{ Privilege, Name string }

// Grant is what an account has on one object.
type Grant struct {
	Object     Object
	Privileges []string // as the server names them, AllPrivileges among them
	Columns    []Column // of LevelTable
	Grantable  bool     // GRANT OPTION, which holds for the whole object
}

// AllPrivileges is every privilege that the server has at a level.
const AllPrivileges = "ALL PRIVILEGES"

// GrantOption is the privilege to grant, where it stands among others.
const GrantOption = "GRANT OPTION"

// Dynamic is a dynamic privilege (MySQL 8), each of which has a GRANT OPTION of its own.
type Dynamic struct {
	Privilege string
	Grantable bool
}

// Restriction is a partial revoke (MySQL 8): what a global privilege does not give on a database.
type Restriction struct {
	Database   string
	Privileges []string // GrantOption alone where the server printed none
}

// Role is a role granted to an account.
type Role struct {
	Name  Name
	Admin bool // WITH ADMIN OPTION
}

// Grants is what an account was granted.
type Grants struct {
	Objects      []Grant // one per object
	Dynamic      []Dynamic
	Restrictions []Restriction
	Roles        []Role
	DefaultRoles []Name
}
