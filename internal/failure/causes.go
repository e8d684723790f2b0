package failure

import "strings"

// The invocation itself.
const (
	EventInvalid         Type = "EventInvalid"
	ConfigurationInvalid Type = "ConfigurationInvalid"
	OutOfTime            Type = "OutOfTime"
	Panic                Type = "Panic"
	Unexpected           Type = "Unexpected"
)

// What the secrets hold.
const (
	SecretInvalid         Type = "SecretInvalid"
	SecretNotFound        Type = "SecretNotFound"
	CurrentSecretMissing  Type = "CurrentSecretMissing"
	UsernameInvalid       Type = "UsernameInvalid"
	AdminSecretNotNamed   Type = "AdminSecretNotNamed"
	AdminSecretNotFound   Type = "AdminSecretNotFound"
	AdminSecretInvalid    Type = "AdminSecretInvalid"
	AdminSecretMismatch   Type = "AdminSecretMismatch"
	PendingSecretMismatch Type = "PendingSecretMismatch"
)

// The rotation's state.
const (
	RotationNotInProgress Type = "RotationNotInProgress"
	RotationSuperseded    Type = "RotationSuperseded"
	PendingSecretMissing  Type = "PendingSecretMissing"
)

// Secrets Manager.
const (
	SecretsManagerUnreachable         Type = "SecretsManagerUnreachable"
	SecretsManagerTimeout             Type = "SecretsManagerTimeout"
	SecretsManagerTLSFailed           Type = "SecretsManagerTLSFailed"
	SecretsManagerAccessDenied        Type = "SecretsManagerAccessDenied"
	SecretsManagerCredentialsRejected Type = "SecretsManagerCredentialsRejected"
	SecretsManagerThrottled           Type = "SecretsManagerThrottled"
	SecretsManagerFailed              Type = "SecretsManagerFailed"
	KMSAccessDenied                   Type = "KMSAccessDenied"
	KMSKeyUnusable                    Type = "KMSKeyUnusable"
	RoleNotAssumed                    Type = "RoleNotAssumed"
)

// Amazon RDS.
const (
	RDSServerNotFound      Type = "RDSServerNotFound"
	RDSServerNotReady      Type = "RDSServerNotReady"
	RDSAccessDenied        Type = "RDSAccessDenied"
	RDSCredentialsRejected Type = "RDSCredentialsRejected"
	RDSThrottled           Type = "RDSThrottled"
	RDSUnreachable         Type = "RDSUnreachable"
	RDSFailed              Type = "RDSFailed"
)

// The way to the server.
const (
	ServerNameNotResolved Type = "ServerNameNotResolved"
	ConnectionRefused     Type = "ConnectionRefused"
	ConnectTimeout        Type = "ConnectTimeout"
	ServerUnreachable     Type = "ServerUnreachable"
	ReadTimeout           Type = "ReadTimeout"
	ConnectionLost        Type = "ConnectionLost"
)

// TLS to the server.
const (
	TLSNotOffered                Type = "TLSNotOffered"
	TLSRequired                  Type = "TLSRequired"
	PublicKeyRetrievalNotAllowed Type = "PublicKeyRetrievalNotAllowed"
	ClearPasswordNotAllowed      Type = "ClearPasswordNotAllowed"
	TLSUnknownAuthority          Type = "TLSUnknownAuthority"
	TLSNameMismatch              Type = "TLSNameMismatch"
	TLSCertificateExpired        Type = "TLSCertificateExpired"
	TLSVerificationFailed        Type = "TLSVerificationFailed"
)

