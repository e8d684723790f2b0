package account

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"tandem/internal/statement"
)

// Step is one statement, and what it concerns.
type Step struct {
	Statement statement.Statement
	Account   Name
	Object    Object
	Columns   []Column // the column privileges that it grants

	needs needs
	// creates: CREATE is among what is granted for the sake of the others, since the
	// table is gone.
	creates bool
	// restrictions are the partial revokes that the account has before the plan.
	restrictions []Restriction
}

func granting(to Name, object Object, privileges []string, columns []Column, grantable bool) Step {
	return Step{Statement: grantStatement(to, object, privileges, columns, grantable), Account: to, Object: object, Columns: columns, needs: needs{object: object, privileges: privileges, columns: columns, option: grantable}}
}

// grantingAs grants privileges on *.* with the partial revokes of another account.
func grantingAs(to Name, privileges []string, grantable bool, as Name) Step {
	return Step{Statement: grantAsStatement(to, privileges, grantable, as), Account: to, needs: needs{privileges: privileges, option: grantable}}
}

func revoking(object Object, privileges []string, columns []Column, from Name) Step {
	return Step{Statement: revokeStatement(object, privileges, columns, from), Account: from, Object: object, needs: needs{object: object, privileges: privileges, columns: columns, taking: true}}
}

// transformer writes the statements that turn what an account has into what it must
// have. They are sent in this order: first, takes, grants, narrows. So an account that can
// be logged in to loses what it must not have before it gets anything, whatever
// stops in between, and never gets more than it must have.
type transformer struct {
	server Server
	name   Name
	absent *Absences
	roles  RoleFacts
	// as is the account whose partial revokes the account must have: the one that a
	// global privilege which is missing comes from.
	as Name
	// patterns are the databases' names that have rows in mysql.db, of every account
	// of the user, as it is and as it must be.
	patterns []string

	// crossed is what the account loses before anything is sent for any account of the
	// user, by database.
	crossed map[string][]string

	first  []Step
	takes  []Step
	grants []Step
	// narrows take what a grant gives beside what was meant. Where there are any,
	// nobody may log in through the account from before the grants until its password
	// is set: see closing.
	narrows []Step
	closing bool
	// last is sent when every account of the user has what it must have.
	last []Step
	// grantees are where the user's roles are granted; lendable: an account may be
	// granted one for a moment, while no account of the user can be logged in to (lends).
	grantees   grantees
	lendable   bool
	lends      bool
	unsettable []string // default roles that cannot be set
	// open: the account cannot be kept from being logged in to.
	open bool
	gone []string // what cannot be granted, since its object is gone
	// locked is what is not granted, since another session has locked its table.
	locked []locked
}

func (t *transformer) grant(object Object, privileges []string, columns []Column, grantable bool) {
	t.grants = append(t.grants, granting(t.name, object, privileges, columns, grantable))
}

func (t *transformer) take(object Object, privileges []string, columns []Column) {
	t.takes = append(t.takes, revoking(object, privileges, columns, t.name))
}

// steps writes what has to be sent.
func (t *transformer) steps(have, want Grants) {
	have = t.uncross(have)
	had := have.index()
	wanted := want.index()
	haveGlobal, _ := have.lookup(had, Object{})
	wantGlobal, _ := want.lookup(wanted, Object{})

	t.defaultRoles(have, want)
	again := t.dynamic(have.Dynamic, want.Dynamic)
	t.global(have, want, haveGlobal, wantGlobal)
	t.grantAgain(&t.takes, again, false)
	if haveGlobal.Grantable && !wantGlobal.Grantable {
		t.grantAgain(&t.takes, grantable(have.Dynamic, want.Dynamic), true)
	}
	t.lift(have, want, haveGlobal, wantGlobal)
	t.databases(have, want, had, wanted, haveGlobal)
	for _, level := range []Level{LevelTable, LevelRoutine} {
		for _, grant := range want.Objects {
			if grant.Object.Level == level {
				old, _ := have.lookup(had, grant.Object)
				t.object(old, grant)
			}
		}
	}
	t.proxies(have, want, had, wantGlobal)
	for _, old := range have.Objects {
		if _, kept := want.lookup(wanted, old.Object); kept || old.Object.Level == LevelGlobal || old.Object.Level == LevelDatabase {
			continue
		}
		if old.Object.Level == LevelProxy {
			t.take(old.Object, nil, nil)
		} else {
			t.object(old, Grant{Object: old.Object})
		}
	}
	t.takeRoles(have, want)
	t.takes = append(t.takes, t.restrict(have, want, haveGlobal)...)
	t.restrictOption(have, want, haveGlobal, wantGlobal)
	for _, steps := range [][]Step{t.first, t.takes, t.grants, t.narrows, t.last} {
		for i := range steps {
			steps[i].restrictions = have.Restrictions
		}
	}
}

