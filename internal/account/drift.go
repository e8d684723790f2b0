package account

import "slices"

// Drift says in what the clone differs from its original, whoever's turn it is:
// what it lacks, and what it has beyond. A clone that does not exist differs in
// nothing.
func (p Pair) Drift() (lacks, beyond []string) {
	if len(p.Clone.Accounts) == 0 {
		return nil, nil
	}
	for i := range p.Original.Accounts {
		original := &p.Original.Accounts[i]
		name := Name{p.Clone.Name, original.Name.Host}
		clone := p.Clone.at(original.Name.Host)
		if clone == nil {
			lacks = append(lacks, "the account "+name.String())
			continue
		}
		lacks = append(lacks, texts(append(missingFrom(original.Grants, clone.Grants), restrictedIn(original.Grants, clone.Grants)...))...)
		beyond = append(beyond, texts(append(missingFrom(clone.Grants, original.Grants), restrictedIn(clone.Grants, original.Grants)...))...)
		want, have := original.Attributes, clone.Attributes
		want.Locked, have.Locked = false, false
		if want != have {
			lacks = append(lacks, "the attributes of "+original.Name.String()+" (REQUIRE, limits, expiry and the like)")
		}
	}
	for _, name := range p.Lost() {
		beyond = append(beyond, "the account "+name.String())
	}
	return unique(lacks), unique(beyond)
}

// OriginalHasMore names what the original may do and its clone may not: privileges at
// each host, and hosts.
func (p Pair) OriginalHasMore() []string {
	var more []string
	for i := range p.Original.Accounts {
		original := &p.Original.Accounts[i]
		clone := p.Clone.at(original.Name.Host)
		if clone == nil {
			more = append(more, "the account "+original.Name.String())
			continue
		}
		more = append(more, texts(append(missingFrom(original.Grants, clone.Grants), restrictedIn(original.Grants, clone.Grants)...))...)
	}
	return unique(more)
}

// DriftLasts reports whether all of the drift is what rotations warn of and leave as it
// is: PROXY privileges that the admin cannot pass on, and accounts of the clone that
// something on the server depends on.
func (p Pair) DriftLasts(mode Mode, turn Turn) bool {
	rest, _ := p.withoutStrangers(mode, turn)
	rest.Clone.Accounts = slices.DeleteFunc(rest.Clone.Accounts, func(a Account) bool {
		return p.Original.at(a.Name.Host) == nil && len(p.Depends[a.Name]) > 0
	})
	lacks, beyond := rest.Drift()
	return len(rest.Clone.Accounts) > 0 && len(lacks)+len(beyond) == 0
}
