package account

import (
	"slices"
	"strings"

	"tandem/internal/redact"
	"tandem/internal/statement"
)

// Identification is what a rotation is about to identify an account by.
type Identification struct {
	Account Name
	// Created: the account is made, and not altered.
	Created bool
	// Plugins are those of its factors, in their order, on MariaDB of its alternatives; empty
	// where one is left as it is.
	Plugins []string
}

// Identifications are those of the accounts of the user whose turn it is, as far as the plan
// and the password's statements name a plugin.
func (p Pair) Identifications(mode Mode, turn Turn, password redact.Secret, matches func(plugin string, stored, password redact.Secret) (bool, error)) ([]Identification, error) {
	targets, _, _ := p.targets(mode, turn)
	var found []Identification
	for _, target := range targets {
		to := Identification{Account: target.name, Created: target.have == nil}
		var set bool
		var have []Factor
		if !to.Created {
			have = target.have.Factors
			var err error
			if set, err = p.done(target, password, matches); err != nil {
				return nil, err
			}
		}
		for i, factor := range target.model.Factors {
			named := !set && (i == 0 || p.Server.Flavor == MariaDB) ||
				p.Server.Flavor == MySQL && i > 0 && (i >= len(have) || !sameFactor(have[i], factor))
			if !named {
				factor.Plugin = ""
			}
			to.Plugins = append(to.Plugins, factor.Plugin)
		}
		found = append(found, to)
	}
	return found, nil
}

// Identifications are those of the accounts whose password changes.
func (u SingleUser) Identifications() []Identification {
	var found []Identification
	for i := range u.User.Accounts {
		a := &u.User.Accounts[i]
		if !u.hasPassword(a) {
			continue
		}
		to := Identification{Account: a.Name}
		for n, factor := range a.Factors {
			if n > 0 && u.Server.Flavor == MySQL {
				factor.Plugin = ""
			}
			to.Plugins = append(to.Plugins, factor.Plugin)
		}
		found = append(found, to)
	}
	return found
}

// NotAmong is the first plugin that is none of these; empty where all are.
func (i Identification) NotAmong(plugins []string) string {
	for _, plugin := range i.Plugins {
		if plugin != "" && !slices.ContainsFunc(plugins, func(one string) bool { return strings.EqualFold(one, plugin) }) {
			return plugin
		}
	}
	return ""
}

// AuthenticationPolicy is MySQL's authentication_policy: for each factor a plugin, "*" or
// "*:plugin" for any, or nothing for none or any. It is empty where the server has none.
//
// Source: MySQL 8.4 Reference Manual, 7.1.8 "Server System Variables", authentication_policy,
// 8.2.18 "Multifactor Authentication". That an ALTER USER is compared by the factors that it
// sets alone was tried on MySQL 9.7.
type AuthenticationPolicy string

// AuthenticationPolicyAdmin is the privilege of those whom it does not concern.
const AuthenticationPolicyAdmin = "AUTHENTICATION_POLICY_ADMIN"

// Forbids returns the number of the first factor that the policy forbids; 0 where it forbids
// none.
func (p AuthenticationPolicy) Forbids(i Identification) (factor int) {
	if p == "" {
		return 0
	}
	elements := strings.Split(string(p), ",")
	for n, element := range elements {
		elements[n] = strings.TrimSpace(element)
	}
	for n, plugin := range i.Plugins {
		switch {
		case plugin == "":
		case n >= len(elements):
			return n + 1
		case elements[n] != "" && elements[n][0] != '*' && !strings.EqualFold(elements[n], plugin):
			return n + 1
		}
	}
	for n := len(i.Plugins); i.Created && n < len(elements); n++ {
		if elements[n] != "" {
			return n + 1
		}
	}
	return 0
}

// NamesFirst reports whether the policy names the plugin of the first factor.
func (p AuthenticationPolicy) NamesFirst() bool {
	return p.Forbids(Identification{Plugins: []string{"not a plugin"}}) > 0
}

// AuthenticationPolicyRemedy writes the GRANT by which somebody may set what the policy
// forbids.
func AuthenticationPolicyRemedy(to Name) statement.Statement {
	return grantStatement(to, Object{}, []string{AuthenticationPolicyAdmin}, nil, false)
}