// global handles the static privileges on *.*. Those that come with a partial revoke
// are granted in the context of the account that they come from, so that there is
// no moment in which they hold without it.
//
// Source: MySQL 8.4 Reference Manual, 15.7.1.6 "GRANT Statement", "AS user".
func (t *transformer) global(have, want Grants, haveGlobal, wantGlobal Grant) {
	before := len(t.grants)
	t.object(haveGlobal, wantGlobal)
	if len(t.grants) == before {
		return
	}
	missing, _ := lacking(haveGlobal, wantGlobal)
	for _, restriction := range want.Restrictions {
		for _, privilege := range restriction.Privileges {
			if contains(missing, privilege) || contains(missing, AllPrivileges) || privilege == GrantOption && wantGlobal.Grantable && !haveGlobal.Grantable {
				t.grants[before] = grantingAs(t.name, missing, wantGlobal.Grantable && !haveGlobal.Grantable, t.as)
				return
			}
		}
	}
}

// databases handles the privileges on databases. Of the rows whose pattern matches a
// database a server takes the most specific one alone, so that a row which comes may
// hide another, and one which goes may uncover it: the least specific row loses first,
// and gains last.
//
// Source: MySQL 8.4 Reference Manual, 8.2.7 "Access Control, Stage 2: Request
// Verification"; MariaDB, "GRANT", "Database Privileges".
func (t *transformer) databases(have, want Grants, had, wanted map[Object]int, haveGlobal Grant) {
	var objects []Object
	for _, grant := range want.Objects {
		objects = append(objects, grant.Object)
	}
	for _, grant := range have.Objects {
		if _, kept := want.lookup(wanted, grant.Object); !kept {
			objects = append(objects, grant.Object)
		}
	}
	objects = slices.DeleteFunc(objects, func(o Object) bool { return o.Level != LevelDatabase })
	slices.SortStableFunc(objects, func(a, b Object) int { return cmp.Compare(literalPart(a.Database), literalPart(b.Database)) })
	type gain struct {
		literal int
		steps   []Step
	}
	var gains []gain
	rest := t.grants
	for _, object := range objects {
		t.grants = nil
		old, _ := have.lookup(had, object)
		grant, _ := want.lookup(wanted, object)
		leftBehind := have.leftBehind(object.Database, haveGlobal)
		if t.emptied(old, grant) && t.hides(object) {
			// Between a REVOKE and a GRANT there would be no row, and a wider one would hold;
			// and what the row gains now may hold where a narrower one is still to come.
			t.closing = true
			missing, _ := lacking(old, grant)
			t.takes = append(t.takes, t.twice(granting(t.name, object, missing, nil, grant.Grantable && !old.Grantable), leftBehind)...)
			old.Privileges = append(old.Privileges[:len(old.Privileges):len(old.Privileges)], missing...)
			old.Grantable = old.Grantable || grant.Grantable
		}
		t.object(old, grant)
		var steps []Step
		for _, step := range t.grants {
			steps = append(steps, t.twice(step, leftBehind)...)
		}
		gains = append(gains, gain{literalPart(object.Database), steps})
	}
	slices.SortStableFunc(gains, func(a, b gain) int { return cmp.Compare(b.literal, a.literal) })
	t.grants = rest
	for _, one := range gains {
		t.grants = append(t.grants, one.steps...)
	}
}

// emptied reports whether a row has nothing left between what it loses and what it gains.
func (t *transformer) emptied(have, want Grant) bool {
	if len(have.Privileges) == 0 && !have.Grantable || len(want.Privileges) == 0 && !want.Grantable {
		return false
	}
	if contains(have.Privileges, AllPrivileges) || contains(want.Privileges, AllPrivileges) {
		return false // each of the two holds a part of the other
	}
	return len(common(have.Privileges, want.Privileges)) == 0 && !(have.Grantable && want.Grantable)
}

// hides reports whether another row of the user's may hold where this one goes.
func (t *transformer) hides(object Object) bool {
	rows := 0
	for _, pattern := range t.patterns {
		if pattern == object.Database || matchesDatabase(pattern, object.Database, true) {
			rows++
		}
	}
	return rows > 1
}

