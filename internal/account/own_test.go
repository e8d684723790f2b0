package account

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/redact"
)

func TestCompareOwn(t *testing.T) {
	own := func(name Name, grants ...string) OwnGrants {
		out := OwnGrants{Name: name}
		for _, grant := range grants {
			out.Rows = append(out.Rows, redact.New(grant))
		}
		return out
	}
	for _, test := range []struct {
		what             string
		server           Server
		current, pending OwnGrants
		missing, extra   []string
	}{
		{"names and verifiers", maria10,
			own(app, "GRANT SELECT ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD '*AA'", "GRANT PROXY ON `p`@`%` TO `app`@`%`"),
			own(Name{"app_clone", "10.%"}, "GRANT SELECT ON *.* TO `app_clone`@`10.%` IDENTIFIED VIA ed25519 USING 'x'", "GRANT PROXY ON `p`@`%` TO `app_clone`@`10.%`"), nil, nil},
		{"rows of PUBLIC and of active roles", maria10,
			own(app, "GRANT `r` TO `app`@`%`", "GRANT USAGE ON *.* TO `app`@`%`", "GRANT `s` TO `r`", "GRANT USAGE ON *.* TO `r`", "GRANT SELECT ON `d`.`t` TO `s`", "GRANT SELECT ON `p`.* TO PUBLIC", "SET DEFAULT ROLE `r` FOR `app`@`%`"),
			own(clone, "GRANT USAGE ON *.* TO `app_clone`@`%`"), []string{"the role 'r'@''", "the default role 'r'@''"}, nil},
		{"both ways", mysql9,
			own(app, "GRANT SELECT, INSERT ON `d`.* TO `app`@`%` WITH GRANT OPTION", "GRANT A_B ON *.* TO `app`@`%` WITH GRANT OPTION", "GRANT `r`@`%` TO `app`@`%` WITH ADMIN OPTION", "GRANT PROXY ON `p`@`` TO `app`@`%` WITH GRANT OPTION", "GRANT SELECT (`a`) ON `d`.`t` TO `app`@`%`"),
			own(clone, "GRANT SELECT, DELETE ON `d`.* TO `app_clone`@`%`", "GRANT A_B,C_D ON *.* TO `app_clone`@`%`", "GRANT `r`@`%` TO `app_clone`@`%`", "GRANT PROXY ON `p`@`` TO `app_clone`@`%`", "GRANT EXECUTE ON FUNCTION `d`.`f` TO `app_clone`@`%`"),
			[]string{"INSERT ON `d`.*", "GRANT OPTION ON `d`.*", "PROXY WITH GRANT OPTION ON 'p'@''", "SELECT (`a`) ON `d`.`t`", "A_B ON *.* WITH GRANT OPTION", "the role 'r'@'%' WITH ADMIN OPTION"},
			[]string{"DELETE ON `d`.*", "EXECUTE ON FUNCTION `d`.`f`", "C_D ON *.*"}},
		{"all privileges and a list", mysql9, own(app, "GRANT ALL PRIVILEGES ON `d`.* TO `app`@`%`"), own(clone, "GRANT SELECT ON `d`.* TO `app_clone`@`%`"), []string{"ALL PRIVILEGES ON `d`.*"}, nil},
		{"partial revokes", mysql9,
			own(app, "GRANT SELECT, INSERT ON *.* TO `app`@`%`", "REVOKE INSERT ON `d`.* FROM `app`@`%`"),
			own(clone, "GRANT SELECT, INSERT ON *.* TO `app_clone`@`%`", "REVOKE SELECT ON `d`.* FROM `app_clone`@`%`"),
			[]string{"SELECT ON `d`.* (partially revoked)"}, []string{"INSERT ON `d`.* (partially revoked)"}},
	} {
		t.Run(test.what, func(t *testing.T) {
			missing, extra, err := CompareOwn(test.server, test.current, test.pending)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.missing, texts(missing)); diff != "" {
				t.Errorf("missing: %s", diff)
			}
			if diff := cmp.Diff(test.extra, texts(extra)); diff != "" {
				t.Errorf("extra: %s", diff)
			}
		})
	}
	var syntax *SyntaxError
	for _, pair := range [][2]OwnGrants{{own(app, "GRANT"), own(clone)}, {own(app), own(clone, "GRANT")}} {
		if _, _, err := CompareOwn(mysql9, pair[0], pair[1]); !errors.As(err, &syntax) {
			t.Errorf("err = %v, want a SyntaxError", err)
		}
	}
}