// Logging in.
const (
	CurrentCredentialsRejected Type = "CurrentCredentialsRejected"
	PendingCredentialsRejected Type = "PendingCredentialsRejected"
	AdminCredentialsRejected   Type = "AdminCredentialsRejected"
	AccountLocked              Type = "AccountLocked"
	AccountBlocked             Type = "AccountBlocked"
	PasswordExpired            Type = "PasswordExpired"
	HostNotAllowed             Type = "HostNotAllowed"
	TooManyConnections         Type = "TooManyConnections"
	LimitReached               Type = "LimitReached"
	ServerUnavailable          Type = "ServerUnavailable"
	InitConnectFailed          Type = "InitConnectFailed"
	UnknownDatabase            Type = "UnknownDatabase"
	DatabaseAccessDenied       Type = "DatabaseAccessDenied"
	PluginMissing              Type = "PluginMissing"
	PluginUnsupported          Type = "PluginUnsupported"
	LoggedInAsOtherUser        Type = "LoggedInAsOtherUser"
	ReaderLags                 Type = "ReaderLags"
	ServersDiffer              Type = "ServersDiffer"
	ServerUnsupported          Type = "ServerUnsupported"
	ServerResponseUnrecognised Type = "ServerResponseUnrecognised"
)

// Changing the user.
const (
	ReadOnlyServer              Type = "ReadOnlyServer"
	SystemAccountMissing        Type = "SystemAccountMissing"
	LockTimeout                 Type = "LockTimeout"
	LockHeldByAnotherProgram    Type = "LockHeldByAnotherProgram"
	AdminAccessDenied           Type = "AdminAccessDenied"
	PrivilegeNotGrantable       Type = "PrivilegeNotGrantable"
	PrivilegesStillDiffer       Type = "PrivilegesStillDiffer"
	PendingLacksPrivileges      Type = "PendingLacksPrivileges"
	UserMissing                 Type = "UserMissing"
	UserUnsupported             Type = "UserUnsupported"
	OriginalNotOfSecret         Type = "OriginalNotOfSecret"
	UserNameTaken               Type = "UserNameTaken"
	PasswordRefused             Type = "PasswordRefused"
	AuthenticationPolicyRefused Type = "AuthenticationPolicyRefused"
	PendingUserInUse            Type = "PendingUserInUse"
	StatementRefused            Type = "StatementRefused"
)

// Cause is what is known of a type, whatever the error: a row of the table
// of errors in README.md beside it.
type Cause struct {
	Type Type
	// Meaning says what has happened, Remedy what to do about it.
	Meaning, Remedy string
}

