package e2e

import (
	"fmt"
	"strings"
	"testing"

	"tandem/internal/local/dbserver"
	"tandem/internal/repotest/document"
)

// whenTheApplicationMay are the words of the table of grants by hand: whether the
// application may, now and after each of the next three rotations.
var whenTheApplicationMay = map[string][4]bool{
	"from now on":                           {true, true, true, true},
	"never":                                 {},
	"only until the next rotation":          {true},
	"from the next rotation on":             {false, true, true, true},
	"now, then after every second rotation": {true, false, true, false},
	"after the next rotation, then after every second": {false, true, false, true},
}

// The table of grants by hand: a privilege is given to, or taken from, one of the two
// users or both, and after each rotation the application tries to use it.
func TestGrantsByHand(t *testing.T) {
	table := document.MarkedTable(t, "table grants by hand")
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		for column, mode := range table.Head[1:] {
			mode = strings.Trim(mode, "`")
			w := newDeployment(t, on, withEnv("PRIVILEGE_SYNC="+mode))
			w.execute("REVOKE ALL PRIVILEGES ON "+w.database+".* FROM "+me(w.user), "CREATE USER "+me(w.clone())+" IDENTIFIED BY 'x'")
			for _, row := range table.Rows {
				w.tryByHand(mode, row, strings.Trim(row.Cells[column+1], "*"))
			}
		}
	})
}

// tryByHand does what a row says, and looks whether the words of one of its cells
// are true. It ends where it began: with the original current.
func (w *deployment) tryByHand(mode string, row document.Row, words string) {
	w.t.Helper()
	expected, known := whenTheApplicationMay[words]
	named := document.Code(row.Cells[0])
	if !known || len(named) != 2 && !strings.Contains(row.Cells[0], "both") {
		w.t.Errorf("%s: nobody knows what %q and %q mean", row, row.Cells[0], words)
		return
	}
	const privilege = "INSERT"
	user := map[string]string{"appuser": w.user, "appuser_clone": w.clone()}
	to := []string{w.user, w.clone()}
	current := w.user
	if len(named) == 2 {
		to, current = []string{user[named[0]]}, user[named[1]]
	}
	grants := strings.HasPrefix(row.Cells[0], "GRANT ")
	for _, name := range []string{w.user, w.clone()} {
		w.execute("GRANT SELECT, INSERT ON " + w.database + ".* TO " + me(name))
		if grants {
			w.execute("REVOKE INSERT ON " + w.database + ".* FROM " + me(name))
		}
	}
	rotations := 0
	rotate := func() {
		w.t.Helper()
		w.mustRotate()
		rotations++
	}
	if current != w.user {
		rotate()
	}
	for _, name := range to {
		if grants {
			w.execute("GRANT " + privilege + " ON " + w.database + ".* TO " + me(name))
		} else {
			w.execute("REVOKE " + privilege + " ON " + w.database + ".* FROM " + me(name))
		}
	}
	var got [4]bool
	for i := range got {
		if i > 0 {
			rotate()
		}
		got[i] = w.applicationMayInsert()
	}
	if got != expected {
		w.t.Errorf("%s: in %s %q: the application may %v, and the document says %q", row, mode, row.Cells[0], got, words)
	}
	if rotations%2 != 0 {
		rotate()
	}
}

// applicationMayInsert logs in as the application does, and inserts.
func (w *deployment) applicationMayInsert() bool {
	w.t.Helper()
	current, err := w.Current(w.t.Context(), w.app)
	if err != nil {
		w.t.Fatal(err)
	}
	db, err := w.Login(w.t.Context(), current)
	if err != nil {
		w.t.Fatal(fmt.Errorf("logging in as %q: %w", current.Username(), err))
	}
	defer db.Close()
	_, err = db.ExecContext(w.t.Context(), "INSERT INTO "+w.database+".t VALUES (1, 2)")
	return err == nil
}

// An application that reads its secret once works after the first rotation, and can
// no longer log in after the second; its open connections stay open.
func TestApplicationThatReadsItsSecretOnce(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		once, err := w.Current(t.Context(), w.app)
		if err != nil {
			t.Fatal(err)
		}
		db, err := w.Login(t.Context(), once)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		open, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer open.Close()
		for rotation, mayLogIn := range []bool{true, false} {
			w.mustRotate()
			again, err := w.Login(t.Context(), once)
			if err == nil {
				again.Close()
			}
			if (err == nil) != mayLogIn || err != nil && !strings.Contains(err.Error(), "1045") {
				t.Errorf("after rotation %d: error %v", rotation+1, err)
			}
			if _, err := open.ExecContext(t.Context(), "INSERT INTO "+w.database+".t VALUES (1, 2)"); err != nil {
				t.Errorf("after rotation %d, on the open connection: %v", rotation+1, err)
			}
		}
	})
}
