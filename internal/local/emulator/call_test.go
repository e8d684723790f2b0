package emulator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/emulator"
)

func wantError(t *testing.T, err error, code string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

func TestCallsAreRecordedInOrderWithoutSecrets(t *testing.T) {
	w := newServiceWithSecret(t, emulator.Options{})
	const password = "do-not-keep-me"
	_, err := w.client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: aws.String("app"), SecretString: aws.String(password), VersionStages: []string{"AWSPENDING"},
		RotationToken: aws.String("do-not-keep-me-" + strings.Repeat("x", 36)),
	})
	w.must(err)
	_, err = w.client.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("nobody"), VersionStage: aws.String("AWSCURRENT")})
	wantError(t, err, "ResourceNotFoundException")

	type seen struct {
		Seq                                  int
		Operation, Identity, SecretID, Error string
		ARN, Done                            bool
	}
	var got []seen
	for _, c := range w.Calls() {
		got = append(got, seen{c.Seq, c.Operation, c.Identity, c.SecretID, c.Error, c.SecretARN == w.arn, c.Done})
		if text := fmt.Sprintf("%+v", c); strings.Contains(text, password) {
			t.Errorf("the call holds a secret: %s", text)
		}
	}
	want := []seen{
		{1, "CreateSecret", "AKIDOWNER", "", "", false, true},
		{2, "PutSecretValue", "AKIDOWNER", "app", "", true, true},
		{3, "GetSecretValue", "AKIDOWNER", "nobody", "ResourceNotFoundException", false, true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	calls := w.Calls()
	if stage := calls[2].Parameter("VersionStage"); stage != "AWSCURRENT" {
		t.Errorf("VersionStage = %q", stage)
	}
	if calls[1].RotationToken != emulator.TokenOther {
		t.Errorf("RotationToken = %q", calls[1].RotationToken)
	}
	if diff := cmp.Diff(map[string]int{"CreateSecret": 1, "PutSecretValue": 1, "GetSecretValue": 1}, w.CallCounts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// faulty is a world in which the next call of an operation meets a fault.
func faulty(t *testing.T, operation string, fault emulator.Fault) *serviceWithSecret {
	met := false
	return newServiceWithSecret(t, emulator.Options{Fault: func(c emulator.Call) emulator.Fault {
		if c.Operation != operation || met {
			return emulator.Fault{}
		}
		met = true
		return fault
	}})
}

func (w *serviceWithSecret) put(value string) error {
	_, err := w.client.PutSecretValue(w.Context(), &secretsmanager.PutSecretValueInput{SecretId: &w.arn, SecretString: &value})
	return err
}

func (w *serviceWithSecret) value() string {
	w.Helper()
	out, err := w.client.GetSecretValue(w.Context(), &secretsmanager.GetSecretValueInput{SecretId: &w.arn})
	w.must(err)
	return *out.SecretString
}

// A fault before the operation leaves the state alone; one after it breaks only
// the answer, and the caller cannot tell the two apart.
func TestFaultsBeforeAndAfter(t *testing.T) {
	unavailable := &emulator.Error{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailableException", Message: "later"}
	for name, fault := range map[string]emulator.Fault{"error": {Error: unavailable}, "reset": {Reset: true}} {
		for after, want := range map[bool]string{false: "first", true: "second"} {
			fault.After = after
			w := faulty(t, "PutSecretValue", fault)
			err := w.put("second")
			switch name {
			case "error":
				wantError(t, err, "ServiceUnavailableException")
				var response interface{ HTTPStatusCode() int }
				if !errors.As(err, &response) || response.HTTPStatusCode() != http.StatusServiceUnavailable {
					t.Errorf("got %v, want status 503", err)
				}
			case "reset":
				if !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("got %v, want a connection reset", err)
				}
			}
			if got := w.value(); got != want {
				t.Errorf("%s, after the operation %v: the value is %q, want %q", name, after, got, want)
			}
			calls := w.Calls()
			i := slices.IndexFunc(calls, func(c emulator.Call) bool { return c.Operation == "PutSecretValue" })
			if calls[i].Done != after {
				t.Errorf("%s: the call is done %v, want %v", name, calls[i].Done, after)
			}
		}
	}
}

func TestFaultHold(t *testing.T) {
	release := make(chan struct{})
	w := faulty(t, "PutSecretValue", emulator.Fault{Hold: release})
	answered := make(chan error)
	go func() { answered <- w.put("second") }()
	if got := w.value(); got != "first" {
		t.Errorf("the value is %q before the call was released", got)
	}
	close(release)
	w.must(<-answered)
	if got := w.value(); got != "second" {
		t.Errorf("the value is %q after the call was released", got)
	}
}

func TestFaultSilence(t *testing.T) {
	w := faulty(t, "PutSecretValue", emulator.Fault{Silent: true, After: true})
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan error)
	go func() {
		_, err := w.client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: &w.arn, SecretString: aws.String("second")})
		answered <- err
	}()
	for w.value() != "second" { // carried out, and no answer
		select {
		case err := <-answered:
			t.Fatalf("answered: %v", err)
		default:
		}
	}
	cancel()
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Close ends an answer that is held back for ever.
func TestCloseEndsFaults(t *testing.T) {
	for name, fault := range map[string]emulator.Fault{"silent": {Silent: true}, "held": {Hold: make(chan struct{})}} {
		arrived := make(chan struct{})
		s := emulator.New(emulator.Options{Fault: func(emulator.Call) emulator.Fault { close(arrived); return fault }})
		door := httptest.NewServer(s) // a server that s does not close
		answered := make(chan error)
		go func() {
			_, err := newClient(t, door.URL, "AKID").ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
			answered <- err
		}()
		<-arrived
		s.Close()
		if err := <-answered; err == nil {
			t.Errorf("%s: answered", name)
		}
		door.Close()
	}
}

func TestPendingLag(t *testing.T) {
	w := newServiceWithSecret(t, emulator.Options{PendingLag: 2})
	put, err := w.client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: &w.arn, SecretString: aws.String("second"), VersionStages: []string{"AWSPENDING"},
	})
	w.must(err)
	pending := &secretsmanager.GetSecretValueInput{SecretId: &w.arn, VersionStage: aws.String("AWSPENDING")}
	for range 2 {
		_, err := w.client.GetSecretValue(t.Context(), pending)
		wantError(t, err, "ResourceNotFoundException")
	}
	if _, err := w.client.GetSecretValue(t.Context(), pending); err != nil {
		t.Errorf("the third read: %v", err)
	}
	// AWSCURRENT never lags.
	w.must(w.put("third"))
	if got := w.value(); got != "third" {
		t.Errorf("the value is %q", got)
	}
	if _, ok := w.describe().VersionIdsToStages[*put.VersionId]; ok {
		t.Error("the pending version is still labelled")
	}
}

