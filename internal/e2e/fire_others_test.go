package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/dbserver"
)

// populate puts other people's accounts on the server.
func (f *fireServer) populate(t *testing.T) {
	t.Helper()
	db, err := f.DB()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	statements := []string{
		"CREATE DATABASE shop", "CREATE TABLE shop.t (a INT, b INT)",
		"CREATE USER 'app'@'%' IDENTIFIED BY 'one of others'", "CREATE USER 'app'@'10.%' IDENTIFIED BY 'one of others'",
		"CREATE USER 'app_clone'@'%' IDENTIFIED BY 'one of others'", "CREATE USER 'app_clone2'@'%' IDENTIFIED BY 'one of others'",
		"CREATE USER 'app_clone_clone'@'%' IDENTIFIED BY 'one of others'", "CREATE USER 'App'@'%' IDENTIFIED BY 'one of others' REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 9",
		"CREATE USER '_clone'@'10.1.2.%' IDENTIFIED BY 'one of others'", "CREATE USER 'admin'@'%' IDENTIFIED BY 'one of others'",
		"CREATE ROLE readers", "GRANT SELECT ON shop.* TO readers",
		"GRANT ALL PRIVILEGES ON shop.* TO 'app'@'%' WITH GRANT OPTION", "GRANT SELECT (a), UPDATE (b) ON shop.t TO 'app_clone'@'%'",
		"GRANT INSERT ON shop.t TO 'app_clone2'@'%'", "GRANT readers TO 'App'@'%'", "GRANT ALL PRIVILEGES ON *.* TO 'admin'@'%' WITH GRANT OPTION",
	}
	if f.Flavor == dbserver.MySQL {
		statements = append(statements, "GRANT PROXY ON 'app'@'%' TO 'app_clone2'@'%'", "SET DEFAULT ROLE readers TO 'App'@'%'")
	} else {
		statements = append(statements, "SET DEFAULT ROLE readers FOR 'App'@'%'")
	}
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	f.others = f.strangers(t)
}

// strangers describes every account on the server that no scenario has made,
// passwords included.
func (f *fireServer) strangers(t *testing.T) []string {
	t.Helper()
	db, err := f.DB()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	f.mutex.Lock()
	defer f.mutex.Unlock()
	var found []string
	for table, column := range accountTables(f.Flavor) {
		for _, row := range columnsOf(t, db, "SELECT * FROM mysql."+table) {
			// Whoever makes a role is granted it.
			if f.owned[row[column]] || f.owned[row["User"]] || f.owned[row["Role"]] || f.owned[row["FROM_USER"]] {
				continue
			}
			found = append(found, table+" "+line(row))
		}
	}
	slices.Sort(found)
	return found
}

// theRest says in what others' accounts differ from what they were.
func (p *target) theRest() string { return cmp.Diff(p.field.others, p.field.strangers(p.t)) }

// nobodyElse wants all accounts of others to be, after everything, what they were.
func (f *fireServer) nobodyElse(t *testing.T) {
	after := f.strangers(t)
	if diff := cmp.Diff(f.others, after); diff != "" {
		t.Errorf("accounts of others have changed:\n%s", diff)
	}
	accounts := 0
	for _, row := range f.others {
		if strings.HasPrefix(row, "user ") || strings.HasPrefix(row, "global_priv ") {
			accounts++
		}
	}
	f.say("nobody else is touched", fmt.Sprintf("%d accounts of others unchanged, %d users made and rotated", accounts, len(f.owned)), "%d rows of grant tables, checked after each point", len(after))
}
