package redact_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"tandem/internal/redact"
)

const content = "s3cr3t-content"

// Every road from a value to text that this project or a library it uses takes.
func TestSecretDoesNotPrint(t *testing.T) {
	secret := redact.New(content)
	type Holder struct {
		Name   string
		Secret redact.Secret
		hidden redact.Secret
	}
	holder := Holder{"holder", secret, secret}

	printed := map[string]string{"String": secret.String(), "GoString": secret.GoString()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%T", "%08s"} {
		for name, value := range map[string]any{
			"value": secret, "pointer": &secret, "field": holder, "field's pointer": &holder,
			"slice": []redact.Secret{secret}, "map": map[string]redact.Secret{"k": secret},
		} {
			printed[verb+" of a "+name] = fmt.Sprintf(verb, value)
		}
	}
	for name, marshal := range map[string]func(any) ([]byte, error){"json": json.Marshal, "xml": xml.Marshal} {
		data, err := marshal(holder)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		printed[name] = string(data)
	}
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(handler).Info("message", "secret", secret, "holder", holder, "pointer", &holder)
	}
	printed["slog"] = log.String()
	printed["error"] = fmt.Errorf("wrapping %v: %w", secret, errors.New("cause")).Error()
	printed["panic"] = func() (text string) {
		defer func() { text = fmt.Sprint(recover()) }()
		panic(secret)
	}()

	for road, text := range printed {
		for _, form := range []string{content, fmt.Sprintf("%x", content), fmt.Sprintf("%X", content)} {
			if strings.Contains(text, form) {
				t.Errorf("%s shows the content: %s", road, text)
			}
		}
	}
	if got := secret.Reveal(); got != content {
		t.Errorf("Reveal() = %q, want %q", got, content)
	}
}

func TestEqual(t *testing.T) {
	for _, test := range []struct {
		a, b redact.Secret
		want bool
	}{
		{redact.New("a"), redact.New("a"), true},
		{redact.New("a"), redact.New("b"), false},
		{redact.New("a"), redact.New("aa"), false},
		{redact.New(""), redact.Secret{}, true},
		{redact.New("a"), redact.Secret{}, false},
	} {
		if got := test.a.Equal(test.b); got != test.want {
			t.Errorf("%q.Equal(%q) = %v, want %v", test.a.Reveal(), test.b.Reveal(), got, test.want)
		}
	}
	if !redact.New("").Empty() || redact.New("a").Empty() {
		t.Error("Empty is true for exactly the empty secret")
	}
}
