package awssecrets

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"tandem/internal/config"
)

// maker answers GetRandomPassword, and keeps what it was asked.
type maker struct {
	operations
	asked *secretsmanager.GetRandomPasswordInput
}

func (m *maker) GetRandomPassword(_ context.Context, in *secretsmanager.GetRandomPasswordInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.GetRandomPasswordOutput, error) {
	m.asked = in
	return &secretsmanager.GetRandomPasswordOutput{RandomPassword: aws.String("made")}, nil
}

// A password is asked for as the configuration wants it, and without more where a
// connection string needs that.
func TestRandomPassword(t *testing.T) {
	for without, want := range map[string]string{"": `:/@"'\`, "&+": `:/@"'\&+`} {
		m := &maker{}
		c := &Client{service: m, password: config.Password{Length: 40, ExcludeCharacters: `:/@"'\`, ExcludeNumbers: true, RequireEachIncludedType: true}}
		if got, err := c.RandomPassword(t.Context(), without); err != nil || got.Reveal() != "made" {
			t.Errorf("%q, %v", got.Reveal(), err)
		}
		if got := aws.ToString(m.asked.ExcludeCharacters); got != want || *m.asked.PasswordLength != 40 || !*m.asked.ExcludeNumbers || !*m.asked.RequireEachIncludedType || *m.asked.ExcludePunctuation {
			t.Errorf("without %q: it excludes %q, of %+v", without, got, m.asked)
		}
	}
}
