// Package secret reads and edits the document that Secrets Manager keeps: the
// JSON object that tells an application where its database is and how to log in.
//
//	{"engine": "mysql", "host": "db.example.com", "username": "app", "password": "...", ...}
//
// The document belongs to its owner, who may keep anything else in it, and other
// programs read it with parsers of their own. So an edit replaces two values and
// leaves every other byte where it was; decoding into a map and encoding again
// would reorder keys, respell numbers and lose what a map cannot hold. And what
// two parsers could read differently (a key given twice, say) is refused, since
// the password would be changed for one reader and not for the other.
//
// No error of this package quotes a value, nor passes on a message of
// encoding/json that does.
package secret

import (
	"fmt"
	"log/slog"
	"strings"

	"tandem/internal/failure"
	"tandem/internal/redact"
)

// The keys that have a meaning here. Keys are compared exactly, letter case
// included, as an application's parser does.
const (
	keyEngine   = "engine"
	keyHost     = "host"
	keyPort     = "port"
	keyUsername = "username"
	keyPassword = "password"
	keyDatabase = "dbname"
	keyAdminARN = "masterarn"
	keyTLS      = "ssl"
)

// Engine is the kind of server that a document names.
type Engine string

// The engines whose users can be rotated.
const (
	MySQL       Engine = "mysql"
	AuroraMySQL Engine = "aurora-mysql"
	MariaDB     Engine = "mariadb"
)

// Valid reports whether e is one of the engines above.
func (e Engine) Valid() bool { return e == MySQL || e == AuroraMySQL || e == MariaDB }

// TLSMode is what a document says on the encryption of its own connection.
type TLSMode int

const (
	// TLSDefault is the mode of a document that says neither true nor false.
	TLSDefault TLSMode = iota
	// TLSRequired is the mode of "ssl": true.
	TLSRequired
	// TLSDisabled is the mode of "ssl": false.
	TLSDisabled
)

// String returns the mode's name.
func (m TLSMode) String() string {
	switch m {
	case TLSDefault:
		return "default"
	case TLSRequired:
		return "required"
	case TLSDisabled:
		return "disabled"
	}
	return fmt.Sprintf("TLSMode(%d)", int(m))
}

// DefaultPort is the port of a document that names none.
const DefaultPort = 3306

// MaxBytes is the longest document that Secrets Manager stores, in bytes (AWS
// Secrets Manager quotas, "Secret value size").
const MaxBytes = 65536

// Document is a document that has been read and found usable. It is immutable,
// and it does not print: its raw bytes hold the password, and its owner may keep
// other secrets in it.
type Document struct {
	raw                        redact.Secret
	usernameSpan, passwordSpan span

	engine   Engine
	host     string
	port     int
	username string
	password redact.Secret
	database string
	adminARN string
	tls      TLSMode
	managed  bool
}

// Parse reads an application's document. The error, if any, names the key that
// has to be mended and says how.
func Parse(raw redact.Secret) (Document, error) {
	d, err := parse(raw, false)
	return d, failure.Mark(failure.SecretInvalid, err)
}

// ParseAdmin reads the document of an admin's secret, which has an application's
// form or is managed by RDS: without engine and host, which then are to be had
// from RDS. A document with one of the two is an application's form with the
// other missing.
func ParseAdmin(raw redact.Secret) (Document, error) {
	d, err := parse(raw, true)
	return d, failure.Mark(failure.AdminSecretInvalid, err)
}

func parse(raw redact.Secret, admin bool) (Document, error) {
	o, err := readObject(raw.Reveal())
	if err != nil {
		return Document{}, err
	}
	d := Document{raw: raw, managed: admin && !o.has(keyEngine) && !o.has(keyHost)}
	for _, read := range []func(object) error{d.readEndpoint, d.readCredentials, d.readOptions} {
		if err := read(o); err != nil {
			return Document{}, err
		}
	}
	return d, nil
}

func (d *Document) readEndpoint(o object) error {
	if d.managed {
		return nil
	}
	engine, err := o.requiredText(keyEngine)
	if err != nil {
		return err
	}
	if d.engine = Engine(engine); !d.engine.Valid() {
		return fmt.Errorf("key %q is not an engine that can be rotated: set it to %q, %q or %q, in lower case",
			keyEngine, MySQL, AuroraMySQL, MariaDB)
	}
	d.host, d.port, err = o.endpoint()
	return err
}

