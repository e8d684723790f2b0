package e2e

import (
	"strings"
	"testing"

	"tandem/internal/local/dbserver"
)

// MariaDB takes a default role for granted where any account of the user has it whose host
// matches, and a host with an escaped wildcard does not match itself.
func TestDefaultRolesAcrossHosts(t *testing.T) {
	servers.Only(dbserver.MariaDB, "MySQL grants a default role at its host").Each(t, func(t *testing.T, on *dbserver.Server) {
		l := newInProcess(t, on)
		l.makeGround(t)
		l.makeRoles(t)
		for _, test := range []struct {
			what string
			// changes are of the user under AWSCURRENT, whose accounts are at %, FAR and ESCAPED.
			changes []string
		}{
			{"granted at a wider host", []string{"GRANT tandem_r TO WIDE", "SET DEFAULT ROLE tandem_r FOR FAR"}},
			{"granted at a wider host, for one that does not match itself", []string{"GRANT tandem_r TO WIDE", "SET DEFAULT ROLE tandem_r FOR ESCAPED"}},
			{"granted at both", []string{"GRANT tandem_r TO WIDE", "GRANT tandem_r TO ESCAPED", "SET DEFAULT ROLE tandem_r FOR ESCAPED", "SET DEFAULT ROLE tandem_r FOR WIDE"}},
			{"granted at the host that does not match itself alone", []string{"GRANT tandem_r TO WIDE", "GRANT tandem_r TO ESCAPED", "SET DEFAULT ROLE tandem_r FOR ESCAPED", "REVOKE tandem_r FROM WIDE"}},
			{"granted nowhere, for a host that does not match itself", []string{"GRANT tandem_r TO WIDE", "SET DEFAULT ROLE tandem_r FOR ESCAPED", "REVOKE tandem_r FROM WIDE"}},
			{"granted nowhere", []string{"GRANT tandem_r TO FAR", "SET DEFAULT ROLE tandem_r FOR FAR", "REVOKE tandem_r FROM FAR"}},
		} {
			for _, known := range []bool{false, true} {
				t.Run(test.what+map[bool]string{false: ", a new clone", true: ", a clone that exists"}[known], func(t *testing.T) {
					p := l.mustPair(t, mightyAdmin, "%", "10.1.1.1", `a\_b.example`)
					if known {
						p.mustRotate(t)
						p.mustRotate(t)
					}
					for _, change := range test.changes {
						l.must(t, strings.NewReplacer("WIDE", p.at("%"), "FAR", p.at("10.1.1.1"), "ESCAPED", p.at(`a\_b.example`)).Replace(change))
					}
					p.mustRotate(t)
					p.mustEqual(t)
					p.mustRotate(t)
					p.mustEqual(t)
				})
			}
		}
		t.Run("the original gains one", func(t *testing.T) {
			p := l.mustPair(t, mightyAdmin, "%", `a\_b.example`)
			p.mustRotate(t)
			for _, at := range []string{p.cloneAt("%"), p.cloneAt(`a\_b.example`)} {
				l.must(t, "GRANT tandem_r TO "+at)
			}
			l.must(t, "SET DEFAULT ROLE tandem_r FOR "+p.cloneAt(`a\_b.example`))
			p.mustRotate(t)
			p.mustEqual(t)
		})
		t.Run("one that cannot be set", func(t *testing.T) {
			p := l.mustPair(t, mightyAdmin, "%", `a\_b.example`)
			near := nearHosts(l.from)[2]
			l.must(t, "GRANT tandem_r TO "+p.at("%"))
			l.must(t, "GRANT tandem_r TO "+p.at(`a\_b.example`))
			l.must(t, "SET DEFAULT ROLE tandem_r FOR "+p.at(`a\_b.example`))
			l.must(t, "RENAME USER "+p.at("%")+" TO "+p.at(near))
			for range 3 {
				p.mustRotate(t)
			}
			if warned := p.warned["ObjectGone"]; !strings.Contains(warned, "tandem_r") || !strings.Contains(warned, p.cloneAt(`a\_b.example`)) {
				t.Errorf("no warning names the default role and the account: %q", p.warned)
			}
			// As the warning says.
			l.must(t, "CREATE USER "+p.at("%")+" ACCOUNT LOCK")
			l.must(t, "GRANT tandem_r TO "+p.at("%"))
			if p.turns%2 == 1 {
				p.mustRotate(t)
			}
			p.mustRotate(t)
			p.mustEqual(t)
		})
	})
}
