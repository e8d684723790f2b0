package account

import (
	"fmt"
	"strings"

	"tandem/internal/failure"
)

// systemUser is the privilege without which an account that has it cannot be altered.
//
// Source: MySQL 8.4 Reference Manual, 8.2.11 "Account Categories".
const systemUser = "SYSTEM_USER"

// refuse finds what stands in the way, before anything is changed: of the targets,
// and of the other accounts that are dropped or locked.
func (p Pair) refuse(mode Mode, turn Turn, targets []target, others []*Account) error {
	if len(p.Original.Accounts) == 0 {
		return fmt.Errorf("the original user %q does not exist, and is never created again from its clone: create it, or give the secret a user whose name does not end in _clone: %w", p.Original.Name, ErrNotFound)
	}
	if len(p.Clone.Accounts) == 0 && (turn == TurnOfOriginal || mode == Off) {
		return fmt.Errorf("the clone %q does not exist, and is created on its own turn only, with PRIVILEGE_SYNC=%s or %s: create it, or use one of them: %w", p.Clone.Name, Merge, Mirror, ErrNotFound)
	}
	if !p.Known && turn == TurnOfClone {
		for _, account := range p.Clone.Accounts {
			if p.Roles.Mandatory[account.Name] {
				return failure.Errorf(failure.UserNameTaken, "%s was not made by this program and is one of the server's mandatory_roles: take it out of them, as a clone's name has to be free: %w", account.Name, ErrRefused)
			}
		}
	}
	if !p.Known && turn == TurnOfClone && len(p.Clone.Accounts) > 0 && len(p.GrantedTo) > 0 {
		var names []string
		for _, name := range p.GrantedTo {
			names = append(names, name.String())
		}
		return failure.Errorf(failure.UserNameTaken, "%q was not made by this program and is granted as a role to %s: drop or rename it, as a clone's name has to be free: %w", p.Clone.Name, enumerate(names, ", "), ErrRefused)
	}
	for _, target := range targets {
		if err := p.supported(mode, turn, target); err != nil {
			return err
		}
		if err := mayAlter(p.AdminDynamic, target.model, target.have); err != nil {
			return err
		}
	}
	for _, account := range others {
		if err := mayAlter(p.AdminDynamic, account); err != nil {
			return err
		}
	}
	return p.loginWorks(turn, mode, targets)
}

// supported refuses what is not copied.
func (p Pair) supported(mode Mode, turn Turn, target target) error {
	model := target.model
	if err := p.Server.alterable(target.name); err != nil {
		return err
	}
	if len(model.Factors) == 0 {
		return fmt.Errorf("%s has no authentication plugin: give it a password: %w", model.Name, ErrUnsupported)
	}
	for _, factor := range model.Factors {
		if factor.Initial {
			return fmt.Errorf("%s waits for the registration of a device (%s), and its password is for that alone: register it, or drop the factor: %w", model.Name, factor.Plugin, ErrUnsupported)
		}
	}
	if mode == Off || turn == TurnOfOriginal {
		return nil
	}
	if model.ExpiryHidden {
		return fmt.Errorf("the password expiry policy of %s is not known, as its password is expired: set it a new password: %w", model.Name, ErrUnsupported)
	}
	if own, _ := model.Grants.role(target.name); own {
		return fmt.Errorf("%s has the role %s, which is its own clone, and nobody can be a role of itself: %s: %w",
			model.Name, target.name, revokeRoleStatement(p.Server, target.name, model.Name), ErrRefused)
	}
	return nil
}

// alterable refuses an account that can be created and dropped, and for which ALTER USER
// is error 1133 (tried on MySQL 9.7).
func (s Server) alterable(name Name) error {
	if s.Flavor == MySQL && strings.Contains(name.Host, `\`) {
		return fmt.Errorf("the host of %s has a backslash, and MySQL cannot alter such an account: create it anew without, as a wildcard or a host of its own: %w", name, ErrUnsupported)
	}
	return nil
}

// mayAlter refuses accounts that an admin with these dynamic privileges cannot alter; nil
// where it was not asked for them.
func mayAlter(adminDynamic map[string]bool, accounts ...*Account) error {
	if adminDynamic == nil || adminDynamic[systemUser] {
		return nil
	}
	for _, account := range accounts {
		if account == nil {
			continue
		}
		if account.SystemUser() {
			return failure.Errorf(failure.AdminAccessDenied, "%s has SYSTEM_USER, so that only an admin with SYSTEM_USER can change or copy it: grant that to the admin or revoke it from the account: %w", account.Name, ErrRefused)
		}
	}
	return nil
}

// SystemUser reports whether only those who have SYSTEM_USER can change the account.
func (a Account) SystemUser() bool {
	for _, dynamic := range a.Grants.Dynamic {
		if dynamic.Privilege == systemUser {
			return true
		}
	}
	return false
}

// SystemUser reports whether a role was granted SYSTEM_USER: then only those who have it
// too can grant the role or revoke it, though others can change an account that has the
// role, and can grant one that has it in turn (all tried on MySQL 9.7).
func (r RoleGrants) SystemUser(role Name) bool { return (Account{Grants: r.Of[role]}).SystemUser() }

// loginWorks refuses to go on where the new credentials could not log in.
func (p Pair) loginWorks(turn Turn, mode Mode, targets []target) error {
	if p.Login == (Name{}) {
		return nil
	}
	user := User{}
	for _, target := range targets {
		account := *target.model
		account.Name = target.name
		user.Name = target.name.User
		user.Accounts = append(user.Accounts, account)
	}
	account := user.at(p.Login.Host)
	if account == nil && p.From != "" {
		account = user.serving(p.From)
	}
	if account == nil {
		account = user.serving(p.Login.Host)
	}
	if account == nil {
		return fmt.Errorf("the user %q has no account for the host of %s, through which the current credentials log in: create one: %w", user.Name, p.Login, ErrNotFound)
	}
	if account.Attributes.Locked {
		return fmt.Errorf("%s, through which the new credentials would log in, is locked: unlock it, or leave the secret as it is: %w", account.Name, ErrLocked)
	}
	if err := p.Server.loginFactors(account); err != nil {
		return err
	}
	if account.Attributes.Requirement.certificate(p.Server.Flavor) {
		return fmt.Errorf("%s, through which the new credentials would log in, requires a client certificate, which this function has none of: %w", account.Name, ErrUnsupported)
	}
	return nil
}
