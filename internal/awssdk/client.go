package awssdk

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"tandem/internal/retries"
	"tandem/internal/timeout"
)

// Retryer returns the policy by which a call is tried again.
func Retryer() aws.Retryer {
	return counting{retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = timeout.Attempts
		o.MaxBackoff = timeout.LongestBackoff
	})}
}

// counting notes each further try.
type counting struct{ *retry.Standard }

// IsErrorRetryable leaves out certificates that were not verified: they stay so.
func (c counting) IsErrorRetryable(err error) bool {
	var certificate *tls.CertificateVerificationError
	return !errors.As(err, &certificate) && c.Standard.IsErrorRetryable(err)
}

// GetRetryToken is asked before each further try.
func (c counting) GetRetryToken(ctx context.Context, err error) (func(error) error, error) {
	retries.Note(ctx)
	return c.Standard.GetRetryToken(ctx, err)
}

// httpClient makes an HTTP client with the limits of package timeout, and with the authorities
// of AWS_CA_BUNDLE in the place of the system's where that is set.
func (e *environment) httpClient() aws.HTTPClient {
	client := awshttp.NewBuildableClient().
		WithTimeout(timeout.Attempt).
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = timeout.Connect })
	const name = "AWS_CA_BUNDLE"
	file := e.first(name)
	if file == "" {
		return client
	}
	authorities, err := bundle(file)
	if err != nil {
		e.problem(name, "%w", err)
		return client
	}
	return client.WithTransportOptions(func(transport *http.Transport) {
		if transport.TLSClientConfig == nil {
			transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		transport.TLSClientConfig.RootCAs = authorities
	})
}

func bundle(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w: name a file of certificates that can be read, or leave it out", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate in PEM form: name one that has, or leave it out", file)
	}
	return pool, nil
}

// defaultsMode sets the mode, which for this function decides how long connecting
// may take. The mode auto compares the client's region with that of the function's
// environment; the SDK's loader asks EC2 for a third one, which Lambda has not.
//
// Source: AWS SDKs and Tools Reference Guide, "Smart configuration defaults".
func (e *environment) defaultsMode(sdk *aws.Config) {
	const name = "AWS_DEFAULTS_MODE"
	value := e.first(name)
	if !sdk.DefaultsMode.SetFromString(value) {
		e.problem(name, "%q is no mode: correct it, or leave it out", value)
		return
	}
	if sdk.DefaultsMode == aws.DefaultsModeAuto {
		sdk.RuntimeEnvironment = aws.RuntimeEnvironment{
			EnvironmentIdentifier: aws.ExecutionEnvironmentID(e.first("AWS_EXECUTION_ENV")),
			Region:                sdk.Region,
		}
	}
}