// literalPart is how much of a pattern stands before its first wildcard: the more,
// the more specific it is to servers.
func literalPart(pattern string) int {
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '%', '_':
			return i
		}
	}
	return 1 << 20
}

// proxies handles PROXY. GRANT PROXY ... WITH GRANT OPTION gives GRANT OPTION on
// *.* too, on every server (tried): where that is not meant, it is taken away again.
func (t *transformer) proxies(have, want Grants, had map[Object]int, wantGlobal Grant) {
	leaks := false
	for _, grant := range want.Objects {
		if grant.Object.Level != LevelProxy {
			continue
		}
		old, known := have.lookup(had, grant.Object)
		if known && old.Grantable == grant.Grantable {
			continue
		}
		if known && t.server.Flavor == MariaDB {
			// MariaDB changes the option of a PROXY privilege in memory only (tried on
			// 10.5), so that it has to be granted anew.
			t.grants = append(t.grants, revoking(grant.Object, nil, nil, t.name))
		}
		t.grant(grant.Object, nil, nil, grant.Grantable)
		leaks = leaks || grant.Grantable && !wantGlobal.Grantable
	}
	if leaks {
		t.closing = true
		t.narrows = append(t.narrows, revoking(Object{}, []string{GrantOption}, nil, t.name))
		t.grantAgain(&t.narrows, grantable(want.Dynamic, want.Dynamic), true)
	}
}

// dynamic handles MySQL's dynamic privileges, and returns those that have to be
// granted once more without their GRANT OPTION: that can be added, but goes only
// with the privilege.
func (t *transformer) dynamic(have, want []Dynamic) (again []string) {
	had := make(map[string]bool, len(have))
	for _, d := range have {
		had[d.Privilege] = d.Grantable
	}
	wanted := make(map[string]bool, len(want))
	var plain, grantable, extra []string
	for _, d := range want {
		wanted[d.Privilege] = true
		old, ok := had[d.Privilege]
		switch {
		case ok && old == d.Grantable:
		case d.Grantable:
			grantable = append(grantable, d.Privilege)
		case ok:
			again = append(again, d.Privilege)
		default:
			plain = append(plain, d.Privilege)
		}
	}
	for _, d := range have {
		if !wanted[d.Privilege] {
			extra = append(extra, d.Privilege)
		}
	}
	if len(plain) > 0 {
		t.grant(Object{}, plain, nil, false)
	}
	if len(grantable) > 0 {
		t.grant(Object{}, grantable, nil, true)
	}
	if extra = append(extra, again...); len(extra) > 0 {
		t.take(Object{}, extra, nil)
	}
	return again
}

// grantAgain grants dynamic privileges behind the revokes on *.*.
//
// REVOKE GRANT OPTION ON *.* takes the GRANT OPTION of every dynamic privilege in
// mysql.global_grants, but not in the server's memory, so that SHOW GRANTS tells
// nothing of it before the next start (tried on MySQL 9.7).
func (t *transformer) grantAgain(to *[]Step, privileges []string, grantable bool) {
	if len(privileges) > 0 {
		*to = append(*to, granting(t.name, Object{}, privileges, nil, grantable))
	}
}

// grantable are the dynamic privileges that both have with GRANT OPTION.
func grantable(have, want []Dynamic) (privileges []string) {
	for _, d := range want {
		if d.Grantable && slices.Contains(have, d) {
			privileges = append(privileges, d.Privilege)
		}
	}
	return privileges
}