// Causes lists every type, in that table's order.
func Causes() []Cause {
	return []Cause{
		{EventInvalid, "the event is not one that Secrets Manager sends, or a check's", "rotate the secret instead of invoking the function by hand, or send the fields that the sentence names"},
		{ConfigurationInvalid, "an environment variable, or a certificate file that one names, cannot be read", "correct the variable that the sentence names, or leave it out"},
		{OutOfTime, "the invocation's time ended, and no wait of a more particular kind was to blame", "raise the function's timeout if it repeats; the next try goes on"},
		{Panic, "the function panicked, which is a defect of it", "report it, with the stack in the log; the next try goes on"},
		{Unexpected, "an error that the function knows no name for, which is a defect of it", "report it, with the sentence"},
		{SecretInvalid, "the secret's document cannot be used as it is", "mend the key that the sentence names"},
		{SecretNotFound, "there is no such secret, or it has no such version", "look at the ARN, the region and the endpoint"},
		{CurrentSecretMissing, "no version carries AWSCURRENT, or it has no value", "store a document in the secret, and give AWSCURRENT to the version that the application uses"},
		{UsernameInvalid, "the server could not hold both names of the pair, or could not tell them from others", "use a shorter or plainer user name; look at `USERNAME_CHARACTER_LIMIT`"},
		{AdminSecretNotNamed, "neither the document nor the environment names an admin secret, without which two users cannot be rotated", "put its ARN into the document as `masterarn`, or into `SUPERUSER_SECRET_ARN`"},
		{AdminSecretNotFound, "the admin secret that is named does not exist", "correct `masterarn` or `SUPERUSER_SECRET_ARN`"},
		{AdminSecretInvalid, "the admin secret's document cannot be used as it is", "mend the key that the sentence names"},
		{AdminSecretMismatch, "the admin secret is for another server, for one of the two users themselves, or does not say for which server", "name the admin secret of the secret's own server, with a user of its own"},
		{PendingSecretMismatch, "the pending document is not AWSCURRENT's with the other username and a new password: the secret, or `CONNECTION_STRINGS`, was changed after the rotation began", "nothing: the rotation is given up, so that the change is not undone; rotate the secret again, or leave that to its schedule"},
		{RotationNotInProgress, "the token is no rotation in progress: it was abandoned or superseded, or rotation is not enabled", "rotate the secret again"},
		{RotationSuperseded, "AWSCURRENT moved while the step was at work, and the step changed nothing", "nothing: the next try reads it anew"},
		{PendingSecretMissing, "the pending version has no value, so createSecret has not succeeded", "rotate the secret, which runs the steps in order"},
		{SecretsManagerUnreachable, "its endpoint's name was not resolved, or its address was not reached", "in a VPC, give it an interface endpoint for Secrets Manager with private DNS, whose security group lets the function in, or a NAT gateway"},
		{SecretsManagerTimeout, "it was reached and did not answer in time", "look at the endpoint, its policy and the network, in a VPC at the interface endpoint and its security group; the next try asks again"},
		{SecretsManagerTLSFailed, "its certificate was not verified", "look at what stands between (a proxy), at `SECRETS_MANAGER_ENDPOINT`, `SSL_CERT_FILE` and `SSL_CERT_DIR`"},
		{SecretsManagerAccessDenied, "the function's role, the secret's policy or the VPC endpoint's policy forbids the call", "allow the action that the sentence names to the function's role"},
		{SecretsManagerCredentialsRejected, "the credentials that the function runs with are missing or not accepted", "look at the function's role, and at the endpoint's region"},
		{SecretsManagerThrottled, "it throttled every try of a call", "spread the rotations over a longer window"},
		{SecretsManagerFailed, "it broke, or refused a request, for a reason of its own", "read its message in the sentence; the next try asks again"},
		{KMSAccessDenied, "the role may not use the key that the secret is encrypted with", "allow `kms:Decrypt` and `kms:GenerateDataKey` on the key to the function's role"},
		{KMSKeyUnusable, "the secret's key is disabled, deleted or in another state in which it cannot be used", "enable the key, or give the secret another"},
		{RoleNotAssumed, "STS did not give the credentials of the role that ROTATION_ROLE_ARN names", "allow `sts:AssumeRole` on it to the function's role, and name that in its trust policy; look at `ROTATION_ROLE_EXTERNAL_ID`; in a VPC give it an endpoint for STS"},
		{RDSServerNotFound, "RDS of the function's account knows no instance or cluster of that name", "correct `host` in the secrets' documents, or name in `masterarn` the admin secret that RDS keeps for the server; for a server of another account name an admin secret with engine, host, username and password, and the same host in both"},
		{RDSServerNotReady, "the instance or cluster has no endpoint yet, or no longer", "wait until it is available"},
		{RDSAccessDenied, "the function's role, or the VPC endpoint's policy, forbids the call", "allow the action that the sentence names, `rds:DescribeDBInstances` or `rds:DescribeDBClusters`"},
		{RDSCredentialsRejected, "the credentials that the function runs with are missing or not accepted", "look at the function's role, and at the server's region"},
		{RDSThrottled, "it throttled every try of a call", "spread the rotations over a longer window"},
		{RDSUnreachable, "its endpoint's name was not resolved, or it was not reached or did not answer in time", "in a VPC, give it an interface endpoint for RDS with private DNS, whose security group lets the function in, or a NAT gateway"},
		{RDSFailed, "it broke, or refused a request, for a reason of its own", "read its message in the sentence; the next try asks again"},
		{ServerNameNotResolved, "the host name in the document was not resolved", "correct `host`, or the network's DNS"},
		{ConnectionRefused, "the host answered, and nothing listens on the port", "look at `host` and `port`, and that the server runs"},
		{ConnectTimeout, "no connection in time: packets are dropped on the way", "let the function's security group into the server's, on its port; look at routes and `host`"},
		{ServerUnreachable, "there is no way to the server's address", "look at `host`, the function's subnets and their routes"},
		{ReadTimeout, "the server, or what stands before it, was reached and did not answer in time", "look at the server's load, at proxies, and at the function's timeout"},
		{ConnectionLost, "the connection broke; the last statement may have run", "nothing: the next try looks at what is there; look at the server's log if it repeats"},
		{TLSNotOffered, "the server offers no TLS, and the document does not allow plain text", "turn TLS on at the server; or, on a network that nobody else is on, `\"ssl\": false` in both documents, or, for MariaDB, `ALLOW_PLAINTEXT=true`"},
		{PublicKeyRetrievalNotAllowed, "`ALLOW_PLAINTEXT=true` let a login go on without TLS, and the server asks for the password encrypted with a public key that it sends itself", "turn TLS on at the server; or, on a network that nobody else is on, `\"ssl\": false` in both documents"},
		{ClearPasswordNotAllowed, "`ALLOW_PLAINTEXT=true` let the admin log in without TLS, and the new password would cross the network in clear", "turn TLS on at the server; or, on a network that nobody else is on, `\"ssl\": false` in both documents"},
		{TLSRequired, "the server takes encrypted connections only, and the document says `\"ssl\": false`", "remove that from both documents"},
		{TLSUnknownAuthority, "the server's certificate is from an authority that is not trusted here", "name its root in `SSL_CERT_FILE` or `SSL_CERT_DIR`, one of RDS in `RDS_CA_BUNDLE`, or give the server a certificate of a known authority"},
		{TLSNameMismatch, "the server's certificate is for another name", "use the host name that stands in it"},
		{TLSCertificateExpired, "the server's certificate, or one above it, has expired or is not valid yet", "renew it"},
		{TLSVerificationFailed, "the handshake ended without a verified server for another reason", "read the reason in the sentence; TLS 1.2 is the oldest that is accepted"},
		{CurrentCredentialsRejected, "the server refuses the username and password under AWSCURRENT", "store the password that the server has, or set the user's to the one in the secret"},
		{PendingCredentialsRejected, "the server refuses those under AWSPENDING", "rotate again: setSecret sets the password"},
		{AdminCredentialsRejected, "the server refuses those of the admin secret", "make the admin secret and the server agree"},
		{AccountLocked, "the account is locked", "`ALTER USER ... ACCOUNT UNLOCK`, if it is meant to be used"},
		{AccountBlocked, "the account, or the client's host, is blocked after too many failed logins or broken connections", "wait, or `ACCOUNT UNLOCK`, on MariaDB `FLUSH PRIVILEGES`, or, for the host, `FLUSH HOSTS`, on MySQL 8.4 and later `TRUNCATE TABLE performance_schema.host_cache`; find who uses a wrong password"},
		{PasswordExpired, "the password has expired", "set the user's password to the one in the secret, or, where its history forbids that, to another one, and store that in the secret"},
		{HostNotAllowed, "no account of the server allows the function's address", "create the user for a host that does"},
		{TooManyConnections, "the server, or the user, has no connection left", "raise `max_connections` or `max_user_connections`, or find who holds them; the next try asks again"},
		{LimitReached, "the account has used up one of its limits per hour", "raise it, or `FLUSH USER_RESOURCES`, or wait until the hour is over"},
		{ServerUnavailable, "the server takes no work for now: it is offline, stopping, not ready, or out of resources", "the sentence says which: end that, or wait; the next try asks again"},
		{InitConnectFailed, "the server's `init_connect` failed, so that the session was ended", "correct it; the server's error log has what failed"},
		{UnknownDatabase, "the database that the document names does not exist", "create it, or correct `dbname`"},
		{DatabaseAccessDenied, "the user has no privilege on the database that the document names", "grant one to both users, since the clone keeps none that its original lacks, or correct `dbname`"},
		{PluginMissing, "the server has not loaded the account's authentication plugin", "load it, or change the account's plugin"},
		{PluginUnsupported, "the function cannot log in by the account's authentication plugin", "use an account with one password plugin"},
		{LoggedInAsOtherUser, "the credentials log in as an account that is not the user's", "drop the account that matched instead, or create one for the function's host"},
		{ReaderLags, "the application's host is a reader, which did not get the change from its writer in time", "look at its replication lag, or raise the function's timeout; the next try goes on waiting"},
		{ServersDiffer, "two logins to one address reached two servers", "use an address that leads to the writer alone; after a failover, try again"},
		{ServerUnsupported, "the server is none that can be rotated, or too old", `see the versions under "What is copied"`},
		{ServerResponseUnrecognised, "the server described an account in a form that the function does not know", "report it, with the sentence and the server's version"},
		{ReadOnlyServer, "the server is read-only", "use the address of the writer, or wait for the end of a failover"},
		{SystemAccountMissing, "MariaDB's `mysql.user` cannot be read, since the account `mariadb.sys`, by which it is defined, is gone or lacks its privileges", "send the statements in the sentence, or run `mariadb-upgrade --force`"},
		{LockTimeout, "another rotation of the same pair is at work, or a session of which nobody can say that it is none holds the lock", "nothing: the next try goes on; if it repeats, end the session by the statement in the sentence, and look for two secrets of one user"},
		{LockHeldByAnotherProgram, "a session that is no rotation's holds the lock of the pair", "end it by the statement in the sentence, and find out why that account takes the lock; the next try goes on"},
		{AdminAccessDenied, "the admin, or a single user that changes its own password, may not do what is needed", "send the GRANT in the sentence"},
		{PrivilegeNotGrantable, "the admin may not grant, or take, a privilege that the user has", "send the GRANT in the sentence, or, if nobody meant a user to have the privilege, the REVOKE in it, or use `PRIVILEGE_SYNC=off`"},
		{PrivilegesStillDiffer, "the server accepted every statement, and the two users still differ", "grant the admin what it lacks, or change the original by hand"},
		{PendingLacksPrivileges, "the pending user may not do everything that the current one may", "rotate again; if it repeats, grant it to the original"},
		{UserMissing, "the original does not exist, or the clone where it is not created, or an account for the function's host", "create it; or, where it is the original, give the secret a user whose name does not end in `_clone`; or, where it is the clone, use `PRIVILEGE_SYNC=merge` or `mirror`"},
		{UserUnsupported, "the user has something that is not copied, or that the function cannot log in with", "the sentence says what: change it, or rotate another user"},
		{OriginalNotOfSecret, "no version of the secret names the original, which may do more than the user under AWSCURRENT", "store the original's username and password in the secret once and rotate again, or make the clone equal first, or give the secret a user whose name does not end in `_clone`"},
		{UserNameTaken, "a name of the pair belongs to a role, or the clone's to somebody else's user that cannot be taken", "drop or rename it"},
		{PasswordRefused, "a validation plugin, the account's plugin or its password history finds the password unfit, or it is too long to be sent without TLS", "set `PASSWORD_LENGTH` and the `EXCLUDE_` variables by its rules, or do what else the sentence says, and rotate the secret again, which makes another password"},
		{AuthenticationPolicyRefused, "the server's `authentication_policy` forbids what the user is identified by", "`GRANT AUTHENTICATION_POLICY_ADMIN ON *.*` to the admin, or change the policy or the user's plugin"},
		{PendingUserInUse, "somebody is still logged in as the user whose password is about to change, or nobody can tell, and `PENDING_USER_SESSIONS` is `refuse`", "restart the clients that the sentence names, or have them read the secret again; of one that is gone, end the session; if nobody can tell, send the GRANT or mend the cause in the sentence; the next try goes on"},
		{StatementRefused, "the server refused a statement for another reason", "read its message in the sentence; the next try reads the users anew"},
	}
}

// Remedy returns what to do about a type, without the marks of Markdown; empty where
// it is none.
func Remedy(kind Type) string {
	for _, cause := range Causes() {
		if cause.Type == kind {
			return strings.ReplaceAll(cause.Remedy, "`", "")
		}
	}
	return ""
}
