package emulator_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"tandem/internal/local/emulator"
)

const secretKey = "the secret access key"

// signedCall makes a call of Secrets Manager as the SDK signs it, and lets change
// make another of it.
func signedCall(t *testing.T, url string, key string, at time.Time, change func(*http.Request)) (status int, answer string) {
	t.Helper()
	const body = `{"SecretId":"app"}`
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "secretsmanager.GetSecretValue")
	sum := sha256.Sum256([]byte(body))
	keys := aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: key}
	if err := v4.NewSigner().SignHTTP(t.Context(), keys, request, hex.EncodeToString(sum[:]), "secretsmanager", "us-east-1", at); err != nil {
		t.Fatal(err)
	}
	change(request)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// TestSignature: with a secret key no call is carried out that it has not signed as
// it came.
func TestSignature(t *testing.T) {
	const content = "what only the key's owner may see"
	s, url := serve(t, emulator.Options{SecretKey: secretKey})
	owner := secretsmanager.New(secretsmanager.Options{Region: "us-east-1", BaseEndpoint: aws.String(url), Credentials: credentials.NewStaticCredentialsProvider("AKID", secretKey, "")})
	if _, err := owner.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("app"), SecretString: aws.String(content)}); err != nil {
		t.Fatal(err)
	}
	body := func(text string) func(*http.Request) {
		return func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader([]byte(text))), int64(len(text))
		}
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	edit := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			value := r.Header.Get("Authorization")
			if !strings.Contains(value, old) {
				t.Errorf("%q is not in %q", old, value)
			}
			r.Header.Set("Authorization", strings.Replace(value, old, new, 1))
		}
	}
	now := time.Now()
	for _, test := range []struct {
		name   string
		key    string
		at     time.Time
		change func(*http.Request)
		code   string // of the refusal; none where it is carried out
	}{
		{"as the SDK signs", secretKey, now, func(*http.Request) {}, ""},
		{"four minutes ago", secretKey, now.Add(-4 * time.Minute), func(*http.Request) {}, ""},
		{"another key", "another", now, func(*http.Request) {}, "InvalidSignatureException"},
		{"no key", "", now, func(*http.Request) {}, "InvalidSignatureException"},
		{"six minutes ago", secretKey, now.Add(-6 * time.Minute), func(*http.Request) {}, "InvalidSignatureException"},
		{"in six minutes", secretKey, now.Add(6 * time.Minute), func(*http.Request) {}, "InvalidSignatureException"},
		{"another body", secretKey, now, body(`{"SecretId":"app" }`), "InvalidSignatureException"},
		{"another operation", secretKey, now, header("X-Amz-Target", "secretsmanager.DescribeSecret"), "InvalidSignatureException"},
		{"another host", secretKey, now, func(r *http.Request) { r.Host = "elsewhere" }, "InvalidSignatureException"},
		{"another path", secretKey, now, func(r *http.Request) { r.URL.Path = "/other" }, "InvalidSignatureException"},
		{"a query", secretKey, now, func(r *http.Request) { r.URL.RawQuery = "a=b" }, "InvalidSignatureException"},
		{"another date", secretKey, now, header("X-Amz-Date", now.Add(time.Second).UTC().Format("20060102T150405Z")), "InvalidSignatureException"},
		{"no date", secretKey, now, func(r *http.Request) { r.Header.Del("X-Amz-Date") }, "IncompleteSignatureException"},
		{"a payload that is said to be unsigned", secretKey, now, header("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), "InvalidSignatureException"},
		{"the host left out", secretKey, now, edit(";host;", ";"), "InvalidSignatureException"},
		{"another access key", secretKey, now, edit("Credential=AKID/", "Credential=AKIDX/"), ""}, // a name: the key's secret is what counts
		{"another region", secretKey, now, edit("/us-east-1/", "/us-west-1/"), "InvalidSignatureException"},
		{"an empty signature", secretKey, now, edit("Signature=", "Signature=, X="), "IncompleteSignatureException"},
		{"not signed", secretKey, now, func(r *http.Request) { r.Header.Del("Authorization") }, "MissingAuthenticationTokenException"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := len(s.Calls())
			status, answer := signedCall(t, url, test.key, test.at, test.change)
			if (status == http.StatusOK) != (test.code == "") || !strings.Contains(answer, test.code) || strings.Contains(answer, content) != (test.code == "") {
				t.Errorf("%d %s", status, answer)
			}
			if calls := s.Calls(); len(calls) != before+1 || calls[before].Error != test.code {
				t.Errorf("the call is recorded as %+v", calls[before:])
			}
		})
	}
}

// TestSignatureOfSession: a role's session signs with the key that it was given.
func TestSignatureOfSession(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/reader"
	_, url := serve(t, emulator.Options{SecretKey: secretKey, Roles: []emulator.Role{{
		ARN: role, Trusts: []string{"arn:aws:iam::123456789012:user/AKID"},
		Allows: []emulator.Permission{{Actions: []string{"secretsmanager:*"}, Resources: []string{"*"}}},
	}}})
	assumed, err := sts.New(sts.Options{Region: "us-east-1", BaseEndpoint: aws.String(url), Credentials: credentials.NewStaticCredentialsProvider("AKID", secretKey, "")}).
		AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String(role), RoleSessionName: aws.String("test")})
	if err != nil {
		t.Fatal(err)
	}
	session := assumed.Credentials
	for key, want := range map[string]bool{*session.SecretAccessKey: true, secretKey: false} {
		client := secretsmanager.New(secretsmanager.Options{
			Region: "us-east-1", BaseEndpoint: aws.String(url), Retryer: aws.NopRetryer{},
			Credentials: credentials.NewStaticCredentialsProvider(*session.AccessKeyId, key, *session.SessionToken),
		})
		_, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("made-by-the-session")})
		if (err == nil) != want || err != nil && !strings.Contains(err.Error(), "InvalidSignatureException") {
			t.Errorf("with the session's own key, %v: %v", want, err)
		}
	}
}
