package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/account"
	"tandem/internal/config"
	"tandem/internal/failure"
	"tandem/internal/rotation"
)

type variables map[string]string

func (v variables) lookup(name string) (string, bool) {
	value, set := v[name]
	return value, set
}

func defaults(change func(*config.Config)) config.Config {
	c := config.Config{
		Password: config.Password{Length: 32, ExcludeCharacters: config.DefaultExcludeCharacters, RequireEachIncludedType: true},
		Rotation: rotation.Settings{Strategy: rotation.AlternatingUsers, Mode: account.Merge, PendingUserSessions: rotation.WarnOfSessions},
	}
	change(&c)
	c.Rotation.PasswordCharacters, c.Rotation.PasswordOfEachKind = c.Password.Characters(), c.Password.RequireEachIncludedType
	return c
}

func TestLoad(t *testing.T) {
	for _, test := range []struct {
		name   string
		env    variables
		change func(*config.Config)
	}{
		{"nothing set", nil, func(*config.Config) {}},
		{"empty is unset", variables{"PASSWORD_LENGTH": "", "EXCLUDE_NUMBERS": "", "SECRETS_MANAGER_ENDPOINT": "", "USERNAME_CHARACTER_LIMIT": "",
			"REQUIRE_EACH_INCLUDED_TYPE": "", "PRIVILEGE_SYNC": "", "PENDING_USER_SESSIONS": "", "SUPERUSER_SECRET_ARN": ""}, func(*config.Config) {}},
		{"but for EXCLUDE_CHARACTERS", variables{"EXCLUDE_CHARACTERS": ""}, func(c *config.Config) { c.Password.ExcludeCharacters = "" }},
		{"EXCLUDE_CHARACTERS as it stands", variables{"EXCLUDE_CHARACTERS": " '\"\\ "}, func(c *config.Config) { c.Password.ExcludeCharacters = " '\"\\ " }},
		{"PASSWORD_LENGTH", variables{"PASSWORD_LENGTH": "64"}, func(c *config.Config) { c.Password.Length = 64 }},
		{"booleans", variables{"EXCLUDE_NUMBERS": "true", "EXCLUDE_PUNCTUATION": "1", "EXCLUDE_UPPERCASE": "Y", "EXCLUDE_LOWERCASE": "YES", "REQUIRE_EACH_INCLUDED_TYPE": "No"},
			func(c *config.Config) {
				c.Password.ExcludeNumbers, c.Password.ExcludePunctuation, c.Password.ExcludeUppercase, c.Password.ExcludeLowercase = true, true, true, true
				c.Password.RequireEachIncludedType = false
			}},
		{"false is said too", variables{"EXCLUDE_NUMBERS": "False", "REQUIRE_EACH_INCLUDED_TYPE": "0"}, func(c *config.Config) { c.Password.RequireEachIncludedType = false }},
		{"endpoint", variables{"SECRETS_MANAGER_ENDPOINT": "https://sm.example:8443/x"}, func(c *config.Config) { c.SecretsManagerEndpoint = "https://sm.example:8443/x" }},
		{"endpoint on loopback", variables{"SECRETS_MANAGER_ENDPOINT": "http://127.0.0.1:1"}, func(c *config.Config) { c.SecretsManagerEndpoint = "http://127.0.0.1:1" }},
		{"endpoint without a scheme", variables{"SECRETS_MANAGER_ENDPOINT": "sm.example"}, func(c *config.Config) { c.SecretsManagerEndpoint = "https://sm.example" }},
		{"admin secret", variables{"SUPERUSER_SECRET_ARN": "arn:x"}, func(c *config.Config) { c.Rotation.AdminARN = "arn:x" }},
		{"role", variables{"ROTATION_ROLE_ARN": "arn:aws-cn:iam::123456789012:role/path/rotation", "ROTATION_ROLE_EXTERNAL_ID": "x:y/z"}, func(c *config.Config) {
			c.Role = config.Role{ARN: "arn:aws-cn:iam::123456789012:role/path/rotation", ExternalID: "x:y/z"}
		}},
		{"role of the secret's account", variables{"ROTATION_ROLE_ARN": "arn:aws:iam::{account}:role/rotation", "ROTATION_ROLE_FOR_RDS": "True"}, func(c *config.Config) {
			c.Role.ARN, c.RDSAsRole = "arn:aws:iam::{account}:role/rotation", true
		}},
		{"the shortest password", variables{"PASSWORD_LENGTH": "8"}, func(c *config.Config) { c.Password.Length = 8 }},
		{"the longest password", variables{"PASSWORD_LENGTH": "255"}, func(c *config.Config) { c.Password.Length = 255 }},
		{"the lowest limit", variables{"USERNAME_CHARACTER_LIMIT": "1"}, func(c *config.Config) { c.Rotation.UsernameLimit = 1 }},
		{"the highest limit", variables{"USERNAME_CHARACTER_LIMIT": "128"}, func(c *config.Config) { c.Rotation.UsernameLimit = 128 }},
		{"limit", variables{"USERNAME_CHARACTER_LIMIT": "16"}, func(c *config.Config) { c.Rotation.UsernameLimit = 16 }},
		{"mirror", variables{"PRIVILEGE_SYNC": "mirror"}, func(c *config.Config) { c.Rotation.Mode = account.Mirror }},
		{"connection strings renewed", variables{"CONNECTION_STRINGS": "renew"}, func(*config.Config) {}},
		{"connection strings kept", variables{"CONNECTION_STRINGS": "keep"}, func(c *config.Config) { c.Rotation.KeepConnectionStrings = true }},
		{"off", variables{"PRIVILEGE_SYNC": "off"}, func(c *config.Config) { c.Rotation.Mode = account.Off }},
		{"sessions refuse", variables{"PENDING_USER_SESSIONS": " refuse"}, func(c *config.Config) { c.Rotation.PendingUserSessions = rotation.RefuseSessions }},
		{"sessions warn", variables{"PENDING_USER_SESSIONS": "warn"}, func(*config.Config) {}},
		{"two users", variables{"ROTATION_STRATEGY": "alternating-users"}, func(*config.Config) {}},
		{"one user", variables{"ROTATION_STRATEGY": " single-user"}, func(c *config.Config) { c.Rotation.Strategy = rotation.SingleUser }},
		{"one user, who is not repaired", variables{"ROTATION_STRATEGY": "single-user", "REPAIR_WITH_ADMIN": " False"}, func(c *config.Config) { c.Rotation.Strategy = rotation.SingleUser }},
		{"nobody of two users", variables{"REPAIR_WITH_ADMIN": "false"}, func(*config.Config) {}},
		{"one user, and everybody may be repaired", variables{"ROTATION_STRATEGY": "single-user", "REPAIR_WITH_ADMIN": "TRUE "}, func(c *config.Config) {
			c.Rotation.Strategy, c.Rotation.Repair.Everybody = rotation.SingleUser, true
		}},
		{"some users", variables{"ROTATION_STRATEGY": "single-user", "REPAIR_WITH_ADMIN": "app, me@example.com,reports 2"}, func(c *config.Config) {
			c.Rotation.Strategy, c.Rotation.Repair.Users = rotation.SingleUser, []string{"app", "me@example.com", "reports 2"}
		}},
		{"one user by name", variables{"ROTATION_STRATEGY": "single-user", "REPAIR_WITH_ADMIN": " App"}, func(c *config.Config) {
			c.Rotation.Strategy, c.Rotation.Repair.Users = rotation.SingleUser, []string{"App"}
		}},
		{"plain text", variables{"ALLOW_PLAINTEXT": "true"}, func(c *config.Config) { c.AllowPlaintext = true }},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := config.Load(test.env.lookup)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(defaults(test.change), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestLoadRefusesWhatItCannotRead(t *testing.T) {
	for name, values := range map[string][]string{
		"PASSWORD_LENGTH":            {"7", "256", "-1", "0x20", "32.0", "many"},
		"EXCLUDE_NUMBERS":            {"perhaps", "on", "2"},
		"EXCLUDE_PUNCTUATION":        {"nope"},
		"EXCLUDE_UPPERCASE":          {"nope"},
		"EXCLUDE_LOWERCASE":          {"nope"},
		"REQUIRE_EACH_INCLUDED_TYPE": {"nope"},
		"ALLOW_PLAINTEXT":            {"nope"},
		"USERNAME_CHARACTER_LIMIT":   {"0", "129", "ten"},
		"PRIVILEGE_SYNC":             {"copy", "none"},
		"CONNECTION_STRINGS":         {"false", "Keep", "update"},
		"PENDING_USER_SESSIONS":      {"wait", "Refuse", "off"},
		"ROTATION_ROLE_ARN":          {"rotation", "arn:aws:iam::123456789012:user/x", "arn:aws:sts::123456789012:role/x", "arn:aws:iam::1234:role/x", "arn:aws:iam::*:role/x", "arn:aws:iam::{Account}:role/x", "arn:aws:iam::123456789012:role/{account}", "arn:aws:iam::{account}:role/{account}"},
		"ROTATION_ROLE_FOR_RDS":      {"true", "perhaps"},
		"ROTATION_ROLE_EXTERNAL_ID":  {"without-a-role", "with a blank", "x"},
		"SECRETS_MANAGER_ENDPOINT":   {"ftp://x", "https://", "http://a b", "https://user:hunter2@sm.example"},
	} {
		for _, value := range values {
			_, err := config.Load(variables{name: value}.lookup)
			if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s=%q: error %v, want one that names the variable and shows no credentials", name, value, err)
			}
		}
	}
	for _, value := range []string{"yes", "1", "off", "app,", "app,,x", ",", "app, true", "false,app", "'app'", "`app`@`%`", "app@%", "app@10.%", "app@localhost", strings.Repeat("x", 129), "a\x00b"} {
		_, err := config.Load(variables{"REPAIR_WITH_ADMIN": value, "ROTATION_STRATEGY": "single-user"}.lookup)
		if err == nil || !strings.Contains(err.Error(), "REPAIR_WITH_ADMIN") {
			t.Errorf("REPAIR_WITH_ADMIN=%q: error %v, want one that names the variable", value, err)
		}
	}
	for _, strategy := range []string{"", "alternating-users"} {
		for _, value := range []string{"true", "app"} {
			_, err := config.Load(variables{"REPAIR_WITH_ADMIN": value, "ROTATION_STRATEGY": strategy}.lookup)
			if err == nil || !strings.Contains(err.Error(), "ROTATION_STRATEGY=single-user") || failure.Of(err) != failure.ConfigurationInvalid {
				t.Errorf("REPAIR_WITH_ADMIN=%s of two users: error %v, want one that asks for single-user", value, err)
			}
		}
	}
	_, err := config.Load(variables{"PASSWORD_LENGTH": "x", "EXCLUDE_NUMBERS": "x"}.lookup)
	if err == nil || !strings.Contains(err.Error(), "PASSWORD_LENGTH") || !strings.Contains(err.Error(), "EXCLUDE_NUMBERS") {
		t.Errorf("two variables: error %v, want one that names both", err)
	}
}

// What AWS STS takes as an external id, and nothing else.
//
// Source: AWS STS API Reference, "AssumeRole".
func TestExternalID(t *testing.T) {
	for _, test := range []struct {
		value string
		good  bool
	}{
		{"az", true}, {"AZ", true}, {"09", true}, {"_+=,.@:/-", true},
		{strings.Repeat("x", 1224), true}, {strings.Repeat("x", 1225), false}, {"x", false},
		{"a[", false}, {"a`", false}, {"a{", false}, {"a;", false}, {"a?", false}, {"a b", false}, {"aé", false},
	} {
		got, err := config.Load(variables{"ROTATION_ROLE_ARN": "arn:aws:iam::123456789012:role/r", "ROTATION_ROLE_EXTERNAL_ID": test.value}.lookup)
		switch {
		case test.good && (err != nil || got.Role.ExternalID != test.value):
			t.Errorf("%q is read as %q: %v", test.value, got.Role.ExternalID, err)
		case !test.good && (err == nil || !strings.Contains(err.Error(), "ROTATION_ROLE_EXTERNAL_ID: it is not an external id")):
			t.Errorf("%q: error %v, want one that says what an external id may have", test.value, err)
		}
	}
}

// What is left of punctuation is safe in a DSN, a URL, a shell and YAML.
func TestDefaultExcludeCharacters(t *testing.T) {
	const punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
	left := strings.Map(func(r rune) rune {
		if strings.ContainsRune(config.DefaultExcludeCharacters, r) {
			return -1
		}
		return r
	}, punctuation)
	if left != "-._" {
		t.Errorf("of punctuation %q is left, want %q", left, "-._")
	}
}

func TestPasswordCharacters(t *testing.T) {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for want, p := range map[string]config.Password{
		letters + "0123456789-._":                        {ExcludeCharacters: config.DefaultExcludeCharacters},
		letters + "0123456789!#$%&()*+,-.;<=>?[]^_`{|}~": {ExcludeCharacters: `:/@"'\`},
		letters + "0123456789":                           {ExcludePunctuation: true},
		letters[:26] + "12":                              {ExcludePunctuation: true, ExcludeUppercase: true, ExcludeCharacters: "03456789"},
		letters[26:]:                                     {ExcludePunctuation: true, ExcludeLowercase: true, ExcludeNumbers: true},
	} {
		if got := p.Characters(); got != want {
			t.Errorf("%+v: %q, want %q", p, got, want)
		}
	}
}
