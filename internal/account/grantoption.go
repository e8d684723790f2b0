package account

// MySQL forgets partial revokes of GRANT OPTION. It keeps them in mysql.user, but FLUSH
// PRIVILEGES and a start of the server do not read them from there: from then on SHOW
// GRANTS does not print them, GRANT ... AS does not hand them on, and the next statement
// that changes the account's global privileges or partial revokes deletes them from
// mysql.user too. REVOKE GRANT OPTION on the database puts them into force again, and
// changes nothing where they are (all tried on MySQL 9.7, with FLUSH PRIVILEGES and with a
// restart). What counts is mysql.user: it says what the account's owner asked for.

// optionRestricted lists the databases on which GRANT OPTION is partially revoked.
func (g Grants) optionRestricted() []Object {
	var out []Object
	for _, restriction := range g.Restrictions {
		if contains(restriction.Privileges, GrantOption) {
			out = append(out, Object{Level: LevelDatabase, Database: restriction.Database})
		}
	}
	return out
}

// restrictOption keeps the partial revokes of GRANT OPTION: those that the account has
// are made once more before anything else, where what follows could delete them; and
// those that are to come with GRANT OPTION on *.* are made behind it.
func (t *transformer) restrictOption(have, want Grants, haveGlobal, wantGlobal Grant) {
	if wantGlobal.Grantable && !haveGlobal.Grantable {
		for _, object := range want.optionRestricted() {
			t.closing = true
			t.narrows = append(t.narrows, revoking(object, []string{GrantOption}, nil, t.name))
		}
	}
	if !haveGlobal.Grantable {
		return
	}
	for _, steps := range [][]Step{t.takes, t.grants, t.narrows} {
		for _, step := range steps {
			if step.Object.Level == LevelGlobal || step.Object.Level == LevelDatabase {
				t.takes = append(t.repeated(have), t.takes...)
				return
			}
		}
	}
}

func (t *transformer) repeated(have Grants) []Step {
	var steps []Step
	for _, object := range have.optionRestricted() {
		steps = append(steps, revoking(object, []string{GrantOption}, nil, t.name))
	}
	return steps
}
