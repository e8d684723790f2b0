package mysqldb

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/rotation"
)

// Error numbers that mean something to this program.
//
// Source: MySQL 8.4 Error Message Reference, "Server Error Message Reference";
// MariaDB, "MariaDB Error Codes" (the numbers from 4000 on are MariaDB's own).
const (
	errTooManyConnections      = 1040
	errAccessDeniedDatabase    = 1044
	errAccessDenied            = 1045
	errUnknownDatabase         = 1049
	errSyntax                  = 1064
	errHostBlocked             = 1129
	errTableDenied             = 1142
	errColumnDenied            = 1143
	errSpecificDenied          = 1227
	errRoutineDenied           = 1370
	errCannotCreateUserByGrant = 1410
	errRestrictedDatabase      = 3879 // a partial revoke of the account stands in the way
	errHostNotPrivileged       = 1130
	errUnknownSystemVariable   = 1193
	errUserTooManyConnections  = 1203
	errLockWaitTimeout         = 1205
	errUserLimitReached        = 1226
	errReadOnlyOption          = 1290 // --read-only, --super-read-only
	errPluginNotLoaded         = 1524
	errAccessDeniedNoPassword  = 1698
	errReadOnlyMode            = 1836
	errMustChangePassword      = 1820
	errMustChangeOnLogin       = 1862
	errAccountLocked           = 3118
	errSecureTransport         = 3159
	errTooManyFailedLogins     = 3955
	errAccountLockedMariaDB    = 4151
	errAccountBlockedMariaDB   = 4150
	errWrongHash               = 1372
	errCannotUser              = 1396
	errPasswordPolicy          = 1819
	errSecondPasswordEmpty     = 3878 // of RETAIN CURRENT PASSWORD
	errReplacedPassword        = 3891 // of REPLACE
	errCurrentPasswordRequired = 3892
	errPluginChanges           = 3894 // of RETAIN CURRENT PASSWORD
	errInvalidRole             = 1959
	errUnknownRole             = 3523
	errRoleNotGranted          = 3530
	errPasswordHistory         = 3638
	errDefinerDropped          = 4006 // of DROP USER, by one who may not see what the account defines
	errRoleLoop                = 4027
	errAuthenticationPolicy    = 4058
	errTooFewCharactersChanged = 4165 // of REPLACE, by validate_password.changed_characters_percentage
	errGrantAsDenied           = 3836 // GRANT ... AS, by one who has a partial revoke that the other has not
	errOutOfMemory             = 1037
	errOutOfResources          = 1041
	errBadHandshake            = 1043
	errNotPrepared             = 1047 // of a Galera node that is not ready; else an unknown command
	errServerShutdown          = 1053
	errCannotCreateThread      = 1135
	errPacketTooLarge          = 1153
	errInitConnect             = 1184
	errUnsupportedAuth         = 1251
	errSecureAuth              = 1275
	errQueryInterrupted        = 1317
	errViewInvalid             = 1356
	errNoSuchDefiner           = 1449
	errReadOnlyTransaction     = 1792
	errConnectionKilled        = 1927 // MariaDB
	errStatementTimeMariaDB    = 1969
	errStatementTime           = 3024
	errOfflineMode             = 3032
	errSessionKilled           = 3169
	errInactive                = 4031 // wait_timeout of MySQL
	errConnectionMemory        = 4082
	errGlobalConnectionMemory  = 4083
)

// denials are the answers to a statement that the account may not send. 1698 is
// GRANT PROXY's.
var denials = []uint16{
	errAccessDeniedDatabase, errAccessDenied, errTableDenied, errColumnDenied, errSpecificDenied, errRoutineDenied,
	errCannotCreateUserByGrant, errAccessDeniedNoPassword, errRestrictedDatabase,
}

// ServerError is an error that a server answered with. It wraps no
// *mysql.MySQLError: the message of that may quote a statement.
type ServerError struct {
	// Number is the server's error number.
	Number uint16
	// State is the SQLSTATE, five characters; empty where the server gave none.
	State string
	// Message is the server's, or what stands for it where it may quote a statement.
	Message string
	// Login: it is the answer to a login, of which the remedies speak.
	Login bool
	// names is what the message names, of the words that decide what it means.
	names string
}

// What errReadOnlyOption and errUserLimitReached say depends on an option or a limit
// that their message names, in every language.
const (
	namesReadOnly         = "read-only"
	namesSkipGrants       = "skip-grant-tables"
	namesUserConnections  = "max_user_connections"
	namesSomethingUnknown = "something else"
)

func named(number uint16, message string) string {
	if number != errReadOnlyOption && number != errUserLimitReached {
		return ""
	}
	for _, name := range []string{namesReadOnly, namesSkipGrants, namesUserConnections} {
		if strings.Contains(strings.ReplaceAll(strings.ToLower(message), "read_only", namesReadOnly), name) {
			return name
		}
	}
	return namesSomethingUnknown
}

