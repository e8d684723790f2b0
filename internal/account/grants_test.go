package account

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What mysql.user has of partial revokes, SHOW GRANTS may hide.
func TestParseRestrictions(t *testing.T) {
	got, err := ParseRestrictions(`[{"Database": "a_b", "Privileges": ["SELECT", "GRANT"]}]`)
	if diff := cmp.Diff([]Restriction{{"a_b", []string{"SELECT", GrantOption}}}, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	for _, none := range []string{"", "null"} {
		if got, err := ParseRestrictions(none); err != nil || got != nil {
			t.Errorf("%q: %v, %v", none, got, err)
		}
	}
	if _, err := ParseRestrictions("{"); err == nil {
		t.Error("what is no JSON is accepted")
	}
}
