package mysqldb

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tandem/internal/account"
	"tandem/internal/rotation"
	"tandem/internal/statement"
)

// PasswordRules implements rotation.PasswordInspector. It needs no privilege.
//
// Source: MySQL 8.4 Reference Manual, 8.4.3 "The Password Validation Component" (as a plugin
// its variables have a _ in place of the dot), 28.3.27 "The INFORMATION_SCHEMA PLUGINS
// Table"; MariaDB, "Simple Password Check Plugin".
func (s *Session) PasswordRules(ctx context.Context) (rotation.PasswordRules, error) {
	var rules rotation.PasswordRules
	insisting, err := s.PluginsNeedingPlaintext(ctx)
	if err != nil {
		return rules, err
	}
	if rules.Plugins, err = s.plugins(ctx, "AUTHENTICATION"); err != nil {
		return rules, err
	}
	variables, err := s.passwordVariables(ctx)
	if err != nil {
		return rules, err
	}
	rules.Policy = account.AuthenticationPolicy(variables["authentication_policy"])
	if s.facts.Server.Flavor == account.MariaDB {
		for _, plugin := range insisting {
			if plugin == "simple_password_check" {
				rules.By = plugin
			} else {
				rules.Untold = append(rules.Untold, plugin)
			}
		}
		return rules, simplePasswordCheck(variables, &rules)
	}
	if rules.Untold, err = s.plugins(ctx, "VALIDATE PASSWORD"); err != nil {
		return rules, err
	}
	rules.Untold = slices.DeleteFunc(rules.Untold, func(name string) bool { return name == "validate_password" })
	return rules, validatePassword(variables, &rules)
}

func (s *Session) plugins(ctx context.Context, kind string) ([]string, error) {
	return s.texts(ctx, statement.New("SELECT PLUGIN_NAME FROM information_schema.PLUGINS WHERE PLUGIN_STATUS = 'ACTIVE' AND PLUGIN_TYPE = ").Literal(kind).Statement())
}

// passwordVariables reads the variables about passwords that the server has, those of
// the plugin validate_password by the component's names.
func (s *Session) passwordVariables(ctx context.Context) (map[string]string, error) {
	rows, err := s.connection.QueryContext(ctx, `SHOW GLOBAL VARIABLES WHERE Variable_name = 'authentication_policy' OR Variable_name LIKE 'validate\_password%' OR Variable_name LIKE 'simple\_password\_check\_%'`)
	if err != nil {
		return nil, fmt.Errorf("reading the server's rules for passwords: %w", explain(err, false))
	}
	defer rows.Close()
	found := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, fmt.Errorf("reading the server's rules for passwords: %w", explain(err, false))
		}
		found[strings.Replace(name, "validate_password_", "validate_password.", 1)] = value
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the server's rules for passwords: %w", explain(err, false))
	}
	return found, nil
}

func simplePasswordCheck(variables map[string]string, rules *rotation.PasswordRules) error {
	if rules.By == "" {
		return nil
	}
	return numbers(variables, map[string][]*int{
		"simple_password_check_minimal_length": {&rules.Length}, "simple_password_check_digits": {&rules.Digits},
		"simple_password_check_letters_same_case": {&rules.Upper, &rules.Lower}, "simple_password_check_other_characters": {&rules.Others},
	})
}

const changedCharacters = "validate_password.changed_characters_percentage"

// validatePassword reads validate_password's rules by its policy. That of STRONG about the
// words of a dictionary a random password does not break.
func validatePassword(variables map[string]string, rules *rotation.PasswordRules) error {
	policy, found := variables["validate_password.policy"]
	if !found {
		return nil
	}
	rules.By = "validate_password"
	wanted := map[string][]*int{"validate_password.length": {&rules.Length}}
	if policy != "LOW" && policy != "0" {
		wanted["validate_password.number_count"] = []*int{&rules.Digits}
		wanted["validate_password.mixed_case_count"] = []*int{&rules.Upper, &rules.Lower}
		wanted["validate_password.special_char_count"] = []*int{&rules.Others}
	}
	if _, found := variables[changedCharacters]; found {
		wanted[changedCharacters] = []*int{&rules.Changed}
	}
	return numbers(variables, wanted)
}

func numbers(variables map[string]string, into map[string][]*int) error {
	for name, targets := range into {
		n, err := strconv.Atoi(variables[name])
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, explain(err, false))
		}
		for _, target := range targets {
			*target = n
		}
	}
	return nil
}
