package failure

// The invocation itself.
const (
	// EventInvalid: the event is not one that Secrets Manager sends, or a check's.
	EventInvalid Type = "EventInvalid"
	// ConfigurationInvalid: an environment variable, or a certificate file that one names, cannot be read.
	ConfigurationInvalid Type = "ConfigurationInvalid"
	// OutOfTime: the invocation's time ended, and no wait of a more particular kind was to blame.
	OutOfTime Type = "OutOfTime"
	// Panic: the function panicked, which is a defect of it.
	Panic Type = "Panic"
	// Unexpected: an error that the function knows no name for, which is a defect of it.
	Unexpected Type = "Unexpected"
)

// What the secrets hold.
const (
	// SecretInvalid: the secret's document cannot be used as it is.
	SecretInvalid Type = "SecretInvalid"
	// SecretNotFound: there is no such secret, or it has no such version.
	SecretNotFound Type = "SecretNotFound"
	// CurrentSecretMissing: no version carries AWSCURRENT, or it has no value.
	CurrentSecretMissing Type = "CurrentSecretMissing"
	// UsernameInvalid: the server could not hold both names of the pair, or could not tell them from others.
	UsernameInvalid Type = "UsernameInvalid"
	// AdminSecretNotNamed: neither the document nor the environment names an admin secret.
	AdminSecretNotNamed Type = "AdminSecretNotNamed"
	// AdminSecretNotFound: the admin secret that is named does not exist.
	AdminSecretNotFound Type = "AdminSecretNotFound"
	// AdminSecretInvalid: the admin secret's document cannot be used as it is.
	AdminSecretInvalid Type = "AdminSecretInvalid"
	// AdminSecretMismatch: the admin secret is for another server, for one of the two users themselves, or does not say for which server.
	AdminSecretMismatch Type = "AdminSecretMismatch"
	// PendingSecretMismatch: the pending document is not for this rotation's turn: the secret was changed after the rotation began.
	PendingSecretMismatch Type = "PendingSecretMismatch"
)

// The rotation's state.
const (
	// RotationNotInProgress: the token is no rotation in progress: it was abandoned or superseded, or rotation is not enabled.
	RotationNotInProgress Type = "RotationNotInProgress"
	// RotationSuperseded: AWSCURRENT moved while the step was at work, and nothing was changed.
	RotationSuperseded Type = "RotationSuperseded"
	// PendingSecretMissing: the pending version has no value, so createSecret has not succeeded.
	PendingSecretMissing Type = "PendingSecretMissing"
)

// Secrets Manager.
const (
	// SecretsManagerUnreachable: its endpoint's name was not resolved, or its address was not reached.
	SecretsManagerUnreachable Type = "SecretsManagerUnreachable"
	// SecretsManagerTimeout: it was reached and did not answer in time.
	SecretsManagerTimeout Type = "SecretsManagerTimeout"
	// SecretsManagerTLSFailed: its certificate was not verified.
	SecretsManagerTLSFailed Type = "SecretsManagerTLSFailed"
	// SecretsManagerAccessDenied: the function's role, the secret's policy or the VPC endpoint's policy forbids the call.
	SecretsManagerAccessDenied Type = "SecretsManagerAccessDenied"
	// SecretsManagerCredentialsRejected: the credentials that the function runs with are missing or not accepted.
	SecretsManagerCredentialsRejected Type = "SecretsManagerCredentialsRejected"
	// SecretsManagerThrottled: it throttled every try of a call.
	SecretsManagerThrottled Type = "SecretsManagerThrottled"
	// SecretsManagerFailed: it broke, or refused a request, for a reason of its own.
	SecretsManagerFailed Type = "SecretsManagerFailed"
	// KMSAccessDenied: the role may not use the key that the secret is encrypted with.
	KMSAccessDenied Type = "KMSAccessDenied"
	// KMSKeyUnusable: the secret's key is disabled, deleted or in another state in which it cannot be used.
	KMSKeyUnusable Type = "KMSKeyUnusable"
	// RoleNotAssumed: STS did not give the credentials of the role that ROTATION_ROLE_ARN names.
	RoleNotAssumed Type = "RoleNotAssumed"
)

