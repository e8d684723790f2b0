package rotation

// The checks' names.
const (
	checkConfiguration  = "configuration"
	checkServiceDNS     = "Secrets Manager: DNS"
	checkServiceConnect = "Secrets Manager: connection"
	checkServiceTLS     = "Secrets Manager: TLS"
	checkDescribe       = "permission: DescribeSecret"
	checkRead           = "permission: GetSecretValue"
	checkRandom         = "permission: GetRandomPassword"
	checkPut            = "permission: PutSecretValue"
	checkMove           = "permission: UpdateSecretVersionStage"
	checkDocument       = "secret"
	checkAdminNamed     = "admin secret: named"
	checkAdminRead      = "admin secret: read"
	checkAdminDocument  = "admin secret"
	checkName           = "other user's name"
	checkRDS            = "RDS"
	checkServerDNS      = "server: DNS"
	checkServerConnect  = "server: connection"
	checkServerTLS      = "server: TLS"
	checkServer         = "server"
	checkIdentity       = "server: identity"
	checkCurrent        = "current credentials"
	checkDatabase       = "database"
	checkAdmin          = "admin"
	checkLock           = "lock"
	checkAccounts       = "accounts"
	checkPassword       = "password"
	checkPrivileges     = "admin's privileges"
	checkPlan           = "plan"
	checkDrift          = "drift"
	checkSessions       = "sessions"
	checkRotation       = "rotation"

	checkList = "permission: ListSecrets"
)

// CheckDescription is what is known of a check, whatever it finds.
type CheckDescription struct {
	Name string
	// LooksAt says what it looks at, as the documents do.
	LooksAt string
}

// ListChecks lists what a check of every secret looks at before it checks the first.
func ListChecks() []CheckDescription {
	return []CheckDescription{
		{checkConfiguration, "the function's environment"},
		{checkList, "whether the call is allowed, by making it"},
	}
}

// Checks lists the checks of a secret, in the order in which a rotation meets what they look at.
func Checks() []CheckDescription {
	return []CheckDescription{
		{checkConfiguration, "the function's environment"},
		{checkServiceDNS, "whether the name of Secrets Manager's endpoint is resolved"},
		{checkServiceConnect, "whether its address is reached"},
		{checkServiceTLS, "whether its certificate is verified"},
		{checkDescribe, "whether the call is allowed, by making it"},
		{checkRead, "the same"},
		{checkRandom, "the same"},
		{checkPut, "nothing: only writing would show it"},
		{checkMove, "nothing: only writing would show it"},
		{checkDocument, "the document under AWSCURRENT, and what a rotation makes of the connection strings in it"},
		{checkAdminNamed, "whether the document or the environment names an admin secret"},
		{checkAdminRead, "whether the function may read it"},
		{checkAdminDocument, "its document"},
		{checkName, "whether the server can hold both names"},
		{checkRDS, "where the servers are, if the documents do not say"},
		{checkServerDNS, "whether the server's name is resolved"},
		{checkServerConnect, "whether its port is reached"},
		{checkServerTLS, "which certificate was verified by which root, and when they expire"},
		{checkServer, "its release, whether it takes changes, and what it replicates from"},
		{checkIdentity, "whether both logins reach the same server"},
		{checkCurrent, "the login with the current credentials, and as which account"},
		{checkDatabase, "whether that user may open the document's `dbname`"},
		{checkAdmin, "the admin's login, and as which account"},
		{checkLock, "whether a session holds the lock of the two users, and whose it is"},
		{checkAccounts, "the hosts of both users"},
		{checkPassword, "whether the server's plugins, `authentication_policy` and rules for passwords take the next one"},
		{checkPrivileges, "the GRANTs that the admin lacks for the plan, by the server's own rules"},
		{checkPlan, "the statements of the next setSecret, masked, and what they mean: the first twenty, and how many there are"},
		{checkDrift, "in what the two users differ now"},
		{checkSessions, "who is logged in as the user whose turn it is, there, at the cluster's other instances and at the instance's read replicas; where it could not look"},
		{checkRotation, "the labels and the date of the next rotation, and how to end a rotation that did not end"},
	}
}