// particular are type and remedy of a number whose meaning is in what it names.
func (e *ServerError) particular() (failure.Type, string) {
	switch {
	case e.Number == errUserLimitReached && e.names == namesUserConnections:
		return failure.TooManyConnections, "the user has as many connections at once as its MAX_USER_CONNECTIONS allows: raise it, or have the application hold fewer"
	case e.Number != errReadOnlyOption:
	case e.names == namesReadOnly, e.names == "":
		return failure.ReadOnlyServer, answers[errReadOnlyMode].remedy
	case e.names == namesSkipGrants:
		return failure.ServerUnavailable, "the server runs with --skip-grant-tables, so that it knows no accounts: restart it without, or send FLUSH PRIVILEGES"
	default:
		return failure.StatementRefused, "the server's option stands against it: start it without that option"
	}
	return answers[e.Number].kind, answers[e.Number].remedy
}

// Error gives number, SQLSTATE, message and, where there is one, a remedy.
func (e *ServerError) Error() string {
	text := fmt.Sprintf("error %d", e.Number)
	if e.State != "" {
		text += " (" + e.State + ")"
	}
	text += ": " + e.Message
	if remedy := e.Remedy(); remedy != "" {
		text += "; " + remedy
	}
	return text
}

// Remedy implements failure.Remedied. Of a statement that was denied the step knows it.
func (e *ServerError) Remedy() string {
	_, remedy := e.particular()
	if e.Denied() && !e.Login {
		return ""
	}
	if kind := e.FailureType(); remedy == "" && kind != failure.StatementRefused {
		return failure.Remedy(kind)
	}
	return remedy
}

// blocks are the answers to a login on an account that has had too many failed ones.
var blocks = []uint16{errTooManyFailedLogins, errAccountBlockedMariaDB}

// lockings are the answers to a login on a locked account.
var lockings = []uint16{errAccountLocked, errAccountLockedMariaDB, errTooManyFailedLogins, errAccountBlockedMariaDB}

// Is makes errors.Is compare numbers, and find those of internal/rotation that are about
// logins and passwords.
func (e *ServerError) Is(target error) bool {
	switch target {
	case rotation.ErrLoginRefused:
		return e.Number == errAccessDenied
	case rotation.ErrLastPluginRefused:
		return e.Login && e.Number == errAccessDeniedNoPassword
	case rotation.ErrReplacedPassword:
		return e.Number == errReplacedPassword
	case rotation.ErrPasswordUsedBefore:
		return e.Number == errPasswordHistory
	case rotation.ErrTooFewCharactersChanged:
		return e.Number == errTooFewCharactersChanged
	case rotation.ErrAccountBlocked:
		return slices.Contains(blocks, e.Number)
	case rotation.ErrAccountOrPassword:
		return e.Number == errCannotUser
	case rotation.ErrAccountLocked:
		return slices.Contains(lockings, e.Number)
	}
	other, ok := target.(*ServerError)
	return ok && other.Number == e.Number
}

// FailureType implements failure.Typed.
func (e *ServerError) FailureType() failure.Type {
	switch kind, _ := e.particular(); {
	case kind != "":
		return kind
	case e.Login && e.Number == errAccessDeniedNoPassword:
		return failure.PluginUnsupported
	case e.Login && e.Number == errAccessDenied:
		return ""
	case e.Login: // by whatever stands before the server, too, with numbers of its own
		return failure.ServerUnavailable
	case e.Denied():
		return ""
	}
	return failure.StatementRefused
}

// ServerNumber implements failure.Numbered.
func (e *ServerError) ServerNumber() uint16 { return e.Number }

// Denied implements rotation.Denial.
func (e *ServerError) Denied() bool { return slices.Contains(denials, e.Number) }

// Absence implements rotation.Absence. A GRANT on columns opens the table or the view, and
// that can fail in more ways than anybody has listed: an index that a view forces, a
// partition that it reads, a storage engine or a child of a table may be gone. So every
// answer may be one of these that is not known to be about something else.
func (e *ServerError) Absence() (account.Absence, bool) {
	if absence, known := account.AbsenceOf(e.Number); known {
		return absence, true
	}
	_, means := answers[e.Number]
	if kind, _ := e.particular(); means || kind != "" || e.Denied() {
		return "", false
	}
	return account.PerhapsAbsentColumns, true
}

const notShown = "(the server's message is not shown, since it may quote a password)"

// explain turns an error of the driver into one that may be shown. A message
// about a statement that holds a secret is replaced, whatever its number: a
// plugin that checks passwords may say anything.
func explain(err error, holdsSecret bool) error {
	var answered *mysql.MySQLError
	if errors.As(err, &answered) {
		shown := &ServerError{Number: answered.Number, Message: oneLine(answered.Message), names: named(answered.Number, answered.Message)}
		if answered.SQLState != [5]byte{} {
			shown.State = string(answered.SQLState[:])
		}
		if holdsSecret || answered.Number == errSyntax {
			shown.Message = notShown
		}
		return shown
	}
	var network net.Error
	var notNumber *strconv.NumError
	switch {
	case errors.As(err, &notNumber):
		return failure.Errorf(failure.ServerResponseUnrecognised, "the server answered something that is no number: %w", notNumber.Err)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return failure.Errorf(failure.ReadTimeout, "no answer from the server in time: %w", err)
	case errors.Is(err, context.Canceled):
		return err
	}
	return failure.Errorf(failure.ConnectionLost, "the connection was lost; the last statement may have run; the next try checks: %w", err)
}