// Amazon RDS.
const (
	// RDSServerNotFound: RDS of the function's account knows no instance or cluster of that name.
	RDSServerNotFound Type = "RDSServerNotFound"
	// RDSServerNotReady: the instance or cluster has no endpoint yet, or no longer.
	RDSServerNotReady Type = "RDSServerNotReady"
	// RDSAccessDenied: the function's role, or the VPC endpoint's policy, forbids the call.
	RDSAccessDenied Type = "RDSAccessDenied"
	// RDSCredentialsRejected: the credentials that the function runs with are missing or not accepted.
	RDSCredentialsRejected Type = "RDSCredentialsRejected"
	// RDSThrottled: it throttled every try of a call.
	RDSThrottled Type = "RDSThrottled"
	// RDSUnreachable: its endpoint's name was not resolved, or it was not reached or did not answer in time.
	RDSUnreachable Type = "RDSUnreachable"
	// RDSFailed: it broke, or refused a request, for a reason of its own.
	RDSFailed Type = "RDSFailed"
)

// The way to the server.
const (
	// ServerNameNotResolved: the host name in the document was not resolved.
	ServerNameNotResolved Type = "ServerNameNotResolved"
	// ConnectionRefused: the host answered, and nothing listens on the port.
	ConnectionRefused Type = "ConnectionRefused"
	// ConnectTimeout: no connection in time: packets are dropped on the way.
	ConnectTimeout Type = "ConnectTimeout"
	// ServerUnreachable: there is no way to the server's address.
	ServerUnreachable Type = "ServerUnreachable"
	// ReadTimeout: the server, or what stands before it, was reached and did not answer in time.
	ReadTimeout Type = "ReadTimeout"
	// ConnectionLost: the connection broke; the last statement may have run.
	ConnectionLost Type = "ConnectionLost"
)

// TLS to the server.
const (
	// TLSNotOffered: the server offers no TLS, and the document does not allow plain text.
	TLSNotOffered Type = "TLSNotOffered"
	// TLSRequired: the server takes encrypted connections only, and the document says "ssl": false.
	TLSRequired Type = "TLSRequired"
	// PublicKeyRetrievalNotAllowed: without TLS the server asks for the password encrypted with a key of its own.
	PublicKeyRetrievalNotAllowed Type = "PublicKeyRetrievalNotAllowed"
	// ClearPasswordNotAllowed: without TLS the new password would cross the network in clear.
	ClearPasswordNotAllowed Type = "ClearPasswordNotAllowed"
	// TLSUnknownAuthority: the server's certificate is from an authority that is not trusted here.
	TLSUnknownAuthority Type = "TLSUnknownAuthority"
	// TLSNameMismatch: the server's certificate is for another name.
	TLSNameMismatch Type = "TLSNameMismatch"
	// TLSCertificateExpired: the server's certificate, or one above it, has expired or is not valid yet.
	TLSCertificateExpired Type = "TLSCertificateExpired"
	// TLSVerificationFailed: the handshake ended without a verified server for another reason.
	TLSVerificationFailed Type = "TLSVerificationFailed"
)

