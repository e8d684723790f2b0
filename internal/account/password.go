package account

import (
	"fmt"
	"slices"
	"strings"

	"tandem/internal/redact"
	"tandem/internal/statement"
	"tandem/internal/warning"
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
// one: MariaDB is sent that, so that the password is in none of its logs, unless
// Clear says otherwise; and MySQL, which masks passwords in its logs, the password.
//
// Of an account's factors those change that are passwords; an account that has none
// is only made to have the same, and opened.
func (p Pair) Password(mode Mode, turn Turn, password redact.Secret,
	matches func(plugin string, stored, password redact.Secret) (bool, error),
	verifierOf func(plugin string, password redact.Secret) (redact.Secret, error),
) ([]statement.Statement, error) {
	targets, drop, toLock := p.targets(mode, turn)
	if err := p.refuse(mode, turn, targets, append(drop, toLock...)); err != nil {
		return nil, err
	}
	inClear := p.SendsPassword()
	var statements []statement.Statement
	var locked, open alterations
	for _, target := range targets {
		if target.have == nil {
			return nil, fmt.Errorf("%s does not exist: it has to be created before its password is set: %w", target.name, ErrNotFound)
		}
		set, err := p.done(target, password, matches)
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
		credentials, err := p.credentials(target.model, inClear, func(plugin string) (redact.Secret, error) {
			if inClear {
				return password, nil
			}
			return verifierOf(plugin, password)
		})
		if err != nil {
			return nil, fmt.Errorf("making a verifier for %s: %w", target.name, err)
		}
		if p.Server.Flavor == MySQL {
			credentials = credentials[:1] // the plan has seen to the others
		}
		writeCredentials(to.builder, p.Server, credentials...)
	}
	if discard := discard(targets); !discard.Empty() {
		statements = append(statements, discard)
	}
	if locked.builder != nil {
		statements = append(statements, locked.builder.Statement())
	}
	if open.builder != nil {
		statements = append(statements, open.builder.SQL(" ACCOUNT UNLOCK").Statement())
	}
	return statements, nil
}

// EndsPassword reports whether a rotation ends what somebody may log in with as the user
// whose turn it is: an account of it gets another password, is dropped or is locked.
// It ends none in a rotation that makes the user, nor where the password is set already or
// the accounts are locked, as an earlier try leaves those that it has made.
func (p Pair) EndsPassword(mode Mode, turn Turn, password redact.Secret, matches func(plugin string, stored, password redact.Secret) (bool, error)) (bool, error) {
	targets, drop, toLock := p.targets(mode, turn)
	if err := p.refuse(mode, turn, targets, append(drop, toLock...)); err != nil {
		return false, err
	}
	for _, target := range targets {
		if target.have == nil || target.have.Attributes.Locked {
			continue
		}
		if set, err := p.done(target, password, matches); err != nil || !set {
			return true, err
		}
	}
	return slices.ContainsFunc(append(drop, toLock...), func(a *Account) bool { return !a.Attributes.Locked }), nil
}

// SendsPassword reports whether the server is sent the password itself, and not a
// verifier of it.
func (p Pair) SendsPassword() bool { return p.Server.Flavor == MySQL || len(p.Clear) > 0 }

// ClearWarning tells that a password may come to stand in the server's logs in clear: since
// plugins of MariaDB's have to see it, or log_raw has MySQL mask none. It is none where it
// does not.
//
// Source: MySQL 8.4 Reference Manual, 8.1.2.3 "Passwords and Logging".
func ClearWarning(plugins []string, logRaw bool) []Warning {
	var why string
	switch {
	case len(plugins) > 0:
		why = fmt.Sprintf("the plugin %s has to see it (strict_password_validation is ON)", strings.Join(plugins, ", "))
	case logRaw:
		why = "log_raw is ON (SET GLOBAL log_raw = OFF, and likewise in the server's configuration, ends that)"
	default:
		return nil
	}
	return []Warning{{warning.ClearPasswordSent, "the server reads, and logs, the password in clear, since " + why + ": where the server has its general log on, the password is in it"}}
}

// alterations is an ALTER USER of several accounts.
type alterations struct {
	builder  *statement.Builder
	accounts int // how many there are
}

func (l *alterations) account(name Name) {
	l.accounts++
	if l.builder == nil {
		l.builder = statement.New("ALTER USER ")
	} else {
		l.builder.SQL(", ")
	}
	l.builder.Account(name.User, name.Host)
}

// done reports whether an account has the password already, and can log in with it;
// and what it has of other factors is the model's.
func (p Pair) done(target target, password redact.Secret, matches func(plugin string, stored, password redact.Secret) (bool, error)) (bool, error) {
	have, want := target.have.Factors, target.model.Factors
	if p.Server.Flavor == MySQL {
		have, want = have[:min(1, len(have))], want[:1]
	}
	if len(have) != len(want) {
		return false, nil
	}
	for i, factor := range want {
		if !p.Server.settable(factor) {
			if !sameFactor(have[i], factor) {
				return false, nil
			}
			continue
		}
		if target.have.Expired || !strings.EqualFold(have[i].Plugin, factor.Plugin) || have[i].Verifier.Empty() {
			return false, nil
		}
		if set, err := matches(factor.Plugin, have[i].Verifier, password); !set || err != nil {
			return false, err
		}
	}
	return true, nil
}

func discardStatement(names ...Name) statement.Statement {
	b := statement.New("ALTER USER ")
	for i, name := range names {
		if i > 0 {
			b.SQL(", ")
		}
		b.Account(name.User, name.Host).SQL(" DISCARD OLD PASSWORD")
	}
	return b.Statement()
}

// discard ends the second password (RETAIN CURRENT PASSWORD) of the accounts that get a
// new one: ALTER USER leaves it, so that whoever knows it could log in after any number
// of rotations.
//
// Source: MySQL 8.4 Reference Manual, 8.2.15 "Password Management", "Dual Password
// Support".
func discard(targets []target) statement.Statement {
	var names []Name
	for _, target := range targets {
		if target.have != nil && !target.have.SecondPassword.Empty() {
			names = append(names, target.name)
		}
	}
	if names == nil {
		return statement.Statement{}
	}
	return discardStatement(names...)
}
