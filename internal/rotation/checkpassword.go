package rotation

import (
	"context"
	"fmt"
	"strings"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/timeout"
)

// password looks whether the server takes the next password: by the plugins that it has, by
// its authentication_policy, and by its rules for passwords. These are read and applied
// here: a password that is given to VALIDATE_PASSWORD_STRENGTH stands in the general log.
// what gives what is known of the accounts, once that check has been passed; it names none
// for a user that changes its own password and may not list its accounts.
func (i *inspection) password(ctx context.Context, what func() (*underLock, []account.Identification, error)) {
	i.check(ctx, checkPassword, []string{checkAccounts}, func(ctx context.Context) outcome {
		ctx, cancel := timeout.Check().Context(ctx)
		defer cancel()
		w, found, err := what()
		if err != nil {
			return outcomeOf("", err)
		}
		rules, err := passwordRules(ctx, w.admin)
		if err != nil {
			return outcomeOf("", err)
		}
		for _, one := range found {
			if plugin := one.NotAmong(rules.Plugins); plugin != "" && len(rules.Plugins) > 0 {
				return outcomeOf("", failure.Errorf(failure.PluginMissing, "%s is to be identified by %s, which the server has not loaded: load it, or change the account's plugin", one.Account, plugin))
			}
		}
		if o := i.policy(ctx, w, rules.Policy, found); o.result != "" || o.err != nil {
			return o
		}
		return i.validation(w, rules)
	})
}

// policy says whether the authentication_policy lets the accounts be identified so.
func (i *inspection) policy(ctx context.Context, w *underLock, policy account.AuthenticationPolicy, found []account.Identification) outcome {
	name := w.admin.Facts().Account
	grant := account.AuthenticationPolicyRemedy(name).String()
	o := outcome{list: []string{grant}, remedy: "send this as somebody who may: " + grant + "; or change the policy, or the account's plugin"}
	for _, one := range found {
		if factor := policy.Forbids(one); factor > 0 {
			o.err = failure.Errorf(failure.AuthenticationPolicyRefused, "the server's authentication_policy (%s) forbids factor %d of what %s is to be identified by, and %s lacks %s", policy, factor, one.Account, name, grant)
		}
	}
	switch {
	case len(found) == 0 && policy.NamesFirst():
		o.result, o.detail = ResultUnprovable, fmt.Sprintf("whether the server's authentication_policy (%s) forbids the plugin of %s, which the server does not tell it", policy, name)
	case o.err == nil:
		return outcome{}
	}
	own, err := w.admin.OwnGrants(ctx)
	if err != nil {
		return outcomeOf("", fmt.Errorf("reading what %s may do: %w", name, err))
	}
	dynamic, err := account.OwnDynamic(w.admin.Facts().Server, own)
	if err != nil || dynamic[account.AuthenticationPolicyAdmin] {
		return outcomeOf("", err)
	}
	return o
}

// validation says whether the rules for passwords take the pending password, or one as the
// next rotation makes it.
func (i *inspection) validation(w *underLock, rules PasswordRules) outcome {
	if rules.By == "" && len(rules.Untold) == 0 {
		return outcomeOf("the server has no rules for passwords", nil)
	}
	whose := "the pending password"
	if w.pending.versionID == "" {
		whose = "a password made by the function's settings"
	}
	if w.pending.versionID == "" && i.unused.Empty() {
		return outcome{result: ResultUnprovable, detail: "whether the server's rules take the next password: Secrets Manager made none to look at"}
	}
	if broken := rules.refuses(w.pending.Password()); broken != "" {
		return outcomeOf("", failure.Errorf(failure.PasswordRefused, "%s asks for %s, which %s does not have: set PASSWORD_LENGTH, EXCLUDE_CHARACTERS and the other EXCLUDE variables by its rules", rules.By, broken, whose))
	}
	if w.documents.admin.own && rules.Changed > 0 {
		rules.Untold = append(rules.Untold, "validate_password.changed_characters_percentage")
	}
	if len(rules.Untold) > 0 {
		return outcome{result: ResultUnprovable, detail: fmt.Sprintf("only sending a password shows whether the server takes it by %s", strings.Join(rules.Untold, ", "))}
	}
	return outcomeOf(fmt.Sprintf("%s follows the rules of %s", whose, rules.By), nil)
}