func TestAuthorize(t *testing.T) {
	var asked []string
	verbatim := &emulator.Error{Code: "ThrottlingException", Message: "Rate exceeded"}
	s, url := serve(t, emulator.Options{Authorize: func(identity, operation, secret string) error {
		asked = append(asked, identity+" "+operation+" "+secret)
		switch identity {
		case "AKIDNOBODY":
			return errors.New("no")
		case "AKIDBUSY":
			return verbatim
		}
		return nil
	}})
	owner, nobody := newClient(t, url, "AKIDOWNER"), newClient(t, url, "AKIDNOBODY")
	made, err := owner.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("app"), SecretString: aws.String("x")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = nobody.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("app")})
	wantError(t, err, "AccessDeniedException")
	const want = "User: arn:aws:iam::123456789012:user/AKIDNOBODY is not authorized to perform: secretsmanager:GetSecretValue on resource: "
	if !strings.Contains(err.Error(), want+*made.ARN+" because no identity-based policy allows the secretsmanager:GetSecretValue action") {
		t.Errorf("the message is %v", err)
	}
	_, err = nobody.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("nothing")})
	wantError(t, err, "AccessDeniedException")
	_, err = newClient(t, url, "AKIDBUSY").GetRandomPassword(t.Context(), &secretsmanager.GetRandomPasswordInput{})
	wantError(t, err, "ThrottlingException")
	wanted := []string{
		"AKIDOWNER CreateSecret app", "AKIDNOBODY GetSecretValue " + *made.ARN,
		"AKIDNOBODY GetSecretValue nothing", "AKIDBUSY GetRandomPassword *",
	}
	if diff := cmp.Diff(wanted, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if got := s.Calls()[1].Identity; got != "AKIDNOBODY" {
		t.Errorf("the call's identity is %q", got)
	}
}

