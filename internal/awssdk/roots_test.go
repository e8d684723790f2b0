package awssdk

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

func ask(t *testing.T, client aws.HTTPClient, url string) error {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// The authorities are asked for once, by the first request that goes by TLS, and are those
// that count.
func TestRoots(t *testing.T) {
	secured := httptest.NewTLSServer(http.NotFoundHandler())
	defer secured.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	pool := x509.NewCertPool()
	asked := 0
	client := Roots(func() (*x509.CertPool, error) { asked++; return pool, nil }).Client(awshttp.NewBuildableClient())
	if err := ask(t, client, plain.URL); err != nil || asked != 0 {
		t.Errorf("without TLS: %v, asked %d times", err, asked)
	}
	var unknown x509.UnknownAuthorityError
	if err := ask(t, client, secured.URL); !errors.As(err, &unknown) {
		t.Errorf("an unknown authority: %v", err)
	}
	pool.AddCert(secured.Certificate())
	for range 2 {
		if err := ask(t, client, secured.URL); err != nil {
			t.Error(err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

// A client that has authorities of its own keeps them, and one whose are not to be had
// verifies all the same.
func TestRootsElsewhere(t *testing.T) {
	secured := httptest.NewTLSServer(http.NotFoundHandler())
	defer secured.Close()
	own := awshttp.NewBuildableClient().WithTransportOptions(func(transport *http.Transport) {
		pool := x509.NewCertPool()
		pool.AddCert(secured.Certificate())
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	})
	none := Roots(func() (*x509.CertPool, error) { return x509.NewCertPool(), nil })
	if err := ask(t, none.Client(own), secured.URL); err != nil {
		t.Errorf("with authorities of its own: %v", err)
	}
	broken := Roots(func() (*x509.CertPool, error) { return nil, errors.New("no") })
	var unknown x509.UnknownAuthorityError
	if err := ask(t, broken.Client(awshttp.NewBuildableClient()), secured.URL); !errors.As(err, &unknown) {
		t.Errorf("without any: %v", err)
	}
}
