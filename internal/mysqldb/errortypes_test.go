package mysqldb

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"

	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/rotation"
)

// Every way in which a login fails has the type by which an alarm tells it from the others.
func TestTypesOfLoginErrors(t *testing.T) {
	at := endpoint{login: rotation.Login{Host: "db.example", Port: 3306, Username: "app", Password: redact.New("hunter2")}}
	network := func(op string, err error) error { return &net.OpError{Op: op, Net: "tcp", Err: err} }
	verification := func(err error) error { return &tls.CertificateVerificationError{Err: err} }
	for _, test := range []struct {
		cause error
		want  failure.Type
	}{
		{&mysql.MySQLError{Number: errUnknownDatabase}, failure.UnknownDatabase},
		{&mysql.MySQLError{Number: errAccessDeniedNoPassword}, failure.PluginUnsupported},
		{mysql.ErrNoTLS, failure.TLSNotOffered},
		{mysql.ErrMalformPkt, failure.PluginUnsupported},
		{mysql.ErrUnknownPlugin, failure.PluginUnsupported},
		{mysql.ErrOldPassword, failure.PluginUnsupported},
		{mysql.ErrCleartextPassword, failure.PluginUnsupported},
		{mysql.ErrNativePassword, failure.PluginUnsupported},
		{verification(x509.HostnameError{Certificate: &x509.Certificate{}, Host: "db.example"}), failure.TLSNameMismatch},
		{verification(x509.UnknownAuthorityError{}), failure.TLSUnknownAuthority},
		{verification(x509.CertificateInvalidError{Reason: x509.Expired}), failure.TLSCertificateExpired},
		{verification(x509.CertificateInvalidError{Reason: x509.NotAuthorizedToSign}), failure.TLSVerificationFailed},
		{tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, failure.TLSVerificationFailed},
		{network("dial", &net.DNSError{Name: "db.example", Err: "no such host"}), failure.ServerNameNotResolved},
		{context.Canceled, failure.OutOfTime},
		{network("dial", os.ErrDeadlineExceeded), failure.ConnectTimeout},
		{network("dial", os.NewSyscallError("connect", syscall.ECONNREFUSED)), failure.ConnectionRefused},
		{network("dial", os.NewSyscallError("connect", syscall.EHOSTUNREACH)), failure.ServerUnreachable},
		{network("read", os.ErrDeadlineExceeded), failure.ReadTimeout},
		{context.DeadlineExceeded, failure.ReadTimeout},
		{network("read", os.NewSyscallError("read", syscall.ECONNRESET)), failure.ConnectionLost},
		{io.EOF, failure.ConnectionLost},
	} {
		err := at.explain(test.cause)
		if got := failure.Of(err); got != test.want {
			t.Errorf("%v is %s, want %s: %v", test.cause, got, test.want, err)
		}
	}
}

// A server that answers nothing, and one whose connection is gone, after the login.
func TestTypesOfBrokenConnections(t *testing.T) {
	read := func(err error) error { return &net.OpError{Op: "read", Net: "tcp", Err: err} }
	for _, test := range []struct {
		cause error
		want  failure.Type
	}{
		{context.DeadlineExceeded, failure.ReadTimeout},
		{read(os.ErrDeadlineExceeded), failure.ReadTimeout},
		{read(os.NewSyscallError("read", syscall.ECONNRESET)), failure.ConnectionLost},
		{mysql.ErrInvalidConn, failure.ConnectionLost},
	} {
		if got := failure.Of(explain(test.cause, false)); got != test.want {
			t.Errorf("%v is %s, want %s", test.cause, got, test.want)
		}
	}
	if err := explain(context.Canceled, false); err != context.Canceled {
		t.Errorf("an invocation that ends is explained as the connection's end: %v", err)
	}
}

