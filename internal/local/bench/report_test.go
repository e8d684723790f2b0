package bench

import (
	"strings"
	"testing"
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
