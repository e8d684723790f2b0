package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tandem/internal/local/dbserver"
	"tandem/internal/redact"
	"tandem/internal/verifier"
)

// What a mark that is missed would have to do without is measured too: no function
// that keeps the promises is faster than these. Report.CheckFloors holds them to that.

// cpu measures the CPU time of the four steps, warm, and in turn that of testdata/floor,
// a function that makes the same logins and the same calls of Secrets Manager by the same
// clients, and does nothing else; and of an earlier build.
//
// It is the time of the functions' processes. A client in the bench's own would be
// measured with all that goes on there: Secrets Manager, Lambda, and what has piled up for
// the collector.
func (b *bench) cpu(ctx context.Context, on *dbserver.Server) (err error) {
	title := on.Release().Title()
	b.say("%s, the floor of the CPU ...", title)
	worlds := map[string]*deployment{}
	defer func() {
		for _, w := range worlds {
			err = errors.Join(err, w.Close())
		}
	}()
	programs := map[string]program{"cpu": b.own, "floor": b.floor}
	if b.earlier.binary != "" {
		programs["earlier"] = b.earlier
	}
	for name, p := range programs {
		w, err := open(ctx, on, p, name)
		if w != nil {
			worlds[name] = w
		}
		if err != nil {
			return err
		}
		if _, err := w.settle(ctx, 1, nil); err != nil {
			return err
		}
		if _, err := w.rotate(ctx); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	figures := map[string][]time.Duration{}
	rounds := 31
	if b.Brief {
		rounds = 5
	}
	for range rounds {
		made := map[string]taken{}
		for name, w := range worlds {
			steps, err := w.rotate(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", w.program.name, err)
			}
			made[name] = inAll(steps)
			figures[name] = append(figures[name], made[name].CPU)
		}
		if made["cpu"].Calls != made["floor"].Calls || made["cpu"].Logins != made["floor"].Logins {
			return fmt.Errorf("the floor makes %d calls and %d logins, the function %d and %d", made["floor"].Calls, made["floor"].Logins, made["cpu"].Calls, made["cpu"].Logins)
		}
	}
	own, floor := ms(median(figures["cpu"])), ms(median(figures["floor"]))
	const what = "CPU of a rotation, warm"
	b.report.add(Figure{Server: title, What: what, Value: own, Unit: "ms"})
	b.report.add(Figure{Server: title, What: "CPU of its logins and calls alone, by the same clients", Value: floor, Unit: "ms", FloorOf: what})
	b.report.add(Figure{Server: title, What: what + ", times that of its logins and calls alone", Value: own / floor, Unit: "times", Limit: 1.5})
	if earlier := worlds["earlier"]; earlier != nil {
		then := ms(median(figures["earlier"]))
		b.report.add(Figure{Server: title, What: what + ", an earlier build", Value: then, Unit: "ms"})
		b.report.add(Figure{Server: title, What: what + ", share of an earlier build's", Value: own / then, Unit: "times"})
		b.report.add(Figure{Server: title, What: "resident after these rotations", Value: residentOf(worlds["cpu"].pid), Unit: "MB"})
		b.report.add(Figure{Server: title, What: "resident after these rotations, an earlier build", Value: residentOf(earlier.pid), Unit: "MB"})
	}
	compared, err := worlds["cpu"].compared(ctx)
	if err != nil {
		return err
	}
	b.report.add(Figure{Server: title, What: "CPU of comparing both users' stored passwords alone", Value: ms(compared), Unit: "ms", FloorOf: what})
	return nil
}

// compared is the CPU time of what setSecret compares: each user's password with what the
// server has stored of it, whose plugin says how long that takes.
func (w *deployment) compared(ctx context.Context) (time.Duration, error) {
	var sum time.Duration
	for _, user := range []string{w.user, w.user + "_clone"} {
		var plugin, stored string
		if err := w.Root.QueryRowContext(ctx, "SELECT plugin, authentication_string FROM mysql.user WHERE User = ?", user).Scan(&plugin, &stored); err != nil {
			return 0, fmt.Errorf("reading what is stored of the password of %s: %w", user, err)
		}
		var took []time.Duration
		for range 21 {
			began := time.Now() // of one thread, so that the median is its time of a core
			if _, err := verifier.Matches(plugin, redact.New(stored), redact.New(password)); err != nil {
				return 0, err
			}
			took = append(took, time.Since(began))
		}
		sum += median(took)
	}
	return sum, nil
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