func isServerError(err error, number uint16) bool {
	var answered *mysql.MySQLError
	return errors.As(err, &answered) && answered.Number == number
}

func isASCII(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r > 127 }) < 0
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// explain names the reason for which a login was not had, and what to do.
func (e endpoint) explain(err error) error {
	var (
		answered   *mysql.MySQLError
		dns        *net.DNSError
		authority  x509.UnknownAuthorityError
		hostname   x509.HostnameError
		invalid    x509.CertificateInvalidError
		handshake  *tls.CertificateVerificationError
		notTLS     tls.RecordHeaderError
		connecting *net.OpError
		network    net.Error
	)
	say := func(kind failure.Type, reason string) error {
		return failure.Errorf(kind, "logging in to %s: %s: %w", e, reason, err)
	}
	switch {
	case errors.As(err, &answered):
		explained := explain(err, false)
		if shown := (*ServerError)(nil); errors.As(explained, &shown) {
			shown.Login = true
		}
		if answered.Number == errAccessDenied && !isASCII(e.login.Username) {
			// MariaDB's skip_character_set_client_handshake has it read the name in another
			// character set than it is sent in (tried on 11.8).
			return fmt.Errorf("logging in to %s, whose name a server reads wrongly that ignores the client's character set (skip_character_set_client_handshake): %w", e, explained)
		}
		if answered.Number == errAccessDenied && !e.encrypted {
			// MariaDB 10 has no error of its own for require_secure_transport.
			return fmt.Errorf("logging in to %s without TLS, which this error also means on a server that takes encrypted connections only: %w", e, explained)
		}
		return fmt.Errorf("logging in to %s: %w", e, explained)
	case errors.Is(err, mysql.ErrNoTLS):
		return say(failure.TLSNotOffered, "the server offers no TLS; turn it on there, or, if nobody else can be on the network in between, set \"ssl\": false in both secrets' documents, or, for MariaDB, ALLOW_PLAINTEXT=true in the function's environment")
	case errors.Is(err, rsa.ErrMessageTooLong):
		// Without TLS the password is sent encrypted with the server's RSA key, in one
		// block. MySQL 8.4 Reference Manual, 8.4.1.2 "Caching SHA-2 Pluggable Authentication".
		return say(failure.PasswordRefused, "the password is too long to be sent without TLS, encrypted with the server's RSA key; turn TLS on, or set PASSWORD_LENGTH to fewer characters")
	case errors.Is(err, mysql.ErrMalformPkt):
		return say(failure.PluginUnsupported, "the server asks for more than a password, or by another plugin than the first; use an account with one password plugin")
	case errors.Is(err, mysql.ErrOldPassword):
		return say(failure.PluginUnsupported, answers[errSecureAuth].remedy)
	case errors.Is(err, mysql.ErrUnknownPlugin), errors.Is(err, mysql.ErrCleartextPassword), errors.Is(err, mysql.ErrNativePassword):
		return say(failure.PluginUnsupported, "the account's authentication plugin is not one that this function can log in with; use a password plugin")
	case errors.As(err, &hostname):
		return say(failure.TLSNameMismatch, "the server's certificate is for another name; use the host name that stands in it")
	case errors.As(err, &authority):
		return say(failure.TLSUnknownAuthority, "the server's certificate is from an authority that is not trusted here; name its root in SSL_CERT_FILE, or for a host of RDS in RDS_CA_BUNDLE, or give the server a certificate of a known authority")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return say(failure.TLSCertificateExpired, "the server's certificate, or one above it, has expired or is not valid yet; renew it")
	case errors.As(err, &handshake), errors.As(err, &notTLS):
		return say(failure.TLSVerificationFailed, "the TLS handshake ended without a verified server")
	case errors.As(err, &dns):
		return say(failure.ServerNameNotResolved, "the host name was not resolved; correct host in the secret's document, or the network's DNS")
	case errors.Is(err, context.Canceled):
		return say(failure.OutOfTime, "given up")
	case errors.As(err, &connecting) && connecting.Op == "dial" && connecting.Timeout():
		return say(failure.ConnectTimeout, "the server was not reached in time; check host, port, route and security groups")
	case errors.As(err, &connecting) && connecting.Op == "dial":
		if errors.Is(err, syscall.ECONNREFUSED) {
			return say(failure.ConnectionRefused, "the host refused the connection, as nothing listens on this port; check host, port, and that the server runs")
		}
		return say(failure.ServerUnreachable, "the server was not reached; check host, port, the function's subnets and their routes")
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return say(failure.ReadTimeout, "it was reached, and did not answer in time; check what listens at host and port, proxies, and the server's load")
	}
	return say(failure.ConnectionLost, "the connection was lost during the login")
}
