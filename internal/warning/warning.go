// Package warning names what a rotation warns of: that something was done, or
// left, which somebody should know, while the rotation goes on. The names are
// stable; each line of the log that warns has one under "type".
package warning

import "strings"

// The types.
const (
	PrivilegeTakenBack       = "PrivilegeTakenBack"
	CloneHasMore             = "CloneHasMore"
	PendingHasMore           = "PendingHasMore"
	PendingHasLess           = "PendingHasLess"
	HostDropped              = "HostDropped"
	DefinerKept              = "DefinerKept"
	ObjectGone               = "ObjectGone"
	TableLocked              = "TableLocked"
	Adopted                  = "Adopted"
	ClearPasswordSent        = "ClearPasswordSent"
	ProxyLeftOut             = "ProxyLeftOut"
	ProxyOnUser              = "ProxyOnUser"
	Plaintext                = "Plaintext"
	OldServer                = "OldServer"
	CertificateExpires       = "CertificateExpires"
	RootExpires              = "RootExpires"
	RotationAbandoned        = "RotationAbandoned"
	PasswordChangedElsewhere = "PasswordChangedElsewhere"
	ReaderNotTested          = "ReaderNotTested"
	AnotherPassword          = "AnotherPassword"
	LoginWithoutPassword     = "LoginWithoutPassword"
	OldPasswordLeft          = "OldPasswordLeft"
	PendingUserInUse         = "PendingUserInUse"
	RepairedWithAdmin        = "RepairedWithAdmin"
	OnePassword              = "OnePassword"
	AccountOpened            = "AccountOpened"
	AccountsNotListed        = "AccountsNotListed"
)

// Cause is what is known of a type: a row of the table of warnings in cmd/rotator/README.md.
type Cause struct{ Type, Meaning, Remedy string }

// Causes lists every type, in that table's order.
func Causes() []Cause {
	return []Cause{
		{PrivilegeTakenBack, "the original gained what its clone had been granted", "nothing, or the REVOKE for both users that the line prints"},
		{CloneHasMore, "in `mirror`, the clone has what the original lacks; the next rotation takes it away", "grant it to the original, if the application needs it"},
		{PendingHasMore, "the two users have drifted apart: the pending one may do more", "look who grants to one user alone"},
		{PendingHasLess, "the same, where the mode leaves the pending user's privileges as they are (`off`, and `mirror` on the original's turn): it may do less", "grant it to the pending user"},
		{HostDropped, "an account of the clone was dropped, as the original has none at its host", "nothing"},
		{DefinerKept, "such an account was kept, as something on the server is defined by it or granted to it", "change the definer, and drop the account"},
		{ObjectGone, "not copied: what a privilege is on is gone, or a default role cannot be set", "nothing, or revoke it from the original"},
		{TableLocked, "not copied: a privilege on a table, mostly on its columns, that another session kept locked", "rotate again when it is unlocked, or the REVOKE that setSecret's line prints, if nobody meant to give that privilege"},
		{Adopted, "an account that this function had not made was taken as the clone", "look at what was taken from it, which the line lists"},
		{ClearPasswordSent, "a validation plugin has to see the password, or MySQL's `log_raw` is ON: it may stand in the server's logs", "see \"What is copied\""},
		{ProxyLeftOut, "a PROXY privilege that the admin cannot pass on, or the GRANT OPTION that came with one, was neither copied nor taken", "the REVOKE that the line prints, if nobody meant to give it"},
		{ProxyOnUser, "somebody else may act as the user, or one of the two, by PROXY, whatever its password is", "the REVOKE that the line prints, if nobody meant to give it"},
		{Plaintext, "a login is about to go on without TLS", "turn TLS on at the server, and take `\"ssl\": false` out of the document"},
		{OldServer, "the server's release has no support any more from those who make it", "upgrade the server"},
		{CertificateExpires, "the server's certificate, or one between it and its root, expires within 90 days", "renew it"},
		{RootExpires, "the root that the server's certificate was verified by expires within 90 days", "give the server a certificate of the next root"},
		{RotationAbandoned, "AWSPENDING was taken off a version that no rotation could go on with", "nothing: the next rotation begins by itself"},
		{PasswordChangedElsewhere, "the password of the user whose turn it is was set after the last rotation, and not by it", "keep one secret to a user; look for another, or for somebody who sets passwords by hand"},
		{ReaderNotTested, "an instance of a cluster did not answer, and is starting or going away by RDS's account", "look at the instance, if it stays so"},
		{AnotherPassword, "an account of the user whose turn it is not is open to another password than the one under AWSCURRENT: a second one (MySQL's RETAIN CURRENT PASSWORD), or its own at another host", "rotate once more, which ends it; look who set it"},
		{LoginWithoutPassword, "an account of the user, or of the two, can be logged in to by a plugin that asks for no password, or for one that no rotation sets", "identify it by its password plugin alone, or lock it, if nobody is to log in so"},
		{OldPasswordLeft, "a string in the secret beside `password` has an old password, or will: it is a copy, but no connection string with exactly the current username and password, no new one can be written in it, or it is out of date already", "put the current `username` and `password` into a connection string, which rotations renew from then on, or have the application take them from their keys; take any other string out of the secret"},
		{PendingUserInUse, "somebody was still logged in as the user whose password was about to change, as an application or a pool that has not read its secret again since the rotation before", "restart the clients that the line names, or have them read the secret again; of one that is gone, end the session; `PENDING_USER_SESSIONS=refuse` makes the rotation wait for them"},
		{RepairedWithAdmin, "with `single-user`, the password under AWSCURRENT was refused, as somebody had changed it by hand, and the admin set another, as `REPAIR_WITH_ADMIN` allows: nobody has shown to know one", "look who changed the password, and who wrote the secret; keep one secret to a user"},
		{OnePassword, "with `single-user`, the server keeps one password of the user: the one under AWSCURRENT is refused from the change in finishSecret until the label has moved", "identify the user by `mysql_native_password` on MariaDB, turn `strict_password_validation` off, or upgrade MySQL to 8.0.14 or later; or rotate alternating users"},
		{AccountOpened, "with `single-user`, an account at another host had no password, or an expired one, and gets the new one", "lock or drop it, if nobody is to log in there"},
		{AccountsNotListed, "with `single-user`, a user that changes its own password may not list accounts: one at another host would keep its password", "name an admin secret, if it has others"},
	}
}

// Lasting reports whether a type is no reason for an alarm: it says of a server, of a
// setting or of an account what its owner has chosen or cannot change soon, and no
// rotation fails for it. An alarm about it would never end, and hide the next. It is told
// of in each rotation and each check all the same.
func Lasting(kind string) bool {
	switch kind {
	case ObjectGone, ClearPasswordSent, Plaintext, OldServer, ProxyOnUser, ProxyLeftOut, LoginWithoutPassword, DefinerKept, OnePassword, AccountsNotListed:
		return true
	}
	return false
}

// Remedy returns what to do about a type, without the marks of Markdown; empty where
// it is none.
func Remedy(kind string) string {
	for _, cause := range Causes() {
		if cause.Type == kind {
			return strings.ReplaceAll(cause.Remedy, "`", "")
		}
	}
	return ""
}
