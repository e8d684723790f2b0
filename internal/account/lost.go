package account

// Has reports whether the account is one of the user's.
func (u User) Has(name Name) bool {
	found := u.at(name.Host)
	return found != nil && found.Name.User == name.User
}

// Lost lists the clone's accounts at hosts at which the original has none. What a
// plan does with them depends on what on the server needs them (Pair.Depends).
func (p Pair) Lost() []Name {
	var lost []Name
	for _, account := range p.Clone.Accounts {
		if p.Original.at(account.Name.Host) == nil {
			lost = append(lost, account.Name)
		}
	}
	return lost
}
