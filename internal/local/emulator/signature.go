package emulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// AWS Signature Version 4: who calls proves that he knows the secret access key,
// which is not sent, and for which host, operation and body.
//
// Source: AWS Identity and Access Management User Guide, "Create a signed AWS API
// request".
const (
	signatureAlgorithm = "AWS4-HMAC-SHA256"
	signatureTime      = "20060102T150405Z"
	signatureSkew      = 5 * time.Minute // older and newer ones are refused
	scopeEnd           = "aws4_request"
)

// credential is what the Authorization header says of a signature.
type credential struct {
	key, date, region, service string
	signedHeaders              []string
	signature                  string
}

func (c credential) scope() string {
	return strings.Join([]string{c.date, c.region, c.service, scopeEnd}, "/")
}

// Authenticate checks who has signed a request, for what is served beside the
// Service at its address. Its error is what the request is to be answered.
func (s *Service) Authenticate(r *http.Request, body []byte) *Error {
	_, err := s.identify(r, body)
	return err
}

// verify checks a signature against a secret access key.
func (c credential) verify(r *http.Request, body []byte, secretKey string, now time.Time) *Error {
	signed := r.Header.Get("X-Amz-Date")
	at, err := time.Parse(signatureTime, signed)
	if err != nil || c.date != signed[:8] {
		return failure("IncompleteSignatureException", "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if now.Sub(at).Abs() > signatureSkew {
		return failure("InvalidSignatureException", "Signature expired or not yet current: %s is not within %s of %s", signed, signatureSkew, now.UTC().Format(signatureTime))
	}
	sum := sha256.Sum256(body)
	payload := hex.EncodeToString(sum[:])
	if claimed := r.Header.Get("X-Amz-Content-Sha256"); !slices.Contains(c.signedHeaders, "host") || claimed != "" && claimed != payload {
		return wrongSignature()
	}
	request := sha256.Sum256([]byte(c.canonical(r, payload)))
	text := strings.Join([]string{signatureAlgorithm, signed, c.scope(), hex.EncodeToString(request[:])}, "\n")
	key := []byte("AWS4" + secretKey)
	for _, part := range []string{c.date, c.region, c.service, scopeEnd, text} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	if subtle.ConstantTimeCompare([]byte(hex.EncodeToString(key)), []byte(c.signature)) != 1 {
		return wrongSignature()
	}
	return nil
}

func wrongSignature() *Error {
	return failure("InvalidSignatureException", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
}

// canonical is the request in the form that is signed.
func (c credential) canonical(r *http.Request, payload string) string {
	var b strings.Builder
	path, query, _ := strings.Cut(r.RequestURI, "?")
	b.WriteString(r.Method + "\n" + escapedAgain(path) + "\n" + canonicalQuery(query) + "\n")
	for _, name := range c.signedHeaders {
		b.WriteString(name + ":" + headerValue(r, name) + "\n")
	}
	b.WriteString("\n" + strings.Join(c.signedHeaders, ";") + "\n" + payload)
	return b.String()
}

// headerValue is what a request has of a header, in the form that is signed.
func headerValue(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	}
	var values []string
	for _, value := range r.Header.Values(name) {
		values = append(values, strings.Join(strings.Fields(value), " "))
	}
	return strings.Join(values, ",")
}

// escapedAgain escapes a path, as sent, once more; that is how all services but S3
// have it signed.
func escapedAgain(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i] = escaped(segment)
	}
	return strings.Join(segments, "/")
}

// escaped escapes all but RFC 3986's unreserved characters.
func escaped(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(text), "+", "%20"), "%7E", "~")
}

func canonicalQuery(query string) string {
	var pairs []string
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		for _, part := range []*string{&name, &value} {
			if plain, err := url.QueryUnescape(*part); err == nil {
				*part = escaped(plain)
			}
		}
		pairs = append(pairs, name+"="+value)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}
