package mysqldb

// insisting asks MariaDB, in a subquery, for the plugins for whose sake it refuses verifiers: those
// that validate passwords, while strict_password_validation is on. A server that
// does not have the variable has no row for it, and so takes verifiers.
//
// Source: MariaDB, "Password Validation Plugin API" and "Information Schema PLUGINS
// Table"; which statements are refused was tried on 10.5, 10.11 and 11.8. MySQL always sees
// passwords, and keeps them out of its logs.
const insisting = "SELECT GROUP_CONCAT(PLUGIN_NAME ORDER BY PLUGIN_NAME) FROM information_schema.PLUGINS WHERE PLUGIN_TYPE = 'PASSWORD VALIDATION' AND PLUGIN_STATUS = 'ACTIVE' " +
	"AND EXISTS (SELECT 1 FROM information_schema.GLOBAL_VARIABLES WHERE VARIABLE_NAME = 'STRICT_PASSWORD_VALIDATION' AND VARIABLE_VALUE = 'ON')"
