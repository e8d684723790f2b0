package bench

import (
	"strings"
	"testing"
	"time"
)

// What cmd/bench/README.md shows comes first; a figure beyond its limit stands out, and one that
// needs AWS's function says so where that was not there.
func TestPrint(t *testing.T) {
	r := newReport(Options{})
	r.add(Figure{What: "ratio of the two", Value: 1.5, Unit: "times", Limit: 1.3})
	r.compare("process start, AWS's function", 0, "ms")
	r.add(Figure{Server: "MariaDB", What: "four steps, warm, 1 grants", Value: 12.34, Unit: "ms"})
	r.add(Figure{Server: "MariaDB", What: "logins in setSecret", Value: 2, Limit: 2})
	r.add(Figure{Server: "MySQL", What: "logins in setSecret", Value: 2, Limit: 2})
	var b strings.Builder
	r.Print(&b)
	_, tables, _ := strings.Cut(b.String(), "\n\n")
	want := `| | MariaDB | MySQL | at most |
|---|---|---|---|
| ratio of the two | **1.50 times** |  | 1.30 times |
| process start, AWS's function | not compared |  |  |
| logins in setSecret | 2 | 2 | 2 |

| | MariaDB | at most |
|---|---|---|
| four steps, warm, 1 grants | 12.3 ms |  |
`
	if tables != want {
		t.Errorf("got\n%s\nwant\n%s", tables, want)
	}
}

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		figures []float64
		want    float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}} {
		if got := median(test.figures); got != test.want {
			t.Errorf("%v: %v", test.figures, got)
		}
	}
}

// A floor that is above what it is the floor of was not measured as it says.
func TestCheckFloors(t *testing.T) {
	for _, test := range []struct {
		name    string
		figures []Figure
		wrong   string
	}{
		{"below", []Figure{{Server: "MySQL", What: "all", Value: 3}, {Server: "MySQL", What: "part", Value: 2, FloorOf: "all"}}, ""},
		{"above", []Figure{{Server: "MySQL", What: "all", Value: 20.8}, {Server: "MySQL", What: "part", Value: 22.4, Unit: "ms", FloorOf: "all"}}, `MySQL: "part" is 22.4 ms, above "all", whose floor it is: 20.8`},
		{"of another server", []Figure{{Server: "MariaDB", What: "all", Value: 3}, {Server: "MySQL", What: "part", Value: 2, FloorOf: "all"}}, "was not measured"},
		{"of what was not measured", []Figure{{What: "all", Absent: notCompared}, {What: "part", FloorOf: "all"}}, "was not measured"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := (&Report{Figures: test.figures}).CheckFloors()
			if (err == nil) != (test.wrong == "") || err != nil && !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("the error is %v, want %q", err, test.wrong)
			}
		})
	}
}

// What comes while something is held is of the same round.
func TestRounds(t *testing.T) {
	at := func(ms ...int) (times []time.Time) {
		for _, m := range ms {
			times = append(times, time.Unix(1, 0).Add(time.Duration(m)*time.Millisecond))
		}
		return times
	}
	for want, times := range [][]time.Time{at(), at(0, 1, 99), at(0, 99, 100, 199), at(0, 100, 105, 201)} {
		if got := rounds(times); got != want {
			t.Errorf("%v are %d rounds, want %d", times, got, want)
		}
	}
}
