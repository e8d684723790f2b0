package account

import (
	"slices"
	"strconv"
	"strings"
)

// AdminLacks is what an admin has to be granted before it may send a plan's steps
// and set passwords, by its own grants: each a GRANT, once. inDoubt are those that the admin may do without, by what the server does not tell.
func AdminLacks(server Server, own OwnGrants, plan Plan) (lacks, inDoubt []string, err error) {
	a, err := readAuthority(server, own)
	if err != nil {
		return nil, nil, err
	}
	note := func(got answer, remedy string) {
		to := &lacks
		switch got {
		case allowed:
			return
		case doubtful:
			to = &inDoubt
		}
		if !slices.Contains(*to, remedy) {
			*to = append(*to, remedy)
		}
	}
	note(a.manages("UPDATE"), PasswordRemedy(own.Name).String())
	for _, step := range plan.Steps {
		switch kind := step.Kind(); {
		case step.Object.Level == LevelRole && kind == "SET":
			note(a.setsDefaultRole(), defaultRoleRemedy(server, own.Name))
		case step.Object.Level == LevelRole:
			note(a.givesRole(step.Object.Proxied), step.MendRole(server, own.Name, RoleGrants{}))
			if own.Roles.SystemUser(step.Object.Proxied) && !a.dynamic(systemUser, false) {
				note(denied, systemUserRemedy(own.Name).String())
			}
		case kind == "CREATE":
			note(a.manages("INSERT"), step.Remedy(own.Name).String())
		case kind == "DROP":
			note(a.manages("DELETE"), step.Remedy(own.Name).String())
			note(a.seesDefiners(), definersRemedy(own.Name))
		case kind == "ALTER":
			note(a.manages("UPDATE"), step.Remedy(own.Name).String())
		default:
			note(a.gives(step.needs), step.Remedy(own.Name).String())
			for _, beyond := range a.heldBack(step, plan) {
				note(denied, beyond.grant(own.Name).String())
			}
		}
	}
	return lacks, inDoubt, nil
}

// PasswordLacks is the GRANT without which somebody may not change a single user's
// password, by its own grants; empty where nothing lacks. own: it is that user itself, who
// has so many accounts.
func PasswordLacks(server Server, grants OwnGrants, own bool, accounts int) (string, error) {
	got, lacks, err := mayChangePassword(server, grants, own, accounts)
	if err != nil || got == allowed {
		return "", err
	}
	return lacks, nil
}

// PasswordDenied is the same where it is certain that it may not.
func PasswordDenied(server Server, grants OwnGrants, own bool, accounts int) (string, error) {
	got, lacks, err := mayChangePassword(server, grants, own, accounts)
	if err != nil || got != denied {
		return "", err
	}
	return lacks, nil
}

func mayChangePassword(server Server, grants OwnGrants, own bool, accounts int) (got answer, lacks string, err error) {
	if own && accounts < 2 && server.Flavor == MySQL {
		if !server.keepsTwoPasswords() {
			return allowed, "", nil
		}
		if dynamic, err := OwnDynamic(server, grants); err != nil || dynamic["APPLICATION_PASSWORD_ADMIN"] {
			return allowed, "", err
		}
	}
	a, err := readAuthority(server, grants)
	if err != nil {
		return denied, "", err
	}
	if own {
		return a.manages("UPDATE"), OwnPasswordRemedy(server, grants.Name, accounts).String(), nil
	}
	return a.manages("UPDATE"), SingleUserRemedy(grants.Name).String(), nil
}

// Summary says what a plan's steps do, to a person.
func (p Plan) Summary() []string {
	counts := map[string]int{}
	privileges := map[string]int{}
	var made, dropped []string
	for _, step := range p.Steps {
		counts[step.Kind()]++
		if step.ChangesGrants() {
			privileges[step.Kind()] += step.Privileges()
		}
		switch step.Kind() {
		case "CREATE":
			made = append(made, step.Account.String())
		case "DROP":
			dropped = append(dropped, step.Account.String())
		}
	}
	var out []string
	if len(made) > 0 {
		out = append(out, "makes "+enumerate(made, ", ")+", locked until its password is set")
	}
	if n := counts["ALTER"] + counts["SET"]; n > 0 {
		out = append(out, "changes attributes or default roles by "+count(n, "statement"))
	}
	if n := privileges["GRANT"]; n > 0 {
		out = append(out, "gives "+count(n, "privilege or role"))
	}
	if n := privileges["REVOKE"]; n > 0 {
		out = append(out, "takes "+count(n, "privilege or role"))
	}
	if len(dropped) > 0 {
		out = append(out, "drops "+enumerate(dropped, ", "))
	}
	return out
}

func count(n int, what string) string {
	if n != 1 {
		what = strings.ReplaceAll(what, " or ", "s or ") + "s"
	}
	return strconv.Itoa(n) + " " + what
}
