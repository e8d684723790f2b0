package mysqldb

import (
	"context"
	"errors"

	"github.com/go-sql-driver/mysql"

	"tandem/internal/retries"
	"tandem/internal/rotation"
)

// handshakes is how often a login is tried that the driver itself breaks off.
//
// It takes a zero byte off the end of the server's random challenge, as other
// plugins send one there; ed25519's challenge has 32 bytes, of which the last one is
// zero in one login of 256, and is then too short for it (go-sql-driver/mysql 1.10.1,
// readAuthResult). Nothing was answered by then, so another try is no second wrong
// password.
const handshakes = 3

// handshake logs in, with another challenge where the driver did not understand one, and
// once by a full TLS handshake where one by an earlier session has failed.
func (d *Database) handshake(ctx context.Context, login rotation.Login, encrypted bool) (*Session, error) {
	for try := 1; ; try++ {
		s, err := d.connect(ctx, login, encrypted)
		switch {
		case errors.Is(err, errNotResumed):
			login.FullHandshake = true // which offers no session, and so does not fail like this
		case !errors.Is(err, mysql.ErrMalformPkt) || try >= handshakes:
			return s, err
		}
		retries.Note(ctx)
	}
}
