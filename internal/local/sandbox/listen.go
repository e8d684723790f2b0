package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// errPortTaken is the error of a sandbox whose port somebody else listens on.
var errPortTaken = errors.New("the port is taken")

// listen serves handler on a loopback address until ctx ends, and returns its URL
// and what ends it sooner. Any other address is refused.
func listen(ctx context.Context, address string, handler http.Handler) (url string, end func(), err error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return "", nil, fmt.Errorf("reading the address %q: %w: it has the form 127.0.0.1:4600", address, err)
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.IsLoopback() {
		return "", nil, fmt.Errorf("refusing to listen on %q: it is not a loopback address: use 127.0.0.1 or [::1]", address)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return "", nil, fmt.Errorf("listening on %s: %w, perhaps by another sandbox: choose another one, or 0 for any", address, errPortTaken)
	}
	if err != nil {
		return "", nil, fmt.Errorf("listening on %s: %w: choose another port, or 0 for any", address, err)
	}
	served := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second,
		// An answer that never ends, as the feed's, ends with the sandbox.
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = served.Serve(listener) // always ends with an error, mostly ErrServerClosed
	}()
	stop := context.AfterFunc(ctx, func() { _ = served.Close() })
	return "http://" + listener.Addr().String(), func() {
		stop()
		_ = served.Close()
		<-done
	}, nil
}

// door answers as Secrets Manager does, as Lambda to an Invoke, and below /sandbox/
// with what neither has words for. All of it is for those who sign with the sandbox's
// own key, and none of it for a browser.
func (s *Sandbox) door() http.Handler {
	return noBrowsers(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, invokePrefix) && strings.HasSuffix(r.URL.Path, invokeSuffix) {
			s.signed(s.invoke).ServeHTTP(w, r)
			return
		}
		if !strings.HasPrefix(r.URL.Path, "/sandbox/") {
			s.Service.ServeHTTP(w, r)
			return
		}
		if r.URL.Path != feedPath || r.Method != http.MethodGet {
			http.NotFound(w, r)
			return
		}
		s.signed(func(w http.ResponseWriter, r *http.Request) { s.feed.serve(w, r, s.greeting()) }).ServeHTTP(w, r)
	}))
}
