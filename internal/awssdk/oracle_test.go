package awssdk

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tandem/internal/timeout"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	sdkconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"
)

// base is what Lambda sets.
var base = map[string]string{
	"AWS_REGION":            "eu-west-1",
	"AWS_ACCESS_KEY_ID":     "AKID",
	"AWS_SECRET_ACCESS_KEY": "SECRET",
	"AWS_SESSION_TOKEN":     "SESSION",
}

// setenv makes the environment the base with changes; an empty value unsets.
func setenv(t *testing.T, changes map[string]string) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, value) // brings it back at the end
			os.Unsetenv(name)
		}
	}
	// The loader of the SDK would read this machine's.
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, variables := range []map[string]string{base, changes} {
		for name, value := range variables {
			t.Setenv(name, value)
			if value == "" {
				os.Unsetenv(name)
			}
		}
	}
}

// oracle is the SDK's own loader, with the client and the retryer of this package,
// as a function would use it.
func oracle() (aws.Config, error) {
	return sdkconfig.LoadDefaultConfig(context.Background(),
		sdkconfig.WithHTTPClient((&environment{lookup: func(string) (string, bool) { return "", false }}).httpClient()),
		sdkconfig.WithRetryer(Retryer))
}

// seen is what a service would notice of a configuration, and a caller of a client.
type seen struct {
	URL, Credentials, Signed, Session, UserAgent string
	// ConnectTimeout is of the dialer that the client has chosen.
	ConnectTimeout, Mode string
	Attempts             int
	ClockSkew            bool
}

type recorder struct{ request *http.Request }

func (r *recorder) Do(request *http.Request) (*http.Response, error) {
	r.request = request
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}"))}, nil
}

var signedBy = regexp.MustCompile(`Credential=([^,]*)/\d{8}/([^,]*), SignedHeaders=([^,]*),`)

// seenBySecretsManager makes a client and a call.
func seenBySecretsManager(t *testing.T, sdk aws.Config) seen {
	t.Helper()
	options := secretsmanager.NewFromConfig(sdk).Options()
	wire := &recorder{}
	client := secretsmanager.NewFromConfig(sdk, func(o *secretsmanager.Options) { o.HTTPClient = wire })
	_, _ = client.DescribeSecret(context.Background(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("s")})
	out := seenOn(t, wire)
	out.Mode = string(options.DefaultsMode)
	out.ClockSkew = options.DisableClockSkewCorrection
	out.Attempts = options.Retryer.MaxAttempts()
	out.ConnectTimeout = options.HTTPClient.(*awshttp.BuildableClient).GetDialer().Timeout.String()
	return out
}

func seenBySTS(t *testing.T, sdk aws.Config) seen {
	t.Helper()
	wire := &recorder{}
	client := sts.NewFromConfig(sdk, func(o *sts.Options) { o.HTTPClient = wire })
	_, _ = client.GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{})
	return seenOn(t, wire)
}

func seenOn(t *testing.T, wire *recorder) seen {
	t.Helper()
	if wire.request == nil {
		return seen{} // the client has refused the configuration
	}
	header := wire.request.Header
	out := seen{URL: wire.request.URL.String(), Session: header.Get("X-Amz-Security-Token"), UserAgent: header.Get("User-Agent")}
	if match := signedBy.FindStringSubmatch(header.Get("Authorization")); match != nil {
		out.Credentials, out.Signed = match[1]+" "+match[2], match[3]
	} else {
		t.Fatalf("a request that is not signed: %q", header.Get("Authorization"))
	}
	return out
}