// What the SDK does not let through.
func TestRawRequests(t *testing.T) {
	_, url := serve(t, emulator.Options{})
	const signed = "AWS4-HMAC-SHA256 Credential=AKID/20240131/us-east-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=00"
	const token = "You must provide a ClientRequestToken value. We recommend a UUID-type value."
	for _, test := range []struct {
		name, target, authorization, body string
		code, message                     string
	}{
		{"unsigned", "ListSecrets", "", `{}`, "MissingAuthenticationTokenException", "Missing Authentication Token"},
		{"signed in part", "ListSecrets", "AWS4-HMAC-SHA256 Credential=AKID", `{}`, "IncompleteSignatureException", ""},
		{"signed otherwise", "ListSecrets", "Bearer AKID", `{}`, "IncompleteSignatureException", ""},
		{"unknown operation", "DropTable", signed, `{}`, "UnknownOperationException", ""},
		{"no operation", "", signed, `{}`, "UnknownOperationException", ""},
		{"no JSON", "ListSecrets", signed, `{`, "SerializationException", ""},
		{"wrong type", "ListSecrets", signed, `{"MaxResults":"x"}`, "SerializationException", "MaxResults"},
		{"no base64", "CreateSecret", signed, `{"Name":"a","SecretBinary":"%%%%"}`, "SerializationException", ""},
		{"no member", "GetSecretValue", signed, `{}`, "ValidationException", "1 validation error detected: Value null at 'secretId' failed to satisfy constraint: Member must not be null"},
		{"two members", "UpdateSecretVersionStage", signed, `{}`, "ValidationException", "2 validation errors detected: "},
		{"no token, CreateSecret", "CreateSecret", signed, `{"Name":"a","SecretString":"x"}`, "InvalidRequestException", token},
		{"no token, PutSecretValue", "PutSecretValue", signed, `{"SecretId":"a","SecretString":"x"}`, "InvalidRequestException", token},
		{"no token, UpdateSecret", "UpdateSecret", signed, `{"SecretId":"a","SecretString":"x"}`, "InvalidRequestException", token},
		{"no token, RotateSecret", "RotateSecret", signed, `{"SecretId":"a"}`, "InvalidParameterException", token},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Amz-Target", "secretsmanager."+test.target)
		if test.authorization != "" {
			request.Header.Set("Authorization", test.authorization)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		var body struct {
			Type    string `json:"__type"`
			Message string
		}
		if err := json.Unmarshal(data, &body); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if response.StatusCode != http.StatusBadRequest || body.Type != test.code || !strings.Contains(body.Message, test.message) {
			t.Errorf("%s: %d %s, want 400 %s: %s", test.name, response.StatusCode, data, test.code, test.message)
		}
		if got := response.Header.Get("Content-Type"); got != "application/x-amz-json-1.1" || response.Header.Get("X-Amzn-Requestid") == "" {
			t.Errorf("%s: headers %v", test.name, response.Header)
		}
	}
}

func TestListenOnLoopbackOnly(t *testing.T) {
	s := emulator.New(emulator.Options{})
	t.Cleanup(s.Close)
	for addr, want := range map[string]string{
		"0.0.0.0:0": "use 127.0.0.1", ":0": "use 127.0.0.1", "[::]:0": "use 127.0.0.1", "192.0.2.1:0": "use 127.0.0.1",
		"example.com:0": "use 127.0.0.1", "127.0.0.1": "it has the form",
	} {
		if url, err := s.Listen(t.Context(), addr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %s, %v, want an error with %q", addr, url, err, want)
		}
	}
	url, err := s.Listen(t.Context(), "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Listen(t.Context(), strings.TrimPrefix(url, "http://")); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a port that is taken: %v", err)
	}
}

func TestListenEndsWithItsContextAndWithClose(t *testing.T) {
	s := emulator.New(emulator.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	one, err := s.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	two, err := s.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := newClient(t, two, "AKID").ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{}); err != nil {
		t.Errorf("the other listener: %v", err)
	}
	s.Close()
	for _, url := range []string{one, two} {
		if conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
			_ = conn.Close()
			t.Errorf("%s still listens", url)
		}
	}
	if _, err := s.Listen(t.Context(), "127.0.0.1:0"); err == nil {
		t.Error("a closed service listens")
	}
}

func TestEventBridgeForm(t *testing.T) {
	e := emulator.Event{Name: emulator.RotationFailed, Time: at("2024-01-31 10:30"), Region: "us-east-1", Account: "123456789012", SecretARN: "arn:x"}
	data, err := e.EventBridge()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Source     string
		DetailType string `json:"detail-type"`
		Time       string
		Detail     struct {
			EventName           string
			EventSource         string
			AdditionalEventData struct{ SecretId string }
		}
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if got.Source != "aws.secretsmanager" || got.DetailType != "AWS Service Event via CloudTrail" || got.Time != "2024-01-31T10:30:00Z" ||
		got.Detail.EventName != "RotationFailed" || got.Detail.EventSource != "secretsmanager.amazonaws.com" || got.Detail.AdditionalEventData.SecretId != "arn:x" {
		t.Errorf("got %s", data)
	}
}
