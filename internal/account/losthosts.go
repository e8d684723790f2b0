package account

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

// lostHosts decides what becomes of those accounts. One that nothing on the server
// needs is dropped: it would come before the account that serves its host by now.
// Another is kept and made equal to the original's account that serves its host, and
// locked where there is none.
func (p Pair) lostHosts() (kept []target, drop, toLock []*Account) {
	for _, name := range p.Lost() {
		account := p.Clone.at(name.Host)
		needed := p.Depends[name]
		model := p.Original.serving(name.Host)
		switch {
		case len(needed) == 0:
			drop = append(drop, account)
		case model == nil:
			toLock = append(toLock, account)
		default:
			kept = append(kept, target{name, account, model, enumerate(needed, ", ")})
		}
	}
	return kept, drop, toLock
}
