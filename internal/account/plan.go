package account

import (
	"fmt"
	"sort"
	"strings"

	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/statement"
	"tandem/internal/warning"
)

// Mode is PRIVILEGE_SYNC: what a rotation copies beside the password.
type Mode string

// The modes.
const (
	Merge  Mode = "merge"  // the clone is an exact copy; the original gains what its clone has beyond it
	Mirror Mode = "mirror" // the clone is an exact copy; the original is not touched
	Off    Mode = "off"    // passwords only
)

// ParseMode reads a mode. The empty text is Merge.
func ParseMode(text string) (Mode, error) {
	switch mode := Mode(strings.ToLower(strings.TrimSpace(text))); mode {
	case "":
		return Merge, nil
	case Merge, Mirror, Off:
		return mode, nil
	}
	return "", failure.Errorf(failure.ConfigurationInvalid, "invalid PRIVILEGE_SYNC %q: use %s, %s or %s", text, Merge, Mirror, Off)
}

// Turn tells which of the two users gets the new password.
type Turn int

// The turns.
const (
	TurnOfClone Turn = iota
	TurnOfOriginal
)

// Warning is something that was done, or left, and that somebody should know.
type Warning struct {
	Type    string // one of those of package warning
	Message string
}

// Pair is an original and its clone, as the server describes them, and what else decides.
type Pair struct {
	Server          Server
	Original, Clone User
	// Known: some version of the secret names the clone, or this rotation made it.
	// Where it is false, a clone that exists is somebody else's, and is adopted.
	Known bool
	// GrantedTo are the accounts to which one of the clone's accounts is granted as a role.
	GrantedTo []Name
	// Depends tells, for an account of the clone at a host at which the original has
	// none, what on the server is defined by it or granted to it, in words.
	Depends map[Name][]string
	// Login is the CURRENT_USER() of the current credentials' session, and From the
	// host in its USER(): by them Plan finds the account through which the new
	// credentials will log in. A zero Login leaves that account unchecked.
	Login Name
	From  string
	// AdminDynamic are the dynamic privileges of the admin; nil where they are not known.
	AdminDynamic map[string]bool
	// Roles is what else is known of the roles that the accounts name.
	Roles RoleFacts
	// Clear are the password validation plugins of a MariaDB that is sent passwords
	// in clear, since it refuses verifiers for their sake; none where it takes them.
	Clear []string
	// Absent are the objects that were found gone.
	Absent Absences
	// ProxiesDenied are the accounts on which the admin can pass no PROXY on.
	ProxiesDenied *ProxiesDenied
}

// Plan is what has to be sent before the password.
type Plan struct {
	// Steps are in an order that is safe to die in. There are none where nothing differs.
	Steps    []Step
	Warnings []Warning
}

// Statements are the statements of the steps.
func (p Plan) Statements() []statement.Statement {
	out := make([]statement.Statement, len(p.Steps))
	for i, step := range p.Steps {
		out[i] = step.Statement
	}
	return out
}

// Longest list in a message, in items.
const longestList = 20

// StatementList lists the statements, masked, in one line: what still differs, where
// nothing should any more.
func (p Plan) StatementList() string {
	if len(p.Steps) == 0 {
		return "nothing differs"
	}
	var texts []string
	for _, step := range p.Steps {
		texts = append(texts, step.Statement.String())
	}
	return enumerate(texts, "; ")
}

func enumerate(texts []string, separator string) string {
	if len(texts) <= longestList {
		return strings.Join(texts, separator)
	}
	return fmt.Sprintf("%s%sand %d more", strings.Join(texts[:longestList], separator), separator, len(texts)-longestList)
}

// target is an account of the user whose turn it is, and what it must be.
type target struct {
	name   Name
	have   *Account // nil where it is to be created
	model  *Account // the account that it is to equal, itself where only the password changes
	reason string   // why a model at another host was taken
}

