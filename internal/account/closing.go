package account

import (
	"cmp"
	"fmt"
	"slices"

	"tandem/internal/redact"
	"tandem/internal/statement"
)

// What is in this file keeps promise 8: at no moment, whatever stops, may an account
// that can be logged in to do more than the account that it is made equal to; and nobody
// who knows the password of an adopted account gets what its original may do. What
// takes is sent before what gives. Where a server can give a thing only together with
// more, nobody can log in from before that until the password is set, the last of all:
// a clone is locked; an original, whose lock is its owner's, gets a password that
// nobody knows, as it is to get another one anyway.

// closable reports whether nobody can log in once the account's passwords are others.
func (p Pair) closable(a *Account) bool {
	for i, factor := range a.Factors {
		if !p.Server.settable(factor) && !p.Server.closed(factor) && (p.Server.Flavor == MariaDB || i == 0) {
			return false
		}
	}
	return true
}

// closeOriginal gives the original a password that nobody knows, until it gets its own.
func (p Pair) closeOriginal(plan *Plan, original *Account, throwaway func(plugin string) (redact.Secret, error)) error {
	if !p.closable(original) {
		return fmt.Errorf("%s gains a privilege that servers give only together with more (PROXY WITH GRANT OPTION gives GRANT OPTION on *.*, which comes without its partial revokes), and cannot be kept from being logged in to meanwhile, since it authenticates with %s: grant it by hand what its clone has beyond it, or identify it by its password plugin alone: %w",
			original.Name, p.Server.passwordless(original), ErrUnsupported)
	}
	credentials, err := p.credentials(original, len(p.Clear) > 0, throwaway)
	if err != nil {
		return fmt.Errorf("making a throwaway verifier for %s: %w", original.Name, err)
	}
	if p.Server.Flavor == MySQL {
		credentials = credentials[:1]
	}
	if !original.SecondPassword.Empty() {
		plan.add(discardStatement(original.Name), original.Name)
	}
	b := statement.New("ALTER USER ").Account(original.Name.User, original.Name.Host)
	writeCredentials(b, p.Server, credentials...)
	plan.add(b.Statement(), original.Name)
	return nil
}

// take adds what takes, of all accounts of a user: first where the host is least
// specific. A client's session also has the privileges on databases that were granted
// to the user at another host which matches its own, if there is no row for a host that
// matches more closely.
//
// Source: MySQL 8.4 Reference Manual, 8.2.7 "Access Control, Stage 2: Request Verification".
func (p *Plan) take(changes []*transformer) {
	for _, t := range changes {
		p.Steps = append(p.Steps, t.first...)
	}
	for _, t := range bySpecificity(changes) {
		p.Steps = append(p.Steps, t.takes...)
	}
}

// give adds what gives, in the opposite order, and returns what cannot be given.
func (p *Plan) give(changes []*transformer) (gone []string) {
	ordered := bySpecificity(changes)
	slices.Reverse(ordered)
	for _, t := range ordered {
		p.Steps = append(p.Steps, t.grants...)
		p.Steps = append(p.Steps, t.narrows...)
		gone = append(gone, t.gone...)
	}
	for _, t := range ordered {
		p.Steps = append(p.Steps, t.last...)
	}
	p.warnUnsettable(changes)
	return gone
}

func bySpecificity(changes []*transformer) []*transformer {
	ordered := slices.Clone(changes)
	slices.SortStableFunc(ordered, func(a, b *transformer) int {
		return cmp.Compare(specificity(a.name.Host), specificity(b.name.Host))
	})
	return ordered
}

// databasePatterns are the databases that accounts and their models have privileges
// on: one entry for each row of mysql.db that there is or is to be.
func databasePatterns(targets []target) []string {
	rows := map[Name]bool{} // of a host and a database
	for _, target := range targets {
		for _, account := range []*Account{target.have, target.model} {
			if account == nil {
				continue
			}
			for _, grant := range account.Grants.Objects {
				if grant.Object.Level == LevelDatabase {
					rows[Name{grant.Object.Database, account.Name.Host}] = true
				}
			}
		}
	}
	patterns := make([]string, 0, len(rows))
	for row := range rows {
		patterns = append(patterns, row.User)
	}
	slices.Sort(patterns)
	return patterns
}
