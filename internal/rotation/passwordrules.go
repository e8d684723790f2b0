package rotation

import (
	"context"
	"fmt"
	"strings"

	"tandem/internal/account"
	"tandem/internal/redact"
)

// PasswordRules are what a server demands of what its accounts are identified by.
type PasswordRules struct {
	// Plugins are its authentication plugins.
	Plugins []string
	Policy  account.AuthenticationPolicy
	// By is the plugin or component that validates passwords by the numbers below; empty
	// where there is none.
	By string
	// Length is how many characters a password needs at least; of these Digits, Upper and
	// Lower case letters, and Others. Each is 0 where it is not asked for.
	Length, Digits, Upper, Lower, Others int
	// Changed is how much of a password its own user has to change, in percent.
	Changed int
	// Untold are those that validate passwords, too, by what they do not tell.
	Untold []string
}

// PasswordInspector is implemented by a Session that can tell the server's rules.
type PasswordInspector interface {
	PasswordRules(ctx context.Context) (PasswordRules, error)
}

// PasswordRules implements PasswordInspector.
func (t timedSession) PasswordRules(ctx context.Context) (PasswordRules, error) {
	defer t.record.time(phaseReading)()
	return passwordRules(ctx, t.Session)
}

// PasswordRules implements PasswordInspector.
func (r readingSession) PasswordRules(ctx context.Context) (PasswordRules, error) {
	return passwordRules(ctx, r.Session)
}

func passwordRules(ctx context.Context, session Session) (PasswordRules, error) {
	if inspector, ok := session.(PasswordInspector); ok {
		return inspector.PasswordRules(ctx)
	}
	return PasswordRules{}, nil
}

// refuses says which of the rules a password does not follow, without saying anything of
// it; empty where it follows all.
func (r PasswordRules) refuses(password redact.Secret) string {
	text := password.Reveal()
	count := func(is func(c rune) bool) (n int) {
		for _, c := range text {
			if is(c) {
				n++
			}
		}
		return n
	}
	within := func(from, to rune) func(c rune) bool { return func(c rune) bool { return from <= c && c <= to } }
	digits, upper, lower := count(within('0', '9')), count(within('A', 'Z')), count(within('a', 'z'))
	all := count(func(rune) bool { return true })
	var broken []string
	for _, rule := range []struct {
		have, want int
		of         string
	}{
		{all, r.Length, "characters"}, {digits, r.Digits, "digits"}, {upper, r.Upper, "upper case letters"}, {lower, r.Lower, "lower case letters"},
		{all - digits - upper - lower, r.Others, "characters that are neither letters nor digits"},
	} {
		if rule.have < rule.want {
			broken = append(broken, fmt.Sprintf("at least %d %s", rule.want, rule.of))
		}
	}
	return strings.Join(broken, " and ")
}
