package account

import (
	"fmt"
	"strings"

	"tandem/internal/redact"
	"tandem/internal/warning"
)

// What is in this file keeps promise 9: after a rotation the password that it made and
// the other user's, or a single user's before it, are the only ones that open an account of
// the pair, or of the user. A rotation ends what else there is on the accounts of the user
// whose turn it is (see Pair.Password and SingleUser.Change); what it cannot end, and what
// the other user has until its own turn, is a warning.

// OtherWaysIn warns of what opens an account of the pair beside the passwords of the
// two users, once the rotation is over. current is the password under AWSCURRENT.
func (p Pair) OtherWaysIn(mode Mode, turn Turn, current redact.Secret, matches func(plugin string, stored, password redact.Secret) (bool, error)) []Warning {
	var plan Plan
	targets, _, _ := p.targets(mode, turn)
	for _, target := range targets {
		if model := target.model; !model.Attributes.Locked {
			p.Server.warnOfPlugins(&plan, target.name, model.Factors)
		}
	}
	standing := p.Original
	if turn == TurnOfOriginal {
		standing = p.Clone
	}
	for i := range standing.Accounts {
		account := &standing.Accounts[i]
		if account.Attributes.Locked {
			continue
		}
		p.Server.warnOfPlugins(&plan, account.Name, account.Factors)
		if p.Server.unprotected(account) {
			plan.warn(warning.AnotherPassword, "%s has no password: anybody logs in, until the rotation after this one, which gives it one", account.Name)
		} else if !account.SecondPassword.Empty() {
			plan.warn(warning.AnotherPassword, "%s has a second password (RETAIN CURRENT PASSWORD): beside the one under AWSCURRENT another one logs in, until the rotation after this one, which ends it", account.Name)
		} else if !p.opensOnlyTo(account, current, matches) {
			plan.warn(warning.AnotherPassword, "%s has another password than the one under AWSCURRENT, which logs in until the rotation after this one, which ends it", account.Name)
		}
	}
	return plan.Warnings
}

// OtherWaysIn warns of what opens an account of the user beside its passwords: a plugin
// that asks for none, and PROXY on the user.
func (u SingleUser) OtherWaysIn() []Warning {
	plan := Plan{Warnings: proxiesOnUsers(u.User)}
	for _, account := range u.User.Accounts {
		if !account.Attributes.Locked {
			u.Server.warnOfPlugins(&plan, account.Name, account.Factors)
		}
	}
	return plan.Warnings
}

// unprotected reports whether an account lets in whoever gives no password.
func (s Server) unprotected(account *Account) bool {
	for i, factor := range account.Factors {
		if s.settable(factor) && factor.Verifier.Empty() && (s.Flavor == MariaDB || i == 0) {
			return true
		}
	}
	return false
}

// opensOnlyTo reports whether a password is the account's, in each of the factors that
// are passwords. MySQL's account through which the current credentials have logged in
// has shown it already, and to compare takes thousands of rounds of a hash there. Where
// nobody has logged in, the password may be a wrong one.
func (p Pair) opensOnlyTo(account *Account, password redact.Secret, matches func(plugin string, stored, password redact.Secret) (bool, error)) bool {
	if p.Login == (Name{}) || p.Server.Flavor == MySQL && account.Name == p.Login {
		return true
	}
	for i, factor := range account.Factors {
		if !p.Server.settable(factor) || p.Server.Flavor == MySQL && i > 0 {
			continue
		}
		if fits, err := matches(factor.Plugin, factor.Verifier, password); err == nil && !fits {
			return false
		}
	}
	return true
}

// warnOfPlugins warns where one of an account's plugins lets in somebody who has none
// of the two passwords: any of several on MariaDB, on MySQL the first, which is asked
// together with the others.
func (s Server) warnOfPlugins(plan *Plan, name Name, factors []Factor) {
	for i, factor := range factors {
		if s.settable(factor) || s.closed(factor) || s.Flavor == MySQL && i > 0 {
			continue
		}
		keeper := ""
		if known := keepers[strings.ToLower(factor.Plugin)]; known != "" {
			keeper = fmt.Sprintf(", which is known to %s", known)
		}
		instead := "lock it, or give it a password plugin, if nobody is to log in so"
		if len(factors) > 1 {
			instead = "identify it by its password plugin alone (ALTER USER ... IDENTIFIED VIA), if nobody is to log in so"
		}
		plan.warn(warning.LoginWithoutPassword, "%s can be logged in to by the plugin %s%s, and no rotation ends that: %s", name, factor.Plugin, keeper, instead)
	}
}

// closed reports whether a factor lets nobody in: a password that is turned off, and a
// plugin that is for that. MariaDB takes 16 digits for a password of before MySQL 4.1.
func (s Server) closed(factor Factor) bool {
	plugin := strings.ToLower(factor.Plugin)
	if plugin == "mysql_no_login" {
		return true
	}
	return passwordPlugins[s.Flavor][plugin] && !factor.Initial && len(factor.Verifier.Reveal()) != oldNativeLength
}
