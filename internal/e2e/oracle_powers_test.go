package e2e

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"tandem/internal/failure"
	"tandem/internal/local/dbserver"
	"tandem/internal/rotation"
	"tandem/internal/secret"
	"tandem/internal/statement"
)

// Promise 8: at no moment, whatever stops, may an account that can be logged in to
// do more than the account that it is made equal to.

// mariadbPrivileges are the privileges of mysql.global_priv's access by their bit,
// as mysql.db names them.
//
// Source: MariaDB, "mysql.global_priv Table"; the server's sql/privilege.h.
var mariadbPrivileges = map[int]string{
	0: "select", 1: "insert", 2: "update", 3: "delete", 4: "create", 5: "drop", 10: "grant", 11: "references", 12: "index", 13: "alter",
	16: "create tmp table", 17: "lock tables", 18: "execute", 21: "create view", 22: "show view", 23: "create routine", 24: "alter routine",
	26: "event", 27: "trigger",
}

// may lists the single things that a login through the account at a host may do. Of
// a database it is what comes out: what is granted globally and not revoked there,
// and the most specific row that matches.
//
// Source: MySQL 8.4 Reference Manual, 8.2.7 "Access Control, Stage 2: Request Verification".
func (s sight) may(on *dbserver.Server, host string, databases []string, wildcards bool) map[string]bool {
	out := s.powers(generator{on: on}, map[string]bool{host: true})
	maps.DeleteFunc(out, func(power string, _ bool) bool { return strings.HasPrefix(power, host+" | on | ") })
	for _, database := range databases {
		for _, privilege := range s.onDatabase(on, host, database, wildcards) {
			out["on "+database+": "+privilege] = true
		}
	}
	return out
}

func (s sight) onDatabase(on *dbserver.Server, host, database string, wildcards bool) []string {
	var privileges []string
	for _, row := range s["user"] {
		if row["Host"] != host {
			continue
		}
		if on.Flavor == dbserver.MariaDB {
			var priv struct{ Access uint64 }
			_ = json.Unmarshal([]byte(row["Priv"]), &priv)
			for bit, name := range mariadbPrivileges {
				if priv.Access>>bit&1 == 1 {
					privileges = append(privileges, name)
				}
			}
			continue
		}
		restricted := map[string]bool{}
		var attributes struct {
			Restrictions []struct {
				Database   string
				Privileges []string
			}
		}
		_ = json.Unmarshal([]byte(row["User_attributes"]), &attributes)
		for _, restriction := range attributes.Restrictions {
			for _, privilege := range restriction.Privileges {
				restricted[restriction.Database+"|"+privilegeKey(privilege)] = true
			}
		}
		for name, value := range row {
			if key, ok := strings.CutSuffix(name, "_priv"); ok && value == "Y" && !restricted[database+"|"+privilegeKey(key)] {
				privileges = append(privileges, privilegeKey(key))
			}
		}
	}
	// Which of two patterns comes first whose first wildcard stands at the same place,
	// no manual says: here both hold.
	var best []map[string]string
	for _, row := range s["db"] {
		if row["Host"] != host || row["Db"] != database && !(wildcards && like(row["Db"], database)) {
			continue
		}
		switch {
		case len(best) == 0 || before(row["Db"], best[0]["Db"]):
			best = []map[string]string{row}
		case !before(best[0]["Db"], row["Db"]):
			best = append(best, row)
		}
	}
	for _, row := range best {
		for name, value := range row {
			if key, ok := strings.CutSuffix(name, "_priv"); ok && value == "Y" {
				privileges = append(privileges, privilegeKey(key))
			}
		}
	}
	return privileges
}

