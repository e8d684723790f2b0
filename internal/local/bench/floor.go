package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"
)

// What a mark that is missed would have to do without is measured too: no function
// that keeps the promises is faster than these.

// loginsOfRotation are setSecret's two, testSecret's two and finishSecret's.
const loginsOfRotation = 5

// logins is the CPU time that the logins of one rotation take a warm client of Go's:
// TLS that is verified, the password, and one statement.
func (w *deployment) logins(ctx context.Context) (time.Duration, error) {
	var took []time.Duration
	for range 21 {
		before := cpuOf(os.Getpid())
		for range loginsOfRotation {
			db, err := w.Server.DB()
			if err != nil {
				return 0, err
			}
			var one int
			err = db.QueryRowContext(ctx, "SELECT 1").Scan(&one)
			if err := errors.Join(err, db.Close()); err != nil {
				return 0, fmt.Errorf("logging in alone: %w", err)
			}
		}
		took = append(took, cpuOf(os.Getpid())-before)
	}
	return median(took), nil
}

// reading is the time that a client needs to be told of both users what setSecret
// compares, each statement sent once.
func (w *deployment) reading(ctx context.Context) (time.Duration, error) {
	conn, err := w.Root.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	var took []time.Duration
	for range 5 {
		began := time.Now()
		for _, user := range []string{w.user, w.user + "_clone"} {
			for _, show := range []string{"SHOW CREATE USER", "SHOW GRANTS FOR"} {
				if err := drain(ctx, conn, fmt.Sprintf("%s '%s'@'%%'", show, user)); err != nil {
					return 0, fmt.Errorf("reading %s alone: %w", user, err)
				}
			}
		}
		took = append(took, time.Since(began))
	}
	return median(took), nil
}

func drain(ctx context.Context, conn *sql.Conn, query string) error {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var row sql.RawBytes
		if err := rows.Scan(&row); err != nil {
			return err
		}
	}
	return rows.Err()
}
