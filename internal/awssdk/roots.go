package awssdk

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// Roots gives the authorities that a service's certificate is verified against. It is
// called when a request goes by TLS for the first time: to read them takes milliseconds of
// a full core, and crypto/x509, left to itself, reads them more slowly.
type Roots func() (*x509.CertPool, error)

// Client returns a service's client that sends each request whole, and with these
// authorities, unless it has some, as by AWS_CA_BUNDLE. The SDK has to have made it up by
// then: what it makes of a client that it knows depends on the service.
func (r Roots) Client(of aws.HTTPClient) aws.HTTPClient { return buffered{r.verifying(of)} }

func (r Roots) verifying(of aws.HTTPClient) aws.HTTPClient {
	client, ok := of.(*awshttp.BuildableClient)
	if !ok || r == nil {
		return of
	}
	if config := client.GetTransport().TLSClientConfig; config != nil && config.RootCAs != nil {
		return of
	}
	return &verifying{client, sync.OnceValue(func() aws.HTTPClient { return r.verify(client) })}
}

func (r Roots) verify(client *awshttp.BuildableClient) aws.HTTPClient {
	authorities, err := r()
	if err != nil {
		return client // whose own look at them says what is wrong
	}
	return client.WithTransportOptions(func(transport *http.Transport) {
		if transport.TLSClientConfig == nil {
			transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		transport.TLSClientConfig.RootCAs = authorities
	})
}

// verifying sends by one client what goes by TLS, and the rest by another.
type verifying struct {
	plain   aws.HTTPClient
	secured func() aws.HTTPClient
}

// Do implements aws.HTTPClient.
func (v *verifying) Do(request *http.Request) (*http.Response, error) {
	if request.URL.Scheme == "https" {
		return v.secured().Do(request)
	}
	return v.plain.Do(request)
}