// before reports whether a server tries one pattern before another: the one whose
// first wildcard comes later.
func before(pattern, other string) bool {
	first := func(pattern string) int {
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
	return first(pattern) > first(other)
}

// like matches as LIKE does.
func like(pattern, text string) bool {
	switch {
	case pattern == "":
		return text == ""
	case pattern[0] == '%':
		return like(pattern[1:], text) || text != "" && like(pattern, text[1:])
	case text == "":
		return false
	case pattern[0] == '_':
		return like(pattern[1:], text[1:])
	case pattern[0] == '\\' && len(pattern) > 1:
		return pattern[1] == text[0] && like(pattern[2:], text[1:])
	}
	return pattern[0] == text[0] && like(pattern[1:], text[1:])
}

// hostsOf are the hosts at which the user has accounts, and whether each is open.
func (s sight) hostsOf(flavor dbserver.Flavor) map[string]bool {
	open := map[string]bool{}
	for _, row := range s["user"] {
		if flavor == dbserver.MySQL {
			open[row["Host"]] = row["account_locked"] != "Y"
			continue
		}
		var priv struct {
			Locked bool `json:"account_locked"`
		}
		_ = json.Unmarshal([]byte(row["Priv"]), &priv)
		open[row["Host"]] = !priv.Locked
	}
	return open
}

// openWithoutPassword are the hosts at which the user has an account that is open, and
// that authenticates by more than its password, on MySQL in the first place.
func (s sight) openWithoutPassword(flavor dbserver.Flavor) map[string]bool {
	hosts := s.hostsOf(flavor)
	for _, row := range s["user"] {
		if row["plugin"] != "auth_socket" && !strings.Contains(row["Priv"], `"unix_socket"`) {
			delete(hosts, row["Host"])
		}
	}
	maps.DeleteFunc(hosts, func(_ string, open bool) bool { return !open })
	return hosts
}

// excess lists what open accounts of a user may do that neither they could do before
// nor those may which they are made equal to.
func (s sight) excess(on *dbserver.Server, was, models sight, databases []string, wildcards bool) []string {
	var out []string
	for host, open := range s.hostsOf(on.Flavor) {
		if !open {
			continue
		}
		allowed := models.may(on, host, databases, wildcards)
		maps.Copy(allowed, was.may(on, host, databases, wildcards))
		for power := range s.may(on, host, databases, wildcards) {
			if !allowed[power] {
				out = append(out, host+": "+power)
			}
		}
	}
	slices.Sort(out)
	return out
}

// verifiers are what the server keeps of a user's passwords, by host.
func verifiers(t tester, root querier, user string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, row := range columnsOf(t, root, "SELECT Host, HEX(authentication_string) AS kept FROM mysql.user WHERE User = ?", user) {
		out[row["Host"]] = row["kept"]
	}
	return out
}

// watched is a Database whose admin sends one statement at a time, after each of
// which somebody looks on; a statement that is to stop it is not sent.
type watched struct {
	rotation.Database
	after func(statement string)
	stop  func(statement string) bool
}

// errStopped is what a statement is answered that is to stop the rotation.
var errStopped = failure.New(failure.ConnectionLost, "the test stops the rotation here")

func (w watched) Connect(ctx context.Context, login rotation.Login) (rotation.Session, error) {
	session, err := w.Database.Connect(ctx, login)
	if err != nil || !login.Admin {
		return session, err
	}
	return watchedSession{session, w}, nil
}

type watchedSession struct {
	rotation.Session
	watched
}

func (s watchedSession) Apply(ctx context.Context, statements ...statement.Statement) error {
	for _, one := range statements {
		if s.stop != nil && s.stop(one.String()) {
			return errStopped
		}
		err := s.Session.Apply(ctx, one)
		s.after(one.String())
		if err != nil && len(statements) > 1 {
			return rotation.ErrOneOfSeveral
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// watch has every statement of the rotations that follow looked at: none may give an
// open account of the pending user more than it had and the other user has. Of an
// original whose password has changed nobody knows the new one yet.
func (p *pair) watch(t tester, databases []string, found func(statement string, excess []string)) {
	t.Helper()
	current := p.secrets.current()
	excessOfPending := excessOf(t, p.on, p.root, secret.Other(current), current, databases)
	p.after = func(statement string) {
		if excess := excessOfPending(); len(excess) > 0 {
			found(statement, excess)
		}
	}
}

// excessOf lists, whenever it is asked, what the open accounts of the pending user may
// do that they could not when excessOf was called, and that the current user cannot.
// Of an original whose password has changed nobody knows the new one yet.
func excessOf(t tester, on *dbserver.Server, root querier, pending, current string, databases []string) func() []string {
	t.Helper()
	wildcards := true
	if on.Flavor == dbserver.MySQL {
		wildcards = columnsOf(t, root, "SELECT @@GLOBAL.partial_revokes AS it")[0]["it"] == "0"
	}
	was, models, kept := see(t, on, root, pending), see(t, on, root, current), verifiers(t, root, pending)
	return func() []string {
		t.Helper()
		now := see(t, on, root, pending)
		if !secret.IsClone(pending) {
			for host, verifier := range verifiers(t, root, pending) {
				if kept[host] != verifier {
					now["user"] = slices.DeleteFunc(now["user"], func(row map[string]string) bool { return row["Host"] == host })
				}
			}
		}
		return now.excess(on, was, models, databases, wildcards)
	}
}