func (d *Document) readCredentials(o object) error {
	var err error
	if d.username, err = o.requiredText(keyUsername); err != nil {
		return err
	}
	password, err := o.requiredText(keyPassword)
	if err != nil {
		return err
	}
	d.password = redact.New(password)
	d.usernameSpan, d.passwordSpan = o.members[keyUsername].value, o.members[keyPassword].value
	return nil
}

func (d *Document) readOptions(o object) error {
	var err error
	if d.database, err = o.optionalText(keyDatabase); err != nil {
		return err
	}
	if d.adminARN, err = o.adminARN(); err != nil {
		return err
	}
	d.tls, err = o.tlsMode()
	return err
}

// port reads a port as AWS's own secrets spell it, a number or a string. Only
// plain decimal digits are taken: 3306.0, 3.306e3, "+3306", "03306" and " 3306"
// mean 3306 to some readers and nothing to others.
func (o object) port() (int, error) {
	unusable := fmt.Errorf("key %q is not a usable port: set it to a whole number from 1 to 65535 in plain digits, "+
		"or remove it for %d", keyPort, DefaultPort)
	var digits string
	switch o.kind(keyPort) {
	case kindAbsent, kindNull:
		return DefaultPort, nil
	case kindNumber:
		digits = o.token(keyPort)
	case kindString:
		text, err := o.text(keyPort)
		if err != nil {
			return 0, err
		}
		if text == "" {
			return DefaultPort, nil
		}
		digits = text
	default:
		return 0, unusable
	}
	port, ok := parsePort(digits)
	if !ok {
		return 0, unusable
	}
	return port, nil
}

// tlsMode reads ssl as AWS's function does: a boolean, or its name in any letter
// case; anything else says nothing.
func (o object) tlsMode() (TLSMode, error) {
	word := o.token(keyTLS)
	if o.kind(keyTLS) == kindString {
		text, err := o.text(keyTLS)
		if err != nil {
			return TLSDefault, err
		}
		// Not EqualFold, to which the long s of "falſe" is an s.
		word = strings.ToLower(text)
	}
	switch word {
	case "true":
		return TLSRequired, nil
	case "false":
		return TLSDisabled, nil
	}
	return TLSDefault, nil
}

// Engine returns the server's kind, empty where the secret is managed by RDS.
func (d Document) Engine() Engine { return d.engine }

// Host returns the server's host name or address, without what the document has
// around it; empty where the secret is managed by RDS.
func (d Document) Host() string { return d.host }

// Port returns the server's TCP port, 0 where the secret is managed by RDS.
func (d Document) Port() int { return d.port }

// Username returns the name to log in with. It is not empty.
func (d Document) Username() string { return d.username }

// Password returns the password to log in with. It is not empty.
func (d Document) Password() redact.Secret { return d.password }

// Database returns the schema to open, empty for none.
func (d Document) Database() string { return d.database }

// AdminARN returns the ARN of the admin's secret (the key masterarn), empty
// where the document names none.
func (d Document) AdminARN() string { return d.adminARN }

// TLS returns what the document says on its connection's encryption.
func (d Document) TLS() TLSMode { return d.tls }

// ManagedByRDS reports whether this is an admin's document without an endpoint.
func (d Document) ManagedByRDS() bool { return d.managed }

// Raw returns the document as it is stored, byte for byte.
func (d Document) Raw() redact.Secret { return d.raw }

// Format implements fmt.Formatter.
func (d Document) Format(f fmt.State, verb rune) { d.raw.Format(f, verb) }

// String implements fmt.Stringer.
func (d Document) String() string { return d.raw.String() }

// GoString implements fmt.GoStringer.
func (d Document) GoString() string { return d.raw.GoString() }

// LogValue implements slog.LogValuer.
func (d Document) LogValue() slog.Value { return d.raw.LogValue() }

// MarshalText implements encoding.TextMarshaler, and with it JSON.
func (d Document) MarshalText() ([]byte, error) { return d.raw.MarshalText() }
