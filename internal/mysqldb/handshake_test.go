package mysqldb

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/go-sql-driver/mysql"

	"tandem/internal/redact"
	"tandem/internal/rotation"
	"tandem/internal/secret"
)

// packet frames a message of the protocol.
func packet(sequence byte, content []byte) []byte {
	return append([]byte{byte(len(content)), 0, 0, sequence}, content...)
}

// A challenge that the driver does not understand is asked for anew, and not for ever.
func TestUnluckyChallenge(t *testing.T) {
	greeting := append([]byte{10}, "11.8.0-MariaDB\x00"...)
	greeting = append(greeting, 1, 0, 0, 0)                           // the session's number
	greeting = append(greeting, "12345678\x00"...)                    // the challenge's first part
	greeting = append(greeting, 0xff, 0xf7, 33, 2, 0, 0xff, 0x81, 21) // what the server can do
	greeting = append(greeting, make([]byte, 10)...)
	greeting = append(greeting, "123456789012\x00mysql_native_password\x00"...)
	unlucky := append([]byte{0xfe}, "client_ed25519\x00"...)
	unlucky = append(append(unlucky, make([]byte, 31)...), 0)

	dialled := 0
	database := Database{Dial: func(context.Context, string, string) (net.Conn, error) {
		dialled++
		ours, theirs := net.Pipe()
		go func() {
			defer ours.Close()
			if _, err := ours.Write(packet(0, greeting)); err != nil {
				return
			}
			header := make([]byte, 4)
			if _, err := io.ReadFull(ours, header); err != nil {
				return
			}
			if _, err := io.CopyN(io.Discard, ours, int64(header[0])|int64(header[1])<<8); err != nil {
				return
			}
			_, _ = ours.Write(packet(header[3]+1, unlucky))
		}()
		return theirs, nil
	}}
	_, err := database.Connect(t.Context(), rotation.Login{Host: "db", Port: 3306, Username: "app", Password: redact.New("password"), TLS: secret.TLSDisabled})
	if !errors.Is(err, mysql.ErrMalformPkt) || dialled != handshakes {
		t.Errorf("%d tries: %v, want %d", dialled, err, handshakes)
	}
}