// Logging in.
const (
	// CurrentCredentialsRejected: the server refuses the username and password under AWSCURRENT.
	CurrentCredentialsRejected Type = "CurrentCredentialsRejected"
	// PendingCredentialsRejected: the server refuses those under AWSPENDING.
	PendingCredentialsRejected Type = "PendingCredentialsRejected"
	// AdminCredentialsRejected: the server refuses those of the admin secret.
	AdminCredentialsRejected Type = "AdminCredentialsRejected"
	// AccountLocked: the account is locked.
	AccountLocked Type = "AccountLocked"
	// AccountBlocked: the account, or the client's host, is blocked after too many failed logins or broken connections.
	AccountBlocked Type = "AccountBlocked"
	// PasswordExpired: the password has expired.
	PasswordExpired Type = "PasswordExpired"
	// HostNotAllowed: no account of the server allows the function's address.
	HostNotAllowed Type = "HostNotAllowed"
	// TooManyConnections: the server, or the user, has no connection left.
	TooManyConnections Type = "TooManyConnections"
	// LimitReached: the account has used up one of its limits per hour.
	LimitReached Type = "LimitReached"
	// ServerUnavailable: the server takes no work for now: it is offline, stopping, not ready, or out of resources.
	ServerUnavailable Type = "ServerUnavailable"
	// InitConnectFailed: the server's init_connect failed, so that the session was ended.
	InitConnectFailed Type = "InitConnectFailed"
	// UnknownDatabase: the database that the document names does not exist.
	UnknownDatabase Type = "UnknownDatabase"
	// DatabaseAccessDenied: the user has no privilege on the database that the document names.
	DatabaseAccessDenied Type = "DatabaseAccessDenied"
	// PluginMissing: the server has not loaded the account's authentication plugin.
	PluginMissing Type = "PluginMissing"
	// PluginUnsupported: the function cannot log in by the account's authentication plugin.
	PluginUnsupported Type = "PluginUnsupported"
	// LoggedInAsOtherUser: the credentials log in as an account that is not the user's.
	LoggedInAsOtherUser Type = "LoggedInAsOtherUser"
	// ReaderLags: the application's host is a reader, which did not get the change from its writer in time.
	ReaderLags Type = "ReaderLags"
	// ServersDiffer: two logins to one address reached two servers.
	ServersDiffer Type = "ServersDiffer"
	// ServerUnsupported: the server is none that can be rotated, or too old.
	ServerUnsupported Type = "ServerUnsupported"
	// ServerResponseUnrecognised: the server described an account in a form that the function does not know.
	ServerResponseUnrecognised Type = "ServerResponseUnrecognised"
)

// Changing the user.
const (
	// ReadOnlyServer: the server is read-only.
	ReadOnlyServer Type = "ReadOnlyServer"
	// SystemAccountMissing: MariaDB's mysql.user cannot be read, since the account mariadb.sys, by which it is defined, is gone or lacks its privileges.
	SystemAccountMissing Type = "SystemAccountMissing"
	// LockTimeout: another rotation of the same pair is at work, or a session of which nobody can say that it is none holds the lock.
	LockTimeout Type = "LockTimeout"
	// LockHeldByAnotherProgram: a session that is no rotation's holds the lock of the pair.
	LockHeldByAnotherProgram Type = "LockHeldByAnotherProgram"
	// AdminAccessDenied: the admin may not do what is needed.
	AdminAccessDenied Type = "AdminAccessDenied"
	// PrivilegeNotGrantable: the admin may not grant, or take, a privilege that the user has.
	PrivilegeNotGrantable Type = "PrivilegeNotGrantable"
	// PrivilegesStillDiffer: the server accepted every statement, and the two users still differ.
	PrivilegesStillDiffer Type = "PrivilegesStillDiffer"
	// PendingLacksPrivileges: the pending user may not do everything that the current one may.
	PendingLacksPrivileges Type = "PendingLacksPrivileges"
	// UserMissing: the original does not exist, or the clone where it is not created, or an account for the function's host.
	UserMissing Type = "UserMissing"
	// UserUnsupported: the user has something that is not copied, or that the function cannot log in with.
	UserUnsupported Type = "UserUnsupported"
	// OriginalNotOfSecret: no version of the secret names the original, which may do more than the user under AWSCURRENT.
	OriginalNotOfSecret Type = "OriginalNotOfSecret"
	// UserNameTaken: a name of the pair belongs to a role, or the clone's to somebody else's user that cannot be taken.
	UserNameTaken Type = "UserNameTaken"
	// PasswordRefused: a validation plugin, or the account's plugin, finds the password unfit.
	PasswordRefused Type = "PasswordRefused"
	// AuthenticationPolicyRefused: the server's authentication_policy forbids what the user is identified by.
	AuthenticationPolicyRefused Type = "AuthenticationPolicyRefused"
	// StatementRefused: the server refused a statement for another reason.
	StatementRefused Type = "StatementRefused"
)
