package awssdk

import (
	"context"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// hasty closes the request's body as soon as a first part of the request is on its way, as the
// SDK does when the answer begins.
type hasty struct {
	net.Conn
	body io.Closer
	once *sync.Once
}

func (c hasty) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.once.Do(func() { _ = c.body.Close() })
	return n, err
}

// closable is a body that cannot be read any more once it is closed.
type closable struct {
	io.Reader
	closed bool
}

func (c *closable) Read(b []byte) (int, error) {
	if c.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return c.Reader.Read(b)
}

func (c *closable) Close() error { c.closed = true; return nil }

// Whoever closes a request's body while it is sent keeps nobody from reading the answer.
func TestBodyIsSentWithTheHeader(t *testing.T) {
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer echo.Close()
	for _, roots := range []Roots{nil, x509.SystemCertPool} {
		body := &closable{Reader: strings.NewReader("the request")}
		client := roots.Client(awshttp.NewBuildableClient().WithTransportOptions(func(transport *http.Transport) {
			transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, network, address)
				return hasty{c, body, new(sync.Once)}, err
			}
		}))
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, echo.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		request.ContentLength = int64(len("the request"))
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if got, err := io.ReadAll(answer.Body); err != nil || string(got) != "the request" {
			t.Errorf("answered %q, %v", got, err)
		}
	}
}
