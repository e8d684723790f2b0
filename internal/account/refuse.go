package account

import (
	"fmt"
	"strings"
)

// passwordPlugins are the plugins whose password a rotation can set.
var passwordPlugins = map[Flavor]map[string]bool{
	MySQL:   {"mysql_native_password": true, "caching_sha2_password": true, "sha256_password": true},
	MariaDB: {"mysql_native_password": true},
}

// systemUser is the privilege without which an account that has it cannot be altered.
//
// Source: MySQL 8.4 Reference Manual, 8.2.11 "Account Categories".
const systemUser = "SYSTEM_USER"

// refuse finds what stands in the way, before anything is changed: of the targets,
// and of the other accounts that are dropped or locked.
func (p Pair) refuse(mode Mode, turn Turn, targets []target, others []*Account) error {
	if len(p.Original.Accounts) == 0 {
		return fmt.Errorf("the original user %q does not exist, and is never created again from its clone: create it, or name the other user in the secret: %w", p.Original.Name, ErrNotFound)
	}
	if len(p.Clone.Accounts) == 0 && (turn == TurnOfOriginal || mode == Off) {
		return fmt.Errorf("the clone %q does not exist, and is created on its own turn only, with PRIVILEGE_SYNC=%s or %s: %w", p.Clone.Name, Merge, Mirror, ErrNotFound)
	}
	if !p.Known && turn == TurnOfClone && len(p.Clone.Accounts) > 0 && len(p.GrantedTo) > 0 {
		var names []string
		for _, name := range p.GrantedTo {
			names = append(names, name.String())
		}
		return fmt.Errorf("%q was not made by this program and is granted as a role to %s: drop or rename it, as a clone's name has to be free: %w", p.Clone.Name, enumerate(names, ", "), ErrRefused)
	}
	for _, target := range targets {
		if err := p.supported(mode, turn, target); err != nil {
			return err
		}
		if err := p.mayAlter(target.model, target.have); err != nil {
			return err
		}
	}
	for _, account := range others {
		if err := p.mayAlter(account); err != nil {
			return err
		}
	}
	return p.loginWorks(turn, mode, targets)
}

// supported refuses what is not copied.
func (p Pair) supported(mode Mode, turn Turn, target target) error {
	model := target.model
	if p.Server.Flavor == MySQL && strings.Contains(target.name.Host, `\`) {
		// Such an account can be created and dropped; ALTER USER is error 1133 (tried
		// on MySQL 9.7).
		return fmt.Errorf("the host of %s has a backslash, and MySQL cannot alter such an account: create it anew without, as a wildcard or a host of its own: %w", target.name, ErrUnsupported)
	}
	if len(model.Factors) != 1 {
		var plugins []string
		for _, factor := range model.Factors {
			plugins = append(plugins, factor.Plugin)
		}
		if len(plugins) == 0 {
			return fmt.Errorf("%s has no authentication plugin: give it a password: %w", model.Name, ErrUnsupported)
		}
		return fmt.Errorf("%s authenticates with several plugins (%s), which are not copied: %w", model.Name, strings.Join(plugins, ", "), ErrUnsupported)
	}
	if plugin := model.Factors[0].Plugin; !passwordPlugins[p.Server.Flavor][plugin] || model.Factors[0].Initial {
		return fmt.Errorf("%s authenticates with %s, whose password cannot be rotated: %w", model.Name, plugin, ErrUnsupported)
	}
	if target.have != nil && len(target.have.Factors) > 1 && p.Server.Flavor == MySQL {
		return fmt.Errorf("%s has several authentication factors, which are not removed: drop all but the first: %w", target.have.Name, ErrUnsupported)
	}
	if mode == Off {
		return nil
	}
	accounts := []*Account{model, target.have}
	if turn == TurnOfOriginal {
		if mode == Mirror {
			return nil
		}
		accounts = append(accounts, p.Clone.at(model.Name.Host))
	} else if model.ExpiryHidden {
		return fmt.Errorf("the password expiry policy of %s is not known, as its password is expired: set it a new password: %w", model.Name, ErrUnsupported)
	}
	for _, account := range accounts {
		if account != nil && len(account.Grants.Roles)+len(account.Grants.DefaultRoles) > 0 {
			var names []string
			for _, role := range account.Grants.Roles {
				names = append(names, role.Name.String())
			}
			for _, role := range account.Grants.DefaultRoles {
				names = append(names, "default "+role.String())
			}
			return fmt.Errorf("%s has roles (%s), which are not copied: %w", account.Name, enumerate(unique(names), ", "), ErrUnsupported)
		}
	}
	return nil
}

// mayAlter refuses accounts that the admin cannot alter.
func (p Pair) mayAlter(accounts ...*Account) error {
	if p.AdminDynamic == nil || p.AdminDynamic[systemUser] {
		return nil
	}
	for _, account := range accounts {
		if account == nil {
			continue
		}
		if account.SystemUser() {
			return fmt.Errorf("%s has SYSTEM_USER, so that only an admin with SYSTEM_USER can change or copy it: grant that to the admin or revoke it from the account: %w", account.Name, ErrRefused)
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
	if account.Attributes.Requirement.certificate(p.Server.Flavor) {
		return fmt.Errorf("%s, through which the new credentials would log in, requires a client certificate, which this function has none of: %w", account.Name, ErrUnsupported)
	}
	return nil
}