// What the number of an error means depends on whether a login or a statement was
// refused: of a refused statement only the step knows whose it was.
func TestServerErrors(t *testing.T) {
	for _, test := range []struct {
		err            ServerError
		kind           failure.Type
		denied, locked bool
		text           string
	}{
		{ServerError{Number: errAccessDenied, State: "28000", Message: "m", Login: true}, "", true, false, "error 1045 (28000): m; " + answers[errAccessDenied].remedy},
		{ServerError{Number: errAccessDenied, Message: "m"}, "", true, false, "error 1045: m"},
		{ServerError{Number: errAccessDeniedNoPassword, Message: "m", Login: true}, failure.PluginUnsupported, true, false, "error 1698: m; " + answers[errAccessDeniedNoPassword].remedy},
		{ServerError{Number: errAccessDeniedNoPassword, Message: "m"}, "", true, false, "error 1698: m"},
		{ServerError{Number: errSpecificDenied, Message: "m"}, "", true, false, "error 1227: m"},
		{ServerError{Number: errPasswordPolicy, Message: "m"}, failure.PasswordRefused, false, false, "error 1819: m; " + answers[errPasswordPolicy].remedy},
		{ServerError{Number: errSyntax, Message: "m"}, failure.StatementRefused, false, false, "error 1064: m"},
		{ServerError{Number: errAccountLocked, Message: "m", Login: true}, failure.AccountLocked, false, true, "error 3118: m; " + answers[errAccountLocked].remedy},
		{ServerError{Number: errTooManyFailedLogins, Message: "m", Login: true}, failure.AccountBlocked, false, true, "error 3955: m; " + answers[errTooManyFailedLogins].remedy},
		{ServerError{Number: errTooFewCharactersChanged, Message: "m"}, failure.PasswordRefused, false, false, "error 4165: m; " + answers[errTooFewCharactersChanged].remedy},
		{ServerError{Number: errPluginChanges, Message: "m"}, failure.StatementRefused, false, false, "error 3894: m; " + answers[errPluginChanges].remedy},
	} {
		err := &test.err
		if err.FailureType() != test.kind || err.Denied() != test.denied || err.Error() != test.text {
			t.Errorf("%+v: type %q, denied %v, %q; want %q, %v, %q", test.err, err.FailureType(), err.Denied(), err.Error(), test.kind, test.denied, test.text)
		}
		if refused := errors.Is(err, rotation.ErrLoginRefused); refused != (err.Number == errAccessDenied) {
			t.Errorf("%d: a refused login is %v", err.Number, refused)
		}
		if last := errors.Is(err, rotation.ErrLastPluginRefused); last != (err.Number == errAccessDeniedNoPassword && err.Login) {
			t.Errorf("%d: a login refused by the last plugin is %v", err.Number, last)
		}
		if locked := errors.Is(err, rotation.ErrAccountLocked); locked != test.locked {
			t.Errorf("%d: a locked account is %v", err.Number, locked)
		}
	}
}

// What a step does depends on these, each of which is what some numbers say.
func TestErrorsOfTheSteps(t *testing.T) {
	for target, numbers := range map[error][]uint16{
		rotation.ErrLoginRefused:            {errAccessDenied},
		rotation.ErrAccountLocked:           {errAccountLocked, errAccountLockedMariaDB, errTooManyFailedLogins, errAccountBlockedMariaDB},
		rotation.ErrAccountBlocked:          {errTooManyFailedLogins, errAccountBlockedMariaDB},
		rotation.ErrReplacedPassword:        {errReplacedPassword},
		rotation.ErrPasswordUsedBefore:      {errPasswordHistory},
		rotation.ErrTooFewCharactersChanged: {errTooFewCharactersChanged},
		rotation.ErrAccountOrPassword:       {errCannotUser},
	} {
		for number := range uint16(5000) {
			if is := errors.Is(&ServerError{Number: number}, target); is != slices.Contains(numbers, number) {
				t.Errorf("%d is %v: %v", number, target, is)
			}
		}
	}
}

// MariaDB 10 answers 1045 to a login without TLS where it takes encrypted ones only:
// that is said where it may be so, and nowhere else.
func TestAccessDeniedWithoutTLS(t *testing.T) {
	const hint = "takes encrypted connections only"
	for _, test := range []struct {
		number    uint16
		encrypted bool
		hinted    bool
	}{{errAccessDenied, false, true}, {errAccessDenied, true, false}, {errAccountLocked, false, false}} {
		at := endpoint{login: rotation.Login{Host: "db.example", Port: 3306, Username: "app"}, encrypted: test.encrypted}
		err := at.explain(&mysql.MySQLError{Number: test.number, Message: "m"})
		if strings.Contains(err.Error(), hint) != test.hinted {
			t.Errorf("%d, encrypted %v: %v", test.number, test.encrypted, err)
		}
	}
}

// A SQLSTATE that the server gave is shown, and none where it gave none.
func TestSQLState(t *testing.T) {
	for state, want := range map[[5]byte]string{{}: "error 1: m", {'H', 'Y', '0', '0', '0'}: "error 1 (HY000): m"} {
		if got := explain(&mysql.MySQLError{Number: 1, SQLState: state, Message: "m"}, false).Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestIsServerError(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", &mysql.MySQLError{Number: errUnknownSystemVariable})
	if !isServerError(err, errUnknownSystemVariable) || isServerError(err, errSyntax) || isServerError(io.EOF, 0) {
		t.Error("an error is taken for another number's")
	}
}