// object handles one object. have and want are what the account has on it and must have.
func (t *transformer) object(have, want Grant) {
	object := want.Object
	if object.Level == LevelRoutine && t.absent.object(object) {
		if missing, _ := lacking(have, want); len(missing) > 0 || want.Grantable && !have.Grantable {
			t.gone = append(t.gone, texts(list(want))...)
		}
		want = Grant{Object: object, Privileges: common(have.Privileges, want.Privileges), Grantable: have.Grantable && want.Grantable}
	}
	missing, columns := lacking(have, want)
	extra, extraColumns := t.excess(have, want)
	if contains(have.Privileges, AllPrivileges) && !contains(want.Privileges, AllPrivileges) {
		columns = want.Columns
	}
	columns = t.present(object, columns)

	// REVOKE of a privilege on a table takes it from the columns too (tried on every
	// server), so that columns that must keep it are granted once more behind it.
	var again []Column
	if len(extra) > 0 && len(want.Columns) > 0 {
		taken := set(extra)
		kept := columns[:0:0]
		for _, column := range columns {
			if !taken[column.Privilege] {
				kept = append(kept, column)
			}
		}
		columns = kept
		for _, column := range want.Columns {
			if taken[column.Privilege] {
				again = append(again, column)
			}
		}
		again = t.present(object, again)
	}

	grantable := want.Grantable && !have.Grantable
	creates, viaCreate := false, false
	if object.Level == LevelTable && (t.absent.object(object) || t.absent.isLockedWhole(object)) && (len(missing) > 0 || grantable) {
		// A GRANT that has CREATE among its privileges does not look for the table.
		if !contains(missing, "CREATE") && !contains(missing, AllPrivileges) {
			missing, creates = append(missing[:len(missing):len(missing)], "CREATE"), true
			viaCreate = !contains(want.Privileges, "CREATE") && !contains(want.Privileges, AllPrivileges)
		}
	}
	if creates && (viaCreate && t.open || t.absent.notCreatable(object)) {
		t.leaveOut(list(Grant{Object: object, Privileges: missing[:len(missing)-1], Grantable: grantable}))
		missing, grantable, creates, viaCreate = nil, false, false, false
	}
	if viaCreate {
		t.closing = true
		t.narrows = append(t.narrows, revoking(object, []string{"CREATE"}, nil, t.name))
	}
	granted := len(t.grants)
	if t.absent.isApart(object) {
		t.apart(object, missing, columns, grantable, &t.grants)
	} else if len(missing) > 0 || len(columns) > 0 || grantable {
		both := t.eclipsed(missing, columns)
		t.grant(object, missing, without(columns, both), grantable)
		if len(both) > 0 {
			t.grant(object, nil, both, false)
		}
	}
	for i := range t.grants[granted:] {
		step := &t.grants[granted+i]
		step.creates = creates && contains(step.needs.privileges, "CREATE")
	}
	for _, list := range together(object, extra, extraColumns, have.Grantable && !want.Grantable) {
		t.take(object, list.privileges, list.columns)
	}
	if t.absent.isApart(object) {
		t.apart(object, nil, again, false, &t.takes)
	} else if len(again) > 0 {
		t.takes = append(t.takes, granting(t.name, object, nil, again, false))
	}
}

// revocation is what one REVOKE takes.
type revocation struct {
	privileges []string
	columns    []Column
}

// together says what is revoked in one statement. On *.* GRANT OPTION has one of its
// own: MySQL takes every static privilege with GRANT OPTION for REVOKE ALL, and takes
// what the account has on databases, tables and routines too (tried on MySQL 9.7).
func together(object Object, privileges []string, columns []Column, option bool) []revocation {
	var out []revocation
	if option && object.Level != LevelGlobal {
		privileges = append(privileges[:len(privileges):len(privileges)], GrantOption)
	}
	if len(privileges)+len(columns) > 0 {
		out = append(out, revocation{privileges, columns})
	}
	if option && object.Level == LevelGlobal {
		out = append(out, revocation{[]string{GrantOption}, nil})
	}
	return out
}

// eclipsed are the columns that need a GRANT of their own: where one grants a
// privilege on the table and on columns too, MySQL writes it into its binary log
// without the columns, so that a replica does not get them (tried on MySQL 9.7).
func (t *transformer) eclipsed(privileges []string, columns []Column) []Column {
	if t.server.Flavor != MySQL {
		return nil
	}
	var both []Column
	for _, column := range columns {
		if contains(privileges, column.Privilege) || contains(privileges, AllPrivileges) {
			both = append(both, column)
		}
	}
	return both
}

func without(columns, dropped []Column) []Column {
	if len(dropped) == 0 {
		return columns
	}
	drop := columnSet(dropped)
	kept := columns[:0:0]
	for _, column := range columns {
		if !drop[column.key()] {
			kept = append(kept, column)
		}
	}
	return kept
}

// apart grants on a table of which some column is gone: one statement for each
// column privilege, so that an error tells which.
func (t *transformer) apart(object Object, privileges []string, columns []Column, grantable bool, to *[]Step) {
	if len(privileges) > 0 || grantable {
		*to = append(*to, granting(t.name, object, privileges, nil, grantable))
	}
	for _, column := range columns {
		one := []Column{column}
		*to = append(*to, granting(t.name, object, nil, one, false))
	}
}

