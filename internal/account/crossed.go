package account

import "slices"

// crossed is what accounts have to lose for as long as a plan is being sent: by account,
// the privileges on databases.
//
// MySQL takes a row of mysql.db for the account's own that another account of the user
// has, at a host whose pattern matches the account's host. Where such a row has what the
// account has a partial revoke of on the same database, or is to get one of, REVOKE fails
// with error 1141, and every GRANT and REVOKE on *.* or on the database with error 3901
// (tried on MySQL 9.7). So the row loses it first, and gets it back last.
type crossed map[Name]map[string][]string

// change is what an account has and must have.
type change struct {
	name       Name
	have, want Grants
}

func (p Pair) crossed(changes []change) crossed {
	out := crossed{}
	if p.Server.Flavor != MySQL || len(changes) < 2 {
		return out
	}
	// What an account loses and gets back are statements about it, which another one's row may make fail.
	for found := true; found; {
		found = false
		for _, one := range changes {
			restricted := append(one.have.Restrictions[:len(one.have.Restrictions):len(one.have.Restrictions)], one.want.Restrictions...)
			if len(restricted) == 0 || !p.concernsDatabases(one) && out[one.name] == nil {
				continue
			}
			for _, other := range changes {
				if other.name == one.name || !covers(other.name.Host, one.name.Host) {
					continue
				}
				for _, restriction := range restricted {
					if out.add(p.Server, other, restriction) {
						found = true
					}
				}
			}
		}
	}
	return out
}

// concernsDatabases reports whether a change sends a statement about *.* or about databases.
func (p Pair) concernsDatabases(one change) bool {
	t := transformer{server: p.Server, name: one.name, as: one.name, absent: &p.Absent, roles: p.Roles}
	t.steps(one.have, one.want)
	return slices.ContainsFunc(slices.Concat(t.takes, t.grants, t.narrows), func(step Step) bool {
		return step.Object.Level == LevelGlobal || step.Object.Level == LevelDatabase
	})
}

// add notes what an account has on the database of a partial revoke, and reports whether
// that was news.
func (c crossed) add(server Server, owner change, restriction Restriction) (news bool) {
	row, known := owner.have.lookup(owner.have.index(), Object{Level: LevelDatabase, Database: restriction.Database})
	if !known {
		return false
	}
	for _, privilege := range common(restriction.Privileges, withOption(server, row)) {
		if contains(c[owner.name][restriction.Database], privilege) {
			continue
		}
		if c[owner.name] == nil {
			c[owner.name] = map[string][]string{}
		}
		c[owner.name][restriction.Database] = append(c[owner.name][restriction.Database], privilege)
		news = true
	}
	return news
}

// withOption are the privileges of a grant by name, GRANT OPTION among them.
func withOption(server Server, grant Grant) []string {
	privileges := slices.Clone(grant.Privileges)
	if contains(privileges, AllPrivileges) {
		privileges = all(server, grant.Object.Level)
	}
	if grant.Grantable {
		privileges = append(privileges, GrantOption)
	}
	return privileges
}

// uncross takes what the account has to lose at first, and returns what it has then.
func (t *transformer) uncross(have Grants) Grants {
	if len(t.crossed) == 0 {
		return have
	}
	have.Objects = slices.Clone(have.Objects)
	for i := range have.Objects {
		grant := &have.Objects[i]
		taken := t.crossed[grant.Object.Database]
		if grant.Object.Level != LevelDatabase || len(taken) == 0 {
			continue
		}
		t.first = append(t.first, revoking(grant.Object, taken, nil, t.name))
		left := slices.DeleteFunc(withOption(t.server, *grant), func(privilege string) bool { return contains(taken, privilege) })
		grant.Grantable = contains(left, GrantOption)
		grant.Privileges = slices.DeleteFunc(left, func(privilege string) bool { return privilege == GrantOption })
	}
	return have
}
