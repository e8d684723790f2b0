package account

import (
	"fmt"

	"tandem/internal/redact"
	"tandem/internal/statement"
)

// Password writes the statements that set the password, and open the accounts that
// are to be open: the last thing of a rotation, so that nobody logs in through an
// account that is half made. There are none where every account's stored verifier
// is the password's already, and its lock what it must be: sending the same password
// again fails under PASSWORD HISTORY.
//
// Accounts that stay locked come first, in a statement of their own, since ACCOUNT
// UNLOCK goes for every account of its statement.
//
// matches tells whether a stored verifier is the password's, and verifierOf makes
// one: MariaDB is sent that, so that the password is in none of its logs, and MySQL,
// which masks passwords in its logs, the password.
func (p Pair) Password(mode Mode, turn Turn, password redact.Secret,
	matches func(plugin string, stored, password redact.Secret) (bool, error),
	verifierOf func(plugin string, password redact.Secret) (redact.Secret, error),
) ([]statement.Statement, error) {
	targets, drop, idle := p.targets(mode, turn)
	if err := p.refuse(mode, turn, targets, append(drop, idle...)); err != nil {
		return nil, err
	}
	var statements []statement.Statement
	var locked, open alterations
	for _, target := range targets {
		if target.have == nil {
			return nil, fmt.Errorf("%s does not exist: it has to be created before its password is set: %w", target.name, ErrNotFound)
		}
		plugin := target.model.Factors[0].Plugin
		set, err := done(target, plugin, password, matches)
		if err != nil {
			return nil, fmt.Errorf("comparing the stored verifier of %s: %w", target.name, err)
		}
		to := &open
		if target.model.Attributes.Locked {
			to = &locked
			if set {
				continue
			}
		} else if set && !target.have.Attributes.Locked {
			continue
		}
		to.account(target.name)
		if set {
			continue // it only has to be opened
		}
		if p.Server.Flavor == MariaDB {
			verifier, err := verifierOf(plugin, password)
			if err != nil {
				return nil, fmt.Errorf("making a verifier for %s: %w", target.name, err)
			}
			to.builder.SQL(" IDENTIFIED VIA ").Identifier(plugin).SQL(" USING ").Secret(verifier)
		} else {
			to.builder.SQL(" IDENTIFIED WITH ").Literal(plugin).SQL(" BY ").Secret(password)
		}
	}
	if locked.builder != nil || open.builder != nil {
		if discard := p.discard(mode, turn, targets); !discard.Empty() {
			statements = append(statements, discard)
		}
	}
	if locked.builder != nil {
		statements = append(statements, locked.builder.Statement())
	}
	if open.builder != nil {
		statements = append(statements, open.builder.SQL(" ACCOUNT UNLOCK").Statement())
	}
	return statements, nil
}

// alterations is an ALTER USER of several accounts.
type alterations struct{ builder *statement.Builder }

func (l *alterations) account(name Name) {
	if l.builder == nil {
		l.builder = statement.New("ALTER USER ")
	} else {
		l.builder.SQL(", ")
	}
	l.builder.Account(name.User, name.Host)
}

// done reports whether an account has the password already, and can log in with it.
func done(target target, plugin string, password redact.Secret, matches func(plugin string, stored, password redact.Secret) (bool, error)) (bool, error) {
	have := target.have
	if have.Expired || len(have.Factors) != 1 || have.Factors[0].Plugin != plugin || have.Factors[0].Verifier.Empty() {
		return false, nil
	}
	return matches(plugin, have.Factors[0].Verifier, password)
}

// discard takes the second password (RETAIN CURRENT PASSWORD) from a clone: it is
// no copy of anything, and whoever knows it could log in.
//
// Source: MySQL 8.4 Reference Manual, 8.2.15 "Password Management", "Dual Password
// Support".
func (p Pair) discard(mode Mode, turn Turn, targets []target) statement.Statement {
	if turn != TurnOfClone || mode == Off {
		return statement.Statement{}
	}
	var b *statement.Builder
	for _, target := range targets {
		if target.have == nil || !target.have.SecondPassword {
			continue
		}
		if b == nil {
			b = statement.New("ALTER USER ")
		} else {
			b.SQL(", ")
		}
		b.Account(target.name.User, target.name.Host).SQL(" DISCARD OLD PASSWORD")
	}
	if b == nil {
		return statement.Statement{}
	}
	return b.Statement()
}
