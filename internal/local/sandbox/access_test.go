package sandbox

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// stranger is somebody who reaches the sandbox's address: another user of the machine,
// or a web page in a browser.
type stranger struct {
	name   string
	key    string // that it signs with; none where it does not
	change func(*http.Request)
}

var strangers = []stranger{
	{"another user, without a key", "", nil},
	{"another user, with a key of his own", "a key of his own", nil},
	{"another user, with what the key once was", AccessKey, nil},
	{"a page by its own name, which leads here", "", func(r *http.Request) { r.Host = "attacker.example:" + r.URL.Port() }},
	{"a page with this page's name and no port", "", func(r *http.Request) { r.Host = "localhost" }},
	{"a page's script", "", func(r *http.Request) { r.Header.Set("Origin", "https://attacker.example") }},
	{"a page's script of this very address", "", func(r *http.Request) { r.Header.Set("Origin", "http://"+r.URL.Host) }},
	{"a page's form", "", func(r *http.Request) {
		r.Header.Set("Content-Type", "text/plain")
		r.Header.Set("Origin", "null")
	}},
}

// TestStrangers: nobody gets anything from a sandbox, or does anything there, without
// the key of this start, nor from a browser with it.
func TestStrangers(t *testing.T) {
	log := &lines{}
	s, _ := tutorial(t, func(o *ServeOptions) { o.Out = log })
	described, err := s.Secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(appSecret)})
	if err != nil {
		t.Fatal(err)
	}
	json := func(operation, body string) func() (*http.Request, string) {
		return func() (*http.Request, string) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/x-amz-json-1.1")
			request.Header.Set("X-Amz-Target", "secretsmanager."+operation)
			return request, body
		}
	}
	plainly := func(method, path, body string) func() (*http.Request, string) {
		return func() (*http.Request, string) {
			request, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if body != "" {
				request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			return request, body
		}
	}
	for name, make := range map[string]func() (*http.Request, string){
		"the admin's secret": json("GetSecretValue", `{"SecretId":"`+adminSecret+`"}`),
		"the list":           json("ListSecrets", `{}`),
		"a rotation":         json("RotateSecret", `{"SecretId":"`+appSecret+`","ClientRequestToken":"11111111-1111-4111-8111-111111111111"}`),
		"a new value":        json("PutSecretValue", `{"SecretId":"`+appSecret+`","ClientRequestToken":"11111111-1111-4111-8111-111111111111","SecretString":"{}"}`),
		"RDS":                plainly(http.MethodPost, "/", "Action=DescribeDBInstances&Version=2014-10-31"),
		"STS":                plainly(http.MethodPost, "/", "Action=AssumeRole&Version=2011-06-15&RoleSessionName=me&RoleArn="+RoleARN),
		"the function":       plainly(http.MethodPost, invokePrefix+functionName(FunctionARN)+invokeSuffix, `{"Step":"check","SecretId":"`+appSecret+`"}`),
		"the feed":           plainly(http.MethodGet, feedPath, ""),
		"nothing":            plainly(http.MethodGet, "/", ""),
		"what is not there":  plainly(http.MethodGet, "/sandbox/other", ""),
	} {
		for _, who := range append(strangers, stranger{"a page with the key", s.SecretKey, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }}) {
			request, body := make()
			if who.key != "" {
				if err := sign(t.Context(), request, []byte(body), who.key); err != nil {
					t.Fatal(err)
				}
			}
			if who.change != nil {
				who.change(request)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode < 400 {
				_ = response.Body.Close() // which may never end
				t.Errorf("%s, asked for by %s: %s", name, who.name, response.Status)
				continue
			}
			answer, err := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(answer, []byte("password")) || bytes.Contains(answer, []byte("Tutorial")) || bytes.Contains(answer, []byte("CERTIFICATE")) {
				t.Errorf("%s, asked for by %s: %s %s", name, who.name, response.Status, answer)
			}
			if response.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s: a page of another origin may read the answer", name)
			}
		}
	}
	again, err := s.Secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(appSecret)})
	if err != nil {
		t.Fatal(err)
	}
	if len(again.VersionIdsToStages) != len(described.VersionIdsToStages) || !again.LastChangedDate.Equal(*described.LastChangedDate) {
		t.Error("the secret has been changed")
	}
	if strings.Contains(log.String(), "step=check") {
		t.Errorf("the function was invoked:\n%s", log)
	}
}

// TestOwnersHosts: whoever has the key may call the sandbox by the number and as
// localhost.
func TestOwnersHosts(t *testing.T) {
	s, _ := tutorial(t)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{s.URL, "http://localhost:" + port} {
		if _, err := client(url, s.SecretKey).ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{}); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestKeyOfEachStart: two starts have two keys, and the key of one opens nothing of
// the other.
func TestKeyOfEachStart(t *testing.T) {
	s, end := tutorial(t)
	old := s.SecretKey
	if err := end(); err != nil {
		t.Fatal(err)
	}
	s, _ = tutorial(t)
	if old == s.SecretKey || len(old) < 20 {
		t.Errorf("the keys are %q and %q", old, s.SecretKey)
	}
	options := secretsmanager.Options{Region: Region, BaseEndpoint: aws.String(s.URL), Credentials: credentials.NewStaticCredentialsProvider(AccessKey, old, ""), Retryer: aws.NopRetryer{}}
	if _, err := secretsmanager.New(options).ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{}); err == nil || !strings.Contains(err.Error(), "InvalidSignatureException") {
		t.Errorf("with the key of the last start: %v", err)
	}
	if err := Check(deadline(t), CheckOptions{URL: s.URL, SecretKey: old, Out: &lines{}}); !errors.Is(err, errWrongKey) {
		t.Errorf("check: %v", err)
	}
	if err := Watch(deadline(t), WatchOptions{URL: s.URL, SecretKey: old, Out: &lines{}}); !errors.Is(err, errWrongKey) {
		t.Errorf("watch: %v", err)
	}
	if !lookPath("aws") {
		return
	}
	caller := newCaller(t, s).(cliCaller)
	command := exec.Command("aws", "--endpoint-url", s.URL, "secretsmanager", "list-secrets")
	command.Env = append(caller.environ(), "AWS_SECRET_ACCESS_KEY="+old)
	if out, err := command.CombinedOutput(); err == nil || !strings.Contains(string(out), "InvalidSignatureException") {
		t.Errorf("the CLI: %v: %s", err, out)
	}
}
