package leakscan_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"
	"testing"

	"tandem/internal/local/leakscan"
)

// The search must find what it is there for.
func TestSecretsAreFound(t *testing.T) {
	const content = `pa'ss\wo"rd% é`
	s := leakscan.Secrets{}
	s.Add("planted", content)
	for _, text := range []string{
		content, `x pa''ss\\wo"rd% é x`, `pa\'ss\\wo\"rd% é`, `{"m":"pa'ss\\wo\"rd% é"}`, url.QueryEscape(content), url.PathEscape(content),
		hex.EncodeToString([]byte(content)), strings.ToUpper(hex.EncodeToString([]byte(content))),
		base64.StdEncoding.EncodeToString([]byte(content)),
		base64.StdEncoding.EncodeToString([]byte("1" + content + "2")), base64.StdEncoding.EncodeToString([]byte("12" + content)),
		base64.URLEncoding.EncodeToString([]byte("123" + content + "4")), base64.RawURLEncoding.EncodeToString([]byte("1234" + content + "56")),
	} {
		if found := s.Found("before " + text + " after"); len(found) != 1 || !strings.HasPrefix(found[0], "planted in ") {
			t.Errorf("%s: found %q", text, found)
		}
	}
	for _, text := range []string{"", "nothing", content[:len(content)-1], base64.StdEncoding.EncodeToString([]byte(content[1:]))} {
		if found := s.Found(text); found != nil {
			t.Errorf("found %v in %q", found, text)
		}
	}
}

func TestShortSecretsAreLeftOut(t *testing.T) {
	s := leakscan.Secrets{}
	s.Add("password", "1234567")
	s.Add("password", "12345678")
	s.Add("token", "abcdefgh")
	if len(s) != 2 || len(s.Of("password")) != 1 {
		t.Errorf("gathered %v", s)
	}
}
