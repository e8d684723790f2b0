package mysqldb

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/rotation"
)

// A server quotes what it cannot parse, and a plugin says what it likes about a
// password. Neither the text nor anything behind it may show that.
func TestExplainHidesWhatMayQuoteASecret(t *testing.T) {
	for _, test := range []struct {
		number      uint16
		holdsSecret bool
		shown       bool
	}{
		{errSyntax, false, false},
		{errSyntax, true, false},
		{1819, true, false}, // ER_NOT_VALID_PASSWORD
		{errAccessDeniedDatabase, false, true},
	} {
		err := explain(fmt.Errorf("wrapped: %w", &mysql.MySQLError{Number: test.number, SQLState: [5]byte{'4', '2', '0', '0', '0'}, Message: "near 'hunter2'\nat line 1"}), test.holdsSecret)
		shown := false
		for cause := err; cause != nil; cause = errors.Unwrap(cause) {
			shown = shown || strings.Contains(fmt.Sprintf("%v %+v %#v", cause, cause, cause), "hunter2")
		}
		if shown != test.shown {
			t.Errorf("%d, holds a secret %v: the message is shown %v, want %v: %v", test.number, test.holdsSecret, shown, test.shown, err)
		}
		if !strings.Contains(err.Error(), fmt.Sprint(test.number)) || !strings.Contains(err.Error(), "42000") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%d: %q lacks number or SQLSTATE, or is not one line", test.number, err)
		}
		var driver *mysql.MySQLError
		if errors.As(err, &driver) {
			t.Errorf("%d: the driver's error, with the server's message, is behind the error", test.number)
		}
		if !errors.Is(err, &ServerError{Number: test.number}) || errors.Is(err, &ServerError{Number: 1}) {
			t.Errorf("%d: the number is not what errors.Is compares", test.number)
		}
	}
}

func TestExplainKeepsTheCause(t *testing.T) {
	for _, cause := range []error{context.DeadlineExceeded, context.Canceled, io.ErrUnexpectedEOF, mysql.ErrInvalidConn} {
		if err := explain(fmt.Errorf("wrapped: %w", cause), false); !errors.Is(err, cause) {
			t.Errorf("%v does not lead to %v", err, cause)
		}
	}
}

func TestAbsence(t *testing.T) {
	for number, want := range map[uint16]account.Absence{
		1146: account.AbsentTable, 1049: account.AbsentTable, 1054: account.AbsentColumn, 1356: account.AbsentColumns, 1305: account.AbsentRoutine,
		1168: account.PerhapsAbsentColumns, 1176: account.PerhapsAbsentColumns, 1105: account.PerhapsAbsentColumns, 1213: account.PerhapsAbsentColumns,
		errTableDenied: "", errReadOnlyOption: "", errUserLimitReached: "", errServerShutdown: "", errQueryInterrupted: "", errLockWaitTimeout: account.LockedTable,
	} {
		var absence rotation.Absence
		if !errors.As(explain(&mysql.MySQLError{Number: number}, false), &absence) {
			t.Fatalf("%d: no Absence in the error", number)
		}
		if got, ok := absence.Absence(); got != want || ok != (want != "") {
			t.Errorf("%d: absence %q, %v", number, got, ok)
		}
	}
}

// Causes of a login that was not had are kept apart, and each has its remedy.
func TestLoginErrorsNameCauseAndRemedy(t *testing.T) {
	at := endpoint{login: rotation.Login{Host: "db.example", Port: 3306, Username: "app", Password: redact.New("hunter2")}}
	verification := func(err error) error { return &tls.CertificateVerificationError{Err: err} }
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	for _, test := range []struct {
		cause error
		want  string
	}{
		{&mysql.MySQLError{Number: errAccessDenied, Message: "Access denied"}, "the password is wrong, or no account"},
		{&mysql.MySQLError{Number: errAccountLocked, Message: "locked"}, "ACCOUNT UNLOCK"},
		{&mysql.MySQLError{Number: errHostNotPrivileged, Message: "Host"}, "client's host"},
		{&mysql.MySQLError{Number: errTooManyConnections, Message: "Too many"}, "max_connections"},
		{&mysql.MySQLError{Number: errSecureTransport, Message: "insecure"}, `remove "ssl": false`},
		{mysql.ErrNoTLS, "ALLOW_PLAINTEXT=true"},
		{mysql.ErrUnknownPlugin, "password plugin"},
		{verification(x509.UnknownAuthorityError{}), "authority that is not trusted"},
		{verification(x509.HostnameError{Certificate: &x509.Certificate{}, Host: "db.example"}), "another name"},
		{verification(x509.CertificateInvalidError{Reason: x509.Expired}), "expired"},
		{&net.DNSError{Name: "db.example", Err: "no such host"}, "not resolved"},
		{refused, "was not reached; check host, port"},
		{context.DeadlineExceeded, "did not answer in time"},
		{io.EOF, "lost during the login"},
	} {
		err := at.explain(fmt.Errorf("driver: %w", test.cause))
		for _, want := range []string{test.want, "db.example:3306", `"app"`} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v: %q lacks %q", test.cause, err, want)
			}
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q shows the password", err)
		}
	}
}

