package config

// Variable is an environment variable that the function reads.
type Variable struct {
	Name string
	// Parameters are those of the template that set it; where there are two, they are
	// two names of one.
	Parameters []string
	// Default is what holds where it is not set, and Meaning what it is for, as the
	// documents say it.
	Default, Meaning string
}

// Variables lists all that Load reads, in the documents' order.
func Variables() []Variable {
	const booleans = "true, 1, y, yes or false, 0, n, no"
	parameter := func(names ...string) []string { return names }
	return []Variable{
		{"SECRETS_MANAGER_ENDPOINT", parameter("endpoint"), "the SDK's", "a URL; without a scheme it is https. `AWS_ENDPOINT_URL_SECRETS_MANAGER`, `AWS_USE_FIPS_ENDPOINT` and `AWS_USE_DUALSTACK_ENDPOINT` work too"},
		{"SUPERUSER_SECRET_ARN", parameter("superuserSecretArn", "masterSecretArn"), "none", "the admin secret, for secrets without `masterarn`"},
		{"ROTATION_ROLE_ARN", parameter("rotationRoleArn"), "none", "a role that the function assumes for its calls of Secrets Manager. `{account}` in the place of its account is the account of the secret"},
		{"ROTATION_ROLE_EXTERNAL_ID", parameter("rotationRoleExternalId"), "none", "the external id that the role's trust policy asks for"},
		{"ROTATION_ROLE_FOR_RDS", parameter("rotationRoleForRds"), "false", "true: RDS is asked as that role too, and not as the function's own"},
		{"ROTATION_STRATEGY", parameter("rotationStrategy"), "`alternating-users`", "`alternating-users` or `single-user`: whose password a rotation changes: see Single user"},
		{"REPAIR_WITH_ADMIN", parameter("repairWithAdmin"), "false", "with `single-user`, true, or names of users as `app, reports`: for whom the admin sets another password where the one under AWSCURRENT is refused, as somebody has changed it by hand: see Repair"},
		{"PRIVILEGE_SYNC", parameter("privilegeSync"), "`merge`", "`merge`, `mirror` or `off`: what is copied beside the password"},
		{"CONNECTION_STRINGS", parameter("connectionStrings"), "`renew`", "`renew` or `keep`: what becomes of a URL or another connection string in the secret that holds its username and password: see [connection strings](../../internal/secret/README.md)"},
		{"PENDING_USER_SESSIONS", parameter("pendingUserSessions"), "`warn`", "`warn` or `refuse`: whether a rotation warns of whoever is still logged in as the user whose password is about to change, or waits until nobody is"},
		{"PASSWORD_LENGTH", parameter("passwordLength"), "32", "8 to 255 characters"},
		{"EXCLUDE_CHARACTERS", parameter("excludeCharacters"), "all punctuation but `-`, `_`, `.`", "characters that a password must not have. It replaces the default; set but empty it excludes nothing"},
		{"EXCLUDE_NUMBERS", parameter("excludeNumbers"), "false", booleans},
		{"EXCLUDE_PUNCTUATION", parameter("excludePunctuation"), "false", booleans},
		{"EXCLUDE_UPPERCASE", parameter("excludeUppercase"), "false", booleans},
		{"EXCLUDE_LOWERCASE", parameter("excludeLowercase"), "false", booleans},
		{"REQUIRE_EACH_INCLUDED_TYPE", parameter("requireEachIncludedType"), "true", "a password has a character of each kind that is not excluded"},
		{"USERNAME_CHARACTER_LIMIT", parameter("usernameLimit"), "32, or 80 for engine `mariadb`", "the longest name of a clone, in characters; up to 128 for `mariadb`"},
		{"ALLOW_PLAINTEXT", parameter("allowPlaintext"), "false", "true: log in without TLS to a MariaDB server that has none, unless the document says `\"ssl\": true`: see TLS"},
		{"RDS_CA_BUNDLE", parameter("rdsCaBundleLayerArn"), "none", "a file of certificate authorities, such as AWS's bundle in a Lambda layer, that are trusted for hosts of RDS beside those which are embedded: see TLS"},
	}
}