// targets lists the accounts of the user whose turn it is: those to be made equal to
// a model, those to be dropped, and those that stay without one, locked.
func (p Pair) targets(mode Mode, turn Turn) (targets []target, drop, toLock []*Account) {
	if turn == TurnOfOriginal || mode == Off {
		user := p.Original
		if turn == TurnOfClone {
			user = p.Clone
		}
		for i := range user.Accounts {
			account := &user.Accounts[i]
			targets = append(targets, target{name: account.Name, have: account, model: account})
		}
		return targets, nil, nil
	}
	for i := range p.Original.Accounts {
		model := &p.Original.Accounts[i]
		targets = append(targets, target{name: Name{p.Clone.Name, model.Name.Host}, have: p.Clone.at(model.Name.Host), model: model})
	}
	kept, drop, toLock := p.lostHosts()
	return append(targets, kept...), drop, toLock
}

// Plan compares, and writes what has to be sent before the password. An error means
// that nothing may be changed. throwaway makes a verifier of a password that nobody
// knows, for an account that is to be created.
//
// After the steps were sent, the caller reads both users again, and plans again: then
// nothing may be left.
func (p Pair) Plan(mode Mode, turn Turn, throwaway func(plugin string) (redact.Secret, error)) (Plan, error) {
	warnings := proxiesOnUsers(p.Original, p.Clone)
	if mode != Off {
		var leftOut []Warning
		p, leftOut = p.withoutStrangers(mode, turn)
		warnings = append(warnings, leftOut...)
	}
	plan, err := p.plan(mode, turn, throwaway)
	if err != nil {
		return Plan{}, err
	}
	plan.Warnings = append(plan.Warnings, warnings...)
	return plan, nil
}

func (p Pair) plan(mode Mode, turn Turn, throwaway func(plugin string) (redact.Secret, error)) (Plan, error) {
	targets, drop, toLock := p.targets(mode, turn)
	if err := p.refuse(mode, turn, targets, append(drop[:len(drop):len(drop)], toLock...)); err != nil {
		return Plan{}, err
	}
	switch {
	case mode == Off:
		return Plan{}, nil
	case turn == TurnOfOriginal:
		return p.planOriginal(mode, throwaway)
	}

	var plan Plan
	var taken []string
	var changes []*transformer
	patterns := databasePatterns(targets)
	differences := p.changesOfClone(targets, drop)
	crossed := p.crossed(differences)
	grantees := granteesOf(differences, drop)
	var open []*Account
	lends := false
	for _, target := range targets {
		have := Account{Name: target.name}
		want := p.attributes(target)
		if target.have == nil || target.have.ExpiryHidden || p.pluginFirst(target, want) {
			credentials, err := p.credentials(target.model, len(p.Clear) > 0, throwaway)
			if err != nil {
				return Plan{}, fmt.Errorf("making a throwaway verifier for %s: %w", target.name, err)
			}
			if target.have == nil {
				plan.add(createStatement(p.Server, target.name, credentials, want), target.name)
				have.Factors = target.model.Factors
			} else {
				// Nobody can do anything through an expired account; and MySQL does not
				// tell its policy until it has another password.
				have = *target.have
				_ = plan.forgetInterval(p.Server, target.name, Expiry{Kind: ExpireInterval}, want.Expiry)
				plan.add(p.reset(have, credentials[0], want), target.name)
			}
			have.Attributes.Locked = true
		} else {
			have = *target.have
			if plan.forgetInterval(p.Server, target.name, have.Attributes.Expiry, want.Expiry) {
				have.Attributes.Locked = true
			}
			if alter := p.alter(have.Name, have.Attributes, want); !alter.Empty() {
				plan.add(alter, target.name)
			}
		}
		p.furtherFactors(&plan, &have, target.model)
		if target.have != nil {
			taken = append(taken, texts(missingFrom(have.Grants, target.model.Grants))...)
		}
		if target.reason != "" {
			plan.warn(warning.DefinerKept, "%s was kept, though %s has no account at its host, since something depends on it (%s); it was made equal to %s", target.name, p.Original.Name, target.reason, target.model.Name)
		}
		t := &transformer{server: p.Server, name: target.name, absent: &p.Absent, roles: p.Roles, as: target.model.Name, patterns: patterns, crossed: crossed[target.name], grantees: grantees, lendable: true}
		t.steps(have.Grants, target.model.Grants)
		lends = lends || t.lends
		// Of an account that is adopted somebody else knows the password.
		adopted := !p.Known && target.have != nil && len(t.grants) > 0
		switch closing := t.closing || t.lends || adopted; {
		case have.Attributes.Locked || target.model.Attributes.Locked:
		case closing:
			plan.add(lockStatement(target.name), target.name)
		default:
			open = append(open, target.have)
		}
		changes = append(changes, t)
	}
	if lends {
		for _, account := range open {
			plan.add(lockStatement(account.Name), account.Name)
		}
	}
	for _, account := range toLock {
		if !account.Attributes.Locked {
			plan.add(lockStatement(account.Name), account.Name)
		}
		plan.warn(warning.DefinerKept, "%s was kept, though no account of %s lets in the clients of its host, since something depends on it (%s); it is locked", account.Name, p.Original.Name, enumerate(p.Depends[account.Name], ", "))
	}
	for _, account := range drop {
		t := &transformer{server: p.Server, name: account.Name, crossed: crossed[account.Name]}
		_ = t.uncross(account.Grants)
		changes = append(changes, t)
	}
	plan.take(changes)
	for _, account := range drop {
		plan.add(statement.New("DROP USER ").Account(account.Name.User, account.Name.Host).Statement(), account.Name)
		taken = append(taken, "the account "+account.Name.String())
		plan.warn(warning.HostDropped, "%s was dropped, since %s has no account at its host", account.Name, p.Original.Name)
	}
	gone := plan.give(changes)
	if len(gone) > 0 {
		plan.warn(warning.ObjectGone, "not copied, since what it is on is gone: %s", enumerate(unique(gone), ", "))
	}
	plan.warnOfLocked(changes)
	if !p.Known && len(p.Clone.Accounts) > 0 {
		text := "it had no privileges that its original lacks"
		if len(taken) > 0 {
			text = "taken from it: " + enumerate(unique(taken), ", ")
		}
		plan.warn(warning.Adopted, "%s existed already and was taken as the clone of %s; %s", p.Clone.Name, p.Original.Name, text)
	}
	return plan, nil
}