func TestParseAccount(t *testing.T) {
	for text, want := range map[string]account.Name{
		"app@%": {User: "app", Host: "%"}, "a@b@10.0.0.0/255.0.0.0": {User: "a@b", Host: "10.0.0.0/255.0.0.0"}, "@localhost": {Host: "localhost"},
	} {
		if got, err := parseAccount(text); got != want || err != nil {
			t.Errorf("parseAccount(%q) = %v, %v", text, got, err)
		}
	}
	if _, err := parseAccount("nobody"); err == nil {
		t.Error("a text without a host is an account")
	}
}

// A login that is answered by a number that nobody knows here, as those of a proxy are, has
// a type and a remedy as well.
func TestUnknownLoginAnswersAreTyped(t *testing.T) {
	at := endpoint{login: rotation.Login{Host: "db.example", Port: 3306, Username: "app", Password: redact.New("hunter2")}, encrypted: true}
	for _, number := range []uint16{1, 1042, 1105, 1142, 1158, 1159, 1160, 1161, 1317, 3168, 9001, 65535} {
		err := at.explain(&mysql.MySQLError{Number: number, Message: "m"})
		if got := failure.Of(err); got != failure.ServerUnavailable {
			t.Errorf("%d: %s", number, got)
		}
		if remedy := failure.RemedyOf(err); remedy == "" || !strings.Contains(err.Error(), remedy) {
			t.Errorf("%d: %v, with the remedy %q", number, err, remedy)
		}
		if statement := failure.Of(explain(&mysql.MySQLError{Number: number, Message: "m"}, false)); statement == failure.ServerUnavailable {
			t.Errorf("%d: a statement's answer is %s", number, statement)
		}
	}
}

// Whatever a login or the first statement after it may answer has a type of its own and a
// remedy, in either server's numbers.
func TestLoginAnswersAreTyped(t *testing.T) {
	for _, test := range []struct {
		number  uint16
		message string
		want    failure.Type
		word    string
	}{
		{1037, "Out of memory", failure.ServerUnavailable, "memory"},
		{1040, "Too many connections", failure.TooManyConnections, "max_connections"},
		{1041, "Out of memory.", failure.ServerUnavailable, "memory"},
		{1043, "Bad handshake", failure.ConnectionLost, "proxy"},
		{1047, "WSREP has not yet prepared node for application use", failure.ServerUnavailable, "node"},
		{1053, "Server shutdown in progress", failure.ServerUnavailable, "stopping"},
		{1135, "Can't create a new thread", failure.ServerUnavailable, "thread"},
		{1184, "Aborted connection (init_connect command failed)", failure.InitConnectFailed, "init_connect"},
		{1203, "User x already has more than 'max_user_connections' active connections", failure.TooManyConnections, "max_user_connections"},
		{1226, "User 'x' has exceeded the 'max_user_connections' resource (current value: 1)", failure.TooManyConnections, "at once"},
		{1226, "User 'x' has exceeded the 'max_connections_per_hour' resource (current value: 1)", failure.LimitReached, "hour"},
		{1251, "Client does not support authentication protocol", failure.PluginUnsupported, "password"},
		{1275, "Server is running in --secure-auth mode", failure.PluginUnsupported, "MySQL 4.0"},
		{1290, "The MySQL server is running with the --super-read-only option", failure.ReadOnlyServer, "writer"},
		{1290, "The MariaDB server is running with the --read-only=1 option", failure.ReadOnlyServer, "writer"},
		{1290, "The MySQL server is running with the --skip-grant-tables option", failure.ServerUnavailable, "FLUSH PRIVILEGES"},
		{1290, "The MySQL server is running with the --secure-file-priv option", failure.StatementRefused, "option"},
		{1792, "Cannot execute statement in a READ ONLY transaction.", failure.ReadOnlyServer, "transaction_read_only"},
		{1927, "Connection was killed", failure.ConnectionLost, "KILL"},
		{3032, "The server is currently in offline mode", failure.ServerUnavailable, "offline_mode"},
		{3169, "The session was killed", failure.ConnectionLost, "KILL"},
		{4031, "The client was disconnected by the server because of inactivity.", failure.ConnectionLost, "wait_timeout"},
		{4082, "Connection closed. Connection memory limit exceeded.", failure.ServerUnavailable, "connection_memory_limit"},
	} {
		for _, holdsSecret := range []bool{false, true} {
			err := explain(&mysql.MySQLError{Number: test.number, Message: test.message}, holdsSecret)
			if got := failure.Of(err); got != test.want {
				t.Errorf("%d %q: %s, want %s", test.number, test.message, got, test.want)
			}
			if !strings.Contains(err.Error(), test.word) {
				t.Errorf("%d: %q lacks %q", test.number, err, test.word)
			}
		}
	}
}
