package mysqldb

import "tandem/internal/failure"

// answer is what a server's error number means to this program.
type answer struct {
	// kind says what is wrong, whoever asks. It is empty for a refused username and
	// password, and for a statement that an account may not send: what these mean depends
	// on whose they were, which the step knows.
	kind failure.Type
	// remedy is what an operator can do about it, where there is more to say than the
	// type's own remedy does.
	remedy string
}

// expiredRemedy has a second way, as a history of passwords, or a plugin that remembers
// them, refuses to set one again.
const expiredRemedy = "the password has expired: set the user's password to the one in the secret, or, where the account's history forbids that, to another one, and store that in the secret"

// answers are those of the numbers that mean something.
var answers = map[uint16]answer{
	errTooManyConnections:      {failure.TooManyConnections, "the server has no connection left: raise max_connections, or try again"},
	errAccessDenied:            {"", "the password is wrong, or no account of this user allows this client's host, or one without a name, as ''@'localhost', comes before it, or it asks for more than a password: make the secret and the server agree"},
	errAccessDeniedDatabase:    {"", "the account has no privilege on this database: grant one to both users, or correct dbname"},
	errUnknownDatabase:         {failure.UnknownDatabase, "the database does not exist: create it, or correct dbname in the secret's document"},
	errHostBlocked:             {failure.AccountBlocked, "the server has blocked this client's host after too many broken connections: FLUSH HOSTS (on MySQL 8.4 and later TRUNCATE TABLE performance_schema.host_cache), or raise max_connect_errors"},
	errHostNotPrivileged:       {failure.HostNotAllowed, "no account of this server allows this client's host: create one that does"},
	errUserTooManyConnections:  {failure.TooManyConnections, "the user has no connection left: raise max_user_connections"},
	errUserLimitReached:        {failure.LimitReached, "the account has used up one of its limits per hour: raise it (ALTER USER ... WITH ...), send FLUSH USER_RESOURCES, or try again when the hour is over"},
	errReadOnlyMode:            {failure.ReadOnlyServer, "the server is read-only: use the address of the writer, or wait for the end of a failover"},
	errPluginNotLoaded:         {failure.PluginMissing, "the server has not loaded the account's authentication plugin: load it, or change the account's plugin"},
	errAccessDeniedNoPassword:  {"", "the account is not one for passwords: change its authentication plugin to a password's"},
	errWrongHash:               {"", "the server does not take this verifier for its plugin: look at the account's IDENTIFIED clause"},
	errCannotUser:              {"", "the account has been dropped or made meanwhile, or the server refuses what it is identified by: look at the validation plugins and at strict_password_validation"},
	errPasswordPolicy:          {failure.PasswordRefused, "a validation plugin finds the password too weak: set PASSWORD_LENGTH, EXCLUDE_CHARACTERS and the other EXCLUDE variables by its rules"},
	errPasswordHistory:         {failure.PasswordRefused, "the account has had this password before, which its PASSWORD HISTORY or REUSE INTERVAL forbids: the next rotation makes another"},
	errCurrentPasswordRequired: {"", "the account's PASSWORD REQUIRE CURRENT asks for its first password, which is not the one in the secret: ALTER USER ... PASSWORD REQUIRE CURRENT OPTIONAL, or name an admin secret"},
	errTooFewCharactersChanged: {failure.PasswordRefused, "the user changes its own password, and the server's validate_password.changed_characters_percentage wants more of its characters changed: lower that, or name an admin secret, which it is not asked of"},
	errReplacedPassword:        {"", "somebody has changed the password meanwhile: the next try looks at it anew"},
	errSecondPasswordEmpty:     {"", "somebody has taken the account's password meanwhile, and an empty one cannot be kept beside the new one: the next try reads the accounts anew"},
	errPluginChanges:           {"", "somebody has changed the account's plugin meanwhile: the next try reads the accounts anew"},
	errInvalidRole:             {"", "the role is gone, or not granted: the next try reads the accounts anew"},
	errUnknownRole:             {"", "the role or the account is gone: the next try reads the accounts anew"},
	errRoleNotGranted:          {"", "the role is no longer granted: the next try reads the accounts anew"},
	errGrantAsDenied:           {failure.PrivilegeNotGrantable, "the admin has a partial revoke that the account has not (SHOW GRANTS FOR the admin lists it as a REVOKE), and can pass no more on than it has: GRANT the admin the same privilege on that database, which lifts it"},
	errDefinerDropped:          {"", "something on the server is defined by the account, which the admin is not shown; an account is kept that something depends on: GRANT SELECT, TRIGGER, EVENT ON *.* to the admin"},
	errRoleLoop:                {"", "the account is itself a role of this role, by way of others: revoke one of the two"},
	errAuthenticationPolicy:    {failure.AuthenticationPolicyRefused, "the server's authentication_policy forbids what the account is identified by: GRANT AUTHENTICATION_POLICY_ADMIN ON *.* to the admin, or change the policy or the account's plugin"},
	errMustChangePassword:      {failure.PasswordExpired, expiredRemedy},
	errMustChangeOnLogin:       {failure.PasswordExpired, expiredRemedy},
	errAccountLocked:           {failure.AccountLocked, "the account is locked: ALTER USER ... ACCOUNT UNLOCK"},
	errAccountLockedMariaDB:    {failure.AccountLocked, "the account is locked: ALTER USER ... ACCOUNT UNLOCK"},
	errSecureTransport:         {failure.TLSRequired, "the server takes encrypted connections only: remove \"ssl\": false from both secrets' documents"},
	errTooManyFailedLogins:     {failure.AccountBlocked, "the account is locked after too many failed logins: wait, or ALTER USER ... ACCOUNT UNLOCK"},
	errOutOfMemory:             {failure.ServerUnavailable, "the server has no memory left: give it more, or find what takes it"},
	errOutOfResources:          {failure.ServerUnavailable, "the server has no memory left: give it more, or find what takes it"},
	errBadHandshake:            {failure.ConnectionLost, "the server did not understand the login: look at what stands before it, as a proxy or a load balancer does"},
	errNotPrepared:             {failure.ServerUnavailable, "the node is not ready, as one is that has lost its cluster or is joining it: use another node, or wait"},
	errServerShutdown:          {failure.ServerUnavailable, "the server is stopping: wait until it has started again, or use the address of the writer"},
	errCannotCreateThread:      {failure.ServerUnavailable, "the server cannot start another thread: give it more memory or threads, or find who holds its connections"},
	errPacketTooLarge:          {"", "the statement is longer than the server's max_allowed_packet: raise it"},
	errInitConnect:             {failure.InitConnectFailed, "the server's init_connect has failed, as its error log says: correct it (SET GLOBAL init_connect = '...')"},
	errUnsupportedAuth:         {failure.PluginUnsupported, "the account's authentication is of a kind that the client must not use: set its password anew, by a plugin of today"},
	errSecureAuth:              {failure.PluginUnsupported, "the account's password is stored in the format of MySQL 4.0: set it anew (SET old_passwords = 0; ALTER USER ... IDENTIFIED BY ...) to the one in the secret"},
	errQueryInterrupted:        {"", "somebody has ended the statement (KILL QUERY): the next try goes on"},
	errNoSuchDefiner:           {"", "what the statement uses was defined by an account that is gone: make the account anew, or what it had defined"},
	errReadOnlyTransaction:     {failure.ReadOnlyServer, "the session is read-only (transaction_read_only): look at the server's init_connect, and at a proxy before it"},
	errConnectionKilled:        {failure.ConnectionLost, "somebody has ended the connection (KILL): the next try goes on"},
	errSessionKilled:           {failure.ConnectionLost, "somebody has ended the connection (KILL): the next try goes on"},
	errInactive:                {failure.ConnectionLost, "the server has ended the connection after its wait_timeout: raise it to 10 seconds or more"},
	errStatementTime:           {"", "the server's max_execution_time has ended the statement: raise it, or look at the server's load"},
	errStatementTimeMariaDB:    {"", "max_statement_time, the server's or the account's, has ended the statement: raise it, or look at the server's load"},
	errOfflineMode:             {failure.ServerUnavailable, "the server is in offline_mode, in which only administrators may log in: SET GLOBAL offline_mode = OFF, or wait until whoever turned it on is done"},
	errConnectionMemory:        {failure.ServerUnavailable, "the connection has used up the server's connection_memory_limit: raise it"},
	errGlobalConnectionMemory:  {failure.ServerUnavailable, "the connections have used up the server's global_connection_memory_limit: raise it"},
	errAccountBlockedMariaDB:   {failure.AccountBlocked, "the account is blocked after too many failed logins: FLUSH PRIVILEGES, or, where the server says so, ALTER USER ... ACCOUNT UNLOCK"},
}