// locked is a privilege on a table that is locked, and what takes it from the account that
// it comes from.
type locked struct {
	privilege string
	revoke    statement.Statement
}

// present drops the columns that are gone, or whose table is locked, and notes them.
func (t *transformer) present(object Object, columns []Column) []Column {
	kept := columns[:0:0]
	for _, column := range columns {
		if t.absent.column(object, column.Name) || t.absent.isLocked(object) {
			t.leaveOut([]Lack{lack(object, column.Privilege, column.Name)})
		} else {
			kept = append(kept, column)
		}
	}
	return kept
}

// leaveOut notes what is not granted, since what it is on is gone, or is locked.
func (t *transformer) leaveOut(lacks []Lack) {
	for _, one := range lacks {
		if t.absent.object(one.Object) || one.Column != "" && t.absent.column(one.Object, one.Column) {
			t.gone = append(t.gone, one.Text)
			continue
		}
		privileges, columns := []string{one.Privilege}, []Column(nil)
		if one.Column != "" {
			privileges, columns = nil, []Column{{one.Privilege, one.Column}}
		}
		t.locked = append(t.locked, locked{one.Text, revokeStatement(one.Object, privileges, columns, t.as)})
	}
}

// lacking lists what want has and have lacks. Servers print no columns for a table
// on which an account has all privileges, so that none can be lacking there.
func lacking(have, want Grant) (privileges []string, columns []Column) {
	if contains(have.Privileges, AllPrivileges) {
		return nil, nil
	}
	for _, privilege := range want.Privileges {
		if !contains(have.Privileges, privilege) {
			privileges = append(privileges, privilege)
		}
	}
	if len(want.Columns) > 0 {
		had := columnSet(have.Columns)
		for _, column := range want.Columns {
			if !had[column.key()] {
				columns = append(columns, column)
			}
		}
	}
	return privileges, columns
}

// excess lists what have has beyond want, by name even where it has all privileges.
func (t *transformer) excess(have, want Grant) (privileges []string, columns []Column) {
	if !contains(want.Privileges, AllPrivileges) {
		had := have.Privileges
		if contains(had, AllPrivileges) {
			had = all(t.server, have.Object.Level)
		}
		for _, privilege := range had {
			if !contains(want.Privileges, privilege) {
				privileges = append(privileges, privilege)
			}
		}
	}
	_, columns = lacking(want, have)
	return privileges, columns
}

// key compares column names as servers do, without regard to letter case.
func (c Column) key() Column { return Column{c.Privilege, fold(c.Name)} }

func columnSet(columns []Column) map[Column]bool {
	out := make(map[Column]bool, len(columns))
	for _, column := range columns {
		out[column.key()] = true
	}
	return out
}

// fold lowers the letters of a name that servers compare without regard to case.
func fold(name string) string {
	if !utf8.ValidString(name) {
		return name
	}
	return strings.ToLower(name)
}

func common(a, b []string) []string {
	var out []string
	for _, item := range a {
		if contains(b, item) {
			out = append(out, item)
		}
	}
	return out
}

// key is the object under which grants are compared: routines' names have no letter case.
func (o Object) key() Object {
	if o.Level == LevelRoutine {
		o.Name = fold(o.Name)
	}
	return o
}

// index finds grants by their object.
func (g Grants) index() map[Object]int {
	index := make(map[Object]int, len(g.Objects))
	for i := range g.Objects {
		index[g.Objects[i].Object.key()] = i
	}
	return index
}

func (g Grants) lookup(index map[Object]int, object Object) (Grant, bool) {
	i, ok := index[object.key()]
	if !ok {
		return Grant{Object: object}, false
	}
	return g.Objects[i], true
}

// lift takes away the partial revokes that must not be there. Those of privileges
// that are not to be global any more go with the global privilege.
//
// GRANT on the database lifts a partial revoke of the same privileges and does no
// more (tried on MySQL 9.7).
func (t *transformer) lift(have, want Grants, haveGlobal, global Grant) {
	wanted := want.restrictions()
	for _, restriction := range have.Restrictions {
		var lifted []string
		option := false
		for _, privilege := range restriction.Privileges {
			switch {
			case wanted[restriction.Database][privilege] || !haveGlobal.restricting(privilege):
			case privilege == GrantOption:
				option = global.Grantable
			case contains(global.Privileges, privilege):
				lifted = append(lifted, privilege)
			}
		}
		object := Object{Level: LevelDatabase, Database: restriction.Database}
		if len(lifted) > 0 {
			t.grant(object, lifted, nil, false)
		}
		if option {
			t.grant(object, nil, nil, true)
		}
	}
}

