package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/dbserver"
	"tandem/internal/warning"
)

// A clone that somebody else had made is taken, stripped of what its original
// lacks, and said to be.
func TestAdoption(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		if err := w.CreateUser(t.Context(), w.clone(), "%", "somebody else's"); err != nil {
			t.Fatal(err)
		}
		w.execute("GRANT PROCESS ON *.* TO '" + w.clone() + "'@'%' WITH GRANT OPTION")
		if on.Flavor == dbserver.MySQL {
			w.execute("ALTER USER '" + w.clone() + "'@'%' IDENTIFIED BY 'a newer one' RETAIN CURRENT PASSWORD")
		}
		w.mustRotate()
		w.mustEqual()
		if log := w.log(); strings.Count(log, `"type":"`+warning.Adopted+`"`) != 1 || !strings.Contains(log, "PROCESS ON *.*") {
			t.Errorf("the log has not one warning that lists what was taken:\n%s", log)
		}
		for _, password := range []string{"somebody else's", "a newer one"} {
			config := on.Config()
			config.User, config.Passwd = w.clone(), password
			if mayLogIn(t, config) {
				t.Errorf("the password %q still logs in", password)
			}
		}
	})
}

// A clone that this program made itself is not somebody else's: not after a
// death, by the same token, and not in later rotations.
func TestOwnCloneIsNotAdopted(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		for range 3 {
			w.mustRotate()
		}
		w.mustRotate()
		w.execute("GRANT PROCESS ON *.* TO '" + w.clone() + "'@'%'") // to be taken away again
		w.mustRotate()
		w.mustEqual()
		if log := w.log(); strings.Contains(log, `"type":"`+warning.Adopted) {
			t.Errorf("its own clone is called adopted:\n%s", log)
		}
	})
}

// A user that is granted to others as a role is somebody's.
func TestNoAdoptionOfARole(t *testing.T) {
	servers.Only(dbserver.MySQL, "MariaDB grants no user as a role").Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on)
		member := unique("member")
		for _, user := range []string{w.clone(), member} {
			if err := w.CreateUser(t.Context(), user, "%", "somebody else's"); err != nil {
				t.Fatal(err)
			}
		}
		w.afterwards("DROP USER " + member)
		w.execute("GRANT '" + w.clone() + "'@'%' TO '" + member + "'@'%'")
		before := oracle(t, on, w.Root, w.clone())
		w.mustFail("granted as a role", member)
		if diff := cmp.Diff(before, oracle(t, on, w.Root, w.clone())); diff != "" || len(w.statements()) > 0 {
			t.Errorf("it was changed:\n%s", diff)
		}
	})
}
