package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/faultproxy"
)

// link is a way to the server of a given length: what a client sends is held for
// a round trip. Connecting is two, of which the second is the server's greeting.
type link struct {
	*faultproxy.Proxy
	roundTrip atomic.Int64
	// count is how many messages a client has had to wait for.
	count atomic.Int64
}

func newLink(on *dbserver.Server, ca *dbserver.CA) (*link, error) {
	certificate, err := ca.Certificate()
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM())
	l := &link{}
	l.Proxy, err = faultproxy.Start(faultproxy.Options{
		Server: net.JoinHostPort(on.Host, strconv.Itoa(on.Port)), Certificate: certificate,
		Upstream: &tls.Config{RootCAs: roots, ServerName: on.Host, MinVersion: tls.VersionTLS12},
		Fault:    l.pass,
	})
	return l, err
}

func (l *link) pass(m faultproxy.Message) faultproxy.Fault {
	times := 1
	switch m.Kind {
	case faultproxy.Connect:
		times = 2
	case faultproxy.Quit:
		return faultproxy.Fault{} // nobody waits for it
	}
	l.count.Add(int64(times))
	return faultproxy.Fault{Before: func() faultproxy.Fate {
		time.Sleep(time.Duration(times) * time.Duration(l.roundTrip.Load()))
		return faultproxy.Pass
	}}
}

// distance measures setSecret over links of 0, 1 and 5 ms.
func (b *bench) distance(ctx context.Context, on *dbserver.Server, ca *dbserver.CA) error {
	title := on.Release().Title()
	b.say("%s, over a link ...", title)
	l, err := newLink(on, ca)
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
	for _, link := range []int{0, 1, 5} {
		l.roundTrip.Store(0)
		if err := w.remove(ctx); err != nil {
			return err
		}
		if _, err := w.settle(ctx, grants, port); err != nil {
			return err
		}
		l.roundTrip.Store(int64(link) * int64(time.Millisecond))
		first, err := w.rotate(ctx)
		if err != nil {
			return err
		}
		at := fmt.Sprintf(", over %d ms", link)
		took := ms(first["setSecret"].Wall)
		add(fmt.Sprintf("first clone, setSecret, %d grants%s", grants, at), took, "ms", 0)
	}
	if err := w.remove(ctx); err != nil {
		return err
	}
	l.roundTrip.Store(0)
	if _, err := w.settle(ctx, 10, port); err != nil {
		return err
	}
	if _, err := w.rotate(ctx); err != nil {
		return err
	}
	var at0 float64
	for _, link := range []int{0, 1, 5} {
		l.roundTrip.Store(int64(link) * int64(time.Millisecond))
		var figures []float64
		var waits int64
		for range 9 {
			var before int64
			w.around = func(step string, begins bool) {
				switch {
				case step == "setSecret" && begins:
					before = l.count.Load()
				case step == "setSecret":
					waits = l.count.Load() - before
				}
			}
			steps, err := w.rotate(ctx)
			if err != nil {
				return err
			}
			figures = append(figures, ms(steps["setSecret"].Wall))
		}
		took := median(figures)
		add(fmt.Sprintf("setSecret, nothing changed, 10 grants, over %d ms", link), took, "ms", 0)
		switch link {
		case 0:
			at0 = took
			add("messages of setSecret's two sessions that are waited for, connecting as two", float64(waits), "", 0)
		case 5:
			add("setSecret, nothing changed: round trips one after the other, by the time that 5 ms add", (took-at0)/5, "", 12)
		}
	}
	return nil
}
