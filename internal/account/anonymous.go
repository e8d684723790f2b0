package account

import (
	"cmp"
	"slices"
)

// Anonymous returns the account without a name, as ”@'localhost', that a server takes
// a user's login for, by the accounts that are the user's or nobody's and by the client's
// host; ok is false where the login is taken for the user's own account, or for none.
//
// Source: MySQL 8.4 Reference Manual, 8.2.6 "Access Control, Stage 1": accounts are
// tried by their hosts, the most specific first, and of one host those with a name first.
func Anonymous(accounts []Name, hosts ...string) (found Name, ok bool) {
	var matching []Name
	for _, account := range accounts {
		if slices.ContainsFunc(hosts, func(host string) bool { return covers(account.Host, host) }) {
			matching = append(matching, account)
		}
	}
	if len(matching) == 0 {
		return Name{}, false
	}
	first := slices.MaxFunc(matching, func(a, b Name) int {
		return cmp.Or(cmp.Compare(specificity(a.Host), specificity(b.Host)), cmp.Compare(len(a.User), len(b.User)))
	})
	return first, first.User == ""
}