// warnOfLocked says what was left out, as another session has locked its table. Whoever may
// create a table may lock it, and grant on it to anybody.
func (p *Plan) warnOfLocked(changes []*transformer) {
	var privileges, revokes []string
	for _, t := range changes {
		for _, locked := range t.locked {
			privileges, revokes = append(privileges, locked.privilege), append(revokes, locked.revoke.String())
		}
	}
	if len(privileges) > 0 {
		p.warn(warning.TableLocked, "not copied, since another session has locked the table: %s; rotate again when it is unlocked, or, if nobody meant to give that privilege, end it by: %s",
			enumerate(unique(privileges), ", "), enumerate(unique(revokes), "; "))
	}
}

// WarningsOfLocks are the plan's warnings of what a lock keeps from being copied, and the
// others.
func (p Plan) WarningsOfLocks() (others, locks []Warning) {
	for _, one := range p.Warnings {
		if one.Type == warning.TableLocked {
			locks = append(locks, one)
		} else {
			others = append(others, one)
		}
	}
	return others, locks
}

// changesOfClone are what the clone's accounts have and must have, those among them that
// are to be dropped.
func (p Pair) changesOfClone(targets []target, drop []*Account) []change {
	var out []change
	for _, target := range targets {
		one := change{name: target.name, want: target.model.Grants}
		if target.have != nil {
			one.have = target.have.Grants
		}
		out = append(out, one)
	}
	for _, account := range drop {
		out = append(out, change{account.Name, account.Grants, account.Grants})
	}
	return out
}

func (p *Plan) add(s statement.Statement, name Name) {
	p.Steps = append(p.Steps, Step{Statement: s, Account: name, needs: altering})
}

// forgetInterval makes PASSWORD EXPIRE DEFAULT work for an account that has an
// interval of its own: MySQL writes it to mysql.user, but keeps the interval in
// memory, unless the policy was NEVER before (tried on MySQL 9.7). It locks the account:
// until the next statement a password that has expired would let somebody in.
func (p *Plan) forgetInterval(server Server, name Name, have, want Expiry) (locked bool) {
	if server.Flavor != MySQL || have.Kind != ExpireInterval || want.Kind != ExpireDefault {
		return false
	}
	b := statement.New("ALTER USER ").Account(name.User, name.Host)
	writeExpiry(b, Expiry{Kind: ExpireNever})
	p.add(b.SQL(" ACCOUNT LOCK").Statement(), name)
	return true
}

