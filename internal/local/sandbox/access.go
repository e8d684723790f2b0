package sandbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// A loopback address is not only this user's: every user of the machine reaches it,
// and every web page that a browser of the machine shows, by a form or a script, or,
// where a name of the page's own leads to 127.0.0.1 (DNS rebinding), as its own server.

// noBrowsers refuses what a web page can have sent: a request for a host that is not
// this listener by its number, or one that says from which page it comes.
func noBrowsers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isListener(r) {
			refuse(w, http.StatusMisdirectedRequest, "InvalidHostException", "the request is for the host %q: use the sandbox's URL as it has printed it", r.Host)
			return
		}
		if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
			refuse(w, http.StatusForbidden, "AccessDeniedException", "the sandbox answers no browser: use the AWS CLI, an SDK or curl")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isListener reports whether a request is for the address that it has come in by.
func isListener(r *http.Request) bool {
	at, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	if r.Host == at.String() {
		return true
	}
	_, port, err := net.SplitHostPort(at.String())
	return err == nil && r.Host == net.JoinHostPort("localhost", port)
}

// errWrongKey is the error of a command that a sandbox refuses.
var errWrongKey = errors.New("the sandbox refuses the secret access key: each start has another; export the AWS_SECRET_ACCESS_KEY that it has printed, in this terminal")

// signed lets a request pass that is signed with the sandbox's key.
func (s *Sandbox) signed(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestEvent))
		if err != nil {
			refuse(w, http.StatusRequestEntityTooLarge, "RequestTooLargeException", "the request is longer than %d bytes, or broke off", longestEvent)
			return
		}
		if refused := s.Service.Authenticate(r, body); refused != nil {
			refuse(w, http.StatusForbidden, refused.Code, "%s: export the AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY that the sandbox has printed", refused.Message)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next(w, r)
	})
}

// refuse answers an error in the form that AWS's clients read.
func refuse(w http.ResponseWriter, status int, code, format string, args ...any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(status)
	answer, _ := json.Marshal(map[string]string{"__type": code, "message": fmt.Sprintf(format, args...)})
	_, _ = w.Write(answer)
}

// sign signs a request to a sandbox as the SDK would.
func sign(ctx context.Context, request *http.Request, body []byte, secretKey string) error {
	sum := sha256.Sum256(body)
	keys := aws.Credentials{AccessKeyID: AccessKey, SecretAccessKey: secretKey}
	if err := v4.NewSigner().SignHTTP(ctx, keys, request, hex.EncodeToString(sum[:]), "lambda", Region, time.Now()); err != nil {
		return fmt.Errorf("signing the request to the sandbox: %w", err)
	}
	return nil
}
