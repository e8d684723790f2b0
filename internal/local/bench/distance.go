package bench

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/link"
	"tandem/internal/mysqldb"
	"tandem/internal/redact"
	"tandem/internal/rotation"
	"tandem/internal/secret"
)

// distance measures setSecret over links of 0, 1 and 5 ms, and counts the round trips of
// a rotation to the server that wait for each other.
func (b *bench) distance(ctx context.Context, on *dbserver.Server) error {
	title := on.Release().Title()
	b.say("%s, over a link ...", title)
	l, err := link.Start(net.JoinHostPort(on.Host, strconv.Itoa(on.Port)))
	if err != nil {
		return err
	}
	defer l.Close()
	w, err := open(ctx, on, b.own, "far")
	if w != nil {
		defer w.Close()
	}
	if err != nil {
		return err
	}
	w.watched = false
	port := map[string]any{"port": l.Port()}
	if err := w.amend(ctx, w.admin, port); err != nil {
		return err
	}
	add := func(what string, value float64, unit string, limit float64) {
		b.report.add(Figure{Server: title, What: what, Value: value, Unit: unit, Limit: limit})
	}
	grants := 5000
	if b.Brief {
		grants = 300
	}
	for _, far := range []int{0, 1, 5} {
		l.Long(0)
		if err := w.remove(ctx); err != nil {
			return err
		}
		if _, err := w.settle(ctx, grants, port); err != nil {
			return err
		}
		l.Long(time.Duration(far) * time.Millisecond)
		first, err := w.rotate(ctx)
		if err != nil {
			return err
		}
		at := fmt.Sprintf(", over %d ms", far)
		took := ms(first["setSecret"].Wall)
		add(fmt.Sprintf("first clone, setSecret, %d grants%s", grants, at), took, "ms", 0)
	}
	if err := w.remove(ctx); err != nil {
		return err
	}
	l.Long(0)
	if _, err := w.settle(ctx, 10, port); err != nil {
		return err
	}
	if _, err := w.rotate(ctx); err != nil {
		return err
	}
	for _, far := range []int{0, 1, 5} {
		l.Long(time.Duration(far) * time.Millisecond)
		var figures []float64
		for range 9 {
			steps, err := w.rotate(ctx)
			if err != nil {
				return err
			}
			figures = append(figures, ms(steps["setSecret"].Wall))
		}
		add(fmt.Sprintf("setSecret, nothing changed, 10 grants, over %d ms", far), median(figures), "ms", 0)
	}
	return b.roundTrips(ctx, title, w, l)
}

// roundTrips counts, message by message, the round trips to the server of each step and
// of a rotation that wait for each other, connecting as two.
func (b *bench) roundTrips(ctx context.Context, title string, w *deployment, l *link.Link) error {
	l.Long(hold)
	of := map[string]int{}
	w.around = func(step string, begins bool) {
		var arrivals []time.Time
		for _, turn := range l.Turns() {
			arrivals = append(arrivals, turn.At)
		}
		if !begins {
			of[step] = rounds(arrivals)
		}
	}
	defer func() { w.around = nil }()
	if _, err := w.rotate(ctx); err != nil {
		return err
	}
	sum := 0
	for _, step := range steps {
		sum += of[step]
		b.report.add(Figure{Server: title, What: "round trips to the server one after the other: " + step, Value: float64(of[step])})
	}
	const what = "round trips to the server one after the other, whole rotation"
	f := Figure{Server: title, What: what, Value: float64(sum)}
	for _, other := range b.report.Figures {
		if other.What == what {
			f.Limit = other.Value // MySQL's are to be as few as MariaDB's
		}
	}
	b.report.add(f)
	more, err := firstLogin(ctx, w, l)
	if err != nil {
		return err
	}
	b.report.add(Figure{Server: title, What: "round trips that the first login with a new password takes more than the next", Value: float64(more)})
	return nil
}

// firstLogin counts the round trips that the first login with a new password takes more
// than the one after it: MySQL's default plugin asks for the whole password when the
// server has not seen it yet, and a rotation logs in with a new one once.
//
// Source: MySQL 8.4 Reference Manual, 8.4.1.2 "Caching SHA-2 Pluggable Authentication".
func firstLogin(ctx context.Context, w *deployment, l *link.Link) (more int, err error) {
	const user = "bench_first"
	if err := w.CreateUser(ctx, user, "%", password); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, w.Execute(ctx, "DROP USER '"+user+"'@'%'")) }()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.Server.CAPEM)
	database := &mysqldb.Database{Roots: func(string) (*x509.CertPool, error) { return roots, nil }}
	var took [2]int
	for i := range took {
		_ = l.Turns()
		session, err := database.Connect(ctx, rotation.Login{Host: "127.0.0.1", Port: l.Port(), Username: user, Password: redact.New(password), TLS: secret.TLSRequired})
		if err != nil {
			return 0, err
		}
		took[i] = len(l.Turns())
		if err := session.Close(); err != nil {
			return 0, err
		}
	}
	return took[0] - took[1], nil
}