func (p *Plan) warn(kind, format string, arguments ...any) {
	p.Warnings = append(p.Warnings, Warning{kind, fmt.Sprintf(format, arguments...)})
}

func unique(texts []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, text := range texts {
		if !seen[text] {
			seen[text] = true
			out = append(out, text)
		}
	}
	sort.Strings(out)
	return out
}

// attributes are what a target's must be: its model's, but for those that nothing
// follows from. Of a password that MySQL does not keep it refuses to say when it
// expires (error 3671), and ignores what is said of its history.
func (p Pair) attributes(target target) Attributes {
	want := target.model.Attributes
	if p.Server.Flavor == MySQL && !keepsPassword(*target.model) {
		var have Attributes
		if target.have != nil {
			have = target.have.Attributes
		}
		want.Expiry, want.History, want.ReuseInterval = have.Expiry, have.History, have.ReuseInterval
	}
	return want
}

// keepsPassword reports whether MySQL keeps a password for an account: it looks at
// the first factor.
func keepsPassword(a Account) bool {
	return len(a.Factors) > 0 && passwordPlugins[MySQL][strings.ToLower(a.Factors[0].Plugin)]
}

// pluginFirst reports whether an account has to have its model's plugin before it
// can have its model's attributes.
func (p Pair) pluginFirst(target target, want Attributes) bool {
	have := target.have.Attributes
	return p.Server.Flavor == MySQL && !keepsPassword(*target.have) &&
		(have.Expiry != want.Expiry || have.History != want.History || have.ReuseInterval != want.ReuseInterval)
}

// alter writes the statement that makes an account's attributes what they must be,
// the empty one where they are. An account that must be open, and is not, stays
// closed until its password is set.
func (p Pair) alter(name Name, have, want Attributes) statement.Statement {
	if have.Locked {
		want.Locked = true
	}
	if have == want {
		return statement.Statement{}
	}
	b := statement.New("ALTER USER ").Account(name.User, name.Host)
	writeAttributes(b, p.Server, have, want)
	return b.Statement()
}

// reset locks an account, and gives it a password that nobody knows, with all attributes.
func (p Pair) reset(have Account, first credential, want Attributes) statement.Statement {
	b := statement.New("ALTER USER ").Account(have.Name.User, have.Name.Host)
	writeCredentials(b, p.Server, first)
	from := have.Attributes
	want.Locked, from.Locked = true, false
	from.Expiry = want.Expiry
	if want.Expiry == (Expiry{}) {
		from.Expiry.Kind = ExpireNever // DEFAULT has to be said too
	} else {
		from.Expiry = Expiry{}
	}
	writeAttributes(b, p.Server, from, want)
	return b.Statement()
}

