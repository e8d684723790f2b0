package bench

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Report is what a run has measured.
type Report struct {
	Time    time.Time `json:"time"`
	Machine string    `json:"machine"`
	// Python names the libraries of the function that was compared with.
	Python  string   `json:"python,omitempty"`
	Figures []Figure `json:"figures"`
}

// Figure is one of them.
type Figure struct {
	// Server is empty for what needs none.
	Server string  `json:"server,omitempty"`
	What   string  `json:"what"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	// Limit is the most that it should be; 0 for what has no limit.
	Limit float64 `json:"limit,omitempty"`
	// FloorOf names the figure of the same server that cannot be lower than this one.
	FloorOf string `json:"floorOf,omitempty"`
	// Absent says why there is no value.
	Absent string `json:"absent,omitempty"`
}

// notCompared is said of figures of AWS's function where its file is not named.
const notCompared = "not compared"

func newReport(o Options) *Report {
	return &Report{Time: time.Now().UTC(), Machine: fmt.Sprintf("%s/%s, %d cores, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())}
}

func (r *Report) add(f Figure) { r.Figures = append(r.Figures, f) }

// compare adds a figure of AWS's function, or one that is derived from it.
func (r *Report) compare(what string, value float64, unit string) {
	r.compareOn("", what, value, unit, 0)
}

func (r *Report) compareOn(server, what string, value float64, unit string, limit float64) {
	f := Figure{Server: server, What: what, Value: value, Unit: unit, Limit: limit}
	if r.Python == "" {
		f.Value, f.Limit, f.Absent = 0, 0, notCompared
	}
	r.add(f)
}

// find returns the value of a figure.
func (r *Report) find(server, what string) (value float64, found bool) {
	for _, f := range r.Figures {
		if f.Server == server && f.What == what && f.Absent == "" {
			return f.Value, true
		}
	}
	return 0, false
}

// CheckFloors returns an error where a floor is above what it is the floor of: then one
// of the two was not measured as its row says, and excuses nothing.
func (r *Report) CheckFloors() error {
	var wrong []error
	for _, f := range r.Figures {
		if f.FloorOf == "" {
			continue
		}
		switch value, found := r.find(f.Server, f.FloorOf); {
		case !found:
			wrong = append(wrong, fmt.Errorf("%s: %q is the floor of %q, which was not measured", f.Server, f.What, f.FloorOf))
		case f.Value > value:
			wrong = append(wrong, fmt.Errorf("%s: %q is %s, above %q, whose floor it is: %s", f.Server, f.What, f.text(), f.FloorOf, number(value)))
		}
	}
	return errors.Join(wrong...)
}

// Print writes the report in Markdown: first the rows of cmd/bench/README.md, then all others; a
// column for each server.
func (r *Report) Print(to io.Writer) {
	fmt.Fprintf(to, "%s; %s", r.Time.Format("2006-01-02 15:04"), r.Machine)
	if r.Python != "" {
		fmt.Fprintf(to, "; %s", r.Python)
	}
	fmt.Fprint(to, "\n\n")
	var chosen, others []Figure
	for _, f := range r.Figures {
		if f.inReadme() {
			chosen = append(chosen, f)
		} else {
			others = append(others, f)
		}
	}
	table(to, chosen)
	fmt.Fprintln(to)
	table(to, others)
}

// inReadme tells what cmd/bench/README.md shows: whatever has a limit, the same of several
// numbers of grants once, and these.
func (f Figure) inReadme() bool {
	for _, begin := range []string{
		"process start", "resident when ready", "resident after these", "CPU of a rotation", "CPU of its logins", "CPU of comparing",
		"setSecret, nothing changed, 5000 grants", "round trips that the first login", "round trips to the server one after the other, whole rotation", "cold, at 256 MB's share of a core: whole", "cold, at 256 MB's share of a core: CPU", "cold, at 128 MB's share of a core: whole", "1 secrets at once, cold", "10 secrets at once, cold", "50 secrets at once, cold", "200 secrets at once, cold",
	} {
		if strings.HasPrefix(f.What, begin) {
			return true
		}
	}
	statements := "statements in setSecret, nothing changed, "
	return f.Limit > 0 && (!strings.HasPrefix(f.What, statements) || f.What == statements+"5000 grants")
}

// table writes figures as a table. Those that go for every server are in the first
// server's column.
func table(to io.Writer, figures []Figure) {
	var servers, rows []string
	cells := map[string]map[string]string{}
	limits := map[string]string{}
	for _, f := range figures {
		if !slices.Contains(rows, f.What) {
			rows = append(rows, f.What)
			cells[f.What] = map[string]string{}
		}
		if f.Server != "" && !slices.Contains(servers, f.Server) {
			servers = append(servers, f.Server)
		}
		cells[f.What][f.Server] = f.text()
		if f.Limit > 0 {
			limits[f.What] = strings.TrimSpace(number(f.Limit) + " " + f.Unit)
		}
	}
	fmt.Fprintf(to, "| | %s | at most |\n|---|%s---|\n", strings.Join(servers, " | "), strings.Repeat("---|", len(servers)))
	for _, row := range rows {
		fmt.Fprintf(to, "| %s |", row)
		for i, server := range servers {
			cell := cells[row][server]
			if common, ok := cells[row][""]; ok && i == 0 {
				cell = common
			}
			fmt.Fprintf(to, " %s |", cell)
		}
		fmt.Fprintf(to, " %s |\n", limits[row])
	}
}

func (f Figure) text() string {
	if f.Absent != "" {
		return f.Absent
	}
	text := number(f.Value)
	if f.Unit != "" {
		text += " " + f.Unit
	}
	if f.Limit > 0 && f.Value > f.Limit {
		text = "**" + text + "**"
	}
	return text
}

// number has three significant digits, or is whole.
func number(value float64) string {
	switch {
	case value == float64(int64(value)) || value >= 100:
		return fmt.Sprintf("%.0f", value)
	case value < 0.1:
		return fmt.Sprintf("%.3f", value)
	case value >= 10:
		return fmt.Sprintf("%.1f", value)
	}
	return fmt.Sprintf("%.2f", value)
}