// TestLoadMeansWhatTheSDKMeans compares, for each variable, what services see
// with what they see of the SDK's own loader.
func TestLoadMeansWhatTheSDKMeans(t *testing.T) {
	plain := seenWith(t, nil)
	for _, test := range []struct {
		name    string
		changes map[string]string
		// same: the variable changes nothing that is seen.
		same bool
	}{
		{"as Lambda sets it", nil, true},
		{"another region", map[string]string{"AWS_REGION": "us-gov-west-1"}, false},
		{"the default region", map[string]string{"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-east-2"}, false},
		{"the region before the default one", map[string]string{"AWS_DEFAULT_REGION": "us-east-2"}, true},
		{"keys that do not change", map[string]string{"AWS_SESSION_TOKEN": ""}, false},
		{"old names of keys", map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_ACCESS_KEY": "OLD", "AWS_SECRET_KEY": "OLD"}, false},
		{"keys of an account", map[string]string{"AWS_ACCOUNT_ID": "123456789012"}, true},
		{"FIPS", map[string]string{"AWS_USE_FIPS_ENDPOINT": "true"}, false},
		{"FIPS in capitals", map[string]string{"AWS_USE_FIPS_ENDPOINT": "TRUE", "AWS_REGION": "us-east-1"}, false},
		{"no FIPS", map[string]string{"AWS_USE_FIPS_ENDPOINT": "false"}, true},
		{"dual stack", map[string]string{"AWS_USE_DUALSTACK_ENDPOINT": "true"}, false},
		{"no dual stack", map[string]string{"AWS_USE_DUALSTACK_ENDPOINT": "false"}, true},
		{"FIPS on dual stack", map[string]string{"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"}, false},
		{"an endpoint for all", map[string]string{"AWS_ENDPOINT_URL": "https://all.example/x"}, false},
		{"an endpoint of the service", map[string]string{"AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://one.example:4566"}, false},
		{"of the other service", map[string]string{"AWS_ENDPOINT_URL_STS": "https://sts.example"}, false},
		{"one for all and one of its own", map[string]string{"AWS_ENDPOINT_URL": "https://all.example", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "https://one.example"}, false},
		{"an empty one", map[string]string{"AWS_ENDPOINT_URL_SECRETS_MANAGER": ""}, true},
		{"endpoints ignored", map[string]string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true", "AWS_ENDPOINT_URL": "https://all.example", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "https://one.example"}, true},
		{"endpoints not ignored", map[string]string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "False", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "https://one.example"}, false},
		{"FIPS with an endpoint, which the service has not", map[string]string{"AWS_USE_FIPS_ENDPOINT": "true", "AWS_ENDPOINT_URL": "https://all.example"}, false},
		{"a name for User-Agent", map[string]string{"AWS_SDK_UA_APP_ID": "billing"}, false},
		{"clock skew", map[string]string{"AWS_DISABLE_CLOCK_SKEW_CORRECTION": "true"}, false},
		{"mode in-region", map[string]string{"AWS_DEFAULTS_MODE": "in-region"}, false},
		{"mode Standard", map[string]string{"AWS_DEFAULTS_MODE": "Standard"}, false},
		{"mode auto", map[string]string{"AWS_DEFAULTS_MODE": "auto"}, false},
		{"mode auto, in a known environment", map[string]string{"AWS_DEFAULTS_MODE": "auto", "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"}, false},
		{"mode legacy", map[string]string{"AWS_DEFAULTS_MODE": "legacy"}, true},
		{"attempts", map[string]string{"AWS_MAX_ATTEMPTS": "9", "AWS_RETRY_MODE": "adaptive"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := seenWith(t, test.changes)
			if same := cmp.Equal(got, plain); same != test.same {
				t.Errorf("as without it: %v, want %v: %+v", same, test.same, got)
			}
		})
	}
}

// seenWith is what services see of Load, after it has been compared with the oracle.
func seenWith(t *testing.T, changes map[string]string) []seen {
	t.Helper()
	setenv(t, changes)
	own, err := Load(os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := oracle()
	if err != nil {
		t.Fatalf("the SDK's loader: %v", err)
	}
	got := []seen{seenBySecretsManager(t, own), seenBySTS(t, own)}
	want := []seen{seenBySecretsManager(t, theirs), seenBySTS(t, theirs)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differs from the SDK's loader (-SDK +own):\n%s", diff)
	}
	return got
}

// TestRefusedValues: what the SDK's loader refuses is refused here, by name, and
// all of it at once.
func TestRefusedValues(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_USE_FIPS_ENDPOINT":               "yes",
		"AWS_USE_DUALSTACK_ENDPOINT":          "1",
		"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "no",
		"AWS_DISABLE_CLOCK_SKEW_CORRECTION":   "on",
		"AWS_DEFAULTS_MODE":                   "fast",
		"AWS_CA_BUNDLE":                       filepath.Join(t.TempDir(), "absent.pem"),
	} {
		setenv(t, map[string]string{name: value, "AWS_REGION": "", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})
		_, err := Load(os.LookupEnv)
		if err == nil {
			t.Errorf("%s=%s is taken", name, value)
			continue
		}
		for _, want := range []string{name, "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
			if !strings.Contains(err.Error(), "reading the environment variable "+want+": ") {
				t.Errorf("%s=%s: %v does not name %s", name, value, err, want)
			}
		}
		setenv(t, map[string]string{name: value})
		if _, err := oracle(); err == nil {
			t.Errorf("the SDK's loader takes %s=%s", name, value)
		}
	}
}

// TestBundle: AWS_CA_BUNDLE decides whom a client trusts, as with the SDK's loader.
func TestBundle(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"Name":"reached"}`)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of the client that does not trust it
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	var text bytes.Buffer
	if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}); err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	if err := os.WriteFile(bundle, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		bundle  string
		reached bool
	}{{bundle, true}, {"", false}} {
		setenv(t, map[string]string{"AWS_CA_BUNDLE": test.bundle, "AWS_ENDPOINT_URL_SECRETS_MANAGER": server.URL})
		for name, load := range map[string]func() (aws.Config, error){
			"own":       func() (aws.Config, error) { return Load(os.LookupEnv) },
			"the SDK's": oracle,
		} {
			sdk, err := load()
			if err != nil {
				t.Fatal(err)
			}
			client := secretsmanager.NewFromConfig(sdk, func(o *secretsmanager.Options) { o.Retryer = aws.NopRetryer{} })
			_, err = client.DescribeSecret(context.Background(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("s")})
			if reached := err == nil; reached != test.reached {
				t.Errorf("%s, bundle %q: reached %v, want %v: %v", name, test.bundle, reached, test.reached, err)
			}
		}
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	setenv(t, map[string]string{"AWS_CA_BUNDLE": empty})
	if _, err := Load(os.LookupEnv); err == nil || !strings.Contains(err.Error(), "AWS_CA_BUNDLE") {
		t.Errorf("a bundle without a certificate: %v", err)
	}
}

// TestLimits: the client has the limits of this package.
func TestLimits(t *testing.T) {
	setenv(t, nil)
	sdk, err := Load(os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	client := sdk.HTTPClient.(*awshttp.BuildableClient)
	if got := client.GetTimeout(); got != timeout.Attempt {
		t.Errorf("an attempt may take %s", got)
	}
	var dialer *net.Dialer = client.GetDialer()
	if dialer.Timeout != timeout.Connect {
		t.Errorf("connecting may take %s", dialer.Timeout)
	}
	if got := sdk.Retryer().MaxAttempts(); got != timeout.Attempts {
		t.Errorf("%d attempts", got)
	}
}