// planOriginal plans the turn of the original, whose attributes and privileges are
// its owner's: it loses nothing, and gains what its clone has beyond it in Merge.
func (p Pair) planOriginal(mode Mode, throwaway func(plugin string) (redact.Secret, error)) (Plan, error) {
	var plan Plan
	var more []string
	var changes []*transformer
	differences := p.changesOfOriginal(mode)
	crossed := p.crossed(differences)
	grantees := granteesOf(differences, nil)
	for i := range p.Original.Accounts {
		original := &p.Original.Accounts[i]
		clone := p.Clone.at(original.Name.Host)
		if clone == nil {
			if crossed[original.Name] != nil {
				t := &transformer{server: p.Server, name: original.Name, crossed: crossed[original.Name]}
				t.steps(original.Grants, original.Grants)
				changes = append(changes, t)
			}
			continue
		}
		beyond := texts(append(missingFrom(clone.Grants, original.Grants), restrictedIn(clone.Grants, original.Grants)...))
		if len(beyond) == 0 && crossed[original.Name] == nil {
			continue
		}
		if mode == Mirror {
			more = append(more, beyond...)
			continue
		}
		gained := p.gained(original, clone)
		beyond = texts(append(missingFrom(gained, original.Grants), restrictedIn(clone.Grants, original.Grants)...))
		t := &transformer{server: p.Server, name: original.Name, absent: &p.Absent, roles: p.Roles, as: clone.Name, patterns: databasePatterns([]target{{have: original, model: clone}}),
			crossed: crossed[original.Name], grantees: grantees, open: !original.Attributes.Locked && !p.closable(original)}
		t.steps(original.Grants, gained)
		if (t.closing || t.lends) && !original.Attributes.Locked {
			if err := p.closeOriginal(&plan, original, throwaway); err != nil {
				return Plan{}, err
			}
		}
		changes = append(changes, t)
		if len(beyond) == 0 || len(t.takes)+len(t.grants)+len(t.narrows)+len(t.last) == 0 {
			continue
		}
		plan.warn(warning.PrivilegeTakenBack, "%s gained what its clone had beyond it: %s; to take it from both: %s",
			original.Name, enumerate(unique(beyond), ", "), enumerate(append(p.takeBack(original, clone), p.takeRolesBack(original, clone, gained)...), "; "))
	}
	if len(more) > 0 {
		plan.warn(warning.CloneHasMore, "%s has privileges that %s lacks, and the next rotation takes them away: %s", p.Clone.Name, p.Original.Name, enumerate(unique(more), ", "))
	}
	plan.take(changes)
	if gone := plan.give(changes); len(gone) > 0 {
		plan.warn(warning.ObjectGone, "not copied, since what it is on is gone: %s", enumerate(unique(gone), ", "))
	}
	plan.warnOfLocked(changes)
	return plan, nil
}

// gained is what an account of the original has after its turn in Merge.
func (p Pair) gained(original, clone *Account) Grants {
	gained := union(original.Grants, clone.Grants)
	gained.Roles, gained.DefaultRoles = p.unionRoles(original.Name, original.Grants, clone.Grants)
	return gained
}

// changesOfOriginal are what the original's accounts have and must have.
func (p Pair) changesOfOriginal(mode Mode) []change {
	if mode != Merge {
		return nil
	}
	var out []change
	for i := range p.Original.Accounts {
		original := &p.Original.Accounts[i]
		one := change{original.Name, original.Grants, original.Grants}
		if clone := p.Clone.at(original.Name.Host); clone != nil {
			one.want = p.gained(original, clone)
		}
		out = append(out, one)
	}
	return out
}

// takeBack writes the REVOKE statements that take from both what the original gained from the clone.
func (p Pair) takeBack(original, clone *Account) []string {
	var out []string
	index := original.Grants.index()
	for _, grant := range clone.Grants.Objects {
		had, known := original.Grants.lookup(index, grant.Object)
		t := transformer{server: p.Server}
		extra, columns := t.excess(grant, had)
		if grant.Object.Level == LevelProxy {
			if !known {
				out = append(out, revokeStatement(grant.Object, nil, nil, original.Name, clone.Name).String())
			}
			continue
		}
		for _, list := range together(grant.Object, extra, columns, grant.Grantable && !had.Grantable) {
			out = append(out, revokeStatement(grant.Object, list.privileges, list.columns, original.Name, clone.Name).String())
		}
	}
	had := map[string]bool{}
	for _, d := range original.Grants.Dynamic {
		had[d.Privilege] = true
	}
	var dynamic []string
	for _, d := range clone.Grants.Dynamic {
		if !had[d.Privilege] {
			dynamic = append(dynamic, d.Privilege)
		}
	}
	if len(dynamic) > 0 {
		out = append(out, revokeStatement(Object{}, dynamic, nil, original.Name, clone.Name).String())
	}
	global, _ := original.Grants.lookup(index, Object{})
	for _, restriction := range original.Grants.Restrictions {
		object := Object{Level: LevelDatabase, Database: restriction.Database}
		var lifted []string
		for _, privilege := range restriction.Privileges {
			if global.restricting(privilege) && !clone.Grants.restrictions()[restriction.Database][privilege] {
				lifted = append(lifted, privilege)
			}
		}
		if len(lifted) > 0 {
			out = append(out, revokeStatement(object, lifted, nil, original.Name, clone.Name).String())
		}
	}
	return out
}
