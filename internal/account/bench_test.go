package account

import (
	"fmt"
	"strings"
	"testing"

	"tandem/internal/redact"
)

// grantsOf makes rows for many tables.
func grantsOf(n int) []string {
	grants := []string{"GRANT USAGE ON *.* TO ME"}
	for i := range n {
		grants = append(grants, fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON `database`.`table_%d` TO ME", i))
	}
	return grants
}

func BenchmarkParse(b *testing.B) {
	for _, n := range []int{10, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			grants := grantsOf(n)
			b.ReportAllocs()
			for b.Loop() {
				account(b, mysql9, app, "", grants...)
			}
		})
	}
}

func BenchmarkPlan(b *testing.B) {
	for _, test := range []struct {
		what       string
		have, want int
	}{{"same", 5000, 5000}, {"new", 0, 5000}, {"gone", 5000, 0}} {
		b.Run(test.what, func(b *testing.B) {
			pair := Pair{Server: mysql9, Known: true,
				Original: user("app", account(b, mysql9, app, "", grantsOf(test.want)...)),
				Clone:    user("app_clone", account(b, mysql9, clone, "", grantsOf(test.have)...))}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := pair.Plan(Merge, TurnOfClone, throwaway); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCompareOwn compares what two logins may do, as testSecret does.
func BenchmarkCompareOwn(b *testing.B) {
	for _, n := range []int{10, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			current, pending := own(app, n), own(clone, n)
			b.ReportAllocs()
			for b.Loop() {
				missing, extra, err := CompareOwn(mysql9, current, pending)
				if err != nil || len(missing)+len(extra) > 0 {
					b.Fatal(missing, extra, err)
				}
			}
		})
	}
}

// own is what a login sees of its grants on many tables.
func own(name Name, n int) OwnGrants {
	grants := OwnGrants{Name: name}
	for _, row := range grantsOf(n) {
		grants.Rows = append(grants.Rows, redact.New(strings.ReplaceAll(row, "ME", "`"+name.User+"`@`"+name.Host+"`")))
	}
	return grants
}