// restrict makes the partial revokes that are missing, of privileges that the account
// has globally already. They come last of what takes: REVOKE on a database takes what
// was granted on it before it restricts what was granted globally.
func (t *transformer) restrict(have, want Grants, global Grant) []Step {
	had := have.restrictions()
	var steps []Step
	for _, restriction := range want.Restrictions {
		var missing []string
		for _, privilege := range restriction.Privileges {
			if global.restricting(privilege) && !had[restriction.Database][privilege] {
				missing = append(missing, privilege)
			}
		}
		if len(missing) > 0 {
			object := Object{Level: LevelDatabase, Database: restriction.Database}
			steps = append(steps, revoking(object, missing, nil, t.name))
		}
	}
	return steps
}

func (g Grants) restrictions() map[string]map[string]bool {
	out := make(map[string]map[string]bool, len(g.Restrictions))
	for _, restriction := range g.Restrictions {
		if out[restriction.Database] == nil {
			out[restriction.Database] = map[string]bool{}
		}
		for _, privilege := range restriction.Privileges {
			out[restriction.Database][privilege] = true
		}
	}
	return out
}

// union is what an account has that has everything that a or b has.
func union(a, b Grants) Grants {
	out := collector{at: a.index()}
	out.Objects = make([]Grant, len(a.Objects), len(a.Objects)+len(b.Objects))
	for i, grant := range a.Objects {
		grant.Privileges = grant.Privileges[:len(grant.Privileges):len(grant.Privileges)]
		out.Objects[i] = grant
	}
	for _, grant := range b.Objects {
		i, known := out.at[grant.Object.key()]
		if !known {
			out.at[grant.Object.key()] = len(out.Objects)
			out.Objects = append(out.Objects, grant)
			continue
		}
		both := &out.Objects[i]
		missing, columns := lacking(*both, grant)
		if contains(missing, AllPrivileges) {
			both.Privileges = []string{AllPrivileges}
		} else {
			both.Privileges = append(both.Privileges, missing...)
		}
		both.Columns = append(both.Columns[:len(both.Columns):len(both.Columns)], columns...)
		both.Grantable = both.Grantable || grant.Grantable
	}
	grantable := map[string]bool{}
	for _, d := range append(a.Dynamic[:len(a.Dynamic):len(a.Dynamic)], b.Dynamic...) {
		if _, seen := grantable[d.Privilege]; !seen {
			out.Dynamic = append(out.Dynamic, Dynamic{Privilege: d.Privilege})
		}
		grantable[d.Privilege] = grantable[d.Privilege] || d.Grantable
	}
	for i := range out.Dynamic {
		out.Dynamic[i].Grantable = grantable[out.Dynamic[i].Privilege]
	}
	out.Restrictions = shared(a, b)
	return out.Grants
}

// shared keeps the partial revokes that hold in both, where one that lacks the global
// privilege has it on no database, unless it was granted it there.
func shared(a, b Grants) []Restriction {
	withheld := func(g Grants) func(database, privilege string) bool {
		index, restrictions := g.index(), g.restrictions()
		holds := func(object Object, privilege string) bool {
			grant, _ := g.lookup(index, object)
			return privilege == GrantOption && grant.Grantable || contains(grant.Privileges, privilege) || contains(grant.Privileges, AllPrivileges)
		}
		return func(database, privilege string) bool {
			if holds(Object{Level: LevelDatabase, Database: database}, privilege) {
				return false
			}
			return !holds(Object{}, privilege) || restrictions[database][privilege]
		}
	}
	inA, inB := withheld(a), withheld(b)
	var out []Restriction
	seen := map[string]map[string]bool{}
	for _, restriction := range append(a.Restrictions[:len(a.Restrictions):len(a.Restrictions)], b.Restrictions...) {
		var kept []string
		for _, privilege := range restriction.Privileges {
			if inA(restriction.Database, privilege) && inB(restriction.Database, privilege) && !seen[restriction.Database][privilege] {
				if seen[restriction.Database] == nil {
					seen[restriction.Database] = map[string]bool{}
				}
				seen[restriction.Database][privilege] = true
				kept = append(kept, privilege)
			}
		}
		if len(kept) > 0 {
			out = append(out, Restriction{restriction.Database, kept})
		}
	}
	return out
}
